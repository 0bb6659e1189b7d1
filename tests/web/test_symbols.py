"""The sheet of symbols: complete in itself, allowed by the content security policy, and light."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import pytest

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
SHEET_MAX = 22_000
"""Bytes of the sheet, compressed; the first page with everything in it has 120,000."""


@pytest.fixture(scope="module")
def text() -> str:
    """The sheet as a page has it."""
    return (
        jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
        .get_template("symbols.svg")
        .render()
    )


@pytest.fixture(scope="module")
def symbols(text: str) -> dict[str, ElementTree.Element]:
    """By id."""
    return {symbol.attrib["id"]: symbol for symbol in ElementTree.fromstring(text).iter("symbol")}


def test_it_is_light(text: str) -> None:
    assert len(gzip.compress(text.encode(), 6)) <= SHEET_MAX


def test_ids_are_its_own_and_given_once(text: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids)) > 100
    assert [name for name in ids if not re.fullmatch(r"[ikomuy]-[a-z]+(-[a-z]+)*", name)] == []


def test_what_it_refers_to_it_has_and_nothing_lies_outside(text: str) -> None:
    ids = set(re.findall(r'\bid="([^"]*)"', text))
    referred = set(re.findall(r'href="#([^"]*)"', text)) | set(re.findall(r"url\(#([^)]*)\)", text))
    assert referred <= ids
    assert len(re.findall(r"href=|url\(", text)) == len(re.findall(r'href="#|url\(#', text))
    assert {name for name in ids if name.startswith("y-")} - referred <= {
        f"y-{pattern}" for pattern in ("dots", "lines", "cross", "waves", "rings", "grain")
    }


@pytest.mark.parametrize("banned", ["style", "class", "onload", "script", "filter", "text", "image", "foreignObject"])
def test_it_has_nothing_that_the_policy_forbids_or_a_phone_is_slow_with(text: str, banned: str) -> None:
    root = ElementTree.fromstring(text)
    inside = [element for element in root.iter() if element is not root]
    assert [element for element in inside if element.tag == banned or banned in element.attrib] == []


def test_every_symbol_has_a_view_box_of_its_family(symbols: dict[str, ElementTree.Element]) -> None:
    families = {"i": {"-24 -24 48 48"}, "k": {"-24 -24 48 48"}, "m": {"-24 -24 48 48"}, "u": {"0 0 24 24"}}
    for name, symbol in symbols.items():
        if name[0] in families:
            assert symbol.attrib["viewBox"] in families[name[0]], name
        else:
            assert re.fullmatch(r"-?\d+ -?\d+ \d+ \d+", symbol.attrib["viewBox"]), name


def test_icons_have_the_colour_of_their_text_alone(symbols: dict[str, ElementTree.Element]) -> None:
    for name, symbol in symbols.items():
        if name.startswith("u-"):
            paints = {element.attrib.get(key) for element in symbol.iter() for key in ("fill", "stroke")}
            assert paints <= {None, "none", "currentColor"}, name


def test_it_has_what_the_kitchen_is_made_of(symbols: dict[str, ElementTree.Element]) -> None:
    wanted = "napkin card tub tub-back tub-front tub-lid box fridge scooter delivery whale slice bite"
    assert {f"o-{thing}" for thing in wanted.split()} <= set(symbols)
    assert {
        f"m-{dish}" for dish in ("dough", "cheese", "pepperoni", "margherita", "hawaiian", "registry", "dip")
    } <= set(symbols)
