"""``python -m engine [--data DIR] [--menu LAYOUT] VERB …``: docker's verbs and the journal's, on a host under DIR.

Exit codes are docker's. On a terminal, what takes over a second shows docker's progress bars.
"""

from __future__ import annotations

import argparse
import io
import os
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NoReturn, TextIO, cast

from engine import commands, context, options, terminal
from engine.credentials import Credentials
from engine.digest import Digest
from engine.errors import CommandError, EngineError
from engine.events import Event, Progress
from engine.journal import JOURNAL_VERBS, Journal, help_text, is_kept
from engine.network import Network

KITCHEN: Final = "local"
"""The kitchen that the command line works on."""
DATA: Final = Path(".kitchen")
MENU: Final = Path(__file__).parent.parent / "menu" / "layout"
_PATIENCE = 1.0
_SETTLED: Final = frozenset({"waiting", "exists", "done", "preparing", "pushed", "present", "mounted"})
_PIPE: Final = 141
_INTERRUPTED: Final = 130
"""Exit codes as a shell tells them of a process that died of SIGPIPE, of SIGINT."""


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
        target = Path(path).resolve()
        if target.exists() and not target.is_file():
            raise CommandError(f'invalid output path: "{path}" must be a regular file')
        try:
            return cast(BinaryIO, _Replacing(target))
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
        try:
            self.close()
            if kind is None:
                os.replace(self._temporary, self._target)
        finally:
            self._temporary.unlink(missing_ok=True)


class Bars:
    """docker's progress bars on a terminal, once a command has lasted a second; gone when it ends.

    Only what is on its way is shown, as many lines of it as the terminal has.
    """

    def __init__(self, out: TextIO) -> None:
        self._out, self._drawn = out, 0
        self._lines: dict[Digest, Progress] = {}
        self._next = time.monotonic() + _PATIENCE

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress):
            return
        self._lines[event.digest] = event
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.1
            columns, rows = shutil.get_terminal_size()
            moving = [event for event in self._lines.values() if event.phase not in _SETTLED][: max(1, rows - 2)]
            self.clear()
            self._out.write("".join(terminal.bar(event, columns)[: columns - 1] + "\n" for event in moving))
            self._out.flush()
            self._drawn = len(moving)

    def clear(self) -> None:
        """Take back what was drawn."""
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")
            self._out.flush()
            self._drawn = 0


class _Parser(argparse.ArgumentParser):
    """Refuses as docker's client does."""

    def error(self, message: str) -> NoReturn:
        self.exit(options.FLAG_ERROR, f"{message}\nSee '{self.prog} --help'.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _Parser(
        prog="python -m engine",
        description="docker's verbs on a host kept in a directory.",
        epilog=commands.help_text().replace("docker COMMAND", "python -m engine COMMAND") + "\n" + help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="where the host is kept (%(default)s)")
    parser.add_argument("--menu", type=Path, default=MENU, metavar="LAYOUT", help="the OCI layout that pulls come from")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="VERB …", help="docker's verb and its words")
    parser.add_argument("--offline", action="store_true", help="reach no registry but the menu")
    asked = parser.parse_args(argv)
    bars = Bars(cast(TextIO, sys.stderr)) if sys.stderr.isatty() else None
    try:
        if not asked.command:
            parser.print_help()
            return _said("", "", 0)
        return _run(asked, bars)
    except BrokenPipeError:  # who read has gone, as `head` does; docker's client dies of that
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE
    except KeyboardInterrupt:
        return _fail(bars, "", _INTERRUPTED)
    except CommandError as error:
        return _fail(bars, str(error), error.exit_code)
    except (EngineError, OSError) as error:
        return _fail(bars, f"Error: {error}", 1)


def _run(asked: argparse.Namespace, bars: Bars | None) -> int:
    verb = JOURNAL_VERBS.get(asked.command[0])
    if verb and not is_kept(asked.data):
        if "--help" in asked.command:
            return _said(verb.usage.help(), "", 0)
        name = verb.usage.name
        raise CommandError(f"{asked.data} is no store, and nothing was made: {name} needs one that a command began")
    network = None if asked.offline else Network(credentials=Credentials(asked.data / "credentials.json"))
    epoch = context.epoch(os.environ)
    with closing(Journal(asked.data, menu=asked.menu, quota=None, epoch=epoch, network=network)) as journal:
        journal.enter(KITCHEN)
        done = journal.do(KITCHEN, asked.command, local=Files(), progress=bars)
    if bars:
        bars.clear()
    return _said(done.out, done.err, done.status)


def _said(out: str, err: str, status: int) -> int:
    """Print all of it, now, so that what cannot be printed is an error; return the exit code."""
    for stream, text in ((sys.stderr, err), (sys.stdout, out)):
        left = memoryview(text.encode(stream.encoding, "backslashreplace"))  # a terminal may know few scripts
        while left:  # unbuffered, as by PYTHONUNBUFFERED, a write may be a part
            left = left[stream.buffer.write(left) :]
        stream.flush()
    return status


def _fail(bars: Bars | None, words: str, code: int) -> int:
    if bars:
        bars.clear()
    if words:
        print(words, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
