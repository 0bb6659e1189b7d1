"""Layers seen as one tree: a table of what survives, and the same question asked of an applier of change sets."""

from __future__ import annotations

import random

import pytest

from engine.errors import FileError
from engine.layer import Entry, Layer
from engine.union import Found, Union
from tests.engine.tars import item, layer


def stack(*layers: list[str]) -> Union:
    """A union of layers, bottom first, each told by the lines of its tar."""
    return Union([layer(*lines) for lines in layers])


def seen(union: Union) -> dict[str, int]:
    """Every path that is seen, with the layer that won; a directory's path ends in a slash."""
    return {path.decode() + ("/" if found.entry.kind == "dir" else ""): found.layer for path, found in union.walk()}


SURVIVORS = [
    # rule, the layers (bottom first), and what is seen of which of them
    ("a file of the only layer", [["f"]], {"f": 0}),
    ("files of several layers", [["a"], ["b"]], {"a": 0, "b": 1}),
    ("the later file of a name", [["f"], ["f"]], {"f": 1}),
    ("no layers at all", [], {}),
    ("an empty layer changes nothing", [["d/", "d/f"], []], {"d/": 0, "d/f": 0}),
    # rule 4
    ("rule 4: a whiteout hides the file below", [["f", "g"], [".wh.f"]], {"g": 0}),
    ("rule 4: a whiteout spares its own layer, standing before", [["f"], [".wh.f", "f"]], {"f": 1}),
    ("rule 4: a whiteout spares its own layer, standing after", [["f"], ["f", ".wh.f"]], {"f": 1}),
    ("rule 4: a whiteout spares the layers above", [["f"], [".wh.f"], ["f"]], {"f": 2}),
    ("rule 4: a whiteout hides all layers below", [["f"], ["f"], [".wh.f"]], {}),
    ("rule 4: a whiteout hides a whole directory", [["d/", "d/e/", "d/e/f"], [".wh.d"]], {}),
    ("rule 4: what is hidden stays hidden when the directory returns", [["d/", "d/f"], [".wh.d"], ["d/"]], {"d/": 2}),
    ("rule 4: a whiteout within a directory", [["d/", "d/f", "d/g"], ["d/.wh.f"]], {"d/": 0, "d/g": 0}),
    (
        "rule 4: a whiteout between two directories that merge",
        [["d/", "d/f", "d/g"], ["d/.wh.f"], ["d/", "d/h"]],
        {"d/": 2, "d/g": 0, "d/h": 2},
    ),
    ("rule 4: a whiteout of a symlink hides the link alone", [["f", "l -> f"], [".wh.l"]], {"f": 0}),
    # rule 6
    ("rule 6: an opaque directory hides the children below", [["d/", "d/f"], ["d/", "d/.wh..wh..opq"]], {"d/": 1}),
    (
        "rule 6: an opaque directory keeps the children of its own layer, standing before or after",
        [["d/", "d/f", "d/g"], ["d/", "d/a", "d/.wh..wh..opq", "d/g"]],
        {"d/": 1, "d/a": 1, "d/g": 1},
    ),
    ("rule 6: an opaque directory that is no entry", [["d/", "d/f"], ["d/.wh..wh..opq"]], {"d/": 0}),
    ("rule 6: an opaque directory that is not there at all", [["f"], ["d/.wh..wh..opq"]], {"f": 0}),
    (
        "rule 6: an opaque directory hides every layer below, grandchildren too",
        [["d/", "d/e/", "d/e/f"], ["d/", "d/g"], ["d/", "d/.wh..wh..opq", "d/e/"]],
        {"d/": 2, "d/e/": 2},
    ),
    (
        "rule 6: layers above an opaque directory merge",
        [["d/", "d/f"], ["d/", "d/.wh..wh..opq"], ["d/g"]],
        {"d/": 1, "d/g": 2},
    ),
    ("rule 6: an opaque root", [["f", "d/"], [".wh..wh..opq", "g"]], {"g": 1}),
    ("rule 6: an opaque mark on a file hides nothing", [["f"], ["f/.wh..wh..opq"]], {"f": 0}),
    # rule 7
    ("rule 7: AUFS leftovers are not seen", [["f"], [".wh..wh.aufs", ".wh..wh.plnk/", ".wh..wh.plnk/1.2"]], {"f": 0}),
    # rule 8
    (
        "rule 8: a whiteout beside a directory of its name",
        [["lib/", "lib/old"], [".wh.lib", "lib/", "lib/new"]],
        {"lib/": 1, "lib/new": 1},
    ),
    (
        "rule 8: the same, the directory not listed",
        [["lib/", "lib/old"], ["lib/new", ".wh.lib"]],
        {"lib/": 1, "lib/new": 1},
    ),
    # rule 9
    ("rule 9: a whiteout of nothing", [["f"], [".wh.x"]], {"f": 0}),
    ("rule 9: a whiteout of nothing makes no parents", [["f"], ["a/b/.wh.x"]], {"f": 0}),
    ("rule 9: a whiteout below a file", [["f"], ["f/.wh.x"]], {"f": 0}),
    ("rule 9: a whiteout in the lowest layer", [[".wh.f", "g"], ["f"]], {"g": 0, "f": 1}),
    # rule 10
    (
        "rule 10: a parent that is not listed stays the lower one",
        [["d/", "d/f"], ["d/g"]],
        {"d/": 0, "d/f": 0, "d/g": 1},
    ),
    ("rule 10: a parent that nobody lists", [["d/e/f"]], {"d/": 0, "d/e/": 0, "d/e/f": 0}),
    ("rule 10: a parent that is listed only later", [["d/f"], ["d/"]], {"d/": 1, "d/f": 0}),
    ("rule 10: a parent that nobody lists, below a whiteout", [["d/", "d/f"], [".wh.d"], ["d/g"]], {"d/": 2, "d/g": 2}),
    (
        "rule 10: a parent that is not listed and opaque",
        [["d/", "d/f"], ["d/g", "d/.wh..wh..opq"]],
        {"d/": 0, "d/g": 1},
    ),
    # rule 12
    (
        "rule 12: directories merge",
        [["d/", "d/a"], ["d/", "d/b"], ["d/", "d/c"]],
        {"d/": 2, "d/a": 0, "d/b": 1, "d/c": 2},
    ),
    ("rule 12: a file replaces a directory", [["d/", "d/a"], ["d"]], {"d": 1}),
    ("rule 12: a symlink replaces a directory", [["d/", "d/a"], ["d -> x"]], {"d": 1}),
    ("rule 12: a directory replaces a file", [["d"], ["d/", "d/a"]], {"d/": 1, "d/a": 1}),
    ("rule 12: a directory replaces a symlink", [["e/", "e/f", "d -> e"], ["d/"]], {"d/": 1, "e/": 0, "e/f": 0}),
    (
        "rule 12: a file between two directories parts them",
        [["d/", "d/a"], ["d"], ["d/", "d/b"]],
        {"d/": 2, "d/b": 2},
    ),
    # rule 13
    ("rule 13: a child below a file makes a directory of it", [["d"], ["d/a"]], {"d/": 1, "d/a": 1}),
    ("rule 13: also far below", [["d"], ["d/e/f/g"]], {"d/": 1, "d/e/": 1, "d/e/f/": 1, "d/e/f/g": 1}),
    # rule 14
    (
        "rule 14: a symlink parent of a lower layer is masked, not followed",
        [["e/", "d -> e"], ["d/f"]],
        {"e/": 0, "d/": 1, "d/f": 1},
    ),
    (
        "rule 14: a symlink parent of the same layer is followed",
        [["x"], ["e/", "d -> e", "d/f"]],
        {"x": 0, "d": 1, "e/": 1, "e/f": 1},
    ),
    # names
    (
        "names that sort around a slash",
        [["a/", "a/b", "a-b", "a.b"], ["a/c"]],
        {"a/": 0, "a-b": 0, "a.b": 0, "a/b": 0, "a/c": 1},
    ),
    ("names that begin alike", [["d/", "d/f", "dd/", "dd/f"], [".wh.d"]], {"dd/": 0, "dd/f": 0}),
]


@pytest.mark.parametrize(("case", "layers", "expected"), SURVIVORS, ids=[row[0] for row in SURVIVORS])
def test_what_is_seen(case: str, layers: list[list[str]], expected: dict[str, int]) -> None:
    # rules 4, 6, 7, 8, 9, 10, 12, 13, 14
    assert seen(stack(*layers)) == expected


@pytest.mark.parametrize(("case", "layers", "expected"), SURVIVORS, ids=[row[0] for row in SURVIVORS])
def test_one_lookup_says_what_the_whole_walk_says(case: str, layers: list[list[str]], expected: dict[str, int]) -> None:
    everything = {path for lines in layers for path in layer(*lines).entries}
    walked = dict(stack(*layers).walk())
    assert {path: stack(*layers).lookup(path) for path in everything | walked.keys()} == dict.fromkeys(
        everything
    ) | walked


# Attributes


def listed(name: str, mode: int, **fields: int) -> object:
    return item(name, "dir", mode=mode, **fields)


ATTRIBUTES = [
    # the layers, and the mode of d that is seen
    ("the upper directory's", [[listed("d", 0o700)], [listed("d", 0o755)]], 0o755),
    ("the lower's, where the upper does not list it", [[listed("d", 0o700)], ["d/f"]], 0o700),
    ("those of the highest that lists it", [[listed("d", 0o700)], [listed("d", 0o750)], ["d/f"]], 0o750),
    ("the lower's, where the upper only hides something in it", [[listed("d", 0o700), "d/f"], ["d/.wh.f"]], 0o700),
    ("the lower's, where the upper is opaque without listing it", [[listed("d", 0o700)], ["d/.wh..wh..opq"]], 0o700),
    ("755, where nobody lists it", [["d/f"], ["d/g"]], 0o755),
    ("755, where it replaces a file", [["d"], ["d/g"]], 0o755),
    ("755, where a whiteout took the lower away", [[listed("d", 0o700)], [".wh.d"], ["d/g"]], 0o755),
    ("755, where the whiteout is in its own layer", [[listed("d", 0o700)], [".wh.d", "d/g"]], 0o755),
]


@pytest.mark.parametrize(("case", "layers", "mode"), ATTRIBUTES, ids=[row[0] for row in ATTRIBUTES])
def test_a_directory_has_the_attributes_of(case: str, layers: list[list[str]], mode: int) -> None:
    # rules 10, 12
    found = stack(*layers).lookup(b"d")
    assert found
    assert (found.entry.kind, found.entry.mode, found.entry.uid) == ("dir", mode, 0)


def test_the_root_is_always_there_with_the_attributes_of_the_highest_that_lists_it() -> None:
    # rule 10
    assert stack().lookup(b"") == Found(Entry("dir", 0o755, 0, 0, 0, implicit=True), -1)
    root = stack([listed(".", 0o711)], ["f"]).lookup(b"")  # type: ignore[list-item]
    assert root
    assert (root.entry.mode, root.layer) == (0o711, 0)


# What wins, what is hidden


def test_a_lookup_tells_which_layers_it_hides() -> None:
    union = stack(["f", "d/", "d/x"], ["f"], ["g"], ["f", "d"])
    assert [union.lookup(path) and union.lookup(path).hides for path in (b"f", b"d", b"g")] == [(0, 1), (0,), ()]  # type: ignore[union-attr]


def test_a_directory_hides_only_what_it_does_not_merge_with() -> None:
    # rule 12
    union = stack(["d/", "d/a"], ["d"], ["d/", "d/b"], ["d/"])
    found = union.lookup(b"d")
    assert found
    assert (found.layer, found.hides) == (3, (0, 1))


BEADS = [
    ("f", [["f"], [], ["f"]], ["hidden", "absent", "seen"]),
    ("f", [["f"], [".wh.f"]], ["hidden", "whiteout"]),
    ("f", [["f"], [".wh.f"], ["f"]], ["hidden", "whiteout", "seen"]),
    ("f", [[".wh.f"], ["f"]], ["absent", "seen"]),  # rule 9
    ("d/f", [["d/", "d/f"], [".wh.d"]], ["hidden", "whiteout"]),
    ("d/f", [["d/", "d/f"], ["d/", "d/.wh..wh..opq"]], ["hidden", "whiteout"]),
    ("d/f", [["d/", "d/f"], ["d/", "d/.wh..wh..opq", "d/f"]], ["hidden", "seen"]),
    ("d/f", [["d/", "d/f"], ["d"]], ["hidden", "absent"]),
    ("d", [["d/"], ["d/"], ["d/f"]], ["seen", "seen", "seen"]),
    ("d", [["d/"], ["d"], ["d/"]], ["hidden", "hidden", "seen"]),
    ("d", [["d/"], ["d/", "d/.wh..wh..opq"], ["d/g"]], ["hidden", "seen", "seen"]),
    ("nothing", [["f"], [".wh.nothing"]], ["absent", "absent"]),
]


@pytest.mark.parametrize(("path", "layers", "beads"), BEADS)
def test_each_layer_has_a_bead_for_a_path(path: str, layers: list[list[str]], beads: list[str]) -> None:
    assert stack(*layers).bead(path.encode()) == beads


def test_a_layer_that_stands_twice_in_a_stack_is_two_positions() -> None:
    # rule 26
    once, whiteout = layer("f"), layer(".wh.f")
    assert seen(Union([once, whiteout, once])) == {"f": 2}
    assert Union([once, whiteout, once]).bead(b"f") == ["hidden", "whiteout", "seen"]
    assert Union([once, once]).bead(b"f") == ["hidden", "seen"]


# Listing, reading


def test_a_directory_lists_each_name_once_sorted() -> None:
    # rule 34
    union = stack(["d/", "d/b", "d/a", "d/gone"], ["d/", "d/b", "d/.wh.gone", "d/c"])
    assert {name: found.layer for name, found in union.listdir(b"d").items()} == {b"a": 0, b"b": 1, b"c": 1}
    assert list(union.listdir(b"d")) == [b"a", b"b", b"c"]
    assert list(union.listdir(b"")) == [b"d"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("x", "ENOENT"),
        ("d/x", "ENOENT"),
        ("d/x/y", "ENOENT"),
        ("d/f", "ENOTDIR"),
        ("d/f/x", "ENOTDIR"),
        ("d/f/x/y", "ENOTDIR"),
    ],
)
def test_only_a_directory_is_listed(path: str, name: str) -> None:
    with pytest.raises(FileError) as caught:
        stack(["d/", "d/f"]).listdir(path.encode())
    assert (caught.value.name, caught.value.path) == (name, "/" + path)


@pytest.mark.parametrize("path", ["f/x", "l/x", "d/x/y/z", "x" * 300, "/", "f/", "a//b"])
def test_a_path_that_leads_nowhere_finds_nothing(path: str) -> None:
    # rule 14: a symlink on the way is not followed
    assert stack(["d/", "d/f", "e/", "e/x", "l -> e"], ["f"]).lookup(path.encode()) is None


def test_content_comes_from_the_layer_that_won() -> None:
    union = Union([layer(item("f", content=b"old")), layer(item("f", content=b"new bytes"))])
    found = union.lookup(b"f")
    assert found
    assert union.read(found) == b"".join(union.chunks(found)) == b"new bytes"
    assert union.read(found, 4, 2) == b"by"


def test_names_of_a_file_are_counted_in_its_layer() -> None:
    union = stack(["a", "b = a", "c"], [".wh.b", "d/"])
    assert [union.names(union.lookup(path)) for path in (b"a", b"c", b"d")] == [2, 1, 1]  # type: ignore[arg-type]


# A model


def applied(layers: list[Layer]) -> dict[bytes, tuple[int, Entry]]:
    """The layers applied one after another to one tree, as an unpacker would."""
    tree: dict[bytes, tuple[int, Entry]] = {}

    def clear(path: bytes, *, itself: bool) -> None:
        for at in [at for at in tree if at.startswith(path + b"/" if path else b"") or (itself and at == path)]:
            del tree[at]

    for position, one in enumerate(layers):
        for path in one.whiteouts:
            clear(path, itself=True)
        for path in one.opaques:
            clear(path, itself=False)
        for path, entry in one.entries.items():
            merges = entry.kind == "dir" and path in tree and tree[path][1].kind == "dir"
            if not merges:
                clear(path, itself=True)
            if not (merges and entry.implicit):
                tree[path] = position, entry
    return tree


def random_layer(rng: random.Random) -> Layer:
    """A layer of few names, so that they meet those of other layers."""
    kinds: dict[str, str] = {}
    for _ in range(rng.randrange(8)):
        path = "/".join(rng.choice("abc") for _ in range(rng.choice((1, 1, 2, 2, 3))))
        parents = {path[:at] for at, sign in enumerate(path) if sign == "/"}
        taken = path in kinds or any(known.startswith(path + "/") for known in kinds)
        if not taken and all(kinds.get(parent, "dir") == "dir" for parent in parents):
            kinds[path] = rng.choice(("dir", "dir", "file", "file", "symlink"))
    lines = [p + "/" if k == "dir" else f"{p} -> x" if k == "symlink" else p for p, k in kinds.items()]
    directories = ["", *(p + "/" for p, k in kinds.items() if k == "dir"), "a/", "b/c/"]
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        directory = rng.choice(directories)
        lines.append(directory + rng.choice((".wh.a", ".wh.b", ".wh.c", ".wh..wh..opq")))
    lines = [line for line in dict.fromkeys(lines) if not any(f"{p}/" in line for p, k in kinds.items() if k != "dir")]
    rng.shuffle(lines)
    return layer(*lines)


@pytest.mark.parametrize("seed", range(10))
def test_a_union_shows_what_applying_the_layers_one_by_one_leaves(seed: int) -> None:
    # rules 4, 6, 8, 9, 10, 12, 13
    rng = random.Random(seed)
    pool = [random_layer(rng) for _ in range(20)]
    for _ in range(200):
        compare(rng.choices(pool, k=rng.randrange(1, 6)))


def compare(layers: list[Layer]) -> None:
    union, expected = Union(layers), applied(layers)
    assert [(path, (found.layer, found.entry)) for path, found in union.walk()] == sorted(expected.items())
    for path in {path for one in layers for path in one.entries} - {b""}:
        found = Union(layers).lookup(path)
        assert (found and (found.layer, found.entry)) == expected.get(path)
        beads = union.bead(path)
        assert [n for n, bead in enumerate(beads) if bead in ("seen", "hidden")] == [
            n for n, one in enumerate(layers) if path in one.entries
        ]
        assert ("seen" in beads) == (path in expected)
