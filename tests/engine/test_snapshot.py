"""Copy-on-write, one operation at a time: what the upper gets, what is told, what fails. `test_kernel_overlay` has the
kernel's word for the same."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine import digest as digests
from engine.blobs import DirectoryBlobs
from engine.diff import commit_layer, diff
from engine.errors import Corrupt, FileError, LimitExceeded
from engine.events import (
    AttributesChanged,
    DirectoryMadeOpaque,
    Event,
    FileCopiedUp,
    FileCreated,
    FileWritten,
    PathRemoved,
    PathRenamed,
    PathWhitedOut,
)
from engine.layer import Entry, Layer
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.merged import Merged
from engine.snapshot import Limits, Snapshot
from engine.union import Union
from engine.upper import EMPTY, INLINE, Node, Upper
from tests.engine.operations import xattrs
from tests.engine.tars import Item, item, layer

SECOND = 1_000_000_000
OLD, NOW = 5 * SECOND, 100 * SECOND
BOX = "c0ffee"
CAPABILITY = {"SCHILY.xattr.security.capability": "cap", "SCHILY.xattr.user.note": "kept"}


def old(name: str, kind: str = "file", content: bytes = b"", target: str = "", **fields: Any) -> Item:
    """An entry of a layer, changed last in its fifth second."""
    return item(name, kind, content, target, mtime=5, **fields)


BASE = layer(
    old("d", "dir", uid=7, gid=8, mode=0o750),
    old("d/f", content=b"lower bytes", uid=1000, gid=50, mode=0o4755, pax_headers=CAPABILITY),
    old("d/g", content=b"other"),
    old("d/sub", "dir"),
    old("d/sub/deep", content=b"deep"),
    old("empty", "dir"),
    old("team", "dir", gid=50, mode=0o2775),
    old("one", content=b"linked"),
    old("two", "link", target="one"),
    old("to-f", "symlink", target="d/f"),
    old("to-d", "symlink", target="/d"),
    old("dangling", "symlink", target="d/new"),
    old("team/up", "symlink", target="../d/f"),
    old("team/top", "symlink", target="/d/f"),
    old("pipe", "fifo"),
)
TOP = layer(old("d", "dir", uid=7, gid=8, mode=0o750), old("d/g", content=b"newer"), ".wh.nothing")


class Box(Snapshot):
    """A container on `BASE` and `TOP`, with what it told."""

    def __init__(self, *layers: Layer, upper: Upper = EMPTY, limits: Limits | None = None) -> None:
        self.told: list[Event] = []
        super().__init__(
            Union(layers or (BASE, TOP)),
            upper,
            MemoryBlobs(),
            now=lambda: NOW,
            container=BOX,
            limits=limits,
            emit=self.told.append,
        )

    def kinds(self) -> dict[str, str]:
        """The upper's nodes, by path."""
        nodes = self.freeze().nodes
        return {path.decode(): "opaque" if node.opaque else node.kind for path, node in nodes.items()}


def refused(name: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    """The call fails with that errno."""
    with pytest.raises(FileError) as caught:
        call(*arguments, **more)
    assert caught.value.name == name


# Reading


def test_reading_copies_nothing() -> None:  # rule 28
    box = Box()
    assert box.read(b"d/f") == b"".join(box.chunks(b"to-f")) == b"lower bytes"
    assert box.read(b"to-d/g") == b"newer"
    assert box.read(b"d/f", 6, 3) == b"byt"
    assert box.listdir(b"d") == [b"f", b"g", b"sub"]
    assert box.readlink(b"to-f") == b"d/f"
    assert box.stat(b"d/f").size == 11
    assert (box.kinds(), box.told, box.freeze()) == ({}, [], EMPTY)


def test_stat_tells_where_a_file_comes_from() -> None:
    box = Box()
    about = box.stat(b"d/f")
    assert (about.kind, about.mode, about.uid, about.gid, about.mtime) == ("file", 0o4755, 1000, 50, OLD)
    assert (about.layer, about.upper, box.stat(b"d/g").layer) == (0, False, 1)
    box.chmod(b"d/f", 0o600)
    assert (box.stat(b"d/f").layer, box.stat(b"d/f").upper) == (None, True)
    assert (box.lstat(b"to-f").kind, box.lstat(b"to-f").size, box.stat(b"to-f").kind) == ("symlink", 3, "file")
    assert (box.stat(b"one").nlink, box.stat(b"one").inode) == (2, box.stat(b"two").inode)
    assert box.stat(b"one").inode != box.stat(b"d/f").inode
    assert (box.stat(b"").kind, box.stat(b"").mode) == ("dir", 0o755)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        (b"/d/f", b"d/f"),
        (b"d//./f", b"d/f"),
        (b"d/sub/../f", b"d/f"),
        (b"../../d/f", b"d/f"),
        (b"to-d/../d/f", b"d/f"),
        (b"to-d/sub/..", b"d"),
        (b"team/up", b"d/f"),
        (b"team/top", b"d/f"),
        (b"dangling", b"d/new"),
        (b"", b""),
        (b"..", b""),
    ],
)
def test_a_path_leads_where_the_kernel_would_go_and_never_above_the_root(path: bytes, leads_to: bytes) -> None:
    assert Box().resolve(path).path == leads_to


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"x", "ENOENT"),
        (b"x/y", "ENOENT"),
        (b"d/f/x", "ENOTDIR"),
        (b"d/f/..", "ENOTDIR"),
        (b"dangling", "ENOENT"),
        (b"n" * 256, "ENAMETOOLONG"),
        (b"d/" * 2048, "ENAMETOOLONG"),
        (b"d\0f", "EINVAL"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error_of_the_kernel_s(path: bytes, name: str) -> None:
    refused(name, Box().stat, path)


def test_forty_symlinks_are_followed_and_no_more() -> None:
    links = [old(f"l{n}", "symlink", target=f"l{n + 1}") for n in range(50)]
    box = Box(layer(*links, old("l50", content=b"end")))
    assert box.read(b"l10") == b"end"
    refused("ELOOP", box.read, b"l9")


def test_what_is_no_file_cannot_be_read() -> None:
    refused("EISDIR", Box().read, b"d")
    refused("ENXIO", Box().chunks, b"pipe")
    refused("ENOTDIR", Box().listdir, b"d/f")
    refused("EINVAL", Box().readlink, b"d/f")


def test_reading_at_once_is_bounded() -> None:
    with pytest.raises(LimitExceeded):
        Box().read(b"d/f", limit=10)
    assert Box().read(b"d/f", 1, 10, limit=10) == b"ower bytes"


# Copying up


def test_writing_one_byte_copies_the_whole_file_up() -> None:  # rules 28, 29
    box = Box()
    box.pwrite(b"d/f", 0, b"L")
    assert box.told == [
        FileCopiedUp(container=BOX, path="/d", kind="dir", size=0, layer=1, cause="write"),
        FileCopiedUp(container=BOX, path="/d/f", kind="file", size=11, layer=0, cause="write"),
        FileWritten(container=BOX, path="/d/f", written=1, size=11),
    ]
    assert box.read(b"d/f") == b"Lower bytes"
    assert (box.kinds(), box.freeze().unpacked) == ({"d": "dir", "d/f": "file"}, 11)
    assert box.union.read(box.union.lookup(b"d/f")) == b"lower bytes"  # type: ignore[arg-type]


def test_opening_for_writing_copies_the_whole_file_up_even_if_nothing_is_written() -> None:  # rule 28
    box = Box()
    box.open_rw(b"d/f")
    assert [(e.path, e.size, e.cause) for e in box.told if isinstance(e, FileCopiedUp)][1:] == [("/d/f", 11, "open")]
    assert (box.freeze().unpacked, box.stat(b"d/f").mtime) == (11, OLD)
    assert diff(box.union, box.freeze()) == []  # rule 36


def test_appending_copies_up_and_leaves_the_time_where_nothing_comes() -> None:  # rule 28
    box = Box()
    box.write(b"d/f", b"", append=True)
    assert (box.read(b"d/f"), box.stat(b"d/f").mtime) == (b"lower bytes", OLD)
    box.write(b"d/f", b" and more", append=True)
    assert (box.read(b"d/f"), box.stat(b"d/f").mtime) == (b"lower bytes and more", NOW)
    assert box.told[-1] == FileWritten(container=BOX, path="/d/f", written=9, size=20)


def test_truncating_on_open_copies_no_content() -> None:  # rule 28
    box = Box()
    box.write(b"d/f", b"new")
    assert box.told[1:] == [
        FileCopiedUp(container=BOX, path="/d/f", kind="file", size=0, layer=0, cause="truncate"),
        FileWritten(container=BOX, path="/d/f", written=3, size=3, truncated=True),
    ]
    box.write(b"d/g", b"")
    assert (box.stat(b"d/g").size, box.stat(b"d/g").mtime, box.freeze().unpacked) == (0, NOW, 3)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda box: box.chmod(b"d/f", 0o600), "mode"),
        (lambda box: box.chown(b"d/f", 1, 2), "owner"),
        (lambda box: box.utime(b"d/f", OLD), "mtime"),
        (lambda box: box.setxattr(b"d/f", b"user.x", b"y"), "xattr user.x"),
        (lambda box: box.removexattr(b"d/f", b"user.note"), "xattr user.note"),
    ],
)
def test_changing_an_attribute_copies_the_whole_file_up_and_keeps_its_time(
    change: Callable[[Box], None], what: str
) -> None:  # rule 28
    box = Box()
    change(box)
    assert (box.freeze().unpacked, box.stat(b"d/f").mtime, box.read(b"d/f")) == (11, OLD, b"lower bytes")
    assert box.told[1:] == [
        FileCopiedUp(container=BOX, path="/d/f", kind="file", size=11, layer=0, cause=box.told[1].cause),  # type: ignore[attr-defined]
        AttributesChanged(container=BOX, path="/d/f", what=what),
    ]


def test_parents_are_copied_up_first_with_owner_mode_and_time() -> None:  # rule 29
    box = Box()
    box.chmod(b"d/sub/deep", 0o600)
    assert [event.path for event in box.told] == ["/d", "/d/sub", "/d/sub/deep", "/d/sub/deep"]
    about = box.stat(b"d")
    assert (about.uid, about.gid, about.mode, about.mtime, about.upper) == (7, 8, 0o750, OLD, True)


def test_creating_and_unlinking_change_the_time_of_the_directory() -> None:  # rule 29
    for change in (lambda box: box.write(b"d/new", b""), lambda box: box.unlink(b"d/f")):
        box = Box()
        change(box)
        assert box.stat(b"d").mtime == NOW
        assert box.stat(b"").mtime == 0  # the root is not listed in any layer
    box.mkdir(b"at-the-root")
    assert (box.stat(b"").mtime, b"" in box.freeze().nodes) == (NOW, False)


def test_a_new_file_brings_its_directory_up_and_nothing_else() -> None:  # rule 29
    for make, cause in ((lambda box: box.write(b"d/new", b""), "create"), (lambda box: box.mkdir(b"d/new"), "mkdir")):
        box = Box()
        make(box)
        kind = box.stat(b"d/new").kind
        assert box.told == [
            FileCopiedUp(container=BOX, path="/d", kind="dir", size=0, layer=1, cause=cause),
            FileCreated(container=BOX, path="/d/new", kind=kind),
        ]


def test_extended_attributes_come_along() -> None:  # rule 29
    box = Box()
    box.open_rw(b"d/f")
    assert xattrs(box, b"d/f") == {b"security.capability": b"cap", b"user.note": b"kept"}


@pytest.mark.parametrize(
    "change",
    [
        lambda box: box.pwrite(b"d/f", 0, b"x"),
        lambda box: box.write(b"d/f", b""),
        lambda box: box.truncate(b"d/f", 11),
        lambda box: box.chown(b"d/f", -1, -1),
    ],
)
def test_writing_and_chown_take_file_capabilities_away(change: Callable[[Box], None]) -> None:
    box = Box()
    change(box)
    assert xattrs(box, b"d/f") == {b"user.note": b"kept"}


def test_chown_clears_set_id_bits_and_a_write_keeps_them() -> None:  # rule 29
    box = Box()
    box.pwrite(b"d/f", 0, b"x")
    assert box.stat(b"d/f").mode == 0o4755
    box.chown(b"d/f", 0, -1)
    assert (box.stat(b"d/f").mode, box.stat(b"d/f").uid, box.stat(b"d/f").gid) == (0o755, 0, 50)
    box.chmod(b"d/f", 0o6711)
    box.chown(b"d/f", -1, 9)
    assert box.stat(b"d/f").mode == 0o711
    box.chmod(b"d/f", 0o6701)
    box.chown(b"d/f", -1, 9)
    assert box.stat(b"d/f").mode == 0o2701  # no group execution: not a set-group-ID bit
    box.chown(b"team", 0, 9)
    assert box.stat(b"team").mode == 0o2775


def test_a_setgid_directory_passes_on_its_group_and_to_directories_the_bit() -> None:  # rule 29
    box = Box()
    box.write(b"team/f", b"")
    box.mkdir(b"team/sub")
    box.symlink(b"f", b"team/l")
    assert [(box.lstat(p).gid, box.lstat(p).mode) for p in (b"team/f", b"team/sub", b"team/l")] == [
        (50, 0o644),
        (50, 0o2755),
        (50, 0o777),
    ]
    box.write(b"d/new", b"")
    assert (box.stat(b"d/new").gid, box.stat(b"d/new").uid) == (0, 0)


def test_the_umask_is_022() -> None:  # rule 29
    box = Box()
    box.write(b"f", b"", mode=0o4777)
    box.mkdir(b"dir", 0o7777)
    box.mknod(b"p", "fifo", 0o666)
    box.chmod(b"team", 0o777)
    assert [box.stat(path).mode for path in (b"f", b"dir", b"p", b"team")] == [0o4755, 0o1755, 0o644, 0o777]


# Hardlinks


def test_writing_to_one_name_of_a_lower_hardlink_breaks_the_link() -> None:  # rule 30
    box = Box()
    box.pwrite(b"one", 0, b"L")
    assert (box.read(b"one"), box.read(b"two")) == (b"Linked", b"linked")
    assert (box.stat(b"one").nlink, box.kinds()) == (1, {"one": "file"})
    assert box.stat(b"one").inode != box.stat(b"two").inode


def test_link_copies_up_and_symlink_does_not() -> None:  # rule 30
    box = Box()
    box.symlink(b"d/f", b"soft")
    assert box.kinds() == {"soft": "symlink"}
    box.link(b"d/f", b"hard")
    assert box.kinds() == {"soft": "symlink", "d": "dir", "d/f": "file", "hard": "file"}
    assert box.told[1:] == [
        FileCopiedUp(container=BOX, path="/d", kind="dir", size=0, layer=1, cause="link"),
        FileCopiedUp(container=BOX, path="/d/f", kind="file", size=11, layer=0, cause="link"),
        FileCreated(container=BOX, path="/hard", kind="file", link_to="/d/f"),
    ]
    assert box.told[0] == FileCreated(container=BOX, path="/soft", kind="symlink", size=len("d/f"))  # rule 27
    assert box.freeze().unpacked == 11 + len("d/f")  # rule 27


def test_names_of_one_upper_file_change_together_and_part_one_by_one() -> None:
    box = Box()
    box.link(b"d/f", b"hard")
    box.link(b"hard", b"third")
    box = Box(upper=Upper.decode(box.freeze().encode()))
    box.write(b"third", b"all", append=False)
    box.chmod(b"hard", 0o600)
    assert {(box.read(p), box.stat(p).mode, box.stat(p).nlink) for p in (b"d/f", b"hard", b"third")} == {
        (b"all", 0o600, 3)
    }
    box.rename(b"hard", b"third")  # the same file: nothing happens (rename(2))
    assert box.exists(b"hard")
    box.unlink(b"hard")
    box.rename(b"third", b"moved")
    box.write(b"moved", b"!", append=True)
    assert (box.read(b"d/f"), box.stat(b"d/f").nlink, box.stat(b"moved").nlink) == (b"all!", 2, 2)
    box.unlink(b"d/f")
    box.link(b"moved", b"again")
    assert (box.stat(b"moved").nlink, box.kinds()["d/f"]) == (2, "whiteout")


def test_a_file_that_is_left_with_one_name_forgets_the_others() -> None:
    box = Box()
    box.write(b"f", b"1")
    box.link(b"f", b"g")
    box.unlink(b"f")
    box.rename(b"g", b"h")
    box.link(b"h", b"i")
    box.write(b"i", b"2")
    assert (sorted(box.kinds()), box.stat(b"h").nlink, box.read(b"h")) == (["h", "i"], 2, b"2")


def test_linking_a_symlink_links_the_symlink_itself() -> None:
    box = Box()
    box.link(b"to-f", b"hard")
    assert (box.readlink(b"hard"), box.lstat(b"hard").nlink) == (b"d/f", 2)


# Whiteouts


def test_unlinking_a_lower_file_leaves_a_whiteout() -> None:  # rule 31
    box = Box()
    box.unlink(b"d/g")
    assert box.kinds() == {"d": "dir", "d/g": "whiteout"}
    assert box.told[1:] == [PathWhitedOut(container=BOX, path="/d/g", kind="file", size=5, layer=1)]
    assert (box.exists(b"d/g"), box.listdir(b"d"), box.freeze().unpacked) == (False, [b"f", b"sub"], 0)


def test_unlinking_an_upper_file_leaves_nothing() -> None:  # rule 31
    box = Box()
    box.write(b"new", b"12345")
    box.unlink(b"new")
    assert box.kinds() == {}
    assert box.told == [
        FileCreated(container=BOX, path="/new", kind="file", size=5),
        FileWritten(container=BOX, path="/new", written=5, size=5),
        PathRemoved(container=BOX, path="/new", kind="file", size=5),
    ]


def test_unlinking_a_copied_up_file_leaves_a_whiteout() -> None:  # rule 31
    box = Box()
    box.write(b"d/f", b"more", append=True)
    box.unlink(b"d/f")
    assert box.kinds() == {"d": "dir", "d/f": "whiteout"}
    assert box.told[-1] == PathWhitedOut(container=BOX, path="/d/f", kind="file", size=11, layer=0)


def test_a_file_over_a_whiteout_is_a_plain_file() -> None:  # rule 32
    box = Box()
    box.unlink(b"d/f")
    box.write(b"d/f", b"new")
    assert box.kinds() == {"d": "dir", "d/f": "file"}
    assert box.told[-2] == FileCreated(container=BOX, path="/d/f", kind="file", size=3, over_whiteout=True)
    assert (box.stat(b"d/f").mode, xattrs(box, b"d/f")) == (0o644, {})


def test_rmdir_wants_a_merged_directory_to_look_empty() -> None:  # rule 32
    box = Box()
    refused("ENOTEMPTY", box.rmdir, b"d/sub")
    assert box.kinds() == {}
    box.unlink(b"d/sub/deep")
    box.rmdir(b"d/sub")
    assert box.kinds() == {"d": "dir", "d/sub": "whiteout"}
    assert box.told[-1] == PathWhitedOut(container=BOX, path="/d/sub", kind="dir", size=0, layer=0)


def test_a_directory_removed_and_made_again_is_opaque() -> None:  # rule 32
    box = Box()
    box.unlink(b"d/sub/deep")
    box.rmdir(b"d/sub")
    box.mkdir(b"d/sub")
    assert box.kinds() == {"d": "dir", "d/sub": "opaque"}
    assert box.told[-2:] == [
        FileCreated(container=BOX, path="/d/sub", kind="dir", over_whiteout=True),
        DirectoryMadeOpaque(container=BOX, path="/d/sub"),
    ]
    box.write(b"d/sub/deep", b"")
    box.unlink(b"d/sub/deep")
    assert (box.listdir(b"d/sub"), box.kinds()) == ([], {"d": "dir", "d/sub": "opaque"})


def test_a_directory_removed_and_a_file_made_there_is_a_plain_file() -> None:  # rule 32
    box = Box()
    box.rmdir(b"empty")
    box.write(b"empty", b"")
    assert box.kinds() == {"empty": "file"}


# Renaming


def test_renaming_a_lower_file_copies_it_up_at_the_new_name_and_hides_the_old() -> None:  # rule 33
    box = Box()
    box.rename(b"d/f", b"moved")
    assert box.kinds() == {"d": "dir", "d/f": "whiteout", "moved": "file"}
    assert box.told[1:] == [
        FileCopiedUp(container=BOX, path="/d/f", kind="file", size=11, layer=0, cause="rename"),
        PathRenamed(container=BOX, path="/d/f", to="/moved"),
        PathWhitedOut(container=BOX, path="/d/f", kind="file", size=11, layer=0),
    ]
    assert (box.read(b"moved"), box.stat(b"moved").mtime, box.stat(b"d").mtime) == (b"lower bytes", OLD, NOW)


def test_renaming_replaces_what_is_there() -> None:
    box = Box()
    box.write(b"new", b"mine")
    box.rename(b"new", b"d/f")
    assert (box.read(b"d/f"), box.kinds()) == (b"mine", {"d": "dir", "d/f": "file"})
    assert box.told[-1] == PathRenamed(container=BOX, path="/new", to="/d/f", over="layer")
    box.unlink(b"d/f")
    box.write(b"again", b"mine")
    box.rename(b"again", b"d/f")
    assert box.told[-1] == PathRenamed(container=BOX, path="/again", to="/d/f", over="whiteout")
    box.write(b"other", b"theirs")
    box.rename(b"other", b"d/f")
    assert PathRemoved(container=BOX, path="/d/f", kind="file", size=4) in box.told
    assert box.read(b"d/f") == b"theirs"


def test_renaming_a_directory_of_the_layers_is_refused() -> None:  # rule 33
    box = Box()
    refused("EXDEV", box.rename, b"d/sub", b"moved")
    assert box.kinds() == {}
    box.write(b"d/sub/new", b"")
    refused("EXDEV", box.rename, b"d/sub", b"moved")


def test_renaming_a_directory_of_the_upper_moves_all_below_it() -> None:  # rule 33
    box = Box()
    box.mkdir(b"new")
    box.mkdir(b"new/sub")
    box.write(b"new/sub/f", b"1")
    box.link(b"new/sub/f", b"new/g")
    box.mkdir(b"other")
    box.rename(b"new", b"other/moved")
    assert set(box.kinds()) == {"other", "other/moved", "other/moved/sub", "other/moved/sub/f", "other/moved/g"}
    box.write(b"other/moved/g", b"2", append=True)
    assert (box.read(b"other/moved/sub/f"), box.listdir(b"other/moved")) == (b"12", [b"g", b"sub"])


def test_a_directory_moved_onto_an_empty_lower_one_is_opaque() -> None:  # rule 33
    box = Box()
    box.mkdir(b"new")
    box.rename(b"new", b"empty")
    assert box.kinds() == {"empty": "opaque"}
    assert box.told[-1] == DirectoryMadeOpaque(container=BOX, path="/empty")


def test_an_opaque_directory_over_a_lower_one_renames_and_leaves_a_whiteout() -> None:  # rule 33
    box = Box()
    box.rmdir(b"empty")
    box.mkdir(b"empty")
    box.rename(b"empty", b"moved")
    assert box.kinds() == {"empty": "whiteout", "moved": "opaque"}


@pytest.mark.parametrize(
    ("source", "target", "name"),
    [
        (b"d/f", b"d/sub", "EISDIR"),
        (b"new", b"d/sub", "ENOTEMPTY"),
        (b"new", b"d/f", "ENOTDIR"),
        (b"new", b"new/inside", "EINVAL"),
        (b"d/f", b"d", "ENOTEMPTY"),
        (b"nothing", b"x", "ENOENT"),
        (b"d/f", b"nowhere/x", "ENOENT"),
        (b"d/f", b"one/x", "ENOTDIR"),
        (b"", b"x", "EBUSY"),
        (b"d/f", b"d/..", "EBUSY"),
        (b"d/f", b".wh.x", "EINVAL"),
    ],
)
def test_a_rename_that_fails(source: bytes, target: bytes, name: str) -> None:  # rule 33
    box = Box()
    box.mkdir(b"new")
    refused(name, box.rename, source, target)
    assert box.kinds() == {"new": "dir"}


def test_a_directory_is_marked_opaque_before_the_upper_refuses_to_replace_another() -> None:
    box = Box()
    for path in (b"new", b"full", b"full/x"):
        box.mkdir(path)
    refused("ENOTEMPTY", box.rename, b"new", b"full")
    assert box.kinds() == {"new": "opaque", "full": "dir", "full/x": "dir"}


# What is there already, what cannot be


def test_merged_directories_show_the_upper_s_attributes_and_each_name_once() -> None:  # rule 34
    box = Box()
    box.chmod(b"d", 0o711)
    box.write(b"d/f", b"copied up")
    box.write(b"d/new", b"")
    assert (box.stat(b"d").mode, box.listdir(b"d")) == (0o711, [b"f", b"g", b"new", b"sub"])
    assert [place.path for place in box.walk(b"d")] == [b"d/f", b"d/g", b"d/new", b"d/sub", b"d/sub/deep"]


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda box: box.mknod(b"w", "char", 0o666, 0, 0), "EPERM"),
        (lambda box: box.mknod(b"w", "socket"), "EINVAL"),
        (lambda box: box.mknod(b"w", "block", 0o666, 1 << 12, 0), "EINVAL"),
        (lambda box: box.mknod(b"d/f", "fifo"), "EEXIST"),
        (lambda box: box.write(b".wh.a", b""), "EINVAL"),
        (lambda box: box.write(b"d/.wh..wh..opq", b""), "EINVAL"),
        (lambda box: box.mkdir(b".wh.a"), "EINVAL"),
        (lambda box: box.symlink(b"x", b".wh.a"), "EINVAL"),
        (lambda box: box.link(b"d/f", b".wh.a"), "EINVAL"),
        (lambda box: box.mknod(b".wh.a", "fifo"), "EINVAL"),
        (lambda box: box.symlink(b"", b"l"), "ENOENT"),
        (lambda box: box.symlink(b"x" * 4096, b"l"), "ENAMETOOLONG"),
        (lambda box: box.mkdir(b"d"), "EEXIST"),
        (lambda box: box.mkdir(b"to-d"), "EEXIST"),
        (lambda box: box.mkdir(b""), "EEXIST"),
        (lambda box: box.link(b"d", b"x"), "EPERM"),
        (lambda box: box.link(b"d", b"d/f"), "EEXIST"),
        (lambda box: box.unlink(b"d"), "EISDIR"),
        (lambda box: box.rmdir(b"d/f"), "ENOTDIR"),
        (lambda box: box.rmdir(b""), "EBUSY"),
        (lambda box: box.rmdir(b"d/sub/."), "EINVAL"),
        (lambda box: box.write(b"d", b""), "EISDIR"),
        (lambda box: box.write(b"pipe", b""), "ENXIO"),
        (lambda box: box.write(b"nowhere/f", b""), "ENOENT"),
        (lambda box: box.pwrite(b"d/f", -1, b"x"), "EINVAL"),
        (lambda box: box.truncate(b"d", 0), "EISDIR"),
        (lambda box: box.truncate(b"d/f", -1), "EINVAL"),
        (lambda box: box.chown(b"d/f", 1 << 32, 0), "EINVAL"),
        (lambda box: box.setxattr(b"pipe", b"user.x", b""), "EPERM"),
        (lambda box: box.setxattr(b"d/f", b"trusted.overlay.opaque", b"y"), "EPERM"),
        (lambda box: box.setxattr(b"d/f", b"user." + b"x" * 251, b""), "ERANGE"),
        (lambda box: box.setxattr(b"d/f", b"user.x", bytes(65537)), "E2BIG"),
        (lambda box: box.setxattr(b"d/f", b"user.x", bytes(65535)), "ENOSPC"),
        (lambda box: box.removexattr(b"d/f", b"user.none"), "ENODATA"),
        (lambda box: box.write(b"/".join([b"d"] * 256), b""), "ENOENT"),
    ],
)
def test_what_is_refused_changes_nothing(operation: Callable[[Box], None], name: str) -> None:  # rule 35
    box = Box()
    refused(name, operation, box)
    assert (box.freeze(), box.told) == (EMPTY, [])


@pytest.mark.parametrize(("name", "error"), [(b"nonsense.x", "ENOTSUP"), (b"user.", "EINVAL"), (b"user.a=b", "EINVAL")])
def test_an_attribute_that_the_upper_cannot_hold_is_refused_after_copying_up(name: bytes, error: str) -> None:
    box = Box()
    refused(error, box.setxattr, b"d/f", name, b"")
    assert (set(box.kinds()), xattrs(box, b"d/f")[b"user.note"]) == ({"d", "d/f"}, b"kept")


def test_a_device_of_numbers_is_made() -> None:
    box = Box()
    box.mknod(b"null", "char", 0o666, 1, 3)
    box.mknod(b"zero", "block", 0o600)
    assert (box.stat(b"null").major, box.stat(b"null").minor, box.kinds()) == (1, 3, {"null": "char", "zero": "block"})


def test_creating_through_a_dangling_symlink_creates_its_target() -> None:
    box = Box()
    box.write(b"dangling", b"there")
    assert (box.read(b"d/new"), box.lstat(b"dangling").kind) == (b"there", "symlink")


def test_a_path_as_deep_as_a_layer_can_hold_is_made_and_no_deeper() -> None:
    box, path = Box(), b"a"
    box.mkdir(path)
    for _ in range(254):
        path += b"/a"
        box.mkdir(path)
    refused("ENAMETOOLONG", box.mkdir, path + b"/a")
    refused("ENAMETOOLONG", box.write, path + b"/a", b"")
    box.mkdir(b"b")
    refused("ENAMETOOLONG", box.rename, b"a", b"b/a")
    written = commit_layer(box.freeze(), box.blobs)
    assert path in LayerStore(box.blobs).get(written.digest, written.diff_id).entries


# Content


def test_writing_past_the_end_leaves_zeros_between() -> None:
    box = Box()
    box.pwrite(b"d/f", 14, b"end")
    assert box.read(b"d/f") == b"lower bytes\0\0\0end"
    box.truncate(b"d/f", 5)
    box.truncate(b"d/f", 7)
    assert box.read(b"d/f") == b"lower\0\0"


def test_truncating_to_the_size_that_a_file_has_leaves_its_time() -> None:
    box = Box()
    box.truncate(b"d/f", 11)
    assert (box.stat(b"d/f").mtime, box.freeze().unpacked, box.told[-1].cause) == (OLD, 11, "truncate")  # type: ignore[attr-defined]
    box.truncate(b"d/f", 10)
    assert box.stat(b"d/f").mtime == NOW


@pytest.mark.parametrize("seed", range(20))
def test_a_file_reads_back_as_if_it_had_been_edited_in_memory(seed: int) -> None:
    rng, model = random.Random(seed), bytearray(b"lower bytes")
    box = Box()
    for _ in range(60):
        at, data = rng.randrange(9000), rng.randbytes(rng.choice((0, 1, 3000, 70_000)))
        match rng.randrange(5):
            case 0:
                box.pwrite(b"d/f", at, data)
                if data:
                    model.extend(bytes(max(0, at - len(model))))
                    model[at : at + len(data)] = data
            case 1:
                box.write(b"d/f", data, append=True)
                model.extend(data)
            case 2:
                box.truncate(b"d/f", at)
                model[at:] = bytes(max(0, at - len(model)))
            case 3:
                box.freeze()
            case 4:
                assert box.read(b"d/f", at, len(data)) == bytes(model[at : at + len(data)])
        assert box.stat(b"d/f").size == len(model)
    assert box.read(b"d/f") == b"".join(box.chunks(b"d/f")) == bytes(model)


def test_content_beyond_four_kib_goes_to_a_blob_when_the_edit_ends() -> None:
    box = Box()
    box.write(b"small", bytes(INLINE))
    box.write(b"big", bytes(INLINE) + b"!")
    assert list(box.blobs) == []
    upper = box.freeze()
    assert (upper.nodes[b"small"].data, upper.nodes[b"small"].content) == (bytes(INLINE), None)
    assert (upper.nodes[b"big"].data, upper.nodes[b"big"].content) == (b"", digests.of(bytes(INLINE) + b"!"))
    assert upper.digests() == set(box.blobs) == {digests.of(bytes(INLINE) + b"!")}
    assert box.read(b"big") == bytes(INLINE) + b"!"


def test_data_in_pieces_is_stored_while_it_comes() -> None:
    box, held = Box(), list[int]()

    def pieces() -> Iterator[bytes]:
        for _ in range(4):
            held.append(len(list(box.blobs)))
            yield bytes(5000)

    box.write(b"f", pieces())
    assert (len(held), box.stat(b"f").size, box.read(b"f")) == (4, 20_000, bytes(20_000))
    refused("EISDIR", box.write, b"d", pieces())
    assert len(held) == 4  # nothing was taken for what cannot be written


class Zeros:
    """The content of a layer of nothing but zeros."""

    def read(self, offset: int, size: int) -> bytes:
        return bytes(size)


def test_a_big_file_is_copied_up_without_being_in_memory(tmp_path: Path) -> None:
    size = 96 << 20
    big = Entry("file", 0o644, 0, 0, OLD, size)
    lower = Layer(digests.of(b""), size, {b"big": big}, frozenset(), frozenset(), Zeros())
    files = Snapshot(Union([lower]), EMPTY, DirectoryBlobs(tmp_path), now=lambda: NOW)
    tracemalloc.start()
    try:
        files.pwrite(b"big", 1 << 20, b"hot")
        upper = files.freeze()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert upper.unpacked == files.blobs.size(*upper.digests()) == size
    assert files.read(b"big", (1 << 20) - 1, 5) == b"\0hot\0"
    assert peak < 8 << 20


def test_many_small_writes_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    files = Snapshot(Union([BASE]), EMPTY, DirectoryBlobs(tmp_path), now=lambda: NOW, scratch=tmp_path)
    tracemalloc.start()
    try:
        for n in range(60):
            files.write(b"f%d" % n, b"%d" % n * (1 << 19))
            files.write(b"f%d" % n, b"x", append=True)
        assert list(files.blobs) == []
        upper = files.freeze()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20
    assert files.read(b"f42") == b"42" * (1 << 19) + b"x"
    assert upper.digests() == set(files.blobs)


def test_a_file_written_bit_by_bit_becomes_one_blob_when_the_edit_ends() -> None:
    box, piece = Box(), bytes(1 << 20)
    for n in range(40):
        box.write(b"f", piece[:-1] + b"%d" % (n % 10), append=True)
        box.pwrite(b"f", 5, b"%d" % n)
    box.link(b"f", b"g")
    assert box.read(b"g", (1 << 20) - 1, 1) == b"0"
    assert list(box.blobs) == []
    upper = box.freeze()
    assert list(box.blobs) == [upper.nodes[b"f"].content] == [upper.nodes[b"g"].content]
    assert upper.nodes[b"f"].size == 40 << 20
    assert box.read(b"f", 5, 2) == b"39"


def test_an_edit_that_is_not_frozen_leaves_nothing(tmp_path: Path) -> None:
    files = Snapshot(Union([BASE]), EMPTY, DirectoryBlobs(tmp_path / "blobs"), now=lambda: NOW, scratch=tmp_path)
    files.write(b"f", iter([bytes(1 << 20)] * 20))
    for _ in range(3):
        files.write(b"g", bytes(10 << 20), append=True)
    assert files.read(b"f", (20 << 20) - 1) == b"\0"
    assert list(files.blobs) == []
    assert [file.name for file in tmp_path.iterdir()] == ["blobs"]


def test_only_what_grows_needs_room() -> None:
    box = Box(limits=Limits(nodes=2, unpacked=100))
    box.write(b"f", bytes(60))
    box.link(b"f", b"g")
    box.write(b"f", iter([b"x" * 30, b"y" * 30]))
    assert (box.read(b"g"), box.freeze().unpacked) == (b"x" * 30 + b"y" * 30, 60)
    with pytest.raises(FileError) as caught:
        box.write(b"f", iter([bytes(60), bytes(41)]))
    assert (caught.value.name, caught.value.path) == ("ENOSPC", "/f")
    assert box.read(b"f") == b"x" * 30 + b"y" * 30
    box.write(b"f", iter([bytes(60), bytes(40)]))
    box.unlink(b"g")
    box.unlink(b"f")
    box.unlink(b"d/g")  # copies its directory up and needs a node for itself
    box.write(b"d/g", b"over the whiteout, where no node is added")
    box = Box(limits=Limits(nodes=2, unpacked=10))
    box.write(b"f", bytes(6))
    refused("ENOSPC", box.link, b"one", b"h")  # six bytes of the layers' and two nodes
    refused("ENOSPC", box.link, b"to-f", b"h")
    box.link(b"f", b"h")


def test_an_upper_is_bounded() -> None:
    box = Box(limits=Limits(nodes=4, unpacked=20))
    refused("ENOSPC", box.write, b"f", bytes(21))
    refused("ENOSPC", box.write, b"f", iter([bytes(11), bytes(11)]))
    refused("ENOSPC", box.truncate, b"d/g", 1 << 40)
    refused("ENOSPC", box.pwrite, b"d/g", 1 << 40, b"x")
    assert box.kinds() == {}
    box.write(b"f", bytes(20))
    refused("ENOSPC", box.write, b"f", b"x", append=True)
    refused("ENOSPC", box.open_rw, b"d/f")
    box.write(b"f", b"12345678")
    box.open_rw(b"d/f")
    refused("ENOSPC", box.write, b"g", b"12")
    box.unlink(b"f")
    box.write(b"g", b"12")
    box.mkdir(b"x")
    assert len(box.kinds()) == 4
    refused("ENOSPC", box.mkdir, b"y")
    refused("ENOSPC", box.unlink, b"d/g")


def test_what_an_upper_holds_is_counted_right_whatever_was_done() -> None:
    for seed in range(200):
        rng, box = random.Random(seed), Box(limits=Limits(nodes=12, unpacked=60))
        there = [b"d/f", b"d/g", b"one", b"two", b"x", b"y", b"team/z"]
        for _ in range(40):
            path, other, size = rng.choice(there), rng.choice(there), rng.randrange(40)
            name, *arguments = rng.choice(
                (
                    ("write", path, bytes(size)),
                    ("pwrite", path, size, b"1234"),
                    ("truncate", path, size),
                    ("unlink", path),
                    ("rename", path, other),
                    ("link", path, other),
                    ("symlink", bytes(b"t" * (size + 1)), path),
                    ("chmod", path, 0o600),
                )
            )
            with suppress(FileError):
                getattr(box, name)(*arguments)
            assert max(box._unpacked, 0) == box.freeze().unpacked <= 60
            assert len(box.freeze().nodes) <= 12


# The upper as a value


def test_an_edit_leaves_the_upper_that_it_began_with_as_it_was() -> None:
    box = Box()
    box.write(b"d/f", b"one")
    first = box.freeze()
    second = Box(upper=first)
    second.write(b"d/f", b"two")
    second.unlink(b"d/g")
    third = second.freeze()
    assert (Merged(box.union, first, box.blobs).read(b"d/f"), second.read(b"d/f")) == (b"one", b"two")
    assert (b"d/g" in first.nodes, b"d/g" in third.nodes) == (False, True)
    second.mkdir(b"later")
    assert b"later" not in third.nodes


def test_an_upper_comes_back_from_its_bytes_and_equal_uppers_have_equal_bytes() -> None:
    def make(order: int) -> Upper:
        box = Box()
        steps = [lambda: box.write(b"d/f", bytes(9999)), lambda: box.unlink(b"d/g")][::order]
        for step in steps:
            step()
        return box.freeze()

    upper = make(1)
    assert Upper.decode(upper.encode()) == upper
    assert make(1).encode() == upper.encode()
    assert Upper(dict(reversed(upper.nodes.items())), upper.root).encode() == upper.encode()
    assert list(Upper.decode(upper.encode()).nodes) == sorted(upper.nodes)


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"\x93\x02\xc0\x80", EMPTY.encode() + b"x", b"\x93\x01\xc0\x81\xc4\x01a\xc0"]
)
def test_bytes_that_are_no_upper_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        Upper.decode(data)


def test_an_upper_that_could_not_be_read_back_is_not_written() -> None:
    node = Node("file", 0o644, 0, 0, NOW, INLINE, data=bytes(INLINE))
    few, many = ({b"%d" % n: node for n in range(count)} for count in (10_000, 17_000))
    assert Upper.decode(Upper(few).encode()).nodes == few
    with pytest.raises(LimitExceeded):
        Upper(many).encode()


def test_unpacked_size_counts_a_file_once_and_the_length_of_symlinks() -> None:  # rules 27, 38
    box = Box()
    box.write(b"f", b"12345")
    box.link(b"f", b"g")
    box.symlink(b"x" * 20, b"l")
    box.unlink(b"d/f")
    assert box.freeze().unpacked == 25


def test_an_upper_in_which_all_was_undone_is_empty() -> None:  # rule 38
    box = Box()
    box.write(b"f", b"1")
    box.mkdir(b"x")
    box.unlink(b"f")
    box.rmdir(b"x")
    assert (dict(box.freeze().nodes), box.freeze().unpacked) == ({}, 0)


# Cost


class Unwalkable(dict[bytes, Entry]):
    """Entries that may be asked for, one by one, and not gone through."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("the whole lower tree was walked")

    items = values = keys = __iter__  # type: ignore[assignment]


def test_an_edit_and_its_diff_do_not_walk_the_layers() -> None:
    wary = Layer(BASE.diff_id, BASE.unpacked, Unwalkable(BASE.entries), BASE.whiteouts, BASE.opaques, BASE.content)
    box = Box(wary)
    box.write(b"d/f", b"more", append=True)
    box.write(b"to-d/new", b"1")
    box.unlink(b"d/g")
    box.mkdir(b"x")
    box.chmod(b"one", 0o600)
    assert [change.kind for change in diff(box.union, box.freeze())] == ["C", "C", "D", "A", "C", "A"]
