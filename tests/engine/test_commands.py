"""docker's verbs on the bundled menu, as a user types them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import events as facts
from engine.__main__ import Files
from engine.errors import CommandError, EngineError, UsageError
from engine.journal import Done, Journal
from engine.options import split
from menu import LAYOUT
from tests.engine.tars import item, tar
from tests.engine.test_journal import counting, ticking


class Kitchen:
    """A kitchen to type into."""

    def __init__(self, data: Path) -> None:
        self.journal = Journal(data, menu=LAYOUT, clock=ticking(), ids=counting())
        self.journal.create("k")

    def do(self, line: str) -> Done:
        return self.journal.do("k", split(line), local=Files())

    def out(self, line: str) -> str:
        return self.do(line).out

    def events(self, line: str, kind: type) -> list:
        return [event for event in self.do(line).events if isinstance(event, kind)]


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    made = Kitchen(tmp_path / "data")
    yield made
    made.journal.close()


@pytest.fixture
def box(kitchen: Kitchen) -> Kitchen:
    """With pepperoni, and a container of it."""
    kitchen.do("pull pizza/pepperoni")
    kitchen.do("run -d --name box pizza/pepperoni")
    return kitchen


# pull


def test_pulling_pepperoni_after_cheese_sends_one_layer(kitchen: Kitchen) -> None:
    first = kitchen.do("pull pizza/cheese")
    assert first.out.count("Pull complete") == 3
    second = kitchen.do("pull pizza/pepperoni")
    lines = second.out.splitlines()
    assert lines[:2] == ["Using default tag: latest", "latest: Pulling from pizza/pepperoni"]
    assert [line.split(": ")[1] for line in lines[2:6]] == ["Already exists"] * 3 + ["Pull complete"]
    assert lines[6].startswith("Digest: sha256:")
    assert lines[7:] == [
        "Status: Downloaded newer image for pizza/pepperoni:latest",
        "docker.io/pizza/pepperoni:latest",
    ]
    pulled = next(e for e in second.events if isinstance(e, facts.ImagePulled))
    sent = [e.size for e in second.events if isinstance(e, facts.LayerPulled | facts.DocumentPulled)]
    assert pulled.sent == sum(sent)
    assert pulled.avoided == sum(e.size for e in first.events if isinstance(e, facts.LayerPulled))


def test_pulling_again_is_up_to_date_and_sends_a_manifest(kitchen: Kitchen) -> None:
    kitchen.do("pull pizza/cheese")
    again = kitchen.do("pull pizza/cheese:latest")
    assert "Already exists" not in again.out
    assert "Using default tag" not in again.out
    assert "Status: Image is up to date for pizza/cheese:latest" in again.out
    assert not again.changed


def test_a_pull_fetches_what_the_host_lacks_even_if_another_kitchen_has_it(kitchen: Kitchen) -> None:
    kitchen.do("pull pizza/cheese")
    other = kitchen.journal.create("other").id
    done = kitchen.journal.do(other, ["pull", "pizza/cheese"])
    assert len([e for e in done.events if isinstance(e, facts.LayerPulled)]) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pull pizza/nope", "Error response from daemon: manifest for pizza/nope:latest not found: manifest unknown"),
        (
            "pull pizza/cheese:nope",
            "Error response from daemon: manifest for pizza/cheese:nope not found: manifest unknown",
        ),
        ("pull Pizza", "invalid reference format"),
        ("pull docker.io/pizza/cheese", "only the menu"),
        ("pull", '"docker pull" requires exactly 1 argument.'),
        ("pull a b", '"docker pull" requires exactly 1 argument.'),
    ],
)
def test_a_pull_of_nothing_says_what_is_missing(kitchen: Kitchen, line: str, said: str) -> None:
    with pytest.raises(EngineError) as caught:
        kitchen.do(line)
    assert said in str(caught.value)
    assert kitchen.journal.head("k").number == 0


def test_quiet_prints_the_name_alone(kitchen: Kitchen) -> None:
    assert kitchen.out("pull -q pizza/cheese") == "docker.io/pizza/cheese:latest\n"


# images, history, inspect


def test_images_lists_names_ids_and_unpacked_sizes(kitchen: Kitchen) -> None:
    kitchen.do("pull pizza/cheese")
    header, row = kitchen.out("images").splitlines()
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert row.split()[:2] == ["pizza/cheese", "latest"]
    assert row.endswith("721kB")
    short = kitchen.out("images -q").strip()
    assert len(short) == 12
    assert kitchen.out("images -q --no-trunc").strip().startswith(f"sha256:{short}")
    assert kitchen.out("images --format '{{.Repository}} {{.Size}}'") == "pizza/cheese 721kB\n"
    assert json.loads(kitchen.out("image ls --format json"))["Tag"] == "latest"
    assert kitchen.out("images pizza/nope").split() == header.split()


def test_history_of_the_registry_has_the_post_s_ten_rows(kitchen: Kitchen) -> None:
    kitchen.do("pull registry")
    rows = kitchen.out("image history registry:latest").splitlines()[1:]
    assert len(rows) == 10
    assert [row.split()[-1] for row in rows] == [
        "0B",
        "0B",
        "155B",
        "0B",
        "0B",
        "295B",
        "22.8MB",
        "5.61MB",
        "0B",
        "4.81MB",
    ]
    assert rows[0].split()[0] == kitchen.out("images -q").strip()
    assert all(row.startswith("<missing>") for row in rows[1:])
    assert "…" in rows[-1]
    assert "…" not in kitchen.out("history --no-trunc registry")


def test_inspect_tells_images_and_containers_apart(box: Kitchen) -> None:
    image, container = json.loads(box.out("inspect pizza/pepperoni box"))
    assert image["RepoTags"] == ["pizza/pepperoni:latest"]
    assert len(image["RootFS"]["Layers"]) == 4
    assert container["Image"] == image["Id"]
    assert container["State"]["Running"] is True
    assert box.out("inspect -f '{{.State.Status}}' box") == "running\n"
    missing = box.do("inspect nope")
    assert (missing.status, missing.out, missing.err) == (1, "[]\n", "Error: No such object: nope\n")
    assert box.do("image inspect box").status == 1


# containers


def test_a_container_starts_empty_and_exec_copies_a_whole_file_up(box: Kitchen) -> None:  # rule 28
    assert box.out("diff box") == ""
    done = box.do("exec box sh -c 'echo hot >> /pizza/slice-3/crust'")
    (copied,) = [e for e in done.events if isinstance(e, facts.FileCopiedUp) and e.kind == "file"]
    (written,) = [e for e in done.events if isinstance(e, facts.FileWritten)]
    assert (copied.path, copied.size, copied.layer) == ("/pizza/slice-3/crust", 65536, 0)
    assert (written.written, written.size) == (4, 65540)
    assert box.out("diff box").splitlines() == ["C /pizza", "C /pizza/slice-3", "C /pizza/slice-3/crust"]
    assert "65.5kB (virtual 799kB)" in box.out("ps -s")


def test_picking_off_leaves_a_whiteout_and_the_image_as_it_was(box: Kitchen) -> None:  # rule 31
    box.do("run -d --name other pizza/pepperoni")
    (hidden,) = [e for e in box.do("exec box rm /pizza/slice-1/pepperoni").events if isinstance(e, facts.PathWhitedOut)]
    assert (hidden.path, hidden.layer) == ("/pizza/slice-1/pepperoni", 3)
    assert box.out("diff box").splitlines()[-1] == "D /pizza/slice-1/pepperoni"
    assert box.out("diff other") == ""
    assert box.do("exec other ls /pizza/slice-1").out.split() == ["cheese", "crust", "pepperoni", "sauce"]


def test_commit_stores_the_upper_as_one_layer_and_history_shows_it(box: Kitchen) -> None:  # rule 38
    box.do("exec box sh -c 'echo hot >> /pizza/slice-3/crust'")
    done = box.do("commit -m 'my slice' box mine")
    (layer,) = [e for e in done.events if isinstance(e, facts.LayerCommitted)]
    assert layer.unpacked == 65540
    assert done.out.startswith("sha256:")
    top, below = box.out("history mine").splitlines()[1:3]
    assert top.split()[0] == done.out[7:19]
    assert "65.5kB" in top
    assert top.rstrip().endswith("my slice")
    assert below.split()[0] == box.out("images -q pizza/pepperoni").strip()
    assert box.out("run mine cat /pizza/slice-3/crust").endswith("hot\n")


def test_an_empty_commit_adds_no_layer(box: Kitchen) -> None:  # rule 38
    done = box.do("commit box same")
    assert [e.empty for e in done.events if isinstance(e, facts.ImageCommitted)] == [True]
    same, pepperoni = (json.loads(box.out(f"inspect {name}"))[0] for name in ("same", "pizza/pepperoni"))
    assert same["RootFS"] == pepperoni["RootFS"]
    assert same["Id"] != pepperoni["Id"]
    assert box.out("history same").splitlines()[1].split("   ")[-1].strip() in ("0B", "")


def test_a_typed_command_runs_to_its_end_and_is_logged(kitchen: Kitchen) -> None:
    done = kitchen.do("run --name once pizza/dough sh -c 'echo out; echo err >&2; exit 3'")
    assert (done.out, done.status) == ("out\n", 3)
    assert done.err.endswith("err\n")
    assert "Unable to find image 'pizza/dough:latest' locally" in done.err
    assert "Exited (3)" in kitchen.out("ps -a")
    logs = kitchen.do("logs once")
    assert (logs.out, logs.err) == ("out\n", "err\n")
    with pytest.raises(CommandError, match="is not running"):
        kitchen.do("exec once ls")


@pytest.mark.parametrize(
    ("tail", "out"),
    [("0", ""), ("1", "2\n"), ("9", "1\n2\n"), ("9" * 5000, "1\n2\n"), ("all", "1\n2\n"), ("-1", "1\n2\n")],
    ids=lambda value: value[:9],
)
def test_logs_end_with_as_many_lines_as_are_asked_for(kitchen: Kitchen, tail: str, out: str) -> None:
    kitchen.do("run --name once pizza/dough sh -c 'echo 1; echo 2'")
    assert kitchen.out(f"logs --tail {tail} once") == out


def test_a_command_that_is_unknown_is_named_with_127(box: Kitchen) -> None:
    done = box.do("exec box bake --hot")
    assert done.status == 127
    assert "bake" in done.err + done.out


def test_stop_and_start_keep_what_was_changed(box: Kitchen) -> None:
    box.do("exec box touch /new")
    assert box.out("stop box") == "box\n"
    assert box.out("ps -q") == ""
    assert box.out("start box") == "box\n"
    assert box.out("diff box") == "A /new\n"


def test_names_and_prefixes_of_ids_find_a_container(box: Kitchen) -> None:
    whole = box.out("ps -q --no-trunc").strip()
    assert len(whole) == 64
    assert box.out(f"diff {whole[:4]}") == ""
    assert box.out("ps --format '{{.Names}} {{.Image}} {{.Command}}'") == 'box pizza/pepperoni "serve --hot"\n'


def test_containers_without_a_name_are_numbered(box: Kitchen) -> None:
    box.do("run -d pizza/pepperoni")
    box.do("run -d pizza/pepperoni")
    assert box.out("ps --format '{{.Names}}'").split() == ["pepperoni-2", "pepperoni-1", "box"]


@pytest.mark.parametrize(
    ("line", "said", "code"),
    [
        ("rm nope", "Error: No such container: nope", 1),
        ("stop nope", "Error response from daemon: No such container: nope", 1),
        (
            "start nope",
            "Error response from daemon: No such container: nope\nError: failed to start containers: nope",
            1,
        ),
        ("rmi nope", "Error: No such image: nope", 1),
    ],
)
def test_what_is_not_there_is_told_and_the_others_are_done(box: Kitchen, line: str, said: str, code: int) -> None:
    done = box.do(line)
    assert (done.status, done.err) == (code, said + "\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rm box", "You cannot remove a running container"),
        ("rmi pizza/pepperoni", "container "),
        ("run --name box pizza/pepperoni", 'daemon: Conflict. The container name "/box" is already in use'),
        ("run --name 'bad name' pizza/pepperoni", "Invalid container name"),
        ("tag nope x", "Error response from daemon: No such image: nope:latest"),
        ("tag pizza/pepperoni UPPER", "not a valid repository/tag"),
        ("commit box UPPER", "invalid reference format: repository name must be lowercase"),
        ("diff nope", "Error response from daemon: No such container: nope"),
        ("cp a b", "must specify at least one container source"),
        ("ps extra", '"docker ps" accepts no arguments.'),
        ("ps --nope", "unknown flag: --nope"),
    ],
)  # fmt: skip
def test_what_docker_would_refuse_is_refused_and_changes_nothing(box: Kitchen, line: str, said: str) -> None:
    before = box.journal.head("k")
    try:
        done = box.do(line)
        told, status = done.err, done.status
    except CommandError as error:
        told, status = str(error), error.exit_code
    assert said in told
    assert status
    assert box.journal.head("k") == before


# rmi


def test_removing_a_name_that_is_not_the_last_only_untags(box: Kitchen) -> None:
    box.do("tag pizza/pepperoni mine:1")
    assert box.out("rmi mine:1") == "Untagged: mine:1\n"
    assert "pizza/pepperoni" in box.out("images")


def test_removing_an_image_names_its_layers_and_spares_shared_ones(kitchen: Kitchen) -> None:
    kitchen.do("pull pizza/cheese")
    kitchen.do("pull pizza/pepperoni")
    lines = kitchen.out("rmi pizza/pepperoni").splitlines()
    assert lines[0] == "Untagged: pizza/pepperoni:latest"
    assert lines[1].startswith("Untagged: pizza/pepperoni@sha256:")
    assert [line.split(":")[0] for line in lines[2:]] == ["Deleted", "Deleted"], "the image and its one own layer"


def test_a_stopped_container_s_image_goes_only_by_force_and_the_container_lives_on(box: Kitchen) -> None:
    box.do("stop box")
    short = box.out("images -q").strip()
    refused = box.do(f"rmi {short}")
    assert f"unable to delete {short} (must be forced) - image is being used by stopped container" in refused.err
    assert box.do(f"rmi -f {short}").status == 0
    box.do("start box")
    assert "crust" in box.out("exec box ls /pizza/slice-1")


# archives and files


def test_save_and_load_bring_an_image_to_another_host(box: Kitchen, tmp_path: Path) -> None:
    before = box.out("images --no-trunc")
    box.do(f"save -o {tmp_path}/p.tar pizza/pepperoni")
    other = Kitchen(tmp_path / "other")
    assert other.out(f"load -i {tmp_path}/p.tar") == "Loaded image: pizza/pepperoni:latest\n"
    assert other.out("images --no-trunc").splitlines()[1].split()[:3] == before.splitlines()[1].split()[:3]
    assert other.out(f"load -i {LAYOUT}").count("Loaded image") == 7
    other.journal.close()


def test_export_writes_the_merged_root(box: Kitchen, tmp_path: Path) -> None:
    box.do("exec box sh -c 'echo hot >> /pizza/slice-3/crust; rm /pizza/slice-1/pepperoni; mkdir /new'")
    box.do(f"export -o {tmp_path}/root.tar box")
    with tarfile.open(tmp_path / "root.tar") as tar:
        names = tar.getnames()
        crust = tar.extractfile("pizza/slice-3/crust")
        assert crust
        assert crust.read().endswith(b"hot\n")
    assert "pizza/slice-1/pepperoni" not in names
    assert "pizza/slice-2/pepperoni" in names
    assert "new" in names
    assert not [name for name in names if ".wh." in name]


def test_cp_brings_files_in_and_out(box: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "olive").write_text("an olive\n")
    done = box.do(f"cp {tmp_path}/olive box:/pizza/slice-2/")
    assert [e.path for e in done.events if isinstance(e, facts.FileCreated)] == ["/pizza/slice-2/olive"]
    assert box.out("exec box cat /pizza/slice-2/olive") == "an olive\n"
    box.do(f"cp box:/pizza/slice-2/olive {tmp_path}/back")
    assert (tmp_path / "back").read_text() == "an olive\n"
    with pytest.raises(CommandError, match="No such container:path"):
        box.do(f"cp box:/nope {tmp_path}/x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("mtime", ["nan", "inf", "-inf", "1e300", "9" * 5000])
def test_cp_takes_a_file_of_any_time(box: Kitchen, tmp_path: Path, mtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tar(item("olive", content=b"an olive", pax_headers={"mtime": mtime}))
    monkeypatch.setattr(Files, "reader", lambda _self, _path: io.BytesIO(data))
    box.do("cp - box:/pizza")
    assert box.out("exec box cat /pizza/olive") == "an olive"


def test_a_tree_is_never_laid_out_on_the_local_disk(box: Kitchen, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="tar stream"):
        box.do(f"cp box:/pizza {tmp_path}")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_a_load_of_rubbish_leaves_nothing(kitchen: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"rubbish" * 1000)
    with pytest.raises(EngineError):
        kitchen.do(f"load -i {tmp_path}/bad.tar")
    assert list(kitchen.journal.blobs) == []
    assert kitchen.journal.head("k").number == 0


def test_help_names_every_verb(kitchen: Kitchen) -> None:
    text = kitchen.out("--help")
    assert all(verb in text for verb in ("pull", "history", "commit", "rmi"))
    assert "Usage:  docker pull [OPTIONS] NAME[:TAG|@DIGEST]" in kitchen.out("pull --help")
    with pytest.raises(UsageError):
        kitchen.do("bake --help")
