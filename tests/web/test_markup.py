"""Text as markup: nothing that is printed can become markup, whatever the short cut for what needs no escaping."""

from __future__ import annotations

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from web.markup import plain

VALUES = st.one_of(
    st.text(), st.text("<>&\"'ab"), st.integers(), st.floats(), st.booleans(), st.none(), st.text().map(escape)
)


@given(VALUES)
def test_plain_is_what_escape_makes_of_a_value(value: object) -> None:
    assert plain(value) == str(escape(value))


def test_markup_is_printed_as_it_is() -> None:
    assert plain(Markup("<b>&amp;</b>")) == "<b>&amp;</b>"


def test_the_pages_templates_escape_what_they_print(app: Flask) -> None:
    template = app.jinja_env.from_string("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ a }}{{ m(a) }}{{ n }}{{ a ~ n }}")
    assert template.render(a="<&\"'>", n=1.5) == str(escape("<&\"'>[<&\"'>]")) + "1.5" + str(escape("<&\"'>1.5"))
