"""Text as markup: nothing that is printed can become markup, whatever the short cut for what needs no escaping."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from tests.web.given import Visitor
from web.markup import colours, legible, plain
from web.slide import slide

VALUES = st.one_of(
    st.text(), st.text("<>&\"'ab"), st.integers(), st.floats(), st.booleans(), st.none(), st.text().map(escape)
)


ODD = [*map(chr, (*range(0x20), *range(0x7F, 0xA0), 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xFFFE, 0xFFFF)), "\ud800\udc00"]
"""Controls, and what no text may have: lone surrogates, and two that are no character."""


@given(VALUES)
def test_plain_is_what_escape_makes_of_a_value_that_can_be_read(value: object) -> None:
    assert plain(value) == str(escape(legible(value) if type(value) is str else value))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert legible(text) == text
    assert legible("\t\n\r\x7f\x80") == "\t\n\r\x7f\x80"


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_no_text_breaks_a_document(text: str) -> None:
    written = f'<t name="a{plain(text)}b">a{plain(text)}b{colours(text)}</t>'
    element = ET.fromstring(written.encode())
    assert "a" in element.attrib["name"]
    page = f'<svg class="art" viewBox="0 0 10 10" aria-label="{plain(text)}"><text>{plain(text)}</text></svg>'
    assert ET.fromstring(slide(page, [], ".picture { --ink: #111; }").encode())


def test_controls_stay_apart() -> None:
    assert [legible(c) for c in "\x01\x02\x1b\uffff"] == ["␁", "␂", "␛", "\ufffd"]


def test_files_of_any_name_leave_a_state_its_picture(visitor: Visitor) -> None:
    visitor.type("pull pizza/pepperoni")
    visitor.type("run -d --name odd -e 'ODD=a\x02b' pizza/pepperoni sh -c 'a\x02b\x0b'")
    visitor.type("commit -m 'c\x03d' odd odd")
    visitor.type("run -d --name pp pizza/pepperoni")
    names = [f"/pizza/slice-3/a{c}b" for c in ODD if c != "\0" and not "\ud800" <= c <= "\udfff"]
    for some in (names[:6], names[6:]):
        visitor.type("exec pp sh -c 'for f in " + " ".join(f'"{name}"' for name in some) + '; do echo x > "$f"; done\'')
        assert visitor.said().status == 0
    state = json.loads(visitor.state())
    changed = {change["path"] for container in state["containers"] for change in container["changes"]}
    assert set(names) <= changed
    for query in ("?slice=3", "?slice=3&subject=pp&beside=odd:latest", "?subject=odd:latest", "?subject=odd"):
        picture = visitor.get(f"/s/{state['state']}/picture.svg{query}")
        assert picture.status_code == 200
        assert ET.fromstring(picture.data)
        page = visitor.get(f"/k/{visitor.kitchen}{query}").get_data(as_text=True)
        assert "a␁b" in page
        assert legible(page) == page


def test_markup_is_printed_as_it_is() -> None:
    assert plain(Markup("<b>&amp;</b>")) == "<b>&amp;</b>"


def test_the_pages_templates_escape_what_they_print(app: Flask) -> None:
    template = app.jinja_env.from_string("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ a }}{{ m(a) }}{{ n }}{{ a ~ n }}")
    assert template.render(a="<&\"'>", n=1.5) == str(escape("<&\"'>[<&\"'>]")) + "1.5" + str(escape("<&\"'>1.5"))
