"""What a file looks like: which symbol of the sheet stands for it, in which colour and pattern.

A file's name decides first, if it is something to eat and the file is no program: ``slice-3/jalapeños``,
``037-salsa`` and ``cherry_tomatoes.txt`` are a ring of jalapeño, a spoonful of salsa and a slice of tomato. Any other
file is drawn by what its kind, its name's ending, its mode and at last its size say that it is. The same question has
the same answer always; nothing is read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Pattern = Literal["plain", "dots", "lines", "cross", "waves", "rings", "grain"]
"""What tells two colours apart where colour cannot; the sheet has each but ``plain`` as ``y-dots`` and so on."""
Surface = Literal["", "dough", "sauce", "cheese"]
SMALL: Final = 4096
"""Bytes up to which a file that says nothing of itself is taken for text, as most small files are."""
LARGE: Final = 1 << 20
"""Bytes from which it is taken for data."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a file is drawn."""

    word: str
    """What it is taken for: ``jalapeno``, ``library``; also the stem of the class that has its colour."""
    symbols: tuple[str, ...]
    """Ids of the sheet, to choose from by dice; the first is for lists and buttons."""
    colour: str
    """Its colour as ``#rrggbb`` where it is a strip, a box or a dot; on light and dark alike."""
    pattern: Pattern = "plain"
    surface: Surface = ""
    """The surface that covers the slice in place of pieces lying on it."""
    edible: bool = False

    @property
    def symbol(self) -> str:
        return self.symbols[0]


def _food(word: str, colour: str, pattern: Pattern = "plain", *, variants: str = "", surface: Surface = "") -> Drawing:
    ids = (f"i-{word}", *(f"i-{word}-{letter}" for letter in variants))
    return Drawing(word, ids, colour, pattern, surface, edible=True)


INGREDIENTS: Final = {
    drawing.word: drawing
    for drawing in (
        _food("dough", "#DDA658", surface="dough"),
        _food("sauce", "#C8321C", "waves", surface="sauce"),
        _food("cheese", "#F3C968", surface="cheese"),
        _food("pepperoni", "#B9301D", "dots", variants="bc"),
        _food("basil", "#2F7F37", "lines", variants="b"),
        _food("tomato", "#DE4A2E", "rings"),
        _food("mozzarella", "#F4E6C8"),
        _food("pineapple", "#F5BE23", "lines", variants="b"),
        _food("ham", "#E98F8B", "grain", variants="b"),
        _food("mushroom", "#B08F69", "waves", variants="b"),
        _food("olive", "#3D3743", "rings", variants="b"),
        _food("onion", "#A34B92", "rings"),
        _food("pepper", "#3F9A3C", "cross"),
        _food("anchovy", "#6C8AA0", "lines"),
        _food("jalapeno", "#6DA63C", "dots", variants="b"),
        _food("chilli", "#C3200F", "grain"),
        _food("salt", "#D5E0EA", "dots"),
        _food("hot-sauce", "#D92F16", "waves"),
        _food("guacamole", "#86B33E", "grain"),
        _food("sour-cream", "#EFE6D3", "waves"),
        _food("salsa", "#CB3A20", "dots"),
        _food("cheddar", "#F3A126", "lines"),
        _food("beans", "#75391F", "grain"),
        _food("scallion", "#8FC25C", "rings"),
        _food("corn", "#FFCB2E", "cross"),
        _food("coriander", "#3B8A38", "waves"),
        _food("chip", "#E5AE54", "cross"),
    )
}
"""By word; the colours are those that the symbols have."""

_SYNONYMS: Final = {
    "dough": "crust, pizza base",
    "sauce": "tomato sauce, pizza sauce, marinara, passata",
    "pepperoni": "salami, chorizo, sausage",
    "basil": "rocket, arugula, spinach, oregano",
    "mozzarella": "burrata, ricotta, feta",
    "ham": "prosciutto, bacon, speck",
    "mushroom": "champignon, porcini, truffle",
    "onion": "shallot, garlic",
    "pepper": "bell pepper, capsicum, paprika",
    "anchovy": "sardine, tuna, shrimp, prawn",
    "jalapeno": "pickle, gherkin, cucumber, zucchini, courgette",
    "chilli": "chili, chile, cayenne, habanero, chilli flakes",
    "salt": "black pepper, sugar",
    "hot-sauce": "hotsauce, tabasco, sriracha, chilli oil",
    "guacamole": "guac, avocado, pesto",
    "sour-cream": "cream, creme fraiche, mayonnaise, yoghurt, yogurt",
    "salsa": "pico de gallo, bolognese",
    "cheddar": "parmesan, gouda, gruyere, pecorino",
    "beans": "bean, lentil, chickpea, caper",
    "scallion": "spring onion, green onion, chive, leek",
    "corn": "sweetcorn, maize",
    "coriander": "cilantro, parsley",
    "chip": "tortilla, tortilla chip, nacho",
}


def _lexicon() -> dict[str, str]:
    words = {word.replace("-", " "): word for word in INGREDIENTS}
    for word, others in _SYNONYMS.items():
        words |= dict.fromkeys(others.split(", "), word)
    return words


_WORDS: Final = _lexicon()
"""From what a file may be called, in the singular and in plain letters, to the ingredient."""
_MANNERS: Final = frozenset((
    "extra", "fresh", "chopped", "sliced", "diced", "grated", "melted", "roasted", "grilled", "pickled", "dried",
    "slice", "ring", "piece", "chunk", "cube", "leaf", "leaves", "strip", "handful", "spoonful", "scoop", "pinch",
))  # fmt: skip
"""Words that say how, or how much: they are read over."""
_NOTES: Final = frozenset(("", "txt", "text", "md"))
"""The endings that an ingredient may have; with any other the file is what the ending says."""


def _kind(word: str, colour: str, pattern: Pattern = "plain") -> Drawing:
    return Drawing(word, (f"k-{word}",), colour, pattern)


KINDS: Final = {
    drawing.word: drawing
    for drawing in (
        _kind("text", "#7A7468"),
        _kind("script", "#2F6FA8", "lines"),
        _kind("config", "#1F7F86", "dots"),
        _kind("binary", "#5B6B7C", "cross"),
        _kind("library", "#7A4FA3", "lines"),
        _kind("archive", "#A8702A", "cross"),
        _kind("directory", "#C98A3C"),
        _kind("symlink", "#2C6A8A", "waves"),
        _kind("device", "#3B4A63", "grain"),
        _kind("pipe", "#4F7F73", "waves"),
        _kind("data", "#2F8A55", "rings"),
        _kind("unknown", "#8A8FA0", "dots"),
    )
}

_BY_KIND: Final = {
    "dir": "directory",
    "symlink": "symlink",
    "fifo": "pipe",
    "char": "device",
    "block": "device",
}
_ENDINGS: Final = {
    ending: word
    for word, endings in {
        "archive": "gz tgz xz txz zst bz2 lz4 lzma tar zip 7z rar deb udeb rpm apk whl egg jar war cpio iso",
        "library": "so a o la ko dll dylib pyc pyd class rlib wasm",
        "script": "sh bash zsh fish py pl pm rb js mjs lua awk sed tcl php bat",
        "config": "conf cfg cnf ini toml yaml yml json xml env service socket timer list sources rules properties",
        "text": "txt md rst adoc log html css csv tsv po diff patch c h cc cpp go rs java ts 1 2 3 4 5 6 7 8",
        "data": "db sqlite dat bin img mo cache idx index pack pem crt key gpg png jpg gif webp svg ico ttf woff2 pdf",
    }.items()
    for ending in endings.split()
}
_NAMES: Final = {
    name: word
    for word, names in {
        "text": "readme license licence copying copyright authors changelog changes news todo notice dockerfile "
        "pizzafile containerfile makefile motd issue",
        "config": "passwd group shadow gshadow fstab hosts hostname profile environment shells services protocols "
        "os-release debian_version timezone crontab",
        "script": "preinst postinst prerm postrm configure",
    }.items()
    for name in names.split()
}
_SHARED: Final = re.compile(r"\.so(\.\d+)*$")


@lru_cache(maxsize=4096)
def drawn(name: str, kind: str = "file", size: int = 0, mode: int = 0o644) -> Drawing:
    """How the file `name` is drawn; `kind` and `mode` as an entry of a layer has them, `size` in bytes.

    An executable file is a program whatever its name: Debian has a ``/usr/bin/salt``.
    """
    if kind != "file":
        return KINDS[_BY_KIND.get(kind, "unknown")]
    base = name.rsplit("/", 1)[-1]
    executable = bool(mode & 0o111)
    eaten = "" if executable else ingredient(base)
    return INGREDIENTS[eaten] if eaten else KINDS[_manner(base.lower(), size, executable)]


@lru_cache(maxsize=4096)
def ingredient(name: str) -> str:
    """The ingredient that a file's name means, or nothing: ``"jalapeno"`` for ``2-Jalapeños.txt``."""
    plain = "".join(c for c in unicodedata.normalize("NFD", name.lower()) if not unicodedata.combining(c))
    stem, _, ending = plain.lstrip(".").partition(".")
    if ending not in _NOTES:
        return ""
    words = [_singular(word) for word in re.findall(r"[a-z]+", stem)]
    words = [word for word in words if word not in _MANNERS]
    for length in range(min(3, len(words)), 0, -1):  # the last words say what it is, those before them of which sort
        found = _WORDS.get(" ".join(words[-length:]))
        if found:
            return found
    return ""


def _singular(word: str) -> str:
    """``anchovies``, ``tomatoes`` and ``olives`` as one of each; what is none already stays."""
    if word in _WORDS:
        return word
    for plural, single in (("ies", "y"), ("ches", "ch"), ("oes", "o"), ("s", "")):
        if word.endswith(plural) and len(word) > len(plural) + 1:
            return word.removesuffix(plural) + single
    return word


def _manner(name: str, size: int, executable: bool) -> str:
    """The kind of a regular file that is nothing to eat; `name` in lower case."""
    if _SHARED.search(name):
        return "library"
    if name in _NAMES:
        return _NAMES[name]
    stem, dot, ending = name.rpartition(".")
    if dot and stem and ending in _ENDINGS:
        return _ENDINGS[ending]
    if stem in _NAMES:
        return _NAMES[stem]
    if executable:
        return "binary"
    if name.startswith(".") or name.endswith("rc"):
        return "config"
    return "text" if size <= SMALL else "unknown" if size < LARGE else "data"
