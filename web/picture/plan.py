"""The pie from above and the same slices on each disc: what lies where, and what a napkin hides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from engine.events import display
from web.picture.geometry import RADIUS, Spot, dice, polar, scatter, slab, wedge, wedges
from web.picture.sliced import Sliced
from web.picture.stack import MANY
from web.picture.survey import DOTS, File, Slice, Survey
from web.picture.toppings import Topping
from web.picture.view import Dot, Lying, Napkin, Piece, Surface

_TALL = {"dough": 12.0, "sauce": 4.0, "cheese": 4.0}
_RIM = {"dough": 1.0, "sauce": 0.875, "cheese": 0.845}


class Table(Sliced):
    """A sliced subject laid out: what one sees from above, and what lies on each disc."""

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
        if len(self.subject.layers) <= MANY:
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
            reach = max(4.0, self._radius(gone[file.path].size)) if mine else radius
            out.append(Dot(at.x, at.y, reach, self.tint(None if mine else file.layer), mine))
        if layer in (-1, None):
            out += self._new_dots(part, slot, layer)
        return out

    def _new_dots(self, part: Slice, slot: int, layer: int | None) -> list[Dot]:
        """The container's own files that are not among the largest below."""
        known = {file.path for file in part.largest} if layer == -1 else set()
        out = []
        fresh = [
            (p, n) for p, n in self.above[part.number].items() if p not in known and n.kind not in ("whiteout", "dir")
        ]
        for path, node in sorted(fresh, key=lambda item: -item[1].size)[:DOTS]:
            at = (self.spot_of(path) or Spot(0, 65)).at(slot)
            least = 4.0 if layer == -1 else 8.0
            out.append(Dot(at.x, at.y, max(least, self._radius(node.size)), self.tint(None), True))
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


_strewn: dict[tuple[int, int], tuple[Survey, list[tuple[Spot, float, File]]]] = {}


def _ordered(surfaces: Mapping[str, Iterable[int]]) -> list[tuple[str, list[int]]]:
    """Dough below sauce below cheese, whatever layer brought them."""
    return [(kind, list(surfaces[kind])) for kind in ("dough", "sauce", "cheese") if kind in surfaces]
