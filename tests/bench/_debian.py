"""A real Debian layer to measure with: what debootstrap installs, as one gzip layer, made once and kept in /tmp.

Without debootstrap, root or a network it is this machine's own /usr/lib and /usr/share, up to the same size: the path
of the file says which one a figure was taken on.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

_KEPT = Path(tempfile.gettempdir()) / "hello-whale-bench"
_ENOUGH = 300 << 20


def layer() -> Path:
    """The path of the layer, gzip at zlib's level 6 as docker writes it: some 90 MB."""
    _KEPT.mkdir(exist_ok=True)
    made = _KEPT / "debian.tar.gz"
    if made.exists():
        return made
    with tempfile.TemporaryDirectory(dir=_KEPT) as directory:
        root, draft = Path(directory) / "root", Path(directory) / "draft"
        real = _debootstrap(root)
        made = made if real else _KEPT / "usr.tar.gz"
        if not made.exists():
            with gzip.open(draft, "wb", 6) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
                if real:
                    archive.add(root, ".", filter=_whole_seconds)
                else:
                    _add_usr(archive, cast(BinaryIO, stream))
            draft.rename(made)
    return made


def _debootstrap(root: Path) -> bool:
    """Install Debian into `root`; false where that cannot be done here."""
    program = shutil.which("debootstrap", path="/usr/sbin:/usr/bin")
    if program is None or os.geteuid() != 0:
        return False
    print("debootstrap, once: a minute or two …", flush=True)
    return subprocess.run([program, "--variant=minbase", "stable", root], stdout=subprocess.DEVNULL).returncode == 0


def _add_usr(archive: tarfile.TarFile, stream: BinaryIO) -> None:
    for directory in ("/usr/lib", "/usr/share"):
        for parent, _, names in sorted(os.walk(directory)):
            for path in (parent, *(os.path.join(parent, name) for name in sorted(names))):
                if stream.tell() > _ENOUGH:
                    return
                archive.add(path, recursive=False, filter=_whole_seconds)


def _whole_seconds(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """As docker writes times; else every entry would carry a pax header."""
    member.mtime = int(member.mtime)
    return member
