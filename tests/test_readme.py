"""README's commands do what README says, in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
LEFT = shutil.ignore_patterns(".git", ".venv", ".kitchen", ".*_cache", "__pycache__", "build")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without leftovers, its .venv the one that runs this test."""
    if not (ROOT / ".venv").is_dir():
        pytest.skip("needs .venv, as make sets it up")
    copy = tmp_path_factory.mktemp("readme") / "hello-whale"
    shutil.copytree(ROOT, copy, ignore=LEFT)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


@pytest.fixture(scope="module")
def environment(copy: Path) -> dict[str, str]:
    """`make test` collects only, and runs nothing: this test is one of those that it would run."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "MAKE", "MFLAGS"))}
    return {**outer, "PORT": "0", "WORKERS": "0", "PYTEST_ADDOPTS": "--collect-only --quiet"}


@pytest.fixture
def opened(copy: Path, environment: dict[str, str]) -> Iterator[str]:
    """What `make run` prints first; it is ended afterwards."""
    with subprocess.Popen(
        ["make", "run"], cwd=copy, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        try:
            yield next(line for line in process.stdout if "open" in line)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)


def test_readme_begins_with_two_commands() -> None:
    assert COMMANDS[:2] == ["make run", "make test"]


def test_make_run_opens_a_kitchen_at_the_address_that_it_prints(opened: str) -> None:
    address = re.search(r"http://127\.0\.0\.1:\d+", opened)
    assert address, opened
    with urllib.request.urlopen(address[0], timeout=10) as answer:
        assert "<title>Hello Whale" in answer.read().decode()


def test_every_other_command_succeeds_in_the_order_of_the_text(copy: Path, environment: dict[str, str]) -> None:
    said = {}
    for command in COMMANDS:
        if command == "make run":
            continue
        done = subprocess.run(
            ["bash", "-c", command], cwd=copy, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said[command.removeprefix(".venv/bin/python -m engine ")] = done.stdout
    assert "test_readme.py" in said["make test"]
    assert said["pull pizza/pepperoni"].count("Already exists") == 3
    assert said["diff pizza-1"].splitlines() == [
        "C /pizza",
        "C /pizza/slice-3",
        "C /pizza/slice-3/crust",
        "D /pizza/slice-3/pepperoni",
    ]
    assert "One hot slice" in said["history my-pizza"]


def test_every_path_that_the_text_names_is_there() -> None:
    later = {"docs/kitchen.png"}
    named = set(re.findall(r"\]\((?!http)([^)]+)\)", README)) | set(re.findall(r"^([a-z]+(?:\.py|/))", README, re.M))
    assert {"app.py", "engine/", "tests/"} <= named
    assert not [path for path in named - later if not (ROOT / path).exists()]


def test_every_dependency_has_its_line() -> None:
    pinned = re.findall(r"^([A-Za-z0-9_-]+)==", (ROOT / "requirements.txt").read_text(), re.M)
    assert pinned
    table = README[README.index("| dependency") :].lower()
    assert not [name for name in pinned if name.lower() not in table]
