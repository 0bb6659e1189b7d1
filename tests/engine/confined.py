"""The command line in children that may not take more than so much memory, and are told on if they try.

    with Confined() as confined:
        confined.data = tmp_path / "data"
        ended = confined.run("load", "-i", "bomb.tar", menu=layout)
        ended.code, ended.out, ended.err, ended.peak

One process imports everything; each command is a fork of it, under a limit of its address space.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from engine import __main__ as command_line

ROOT = Path(__file__).parents[2]
MEMORY = 384 << 20
"""Bytes that a command may add to what the imported program takes."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, and the bytes by which its memory grew at most."""

    code: int
    out: str
    err: str
    peak: int


class Confined:
    """The tests' end of it; commands work on the directory `data` unless they are told of another."""

    data = Path("data")

    def __enter__(self) -> Confined:
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        for pipe in (self._server.stdin, self._server.stdout):
            assert pipe
            pipe.close()
        self._server.wait(60)

    def run(self, *words: str, data: Path | None = None, menu: Path | None = None, memory: int = MEMORY) -> Ended:
        """One command, pulls being answered from the layout `menu`."""
        argv = ["--data", str(data or self.data), *(["--menu", str(menu)] if menu else []), *words]
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps({"argv": argv, "memory": memory}), file=self._server.stdin, flush=True)
        return Ended(**json.loads(self._server.stdout.readline()))


def _status(key: str) -> int:
    """A line of the kernel's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) << 10


def _run(asked: dict[str, Any]) -> Ended:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, into = os.pipe()
        child = os.fork()
        if not child:
            os.write(into, b"%d" % _status("VmRSS"))
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            most = _status("VmSize") + asked["memory"]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            code = 70
            try:
                code = command_line.main(asked["argv"])
            except BaseException:
                sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            sys.stderr.flush()
            os._exit(code)
        _, status, used = os.wait4(child, 0)
        base = int(os.read(started, 32))
        os.close(started)
        os.close(into)
        for stream in (out, err):
            stream.seek(0)
        said, complained = (stream.read().decode("utf-8", "replace") for stream in (out, err))
        return Ended(os.waitstatus_to_exitcode(status), said, complained, max(0, (used.ru_maxrss << 10) - base))


def main() -> None:
    """Carry out what is asked for, a line each, until there is no more."""
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line)).__dict__), flush=True)


if __name__ == "__main__":
    main()
