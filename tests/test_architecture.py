"""Imports go one way: up the ladder that the docstring of `engine` draws, never from the engine to what uses it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGINE = sorted((ROOT / "engine").rglob("*.py"))
WEB = sorted((ROOT / "web").rglob("*.py"))

OUTSIDE = {
    "": {"msgspec", "filelock", "isal", "zstandard"},
    **{module: {"msgspec", "filelock", "sqlalchemy"} for module in ("database", "journal", "registry")},
    "network": {"urllib3"},
}
"""What is not Python's own and the engine may import: any module, and those that alone know database and network."""

PIZZA = re.compile(
    r"pizza|pepperoni|margherita|hawaiian|cheese|jalape|tupperware|\b(?:doughs?|crusts?|toppings?|sauces?|napkins?|fridges?"
    r"|ovens?|slices?|recipes?|anchov\w+|olives?|mushrooms?|basil)\b"
)
"""Words of the pages. Two that might stand here do not, since in this project they are the names of things that the
engine has: a *kitchen* is a journal's tree of states, a *menu* the registry that comes along, an OCI layout."""


def ladder() -> list[str]:
    """The engine's modules as its docstring lists them, the lowest first."""
    docstring = ast.get_docstring(ast.parse((ROOT / "engine" / "__init__.py").read_text()))
    assert docstring
    rungs = re.findall(r"^    ([a-z_]+(?:, [a-z_]+)*)  ", docstring, re.MULTILINE)
    return [module for rung in rungs for module in rung.split(", ")]


def module_of(path: Path) -> str:
    """``commands`` for engine/commands/running.py: a package is one rung."""
    return path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, those for type checking only included."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its direction"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def engine_modules_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("engine.")}


def test_the_ladder_names_every_module_of_the_engine_once() -> None:
    modules = {module_of(path) for path in ENGINE} - {"__init__", "__main__"}
    rungs = ladder()
    assert sorted(rungs) == sorted(set(rungs))
    assert modules == set(rungs)


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_engine_module_imports_only_what_stands_above_it_on_the_ladder(path: Path) -> None:
    rungs = [*ladder(), "__main__"]
    module = module_of(path)
    allowed = set(rungs[: rungs.index(module)]) if module in rungs else set()
    if path.parent.name == module:
        allowed.add(module)  # within a package
    assert engine_modules_imported(path) <= allowed


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_knows_no_web_framework_and_only_who_keeps_tables_knows_the_database(path: Path) -> None:
    allowed = OUTSIDE.get(module_of(path), OUTSIDE[""]) | set(sys.stdlib_module_names) | {"engine"}
    assert {name.split(".")[0] for name in imported(path)} <= allowed


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_knows_no_pizza(path: Path) -> None:
    """Neither its names and strings nor its prose: its examples are anybody's."""
    said = [f"line {number}: {line}" for number, line in enumerate(path.read_text().lower().splitlines(), 1)]
    assert [line for line in said if PIZZA.search(line.replace("_", " "))] == []


@pytest.mark.parametrize("path", WEB, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_web_imports_neither_the_application_nor_the_tests(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"app", "tests"}


@pytest.mark.parametrize("path", WEB, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_web_speaks_with_the_journal_and_reaches_for_no_transfer_or_format(path: Path) -> None:
    below = {"tar", "compression", "remote", "registry", "archive"}
    if path.name in ("registry.py", "tokens.py", "counter.py", "shelf.py"):  # the door of its clients, and who shows it
        below -= {"registry"}
    assert not engine_modules_imported(path) & below
