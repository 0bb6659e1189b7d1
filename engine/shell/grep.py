"""grep: lines that match, by regular expressions that cannot run away (`regex`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from engine.errors import FileError
from engine.shell.call import Call, Failed, Options, utility
from engine.shell.paths import join
from engine.shell.reading import lines
from engine.shell.regex import BadPattern, Regex
from engine.shell.streams import Source


@utility("grep", "[-cqvnilrFEhH] PATTERN [FILE]...", "print lines that match a regular expression")
def grep(call: Call) -> int:
    options = call.options("cqvnilrRFEhHe:")
    patterns, names = options.values.get("e", []), options.operands
    if not patterns:
        if not names:
            raise Failed(call.usage().args[0], 2)
        patterns, names = names[:1], names[1:]
    found = _Grep(call, options, _matcher(call, "\n".join(patterns).split("\n"), options.flags))
    recursive = "r" in options.flags or "R" in options.flags
    targets = list(_below(call, names or [""])) if recursive else names or ["-"]
    several = len(names) > 1 or (recursive and targets != names)
    found.named = "H" in options.flags or ("h" not in options.flags and several)
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
    """Every file below the named ones, an empty name being where we are; symlinks to directories are left out."""
    todo = [(name, True) for name in reversed(names)]
    while todo:
        name, named = todo.pop()
        try:
            kind = call.paths.stat(name or ".").kind
            link = not named and call.paths.lstat(name).kind == "symlink"
            inside = call.paths.names(name or ".") if kind == "dir" and not link else []
        except FileError:
            kind, inside = "file", []  # whoever opens it will complain
        todo += [(join(name, one), False) for one in reversed(inside)]
        if kind == "file":
            yield name


class _Grep:
    """One search over many files."""

    def __init__(self, call: Call, options: Options, matches: Callable[[str], bool]) -> None:
        self.call, self.flags, self.matches = call, options.flags, matches
        self.named = self.matched = self.failed = False

    def search(self, name: str) -> None:
        """Searches one file."""
        for _, source in self.call.inputs([name]):
            if source is None:
                self.failed = True
            else:
                self._search(name, source)

    def _search(self, name: str, source: Source) -> None:
        count, lead = 0, f"{'(standard input)' if name == '-' else name}:" if self.named else ""
        with suppress(FileError):  # a directory has no lines
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
                    self.call.out(f"{lead}{numbered}{text}\n")
        if "q" in self.flags:
            return
        if "l" in self.flags:
            self.call.out(f"{name}\n" if count else "")
        elif "c" in self.flags:
            self.call.out(f"{lead}{count}\n")
