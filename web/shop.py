"""What the routes work with: the shop of an application, whose kitchen is whose, and how commands are run for pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from flask import current_app, request
from markupsafe import Markup
from werkzeug.exceptions import Forbidden

from engine.context import Local
from engine.errors import Cancelled, CommandError, EngineError
from engine.events import Event as Fact
from engine.image import Recent
from engine.journal import Done, Journal, moves_blobs
from web.deliveries import Busy, Deliveries, Delivery
from web.guard import Guard, cookie_name
from web.menu import Dish
from web.scene import Looking
from web.terminals import Terminals, line
from web.typed import more_help
from web.uploads import Nothing, Uploaded
from web.view import Drawn

OF_THE_KEEPER: Final = frozenset({"fsck", "gc"})
"""Verbs of the journal that go over everybody's data."""
DRAWN: Final = 256
"""Stills that are kept as markup, of about 100 kB each."""


STOPPED: Final = "stopped: cancelled before its end, and the kitchen is as it was\n"
BROKE: Final = "something of ours broke; your kitchen is as it was, and the server's log says more\n"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shop:
    """What the routes work with: one for each application, in ``app.extensions["shop"]``."""

    journal: Journal
    guard: Guard
    menu: tuple[Dish, ...]
    terminals: Terminals
    another: Callable[[], Journal]
    """Opens the journal's data once more, with times and ids of its own."""
    stopping: Event
    """Set once the server was told to stop: commands under way then end."""
    deliveries: Deliveries
    drawn: Recent[tuple[str, Looking, bool], Drawn] = field(default_factory=lambda: Recent(DRAWN))
    """By state, by whom and what the address asks to see, and by whether there are forms."""
    times: Recent[tuple[str, str, str, Looking, bool], Markup] = field(default_factory=lambda: Recent(DRAWN))
    """Scrubbers: by state, by the oldest and the newest that are kept, by what is looked at, and whether with forms."""


def shop_here() -> Shop:
    shop: Shop = current_app.extensions["shop"]
    return shop


# Whose kitchen it is


def mine() -> list[str]:
    """The kitchens whose keys this browser holds."""
    prefix = cookie_name("")
    held = [(name.removeprefix(prefix), secret) for name, secret in request.cookies.items() if name.startswith(prefix)]
    return sorted(kitchen for kitchen, secret in held if shop_here().journal.owns(kitchen, secret))


def owns(kitchen: str) -> bool:
    secret = request.cookies.get(cookie_name(kitchen))
    return secret is not None and shop_here().journal.owns(kitchen, secret)


def own(kitchen: str) -> None:
    """Goes on only for the kitchen's owner. `KitchenUnknown` where there is none."""
    if not owns(kitchen):
        shop_here().journal.kitchen(kitchen)
        raise Forbidden("this kitchen is somebody else's: fork it to change your own copy, or resume it by its key")


# Commands


def run(kitchen: str, typed: str, argv: list[str], sent: Uploaded | None = None) -> Done | None:
    """One command, its outcome shown in the kitchen's terminal; None where it was refused, or goes on as a delivery."""
    shop = shop_here()
    with shop.guard.command(kitchen):
        if moves_blobs(argv):
            return _deliver(kitchen, typed, argv, sent)
        return carry_out(shop, kitchen, typed, argv, _until(time.monotonic() + shop.guard.limits.seconds))


def _deliver(kitchen: str, typed: str, argv: list[str], sent: Uploaded | None) -> Done | None:
    """A command that moves blobs, as a delivery, which is waited for a moment; None where it was refused or goes on."""
    shop = shop_here()
    late = _until(time.monotonic() + shop.guard.limits.delivery_seconds)
    outcome: list[Done | None] = []

    def work(delivery: Delivery) -> None:
        with closing(sent) if sent else nullcontext():
            cancelled = lambda: late() or delivery.cancelled()  # noqa: E731
            try:
                outcome.append(carry_out(shop, kitchen, typed, argv, cancelled, delivery.tell, sent))
            except Exception:  # nobody is there to answer 500 to
                log.exception("%s: %s", kitchen, typed)
                shop.terminals.show(kitchen, line(typed, "", BROKE, 1))

    shop.guard.reached(kitchen, request.host)
    try:
        delivery = shop.deliveries.begin(kitchen, request.remote_addr or "", typed, work)
    except Busy as reason:
        if sent:
            sent.close()
        shop.terminals.show(kitchen, line(typed, "", f"{reason}\n", 1))
        return None
    return outcome[0] if delivery.ended.wait(shop.deliveries.patience) and outcome else None


def carry_out(
    shop: Shop,
    kitchen: str,
    typed: str,
    argv: list[str],
    cancelled: Callable[[], bool],
    progress: Callable[[Fact], None] | None = None,
    local: Local | None = None,
) -> Done | None:
    """Runs a command and shows in the kitchen's terminal what it came to; None where it was refused."""
    try:
        if argv and argv[0] in OF_THE_KEEPER | {"fork"}:
            raise CommandError(f"{argv[0]}: only who keeps the server may do that: python -m engine {argv[0]}")
        done = shop.journal.do(kitchen, argv, cancelled=cancelled, progress=progress, local=local or Nothing())
    except EngineError as error:
        status = error.exit_code if isinstance(error, CommandError) else 1
        said = STOPPED if isinstance(error.__cause__, Cancelled) else f"{error}\n{more_help(argv)}"
        shop.terminals.show(kitchen, line(typed, "", said, status))
        return None
    shop.terminals.show(kitchen, line(typed, done.out + more_help(argv), done.err, done.status, done.events))
    return done


def _until(deadline: float) -> Callable[[], bool]:
    """Whether a command has to end: its time is up, or the server stops."""
    stopping = shop_here().stopping
    return lambda: stopping.is_set() or time.monotonic() > deadline
