"""What a command left of a container's files, worked out from its events in their order.

Events tell each step: a file that was made and then removed has told of both. `Effect` is what is true afterwards: each
path stands in at most one of `new`, `copied` and `hidden`, and one that came and went in none of them.

    net((FileCreated("/t"), FileWritten("/t", 3), PathRemoved("/t"))).passed     # ("/t",)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from engine import events as facts
from engine.events import Event

Before = Literal["", "layer", "whiteout", "own"]
"""What a path showed before the command: nothing, the layers' file, nothing because of a whiteout, the upper's file."""


@dataclass(frozen=True, slots=True)
class New:
    """Something that the command made. `size` is rule 27's share, 0 for one more name of a file that is counted
    elsewhere; `over` tells that something was to be seen there before."""

    kind: str
    size: int
    over: bool


@dataclass(frozen=True, slots=True)
class Copied:
    """Something of the layers that was copied up, `whole` bytes of it, by the call `cause`; `written` bytes then went
    into it. `emptied` tells that it was truncated on opening, which copies none (rule 28)."""

    kind: str
    whole: int
    written: int
    cause: str
    emptied: bool


@dataclass(frozen=True, slots=True)
class Hidden:
    """A whiteout and all that went below it in the same command: so many `paths`, their `size`; `layer` is where the
    path itself stands, bottom 0."""

    kind: str
    size: int
    layer: int
    paths: int


@dataclass(frozen=True, slots=True)
class Effect:
    """See the module. All by absolute path; `written` counts bytes into files that the upper had already, `moved` leads
    from its files' old paths to the new, `gone` are those of them that are no more."""

    new: dict[str, New]
    copied: dict[str, Copied]
    hidden: dict[str, Hidden]
    written: dict[str, int]
    moved: dict[str, str]
    gone: tuple[str, ...]
    passed: tuple[str, ...]


def net(events: Iterable[Event]) -> Effect:
    """The effect of one command's events; those about other things than files are passed over."""
    tally = _Tally()
    for event in events:
        tally.take(event)
    return tally.effect()


@dataclass(slots=True)
class _Content:
    """What the names of one file have in common."""

    kind: str
    size: int = 0
    written: int = 0
    changed: bool = False


@dataclass(slots=True)
class _Name:
    """A path of the upper; `origin` is where it stood before the command, if it did."""

    came: Literal["new", "copied", "own"]
    origin: str
    content: _Content
    copied: facts.FileCopiedUp | None = None


class _Below:
    """Which paths were named below which, so that a directory's need not be looked for among all."""

    def __init__(self) -> None:
        self._children: dict[str, dict[str, None]] = {}

    def add(self, path: str) -> None:
        while path and path not in self._children.setdefault(parent := path.rpartition("/")[0], {}):
            self._children[parent][path] = None
            path = parent

    def at_and_below(self, path: str) -> list[str]:
        """`path` and all that was named below it."""
        found = [path]
        for one in found:
            found.extend(self._children.get(one, ()))
        return found


@dataclass(slots=True)
class _Tally:
    below: _Below = field(default_factory=_Below)
    names: dict[str, _Name] = field(default_factory=dict)
    whiteouts: dict[str, Hidden] = field(default_factory=dict)
    covered: dict[str, Hidden] = field(default_factory=dict)
    """Whiteouts in whose place something new came: should that go, they are back."""
    before: dict[str, Before] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    passed: dict[str, None] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """One event more."""
        if isinstance(event, facts.FileEvent):
            self.below.add(event.path)
        match event:
            case facts.FileCreated():
                self._created(event)
            case facts.FileCopiedUp(path=path, kind=kind, size=size):
                self.before.setdefault(path, "layer")
                self.names[path] = _Name("copied", path, _Content(kind, size), event)
            case facts.FileWritten(path=path, written=written, size=size, truncated=truncated):
                content = self._name(path).content
                content.written = written + (0 if truncated else content.written)
                content.size, content.changed = size, True
            case facts.AttributesChanged(path=path):
                self._name(path).content.changed = True
            case facts.PathRenamed(path=path, to=to, over=over):
                self._renamed(path, to, over)
            case facts.PathRemoved(path=path):
                self._removed(path)
            case facts.PathWhitedOut():
                self._whited_out(event)

    def _created(self, event: facts.FileCreated) -> None:
        self.before.setdefault(event.path, "whiteout" if event.over_whiteout else "")
        self._cover(event.path)
        content = self._name(event.link_to).content if event.link_to else _Content(event.kind, event.size)
        content.kind = event.kind
        self.names[event.path] = _Name("new", "", content)

    def _cover(self, path: str) -> None:
        if path in self.whiteouts:
            self.covered[path] = self.whiteouts.pop(path)

    def _renamed(self, path: str, to: str, over: Before) -> None:
        name = self._name(path)
        self.before.setdefault(to, over)
        self._cover(to)
        for old in self.below.at_and_below(path):
            if old in self.names:
                new = to + old[len(path) :]
                self.names[new] = self.names.pop(old)
                self.before.setdefault(new, "")
                self.below.add(new)
        assert self.names[to] is name

    def _removed(self, path: str) -> None:
        self._leave(path, self._name(path))
        for below in self.below.at_and_below(path):
            self.whiteouts.pop(below, None)

    def _whited_out(self, event: facts.PathWhitedOut) -> None:
        self.before.setdefault(event.path, "layer")
        absorbed = []
        for below in self.below.at_and_below(event.path):
            if below in self.names:
                self._leave(below, self.names[below])
            if below in self.whiteouts:
                absorbed.append(self.whiteouts.pop(below))
        size = event.size + sum(one.size for one in absorbed)
        paths = 1 + sum(one.paths for one in absorbed)
        again = self.covered.pop(event.path, None)
        self.whiteouts[event.path] = again or Hidden(event.kind, size, event.layer, paths)

    def _leave(self, path: str, name: _Name) -> None:
        """Take a name away."""
        del self.names[path]
        if name.came == "new":
            self.passed[path] = None
        elif name.came == "own":
            self.gone[name.origin] = None

    def _name(self, path: str) -> _Name:
        """What the upper has at a path; where nothing told of it yet, it had that before."""
        if path not in self.names:
            origin = self._origin(path)
            if origin == path:
                self.before.setdefault(path, "own")
            self.names[path] = _Name("own", origin, _Content(""))
        return self.names[path]

    def _origin(self, path: str) -> str:
        """Where what is now at `path` stood, if a directory above it was moved."""
        above = path
        while above := above.rpartition("/")[0]:
            if above in self.names and self.names[above].origin:
                return self.names[above].origin + path[len(above) :]
        return path

    # What is left

    def effect(self) -> Effect:
        """What is true after all that was taken."""
        own = {path: name for path, name in self.names.items() if name.came == "own"}
        hidden = {path: one for path, one in self.whiteouts.items() if self.before[path] != "whiteout"}
        return Effect(
            new=self._new(),
            copied={path: copied for path, name in self.names.items() if (copied := _copied(name))},
            hidden=hidden,
            written={path: name.content.written for path, name in own.items() if name.content.written},
            moved={name.origin: path for path, name in own.items() if name.origin != path},
            gone=tuple(path for path in self.gone if path not in self.names and path not in self.whiteouts),
            passed=tuple(path for path in self.passed if path not in self.names and path not in hidden),
        )

    def _new(self) -> dict[str, New]:
        counted = {id(name.content) for name in self.names.values() if name.came != "new"}
        new = {}
        for path, name in self.names.items():
            if name.came == "new":
                size = 0 if id(name.content) in counted else name.content.size
                counted.add(id(name.content))
                new[path] = New(name.content.kind, size, self.before[path] in ("layer", "own"))
        return new


def _copied(name: _Name) -> Copied | None:
    """What there is to say of a name that was copied up; nothing of a directory that only came along."""
    event, content = name.copied, name.content
    if not event or (event.kind == "dir" and not content.changed):
        return None
    emptied = event.cause == "truncate" and event.size == 0
    return Copied(event.kind, event.size, content.written, event.cause, emptied)
