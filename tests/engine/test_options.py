"""Command lines, read as docker's client reads them."""

from __future__ import annotations

import pytest

from engine import commands, options
from engine.errors import UsageError
from engine.options import Flag, Usage

USAGE = Usage(
    "thing", "NAME [NAME...]", "Do a thing", 1, None,
    (Flag("all", "a"), Flag("quiet", "q"), Flag("message", "m", "string"), Flag("env", "e", "list", many=True),
     Flag("last", "n", "int")),
)  # fmt: skip
STOPS = Usage("exec", "NAME COMMAND", "Do", 1, None, (Flag("all", "a"),), stops=True)


def test_flags_and_words_mix() -> None:
    found = options.parse(USAGE, ["x", "-aq", "--message=hello", "y", "-m", "last", "-eA=1", "--env", "B=2"])
    assert found.words == ("x", "y")
    assert found.on("all")
    assert found.on("quiet")
    assert found.value("message") == "last"
    assert found.all("env") == ("A=1", "B=2")


def test_joined_switches_may_end_in_a_value() -> None:
    found = options.parse(USAGE, ["-am", "text", "x"])
    assert found.on("all")
    assert found.value("message") == "text"
    assert options.parse(USAGE, ["-amtext", "x"]).value("message") == "text"


def test_a_switch_can_be_denied() -> None:
    assert not options.parse(USAGE, ["-a", "--all=false", "x"]).on("all")


def test_flags_end_at_a_double_dash_or_where_a_command_begins() -> None:
    assert options.parse(USAGE, ["--", "-a"]).words == ("-a",)
    assert options.parse(STOPS, ["-a", "box", "ls", "-a"]).words == ("box", "ls", "-a")


@pytest.mark.parametrize(
    ("argv", "said", "code"),
    [
        (["--nope"], "unknown flag: --nope\nSee 'docker thing --help'.", 125),
        (["-z"], "unknown shorthand flag: 'z' in -z\nSee 'docker thing --help'.", 125),
        (["-aqzy"], "unknown shorthand flag: 'z' in -zy\nSee 'docker thing --help'.", 125),
        (["x", "--message"], "flag needs an argument: --message\nSee 'docker thing --help'.", 125),
        (["x", "-n", "few"], 'invalid argument "few" for "-n, --last" flag', 125),
        (["x", "-m"], "flag needs an argument: 'm' in -m\nSee 'docker thing --help'.", 125),
        (["x", "--all=maybe"], 'invalid argument "maybe" for "-a, --all" flag', 125),
        (
            [],
            "\"docker thing\" requires at least 1 argument.\nSee 'docker thing --help'.\n\nUsage:  docker thing ",
            1,
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_docker_s_words(argv: list[str], said: str, code: int) -> None:
    with pytest.raises(UsageError) as caught:
        options.parse(USAGE, argv)
    assert str(caught.value).startswith(said)
    assert caught.value.exit_code == code


def test_an_open_quote_is_refused() -> None:
    assert options.split("exec a sh -c 'echo \"hi\" > x'") == ["exec", "a", "sh", "-c", 'echo "hi" > x']
    with pytest.raises(UsageError):
        options.split("exec 'a")


def test_an_unknown_command_is_refused_in_docker_s_words() -> None:
    for argv, said in (
        (["bake"], "docker: 'bake' is not a docker command.\nSee 'docker --help'"),
        (["--bake"], "unknown flag: --bake\nSee 'docker --help'."),
        (["image", "bake"], "\nUsage:  docker image COMMAND\n\nManage images\n"),
    ):
        with pytest.raises(UsageError) as caught:
            commands.find(argv)
        assert str(caught.value).startswith(said)


@pytest.mark.parametrize("line", ["build .", "network ls", "volume", "compose up -d"])
def test_a_verb_that_docker_has_and_we_do_not_is_not_denied(line: str) -> None:
    name = line.split(maxsplit=1)[0]
    with pytest.raises(UsageError) as caught:
        commands.find(line.split())
    assert str(caught.value) == (
        f"docker: '{name}' is a docker command, but this kitchen does not have it; `docker --help` lists what it has"
    )
    assert caught.value.exit_code == 1


def test_a_verb_that_docker_has_in_a_group_is_not_denied_either() -> None:
    with pytest.raises(UsageError, match="'container top' is a docker command, but this kitchen"):
        commands.find(["container", "top", "box"])


def test_a_word_of_the_shell_is_told_where_it_belongs() -> None:
    for line, hint in (
        ("ls -l /srv", "docker exec CONTAINER ls -l /srv"),
        ("cd /srv", "docker exec CONTAINER sh -c 'cd /srv'"),
    ):
        with pytest.raises(UsageError) as caught:
            commands.find(line.split())
        assert str(caught.value).endswith(f"See 'docker --help'\nIn a container: {hint}")


def test_every_verb_and_its_aliases_explain_themselves() -> None:
    every = [
        *commands.VERBS.items(),
        *((f"{g} {n}", v) for g, verbs in commands.GROUPS.items() for n, v in verbs.items()),
    ]
    for _, verb in every:
        text = verb.usage.help()
        assert verb.usage.line in text
        assert verb.usage.summary in text
        assert all(f"--{flag.name}" in text and flag.help for flag in verb.usage.flags)
    assert {"image history", "image rm", "container ls", "system df"} <= {name for name, _ in every}
