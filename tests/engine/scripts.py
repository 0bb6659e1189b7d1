"""Random scripts for the shell: file operations on the paths of `twins.oddities`, and on new ones beside them.

Each operation tells its exit code, so two shells can be compared line by line. Words of complaint are thrown away: they
are compared elsewhere.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Sequence
from typing import Final

OLD: Final = (
    "big", "dir", "dir/a", "dir/b", "dir/c", "dir/d", "dir/sub", "dir/sub/x", "empty", "empty/not", "files",
    "files/setuid", "files/owned", "files/locked", "files/name with space", "files/none", "files/fifo", "group",
    "group/one", "hard-1", "hard-2", "hard-3", "link", "link-dir", "link-abs", "link-broken", "opaque",
    "opaque/shown", "opaque/late", "tmp", "was-dir", "was-file", "was-file/inside", "gone", "dir/sub/y",
)  # fmt: skip
"""Paths below /odd that the image has, or had."""
NEW: Final = ("n1", "n2", "dir/n1", "dir/n2", "group/n1", "tmp/n1", "n1/n2", "dir/n1/n1", "empty/n1", "opaque/hidden")
_FIFO: Final = "files/fifo"
_OPENS: Final = ("<", ">", "cat", "head", "{b}")
"""Operations that a fifo would block, now or once it has another name."""

_ON_ONE: Final = (
    "echo {text} > {a}",
    "echo {text} >> {a}",
    "echo {text} >> {a}",
    "true >> {a}",
    "> {a}",
    "rm {a}",
    "rm {a}",
    "rm -f {a}",
    "rm -r {a}",
    "rm -rf {a}",
    "rm -rf {a}; mkdir {a}",
    "rmdir {a}",
    "mkdir {a}",
    "mkdir -p {a}",
    "mkdir -m 700 {a}",
    "touch {a}",
    "touch -c {a}",
    "chmod {mode} {a}",
    "chmod {mode} {a}",
    "chmod {symbolic} {a}",
    "chmod -R {mode} {a}",
    "chown {owner} {a}",
    "chown -R {owner} {a}",
    "chown -h {owner} {a}",
    "cat {a}",
    "ls {a}",
    "ls -a {a}",
    "wc -c < {a}",
    "head -c 4 {a}",
    "test -e {a}",
    "test -d {a}",
    "test -s {a}",
    "test -L {a}",
    "stat -c '%a %u %g %F' {a}",
    "find {a} | sort",
    "find {a} -type f | sort",
)
_ON_TWO: Final = (
    "mv {a} {b}",
    "mv {a} {b}",
    "mv -f {a} {b}",
    "cp {a} {b}",
    "cp -r {a} {b}",
    "cp -a {a} {b}",
    "cp -p {a} {b}",
    "ln {a} {b}",
    "ln -s {a} {b}",
    "ln -sf {a} {b}",
    "ln -f {a} {b}",
    "cat {a} > {b}",
    'x=$(cat {a}) && echo "$x" >> {b}',
)


def make(seed: int, length: int = 16) -> str:
    """The script of a seed: so many operations."""
    choose = random.Random(seed)
    return "\n".join(f'{{ {_operation(choose)}; }} 2>/dev/null; echo "= $?"' for _ in range(length))


def _operation(choose: random.Random) -> str:
    template = choose.choice(_ON_ONE if choose.random() < 0.65 else _ON_TWO)
    pool = [path for path in OLD if path != _FIFO or not any(word in template for word in _OPENS)]
    return template.format(
        a=_path(choose, pool),
        b=_path(choose, pool),
        text=choose.choice(("x", "yy", "zzz", "a longer line")),
        mode=choose.choice(("600", "644", "755", "4755", "2755", "1777", "0")),
        symbolic=choose.choice(("u+x", "go-rwx", "a+r", "g+s", "u=rw,go=r", "+t")),
        owner=choose.choice(("0", "1:2", "1000:1000")),
    )


def _path(choose: random.Random, old: Sequence[str]) -> str:
    return shlex.quote("/odd/" + choose.choice(old if choose.random() < 0.7 else NEW))
