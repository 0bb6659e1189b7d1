"""Every error that the engine raises on purpose.

An error carries values beside its sentence, has one `code` (a word that tests, the registry and pages rely on), one
HTTP `status`, and one sentence that says what is wrong, where, and what to do about it.

    EngineError
    ├── InvalidDigest, InvalidReference          text that is no digest, no reference
    ├── DigestMismatch, SizeMismatch             bytes that are not what was promised
    ├── BlobUnknown, ManifestUnknown, NameUnknown, Unsupported
    ├── MalformedLayer, MalformedDocument        a tar or a JSON document that breaks a rule
    ├── Unreachable                              no answer came from another machine
    │   └── Interrupted                          one came, and broke off
    ├── Unauthorized, Denied                     a registry wants another login, or none would do
    ├── LimitExceeded                            more bytes, entries, depth or time than is allowed
    │   └── NoRoom                               more bytes than a quota has left
    ├── DiskFull                                 what came needs more of the disk than may be used
    ├── FileError                                a POSIX error on a path of a container, by its errno
    ├── CommandError                             docker's daemon would refuse: no such image, conflict, …
    │   └── UsageError                           docker's client would refuse: unknown command or flag
    ├── Corrupt                                  our own stored data is damaged
    └── Cancelled                                the caller went away
"""

from __future__ import annotations

import errno as _errno
import os
from typing import ClassVar


class EngineError(Exception):
    """Base of all. `code` is a stable word, `status` the HTTP status that fits."""

    code: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 400

    def while_(self, doing: str) -> EngineError:
        """This same error, its sentence led by what was being done: ``pull layer 2 of team/web: …``.

        Values and type stay; raise the result ``from`` the original.
        """
        wrapped = self.__class__.__new__(self.__class__)
        wrapped.__dict__.update(self.__dict__)
        wrapped.args = (f"{doing}: {self}",)
        return wrapped


class InvalidDigest(EngineError):
    """`text` is not ``sha256:`` or ``sha512:`` and the right number of lowercase hex digits (rule 23)."""

    code = "DIGEST_INVALID"

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"invalid digest {text[:100]!r}: expected sha256:<64 lowercase hex> or sha512:<128>")


class InvalidReference(EngineError):
    """`text` does not name an image: docker's grammar of registry, repository, tag and digest."""

    code = "NAME_INVALID"

    def __init__(self, text: str, why: str) -> None:
        self.text, self.why = text, why
        super().__init__(f"invalid reference format: {why}")


class DigestMismatch(EngineError):
    """The bytes hash to `actual`; `expected` was promised."""

    code = "DIGEST_INVALID"

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"digest mismatch: expected {expected}, the bytes are {actual}")


class SizeMismatch(EngineError):
    """`actual` bytes came where `expected` were promised; `actual` may be only a lower bound of a longer stream."""

    code = "SIZE_INVALID"

    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"size mismatch: expected {expected} bytes, got {actual}")


class BlobUnknown(EngineError):
    """No such blob in this store or repository."""

    code = "BLOB_UNKNOWN"
    status = 404

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"blob {digest} is unknown")


class ManifestUnknown(EngineError):
    """The repository has no manifest of that tag or digest."""

    code = "MANIFEST_UNKNOWN"
    status = 404

    def __init__(self, reference: str) -> None:
        self.reference = reference
        super().__init__(f"manifest for {reference} not found: manifest unknown: manifest unknown")


class NameUnknown(EngineError):
    """The registry has no such repository."""

    code = "NAME_UNKNOWN"
    status = 404

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"repository {name} is unknown to this registry")


class Unsupported(EngineError):
    """The operation or format is legal and not offered here."""

    code = "UNSUPPORTED"
    status = 405

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"unsupported: {what}")


class Unreachable(EngineError):
    """No answer, or no whole one, came from another machine: `asked` of what address, and `why`."""

    code = "UNREACHABLE"
    status = 502

    def __init__(self, asked: str, why: str) -> None:
        self.asked, self.why = asked, why
        super().__init__(f"{asked}: {why}")


class Interrupted(Unreachable):
    """The connection broke within an answer's body; what came before is good."""


class Unauthorized(EngineError):
    """A registry wants a login that it has not got; `said` are its own words, if any."""

    code = "UNAUTHORIZED"
    status = 401

    def __init__(self, said: str = "") -> None:
        self.said = said
        super().__init__(f"unauthorized: {said or 'authentication required'}")


class Denied(EngineError):
    """A registry knows who asks, and does not let them; `said` are its own words, if any."""

    code = "DENIED"
    status = 403

    def __init__(self, said: str = "") -> None:
        self.said = said
        super().__init__(f"denied: {said or 'requested access to the resource is denied'}")


class MalformedLayer(EngineError):
    """A layer breaks a rule of its format: `where` (an entry or an offset) and `why`."""

    code = "LAYER_INVALID"

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(f"malformed layer: {where}: {why}")


class MalformedDocument(EngineError):
    """A manifest, index, config or layout file breaks its schema: `kind` says which document, `why` where and how."""

    code = "MANIFEST_INVALID"

    def __init__(self, kind: str, why: str) -> None:
        self.kind, self.why = kind, why
        super().__init__(f"malformed {kind}: {why}")


class LimitExceeded(EngineError):
    """`what` grew beyond `limit`; nothing of it was kept."""

    code = "LIMIT_EXCEEDED"
    status = 413

    def __init__(self, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"{what}: more than the allowed {limit:,}")


class DiskFull(EngineError):
    """Fewer than `reserve` bytes of the disk would stay free; nothing was kept."""

    code = "DISK_FULL"
    status = 507

    def __init__(self, reserve: int) -> None:
        self.reserve = reserve
        super().__init__(f"this server's disk is full but for {reserve:,} bytes; try later, or with less")


class NoRoom(LimitExceeded):
    """`needed` bytes of new blobs are `left` bytes of the quota too many, or at least that."""

    def __init__(self, needed: int, left: int) -> None:
        self.needed, self.left = needed, left
        super().__init__("", left)
        self.args = (
            f"no room for {needed:,} bytes of new blobs: {left:,} of the quota are left; take away images and "
            "containers, and the states that still have them, or ask for a larger quota",
        )


class FileError(EngineError):
    """A POSIX error on a container's path; `errno` is the kernel's number, `path` absolute text."""

    code = "FILE"

    def __init__(self, errno: int, path: bytes | str) -> None:
        self.errno = errno
        self.path = path if isinstance(path, str) else "/" + path.decode("utf-8", "backslashreplace")
        super().__init__(f"{self.path}: {os.strerror(errno)}")

    @property
    def name(self) -> str:
        """The errno's name: ``ENOENT``."""
        return _errno.errorcode[self.errno]


class CommandError(EngineError):
    """docker's daemon would refuse. `exit_code` is what docker's client then returns."""

    code = "COMMAND"

    def __init__(self, message: str, exit_code: int = 1) -> None:
        self.exit_code = exit_code
        super().__init__(message)


class UsageError(CommandError):
    """docker's client would refuse: no such command or flag, wrong number of arguments. Printed as it stands."""

    code = "USAGE"


class Corrupt(EngineError):
    """Data that we stored no longer reads back as it was written."""

    code = "CORRUPT"
    status = 500


class Cancelled(EngineError):
    """The caller went away or asked to stop; nothing was kept."""

    code = "CANCELLED"
    status = 499

    def __init__(self) -> None:
        super().__init__("cancelled")


def never() -> bool:
    """Nobody cancels."""
    return False
