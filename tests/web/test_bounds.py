"""Whatever a command did, what everybody is sent of it is bounded, and so is what is remembered of it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from engine import events as facts
from engine.digest import Digest
from engine.events import Event
from tests.web.given import Visitor
from web import motion, state, terminals
from web.motion import PLAYED
from web.timeline import COMMAND_MAX

PAGE = 600_000
"""Bytes of a page; an ordinary one has about 150,000."""
STATE = 900_000
"""Bytes of state.json."""
LONG = "0123456789" * 25
"""Nearly as long as a name may be."""
D = Digest("sha256:" + "a" * 64)
C = "c" * 64

LARGE = {
    "files": ["mkdir /d; cd /d; touch {1..3000}"],
    "long names": [f"mkdir -p /{LONG}/{LONG}/{LONG}; cd /{LONG}/{LONG}/{LONG}; touch {LONG}.{{1..700}}"],
    "names that are no text": ["mkdir /d; cd /d; touch {1..700}$(printf %0240d | tr 0 '\\377')"],
    "whiteouts": ["rm -r /pizza/*; touch /pizza/slice-{1..8}; rm -r /pizza"],
    "writes": ["for n in {1..1000}; do echo $n >> /pizza/slice-3/crust; done"],
    "output": ["touch /f; for n in {1..1500}; do echo $n a line of output; echo and of errors >&2; done"],
    "long commands": [f"echo > /f{n}; : '{'<&>' * 5000}'" for n in range(15)],
}


@pytest.fixture(params=LARGE)
def large(request: pytest.FixtureRequest, visitor: Visitor) -> Visitor:
    """A kitchen in which somebody did much at once."""
    visitor.type("pull pizza/pepperoni")
    visitor.type("run -d --name pp pizza/pepperoni")
    for script in LARGE[request.param]:
        visitor.type(f"exec -w / pp sh -c {shlex.quote(script)}")
        assert visitor.said().status == 0
    return visitor


def moving(page: str) -> tuple[list[dict[str, Any]], int]:
    """What a page plays, and how much more there was."""
    (found,) = re.findall(r'id="events" data-rest="(\d+)">([^<]*)</script>', page)
    return json.loads(found[1]), int(found[0])


def test_a_page_is_bounded_whatever_a_command_did(large: Visitor) -> None:
    here = json.loads(large.state())["state"]
    for path in (f"/k/{large.kitchen}", f"/s/{here}", f"/k/{large.kitchen}?slice=3"):
        page = large.get(path).get_data(as_text=True)
        assert len(page.encode()) < PAGE
        events, rest = moving(page)
        assert len(events) + rest > 0
        assert len(events) <= motion.COUNT
        assert len(json.dumps(events)) < 2 * motion.BYTES


def test_state_json_is_bounded_and_counts_what_it_leaves_out(large: Visitor) -> None:
    document = large.state()
    assert len(document) < STATE
    found = json.loads(document)
    assert len(found["events"]) <= state.LISTED
    assert found["happened"] >= len(found["events"]) > 0
    (container,) = found["containers"]
    assert container["changed"] >= len(container["changes"]) > 0


def test_what_a_terminal_remembers_of_a_command_does_not_grow_with_what_it_did(visitor: Visitor) -> None:
    events = [facts.FileCreated(container=C, path=f"/d/{n}", kind="file") for n in range(5000)]
    kept = terminals.line("touch", "x" * 50_000, "y" * 50_000, 0, events)
    assert kept.changed
    assert len(repr(kept)) < 3 * terminals.TEXT_MAX


def test_a_terminal_keeps_its_last_lines_as_far_as_there_is_room() -> None:
    kept = terminals.Terminals()
    for n in range(terminals.LINES + 5):
        kept.show("k", terminals.line(f"command {n}", "x", "", 0))
    assert [one.command for one in kept.lines("k")] == [f"command {n}" for n in range(5, terminals.LINES + 5)]
    for _ in range(terminals.LINES):
        kept.show("k", terminals.line("much", "x" * terminals.TEXT_MAX, "", 0))
    shown = kept.lines("k")
    assert sum(one.length for one in shown) <= terminals.ALL_MAX < sum(one.length for one in (*shown, shown[0]))


def test_the_scrubber_has_the_beginning_of_a_long_command(visitor: Visitor) -> None:
    visitor.type("pull pizza/cheese")
    visitor.type("run -d --name box pizza/cheese")
    visitor.type(f"exec box sh -c 'touch /f; : {'y' * 5000}'")
    titles = re.findall(r'<button name="state"[^>]* title="([^"]*)"', visitor.look())
    assert max(map(len, titles)) <= COMMAND_MAX + len("&#39;") * 2


EVENTS: dict[type[Event], Event] = {
    type(event): event
    for event in (
        facts.LayerReused(digest=D, diff_id=D, size=1, unpacked=1),
        facts.LayerPulled(digest=D, diff_id=D, size=1, unpacked=1),
        facts.FileCopiedUp(container=C, path="/a", kind="file", size=1, layer=0, cause="write"),
        facts.FileCreated(container=C, path="/a", kind="dir"),
        facts.PathWhitedOut(container=C, path="/<&", kind="dir", size=1, layer=0),
        facts.LayerCommitted(container=C, digest=D, diff_id=D, size=1, unpacked=1),
        facts.ContainerCreated(container=C, name="a", image=D),
    )
}


def test_the_kinds_of_event_that_are_sent_are_those_that_have_a_motion() -> None:
    text = (Path(motion.__file__).parent.parent / "static" / "motion.js").read_text(encoding="utf-8")
    motions = text[text.index("const motions = {") : text.index("const farewells = {")]
    told = {
        name: set(re.findall(r"\w+", args)) for name, args in re.findall(r"^    ([A-Z]\w+)\(([^)]*)\)", motions, re.M)
    }
    assert set(told) == {kind.__name__ for kind in PLAYED}
    for kind, fields in PLAYED.items():
        assert told[kind.__name__] - {"from", "turn", "_event"} == set(fields)
        assert set(fields) <= set(kind.__struct_fields__)


def test_each_event_is_sent_with_what_its_motion_reads_and_no_more() -> None:
    sent = motion.motion([*EVENTS.values()])
    assert sent.rest == 0
    found = json.loads(sent.events)
    assert [one["event"] for one in found] == [kind.__name__ for kind in PLAYED]
    for one, (kind, fields) in zip(found, PLAYED.items(), strict=True):
        assert set(one) == {"event", *fields}
        assert all(one[field] == getattr(EVENTS[kind], field) for field in fields)
    assert "<" not in sent.events
    assert "&" not in sent.events


def test_what_is_not_played_is_counted_where_it_would_have_been() -> None:
    parent = facts.FileCopiedUp(container=C, path="/", kind="dir", size=0, layer=0, cause="write")
    quiet = facts.FileWritten(container=C, path="/a", written=1, size=1)
    assert motion.motion([parent, quiet]).rest == 0
    assert motion.motion([EVENTS[facts.FileCreated]] * (motion.COUNT + 7)).rest == 7
    whiteout = facts.PathWhitedOut(container=C, path="/" + "a" * 4000, kind="file", size=1, layer=0)
    sent = motion.motion([whiteout] * 20)
    assert len(sent.events) <= motion.BYTES
    assert sent.rest == 20 - len(json.loads(sent.events)) > 0
