"""What a command is given beside the host and its words: blobs, layers, registries, a clock, ids and the way out.

Everything that would make a command differ from one run to the next comes from here, so a test or a talk can inject it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final, Protocol

from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import CommandError, never
from engine.events import Event, ignore
from engine.host import Container, Host
from engine.image import Images, Recent
from engine.layerstore import LayerStore
from engine.network import Network
from engine.registries import Registries
from engine.snapshot import Limits, Snapshot
from engine.upper import EMPTY, ENCODED_MAX, Upper

_EPOCH_DIGITS = 11


class Local(Protocol):
    """The files of whoever types the command, as `cp`, `save`, `load` and `export` reach them."""

    def reader(self, path: str) -> BinaryIO:
        """A file to read; ``-`` is standard input."""

    def writer(self, path: str) -> BinaryIO:
        """A file to write, replaced whole when closed without error; ``-`` is standard output."""

    def path(self, text: str) -> Path:
        """A path to look at, for what may be a directory."""


class Nowhere:
    """No files at all: for a visitor of a page, who has none on the machine that the engine runs on."""

    def reader(self, path: str) -> BinaryIO:
        raise self._refusal(path)

    def writer(self, path: str) -> BinaryIO:
        raise self._refusal(path)

    def path(self, text: str) -> Path:
        raise self._refusal(text)

    def _refusal(self, path: str) -> CommandError:
        return CommandError(f"{path!r}: there are no files of yours here; `python -m engine` on your machine has them")


UPPERS: Final = 64 << 20
"""Bytes of decoded change sets that are kept in memory; a node of one takes some 400 beside its path and content."""


def _weight(upper: Upper) -> int:
    return sum(400 + len(path) + len(node.data) for path, node in upper.nodes.items())


@dataclass(frozen=True)
class Context:
    """See the module. `network` is None where nothing outside is reached. `room` is how many bytes of new blobs may
    still be held, None for no bound; `scratch` a directory for temporary files; `epoch` the time in seconds
    that no file of a committed layer is newer than (SOURCE_DATE_EPOCH, rule 37)."""

    blobs: BlobStore
    layers: LayerStore
    images: Images
    registry: Registries
    network: Network | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ids: Callable[[], str] = lambda: token_hex(32)
    progress: Callable[[Event], None] = ignore
    cancelled: Callable[[], bool] = never
    local: Local = field(default_factory=Nowhere)
    room: int | None = None
    scratch: Path | None = None
    epoch: int | None = None
    uppers: Recent[Digest, Upper] = field(default_factory=lambda: Recent(64, room=UPPERS, weigh=_weight))

    def upper(self, container: Container) -> Upper:
        """The change set of a container."""
        digest = container.upper
        if digest is None:
            return EMPTY
        return self.uppers.get(digest, lambda: Upper.decode(self.blobs.read(digest, ENCODED_MAX)))

    def edit(self, container: Container, emit: Callable[[Event], None]) -> Snapshot:
        """A private builder over a container's files; `store` makes its result the container's.

        It may grow by what room there is, and a little more, so that who goes beyond is told of the quota (by the
        journal) rather than of a full disk; much more is ENOSPC at once.
        """
        upper = self.upper(container)
        room = Limits().unpacked if self.room is None else upper.unpacked + self.room + SLACK
        return Snapshot(
            self.images.stack(container.manifest),
            upper,
            self.blobs,
            limits=Limits(unpacked=min(Limits().unpacked, room)),
            now=lambda: int(self.clock().timestamp() * 1_000_000) * 1000,
            container=container.id,
            emit=emit,
            scratch=self.scratch,
        )

    def store(self, upper: Upper) -> Digest | None:
        """An upper as a blob, durable; None for an empty one."""
        return self.blobs.put(upper.encode()) if upper != EMPTY else None


def epoch(environment: Mapping[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH of a process's environment, for `Context.epoch` (reproducible-builds.org); `CommandError`."""
    text = environment.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _EPOCH_DIGITS):
        raise CommandError(f"SOURCE_DATE_EPOCH is {text[:40]!r}: expected whole seconds since 1970, or nothing")
    return int(text)


SLACK = 4 << 20
"""Bytes by which one command may exceed its room before it is stopped."""


@dataclass(frozen=True)
class Outcome:
    """What a command made of a host: the host after it, what happened, and the exit code of docker's client."""

    host: Host
    events: tuple[Event, ...] = ()
    status: int = 0
