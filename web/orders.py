"""Orders: what the kitchen's buttons say, and the docker command that each of them posts and shows.

An order is text only: pressing its button and typing its command are the same thing. Which orders there are follows
from who is in the picture and which slice is in front; at most five stand side by side, the rest behind them.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.context import Context
from engine.errors import FileError
from engine.host import Container, Host, ImageRecord
from engine.merged import Merged
from web.ingredients import drawn
from web.menu import Dish

TOPPINGS: Final = {
    "jalapenos": ("jalapeños", "a ring of jalapeno, sliced this very minute"),
    "basil": ("basil", "three leaves of basil, torn by hand"),
    "mushrooms": ("mushrooms", "a brown mushroom in thin slices"),
    "olives": ("olives", "black olives, stones out"),
    "onion": ("onion", "red onion in rings"),
    "pepper": ("bell pepper", "green bell pepper in strips"),
    "anchovy": ("anchovy", "one anchovy, and that is plenty"),
    "ham": ("ham", "cooked ham, folded once"),
    "pineapple": ("pineapple", "pineapple, whatever they say"),
    "tomato": ("tomato", "cherry tomato, halved"),
    "chilli": ("chilli", "a dried chilli, crumbled"),
    "salt": ("salt", "a pinch of salt"),
}
"""File name: its name in words, and the text that an order writes into it."""
_SYMBOLS: Final = {"mushrooms": "mushroom", "olives": "olive", "jalapenos": "jalapeno"}
_BASE: Final = ("crust", "sauce", "cheese")
_FILES: Final = 24
"""Files of a slice that can be picked off or edited by an order."""


@dataclass(frozen=True, slots=True)
class Order:
    """One button: its words, the docker command, the symbol beside them, whether it is the one to press next.

    `brief` is the command with its middle left out, for where there is no room; what is posted is always the whole.
    """

    label: str
    command: str
    symbol: str = "u-terminal"
    main: bool = False
    brief: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """The form that rewrites a file: of which container, and which files."""

    container: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """An order, and the others of its kind behind it."""

    first: Order
    label: str = ""
    more: tuple[Order, ...] = ()
    edit: Edit | None = None


def for_nobody(menu: Sequence[Dish]) -> tuple[Group, ...]:
    """Where nothing is there yet: the first pulls."""
    pulls = [Order(f"Pull {dish.title}", dish.command, dish.symbol) for dish in menu]
    wanted = sorted(pulls, key=lambda order: "cheese" not in order.command)
    return tuple(Group(Order(o.label, o.command, o.symbol, main=n == 0)) for n, o in enumerate(wanted[:3]))


def for_image(host: Host, record: ImageRecord, name: str) -> tuple[Group, ...]:
    """Run it, look into it, name it, take it away."""
    shown = shlex.quote(name.removesuffix(":latest"))
    fresh = fresh_name(host)
    return (
        Group(
            Order("Run it", f"docker run -d --name {fresh} {shown}", "o-tub", main=True, brief=f"docker run … {shown}")
        ),
        Group(Order("See its history", f"docker image history {shown}", "u-history")),
        Group(Order("Inspect it", f"docker image inspect {shown}", "u-search")),
        Group(Order("All images", "docker images", "u-layers")),
        Group(Order("Take it off", f"docker rmi {shown}", "u-trash"), "force", _forced(host, record, shown)),
    )


def _forced(host: Host, record: ImageRecord, shown: str) -> tuple[Order, ...]:
    return (Order("Even so", f"docker rmi -f {shown}", "u-trash"),) if host.users(record.id) else ()


def for_container(context: Context, host: Host, container: Container, directory: str) -> tuple[Group, ...]:
    """What can be done to the chosen slice, to what changed, and to the container."""
    name = shlex.quote(container.name)
    files = Merged(context.images.stack(container.manifest), context.upper(container), context.blobs)
    running = container.status == "running"
    missing = [path for path in dict.fromkeys((container.workdir, directory)) if not _is_directory(files, path)]
    look = Order("What is on the slice", f"docker exec {name} ls -l {shlex.quote(directory)}", "u-eye")
    changes = Group(
        Order("See the changes", f"docker diff {name}", "u-search"),
        "looks",
        (
            Order("Its size", "docker ps -a -s", "u-layers"),
            *((look,) if running and not missing else ()),
            Order("Inspect it", f"docker inspect {name}", "u-info"),
        ),
    )
    keep = Group(
        Order(
            "Lid on",
            f"docker commit -m {shlex.quote(f'from {container.name}')} {name} my-{name}",
            "o-tub",
            main=True,
            brief=f"docker commit {name} …",
        ),
        "its life",
        _life(container, name, fresh_name(host)),
    )
    if not running:
        return (Group(Order("Start it", f"docker start {name}", "u-play", main=True)), changes, keep)
    if missing:
        return (*_again(files, container, missing), changes, keep)
    return (*_slice(files, container, name, directory), changes, keep)


def _again(files: Merged, container: Container, missing: Sequence[str]) -> Iterable[Group]:
    """The way back where the slice's directory is gone, or the one that commands run in, without which none does."""
    if any(files.lexists(_inside(path)) for path in missing):
        return
    paths = " ".join(map(shlex.quote, missing))
    command = f"docker exec -w / {shlex.quote(container.name)} mkdir -p {paths}"
    yield Group(Order("Make its directory again", command, "u-redo"))


def _life(container: Container, name: str, fresh: str) -> tuple[Order, ...]:
    again = Order("Another one of it", f"docker run -d --name {fresh} {shlex.quote(container.requested)}", "o-tub")
    away = Order("Throw it away", f"docker rm -f {name}", "u-trash")
    return (
        (Order("Stop it", f"docker stop {name}", "u-pause"), again, away)
        if container.status == "running"
        else (again, away)
    )


def _slice(files: Merged, container: Container, name: str, directory: str) -> Iterable[Group]:
    """Add, change, take off: three groups for the slice in front."""
    there = _names(files, directory)
    adds = [_add(name, directory, topping) for topping in TOPPINGS if topping not in there]
    if adds:
        yield Group(adds[0], "other toppings", tuple(adds[1:]))
    changes = [_change(name, directory, file) for file in _ordered(there)]
    if changes:
        paths = tuple(posixpath.join(directory, file) for file in _ordered(there))
        yield Group(changes[0], "other files", tuple(changes[1:6]), Edit(container.name, paths))
    offs = [_take(name, directory, file) for file in reversed(_ordered(there))]
    if offs:
        yield Group(replace(offs[0], symbol="o-napkin"), "other files", tuple(offs[1:]))


def _add(name: str, directory: str, topping: str) -> Order:
    words, text = TOPPINGS[topping]
    script = f"echo {shlex.quote(text)} > {_path(directory, topping)}"
    command = f"docker exec {name} sh -c {_quoted(script)}"
    return Order(f"Add {words}", command, f"i-{_SYMBOLS.get(topping, topping)}", brief=f"docker exec … > {topping}")


def _change(name: str, directory: str, file: str) -> Order:
    label = "Dip the crust" if file == "crust" else f"Change {file}"
    script = f"echo hot sauce >> {_path(directory, file)}"
    symbol = "i-hot-sauce" if file == "crust" else _symbol(file)
    return Order(label, f"docker exec {name} sh -c {_quoted(script)}", symbol, brief=f"docker exec … >> {file}")


def _take(name: str, directory: str, file: str) -> Order:
    command = f"docker exec {name} rm {_path(directory, file)}"
    return Order(f"Pick {file} off", command, _symbol(file), brief=f"docker exec … rm {file}")


def _symbol(file: str) -> str:
    """What tells a file from the others in a list."""
    return drawn(file, "file", 0).symbol


def write(container: str, path: str, text: str) -> str:
    """The command that gives a file a whole new text."""
    script = f"printf %s {shlex.quote(text)} > {shlex.quote(path)}"
    return f"docker exec {shlex.quote(container)} sh -c {shlex.quote(script)}"


def _path(directory: str, file: str) -> str:
    return shlex.quote(posixpath.join(directory, file))


def _quoted(script: str) -> str:
    """In double quotes where that reads better than a shell's way of nesting single ones."""
    return f'"{script}"' if "'" in script and not set(script) & set('"$`\\!') else shlex.quote(script)


def _is_directory(files: Merged, path: str) -> bool:
    """Whether it is one, the root by whatever name included."""
    try:
        return not _inside(path) or files.stat(_inside(path)).kind == "dir"
    except FileError:
        return False


def _inside(path: str) -> bytes:
    """A path as the engine names it."""
    return path.strip("/").encode("utf-8", "surrogateescape")


def _names(files: Merged, directory: str) -> list[str]:
    """The plain files of a directory as text; names that are no text cannot be typed and are left out."""
    inside = _inside(directory)
    try:
        names = files.listdir(inside)[: _FILES * 4]
        plain = [name for name in names if files.lstat(inside + b"/" + name if inside else name).kind == "file"]
    except FileError:
        return []
    shown = (name.decode("utf-8", "replace") for name in plain)
    return [name for name in shown if name.isprintable() and "\ufffd" not in name][:_FILES]


def _ordered(names: Sequence[str]) -> list[str]:
    """The crust first, toppings last."""
    return sorted(names, key=lambda name: (_BASE.index(name) if name in _BASE else len(_BASE), name))


def fresh_name(host: Host) -> str:
    """The first of pizza-1, pizza-2, … that no container has."""
    taken = {container.name for container in host.containers.values()}
    return next(name for n in range(1, len(taken) + 2) if (name := f"pizza-{n}") not in taken)
