"""Small manners of the page: menus that close, a terminal that can be read, a projector's page that fits."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.kitchens import DESK, EDITED, PHONE, PROJECTOR, PULL, RUN, SIZES, Shown

pytestmark = pytest.mark.browser

_IN_SIGHT = """(element) => {
  const box = element.getBoundingClientRect();
  return box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight;
}"""
_UNCOVERED = """(element) => {
  const box = element.getBoundingClientRect();
  return element.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
}"""


def menu(shown: Shown, name: str) -> Locator:
    return shown.page.locator("details", has=shown.page.locator(f"summary:text-is('{name}')"))


@pytest.mark.parametrize("size", [DESK, PHONE], ids=str)
def test_what_can_be_shared_stands_within_its_panel_and_the_window(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(PULL, size=size)
    menu(shown, "Share").locator("summary").click()
    panel = menu(shown, "Share").locator("> div")
    assert panel.evaluate(_IN_SIGHT)
    assert panel.evaluate("(panel) => panel.scrollWidth <= panel.clientWidth")
    for text in panel.locator("p").all():
        assert text.evaluate(_IN_SIGHT)


def test_menus_close_by_escape_and_by_a_click_outside_and_are_open_one_at_a_time(visit: Open) -> None:
    shown = visit(PULL, RUN)
    page, opened = shown.page, shown.page.locator("details[open]")
    for one in (menu(shown, "Look at"), menu(shown, "Share"), page.locator(".pick details").first):
        one.locator("summary").click()
        expect(opened).to_have_count(1)
        expect(one).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
    expect(page.locator(".pick summary").first).to_be_focused()
    menu(shown, "Share").locator("summary").click()
    page.locator("#headline").click()
    expect(opened).to_have_count(0)


def test_other_ways_close_as_the_other_menus_do(visit: Open) -> None:
    shown = visit(PULL, RUN, "docker exec pizza-1 touch /a", "undo", "docker exec pizza-1 touch /b")
    ways = shown.page.locator(".forks")
    ways.locator("summary").click()
    expect(ways).to_have_attribute("open", "")
    shown.page.keyboard.press("Escape")
    expect(ways).not_to_have_attribute("open", "")
    expect(ways.locator("summary")).to_be_focused()


@pytest.mark.parametrize("size", [DESK, PROJECTOR, (1366, 768)], ids=str)
def test_on_a_projector_no_order_lies_below_the_time(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(*EDITED, size=size)
    shown.page.locator("[data-look=projector]").click()
    for order in shown.page.locator(".pick > .order, .acts > .order").all():
        assert order.evaluate(_UNCOVERED), order.inner_text()


def test_the_terminal_shows_a_long_table_from_its_command_on_and_does_not_wrap_it(visit: Open) -> None:
    shown = visit(*EDITED)
    shown.do("docker images")
    shown.do("docker system df -v")
    last = shown.page.locator("#log > pre").last
    top = "(pre) => pre.getBoundingClientRect().top - document.getElementById('log').getBoundingClientRect().top"
    assert 0 <= last.evaluate(top) < 20
    assert shown.page.locator("#log").evaluate("(log) => log.scrollHeight > log.clientHeight")
    assert shown.page.locator("#log").evaluate("(log) => log.scrollWidth > log.clientWidth")
    rows = last.locator(".table").inner_text().splitlines()
    height, line = last.locator(".table").evaluate(
        "(t) => [t.getBoundingClientRect().height, parseFloat(getComputedStyle(t).lineHeight)]"
    )
    assert height <= line * (len(rows) + 1)
    shown.page.locator("#log").focus()
    expect(shown.page.locator("#log")).to_be_focused()


def test_a_linked_state_shows_its_way_over_the_whole_width(visit: Open) -> None:
    shown = visit(*EDITED)
    entries = shown.journal.entries(shown.kitchen)
    shown.page.goto(f"{shown.address}/s/{entries[3].id}")
    steps = shown.page.locator("#track > li")
    expect(steps).to_have_count(4)
    wide, whole = (
        shown.page.locator(at).evaluate("(e) => e.getBoundingClientRect().width") for at in ("#track", "#time")
    )
    assert wide > whole * 0.9


def test_the_figures_of_the_ledger_stand_on_one_line(visit: Open) -> None:
    shown = visit(PULL)
    shown.page.locator("#ledger-stored summary").click()
    for figure in shown.page.locator("#ledger-stored data").all():
        assert figure.evaluate("(e) => e.getClientRects().length === 1 && e.getBoundingClientRect().height < 24")


def test_what_is_there_already_can_be_pulled_again(visit: Open) -> None:
    shown = visit(PULL)
    shown.press(shown.page.get_by_role("button", name="You have Pepperoni. Pull it again"))
    expect(shown.page.locator("#log")).to_contain_text("Status: Image is up to date for pizza/pepperoni:latest")
    expect(shown.page.locator("#headline")).to_contain_text("Pepperoni is up to date. Only its manifest was sent")


@pytest.mark.parametrize("size", [DESK, PROJECTOR], ids=str)
def test_a_refusal_is_told_whole_in_the_headline(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(PULL, RUN, size=size)
    before = shown.page.locator("#picture").evaluate("(p) => p.getBoundingClientRect().top")
    shown.do("docker run --name x@y pizza/pepperoni")
    expect(shown.page.locator("#headline")).to_have_text(
        "Not done: Invalid container name (x@y), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed."
    )
    shown.do("docker run --name pizza-1 pizza/pepperoni")
    expect(shown.page.locator("#headline")).to_contain_text("to be able to reuse that name.")
    assert shown.page.locator("#picture").evaluate("(p) => p.getBoundingClientRect().top") == before


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_buttons_of_the_keys_stand_below_the_keys_and_close_is_at_hand(visit: Open, size: tuple[int, int]) -> None:
    page = visit(size=size).page
    page.keyboard.press("p")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys.get_by_role("button", name="Close")).to_be_focused()
    last = keys.locator("kbd").last.bounding_box()
    assert last
    for button in keys.get_by_role("button").all():
        box = button.bounding_box()
        assert box
        assert box["y"] >= last["y"] + last["height"] + 8
    page.keyboard.press("Enter")
    expect(keys).not_to_be_visible()


def test_where_nothing_can_be_asked_no_question_mark_stands(visit: Open) -> None:
    shown = visit(*EDITED)
    shown.page.goto(shown.address)
    expect(shown.page.locator(".stage .pie")).to_be_visible()
    for mark in shown.page.locator(".stage .what-is").all():
        expect(mark).to_be_hidden()
