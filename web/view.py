"""What the kitchen's page is drawn from, in two values.

A `Still` is what a state looks like from one address. States never change, so nor does it: whoever comes back to it
gets what was drawn the first time. A `KitchenView` is the whole page: the drawn still, and what led there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from markupsafe import Markup

from engine import host as hosts
from engine import terminal
from engine.host import Container, Host
from engine.journal import Journal, State, typed
from web import orders, scene, state
from web.deliveries import Delivery
from web.glossary import PARTS, Part
from web.headline import together
from web.menu import Dish
from web.motion import Motion
from web.orders import Group
from web.pizza import PizzaView
from web.scene import Looking
from web.sentence import Piece, Sentence
from web.state import Ledger
from web.terminals import Line, line

Moved = Literal["", "forward", "back"]
_REFUSED: Final = 170
"""Characters of a refusal that the headline shows, in two lines; the terminal has it whole."""
_LEAD: Final = re.compile(r"^(?:docker: )?(?:Error response from daemon: |Error: )?")
_ID: Final = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


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
class Still:
    """What `_menu.html`, `_picture.html`, `_actions.html` and `_ledger.html` are drawn from."""

    kitchen: str
    state: str
    writable: bool
    """Whether the visitor may change it; who may not sees the same without forms, and may fork it."""
    looking: Looking
    picture: PizzaView
    dishes: tuple[DishView, ...]
    orders: tuple[Group, ...]
    place: str
    """The directory of the slice in front."""
    subjects: tuple[Shown, ...]
    ledger: Ledger

    @property
    def told(self) -> Sentence:
        """What two side by side have in common; empty for one."""
        pair = self.picture.pair
        return together(pair.shared, pair.sizes[1]) if pair else ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A still as markup, part by part, and what the rest of the page needs of it, worked out once for all who look."""

    writable: bool
    looking: Looking
    said: Sentence
    """What the command that made the state did."""
    motion: Motion
    subjects: tuple[Shown, ...]
    told: Sentence
    """What two side by side have in common; empty for one."""
    menu: Markup
    picture: Markup
    actions: Markup
    ledger: Markup


@dataclass(frozen=True, slots=True)
class KitchenView:
    """What `kitchen.html` and `_kitchen.html` are drawn from."""

    state: State
    past: bool
    """Whether this is a state shown by its own address, rather than where the kitchen stands now."""
    drawn: Drawn
    headline: Sentence
    moved: Moved
    """Which way the kitchen has just gone, for what moves."""
    lines: tuple[Line, ...]
    """The terminal, oldest first."""
    time: Markup
    """The scrubber, `_time.html`."""
    delivery: Delivery | None
    """What is on its way to or from the kitchen."""
    parts: tuple[Part, ...] = PARTS


def still(journal: Journal, menu: Sequence[Dish], shown: State, looking: Looking, *, writable: bool) -> Still:
    """`shown` from an address whose `looking` is settled; `writable` gives it forms."""
    context, host = journal.context, shown.host
    account = state.account(journal, shown)
    drawn = scene.draw(context, host, looking, account)
    place = next((place.directory for place in drawn.places if place.chosen), "")
    held = hosts.held(host, context.images)
    return Still(
        kitchen=shown.kitchen,
        state=shown.id,
        writable=writable,
        looking=looking,
        picture=drawn,
        dishes=tuple(
            DishView(d.name, d.title, d.description, d.symbol, d.command, d.held(host), d.missing(held)) for d in menu
        ),
        orders=_orders(journal, menu, shown, looking, place) if writable else (),
        place=place,
        subjects=_subjects(host, looking),
        ledger=account,
    )


def view(
    shown: State,
    drawn: Drawn,
    time: Markup,
    lines: Sequence[Line] | None,
    *,
    past: bool,
    moved: Moved = "",
    delivery: Delivery | None = None,
) -> KitchenView:
    """The page of `shown`, with the terminal's `lines`, None where they are not known.

    `past` says that it is not where the kitchen stands, `moved` which way it has just gone.
    """
    return KitchenView(
        state=shown,
        past=past,
        drawn=drawn,
        headline=_on_its_way(delivery)
        if delivery
        else _headline(shown, drawn, lines or (), () if moved else drawn.told),
        moved=moved,
        lines=_told(shown) if lines is None else tuple(lines),
        time=time,
        delivery=delivery,
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


def _on_its_way(delivery: Delivery) -> Sentence:
    return (Piece("On its way: "), Piece(terminal.ellipsis(delivery.typed, _REFUSED), "did"), Piece("."))


def _headline(shown: State, drawn: Drawn, lines: Sequence[Line], told: Sentence) -> Sentence:
    """Why the last command did nothing; else `told`, what there is to see; else what it did, or made this state."""
    if lines:
        last = lines[-1]
        if last.status and last.err.strip() and not last.told:
            return (Piece("Not done: ", "cost"), Piece(_reason(last.err)))
        told = told or last.told
    if told := told or drawn.said:
        return told
    if not shown.host.images:
        return (Piece("Your kitchen is empty. "), Piece("Pull your first pizza", "did"), Piece("."))
    return (Piece("This is where you stand."),)


def _reason(said: str) -> str:
    """Why a command was refused, from what it said: without whose words they are, and ids as short as docker's."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = next((line for line in lines if not line.startswith("Unable to find image ")), lines[0])
    return terminal.ellipsis(_ID.sub(r"\1", _LEAD.sub("", told)), _REFUSED)


def _told(shown: State) -> tuple[Line, ...]:
    """The terminal of a kitchen that this process has not served yet: what its last command said."""
    if not shown.argv:
        return ()
    out, err = terminal.render(shown.events), terminal.render(shown.events, "stderr")
    return (line(typed(shown.argv), out, err, 0, shown.events),)
