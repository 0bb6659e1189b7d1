"""What happened, in past tense, with sizes and digests.

A command reports facts as it makes them. Terminal text, narration, animation and goals are derived from these and from
nothing else; no screen works a fact out again. Sizes are bytes: `size` is content (the stored blob), `unpacked` and the
`size` of a file or symlink are rule 27's: a file's bytes, the length of a symlink's target. Paths are absolute text
(`display`), digests whole.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from engine.digest import Digest


def display(path: bytes) -> str:
    """A root-relative path as absolute text; bytes that are no UTF-8 show as ``\\xNN``."""
    return "/" + path.decode("utf-8", "backslashreplace")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    """Base of all; its JSON carries the class name in ``event``."""


# Transfer


class PullStarted(Event, frozen=True, kw_only=True, tag=True):
    """A pull asked the registry for `reference` (as typed); `defaulted` where the tag ``latest`` was filled in,
    `quiet` where the terminal was asked not to tell more."""

    reference: str
    repository: str
    tag: str
    defaulted: bool = False
    quiet: bool = False


class DocumentPulled(Event, frozen=True, kw_only=True, tag=True):
    """A manifest, index or config was sent; `held` where the host had that very document already (a manifest is asked
    for whatever is held, since only it tells whether a tag moved)."""

    kind: Literal["manifest", "index", "config"]
    digest: Digest
    size: int
    held: bool = False


class LayerReused(Event, frozen=True, kw_only=True, tag=True):
    """The host held this layer's blob already; none of its bytes were sent."""

    digest: Digest
    diff_id: Digest
    size: int
    unpacked: int


class LayerPulled(Event, frozen=True, kw_only=True, tag=True):
    """A layer's blob was sent, verified and read into an index."""

    digest: Digest
    diff_id: Digest
    size: int
    unpacked: int


class ImagePulled(Event, frozen=True, kw_only=True, tag=True):
    """A pull ended. `fresh` is false where the reference already meant this image. `sent` counts the bytes that the
    client consumed of the registry's answers, `avoided` the content of layers that were held. `reference` is familiar,
    `canonical` names the registry too."""

    reference: str
    canonical: str
    digest: Digest
    image: Digest
    fresh: bool
    sent: int
    avoided: int


class PushStarted(Event, frozen=True, kw_only=True, tag=True):
    """A push turned to a registry's repository (`canonical`, registry included), for all `tags`; `defaulted` where the
    tag ``latest`` was filled in, `quiet` where the terminal was asked not to tell more."""

    canonical: str
    tags: tuple[str, ...]
    defaulted: bool = False
    quiet: bool = False


class LayerPushed(Event, frozen=True, kw_only=True, tag=True):
    """A layer's blob was sent to the registry, all `size` bytes."""

    digest: Digest
    diff_id: Digest
    size: int


class LayerExists(Event, frozen=True, kw_only=True, tag=True):
    """The registry's repository had this layer's blob already; none of its bytes were sent."""

    digest: Digest
    diff_id: Digest
    size: int


class LayerMounted(Event, frozen=True, kw_only=True, tag=True):
    """The registry had this layer's blob in its repository `source` and put it into the other; no byte was sent."""

    digest: Digest
    diff_id: Digest
    size: int
    source: str


class ImagePushed(Event, frozen=True, kw_only=True, tag=True):
    """A registry has the image now, by a manifest `digest` of `size` bytes, as `reference` (familiar). `sent` counts
    the bytes that it was given, `avoided` the content of layers that it had.

    Outside time (`OUTSIDE`): what others have been given no undo takes back.
    """

    reference: str
    tag: str
    digest: Digest
    image: Digest
    size: int
    sent: int
    avoided: int


Phase: TypeAlias = Literal[
    "waiting",
    "downloading",
    "verifying",
    "downloaded",
    "extracting",
    "done",
    "exists",
    "preparing",
    "pushing",
    "pushed",
    "present",
    "mounted",
]
"""How far a layer is: on its way in, to ``exists``, or on its way out."""


class Progress(Event, frozen=True, kw_only=True, tag=True):
    """How far a transfer or an unpacking has come, of `total` bytes. `digest` is the blob's, or of a push the diff_id,
    as docker has it. Told while it runs, kept nowhere."""

    digest: Digest
    phase: Phase
    done: int = 0
    total: int = 0


# Images


class ImageImported(Event, frozen=True, kw_only=True, tag=True):
    """The tar of a root file system became an image of one layer; `reference` is empty where none was given."""

    image: Digest
    digest: Digest
    diff_id: Digest
    size: int
    unpacked: int
    reference: str = ""


class ImageLoaded(Event, frozen=True, kw_only=True, tag=True):
    """An archive brought an image; `reference` is empty where it had none. `size` is its content in the archive, 0 for
    one more name of the image before."""

    reference: str
    image: Digest
    size: int = 0


class ImageSaved(Event, frozen=True, kw_only=True, tag=True):
    """Images were written to an archive of `size` bytes."""

    references: tuple[str, ...]
    size: int


class ImageTagged(Event, frozen=True, kw_only=True, tag=True):
    """A reference now means this image; `moved_from` had it before."""

    reference: str
    image: Digest
    moved_from: Digest | None = None


class ImageUntagged(Event, frozen=True, kw_only=True, tag=True):
    """A reference is gone."""

    reference: str


class ImageDeleted(Event, frozen=True, kw_only=True, tag=True):
    """An image is gone from the host; with it `layers`, the chain_ids that no other image stands on, top first."""

    image: Digest
    layers: tuple[Digest, ...] = ()


class LayerCommitted(Event, frozen=True, kw_only=True, tag=True):
    """A container's upper became a read-only layer."""

    container: str
    digest: Digest
    diff_id: Digest
    size: int
    unpacked: int


class ImageCommitted(Event, frozen=True, kw_only=True, tag=True):
    """A container became an image; `empty` where nothing had changed and no layer was added (rule 38)."""

    container: str
    image: Digest
    reference: str = ""
    empty: bool = False


# Containers


class ContainerCreated(Event, frozen=True, kw_only=True, tag=True):
    """A container stands on `image`; its upper is empty and nothing was copied."""

    container: str
    name: str
    image: Digest


class ContainerStarted(Event, frozen=True, kw_only=True, tag=True):
    """It is running."""

    container: str
    name: str


class ContainerStopped(Event, frozen=True, kw_only=True, tag=True):
    """It has ended, with an exit code as a shell would see it."""

    container: str
    name: str
    exit_code: int


class ContainerRemoved(Event, frozen=True, kw_only=True, tag=True):
    """It is gone, its upper with it; `unpacked` bytes of upper went."""

    container: str
    name: str
    unpacked: int = 0


# Files of a container's upper


class FileEvent(Event, frozen=True, kw_only=True):
    """A change at `path` of container `container` (an id)."""

    container: str
    path: str


class FileCreated(FileEvent, frozen=True, kw_only=True, tag=True):
    """Something new stands in the upper; nothing was copied. `over_whiteout` where it hides a lower one of the name.
    `link_to` is another path of the same file, where only a name is new: that has no size of its own."""

    kind: str
    size: int = 0
    over_whiteout: bool = False
    link_to: str = ""


class FileCopiedUp(FileEvent, frozen=True, kw_only=True, tag=True):
    """A whole lower file came into the upper, `size` bytes, although less may change. `layer` is its position in the
    stack, bottom 0; `cause` the call that did it (``write``, ``chmod``, …). Directories copy up with size 0."""

    kind: str
    size: int
    layer: int
    cause: str


class FileWritten(FileEvent, frozen=True, kw_only=True, tag=True):
    """`written` bytes went into a file of the upper, now `size` bytes long; `truncated` where it was emptied first."""

    written: int
    size: int
    truncated: bool = False


class AttributesChanged(FileEvent, frozen=True, kw_only=True, tag=True):
    """Mode, owner, times or extended attributes of an upper node were set: `what` names which."""

    what: str


class PathRenamed(FileEvent, frozen=True, kw_only=True, tag=True):
    """An upper node moved to `to`, `over` what the layers have there: hidden by a whiteout already, or to be seen until
    now, there or in a copy that the upper had. What the upper itself had there, `PathRemoved` has told."""

    to: str
    over: Literal["", "layer", "whiteout"] = ""


class PathRemoved(FileEvent, frozen=True, kw_only=True, tag=True):
    """A node of the upper is gone; nothing below needed hiding."""

    kind: str
    size: int = 0


class PathWhitedOut(FileEvent, frozen=True, kw_only=True, tag=True):
    """A whiteout hides a lower path, whose `size` bytes stay where they are. `layer` is its position."""

    kind: str
    size: int
    layer: int


class DirectoryMadeOpaque(FileEvent, frozen=True, kw_only=True, tag=True):
    """A new directory hides whatever lower layers have below its name."""


# Words


class Wrote(Event, frozen=True, kw_only=True, tag=True):
    """Text for the terminal that states no change: a table, a file's content, a warning."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"


AnyEvent = (
    PullStarted
    | DocumentPulled
    | LayerReused
    | LayerPulled
    | ImagePulled
    | PushStarted
    | LayerPushed
    | LayerExists
    | LayerMounted
    | ImagePushed
    | Progress
    | ImageImported
    | ImageLoaded
    | ImageSaved
    | ImageTagged
    | ImageUntagged
    | ImageDeleted
    | LayerCommitted
    | ImageCommitted
    | ContainerCreated
    | ContainerStarted
    | ContainerStopped
    | ContainerRemoved
    | FileCreated
    | FileCopiedUp
    | FileWritten
    | AttributesChanged
    | PathRenamed
    | PathRemoved
    | PathWhitedOut
    | DirectoryMadeOpaque
    | Wrote
)

OUTSIDE: Final = (ImagePushed,)
"""Events that undo does not take back: they changed what is not the host's."""


def encode(events: tuple[Event, ...]) -> bytes:
    """Events as JSON, for the journal."""
    return msgspec.json.encode(events)


def decode(data: bytes) -> tuple[AnyEvent, ...]:
    """Events back from their JSON."""
    return msgspec.json.decode(data, type=tuple[AnyEvent, ...])


def ignore(_event: Event) -> None:
    """Nobody listens."""
