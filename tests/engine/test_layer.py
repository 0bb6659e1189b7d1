"""What the names in a layer's tar mean: rules 1 to 15, and 27, as far as one layer is concerned."""

from __future__ import annotations

import time

import pytest

from engine.errors import LimitExceeded, MalformedLayer
from engine.layer import Entry, Layer, Limits
from tests.engine import tars
from tests.engine.tars import Item, item, layer, pax, raw, record

END = bytes(1024)


def listed(found: Layer) -> dict[str, str]:
    """Paths and kinds of the entries that the tar itself lists."""
    return {path.decode(): entry.kind for path, entry in found.entries.items() if not entry.implicit}


def why(*items: Item | str) -> str:
    """Why a layer of `items` is refused."""
    with pytest.raises(MalformedLayer) as error:
        layer(*items)
    return str(error.value)


# Names


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("x", "x"),
        ("./x", "x"),
        ("/x", "x"),
        ("//x", "x"),
        ("././x", "x"),
        ("a/x", "a/x"),
        ("a//x", "a/x"),
        ("a/./x", "a/x"),
        ("a/../x", "x"),
        ("a/b/../x", "a/x"),
        ("a/b/../../x", "x"),
        ("/./a//./x", "a/x"),
        ("a/b/..", "a"),
        ("a/.", "a"),
        ("a/x/.", "a/x"),
        ("a/x//", "a/x"),
        ("..x", "..x"),
        ("a/...", "a/..."),
        (" ", " "),
        ("a\\b", "a\\b"),
        ("c:/x", "c:/x"),
    ],
)
def test_a_path_has_one_form(name: str, path: str) -> None:  # rule 1
    assert listed(layer(item(name, "dir"))) == {path: "dir"}
    assert listed(layer(item("target"), item(name, "link", target="./target")))[path] == "file"
    assert listed(layer(item(path), item("link", "link", target=name)))["link"] == "file"


@pytest.mark.parametrize("name", ["..", "../x", "/../x", "a/../../x", "./..", "a/../..", "a/b/../../../x"])
def test_a_path_that_climbs_above_the_root_is_refused(name: str) -> None:  # rule 1
    assert "climbs above the root" in why(item(name, "dir"))
    assert "climbs above the root" in why("x", item("link", "link", target=name))
    assert "climbs above the root" in why(item(f"{name}/.wh.x"))


@pytest.mark.parametrize("name", [".", "./", "/", "a/..", ".//."])
def test_the_root_may_be_listed_as_a_directory_and_as_nothing_else(name: str) -> None:  # rule 2
    root = layer(item(name, "dir", mode=0o711)).entries
    assert (root[b""].kind, root[b""].mode) == ("dir", 0o711)
    for kind in ("file", "symlink", "link", "fifo", "char"):
        assert "root" in why("target", item(name, kind, target="target"))


def test_the_root_is_no_entry_unless_it_is_listed() -> None:
    assert sorted(layer("a/x").entries) == [b"a", b"a/x"]


# Whiteouts

WHITEOUTS: list[tuple[str, list[str], set[str], set[str], set[str]]] = [
    # what the rule says, the tar, then: entries, whiteouts, opaques
    ("a whiteout hides", [".wh.a"], set(), {"a"}, set()),
    ("in a directory", ["d/.wh.a"], set(), {"d/a"}, set()),
    ("of a dotted name", [".wh..a", ".wh.....", ".wh.whx"], set(), {".a", "....", "whx"}, set()),
    ("as a directory", [".wh.a/"], set(), {"a"}, set()),
    ("as a symlink", [".wh.a -> x"], set(), {"a"}, set()),
    ("as a hardlink", [".wh.a = x"], set(), {"a"}, set()),
    ("below only, when it stands first", [".wh.a", "a"], {"a"}, set(), set()),
    ("below only, when it stands last", ["a", ".wh.a"], {"a"}, set(), set()),
    ("nothing of its own layer", ["d/", "d/a", "d/.wh.b"], {"d", "d/a"}, {"d/b"}, set()),
    ("opaque", ["d/", "d/.wh..wh..opq"], {"d"}, set(), {"d"}),
    ("opaque, first", ["d/.wh..wh..opq", "d/", "d/a"], {"d", "d/a"}, set(), {"d"}),
    ("opaque, between", ["d/a", "d/.wh..wh..opq", "d/"], {"d", "d/a"}, set(), {"d"}),
    ("opaque without an entry", ["d/e/.wh..wh..opq"], set(), set(), {"d/e"}),
    ("the root opaque", [".wh..wh..opq"], set(), set(), {""}),
    ("opaque as a directory", ["d/.wh..wh..opq/"], set(), set(), {"d"}),
    ("whiteout and directory", [".wh.d", "d/"], {"d"}, set(), {"d"}),
    ("directory and whiteout", ["d/", "d/a", ".wh.d"], {"d", "d/a"}, set(), {"d"}),
    ("whiteout and opaque directory", [".wh.d", "d/", "d/.wh..wh..opq"], {"d"}, set(), {"d"}),
    ("whiteout and symlink", [".wh.d", "d -> e"], {"d"}, set(), set()),
    ("nothing, with no phantom parents", ["no/such/.wh.a"], set(), {"no/such/a"}, set()),
    ("AUFS leftovers", [".wh..wh.aufs", ".wh..wh.orph/", ".wh..wh.plnk/", ".wh..wh.plnk/1.2"], set(), set(), set()),
    ("AUFS leftovers deep down", ["d/.wh..wh.x/y/z", "d/.wh..wh.x/.wh.q"], set(), set(), set()),
]
RULES = {"opaque": "6", "whiteout and": "8", "AUFS": "7", "nothing, with no phantom": "9", "below only": "4"}


@pytest.mark.parametrize(
    ("lines", "entries", "whiteouts", "opaques"), [w[1:] for w in WHITEOUTS], ids=[w[0] for w in WHITEOUTS]
)
def test_whiteouts(lines: list[str], entries: set[str], whiteouts: set[str], opaques: set[str]) -> None:
    # rule 3, rule 4, rule 6, rule 7, rule 8, rule 9
    found = layer(*lines)
    assert set(listed(found)) == entries
    assert {path.decode() for path in found.whiteouts} == whiteouts
    assert {path.decode() for path in found.opaques} == opaques
    parents = {path.rpartition(b"/")[0] for path in found.entries} - {b""}
    assert set(found.entries) == {path.encode() for path in entries} | parents


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh.."])
@pytest.mark.parametrize("kind", ["file", "dir"])
def test_a_whiteout_of_no_name_is_refused(name: str, kind: str) -> None:  # rule 5
    assert "a whiteout must hide a name" in why(item(name, kind))


def test_nothing_can_stand_below_a_whiteout() -> None:
    assert "is a whiteout" in why(".wh.d/", ".wh.d/x")


def test_a_directory_below_which_the_old_was_hidden_takes_nothing_from_it() -> None:  # rule 8
    found = layer(".wh.d", "d/x")
    assert found.opaques == {b"d"}
    assert not found.whiteouts
    assert not found.entries[b"d"].implicit


def test_hardlinks_into_an_aufs_leftover_resolve() -> None:  # rule 7
    found = layer(item(".wh..wh.plnk/9.1", content=b"shared"), "a = .wh..wh.plnk/9.1", "d/b = ./.wh..wh.plnk/9.1")
    assert listed(found) == {"a": "file", "d/b": "file"}
    assert found.read(found.entries[b"a"]) == found.read(found.entries[b"d/b"]) == b"shared"
    assert found.entries[b"a"].inode == found.entries[b"d/b"].inode
    assert found.unpacked == 6


# Entries


def test_parents_that_nobody_listed_are_implicit_directories() -> None:  # rule 10
    found = layer("a/b/c", "a/d", "e/")
    assert {path: entry.implicit for path, entry in found.entries.items()} == {
        b"a": True,
        b"a/b": True,
        b"a/b/c": False,
        b"a/d": False,
        b"e": False,
    }
    parent = found.entries[b"a"]
    assert (parent.kind, parent.mode, parent.uid, parent.gid) == ("dir", 0o755, 0, 0)
    assert len({entry.inode for entry in found.entries.values()}) == 5


def test_a_directory_listed_after_its_children_is_listed() -> None:
    found = layer("a/b", item("a/", "dir", mode=0o700))
    assert (found.entries[b"a"].implicit, found.entries[b"a"].mode) == (False, 0o700)


@pytest.mark.parametrize(
    "lines",
    [
        ["a", "a"],
        ["a", "./a"],
        ["a", "b/../a"],
        ["d/", "d/"],
        ["d/", "d -> e"],
        ["d/x", "d/", "./d"],
        ["./", "/"],
        ["a", "b", "b = a"],
        ["b = a", "a", "b"],
        [".wh.a", ".wh.a"],
        [".wh..wh..opq", "./.wh..wh..opq"],
        ["lib -> usr", "lib/x", "usr/x"],
    ],
    ids=str,
)
def test_the_same_path_twice_is_refused(lines: list[str]) -> None:  # rule 11
    why(*lines)


@pytest.mark.parametrize("below", ["a/b", "a/.wh.b", "a/.wh..wh..opq", "a/b/.wh.c", "l/.wh.b", "l/.wh..wh..opq"])
@pytest.mark.parametrize("line", ["a", "a = x", item("a", "fifo")], ids=["file", "hardlink", "fifo"])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_no_directory_has_nothing_below_it(line: Item | str, below: str, first: bool) -> None:  # rule 11
    lines = ["x", "l -> a", line, below] if first else ["x", "l -> a", below, line]
    assert "/a: is a file, and the layer has entries below it" in why(*lines).replace("fifo", "file")


SYMLINKS = [
    # the tar, what it lists in the end
    (["lib -> usr/lib", "lib/x"], {"lib", "usr/lib/x"}),
    (["lib/x", "lib -> usr/lib"], {"lib", "usr/lib/x"}),
    (["lib -> /usr/lib", "usr/", "usr/lib/", "lib/x"], {"lib", "usr", "usr/lib", "usr/lib/x"}),
    (["a/l -> ../b", "a/l/x"], {"a/l", "b/x"}),
    (["a/l -> /b", "a/l/x"], {"a/l", "b/x"}),
    (["a/l -> ../../../../b", "a/l/x"], {"a/l", "b/x"}),
    (["l -> ..", "l/x"], {"l", "x"}),
    (["l -> /", "l/x"], {"l", "x"}),
    (["l -> .", "l/x"], {"l", "x"}),
    (["a -> b", "b -> c", "a/x", "b/y"], {"a", "b", "c/x", "c/y"}),
    (["lib -> usr/lib", "lib/s -> t", "lib/s/x"], {"lib", "usr/lib/s", "usr/lib/t/x"}),
    (["lib -> usr/lib", "lib/d/", "lib/d/e/x"], {"lib", "usr/lib/d", "usr/lib/d/e/x"}),
    (["lib -> usr/lib", "lib/x", "lib/y = lib/x", "z = usr/lib/x"], {"lib", "usr/lib/x", "usr/lib/y", "z"}),
    (["lib -> usr/lib", "usr/lib/x", "y = lib/x"], {"lib", "usr/lib/x", "y"}),
    (["l -> nowhere", "x"], {"l", "x"}),
    (["l -> l", "x"], {"l", "x"}),
    (["d/l -> x", "d/l2 = d/l"], {"d/l", "d/l2"}),
]


@pytest.mark.parametrize(("lines", "entries"), SYMLINKS, ids=[" ".join(lines) for lines, _ in SYMLINKS])
def test_a_symlink_of_the_same_layer_is_followed_within_the_root(
    lines: list[str], entries: set[str]
) -> None:  # rule 14
    assert set(listed(layer(*lines))) == entries


def test_whiteouts_follow_symlinks_too() -> None:  # rule 14
    found = layer("lib -> usr/lib", "lib/.wh.x", "lib/.wh..wh..opq", "lib/d/.wh.y")
    assert found.whiteouts == {b"usr/lib/x", b"usr/lib/d/y"}
    assert found.opaques == {b"usr/lib"}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["a -> .wh.b", "a/c"], "a whiteout's name"),
        (["a -> x/.wh.b/y", "a/c"], "a whiteout's name"),
        (["a -> .wh.b", "a/.wh.c"], "a whiteout's name"),
        (["a -> .wh..wh..opq", "a/c"], "a whiteout's name"),
        (["a -> .wh..wh.plnk", "a/c"], "a whiteout's name"),
        (["f", "a -> .wh.b", "a/h = f"], "a whiteout's name"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_symlink_leads_to_no_name_that_an_entry_could_not_have(
    lines: list[str], sentence: str
) -> None:  # rule 3, rule 7, rule 35
    assert sentence in why(*lines)


def test_a_symlink_leads_to_no_name_or_path_that_is_too_long() -> None:  # rule 18
    assert layer("a -> " + "x" * 255, "a/c").entries
    with pytest.raises(LimitExceeded, match="bytes of the name"):
        layer("a -> " + "x" * 256, "a/c")
    long = "a -> " + "/".join(["x" * 239] * 17)  # 4,079 bytes
    assert layer(long, "a/" + "c" * 15).entries
    with pytest.raises(LimitExceeded, match="bytes of the path"):
        layer(long, "a/" + "c" * 16)


def test_a_symlink_to_such_a_name_is_fine_where_nothing_leads_through_it() -> None:  # rule 7
    assert listed(layer("a -> .wh.b", "b")) == {"a": "symlink", "b": "file"}
    found = layer(".wh..wh.plnk/1", "l -> d", "l/h = .wh..wh.plnk/1")
    assert listed(found) == {"l": "symlink", "d/h": "file"}


def test_symlinks_that_lead_in_circles_are_refused() -> None:  # rule 14
    assert "too many symlinks" in why("a -> b", "b -> a", "a/x")
    assert "too many symlinks" in why("a -> a/a", "a/x")


def test_forty_symlinks_are_followed_and_no_more() -> None:  # rule 14
    chain = [f"l{n} -> l{n + 1}" for n in range(41)]
    assert b"l41/x" in layer(*chain, "l1/x").entries
    assert "too many symlinks" in why(*chain, "l0/x")


def test_a_hardlink_is_one_more_name_of_the_same_inode() -> None:  # rule 15
    found = layer(item("a", content=b"abc", mode=0o640), item("d/b", "link", target="a", mode=0o777), "c = d/b", "e")
    assert found.entries[b"a"] == found.entries[b"d/b"] == found.entries[b"c"]
    assert found.entries[b"c"].inode == found.entries[b"a"].inode != found.entries[b"e"].inode
    assert found.entries[b"d/b"].mode == 0o640


def test_a_hardlink_to_a_symlink_links_the_symlink_itself() -> None:  # rule 15
    found = layer("f", "s -> f", "h = s")
    assert found.entries[b"h"] == found.entries[b"s"]
    assert (found.entries[b"h"].kind, found.entries[b"h"].target) == ("symlink", b"f")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["h = f", "f"], "does not stand before it"),
        (["h = f"], "does not stand before it"),
        (["a", "c = b", "b = a"], "does not stand before it"),
        (["d/a", "c = d/b", "d/b = d/a", "l -> d", "l/x"], "does not stand before it"),
        (["h = h"], "does not stand before it"),
        (["h = lib/f", "lib -> usr", "usr/f"], "does not stand before it"),
        (["h = .wh..wh.plnk/1", ".wh..wh.plnk/1"], "does not stand before it"),
        ([".wh.f", "h = f"], "does not stand before it"),
        (["d/", "h = d"], "a dir"),
        (["d/f", "h = d"], "does not stand before it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_hardlink_to_what_does_not_stand_before_it_is_refused(lines: list[str], sentence: str) -> None:  # rule 15
    assert sentence in why(*lines)


@pytest.mark.parametrize("target", ["", "x" * 4096])
def test_a_symlink_leads_to_a_path(target: str) -> None:
    assert "symlink" in why(item("l", "symlink", target=target))


# Sizes and bounds


def test_unpacked_size_counts_an_inode_once_and_the_length_of_symlinks() -> None:  # rule 27
    assert layer(*(item(f"f{n}", content=b"7 bytes") for n in range(8))).unpacked == 56
    assert layer(item("f", content=b"5byte"), "h = f", item("l", "symlink", target="t" * 20)).unpacked == 25
    assert layer("l -> ab", "h = l").unpacked == 2
    assert layer(item("d/", "dir"), item("p", "fifo"), item(".wh.x", content=b"not counted")).unpacked == 0


@pytest.mark.parametrize(
    ("limits", "items"),
    [
        (Limits(entries=2), ["a", "b", "c"]),
        (Limits(entries=3), ["a/b/c/d"]),
        (Limits(entries=2), [".wh.a", ".wh.b", ".wh.c"]),
        (Limits(entries=1), [".wh..wh.x/a", ".wh..wh.x/b"]),
        (Limits(depth=2), ["a/b/c"]),
        (Limits(depth=3), ["l -> x/y/z", "l/a"]),
        (Limits(unpacked=10_239), ["a"]),
        (Limits(extension=100), ["n" * 101]),
        (Limits(index=10), ["n" * 11]),
        (Limits(index=10), [item("a", pax_headers={"SCHILY.xattr.user.a": "long enough"})]),
        (Limits(), ["n" * 256]),
        (Limits(), ["n" * 256 + "/x"]),
        (Limits(), ["n/" * 2048 + "x"]),
    ],
)
def test_what_a_layer_may_ask_for_is_bounded(limits: Limits, items: list[Item | str]) -> None:  # rule 18
    with pytest.raises((LimitExceeded, MalformedLayer), match=r"more than|too many"):
        layer(*items, limits=limits)


@pytest.mark.parametrize(
    ("limits", "items"),
    [
        (Limits(entries=3), ["a/b/c"]),
        (Limits(depth=3), ["a/b/c"]),
        (Limits(unpacked=10_240), ["a"]),
        (Limits(index=11), ["n" * 11]),
        (Limits(), ["n" * 255]),
    ],
)
def test_a_bound_may_be_reached(limits: Limits, items: list[Item | str]) -> None:
    assert layer(*items, limits=limits).entries


def test_a_layer_made_to_take_time_is_refused_in_time() -> None:  # rule 18
    winding = record(b"linkpath", b"/".join([b"a"] * 200 + [b".."] * 200))
    links = (pax(winding) + raw(b"%d" % n, b"2", target=b"x") for n in range(2000))
    below = (pax(record(b"path", b"%d/" % n * 30 + b"x%d" % n)) + raw(b"x") for n in range(2000))
    begin = time.process_time()
    with pytest.raises(MalformedLayer, match="too many symlinks"):
        layer(b"".join((*links, *below)) + END)
    assert time.process_time() - begin < 20


# A layer as a value


def test_children_are_the_names_directly_below() -> None:
    found = layer("d/", "d/b", "d/a/x", "e", ".wh.f")
    assert list(found.children(b"")) == [b"d", b"e"]
    assert list(found.children(b"d")) == [b"a", b"b"]
    assert list(found.children(b"e")) == list(found.children(b"no/such")) == []


def test_entries_come_sorted_and_parents_first() -> None:
    assert list(layer("b/c/d", "b-", "a", "b/c/").entries) == [b"a", b"b", b"b-", b"b/c", b"b/c/d"]


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (0, -1, b"0123456789"),
        (3, -1, b"3456789"),
        (3, 4, b"3456"),
        (8, 5, b"89"),
        (10, 5, b""),
        (99, -1, b""),
        (0, 0, b""),
    ],
)
def test_content_is_read_by_offset(offset: int, size: int, expected: bytes) -> None:
    found = layer("before", item("f", content=b"0123456789"), "after")
    assert found.read(found.entries[b"f"], offset, size) == expected


def test_content_comes_in_pieces() -> None:
    content = bytes(range(256)) * 10_000
    found = layer(item("odd", content=b"x"), item("f", content=content))
    pieces = list(found.chunks(found.entries[b"f"]))
    assert len(pieces) == 3
    assert b"".join(pieces) == content
    assert list(found.chunks(found.entries[b"odd"])) == [b"x"]


def test_what_is_no_file_has_no_content() -> None:
    found = layer("d/", "l -> d", item("empty"))
    for entry in found.entries.values():
        assert found.read(entry) == b"".join(found.chunks(entry)) == b""


def test_an_empty_tar_is_an_empty_layer() -> None:
    for data in (b"", bytes(1024), bytes(10240)):
        found = layer(data)
        assert (found.unpacked, found.entries, found.whiteouts, found.opaques) == (0, {}, frozenset(), frozenset())


def test_an_entry_tells_what_the_tar_tells() -> None:
    data = tars.tar(item("c", "char", devmajor=5, devminor=1, uid=7, gid=8, mtime=9, mode=0o620))
    (entry,) = layer(data).entries.values()
    assert entry == Entry("char", 0o620, 7, 8, 9_000_000_000, inode=1, offset=512, major=5, minor=1)
