"""Orders: what the kitchen's buttons say, and the docker command that each of them posts and shows.

An order is text only: pressing its button and typing its command are the same thing. Which orders there are follows
from the state: what the menu has, what may be run, and what lies on the chosen slice of a running container.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from engine.context import Context
from engine.errors import FileError
from engine.host import Container, Host
from engine.merged import Merged
from web.menu import Dish

SLICE: Final = 3
"""The slice that buttons work on."""
_BASE: Final = frozenset({"crust", "sauce", "cheese"})


@dataclass(frozen=True, slots=True)
class Order:
    """One button. `about` is the name of the image or container that it stands next to; empty for the menu's."""

    label: str
    command: str
    about: str = ""


def pulls(menu: Iterable[Dish]) -> tuple[Order, ...]:
    """One for each dish of the menu."""
    return tuple(Order(f"Pull {dish.name}", f"docker pull {dish.name}", dish.name) for dish in menu)


def runs(host: Host) -> tuple[Order, ...]:
    """A container of each image that has a name."""
    name = _fresh(host)
    references = sorted(host.references)
    return tuple(Order(f"Run {r}", f"docker run --detach --name {name} {shlex.quote(r)}", r) for r in references)


def on_container(context: Context, container: Container) -> tuple[Order, ...]:
    """What can be done to one container's slice, and what to do with the container afterwards."""
    name = shlex.quote(container.name)
    orders: list[Order] = []
    if container.status == "running":
        orders += (Order(label, f"docker exec {name} {words}") for label, words in _on_slice(context, container))
        orders.append(Order("Stop it", f"docker stop {name}"))
    else:
        orders.append(Order("Start it", f"docker start {name}"))
    orders.append(Order("See what changed", f"docker diff {name}"))
    orders.append(Order("Keep it: commit", f"docker commit --message 'Kept from {container.name}' {name} my-{name}"))
    orders.append(Order("Throw it away", f"docker rm --force {name}"))
    return tuple(Order(order.label, order.command, container.name) for order in orders)


def _on_slice(context: Context, container: Container) -> Iterable[tuple[str, str]]:
    """What `exec` can do to the slice, as label and words; nothing where the image has no such slice."""
    directory = f"/pizza/slice-{SLICE}"
    try:
        files = Merged(context.images.stack(container.manifest), context.upper(container), context.blobs)
        names = files.listdir(directory.encode()[1:])
    except FileError:
        return
    there = [name.decode("utf-8", "backslashreplace") for name in names]
    if "jalapenos" not in there:
        yield f"Add jalapeños to slice {SLICE}", f"sh -c \"echo 'jalapeños, freshly cut' > {directory}/jalapenos\""
    if "crust" in there:
        yield f"Dip its crust in hot sauce (slice {SLICE})", f"sh -c \"echo 'a dip of hot sauce' >> {directory}/crust\""
    for topping in there:
        if topping not in _BASE:
            yield f"Pick {topping} off slice {SLICE}", f"rm {shlex.quote(f'{directory}/{topping}')}"


def _fresh(host: Host) -> str:
    """The first of pizza-1, pizza-2, … that no container has."""
    taken = {container.name for container in host.containers.values()}
    return next(name for n in range(1, len(taken) + 2) if (name := f"pizza-{n}") not in taken)
