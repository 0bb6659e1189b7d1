"""The picture on the front page: a kitchen like any other, kept for strangers to look into.

Nobody owns it, so nobody can change it; anybody may fork it. Its commands run once, when the first visitor comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

from engine.journal import Journal, KitchenUnknown, State
from web.menu import Dish

KITCHEN: Final = "welcome"
_COMMANDS: Final = (
    ("pull", "pizza/cheese"),
    ("pull", "pizza/pepperoni"),
    ("run", "-d", "--name", "pizza-1", "pizza/pepperoni"),
    ("exec", "pizza-1", "rm", "/pizza/slice-1/pepperoni"),
    ("exec", "pizza-1", "sh", "-c", "echo 'a ring of jalapeno' > /pizza/slice-3/jalapenos"),
    ("exec", "pizza-1", "sh", "-c", "echo hot sauce >> /pizza/slice-3/crust"),
)
_LOCK: Final = threading.Lock()


def state(journal: Journal, menu: Sequence[Dish], another: Callable[[], Journal]) -> State | None:
    """The state to show; None where this menu has not what it takes.

    `another` opens the same data once more, to cook by: ids and times of the visitors' own journal are left alone.
    """
    if not {"pizza/cheese", "pizza/pepperoni"} <= {dish.name for dish in menu}:
        return None
    with _LOCK:
        try:
            ready = journal.head(KITCHEN).number
        except KitchenUnknown:
            ready = 0
        if ready < len(_COMMANDS):
            with closing(another()) as cook:
                cook.enter(KITCHEN)
                for argv in _COMMANDS[ready:]:
                    cook.do(KITCHEN, argv)
    return journal.head(KITCHEN)
