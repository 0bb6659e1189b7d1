"""References mean what docker means by them."""

import pytest

from engine import reference as references
from engine.errors import EngineError, InvalidDigest, InvalidReference

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "familiar", "explicit"),
    [
        ("registry", "docker.io", "library/registry", None, "registry", False),
        ("registry:2", "docker.io", "library/registry", "2", "registry:2", False),
        ("pizza/cheese", "docker.io", "pizza/cheese", None, "pizza/cheese", False),
        ("docker.io/pizza/cheese:a", "docker.io", "pizza/cheese", "a", "pizza/cheese:a", True),
        ("index.docker.io/library/x", "docker.io", "library/x", None, "x", True),
        ("localhost/x", "localhost", "x", None, "localhost/x", True),
        (
            "localhost:8000/pizza/cheese:v1.0",
            "localhost:8000",
            "pizza/cheese",
            "v1.0",
            "localhost:8000/pizza/cheese:v1.0",
            True,
        ),
        ("ghcr.io/a/b/c", "ghcr.io", "a/b/c", None, "ghcr.io/a/b/c", True),
        ("[::1]:5000/x", "[::1]:5000", "x", None, "[::1]:5000/x", True),
        ("a__b/c-d.e", "docker.io", "a__b/c-d.e", None, "a__b/c-d.e", False),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(
    text: str, registry: str, repository: str, tag: str | None, familiar: str, explicit: bool
) -> None:
    found = references.parse(text)
    assert (found.registry, found.repository, found.tag, found.explicit) == (registry, repository, tag, explicit)
    assert found.familiar == familiar


def test_a_digest_stands_beside_or_instead_of_a_tag() -> None:
    found = references.parse(f"pizza/cheese:a@{D}")
    assert (found.tag, found.digest, found.target) == ("a", D, D)
    assert references.parse(f"pizza/cheese@{D}").tagged().tag is None


def test_latest_is_filled_in_only_where_nothing_was_said() -> None:
    assert references.parse("x").tagged().target == "latest"
    assert references.parse("x:y").tagged().target == "y"


@pytest.mark.parametrize(
    "text",
    ["", "Pizza/Cheese", "a//b", "/a", "a/", "a:", "a:b:c", "a b", "../x", "a/../b", "x:" + "t" * 129, "-a", "a_",
     "a" * 256,
     "http://x/y", "x\n", "é", "x:\u00e9", "host:99999999/x", "a" * 64, ":tag"],
)  # fmt: skip
def test_what_is_no_reference_is_refused_before_anything_is_built_of_it(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        references.parse(text)
    assert caught.value.text == text
    assert caught.value.why


def test_a_bad_digest_is_named_as_such() -> None:
    with pytest.raises(InvalidDigest):
        references.parse("x@sha256:abc")
    with pytest.raises(EngineError):
        references.parse("x@")
