"""cat, head, tail and wc."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from engine.errors import FileError
from engine.shell.call import Call, Failed, utility, why
from engine.shell.streams import Source


def lines(call: Call, source: Source) -> Iterator[bytes]:
    """A source's lines, each with its newline, the last perhaps without."""
    begun: list[bytes] = []
    size = 0
    for piece in source.chunks():
        *whole, rest = piece.split(b"\n")
        call.meter.spend(len(whole) // 16)
        for line in whole:
            yield b"".join([*begun, line, b"\n"])
            begun, size = [], 0
        begun.append(rest)
        size += len(rest)
        call.meter.check_held(size)
    if size:
        yield b"".join(begun)


def read_all(call: Call, source: Source) -> bytes:
    """All of a source, as far as it may be held."""
    data = bytearray()
    for piece in source.chunks():
        data += piece
        call.meter.check_held(len(data))
    return bytes(data)


@utility("cat", "[FILE]...", "print files")
def cat(call: Call) -> int:
    status = 0
    for _, source in call.inputs(call.options("u").operands or ["-"], "can't open '{name}': {why}"):
        if source is None:
            status = 1
            continue
        try:
            for piece in source.chunks():
                call.out(piece)
        except FileError as error:
            status = call.complain(f"read error: {why(error)}")
    return status


@utility("head", "[-n LINES | -c BYTES] [FILE]...", "print how files begin")
def head(call: Call) -> int:
    return _each(call, _head, "{name}: {why}")


@utility("tail", "[-n LINES | -c BYTES] [FILE]...", "print how files end; from line or byte N on by +N")
def tail(call: Call) -> int:
    return _each(call, _tail, "can't open '{name}': {why}")


_Take = Callable[[Call, Source, int, str, str], Iterable[bytes]]
"""What of a source to print: a count of units, ``n`` lines or ``c`` bytes, and the count's sign."""


def _head(call: Call, source: Source, count: int, unit: str, sign: str) -> Iterable[bytes]:
    if sign == "-":
        yield from _all_but(call, source, count, unit)
    elif unit == "n":
        for done, line in enumerate(lines(call, source) if count else ()):
            yield line
            if done + 1 >= count:
                return
    elif count:
        for piece in source.chunks():
            yield piece[:count]
            count -= len(piece)
            if count <= 0:
                return


def _all_but(call: Call, source: Source, count: int, unit: str) -> Iterable[bytes]:
    if unit == "c":
        data = read_all(call, source)
        return (data[: max(0, len(data) - count)],)
    return read_all(call, source).splitlines(keepends=True)[: -count or None]


def _tail(call: Call, source: Source, count: int, unit: str, sign: str) -> Iterable[bytes]:
    if sign == "+":
        if unit == "c":
            return (read_all(call, source)[max(0, count - 1) :],)
        return (line for done, line in enumerate(lines(call, source), 1) if done >= count)
    if unit == "n":
        kept = deque(lines(call, source), maxlen=min(count, sys.maxsize))
        call.meter.check_held(sum(map(len, kept)))
        return kept
    data = read_all(call, source)
    return (data[max(0, len(data) - count) :],)


def _each(call: Call, take: _Take, cannot: str) -> int:
    first = call.arguments[:1]
    if first and re.fullmatch(r"-\d+", first[0]):
        call.arguments[:1] = ["-n", first[0][1:]]
    options = call.options("n:c:qv")
    unit = "c" if "c" in options.flags else "n"
    text = options.value(unit) or "10"
    found = re.fullmatch(r"([-+]?)(\d{1,18})", text)
    if not found:
        raise Failed(f"invalid number '{text}'")
    names = options.operands or ["-"]
    status = failed = shown = 0
    for name, source in call.inputs(names, cannot):
        if source is None:
            status = failed = 1
            continue
        if ("v" in options.flags or len(names) > 1) and "q" not in options.flags:
            blank = "\n" if shown or (failed and take is _head) else ""
            call.out(f"{blank}==> {'standard input' if name == '-' else name} <==\n")
        shown += 1
        try:
            for piece in take(call, source, int(found[2]), unit, found[1]):
                call.out(piece)
        except FileError as error:
            status = call.complain(f"{name}: {why(error)}" if take is _head else f"read error: {why(error)}")
    if not shown and take is _tail:
        call.complain("no files")
    return status


@utility("wc", "[-l] [-w] [-c] [FILE]...", "count lines, words and bytes")
def wc(call: Call) -> int:
    options = call.options("lwcm")
    flags = options.flags.replace("m", "c") or "lwc"
    names = options.operands
    total, status = [0, 0, 0], 0
    for name, source in call.inputs(names or ["-"]):
        try:
            counts = _count(source) if source else None
        except FileError as error:
            shown = "standard input" if name == "-" else name
            status, counts = call.complain(f"{shown}: {why(error)}"), [0, 0, 0]
        if counts is None:
            status = 1
            continue
        total = [a + b for a, b in zip(total, counts, strict=True)]
        _row(call, flags, counts, name if names else "", aligned=len(names) > 1)
    if len(names) > 1:
        _row(call, flags, total, "total", aligned=True)
    return status


def _count(source: Source) -> list[int]:
    newlines = words = size = 0
    inside = False
    for piece in source.chunks():
        newlines += piece.count(b"\n")
        found = len(piece.split())
        words += found - (inside and found > 0 and not piece[:1].isspace())
        inside = not piece[-1:].isspace() if piece else inside
        size += len(piece)
    return [newlines, words, size]


def _row(call: Call, flags: str, counts: list[int], name: str, *, aligned: bool) -> None:
    shown = [str(count) for flag, count in zip("lwc", counts, strict=True) if flag in flags]
    row = shown[0] if len(shown) == 1 and not aligned else " ".join(text.rjust(9) for text in shown)
    call.out(f"{row} {name}\n" if name else f"{row}\n")
