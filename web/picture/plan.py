"""The pie from above and the same slices on each disc: what lies where, and what a napkin hides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from engine.events import display
from engine.union import Bead as Answer
from web.picture.geometry import RADIUS, Spot, dice, polar, scatter, slab, slot_of, wedge, wedges
from web.picture.subject import Above, Subject
from web.picture.survey import DOTS, FEW, File, Slice, Survey, covers, survey
from web.picture.toppings import Topping, arrange
from web.picture.view import Bead, Dot, Lying, Napkin, Piece, Place, State, Surface
from web.picture.words import counted, cut, width

_TALL = {"dough": 12.0, "sauce": 4.0, "cheese": 4.0}
_RIM = {"dough": 1.0, "sauce": 0.875, "cheese": 0.845}


@dataclass
class Table:
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

    # Lying on the plan

    def places(self, href: Callable[[int], str]) -> tuple[Place, ...]:
        """The eight slices as controls."""
        out = []
        for part in self.slices:
            slot, on = self.slot(part.number), part.number == self.chosen
            at = polar(
                45 * slot + (14 if slot == 4 else 0), 157 if on else 138 if slot == 4 else 142 if slot == 8 else 148
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
        total = part.files
        for path, node in self.above[part.number].items():
            below = self.subject.union.lookup(path)
            total += (node.kind not in ("whiteout", "dir")) - (below is not None and below.entry.kind != "dir")
        return max(0, total)

    def pie(self) -> tuple[Lying, Lying]:
        """What one sees from above: on the seven slices at rest, and on the chosen one."""
        rest = [part for part in self.slices if part.number != self.chosen]
        front = [part for part in self.slices if part.number == self.chosen]
        return self._seen(rest), self._seen(front)

    def whole(self) -> Lying:
        """All eight slices as seen from above, none moved out."""
        return self._seen(list(self.slices))

    def _covered(self, part: Slice, name: bytes) -> bool:
        """Whether a napkin lies there as seen from above: the container's own, or in a small stack any."""
        if len(self.subject.layers) <= 12:
            return True
        return part.number in self.swept or any(part.name_of(path) == name for path in self.above[part.number])

    def _seen(self, parts: list[Slice]) -> Lying:
        surfaces: dict[str, list[int]] = {}
        pieces: list[Piece] = []
        dots: list[Dot] = []
        napkins: list[Napkin] = []
        dipped: list[int] = []
        for part in parts:
            slot = self.slot(part.number)
            if not self.named(part):
                dots += self._dots(part, slot)
                continue
            for name, topping in self.toppings[part.number].items():
                if name in self.hidden[part.number]:
                    if self._covered(part, name):
                        napkins.append(self._napkin(part, topping, slot))
                elif topping.surface:
                    surfaces.setdefault(topping.surface, []).append(slot)
                    if topping.surface == "dough" and self._again(part, name):
                        dipped.append(slot)
                else:
                    pieces += self._pieces(part, topping, slot)
        ordered = [Surface(kind, self._clip(slots, len(parts), kind)) for kind, slots in _ordered(surfaces)]
        return Lying(tuple(ordered), tuple(pieces), tuple(dots), tuple(napkins), tuple(dipped))

    def _clip(self, slots: list[int], parts: int, kind: str) -> str:
        return "" if len(slots) == parts else wedges(sorted(slots), RADIUS * _RIM.get(kind, 1) + 6)

    def _again(self, part: Slice, name: bytes) -> bool:
        """Whether a file is not the first of its name: the upper has copied it, or an upper layer has."""
        path = (part.directory or b"") + b"/" + name
        node = self.above[part.number].get(path)
        below = part.names.get(name, {})
        if node is not None and node.kind == "file" and below:
            return self.subject.changed(path) != 0
        found = self.subject.union.lookup(path)
        return bool(found and found.hides)

    def _pieces(self, part: Slice, topping: Topping, slot: int) -> list[Piece]:
        path = display((part.directory or b"") + b"/" + topping.name)
        chance = dice(topping.name, part.number, "turn")

        out = []
        for spot in topping.spots:
            at = spot.at(slot)
            symbol = chance.choice(topping.drawing.symbols)
            out.append(
                Piece(symbol, at.x, at.y, round(topping.radius, 1), chance.randrange(-30, 31), path, topping.tint)
            )
        return out

    def _napkin(self, part: Slice, topping: Topping, slot: int) -> Napkin:
        path = display((part.directory or b"") + b"/" + topping.name)
        turn = dice(topping.name, part.number).randrange(-24, 25)
        if topping.surface:
            at = polar(45 * slot, 74 if topping.surface != "dough" else 92)
            return Napkin(at.x, at.y, 50, turn, path, (), wedge(slot, RADIUS * _RIM[topping.surface] - 8))
        circles = tuple((*spot.at(slot), topping.radius * 0.82) for spot in topping.spots)
        x = sum(c[0] for c in circles) / len(circles)
        y = sum(c[1] for c in circles) / len(circles)
        reach = max(((c[0] - x) ** 2 + (c[1] - y) ** 2) ** 0.5 + c[2] for c in circles)
        return Napkin(round(x, 1), round(y, 1), round(min(74, max(30, reach * 1.75)), 1), turn, path, circles)

    def _dots(self, part: Slice, slot: int, layer: int | None = -1) -> list[Dot]:
        """The slice's largest files; of one layer, or of all (-1). Each lies where it lies in every layer."""
        out = []
        gone = self.above[part.number]
        for spot, radius, file in self._strewn(part):
            if layer not in (-1, file.layer):
                continue
            mine = file.path in gone and layer == -1
            if mine and gone[file.path].kind == "whiteout":
                continue
            at = spot.at(slot)
            out.append(Dot(at.x, at.y, radius, self.tint(None if mine else file.layer)))
        if layer in (-1, None):
            out += self._new_dots(part, slot)
        return out

    def _new_dots(self, part: Slice, slot: int) -> list[Dot]:
        known = {file.path for file in part.largest}
        out = []
        fresh = [
            (p, n) for p, n in self.above[part.number].items() if p not in known and n.kind not in ("whiteout", "dir")
        ]
        for path, node in sorted(fresh, key=lambda item: -item[1].size)[:DOTS]:
            spot = scatter((), 5, dice(path), near=45, far=86)
            at = spot.at(slot)
            out.append(Dot(at.x, at.y, max(2.4, self._radius(node.size)), self.tint(None)))
        return out

    def spot_of(self, path: bytes) -> Spot | None:
        """Where a changed file's dot lies in its slice."""
        part = self.survey.slice_of(path)
        if part is None:
            return None
        for spot, _, file in self._strewn(part):
            if file.path == path:
                return spot
        return scatter((), 5, dice(path), near=45, far=86)

    def _radius(self, size: int) -> float:
        most = 9.5 if self.survey.files > 150 else 13.0
        return round(max(1.5, most * math.sqrt(size / self.survey.largest)), 1)

    def _strewn(self, part: Slice) -> list[tuple[Spot, float, File]]:
        kept = _strewn.get((id(self.survey), part.number))
        if kept is not None and kept[0] is self.survey:
            return kept[1]
        taken: list[tuple[Spot, float]] = []
        out = []
        for file in part.largest:
            radius = self._radius(file.size)
            spot = scatter(taken[-40:], radius, dice(file.path), near=30, far=97)
            taken.append((spot, radius))
            out.append((spot, radius, file))
        if len(_strewn) > 200:
            _strewn.clear()
        _strewn[id(self.survey), part.number] = (self.survey, out)
        return out

    # Lying on a disc

    def disc(self, layer: int | None) -> tuple[str, Lying]:
        """What one layer has, and the kind of disc it makes."""
        surfaces: dict[str, list[int]] = {}
        pieces: list[Piece] = []
        dots: list[Dot] = []
        napkins: list[Napkin] = []
        dipped: list[int] = []
        for part in self.slices:
            slot = self.slot(part.number)
            if not self.named(part):
                dots += self._dots(part, slot, layer)
                continue
            for name, topping in self.toppings[part.number].items():
                if not self._speaks(part, name, layer):
                    continue
                state = self.state(part, name, layer)
                if state is None:
                    continue
                if state == "whiteout":
                    napkins.append(self._napkin(part, topping, slot))
                elif topping.surface:
                    surfaces.setdefault(topping.surface, []).append(slot)
                    first = min((n for n, size in part.names.get(name, {}).items() if size >= 0), default=layer)
                    if topping.surface == "dough" and first != layer and self._differs(part, name, layer):
                        dipped.append(slot)
                else:
                    pieces += self._pieces(part, topping, slot)
        full = [kind for kind, slots in surfaces.items() if len(slots) == 8]
        lying = Lying(
            tuple(
                Surface(
                    kind,
                    wedges(sorted(slots), RADIUS * _RIM[kind] + 6),
                    slab(slots, RADIUS * _RIM[kind] - 1, _TALL[kind]),
                )
                for kind, slots in _ordered(surfaces)
                if kind not in full
            ),
            tuple(sorted(pieces, key=lambda piece: piece.y)),
            tuple(dots),
            tuple(napkins),
            tuple(dipped),
        )
        if full:
            return _ordered({kind: [] for kind in full})[-1][0], lying
        return ("toppings" if self.survey.pizza and not dots else "plain"), lying

    def _speaks(self, part: Slice, name: bytes, layer: int | None) -> bool:
        if layer is not None:
            return layer in part.names.get(name, {})
        mine = any(part.name_of(path) == name for path in self.above[part.number])
        return mine or (part.number in self.swept and name in part.names)

    def _differs(self, part: Slice, name: bytes, layer: int | None) -> bool:
        path = (part.directory or b"") + b"/" + name
        return layer is not None or self.subject.changed(path) != 0


def rim(directory: str, room: float) -> str:
    """A directory's path, or its end, as it fits on the plate's rim."""
    if width(directory, "mono", 11.5) <= room:
        return directory
    parts = directory.split("/")
    short = "…/" + parts[-1]
    return short if width(short, "mono", 11.5) <= room else cut(parts[-1], room, "mono", 11.5)


_strewn: dict[tuple[int, int], tuple[Survey, list[tuple[Spot, float, File]]]] = {}


def _ordered(surfaces: Mapping[str, Iterable[int]]) -> list[tuple[str, list[int]]]:
    """Dough below sauce below cheese, whatever layer brought them."""
    return [(kind, list(surfaces[kind])) for kind in ("dough", "sauce", "cheese") if kind in surfaces]


def _depth(part: Slice) -> int:
    """How many slashes the path of a name right below the directory has."""
    return part.directory.count(b"/") + 1 if part.directory else 0
