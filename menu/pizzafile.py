"""A Pizzafile is a Dockerfile; this reads the few instructions that the menu uses, and words them as docker does.

The words are those of docker's classic builder: one row of history for each instruction, ``#(nop)`` before what runs
nothing, and in a COPY row the sum of what was copied. Pure functions; `build` carries the steps out.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from string import Template
from typing import Any, Final

from menu.ingredients import Files

PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What docker sets in an image that is built from scratch; it has no row."""

_CARD: Final = re.compile(r"# ([^:\n]+): (.+)\n")
_COMMENT: Final = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)

Run = dict[str, Any]
"""The run configuration under construction, by docker's names."""


@dataclass(frozen=True)
class Pizzafile:
    """What a Pizzafile says: the menu card's line, which is its first comment, and its steps: a word and the rest."""

    title: str
    description: str
    steps: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Pizzafile:
        """`ValueError` where the first line is not ``# Title: description``. ARG values stand in for their names."""
        card = _CARD.match(text)
        if card is None:
            raise ValueError("a Pizzafile begins with its line of the menu card: # Title: description")
        arguments: dict[str, str] = {}
        steps = []
        for line in _COMMENT.sub("", text).replace("\\\n", "").splitlines():
            word, _, rest = line.strip().partition(" ")
            if word == "ARG":
                arguments |= _pairs(rest)
            elif word == "FROM":
                steps.append((word, Template(rest).substitute(arguments)))
            elif word:
                steps.append((word, rest.strip()))
        return cls(card[1], card[2], tuple(steps))


def settle(run: Run, word: str, rest: str) -> tuple[Run, str]:
    """The run configuration after an instruction that changes no file, and the row that docker gives it."""
    row = f"/bin/sh -c #(nop)  {word} "
    match word:
        case "ENV":
            new = _pairs(rest)
            kept = [line for line in run.get("Env", ()) if line.partition("=")[0] not in new]
            return run | {"Env": [*kept, *_joined(new)]}, row + " ".join(_joined(new))
        case "LABEL":
            new = _pairs(rest)
            return run | {"Labels": run.get("Labels", {}) | new}, row + " ".join(_joined(new))
        case "EXPOSE":
            return run | {"ExposedPorts": run.get("ExposedPorts", {}) | {port: {} for port in rest.split()}}, row + rest
        case "VOLUME":
            paths = json.loads(rest)
            return run | {"Volumes": run.get("Volumes", {}) | {path: {} for path in paths}}, f"{row}[{' '.join(paths)}]"
        case "WORKDIR":
            return run | {"WorkingDir": rest}, f"/bin/sh -c #(nop) {word} {rest}"
        case "CMD" | "ENTRYPOINT":
            words = json.loads(rest)
            return run | {word.capitalize(): words}, f"{row}[{' '.join(map(json.dumps, words))}]"
    raise ValueError(f"{word} {rest}: an instruction that the menu does not use")


def copied(word: str, source: str, target: str, files: Files) -> str:
    """The row of a COPY or ADD: the sum is ``file:<hex>``, or ``dir:<hex>`` over a directory and all below it.

    As in moby's classic builder, a file's sum is that of its header in the context's tar, times left out, and content.
    """
    if source in files:
        total = f"file:{_tarsum(source, files[source])}"
    else:
        inside = [path for path in files if path.startswith(f"{source}/")]
        sums = [_tarsum(path, files[path]) for path in inside] + [_tarsum(path, None) for path in parents(inside)]
        total = f"dir:{hashlib.sha256(','.join(sorted(sums)).encode()).hexdigest()}"
    return f"/bin/sh -c #(nop) {word} {total} in {target} "


def parents(paths: Iterable[str]) -> list[str]:
    """Every directory that `paths` stand in, the root excepted, sorted."""
    return sorted({path[:end] for path in paths for end, mark in enumerate(path) if mark == "/"})


def mode(content: bytes | None) -> int:
    """The permissions of a file, or where there is no content of a directory: a script may be executed."""
    return 0o755 if content is None or content.startswith(b"#!") else 0o644


def _tarsum(path: str, content: bytes | None) -> str:
    """moby's tarsum, version 1, of one entry: names and values of the header's fields, then the content."""
    name, kind, flag = (path, 0o100000, 0) if content is not None else (f"{path}/", 0o040000, 5)
    data = content or b""
    header = (
        f"name{name}mode{kind | mode(content)}uid0gid0size{len(data)}typeflag{flag}linknameunamegnamedevmajor0devminor0"
    )
    return hashlib.sha256(header.encode() + data).hexdigest()


def _pairs(rest: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(rest))


def _joined(pairs: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in pairs.items()]
