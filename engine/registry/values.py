"""What a registry that is written to is bounded by, and how it refuses: the specification's codes and statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.errors import EngineError
from engine.scratch import RESERVE


@dataclass(frozen=True)
class Limits:
    """What pushing may take."""

    quota: int = 1 << 30
    """Bytes stored below one namespace, open uploads included; each blob, manifest and tag counts at least `FLOOR`."""
    upload: int = 1 << 30
    """Bytes of one upload."""
    uploads: int = 16
    """Uploads that one caller may have open."""
    seconds: float = 24 * 3600.0
    """How long an upload that nobody goes on with stays open."""
    reserve: int = RESERVE
    """Bytes of the disk that stay free, whatever the quotas say."""


class RegistryError(EngineError):
    """A refusal with headers of its own."""

    headers: Mapping[str, str] = MappingProxyType({})


class Unauthorized(RegistryError):
    """Nobody may do this before logging in, or only with a token for it."""

    code, status = "UNAUTHORIZED", 401

    def __init__(self, repository: str, action: str) -> None:
        wanted = "pull,push" if action == "push" else action
        self.scope = f"repository:{repository}:{wanted}"
        super().__init__(f"log in to {action} in {repository}")


class Denied(RegistryError):
    """This caller may not do it."""

    code, status = "DENIED", 403

    def __init__(self, repository: str, why: str) -> None:
        self.repository = repository
        super().__init__(f"{repository} cannot be written: {why}")


class QuotaExceeded(RegistryError):
    """No room for more bytes of this namespace, or on this disk. The code is one after which clients do not retry."""

    code, status = "DENIED", 413

    def __init__(self, what: str, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{what}: more than the allowed {limit:,} bytes; delete what is not needed and try later")


class TooMany(RegistryError):
    """More at once than is allowed; later there may be room."""

    code, status = "TOOMANYREQUESTS", 429
    headers = MappingProxyType({"retry-after": "10"})


class UploadUnknown(RegistryError):
    """No upload of this id is open in the repository: it was finished, cancelled, or is too old."""

    code, status = "BLOB_UPLOAD_UNKNOWN", 404

    def __init__(self, upload: str) -> None:
        super().__init__(f"no upload {upload[:80]!r} is open here; begin a new one")


class UploadBusy(RegistryError):
    """Another request works on the upload."""

    code, status = "BLOB_UPLOAD_INVALID", 409

    def __init__(self, upload: str) -> None:
        super().__init__(f"another request writes to upload {upload}; wait for its end")


class OutOfOrder(RegistryError):
    """A chunk that does not begin where the upload ends."""

    code, status = "BLOB_UPLOAD_INVALID", 416

    def __init__(self, begin: int, offset: int) -> None:
        self.offset = offset
        super().__init__(f"the chunk begins at byte {begin}, and the next one wanted is {offset}")


class BadQuery(RegistryError):
    """A query of more fields than any operation has."""

    code = "UNSUPPORTED"


class BadChunk(RegistryError):
    """A chunk of another length than its headers say, or headers that say nothing."""

    code = "SIZE_INVALID"


class ManifestTooLarge(RegistryError):
    """More bytes than a manifest may have."""

    code, status = "MANIFEST_INVALID", 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"the manifest has more than the allowed {limit:,} bytes")


class ManifestBlobUnknown(RegistryError):
    """A manifest refers to `digest`, which its repository does not have."""

    code = "MANIFEST_BLOB_UNKNOWN"

    def __init__(self, digest: str, kind: str) -> None:
        self.digest = digest
        super().__init__(f"the repository has no {kind} {digest}; push or mount it first")


class RegistryFault(RegistryError):
    """The database of the registry in `file` cannot be used now, or at all; `why` tells."""

    code, status = "UNKNOWN", 503

    def __init__(self, file: str, why: str) -> None:
        self.file, self.why = file, why
        super().__init__(f"the registry {file} cannot be used: {why}")
