"""cat, head, tail and wc."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from engine.errors import FileError
from engine.shell.call import Call, Failed, utility, why
from engine.shell.streams import Source


def lines(call: Call, source: Source) -> Iterator[bytes]:
    """A source's lines, each with its newline, the last perhaps without."""
    rest = b""
    for piece in source.chunks():
        *whole, rest = (rest + piece).split(b"\n")
        call.meter.check_held(len(rest))
        call.meter.spend(len(whole) // 16)
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def read_all(call: Call, source: Source) -> bytes:
    """All of a source, as far as it may be held."""
    data = bytearray()
    for piece in source.chunks():
        data += piece
        call.meter.check_held(len(data))
    return bytes(data)


@utility("cat", "cat [FILE]...: print files")
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


@utility("head", "head [-n LINES | -c BYTES] [FILE]...: print how files begin")
def head(call: Call) -> int:
    return _each(call, _head)


@utility("tail", "tail [-n LINES | -c BYTES] [FILE]...: print how files end; from line or byte N on by +N")
def tail(call: Call) -> int:
    return _each(call, _tail)


def _head(call: Call, source: Source, count: int, unit: str, _from_start: bool) -> Iterable[bytes]:
    if unit == "n":
        for done, line in enumerate(lines(call, source)):
            if done >= count:
                return
            yield line
    for piece in source.chunks() if unit == "c" and count else ():
        yield piece[:count]
        count -= len(piece)
        if count <= 0:
            return


def _tail(call: Call, source: Source, count: int, unit: str, from_start: bool) -> Iterable[bytes]:
    if from_start:
        if unit == "c":
            return (read_all(call, source)[max(0, count - 1) :],)
        return (line for done, line in enumerate(lines(call, source), 1) if done >= count)
    if unit == "n":
        kept = deque(lines(call, source), maxlen=count)
        call.meter.check_held(sum(map(len, kept)))
        return kept
    data = read_all(call, source)
    return (data[max(0, len(data) - count) :],)


def _each(call: Call, take: object) -> int:
    assert callable(take)
    call.arguments[:] = [f"-n{word[1:]}" if word[:1] == "-" and word[1:].isdigit() else word for word in call.arguments]
    options = call.options("n:c:qv")
    unit = "c" if "c" in options.flags else "n"
    text = options.value(unit) or "10"
    number = text.lstrip("+-")
    if not number.isdecimal() or len(number) > 18:
        raise Failed(f"invalid number '{text}'")
    names = options.operands or ["-"]
    status, shown = 0, 0
    for name, source in call.inputs(names):
        if source is None:
            status = 1
            continue
        if ("v" in options.flags or len(names) > 1) and "q" not in options.flags:
            blank = "\n" if shown else ""
            call.out(f"{blank}==> {'standard input' if name == '-' else name} <==\n")
        shown += 1
        try:
            for piece in take(call, source, int(number), unit, text[0] == "+"):
                call.out(piece)
        except FileError as error:
            status = call.complain(f"{name}: {why(error)}")
    return status


@utility("wc", "wc [-l] [-w] [-c] [FILE]...: count lines, words and bytes")
def wc(call: Call) -> int:
    options = call.options("lwcm")
    flags = options.flags.replace("m", "c") or "lwc"
    names = options.operands
    total, status = [0, 0, 0], 0
    for name, source in call.inputs(names or ["-"]):
        try:
            counts = _count(source) if source else None
        except FileError as error:
            status, counts = call.complain(f"{name}: {why(error)}"), None
        if counts is None:
            status = 1
            continue
        total = [a + b for a, b in zip(total, counts, strict=True)]
        _row(call, flags, counts, name if names else "")
    if len(names) > 1:
        _row(call, flags, total, "total")
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


def _row(call: Call, flags: str, counts: list[int], name: str) -> None:
    shown = [str(count) for flag, count in zip("lwc", counts, strict=True) if flag in flags]
    row = shown[0] if len(shown) == 1 else " ".join(text.rjust(9) for text in shown)
    call.out(f"{row} {name}\n" if name else f"{row}\n")
