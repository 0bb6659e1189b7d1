"""The guard's own parts: names, allowances, places for commands."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import TooManyRequests

from web import guard
from web.guard import Allowance, Guard, Limits


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("LOCALHOST:8000", True),
        ("localhost.:8000", True),
        ("pizza.localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("192.168.1.7", True),
        ("[::1]:8000", True),
        ("kitchen.example:443", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evillocalhost", False),
        ("127.1", False),
        ("[::1", False),
        ("a b", False),
        ("localhost:8000:9", False),
        ("user@localhost", False),
        ("", False),
    ],
)
def test_a_host_is_ours_by_address_or_by_a_name_that_we_were_given(host: str, ours: bool) -> None:
    assert Guard(Limits(), ("Kitchen.example",)).knows(host) is ours


def test_the_allowance_counts_as_its_docstring_says() -> None:
    assert doctest.testmod(guard).failed == 0


@given(waits=st.lists(st.floats(0, 3), max_size=60))
def test_an_allowance_grants_at_most_its_capacity_and_its_rate(waits: list[float]) -> None:
    now = [0.0]
    allowance = Allowance(5, a_second=2.0, clock=lambda: now[0])
    granted = 0
    for wait in waits:
        now[0] += wait
        granted += allowance.take("a") == 0
        assert granted <= 5 + 2.0 * now[0] + 1e-6


def test_an_allowance_says_when_the_next_is_there() -> None:
    now = [0.0]
    allowance = Allowance(1, a_second=0.5, clock=lambda: now[0])
    assert allowance.take("a") == 0
    now[0] = allowance.take("a")
    assert now[0] == 2.0
    assert allowance.take("a") == 0


def test_an_allowance_of_one_key_is_not_spent_by_another() -> None:
    allowance = Allowance(1, a_second=1, clock=lambda: 0.0)
    assert [allowance.take("a"), allowance.take("b")] == [0, 0]


def test_an_allowance_remembers_a_bounded_number_of_keys() -> None:
    allowance = Allowance(1, a_second=1, clock=lambda: 0.0, keys=2)
    for key in "abc":
        allowance.take(key)
    assert allowance.take("c") > 0
    assert allowance.take("a") == 0


def test_a_kitchen_has_few_commands_at_once_and_others_are_free() -> None:
    busy = Guard(Limits(at_once=1))
    with busy.command("a"):
        with pytest.raises(TooManyRequests, match="busy"), busy.command("a"):
            pass
        with busy.command("b"):
            pass
    with busy.command("a"):
        pass
