"""Text as markup: terminal output with docker's meanings in colour, everything else escaped."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup, escape

_CHANGE: Final = re.compile(r"^([ACD]) (/.*)$")
_HEADING: Final = re.compile(r"^[A-Z][A-Z ]*[A-Z](?: {3,}[A-Z][A-Z ]*[A-Z])+ *$", re.MULTILINE)
_LAYER: Final = re.compile(r"^([0-9a-f]{12}): (Already exists|Pull complete)$")


@lru_cache(maxsize=1024)
def colours(text: str) -> Markup:
    """Terminal output, its A, C and D, its "Already exists" and "Pull complete" marked; all else as it is."""
    text = legible(text)
    return Markup("\n").join(_line(line) for line in text.rstrip("\n").split("\n")) + (Markup("\n") if text else "")


def is_table(text: str) -> bool:
    """Whether docker printed a table, whose columns make no sense once its lines are wrapped."""
    return bool(_HEADING.search(text))


def _line(line: str) -> Markup:
    if found := _CHANGE.match(line):
        return Markup('<span class="{0}">{0}</span> {1}').format(found[1], found[2])
    if found := _LAYER.match(line):
        role = "ae" if found[2] == "Already exists" else "pc"
        return Markup('{}: <span class="{}">{}</span>').format(found[1], role, found[2])
    return escape(line)


def without_docker(command: str) -> str:
    """A command without its first word, for where there is no room for it."""
    return command.removeprefix("docker ")


_FORBIDDEN: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
"""What no XML document may contain, escaped or not (XML 1.0, section 2.2): a file can have such a name."""
_ILLEGIBLE: Final = re.compile(f"[{_FORBIDDEN}]")
_UNSAFE: Final = re.compile(f"[&<>\"'{_FORBIDDEN}]")


def legible(text: str) -> str:
    """`text` with a picture of each control character, and U+FFFD for what else no document may contain."""
    return _ILLEGIBLE.sub(lambda found: chr(0x2400 + ord(found[0])) if found[0] < " " else "\ufffd", text)


def plain(value: object) -> str:
    """What `escape` makes of `value`, made legible, without a `Markup` of each: numbers and most words need none."""
    kind = type(value)
    if kind is int or kind is float:
        return str(value)
    if kind is str and not _UNSAFE.search(str(value)):
        return str(value)
    return str(escape(value if hasattr(value, "__html__") else legible(str(value))))


class Escaping(CodeGenerator):
    """Templates that escape by `plain`, found as ``environment.plain``: a picture prints thousands of numbers."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write(f"environment.plain({finalize.src or ''}")


FILTERS: Final = {"colours": colours, "is_table": is_table, "trim_docker": without_docker}
"""What templates use of this."""
