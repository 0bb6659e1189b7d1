"""What stands around the picture: orders, time, completion, slides, the menu, and what is what."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import host as hosts
from engine.journal import Journal
from menu import LAYOUT
from web import completion, menu, orders, scene, welcome
from web.glossary import PARTS
from web.markup import colours, is_table
from web.pizza import picture
from web.scene import Looking
from web.slide import slide
from web.timeline import timeline

TEMPLATES = Path(__file__).parent.parent.parent / "templates"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, menu=LAYOUT)
    made.create("k")
    yield made
    made.close()


@pytest.fixture
def box(journal: Journal) -> Journal:
    do(journal, "pull pizza/pepperoni")
    do(journal, "run -d --name box pizza/pepperoni")
    return journal


def do(journal: Journal, line: str) -> None:
    words = shlex.split(line)
    done = journal.do("k", words[1:] if words[:1] == ["docker"] else words)
    assert done.status == 0, done.err


def groups(journal: Journal) -> list[orders.Order]:
    host = journal.head("k").host
    (container,) = host.containers.values()
    found = orders.for_container(journal.context, host, container, "/pizza/slice-3")
    return [order for group in found for order in (group.first, *group.more)]


# orders


def test_every_order_is_a_command_that_docker_takes_and_that_does_something(box: Journal) -> None:
    do(box, "exec box touch /pizza/slice-3/note")
    before = box.head("k").number
    for order in groups(box):
        box.jump("k", str(before))
        done = box.do("k", shlex.split(order.command)[1:])
        assert done.status == 0, done.err
        assert done.changed or done.out, order.command


def test_adding_a_topping_copies_nothing_and_dipping_copies_the_crust(box: Journal) -> None:
    by_label = {order.label: order.command for order in groups(box)}
    do(box, by_label["Add jalapeños"])
    do(box, by_label["Dip the crust"])
    (state,) = [scene.subject_of(box.context, box.head("k").host, "box")]
    assert state
    assert {(c.kind, c.path) for c in state.changes} >= {
        ("A", b"pizza/slice-3/jalapenos"),
        ("C", b"pizza/slice-3/crust"),
    }
    assert state.changed(b"pizza/slice-3/crust") == len("hot sauce\n")


def test_what_lies_there_is_not_offered_again_and_what_is_gone_cannot_be_picked_off(box: Journal) -> None:
    do(box, "exec box sh -c 'echo x > /pizza/slice-3/basil; rm /pizza/slice-3/pepperoni'")
    labels = {order.label for order in groups(box)}
    assert "Add basil" not in labels
    assert "Pick basil off" in labels
    assert "Pick pepperoni off" not in labels


@pytest.mark.parametrize("name", ["a 'quoted' name", "$(rm -rf x)", "-rf", "a\nb", "*", "\xe9"])
def test_a_file_of_any_name_is_handled_as_that_name(box: Journal, name: str) -> None:
    path = f"/pizza/slice-3/{name}"
    box.do("k", ["exec", "box", "sh", "-c", f"echo x > {shlex.quote(path)}"])
    offered = [order.command for order in groups(box) if order.label == f"Pick {name} off"]
    if not name.isprintable():
        assert offered == []
        return
    do(box, offered[0])
    assert name not in box.do("k", ["exec", "box", "ls", "/pizza/slice-3"]).out


@pytest.mark.parametrize("text", ["", "plain", "it's", 'a "b" $c `d` \\e\n%s %%\n', "ü\n\n"])
def test_a_new_text_is_written_exactly(box: Journal, text: str) -> None:
    do(box, orders.write("box", "/pizza/slice-3/crust", text))
    assert box.do("k", ["exec", "box", "cat", "/pizza/slice-3/crust"]).out == text


def test_a_stopped_container_offers_to_start(box: Journal) -> None:
    do(box, "stop box")
    host = box.head("k").host
    (container,) = host.containers.values()
    first = orders.for_container(box.context, host, container, "/pizza/slice-3")[0].first
    assert (first.command, first.main) == ("docker start box", True)


# who is looked at


def test_the_picture_shows_whom_the_last_command_made_else_whom_was_asked_for_else_the_newest(box: Journal) -> None:
    host = box.head("k").host
    assert scene.settle(host, Looking()).subject == "box"
    asked = Looking(subject="pizza/pepperoni:latest")
    assert scene.settle(host, asked).subject == "pizza/pepperoni:latest"
    assert scene.settle(host, asked, [*scene.made(box.head("k").events)]).subject == "box"
    assert scene.settle(host, Looking(subject="gone", beside="gone")) == Looking(subject="box")
    assert scene.settle(hosts.EMPTY, Looking()).subject == ""


@pytest.mark.parametrize("words", [{"slice": "9"}, {"slice": "x"}, {"layer": "-1"}, {"layer": "²"}, {"layer": "99999"}])
def test_an_address_that_makes_no_sense_is_as_if_it_were_not_there(words: dict[str, str]) -> None:
    assert Looking.read(words) == Looking()


def test_an_address_reads_back() -> None:
    looking = Looking("box", "pizza/cheese:latest", 5, 2)
    assert Looking.read(looking.words) == looking


def test_where_the_slice_is_gone_only_what_works_is_offered(box: Journal) -> None:
    do(box, "exec box rm -rf /pizza")
    offered = groups(box)
    assert not [order.label for order in offered if order.label.startswith(("Add", "Pick", "Dip", "What is on"))]
    again = next(order for order in offered if order.label == "Make its directory again")
    before = box.head("k").number
    for order in offered:
        box.jump("k", str(before))
        do(box, order.command)
    box.jump("k", str(before))
    do(box, again.command)
    do(box, next(order.command for order in groups(box) if order.label == "Add jalapeños"))


def test_what_is_on_the_slice_is_not_asked_of_a_container_that_is_closed(box: Journal) -> None:
    do(box, "stop box")
    assert "What is on the slice" not in [order.label for order in groups(box)]


def test_of_a_whole_tree_that_is_gone_the_tupperware_holds_one_whiteout(box: Journal) -> None:
    do(box, "exec box rm -rf /pizza")
    host = box.head("k").host
    subject = scene.subject_of(box.context, host, "box")
    tub = picture(subject, scene.blobs_of(box.context, host)).tub
    assert tub
    assert [(bead.path, bead.state) for bead in tub.beads] == [("/pizza", "whiteout")]
    assert "pizza (a napkin over the one below)" in tub.says
    assert {place.files for place in picture(subject, []).places} == {0}


def test_a_box_and_a_container_are_called_by_the_first_name_of_their_image(box: Journal) -> None:
    do(box, "tag pizza/pepperoni a.b-c/long/really-it-does:1")
    do(box, "run -d pizza/pepperoni")
    do(box, f"run -d {next(iter(box.head('k').host.images))}")
    do(box, "run -d a.b-c/long/really-it-does:1")
    host = box.head("k").host
    assert [one.name for one in host.containers.values()] == ["box", "pepperoni-1", "pepperoni-2", "really-it-does-1"]
    assert {blob.users[0] for blob in scene.blobs_of(box.context, host)} == {"pizza/pepperoni:latest"}


# time


def test_the_line_runs_through_the_head_and_on_to_what_redo_brings(box: Journal) -> None:
    do(box, "exec box rm /pizza/slice-1/pepperoni")
    do(box, "undo")
    do(box, "exec box touch /new")
    do(box, "undo")
    line = timeline(box.entries("k"), box.head("k").id)
    assert [step.when for step in line.steps] == ["past", "past", "now", "undone"]
    assert [step.label for step in line.steps] == ["empty", "pull pepperoni", "run box", "add new"]
    assert [[(way.label, way.amount) for way in step.branches] for step in line.steps] == [
        [],
        [],
        [("remove pepperoni", "0 B")],
        [],
    ]
    assert line.now == 2


def test_a_step_shows_the_bytes_that_its_events_moved(box: Journal) -> None:
    do(box, "exec box sh -c 'echo hot >> /pizza/slice-3/crust'")
    do(box, "commit box mine")
    steps = timeline(box.entries("k"), box.head("k").id).steps
    assert [step.word for step in steps] == ["", "sent", "", "copied", "stored"]
    assert steps[3].bytes == 65536
    assert steps[1].amount.endswith(" kB sent")
    assert [step.amount for step in steps[2:4]] == ["0 B", "65.5 kB copied"]
    assert steps[4].amount.endswith(" kB stored")


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("exec box rm -rf /pizza", "remove pizza"),
        ("exec box sh -c 'mkdir -p /a/b; rm -r /a /pizza/slice-1'", "add a"),
        ("rm -f box nope", "rm box"),
        ("stop nope box", "stop box"),
        ("tag pizza/pepperoni mine", "tag mine"),
        ("rmi -f nope pizza/pepperoni", "rmi pepperoni"),
    ],
)
def test_a_step_is_called_by_what_happened_not_by_what_was_typed(box: Journal, line: str, label: str) -> None:
    box.do("k", shlex.split(line))
    assert timeline(box.entries("k"), box.head("k").id).steps[-1].label == label


def test_a_state_shown_by_its_own_address_tells_only_what_led_there(box: Journal) -> None:
    do(box, "exec box touch /new")
    entries = box.entries("k")
    assert len(timeline(entries, entries[1].id).steps) == 4
    line = timeline(entries, entries[1].id, onward=False)
    assert [step.id for step in line.steps] == [entry.id for entry in entries[:2]]


# completion


@pytest.mark.parametrize(
    ("line", "word", "offered"),
    [
        ("", 0, "pull"),
        ("docker pu", 7, "pull"),
        ("hist", 0, "history"),
        ("docker image hi", 13, "history"),
        ("pull pizza/ch", 5, "pizza/cheese"),
        ("history pizza/pe", 8, "pizza/pepperoni"),
        ("diff b", 5, "box"),
        ("exec box l", 9, "ls"),
        ("exec box cat /pizza/slice-3/cr", 13, "/pizza/slice-3/crust"),
        ("exec box cat /pi", 13, "/pizza/"),
        ("exec box sh -c 'cat /pizza/slice-3/cr", 20, "/pizza/slice-3/crust"),
        ("cp box:/pizza/slice-3/cr", 3, "box:/pizza/slice-3/crust"),
        ("commit --mes", 7, "--message"),
    ],
)
def test_what_could_stand_at_the_cursor_is_offered(box: Journal, line: str, word: int, offered: str) -> None:
    start, words = completion.complete(box.context, box.head("k").host, ["pizza/cheese"], line)
    assert start == word
    assert offered in words
    assert all(one.startswith(line[start:]) for one in words)


@pytest.mark.parametrize("line", ["bake ", "exec nobody /", "exec box cat /nope/", "pull \x00", "image nope "])
def test_where_nothing_fits_nothing_is_offered(box: Journal, line: str) -> None:
    assert completion.complete(box.context, box.head("k").host, [], line)[1] == []


# the menu


def test_a_dish_tells_what_pulling_it_would_send(journal: Journal) -> None:
    dishes = {dish.name: dish for dish in menu.read(LAYOUT)}
    do(journal, "pull pizza/cheese")
    host = journal.head("k").host
    held = hosts.held(host, journal.context.images)
    promised = dishes["pizza/pepperoni"].missing(held)
    done = journal.do("k", ["pull", "pizza/pepperoni"])
    assert promised == next(e.sent for e in done.events if type(e).__name__ == "ImagePulled")
    assert dishes["pizza/cheese"].held(host)
    assert not dishes["pizza/pepperoni"].held(host)


def test_every_dish_has_a_thumbnail_on_the_sheet() -> None:
    sheet = (TEMPLATES / "symbols.svg").read_text()
    for symbol in [dish.symbol for dish in menu.read(LAYOUT)] + [part.symbol for part in PARTS]:
        assert f'id="{symbol}"' in sheet


def test_every_symbol_that_a_template_or_an_order_names_is_on_the_sheet() -> None:
    sheet = (TEMPLATES / "symbols.svg").read_text()
    named = set(re.findall(r'href="#([iokmu]-[a-z-]+)"', "".join(p.read_text() for p in TEMPLATES.glob("_*.html"))))
    named |= set(re.findall(r'"([iokmu]-[a-z-]+)"', (TEMPLATES.parent / "web" / "orders.py").read_text()))
    named |= {f"i-{orders._SYMBOLS.get(topping, topping)}" for topping in orders.TOPPINGS}
    missing = {name for name in named if f'id="{name}"' not in sheet and not name.endswith("-")}
    assert missing == set()


# what is what


def test_each_part_is_said_plainly_then_exactly_then_where_the_metaphor_ends() -> None:
    assert len({part.key for part in PARTS}) == len(PARTS)
    for part in PARTS:
        assert all(text.endswith(".") for text in (part.plain, part.exact, part.ends))


def test_it_is_said_where_already_exists_means_another_thing_than_in_classic_docker() -> None:  # rule 27a
    (menu,) = [part for part in PARTS if part.key == "menu"]
    assert all(word in menu.ends for word in ("Already exists", "by digest", "containerd", "dockerd", "chain_id"))


def test_terminal_output_is_coloured_and_escaped() -> None:
    assert str(colours("D /pizza/<b>\n")) == '<span class="D">D</span> /pizza/&lt;b&gt;\n'
    assert 'class="ae"' in colours("0123456789ab: Already exists\n")
    assert str(colours("<script>")) == "&lt;script&gt;\n"


def test_a_table_is_known_by_its_headings(box: Journal) -> None:
    for line in ("images", "ps -a", "history pizza/pepperoni", "system df", "system df -v"):
        assert is_table(box.do("k", line.split()).out), line
    for line in ("images -q", "exec box cat /pizza/slice-1/sauce", "exec box help", "diff box", "pull pizza/cheese"):
        assert not is_table(box.do("k", line.split()).out), line


# slides, and the front page


def test_a_slide_is_whole_in_itself() -> None:
    page = (
        '<section><svg class="art" viewBox="0 0 10 10" aria-label="says"><use href="#a"/>'
        '<g fill="url(#g)"><a href="?x"><text>t</text></a><a class="what-is beside" href="#what-pie"/>'
        "</g></svg></section>"
    )
    symbols = '<symbol id="a"><use href="#b"/></symbol><g id="b"/><g id="unused"/><linearGradient id="g"/>'
    sheet = f"<svg><defs>{symbols}</defs></svg>"
    dark = ':root[data-theme="dark"] .picture { --ink: #eee; }'
    css = ".picture { --ink: #111; }" + dark + "@media print { .x { y: z } } text { fill: var(--ink) }"
    for theme, colour in (("light", "#111"), ("dark", "#eee")):
        made = slide(page, [sheet], css, theme)  # type: ignore[arg-type]
        root = ET.fromstring(made)
        ids = {part.attrib["id"] for part in root.iter() if "id" in part.attrib}
        assert ids == {"a", "b", "g"}
        assert f"fill: {colour}" in made
        assert "@media" not in made
        assert "?x" not in made
        assert "what-is" not in made


def test_the_front_page_s_picture_is_a_real_kitchen_that_nobody_owns(journal: Journal, tmp_path: Path) -> None:
    def another() -> Journal:
        return Journal(tmp_path, menu=LAYOUT)

    dishes = menu.read(LAYOUT)
    assert welcome.state(journal, dishes[:1], another) is None
    shown = welcome.state(journal, dishes, another)
    assert shown
    assert [container.name for container in shown.host.containers.values()] == ["pizza-1"]
    assert welcome.state(journal, dishes, another) == shown, "made once"
    journal.jump(welcome.KITCHEN, "2")
    resumed = welcome.state(journal, dishes, another)
    assert resumed
    assert len(resumed.host.containers) == 1, "what a crash had left half done is finished"
