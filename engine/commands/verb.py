"""What one entry of the verb table is, and the words in which docker's daemon says that it cannot find something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from engine import events as facts
from engine import reference as references
from engine.archive import Loaded
from engine.context import Context, Outcome
from engine.errors import CommandError, EngineError
from engine.events import Event, ImageImported
from engine.host import Container, Host, ImageRecord
from engine.options import Options, Usage
from engine.pull import Pulled
from engine.push import Pushed
from engine.reference import Reference
from engine.spec import RunConfig

Run: TypeAlias = Callable[[Context, Host, Options, "Moved | None"], Outcome]
Prepare: TypeAlias = "Callable[[Context, Host, Options], Moved | None]"

DAEMON = "Error response from daemon: "


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a verb brought from a registry before it takes the host in hand."""

    reference: Reference
    pulled: Pulled


@dataclass(frozen=True, slots=True)
class Given:
    """What a verb brought to a registry: each image of one repository, under its own tag; `failed` says in words why
    no more, empty where all went."""

    pushed: tuple[Pushed, ...]
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a verb read from a file: images, or the one image that it made of a root file system."""

    loaded: tuple[Loaded, ...]
    imported: ImageImported | None = None


Moved: TypeAlias = Fetched | Given | Brought
"""What was transferred, under no lock."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One docker command.

    `run` makes a new host of the old one and must be quick: a kitchen's commands wait for one another. What takes long
    and needs no host of its own, a transfer, is done before by `prepare`, under no lock; `run` gets what it moved.
    """

    usage: Usage
    run: Run
    prepare: Prepare | None = None


def daemon_error(message: str, exit_code: int = 1) -> CommandError:
    """The daemon's refusal, as docker's client prints it."""
    return CommandError(DAEMON + message, exit_code)


def over_each(host: Host, words: tuple[str, ...], step: Callable[[Host, str], tuple[Host, list[Event]]]) -> Outcome:
    """`step` for each word in turn. One that is refused stops none of the others, and makes the exit code 1."""
    events: list[Event] = []
    status = 0
    for word in words:
        try:
            host, more = step(host, word)
            events += more
        except CommandError as error:
            events.append(facts.Wrote(text=f"{error}\n", stream="stderr"))
            status = 1
    return Outcome(host, tuple(events), status)


def container(host: Host, text: str, *, lead: str = "Error: ") -> Container:
    """The container that `text` means. docker's client leads its refusal by ``Error:`` or by the daemon's words."""
    found = host.find_container(text)
    if not found:
        raise CommandError(f"{lead}No such container: {text}")
    return found


def image(host: Host, text: str) -> ImageRecord:
    """The image that `text` means; the refusal names the tag that was looked for."""
    found = host.find_image(text)
    if not found:
        last = text.rpartition("/")[2]
        shown = text if ":" in last or "@" in last else f"{text}:latest"
        raise invalid(text) or daemon_error(f"No such image: {shown}")
    return found


def invalid(text: str) -> CommandError | None:
    """The daemon's refusal of what can name no image, being no reference; None where it can, as a whole id does."""
    if len(text) == 64 and not set(text) - set("0123456789abcdef"):
        return None
    try:
        references.parse(text)
    except EngineError as error:
        return daemon_error(str(error))
    return None


def reference(text: str) -> Reference:
    """A reference with ``latest`` filled in; where it is none, `CommandError` in the words of docker's client."""
    try:
        return references.parse(text).tagged()
    except EngineError as error:
        raise CommandError(str(error)) from error


def after_entrypoint(run: RunConfig, found: Container) -> tuple[str, ...]:
    """A container's command without the entrypoint of its image, by `run`, which leads it."""
    return found.command[len(run.Entrypoint or ()) :]
