"""A kitchen in a real browser, over a real server whose journal lies at hand: both can be asked what is there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from playwright.sync_api import BrowserContext, Locator, Page

from engine import host as hosts
from engine.__main__ import Files
from engine.host import Container
from engine.journal import Journal
from engine.union import Union
from web import state
from web.guard import cookie_name
from web.shop import Shop

DESK, PROJECTOR, PHONE = (1280, 800), (1024, 768), (390, 844)
SIZES = (DESK, PROJECTOR, PHONE)

PULL = "docker pull pizza/pepperoni"
RUN = "docker run -d --name pizza-1 pizza/pepperoni"
DIP = 'docker exec pizza-1 sh -c "echo hot sauce >> /pizza/slice-3/crust"'
ADD = "docker exec pizza-1 sh -c 'echo fresh > /pizza/slice-3/basil'"
PICK = "docker exec pizza-1 rm /pizza/slice-3/pepperoni"
COMMIT = "docker commit pizza-1 my-pizza"
EDITED = (PULL, RUN, DIP, ADD, PICK)
"""A container with a copied, a new and a hidden file on slice 3."""
TALL = ("docker pull library/100-layer-dip",)

_WATCH = """
window.swaps = 0; window.blocked = []; window.shifted = 0; window.played = [];
document.addEventListener("htmx:after:swap", () => queueMicrotask(() => {
  window.playing = document.getAnimations().filter((one) => one.constructor === Animation);
  window.played = window.playing.map((one) => one.effect.getComputedTiming());
  window.swaps += 1;
}));
document.addEventListener("securitypolicyviolation", (event) => {
  window.blocked.push(`${event.violatedDirective} ${event.blockedURI}`);
});
const count = (one) => { if (!one.hadRecentInput) window.shifted += one.value; };
new PerformanceObserver((list) => list.getEntries().forEach(count))
  .observe({ type: "layout-shift", buffered: true });
"""


@dataclass
class Shown:
    """One page on one kitchen. `trouble` is what the browser complained of, and every request to another host."""

    page: Page
    journal: Journal
    address: str
    kitchen: str
    trouble: list[str] = field(default_factory=list)

    def do(self, command: str) -> None:
        """Types a command and waits for what it comes to."""
        with self.swap():
            self.page.locator("#command").fill(command)
            self.page.locator("#command").press("Enter")

    @contextmanager
    def swap(self, count: int = 1) -> Iterator[None]:
        """Waits until the kitchen has been swapped `count` times since the begin."""
        before = self.page.evaluate("window.swaps")
        yield
        self.page.wait_for_function("(wanted) => window.swaps >= wanted", arg=before + count, timeout=10_000)

    def press(self, button: Locator) -> None:
        """Presses a button, opening first what it stands behind, and waits for what it comes to."""
        for summary in button.locator("xpath=ancestor::details[not(@open)]/summary").all():
            summary.click()
        with self.swap():
            button.click()

    def order(self, pattern: str) -> Locator:
        """The first button whose command matches."""
        for button in self.page.locator("button[data-command]").all():
            if re.search(pattern, button.get_attribute("data-command") or ""):
                return button
        raise AssertionError(f"no button for {pattern}")

    def key(self, key: str) -> None:
        """Presses a key that swaps."""
        with self.swap():
            self.page.keyboard.press(key)

    @property
    def state(self) -> dict[str, Any]:
        """state.json of the kitchen, from the journal."""
        found: dict[str, Any] = json.loads(state.encode(state.describe(self.journal, self.kitchen)))
        return found

    @property
    def picture(self) -> Locator:
        return self.page.locator("#picture")

    @property
    def said(self) -> str:
        """What the live region tells."""
        return self.page.locator("#narration").inner_text()

    def union(self, name: str = "pizza-1") -> Union:
        """The layers that a container or an image stands on, as the engine knows them."""
        host, context = self.journal.head(self.kitchen).host, self.journal.context
        container = next((one for one in host.containers.values() if one.name == name), None)
        if isinstance(container, Container):
            return context.images.stack(container.manifest)
        record = host.find_image(name)
        assert record
        return context.images.stack(record.manifest)

    def blobs(self) -> set[str]:
        """Digests of the layers' blobs that the host holds."""
        host, context = self.journal.head(self.kitchen).host, self.journal.context
        return {layer.digest for manifest in hosts.manifests(host) for layer in context.images[manifest].layers}


def begin(app: Flask, commands: Sequence[str]) -> tuple[str, str]:
    """A kitchen in which these commands were run, without a browser: its id and its secret."""
    shop: Shop = app.extensions["shop"]
    kitchen = shop.journal.create()
    for command in commands:
        done = shop.journal.do(kitchen.id, shlex.split(command.removeprefix("docker ")), local=Files())
        assert done.status == 0, (command, done.err)
    return kitchen.id, kitchen.secret


def enter(context: BrowserContext, address: str, kitchen: str, secret: str) -> None:
    """Gives a browser the key of a kitchen."""
    context.add_cookies([{"name": cookie_name(kitchen), "value": secret, "url": address}])


def watched(page: Page, address: str, trouble: list[str]) -> Page:
    """`page`, with all that goes wrong in it written down."""
    page.add_init_script(_WATCH)
    page.on("console", lambda said: trouble.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((address, "data:", "blob:")) else trouble.append(asked.url),
    )
    return page
