"""Names decide how a file looks, and every look that they decide on is drawn."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from web.ingredients import INGREDIENTS, KINDS, LARGE, SMALL, drawn, ingredient

ROOT = Path(__file__).parent.parent.parent
SHEET = (ROOT / "templates" / "symbols.svg").read_text()
SYMBOLS = set(re.findall(r'<symbol id="([^"]+)"', SHEET))
LOOKS = {**INGREDIENTS, **KINDS}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("pepperoni", "pepperoni"),
        ("jalapenos", "jalapeno"),
        ("Jalapeños.txt", "jalapeno"),
        ("jalapen\u0303os", "jalapeno"),
        ("slice-3/crust", "dough"),
        ("037-salsa", "salsa"),
        ("sour_cream", "sour-cream"),
        ("Sour Cream.md", "sour-cream"),
        ("tomato-sauce", "sauce"),
        ("hot-sauce", "hot-sauce"),
        ("cherry-tomatoes", "tomato"),
        ("anchovies-2", "anchovy"),
        ("black-olives", "olive"),
        ("black pepper", "salt"),
        ("red_onion_rings", "onion"),
        ("spring-onions", "scallion"),
        ("sliced mushrooms", "mushroom"),
        ("beans", "beans"),
        ("cheese", "cheese"),
        ("chili", "chilli"),
        ("chips", "chip"),
    ],
)
def test_an_ingredient_is_known_by_any_of_its_names(name: str, word: str) -> None:
    assert drawn(name).word == word
    assert drawn(name).edible


@pytest.mark.parametrize(
    "name", ["", ".", "s", "es", "-", "7", "peppering", "hammer", "saltwater", "corner", "onionskin"]
)
def test_a_name_that_only_begins_like_an_ingredient_is_none(name: str) -> None:
    assert ingredient(name) == ""


@pytest.mark.parametrize(
    ("name", "kind", "size", "mode", "word"),
    [
        ("salt", "file", 900, 0o755, "binary"),
        ("basil.py", "file", 900, 0o644, "script"),
        ("olive.so.3", "file", 900, 0o644, "library"),
        ("pepperoni", "dir", 0, 0o755, "directory"),
        ("pepperoni", "symlink", 0, 0o777, "symlink"),
        ("salsa", "fifo", 0, 0o644, "pipe"),
        ("null", "char", 0, 0o666, "device"),
        ("sda", "block", 0, 0o660, "device"),
        ("pepperoni", "kind of tomorrow", 0, 0o644, "unknown"),
        ("libc.so.6", "file", 1 << 21, 0o755, "library"),
        ("nginx_1.22_amd64.deb", "file", 1 << 21, 0o644, "archive"),
        ("rootfs.tar.gz", "file", 1 << 21, 0o644, "archive"),
        ("README.md", "file", 1 << 21, 0o644, "text"),
        ("Dockerfile", "file", 1, 0o644, "text"),
        ("nginx.conf", "file", 648, 0o644, "config"),
        ("passwd", "file", 839, 0o644, "config"),
        (".bashrc", "file", 3526, 0o644, "config"),
        ("postinst", "file", 70, 0o755, "script"),
        ("entrypoint.sh", "file", 155, 0o755, "script"),
        ("registry", "file", 1 << 25, 0o755, "binary"),
        ("sqlite.db", "file", 10, 0o644, "data"),
        ("who-knows", "file", SMALL, 0o644, "text"),
        ("who-knows", "file", SMALL + 1, 0o644, "unknown"),
        ("who-knows", "file", LARGE, 0o644, "data"),
    ],
)
def test_a_file_that_is_nothing_to_eat_is_drawn_by_kind_and_size(
    name: str, kind: str, size: int, mode: int, word: str
) -> None:
    look = drawn(name, kind, size, mode)
    assert look.word == word
    assert not look.edible


def test_every_file_of_the_menu_is_a_known_ingredient() -> None:
    book = tomllib.loads((ROOT / "menu" / "ingredients.toml").read_text())
    names = {what.get("file", name): name for name, what in book.items() if "pages" in what}
    assert len(names) > 15
    assert {name for name in names if not drawn(name).edible} == set()


def test_only_dough_sauce_and_cheese_cover_a_slice() -> None:
    assert {look.surface for look in LOOKS.values()} == {"", "dough", "sauce", "cheese"}
    assert drawn("crust").surface == "dough"
    assert drawn("pepperoni").surface == ""


@pytest.mark.parametrize("look", LOOKS.values(), ids=lambda look: look.word)
def test_every_look_is_drawn(look) -> None:  # type: ignore[no-untyped-def]
    assert set(look.symbols) <= SYMBOLS
    assert look.pattern == "plain" or f'id="y-{look.pattern}"' in SHEET
    assert re.fullmatch(r"#[0-9A-F]{6}", look.colour)


def test_every_ingredient_and_kind_of_the_sheet_stands_for_something() -> None:
    used = {symbol for look in LOOKS.values() for symbol in look.symbols}
    assert {name for name in SYMBOLS if name[:2] in ("i-", "k-")} - used == {"i-drips", "k-dot"}
