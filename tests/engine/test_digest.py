"""Digests and chain ids: the names of bytes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import digest as digests
from engine.errors import InvalidDigest

A = "sha256:" + "a" * 64


@given(st.binary())
def test_a_digest_is_the_hash_of_its_bytes(data: bytes) -> None:
    assert digests.of(data) == "sha256:" + hashlib.sha256(data).hexdigest()
    assert digests.of_chunks([data[:3], data[3:]], "sha512") == "sha512:" + hashlib.sha512(data).hexdigest()


@pytest.mark.parametrize("text", [A, "sha512:" + "0" * 128])
def test_sha256_and_sha512_are_digests(text: str) -> None:  # rule 23
    assert digests.parse(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        A[:-1],
        A + "a",
        A.upper(),
        "sha256:" + "A" * 64,
        "md5:" + "a" * 32,
        "a" * 64,
        A + "\n",
        "sha512:" + "a" * 64,
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:  # rule 23
    with pytest.raises(InvalidDigest) as caught:
        digests.parse(text)
    assert caught.value.text == text


def test_a_chain_id_folds_the_stack_below_it() -> None:  # rule 19
    one, two, three = (digests.of(bytes([n])) for n in range(3))
    expected = digests.of(f"{one} {two}".encode())
    assert digests.chain([one, two, three]) == [one, expected, digests.of(f"{expected} {three}".encode())]
    assert digests.chain([]) == []


def test_the_short_form_is_twelve_digits() -> None:
    assert digests.short(digests.parse(A)) == "a" * 12
