"""``python -m engine``: exit codes, what goes where, and what a terminal sees meanwhile."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from engine import __main__ as command_line
from engine.__main__ import Bars
from engine.digest import Digest
from engine.errors import CommandError
from engine.events import Progress
from engine.journal import Journal
from engine.terminal import bar
from menu import LAYOUT

ROOT = Path(__file__).parents[2]
DOUGH = Digest("sha256:" + "d" * 64)
SAUCE = Digest("sha256:" + "5" * 64)


def run(data: Path, *words: str) -> int:
    return command_line.main(["--data", str(data), "--offline", *words])


def start(data: Path, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "engine", "--data", str(data), "--offline", *words], cwd=ROOT, **options
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with cheese and a container of it."""
    data = tmp_path_factory.mktemp("made") / "data"
    assert run(data, "run", "-d", "--name", "box", "pizza/cheese") == 0
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """The same, for one test."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["images"], 0, ""),
        (["exec", "box", "false"], 1, ""),
        (["exec", "box", "sh", "-c", "exit 42"], 42, ""),
        (["exec", "box", "pizzaiolo"], 127, "pizzaiolo"),
        (["pull", "pizza/nothing"], 1, "manifest for pizza/nothing:latest not found"),
        (["run", "pizza/nothing"], 125, "Unable to find image 'pizza/nothing:latest' locally"),
        (["images", "--flag"], 125, "unknown flag: --flag"),
        (["knead"], 1, "docker: 'knead' is not a docker command."),
        (["stop"], 1, '"docker stop" requires at least 1 argument.'),
        (["fork", "local"], 1, "there is a kitchen 'local' already; choose another name"),
        (["fork", "../oven"], 1, "'../oven' cannot name a kitchen"),
        (["undo", "twice"], 1, '"undo" accepts no arguments'),
        (["jump"], 1, '"jump" requires exactly 1 argument'),
        (["jump", "99"], 1, "there is no state '99'"),
        (["save", "-o", "/dev/null", "pizza/cheese"], 1, 'invalid output path: "/dev/null" must be a regular file'),
        (["save", "-o", "/nowhere/x.tar", "pizza/cheese"], 1, "open /nowhere/x.tar: no such file or directory"),
        (["load", "-i", "/nowhere/x.tar"], 1, "open /nowhere/x.tar: no such file or directory"),
        (["fsck", "--help"], 0, ""),
    ],
)
def test_a_command_ends_with_dockers_exit_code_and_one_sentence(
    data: Path, capfd: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    capfd.readouterr()
    assert run(data, *words) == code
    out, err = capfd.readouterr()
    assert said in err
    assert "Traceback" not in err
    assert bool(said) == bool(err)
    assert "\x1b" not in out + err, "nobody looks on a terminal"


@pytest.mark.parametrize("words", [["--bogus", "images"], ["--dat", "x", "images"], ["--data"]])
def test_a_flag_before_the_verb_that_is_unknown_is_refused_as_by_docker(
    capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(words)
    assert ended.value.code == 125
    assert capfd.readouterr().err.endswith("See 'python -m engine --help'.\n")


def test_help_names_dockers_verbs_and_the_journals(capfd: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([]) == 0
    out = capfd.readouterr().out
    assert "  exec        Run a command in a running container\n" in out
    assert "  undo        Go back to the state before\n" in out


@pytest.mark.parametrize("verb", ["log", "fsck", "undo", "gc"])
def test_a_verb_of_the_journal_makes_no_store_where_there_is_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run(tmp_path / "mistyped", verb) == 1
    assert f"{tmp_path}/mistyped is no store, and nothing was made" in capfd.readouterr().err
    assert run(tmp_path / "mistyped", verb, "--help") == 0
    assert f"Usage:  {verb}\n" in capfd.readouterr().out
    assert not (tmp_path / "mistyped").exists()


def test_what_the_journal_shows_can_be_pasted_back(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = """echo "hot sauce" >> /pizza/slice-1/crust"""
    assert run(data, "exec", "box", "sh", "-c", script) == 0
    for verb in ("log", "undo", "redo"):
        capfd.readouterr()
        assert run(data, verb) == 0
        if verb != "undo":
            line = capfd.readouterr().out.splitlines()[-1]
            assert shlex.split(line[line.index("exec ") :]) == ["exec", "box", "sh", "-c", script]


def test_a_data_directory_that_cannot_be_one_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file", "images") == 1
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert run(tmp_path / "data", "images") == 1
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith("Error: ")
    assert second == f"Error: the journal {tmp_path}/data/journal.db cannot be used: file is not a database"


def test_who_stops_reading_ends_it_in_silence(data: Path) -> None:
    script = f"for i in {{1..1500}}; do echo {'x' * 600}; done"
    for words in (["exec", "box", "sh", "-c", script], ["save", "pizza/cheese"], ["export", "box"]):
        child = start(data, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout
        assert child.stderr
        assert child.stdout.read(1)
        child.stdout.close()
        assert child.stderr.read() == b""
        child.stderr.close()
        assert child.wait(60) == 141


def test_a_full_disk_is_told_not_ignored(data: Path) -> None:
    for words in (["images"], ["save", "pizza/cheese"]):
        with open("/dev/full", "wb") as full:
            child = start(data, *words, stdout=full, stderr=subprocess.PIPE)
            _, err = child.communicate(timeout=60)
        assert child.returncode == 1
        assert err.decode().endswith("No space left on device\n")
        assert b"Traceback" not in err


def test_an_interrupt_ends_it_with_130_and_the_host_as_it_was(data: Path) -> None:
    child = start(data, "load", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    while not any((data / "leases").iterdir()):  # it runs, and waits for the archive
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.stderr
    assert child.stderr.read() == b""
    assert child.wait(60) == 130
    for pipe in (child.stdin, child.stderr):
        pipe.close()  # type: ignore[union-attr]
    assert not any((data / "leases").iterdir()), "its lease is given back"
    with closing(Journal(data)) as journal:
        assert journal.head("local").number == 1
        assert journal.check() == []


def test_names_of_any_script_are_printed_whatever_the_terminal_speaks(data: Path) -> None:
    run(data, "exec", "box", "touch", "/pizza/jalapeño", b"/pizza/caf\xe9".decode("utf-8", "surrogateescape"))
    for encoding, shown in (("utf-8", "jalapeño"), ("ascii", "jalape\\xf1o")):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        child = start(data, "exec", "box", "ls", "/pizza", stdout=subprocess.PIPE, env=environment)
        assert shown in child.communicate(timeout=60)[0].decode().split()
        assert child.returncode == 0


def test_an_archive_takes_its_name_only_when_it_is_whole(data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "cheese.tar"
    archive.write_text("the old one")
    files = command_line.Files()
    with suppress(CommandError), files.writer(str(archive)) as out:
        out.write(b"half")
        raise CommandError("broken")
    assert archive.read_text() == "the old one"
    link = tmp_path / "link.tar"
    link.symlink_to(archive)
    assert run(data, "save", "-o", str(link), "pizza/cheese") == 0
    assert link.is_symlink(), "written through, not replaced"
    assert archive.stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cheese.tar", "data", "link.tar"]


def test_eight_processes_may_open_one_directory_at_once(tmp_path: Path) -> None:
    children = [
        start(tmp_path, "tag" if n else "pull", "pizza/dough", *(["again"] if n else []), stderr=subprocess.PIPE)
        for n in range(8)
    ]
    said = [child.communicate(timeout=120)[1] for child in children]
    assert children[0].returncode == 0, said[0]
    assert b"Traceback" not in b"".join(said)
    assert {line for err in said for line in err.splitlines()} <= {
        b"Error response from daemon: No such image: pizza/dough:latest"
    }
    assert run(tmp_path, "fsck") == 0


# What a terminal sees


class Screen(io.StringIO):
    """A terminal that knows two controls: up so many lines, and clear from here."""

    def lines(self) -> list[str]:
        shown: list[str] = []
        at = 0
        for part in self.getvalue().replace("\x1b[J", "\x1b[J\n").splitlines():
            if part.startswith("\x1b["):
                at -= int(part[2 : part.index("A")])
                assert at >= 0, "above the top"
                del shown[at:]
            else:
                shown[at:] = [part]
                at += 1
        return shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 10)))
    return now


def progress(digest: Digest, phase: Any = "downloading", done: int = 1_200_000, total: int = 3_400_000) -> Progress:
    return Progress(digest=digest, phase=phase, done=done, total=total)


def test_bars_come_after_a_second_and_go_when_it_ends(clock: list[float]) -> None:
    screen = Screen()
    bars = Bars(screen)
    bars(progress(DOUGH))
    clock[0] += 0.9
    bars(progress(DOUGH))
    assert screen.getvalue() == "", "not in the first second"
    clock[0] += 0.2
    bars(progress(DOUGH))
    assert screen.lines() == ["dddddddddddd: Downloading    1.2MB/3.4MB"]
    bars(progress(SAUCE))
    assert len(screen.lines()) == 1, "not more often than ten times a second"
    clock[0] += 0.2
    bars(progress(SAUCE))
    assert len(screen.lines()) == 2
    clock[0] += 0.2
    bars(progress(DOUGH, "done"))
    assert screen.lines() == ["555555555555: Downloading    1.2MB/3.4MB"], "what is done needs no line"
    bars.clear()
    assert screen.lines() == []


def test_bars_stay_within_the_terminal(clock: list[float]) -> None:
    screen = Screen()
    bars = Bars(screen)
    clock[0] += 2
    for n in range(100):
        clock[0] += 1
        bars(progress(Digest(f"sha256:{n:064x}")))
    assert len(screen.lines()) == 8
    assert max(map(len, screen.lines())) < 80


def test_a_wide_terminal_gets_dockers_bar() -> None:
    assert bar(progress(DOUGH)) == f"dddddddddddd: Downloading [{'=' * 17}>{' ' * 32}]    1.2MB/3.4MB"
    assert bar(progress(DOUGH, done=3_400_000)) == f"dddddddddddd: Downloading [{'=' * 50}]    3.4MB/3.4MB"
    assert bar(progress(DOUGH, "verifying")) == "dddddddddddd: Verifying Checksum"


def test_a_pull_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[Progress] = []
    journal = Journal(tmp_path, menu=LAYOUT)
    journal.create("k")
    journal.do("k", ["pull", "pizza/dough"], progress=told.append)  # type: ignore[arg-type]
    assert [event.phase for event in told if event.done in (0, event.total)] == [
        "waiting",
        "downloading",
        "verifying",
        "downloaded",
        "extracting",
        "done",
    ]
    journal.close()


# SOURCE_DATE_EPOCH


def test_a_commit_at_another_time_has_the_same_diff_id_where_the_environment_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # rule 37
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    later = shutil.copytree(data, tmp_path / "later")
    diff_ids, times = list[Digest](), set[int]()
    for host, seconds in ((data, 0.0), (later, 1.1)):
        time.sleep(seconds)  # layers have whole seconds
        assert run(host, "exec", "box", "sh", "-c", "mkdir /new; echo hot > /new/f") == 0
        assert run(host, "commit", "box", "mine") == 0
        with closing(Journal(host)) as journal:
            (image,) = [record for record in journal.head("local").host.images.values() if record.parent]
            layer = journal.context.images[image.manifest].layers[-1]
            diff_ids.append(layer.diff_id)
            times |= {entry.mtime for entry in journal.context.layers.get(layer.digest, layer.diff_id).entries.values()}
    assert diff_ids[0] == diff_ids[1]
    assert max(times) == 1_000_000_000 * 10**9


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "9" * 5000, "\u0661"])
def test_an_epoch_that_is_no_time_is_refused(
    data: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert run(data, "commit", "box", "mine") == 1
    said = capsys.readouterr()
    assert said.err.startswith("SOURCE_DATE_EPOCH is '")
    assert len(said.err) < 150
