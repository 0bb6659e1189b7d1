"""Which image of an index to take: the first whose platform matches (OCI image-index.md; rule 22).

An index may hold other indexes, which are read when the search reaches them, and may be empty. An entry that names no
platform suits any, but only where no entry names the wanted one. Nothing is ever run here, so the default is the same
on every machine, and with it the digest of what is pulled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from engine.errors import EngineError, LimitExceeded
from engine.spec import INDEXES, Descriptor, Index, Platform

LINUX_AMD64: Final = Platform(architecture="amd64", os="linux")
NESTED_MAX: Final = 16
"""Indexes that one search reads below the first."""


class PlatformUnknown(EngineError):
    """The index has no image for `wanted`; `offered` are the platforms that it has images for."""

    code = "MANIFEST_UNKNOWN"
    status = 404

    def __init__(self, wanted: Platform, offered: tuple[Platform, ...]) -> None:
        self.wanted, self.offered = wanted, offered
        there = ", ".join(dict.fromkeys(map(show, offered))) or "none"
        super().__init__(f"no matching manifest for {show(wanted)} in the manifest list entries; it has {there}")


def show(platform: Platform) -> str:
    """``linux/arm64/v8``."""
    return "/".join(part for part in (platform.os, platform.architecture, platform.variant) if part)


def choose(
    index: Index,
    wanted: Platform,
    nested: Callable[[Descriptor], Index],
    usable: Callable[[Descriptor], bool] = lambda _: True,
) -> Descriptor:
    """The manifest of `index` for `wanted`, among those that are `usable`. `nested` reads an index below.

    `PlatformUnknown`; `LimitExceeded` where more than `NESTED_MAX` indexes would have to be read.
    """
    anybody: Descriptor | None = None
    offered: list[Platform] = []
    for descriptor in filter(usable, _leaves(index, nested)):
        if descriptor.platform is None:
            anybody = anybody or descriptor
        elif _matches(descriptor.platform, wanted):
            return descriptor
        elif descriptor.platform.os != "unknown":  # what BuildKit says of its attestations
            offered.append(descriptor.platform)
    if anybody is None:
        raise PlatformUnknown(wanted, tuple(offered))
    return anybody


def _matches(platform: Platform, wanted: Platform) -> bool:
    same = (platform.os, platform.architecture) == (wanted.os, wanted.architecture)
    return same and wanted.variant in ("", platform.variant)


def _leaves(index: Index, nested: Callable[[Descriptor], Index]) -> Iterator[Descriptor]:
    """The manifests of an index and of those within it, in the order in which they are written."""
    waiting, read = list(reversed(index.manifests)), 0
    while waiting:
        descriptor = waiting.pop()
        if descriptor.media_type not in INDEXES:
            yield descriptor
            continue
        read += 1
        if read > NESTED_MAX:
            raise LimitExceeded("indexes within an index", NESTED_MAX)
        waiting.extend(reversed(nested(descriptor).manifests))
