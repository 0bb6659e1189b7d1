"""The picture tells what the engine knows: one box for a digest, the union's answer on every bead, sums that add up."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.kitchens import COMMIT, DESK, DIP, EDITED, PHONE, PROJECTOR, PULL, RUN, SIZES, TALL, Shown

pytestmark = pytest.mark.browser

CHEESE = "docker pull pizza/cheese"


def facts(found: Locator, *names: str) -> list[tuple[str, ...]]:
    """The ``data-`` facts of every element that is found."""
    asked = [f"data-{name}" for name in names]
    told: list[list[str]] = found.evaluate_all(
        "(all, names) => all.map((e) => names.map((n) => e.getAttribute(n)))", asked
    )
    return [tuple(one) for one in told]


def test_disc_and_box_of_a_blob_carry_one_digest_and_there_is_one_box_for_each(visit: Open) -> None:
    shown = visit(CHEESE, PULL)
    page = shown.page
    boxes = facts(
        page.get_by_role("group", name="The fridge").locator("[data-content]"), "digest", "content", "unpacked"
    )
    assert len(boxes) == len({digest for digest, *_ in boxes})
    assert {digest for digest, *_ in boxes} == shown.blobs()
    discs = facts(shown.picture.locator("[data-layer][data-unpacked]"), "layer", "digest", "unpacked")
    image = next(one for one in shown.state["images"] if "pizza/pepperoni:latest" in one["references"])
    assert sorted(discs) == [(str(n), one["digest"], str(one["unpacked"])) for n, one in enumerate(image["layers"])]
    assert {digest for _, digest, _ in discs} <= {digest for digest, *_ in boxes}
    held = {digest: (content, unpacked) for digest, content, unpacked in boxes}
    for one in image["layers"]:
        assert held[one["digest"]] == (str(one["size"]), str(one["unpacked"]))
    rows = facts(page.get_by_role("list", name="Layers, top first").locator("[data-digest]"), "digest")
    assert [digest for (digest,) in rows] == [one["digest"] for one in reversed(image["layers"])]


def expected(shown: Shown, name: str, path: str) -> dict[str, str]:
    """By layer, what the union answers for a path; what a container has above hides what is seen below."""
    inside = path.lstrip("/").encode()
    answers = dict(enumerate(shown.union(name).bead(inside)))
    above = {one["path"].lstrip("/"): one for c in shown.state["containers"] if c["name"] == name for one in c["nodes"]}
    covered = path.lstrip("/") in above
    return {str(n): "hidden" if covered and a == "seen" else a for n, a in answers.items() if a != "absent"}


def check_beads(shown: Shown, name: str) -> int:
    beads = facts(shown.picture.locator("[data-state][data-layer][data-path]"), "path", "layer", "state")
    for path, layer, state in beads:
        assert expected(shown, name, path).get(layer) == state, (path, layer, state)
    return len(beads)


@pytest.mark.parametrize("commands", [(PULL,), EDITED], ids=["image", "container"])
def test_every_bead_is_the_unions_answer(visit: Open, commands: tuple[str, ...]) -> None:
    shown = visit(*commands)
    name = "pizza-1" if len(commands) > 1 else "pizza/pepperoni"
    for number in range(1, 9):
        shown.key(str(number))
        assert check_beads(shown, name) >= 3
        on_slice = {path for path, *_ in facts(shown.picture.locator("[data-state][data-path]"), "path")}
        assert all(path.startswith(f"/pizza/slice-{number}/") for path in on_slice)
        for file in ("crust", "sauce", "cheese"):
            path = f"/pizza/slice-{number}/{file}"
            told = set(facts(shown.picture.locator(f'[data-layer][data-path="{path}"]'), "layer", "state"))
            assert told == set(expected(shown, name, path).items()), path


def test_the_tupperware_tells_its_own_files(visit: Open) -> None:
    shown = visit(*EDITED)
    own = set(facts(shown.picture.locator("[data-upper][data-path]"), "path", "state"))
    here = "/pizza/slice-3/"
    assert own <= {(here + "crust", "seen"), (here + "basil", "seen"), (here + "pepperoni", "whiteout")}
    changes = {(kind, path) for kind, path in facts(shown.picture.locator("[data-change]"), "change", "path")}
    diff = {(one["kind"], one["path"]) for one in shown.state["containers"][0]["changes"]}
    assert changes <= diff
    assert {("C", here + "crust"), ("A", here + "basil"), ("D", here + "pepperoni")} == changes
    (size,) = facts(shown.picture.locator("[data-container]"), "unpacked")
    assert size == (str(shown.state["containers"][0]["unpacked"]),)


def test_a_hundred_layers_show_their_place_and_open_around_the_chosen_one(visit: Open) -> None:
    shown = visit(*TALL, size=PROJECTOR)
    assert shown.picture.get_attribute("data-kind") == "dip"
    drawn = {int(layer) for (layer,) in facts(shown.picture.locator("[data-layer][data-digest]"), "layer")}
    assert drawn == set(range(100))
    opened = facts(shown.picture.locator("[data-layer][data-unpacked]"), "layer")
    assert 3 <= len(opened) < 20
    for chosen in (40, 0, 99):
        shown.page.goto(f"{shown.address}/k/{shown.kitchen}?subject=library/100-layer-dip&layer={chosen}")
        assert str(chosen) in {
            layer for (layer,) in facts(shown.picture.locator("[data-layer][data-unpacked]"), "layer")
        }
        assert check_beads(shown, "library/100-layer-dip") >= 1
    assert len(facts(shown.page.locator("[data-content]"), "digest")) == len(shown.blobs())


def test_an_image_that_is_no_pizza_shows_its_eight_largest_directories(visit: Open, system: str) -> None:
    shown = visit(system)
    assert shown.picture.get_attribute("data-kind") == "plain"
    slices = facts(shown.picture.locator("a[data-slice]"), "slice", "directory", "files")
    assert [number for number, *_ in slices] == [str(n) for n in range(1, 9)]
    directories = {directory for _, directory, _ in slices}
    assert len(directories) == 8
    assert {"/usr/lib/x86_64-linux-gnu", "/usr/bin"} <= directories
    for number in "1258":
        shown.key(number)
        assert check_beads(shown, "debian-like") == 0, "a slice is a whole directory, and has no pin"


def test_what_was_committed_is_called_yours_by_what_the_host_knows(visit: Open) -> None:
    shown = visit(*EDITED, COMMIT, "docker tag pizza/pepperoni its-own", query="?subject=my-pizza")
    rows = shown.page.get_by_role("list", name="Layers, top first").get_by_role("listitem")
    expect(rows.filter(has_text="Your layer")).to_have_count(1)
    expect(rows.first).to_contain_text("Your layer, commit: 1 copied, 1 new, 1 hidden")
    shown.page.goto(f"{shown.address}/k/{shown.kitchen}?subject=its-own")
    expect(rows.filter(has_text="Your layer")).to_have_count(0)


def test_two_stand_side_by_side_with_their_shared_layers_joined(visit: Open) -> None:
    shown = visit(CHEESE, PULL, query="?subject=pizza/pepperoni&beside=pizza/cheese")
    subjects = [one for (one,) in facts(shown.picture.locator("[data-subject]"), "subject")]
    assert subjects == ["pizza/pepperoni", "pizza/cheese"]
    layers = [{one["digest"] for one in image["layers"]} for image in shown.state["images"]]
    joined = {
        digest
        for (digest,) in facts(shown.picture.locator("[data-digest]:not([data-layer]):not([data-content])"), "digest")
    }
    assert joined == layers[0] & layers[1]
    expect(shown.page.get_by_role("heading", level=1)).to_have_text("Three layers shared: 293 kB stored once.")
    shown.do("docker tag pizza/cheese mine")
    expect(shown.page.get_by_role("heading", level=1)).to_contain_text("one more name")


# The ledger


@pytest.mark.parametrize("commands", [(CHEESE, PULL, RUN), TALL], ids=["pizzas", "dip"])
def test_the_terms_of_every_figure_add_up_to_it(visit: Open, commands: tuple[str, ...]) -> None:
    shown = visit(*commands)
    page, ledger = shown.page, shown.state["ledger"]
    sums: dict[str, int] = {}
    for figure in page.locator("[data-ledger]").all():
        key, size = facts(figure, "ledger", "size")[0]
        assert key
        terms = [(int(term), int(times)) for term, times in facts(figure.locator("[data-term]"), "term", "times")]
        sums[key] = sum(term * times for term, times in terms)
        assert sums[key] == int(size), key
        shown_values = figure.locator("data").evaluate_all("(all) => all.map((one) => Number(one.value))")
        assert sum(shown_values) == int(size)
    assert sums["saved"] == sums["naive"] - sums["stored"]
    wanted: dict[str, Any] = {**{key: ledger[key] for key in ("naive", "stored", "saved")}}
    wanted |= {key: ledger["transfer"][key] for key in ("sent", "avoided")}
    assert sums == {key: figure["size"] for key, figure in wanted.items()}
    on_door = {
        key: int(size) for key, size in facts(shown.picture.locator("[data-figure][data-size]"), "figure", "size")
    }
    assert all(sums[key] == size for key, size in on_door.items() if key in sums)
    assert {"naive", "stored"} <= set(on_door)


def test_a_figure_opens_to_its_list_and_a_box_leads_to_its_line(visit: Open) -> None:
    shown = visit(PULL)
    page = shown.page
    page.locator("#ledger-naive summary").press("Enter")
    expect(page.locator("#ledger-naive [data-term]").first).to_be_visible()
    box = page.locator("[data-content]").first
    digest = (box.get_attribute("data-digest") or "").removeprefix("sha256:")
    box.press("Enter")
    line = page.locator(f"#blob-{digest[:12]}")
    expect(line).to_be_visible()
    expect(line).to_be_in_viewport()
    expect(line).to_contain_text(digest[:12])


# Words that collide


_TEXTS = """() => {
  const out = [];
  for (const text of document.querySelectorAll("#picture svg text")) {
    if (!text.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (!text.textContent.trim()) continue;
    const box = text.getBoundingClientRect();
    if (!box.width || text.querySelector("textPath")) continue;
    out.push({ words: text.textContent.trim(), left: box.left + 1, right: box.right - 1,
      top: box.top + box.height * .22, bottom: box.bottom - box.height * .22 });
  }
  return out;
}"""


def collisions(page: Page) -> list[tuple[str, str]]:
    texts = page.evaluate(_TEXTS)
    assert len(texts) > 5
    return [
        (a["words"], b["words"])
        for a, b in itertools.combinations(texts, 2)
        if a["left"] < b["right"] and b["left"] < a["right"] and a["top"] < b["bottom"] and b["top"] < a["bottom"]
    ]


LONG = (
    PULL,
    "docker tag pizza/pepperoni registry.example.com:5000/a/very/long/name/of-a-pizza/that-nobody-can-read:v1.2.3",
    "docker run -d --name a-container-with-a-name-that-does-not-end pizza/pepperoni",
)
TUBS = (CHEESE, PULL, RUN, DIP, "docker run -d --name pizza-2 pizza/cheese")
SUBJECTS = {"empty": (), "image": (PULL,), "edited": EDITED, "dip": TALL, "long names": LONG}


@pytest.mark.parametrize("what", [*SUBJECTS, "system", "pair", "pair with a dip", "pair of tubs"])
def test_no_two_words_of_the_picture_collide(visit: Open, system: str, what: str) -> None:
    pairs = {
        "pair": ((CHEESE, PULL), "?subject=pizza/pepperoni&beside=pizza/cheese"),
        "pair with a dip": ((CHEESE, PULL, *TALL), "?subject=pizza/cheese&beside=library/100-layer-dip"),
        "pair of tubs": (TUBS, "?subject=pizza-1&beside=pizza-2"),
    }
    commands, query = pairs.get(what) or ((system,) if what == "system" else SUBJECTS[what], "")
    shown = visit(*commands, query=query)
    found = {}
    for size in (DESK, PROJECTOR, PHONE, (360, 740), (640, 400)):
        shown.page.set_viewport_size({"width": size[0], "height": size[1]})
        if hit := collisions(shown.page):
            found[size] = hit
    assert found == {}


@pytest.mark.parametrize("look", ["", "p"], ids=["plain", "projector"])
def test_an_empty_kitchen_invites_in_words_that_one_can_read_whole(visit: Open, look: str) -> None:
    shown = visit()
    if look:
        shown.page.keyboard.press(look)
    for size in (DESK, PROJECTOR, PHONE, (360, 740)):
        shown.page.set_viewport_size({"width": size[0], "height": size[1]})
        fridge = shown.picture.locator(".fridge .body").bounding_box()
        words = shown.picture.locator(".invitation text")
        assert fridge
        assert words.count() > 5
        for text in words.all():
            box = text.bounding_box()
            assert box
            end = size[0] if size[0] < 600 else fridge["x"]  # on a phone the fridge stands below
            assert box["x"] + box["width"] < end, (size, text.text_content())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_stack_is_a_list_for_a_screen_reader(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(*EDITED, size=size)
    items = shown.page.get_by_role("list", name="Layers, top first").get_by_role("listitem")
    said = [" ".join(one.split()) for one in items.all_text_contents()]
    assert said[0].startswith("The container's own layer, in its Tupperware: 65.6 kB unpacked")
    assert sum("ayer" in one for one in said) >= 4
    expect(shown.page.get_by_role("link", name="Slice 3, /pizza/slice-3")).to_have_attribute("aria-current", "true")
