"""Deliveries in a browser: how far they are, stopping them, the counter, archives sent and fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import expect

from engine import digest as digests
from engine.events import Progress
from engine.journal import Done, Journal
from tests.browser.conftest import Open
from tests.browser.kitchens import PULL, SIZES

pytestmark = pytest.mark.browser

BLOB = digests.of(b"a layer on its way")


@pytest.fixture
def gate(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Pulls stop half way until this is set, or until they are cancelled."""
    opened = threading.Event()
    do = Journal.do

    def halting(self: Journal, kitchen: str, argv: list[str], **given: Callable[..., object]) -> Done:
        if argv[0] == "pull" and given.get("progress"):
            given["progress"](Progress(digest=BLOB, phase="downloading", done=500_000, total=1_000_000))
            while not opened.wait(0.01) and not given["cancelled"]():
                pass
        return do(self, kitchen, argv, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "do", halting)
    monkeypatch.setattr(shop.extensions["shop"].deliveries, "patience", 0.05)
    yield opened
    opened.set()


def test_a_long_pull_shows_its_progress_and_then_the_pizza(visit: Open, gate: threading.Event) -> None:
    page = visit().page
    page.locator('[data-dish="pizza/cheese"] button').click()
    bar = page.get_by_role("progressbar", name="docker pull pizza/cheese")
    expect(bar).to_have_attribute("value", "500000")
    expect(page.locator("#underway pre")).to_contain_text(f"{digests.short(BLOB)}: Downloading")
    expect(page.locator("#headline")).to_contain_text("On its way")
    gate.set()
    expect(page.locator("#underway")).to_have_count(0)
    expect(page.locator("#headline")).to_contain_text("Cheese arrived")
    expect(page.locator("#picture")).to_have_attribute("data-kind", "pizza")


def test_a_key_stops_what_is_under_way(visit: Open, gate: threading.Event) -> None:
    page = visit().page
    page.locator('[data-dish="pizza/cheese"] button').click()
    expect(page.locator("#underway")).to_be_visible()
    page.keyboard.press("q")
    expect(page.locator("#underway")).to_have_count(0)
    expect(page.locator('[data-dish="pizza/cheese"]')).to_have_attribute("data-held", "no")
    expect(page.locator("#log")).to_contain_text("cancelled")


def test_the_page_can_be_used_while_something_is_under_way(visit: Open, gate: threading.Event) -> None:
    page = visit(PULL).page
    page.locator('[data-dish="pizza/hawaiian"] button').click()
    expect(page.locator("#underway")).to_be_visible()
    page.locator("#command").fill("docker images")
    page.wait_for_timeout(1000)  # two looks at the progress come in between
    expect(page.locator("#command")).to_have_value("docker images")
    expect(page.locator("#command")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#log")).to_contain_text("REPOSITORY")


def test_a_pizza_goes_on_the_shelf_and_a_neighbour_gets_its_top_layer(visit: Open) -> None:
    cook = visit(
        PULL,
        "docker run -d --name pizza-1 pizza/pepperoni",
        "docker exec pizza-1 touch /new",
        "docker commit pizza-1 mine",
    )
    page = cook.page
    page.get_by_role("link", name="Deliver", exact=True).click()
    page.locator('[data-image="mine"]').get_by_role("button", name="Address it").click()
    page.get_by_role("button", name="Push it").click()
    trip = page.get_by_role("region", name="Push of mine")
    expect(trip).to_have_attribute("data-way", "out")
    expect(trip.get_by_role("listitem")).to_have_count(6)
    neighbour = visit(PULL).page
    neighbour.get_by_role("link", name="Deliver", exact=True).click()
    neighbour.locator(f'[data-offer$="/{cook.kitchen}/mine"]').get_by_role("button").click()
    trip = neighbour.get_by_role("region", name="Pull of mine")
    expect(trip).to_have_attribute("data-way", "in")
    expect(trip.locator('[data-moved="yes"][data-digest]')).to_have_count(1)
    expect(trip.locator('[data-moved="no"][data-digest]')).to_have_count(4)


def test_an_archive_is_fetched_and_sent_with_its_progress(visit: Open, tmp_path: Path) -> None:
    giver = visit(PULL).page
    giver.get_by_role("link", name="Deliver", exact=True).click()
    with giver.expect_download() as fetched:
        giver.get_by_role("link", name="Download the archive").click()
    file = tmp_path / "pepperoni.tar"
    fetched.value.save_as(file)
    taker = visit().page
    taker.get_by_role("link", name="Deliver", exact=True).click()
    taker.get_by_label("An archive of").set_input_files(file)
    taker.get_by_role("button", name="Load it").click()
    expect(taker.locator('[data-image="pizza/pepperoni"]')).to_be_visible()
    taker.get_by_label("An archive of").set_input_files({"name": "x.tar", "mimeType": "a/b", "buffer": b"no archive"})
    taker.get_by_role("button", name="Load it").click()
    expect(taker.get_by_role("alert")).to_contain_text("load")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_counter_is_for_everybody(visit: Open, size: tuple[int, int], scheme: str) -> None:
    shown = visit(PULL, size=size, color_scheme=scheme)
    page = shown.page
    page.goto(f"{shown.address}/k/{shown.kitchen}/counter")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
