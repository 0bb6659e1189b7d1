"""The picture states facts of the engine: beads, digests, sizes, slices."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.union import Union
from tests.web.drawn import (
    EDITED,
    blobs_of,
    classed,
    container,
    dipped,
    facts,
    held,
    image,
    layer,
    made,
    markup,
    names,
    shown,
    stack,
    text,
    tree,
)
from web.picture.commits import changes
from web.picture.fridge import ROOM, SLIVER, fridge
from web.picture.pair import aligned
from web.picture.survey import survey
from web.picture.toppings import taste
from web.pizza import Above, Blob, Change, Ledger, differing, link, picture

PEPPERONI = "pizza/pepperoni:latest"
CHEESE = "pizza/cheese:latest"
DIP = "library/100-layer-dip:latest"
REGISTRY = "library/registry:latest"


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("chosen", [1, 3, 6])
def test_beads_are_the_unions_answer(name: str, chosen: int) -> None:
    root = shown(image(name), held(name), chosen=chosen)
    drawn = {
        (bead.attrib["data-path"], int(bead.attrib["data-layer"]), bead.attrib["data-state"])
        for bead in facts(root, "data-path")
        if "data-state" in bead.attrib
    }
    place = f"pizza/slice-{chosen}/"
    paths = {path.decode() for one in stack(name).layers for path in one.entries if path.startswith(place.encode())}
    told = {
        (f"/{path}", n, a) for path in paths for n, a in enumerate(stack(name).bead(path.encode())) if a != "absent"
    }
    opened = {int(disc.attrib["data-layer"]) for disc in facts(root, "data-unpacked") if "data-layer" in disc.attrib}
    assert opened == set(range(len(image(name).layers))) or (name == DIP and 3 <= len(opened) < 20)
    assert drawn == {bead for bead in told if bead[1] in opened}
    assert bool(told) == (name != REGISTRY), "which is no pizza, so that its slices are whole directories"


def test_a_containers_copy_hides_the_file_below_it() -> None:
    root = shown(dipped(), held(PEPPERONI))
    states = {
        (bead.get("data-layer"), "data-upper" in bead.attrib, bead.attrib["data-state"])
        for bead in facts(root, "data-path")
        if bead.get("data-path") == "/" + EDITED.decode() and "data-state" in bead.attrib
    }
    assert states == {("0", False, "hidden"), (None, True, "seen")}


@pytest.mark.parametrize("name", names())
def test_disc_and_box_of_a_blob_have_one_digest_and_each_blob_has_one_box(name: str) -> None:
    root = shown(image(name), held(CHEESE, name))
    boxes = [box.attrib["data-digest"] for box in classed(root, "box")]
    assert sorted(boxes) == sorted({blob.digest for blob in held(CHEESE, name)})
    drawn = {
        e.attrib["data-digest"] for kind in ("stack",) for g in classed(root, kind) for e in facts(g, "data-digest")
    }
    assert drawn == {one.digest for one in image(name).layers}
    assert drawn <= set(boxes)


def test_a_layer_that_stands_twice_has_two_discs_and_one_box() -> None:  # rule 26
    twin = layer("twin", {b"pizza/slice-1/salt": 9})
    root = shown(made([twin, layer("other", {b"pizza/slice-2/salt": 8}), twin]))
    discs = [disc.attrib["data-digest"] for disc in classed(root, "disc")]
    assert len(discs) == 3
    assert discs[0] == discs[2] != discs[1]
    assert [box.attrib["data-digest"] for box in classed(root, "box")].count(discs[0]) == 1


@pytest.mark.parametrize("name", names())
def test_boxes_are_as_wide_as_their_content_says(name: str) -> None:
    root = shown(image(name), held(name))
    boxes = [(int(box.attrib["data-content"]), float(box[1].attrib["width"])) for box in classed(root, "box")]
    big = max(boxes)
    for content, width in boxes:
        due = content * big[1] / big[0]
        assert width == pytest.approx(due, abs=0.02, rel=0.01) or due < SLIVER, (content, width, due)


@pytest.mark.parametrize("name", names())
def test_the_stack_is_a_list_of_all_layers_top_first(name: str) -> None:
    root = shown(image(name), held(name))
    stack_list = next(element for element in root.iter("ol"))
    seen: list[int] = []
    for item in stack_list:
        if "data-layer" in item.attrib:
            seen.append(int(item.attrib["data-layer"]))
        elif "data-layers" in item.attrib:
            low, high = map(int, item.attrib["data-layers"].split("-"))
            seen += range(high, low - 1, -1)
        assert text(item)
    assert seen == list(range(len(image(name).layers)))[::-1]


def test_every_size_says_which_size_it_is() -> None:  # rule 27
    root = shown(dipped(), held(CHEESE, PEPPERONI))
    assert "unpacked" in [text(e) for e in classed(root, "heads")[0]]
    for item in next(iter(root.iter("ol"))):
        assert "unpacked" in text(item) or "0 B" in text(item)
    for words in classed(root, "box-size"):
        assert "content" in text(words)
    for word in classed(root, "figure-word"):
        assert "content" in text(word) or "pull" in text(word) or "avoided" in text(word)


def test_the_copied_square_states_the_file_and_what_changed_of_it() -> None:
    root = shown(dipped(), held(PEPPERONI))
    square = classed(root, "copied")[0]
    assert (square.attrib["data-size"], square.attrib["data-changed"]) == ("65547", "11")
    dot = float(classed(square, "dot")[0].attrib["width"])
    side = float(classed(square, "square")[0].attrib["width"])
    zoom = int(text(classed(square, "zoom")[0]).rstrip("×"))
    assert (dot / zoom / side) ** 2 == pytest.approx(11 / 65547, rel=0.05)


def test_changes_are_called_by_the_letters_of_docker_diff() -> None:
    root = shown(dipped(), held(PEPPERONI))
    called = {(call.attrib["data-change"], call.attrib["data-path"]) for call in classed(root, "call")}
    assert called == {
        ("D", "/pizza/slice-1/pepperoni"),
        ("A", "/pizza/slice-3/jalapenos"),
        ("C", "/pizza/slice-3/crust"),
    }


def test_a_napkin_lies_over_what_it_hides_on_the_pie_and_in_the_tub() -> None:
    root = shown(dipped(), held(PEPPERONI))
    napkins = [napkin.attrib["data-whiteout"] for napkin in facts(root, "data-whiteout")]
    assert napkins == ["/pizza/slice-1/pepperoni"] * 2
    for napkin in facts(root, "data-whiteout"):
        assert len(classed(napkin, "beneath")[0]) == 3


def test_a_slice_removed_whole_is_napkins_only() -> None:
    gone = Above("whiteout")
    subject = container(PEPPERONI, {b"pizza/slice-3": gone}, [Change("D", b"pizza/slice-3")])
    view = picture(subject, held(PEPPERONI), chosen=3)
    assert not view.front.surfaces
    assert not view.front.pieces
    assert len(view.front.napkins) == 4
    assert {bead.state for row in view.rows for bead in row.beads} == {"hidden"}


def test_many_recipe_cards_are_all_told() -> None:
    for name in names():
        view = picture(image(name), held(name))
        told = [card for row in view.rows for card in row.cards]
        assert len(told) == sum(step.layer is None for step in image(name).steps), name


def test_adding_and_removing_a_topping_moves_no_other() -> None:
    plain = picture(image(PEPPERONI), held(PEPPERONI))
    edited = picture(dipped(), held(PEPPERONI))
    before = {(p.path, p.x, p.y) for lying in (plain.rest, plain.front) for p in lying.pieces}
    after = {(p.path, p.x, p.y) for lying in (edited.rest, edited.front) for p in lying.pieces}
    assert {path for path, _, _ in before - after} == {"/pizza/slice-1/pepperoni"}
    assert {path for path, _, _ in after - before} == {"/pizza/slice-3/jalapenos"}


def test_the_chosen_slice_stands_in_front_and_the_others_follow_round() -> None:
    for chosen in range(1, 9):
        places = picture(image(CHEESE), held(CHEESE), chosen=chosen).places
        assert [place.number for place in places if place.chosen] == [chosen]
        slots = [place.slot for place in places]
        assert slots[chosen - 1] == 3
        assert [(b - a) % 8 for a, b in zip(slots, [*slots[1:], slots[0]], strict=True)] == [1] * 8


def test_slices_and_layers_are_links_that_keep_the_rest_of_the_address() -> None:
    root = shown(image(PEPPERONI), held(PEPPERONI), chosen=3, layer=2, address=link(PEPPERONI, CHEESE))
    slices = [one.attrib["href"] for one in classed(root, "slice")]
    query = "?subject=pizza%2Fpepperoni%3Alatest&beside=pizza%2Fcheese%3Alatest"
    assert slices == [f"{query}&slice={n}&layer=2" for n in range(1, 9)]
    rows = [a.attrib["href"] for a in next(root.iter("ol")).iter("a") if "blob" not in a.get("class", "")]
    assert rows == [f"{query}&slice=3&layer={n}" for n in (3, 2, 1, 0)]


@pytest.mark.parametrize("name", names())
def test_the_markup_is_strict_and_holds_no_style(name: str) -> None:
    for subject in (image(name), container(name, {}, [])):
        page = markup(picture(subject, held(CHEESE, name)))
        assert " style=" not in page
        assert not re.search(r"\son\w+=", page)
        root = tree(picture(subject, held(CHEESE, name)))
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        assert len(ids) == len(set(ids))


def test_only_controls_and_boxes_speak_from_the_drawing() -> None:
    root = shown(dipped(), held(PEPPERONI))

    def speaking(element: object, hushed: bool = False) -> list[str]:
        out = []
        for child in element:  # type: ignore[attr-defined]
            quiet = hushed or child.get("aria-hidden") == "true"
            if child.tag == "a" and quiet:
                out.append("hidden link")
            if child.tag == "text" and not quiet and child.text:
                out.append(child.text)
            out += speaking(child, quiet)
        return out

    words = speaking(classed(root, "stack")[0]) + speaking(classed(root, "labels")[0], hushed=True)
    assert "hidden link" not in words
    assert all(link.get("aria-label") for link in classed(root, "slice") + classed(root, "box"))


def test_a_hundred_layers_stand_in_a_glass_whose_lens_follows_the_chosen_one() -> None:
    for chosen, first in ((None, 48), (0, 0), (99, 95), (50, 48)):
        view = picture(image(DIP), held(DIP), layer=chosen)
        assert view.lens is not None
        assert view.lens.opened == tuple(range(first, first + 5))
        assert [*view.lens.below, *view.lens.opened, *view.lens.above] == list(range(100))
        assert view.barcode is not None
        assert len(view.barcode.ticks) == 100


def test_the_barcodes_beads_are_the_unions_answer() -> None:
    view = picture(image(DIP), held(DIP), chosen=6)
    assert view.barcode is not None
    union = stack(DIP)
    names_of = {path for one in union.layers for path in one.entries if path.startswith(b"pizza/slice-6/")}
    for tick in view.barcode.ticks:
        answers = {union.bead(path)[tick.position] for path in names_of}
        strongest = next((state for state in ("seen", "hidden", "whiteout") if state in answers), None)
        assert tick.state == strongest, tick.position


def test_a_layer_in_other_images_has_a_bracket() -> None:
    view = picture(image(PEPPERONI), held(CHEESE, PEPPERONI))
    assert len(view.brackets) == 1
    assert "3 rows are also in cheese, and stored once" in view.brackets[0].says
    assert not picture(image(PEPPERONI), held(PEPPERONI)).brackets


def test_another_image_has_its_largest_directories_as_slices() -> None:
    subject = made(
        [
            layer("base", {b"usr/lib/%d" % n: 1000 * n for n in range(9)} | {b"usr/bin/%d" % n: 900 for n in range(9)}),
            layer("top", {b"etc/nginx/nginx.conf": 648, b"usr/lib/8": 5, b"init": 30}),
        ]
    )
    view = picture(subject, blobs_of(subject), chosen=3)
    assert view.kind == "plain"
    assert [place.directory for place in view.places if place.directory] == ["/", "/etc", "/usr/bin", "/usr/lib"]
    assert [place.files for place in view.places if place.directory] == [1, 1, 9, 9]


def test_a_change_makes_its_directory_a_slice_and_the_chosen_one() -> None:
    files = {b"d%d/x" % n: 1000 for n in range(12)} | {b"tiny/conf": 1}
    subject = made(
        [layer("many", files)], upper={b"tiny": Above("dir"), b"tiny/conf": Above("file", 3)},
        changes=[Change("C", b"tiny"), Change("C", b"tiny/conf")],
    )  # fmt: skip
    view = picture(subject, blobs_of(subject))
    front = next(place for place in view.places if place.chosen)
    assert front.directory == "/tiny"
    assert view.rows[-1].beads[0].state == "hidden"


def test_a_committed_layer_is_called_yours_and_says_what_it_changed_by_its_own_index() -> None:
    base = layer("base", {b"pizza/slice-1/crust": 9, b"pizza/slice-1/salt": 2, b"pizza/slice-2/crust": 9})
    ours = layer("ours", {b"pizza/slice-1/crust": 12, b"pizza/slice-1/basil": 3}, [b"pizza/slice-2/crust"])
    assert changes(Union([base, ours]), 1) == {"copied": 1, "new": 1, "hidden": 1}
    row = picture(replace(made([base, ours]), committed=frozenset({1})), []).rows[0]
    assert (row.title, row.ours) == ("Your layer", True)
    assert "1 copied, 1 new, 1 hidden" in row.command
    assert not picture(made([base, ours]), []).rows[0].ours


def test_two_subjects_are_joined_where_their_layers_are_the_same() -> None:
    view = picture(image(CHEESE), held(CHEESE, PEPPERONI), beside=dipped())
    assert view.pair is not None
    assert [one.side for one in view.pair.joined] == ["right", "both", "both", "both"]
    root = tree(view)
    bridges = [bridge.attrib["data-digest"] for bridge in classed(root, "bridge")]
    assert sorted(bridges) == sorted(one.digest for one in image(CHEESE).layers)
    boxes = [box.attrib["data-digest"] for box in classed(root, "box")]
    assert len(boxes) == len(set(boxes)) == 4
    assert [tub.attrib["data-unpacked"] for tub in classed(root, "in-tub")] == [str(dipped().size)]


def _common(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, by trying."""
    if not left or not right:
        return 0
    if left[0] == right[0]:
        return 1 + _common(left[1:], right[1:])
    return max(_common(left[1:], right), _common(left, right[1:]))


@given(st.lists(st.sampled_from("abcdef"), max_size=7), st.lists(st.sampled_from("abcdef"), max_size=7))
def test_two_stacks_align_without_losing_or_turning_a_layer(left: list[str], right: list[str]) -> None:
    rows = aligned(left, right)  # type: ignore[arg-type]
    assert [a for a, _ in rows if a is not None] == list(range(len(left)))
    assert [b for _, b in rows if b is not None] == list(range(len(right)))
    both = [(a, b) for a, b in rows if a is not None and b is not None]
    assert all(left[a] == right[b] for a, b in both)
    assert len(both) == _common(left, right)


def test_an_empty_kitchen_has_a_picture_too() -> None:
    view = picture(None, [])
    assert view.kind == "empty"
    assert "Nothing here yet" in text(tree(view))


def test_papers_are_what_the_ledger_counts_beside_the_boxes() -> None:
    blobs = held(CHEESE)
    boxes = sum(blob.content for blob in blobs)
    view = picture(image(CHEESE), blobs, account=Ledger(boxes + 700, boxes + 700, 5, 6))
    assert view.fridge.papers == 700
    figures = {e.attrib["data-figure"]: e.get("data-size") for e in facts(tree(view), "data-figure")}
    assert figures["papers"] == "700"
    assert (figures["sent"], figures["avoided"]) == ("5", "6")


_paths = st.sampled_from([b"a", b"a/b", b"a/c", b"a/b/x", b"a/b/y", b"d", b"d/e", b"d/e/f", b"g"])


@st.composite
def _layers(draw: st.DrawFn) -> list[object]:
    out = []
    for n in range(draw(st.integers(1, 5))):
        files = draw(st.sets(_paths, max_size=5))
        files = {path for path in files if not any(other.startswith(path + b"/") for other in files)}
        needed = {path[:at] for path in files for at in range(len(path)) if path[at : at + 1] == b"/"}
        hidden = draw(st.sets(_paths, max_size=2)) - files - needed
        opaque = draw(st.sets(st.sampled_from([b"a", b"d", b"a/b"]), max_size=1)) - files - hidden
        name = (n, sorted(files), sorted(hidden), sorted(opaque))
        out.append(layer(name, dict.fromkeys(files, 7), tuple(hidden), tuple(opaque)))
    return out


@settings(max_examples=300, deadline=None)
@given(_layers())
def test_the_survey_shows_what_the_union_shows(layers: list[object]) -> None:
    union = Union(layers)  # type: ignore[arg-type]
    found = survey(union)
    seen = sum(entry.entry.kind != "dir" for _, entry in union.walk())
    assert found.files == seen
    assert sum(part.files for part in found.slices) + found.outside == seen
    for part in found.slices:
        for file in part.largest:
            answer = union.lookup(file.path)
            assert answer is not None
            assert answer.layer == file.layer


@given(st.binary(max_size=40), st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=40))
def test_what_changed_of_a_file_lies_between_common_start_and_end(a: bytes, old: bytes, new: bytes, z: bytes) -> None:
    count = differing(a + old + z, a + new + z)
    assert count <= max(len(new), 1)
    assert (count == 0) == (old == new)


def test_appending_changes_what_was_appended() -> None:
    assert differing(b"crust" * 100, b"crust" * 100 + b"hot sauce\n!") == 11
    assert differing(b"abcdef", b"abXdef") == 1
    assert differing(b"abcdef", b"abc") == 1


def test_a_box_that_no_disc_shows_has_the_colour_of_what_is_in_it() -> None:
    tastes = {
        one.digest: taste(found) for one, found in zip(image(PEPPERONI).layers, stack(PEPPERONI).layers, strict=True)
    }
    assert list(tastes.values()) == ["dough", "sauce", "cheese", "pepperoni"]
    blobs = [replace(blob, taste=tastes[blob.digest]) for blob in held(CHEESE, PEPPERONI)]
    boxes = {box.attrib["data-digest"]: box.attrib["class"] for box in classed(shown(image(CHEESE), blobs), "box")}
    assert boxes == {digest: f"box t-{word}" for digest, word in tastes.items()}
    assert taste(stack(REGISTRY).layers[0]) == ""


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=260))
@example([1] * 200)
@example([10**6, *[1] * 150])
@example([0])
def test_the_boxes_of_a_shelf_never_leave_the_fridge(sizes: list[int]) -> None:
    digests = [f"sha256:{n:064x}" for n in range(len(sizes))]
    held = {digest: Blob(digest, size, size, ("a:latest",)) for digest, size in zip(digests, sizes, strict=True)}
    shelves = fridge((), held, Ledger(sum(sizes), sum(sizes), None, 0), str, lambda _digest: "c1").shelves
    assert sum(len(shelf.boxes) for shelf in shelves) == len(sizes)
    for shelf in shelves:
        edges = [(box.x, box.x + box.width) for box in shelf.boxes]
        assert edges[-1][1] - edges[0][0] <= ROOM + 0.2 * len(edges)  # widths and places are rounded
        assert all(left < right for left, right in edges)


def test_gathered_layers_are_a_slab_with_a_strip_for_each_under_the_topmost_ones_surface() -> None:
    root = shown(image(DIP), held(DIP, CHEESE), beside=image(CHEESE))
    slabs = [disc for disc in classed(root, "disc") if "data-layers" in disc.attrib]
    assert len(slabs) > 2
    for slab in slabs:
        first, last = map(int, slab.attrib["data-layers"].split("-"))
        strips = facts(slab, "data-layer")
        assert [int(strip.attrib["data-layer"]) for strip in strips] == list(range(first, last + 1))
        assert [strip.attrib["data-digest"] for strip in strips] == [
            one.digest for one in image(DIP).layers[first : last + 1]
        ]
        surface = classed(slab, "paste")[0]
        assert strips[-1].attrib["class"] in surface.attrib["class"].split()


def test_a_slab_of_a_few_layers_shows_what_the_topmost_brings() -> None:
    files = [{b"pizza/slice-%d/crust" % n: 900 for n in range(1, 9)}]
    files += [{b"pizza/slice-%d/basil" % (n % 8 + 1): 9} for n in range(11)]
    root = shown(made([layer(n, one) for n, one in enumerate(files)]))
    slabs = [disc for disc in classed(root, "disc") if "data-layers" in disc.attrib]
    assert slabs
    for slab in slabs:
        assert [one.get("href") for one in slab.iter("use") if one.get("href", "").startswith("#i-")][:1] == [
            "#i-basil"
        ]
