"""The same commands to a real dockerd and to a kitchen of ours, on the same images, and what each made of them.

    twins.same("run", "--name", "box", IMAGE, "sh", "-c", "echo hot >> /etc/motd")      # output and exit code
    ours, theirs = twins.diff("box")                                                    # and tree, sizes, history, top

The images are `ODDITIES` and what tests bring; dockerd gets them by ``docker load`` of what our ``save`` wrote. Their
shell is busybox, statically linked, since a real container needs one that runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine import terminal
from engine.__main__ import Files
from engine.errors import CommandError, EngineError
from engine.journal import Journal
from engine.network import Network
from engine.spec import RunConfig
from tests import peers
from tests.engine import images
from tests.engine.images import OPAQUE, WHITEOUT, directory, file, hardlink, special, symlink

IMAGE: Final = "test/oddities"
ENTRY: Final = "test/entrypoint"
_ADDED: Final = {".dockerenv", "dev", "etc", "proc", "sys"}
"""What a real container has beside its image, at the top: its runtime needs them."""
_HEX: Final = re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b")


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    status: int
    out: str
    err: str

    def veiled(self) -> Said:
        """With ids, which differ by nature, made alike."""
        return Said(self.status, *(_HEX.sub(lambda found: f"<{len(found[0])}>", text) for text in self[1:]))


class Member(NamedTuple):
    """One name of a tar. `content` is a digest, `names` all names of one hardlinked file, `mtime` 0 where it is of
    today."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    target: str
    content: str
    names: tuple[str, ...]
    device: tuple[int, int]
    mtime: int


class Twins:
    """See the module."""

    def __init__(self, daemon: peers.Dockerd, directory: Path, network: Network | None = None) -> None:
        self.daemon, self.directory = daemon, directory
        self._connection = daemon.connect()
        self.journal = Journal(directory / "data", quota=None, network=network)
        self.journal.create("k")

    def close(self) -> None:
        """Let go of both."""
        self._connection.close()
        self.journal.close()

    def bring(self, recipes: Mapping[str, images.Recipe]) -> None:
        """Give both the images: ours by `load` of a layout, dockerd by `load` of our `save`."""
        layout = images.layout(self.directory / "layout", recipes)
        archive = self.directory / "images.tar"
        for words in (("load", "-i", str(layout)), ("save", "-o", str(archive), *recipes)):
            done = self.ours(*words)
            assert done.status == 0, done
        loaded = self.theirs("load", "-i", str(archive))
        assert loaded.status == 0, loaded

    def ours(self, *argv: str) -> Said:
        """A command to our engine, told as ``python -m engine`` tells it."""
        try:
            done = self.journal.do("k", argv, local=Files())
        except CommandError as error:
            return Said(error.exit_code, "", f"{error}\n")
        except EngineError as error:
            return Said(1, "", f"Error: {error}\n")
        return Said(done.status, done.out, done.err)

    def theirs(self, *argv: str) -> Said:
        """A command to dockerd, by docker's client."""
        done = self.daemon.docker(*argv, check=False)
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    def both(self, *argv: str) -> tuple[Said, Said]:
        """What each said, ours first."""
        alone = ("--network", "none") if argv[0] in ("run", "create") and len(argv) > 1 else ()
        return self.ours(*argv), self.theirs(argv[0], *alone, *argv[1:])

    def same(self, *argv: str) -> Said:
        """Both, who must say the same but for ids; what ours said."""
        ours, theirs = self.both(*argv)
        assert ours.veiled() == theirs.veiled(), f"{argv}\n  ours   {ours}\n  theirs {theirs}"
        return ours

    def rid(self, *names: str) -> None:
        """Remove containers from both, where they are."""
        self.ours("rm", "-f", *names)
        for name in names:
            self.api("DELETE", f"/containers/{name}?force=1")

    def api(self, method: str, path: str) -> bytes:
        """dockerd's own answer: quicker than its client where it is not the client's words that count."""
        self._connection.request(method, path)
        return self._connection.getresponse().read()

    # What there is, ours and theirs

    def diff(self, container: str) -> tuple[set[str], set[str]]:
        """The lines of ``docker diff``, as sets: the order of siblings is unspecified."""
        ours = self.ours("diff", container)
        assert ours.status == 0, ours
        lines = ours.out.splitlines()
        assert len(set(lines)) == len(lines)
        rows = json.loads(self.api("GET", f"/containers/{container}/changes")) or ()
        return set(lines), {f"{'CAD'[row['Kind']]} {row['Path']}" for row in rows}

    def sizes(self, container: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Bytes of the upper, and of it with its image."""
        ours, theirs = self.documents("container", container)
        return (ours["SizeRw"], ours["SizeRootFs"]), (theirs["SizeRw"], theirs["SizeRootFs"])

    def documents(self, kind: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What ``inspect`` tells of an image or a container."""
        ours = self.ours(kind, "inspect", name)
        assert ours.status == 0, ours
        return json.loads(ours.out)[0], json.loads(self.api("GET", f"/{kind}s/{name}/json?size=1"))

    def history(self, image: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """CreatedBy, Size in words, Comment of each row, newest first."""
        rows = json.loads(self.api("GET", f"/images/{image}/history"))
        theirs = [{key: row[key] for key in ("CreatedBy", "Size", "Comment")} for row in rows]
        template = '{"CreatedBy": {{json .CreatedBy}}, "Size": "{{.Size}}", "Comment": {{json .Comment}}}'
        ours = self.ours("history", "--no-trunc", "--format", template, image)
        assert ours.status == 0, ours
        return [json.loads(line) for line in ours.out.splitlines()], [
            row | {"Size": terminal.size(row["Size"])} for row in theirs
        ]

    def tree(self, container: str) -> tuple[dict[str, Member], dict[str, Member]]:
        """What ``docker export`` holds, without what a real container's runtime adds."""
        path = self.directory / "root.tar"
        said = self.ours("export", "-o", str(path), container)
        assert said.status == 0, said
        tars = path.read_bytes(), self.api("GET", f"/containers/{container}/export")
        ours, theirs = ({n: m for n, m in members(tar).items() if n.split("/")[0] not in _ADDED} for tar in tars)
        return ours, theirs

    def top(self, image: str) -> tuple[dict[str, Member], dict[str, Member]]:
        """What the uppermost layer of an image holds, as ``docker save`` gives it; of whiteouts the name alone."""
        path = self.directory / "saved.tar"
        said = self.ours("save", "-o", str(path), image)
        assert said.status == 0, said
        return _top(path.read_bytes()), _top(self.api("GET", f"/images/{image}/get"))


_HIDES: Final = Member("whiteout", 0, 0, 0, 0, "", "", (), (0, 0), 0)


def _top(archive: bytes) -> dict[str, Member]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:

        def read(name: str) -> bytes:
            stream = tar.extractfile(name)
            assert stream
            return stream.read()

        held = members(read(json.loads(read("manifest.json"))[0]["Layers"][-1]))
        return {name: _HIDES if "/.wh." in f"/{name}" else member for name, member in held.items()}


def members(tar: bytes) -> dict[str, Member]:
    """The members of a tar by name, hardlinks told as names of one file."""
    found: dict[str, tarfile.TarInfo] = {}
    contents: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            name = member.name.removeprefix("./").strip("/")
            found[name] = member
            if member.isreg() and (stream := archive.extractfile(member)):
                contents[name] = hashlib.sha256(stream.read()).hexdigest()
    found.pop(".", None)
    first = {name: member.linkname if member.islnk() else name for name, member in found.items()}
    groups: dict[str, list[str]] = {}
    for name, head in first.items():
        groups.setdefault(head, []).append(name)
    recent = time.time() - 86400
    return {
        name: Member(
            _KINDS[found[head].type],
            stat.S_IMODE(found[head].mode),
            found[head].uid,
            found[head].gid,
            found[head].size,
            found[head].linkname if found[head].issym() else "",
            contents.get(head, ""),
            tuple(sorted(groups[head])),
            (found[head].devmajor, found[head].devminor),
            int(found[head].mtime) if found[head].mtime < recent else 0,
        )
        for name, head in first.items()
    }


_KINDS: Final = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}


def shell_layer() -> images.Layer:
    """A lowest layer with which sh runs: busybox, and a link for each of its applets."""
    busybox = peers.need("busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, check=True, text=True).stdout.split()
    links = {f"bin/{name}": symlink("busybox") for name in applets if name != "busybox"}
    return {"bin": directory(), "bin/busybox": file(busybox.read_bytes(), 0o755), **links}


def oddities() -> Sequence[images.Layer]:
    """Layers with all that can go wrong, below /odd.

    Parents are listed: dockerd gives one that is not fresh attributes, where rule 10 keeps those of the layer below.
    """
    parents = {"odd": directory(), "odd/dir": directory(0o750, 10, 20)}
    return [
        shell_layer(),
        {
            **parents,
            "odd/big": b"0123456789abcdef" * 4096,
            "odd/dir/a": b"a\n",
            "odd/dir/b": b"bb\n",
            "odd/dir/c": b"ccc\n",
            "odd/dir/sub": directory(),
            "odd/dir/sub/x": b"x\n",
            "odd/dir/sub/y": b"y\n",
            "odd/empty": directory(0o700),
            "odd/files": directory(),
            "odd/files/setuid": file(b"setuid\n", 0o4755),
            "odd/files/owned": file(b"owned\n", 0o640, 1000, 1001),
            "odd/files/locked": file(b"locked\n", 0o400),
            "odd/files/name with space": b"space\n",
            "odd/files/none": b"",
            "odd/files/fifo": special("fifo"),
            "odd/files/null": special("char", 0o666, 1, 3),
            "odd/group": directory(0o2775, 0, 50),
            "odd/group/one": file(b"one\n", 0o664, 0, 50),
            "odd/gone": b"gone\n",
            "odd/hard-1": b"seven\n.",
            "odd/hard-2": hardlink("odd/hard-1"),
            "odd/hard-3": hardlink("odd/hard-1"),
            "odd/link": symlink("dir/a"),
            "odd/link-dir": symlink("dir"),
            "odd/link-abs": symlink("/odd/files"),
            "odd/link-broken": symlink("nowhere"),
            "odd/names": directory(),
            "odd/names/\u00fcml\u00e4ut": b"umlaut\n",
            "odd/names/new\nline": b"newline\n",
            "odd/names/-rf": b"dash\n",
            "odd/opaque": directory(),
            "odd/opaque/hidden": b"hidden\n",
            "odd/tmp": directory(0o1777),
            "odd/was-dir": directory(),
            "odd/was-dir/deep": b"deep\n",
            "odd/was-file": b"file\n",
        },
        {
            **parents,
            "odd/dir/b": WHITEOUT,
            "odd/dir/d": b"dddd\n",
            "odd/gone": WHITEOUT,
            "odd/hard-3": b"parted\n",
            "odd/opaque": OPAQUE,
            "odd/opaque/shown": b"shown\n",
            "odd/was-dir": b"now a file\n",
            "odd/was-file": directory(),
            "odd/was-file/inside": b"inside\n",
        },
        {
            **parents,
            "odd/dir/b": b"back again\n",
            "odd/dir/sub": directory(),
            "odd/dir/sub/y": WHITEOUT,
            "odd/empty": directory(0o700),
            "odd/empty/not": b"not any more\n",
            "odd/opaque": directory(),
            "odd/opaque/late": b"late\n",
        },
    ]


def recipes() -> dict[str, images.Recipe]:
    """The images that the tests share."""
    entry = RunConfig(
        Env=("PATH=/bin", "SAUCE=hot"),
        Entrypoint=("/bin/sh", "-c"),
        Cmd=("echo $SAUCE",),
        WorkingDir="/odd",
        Labels={"kind": "test"},
        ExposedPorts={"80/tcp": {}},
    )
    return {IMAGE: images.Recipe(oddities()), ENTRY: images.Recipe(oddities()[:2], entry)}
