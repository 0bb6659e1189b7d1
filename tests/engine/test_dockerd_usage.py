"""`docker system df` of a real dockerd and of ours, on the same images and containers (section F)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests import peers
from tests.engine import images
from tests.engine.twins import IMAGE, Said, Twins, oddities, recipes, shell_layer

SHAPES = (
    "system df",
    "system df -v",
    "system df --verbose",
    "system df --format table",
    r"system df --format '{{.Type}}: {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}'",
    r"system df --format '{{json .}}'",
    r"system df --format 'table {{.Type}}\t{{.Reclaimable}}'",
    "system df extra",
    "system df --nope",
)


AGE = re.compile(r"(?:Less than a second|\d+ seconds?|About a minute)(?: ago)? *")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Both with images that share all, some and none of their layers, and sizes that tell three digits from four. A
    daemon of its own: what it uses in all is what is asked."""
    big: images.Layer = {"odd/sized": b"0" * 123_456}
    others = {
        "test/more": images.Recipe([*oddities()[:2], big]),
        "test/alone": images.Recipe([{"b": b"b" * 1_234}, shell_layer()]),
    }
    with peers.dockerd() as daemon:
        made = Twins(daemon, tmp_path_factory.mktemp("usage"))
        made.bring(recipes() | others)
        yield made
        made.rid("box", "up")
        made.close()


def agree(twins: Twins) -> None:
    """What both say in every shape."""
    for line in SHAPES:
        ours, theirs = twins.both(*shlex.split(line))
        assert told(ours) == told(theirs), line
    ours, theirs = (json.loads(said.out) for said in twins.both("system", "df", "-v", "--format", "{{json .}}"))
    assert list(map(len, ours.values())) == [len(theirs[key]) for key in ours]
    sizes = ("Repository", "Tag", "VirtualSize", "SharedSize", "UniqueSize", "Containers", "Digest", "Size")
    assert picked(ours["Images"], *sizes) == picked(theirs["Images"], *sizes)
    boxes = ("Names", "Image", "Command", "Size", "LocalVolumes")
    assert picked(ours["Containers"], *boxes) == picked(theirs["Containers"], *boxes)


def told(said: Said) -> tuple[int, list[str], str]:
    """The lines, ids and the ages of what was just made alike, and so the widths of columns where there are any.

    Images of one age have no order of their own.
    """
    veiled = said.veiled().out
    text = AGE.sub("<age>  ", veiled)
    lines = (re.sub(" {2,}", "  ", text) if text != veiled else text).splitlines()
    return said.status, sorted(lines), said.err


def picked(rows: Sequence[Mapping[str, str]], *fields: str) -> list[tuple[str, ...]]:
    """These fields of each row, sorted."""
    return sorted(tuple(row[field] for field in fields) for row in rows)


def test_images_and_containers_take_what_dockerd_says(twins: Twins) -> None:
    agree(twins)
    twins.same("run", "--name", "box", IMAGE, "sh", "-c", "echo hot > /odd/x")
    agree(twins)
    twins.same("tag", IMAGE, "other/name:2")
    twins.same("run", "-d", "-i", "--name", "up", "test/alone")
    for side in (twins.ours, twins.theirs):
        assert side("commit", "box", "test/made").status == 0
    said = twins.ours("system", "df").out.splitlines()
    assert said[1].split()[:3] == ["Images", "5", "2"]
    agree(twins)
    for side in (twins.ours, twins.theirs):
        side("rmi", "-f", "test/made")
