"""docker's words: sizes, ages, tables and templates, as docker 20.10 prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine import events as facts
from engine import terminal
from engine.digest import Digest
from engine.errors import UsageError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
A = Digest("sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (155, "155B"), (295, "295B"), (999, "999B"), (1000, "1kB"), (65536, "65.5kB"), (524288, "524kB"),
     (4_810_000, "4.81MB"), (22_800_000, "22.8MB"), (1_000_000_000, "1GB"), (999_999, "1e+03kB")],
)  # fmt: skip
def test_sizes_are_decimal_with_three_digits(count: int, text: str) -> None:
    assert terminal.size(count) == text


def test_pull_bars_have_four_digits() -> None:
    assert terminal.size(1_234_567, 4) == "1.235MB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (119, "About a minute"),
     (120, "2 minutes"), (46 * 60, "46 minutes"), (3600, "About an hour"), (5400, "2 hours"), (47 * 3600, "47 hours"),
     (48 * 3600, "2 days"), (8 * 86400, "8 days"), (14 * 86400, "2 weeks"), (61 * 86400, "2 months"), (800 * 86400,
      "2 years")],
)  # fmt: skip
def test_ages_are_docker_s(seconds: int, text: str) -> None:
    assert terminal.duration(seconds) == text


def test_an_age_is_measured_from_a_time_with_nanoseconds() -> None:
    then = (NOW - timedelta(days=8)).strftime("%Y-%m-%dT%H:%M:%S") + ".123456789Z"
    assert terminal.age(then, NOW) == "7 days ago" or terminal.age(then, NOW) == "8 days ago"
    assert terminal.age("not a time", NOW) == "N/A"
    assert terminal.age(None, NOW) == "N/A"


def test_columns_are_ten_wide_and_three_apart() -> None:
    assert terminal.table(["A", "LONGER HEADING", "C"], [["1", "2", "3"]]) == (
        "A         LONGER HEADING   C\n"
        "1         2                3\n"
    )  # fmt: skip


ROW = {"ID": "abc", "Names": "pizza-1", "List": ["a", "b"], "Map": {"k": True}, "None": None}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.ID}}", "abc\n"),
        ("{{ .ID }}: {{.Names}}", "abc: pizza-1\n"),
        (r"{{.ID}}\t{{.Names}}", "abc\tpizza-1\n"),
        ("{{json .Names}}", '"pizza-1"\n'),
        ("{{.List}} {{.Map}} {{.None}} {{.Map.k}}", "[a b] map[k:true] <nil> true\n"),
        ("json", '{"ID":"abc","List":["a","b"],"Map":{"k":true},"Names":"pizza-1","None":null}\n'),
        (r"table {{.ID}}\t{{.Names}}", "CONTAINER ID   NAMES\nabc            pizza-1\n"),
        ("plain", "plain\n"),
    ],
)
def test_a_template_is_filled_in_as_go_does(template: str, text: str) -> None:
    assert terminal.rows([ROW], {"ID": "CONTAINER ID", "Names": "NAMES"}, template) == text


@pytest.mark.parametrize("template", ["{{.Nope}}", "{{range .}}", "{{", "{{.Map.nope}}", "{{.ID.x}}"])
def test_a_template_that_cannot_be_filled_in_says_why(template: str) -> None:
    with pytest.raises(UsageError, match="template"):
        terminal.rows([ROW], {"ID": "ID"}, template)


def test_a_pull_is_told_in_docker_s_lines() -> None:
    told = terminal.render(
        [
            facts.PullStarted(reference="pizza/x", repository="pizza/x", tag="latest", defaulted=True),
            facts.LayerReused(digest=A, diff_id=A, size=1, unpacked=1),
            facts.ImagePulled(
                reference="pizza/x:latest",
                canonical="docker.io/pizza/x:latest",
                digest=A,
                image=A,
                fresh=True,
                sent=1,
                avoided=1,
            ),
        ]
    )
    assert told.splitlines() == [
        "Using default tag: latest",
        "latest: Pulling from pizza/x",
        "aaaaaaaaaaaa: Already exists",
        f"Digest: {A}",
        "Status: Downloaded newer image for pizza/x:latest",
        "docker.io/pizza/x:latest",
    ]


def test_events_read_back_from_their_json() -> None:
    told = (
        facts.FileCopiedUp(container="c", path="/x", kind="file", size=65536, layer=0, cause="write"),
        facts.Wrote(text="\x1b"),
    )
    assert facts.decode(facts.encode(told)) == told
