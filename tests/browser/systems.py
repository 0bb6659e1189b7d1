"""An image that is no pizza: a root file system laid out as Debian's, packages on top, some files removed again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.engine.oci import Builder

_WEIGHTS = {
    "usr/lib/x86_64-linux-gnu": (60, 9_000),
    "usr/share/doc": (180, 300),
    "usr/share/locale": (120, 500),
    "usr/bin": (150, 2_000),
    "usr/sbin": (40, 1_500),
    "usr/lib/python3": (80, 700),
    "var/lib/dpkg": (90, 600),
    "var/cache/debconf": (4, 9_000),
    "etc": (110, 120),
    "etc/apt": (6, 90),
    "boot": (2, 4_000),
    "root": (2, 300),
    "srv": (1, 10),
    "opt/tool": (12, 5_000),
}
"""Directory: how many files, and the bytes of each."""


def archive(directory: Path) -> Path:
    """An OCI archive of the image ``debian-like``, four layers, in `directory`."""
    builder = Builder(directory / "layout")
    base = {f"{place}/f{n:03}": size for place, (count, size) in _WEIGHTS.items() for n in range(count)}
    packages = {f"usr/share/doc/f{n:03}": 310 for n in range(60)} | {f"usr/bin/p{n:02}": 7_000 for n in range(20)}
    removed = {f"var/cache/debconf/.wh.f{n:03}": 0 for n in range(4)}
    config = {"etc/motd": 30, "etc/f001": 200}
    rows = ["/bin/sh -c #(nop) ADD file:rootfs in / ", "RUN apt-get install -y tools", "RUN rm -r /var/cache/debconf/*"]
    builder.tag(
        "debian-like:latest",
        builder.image(
            *(_tar(files) for files in (base, packages, removed, config)),
            history=[{"created_by": row} for row in (*rows, "COPY motd /etc/motd")],
        ),
    )
    target = directory / "debian-like.tar"
    with tarfile.open(target, "w") as out:
        out.add(directory / "layout", ".")
    return target


def _tar(files: Mapping[str, int]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        for name in _directories(files):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(member)
        for name, size in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = size
            layer.addfile(member, io.BytesIO((name.encode() * (size // len(name) + 1))[:size]))
    return out.getvalue()


def _directories(files: Iterable[str]) -> list[str]:
    return sorted({"/".join(name.split("/")[:depth]) for name in files for depth in range(1, name.count("/") + 1)})
