"""What the headline says of files is so: it is compared with the container's upper before and after."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.events import Event
from engine.journal import Journal
from engine.union import Union
from engine.upper import Upper
from menu import LAYOUT
from web.effect import Effect, net
from web.headline import headline
from web.sentence import plain, size


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    made = Journal(tmp_path_factory.mktemp("truth"), menu=LAYOUT)
    made.create("k")
    for line in ("pull pizza/cheese", "pull pizza/pepperoni", "run -d --name cc -w / pizza/pepperoni"):
        done = made.do("k", line.split())
        assert done.status == 0, done.err
    yield made
    made.close()


@dataclass(frozen=True)
class Did:
    """What a script did to cc: its events, and the upper before and after."""

    events: tuple[Event, ...]
    union: Union
    before: Upper
    after: Upper

    @property
    def said(self) -> str:
        return plain(headline(self.events))


def upper(journal: Journal, kitchen: str) -> Upper:
    (container,) = journal.head(kitchen).host.containers.values()
    return journal.context.upper(container)


def run(journal: Journal, *scripts: str) -> Did:
    """The last of these scripts, after the others, in a kitchen of their own."""
    kitchen = journal.fork(journal.kitchen("k").head).id
    for script in scripts:
        before = upper(journal, kitchen)
        done = journal.do(kitchen, ["exec", "cc", "sh", "-c", script])
    (container,) = journal.head(kitchen).host.containers.values()
    return Did(done.events, journal.context.images.stack(container.manifest), before, upper(journal, kitchen))


SLICE = "/pizza/slice-1"
CRUST = f"{SLICE}/crust"


@pytest.mark.parametrize(
    ("scripts", "sentence"),
    [
        (["echo aa > /t; rm /t"], "t came and went: nothing is left of it."),
        (["echo aa > /t; echo b >> /t; mv /t /u"], "You added u: 5 bytes. New files copy nothing."),
        (["echo aa > /t; mkdir /d; rm -r /t /d"], "t and d came and went: nothing is left of them."),
        (["echo aaaa > /t; echo b > /t"], "You added t: 2 bytes. New files copy nothing."),
        (["ln -s /pizza /zz"], "You added zz: 6 bytes. New files copy nothing."),  # rule 27
        (["echo aa > /t; ln /t /u; rm /t"], "You added u: 3 bytes. New files copy nothing."),
        (["echo aa > /t; ln /t /u"], "Two paths new."),
        (
            [f"rm -r {SLICE}"],
            "One whiteout hides slice-1 and four paths in it. Their 93.2 kB stay in the layers below.",
        ),
        ([f"rm {CRUST}"], "A whiteout hides crust. Its 65.5 kB stay in layer 1."),
        ([f"echo hot >> {CRUST}; rm {CRUST}"], "A whiteout hides crust. Its 65.5 kB stay in layer 1."),
        ([f"rm -r {SLICE} /pizza/slice-2/crust"], "Two whiteouts hide six paths."),
        ([f"rm {CRUST}", f"echo x > {CRUST}; rm {CRUST}"], "crust came and went: nothing is left of it."),
        ([f"echo hot > {CRUST}"], "You wrote 4 bytes over crust. Its old bytes were not wanted, so none was copied."),
        ([f": > {CRUST}"], "You emptied crust. Its old bytes were not wanted, so none was copied."),
        (
            [f"rm {CRUST}; echo a > {CRUST}"],
            "You made crust anew: 2 bytes. It stands over the old one, of which nothing was copied.",
        ),
        ([f"rm {CRUST}", f"echo a > {CRUST}"], "You added crust: 2 bytes. New files copy nothing."),
        (["echo a > /t", "rm /t"], "t is gone: it stood in the container alone, so no whiteout is needed."),
        (
            ["echo a > /t; echo b > /u; echo c > /v", "rm /t /u /v"],
            "t, u and v are gone: they stood in the container alone, so no whiteout is needed.",
        ),
        (
            ["echo a > /t", "rm /t; echo bb > /t"],
            "You made t anew: 3 bytes. It stands over the old one, of which nothing was copied.",
        ),
        (["echo a > /t", "mv /t /u"], "t is u now: the container's own, so nothing copied."),
        (["echo a > /t", "mv /t /u; rm /u"], "t is gone: it stood in the container alone, so no whiteout is needed."),
        (
            ["mkdir /d; echo a > /d/t", "mv /d /e; rm /e/t"],
            "t is gone: it stood in the container alone, so no whiteout is needed.",
        ),
        (
            ["echo a > /t; echo b > /u", "echo cc >> /t; echo d >> /u"],
            "You wrote 5 bytes. t and u were the container's own already: nothing more copied.",
        ),
        ([f"mv {CRUST} {SLICE}/edge"], "One whole file copied up, 65.5 kB, one path hidden."),
        ([f"chmod 600 {CRUST}"], "One chmod, no new content. The whole 65.5 kB crust file was copied up."),
        (["chmod 700 /pizza"], "One chmod, no new content. pizza was copied up without what is in it: 0 bytes."),
    ],
)
def test_the_headline_says_what_is_so_after_a_script(journal: Journal, scripts: list[str], sentence: str) -> None:
    assert run(journal, *scripts).said == sentence


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["tag pizza/pepperoni x"], "x:latest is one more name for the same layers. 0 B."),
        (
            ["tag pizza/cheese x", "tag pizza/pepperoni x"],
            "x:latest now means another image. The one that it meant before keeps its layers.",
        ),
        (
            ["tag pizza/cheese x", "tag pizza/cheese y", "rmi x y"],
            "x:latest and y:latest are no longer names. Their layers stay.",
        ),
        (
            [
                "run -d --name aa pizza/cheese",
                "run -d --name bb pizza/cheese",
                "exec aa sh -c 'echo 1 > /one'",
                "exec bb sh -c 'echo two > /two'",
                "rm -f aa bb",
            ],
            "aa and bb are gone, and their 6 bytes with them. The images stay.",
        ),
        (["run -d --name aa pizza/cheese", "stop aa cc"], "aa and cc are closed. Their changes stay in them."),
        (["stop cc", "start cc"], "cc is open again, as it was left."),
    ],
)
def test_the_headline_says_what_is_so_of_names_and_containers(
    journal: Journal, lines: list[str], sentence: str
) -> None:
    kitchen = journal.fork(journal.kitchen("k").head).id
    for line in lines:
        done = journal.do(kitchen, shlex.split(line))
        assert done.status == 0, done.err
    assert plain(headline(done.events)) == sentence


# Whatever a script does


PATHS = (
    "/t", "/u", "/d", "/d/t", "/d/u", "/pizza", SLICE, CRUST, f"{SLICE}/cheese", f"{SLICE}/new", "/pizza/slice-2",
    "/pizza/slice-2/crust", "/pizza/new", "/pizza/new/t",
)  # fmt: skip
COMMANDS = (
    "echo a > {0}", "echo bb >> {0}", ": > {0}", "rm -f {0}", "rm -rf {0}", "mkdir -p {0}", "rmdir {0}", "mv {0} {1}",
    "cp {0} {1}", "cp -r {0} {1}", "ln {0} {1}", "ln -s {0} {1}", "chmod 700 {0}", "touch {0}", "sed -i s/a/b/ {0}",
    "truncate -s 3 {0}",
)  # fmt: skip
step = st.builds(str.format, st.sampled_from(COMMANDS), st.sampled_from(PATHS), st.sampled_from(PATHS))
script = st.lists(step, min_size=1, max_size=6).map("; ".join)


def shown(upper: Upper) -> dict[str, str]:
    """The kinds of what an upper has to show, by absolute path."""
    return {f"/{path.decode()}": node.kind for path, node in upper.nodes.items() if node.kind != "whiteout"}


def whiteouts(upper: Upper) -> set[str]:
    return {f"/{path.decode()}" for path, node in upper.nodes.items() if node.kind == "whiteout"}


def check(did: Did) -> None:
    effect, before, after = net(did.events), shown(did.before), shown(did.after)
    assert set(effect.hidden) == whiteouts(did.after) - whiteouts(did.before)
    claimed = effect.new | effect.copied
    assert {path: change.kind for path, change in claimed.items()}.items() <= after.items()
    came = {path for path, kind in after.items() if path not in before and kind != "dir"}
    moved = tuple(f"{path}/" for path in effect.moved.values())
    assert {path for path in came if not f"{path}/".startswith(moved)} <= set(claimed)
    covers = tuple(f"{path}/" for path in whiteouts(did.after))
    went = {  # a copy below a whiteout went with what it was copied from
        path for path in before if path not in after and not f"{path}/".startswith(covers)
    }
    left = tuple(f"{path}/" for path in effect.moved)
    assert set(effect.gone) <= before.keys() - after.keys()
    assert {path for path in went if not f"{path}/".startswith(left)} <= set(effect.gone)
    assert not set(effect.passed) & set(after)
    for path, hidden in effect.hidden.items():
        found = did.union.lookup(path[1:].encode())
        assert found
        assert (hidden.kind, hidden.layer) == (found.entry.kind, found.layer)
        if not did.before.nodes:
            assert (hidden.paths, hidden.size) == below(did.union, path[1:].encode())
    if not before:
        copies = {did.after.nodes[path[1:].encode()].inode: path for path in effect.copied}
        assert len(copies) == len(effect.copied)
        held = sum(did.after.nodes[path[1:].encode()].size for path in effect.copied)
        links = sum(len(did.after.nodes[path[1:].encode()].target) for path in effect.copied)
        assert did.after.unpacked == sum(one.size for one in effect.new.values()) + held + links
    check_sentence(did, effect)


def below(union: Union, path: bytes) -> tuple[int, int]:
    """How many paths the layers show at and below one, and their unpacked size."""
    found = union.lookup(path)
    assert found
    paths, total = 1, found.entry.size + len(found.entry.target)
    for name in union.listdir(path) if found.entry.kind == "dir" else ():
        more = below(union, path + b"/" + name)
        paths, total = paths + more[0], total + more[1]
    return paths, total


def check_sentence(did: Did, effect: Effect) -> None:
    """What the sentence names is there, or hidden, and the bytes that it counts are those."""
    said, after = did.said, shown(did.after)
    if found := re.match(r"You (?:added|made) (\S+?)(?: anew)?: (.*?)\. ", said):
        (path,) = effect.new
        assert (Path(path).name, size(effect.new[path].size)) == found.groups()
        assert path in after
    if found := re.search(r"([Oo]ne whiteout|A whiteout) hides (\S+?)(?:\.| and \w+ paths? in it)", said):
        assert [Path(path).name for path in effect.hidden] == [found[2]]
    if found := re.match(r"(.*) (?:is|are) gone: ", said):
        assert not set(effect.gone) & set(after)
        assert found[1].split()[0].rstrip(",") == Path(effect.gone[0]).name
    if "came and went" in said:
        here, there = shown(did.before).items(), after.items()
        assert {path for path, kind in here if kind != "dir"} == {path for path, kind in there if kind != "dir"}
        assert whiteouts(did.after) == whiteouts(did.before)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script, script)
@example(f"rm -rf {SLICE}", f"mkdir {SLICE}; rmdir {SLICE}")
@example("true", f"rm -rf {SLICE}; mkdir {SLICE}; rmdir {SLICE}")
@example("mkdir /d; echo a > /d/t", "mv /d /pizza/new; rm /pizza/new/t")
@example("true", "mkdir /d; echo a > /d/t; mv /d /u")
@example("echo a > /t", "ln /t /u")
@example("true", f"mv {CRUST} /t; mv /t {CRUST}")
@example("true", f"ln {CRUST} /t; echo a >> /t; rm {CRUST}")
def test_the_effect_of_any_script_is_the_difference_that_it_made(journal: Journal, first: str, second: str) -> None:
    check(run(journal, first))
    check(run(journal, first, second))
