"""Labels never collide: for 1 to 125 layers, long names and commands, many recipe cards, image or container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal
from xml.etree.ElementTree import Element

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.layer import Layer
from tests.web.drawn import blobs_of, classed, container, dipped, held, image, layer, made, names, tree
from web.picture import stack as planner
from web.picture.labels import Need, spread
from web.picture.words import cut, width
from web.pizza import Above, Change, Ledger, Subject, picture

Type = Literal["wide", "close", "slim"]
# Font and size of each class of words, as picture.css has them at each composition.
_FONTS = {
    "name": ("serif", 15.5, 19, 22),
    "size": ("bold", 14.5, 18, 21),
    "file": ("bold", 13, 16, 16),
    "note": ("sans", 13, 18, 19),
    "words": ("mono", 11.5, 13.5, 13.5),
    "digest": ("mono", 11.5, 13.5, 13.5),
    "number": ("sans", 13, 13, 13),
    "thing": ("sans", 13.5, 16, 16),
    "who": ("serif", 20, 23, 28),
    "letter-word": ("bold", 13, 13, 13),
    "zoom": ("bold", 11, 11, 11),
    "s58": ("serif", 58, 58, 58),
    "s46": ("serif", 46, 46, 46),
    "s36": ("serif", 36, 36, 36),
    "box-size": ("bold", 14, 16.5, 14.5),
    "box-words": ("sans", 13, 16.5, 14),
    "figure": ("bold", 15, 18, 18),
    "figure-word": ("sans", 13.5, 18, 14),
    "strong": ("bold", 13.5, 18, 19),
}
_HIDDEN = {
    "wide": {"large", "brief", "curt"},
    "close": {"small", "sub"},
    "slim": {"curt", "small", "sub", "heads", "on-slice", "with-plate"},
}
_SHIFT = re.compile(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)")


@dataclass(frozen=True)
class Words:
    """Where some words stand in the picture."""

    left: float
    top: float
    right: float
    bottom: float
    text: str

    def meets(self, other: Words) -> bool:
        """Whether they cover each other, by more than a hair."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 1 and down > 1.5


def words_of(
    element: Element, kind: Type, x: float = 0, y: float = 0, inside: frozenset[str] = frozenset()
) -> Iterator[Words]:
    """All words below an element, measured as the widest of the style sheet's fonts."""
    classes = set(element.get("class", "").split())
    if classes & _HIDDEN[kind]:
        return
    if kind != "wide" and "row" in inside and classes & {"words", "digest"}:
        return
    if kind != "wide" and "call" in inside and "note" in classes and not classes & {"brief", "curt"}:
        return
    shift = _SHIFT.search(element.get("transform", ""))
    if shift:
        x, y = x + float(shift[1]), y + float(shift[2])
    if element.tag == "text":
        yield _measured(element, classes | (inside & {"at-end"}), kind, x, y)
        return
    for child in element:
        yield from words_of(child, kind, x, y, inside | classes)


def _measured(element: Element, classes: set[str], kind: Type, x: float, y: float) -> Words:
    spans = [(classes, element.text or "", 0.0)]
    for part in element:
        names_of = set(part.get("class", "").split())
        if not names_of & _HIDDEN[kind]:
            spans.append((names_of, part.text or "", float(part.get("dx", 0))))
    wide, tall = 0.0, 0.0
    for span, text, gap in spans:
        if text.strip():
            font, size = _font(span or classes, kind)
            wide += gap + width(text.strip(), font, size)  # type: ignore[arg-type]
            tall = max(tall, size)
    left = x + float(element.get("x", 0))
    base = y + float(element.get("y", 0))
    if element.get("text-anchor") == "end" or classes & {"size", "digest", "at-end", "figure"}:
        left -= wide
    elif element.get("text-anchor") == "middle" or classes & {"letter-word", "zoom"}:
        left -= wide / 2
    return Words(left, base - 0.74 * tall, left + wide, base + 0.2 * tall, "".join(t for _, t, _ in spans).strip())


def _font(classes: set[str], kind: Type) -> tuple[str, float]:
    for name, (font, *sizes) in _FONTS.items():
        if name in classes:
            return font, sizes[("wide", "close", "slim").index(kind)]
    return "sans", 13


def collisions(subject: Subject, kind: Type = "wide", **more: object) -> list[str]:
    """Every pair of words of the label column that cover each other, and all that leave it."""
    view = picture(subject, blobs_of(subject) if subject.key == "made" else held(*names()), **more)  # type: ignore[arg-type]
    found = [words for words in words_of(classed(tree(view), "labels")[0], kind) if words.text]
    out = [f"{a.text!r} covers {b.text!r}" for a, b in combinations(found, 2) if a.meets(b)]
    room = 636 if kind == "wide" else 640
    out += [f"{a.text!r} leaves the column" for a in found if a.right > room or a.left < 386]
    return out + [f"{a.text!r} leaves the picture" for a in found if a.bottom > 626 or a.top < 0]


_words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=70)
_names = _words.map(lambda word: word.replace("/", "|").strip()).filter(lambda w: w not in ("", ".", ".."))


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """Images and containers as they come, and worse."""
    count = draw(st.one_of(st.integers(1, 12), st.sampled_from([13, 40, 100, 125])))
    pizza = draw(st.booleans())
    long = draw(st.lists(_names, min_size=1, max_size=6))
    layers: list[Layer] = []
    commands: list[str | None] = []
    for n in range(count):
        name = long[n % len(long)].encode()
        place = b"pizza/slice-%d/" % (n % 8 + 1) if pizza else b"usr/%d/" % (n % 5)
        size = draw(st.sampled_from([0, 3, 999_999, 10**6, 123_456_789_012]))
        layers.append(layer((n, name, pizza, size), {place + name: size, place + b"crust": size}))
        commands.append(draw(st.one_of(st.none(), _words)))
    cards = draw(st.dictionaries(st.integers(0, count - 1), st.lists(_words, min_size=1, max_size=9), max_size=6))
    if not draw(st.booleans()):
        return made(layers, commands, cards)
    upper, changes, changed = {}, [], {}
    for n, kind in enumerate(draw(st.lists(st.sampled_from("ACD"), max_size=9))):
        place = b"pizza/slice-%d/" % (n % 8 + 1) if pizza else b"usr/%d/" % (n % 5)
        path = place + (b"crust" if kind != "A" else long[n % len(long)].encode() + b"!")
        upper[path] = Above("whiteout") if kind == "D" else Above("file", draw(st.sampled_from([0, 52, 65547, 10**10])))
        changes.append(Change(kind, path))  # type: ignore[arg-type]
        changed[path] = 11
    return made(layers, commands, cards, upper=upper, changes=changes, changed=changed.get, size=10**10)


@settings(max_examples=60, deadline=None)
@given(
    subjects(), st.integers(1, 8), st.one_of(st.none(), st.integers(0, 124)), st.sampled_from(["wide", "close", "slim"])
)
def test_labels_never_collide(subject: Subject, chosen: int, one: int | None, kind: Type) -> None:
    assert collisions(subject, kind, chosen=chosen, layer=one) == []


@pytest.mark.parametrize("kind", ["wide", "close", "slim"])
@pytest.mark.parametrize("name", [*names(), ""])
def test_the_labels_of_the_menu_do_not_collide(name: str, kind: Type) -> None:
    assert collisions(image(name) if name else dipped(), kind) == []


@pytest.mark.parametrize("kind", ["wide", "slim"])
@pytest.mark.parametrize("one", [0, 3, 5, 50, 93, 95, 97, 99])
def test_the_labels_of_a_lens_do_not_collide_wherever_it_is(one: int, kind: Type) -> None:
    dip = next(name for name in names() if "dip" in name)
    assert collisions(image(dip), kind, layer=one) == []
    assert collisions(container(dip, {}, []), kind, layer=one) == []


@given(
    st.lists(st.tuples(st.floats(0, 600), st.floats(0, 30), st.floats(0, 40)), min_size=1, max_size=12),
    st.floats(0, 50),
)
def test_spread_lines_keep_order_and_distance(raw: list[tuple[float, float, float]], top: float) -> None:
    needs = [Need(*one) for one in sorted(raw)]
    total = sum(need.above + need.below for need in needs)
    lines = spread(needs, top, top + total + 10)
    for (upper, above), (lower, below) in pairwise(zip(needs, lines, strict=True)):
        assert below - above >= upper.below + lower.above - 1e-6
    assert lines[0] - needs[0].above >= top - 1e-6
    assert lines[-1] + needs[-1].below <= top + total + 10 + 1e-6


def test_lines_that_have_room_stand_where_they_want() -> None:
    assert spread([Need(100, 20, 20), Need(200, 20, 20)], 0, 300) == [100, 200]
    assert spread([Need(100, 20, 20), Need(110, 20, 20)], 0, 300) == [85, 125]


@given(
    st.lists(st.one_of(st.none(), st.just(0)), max_size=40), st.integers(0, 12), st.integers(0, 12), st.floats(120, 300)
)
def test_gathering_loses_no_layer_and_keeps_the_chosen_one_alone(
    shape: list[int | None], count: int, chosen: int, room: float
) -> None:
    steps: list[int | None] = []
    for one in shape:
        made_so_far = sum(step is not None for step in steps)
        steps.append(None if one is None or made_so_far >= count else made_so_far)
    chosen = min(chosen, max(0, count - 1))
    rows = planner.gather(planner.rows(steps, count), [10**n for n in range(count)], room, chosen)
    assert [n for row in rows for n in row.layers] == list(range(count))
    assert sorted(i for row in rows for i in row.cards) == [i for i, step in enumerate(steps) if step is None]
    if count:
        assert next(row for row in rows if chosen in row.layers).layers == (chosen,)
    assert sum(planner.pitch(a, b) for a, b in pairwise(rows)) <= room


@example("Jalapeños", 40)
@given(st.text(max_size=60), st.integers(10, 300))
def test_cut_words_fit(words: str, room: int) -> None:
    shown = cut(words, room, "serif", 16)
    assert width(shown, "serif", 16) <= room or len(shown) <= 2
    assert shown == " ".join(words.split()) or shown.endswith("…")


def shelf_collisions(root: Element, kind: Type) -> list[str]:
    """Words of the fridge that stand on another shelf's words or boxes, or leave it."""
    shelves = [(shelf, [w for w in words_of(shelf, kind) if w.text]) for shelf in classed(root, "shelf")]
    out = [f"{one.text!r} leaves the fridge" for _, mine in shelves for one in mine if one.right > 926]
    for shelf, mine in shelves:
        for other, theirs in shelves:
            if other is not shelf:
                out += [f"{a.text!r} covers {b.text!r}" for a in mine for b in theirs if a.meets(b)]
                boxes = [_boxed(box) for box in classed(other, "box")]
                out += [f"{one.text!r} stands on another shelf" for one in mine if any(map(one.meets, boxes))]
    return out


def _boxed(box: Element) -> Words:
    x, y, wide, tall = (float(next(box.iter("rect")).get(name, 0)) for name in ("x", "y", "width", "height"))
    return Words(x, y, x + wide, y + tall, "")


def _sides() -> Iterator[tuple[Subject, Subject]]:
    dip, *pizzas = sorted(names(), key=lambda name: "dip" not in name)
    for name in pizzas:
        yield image(dip), image(name)
        yield image(name), container(dip, {}, [])
    yield image(pizzas[0]), image(pizzas[1])
    yield dipped(), container(dip, {}, [])


@pytest.mark.parametrize("kind", ["wide", "close", "slim"])
@pytest.mark.parametrize("more", [(), ("pizza/margherita:latest",), tuple(names())], ids=len)
def test_the_words_of_the_fridge_do_not_collide_beside_two(more: tuple[str, ...], kind: Type) -> None:
    hits = {}
    for left, right in _sides():
        wanted = dict.fromkeys((*(n for one in (left, right) for n in one.own), *more))
        blobs = held(*wanted)
        boxes = sum(blob.content for blob in blobs)
        account = Ledger(2 * boxes, boxes + 38_200, 359_000, 1_000_000)
        if hit := shelf_collisions(tree(picture(left, blobs, beside=right, account=account)), kind):
            hits[f"{left.key} beside {right.key} of {right.own}"] = hit
    assert hits == {}


@pytest.mark.parametrize("others", [(), ("pizza/cheese:latest", "pizza/margherita:latest")])
@pytest.mark.parametrize("name", names())
def test_the_words_of_the_fridge_do_not_collide(name: str, others: tuple[str, ...]) -> None:
    blobs = held(name, *others)
    boxes = sum(blob.content for blob in blobs)
    view = picture(image(name), blobs, account=Ledger(2 * boxes, boxes + 38_200, 359_000, 1_000_000))
    fridge = classed(tree(view), "fridge")[0]
    found = [words for words in words_of(fridge, "wide") if words.text]
    assert [f"{a.text!r} covers {b.text!r}" for a, b in combinations(found, 2) if a.meets(b)] == []
    last = float(next(e for e in fridge.iter() if e.get("data-figure") == "papers").get("y", 0))
    assert view.fridge.door.last + 5 + view.fridge.door.bar <= last - 9
