"""OCI layouts and docker archives made by hand, with Python's own tar, gzip and JSON and nothing of the engine's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.registry import NOBODY, Caller, Registry, Request, Response

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
TYPES = {
    "oci": (f"{OCI}manifest.v1+json", f"{OCI}config.v1+json", f"{OCI}layer.v1.tar+gzip", f"{OCI}index.v1+json"),
    "docker": (
        f"{DOCKER}distribution.manifest.v2+json",
        f"{DOCKER}container.image.v1+json",
        f"{DOCKER}image.rootfs.diff.tar.gzip",
        f"{DOCKER}distribution.manifest.list.v2+json",
    ),
}
Json = dict[str, Any]


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tarball(files: Mapping[str, bytes | tuple[bytes, str]]) -> bytes:
    """A tar of regular files; a pair of a tar type and a target makes a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                member.type, member.linkname = content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def config(diff_ids: Sequence[str], **fields: Any) -> bytes:
    rows = [{"created_by": f"step {n}"} for n in range(len(diff_ids))]
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": rows}
        | fields
    ).encode()


class Builder:
    """An OCI layout in a directory, under construction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index: Json = {"schemaVersion": 2, "manifests": []}
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._write()

    def blob(self, data: bytes, media_type: str = "application/octet-stream", **fields: Any) -> Json:
        """Stores bytes; their descriptor."""
        digest = digest_of(data)
        self.file(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **fields}

    def document(self, value: Json, media_type: str, **fields: Any) -> Json:
        """Stores JSON as nobody else would write it, so that writing it anew would show."""
        return self.blob(json.dumps(value, indent=3).encode() + b"\n", media_type, **fields)

    def image(
        self,
        *tars: bytes,
        style: str = "oci",
        pack: Callable[[bytes], bytes] = zipped,
        diff_ids: Sequence[str] | None = None,
        change: Callable[[Json], None] = lambda _: None,
        descriptor: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Json:
        """Stores an image of these layers, its manifest changed by `change` before that; the manifest's descriptor."""
        manifest_type, config_type, layer_type, _ = TYPES[style]
        content = config(diff_ids if diff_ids is not None else [digest_of(tar) for tar in tars], **fields)
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": self.blob(content, config_type),
            "layers": [self.blob(pack(tar), layer_type) for tar in tars],
            "subtlety": {"of": ["nobody", "reads"]},
        }
        change(manifest)
        return self.document(manifest, manifest_type, **(descriptor or {}))

    def list(self, *manifests: Json, style: str = "oci", **fields: Any) -> Json:
        """Stores an index."""
        media_type = TYPES[style][3]
        value = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(manifests)}
        return self.document(value, media_type, **fields)

    def tag(self, name: str, descriptor: Json, **annotations: str) -> Json:
        """Names what a descriptor leads to; its manifest, as it is stored."""
        notes = {"org.opencontainers.image.ref.name": name, **annotations}
        self.index["manifests"].append({**descriptor, "annotations": notes})
        self._write()
        return self.read(descriptor)

    def read(self, descriptor: Json) -> Json:
        document: Json = json.loads(self.file(descriptor["digest"]).read_bytes())
        return document

    def file(self, digest: str) -> Path:
        return self.path / "blobs" / digest.replace(":", "/")

    def _write(self) -> None:
        (self.path / "index.json").write_text(json.dumps(self.index))


def get(registry: Registry, path: str, **headers: str) -> Response:
    """A GET; in header names, underscores for hyphens."""
    path, _, query = path.partition("?")
    return registry.handle(Request("GET", path, query, {k.replace("_", "-"): v for k, v in headers.items()}))


def body(response: Response) -> bytes:
    return b"".join(response.chunks)


def error(response: Response) -> Json:
    """The first error of a refusal, whose form is checked."""
    assert response.headers["content-type"] == "application/json"
    document = json.loads(body(response))
    assert set(document) == {"errors"}
    found: Json = document["errors"][0]
    assert set(found) == {"code", "message", "detail"}
    return found


class Watched(Registry):
    """A registry that notes what is asked of it, counts the bytes that its handler has yielded, and how many bodies
    were read to their end or closed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[str] = []
        self.yielded = self.closed = 0

    def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
        self.asked.append(request.path)
        response = super().handle(request, caller)
        return Response(response.status, response.headers, _Body(self, response))


class _Body(Iterator[bytes]):
    def __init__(self, registry: Watched, response: Response) -> None:
        self._registry, self._response = registry, response
        self._chunks, self._open = iter(response.chunks), True

    def __next__(self) -> bytes:
        chunk = next(self._chunks, None)
        if chunk is None:
            self.close()
            raise StopIteration
        self._registry.yielded += len(chunk)
        return chunk

    def close(self) -> None:
        self._response.close()
        self._registry.closed += self._open
        self._open = False
