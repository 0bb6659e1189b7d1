"""What a command did to a container's files, in one sentence about what is true after it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from engine.events import Event, FileEvent
from web.effect import Copied, Effect, Hidden, New, net
from web.sentence import Piece, Sentence, count, listed, size


def files(events: Sequence[Event]) -> Sentence:
    """The sentence; empty where no file was touched, or only attributes of what the container had already."""
    touched = [event for event in events if isinstance(event, FileEvent)]
    if not touched:
        return ()
    effect = net(touched)
    changes: list[tuple[str, Copied | Hidden | New]]
    changes = [*effect.copied.items(), *effect.hidden.items(), *effect.new.items()]
    if len(changes) == 1:
        return _one(*changes[0])
    return _several(effect) if changes else _own(effect)


def _one(path: str, change: Copied | Hidden | New) -> Sentence:
    name = posixpath.basename(path) or "/"
    match change:
        case Copied():
            return _copied(name, change)
        case Hidden():
            return _hidden(name, change)
        case New():
            return _created(name, change)


def _copied(name: str, change: Copied) -> Sentence:
    if change.emptied:
        wrote = Piece(f"You wrote {size(change.written)}" if change.written else "You emptied", "did")
        over = f" over {name}" if change.written else f" {name}"
        return (
            wrote,
            Piece(f"{over}. Its old bytes were not wanted, so "),
            Piece("none was copied", "kept"),
            Piece("."),
        )
    what = f" {name} file was copied up." if change.kind == "file" else f" {name} was copied up."
    whole = (Piece(" The whole "), Piece(size(change.whole), "cost"), Piece(what))
    if change.kind == "dir":
        whole = (Piece(f" {name} was copied up without what is in it: "), Piece("0 bytes", "kept"), Piece("."))
    if change.written:
        return (Piece("You changed "), Piece(size(change.written), "did"), Piece("."), *whole)
    return (Piece(f"One {change.cause}", "did"), Piece(", no new content."), *whole)


def _hidden(name: str, change: Hidden) -> Sentence:
    if change.paths > 1:
        return (
            Piece(f"One whiteout hides {name}", "did"),
            Piece(f" and {count(change.paths - 1, 'path', lower=True)} in it. Their "),
            Piece(size(change.size), "cost"),
            Piece(" stay in the layers below."),
        )
    return (
        Piece(f"A whiteout hides {name}", "did"),
        Piece(". Its "),
        Piece(size(change.size), "cost"),
        Piece(f" stay in layer {change.layer + 1}."),
    )


def _created(name: str, change: New) -> Sentence:
    if change.over:
        return (
            Piece(f"You made {name} anew: "),
            Piece(size(change.size), "did"),
            Piece(". It stands over the old one, of which "),
            Piece("nothing", "kept"),
            Piece(" was copied."),
        )
    return (
        Piece(f"You added {name}: "),
        Piece(size(change.size), "did"),
        Piece(". New files copy "),
        Piece("nothing", "kept"),
        Piece("."),
    )


def _several(effect: Effect) -> Sentence:
    """How many of each kind, and what the copies took."""
    told: list[Piece] = []

    def tell(number: int, noun: str, after: str) -> None:
        if number:
            begin = [Piece(", ")] if told else []
            told.extend([*begin, Piece(count(number, noun, lower=bool(told)), "did"), Piece(f" {after}")])

    whole = [one for one in effect.copied.values() if one.kind != "dir" and not one.emptied]
    if whole:
        taken = Piece(size(sum(one.whole for one in whole)), "cost")
        told.extend([Piece(f"{count(len(whole), 'whole file')} copied up, "), taken])
    tell(sum(one.emptied for one in effect.copied.values()), "file", "written over")
    tell(sum(one.kind == "dir" for one in effect.copied.values()), "directory's attribute", "changed")
    _tell_hidden(effect.hidden.values(), told)
    tell(len(effect.new), "path", "new")
    tell(len(effect.moved), "path", "renamed")
    tell(len(effect.gone), "path", "gone")
    return (*told, Piece("."))


def _tell_hidden(hidden: Iterable[Hidden], told: list[Piece]) -> None:
    whiteouts = [*hidden]
    paths = sum(one.paths for one in whiteouts)
    if not whiteouts:
        return
    begin = [Piece(", ")] if told else []
    if paths == len(whiteouts):
        told.extend([*begin, Piece(count(paths, "path", lower=bool(told)), "did"), Piece(" hidden")])
        return
    hide = " hides " if len(whiteouts) == 1 else " hide "
    said = Piece(count(len(whiteouts), "whiteout", lower=bool(told)), "did")
    told.extend([*begin, said, Piece(hide + count(paths, "path", lower=True))])


def _own(effect: Effect) -> Sentence:
    """Of changes that neither copied nor hid: the container had those files already, or has them no more."""
    if effect.gone:
        names, one = _names(effect.gone), len(effect.gone) == 1
        why = "it stood" if one else "they stood"
        return (
            Piece(names, "did"),
            Piece(f" {'is' if one else 'are'} gone: {why} in the container alone, so no whiteout is needed."),
        )
    if effect.written:
        names, one = _names(effect.written), len(effect.written) == 1
        return (
            Piece("You wrote "),
            Piece(size(sum(effect.written.values())), "did"),
            Piece(f". {names} {'was' if one else 'were'} the container's own already: "),
            Piece("nothing more copied", "kept"),
            Piece("."),
        )
    if effect.moved:
        old, new = next(iter(effect.moved.items()))
        name = f"{posixpath.basename(old)} is {posixpath.basename(new)} now"
        said = name if len(effect.moved) == 1 else f"{count(len(effect.moved), 'path')} renamed"
        return (Piece(said, "did"), Piece(": the container's own, so "), Piece("nothing copied", "kept"), Piece("."))
    if effect.passed:
        left = f"nothing is left of {'it' if len(effect.passed) == 1 else 'them'}"
        return (Piece(f"{_names(effect.passed)} came and went: ", "did"), Piece(left, "kept"), Piece("."))
    return ()


def _names(paths: Iterable[str]) -> str:
    return listed([posixpath.basename(path) for path in paths])
