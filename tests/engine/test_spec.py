"""OCI and docker documents, parsed and checked once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine import spec
from engine.errors import MalformedDocument

D = "sha256:" + "a" * 64


def manifest(**fields: Any) -> bytes:
    layer = {"mediaType": spec.OCI_LAYER_GZIP, "digest": D, "size": 3}
    return json.dumps(
        {"schemaVersion": 2, "config": {**layer, "mediaType": spec.OCI_CONFIG}, "layers": [layer]} | fields
    ).encode()


def config(**fields: Any) -> bytes:
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [D]}} | fields
    ).encode()


def test_unknown_fields_are_let_be() -> None:  # rule 21
    found = spec.manifest_or_index(manifest(subject={"x": 1}, extra=[None]))
    assert isinstance(found, spec.Manifest)
    assert found.layers[0].digest == D
    assert spec.image_config(config(variant="v8", Healthcheck=1)).rootfs.diff_ids == (D,)


@pytest.mark.parametrize("media_type", [spec.DOCKER_MANIFEST, spec.OCI_MANIFEST])
def test_docker_and_oci_manifests_are_both_manifests(media_type: str) -> None:  # rule 24
    assert isinstance(spec.manifest_or_index(manifest(mediaType=media_type), media_type), spec.Manifest)


def test_an_index_may_be_empty_but_not_null() -> None:  # rule 22
    empty = spec.manifest_or_index(b'{"schemaVersion":2,"manifests":[]}')
    assert isinstance(empty, spec.Index)
    with pytest.raises(MalformedDocument):
        spec.manifest_or_index(b'{"schemaVersion":2,"mediaType":"%s","manifests":null}' % spec.OCI_INDEX.encode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "manifest"),
        (b"\xff\xfe", "manifest"),
        (b"[" * 100_000, "manifest"),
        (manifest(schemaVersion=1), "schemaVersion"),
        (manifest(layers=None), "layers"),
        (manifest(config={"mediaType": "x", "digest": "sha256:abc", "size": 1}), r"config\.digest"),
        (manifest(config={"mediaType": "x", "digest": D, "size": -1}), "negative size"),
        (manifest(config={"mediaType": "x", "digest": D, "size": "1"}), r"config\.size"),
        (manifest(manifests=[]), "together"),  # CVE-2021-41190
        (manifest(mediaType="text/plain"), "text/plain"),
        (manifest(layers=[{"mediaType": "x", "digest": D, "size": 1}] * 126), "125"),
    ],
)
def test_a_manifest_that_breaks_its_schema_is_refused_with_the_place(data: bytes, said: str) -> None:
    with pytest.raises(MalformedDocument, match=said):
        spec.manifest_or_index(data)


def test_a_manifest_says_what_its_carrier_says() -> None:
    with pytest.raises(MalformedDocument, match="calls itself"):
        spec.manifest_or_index(manifest(mediaType=spec.OCI_MANIFEST), spec.DOCKER_MANIFEST)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rootfs": {"type": "tree", "diff_ids": []}}, r"rootfs\.type"),
        ({"rootfs": {"type": "layers", "diff_ids": [D] * 126}}, "125"),
        ({"history": [{"created_by": "a"}, {"created_by": "b"}]}, "history has 2 layers"),
        ({"rootfs": {"type": "layers", "diff_ids": ["nope"]}}, "diff_ids"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused(fields: dict[str, Any], said: str) -> None:  # rule 20
    with pytest.raises(MalformedDocument, match=said):
        spec.image_config(config(**fields))


def test_absent_history_and_empty_steps_are_legal() -> None:  # rule 20
    assert spec.image_config(config()).history is None
    rows = [{"created_by": "a"}, {"created_by": "CMD", "empty_layer": True}]
    assert len(spec.image_config(config(history=rows)).history or ()) == 2


def test_a_document_is_bounded() -> None:  # rule 18
    with pytest.raises(MalformedDocument, match="larger"):
        spec.image_config(b" " * (spec.DOCUMENT_MAX + 1))
