"""The terminal: history, completion, several lines at once, docker's words."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.kitchens import ADD, DIP, PULL, RUN, Shown

pytestmark = pytest.mark.browser


def command(shown: Shown) -> Locator:
    return shown.page.get_by_role("textbox", name="Command")


def test_the_arrows_remember(visit: Open) -> None:
    shown = visit()
    for typed in ("docker images", "docker ps -a", "docker nonsense"):
        shown.do(typed)
    field = command(shown)
    for wanted in ("docker nonsense", "docker ps -a", "docker images", "docker images"):
        field.press("ArrowUp")
        expect(field).to_have_value(wanted)
    field.press("ArrowDown")
    expect(field).to_have_value("docker ps -a")
    for _ in range(3):
        field.press("ArrowDown")
    expect(field).to_have_value("")
    shown.page.reload()
    command(shown).press("ArrowUp")
    expect(command(shown)).to_have_value("docker nonsense")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("docker pul", "docker pull "),
        ("docker pull pizza/che", "docker pull pizza/cheese "),
        ("docker exec piz", "docker exec pizza-1 "),
        ("docker exec pizza-1 cat /pizza/slice-3/cr", "docker exec pizza-1 cat /pizza/slice-3/crust "),
        ("docker exec pizza-1 ls /piz", "docker exec pizza-1 ls /pizza/"),
        ("docker image hist", "docker image history "),
        ("docker history pizza/p", "docker history pizza/pepperoni "),
    ],
)
def test_tab_completes(visit: Open, typed: str, completed: str) -> None:
    shown = visit(PULL, RUN)
    field = command(shown)
    field.fill(typed)
    field.press("Tab")
    expect(field).to_have_value(completed)
    expect(field).to_be_focused()


def test_several_completions_are_a_list_to_choose_from(visit: Open) -> None:
    shown = visit(PULL, RUN)
    page, field = shown.page, command(shown)
    field.fill("docker exec pizza-1 cat /pizza/slice-3/")
    field.press("Tab")
    offers = page.get_by_role("listbox", name="Completions")
    expect(offers).to_be_visible()
    names = [one.rpartition("/")[2] for one in offers.get_by_role("option").all_text_contents()]
    assert set(names) == {"crust", "sauce", "cheese", "pepperoni"}
    expect(field).to_have_attribute("aria-controls", offers.get_attribute("id") or "")
    assert shown.said.startswith("4 completions: ")
    field.press("ArrowDown")
    chosen = offers.get_by_role("option", selected=True)
    expect(chosen).to_have_count(1)
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    wanted = chosen.text_content() or ""
    field.press("Enter")
    expect(field).to_have_value(f"docker exec pizza-1 cat {wanted} ")
    expect(offers).to_have_count(0)
    field.press("Escape")
    expect(field).not_to_be_focused()


def test_several_lines_run_one_after_the_other(visit: Open) -> None:
    shown = visit()
    with shown.swap(4):
        command(shown).fill("\n".join((PULL, RUN, "", DIP, ADD)))
        command(shown).press("Enter")
    ran = [one.removeprefix("$ ") for one in shown.page.get_by_role("log").locator("kbd").all_text_contents()]
    assert ran == [PULL, RUN, DIP, ADD]
    assert shown.state["number"] == 4
    expect(command(shown)).to_have_value("")


def test_a_quote_holds_several_lines_together(visit: Open) -> None:
    shown = visit(PULL, RUN)
    shown.do("docker exec pizza-1 sh -c 'echo one > /a\necho two >> /a'")
    shown.do("docker exec pizza-1 cat /a")
    expect(shown.page.get_by_role("log").locator("pre").last).to_contain_text("one\ntwo")
    assert shown.state["number"] == 3


def test_changes_and_errors_have_their_letters_and_their_words(visit: Open) -> None:
    shown = visit(PULL, RUN, DIP, ADD)
    shown.do("docker diff pizza-1")
    log = shown.page.get_by_role("log")
    expect(log.locator("pre").last).to_contain_text("C /pizza/slice-3/crust")
    expect(log.locator("pre").last).to_contain_text("A /pizza/slice-3/basil")
    shown.do("docker exec pizza-1 cat /nothing")
    expect(log.locator("pre").last).to_have_attribute("data-status", "1")
    expect(log.locator("pre").last).to_contain_text("can't open '/nothing': No such file or directory")
    shown.do("docker exec pizza-1 'oops")
    expect(log.locator("pre").last).to_contain_text("is a quote left open?")
