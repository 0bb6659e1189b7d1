"""``python -m tests.browser.shots [DIRECTORY]``: the pictures of the kitchen and of the gallery that README shows."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

import app as application
from tests import peers
from tests.web.given import served
from web import gallery as pictures

ROOT = Path(__file__).parent.parent.parent
COMMANDS = (
    "pull pizza/cheese",
    "pull pizza/pepperoni",
    "run -d --name pizza-1 pizza/pepperoni",
    "exec pizza-1 rm /pizza/slice-1/pepperoni",
    "exec pizza-1 sh -c 'echo a ring of jalapeno > /pizza/slice-3/jalapenos'",
    "exec pizza-1 sh -c 'echo hot sauce >> /pizza/slice-3/crust'",
)
SHOTS = (
    ("kitchen.png", (1280, 800), "light"),
    ("kitchen-projector.png", (1024, 768), "dark"),
    ("kitchen-phone.png", (390, 844), "light"),
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def cooked(browser: Browser, address: str, size: tuple[int, int], theme: str, commands: Sequence[str]) -> Page:
    """A new kitchen, cooked by its own terminal."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address)
    page.click("#open")
    for command in commands:
        page.fill("#command", f"docker {command}")
        with page.expect_response(lambda response: response.request.method == "POST"):
            page.press("#command", "Enter")
    return page


def kitchen(browser: Browser, address: str, file: Path, size: tuple[int, int], theme: str) -> None:
    """One kitchen as it looks on one screen."""
    page = cooked(browser, address, size, theme, COMMANDS)
    page.evaluate("history.scrollRestoration = 'manual'")
    page.reload(wait_until="networkidle")
    if "projector" in file.name:
        page.keyboard.press("p")
    page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    page.wait_for_function("scrollY === 0")
    page.screenshot(path=file)
    page.context.close()


def counter(browser: Browser, address: str, file: Path) -> None:
    """The counter of a kitchen that has pulled what its neighbour had pushed."""
    host = address.removeprefix("http://")
    cook = cooked(browser, address, SHOTS[0][1], "light", (*COMMANDS, f"commit pizza-1 {host}/class/hot-pizza"))
    cook.fill("#command", f"docker push {host}/class/hot-pizza")
    with cook.expect_response(lambda response: response.request.method == "POST"):
        cook.press("#command", "Enter")
    cook.context.close()
    page = cooked(browser, address, SHOTS[0][1], "light", (COMMANDS[1], f"pull {host}/class/hot-pizza"))
    page.goto(page.url.partition("?")[0] + "/counter")
    page.screenshot(path=file)
    page.context.close()


def gallery(browser: Browser, address: str, file: Path) -> None:
    """Every ingredient and state, light beside dark; a photograph's format, since it is large."""
    page = browser.new_page(viewport={"width": 1600, "height": 900}, device_scale_factor=0.6)
    page.goto(address)
    page.screenshot(path=file, full_page=True, type="jpeg", quality=82)


@contextmanager
def plainly(app: Flask) -> Iterator[str]:
    """An application that is no kitchen, and so has no registry, behind a server for development: its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def main(argv: list[str] | None = None) -> int:
    """Write all pictures to a directory, by default ``docs``."""
    words = sys.argv[1:] if argv is None else argv
    directory = Path(words[0]) if words else ROOT / "docs"
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=peers.need("chromium"), args=FLAGS)
        app = application.create_app(data=Path(data))
        with served(app) as address:
            for name, size, theme in SHOTS:
                kitchen(browser, address, directory / name, size, theme)
            counter(browser, address, directory / "counter.png")
        with plainly(pictures.create_app()) as address:
            gallery(browser, address, directory / "gallery.jpg")
        app.extensions["shop"].journal.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
