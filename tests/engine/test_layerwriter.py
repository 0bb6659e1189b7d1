"""What the writer writes: the same for everybody, and read alike by tarfile and by us."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import digest as digests
from engine.errors import MalformedLayer
from engine.layer import Entry, Layer, Written
from engine.layerstore import LayerStore
from engine.layerwriter import LayerWriter
from engine.memoryblobs import MemoryBlobs
from tests.engine.tars import patient

NANO = 1_000_000_000
DIR = Entry("dir", 0o755, 0, 0, 0)
NOON = 1_700_000_000


def file(size: int = 0, mode: int = 0o644, mtime: int = 0) -> Entry:
    return Entry("file", mode, 0, 0, mtime, size=size)


def listing(writer: LayerWriter) -> list[tarfile.TarInfo]:
    """What tarfile sees in it."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(writer.tar())), mode="r:") as archive:
        return archive.getmembers()


def names(writer: LayerWriter) -> list[str]:
    """The names in the tar, directories with their slash."""
    return [member.name + "/" * member.isdir() for member in listing(writer)]


def read_back(writer: LayerWriter) -> tuple[Written, Layer]:
    blobs = MemoryBlobs()
    written = writer.write(blobs)
    return written, LayerStore(blobs).unpack(written.digest, written.diff_id)


def example(writer: LayerWriter | None = None, seed: int = 0) -> LayerWriter:
    """The same layer each time, its parts added in an order that `seed` shuffles."""
    writer = writer or LayerWriter()
    steps = [
        lambda: writer.add(b"etc", DIR),
        lambda: writer.add(b"etc/motd", Entry("file", 0o640, 7, 8, NOON * NANO + 5, size=6), b"hello\n"),
        lambda: writer.add(b"etc-", Entry("symlink", 0o777, 0, 0, NOON * NANO, target=b"etc")),
        lambda: writer.add(b"dev", Entry("char", 0o666, 0, 0, 0, major=1, minor=3)),
        lambda: writer.add(b"n" * 200, Entry("file", 0o644, 2**31, 0, -NANO, xattrs=((b"user.a", b"\0\n="),))),
        lambda: writer.whiteout(b"etc/issue"),
        lambda: writer.opaque(b"var/lib"),
    ]
    random.Random(seed).shuffle(steps)
    for step in steps:
        step()
    return writer


GOLDEN = "sha256:4985e2816d63a7ece7f3fe0486fa099b4fe10149e7ff88ee6b9236e161d4155d"


def test_the_diff_id_is_the_same_everywhere_and_for_ever() -> None:  # rule 37
    written, layer = read_back(example())
    assert written.diff_id == layer.diff_id == GOLDEN
    assert {read_back(example(seed=seed))[0] for seed in range(20)} == {written}


def test_entries_go_out_sorted_by_path_without_dots_and_directories_end_in_a_slash() -> None:  # rule 37
    assert names(example()) == [
        "dev",
        "etc/",
        "etc-",
        "etc/.wh.issue",
        "etc/motd",
        "n" * 200,
        "var/lib/.wh..wh..opq",
    ]


def test_whiteouts_are_empty_files_of_mode_0600_and_no_date() -> None:  # rule 37
    marks = [member for member in listing(example()) if ".wh." in member.name]
    assert [(m.isreg(), m.mode, m.mtime, m.size, m.uid) for m in marks] == [(True, 0o600, 0, 0, 0)] * 2


def test_ids_are_numbers_only_and_times_whole_seconds() -> None:  # rule 37
    motd = next(member for member in listing(example()) if member.name == "etc/motd")
    assert (motd.uid, motd.gid, motd.uname, motd.gname, motd.mtime) == (7, 8, "", "", NOON)
    assert not motd.pax_headers


def test_times_are_clamped_to_the_source_date_epoch() -> None:  # rule 37
    times = {m.name: m.mtime for m in listing(example(LayerWriter(source_date_epoch=1000)))}
    assert (times["etc/motd"], times["etc-"], times["etc"], times["n" * 200]) == (1000, 1000, 0, -1)


def test_a_time_below_zero_is_rounded_down() -> None:
    writer = LayerWriter()
    writer.add(b"f", file(mtime=-1))
    assert listing(writer)[0].mtime == -1


def test_the_root_can_be_written() -> None:
    writer = LayerWriter()
    writer.add(b"", Entry("dir", 0o711, 0, 0, 0))
    writer.opaque(b"")
    assert [member.name for member in listing(writer)] == [".", ".wh..wh..opq"]
    layer = read_back(writer)[1]
    assert (layer.entries[b""].mode, layer.opaques) == (0o711, {b""})


def test_a_whiteout_beside_its_directory_becomes_an_opaque_one() -> None:  # rule 8
    for first in (True, False):
        writer = LayerWriter()
        if first:
            writer.whiteout(b"d/lib")
        writer.add(b"d/lib", DIR)
        if not first:
            writer.whiteout(b"d/lib")
        assert names(writer) == ["d/lib/", "d/lib/.wh..wh..opq"]


def test_a_whiteout_beside_a_file_is_not_needed() -> None:
    writer = LayerWriter()
    writer.add(b"lib", file())
    writer.whiteout(b"lib")
    assert names(writer) == ["lib"]


@pytest.mark.parametrize("first", [b"a", b"m", b"z"])
def test_of_several_names_the_first_carries_the_content(first: bytes) -> None:  # rule 15
    writer = LayerWriter()
    writer.add(first, file(3), b"abc")
    others = sorted({b"a", b"m", b"z"} - {first})
    writer.hardlink(others[0], first)
    writer.hardlink(others[1], others[0])
    a, m, z = listing(writer)
    assert (a.name, a.isreg(), a.size) == ("a", True, 3)
    assert [(link.islnk(), link.linkname, link.size) for link in (m, z)] == [(True, "a", 0)] * 2
    written, layer = read_back(writer)
    assert written.unpacked == layer.unpacked == 3
    assert [layer.read(layer.entries[name]) for name in (b"a", b"m", b"z")] == [b"abc"] * 3


def test_a_symlink_may_have_two_names() -> None:  # rule 15
    writer = LayerWriter()
    writer.add(b"b", Entry("symlink", 0o777, 0, 0, 0, target=b"there"))
    writer.hardlink(b"a", b"b")
    written, layer = read_back(writer)
    assert layer.entries[b"a"] == layer.entries[b"b"]
    assert (layer.entries[b"a"].target, written.unpacked) == (b"there", 5)


def test_what_is_written_is_counted() -> None:  # rule 27
    blobs = MemoryBlobs()
    written = example().write(blobs)
    assert written.size == blobs.size(written.digest) == len(blobs.read(written.digest))
    assert written.unpacked == 6 + len(b"etc")
    assert digests.of(gzip.decompress(blobs.read(written.digest))) == written.diff_id


def test_an_empty_layer_is_an_empty_tar() -> None:
    assert b"".join(LayerWriter().tar()) == bytes(1024)
    assert read_back(LayerWriter())[1].entries == {}


@pytest.mark.parametrize("content", [b"", b"ab", b"abcd", [b"ab"], [b"ab", b"cd"], iter([b"a", b"b"])])
def test_a_content_of_another_size_than_promised_leaves_nothing(content: bytes) -> None:
    writer, blobs = LayerWriter(), MemoryBlobs()
    writer.add(b"d/f", file(3), content)
    with pytest.raises(MalformedLayer, match=r"/d/f: has . bytes where its entry says 3"):
        writer.write(blobs)
    assert list(blobs) == []


@pytest.mark.parametrize("path", [b".wh.a", b"d/.wh.a", b".wh..wh..opq", b".wh."])
def test_a_name_that_means_a_whiteout_is_refused(path: bytes) -> None:  # rule 35
    with pytest.raises(MalformedLayer):
        LayerWriter().add(path, file())
    writer = LayerWriter()
    writer.add(b"f", file())
    with pytest.raises(MalformedLayer):
        writer.hardlink(path, b"f")


def test_a_path_is_added_once() -> None:  # rule 11
    writer = LayerWriter()
    writer.add(b"f", file())
    for again in (lambda: writer.add(b"f", DIR), lambda: writer.hardlink(b"f", b"f")):
        with pytest.raises(MalformedLayer, match="twice"):
            again()


@pytest.mark.parametrize("target", [b"no", b"d"])
def test_a_hardlink_needs_a_file(target: bytes) -> None:  # rule 15
    writer = LayerWriter()
    writer.add(b"d", DIR)
    with pytest.raises(MalformedLayer, match="no file of the layer"):
        writer.hardlink(b"h", target)


def test_the_root_cannot_be_whited_out() -> None:
    with pytest.raises(MalformedLayer):
        LayerWriter().whiteout(b"")


def test_how_content_comes_does_not_matter() -> None:  # rule 37
    content = random.Random(2).randbytes(3_000_001)

    def written(pieces: bytes | Iterator[bytes]) -> Written:
        writer = LayerWriter()
        writer.add(b"f", file(len(content)), pieces)
        return writer.write(MemoryBlobs())

    cut = (content[at : at + 7777] for at in range(0, len(content), 7777))
    assert written(content) == written(cut)


def test_memory_stays_flat() -> None:
    class Nowhere(MemoryBlobs):
        def put(self, content, *, digest=None, size=None):  # type: ignore[no-untyped-def]
            self.count = sum(map(len, content))
            return digests.of(b"")

        def size(self, digest: object) -> int:
            return self.count

    writer = LayerWriter()
    for number in range(4):
        writer.add(b"%d" % number, file(32 << 20), (bytes(1 << 20) for _ in range(32)))
    tracemalloc.start()
    assert writer.write(Nowhere()).unpacked == 128 << 20
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()


# Whatever it is

NAMES = (
    st.binary(min_size=1, max_size=120)
    .map(lambda b: b.replace(b"\0", b"0").replace(b"/", b"_"))
    .filter(lambda b: b not in (b".", b"..") and not b.startswith(b".wh."))
)
OWNERS = st.integers(0, 2**32 - 1)
XATTRS = st.dictionaries(st.from_regex(rb"user\.[a-z]{1,9}", fullmatch=True), st.binary(max_size=99), max_size=2)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, bytes]:
    kind = draw(st.sampled_from(["file", "dir", "symlink", "fifo", "char", "block"]))
    content = draw(st.binary(max_size=1100)) if kind == "file" else b""
    device = (draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1))) if kind in ("char", "block") else (0, 0)
    return Entry(
        kind,
        draw(st.integers(0, 0o7777)),
        draw(OWNERS),
        draw(OWNERS),
        draw(st.integers(-(2**33), 2**33)) * NANO if draw(st.booleans()) else NOON * NANO,
        size=len(content),
        target=draw(NAMES) * draw(st.integers(1, 3)) if kind == "symlink" else b"",
        major=device[0],
        minor=device[1],
        xattrs=tuple(sorted(draw(XATTRS).items())),
    ), content


@st.composite
def layers(draw: st.DrawFn) -> tuple[dict[bytes, tuple[Entry, bytes]], dict[bytes, bytes], set[bytes], set[bytes]]:
    """Entries with their contents, hardlinks with their targets, whiteouts, opaque directories."""
    found = {name: draw(entries()) for name in draw(st.sets(NAMES, max_size=5))}
    for directory in [path for path, (entry, _) in found.items() if entry.kind == "dir"]:
        for name in draw(st.sets(NAMES, max_size=2)):
            found[directory + b"/" + name] = draw(entries())
    linkable = [path for path, (entry, _) in sorted(found.items()) if entry.kind != "dir"]
    targets = draw(st.dictionaries(NAMES, st.sampled_from(linkable), max_size=3)) if linkable else {}
    links = {path: target for path, target in targets.items() if path not in found}
    free = [path for path in draw(st.sets(NAMES, max_size=3)) if path not in found and path not in links]
    directories = sorted(path for path, (entry, _) in found.items() if entry.kind == "dir")
    opaques = draw(st.sets(st.sampled_from(directories))) if directories else set()
    return found, links, set(free), opaques


@patient
@given(layers(), st.randoms(use_true_random=False))
def test_whatever_is_written_tarfile_and_we_read_equal(
    value: tuple[dict[bytes, tuple[Entry, bytes]], dict[bytes, bytes], set[bytes], set[bytes]], order: random.Random
) -> None:  # rule 37
    found, links, whiteouts, opaques = value
    writer = LayerWriter()
    for path, (entry, content) in order.sample(sorted(found.items()), len(found)):
        writer.add(path, entry, content)
    for path, target in order.sample(sorted(links.items()), len(links)):
        writer.hardlink(path, target)
    for path in whiteouts:
        writer.whiteout(path)
    for path in opaques:
        writer.opaque(path)
    written, layer = read_back(writer)
    expected = found | {path: found[target] for path, target in links.items()}
    assert set(layer.entries) == set(expected)
    assert (layer.whiteouts, layer.opaques) == (whiteouts, opaques)
    assert written.unpacked == layer.unpacked
    for path, (entry, content) in expected.items():
        ours = layer.entries[path]
        assert ours == replaced(entry, ours)
        assert layer.read(ours) == content
    for path, target in links.items():
        assert layer.entries[path].inode == layer.entries[target].inode
    seen = tarfile_sees(b"".join(writer.tar()))
    assert {path for path in seen if b".wh." not in path} == set(expected)
    for path, (entry, content) in expected.items():
        assert seen[path] == (entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime // NANO, entry.target, content)


def replaced(entry: Entry, ours: Entry) -> Entry:
    """`entry` as a reader sees it: whole seconds, and a place in the tar."""
    fields = {field: getattr(entry, field) for field in Entry.__struct_fields__}
    return Entry(**{**fields, "inode": ours.inode, "offset": ours.offset, "mtime": entry.mtime // NANO * NANO})


def tarfile_sees(data: bytes) -> dict[bytes, tuple[str, int, int, int, float, bytes, bytes]]:
    """What Python's tarfile makes of a tar: kind, mode, owner, group, mtime, target and content of each path."""
    kinds = {
        tarfile.REGTYPE: "file",
        tarfile.DIRTYPE: "dir",
        tarfile.SYMTYPE: "symlink",
        tarfile.FIFOTYPE: "fifo",
        tarfile.CHRTYPE: "char",
        tarfile.BLKTYPE: "block",
    }
    seen: dict[bytes, tuple[str, int, int, int, float, bytes, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            path, target = (text.encode("utf-8", "surrogateescape") for text in (member.name, member.linkname))
            if member.islnk():
                seen[path] = seen[target]
                continue
            stream = archive.extractfile(member) if member.isreg() else None
            content = stream.read() if stream else b""
            about = (member.mode, member.uid, member.gid, member.mtime, target, content)
            seen[path] = (kinds[member.type], *about)
    return seen
