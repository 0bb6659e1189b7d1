"""What is on the menu: the names and descriptions in the index of the OCI layout that pulls come from (rule 25)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine import reference as references
from engine import spec
from engine.errors import MalformedDocument


@dataclass(frozen=True, slots=True)
class Dish:
    """One reference of the menu, as docker would print it, and what its index entry says of it."""

    name: str
    description: str = ""


def read(layout: Path) -> tuple[Dish, ...]:
    """The dishes in the order of ``index.json``. `MalformedDocument` where `layout` is no OCI layout."""
    try:
        spec.decode((layout / "oci-layout").read_bytes(), spec.Layout, "oci-layout")
        index = spec.manifest_or_index((layout / "index.json").read_bytes())
    except OSError as error:
        raise MalformedDocument("menu", f"{layout} is no OCI layout: {error.strerror}: {error.filename}") from error
    if not isinstance(index, spec.Index):
        raise MalformedDocument("menu", f"{layout}/index.json is not an index")
    dishes = []
    for descriptor in index.manifests:
        notes = descriptor.annotations or {}
        if spec.REF_NAME in notes:
            reference = references.parse(notes[spec.REF_NAME])
            name = reference.familiar_name if reference.tag == references.DEFAULT_TAG else reference.familiar
            dishes.append(Dish(name, notes.get(spec.DESCRIPTION, "")))
    return tuple(dishes)
