"""What the picture says: sizes, names of layers and toppings, and text cut to the width it has.

Widths are those of DejaVu condensed, the widest of the fonts that the style sheet may fall back to, so that what fits
here fits everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

Font = Literal["serif", "sans", "bold", "mono"]

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
# Advance widths of U+0020 to U+007E in hundredths of an em.
_SERIF: Final = (
    "31 40 47 75 63 85 81 28 43 43 47 75 31 37 31 33 63 63 63 63 63 63 63 63 63 63 33 33 75 75 75 53 90 70 76 72 "
    "78 69 64 77 85 42 43 78 63 100 82 78 68 78 75 65 67 78 70 101 70 64 66 43 33 43 75 45 45 58 63 55 63 57 39 "
    "63 65 34 33 62 34 95 65 60 63 63 47 51 42 65 52 77 54 52 51 58 33 58 75"
)
_SANS: Final = (
    "29 36 41 75 57 85 70 25 35 35 45 75 29 32 29 30 57 57 57 57 57 57 57 57 57 57 30 30 75 75 75 48 90 62 62 63 "
    "69 57 52 70 68 27 27 59 50 78 67 71 54 71 63 57 55 66 62 89 62 55 62 35 30 35 75 45 45 55 57 49 57 55 32 57 "
    "57 25 25 52 25 88 57 55 57 57 37 47 35 57 53 74 53 53 47 57 30 57 75"
)
_BOLD: Final = (
    "31 41 47 75 63 90 78 28 41 41 47 75 34 37 34 33 63 63 63 63 63 63 63 63 63 63 36 36 75 75 75 52 90 70 69 66 "
    "75 61 61 74 75 33 33 70 57 90 75 76 66 76 69 65 61 73 70 99 69 65 65 41 33 41 75 45 45 61 64 53 64 61 39 64 "
    "64 31 31 60 31 94 64 62 64 64 44 54 43 64 59 83 58 59 52 64 33 64 75"
)
_WIDTHS: Final[dict[str, list[int]]] = {
    "serif": [int(w) for w in _SERIF.split()],
    "sans": [int(w) for w in _SANS.split()],
    "bold": [int(w) for w in _BOLD.split()],
    "mono": [60] * 95,
}


def size(count: int) -> str:
    """Bytes to three digits, decimal, as docker counts them: 65536 is ``65.5 kB``."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def counted(number: int, one: str, many: str = "") -> str:
    """``1 layer``, ``5 layers``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


@lru_cache(maxsize=16_384)
def width(text: str, font: Font, points: float) -> float:
    """How wide `text` is at most, at a font size of `points`."""
    table = _WIDTHS[font]
    total = 0
    for letter in text:
        code = ord(letter) - 32
        if 0 <= code < 95:
            total += table[code]
        elif unicodedata.combining(letter):
            continue
        else:
            base = ord(unicodedata.normalize("NFD", letter)[0]) - 32
            wide = unicodedata.east_asian_width(letter) in "WF"
            total += table[base] if 0 <= base < 95 else 105 if wide else 90
    return total * points / 100


@lru_cache(maxsize=16_384)
def cut(text: str, room: float, font: Font, points: float) -> str:
    """`text`, or as much of it as `room` has place for, with an ellipsis; at least one letter."""
    text = " ".join(text.split())
    if width(text, font, points) <= room:
        return text
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + "…", font, points) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def wrap(text: str, room: float, font: Font, points: float, lines: int) -> list[str]:
    """`text` on at most `lines` lines; the last is cut."""
    out: list[str] = []
    words = text.split()
    while words and len(out) < lines:
        line = words.pop(0)
        while words and width(f"{line} {words[0]}", font, points) <= room:
            line += " " + words.pop(0)
        if len(out) == lines - 1 and words:
            line = " ".join([line, *words])
        out.append(cut(line, room, font, points))
        if len(out) == lines:
            break
    return out


# Layers

_NOP = re.compile(r"^(?:\|\d+ .*?)?/bin/(?:sh|bash) -[a-z]*c\s+#\(nop\)\s*")
_SHELL = re.compile(r"^(?:RUN )?(?:\|\d+ \S* ?)*/bin/(?:sh|bash) -[a-z]*c\s+")
_HASHED = re.compile(r"\b(file|dir|multi):[0-9a-f]{12,}")
_INSTALL = re.compile(r"\b(?:apt-get|apt|apk|yum|dnf|pip3?|npm|gem)\s+(?:-\S+\s+)*(?:install|add)\s+(.*)")


@lru_cache(maxsize=4096)
def command(created_by: str) -> str:
    """A history row as one would write it in a Dockerfile."""
    text = created_by.strip().removesuffix("# buildkit").strip()
    if _NOP.match(text):
        text = _NOP.sub("", text)
    elif _SHELL.match(text):
        text = "RUN " + _SHELL.sub("", text)
    return " ".join(_HASHED.sub(r"\1", text).split())


@lru_cache(maxsize=4096)
def title(created_by: str, comment: str) -> str:
    """A short name for a layer, from its history row."""
    text = command(created_by)
    verb, _, rest = text.partition(" ")
    if verb == "RUN":
        installed = _INSTALL.search(rest.split("&&")[-1]) or _INSTALL.search(rest)
        if installed:
            wanted = [w for w in re.split(r"[\s;&|]+", installed[1]) if w and not w.startswith(("-", "$", "\\"))]
            if wanted:
                return wanted[0] + (" …" if len(wanted) > 1 else "")
        words = [w for w in rest.replace("set -ex", "").replace("set -eux;", "").split() if w not in ("&&", ";")]
        return words[0].rsplit("/", 1)[-1] if words else "RUN"
    if verb in ("COPY", "ADD"):
        words = [w for w in rest.replace(" in ", " ").split() if not w.startswith("--")]
        if words:
            target = words[-1].rstrip("/") or "/"
            source = words[0].strip("/") if len(words) > 1 and words[0] not in ("file", "dir", "multi", ".") else ""
            return (target.rsplit("/", 1)[-1] if target not in ("/", ".") else source.rsplit("/", 1)[-1]) or "Base"
    return comment.strip() or text or "Layer"


_TITLES: Final = {"jalapeno": "Jalapeños"}


def ingredient_title(word: str) -> str:
    """A layer's name, from what it brings: ``sour-cream`` is Sour cream."""
    return (
        _TITLES.get(word) or word.split(".", maxsplit=1)[0].replace("-", " ").replace("_", " ").capitalize() or "Layer"
    )
