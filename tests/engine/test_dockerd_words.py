"""What is said when it goes wrong: docker's client and daemon against ours, word for word, with exit codes.

Ids are veiled, all else must be equal. Where ours means to differ, the table says in which words.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from tests import peers
from tests.engine.twins import IMAGE, Twins, recipes


@pytest.fixture(scope="module")
def twins(dockerd: peers.Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Both with a container that is ``up`` and one that is ``down``."""
    made = Twins(dockerd, tmp_path_factory.mktemp("words"))
    made.bring(recipes())
    made.same("run", "-d", "-i", "--name", "up", IMAGE)
    made.same("create", "--name", "down", IMAGE)
    yield made
    made.rid("up", "down")
    made.close()


@pytest.mark.parametrize(
    "line",
    [
        "frob",
        "Ps",
        "ps --nope",
        "ps -Z",
        "ps -aZ",
        "ps --format",
        "ps extra",
        "ps -a -- extra",
        "rm",
        "rm nope",
        "rm up",
        "rm up nope",
        "rm -Z up",
        "rm -fZ up",
        "stop",
        "stop nope",
        "start",
        "start nope",
        "start nope up",
        "start -a nope",
        "start -a up down",
        "start -Z",
        "stop -t",
        "rmi",
        "rmi nope",
        "rmi nope:1 nope2",
        "rmi up",
        f"rmi a@sha256:{'0' * 64}",
        f"rmi {'0' * 64}",
        "rmi UPPER",
        "inspect",
        "inspect nope",
        "inspect nope nope2",
        "inspect UPPER",
        "inspect -f {{.Name}} up nope",
        "inspect --type image up",
        "image inspect nope",
        f"container inspect {IMAGE}",
        "diff",
        "diff nope",
        "diff a b",
        "commit",
        "commit nope",
        "commit nope UPPER",
        "commit up UPPER",
        f"commit up a@sha256:{'0' * 64}",
        "commit a b c",
        "commit -m",
        "tag",
        "tag a",
        "tag a b c",
        "tag nope x",
        "tag UPPER x",
        f"tag {IMAGE} UPPER",
        f"tag {IMAGE} a@sha256:{'0' * 64}",
        "history",
        "history nope",
        "history nope:1",
        "history UPPER",
        "history a b",
        "history --nope a",
        "exec",
        "exec nope",
        "exec nope ls",
        "exec down ls",
        "exec -Z up ls",
        "logs",
        "logs nope",
        "logs a b",
        "cp",
        "cp a",
        "cp a b c",
        "cp a b",
        "cp a:/x b:/y",
        "cp nope:/x -",
        "cp nope:/x y",
        "cp up:/nope y",
        "cp up:/odd/nope/x -",
        "cp /etc/hostname up:/no/such/dir/x",
        "cp /etc/hostname up:/odd/nope/",
        "cp /etc/hostname up:/odd/big/x",
        "cp - up:/odd/big",
        "export",
        "export nope",
        "save",
        "save nope",
        "save UPPER",
        "save nope:1",
        "images a b",
        "images -Z",
        "images nope",
        "images UPPER",
        "image ls a b",
        "image rm",
        "image tag a",
        "image history",
        "image history --nope",
        "container rm",
        "container rm nope",
        "container diff",
        "container ls extra",
        "container inspect",
        "pull",
        "pull a b",
        "pull UPPER",
        "run",
        "run -Z",
        "run --name",
        "run UPPER",
        f"run --name up {IMAGE} true",
        f"run --name up --nope {IMAGE} true",
        f"run --name r@1 {IMAGE} true",
        "create",
        "create UPPER",
        f"create --name up {IMAGE}",
        f"create --name r@1 {IMAGE}",
        f"create --name x {IMAGE}",
        "load --nope",
    ],
)
def test_a_call_that_makes_no_sense_is_refused_in_docker_s_words(twins: Twins, line: str) -> None:
    twins.same(*shlex.split(line))


@pytest.mark.parametrize(
    ("line", "docker", "ours"),
    [
        # Go's parser speaks of itself.
        ("ps -a=x", 'strconv.ParseBool: parsing "x": invalid syntax', "expected true or false"),
        ("ps --all=x", 'strconv.ParseBool: parsing "x": invalid syntax', "expected true or false"),
        ("stop -t x up", 'strconv.ParseInt: parsing "x": invalid syntax', "expected a whole number"),
        # docker does not say what is wrong with the reference.
        (f"tag {IMAGE} :x", "invalid reference format", "invalid reference format: invalid repository ''"),
        (f"tag {IMAGE} a:b:c", "invalid reference format", "invalid reference format: invalid tag 'b:c'"),
        (f"tag {IMAGE} a/b:", "invalid reference format", "invalid reference format: invalid tag ''"),
        ("pull a:b:c", "invalid reference format", "invalid reference format: invalid tag 'b:c'"),
        ("history a:b:c", "invalid reference format", "invalid reference format: invalid tag 'b:c'"),
        ("run a:b:c", "invalid reference format", "invalid reference format: invalid tag 'b:c'"),
        ("commit up a:b:c", "invalid reference format", "invalid reference format: invalid tag 'b:c'"),
        # docker names the first parent that is missing, or a directory that is not the point.
        ("cp /no/such/file up:/", "lstat /no:", "lstat /no/such/file:"),
        ("cp /etc/hostname nope:/", "no such directory", "Error: No such container: nope"),
        # Ours has no network.
        (
            "run nope",
            "Unable to find image 'nope:latest' locally\ndocker: Error response from daemon: ",
            "Unable to find image 'nope:latest' locally\ndocker: Error response from daemon: "
            "manifest for nope:latest not found: manifest unknown: manifest unknown",
        ),
        (
            "create nope",
            "Unable to find image 'nope:latest' locally\nError response from daemon: ",
            "Unable to find image 'nope:latest' locally\nError response from daemon: "
            "manifest for nope:latest not found: manifest unknown: manifest unknown",
        ),
        # Fewer verbs and options than docker, and `load` takes more.
        ("image frob", "\nUsage:  docker image COMMAND\n\nManage images\n\nCommands:\n", ""),
        ("container frob", "\nUsage:  docker container COMMAND\n\nManage containers\n\nCommands:\n", ""),
        ("image", "\nUsage:  docker image COMMAND\n\nManage images\n\nCommands:\n", ""),
        ("--nope", "unknown flag: --nope\nSee 'docker --help'.\n", ""),
        ("-Z", "unknown shorthand flag: 'Z' in -Z\nSee 'docker --help'.\n", ""),
        ("load extra", "See 'docker load --help'.\n\nUsage:  docker load [OPTIONS]\n", ""),
    ],
)  # fmt: skip
def test_our_own_words_differ_only_here(twins: Twins, line: str, docker: str, ours: str) -> None:
    mine, other = twins.both(*shlex.split(line))
    assert docker in other.err
    assert (ours or docker) in mine.err
    assert mine.status == other.status
    assert mine.out == other.out == ""


def test_a_command_that_is_not_there_is_named(twins: Twins) -> None:
    ours, theirs = twins.both("run", "--name", "lost", IMAGE, "nope-cmd", "x")
    assert (ours.status, theirs.status) == (127, 127)
    assert "nope-cmd" in ours.err
    assert 'exec: "nope-cmd": executable file not found' in theirs.err
    twins.rid("lost")
    ours, theirs = twins.both("exec", "up", "nope-cmd", "x")
    assert "nope-cmd" in ours.err
    assert (ours.status, theirs.status) == (127, 126), "the runtime's own code, where a shell would say 127"


# What stands in the way of rmi


@pytest.fixture
def made(twins: Twins) -> Iterator[Twins]:
    """With test/made:1, an image of both's own that nothing else uses."""
    for side in (twins.ours, twins.theirs):
        assert side("tag", IMAGE, "test/base").status == 0
        assert side("commit", "-m", "made", "down", "test/made:1").status == 0
    yield twins
    twins.rid("user")
    for name in ("test/child", "test/made:1", "test/made:2", "test/else:1", "test/base"):
        twins.both("rmi", "-f", name)


def short(twins: Twins, name: str) -> list[str]:
    """The short id of an image on each side."""
    return [side("images", "-q", name).out.strip() for side in (twins.ours, twins.theirs)]


def rmi(twins: Twins, *flags: str, of: list[str]) -> tuple[int, str]:
    """`rmi` by each side's own id: the same words, and how many lines of each kind; what ours said."""
    mine, other = (side("rmi", *flags, id_) for side, id_ in zip((twins.ours, twins.theirs), of, strict=True))
    assert mine.veiled() == other.veiled()
    return mine.status, mine.err or mine.out


def test_a_name_that_is_not_the_last_goes_alone(made: Twins) -> None:
    made.same("tag", "test/made:1", "test/else:1")
    assert made.same("rmi", "test/made:1").out == "Untagged: test/made:1\n"
    assert "Deleted: sha256:" in made.same("rmi", "test/else:1").out


def test_an_image_in_several_repositories_is_not_deleted_by_id(made: Twins) -> None:
    for name in ("test/made:2", "test/else:1"):
        made.same("tag", "test/made:1", name)
        assert "image is referenced in multiple repositories" in rmi(made, of=short(made, "test/made:1"))[1]
    assert rmi(made, "-f", of=short(made, "test/made:1"))[1].count("Untagged: ") == 3


def test_a_stopped_container_keeps_its_image_unless_forced(made: Twins) -> None:
    made.same("create", "--name", "user", "test/made:1")
    assert "(must force) - container" in made.same("rmi", "test/made:1").err
    assert "being used by stopped container" in rmi(made, of=short(made, "test/made:1"))[1]
    made.same("tag", "test/made:1", "test/made:2")
    made.same("rmi", "test/made:2")
    ids = short(made, "test/made:1")
    assert "Deleted: sha256:" in made.same("rmi", "-f", "test/made:1").out
    ours, theirs = made.both("ps", "-a", "--format", "{{.Names}} {{.Image}}")
    assert {f"user {ids[0]}"} <= set(ours.out.splitlines())
    assert {f"user {ids[1]}"} <= set(theirs.out.splitlines())
    made.same("start", "user")


def test_a_running_container_keeps_its_image_even_if_forced(made: Twins) -> None:
    made.same("run", "-d", "-i", "--name", "user", "test/made:1")
    ids = short(made, "test/made:1")
    for flags in ((), ("-f",)):
        assert "(cannot be forced) - image is being used by running container" in rmi(made, *flags, of=ids)[1]
    assert "(must force) - container" in made.same("rmi", "test/made:1").err
    assert made.same("rmi", "-f", "test/made:1").out == "Untagged: test/made:1\n"
    assert rmi(made, of=ids)[0] == 1


def test_a_child_keeps_its_parent_and_takes_it_along(made: Twins) -> None:
    made.same("run", "--name", "user", "test/made:1", "sh", "-c", "echo x > /odd/x")
    for side in (made.ours, made.theirs):
        side("commit", "user", "test/child")
    made.rid("user")
    assert "image has dependent child images" in rmi(made, of=short(made, "test/made:1"))[1]
    assert made.same("rmi", "test/made:1").out == "Untagged: test/made:1\n"
    assert made.same("rmi", "test/child").out.count("Deleted: ") == 3, "two images, and the one layer of the child"


def test_one_refusal_does_not_stop_the_others(made: Twins) -> None:
    said = made.same("rmi", "nope", "test/made:1", IMAGE)
    assert said.status == 1
    assert "Untagged: test/made:1" in said.out
