"""`docker import`: the tar of a root file system becomes an image of one layer, as dockerd makes it."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from engine import events as facts
from engine.__main__ import Files
from engine.commands.changes import changed
from engine.errors import CommandError, EngineError
from engine.journal import Journal
from engine.spec import RunConfig
from tests import peers
from tests.engine.confined import Confined
from tests.engine.oci import digest_of, tarball
from tests.engine.twins import Twins

ROOT = tarball({"etc/motd": b"hot\n" * 1000, "etc/issue": (tarfile.SYMTYPE, "motd"), "bin/tool": b"x" * 50_000})
PACKED = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "data", quota=None)
    made.enter("k")
    yield made
    assert made.check() == []
    made.close()


def do(journal: Journal, *argv: str, **options: Any) -> str:
    done = journal.do("k", argv, local=Files(), **options)
    assert done.status == 0, done.err
    return done.out


@pytest.mark.parametrize("form", PACKED)
def test_a_root_becomes_an_image_of_one_layer(journal: Journal, tmp_path: Path, form: str) -> None:
    # rules 18, 19
    packed = PACKED[form](ROOT)
    (tmp_path / "root.tar").write_bytes(packed)
    done = journal.do("k", ["import", str(tmp_path / "root.tar"), "root"], local=Files())
    record = journal.head("k").host.find_image("root")
    assert record
    image = journal.context.images[record.manifest]
    assert done.out == f"{record.id}\n"
    assert [layer.diff_id for layer in image.layers] == [digest_of(ROOT)]
    assert journal.blobs.read(image.layers[0].digest) == packed, "kept as it came"
    assert image.manifest.layers[0].media_type.endswith({"plain": ".tar", "gzip": "+gzip", "zstd": "+zstd"}[form])
    [event] = [event for event in done.events if isinstance(event, facts.ImageImported)]
    assert (event.reference, event.size, event.unpacked) == ("root:latest", len(packed), 54_004)
    assert do(journal, "run", "root", "cat", "/etc/issue") == "hot\n" * 1000


def test_what_is_no_root_is_refused_and_nothing_changes(journal: Journal, tmp_path: Path) -> None:
    before = journal.head("k").id
    for content, said in (
        (b"junk" * 1000, "malformed layer"),
        (gzip.compress(ROOT)[:-20], "malformed layer"),
        (gzip.compress(ROOT[:700]), "ends in the middle"),
        (b"BZh9" + b"x" * 1000, "compressed with bzip2; gzip, zstd or none are read"),
        (tarball({"../x": b""}), "climbs above the root"),
    ):
        (tmp_path / "root.tar").write_bytes(content)
        with pytest.raises(CommandError, match=f"Error response from daemon: .*{said}"):
            do(journal, "import", str(tmp_path / "root.tar"))
    for words, said in (
        (["http://example/x.tar"], "only files are imported"),
        (["/nope.tar"], "open /nope.tar: no such file or directory"),
        ([str(tmp_path / "root.tar"), "UPPER"], "must be lowercase"),
        ([str(tmp_path / "root.tar"), "a", "b"], "'b' is one word too many"),
        (
            ["-c", "FROM x", str(tmp_path / "root.tar")],
            "Error response from daemon: from is not a valid change command",
        ),
        (["--platform", "x", str(tmp_path / "root.tar")], "cannot parse platform specifier"),
    ):
        with pytest.raises(CommandError, match=said):
            do(journal, "import", *words)
    assert journal.head("k").id == before


def test_an_import_keeps_to_its_quota_and_can_be_cancelled(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "data", quota=20_000)
    journal.enter("k")
    (tmp_path / "root.tar").write_bytes(ROOT)
    with pytest.raises(EngineError, match="20,000 of the quota are left"):
        do(journal, "import", str(tmp_path / "root.tar"))
    with pytest.raises(EngineError, match="cancelled"):
        do(journal, "import", str(tmp_path / "root.tar"), cancelled=lambda: True)
    assert set(journal.blobs) == set()
    journal.close()


def test_memory_stays_flat_whatever_the_size(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("big")
        member.size = 600 << 20
        archive.addfile(member, _Zeros())
    with Confined() as confined:
        confined.data = tmp_path / "data"
        ended = confined.run("import", str(path), "big", memory=160 << 20)
    assert ended.code == 0, ended.err
    assert ended.peak < 64 << 20


class _Zeros(io.RawIOBase):
    """Zeros without end."""

    def read(self, size: int = -1, /) -> bytes:
        return bytes(size)


# Instructions


@pytest.mark.parametrize(
    ("instruction", "field", "expected"),
    [
        ('CMD ["sh", "-c"]', "Cmd", ("sh", "-c")),
        ("cmd echo hi", "Cmd", ("/bin/sh", "-c", "echo hi")),
        ('ENTRYPOINT ["x"]', "Entrypoint", ("x",)),
        ('ENV A=2 B="x y"', "Env", ("A=2", "B=x y")),
        ("ENV B the rest", "Env", ("A=1", "B=the rest")),
        ("EXPOSE 80 53/udp", "ExposedPorts", {"80/tcp": {}, "53/udp": {}}),
        ('LABEL a="b c"', "Labels", {"a": "b c"}),
        ("USER ada", "User", "ada"),
        ('VOLUME ["/a b"]', "Volumes", {"/a b": {}}),
        ("VOLUME /a /b", "Volumes", {"/a": {}, "/b": {}}),
        ("WORKDIR srv", "WorkingDir", "/srv"),
    ],
)
def test_an_instruction_changes_one_thing(instruction: str, field: str, expected: object) -> None:
    assert getattr(changed(RunConfig(Env=("A=1",)), instruction), field) == expected


@pytest.mark.parametrize("instruction", ["", "RUN x", "EXPOSE", "EXPOSE x", "ENV", "ENV A", 'ENV A="x', "LABEL a=b c"])
def test_an_instruction_that_is_none_is_refused(instruction: str) -> None:
    with pytest.raises(CommandError, match="Error response from daemon: "):
        changed(RunConfig(), instruction)


# dockerd


def test_dockerd_makes_the_same_of_it(dockerd: peers.Dockerd, tmp_path: Path) -> None:
    twins = Twins(dockerd, tmp_path)
    (tmp_path / "root.tar").write_bytes(ROOT)
    changes = ['CMD ["sh"]', 'ENV A=1 B="x y"', "EXPOSE 80", "WORKDIR x", "USER ada", "VOLUME /v", "LABEL a=b"]
    flags = [word for change in changes for word in ("-c", change)]
    for words in (
        ("import", *flags, "-m", "said", str(tmp_path / "root.tar"), "test/imported"),
        ("import", str(tmp_path / "root.tar"), "test/plain"),
        ("import", "/nope.tar"),
        ("import", "-c", "FROM x", str(tmp_path / "root.tar")),
        ("import", "-c", "EXPOSE x", str(tmp_path / "root.tar")),
    ):
        twins.same(*words)
    ours, theirs = twins.documents("image", "test/imported")
    for key in ("Architecture", "Os", "Comment", "Size", "RootFS"):
        assert ours[key] == theirs[key], key
    for key in ("User", "Env", "Cmd", "WorkingDir", "ExposedPorts", "Volumes", "Labels"):
        assert ours["Config"][key] == theirs["Config"][key], key
    for name in ("test/imported", "test/plain"):
        history, expected = twins.history(name)
        assert history == expected
    for name in ("test/imported", "test/plain"):
        twins.both("rmi", name)
    twins.close()
