"""Somebody who pushes to a registry of this process: requests, images, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.blobs import DirectoryBlobs
from engine.ocilayout import Layout
from engine.registry import Caller, Limits, Registry, Request, Response, Store
from tests.engine.oci import TYPES, Json, body, config, digest_of, tarball, zipped

MINE = "0123456789abcdef"
OTHER = "fedcba9876543210"
ME = Caller(MINE, frozenset({"class"}))
LAYER = zipped(tarball({"etc/motd": b"hello\n"}))
CONFIG = config([digest_of(tarball({"etc/motd": b"hello\n"}))])
HOST = "kitchen.test:8000"


class Client:
    """A registry on a directory, and whoever asks it."""

    def __init__(
        self,
        data: Path,
        *,
        menu: Path | None = None,
        limits: Limits | None = None,
        store: Store | None = None,
    ) -> None:
        data.mkdir(exist_ok=True)
        self.data = data
        if store is None:
            store = Store(data, DirectoryBlobs(data / "blobs"), limits=limits)
        self.store, self.blobs = store, store.blobs
        self.registry = Registry(Layout(menu) if menu else None, self.store)
        self.caller = ME
        self.name = f"{MINE}/a"

    def ask(
        self,
        method: str,
        path: str,
        content: bytes | Iterable[bytes] = b"",
        caller: Caller | None = None,
        **headers: str,
    ) -> Response:
        """One request; ``{name}`` in a path stands for `name`, a path without a slash before it is below its name."""
        where = path.removeprefix(f"http://{HOST}")
        where, _, query = (where if where.startswith("/") else f"/v2/{self.name}/{where}").partition("?")
        given = {"host": HOST} | {k.replace("_", "-"): v for k, v in headers.items()}
        chunks = (content,) if isinstance(content, bytes) else content
        return self.registry.handle(Request(method, where, query, given, chunks), caller or self.caller)

    def begin(self) -> str:
        """A new upload: its path."""
        answer = self.ask("POST", "blobs/uploads/")
        assert answer.status == 202, body(answer)
        return urlsplit(answer.headers["location"]).path

    def blob(self, data: bytes, media_type: str = "application/octet-stream", algorithm: str = "sha256") -> Json:
        """A blob pushed whole: its descriptor."""
        import hashlib

        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        answer = self.ask("POST", f"blobs/uploads/?digest={digest}", data, content_length=str(len(data)))
        assert answer.status == 201, body(answer)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, style: str = "oci", layers: Iterable[bytes] = (LAYER,), **fields: Any) -> Json:
        """A manifest of pushed blobs, not pushed itself."""
        return {
            "schemaVersion": 2,
            "mediaType": TYPES[style][0],
            "config": self.blob(CONFIG, TYPES[style][1]),
            "layers": [self.blob(layer, TYPES[style][2]) for layer in layers],
            **fields,
        }

    def put(self, document: Json | bytes, target: str = "", media_type: str = "") -> Response:
        """Push a manifest, written as nobody else would write it; by its digest where there is no tag."""
        data = document if isinstance(document, bytes) else json.dumps(document, indent=3).encode() + b"\n"
        kind = media_type or json.loads(data).get("mediaType", "")
        return self.ask("PUT", f"manifests/{target or digest_of(data)}", data, content_type=kind)

    def image(self, tag: str = "latest", **fields: Any) -> str:
        """An image pushed: its manifest's digest."""
        answer = self.put(self.manifest(**fields), tag)
        assert answer.status == 201, body(answer)
        return answer.headers["docker-content-digest"]

    def status(self, method: str, path: str, content: bytes = b"", **headers: str) -> int:
        """The status of an answer that is read to its end."""
        answer = self.ask(method, path, content, **headers)
        body(answer)
        return answer.status

    def files(self) -> set[str]:
        """Every blob and upload on the disk."""
        found = [*self.blobs, *((self.data / "uploads").glob("*")), *((self.data / "blobs" / "tmp").glob("*"))]
        return {getattr(one, "name", str(one)) for one in found}
