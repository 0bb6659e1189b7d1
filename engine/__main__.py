"""``python -m engine [--data DIR] [--menu LAYOUT] VERB …``: docker's verbs and the journal's, on a host under DIR.

Exit codes are docker's. On a terminal, what takes over a second shows docker's progress bars.
"""

from __future__ import annotations

import argparse
import io
import os
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, cast

from engine import commands, terminal
from engine import digest as digests
from engine.digest import Digest
from engine.errors import CommandError, EngineError
from engine.events import Event, Progress
from engine.journal import JOURNAL_VERBS, Journal, KitchenUnknown

KITCHEN: Final = "local"
"""The kitchen that the command line works on."""
DATA: Final = Path(".kitchen")
MENU: Final = Path(__file__).parent.parent / "menu" / "layout"
_PATIENCE = 1.0
_BAR = 50


class Files:
    """The files of whoever runs the command line (`engine.context.Local`)."""

    def reader(self, path: str) -> BinaryIO:
        """A file, or standard input for ``-``."""
        if path == "-":
            if sys.stdin.isatty():
                raise CommandError("requested to read from stdin, but it is a terminal: use -i FILE or redirect")
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise CommandError(f"open {path}: {(error.strerror or '').lower()}") from error

    def writer(self, path: str) -> BinaryIO:
        """A file that appears whole or not at all, or standard output for ``-``."""
        if path == "-":
            if sys.stdout.isatty():
                raise CommandError("cowardly refusing to write to a terminal. Use the -o flag or redirect")
            return os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        try:
            return cast(BinaryIO, _Replacing(Path(path)))
        except OSError as error:
            raise CommandError(f"open {path}: {(error.strerror or '').lower()}") from error

    def path(self, text: str) -> Path:
        """A local path."""
        return Path(text)


class _Replacing(io.BufferedWriter):
    """A file that takes its name only when it was written without error."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        super().__init__(io.FileIO(self._temporary, "xb"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            os.replace(self._temporary, self._target)
        else:
            self._temporary.unlink(missing_ok=True)


class Bars:
    """docker's progress bars on a terminal, once a transfer has lasted a second; gone when it ends."""

    def __init__(self, out: io.TextIOBase) -> None:
        self._out, self._begun, self._drawn = out, time.monotonic(), 0
        self._lines: dict[Digest, Progress] = {}
        self._next = self._begun + _PATIENCE

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress):
            return
        self._lines[event.digest] = event
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.1
            self.clear()
            self._out.write("".join(bar(event) + "\n" for event in self._lines.values()))
            self._out.flush()
            self._drawn = len(self._lines)

    def clear(self) -> None:
        """Take back what was drawn."""
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")
            self._out.flush()
            self._drawn = 0


def bar(event: Progress) -> str:
    """One layer's line: ``79650cf9cc01: Downloading [====>   ]  1.2MB/4.3MB``."""
    phase = {
        "waiting": "Waiting",
        "downloading": "Downloading",
        "verifying": "Verifying Checksum",
        "downloaded": "Download complete",
        "extracting": "Extracting",
        "done": "Pull complete",
        "exists": "Already exists",
    }[event.phase]
    line = f"{digests.short(event.digest)}: {phase}"
    if not event.total or event.phase not in ("downloading", "extracting"):
        return line
    filled = min(_BAR, _BAR * event.done // event.total)
    drawn = "=" * filled + (">" if filled < _BAR else "")
    return f"{line} [{drawn:<{_BAR}}] {terminal.size(event.done, 4):>8}/{terminal.size(event.total, 4)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m engine",
        description="docker's verbs on a host kept in a directory.",
        epilog="Journal: " + ", ".join(f"{name} ({verb.summary.lower()})" for name, verb in JOURNAL_VERBS.items()),
    )
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="where the host is kept (%(default)s)")
    parser.add_argument("--menu", type=Path, default=MENU, metavar="LAYOUT", help="the OCI layout that pulls come from")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="VERB …", help="docker's verb and its words")
    asked = parser.parse_args(argv)
    if not asked.command:
        parser.print_help()
        print(commands.help_text())
        return 0
    return _run(asked.data, asked.menu, asked.command)


def _run(data: Path, menu: Path, command: list[str]) -> int:
    bars = Bars(cast(io.TextIOBase, sys.stderr)) if sys.stderr.isatty() else None
    try:
        journal = Journal(data, menu=menu, quota=None)
        try:
            journal.kitchen(KITCHEN)
        except KitchenUnknown:
            journal.create(KITCHEN)
        done = journal.do(KITCHEN, command, local=Files(), progress=bars)
    except CommandError as error:
        return _fail(bars, str(error), error.exit_code)
    except EngineError as error:
        return _fail(bars, f"Error: {error}", 1)
    except OSError as error:
        return _fail(bars, f"Error: {error}", 1)
    except KeyboardInterrupt:
        return _fail(bars, "", 130)
    if bars:
        bars.clear()
    sys.stderr.write(done.err)
    sys.stdout.write(done.out)
    return done.status


def _fail(bars: Bars | None, words: str, code: int) -> int:
    if bars:
        bars.clear()
    if words:
        print(words, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
