"""The numbers of a 512-byte tar header: octal or base-256 fields, and the checksum over all of it (POSIX ustar, GNU).

What breaks the format is a `ValueError` with a sentence; whose header it is, the caller knows.
"""

from __future__ import annotations

from zlib import adler32


def numbers(block: bytes) -> tuple[int, int, int, int, int]:
    """Mode, user id, group id, size and mtime in seconds of a header, once its checksum is found right."""
    fields = block[100:156]
    if not fields.translate(None, b"01234567\0 "):
        spaced = fields.replace(b"\0", b" ")
        try:
            check(block, int(spaced[48:], 8))
            return (
                int(spaced[:8], 8),
                int(spaced[8:16], 8),
                int(spaced[16:24], 8),
                int(spaced[24:36], 8),
                int(spaced[36:48], 8),
            )
        except ValueError:
            pass  # an empty field, or one with something after its end: the long way
    check(block, number(fields[48:]))
    mode, uid, gid = (number(fields[at : at + 8]) for at in (0, 8, 16))
    return mode, uid, gid, number(fields[24:36]), number(fields[36:48])


def size(block: bytes) -> int:
    """The size alone, likewise."""
    check(block, number(block[148:156]))
    return number(block[124:136])


def device(block: bytes) -> tuple[int, int]:
    """The major and minor number."""
    return number(block[329:337]), number(block[337:345])


def check(block: bytes, expected: int) -> None:
    """Compare the sum of a header's bytes, its checksum field read as eight spaces, with what that field says.

    The low half of an Adler-32 is one plus the sum of the bytes, modulo 65521, which 256 bytes cannot reach.
    """
    total = adler32(block[:256]) % 65536 + adler32(block[256:]) % 65536 - adler32(block[148:156]) % 65536
    actual = total - 1 + 8 * ord(" ")
    if actual != expected:
        high = sum(byte > 127 for byte in block[:148] + block[156:])
        if actual - 256 * high != expected:  # some old writers summed signed characters
            raise ValueError(f"no tar header: its checksum is {expected}, its bytes sum to {actual}")


def number(field: bytes) -> int:
    """A numeric field: octal text up to a NUL, or base-256, two's complement, where its first bit is set (GNU)."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    text = field.partition(b"\0")[0].strip(b" ")
    if text.translate(None, b"01234567"):
        raise ValueError(f"the numeric field {field!r} is neither octal nor base-256")
    return int(text or b"0", 8)


def octal(value: int, width: int) -> bytes:
    """A number as a field of `width` bytes, which it must fit."""
    return b"%0*o\0" % (width - 1, value)


def sealed(block: bytes) -> bytes:
    """A header whose checksum field was eight spaces, with its checksum."""
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
