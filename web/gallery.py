"""The gallery: every symbol of the sheet, small and large, on light and on dark, and each ingredient in every state.

For those who draw; no kitchen serves it. See it with ``flask --app web.gallery run``, or have it as a picture with
``python -m tests.web.gallery``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Flask, render_template

from web.ingredients import INGREDIENTS, KINDS, Drawing

ROOT: Final = Path(__file__).parent.parent
SIZES: Final = (160, 48, 24)
"""Heights in pixels at which a symbol is shown."""
_FAMILIES: Final = {
    "Ingredients": "i-",
    "Files by kind": "k-",
    "Objects": "o-",
    "Menu": "m-",
    "Icons": "u-",
}
_SYMBOL: Final = re.compile(r'<symbol id="(?P<name>[^"]+)" viewBox="(?P<box>[^"]+)"')


@dataclass(frozen=True, slots=True)
class Shown:
    """A symbol, and how wide it is for its height."""

    name: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Gallery:
    """What the page shows."""

    families: Mapping[str, tuple[Shown, ...]]
    looks: tuple[Drawing, ...]
    sizes: tuple[int, ...] = SIZES
    themes: tuple[str, ...] = ("light", "dark")


def gallery(sheet: str) -> Gallery:
    """The symbols of `sheet` by family, in its order, and every look that a file can have."""
    found = [(match["name"], [float(side) for side in match["box"].split()]) for match in _SYMBOL.finditer(sheet)]
    shown = [Shown(name, round(width / height, 3)) for name, (_, _, width, height) in found]
    families = {
        title: tuple(one for one in shown if one.name.startswith(prefix)) for title, prefix in _FAMILIES.items()
    }
    return Gallery(families, (*INGREDIENTS.values(), *KINDS.values()))


def create_app() -> Flask:
    """One page, for development."""
    app = Flask(__name__, static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.get("/")
    def index() -> str:
        sheet = (ROOT / "templates" / "symbols.svg").read_text("utf-8")
        return render_template("gallery.html", gallery=gallery(sheet))

    return app
