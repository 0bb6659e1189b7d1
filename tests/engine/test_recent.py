"""What is kept because it was asked for lately: so many, and where visitors decide their size, so many bytes."""

from __future__ import annotations

import pytest

from engine.image import Recent


def asked(kept: Recent[str, bytes], key: str, size: int) -> bool:
    """Whether a value of `size` bytes had to be made."""
    made = []
    kept.get(key, lambda: made.append(key) or bytes(size))  # type: ignore[func-returns-value]
    return bool(made)


def test_the_one_that_was_asked_for_longest_ago_goes_first() -> None:
    kept: Recent[str, bytes] = Recent(2)
    assert [asked(kept, key, 9) for key in "abacab"] == [True, True, False, True, False, True]


def test_all_that_is_kept_stays_within_its_room() -> None:
    kept: Recent[str, bytes] = Recent(100, room=10, weigh=len)
    assert [asked(kept, key, 4) for key in "abcab"] == [True] * 5
    assert [asked(kept, key, 4) for key in "ba"] == [False, False]


@pytest.mark.parametrize("size", [11, 1_000])
def test_what_is_larger_than_the_room_is_not_kept_and_drives_nothing_out(size: int) -> None:
    kept: Recent[str, bytes] = Recent(100, room=10, weigh=len)
    asked(kept, "small", 4)
    assert [asked(kept, "large", size), asked(kept, "large", size), asked(kept, "small", 4)] == [True, True, False]


def test_a_value_that_is_replaced_counts_once() -> None:
    kept: Recent[str, bytes] = Recent(100, room=10, weigh=len)
    for size in (9, 2, 9, 2):
        kept.put("same", bytes(size))
    kept.put("other", bytes(8))
    assert not asked(kept, "same", 2)
    kept.put("same", bytes(20))
    assert asked(kept, "same", 2), "what was kept of it is gone, not shown in its place"


def test_a_value_that_was_dropped_gives_its_room_back() -> None:
    kept: Recent[str, bytes] = Recent(100, room=10, weigh=len)
    for _ in range(3):
        kept.put("same", bytes(8))
        kept.drop("same")
    kept.put("other", bytes(8))
    assert not asked(kept, "other", 8)
