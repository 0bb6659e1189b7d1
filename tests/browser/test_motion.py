"""Motion: short, from what happened, cut short by the next action, at the reader's pace, none where none is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.kitchens import ADD, COMMIT, DIP, EDITED, PICK, PULL, RUN, TALL, Shown

pytestmark = pytest.mark.browser

MOVING = {"reduced_motion": "no-preference"}


def played(shown: Shown) -> list[dict[str, Any]]:
    """The animations that the last swap began."""
    found: list[dict[str, Any]] = shown.page.evaluate("window.played")
    return found


def left(shown: Shown) -> int:
    """Copies of what is gone that still fly."""
    return shown.page.locator("#picture [data-leaving]").count()


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ((), PULL),
        (("docker pull pizza/cheese",), PULL),
        ((PULL,), RUN),
        ((PULL, RUN), DIP),
        ((PULL, RUN), ADD),
        ((PULL, RUN), PICK),
        (EDITED, COMMIT),
        ((), TALL[0]),
    ],
    ids=["pull", "pull of held layers", "run", "copy-up", "new file", "whiteout", "commit", "a hundred layers"],
)
def test_what_happened_is_played_in_300_to_500_ms(visit: Open, before: tuple[str, ...], command: str) -> None:
    shown = visit(*before, **MOVING)
    assert played(shown) == []
    shown.do(command)
    motions = played(shown)
    assert motions
    assert all(300 <= one["duration"] <= 500 for one in motions), motions
    assert max(one["endTime"] for one in motions) <= 500
    shown.page.evaluate("Promise.all(window.playing.map((one) => one.finished))")
    assert shown.page.evaluate("document.getAnimations().length") == 0


def slowly(shown: Shown, command: str) -> None:
    """A command whose motion is still on its way when this returns."""
    shown.page.evaluate("document.documentElement.dataset.speed = '0.05'")
    shown.do(command)


def test_a_layer_that_is_held_says_so_while_the_others_come(visit: Open) -> None:
    shown = visit("docker pull pizza/cheese", **MOVING)
    slowly(shown, PULL)
    words = shown.picture.get_by_text("Already exists")
    assert words.count() == 3
    shown.page.evaluate("window.playing.forEach((one) => one.finish())")
    expect(words).to_have_count(0)


def test_a_dip_moves_the_sauce_alone_of_the_slice(visit: Open) -> None:
    shown = visit(PULL, RUN, **MOVING)
    slowly(shown, DIP)
    moved = shown.page.evaluate(
        """window.playing.map((one) => one.effect.target).filter((one) => one.closest(".pie"))
        .map((one) => one.getAttribute("href"))"""
    )
    assert moved == ["#hot"]


def test_a_commit_closes_the_tupperware_and_an_interrupted_one_leaves_none(visit: Open) -> None:
    shown = visit(*EDITED, **MOVING)
    slowly(shown, COMMIT)
    lid = shown.page.locator('#picture use[href="#tub-lid"]')
    expect(lid).to_have_count(1)
    shown.do("undo")
    expect(lid).to_have_count(0)


def test_a_look_around_moves_nothing(visit: Open) -> None:
    shown = visit(*EDITED, **MOVING)
    for key in ("4", "ArrowUp"):
        shown.key(key)
        assert played(shown) == []
    shown.do("docker images")
    assert played(shown) == []


def test_the_next_action_cuts_it_short(visit: Open) -> None:
    shown = visit(PULL, RUN, **MOVING)
    shown.page.evaluate("document.documentElement.dataset.speed = '0.1'")
    shown.do(DIP)
    shown.page.evaluate("window.first = window.playing")
    assert played(shown)
    shown.do(ADD)
    assert set(shown.page.evaluate("window.first.map((one) => one.playState)")) == {"idle"}
    assert played(shown)


def test_none_is_played_for_who_wants_none(visit: Open) -> None:
    shown = visit(PULL, RUN, reduced_motion="reduce")
    for command in (DIP, PICK, "undo"):
        shown.do(command)
        assert played(shown) == []
        assert shown.page.evaluate("document.getAnimations().length") == 0


def test_its_pace_is_the_readers(visit: Open) -> None:
    shown = visit(PULL, RUN, **MOVING)
    shown.do(DIP)
    full = max(one["endTime"] for one in played(shown))
    shown.do("undo")
    for wanted in (2, 4):
        shown.page.locator("#command").blur()
        shown.page.keyboard.press("s")
        shown.do(DIP)
        assert max(one["endTime"] for one in played(shown)) == pytest.approx(full * wanted)
        shown.do("undo")
    shown.page.reload()
    shown.do(DIP)
    assert max(one["endTime"] for one in played(shown)) == pytest.approx(full * 4)


@pytest.mark.parametrize(
    ("before", "command"),
    [((), PULL), ((PULL,), RUN), ((PULL, RUN), DIP), ((PULL, RUN), ADD), ((PULL, RUN), PICK), (EDITED, COMMIT)],
    ids=["pull", "run", "copy-up", "new file", "whiteout", "commit"],
)
def test_undo_plays_a_farewell(visit: Open, before: tuple[str, ...], command: str) -> None:
    shown = visit(*before, command, **MOVING)
    shown.page.evaluate("document.documentElement.dataset.speed = '0.25'")
    shown.do("undo")
    assert played(shown)
    assert left(shown) > 0
    shown.page.wait_for_function("() => !document.querySelector('#picture [data-leaving]')")
    assert shown.page.evaluate("document.getAnimations().length") == 0
