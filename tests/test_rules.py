"""docs/rules.md numbers what the engine agrees with; code and tests cite the numbers, and no rule goes untested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "rules.md").read_text()
RULES = re.findall(r"^(\d+a?)\. ", PAGE, re.MULTILINE)
SECTIONS = set(re.findall(r"^## ([A-Z])\. ", PAGE, re.MULTILINE))
CITED = re.compile(r"\brules? (\d+a?(?:(?:,| and|, and| to) \d+a?\b)*)")
"""``rule 7``, ``rules 3, 7 and 35``, ``rules 28 to 35``."""
SOURCES = [
    path
    for directory in ("engine", "web", "menu", "tests", "docs", "templates")
    for path in sorted((ROOT / directory).rglob("*"))
    if path.suffix in (".py", ".md", ".html")
]


def cited(text: str) -> Iterator[str]:
    """Every number that is named, the ends of ranges among them."""
    for found in CITED.finditer(text):
        yield from re.findall(r"\d+a?", found[1])


def proved(text: str) -> Iterator[str]:
    """The numbers that comments name one by one, as beside a test; a range says less."""
    for comment in re.findall(r"#.*", text):
        for found in CITED.finditer(comment):
            yield from re.findall(r"\d+a?", re.sub(r"\d+a? to \d+a?", "", found[1]))


def test_the_page_numbers_its_rules_in_order() -> None:
    assert RULES[0] == "1"
    assert len(set(RULES)) == len(RULES)
    for one, next_ in pairwise(RULES):
        assert next_ in (f"{one}a", str(int(one.rstrip("a")) + 1))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_cited_stands_on_the_page(path: Path) -> None:
    text = path.read_text()
    assert set(cited(text)) <= set(RULES)
    assert set(re.findall(r"\bsection ([A-Z])\b(?=[\s,.;:)])", text)) <= SECTIONS
    assert set(re.findall(r"rules\.md, ([A-Z])\b", text)) <= SECTIONS


def test_every_rule_is_proved_by_a_test() -> None:
    by_tests = {number for path in (ROOT / "tests").rglob("test_*.py") for number in proved(path.read_text())}
    assert [number for number in RULES if number not in by_tests] == []


@pytest.mark.parametrize(
    ("text", "numbers", "single"),
    [
        ("x()  # rule 12", ["12"], ["12"]),
        ("# rules 3, 7 and 35, and more", ["3", "7", "35"], ["3", "7", "35"]),
        ("# rule 27a, rule 18", ["27a", "18"], ["27a", "18"]),
        ("# rules 28 to 35", ["28", "35"], []),
        ('"""rules 1 to 15, and 27."""', ["1", "15", "27"], []),
        ("overrules 5", [], []),
    ],
)
def test_a_citation_is_read_as_it_is_meant(text: str, numbers: list[str], single: list[str]) -> None:
    assert list(cited(text)) == numbers
    assert list(proved(text)) == single
