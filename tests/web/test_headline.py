"""The sentence for what just happened: made from events, with their very numbers."""

from __future__ import annotations

import pytest

from engine import events as facts
from engine.digest import Digest
from engine.events import Event
from web.headline import headline, together
from web.sentence import listed, plain, size

D = Digest("sha256:" + "a" * 64)
C = "c" * 64


def pulled(fresh: bool = True, sent: int = 24_000) -> Event:
    return facts.ImagePulled(
        reference="pizza/pepperoni:latest", canonical="", digest=D, image=D, fresh=fresh, sent=sent, avoided=0
    )


REUSED = facts.LayerReused(digest=D, diff_id=D, size=1, unpacked=1)
LAYER = facts.LayerPulled(digest=D, diff_id=D, size=1, unpacked=1)
COPIED = facts.FileCopiedUp(container=C, path="/pizza/slice-3/crust", kind="file", size=65536, layer=0, cause="write")
TOO = facts.FileCopiedUp(container=C, path="/pizza/slice-4/crust", kind="file", size=65536, layer=0, cause="write")
PARENT = facts.FileCopiedUp(container=C, path="/pizza", kind="dir", size=0, layer=0, cause="write")
WRITTEN = facts.FileWritten(container=C, path="/pizza/slice-3/crust", written=11, size=65547)
NEW = facts.FileCreated(container=C, path="/pizza/slice-3/jalapenos", kind="file")
HIDDEN = facts.PathWhitedOut(container=C, path="/pizza/slice-1/pepperoni", kind="file", size=3000, layer=3)
STARTED = facts.ContainerStarted(container=C, name="pizza-1")
MADE = facts.ContainerCreated(container=C, name="pizza-1", image=D)
COMMITTED = facts.ImageCommitted(container=C, image=D, reference="mine:latest")
STORED = facts.LayerCommitted(container=C, digest=D, diff_id=D, size=20_000, unpacked=65_600)


def ended(code: int = 0) -> Event:
    return facts.ContainerStopped(container=C, name="pizza-1", exit_code=code)


def gone(unpacked: int) -> Event:
    return facts.ContainerRemoved(container=C, name="pizza-1", unpacked=unpacked)


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (
            [REUSED] * 3 + [facts.LayerPulled(digest=D, diff_id=D, size=5_110, unpacked=9_000), pulled(sent=8_300)],
            "Three layers already here. Only one layer travelled: 5.11 kB, and 3.19 kB of papers.",
        ),
        ([REUSED] * 3 + [pulled(sent=900)], "Every layer already here. Pepperoni cost 900 bytes of papers, sent."),
        ([LAYER] * 3 + [pulled(sent=250_000)], "Pepperoni arrived: three layers, 250 kB sent."),
        ([LAYER] * 100 + [pulled()], "Pepperoni arrived: one hundred layers, 24 kB sent."),
        ([pulled(fresh=False, sent=900)], "Pepperoni is up to date. Only its manifest was sent: 900 bytes."),
        ([MADE, STARTED], "pizza-1 is open, and nothing was copied."),
        ([MADE], "pizza-1 is made, not started, and nothing was copied."),
        ([MADE, STARTED, ended()], "pizza-1 ran and ended. Nothing was copied."),
        ([MADE, STARTED, ended(3)], "pizza-1 ran and ended with code 3. Nothing was copied."),
        ([MADE, STARTED, ended(), gone(0)], "pizza-1 ran, ended and is gone again. Nothing was copied."),
        (
            [MADE, STARTED, PARENT, COPIED, WRITTEN, ended(), gone(65_547)],
            "pizza-1 ran, ended and is gone again, its 65.5 kB with it.",
        ),
        ([STARTED, ended()], "pizza-1 ran again and ended. Its changes stay in it."),
        ([STARTED], "pizza-1 is open again, as it was left."),
        ([PARENT, COPIED, WRITTEN], "You changed 11 bytes. The whole 65.5 kB crust file was copied up."),
        ([PARENT, NEW], "You added jalapenos: 0 bytes. New files copy nothing."),
        ([PARENT, HIDDEN], "A whiteout hides pepperoni. Its 3 kB stay in layer 4."),
        ([COPIED, TOO, HIDDEN], "Two whole files copied up, 131 kB, one path hidden."),
        ([STORED, COMMITTED], "mine adds one layer: 65.6 kB unpacked, 20 kB stored; the rest stays shared."),
        ([COMMITTED], "Nothing had changed, so no layer was added."),
        ([facts.Wrote(text="hello")], ""),
        ([], ""),
    ],
)
def test_the_sentence_says_what_the_events_say(events: list[Event], sentence: str) -> None:
    assert plain(headline(events)) == sentence


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (4, "Four layers shared: 298 kB stored once."),
        (1, "One layer shared: 298 kB stored once."),
        (0, "No layer is in both: nothing is shared."),
    ],
)
def test_what_two_side_by_side_have_in_common_is_told(layers: int, sentence: str) -> None:
    assert plain(together(layers, 298_000 if layers else 0)) == sentence


def test_what_was_done_and_what_it_cost_are_told_apart() -> None:
    roles = {piece.text: piece.role for piece in headline([COPIED, WRITTEN]) if piece.role}
    assert roles == {"11 bytes": "did", "65.5 kB": "cost"}


def test_names_are_listed_as_far_as_they_can_be_read() -> None:
    names = ["a", "b", "c", "d", "e"]
    assert [listed(names[:n]) for n in range(6)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
        "a, b and 2 more",
        "a, b and 3 more",
    ]


def test_a_size_in_a_sentence_has_a_space_before_its_unit() -> None:
    assert [size(n) for n in (0, 1, 11, 999, 65_536, 4_810_000)] == [
        "0 bytes",
        "1 byte",
        "11 bytes",
        "999 bytes",
        "65.5 kB",
        "4.81 MB",
    ]
