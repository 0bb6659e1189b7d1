"""What ``python app.py`` is told on its command line."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine import reference as references
from engine.journal import QUOTA

DATA: Final = Path(".kitchen")
MENU: Final = Path(__file__).parent.parent / "menu" / "layout"
CLASSES: Final = ("class",)


@dataclass(frozen=True)
class Arguments:
    """What an operator asks for, each value one that can be used; `names` are host names, `quota` is in bytes."""

    host: str
    port: int
    data: Path
    menu: Path
    classes: tuple[str, ...]
    names: tuple[str, ...]
    quota: int
    allow_remote: bool
    behind_proxy: bool


def parser() -> argparse.ArgumentParser:
    """Of the command line; it ends the process with code 2 where an argument cannot be used, and says why."""
    made = argparse.ArgumentParser(prog="python app.py", description="Hello Whale: a pizzeria that is an image engine.")
    made.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for a whole class (%(default)s)"
    )
    made.add_argument("--port", type=_port, default=8000, help="0 takes any free one (%(default)s)")
    made.add_argument(
        "--data", type=Path, default=DATA, metavar="DIR", help="where the kitchens are kept (%(default)s)"
    )
    made.add_argument("--menu", type=Path, default=MENU, metavar="LAYOUT", help="the OCI layout that pulls come from")
    made.add_argument(
        "--class",
        dest="classes",
        action="append",
        type=_namespace,
        metavar="NAME",
        help=f"every kitchen may push to repositories below NAME/ ({', '.join(CLASSES)})",
    )
    made.add_argument("--name", action="append", default=[], help="a host name that this server is reached under")
    made.add_argument(
        "--quota",
        type=_mebibytes,
        default=QUOTA,
        metavar="MIB",
        help=f"what the images and containers of one kitchen may take, in MiB ({QUOTA >> 20})",
    )
    made.add_argument(
        "--allow-remote",
        action="store_true",
        help="let visitors pull from and push to registries of the open internet; never of this machine or network",
    )
    made.add_argument(
        "--behind-proxy",
        action="store_true",
        help="believe a reverse proxy on this machine who the client is, and that it speaks https",
    )
    return made


def read(asked: argparse.Namespace) -> Arguments:
    """What `parser` has found."""
    return Arguments(
        host=asked.host,
        port=asked.port,
        data=asked.data,
        menu=asked.menu,
        classes=tuple(asked.classes or CLASSES),
        names=(asked.host, *asked.name),
        quota=asked.quota,
        allow_remote=asked.allow_remote,
        behind_proxy=asked.behind_proxy,
    )


def _namespace(text: str) -> str:
    if "/" in text or not references.is_repository(text) or re.fullmatch(r"[0-9a-f]{16}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no namespace: use lowercase letters, digits, '-', '_' and '.'")
    return text


def _mebibytes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of MiB: a whole one, of at least 1")
    return int(text) << 20


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)
