"""What works line by line: grep, sed's s command, sort and uniq."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from engine.errors import FileError
from engine.shell.call import Call, Failed, Options, utility, why
from engine.shell.paths import basename, join
from engine.shell.reading import lines, read_all
from engine.shell.regex import BadPattern, Regex
from engine.shell.streams import Source

_BINARY_LINE_MAX: Final = 1 << 20


# grep


@utility("grep", "grep [-cqvnilrFEhH] PATTERN [FILE]...: print lines that match a regular expression")
def grep(call: Call) -> int:
    options = call.options("cqvnilrRFEhHse:")
    patterns, names = options.values.get("e", []), options.operands
    if not patterns:
        if not names:
            raise Failed(call.usage().args[0], 2)
        patterns, names = names[:1], names[1:]
    found = _Grep(call, options, _matcher(call, "\n".join(patterns).split("\n"), options.flags))
    recursive = "r" in options.flags or "R" in options.flags
    targets = list(_below(call, names or ["."])) if recursive else names or ["-"]
    found.named = "H" in options.flags or ("h" not in options.flags and (recursive or len(targets) > 1))
    for name in targets:
        found.search(name)
        if found.matched and "q" in options.flags:
            return 0
    return 2 if found.failed else int(not found.matched)


def _matcher(call: Call, patterns: list[str], flags: str) -> Callable[[str], bool]:
    fold = "i" in flags
    if "F" in flags:
        words = [pattern.lower() if fold else pattern for pattern in patterns]
        return lambda text: any(word in (text.lower() if fold else text) for word in words)
    try:
        compiled = [Regex(pattern, extended="E" in flags, fold=fold) for pattern in patterns]
    except BadPattern as error:
        raise Failed(f"bad regex '{patterns[0]}': {error}", 2) from error
    return lambda text: any(regex.search(text, call.meter.spend) is not None for regex in compiled)


def _below(call: Call, names: list[str]) -> Iterator[str]:
    """Every regular file below the named ones."""
    todo = list(reversed(names))
    while todo:
        name = todo.pop()
        try:
            kind = call.paths.stat(name).kind if name in names else call.paths.lstat(name).kind
            inside = call.paths.names(name) if kind == "dir" else []
        except FileError:
            kind, inside = "file", []
        todo += [join(name, one) for one in reversed(inside)]
        if kind == "file":
            yield name.removeprefix("./") if name.startswith("./") and "." in names else name


class _Grep:
    """One search over many files."""

    def __init__(self, call: Call, options: Options, matches: Callable[[str], bool]) -> None:
        self.call, self.flags, self.matches = call, options.flags, matches
        self.named = self.matched = self.failed = False

    def search(self, name: str) -> None:
        """Searches one file."""
        try:
            for _, source in self.call.inputs([name] if "s" not in self.flags else []):
                if source is None:
                    self.failed = True
                else:
                    self._search(name, source)
        except FileError as error:
            self.failed = True
            self.call.complain(f"{name}: {why(error)}")

    def _search(self, name: str, source: Source) -> None:
        count, lead = 0, f"{'(standard input)' if name == '-' else name}" if self.named else ""
        for number, line in enumerate(lines(self.call, source), 1):
            text = line.decode("latin-1").removesuffix("\n")
            if self.matches(text) == ("v" in self.flags):
                continue
            count += 1
            self.matched = True
            if "q" in self.flags or "l" in self.flags:
                break
            if "c" not in self.flags:
                numbered = f"{number}:" if "n" in self.flags else ""
                self.call.out(f"{lead}{':' if lead else ''}{numbered}{text}\n")
        if "q" in self.flags:
            return
        if "l" in self.flags:
            self.call.out(f"{name}\n" if count else "")
        elif "c" in self.flags:
            self.call.out(f"{lead}{':' if lead else ''}{count}\n")


# sed


@dataclass(frozen=True)
class _Substitute:
    """``s/regex/replacement/flags``; `replacement` holds texts and numbers of groups."""

    regex: Regex
    replacement: tuple[str | int, ...]
    flags: str

    def apply(self, text: str, call: Call) -> tuple[str, bool]:
        """The text after it, and whether anything matched."""
        out: list[str] = []
        at, last = 0, -1
        while at <= len(text):
            found = self.regex.search(text, call.meter.spend, at, captures=True)
            if found is None:
                break
            start, end = found[:2]
            if start == end == last:
                out.append(text[at : at + 1])
                at += 1
                continue
            out.append(text[at:start])
            for piece in self.replacement:
                if isinstance(piece, str):
                    out.append(piece)
                elif found[2 * piece] >= 0:
                    out.append(text[found[2 * piece] : found[2 * piece + 1]])
            at = last = end
            if start == end:
                out.append(text[at : at + 1])
                at += 1
            if "g" not in self.flags:
                break
        matched = last >= 0
        return ("".join(out) + text[at:], True) if matched else (text, False)


@utility("sed", "sed [-i] [-n] [-E] s/REGEX/REPLACEMENT/[gIp] [FILE]...: replace in lines; with -i in the files")
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
            try:
                for piece in _edited(call, source, steps, options.flags):
                    call.out(piece)
            except FileError as error:
                status = call.complain(f"{name}: {why(error)}") if error else status
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
    if not re.fullmatch(r"[gIip]*", flags):
        raise Failed(f"only s/regex/replacement/ with g, I and p is offered, not: {flags}")
    try:
        regex = Regex(parts[0], extended=extended, fold="i" in flags.lower())
    except BadPattern as error:
        raise Failed(f"bad regex '{parts[0]}': {error}") from error
    return _Substitute(regex, tuple(_replacement(parts[1], regex.groups)), flags)


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
        text, printed = text.removesuffix("\n"), False
        for step in steps:
            text, matched = step.apply(text, call)
            if matched and "p" in step.flags:
                yield f"{text}\n".encode("latin-1")
                printed = True
        if "n" not in flags:
            yield (text + end).encode("latin-1")
        del printed


def _in_place(call: Call, name: str, source: Source, steps: list[_Substitute], flags: str) -> None:
    """A new file beside, renamed over: never a change of the old one, so a link to it keeps the old text."""
    paths = call.paths
    found = paths.stat(name)
    directory = name[: len(name) - len(basename(name))]
    taken = paths.names(directory or ".")
    fresh = next(made for n in range(len(taken) + 1) if (made := f"{basename(name)}.sed{n}") not in taken)
    beside, target = paths.at(directory + fresh), paths.at(name)
    call.shell.files.write(beside, b"".join(_edited(call, source, steps, flags)), mode=0o600)
    if (found.uid, found.gid) != (0, 0):
        call.shell.files.chown(beside, found.uid, found.gid)
    call.shell.files.chmod(beside, found.mode)
    try:
        call.shell.files.rename(beside, target)
    except FileError as error:
        call.shell.files.unlink(beside)
        raise Failed(f"can't move '{directory + fresh}' to '{name}': {why(error)}") from error


# sort, uniq


@utility("sort", "sort [-r] [-n] [-u] [FILE]...: print lines in order")
def sort(call: Call) -> int:
    options = call.options("rnu")
    everything: list[bytes] = []
    for name, source in call.inputs(options.operands or ["-"]):
        if source is None:
            return 1
        try:
            everything += read_all(call, source).removesuffix(b"\n").split(b"\n") if source else []
        except FileError as error:
            raise Failed(f"{name}: {why(error)}") from error
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


@utility("uniq", "uniq [-c] [-d] [-u] [FILE]: print a line once where it follows itself")
def uniq(call: Call) -> int:
    options = call.options("cdu", most=1)
    for _, source in call.inputs(options.operands or ["-"], "can't open '{name}': {why}"):
        if source is None:
            return 1
        last, count = b"", 0
        for line in lines(call, source):
            text = line.removesuffix(b"\n")
            if count and text == last:
                count += 1
                continue
            _unique(call, options.flags, last, count)
            last, count = text, 1
        _unique(call, options.flags, last, count)
    return 0


def _unique(call: Call, flags: str, line: bytes, count: int) -> None:
    if count and not ("d" in flags and count < 2) and not ("u" in flags and count > 1):
        call.out((b"%7d " % count if "c" in flags else b"") + line + b"\n")
