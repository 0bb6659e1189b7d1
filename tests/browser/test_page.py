"""The page itself: light, still, wide enough, printable, for everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open
from tests.browser.kitchens import ADD, DIP, EDITED, PHONE, PULL, SIZES, TALL, watched

pytestmark = pytest.mark.browser

WEIGHT = 120_000
"""Bytes of the first page with all its assets, as they are sent."""


@pytest.fixture
def weigh(browser: Browser) -> Iterator[Any]:
    contexts = []

    def weigh(address: str, cookies: list[Any]) -> dict[str, int]:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        contexts.append(context)
        context.add_cookies(cookies)
        page = context.new_page()
        names: dict[str, str] = {}
        sent: dict[str, int] = {}
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.responseReceived", lambda e: names.__setitem__(e["requestId"], e["response"]["url"]))
        session.on(
            "Network.loadingFinished",
            lambda e: sent.__setitem__(names.get(e["requestId"], e["requestId"]), int(e["encodedDataLength"])),
        )
        page.goto(address, wait_until="networkidle")
        return sent

    yield weigh
    for context in contexts:
        context.close()


@pytest.mark.parametrize("what", ["the door", "an empty kitchen", "an edited container"])
def test_the_first_page_with_all_its_assets_is_light(visit: Open, weigh: Any, what: str) -> None:
    shown = visit(*(EDITED if "edited" in what else ()))
    address = f"{shown.address}/" if what == "the door" else f"{shown.address}/k/{shown.kitchen}"
    sent = weigh(address, shown.page.context.cookies())
    assert len(sent) >= 5
    assert sum(sent.values()) <= WEIGHT, sent


_PLACES = """() => ["masthead", "headline", "menu", "terminal", "picture", "actions", "time"].map((id) => {
  const box = document.getElementById(id).getBoundingClientRect();
  return [id, Math.round(box.left + scrollX), id === "headline" ? 0 : Math.round(box.top + scrollY)];
})"""


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nothing_jumps(visit: Open, size: tuple[int, int]) -> None:
    """Neither as browsers count it, nor does an action move what stands around the picture."""
    shown = visit(PULL, size=size)
    page = shown.page
    page.wait_for_timeout(200)
    assert page.evaluate("window.shifted") < 0.02
    before = page.evaluate(_PLACES)
    for name in ("Run it", "Dip the crust", "Lid on"):
        shown.press(page.get_by_role("button", name=name))
        page.evaluate("scrollTo(0, 0)")
        if size != PHONE:  # where the headline has as many lines as it needs
            assert page.evaluate(_PLACES) == before, name
    page.wait_for_timeout(200)
    assert page.evaluate("window.shifted") < 0.02


def test_on_a_phone_what_to_do_stands_in_sight_and_so_does_what_it_opens(visit: Open) -> None:
    shown = visit(*EDITED, size=PHONE)
    page = shown.page
    expect(page.get_by_role("button", name="Lid on")).to_be_in_viewport(ratio=1)
    page.get_by_label("More: other files").first.click()
    for name in ("Change sauce", "Change cheese"):
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    shown.press(page.get_by_role("button", name="Change sauce"))
    copied = {one["path"] for one in shown.state["containers"][0]["changes"] if one["kind"] == "C"}
    assert "/pizza/slice-3/sauce" in copied


@pytest.mark.parametrize("what", ["empty", "cheese", "edited", "dip", "system"])
def test_nothing_is_wider_than_a_small_phone_or_a_page_at_200_percent(visit: Open, system: str, what: str) -> None:
    commands: dict[str, tuple[str, ...]] = {
        "empty": (),
        "cheese": ("docker pull pizza/cheese",),
        "edited": EDITED,
        "dip": TALL,
        "system": (system,),
    }
    shown = visit(*commands[what])
    page = shown.page
    for width, height in ((360, 640), (640, 400), (512, 384)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width, (width, height)
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{shown.address}/")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360


@pytest.mark.parametrize("what", ["the door", "empty", "cheese", "edited", "dip"])
def test_axe_finds_nothing(visit: Open, what: str) -> None:
    commands: dict[str, tuple[str, ...]] = {"cheese": ("docker pull pizza/cheese",), "edited": EDITED, "dip": TALL}
    shown = visit(*commands.get(what, ()), bypass_csp=True)
    page = shown.page
    if what == "the door":
        page.goto(f"{shown.address}/")
    found = {}
    for looks in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}):
        page.emulate_media(**looks)  # type: ignore[arg-type]
        for one in Axe().run(page).response["violations"]:
            found[f"{one['id']} {looks}"] = [
                f"{node['target']}: {node['failureSummary'].splitlines()[1:3]}" for node in one["nodes"]
            ][:4]
    assert found == {}


def test_print_shows_the_pie_and_its_history_on_one_page(visit: Open) -> None:
    shown = visit(*EDITED)
    page = shown.page
    page.emulate_media(media="print")
    expect(shown.picture).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#terminal")).to_be_hidden()
    expect(page.locator("#actions")).to_be_hidden()
    for size in ("A4", "Letter"):
        printed = page.pdf(format=size)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, size
    texts = page.locator("#picture svg text").evaluate_all(
        "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.textContent).join(' ')"
    )
    for layer in ("Dough", "Sauce", "Cheese", "Pepperoni"):
        assert layer in texts


def test_the_page_asks_nobody_else_and_breaks_no_rule(visit: Open) -> None:
    shown = visit()
    page = shown.page
    page.goto(f"{shown.address}/")
    page.get_by_role("button", name=re.compile("Open")).first.click()
    page.wait_for_url("**/k/*")
    other = watched(page.context.new_page(), shown.address, shown.trouble)
    other.goto(page.url)
    other.get_by_role("button", name=re.compile("Pull Pepperoni")).first.click()
    expect(other.locator("#picture")).to_have_attribute("data-subject", "pizza/pepperoni:latest")
    for _ in range(3):
        other.keyboard.press("t")
        other.keyboard.press("p")
    assert other.evaluate("window.blocked") == []


def test_looks_are_chosen_by_keys_and_kept(visit: Open) -> None:
    shown = visit(PULL, color_scheme="light")
    page = shown.page

    def paper() -> str:
        found: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return found

    def type_size() -> float:
        found: float = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
        return found

    light, small = paper(), type_size()
    page.keyboard.press("t")
    page.keyboard.press("p")
    assert paper() != light
    assert type_size() > small
    page.reload()
    assert paper() != light
    assert type_size() > small
    page.keyboard.press("p")
    assert type_size() == small


def test_a_part_says_what_it_is(visit: Open) -> None:
    shown = visit(*EDITED)
    page = shown.page
    marks = page.locator('a[href^="#what-"]')
    assert marks.count() >= 8
    for mark in marks.all():
        mark.click(timeout=2000)  # nothing lies over it
        note = page.get_by_role("note")
        expect(note).to_be_visible()
        assert len(note.locator("p").all()) == 3
        assert note.bounding_box()["x"] >= 0  # type: ignore[index]
        page.keyboard.press("Escape")
        expect(note).to_have_count(0)


def test_the_door_moves_and_has_one_button(visit: Open) -> None:
    shown = visit()
    shown.page.goto(f"{shown.address}/")
    assert shown.page.get_by_role("button").count() == 1
    expect(shown.page.get_by_role("button")).to_be_in_viewport()
    shown.page.set_viewport_size({"width": 360, "height": 640})
    expect(shown.page.get_by_role("button")).to_be_in_viewport()


@pytest.mark.parametrize("look", ["", "p"], ids=["plain", "projector"])
def test_the_first_screen_of_the_door_shows_title_button_and_picture(visit: Open, look: str) -> None:
    shown = visit()
    page = shown.page
    page.goto(f"{shown.address}/")
    if look:
        page.keyboard.press(look)
    for width, height in (*SIZES, (900, 700), (1100, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        expect(page.get_by_role("heading", level=1)).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button")).to_be_in_viewport(ratio=1)
        expect(page.locator("#picture .slices")).to_be_in_viewport(ratio=0.95)
        page.evaluate("scrollTo(0, 1e6)")
        if width > 860:  # beside the picture they stay
            expect(page.get_by_role("button")).to_be_in_viewport(ratio=1)
        page.evaluate("scrollTo(0, 0)")


def test_the_words_of_an_action_are_read_once(visit: Open) -> None:
    """One live region speaks; the log is one too, and holds what was printed, not the headline again."""
    shown = visit(PULL, "docker run -d --name pizza-1 pizza/pepperoni")
    for command in (DIP, ADD):
        shown.do(command)
        headline = shown.page.get_by_role("heading", level=1).inner_text()
        assert shown.said == headline
        assert headline not in shown.page.get_by_role("log").inner_text()
