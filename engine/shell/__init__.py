"""A small shell over a container's files: what `docker exec` and `docker run` carry out. Never a process of the host.

The POSIX shell's language as far as people type it, and the utilities that they type most, in busybox's words; what it
does not know it names. All it does to files goes through `Snapshot`, so copy-up and whiteouts are the kernel's, and it
is bounded in every way (`Limits`). A story:

    ran = run(["sh", "-c", "echo hot >> motd && ls -l"], files, env={}, cwd="/srv")
    ran.status                          # 0, or as a process would have ended
    ran.out                             # (("stdout", b"-rw-r--r-- …"),)

Modules, each importing only those above it:

    meter, syntax                       bounds; the tree that a script becomes
    lexer, parser                       text as such a tree
    pattern, regex, braces, arithmetic  the small languages inside words
    paths, streams                      files by name; what is read and written
    expand                              words as arguments
    call                                one utility being called, and the table of all
    control, machine                    carry the tree out: what holds commands together; each of them
    builtins, printing, testing, …      the utilities, in the table by their names
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from engine.errors import never
from engine.shell import (  # noqa: F401  (each fills the table)
    builtins,
    changing,
    copying,
    finding,
    grep,
    listing,
    making,
    measuring,
    moving,
    printing,
    reading,
    sed,
    sorting,
    testing,
)
from engine.shell.builtins import words
from engine.shell.call import TABLE
from engine.shell.control import Exit, Leave
from engine.shell.machine import NOT_EXECUTABLE, Shell
from engine.shell.meter import KILLED, Limits, Meter, Stopped
from engine.shell.paths import narrow
from engine.shell.streams import Source, Stream, Streams, Terminal, Transcript
from engine.snapshot import Snapshot

__all__ = ["COMMANDS", "WORDS", "Limits", "Ran", "run"]

WORDS: Final[Mapping[str, str]] = MappingProxyType(words())
"""Every word that the shell knows, sorted, with a line on it: ``how it is written: what it does``."""
COMMANDS: Final = frozenset(name for name, entry in TABLE.items() if not entry.builtin)
"""Those of them that can be run without a script around them."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit status, and what it printed, in order, each piece with its stream."""

    status: int
    out: tuple[tuple[Stream, bytes], ...] = ()


def run(
    command: Sequence[str] | str,
    files: Snapshot,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    stdin: bytes = b"",
    limits: Limits | None = None,
    cancelled: Callable[[], bool] = never,
) -> Ran:
    """Runs a command, words as they stand or a text as by ``sh -c``, over `files`, which it changes.

    127 for an unknown command, 126 for what cannot be run, 2 for a script that cannot be read, 137 where a bound of
    `limits` stopped it (what it did so far stays done). `Cancelled` once `cancelled` says so.
    """
    argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
    meter = Meter(limits or Limits(), cancelled)
    transcript = Transcript(meter.limits.output)
    streams = Streams(Source([stdin]), Terminal(transcript, "stdout"), Terminal(transcript, "stderr"))
    variables = {narrow(name): narrow(value) for name, value in (env or {}).items()}
    shell = Shell(files, meter, variables, narrow(cwd), streams)
    status = _status(shell, [narrow(word) for word in argv], transcript)
    return Ran(status, tuple((stream, bytes(data)) for stream, data in transcript.pieces))


def _status(shell: Shell, words: list[str], transcript: Transcript) -> int:
    try:
        if not shell.paths.is_dir(shell.paths.cwd):
            transcript.note(f'chdir to cwd ("{shell.paths.cwd}") failed: no such file or directory\n')
            return NOT_EXECUTABLE
        return shell.call(words, shell.streams, builtins=False) if words else 0
    except Stopped as stopped:
        transcript.note(f"sh: {stopped}\n")
        return KILLED
    except Exit as ended:
        return ended.status
    except Leave:
        return 0
