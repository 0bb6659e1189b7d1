"""Our shell against a real busybox on a real overlay: the same scripts must leave nothing different to see.

Output, exit code, errors (but for what `shells.alike` lists) and the whole tree are compared: kinds, modes, owners,
sizes, contents, times and hard links. ``SHELL_SCRIPTS`` sets how many random scripts are tried, ``SHELL_SEED`` the
first seed; a failure prints the fewest lines that still differ.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.engine import shell_scripts
from tests.engine.shells import Busybox, differences, fewest
from tests.engine.test_shell import SAID

SCRIPTS = int(os.environ.get("SHELL_SCRIPTS", "300"))
SEED = int(os.environ.get("SHELL_SEED", "0"))


@pytest.fixture(scope="module")
def busybox() -> Iterator[Busybox]:
    """A busybox, over the layers that ours sees."""
    made = Busybox()
    yield made
    made.close()


@pytest.mark.peer("busybox")
def test_busybox_says_what_the_table_says(busybox: Busybox) -> None:
    wrong = {script: found for script, *_ in SAID if (found := differences(busybox, script))}
    assert not wrong


@pytest.mark.peer("busybox")
@pytest.mark.parametrize("write", [shell_scripts.files, shell_scripts.language], ids=["files", "language"])
def test_random_scripts_do_what_they_do_in_busybox(busybox: Busybox, write: Callable[[int], list[str]]) -> None:
    for seed in range(SEED, SEED + SCRIPTS):
        lines = write(seed)
        if differences(busybox, "\n".join(lines)):
            least = fewest(busybox, lines)
            told = "\n".join([*least, "", *differences(busybox, "\n".join(least))])
            pytest.fail(f"seed {seed}: busybox, then ours, of\n{told}", pytrace=False)
