"""What just happened, in one sentence made from a command's events, its numbers marked by what they mean.

The sentence is a sequence of pieces. A piece's role is ``did`` for what the learner changed, ``cost`` for what that
took, ``kept`` for what was there already and so was saved; plain text has none. Sizes carry docker's units.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine import events as facts
from engine import terminal
from engine.events import Event

Role = Literal["", "did", "cost", "kept"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of the sentence, and what its figure means."""

    text: str
    role: Role = ""


Sentence = tuple[Piece, ...]


def headline(events: Sequence[Event]) -> Sentence:
    """The sentence for what one command did; empty where nothing did change."""
    for teller in (_pulled, _pushed, _committed, _ran, _files, _gone, _tagged, _loaded, _imported):
        if sentence := teller(events):
            return sentence
    return ()


def together(layers: int, content: int) -> Sentence:
    """What two that stand side by side have in common: so many layers, of so many content bytes."""
    if not layers:
        return (Piece("No layer is in both: "), Piece("nothing is shared", "cost"), Piece("."))
    return (
        Piece(_count(layers, "layer") + " shared", "kept"),
        Piece(": "),
        Piece(size(content), "kept"),
        Piece(" stored once."),
    )


def plain(sentence: Sentence) -> str:
    """The sentence as text alone."""
    return "".join(piece.text for piece in sentence)


def size(count: int) -> str:
    """Bytes in words that a sentence can hold: ``11 bytes``, ``65.5 kB``."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    text = terminal.size(count)
    unit = text.lstrip("0123456789.e+")
    return f"{text[: -len(unit)]} {unit}"


def _of(events: Sequence[Event], *kinds: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kinds)]


def _pulled(events: Sequence[Event]) -> Sentence:
    done = next((event for event in events if isinstance(event, facts.ImagePulled)), None)
    if not done:
        return ()
    name = _title(done.reference)
    if not done.fresh:
        return (
            Piece(f"{name} is up to date. Only its manifest was sent: "),
            Piece(size(done.sent), "cost"),
            Piece("."),
        )
    reused, pulled = _of(events, facts.LayerReused), _of(events, facts.LayerPulled)
    if reused and pulled:
        return (
            Piece(_count(len(reused), "layer") + " already here", "kept"),
            Piece(". Only " + _count(len(pulled), "layer", lower=True) + " travelled: "),
            Piece(size(done.sent), "cost"),
            Piece("."),
        )
    if reused:
        return (
            Piece("Every layer already here", "kept"),
            Piece(f". {name} cost "),
            Piece(size(done.sent), "cost"),
            Piece("."),
        )
    layers = _count(len(pulled), "layer", lower=True)
    return (Piece(f"{name} arrived: {layers}, "), Piece(f"{size(done.sent)} sent", "cost"), Piece("."))


def _pushed(events: Sequence[Event]) -> Sentence:
    done = next((event for event in reversed(events) if isinstance(event, facts.ImagePushed)), None)
    if not done:
        return ()
    sent = [event for event in events if isinstance(event, facts.LayerPushed)]
    there = _of(events, facts.LayerExists, facts.LayerMounted)
    name = done.reference.rpartition("/")[2].removesuffix(":latest")
    if sent and there:
        return (
            Piece(f"{name} is on the shelf. "),
            Piece(_count(len(there), "layer") + (" was" if len(there) == 1 else " were") + " there already", "kept"),
            Piece(", " + _count(len(sent), "layer", lower=True) + " went: "),
            Piece(size(sum(e.size for e in sent)), "cost"),
            Piece("."),
        )
    if there:
        return (Piece(f"{name} is on the shelf, and "), Piece("every layer was there already", "kept"), Piece("."))
    layers = _count(len(sent), "layer", lower=True)
    return (Piece(f"{name} is on the shelf: {layers}, "), Piece(f"{size(done.sent)} sent", "cost"), Piece("."))


def _committed(events: Sequence[Event]) -> Sentence:
    made = next((event for event in events if isinstance(event, facts.ImageCommitted)), None)
    if not made:
        return ()
    layer = next((event for event in events if isinstance(event, facts.LayerCommitted)), None)
    if not layer:
        return (Piece("Nothing had changed, so "), Piece("no layer was added", "kept"), Piece("."))
    return (
        Piece(_name(made.reference), "did") if made.reference else Piece("A new image"),
        Piece(" adds one layer: "),
        Piece(size(layer.unpacked) + " unpacked", "cost"),
        Piece(", "),
        Piece(size(layer.size) + " stored", "cost"),
        Piece("; "),
        Piece("the rest stays shared", "kept"),
        Piece("."),
    )


def _ran(events: Sequence[Event]) -> Sentence:
    made = next((event for event in events if isinstance(event, facts.ContainerCreated)), None)
    if not made or _of(events, facts.FileEvent):
        return ()
    return (Piece(made.name, "did"), Piece(" is open, and "), Piece("nothing was copied", "kept"), Piece("."))


def _files(events: Sequence[Event]) -> Sentence:
    copied = [e for e in events if isinstance(e, facts.FileCopiedUp) and e.kind != "dir"]
    hidden = [e for e in events if isinstance(e, facts.PathWhitedOut)]
    created = [e for e in events if isinstance(e, facts.FileCreated)]
    written = [e for e in events if isinstance(e, facts.FileWritten)]
    removed = [e for e in events if isinstance(e, facts.PathRemoved)]
    if len(copied) == 1 and not hidden and not created:
        return _copied(copied[0], sum(e.written for e in written))
    if len(hidden) == 1 and not copied and not created:
        return _hidden(hidden[0])
    if len(created) == 1 and not copied and not hidden:
        return _created(created[0], sum(e.written for e in written) or created[0].size)
    told = []
    if copied:
        told += [
            Piece(f"{_count(len(copied), 'whole file')} copied up, "),
            Piece(size(sum(e.size for e in copied)), "cost"),
        ]
    if hidden:
        told += [
            Piece(", " if told else ""),
            Piece(_count(len(hidden), "path", lower=bool(told)), "did"),
            Piece(" hidden"),
        ]
    if created:
        told += [
            Piece(", " if told else ""),
            Piece(_count(len(created), "path", lower=bool(told)), "did"),
            Piece(" new"),
        ]
    if not told and removed:
        names = " and ".join(posixpath.basename(e.path) for e in removed[:2])
        return (Piece(f"{names}", "did"), Piece(" is gone: it stood in the container alone, so no whiteout is needed."))
    if not told and written:
        name = posixpath.basename(written[-1].path)
        return (
            Piece("You wrote "),
            Piece(size(sum(e.written for e in written)), "did"),
            Piece(f". {name} was the container's own already: "),
            Piece("nothing more copied", "kept"),
            Piece("."),
        )
    return (*told, Piece(".")) if told else ()


def _copied(event: facts.FileCopiedUp, written: int) -> Sentence:
    name = posixpath.basename(event.path)
    whole = (Piece(" The whole "), Piece(size(event.size), "cost"), Piece(f" {name} file was copied up."))
    if written:
        return (Piece("You changed "), Piece(size(written), "did"), Piece("."), *whole)
    return (Piece(f"One {event.cause}", "did"), Piece(", no new content."), *whole)


def _hidden(event: facts.PathWhitedOut) -> Sentence:
    name = posixpath.basename(event.path)
    return (
        Piece(f"A whiteout hides {name}", "did"),
        Piece(". Its "),
        Piece(size(event.size), "cost"),
        Piece(f" stay in layer {event.layer + 1}."),
    )


def _created(event: facts.FileCreated, written: int) -> Sentence:
    name = posixpath.basename(event.path)
    return (
        Piece(f"You added {name}: "),
        Piece(size(written), "did"),
        Piece(". New files copy "),
        Piece("nothing", "kept"),
        Piece("."),
    )


def _gone(events: Sequence[Event]) -> Sentence:
    removed = [e for e in events if isinstance(e, facts.ContainerRemoved)]
    deleted = [e for e in events if isinstance(e, facts.ImageDeleted)]
    stopped = [e for e in events if isinstance(e, facts.ContainerStopped)]
    started = [e for e in events if isinstance(e, facts.ContainerStarted)]
    if removed:
        gone = removed[-1]
        return (
            Piece(f"{gone.name} is gone, and its "),
            Piece(size(gone.unpacked), "cost"),
            Piece(" with it. The image stays."),
        )
    if deleted:
        layers = sum(len(e.layers) for e in deleted)
        return (
            Piece("The image is gone, and "),
            Piece(_count(layers, "layer", lower=True), "cost"),
            Piece(" that nothing else used."),
        )
    if stopped and not started:
        return (Piece(f"{stopped[-1].name} is closed. "), Piece("Its changes stay in it", "kept"), Piece("."))
    if started:
        return (Piece(f"{started[-1].name} is open again, "), Piece("as it was left", "kept"), Piece("."))
    return ()


def _tagged(events: Sequence[Event]) -> Sentence:
    tagged = [e for e in events if isinstance(e, facts.ImageTagged)]
    untagged = [e for e in events if isinstance(e, facts.ImageUntagged)]
    if tagged:
        return (
            Piece(tagged[-1].reference, "did"),
            Piece(" is one more name for the same layers. "),
            Piece("0 B", "kept"),
            Piece("."),
        )
    if untagged:
        return (
            Piece(untagged[-1].reference, "did"),
            Piece(" is no longer a name. "),
            Piece("Its layers stay", "kept"),
            Piece("."),
        )
    return ()


def _loaded(events: Sequence[Event]) -> Sentence:
    loaded = [e for e in events if isinstance(e, facts.ImageLoaded)]
    return (Piece(_count(len(loaded), "image") + " loaded from an archive."),) if loaded else ()


def _imported(events: Sequence[Event]) -> Sentence:
    made = next((event for event in events if isinstance(event, facts.ImageImported)), None)
    if not made:
        return ()
    return (
        Piece("A root file system came as "),
        Piece("one layer", "did"),
        Piece(": "),
        Piece(size(made.unpacked), "cost"),
        Piece("."),
    )


_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def _count(number: int, noun: str, *, lower: bool = False) -> str:
    """``Three layers``; digits beyond twelve, but for a round hundred."""
    word = "One hundred" if number == 100 else _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word.lower() if lower else word} {noun}{'' if number == 1 else 's'}"


def _title(reference: str) -> str:
    """``pizza/cheese:latest`` as a sentence begins with it: Cheese."""
    name = _name(reference)
    return name[:1].upper() + name[1:]


def _name(reference: str) -> str:
    """A name that somebody gave, as it was given: ``my-pizza:latest`` is my-pizza."""
    return reference.rpartition("/")[2].removesuffix(":latest")
