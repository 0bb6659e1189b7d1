"""sort and uniq."""

from __future__ import annotations

import re
from contextlib import suppress

from engine.errors import FileError
from engine.shell.call import Call, utility, why
from engine.shell.reading import lines


@utility("sort", "[-r] [-n] [-u] [FILE]...", "print lines in order")
def sort(call: Call) -> int:
    options = call.options("rnu")
    everything: list[bytes] = []
    for _, source in call.inputs(options.operands or ["-"]):
        if source is None:
            return 2
        with suppress(FileError):  # a directory has no lines
            everything += [line.removesuffix(b"\n") for line in lines(call, source)]
        call.meter.check_held(sum(map(len, everything)))
    call.meter.spend(len(everything) // 16)
    numeric = "n" in options.flags
    everything.sort(key=(lambda line: (_leading_number(line), line)) if numeric else None, reverse="r" in options.flags)
    last: object = None
    for line in everything:
        key = _leading_number(line) if numeric else line
        if "u" not in options.flags or key != last:
            call.out(line + b"\n")
        last = key
    return 0


def _leading_number(line: bytes) -> float:
    found = re.match(rb"\s*(-?\d{0,300}(?:\.\d{1,300})?)", line)
    try:
        return float(found[1]) if found else 0.0
    except ValueError:
        return 0.0


@utility("uniq", "[-c] [-d] [-u] [FILE]", "print a line once where it follows itself")
def uniq(call: Call) -> int:
    options = call.options("cdu", most=1)
    for name, source in call.inputs(options.operands or ["-"], "can't open '{name}': {why}"):
        if source is None:
            return 1
        last, count = b"", 0
        try:
            for line in lines(call, source):
                text = line.removesuffix(b"\n")
                if count and text == last:
                    count += 1
                    continue
                _unique(call, options.flags, last, count)
                last, count = text, 1
        except FileError as error:
            return call.complain(f"{name}: {why(error)}")
        _unique(call, options.flags, last, count)
    return 0


def _unique(call: Call, flags: str, line: bytes, count: int) -> None:
    if count and not ("d" in flags and count < 2) and not ("u" in flags and count > 1):
        call.out((b"%7d " % count if "c" in flags else b"") + line + b"\n")
