"""Random scripts for the shell: `files` does things to files, `language` tries the language. Both are lists of lines
that stand alone, so that a failing script can be cut to the fewest that still fail.

What both would do for ever, or what no two systems do alike, they avoid: a file appended to itself, directory sizes.
"""

from __future__ import annotations

import random
import re
from typing import Final

from tests.engine.images import Layer, directory, file, hardlink, symlink

LAYERS: Final[tuple[Layer, Layer]] = (
    {
        "": directory(),
        "d": directory(),
        "d/a": b"aaa\n",
        "d/b": b"b b\nb\n",
        "d/sub": directory(),
        "d/sub/x": b"x\n",
        "d/e": directory(),
        "f": b"one\ntwo\nthree\n",
        "big": b"0123456789" * 700,
        "empty": b"",
        "own": file(b"x", 0o640, 1000, 50),
        "l": symlink("f"),
        "ld": symlink("d"),
        "broken": symlink("nowhere"),
        "h1": b"hard\n",
        "h2": hardlink("h1"),
        "sp ace": b"s\n",
        "g": directory(0o2775, 0, 50),
        "exe": file(b"#!\n", 0o755),
    },
    {"d/c": b"ccc\n", "d/b": b"B\n", "top": b"t\n"},
)
"""What the scripts find, bottom first."""

_PATHS: Final = (
    "d", "d/a", "d/b", "d/c", "d/sub", "d/sub/x", "d/e", "f", "big", "empty", "own", "l", "ld", "broken", "h1", "h2",
    "'sp ace'", "g", "exe", "top", "n1", "n2", "d/n1", "g/n1", "n1/n2", "d/e/n1", "nowhere", "ld/n3", "d/", "l/", "ld/",
    "n4/", "f/", "d/../f", "ld/../d", "/d/a", "//f", "d/sub/../../g", "d/./a",
)  # fmt: skip
_ON_ONE: Final = (
    "echo x > @A", "echo yy >> @A", ": > @A", "true >> @A", "cat @A", "rm @A", "rm -f @A", "rm -r @A", "rm -rf @A",
    "rm -rf @A; mkdir @A", "rmdir @A", "rmdir -p @A", "mkdir @A", "mkdir -p @A", "mkdir -p @A/x/y", "mkdir -m 700 @A",
    "mkdir -m u=rwx,go= @A", "touch @A", "touch -c @A", "touch -h @A", "touch -d '2021-02-03 04:05:06' @A",
    "touch -d @77 @A", "chmod @MODE @A", "chmod -R @MODE @A", "chown @OWN @A", "chown -R @OWN @A", "chown -h @OWN @A",
    "ls @A", "ls -l @A", "ls -la @A", "ls -ld @A", "ls -R @A", "ls -d @A", "ls -lR @A", "ls -1 @A", "ls -lh @A",
    "ls -n @A", "ls -F @A", "stat -c '%n %s %a %A %u %g %F %N' @A", "stat -L -c '%n %a %F %s %b' @A", "find @A | sort",
    "find @A -type f | sort", "find @A -type d | sort", "find @A -type l -o -name 'n*' | sort",
    "find @A -maxdepth 1 | sort", "find @A -size +0c | sort", "find @A -empty | sort",
    "find @A -name '[a-f]*' -exec echo {} \\; | sort", "find @A -depth | tail -n 1", "wc @A", "wc -l @A",
    "head -n 1 @A", "tail -n 1 @A", "head -c 3 @A", "sort @A", "sort -r @A", "uniq @A", "grep -c a @A", "grep -n e @A",
    "grep -r aa @A | sort", "sed -i s/a/Z/ @A", "sed 's/[aeiou]/<&>/g' @A", "cd @A && pwd", "(cd @A; ls)", "test -e @A",
    "test -f @A", "test -d @A", "test -L @A", "test -s @A", "test -x @A", "echo @A*", "echo @A/*",
    "for q in @A*; do echo $q; done", "{ echo a; echo b; } > @A", "(echo a >> @A)", "echo q | cat > @A",
    "while read z; do echo $z; done < @A", "wc -c < @A", "x=$(cat @A); echo ${#x}", "cat < @A > n9", "ls -la @A/..",
)  # fmt: skip
_ON_TWO: Final = (
    "mv @A @B", "mv -f @A @B", "mv -T @A @B", "mv @A @A @B", "mv -n @A @B", "mv @A @B; mv @B @A", "cp @A @B",
    "cp -r @A @B", "cp -a @A @B", "cp -p @A @B", "cp -d @A @B", "cp -f @A @B", "cp -L @A @B", "cp -rL @A @B",
    "cp -T @A @B", "cp @A @A @B", "cp -rp @A @B", "cp -n @A @B", "ln @A @B", "ln -s @A @B", "ln -sf @A @B",
    "ln -f @A @B", "ln -sn @A @B", "ln -sfn @A @B", "ln -T @A @B", "cat @A > @B", "cat @A @B", "test @A -nt @B",
    "test @A -ef @B", "ls @A @B", "rm @A @B", "touch -r @A @B", "head -n 1 @A @B", "wc @A @B", "mkdir @A @B",
    "rm -rf @A @B", "grep e @A @B",
)  # fmt: skip
_MODES: Final = (
    "600", "644", "755", "4755", "2755", "1777", "0", "u+x", "go-rwx", "a+r", "g+s", "u=rw,go=r", "+t", "=", "g=u",
    "a-w", "u+s,o+w", "+x", "-w",
)  # fmt: skip
_OWNERS: Final = ("0", "1:2", ":3", "7", "1000:1000", "5:", "2.3")


def files(seed: int) -> list[str]:
    """Up to eight lines, each telling its exit code."""
    rng = random.Random(seed)
    lines = []
    for _ in range(rng.choice((1, 2, 3, 5, 8))):
        line = rng.choice(_ON_ONE if rng.random() < 0.6 else _ON_TWO)
        words = {
            "A": rng.choice(_PATHS).rstrip("/" if "ln -s" in line else ""),
            "B": rng.choice(_PATHS),
            "MODE": rng.choice(_MODES),
            "OWN": rng.choice(_OWNERS),
        }
        lines.append(re.sub(r"@(A|B|MODE|OWN)\b", lambda found, words=words: words[found[1]], line) + "; echo $?")
    return lines


_WORDS: Final = (
    "a", "bb", "f", "d", "1", "22", "-n", "x=1", "*", "[fd]", "d/*", "nope*", "a\\ b", "''", '""', "'a  b'",
    '"a  b"', "\\$x", "a\\*", "{", "}", "!", "=", "--", "é", "'*'", '"*"', "a'b'c", 'a"b"c', "?", "h[12]", "[!a-e]",
    "*[!a-z]*", "d/.", "./f", "\\\\", '"\\\\"', '"\\a"', "%", "@", "a,b", "a:b",
)  # fmt: skip
_PARAMETERS: Final = (
    "$@V", "${@V}", '"$@V"', "${@V:-@W}", "${@V:+@W}", '"${@V:-$y}"', "\"${@V:-'q'}\"", '"${@V:-"r s"}"', "${#@V}",
    "${@V#a}", "${@V#*a}", "${@V#?}", "${@V#'a'}", "${@V#$y}", "${@V##*:}", "${@V##*b}", "${@V%a}", "${@V%a*}",
    "${@V%?}",
    "${@V%%b*}", "${@V%%:*}", "${@V-u v}", "${@V=p q}", "${@V+set}", "$#", "$?", "$1", '"$@"', "$*", '"$*"', "${2:-no}",
    "$@", "a$@b", '"a$@b"', "${10}", "$9",
)  # fmt: skip
_SETTINGS: Final = (
    "shift", "shift 2", "unset x", "unset y", "export x", "IFS=:", "IFS=' '", "unset IFS", "IFS=,", "set -e", "set +e",
    "set -u", "set +u", "cd d", "cd /", "cd nope", "x=a:b::c", "x='a b  c'", "y='*'", "z=", "exit 5", "exit", "break",
    "continue", "break 2", "read -r x", "read -r x y", "set --", "true", "false", ":", "(exit 3)", "test -f f",
    "nosuch", "[ a ]", "ls d", "ls nope", "ls d/*", "cat f", "cat nope", "cat < f", "cat < nope", "cat - < f",
)  # fmt: skip
_OPERATORS: Final = (
    "+", "-", "*", "<", ">", "<=", ">=", "==", "!=", "&&", "||", "&", "|", "^", "<<", ">>", ",",
)  # fmt: skip
_AFTER_PIPE: Final = (
    "cat", "wc -c", "sed s/a/b/", "grep -c a", "head -n 1",
    'while read -r q; do echo "<$q>"; done',
    "{ read -r x; echo $x; }",
    "sort", "tail -n 1", "wc -l", "sort -r", "uniq", "sed 's/o/0/g'", "cat | cat",
)  # fmt: skip


def language(seed: int) -> list[str]:
    """A few lists of commands, and a last line that tells the status."""
    writer = _Writer(random.Random(seed))
    return [*(writer.list(0) for _ in range(writer.rng.choice((1, 2, 4, 6)))), 'echo "end $?"']


class _Writer:
    """Writes words and commands by chance, less of them the deeper it is."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.loops = 0

    def _one(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def _some(self, depth: int, *counts: int) -> str:
        return " ".join(self.word(depth + 1) for _ in range(self.rng.choice(counts)))

    def word(self, depth: int) -> str:
        kind = self.rng.random()
        if depth > 2 or kind < 0.35:
            return self._one(*_WORDS)
        if kind < 0.6:
            shape = self._one(*_PARAMETERS).replace("@V", self._one(*"xyzia"))
            return shape.replace("@W", self.word(depth + 1))
        if kind < 0.7:
            return self._one("$(%s)", '"$(%s)"') % self.simple(depth + 1)
        if kind < 0.82:
            assigned = self._one("", "", "", "x = ", "y += ", "x -= ", "y *= ")
            return f"$(({assigned}({self.arithmetic(0)})))"
        if kind < 0.86:
            return f"`echo {self._one('a', 'b c', '$x')}`"
        return self.word(depth + 1) + self.word(depth + 1)

    def arithmetic(self, depth: int) -> str:
        """An expression without side effects, and nothing divided by zero: busybox computes the branches that are not
        taken too."""
        kind = self.rng.random()
        one = self._one("1", "2", "7", "0", "x", "y", "-3", "010", "0x1f", "100")
        if depth > 2 or kind < 0.35:
            return one
        deeper = self.arithmetic(depth + 1)
        if kind < 0.75:
            return f"{deeper} {self._one(*_OPERATORS)} {self.arithmetic(depth + 1)}"
        if kind < 0.9:
            return f"({deeper}) {self._one('/', '%')} 7" if kind < 0.83 else f"{self._one(*'!-~+')} ({deeper})"
        return f"({deeper}) ? ({self.arithmetic(depth + 1)}) : ({self.arithmetic(depth + 1)})"

    def simple(self, depth: int) -> str:
        kind = self.rng.random()
        word = self.word(depth + 1)
        if kind < 0.35:
            return f"echo {self._some(depth, 1, 1, 2, 3)}"
        if kind < 0.4:
            return f"printf '%s\\n' {self._some(depth, 1, 2, 3)}"
        if kind < 0.52:
            return f"{self._one(*'xyzia')}={word}"
        if kind < 0.57:
            return f"[ {word} {self._one('=', '!=', '-eq', '-lt')} {self.word(depth + 1)} ]"
        if kind < 0.6:
            return f"set -- {self._some(depth, 1, 2, 3)}"
        if kind < 0.74:
            return self._one(*_SETTINGS)
        if kind < 0.84:
            return f"{self._one(f'echo {word}', 'cat f')} | {self._one(*_AFTER_PIPE)}"
        if kind < 0.9:
            return f"echo {word} {self._one('>', '>>', '2>')} o"
        if kind < 0.95:
            return f"{self._one(*'xyz')}={word} {self._one('echo $x', 'sh -c ' + repr('echo $x $y'), 'true')}"
        inner = self._one('echo $1 $# "$@"', "exit 4", "echo $x", "set -- $1; echo $#")
        return f"sh -c '{inner}' sh {word}"

    def command(self, depth: int) -> str:
        kind = self.rng.random()
        if depth > 2 or kind < 0.55:
            return self.simple(0)
        body = self.list(depth + 1)
        if kind < 0.65:
            words = f" in {self._some(0, 0, 1, 2, 3)}" if kind < 0.62 else ""
            return f"for {self._one(*'xyzia')}{words}; do {body}; done"
        if kind < 0.73:
            return f"if {body}; then {self.list(depth + 1)}; fi"
        if kind < 0.78:
            more = [self.list(depth + 1) for _ in range(4)]
            return f"if {body}; then {more[0]}; elif {more[1]}; then {more[2]}; else {more[3]}; fi"
        if kind < 0.88:
            return f"({body})" if kind < 0.83 else f"{{ {body}; }}"
        if kind < 0.92:
            self.loops += 1
            name = f"n{self.loops}"
            less = f"[ ${name} -lt {self._one('1', '2', '3')} ]"
            return f"{name}=0; while {less}; do {name}=$(({name}+1)); {body}; done"
        if kind < 0.96:
            return f"{{ {body}; }} {self._one('> o', '2>&1', '2> e', '| cat', '> o 2>&1', '>> o')}"
        return f"! {self.simple(0)}"

    def list(self, depth: int) -> str:
        made = self.command(depth)
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            made += self._one("; ", " && ", " || ", "; ", "\n" if depth else "; ") + self.command(depth)
        return made
