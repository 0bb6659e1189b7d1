"""The picture on the front page: a kitchen like any other, kept for strangers to look into.

Nobody owns it, so nobody can change it; anybody may fork it. Its commands run once, when the first visitor comes.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from engine.errors import EngineError
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


def state(journal: Journal, menu: Sequence[Dish]) -> State | None:
    """The state to show; None where this menu has not what it takes."""
    if not {"pizza/cheese", "pizza/pepperoni"} <= {dish.name for dish in menu}:
        return None
    with _LOCK:
        try:
            return journal.head(KITCHEN)
        except KitchenUnknown:
            journal.create(KITCHEN)
        try:
            for argv in _COMMANDS:
                journal.do(KITCHEN, argv)
        except EngineError:
            return None
        return journal.head(KITCHEN)
