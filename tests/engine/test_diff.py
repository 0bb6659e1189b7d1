"""What a container changed: as docker tells it, as a layer, and as a whole root. And what of a stack nothing shows."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from engine.compression import decompress
from engine.diff import Change, commit_layer, diff, export
from engine.errors import FileError
from engine.layer import Layer
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.merged import Merged
from engine.snapshot import Snapshot
from engine.union import Union
from engine.upper import EMPTY, Upper
from engine.usage import Usage, Waste, survey
from tests.engine.operations import NOW, Operation, load, make_operations, make_stack, perform, tree
from tests.engine.tars import item, layer

OLD = 5 * 1_000_000_000

BASE = layer(
    item("d", "dir", mtime=5),
    item("d/f", content=b"lower bytes", mtime=5),
    item("d/g", content=b"other", mtime=5),
    item("d/sub", "dir", mtime=5),
    item("d/sub/deep", content=b"deep", mtime=5),
    item("empty", "dir", mtime=5),
    item("one", content=b"linked", mtime=5),
    item("two", "link", target="one", mtime=5),
    item("l", "symlink", target="d/f", mtime=5),
    item("sda", "block", devmajor=8, mtime=5),
    item("pipe", "fifo", mtime=5),
)


def open_box(*layers: Layer, blobs: MemoryBlobs | None = None, now: int = NOW) -> Snapshot:
    return Snapshot(Union(layers or (BASE,)), EMPTY, blobs or MemoryBlobs(), now=lambda: now)


def remove_tree(box: Snapshot, path: bytes) -> None:
    """``rm -r``."""
    for place in reversed(list(box.walk(path))):
        (box.rmdir if place.kind == "dir" else box.unlink)(place.path)
    box.rmdir(path)


def steps(*calls: tuple[Any, ...]) -> Callable[[Snapshot], None]:
    """Calls of a snapshot, by name; ``rm`` removes a tree."""

    def run(box: Snapshot) -> None:
        for name, *arguments in calls:
            remove_tree(box, *arguments) if name == "rm" else getattr(box, name)(*arguments)

    return run


DIFFS = [
    ("nothing", steps(), ""),
    ("a new file", steps(("write", b"n", b"1")), "A n"),
    ("a new file in a directory of the image", steps(("write", b"d/n", b"1")), "C d, A d/n"),
    ("a new tree", steps(("mkdir", b"n"), ("mkdir", b"n/m"), ("write", b"n/m/f", b"")), "A n, A n/m, A n/m/f"),
    (
        "a changed file",
        steps(
            (
                "write",
                b"d/f",
                b"1",
            )
        ),
        "C d, C d/f",
    ),
    ("a changed file far below", steps(("write", b"d/sub/deep", b"1")), "C d, C d/sub, C d/sub/deep"),
    ("bytes changed, size and time as before", steps(("pwrite", b"d/f", 0, b"L"), ("utime", b"d/f", OLD)), ""),
    ("the same bytes written again", steps(("pwrite", b"d/f", 0, b"l")), "C d, C d/f"),
    ("opened for writing, and left", steps(("open_rw", b"d/f")), ""),
    ("another mode", steps(("chmod", b"d/f", 0o600)), "C d, C d/f"),
    ("the same mode", steps(("chmod", b"d/f", 0o644)), ""),
    ("another owner", steps(("chown", b"d", 7, -1)), "C d"),
    ("touched", steps(("utime", b"d/f")), "C d, C d/f"),
    ("touched, a fraction of a second", steps(("utime", b"d/f", OLD + 1)), ""),
    ("touched, a directory", steps(("utime", b"d")), ""),
    ("touched, a symlink", lambda box: box.utime(b"l", follow=False), "C l"),
    ("touched, a fifo", steps(("utime", b"pipe")), "C pipe"),
    ("touched, a block device", steps(("utime", b"sda")), ""),
    ("an extended attribute", steps(("setxattr", b"d/f", b"user.x", b"y")), ""),
    ("a file capability", steps(("setxattr", b"d/f", b"security.capability", b"y")), "C d, C d/f"),
    ("a deleted file", steps(("unlink", b"d/f")), "C d, D d/f"),
    ("a file made and deleted", steps(("write", b"n", b""), ("unlink", b"n")), ""),
    ("a file made and deleted in a directory of the image", steps(("write", b"d/n", b""), ("unlink", b"d/n")), ""),
    ("a deleted directory is one line", steps(("rm", b"d")), "D d"),
    ("a deleted directory within another", steps(("rm", b"d/sub")), "C d, D d/sub"),
    ("deleted and made again", steps(("rm", b"d"), ("mkdir", b"d")), "C d, D d/f, D d/g, D d/sub"),
    ("deleted and made again, empty as before", steps(("rm", b"empty"), ("mkdir", b"empty")), ""),
    (
        "deleted and made again, with one of its files",
        steps(("rm", b"d"), ("mkdir", b"d"), ("write", b"d/f", b"1"), ("mkdir", b"d/sub")),
        "C d, C d/f, D d/g, C d/sub, D d/sub/deep",
    ),
    ("a file became a directory", steps(("unlink", b"one"), ("mkdir", b"one")), "C one"),
    (
        "a file became a directory with a file",
        steps(("unlink", b"one"), ("mkdir", b"one"), ("write", b"one/f", b"")),
        "C one, A one/f",
    ),
    ("a directory became a file", steps(("rm", b"d"), ("write", b"d", b"")), "C d"),
    ("a directory became a symlink", steps(("rm", b"d/sub"), ("symlink", b"x", b"d/sub")), "C d, C d/sub"),
    ("a symlink of another target", steps(("unlink", b"l"), ("symlink", b"x", b"l")), "C l"),
    ("a renamed file", steps(("rename", b"d/f", b"n")), "C d, D d/f, A n"),
    ("a file renamed onto another", steps(("rename", b"d/f", b"d/g")), "C d, D d/f, C d/g"),
    ("one name of two written to", steps(("write", b"one", b"1")), "C one"),
    ("a link", steps(("link", b"one", b"three")), "A three"),
    (
        "a directory moved over an empty one",
        steps(("mkdir", b"n"), ("write", b"n/f", b""), ("rename", b"n", b"empty")),
        "C empty, A empty/f",
    ),
    ("the root's mode", steps(("chmod", b"", 0o700)), ""),
]


@pytest.mark.parametrize(("case", "change", "expected"), DIFFS, ids=[row[0] for row in DIFFS])
def test_diff_says(case: str, change: Callable[[Snapshot], None], expected: str) -> None:  # rule 36
    box = open_box()
    change(box)
    assert ", ".join(f"{kind} {path.decode()}" for kind, path in diff(box.union, box.freeze())) == expected


@pytest.mark.parametrize(("mtime", "expected"), [(5.5, ""), (5.25, "C"), (5.0, ""), (4.5, "C")])
def test_fractions_of_a_second_count_where_both_times_have_one(mtime: float, expected: str) -> None:  # rule 36
    box = open_box(layer(item("f", mtime=5.5)))
    box.utime(b"f", int(mtime * 10**9))
    assert "".join(change.kind for change in diff(box.union, box.freeze())) == expected


def test_the_root_is_never_in_a_diff() -> None:  # rule 36
    box = open_box(layer("f"))
    box.write(b"g", b"")
    box.chmod(b"", 0o700)
    assert diff(box.union, box.freeze()) == [Change("A", b"g")]


# Random containers


class Case:
    """A stack, a container on it after some operations, and the trees below and above."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.blobs = MemoryBlobs()
        self.union = load(make_stack(rng), self.blobs)
        operations: list[Operation] = make_operations(rng, self.union) + make_operations(rng, self.union)
        files = Snapshot(self.union, EMPTY, self.blobs, now=lambda: NOW)
        for name, *arguments in operations:
            try:
                perform(files, name, arguments)
            except FileError:
                continue
        self.upper = files.freeze()
        self.before = tree(Merged(self.union, EMPTY, self.blobs))
        self.after = tree(Merged(self.union, self.upper, self.blobs))


def compared(before: dict[bytes, Any], after: dict[bytes, Any]) -> set[Change]:
    """docker's whole comparison of two trees (moby, pkg/archive: FileInfo.addChanges)."""
    changes: set[Change] = set()

    def children(of: dict[bytes, Any], directory: bytes) -> set[bytes]:
        return {p for p in of if p and p.rpartition(b"/")[0] == directory}

    def differs(a: Any, b: Any) -> bool:
        times = a[4] // 10**9 != b[4] // 10**9 or (a[4] != b[4] and a[4] % 10**9 and b[4] % 10**9)
        if a[:4] != b[:4] or a[7].get(b"security.capability") != b[7].get(b"security.capability"):
            return True
        if a[0] in ("char", "block") and a[6] != b[6]:
            return True
        return a[0] not in ("dir", "block") and bool(a[5][0] != b[5][0] or times)

    def add(path: bytes, old: bytes | None) -> bool:
        """The changes at and below `path`, which was there before or not; whether there are any."""
        kind = "" if old is not None else "A"
        recurse = old is not None and after[path][0] == "dir"
        below = children(before, path) if recurse else set()
        found = False
        if old is not None and path and differs(before[path], after[path]):
            kind = "C"
        for child in children(after, path):
            found |= add(child, child if child in below else None)
            below.discard(child)
        changes.update(Change("D", child) for child in below)
        kind = kind or ("C" if found or below else "")
        if kind and path:
            changes.add(Change(kind, path))  # type: ignore[arg-type]
        return bool(kind)

    add(b"", b"")
    return changes


@pytest.mark.parametrize("seed", range(150))
def test_diff_is_docker_s_comparison_of_the_whole_trees(seed: int) -> None:  # rule 36
    case = Case(seed)
    assert set(diff(case.union, case.upper)) == compared(case.before, case.after)
    assert diff(case.union, case.upper) == sorted(diff(case.union, case.upper), key=lambda change: change.path)


@pytest.mark.parametrize("seed", range(150))
def test_a_committed_layer_shows_what_the_container_showed(seed: int) -> None:  # rule 37
    case = Case(seed)
    written = commit_layer(case.upper, case.blobs)
    committed = LayerStore(case.blobs).get(written.digest, written.diff_id)
    shown = tree(Merged(Union([*case.union.layers, committed]), EMPTY, case.blobs))

    def whole_seconds(found: dict[bytes, tuple[Any, ...]]) -> dict[bytes, tuple[Any, ...]]:
        return {p: (*v[:4], v[4] // 10**9, *v[5:]) for p, v in found.items() if p}

    assert whole_seconds(shown) == whole_seconds(case.after)
    assert written.unpacked == committed.unpacked == case.upper.unpacked  # rules 27, 38


@pytest.mark.parametrize("seed", range(60))
def test_an_export_is_the_merged_root(seed: int) -> None:
    case = Case(seed)
    out = io.BytesIO()
    export(case.union, case.upper, case.blobs, out)
    found: dict[bytes, tuple[Any, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(out.getvalue()), encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            whole = tar.getmember(member.linkname) if member.islnk() else member
            opened = tar.extractfile(whole) if whole.isreg() else None
            content: Any = opened.read() if opened else None
            if whole.issym():
                content = whole.linkname.encode("utf-8", "surrogateescape")
            elif whole.ischr() or whole.isblk():
                content = (whole.devmajor, whole.devminor)
            name = member.name.encode("utf-8", "surrogateescape")
            found[name] = (whole.mode, whole.uid, whole.gid, whole.mtime, content)
    assert list(found) == [path for path in case.after if path]
    assert found == {p: (*v[1:4], v[4] // 10**9, v[6]) for p, v in case.after.items() if p}


# Commit


def listed(box: Snapshot, **options: Any) -> list[tarfile.TarInfo]:
    """The entries of the layer that a commit writes."""
    written = commit_layer(box.freeze(), box.blobs, **options)
    data = b"".join(decompress(box.blobs.chunks(written.digest), limit=1 << 20, ratio=1000))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()


def test_commit_writes_parents_whiteouts_and_opaques_sorted_by_path() -> None:  # rules 8, 37
    box = open_box()
    box.write(b"z", b"1")
    box.write(b"d/n", b"12")
    box.unlink(b"d/f")
    remove_tree(box, b"d/sub")
    box.mkdir(b"d/sub")
    box.link(b"z", b"a")
    box.symlink(b"there", b"d/l")
    members = listed(box)
    assert [member.name for member in members] == [
        "a",
        "d",
        "d/.wh.f",
        "d/l",
        "d/n",
        "d/sub",
        "d/sub/.wh..wh..opq",
        "z",
    ]
    assert [(m.name, m.linkname) for m in members if m.islnk()] == [("z", "a")]
    whiteout = members[2]
    assert (whiteout.mode, whiteout.mtime, whiteout.size, whiteout.isreg()) == (0o600, 0, 0, True)


def test_commit_writes_the_upper_where_a_diff_shows_nothing() -> None:  # rules 28, 36
    box = open_box()
    box.open_rw(b"d/f")
    box.utime(b"empty")
    assert diff(box.union, box.freeze()) == []
    assert [(m.name, m.size) for m in listed(box)] == [("d", 0), ("d/f", 11), ("empty", 0)]
    assert box.freeze().unpacked == commit_layer(box.freeze(), box.blobs).unpacked == 11


def test_the_same_changes_at_the_same_clock_give_the_same_diff_id() -> None:  # rule 37
    def made(*order: int) -> str:
        box = open_box(blobs=MemoryBlobs())
        calls = [("write", b"z", bytes(9000)), ("unlink", b"d/f"), ("mkdir", b"new"), ("symlink", b"x", b"y")]
        steps(*(calls[n] for n in order))(box)
        return commit_layer(Upper.decode(box.freeze().encode()), box.blobs).diff_id

    assert made(0, 1, 2, 3) == made(3, 2, 1, 0) == made(1, 3, 0, 2)


def test_times_of_a_committed_layer_are_whole_seconds_none_after_the_epoch_given() -> None:  # rule 37
    box = open_box(now=100 * 10**9 + 999)
    box.write(b"d/n", b"")
    box.open_rw(b"d/f")
    assert {m.name: m.mtime for m in listed(box)} == {"d": 100, "d/f": 5, "d/n": 100}
    assert {m.name: m.mtime for m in listed(box, source_date_epoch=50)} == {"d": 50, "d/f": 5, "d/n": 50}


def test_a_long_name_that_is_unlinked_can_be_committed() -> None:  # rule 37
    name = b"n" * 255
    box = open_box(layer(item(name.decode())))
    box.unlink(name)
    written = commit_layer(box.freeze(), box.blobs)
    assert LayerStore(box.blobs).get(written.digest, written.diff_id).whiteouts == {name}


# Export of a part


def exported(box: Snapshot, below: bytes) -> dict[str, bytes | None]:
    out = io.BytesIO()
    export(box.union, box.freeze(), box.blobs, out, below)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        opened = ((m, tar.extractfile(m) if m.isreg() else None) for m in tar)
        return {member.name: stream.read() if stream else None for member, stream in opened}


def test_a_part_is_exported_under_its_own_name() -> None:
    box = open_box()
    box.write(b"d/sub/new", b"1" * 5000)
    assert exported(box, b"d/sub") == {"sub": None, "sub/deep": b"deep", "sub/new": b"1" * 5000}
    assert exported(box, b"d/f") == {"f": b"lower bytes"}
    assert exported(box, b"l") == {"l": None}
    assert list(exported(box, b"")) == [place.path.decode() for place in box.walk()]
    with pytest.raises(FileError):
        exported(box, b"nowhere")


# Waste


def stack(*layers: list[Any]) -> Union:
    return Union([layer(*lines) for lines in layers])


def test_waste_of_a_path_in_n_layers_is_the_n_minus_one_copies_that_nothing_shows() -> None:  # rule 40
    usage = survey(stack(*[[item("f", content=bytes(size))] for size in (10, 20, 30)]))
    assert usage == Usage(60, (Waste(b"f", 1, 20, 2, "replaced"), Waste(b"f", 0, 10, 1, "replaced")))
    assert (usage.wasted, usage.efficiency) == (30, 0.5)


def test_what_a_whiteout_hides_is_waste() -> None:  # rule 40
    usage = survey(stack([item("f", content=bytes(10))], [item("f", content=bytes(20))], [".wh.f"]))
    assert usage.waste == (Waste(b"f", 1, 20, 2, "whiteout"), Waste(b"f", 0, 10, 1, "replaced"))
    assert usage.efficiency == 0


@pytest.mark.parametrize(
    ("upper", "cause"),
    [
        (["d/", "d/.wh..wh..opq"], "opaque"),
        ([".wh..wh..opq"], "opaque"),
        ([".wh.d"], "whiteout"),
        (["d"], "replaced"),
        (["d/", "d/f -> "], "replaced"),
    ],
)
def test_waste_has_its_reason(upper: list[str], cause: str) -> None:  # rule 40
    if upper[-1].endswith("-> "):
        upper = ["d/", "d/f -> x"]
    usage = survey(stack(["d/", item("d/f", content=bytes(10))], upper))
    assert [(waste.path, waste.layer, waste.by, waste.cause) for waste in usage.waste] == [(b"d/f", 0, 1, cause)]


def test_a_file_of_which_one_name_is_seen_is_no_waste() -> None:  # rules 27, 40
    both = [item("a", content=bytes(10)), "b = a"]
    assert survey(stack(both, [".wh.a"])).waste == ()
    assert survey(stack(both, [".wh.a", ".wh.b"])).waste == (Waste(b"a", 0, 10, 1, "whiteout"),)


def test_an_image_without_bytes_is_wholly_efficient() -> None:  # rule 40
    assert survey(stack()).efficiency == survey(stack(["d/"])).efficiency == 1.0
    assert survey(stack([item("f")], [".wh.f"])) == Usage(0, ())


@pytest.mark.parametrize("seed", range(60))
def test_what_is_seen_and_what_is_wasted_is_all_there_is(seed: int) -> None:  # rule 40
    union = load(make_stack(random.Random(seed)))
    usage = survey(union)
    seen = {(found.layer, found.entry.inode): found.entry for _, found in union.walk() if found.entry.kind != "dir"}
    shown = sum(entry.size + len(entry.target) for entry in seen.values())
    assert usage.total == usage.wasted + shown == sum(one.unpacked for one in union.layers)
    assert 0 <= usage.efficiency <= 1
