"""The rows of the stack: titles, sizes, beads and discs, each at its height."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.digest import Digest, short
from engine.events import display
from web.picture import commits
from web.picture import stack as planner
from web.picture.geometry import PIN, TILT, slab, wedges
from web.picture.plan import Table
from web.picture.subject import Blob, Subject
from web.picture.survey import Slice
from web.picture.toppings import drawing
from web.picture.view import Bead, Disc, Lying, Mark, Part, Row, State, Surface
from web.picture.words import command, counted, cut, ingredient_title, listed, size, title, width

NAME_AT = 88.0
COLUMN = 246.0
_THICK = {"dough": 17.0, "sauce": 8.0, "cheese": 6.0, "plain": 11.0, "dip": 13.0}
_BUNDLED = 22.0
"""How thick layers that are gathered are drawn at most: more would meet the row below."""
_RELEASES = (b"etc/os-release", b"usr/lib/os-release")


@dataclass
class Writer:
    """Writes rows for one subject: its table, its blobs, and where their links lead."""

    subject: Subject
    table: Table
    blobs: Mapping[Digest, Blob]
    tints: Sequence[str]
    chosen: int | None
    href: Callable[[int], str]
    page: Callable[[Digest], str]

    def titles(self) -> list[str]:
        """A name for each layer, bottom first."""
        rows = {step.layer: step for step in self.subject.steps if step.layer is not None}
        return [
            self._title(n, rows[n].created_by if n in rows else "", rows[n].comment if n in rows else "")
            for n in range(self.count)
        ]

    @property
    def count(self) -> int:
        return len(self.subject.layers)

    def _title(self, layer: int, created_by: str, comment: str) -> str:
        if layer in self.subject.committed:
            return commits.TITLE
        words = self._words(layer)
        if len(words) == 1:
            return words[0]
        if words:
            return comment.strip() or (
                " and ".join(words) if len(words) == 2 else f"{words[0]} and {len(words) - 1} more"
            )
        index = self.subject.union.layers[layer]
        for path in _RELEASES:
            entry = index.entries.get(path)
            if entry is not None and entry.kind == "file" and entry.size < 4096:
                for line in index.read(entry).decode("utf-8", "replace").splitlines():
                    if line.startswith("NAME="):
                        return line[5:].strip("\"'").split("/")[0].replace(" Linux", "").replace(" GNU", "")
        return title(created_by, comment)

    def _words(self, layer: int) -> list[str]:
        """The ingredients that a layer brings to numbered slices, where they are few; napkins last."""
        out: dict[str, bool] = {}
        for part in self.table.slices:
            if self.table.named(part):
                for name, by in part.names.items():
                    if by.get(layer, -1) >= 0:
                        look = drawing(name)
                        word = ingredient_title(look.word if look.edible else name.decode("utf-8", "replace"))
                        out.setdefault(word, False)
                    elif layer in by:
                        out.setdefault("Napkin", True)
        words = sorted(out, key=lambda word: out[word])
        return words if len(words) <= 6 else []

    def unpacked(self, layer: int) -> int:
        return self.subject.union.layers[layer].unpacked

    def write(
        self, plan: Sequence[planner.Row], titles: Sequence[str], *, each: float, dense: bool, lens: bool
    ) -> list[Row]:
        """Rows, top first, for `plan` (bottom first)."""
        return [self._row(row, titles, dense=dense, lens=lens, each=each) for row in reversed(plan)]

    def _row(self, plan: planner.Row, titles: Sequence[str], *, dense: bool, lens: bool, each: float) -> Row:
        cards = tuple(command(self.subject.steps[i].created_by) or self.subject.steps[i].comment for i in plan.cards)
        if plan.kind == "cards":
            return self._cards(plan, cards)
        parts = tuple(self._part(n) for n in plan.layers)
        amount = sum(part.unpacked for part in parts)
        strip = lens and plan.kind == "bundle"
        beads, files = ([], "") if strip else self._beads(plan.layers)
        pin = None if strip else _strongest(beads) or (self._tallied(plan.layers) if files else None)
        number = plan.layers[0] + 1 if lens and plan.kind == "layer" else None
        if plan.kind == "layer":
            name, words = titles[plan.layers[0]], self._command(plan.layers[0])
        else:
            name = f"Layers {plan.layers[0] + 1} to {plan.layers[-1] + 1}"
            words = counted(len(plan.layers), "layer") if lens else ", ".join(titles[n] for n in reversed(plan.layers))
        says = self._says(plan, name, words, parts, amount, beads, files)
        if cards:
            label = f"+ {counted(len(cards), 'recipe card')}, 0 B"
            words = label if plan.kind == "layer" else f"{words} {label}"
        figure = width(size(amount), "bold", 15) + 8
        flows = lens or not self.table.survey.pizza or plan.kind == "bundle"
        column = 0.0 if not flows else 30.0 if number else 0.0
        column = column if flows else NAME_AT
        title = cut(name, COLUMN - column - figure, "serif", 16)
        beads, after = beads[:3], 0.0
        if flows:
            after = column + width(title, "serif", 16) + 12
            left = COLUMN - figure - after
            if left < 16 + 10 * len(beads) + width(files, "bold", 13):
                files = ""
                beads = beads[:1] if left > 12 else []
        space = COLUMN - width(size(amount), "bold", 21) - 10
        if plan.kind == "bundle" and width(name, "serif", 22) > space:
            name = name.removeprefix("Layers ")  # the numbers are the point of it
        large = cut(name, space, "serif", 22)
        trail = round(width(large, "serif", 19) + 12, 1)
        trail = trail if pin and trail + 8 < COLUMN - width(size(amount), "bold", 18) - 8 else 0.0
        digits = width(short(parts[0].digest), "mono", 11.5) + 10 if plan.kind == "layer" else 0
        ours = plan.kind == "layer" and plan.layers[0] in self.subject.committed and not cards
        words = commits.fitted(words, COLUMN - digits) if ours else words
        kind, lying, tint = self._disc(plan.layers, lens)
        thick = min(13.0, each * 0.42) if lens else _THICK.get(kind, 4.0)
        thick = min(_BUNDLED, 4.0 * len(parts)) if kind == "bundle" else thick
        level = round(plan.y - PIN.y * TILT, 1)
        disc = Disc(kind, level, tint, lying, 104.0 if lens else 128.0, thick, self._face(plan.layers))
        return Row(
            plan.kind,
            plan.y,
            plan.y,
            title,
            large,
            trail,
            column,
            round(after, 1),
            cut(words, COLUMN - digits, *(("sans", 12) if ours else ("mono", 11.5))),
            amount,
            says,
            self.href(plan.layers[len(plan.layers) // 2]),
            self.chosen in plan.layers,
            parts,
            cards,
            tuple(beads),
            files,
            pin,
            disc,
            number,
            dense,
            self._marks(plan) if strip else (),
            plan.low,
            plan.high,
            ours,
        )

    def _marks(self, plan: planner.Row) -> tuple[Mark, ...]:
        """The chosen slice in a strip: a bead for each layer that meets it."""
        out = []
        for at, layer in enumerate(plan.layers):
            beads = self._beads([layer])[0]
            found = _strongest(beads) or self._tallied([layer])
            if found and found.state != "whiteout":
                out.append(
                    Mark(
                        round(plan.low - (plan.low - plan.high) * (at + 0.5) / len(plan.layers), 1), found.state, layer
                    )
                )
        return tuple(out)

    def _cards(self, plan: planner.Row, cards: tuple[str, ...]) -> Row:
        words = (
            cards[-1]
            if len(cards) == 1
            else ", ".join(dict.fromkeys(card.split(" ", 1)[0] for card in reversed(cards)))
        )
        label = "recipe card" if len(cards) == 1 else f"{len(cards)} recipe cards"
        room = 205 - width(label, "sans", 13) - 10
        says = f"{counted(len(cards), 'recipe card')} of 0 B, metadata and no layer: {'; '.join(reversed(cards))}."
        return Row(
            "cards",
            plan.y,
            plan.y,
            label,
            label,
            0,
            0,
            0,
            cut(words, room, "mono", 11.5),
            0,
            says,
            "",
            False,
            (),
            cards,
        )

    def _part(self, layer: int) -> Part:
        made = self.subject.layers[layer]
        return Part(
            layer,
            made.digest,
            made.size,
            self.unpacked(layer),
            self.tints[layer],
            self.href(layer),
            self.page(made.digest),
        )

    def _command(self, layer: int) -> str:
        if layer in self.subject.committed:
            return commits.line(self.subject.union, layer)
        return next((command(s.created_by) for s in self.subject.steps if s.layer == layer), "")

    def _beads(self, layers: Sequence[int]) -> tuple[list[Bead], str]:
        """The chosen slice in these layers: a bead for each name, or words where there are many."""
        part = self.table.slices[self.table.chosen - 1]
        if part.directory is None:
            return [], ""
        if self.table.named(part):
            beads = [bead for layer in layers for bead in self.table.beads(part, layer)]
            return beads, counted(len(beads), "file") if len(beads) > 1 else ""
        focus = self._focus(layers)
        if focus:
            return focus, ""
        if self.table.above[part.number]:
            return [], ""
        tallies = [part.tallies[n] for n in layers if n in part.tallies]
        files = sum(t.seen + t.hidden for t in tallies)
        return [], counted(files, "file") if files else ""

    def _focus(self, layers: Sequence[int]) -> list[Bead]:
        """What the container's changes in a big slice are over."""
        part = self.table.slices[self.table.chosen - 1]
        out = []
        for path in self.table.above[part.number]:
            states = self.table.answers(path)
            for layer in layers:
                state = states[layer]
                if state != "absent":
                    covered: State = "hidden" if state == "seen" else state
                    out.append(Bead(_name(path), display(path), covered, layer))
        return out[:2]

    def _tallied(self, layers: Sequence[int]) -> Bead | None:
        part = self.table.slices[self.table.chosen - 1]
        states = [part.tallies[n].state for n in layers if n in part.tallies]
        strongest = min((s for s in states if s != "absent"), key=STRENGTH.index, default=None)
        return Bead("", "", strongest, layers[0]) if strongest else None

    def _disc(self, layers: Sequence[int], lens: bool) -> tuple[str, Lying, str]:
        tint = self.tints[layers[0]]
        if len(layers) > 1:
            return "bundle", Lying() if self._face(layers) == "dip" else self.table.disc(layers[-1])[1], tint
        kind, lying = self.table.disc(layers[0])
        if lens:
            slots = [self.table.slot(part.number) for part in self.table.slices if self._lies(part, layers[0])]
            scoop = Surface("scoop", wedges(slots, 100), slab(slots, 100, 10)) if slots else None
            return "dip", replace(lying, surfaces=(scoop,) if scoop else (), dipped=()), tint
        return kind, lying, tint

    def _face(self, layers: Sequence[int]) -> str:
        """What one sees on top of layers that are gathered: a dip's paste, or the topmost one's surface."""
        if len(layers) == 1:
            return ""
        tall = self.table.survey.pizza and self.count > planner.MANY
        return "dip" if tall else self.table.disc(layers[-1])[0]

    def _lies(self, part: Slice, layer: int) -> bool:
        """Whether a layer has files in a slice."""
        tally = part.tallies.get(layer)
        return tally is not None and bool(tally.seen + tally.hidden)

    def _says(
        self,
        plan: planner.Row,
        name: str,
        words: str,
        parts: Sequence[Part],
        amount: int,
        beads: Sequence[Bead],
        files: str,
    ) -> str:
        content = sum(part.content for part in parts)
        if plan.kind == "layer":
            says = (
                f"Layer {plan.layers[0] + 1} of {self.count}: {name}, {words}; "
                if words
                else f"Layer {plan.layers[0] + 1} of {self.count}: {name}; "
            )
        else:
            says = f"{name} of {self.count}; "
        says += f"{size(amount)} unpacked, {size(content)} content."
        place = f"slice {self.table.chosen}" if self.table.survey.pizza else "the chosen slice"
        if beads and not files:
            says += f" In {place}: {listed([f'{bead.name} {_STATES[bead.state]}' for bead in beads])}."
        elif files:
            says += f" In {place}: {files}."
        users = dict.fromkeys(
            user for part in parts for user in (self.blobs[part.digest].users if part.digest in self.blobs else ())
        )
        others = [user for user in users if user != self.subject.key]
        if others:
            says += f" Used by {listed(list(users))}, stored once."
        return says


def _name(path: bytes) -> str:
    return path.rsplit(b"/", 1)[-1].decode("utf-8", "replace")


_STATES = {"seen": "seen", "hidden": "hidden", "whiteout": "a whiteout"}


STRENGTH: Final[tuple[State, ...]] = ("seen", "hidden", "whiteout")


def _strongest(beads: Sequence[Bead]) -> Bead | None:
    return min(beads, key=lambda bead: STRENGTH.index(bead.state), default=None)


def tints(subject: Subject, table: Table) -> list[str]:
    """A colour for each layer: its ingredient's where it has one, else one of eight that no near layer has."""
    out: list[str] = []
    for position, layer in enumerate(subject.layers):
        word = _word(table, position)
        if not word:
            start = int(layer.digest.rsplit(":", 1)[-1][:4], 16) % 8
            near = out[-5:]
            word = next(
                (f"c{(start + i) % 8 + 1}" for i in range(8) if f"c{(start + i) % 8 + 1}" not in near), f"c{start + 1}"
            )
            if subject.layers[:position] and layer.digest in {other.digest for other in subject.layers[:position]}:
                word = out[[other.digest for other in subject.layers].index(layer.digest)]
        out.append(word)
    return out


def _word(table: Table, layer: int) -> str:
    """The colour word of the ingredient that a layer brings most of."""
    best: dict[str, int] = {}
    for part in table.slices:
        if not table.named(part):
            continue
        for name, by in part.names.items():
            if by.get(layer, -1) >= 0:
                look = drawing(name)
                if look.edible:
                    best[look.word] = best.get(look.word, 0) + by[layer]
    return max(best, key=lambda word: best[word], default="")
