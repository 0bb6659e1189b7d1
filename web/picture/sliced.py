"""A subject by slices: what each of the eight has, layer by layer, with the container's changes on top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.events import display
from engine.union import Bead as Answer
from web.picture.geometry import polar, slot_of, wedge
from web.picture.subject import Above, Subject
from web.picture.survey import FEW, Slice, Survey, covers, survey
from web.picture.toppings import Topping, arrange
from web.picture.view import Bead, Place, State
from web.picture.words import counted, cut, width


@dataclass
class Sliced:
    """The slices of a subject with its container's changes on them, turned so that `chosen` lies in front."""

    subject: Subject
    chosen: int
    tint: Callable[[int | None], str]
    """Of a layer's position; None for the upper."""
    survey: Survey = field(init=False)
    above: dict[int, dict[bytes, Above]] = field(init=False)
    """By slice: changed paths of the upper."""
    toppings: dict[int, dict[bytes, Topping]] = field(init=False)
    swept: set[int] = field(init=False)
    """Slices whose whole directory the upper hides."""
    hidden: dict[int, set[bytes]] = field(init=False)
    """By slice: names that the upper hides entirely."""
    _answers: dict[bytes, list[Answer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        upper = self.subject.upper or {}
        touched = [p for p, node in upper.items() if node.kind != "dir" or node.opaque]
        self.survey = survey(self.subject.union, touched[:200])
        self.above = {n: {} for n in range(1, 9)}
        hiding = [p for p, node in upper.items() if node.kind == "whiteout" or node.opaque]
        self.swept = {
            part.number
            for part in self.slices
            if part.directory is not None and any(covers(path, part.directory) for path in hiding)
        }
        for path in touched:
            part = self.survey.slice_of(path)
            if part:
                self.above[part.number][path] = upper[path]
        self.toppings = {
            part.number: arrange(part.number, self._names(part)) for part in self.slices if self.named(part)
        }
        self.hidden = {part.number: self._hidden(part) for part in self.slices}

    @property
    def slices(self) -> tuple[Slice, ...]:
        return self.survey.slices

    def named(self, part: Slice) -> bool:
        """Whether the slice is told name by name: in numbered slices, where the names are few."""
        return self.survey.pizza and part.directory is not None and len(part.names) <= FEW

    def slot(self, number: int) -> int:
        """Where a slice stands."""
        return slot_of(number, self.chosen)

    def _names(self, part: Slice) -> dict[bytes, int]:
        order = sorted(part.names.items(), key=lambda item: (min(item[1]), item[0]))
        names = {name: max(0, *by.values()) if len(by) > 1 else max(0, next(iter(by.values()))) for name, by in order}
        for path, node in self.above[part.number].items():
            names.setdefault(part.name_of(path), node.size)
        return names

    def _hidden(self, part: Slice) -> set[bytes]:
        """Names whose whiteout is the last word, in the upper or in the topmost layer that speaks of them."""
        out: set[bytes] = set()
        if not self.named(part):
            return out
        nodes = self.above[part.number]
        top = {part.name_of(path): node for path, node in nodes.items() if path.count(b"/") == _depth(part)}
        for name, by in part.names.items():
            inside = any(part.name_of(p) == name and n.kind != "whiteout" for p, n in nodes.items())
            gone = by[max(by)] == -1 and min(by.values()) == -1 and len(by) > 1
            if (name in top and top[name].kind == "whiteout") or ((gone or part.number in self.swept) and not inside):
                out.add(name)
        return out

    def state(self, part: Slice, name: bytes, layer: int | None) -> State | None:
        """The union's answer for a name of a slice in one layer, the upper on top of it; None where it is absent."""
        assert part.directory is not None
        path = part.directory + b"/" + name if part.directory else name
        mine = {p: n for p, n in self.above[part.number].items() if p == path or p.startswith(path + b"/")}
        if layer is None:
            if not mine:
                return "whiteout" if part.number in self.swept and name in part.names else None
            return "whiteout" if all(n.kind == "whiteout" for n in mine.values()) else "seen"
        found = self.answers(path)[layer]
        if found == "absent":
            return None
        covered = path in mine or part.number in self.swept
        return "hidden" if found == "seen" and covered else found

    def answers(self, path: bytes) -> list[Answer]:
        """The union's bead of each layer for a path, asked once."""
        known = self._answers.get(path)
        if known is None:
            known = self._answers[path] = list(self.subject.union.bead(path))
        return known

    def beads(self, part: Slice, layer: int | None) -> list[Bead]:
        """A bead for each name of a small slice that the layer speaks of."""
        assert part.directory is not None
        out = []
        for name in self.toppings[part.number]:
            if layer is not None and layer not in part.names.get(name, {}):
                continue
            state = self.state(part, name, layer)
            if state:
                path = display(part.directory + b"/" + name)
                out.append(Bead(name.decode("utf-8", "replace"), path, state, layer))
        return out

    def sweepers(self, part: Slice) -> list[Bead]:
        """The upper's own whiteouts that hide the slice's directory, where nothing new stands in it."""
        if part.directory is None or self.above[part.number]:
            return []
        gone = [path for path, node in (self.subject.upper or {}).items() if node.kind == "whiteout"]
        return [
            Bead(path.rsplit(b"/", 1)[-1].decode("utf-8", "replace"), display(path), "whiteout", None)
            for path in gone
            if covers(path, part.directory)
        ]

    def places(self, href: Callable[[int], str]) -> tuple[Place, ...]:
        """The eight slices as controls."""
        out = []
        for part in self.slices:
            slot, on = self.slot(part.number), part.number == self.chosen
            at = polar(
                45 * slot + (14 if slot == 4 else 0), 157 if on else 138 if slot == 4 else 139 if slot == 8 else 148
            )
            directory = "" if part.directory is None else display(part.directory)
            if self.survey.pizza:
                label = str(part.number)
                says = f"Slice {part.number}" + (f", {directory}" if directory else ", nothing")
            else:
                label = rim(directory, 84) if directory else ""
                says = directory or "an empty place"
            files = self.count(part)
            says += f", {counted(files, 'file')}" + (", chosen" if on else "")
            out.append(
                Place(
                    part.number,
                    slot,
                    directory,
                    label,
                    at.x,
                    at.y,
                    wedge(slot, 134),
                    href(part.number),
                    on,
                    files,
                    says,
                )
            )
        return tuple(sorted(out, key=lambda place: place.number))

    def count(self, part: Slice) -> int:
        """Files that one sees in the slice."""
        swept = part.number in self.swept
        total = 0 if swept else part.files
        for path, node in self.above[part.number].items():
            below = None if swept else self.subject.union.lookup(path)
            total += (node.kind not in ("whiteout", "dir")) - (below is not None and below.entry.kind != "dir")
        return max(0, total)


def rim(directory: str, room: float) -> str:
    """A directory's path, or its end, as it fits on the plate's rim."""
    if width(directory, "mono", 11.5) <= room:
        return directory
    parts = directory.split("/")
    short = "…/" + parts[-1]
    return short if width(short, "mono", 11.5) <= room else cut(parts[-1], room, "mono", 11.5)


def _depth(part: Slice) -> int:
    """How many slashes the path of a name right below the directory has."""
    return part.directory.count(b"/") + 1 if part.directory else 0
