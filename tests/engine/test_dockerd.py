"""A real dockerd and our engine do the same to the same images: fixed journeys, observed oddities, random scripts.

``DOCKERD_SCRIPTS=500`` runs that many random scripts (each costs dockerd half a second), ``DOCKERD_SEED`` begins them
at another number; a script that differs is printed with its seed.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import peers
from tests.engine import scripts
from tests.engine.twins import ENTRY, IMAGE, Twins, members, recipes

SCRIPTS = int(os.environ.get("DOCKERD_SCRIPTS", "10"))
SEED = int(os.environ.get("DOCKERD_SEED", "0"))

CONFIG = ("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "ExposedPorts", "Volumes")
"""What is told of how an image runs; Labels apart, which dockerd makes an empty mapping of none."""
TOLD = ("Architecture", "Author", "Comment", "Os", "Size")
"""What else is told of an image."""


@pytest.fixture(scope="module")
def twins(dockerd: peers.Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Both with the images of `recipes`."""
    made = Twins(dockerd, tmp_path_factory.mktemp("twins"))
    made.bring(recipes())
    yield made
    made.close()


@pytest.fixture
def box(twins: Twins) -> Iterator[Twins]:
    """Both without the containers that a test makes."""
    yield twins
    twins.rid("box", "other")


def ran(twins: Twins, script: str, image: str = IMAGE) -> None:
    """Run a script in ``box``: it must print the same and end the same."""
    twins.same("run", "--name", "box", image, "sh", "-c", script)


def agree(twins: Twins) -> set[str]:
    """Hold all that can be seen of ``box`` to be the same; the lines of its diff."""
    ours, theirs = twins.diff("box")
    assert ours == theirs, twins.documents("container", "box")[0]["Args"]
    sizes = twins.sizes("box")
    assert sizes[0] == sizes[1]
    mine, other = twins.tree("box")
    assert mine == other
    return ours


def committed(twins: Twins, *flags: str) -> list[dict[str, Any]]:
    """``box`` committed by both, to the same config, history and layer; the history, newest first."""
    for side in (twins.ours, twins.theirs):
        assert side("commit", *flags, "box", "test/made").status == 0
    mine, other = twins.top("test/made")
    assert mine == other
    history, theirs = twins.history("test/made")
    assert history == theirs
    image, expected = twins.documents("image", "test/made")
    for document in (image, expected):  # dockerd does not always keep the order of several -e
        document["Config"]["Env"] = sorted(document["Config"].get("Env") or ())
    assert {key: image["Config"][key] for key in CONFIG} == {key: expected["Config"].get(key) for key in CONFIG}
    assert {key: image[key] for key in TOLD} == {key: expected[key] for key in TOLD}
    twins.ours("rmi", "-f", "test/made")
    twins.api("DELETE", "/images/test/made?force=1")
    return history


# Images


def test_an_image_of_ours_is_the_same_image_to_dockerd(box: Twins) -> None:  # rules 8, 12, 13, 15, 19, 27
    for line in (
        "images -q --no-trunc " + IMAGE,
        "history " + IMAGE,
        "history --no-trunc -q " + ENTRY,
        "images " + ENTRY,
    ):
        box.same(*line.split())
    box.same("create", "--name", "box", IMAGE)
    assert agree(box) == set()


@pytest.mark.parametrize("image", [IMAGE, ENTRY])
def test_inspect_tells_the_same_of_an_image(twins: Twins, image: str) -> None:
    ours, theirs = twins.documents("image", image)
    for key in (*TOLD, "Id", "RepoTags", "Created"):
        assert ours[key] == theirs[key], key
    for key in (*CONFIG, "Labels"):
        assert ours["Config"][key] == theirs["Config"].get(key), key
    assert ours["RootFS"] == theirs["RootFS"]


def test_inspect_tells_the_same_of_a_container(box: Twins) -> None:
    box.same("run", "--name", "box", "-e", "SAUCE=mild", "-w", "/odd/dir", ENTRY, "echo hi; exit 5")
    ours, theirs = box.documents("container", "box")
    for key in ("Path", "Args", "Image", "Name", "SizeRw", "SizeRootFs"):
        assert ours[key] == theirs[key], key
    for key in ("Status", "Running", "ExitCode"):
        assert ours["State"][key] == theirs["State"][key], key
    for key in ("Image", "Cmd", "Entrypoint", "Env", "WorkingDir"):
        assert ours["Config"][key] == theirs["Config"][key], key


def test_formats_give_the_same(box: Twins) -> None:
    for line in ("ps -a", "ps -s", "ps -a -s --no-trunc"):
        box.same(*line.split())
    box.same("create", "--name", "box", IMAGE, "echo", "a <b> & 'c d'")
    for line in (
        "images --format {{.Repository}}:{{.Tag}}|{{.ID}}|{{.CreatedAt}}|{{.CreatedSince}}|{{.Digest}}|{{.Size}}",
        "images --format {{json .ID}} --no-trunc",
        "images -q",
        "history --format {{json .}}",
        "history --no-trunc -q",
    ):
        verb, *flags = line.replace("{{json ", "{{json\0").split()
        box.same(verb, *(flag.replace("\0", " ") for flag in flags), IMAGE)
    box.same("ps", "-a", "--format", "{{.Names}}|{{.Size}}|{{json .Command}}|{{.State}}|{{.Status}}|{{.Image}}")
    box.same("ps", "-a", "--format", "table {{.Names}}\\t{{.Image}}")
    box.same("ps", "-a", "--no-trunc", "--format", "{{.Command}}")
    box.same("inspect", "-f", "{{.State.ExitCode}} {{.Name}} {{json .Config.Cmd}} {{.Path}} {{.Args}}", "box")


# Observed


def test_opening_for_appending_shows_no_change_and_65_kB(box: Twins) -> None:  # rules 28, 36
    ran(box, "true >> /odd/big")
    assert agree(box) == set()
    assert box.same("ps", "-a", "-s", "--format", "{{.Names}} {{.Size}}").out == "box 65.5kB (virtual 2.12MB)\n"
    assert committed(box)[0]["Size"] == "65.5kB"


def test_reading_copies_nothing(box: Twins) -> None:  # rule 28
    ran(
        box,
        "cat /odd/dir/a /odd/link /odd/files/setuid; wc -c < /odd/big; ls /odd/dir /odd/opaque; test -x /odd/link",
    )
    assert agree(box) == set()
    assert box.sizes("box")[0][0] == 0


def test_truncating_on_open_copies_nothing(box: Twins) -> None:  # rule 28
    ran(box, ": > /odd/big")
    assert agree(box) == {"C /odd", "C /odd/big"}
    assert box.sizes("box")[0][0] == 0


@pytest.mark.parametrize("change", ["chmod 600", "chown 7:8", "chmod 644", "touch"])
def test_a_change_of_attributes_copies_the_whole_file_up(box: Twins, change: str) -> None:  # rules 28, 29, 36
    ran(box, f"{change} /odd/big")
    diff = agree(box)
    assert diff == (set() if change == "chmod 644" else {"C /odd", "C /odd/big"})
    assert box.sizes("box")[0][0] == 65536
    assert committed(box)[0]["Size"] == "65.5kB"


def test_touching_a_directory_shows_nothing(box: Twins) -> None:  # rule 36
    ran(box, "touch /odd/dir")
    assert agree(box) == set()
    assert committed(box)[0]["Size"] == "0B"


def test_removing_and_making_a_directory_is_a_change_and_its_children_are_gone(box: Twins) -> None:  # rules 32, 36
    ran(box, "rm -rf /odd/dir; mkdir /odd/dir; echo new > /odd/dir/c")
    assert agree(box) == {
        "C /odd",
        "C /odd/dir",
        "C /odd/dir/c",
        *(f"D /odd/dir/{name}" for name in ("a", "b", "d", "sub")),
    }
    committed(box)


def test_a_deleted_directory_is_one_line(box: Twins) -> None:  # rules 31, 36
    ran(
        box,
        "cd /odd; rm -rf dir link-dir opaque; rm big; echo x > x; rm x; echo y >> hard-1; rm hard-1",
    )
    assert agree(box) == {"C /odd", *(f"D /odd/{name}" for name in ("dir", "link-dir", "opaque", "big", "hard-1"))}
    committed(box)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("rm -r /odd/dir; echo file > /odd/dir", "C /odd/dir"),
        ("rm /odd/big; mkdir /odd/big; echo x > /odd/big/x", "C /odd/big"),
        ("rm /odd/link; echo x > /odd/link", "C /odd/link"),
        ("ln -sf c /odd/big", "C /odd/big"),
    ],
)
def test_another_kind_in_its_place_is_a_change(box: Twins, script: str, line: str) -> None:  # rules 32, 36
    ran(box, script)
    assert line in agree(box)
    committed(box)


def test_writing_to_one_hardlink_parts_it_from_the_others(box: Twins) -> None:  # rule 30
    ran(
        box,
        "echo x >> /odd/hard-1; cat /odd/hard-2; ln /odd/hard-2 /odd/hard-4; echo y >> /odd/hard-4; cat /odd/hard-2",
    )
    assert agree(box) == {"C /odd", "C /odd/hard-1", "C /odd/hard-2", "A /odd/hard-4"}
    committed(box)


def test_renaming_files_and_directories(box: Twins) -> None:  # rule 33
    ran(
        box,
        "cd /odd; mv big moved; mv dir dir-2; mkdir fresh; mv fresh fresher; mv dir-2/sub fresher; "
        "mv was-file/inside was-dir; mv tmp empty; mv link l",
    )
    agree(box)
    committed(box)


def test_a_setgid_directory_passes_on_its_group(box: Twins) -> None:  # rule 29
    ran(
        box,
        "cd /odd; echo x > group/x; mkdir -p group/d/e; chown 3:4 files/setuid; chown :5 files/owned; ln -s x group/l",
    )
    agree(box)
    committed(box)


def test_what_a_container_is_left_with_nothing_but_whiteouts(box: Twins) -> None:  # rules 31, 37
    ran(box, "rm -rf /odd/* ; ls /odd")
    agree(box)
    committed(box)


# Commit


def test_an_empty_commit_adds_a_row_and_no_layer(box: Twins) -> None:  # rule 38
    box.same("create", "--name", "box", IMAGE)
    for side in (box.ours, box.theirs):
        assert side("commit", "-m", "nothing", "-a", "me", "box", "test/same").status == 0
    ours, theirs = box.documents("image", "test/same")
    assert ours["RootFS"] == theirs["RootFS"] == box.documents("image", IMAGE)[0]["RootFS"]
    assert {key: ours[key] for key in TOLD} == {key: theirs[key] for key in TOLD}
    rows, other = box.history("test/same")
    assert rows == other
    assert rows[0] == {"CreatedBy": "/bin/sh", "Size": "0B", "Comment": "nothing"}
    box.both("rmi", "test/same")


def test_a_commit_takes_the_command_of_its_container(box: Twins) -> None:  # rule 38
    box.same("run", "--name", "box", "-e", "HEAT=9", "-w", "/odd/dir", IMAGE, "sh", "-c", "echo $HEAT > sauce; pwd")
    agree(box)
    row = committed(box, "-m", "with sauce")[0]
    assert row == {"CreatedBy": "sh -c echo $HEAT > sauce; pwd", "Size": "2B", "Comment": "with sauce"}


def test_an_entrypoint_stays_an_entrypoint(box: Twins) -> None:  # rule 38
    box.same(
        "run", "--name", "box", "-e", "SAUCE=mild", "-e", "MORE=1", ENTRY, "echo $SAUCE $MORE $PATH; pwd; echo x > made"
    )
    agree(box)
    assert committed(box)[0]["CreatedBy"] == "echo $SAUCE $MORE $PATH; pwd; echo x > made"
    box.rid("box")
    box.same("create", "--name", "box", ENTRY)
    committed(box)


def test_commits_stand_on_one_another(box: Twins) -> None:  # rules 27, 38
    for side in (box.ours, box.theirs):
        at = IMAGE
        for n, script in enumerate(
            ("echo one > /odd/new", "rm /odd/new; echo x >> /odd/big", "true", "mkdir /odd/new")
        ):
            alone = ("--network", "none") if side == box.theirs else ()
            assert side("run", *alone, "--name", "box", at, "sh", "-c", script).status == 0
            assert side("commit", "-m", f"step {n}", "box", at := f"test/step:{n}").status == 0
            side("rm", "box")
    rows, other = box.history("test/step:3")
    assert rows == other
    ours, theirs = (side("history", "--no-trunc", "-q", "test/step:3").out.split() for side in (box.ours, box.theirs))
    assert [row == "<missing>" for row in ours] == [row == "<missing>" for row in theirs]
    box.same("create", "--name", "box", "test/step:3")
    agree(box)
    box.rid("box")
    box.same("rmi", "test/step:1")
    ours, theirs = (side("rmi", "test/step:3", "test/step:2", "test/step:0").out for side in (box.ours, box.theirs))
    assert [line.split()[0] for line in ours.splitlines()] == [line.split()[0] for line in theirs.splitlines()]


def test_a_tag_that_moves_leaves_its_image_without_a_name(box: Twins) -> None:
    for side in (box.ours, box.theirs):
        side("create", "--name", "box", IMAGE)
        first = side("commit", "box", "test/moved:1").out.strip()
        side("create", "--name", "other", "test/moved:1")
        side("cp", __file__, "box:/odd/new")
        side("commit", "-m", "again", "box", "test/moved:1")
        rows = side("ps", "-a", "--format", "{{.Names}} {{.Image}}").out.splitlines()
        assert {f"box {IMAGE}", f"other {first[7:19]}"} <= set(rows)
        rows = side("images", "--no-trunc", "--format", "{{.Repository}} {{.Tag}} {{.ID}}").out.splitlines()
        assert f"<none> <none> {first}" in rows
        second = side("images", "-q", "--no-trunc", "test/moved").out.strip()
        assert f"test/moved 1 {second}" in rows
        assert second != first
        assert side("images", "-q", "test/moved:2").out == ""
        rows = side("history", "--no-trunc", "-q", second).out.splitlines()
        assert rows[0] == second
        assert "image is being used by stopped container" in side("rmi", first).err
        side("rm", "other")
        assert side("rmi", first).out == f"Deleted: {first}\n"
        assert side("rmi", "test/moved:1").out.count("Deleted: ") == 2, "the image and its layer"


# Life


def test_a_life_of_two_containers(box: Twins) -> None:
    box.same("run", "-d", "-i", "--name", "box", IMAGE)
    box.same("exec", "box", "sh", "-c", "echo hot > /odd/sauce; exit 3")
    box.same("exec", "-w", "/odd/dir", "-e", "A=1", "box", "sh", "-c", "pwd; echo $A; cat a")
    box.same("create", "--name", "other", IMAGE, "sh", "-c", "echo out; echo again | cat; exit 4")
    box.same("start", "-a", "other")
    box.same("start", "other")
    box.theirs("wait", "other")
    box.same("logs", "other")
    assert box.same("logs", "--tail", "1", "other")
    rows = ("ps", "-a", "--no-trunc", "--format", "{{.Names}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Ports}}")
    box.same(*rows)
    for name in ("box", "other"):
        ours, theirs = box.diff(name)
        assert ours == theirs
    box.same("stop", "-t", "0", "box")
    box.same("start", "box")
    box.same("exec", "box", "cat", "/odd/sauce")
    box.same("rm", "-f", "box", "other")


def test_a_shell_is_given_the_same_environment(box: Twins) -> None:
    box.same("run", "--name", "box", IMAGE, "sh", "-c", "echo $PATH $HOME $PWD $HOSTNAME")
    box.same("run", "--name", "other", "-e", "PATH=/bin", "-e", "A=b=c", ENTRY, "echo $PATH $A $SAUCE $PWD")


COMPLAINTS = """
cd /odd; rm nope; mkdir dir; rmdir dir; ls nope; cp nope x; mv nope x; chmod 600 nope; chown 0 nope; touch nope/x
echo > dir; echo > nope/x; cat < nope; ln nope x; ln -s a link; mkdir a/b; rm dir; cp dir x; head nope; wc nope
cat nope; stat nope; find nope; rmdir big; mv dir big; mv big dir/a/b; rmdir nope; nope-cmd; test -e nope; echo $?
rm -r .; cat link-broken; cp big big; mkdir -p big/x; mkdir empty empty/x
"""


def test_complaints_are_in_the_same_words(box: Twins) -> None:
    ran(box, COMPLAINTS.strip().replace("\n", "; "))
    agree(box)


# cp


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Local files of every kind."""
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "file").write_text("local\n")
    os.link(tmp_path / "tree" / "file", tmp_path / "tree" / "same")
    (tmp_path / "tree" / "link").symlink_to("file")
    (tmp_path / "tree" / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "tree" / "fifo")
    (tmp_path / "tree" / "sub" / "deep").write_text("deep\n")
    (tmp_path / "dir").write_text("not a directory\n")
    (tmp_path / "other" / "big").mkdir(parents=True)
    os.chown(tmp_path / "tree" / "file", 1000, 1001)
    os.chmod(tmp_path / "tree" / "file", 0o640)
    os.chmod(tmp_path / "dir", 0o4755)
    os.utime(tmp_path / "tree" / "file", (978307200.7, 978307200.7))
    os.utime(tmp_path / "tree" / "sub", (978307200, 978307200))
    return tmp_path


def test_cp_brings_what_docker_brings(box: Twins, local: Path) -> None:
    box.same("create", "--name", "box", IMAGE)
    for source, target in (
        ("tree/file", "/odd/dir/"),
        ("tree/file", "/odd/dir/a"),
        ("tree/file", "/odd/link"),
        ("tree/file", "/odd/link-dir"),
        ("tree/file", "/odd/link-broken"),
        ("tree/file", "/odd/new"),
        ("tree/file", "/odd/files/setuid"),
        ("tree/file", "/odd/group/new"),
        ("tree/file", "odd/relative"),
        ("tree/file", "../odd/dots"),
        ("dir", "/odd/new-setuid"),
        ("tree/link", "/odd/dir"),
        ("tree/link", "/odd/big"),
        ("tree/link/", "/odd"),
        ("tree", "/odd"),
        ("tree", "/odd"),
        ("tree", "/odd/new-tree"),
        ("tree", "/odd/new-tree-2/"),
        ("tree/.", "/odd/empty"),
        ("tree/.", "/odd/new-tree-3"),
        ("tree/sub/..", "/odd/opaque"),
    ):
        said = box.same("cp", f"{local}/{source}", f"box:{target}")
        assert (said.status, said.out) == (int(source.endswith("link/")), ""), (source, target)
    agree(box)
    committed(box)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("tree", "/odd/big"),
        ("tree/file", "/odd/nope/x"),
        ("tree/file", "/odd/nope/"),
        ("tree/file", "/odd/big/x"),
        ("tree/file/", "/odd"),
        ("tree/file/.", "/odd"),
        ("nope", "/odd"),
    ],
)
def test_what_cp_refuses(box: Twins, local: Path, source: str, target: str) -> None:
    box.same("create", "--name", "box", IMAGE)
    said = box.same("cp", f"{local}/{source}", f"box:{target}")
    assert said.status == 1
    assert agree(box) == set()


@pytest.mark.parametrize(("source", "target"), [("other/big", "/odd"), ("dir", "/odd")])
def test_a_directory_and_a_file_do_not_replace_one_another(box: Twins, local: Path, source: str, target: str) -> None:
    box.same("create", "--name", "box", IMAGE)
    ours, theirs = box.both("cp", f"{local}/{source}", f"box:{target}")
    assert (ours.status, theirs.status) == (1, 1)
    assert theirs.err.replace("Error processing tar file(exit status 1): ", "") == ours.err
    assert agree(box) == set()


@pytest.mark.parametrize("path", ["/odd", "/odd/dir", "/odd/dir/", "/odd/link", "/odd/big", "odd/opaque"])
def test_cp_to_standard_output_is_the_same_tar(box: Twins, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    box.same("create", "--name", "box", IMAGE)
    theirs = box.daemon.docker("cp", f"box:{path}", "-").stdout
    ours = io.BytesIO()
    ours.close = lambda: None  # type: ignore[method-assign]
    monkeypatch.setattr("engine.__main__.Files.writer", lambda *_: ours)
    assert box.ours("cp", f"box:{path}", "-").status == 0
    assert members(ours.getvalue()) == members(theirs)


def test_cp_from_standard_input_lays_out_a_tar(box: Twins, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(local / "tree", "deeper/and/deeper")
        device = tarfile.TarInfo("null")
        device.type, device.devmajor, device.devminor, device.mode = tarfile.CHRTYPE, 1, 3, 0o666
        tar.addfile(device)
    box.same("create", "--name", "box", IMAGE)
    box.daemon.docker("cp", "-", "box:/odd/dir", stdin=out.getvalue())
    monkeypatch.setattr("engine.__main__.Files.reader", lambda *_: io.BytesIO(out.getvalue()))
    assert box.ours("cp", "-", "box:/odd/dir") == (0, "", "")
    agree(box)


def test_cp_brings_a_file_out(box: Twins, tmp_path: Path) -> None:
    box.same("create", "--name", "box", IMAGE)
    for side in (box.ours, box.theirs):
        place = tmp_path / side.__name__
        place.mkdir()
        assert side("cp", "box:/odd/files/owned", str(place)).status == 0
        assert side("cp", "box:/odd/files/locked", str(place / "renamed")).status == 0
    mine, other = ({p.name: p for p in (tmp_path / name).iterdir()} for name in ("ours", "theirs"))
    assert mine.keys() == other.keys() == {"owned", "renamed"}
    for name, path in mine.items():
        assert path.read_bytes() == other[name].read_bytes()
        assert path.stat().st_mode == other[name].stat().st_mode
        assert int(path.stat().st_mtime) == int(other[name].stat().st_mtime)


# Random


@pytest.mark.parametrize("seed", range(SEED, SEED + SCRIPTS))
def test_a_random_script_does_the_same(box: Twins, seed: int) -> None:
    _play(box, seed, IMAGE)
    if seed % 3 == 0:
        committed(box)


@pytest.mark.parametrize("seed", range(SEED, SEED + SCRIPTS, 4))
def test_a_random_script_does_the_same_on_what_another_left(box: Twins, seed: int) -> None:
    _play(box, -seed - 1, IMAGE)
    for side in (box.ours, box.theirs):
        assert side("commit", "box", "test/left").status == 0
    box.rid("box")
    _play(box, -seed - 2, "test/left")
    committed(box)
    box.rid("box")
    box.both("rmi", "test/left")


def _play(twins: Twins, seed: int, image: str) -> None:
    """Run the script of a seed in ``box``, line by line the same."""
    script = scripts.make(seed)
    ours, theirs = twins.both("run", "--name", "box", image, "sh", "-c", script)
    said = ours.out.split("\n")
    for number, (mine, other) in enumerate(zip(said, theirs.out.split("\n"), strict=False)):
        assert mine == other, f"seed {seed}, line {number}, after {said[max(0, number - 3) : number]}:\n{script}"
    assert ours == theirs, f"seed {seed}:\n{script}"
    agree(twins)
