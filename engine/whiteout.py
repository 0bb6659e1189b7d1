"""Names by which a layer says that something below is gone (OCI layer.md, whiteouts; rules 3, 5, 6, 7).

``dir/.wh.name`` hides ``dir/name`` of the layers below; ``dir/.wh..wh..opq`` hides all that they have in ``dir``.
"""

from __future__ import annotations

PREFIX = b".wh."
META = b".wh..wh."
OPAQUE = b".wh..wh..opq"

_NAMELESS = frozenset({b"", b".", b".."})


def hidden(basename: bytes) -> bytes | None:
    """The name that a whiteout entry `basename` hides; None where it is no plain whiteout.

    `ValueError` for ``.wh.``, ``.wh..`` and ``.wh...``, which hide nothing that could have a name (rule 5).
    """
    if not basename.startswith(PREFIX) or basename.startswith(META):
        return None
    name = basename[len(PREFIX) :]
    if name in _NAMELESS:
        raise ValueError("a whiteout must hide a name")
    return name


def name(basename: bytes) -> bytes:
    """The whiteout entry that hides `basename`."""
    return PREFIX + basename


def reserved(basename: bytes) -> bool:
    """Whether OCI cannot express a file of this name, because it would be read as a whiteout (rule 35)."""
    return basename.startswith(PREFIX)
