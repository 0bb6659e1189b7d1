"""Doing: a button, a key and the terminal come to the same; nothing but motion needs JavaScript."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.kitchens import COMMIT, DESK, DIP, EDITED, PHONE, PULL, RUN, SIZES, Shown

pytestmark = pytest.mark.browser

CHANCE = re.compile(r"[0-9a-f]{12,64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def told(shown: Shown) -> Any:
    """state.json without what is chance or time."""
    state = shown.state
    del state["kitchen"], state["used"]
    text = TIME.sub("", json.dumps(state))
    known: dict[str, str] = {}
    return CHANCE.sub(lambda found: known.setdefault(found[0], f"<{len(known)}>"), text)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_one_visit_by_buttons(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(size=size)
    page = shown.page
    shown.press(page.get_by_role("button", name=re.compile("Pull Cheese")).last)
    expect(page.get_by_role("region", name="The pie, its layers and the fridge")).to_have_attribute(
        "data-subject", "pizza/cheese:latest"
    )
    shown.press(page.locator('[data-dish="pizza/pepperoni"]').get_by_role("button"))
    shown.press(page.get_by_role("button", name="Run it"))
    assert [one["name"] for one in shown.state["containers"]] == ["pizza-1"]
    shown.press(page.get_by_role("button", name="Dip the crust"))
    shown.press(page.get_by_role("button", name=re.compile("Pick pepperoni off")))
    changes = {(one["kind"], one["path"]) for one in shown.state["containers"][0]["changes"]}
    assert {("C", "/pizza/slice-3/crust"), ("D", "/pizza/slice-3/pepperoni")} <= changes
    shown.press(page.get_by_role("button", name="Lid on"))
    assert any("my-pizza-1:latest" in image["references"] for image in shown.state["images"])
    number = shown.state["number"]
    shown.press(page.get_by_role("button", name="Undo"))
    assert shown.state["number"] == number - 1
    shown.press(page.get_by_role("button", name="Redo"))
    assert shown.state["number"] == number
    shown.press(page.get_by_role("button", name="Reset"))
    assert shown.state["images"] == []


def test_one_visit_by_keys(visit: Open) -> None:
    shown = visit(PULL)
    for key, about in (("a", "docker run"), ("a", "basil|jalapenos"), ("c", ">>"), ("x", " rm "), ("l", "commit")):
        expect(shown.page.locator(f'[data-key="{key}"]')).to_have_attribute("data-command", re.compile(about))
        shown.key(key)
    state = shown.state
    assert any("my-pizza-1:latest" in image["references"] for image in state["images"])
    kinds = {one["kind"] for one in state["containers"][0]["changes"]}
    assert kinds == {"A", "C", "D"}
    shown.key("u")
    assert shown.state["number"] == state["number"] - 1
    shown.key("r")
    assert shown.state["number"] == state["number"]
    shown.key("0")
    assert shown.state["number"] == 0


def test_one_visit_by_the_terminal(visit: Open) -> None:
    shown = visit()
    for command in (*EDITED, COMMIT):
        shown.do(command)
    assert any("my-pizza:latest" in image["references"] for image in shown.state["images"])
    shown.do("undo")
    assert shown.state["command"] == shlex.split(EDITED[-1].removeprefix("docker "))
    assert shown.page.locator("pre[data-status='0']").count() == len(EDITED) + 2


def test_a_button_posts_the_command_that_it_shows_and_typing_it_gives_the_same_state(visit: Open) -> None:
    pressing, typing = visit(), visit()
    seen = []
    for pattern in (
        r"^docker pull pizza/cheese",
        "^docker pull pizza/pepperoni",
        "^docker run",
        "sh -c .*crust",
        " rm /",
        "commit",
    ):
        order = pressing.order(pattern)
        command = order.get_attribute("data-command") or ""
        assert shown_words(order) == command
        with pressing.page.expect_request(lambda asked: asked.method == "POST") as asked:
            pressing.press(order)
        assert asked.value.post_data_json["command"] == command
        typing.do(command)
        seen.append(command)
        assert told(pressing) == told(typing), command
    assert len(seen) == 6


def shown_words(order: Locator) -> str:
    """The command as it stands beside a button's words, or in its form's code; whole, where there is room for it."""
    said: str = order.locator("xpath=ancestor-or-self::*[self::button or self::form]//code").evaluate(
        "(code) => [...code.children].map((e) => e.textContent).find((one) => one === code.title) ?? code.textContent"
    )
    return re.sub(r"\s+", " ", said).strip()


def test_every_order_shows_its_whole_command(visit: Open) -> None:
    shown = visit(*EDITED)
    orders = shown.page.locator("#actions button[data-command]").all()
    assert len(orders) > 15
    for order in orders:
        command = order.get_attribute("data-command") or ""
        assert shown_words(order) == re.sub(r"\s+", " ", command)


def test_editing_a_file_runs_a_command_that_can_be_typed(visit: Open) -> None:
    shown, typing = visit(PULL, RUN), visit(PULL, RUN)
    page = shown.page
    page.get_by_label("More: other files").first.click()
    page.get_by_text("Write your own text").click()
    page.get_by_label("File", exact=True).select_option("/pizza/slice-3/sauce")
    page.get_by_label("Its whole new text").fill('it\'s "hot" $HOME\n')
    with shown.swap():
        page.get_by_role("button", name="Write it").click()
    typed = (page.locator("#log kbd").last.text_content() or "").removeprefix("$ ")
    assert "/pizza/slice-3/sauce" in typed
    typing.do(typed)
    assert told(shown) == told(typing)
    shown.do("docker exec pizza-1 cat /pizza/slice-3/sauce")
    expect(page.locator("#log pre").last).to_contain_text('it\'s "hot" $HOME')


@pytest.mark.parametrize("size", [DESK, PHONE], ids=str)
def test_without_javascript_everything_but_motion_works(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(PULL, size=size, java_script_enabled=False)
    page = shown.page
    page.get_by_role("button", name="Run it").click()
    expect(shown.picture).to_have_attribute("data-subject", "pizza-1")
    page.get_by_role("button", name="Dip the crust").click()
    expect(page.locator('[data-change="C"]').first).to_be_attached()
    page.locator('a[data-slice="6"]').click(force=True)
    expect(shown.picture).to_have_attribute("data-slice", "6")
    behind(page, "Add olives")
    expect(shown.picture).to_have_attribute("data-slice", "6")
    expect(page.locator('[data-change="A"]')).to_have_attribute("data-path", re.compile("slice-6/olives"))
    page.locator("#command").fill("docker ps -a -s")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#log pre").last).to_contain_text("pizza-1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator('[data-change="A"]')).to_have_count(0)
    page.get_by_role("button", name="Redo").click()
    expect(page.locator('[data-change="A"]')).to_have_count(1)
    page.locator("#track button").nth(1).click()
    assert shown.state["number"] == 1
    page.locator("#ledger-stored summary").click()
    expect(page.locator("#ledger-stored li").first).to_be_visible()
    page.get_by_role("button", name="Reset").click()
    assert shown.state["images"] == []


def behind(page: Page, name: str) -> None:
    """Presses a button that stands behind another."""
    button = page.locator(f'button:has(b:text-is("{name}"))')
    for summary in button.locator("xpath=ancestor::details[not(@open)]/summary").all():
        summary.click()
    button.click()


def test_a_refused_command_stands_in_the_log_with_its_exit_code_and_in_the_headline(visit: Open) -> None:
    shown = visit(PULL)
    shown.do("docker rmi nothing-of-that-name")
    last = shown.page.locator("#log pre").last
    expect(last).to_have_attribute("data-status", "1")
    expect(last).to_contain_text("No such image: nothing-of-that-name")
    expect(shown.page.get_by_role("heading", level=1)).to_contain_text("Not done:")
    assert shown.state["number"] == 1


# Focus


def focus(page: Page) -> str:
    found: str = page.evaluate(
        """() => { const at = document.activeElement;
        return at === document.body ? "" : (at.id || at.getAttribute("aria-label") || at.textContent).trim(); }"""
    )
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_focus_is_never_lost(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(PULL, RUN, size=size)
    page = shown.page
    lost = []
    buttons = (
        page.get_by_role("button", name="Dip the crust"),
        page.get_by_role("button", name="See the changes"),
        page.get_by_role("button", name=re.compile("^Pick pepperoni off")),
        page.get_by_role("button", name="Lid on"),
        page.get_by_role("button", name="Undo"),
        page.get_by_role("button", name="Redo"),
        page.locator("#track button").nth(1),
        page.get_by_role("button", name=re.compile("Pull Cheese")),
        page.get_by_role("button", name="Reset"),
    )
    for button in buttons:
        button.focus()
        before = focus(page)
        with shown.swap():
            page.keyboard.press("Enter")
        after = focus(page)
        if not after or not page.locator(":focus").is_visible():
            lost.append(before)
    assert lost == []


def test_the_terminal_keeps_the_focus(visit: Open) -> None:
    shown = visit(PULL, RUN)
    shown.do(DIP)
    expect(shown.page.locator("#command")).to_be_focused()
    expect(shown.page.locator("#command")).to_have_value("")


def test_a_slice_and_a_layer_keep_the_focus_when_chosen(visit: Open) -> None:
    shown = visit(PULL)
    page = shown.page
    page.locator('a[data-slice="5"]').focus()
    shown.key("Enter")
    expect(page.locator('a[data-slice="5"]')).to_be_focused()
    layers(page).get_by_role("link").first.focus()
    shown.key("Enter")
    expect(layers(page).locator("a[aria-current]")).to_be_focused()


def layers(page: Page) -> Locator:
    return page.get_by_role("list", name="Layers, top first")


# The headline and who listens


def test_the_headline_and_the_live_region_tell_what_happened(visit: Open) -> None:
    shown = visit()
    page = shown.page
    region = page.get_by_role("status")
    expect(region).to_have_attribute("aria-live", "polite")
    shown.do("docker pull pizza/cheese")
    shown.do(PULL)
    heard = []
    for command in (RUN, DIP, "undo"):
        shown.do(command)
        headline = page.get_by_role("heading", level=1).inner_text()
        heard.append(shown.said)
        assert " ".join(headline.split()) in " ".join(shown.said.split())
    assert "copied up" in heard[1]
    assert "65.5" in heard[1]
    assert heard[2].startswith("Undone. ")


@pytest.mark.parametrize("way", ["mouse", "keys", "digits", "touch"])
def test_a_slice_is_chosen(visit: Open, way: str) -> None:
    shown = visit(*EDITED, size=PHONE if way == "touch" else (1280, 800))
    page = shown.page
    expect(shown.picture).to_have_attribute("data-slice", "3")
    wanted = page.locator('a[data-slice="4"]')
    with shown.swap():
        if way == "mouse":
            x, y = middle(wanted)
            page.mouse.click(x, y)
        elif way == "touch":
            x, y = middle(wanted)
            page.touchscreen.tap(x, y)
        elif way == "keys":
            page.keyboard.press("ArrowRight")
        else:
            page.keyboard.press("4")
    expect(shown.picture).to_have_attribute("data-slice", "4")
    expect(wanted).to_have_attribute("aria-current", "true")
    expect(page.locator("a[data-slice][aria-current]")).to_have_count(1)
    expect(page.locator("#actions")).to_have_attribute("aria-label", "Orders for /pizza/slice-4")
    assert "slice=4" in page.url


def middle(place: Locator) -> tuple[float, float]:
    """A point inside a slice: where its drawing really is hit."""
    place.scroll_into_view_if_needed()
    x, y = place.evaluate(
        """(place) => { const path = place.querySelector("path"), box = path.getBBox(), svg = path.ownerSVGElement;
        for (let n = 1; n < 9; n++) for (let m = 1; m < 9; m++) {
          const at = svg.createSVGPoint(); at.x = box.x + box.width * n / 9; at.y = box.y + box.height * m / 9;
          if (!path.isPointInFill(at)) continue;
          const p = at.matrixTransform(path.getScreenCTM());
          if (document.elementFromPoint(p.x, p.y)?.closest("[data-slice]") === place) return [p.x, p.y];
        } return [-1, -1]; }"""
    )
    assert x >= 0, "no point of the slice can be hit"
    return x, y


def test_keys_climb_the_layers(visit: Open) -> None:
    shown = visit(PULL)
    shown.key("ArrowUp")
    expect(shown.picture).to_have_attribute("data-chosen-layer", "0")
    shown.key("ArrowUp")
    expect(shown.picture).to_have_attribute("data-chosen-layer", "1")
    shown.key("ArrowDown")
    expect(shown.picture).to_have_attribute("data-chosen-layer", "0")


def test_the_question_mark_shows_the_keys(visit: Open) -> None:
    shown = visit()
    shown.page.keyboard.press("?")
    dialog = shown.page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    shown.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_every_key_of_the_dialog_does_something(visit: Open) -> None:
    shown = visit(*EDITED)
    page = shown.page
    offered = set(page.locator("#keys kbd").all_text_contents())
    acts = {one.get_attribute("data-key") for one in page.locator("[data-key]").all()}
    written = {"1", "8", "←", "→", "↑", "↓", "u", "r", "0", "/", "Tab", "p", "t", "s", "d", "?", "Esc"}
    assert offered - written == acts | {"q"}  # which stands on the page only while a delivery is under way


def test_keys_in_a_field_are_only_text(visit: Open) -> None:
    shown = visit(*EDITED)
    before = shown.state["number"]
    shown.page.keyboard.press("/")
    expect(shown.page.locator("#command")).to_be_focused()
    shown.page.keyboard.type("undo r 0 4 ?")
    expect(shown.page.locator("#command")).to_have_value("undo r 0 4 ?")
    assert shown.state["number"] == before
