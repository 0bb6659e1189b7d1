"""Images of strangers as the normal case, through the doors that everybody uses: `load` and `pull`, typed.

What is refused is refused in one sentence that says what and where, with docker's exit code, in bounded memory and with
nothing half-stored. What is odd but legal is data like any other, and comes out as it went in.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import zstandard

from engine.__main__ import KITCHEN
from engine.errors import CommandError, EngineError, LimitExceeded
from engine.journal import Journal
from engine.ocilayout import Layout
from engine.registry import NOBODY, Caller, Registry, Request, Response
from engine.remote import InProcess
from menu import LAYOUT
from tests.engine.confined import ROOT, Confined, Ended
from tests.engine.oci import Builder, Json, digest_of, tarball, zipped
from tests.engine.tars import item, pax, raw, record, tar
from tests.engine.test_journal_shared import together
from web import state

BASE = tarball({"base": b"of all"})
END = bytes(1024)
MIB = 1 << 20


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Confined]:
    with Confined() as made:
        yield made


@pytest.fixture
def confined(everywhere: Confined, tmp_path: Path) -> Confined:
    """Commands on a new data directory."""
    everywhere.data = tmp_path / "data"
    return everywhere


@pytest.fixture
def layout(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "layout")


def nothing_is_left(data: Path) -> None:
    """No image, no half of a blob, and no fault."""
    with closing(Journal(data)) as journal:
        assert journal.head(KITCHEN).number == 0
        assert journal.head(KITCHEN).host.images == {}
        assert journal.check() == []
        assert list((data / "blobs" / "tmp").iterdir()) == []
        assert [file.name for file in (data / "cache").glob("*.draft")] == []
        kept = [json.loads(journal.blobs.read(d, 64 << 20)) for d in journal.blobs if _is_json(journal, d)]
        assert not any("layers" in document or "rootfs" in document for document in kept)
        journal.sweep(grace=0)
        assert list(journal.blobs) == []


def _is_json(journal: Journal, digest: Any) -> bool:
    with journal.blobs.open(digest) as stream:
        return stream.read(1) == b"{"


def refused(ended: Ended, *words: str, code: int = 1) -> None:
    """In one line, which has all `words` in their order."""
    assert ended.code == code, ended
    assert ended.out == ""
    assert ended.err.count("\n") == 1, ended.err
    assert len(ended.err) < 600, "a sentence, not the stranger's own text"
    assert "Traceback" not in ended.err
    rest = ended.err
    for word in words:
        assert word in rest, f"{word!r} is not in {rest!r}"
        rest = rest[rest.index(word) + len(word) :]


# Layers


def gzip_bomb() -> bytes:
    """Zeros, 4 GiB of them, in members that repeat."""
    return gzip.compress(bytes(64 * MIB), 9, mtime=0) * 64


def zstd_bomb() -> bytes:
    return zstandard.compress(bytes(64 * MIB), 19) * 64


def zstd_window() -> bytes:
    """A frame that asks for a window of 2 GiB."""
    return b"\x28\xb5\x2f\xfd" + bytes([0b0000_0000, (31 - 10) << 3]) + b"\x01\x00\x00" + b"x" * 64


def million() -> bytes:
    """A million empty files; the second half, in a member of its own, has the names of the first."""
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    out = io.BytesIO()
    head = bytearray(raw(b"f0000000"))
    total = sum(head[:148]) + 8 * 32 + sum(head[156:]) - sum(head[1:8])
    for n in range(500_001):
        digits = b"%07d" % n
        head[1:8] = digits
        head[148:156] = b"%06o\0 " % (total + sum(digits))
        out.write(pack.compress(head))
    return (out.getvalue() + pack.flush()) * 2


LAYERS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "gzip bomb": (gzip_bomb, "bytes that one byte of the compressed layer becomes: more than the allowed 200"),
    "zstd bomb": (zstd_bomb, "bytes that one byte of the compressed layer becomes: more than the allowed 200"),
    "zstd window": (zstd_window, "malformed layer: near byte"),
    "a million entries": (million, "entries of the layer: more than the allowed 500,000"),
    "deep path": (lambda: tar("d/" * 256 + "f"), "components of the path /d/d/"),
    "long path": (lambda: tar("/".join(["d" * 250] * 17)), "bytes of the path /dddd"),
    "long name": (lambda: tar("d" * 256), "bytes of the name /dddd"),
    "huge pax record": (
        lambda: pax(record(b"comment", bytes(2 * MIB))) + raw(b"f") + END,
        "an extended tar header of 2,097,",
    ),
    "pax header of 8 GiB": (
        lambda: raw(b"x", b"x", size=b"77777777777\0") + END,
        "an extended tar header of 8,589,934,591 bytes: more than the allowed 1,048,576",
    ),
    "endless pax headers": (lambda: pax(record(b"a", b"b")) * 20_000 + END, "an extended header describes no entry"),
    "growing global headers": (
        lambda: b"".join(pax(record(b"k%d" % n, bytes(1000)), flag=b"g") for n in range(2000)) + END,
        "global tar headers of",
    ),
    "pax record of no length": (lambda: pax(b"0 a=b\n") + raw(b"f") + END, "of the tar: a record of the pax header"),
    "negative size": (lambda: raw(b"f", size=b"\xff" * 12) + END, "/f has the impossible size -1"),
    "negative pax size": (lambda: pax(record(b"size", b"-1")) + raw(b"f") + END, "byte 1,024 of the tar: a pax record"),
    "size of 2^70": (lambda: pax(record(b"size", b"%d" % 2**66)) + raw(b"f") + END, "/f has the impossible size"),
    "size beyond the end": (lambda: raw(b"f", size=b"00000010000\0") + END, "the tar ends in the middle of an entry"),
    "the same path twice": (lambda: tar("a", "b", "a"), "malformed layer: /a: is in the layer twice"),
    "twice by another spelling": (lambda: tar("d/a", "./d//x/../a"), "malformed layer: /d/a: is in the layer twice"),
    "hardlink forward": (lambda: tar("a = b", "b"), "malformed layer: /a: is a hardlink to /b, which does not stand"),
    "hardlink to itself": (lambda: tar("a = a"), "malformed layer: /a: is a hardlink to /a, which"),
    "hardlink to a directory": (lambda: tar("d/", "a = d"), "malformed layer: /a: is a hardlink to /d, a dir"),
    "hardlink outside": (lambda: tar("a = ../../etc/passwd"), "climbs above the root"),
    "hardlink to the lower layer": (lambda: tar("a = base"), "malformed layer: /a: is a hardlink to /base, which"),
    "symlink loop on the way": (lambda: tar("a -> b", "b -> a", "a/f"), "leads through too many symlinks"),
    "climbing path": (lambda: tar("../../etc/passwd"), "climbs above the root"),
    "below a file": (lambda: tar("f", "f/g"), "malformed layer: /f: is a file, and the layer has entries below it"),
    "whiteout of nothing": (lambda: tar(".wh."), "malformed layer: /.wh."),
    "root that is a file": (lambda: raw(b"./") + END, "malformed layer: /: the root"),
    "sparse file": (lambda: raw(b"f", b"S") + END, "unsupported: the sparse file /f"),
    "name with a NUL": (lambda: pax(record(b"path", b"a\0b")) + raw(b"f") + END, "byte 1,024 of the tar: a pax record"),
    "owner beyond 32 bits": (lambda: pax(record(b"uid", b"4294967296")) + raw(b"f") + END, "has the impossible owner"),
    "noise": (lambda: bytes(range(256)) * 64, "malformed layer: byte 0 of the tar: no tar header"),
    "xz": (lambda: b"\xfd7zXZ\0" + bytes(100), "unsupported: compressed with xz"),
    "cut gzip": (lambda: zipped(tar("f"))[:-9], "malformed layer: near byte"),
    "cut zstd": (lambda: zstandard.compress(tar("f"))[:-9], "malformed layer: "),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_that_asks_too_much_or_makes_no_sense_is_refused(  # rule 18, rules 1 to 16
    case: str, confined: Confined, layout: Builder
) -> None:
    make, sentence = LAYERS[case]
    layer = make()
    layout.tag("evil/pizza:latest", layout.image(BASE, layer, pack=bytes, diff_ids=[digest_of(BASE), digest_of(b"")]))
    loaded = confined.run("load", "-i", str(layout.path))
    refused(loaded, "Error response from daemon: load: layer 2 of 2: ", sentence)
    nothing_is_left(confined.data)
    if case == "a million entries":  # these take time, and are as many however they come
        assert loaded.peak < 256 * MIB
        return
    pulled = confined.run("pull", "-q", "evil/pizza", menu=layout.path)
    refused(pulled, "Error response from daemon: pull evil/pizza:latest: layer 2 of 2: ", sentence)
    nothing_is_left(confined.data)
    assert max(loaded.peak, pulled.peak) < 96 * MIB


def test_running_what_is_refused_ends_as_dockers_run_does(confined: Confined, layout: Builder) -> None:
    layout.tag("evil/pizza:latest", layout.image(tar("a", "a"), pack=bytes))
    ended = confined.run("run", "evil/pizza", menu=layout.path)
    assert ended.code == 125
    why = "pull evil/pizza:latest: layer 1 of 1: malformed layer: /a: is in the layer twice"
    assert ended.err.splitlines() == [
        "Unable to find image 'evil/pizza:latest' locally",
        f"docker: Error response from daemon: {why}.",
        "See 'docker run --help'.",
    ]
    nothing_is_left(confined.data)


# Documents


def many_layers(layout: Builder) -> Json:
    return layout.image(*[BASE] * 126)


def large_config(layout: Builder) -> Json:
    return layout.image(BASE, comment="c" * 5_000_000)


def deep_config(layout: Builder) -> Json:
    def change(manifest: Json) -> None:
        content = b'{"architecture": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        manifest["config"] |= {k: v for k, v in layout.blob(content).items() if k != "mediaType"}

    return layout.image(BASE, change=change)


def lying(field: str, size: Callable[[int], int]) -> Callable[[Builder], Json]:
    """A manifest that gives another size for its config or its second layer."""

    def make(layout: Builder) -> Json:
        def change(manifest: Json) -> None:
            descriptor = manifest["config"] if field == "config" else manifest["layers"][1]
            descriptor["size"] = size(descriptor["size"])

        return layout.image(BASE, tar("f"), change=change)

    return make


def changed(change: Callable[[Json], None]) -> Callable[[Builder], Json]:
    return lambda layout: layout.image(BASE, tar("f"), change=change)


def two_sizes(manifest: Json) -> None:
    manifest["layers"][1] = manifest["layers"][0] | {"size": 1}


DOCUMENTS: Mapping[str, tuple[Callable[[Builder], Json], str]] = {
    "126 layers": (many_layers, "malformed manifest: 126 layers; at most 125 are possible"),
    "config of 5 MB": (large_config, "document sha256:"),
    "config that nests": (deep_config, "malformed image config: "),
    "config larger than said": (lying("config", lambda n: n - 1), "size mismatch: expected "),
    "config smaller than said": (lying("config", lambda n: n + 1), "size mismatch: expected "),
    "layer larger than said": (lying("layer", lambda n: n - 1), "layer 2 of 2: size mismatch: expected "),
    "layer smaller than said": (lying("layer", lambda n: n + 1), "layer 2 of 2: size mismatch: expected "),
    "layer of a petabyte": (lying("layer", lambda n: 10**15), "layer 2 of 2: size mismatch: expected 1000000000000000"),
    "layer of negative size": (lying("layer", lambda n: -1), "malformed manifest: a descriptor has a negative size"),
    "layer of 2^64 bytes": (
        lying("layer", lambda n: 2**64),
        "layer 2 of 2: size mismatch: expected 18446744073709551616",
    ),
    "two sizes of one blob": (changed(two_sizes), "malformed manifest: sha256:"),
    "index and manifest at once": (changed(lambda m: m.update(manifests=[])), "has `manifests` together with"),
    "digest of no algorithm": (
        changed(lambda m: m["layers"][1].update(digest="md5:" + "a" * 32)),
        "malformed manifest",
    ),
    "digest that climbs": (changed(lambda m: m["layers"][1].update(digest="sha256:../../x")), "malformed manifest"),
    "no container image": (
        changed(lambda m: m["config"].update(mediaType="text/html")),
        "no container image",
    ),
    "another schema": (changed(lambda m: m.update(schemaVersion=1)), "malformed manifest: "),
    "fewer diff_ids": (lambda layout: layout.image(BASE, BASE, diff_ids=[digest_of(BASE)]), "malformed image: "),
    "another diff_id": (
        lambda layout: layout.image(BASE, tar("f"), diff_ids=[digest_of(BASE)] * 2),
        "layer 2 of 2: digest mismatch: expected sha256:",
    ),
    "more history than layers": (
        lambda layout: layout.image(BASE, history=[{"created_by": "a"}, {"created_by": "b"}]),
        "malformed image config: history has 2 layers, rootfs.diff_ids 1",
    ),
    "rootfs of another type": (
        lambda layout: layout.image(BASE, rootfs={"type": "floors", "diff_ids": []}),
        "malformed image config: ",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents_that_lie_are_refused(case: str, confined: Confined, layout: Builder) -> None:  # rules 19 to 24
    make, sentence = DOCUMENTS[case]
    layout.tag("evil/pizza:latest", make(layout))
    refused(confined.run("load", "-i", str(layout.path)), "Error response from daemon: load: ", sentence)
    nothing_is_left(confined.data)
    pulled = confined.run("pull", "-q", "evil/pizza", menu=layout.path)
    refused(pulled, "Error response from daemon: pull evil/pizza:latest: ", sentence)
    nothing_is_left(confined.data)
    assert pulled.peak < 96 * MIB


# Archives


def docker_archive(**files: bytes) -> bytes:
    return tarball({name.replace("__", "/"): content for name, content in files.items()})


def manifest_json(**row: Any) -> bytes:
    return json.dumps([{"Config": "c.json", "Layers": []} | row]).encode()


ARCHIVES: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "it has no manifest.json: neither `docker save` nor OCI wrote it"),
    "noise": (lambda: b"noise" * 1000, "malformed archive: byte 0 of the tar: "),
    "gzip bomb": (gzip_bomb, "bytes that one byte of the compressed layer becomes: more than the allowed 200"),
    "cut": (lambda: tarball({"manifest.json": b"[]" * 1000})[:1500], "malformed archive: "),
    "a hundred thousand members": (lambda: raw(b"f") * 100_000 + END, "members of the archive: more than the allowed"),
    "links in a circle": (lambda: tar("manifest.json -> a", "a -> manifest.json"), "it has no manifest.json"),
    "a path of this machine": (
        lambda: tarball({"manifest.json": manifest_json(Config="/etc/passwd")}),
        "malformed archive: it has no /etc/passwd",
    ),
    "a path above": (
        lambda: tarball({"manifest.json": manifest_json(Config="../../../etc/passwd")}),
        "malformed archive: it has no ../../../etc/passwd",
    ),
    "a link out": (
        lambda: tarball({"manifest.json": (tarfile.SYMTYPE, "/etc/passwd")}),
        "it has no manifest.json",
    ),
    "a manifest.json of 5 MB": (lambda: tarball({"manifest.json": b" " * 5_000_000}), "manifest.json has 5,000,000 by"),
    "no rows": (lambda: tarball({"manifest.json": b"[]"}), "malformed archive: there is no container image in it"),
    "rows of another kind": (lambda: tarball({"manifest.json": b'{"a": 1}'}), "malformed manifest.json: "),
}


@pytest.mark.parametrize("case", ARCHIVES)
@pytest.mark.parametrize("way", ["file", "gzip"])
def test_an_archive_that_is_none_is_refused(case: str, way: str, confined: Confined, tmp_path: Path) -> None:
    make, sentence = ARCHIVES[case]
    content = make()
    (tmp_path / "archive").write_bytes(gzip.compress(content, 1) if way == "gzip" else content)
    ended = confined.run("load", "-i", str(tmp_path / "archive"))
    if (case, way) == ("gzip bomb", "gzip"):
        sentence = "malformed archive: "  # a bomb within a gzip is no tar
    refused(ended, "Error response from daemon: load: ", sentence)
    nothing_is_left(confined.data)
    assert ended.peak < 96 * MIB


# Registries


class Hostile(Registry):
    """A registry that answers as it likes to what `path` is a part of."""

    def __init__(self, layout: Path, path: str, answer: Callable[[Response], Response]) -> None:
        super().__init__(Layout(layout))
        self._path, self._twist = path, answer
        self.sent = 0

    def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
        response = super().handle(request, caller)
        if self._path not in request.path:
            return response
        response = self._twist(response)
        return replace(response, chunks=self._counted(response))

    def _counted(self, response: Response) -> Iterator[bytes]:
        for chunk in response.chunks:
            self.sent += len(chunk)
            yield chunk


def endless(_response: Response) -> Response:
    return Response(200, {"content-type": "application/octet-stream"}, repeat(bytes(MIB)))


def failing(status: int, chunks: Any = ()) -> Callable[[Response], Response]:
    return lambda _: Response(status, {"location": "http://127.0.0.1:1/"}, chunks)


def cut(response: Response) -> Response:
    return replace(response, chunks=[b"".join(response.chunks)[:-1]])


def other(response: Response) -> Response:
    return replace(response, chunks=[bytes(len(b"".join(response.chunks)))])


def announced(size: str) -> Callable[[Response], Response]:
    return lambda response: replace(response, headers={**response.headers, "content-length": size})


@pytest.mark.parametrize(
    ("path", "answer", "sentence"),
    [
        ("/blobs/sha256:LAYER", endless, "layer 2 of 2: size mismatch: expected "),
        ("/blobs/sha256:LAYER", cut, "layer 2 of 2: size mismatch: expected "),
        ("/blobs/sha256:LAYER", other, "layer 2 of 2: digest mismatch: expected sha256:"),
        ("/blobs/sha256:LAYER", announced("99999999999999999999"), "layer 2 of 2: size mismatch: expected "),
        ("/blobs/sha256:LAYER", failing(404), "layer 2 of 2: blob sha256:"),
        ("/blobs/sha256:LAYER", failing(500, repeat(b"x" * 1000)), "layer 2 of 2: the registry answered 500 to GET"),
        ("/blobs/sha256:LAYER", failing(307), "layer 2 of 2: the registry answered 307 to GET"),
        ("/blobs/sha256:LAYER", failing(200), "layer 2 of 2: size mismatch: expected "),
        ("/blobs/sha256:CONFIG", endless, "size mismatch: expected "),
        ("/blobs/sha256:CONFIG", other, "digest mismatch: expected "),
        ("/manifests/latest", endless, "the manifest at /v2/evil/pizza/manifests/latest is too large"),
        ("/manifests/latest", other, "digest mismatch: expected sha256:"),
        ("/manifests/latest", cut, "digest mismatch: expected sha256:"),
        (
            "/manifests/latest",
            failing(500, [b'{"errors":[{"code":"X","message":"burnt"}]}']),
            "pizza/manifests/latest: X: b",
        ),
        ("/manifests/latest", failing(429, [b"[" * 100_000]), "the registry answered 429 to GET"),
        ("/manifests/latest", lambda r: replace(r, headers={"docker-content-digest": "?"}), "invalid digest '?'"),
    ],
)
def test_a_registry_that_lies_is_believed_in_nothing(
    path: str, answer: Callable[[Response], Response], sentence: str, layout: Builder, tmp_path: Path
) -> None:
    manifest = layout.tag("evil/pizza:latest", layout.image(BASE, tar("f")))
    path = path.replace("sha256:LAYER", manifest["layers"][1]["digest"])
    path = path.replace("sha256:CONFIG", manifest["config"]["digest"])
    registry = Hostile(layout.path, path, answer)
    with closing(Journal(tmp_path / "data", own=lambda *_: InProcess(registry))) as journal:
        journal.create(KITCHEN)
        with pytest.raises(CommandError) as caught:
            journal.do(KITCHEN, ["pull", "evil/pizza"])
    said = str(caught.value)
    assert said.startswith("Error response from daemon: pull evil/pizza:latest: ")
    assert sentence in said
    assert len(said) < 600
    assert caught.value.exit_code == 1
    assert registry.sent <= 6 * MIB, "it stops reading as soon as it knows"
    nothing_is_left(tmp_path / "data")


# Odd and legal

NAMES = [
    b"new\nline",
    b"tab\there",
    b"caf\xe9",
    b"\xff\xfe",
    "jalapeño".encode(),
    b" ",
    b"-rf",
    b"a\\b",
    b"\x1b[31m",
    b"%s",
]


def oddities() -> bytes:
    """Devices, set-id files, attributes, links, and names of any bytes but the two that no name has."""
    text = [name.decode("utf-8", "surrogateescape") for name in NAMES]
    return tar(
        item("odd", "dir"),
        *(item(f"odd/{name}", content=name.encode("utf-8", "surrogateescape")) for name in text),
        item("bin/su", content=b"root", mode=0o6755),
        item("dev/sda", "block", devmajor=8, devminor=1, mode=0o660),
        item("dev/mem", "char", devmajor=1, devminor=1),
        item("dev/whiteout", "char", devmajor=0, devminor=0),
        item("run/pipe", "fifo"),
        item("tmp", "dir", mode=0o1777),
        item("a", "symlink", target="b"),
        item("b", "symlink", target="a"),
        item("out", "symlink", target="/../../../../etc/passwd"),
        item("linked", "link", target="bin/su"),
        item("owned", content=b"x", uid=4_294_967_295, gid=65_534),
        item("old", content=b"x", mtime=-1_000_000_000),
        item(
            "rich", content=b"x", pax_headers={"SCHILY.xattr.user.taste": "sour\udcff\n", "SCHILY.xattr.user.none": ""}
        ),
    )


@pytest.fixture
def odd(confined: Confined, layout: Builder) -> Confined:
    """With an image of oddities, a container of it, and the image's archive beside the data."""
    layout.tag("odd/pizza:latest", layout.image(BASE, oddities(), run={"Cmd": ["sh"]}, config={"Cmd": ["sh"]}))
    assert confined.run("load", "-i", str(layout.path)).code == 0
    assert confined.run("run", "-d", "--name", "box", "odd/pizza").code == 0
    return confined


def test_names_of_any_bytes_are_listed_read_and_told(odd: Confined) -> None:
    listed = odd.run("exec", "box", "ls", "-a", "/odd")
    assert (listed.code, listed.err) == (0, "")
    for name in NAMES:
        assert name.decode("utf-8", "replace") in listed.out
    read = odd.run("exec", "box", "sh", "-c", "cat /odd/*")
    assert read.out == b"".join(sorted(NAMES)).decode("utf-8", "replace")
    assert odd.run("exec", "box", "sh", "-c", 'for f in /odd/*; do echo x >> "$f"; done; rm -- /odd/-rf').code == 0
    told = odd.run("diff", "box").out
    assert set(told.replace("\nline", "\\nline").splitlines()) == {
        "C /odd",
        "D /odd/-rf",
        *(
            f"C /odd/{name.decode('utf-8', 'backslashreplace')}".replace("\n", "\\n")
            for name in NAMES
            if name != b"-rf"
        ),
    }


def test_pages_get_such_names_as_text(odd: Confined) -> None:
    odd.run("exec", "box", "sh", "-c", "rm /odd/*")
    with closing(Journal(odd.data)) as journal:
        document = json.loads(state.encode(state.describe(journal, KITCHEN)))
    changes = {change["path"] for change in document["containers"][0]["changes"]}
    assert {f"/odd/{name.decode('utf-8', 'backslashreplace')}" for name in NAMES} <= changes
    assert {event["path"] for event in document["events"] if "path" in event} == changes


def test_devices_and_set_id_files_are_kept_as_data(odd: Confined) -> None:
    listed = odd.run("exec", "box", "ls", "-l", "/bin/su", "/dev", "/run", "/linked", "/owned").out
    for line in (
        "-rwsr-sr-x    2 0        0                4",
        "brw-rw----",
        "8,   1",
        "prw-r--r--",
        "4294967295 65534",
    ):
        assert line in listed, listed
    assert odd.run("exec", "box", "cat", "/dev/mem").code == 1
    assert "Too many levels of symbolic links" in odd.run("exec", "box", "cat", "/a").err or "ymbolic" in (
        odd.run("exec", "box", "cat", "/a").err
    )
    assert odd.run("exec", "box", "cat", "/out").code == 1, (
        "the container has no /etc/passwd, and the machine's is not its"
    )


def test_what_is_odd_comes_out_as_it_went_in(odd: Confined, layout: Builder, tmp_path: Path) -> None:
    for words in (
        ["export", "-o", str(tmp_path / "root.tar"), "box"],
        ["save", "-o", str(tmp_path / "a.tar"), "odd/pizza"],
    ):
        assert odd.run(*words).code == 0
    with tarfile.open(fileobj=io.BytesIO(oddities()), errors="surrogateescape") as given:
        wanted = {m.name: m for m in given}
        contents = {m.name: given.extractfile(m).read() for m in given if m.isreg()}  # type: ignore[union-attr]
    with tarfile.open(tmp_path / "root.tar", errors="surrogateescape") as exported:
        found = {m.name: m for m in exported}
        for name, member in wanted.items():
            out = found[name]
            if {name, out.name} & {"linked", "bin/su"}:
                continue  # either may come first, and the other is a link to it
            for field in ("type", "mode", "uid", "gid", "mtime", "size", "linkname", "devmajor", "devminor"):
                assert getattr(out, field) == getattr(member, field), (name, field)
            if out.isreg():
                assert exported.extractfile(out).read() == contents[name]  # type: ignore[union-attr]
        assert found["rich"].pax_headers["SCHILY.xattr.user.taste"] == "sour\udcff\n"
        assert {found["linked"].linkname, found["bin/su"].linkname} == {"", "bin/su"}
    other = tmp_path / "other"
    assert odd.run("load", "-i", str(tmp_path / "a.tar"), data=other).out == "Loaded image: odd/pizza:latest\n"
    assert odd.run("images", "-q", "--no-trunc", data=other).out == odd.run("images", "-q", "--no-trunc").out
    assert odd.run("fsck", data=other).code == 0


def test_committing_the_125th_layer_works_and_the_126th_is_refused(
    confined: Confined, layout: Builder
) -> None:  # rule 20
    layout.tag("high/pizza:latest", layout.image(*[BASE] * 124, config={"Cmd": ["sh"]}))
    assert confined.run("load", "-i", str(layout.path)).code == 0
    for name, image in (("one", "high/pizza"), ("two", "higher/pizza")):
        assert confined.run("run", "-d", "--name", name, image).code == 0
        assert confined.run("exec", name, "touch", f"/{name}").code == 0
        ended = confined.run("commit", name, "higher/pizza")
    refused(ended, "Error response from daemon: max depth exceeded")
    assert confined.run("fsck").code == 0


# At once


def puller(data: Path, kitchen: str, reference: str) -> subprocess.Popen[bytes]:
    """A pull in a process of its own."""
    script = """if True:
        import sys
        from pathlib import Path
        from engine.journal import Journal
        data, kitchen, menu, name = sys.argv[1:]
        journal = Journal(Path(data), menu=Path(menu))
        journal.enter(kitchen)
        print(journal.do(kitchen, ["pull", name]).status)
        journal.close()
    """
    words = [sys.executable, "-c", script, str(data), kitchen, str(LAYOUT), reference]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_same_image_pulled_at_once_by_kitchens_and_processes_is_stored_once(tmp_path: Path) -> None:
    children = [puller(tmp_path, kitchen, "pizza/hawaiian") for kitchen in ("a", "a", "b")]
    with closing(Journal(tmp_path, menu=LAYOUT)) as journal:

        def pull(kitchen: str) -> None:
            journal.enter(kitchen)
            journal.do(kitchen, ["pull", "pizza/hawaiian"])

        failed = together(*(lambda kitchen=kitchen: pull(kitchen) for kitchen in "abcc"))
        for child in children:
            assert child.communicate(timeout=120) == (b"0\n", b"")
        assert failed == []
        hosts = [journal.head(kitchen).host for kitchen in "abc"]
        assert hosts[0] == hosts[1] == hosts[2]
        assert {journal.head(kitchen).number for kitchen in "abc"} == {1}, "the second pull of a kitchen was up to date"
        assert journal.used("a") == sum(map(journal.blobs.size, journal.blobs))
        assert journal.check() == []


def test_a_quota_holds_against_transfers_at_once(tmp_path: Path) -> None:
    names = ["cheese", "margherita", "hawaiian", "pepperoni"]
    for quota in range(240_000, 420_000, 30_000):
        data = tmp_path / str(quota)
        with closing(Journal(data, menu=LAYOUT, quota=quota)) as journal:
            journal.create("k")
            failed = together(*(lambda name=name: journal.do("k", ["pull", f"pizza/{name}"]) for name in names))
            assert all(isinstance(error, EngineError) for error in failed)
            assert all(isinstance(e, LimitExceeded) or "of the quota are left" in str(e) for e in failed), failed
            assert len(journal.head("k").host.images) == len(names) - len(failed) == journal.head("k").number
            assert journal.used("k") <= quota
            assert journal.check() == []
            journal.sweep(grace=0)
            assert journal.used("k") == sum(map(journal.blobs.size, journal.blobs))
