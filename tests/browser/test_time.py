"""Time: the scrubber, branches, links to any state, and pictures to take along."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.kitchens import ADD, DIP, EDITED, PHONE, PULL, RUN, SIZES, TALL, Shown

pytestmark = pytest.mark.browser


def steps(shown: Shown) -> list[str]:
    found: list[str] = shown.page.locator("[data-step]").evaluate_all("(all) => all.map((one) => one.dataset.when)")
    return found


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_step_is_a_place_to_jump_to(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(*EDITED, size=size)
    assert steps(shown) == ["past"] * 5 + ["now"]
    for number in (1, 4, 0, 5):
        with shown.swap():
            shown.page.locator("#time [data-step] button").nth(number).click()
        assert shown.state["number"] == number
        assert steps(shown) == ["past"] * number + ["now"] + ["undone"] * (5 - number)
        expect(shown.page.locator("#time [aria-current=step]")).to_have_count(1)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_bitten_slice_is_dragged_to_any_step(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(*EDITED, size=size)
    page = shown.page
    for number in (2, 0, 5):
        handle = page.locator("#track [aria-current] i svg")
        handle.scroll_into_view_if_needed()
        start = handle.bounding_box()
        goal = page.locator("[data-step]").nth(number).bounding_box()
        assert start
        assert goal
        page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        page.mouse.down()
        page.mouse.move(goal["x"] + goal["width"] / 2, start["y"] + 40, steps=4)
        expect(page.locator("#track .aimed")).to_have_count(1)
        with shown.swap():
            page.mouse.up()
        assert shown.state["number"] == number
        expect(page.locator("#track .aimed")).to_have_count(0)


def test_a_drag_that_is_given_up_goes_nowhere(visit: Open) -> None:
    shown = visit(*EDITED)
    page = shown.page
    start = page.locator("#track [aria-current] i svg").bounding_box()
    assert start
    page.mouse.move(start["x"] + 10, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(start["x"] - 300, start["y"] + 10, steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert shown.state["number"] == len(EDITED)
    after = page.locator("#track [aria-current] i svg").bounding_box()
    assert after
    assert abs(after["x"] - start["x"]) < 2


def test_every_step_says_its_bytes(visit: Open) -> None:
    shown = visit(*EDITED)
    told = shown.page.locator("[data-step]").evaluate_all("(all) => all.map((one) => Number(one.dataset.bytes))")
    sent = shown.state["ledger"]["transfer"]["sent"]["size"]
    assert told[:2] == [0, sent]
    assert told[3] == 65_536
    assert told[4] == len("fresh\n")
    names = shown.page.locator("[data-step] button").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
    assert "65.5 kB copied" in names[3]


def test_moving_in_time_leaves_the_eye_where_it_is(visit: Open) -> None:
    shown = visit(*EDITED)
    page = shown.page
    with shown.swap():
        page.keyboard.press("5")
    for act in (
        lambda: page.click("#undo"),
        lambda: page.click("#redo"),
        lambda: page.click("[data-step]:nth-child(4) button"),
    ):
        with shown.swap():
            act()
        expect(page.locator("#picture")).to_have_attribute("data-slice", "5")


def test_another_way_taken_after_undo_leaves_a_branch_to_go_back_to(visit: Open) -> None:
    shown = visit(PULL, RUN, DIP)
    page = shown.page
    left = shown.state["state"]
    shown.do("undo")
    shown.do(ADD)
    branch = page.locator(f'[data-branch="{left}"]')
    summary = page.locator("#time summary").first
    expect(page.locator('[data-step]:has(summary[aria-label="1 other way from here"])')).to_contain_text("run pizza-1")
    for end in ("0", "document.body.scrollHeight"):  # the scrubber stands at the bottom, then at the top
        page.evaluate(f"scrollTo(0, {end})")
        summary.click()
        expect(branch).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")
        expect(branch).to_be_hidden()
    expect(branch).to_have_text("change crust65.5 kB copied")
    shown.press(branch)
    assert shown.state["state"] == left
    assert {one["kind"] for one in shown.state["containers"][0]["changes"]} == {"C"}


@pytest.mark.parametrize("size", [*SIZES, (360, 640)], ids=str)
def test_undo_redo_and_reset_are_always_in_sight(visit: Open, size: tuple[int, int]) -> None:
    shown = visit(*EDITED, size=size)
    page = shown.page
    for where in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
        page.evaluate(f"scrollTo(0, {where})")
        for name in ("Undo", "Redo", "Reset"):
            expect(page.get_by_role("button", name=name, exact=True), f"at {where}").to_be_in_viewport(ratio=0.9)


def test_a_link_to_any_state_opens_it_to_read_and_fork(visit: Open) -> None:
    shown = visit(*EDITED)
    page, states = shown.page, {one["number"]: one["id"] for one in shown.state["states"]}
    before = shown.state
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("link", name="A link to this very state").click()
    page.wait_for_url(f"**/s/{before['state']}")
    page.goto(f"{shown.address}/s/{states[3]}")
    expect(shown.picture).to_have_attribute("data-subject", "pizza-1")
    expect(page.locator("[data-change]")).to_have_count(1)
    expect(page.locator("#command")).to_have_count(0)
    expect(page.get_by_role("button", name="Undo", exact=True)).to_have_count(0)
    assert page.locator("main form button:enabled").count() == 1
    page.get_by_role("button", name=re.compile("^Fork")).click()
    page.wait_for_url("**/k/*")
    kitchen = page.url.partition("?")[0].rpartition("/")[2]
    assert kitchen != shown.kitchen
    forked = Shown(page, shown.journal, shown.address, kitchen)
    assert forked.state["images"] == before["images"]
    assert [one["path"] for one in forked.state["containers"][0]["changes"]][-1] == "/pizza/slice-3/crust"
    forked.do(ADD)
    assert forked.state["number"] > 0
    assert shown.state == before


def test_who_reads_a_state_can_look_around_in_it(visit: Open) -> None:
    shown = visit(*EDITED)
    shown.page.goto(f"{shown.address}/s/{shown.state['state']}")
    shown.key("6")
    expect(shown.picture).to_have_attribute("data-slice", "6")
    assert "/s/" in shown.page.url


# Slides

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("what", ["edited", "dip", "system", "empty", "pair"])
def test_a_slide_is_one_file_that_needs_no_other(visit: Open, system: str, what: str) -> None:
    commands = {"edited": EDITED, "dip": TALL, "system": (system,), "empty": (), "pair": (PULL, RUN)}[what]
    shown = visit(*commands)
    page = shown.page
    query = "subject=pizza-1&beside=pizza/pepperoni" if what == "pair" else "slice=2&theme=dark"
    address = f"{shown.address}/s/{shown.state['state']}/picture.svg?{query}"
    answer = page.request.get(address)
    text = answer.text()
    assert answer.headers["content-type"].startswith("image/svg+xml")
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    known = {one.attrib["id"] for one in root.iter() if "id" in one.attrib}
    assert len(known) == sum("id" in one.attrib for one in root.iter())
    for one in root.iter():
        assert one.tag.startswith(SVG)
        assert one.tag not in (f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")
        for name, value in one.attrib.items():
            assert not name.startswith("on")
            if name.endswith("href"):
                assert value.startswith("#")
                assert value[1:] in known
    for name in re.findall(r"url\(([^)]*)\)", text):
        assert name.strip("\"'").startswith("#")
        assert name.strip("\"'")[1:] in known, name
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))
    assert "@import" not in text
    other = page.context.new_page()
    other.on("console", lambda said: None if "favicon" in str(said.location) else shown.trouble.append(said.text))
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(address)
    width = other.evaluate("document.documentElement.getBBox().width")
    assert width > 400
    styled = other.evaluate("getComputedStyle(document.querySelector('text')).fontFamily")
    assert "," in styled, "its own style does not hold"
    assert [one for one in asked if "favicon" not in one] == [address]


def test_the_picture_is_saved_as_it_stands(visit: Open) -> None:
    shown = visit(*EDITED, size=PHONE)
    shown.key("6")
    page = shown.page
    page.get_by_text("Share", exact=True).click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save this picture").click()
    assert saved.value.suggested_filename == "hello-whale.svg"
    root = ET.parse(saved.value.path()).getroot()
    chosen = [one for one in root.iter() if one.get("data-slice") and one.get("aria-current")]
    assert [one.get("data-slice") for one in chosen] == ["6"]
