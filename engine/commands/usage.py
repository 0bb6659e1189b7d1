"""`docker system df`: what images and containers take, and what docker says could be reclaimed.

Sizes are unpacked, and a layer is told apart by its chain_id, as classic dockerd stores it: two images share a layer
only where all below it is the same. RECLAIMABLE is docker's formula: all layers, less those that a used image has to
itself. So it counts a layer that two used images share, and is not what `rmi` would free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine import events as facts
from engine import host as hosts
from engine import terminal
from engine.commands import imaging, listing
from engine.commands.verb import Moved, Verb
from engine.context import Context, Outcome
from engine.digest import Digest
from engine.host import Container, Host, ImageRecord
from engine.options import Flag, Options, Usage

_DF: Final = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}
_IMAGES: Final = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_CONTAINERS: Final = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}
_VOLUMES: Final = ("VOLUME NAME", "LINKS", "SIZE")
_CACHE: Final = ("CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED")
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class _Image:
    """A listed image: its unpacked bytes, those of layers that another listed image has too, and its containers."""

    record: ImageRecord
    size: int
    shared: int
    containers: int


def _do_df(context: Context, host: Host, options: Options, _moved: Moved | None) -> Outcome:
    images = _images(context, host)
    containers = tuple(reversed([*host.containers.values()]))
    template = options.value("format")
    if not options.on("verbose"):
        text = terminal.rows(_summary(context, host, images, containers), _DF, template)
    elif template:
        text = terminal.fill(template, _documents(context, host, images, containers)) + "\n"
    else:
        text = _tables(context, host, images, containers)
    return Outcome(host, (facts.Wrote(text=text),))


def _images(context: Context, host: Host) -> tuple[_Image, ...]:
    """What `docker images` lists, newest first."""
    listed = [(record, _chain(context, record.manifest)) for record in imaging.listed(context, host)]
    places = Counter(chain_id for _, chain in listed for chain_id in chain)
    return tuple(
        _Image(
            record,
            sum(chain.values()),
            sum(size for chain_id, size in chain.items() if places[chain_id] > 1),
            len(host.users(record.id)),
        )
        for record, chain in listed
    )


def _chain(context: Context, manifest: Digest) -> Mapping[Digest, int]:
    """The layers of an image by chain_id, with their unpacked bytes."""
    return {
        layer.chain_id: context.layers.get(layer.digest, layer.diff_id).unpacked
        for layer in context.images[manifest].layers
    }


# The table of kinds


def _summary(
    context: Context, host: Host, images: tuple[_Image, ...], containers: tuple[Container, ...]
) -> list[dict[str, str]]:
    layers: dict[Digest, int] = {}
    for manifest in hosts.manifests(host):
        layers |= _chain(context, manifest)
    held = sum(layers.values())
    used = [image for image in images if image.containers]
    uppers = {container.id: context.upper(container).unpacked for container in containers}
    running = {container.id for container in containers if container.status == "running"}
    idle = sum(size for id_, size in uppers.items() if id_ not in running)
    return [
        _kind("Images", len(images), len(used), held, held - sum(image.size - image.shared for image in used)),
        _kind("Containers", len(containers), len(running), sum(uppers.values()), idle),
        _kind("Local Volumes", 0, 0, 0, 0),
        _kind("Build Cache", 0, 0, 0, 0, share=False),
    ]


def _kind(name: str, total: int, active: int, size: int, reclaimable: int, *, share: bool = True) -> dict[str, str]:
    percent = f" ({reclaimable * 100 // size}%)" if share and size else ""
    return {
        "Type": name,
        "TotalCount": str(total),
        "Active": str(active),
        "Size": terminal.size(size, _DIGITS),
        "Reclaimable": terminal.size(reclaimable, _DIGITS) + percent,
    }


# One by one


def _tables(context: Context, host: Host, images: tuple[_Image, ...], containers: tuple[Container, ...]) -> str:
    shown = [_image_row(context, host, image, whole=False) for image in images]
    boxes = [_container_row(context, host, container, whole=False) for container in containers]
    return (
        f"Images space usage:\n\n{terminal.rows(shown, _IMAGES, '')}"
        f"\nContainers space usage:\n\n{terminal.rows(boxes, _CONTAINERS, '')}"
        f"\nLocal Volumes space usage:\n\n{terminal.table(_VOLUMES, ())}"
        f"\nBuild cache usage: 0B\n\n{terminal.table(_CACHE, ())}"
    )


def _documents(
    context: Context, host: Host, images: tuple[_Image, ...], containers: tuple[Container, ...]
) -> dict[str, Any]:
    return {
        "Images": [_image_row(context, host, image, whole=True) for image in images],
        "Containers": [_container_row(context, host, container, whole=True) for container in containers],
        "Volumes": [],
        "BuildCache": [],
    }


def _image_row(context: Context, host: Host, image: _Image, *, whole: bool) -> dict[str, Any]:
    """An image by the first of its names."""
    repository, tag = imaging.names(host, image.record)[0]
    return imaging.image_row(context, image.record, repository, tag, whole=whole) | {
        "Digest": "",
        "VirtualSize": terminal.size(image.size, _DIGITS),
        "SharedSize": terminal.size(image.shared, _DIGITS),
        "UniqueSize": terminal.size(image.size - image.shared, _DIGITS),
        "Containers": str(image.containers),
    }


def _container_row(context: Context, host: Host, container: Container, *, whole: bool) -> dict[str, Any]:
    row = listing.container_row(context, host, container, whole=whole, sized=False)
    return row | {"LocalVolumes": "0", "Size": terminal.size(context.upper(container).unpacked)}


DF = Verb(
    Usage(
        "system df",
        "",
        "Show docker disk usage",
        0,
        0,
        (
            Flag("format", "", "string", "Pretty-print images using a Go template"),
            Flag("verbose", "v", help="Show detailed information on space usage"),
        ),
    ),
    _do_df,
)
