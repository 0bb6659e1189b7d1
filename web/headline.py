"""What just happened, in one sentence made from a command's events, its numbers marked by what they mean."""

from __future__ import annotations

from collections.abc import Sequence

from engine import events as facts
from engine import reference as references
from engine.events import Event
from web.filework import files
from web.sentence import Piece, Sentence, count, listed, size


def headline(events: Sequence[Event]) -> Sentence:
    """The sentence for what one command did; empty where nothing did change."""
    for teller in (_pulled, _pushed, _committed, _ran, files, _gone, _loaded, _imported, _tagged):
        if sentence := teller(events):
            return sentence
    return ()


def together(layers: int, content: int) -> Sentence:
    """What two that stand side by side have in common: so many layers, of so many content bytes."""
    if not layers:
        return (Piece("No layer is in both: "), Piece("nothing is shared", "cost"), Piece("."))
    return (
        Piece(count(layers, "layer") + " shared", "kept"),
        Piece(": "),
        Piece(size(content), "kept"),
        Piece(" stored once."),
    )


def _of(events: Sequence[Event], *kinds: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kinds)]


def _pulled(events: Sequence[Event]) -> Sentence:
    done = next((event for event in events if isinstance(event, facts.ImagePulled)), None)
    if not done:
        return ()
    name = _own(done.reference) if references.parse(done.reference).explicit else _title(done.reference)
    if not done.fresh:
        return (
            Piece(f"{name} is up to date. Only its manifest was sent: "),
            Piece(size(done.sent), "cost"),
            Piece("."),
        )
    reused, pulled = _of(events, facts.LayerReused), [e for e in events if isinstance(e, facts.LayerPulled)]
    travelled = sum(layer.size for layer in pulled)
    if reused and pulled:
        return (
            Piece(count(len(reused), "layer") + " already here", "kept"),
            Piece(". Only " + count(len(pulled), "layer", lower=True) + " travelled: "),
            Piece(size(travelled), "cost"),
            Piece(", and "),
            Piece(size(done.sent - travelled), "cost"),
            Piece(" of papers."),
        )
    if reused:
        return (
            Piece("Every layer already here", "kept"),
            Piece(f". {name} cost "),
            Piece(size(done.sent), "cost"),
            Piece(" of papers, sent."),
        )
    layers = count(len(pulled), "layer", lower=True)
    return (Piece(f"{name} arrived: {layers}, "), Piece(f"{size(done.sent)} sent", "cost"), Piece("."))


def _pushed(events: Sequence[Event]) -> Sentence:
    done = next((event for event in reversed(events) if isinstance(event, facts.ImagePushed)), None)
    if not done:
        return ()
    sent = [event for event in events if isinstance(event, facts.LayerPushed)]
    there = _of(events, facts.LayerExists, facts.LayerMounted)
    name = _own(done.reference)
    if sent and there:
        return (
            Piece(f"{name} is on the shelf. "),
            Piece(count(len(there), "layer") + (" was" if len(there) == 1 else " were") + " there already", "kept"),
            Piece(", " + count(len(sent), "layer", lower=True) + " went: "),
            Piece(size(sum(e.size for e in sent)), "cost"),
            Piece("."),
        )
    if there:
        return (Piece(f"{name} is on the shelf, and "), Piece("every layer was there already", "kept"), Piece("."))
    layers = count(len(sent), "layer", lower=True)
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
    if not made:
        return ()
    ended = next((e for e in events if isinstance(e, facts.ContainerStopped)), None)
    gone = next((e for e in events if isinstance(e, facts.ContainerRemoved)), None)
    if gone and gone.unpacked:
        return (
            Piece(made.name, "did"),
            Piece(f" ran, {_ended(ended)} and is gone again, its "),
            Piece(size(gone.unpacked), "cost"),
            Piece(" with it."),
        )
    if _of(events, facts.FileEvent) and not gone:
        return ()
    if gone or ended:
        how = f" ran, {_ended(ended)} and is gone again." if gone else f" ran and {_ended(ended)}."
        nothing = (Piece(" "), Piece("Nothing was copied", "kept"), Piece("."))
        return (Piece(made.name, "did"), Piece(how), *(() if _of(events, facts.FileCopiedUp) else nothing))
    stands = "is open" if _of(events, facts.ContainerStarted) else "is made, not started"
    return (Piece(made.name, "did"), Piece(f" {stands}, and "), Piece("nothing was copied", "kept"), Piece("."))


def _ended(event: facts.ContainerStopped | None) -> str:
    """How a container ended, in words."""
    return f"ended with code {event.exit_code}" if event and event.exit_code else "ended"


def _gone(events: Sequence[Event]) -> Sentence:
    removed = [e for e in events if isinstance(e, facts.ContainerRemoved)]
    deleted = [e for e in events if isinstance(e, facts.ImageDeleted)]
    if removed:
        one = len(removed) == 1
        return (
            Piece(
                f"{listed([e.name for e in removed])} {'is' if one else 'are'} gone, and {'its' if one else 'their'} "
            ),
            Piece(size(sum(e.unpacked for e in removed)), "cost"),
            Piece(f" with {'it. The image stays' if one else 'them. The images stay'}."),
        )
    if deleted:
        layers = sum(len(e.layers) for e in deleted)
        gone = "The image is" if len(deleted) == 1 else f"{count(len(deleted), 'image')} are"
        return (
            Piece(f"{gone} gone, and "),
            Piece(count(layers, "layer", lower=True), "cost"),
            Piece(" that nothing else used."),
        )
    return _turned(events)


def _turned(events: Sequence[Event]) -> Sentence:
    """Of containers that were started or stopped."""
    started = [e.name for e in events if isinstance(e, facts.ContainerStarted)]
    ended = [e for e in events if isinstance(e, facts.ContainerStopped)]
    stopped = [e.name for e in ended]
    if started and started == stopped:
        how = _ended(ended[0]) if len(started) == 1 else "ended"
        stay = "Its changes stay in it" if len(started) == 1 else "Their changes stay in them"
        return (Piece(f"{listed(started)} ran again and {how}. "), Piece(stay, "kept"), Piece("."))
    if started:
        left = "as it was left" if len(started) == 1 else "as they were left"
        is_open = f"{listed(started)} {'is' if len(started) == 1 else 'are'} open again, "
        return (Piece(is_open), Piece(left, "kept"), Piece("."))
    if stopped:
        stay = "Its changes stay in it" if len(stopped) == 1 else "Their changes stay in them"
        closed = f"{listed(stopped)} {'is' if len(stopped) == 1 else 'are'} closed. "
        return (Piece(closed), Piece(stay, "kept"), Piece("."))
    return ()


def _tagged(events: Sequence[Event]) -> Sentence:
    tagged = next((e for e in reversed(events) if isinstance(e, facts.ImageTagged)), None)
    untagged = [e.reference for e in events if isinstance(e, facts.ImageUntagged)]
    if tagged:
        return _named(tagged)
    if untagged:
        one = len(untagged) == 1
        return (
            Piece(listed(untagged), "did"),
            Piece(f" {'is no longer a name. Its' if one else 'are no longer names. Their'} "),
            Piece("layers stay", "kept"),
            Piece("."),
        )
    return ()


def _named(tagged: facts.ImageTagged) -> Sentence:
    name = Piece(tagged.reference, "did")
    if tagged.moved_from:
        return (
            name,
            Piece(" now means another image. The one that it meant before "),
            Piece("keeps its layers", "kept"),
            Piece("."),
        )
    return (name, Piece(" is one more name for the same layers. "), Piece("0 B", "kept"), Piece("."))


def _loaded(events: Sequence[Event]) -> Sentence:
    loaded = [e for e in events if isinstance(e, facts.ImageLoaded)]
    images = len({e.image for e in loaded})
    if not loaded:
        return ()
    return (
        Piece(count(images, "image") + " loaded", "did"),
        Piece(": "),
        Piece(size(sum(e.size for e in loaded)), "cost"),
        Piece(" in the archive."),
    )


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


def _own(reference: str) -> str:
    """``localhost:8000/k/my-pizza:latest`` as its maker called it: my-pizza."""
    return reference.rpartition("/")[2].removesuffix(":latest")


def _title(reference: str) -> str:
    """``pizza/cheese:latest`` as a sentence begins with it: Cheese."""
    name = _name(reference)
    return name[:1].upper() + name[1:]


def _name(reference: str) -> str:
    """A name that somebody gave, as it was given: ``my-pizza:latest`` is my-pizza."""
    return reference.rpartition("/")[2].removesuffix(":latest")
