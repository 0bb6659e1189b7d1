"""What the kitchen's page is drawn from: one value, of a state of the journal and of what the address asks to see."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from markupsafe import Markup

from engine import events as facts
from engine import host as hosts
from engine import terminal
from engine.host import Container, Host
from engine.journal import Journal, State
from web import orders, scene, state
from web.glossary import PARTS, Part
from web.headline import Piece, Sentence, headline
from web.menu import Dish
from web.orders import Group
from web.pizza import PizzaView
from web.scene import Looking
from web.state import KitchenState
from web.terminals import Line
from web.timeline import Timeline, timeline

Moved = Literal["", "forward", "back"]
_REFUSED: Final = 110
"""Characters of a refusal that the headline shows; the terminal has it whole."""


@dataclass(frozen=True, slots=True)
class DishView:
    """One line of the menu: the dish, whether the host has it, and the bytes that pulling it would send."""

    name: str
    title: str
    description: str
    symbol: str
    command: str
    held: bool
    missing: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One image or container that the picture could show: where, and what puts it beside whom it shows now.

    `alone` tells that it stands there already, and that `beside` would take it away.
    """

    name: str
    href: str
    beside: str
    shown: bool
    alone: bool


@dataclass(frozen=True, slots=True)
class KitchenView:
    """What `kitchen.html` and `_kitchen.html` are drawn from."""

    state: KitchenState
    writable: bool
    """Whether the visitor may change it; who may not sees the same without forms, and may fork it."""
    past: bool
    """Whether this is a state shown by its own address, rather than where the kitchen stands now."""
    looking: Looking
    picture: PizzaView
    headline: Sentence
    events: Markup
    """The events of the state as JSON, for what moves; safe within a script element."""
    moved: Moved
    """Which way the kitchen has just gone, for what moves."""
    dishes: tuple[DishView, ...]
    orders: tuple[Group, ...]
    place: str
    """The directory of the slice in front."""
    lines: tuple[Line, ...]
    """The terminal, oldest first."""
    timeline: Timeline
    subjects: tuple[Shown, ...]
    parts: tuple[Part, ...] = PARTS


def view(
    journal: Journal,
    menu: Sequence[Dish],
    shown: State,
    looking: Looking,
    lines: Sequence[Line],
    *,
    mine: bool,
    past: bool,
    moved: Moved = "",
) -> KitchenView:
    """The page of `shown`. `mine` gives it forms, `past` says that it is not where the kitchen stands."""
    context, host = journal.context, shown.host
    fresh = lines[-1].events if lines and moved == "forward" else ()
    looking = scene.settle(host, looking, fresh)
    described = state.describe_state(journal, shown)
    drawn = scene.draw(context, host, looking, described.ledger)
    place = next((place.directory for place in drawn.places if place.chosen), "")
    held = hosts.held(host, context.images)
    return KitchenView(
        state=described,
        writable=mine,
        past=past,
        looking=looking,
        picture=drawn,
        headline=_headline(shown, lines),
        events=Markup(facts.encode(shown.events).decode().replace("<", "\\u003c").replace("&", "\\u0026")),  # noqa: S704
        moved=moved,
        dishes=tuple(
            DishView(d.name, d.title, d.description, d.symbol, d.command, d.held(host), d.missing(held)) for d in menu
        ),
        orders=_orders(journal, menu, shown, looking, place) if mine else (),
        place=place,
        lines=tuple(lines) if past or lines else _told(described),
        timeline=timeline(journal.entries(shown.kitchen), shown.id),
        subjects=_subjects(host, looking),
    )


def _orders(journal: Journal, menu: Sequence[Dish], shown: State, looking: Looking, place: str) -> tuple[Group, ...]:
    host = shown.host
    found = scene.find(host, looking.subject)
    if isinstance(found, Container):
        return orders.for_container(journal.context, host, found, place)
    return orders.for_image(host, found, looking.subject) if found else orders.for_nobody(menu)


def _subjects(host: Host, looking: Looking) -> tuple[Shown, ...]:
    """Containers, newest first, then images by name; and for each the way to have it beside the one that is shown."""

    def one(name: str) -> Shown:
        there = name == looking.beside
        other = replace(looking, beside="" if there else name, layer=None)
        return Shown(
            name=name.removesuffix(":latest"),
            href=f"?{replace(looking, subject=name, beside='', layer=None).query}",
            beside="" if name == looking.subject else f"?{other.query}",
            shown=name == looking.subject,
            alone=there,
        )

    names = [container.name for container in reversed([*host.containers.values()])]
    return tuple(one(name) for name in (*names, *sorted(host.references)))


def _headline(shown: State, lines: Sequence[Line]) -> Sentence:
    """What the last command did, or why it did nothing; else what made this state."""
    if lines:
        last = lines[-1]
        if last.status and last.err and not last.events:
            return (Piece("Not done: ", "cost"), Piece(terminal.ellipsis(last.err.strip().splitlines()[0], _REFUSED)))
        if told := headline(last.events):
            return told
    if told := headline(shown.events):
        return told
    if not shown.host.images:
        return (Piece("Your kitchen is empty. "), Piece("Pull your first pizza", "did"), Piece("."))
    return (Piece("This is where you stand."),)


def _told(described: KitchenState) -> tuple[Line, ...]:
    """The terminal of a kitchen that this process has not served yet: what its last command said."""
    if not described.command:
        return ()
    out, err = terminal.render(described.events), terminal.render(described.events, "stderr")
    return (Line(f"docker {shlex.join(described.command)}", out, err, 0, described.events),)
