"""The gallery shows all there is; what it shows cannot go unseen."""

from __future__ import annotations

import re

from web.gallery import ROOT, create_app, gallery
from web.ingredients import INGREDIENTS, KINDS

SHEET = (ROOT / "templates" / "symbols.svg").read_text()


def test_every_symbol_of_the_sheet_belongs_to_a_family() -> None:
    shown = {symbol.name for family in gallery(SHEET).families.values() for symbol in family}
    assert shown == set(re.findall(r'<symbol id="([^"]+)"', SHEET))


def test_the_page_has_every_symbol_and_every_look_on_light_and_on_dark() -> None:
    page = create_app().test_client().get("/").text
    for name in re.findall(r'<symbol id="([^"]+)"', SHEET):
        assert page.count(f'data-symbol="{name}"') == 2
    for word in (*INGREDIENTS, *KINDS):
        assert page.count(f'data-look="{word}"') == 2
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'\bid="([^"]+)"', page))
    assert " style=" not in page
