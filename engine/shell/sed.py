"""sed, of which the s command alone is offered; with -i a new file takes the old one's place."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from engine.errors import FileError
from engine.shell.call import Call, Failed, utility, why
from engine.shell.reading import lines
from engine.shell.regex import BadPattern, Regex
from engine.shell.streams import Source


@dataclass(frozen=True)
class _Substitute:
    """``s/regex/replacement/flags``; `replacement` holds texts and numbers of groups. The first match to replace is the
    one of that `number`."""

    regex: Regex
    replacement: tuple[str | int, ...]
    flags: str
    number: int

    def apply(self, text: str, call: Call) -> tuple[str, bool]:
        """The text after it, and whether anything matched."""
        out: list[str] = []
        at, last, count = 0, -1, 0
        while at <= len(text):
            found = self.regex.search(text, call.meter.spend, at, captures=True)
            if found is None:
                break
            start, end = found[:2]
            if start == end == last:
                out.append(text[at : at + 1])
                at += 1
                continue
            count += 1
            out.append(text[at:start] if count >= self.number else text[at:end])
            if count >= self.number:
                out.append(self._replaced(text, found))
            at = last = end
            if start == end:
                out.append(text[at : at + 1])
                at += 1
            if count >= self.number and "g" not in self.flags:
                break
        return ("".join(out) + text[at:], True) if count >= self.number else (text, False)

    def _replaced(self, text: str, found: list[int]) -> str:
        """The replacement for one match."""
        pieces = (
            piece if isinstance(piece, str) else text[max(0, found[2 * piece]) : max(0, found[2 * piece + 1])]
            for piece in self.replacement
        )
        return "".join(pieces)


@utility("sed", "[-i] [-n] [-E] s/REGEX/REPLACEMENT/[gIp] [FILE]...", "replace in lines; with -i in the files")
def sed(call: Call) -> int:
    options = call.options("inrEe:s")
    scripts, names = options.values.get("e", []), options.operands
    if not scripts:
        if not names:
            raise call.usage()
        scripts, names = names[:1], names[1:]
    steps = [_substitute(script.strip(), extended="E" in options.flags or "r" in options.flags) for script in scripts]
    status = 0
    for name, source in call.inputs(names or ["-"]):
        if source is None:
            status = 1
        elif "i" in options.flags and name != "-":
            _in_place(call, name, source, steps, options.flags)
        else:
            with suppress(FileError):  # a directory has no lines
                for piece in _edited(call, source, steps, options.flags):
                    call.out(piece)
    return status


def _substitute(script: str, *, extended: bool) -> _Substitute:
    if script[:1] != "s" or len(script) < 2 or script[1] in "\\\n":
        raise Failed(f"only s/regex/replacement/ is offered, not: {script}")
    mark = script[1]
    parts, at = [""], 2
    while at < len(script) and len(parts) < 3:
        char = script[at]
        if char == "\\" and at + 1 < len(script):
            following = script[at + 1]
            parts[-1] += following if following == mark and mark not in ".*[]^$+?(){}|&" else char + following
            at += 2
        elif char == "[" and len(parts) == 1 and (end := _bracket_end(script, at)):
            parts[-1] += script[at:end]
            at = end
        elif char == mark:
            parts.append("")
            at += 1
        else:
            parts[-1] += char
            at += 1
    if len(parts) < 3:
        raise Failed(f"unmatched '{mark}'")
    flags = script[at:].strip().rstrip(";").strip()
    if not re.fullmatch(r"[gIip]*[1-9]?\d{0,3}[gIip]*", flags):
        raise Failed(f"only s/regex/replacement/ with g, I, p and a number is offered, not: {flags}")
    try:
        regex = Regex(parts[0], extended=extended, fold="i" in flags.lower())
    except BadPattern as error:
        raise Failed(f"bad regex '{parts[0]}': {error}") from error
    number = int("".join(filter(str.isdigit, flags)) or 1)
    return _Substitute(regex, tuple(_replacement(parts[1], regex.groups)), flags, number)


def _bracket_end(script: str, start: int) -> int:
    """Where the bracket expression that opens at `start` ends, 0 for nowhere."""
    end = script.find("]", start + (3 if script[start + 1 : start + 2] == "^" else 2))
    return end + 1


def _replacement(text: str, groups: int) -> Iterator[str | int]:
    for found in re.finditer(r"(?s)\\(\d)|\\(.)|(&)|([^\\&]+|\\$)", text):
        digit, escaped, whole, plain = found.groups()
        if digit:
            if int(digit) > groups:
                raise Failed(f"invalid reference \\{digit} on s command's RHS")
            yield int(digit)
        elif whole:
            yield 0
        else:
            yield plain or {"n": "\n", "t": "\t"}.get(escaped, escaped)


def _edited(call: Call, source: Source, steps: list[_Substitute], flags: str) -> Iterator[bytes]:
    for line in lines(call, source):
        text = line.decode("latin-1")
        end = "\n" if text.endswith("\n") else ""
        text = text.removesuffix("\n")
        for step in steps:
            text, matched = step.apply(text, call)
            if matched and "p" in step.flags:
                yield f"{text}\n".encode("latin-1")
        if "n" not in flags:
            yield (text + end).encode("latin-1")


def _in_place(call: Call, name: str, source: Source, steps: list[_Substitute], flags: str) -> None:
    """A new file beside, renamed over: never a change of the old one, so a link to it keeps the old text."""
    paths = call.paths
    found = paths.stat(name)
    beside = next(made for n in range(1 << 20) if not paths.leads(made := f"{name}sed{n:03}"))
    place = paths.at(beside)
    edited = bytearray()
    with suppress(FileError):  # a directory has no lines, and is not moved onto
        for piece in _edited(call, source, steps, flags):
            edited += piece
            call.meter.check_held(len(edited))
    files = call.shell.files
    files.write(place, bytes(edited), mode=0o600)
    if (found.uid, found.gid) != (0, 0):
        files.chown(place, found.uid, found.gid)
    files.chmod(place, found.mode)
    try:
        if name.endswith("/"):
            raise FileError(errno.ENOTDIR, name)
        files.rename(place, paths.at(name))
    except FileError as error:
        files.unlink(place)
        raise Failed(f"can't move '{beside}' to '{name}': {why(error)}") from error
