"""Tar headers: what tarfile writes we read, what nobody may write we refuse."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import tar
from engine.errors import EngineError, LimitExceeded, MalformedLayer, Unsupported
from engine.tar import Member
from tests.engine import tars
from tests.engine.tars import item, members, patient, pax, raw, record

END = bytes(1024)
FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_entries_of_every_kind_are_read_in_every_format(form: int) -> None:  # rule 16
    data = tars.tar(
        item("d/", "dir", mode=0o1777, uid=5, gid=6, mtime=7),
        item("d/f", content=b"x" * 513, mode=0o4755),
        item("d/l", "symlink", target="f"),
        item("d/h", "link", target="d/f"),
        item("c", "char", devmajor=1, devminor=3),
        item("b", "block", devmajor=8, devminor=17),
        item("p", "fifo"),
        form=form,
    )
    d, f, symlink, link, c, b, p = members(data)
    assert (d.kind, d.name, d.mode, d.uid, d.gid, d.mtime) == ("dir", b"d/", 0o1777, 5, 6, 7_000_000_000)
    assert (f.kind, f.mode, data[f.offset : f.offset + f.size]) == ("file", 0o4755, b"x" * 513)
    assert (symlink.kind, symlink.target) == ("symlink", b"f")
    assert (link.kind, link.target) == ("link", b"d/f")
    assert (c.kind, c.major, c.minor) == ("char", 1, 3)
    assert (b.kind, b.major, b.minor) == ("block", 8, 17)
    assert p.kind == "fifo"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_long_names_big_ids_and_times_before_the_epoch_are_read(form: int) -> None:  # rule 16
    name, target = "n/" * 60 + "é", "t/" * 90
    data = tars.tar(item(name, "symlink", target=target, uid=2**31, gid=2**32 - 1, mtime=-3), form=form)
    (found,) = members(data)
    assert (found.name, found.target) == (name.encode(), target.encode())
    assert (found.uid, found.gid, found.mtime) == (2**31, 2**32 - 1, -3_000_000_000)


def test_a_ustar_prefix_is_the_beginning_of_the_name() -> None:  # rule 16
    assert members(raw(b"name", prefix=b"a/b") + END)[0].name == b"a/b/name"


def test_what_gnu_keeps_in_the_place_of_a_prefix_is_no_name() -> None:  # rule 16
    assert members(raw(b"name", magic=b"ustar  \0", prefix=b"14231532134\0") + END)[0].name == b"name"


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff\xfe", "ﬁ".encode(), "é".encode(), "e\u0301".encode()])
def test_names_are_the_bytes_that_came(name: bytes) -> None:  # rule 16
    text = name.decode("utf-8", "surrogateescape")
    assert members(tars.tar(item(text), form=tarfile.GNU_FORMAT))[0].name == name
    assert members(pax(record(b"path", name)) + raw(b"short") + END)[0].name == name


def test_numeric_ids_count_and_names_of_owners_do_not() -> None:  # rule 16
    (found,) = members(tars.tar(item("f", uid=12, gid=34, uname="root", gname="root")))
    assert (found.uid, found.gid) == (12, 34)


@pytest.mark.parametrize(
    ("flag", "name", "kind"),
    [(b"\0", b"f", "file"), (b"\0", b"d/", "dir"), (b"7", b"f", "file"), (b"0", b"f", "file"), (b"5", b"d", "dir")],
)
def test_old_type_flags_mean_what_they_meant(flag: bytes, name: bytes, kind: str) -> None:  # rule 16
    found, after = members(raw(name, flag) + raw(b"after") + END)
    assert (found.kind, after.name) == (kind, b"after")


def test_only_files_have_content() -> None:
    data = (
        raw(b"d/", b"5", size=b"00000001000\0") + raw(b"l", b"1", size=b"00000001000\0", target=b"x") + raw(b"f") + END
    )
    assert [(m.name, m.size) for m in members(data)] == [(b"d/", 0), (b"l", 0), (b"f", 0)]


def test_extended_attributes_may_hold_any_byte() -> None:  # rule 16
    value = b"\0=\n7 x=y\n\xff"
    data = pax(record(b"SCHILY.xattr.user.b", value), record(b"SCHILY.xattr.user.a", b"")) + raw(b"f") + END
    assert members(data)[0].xattrs == ((b"user.a", b""), (b"user.b", value))


def test_pax_records_replace_what_the_header_says() -> None:  # rule 16
    records = {b"size": b"3", b"uid": b"70000", b"gid": b"80000", b"mtime": b"12.3456789012", b"linkpath": b"no"}
    data = pax(*(record(*pair) for pair in records.items())) + raw(b"f", content=b"abc", size=b"0" * 11) + END
    (found,) = members(data)
    assert (found.size, found.uid, found.gid, found.mtime) == (3, 70000, 80000, 12_345_678_901)
    assert found.target == b""  # only a link has one


def test_a_time_before_the_epoch_keeps_its_fraction() -> None:
    assert members(pax(record(b"mtime", b"-1.25")) + raw(b"f") + END)[0].mtime == -1_250_000_000


def test_a_time_beyond_64_bits_is_the_last_that_they_hold() -> None:
    assert members(pax(record(b"mtime", b"9" * 20)) + raw(b"f") + END)[0].mtime == 2**63 - 1


def test_a_global_header_speaks_of_all_that_follow_and_an_own_one_overrules_it() -> None:  # rule 16
    data = b"".join(
        (
            raw(b"before"),
            pax(record(b"uid", b"7"), record(b"comment", b"x"), flag=b"g"),
            raw(b"a"),
            pax(record(b"uid", b"8")),
            raw(b"b"),
            pax(record(b"uid", b"")),
            raw(b"c", uid=b"0000003\0"),
            raw(b"d"),
            END,
        )
    )
    assert [m.uid for m in members(data)] == [0, 7, 8, 3, 7]


def test_gnu_long_names_end_at_their_nul() -> None:  # rule 16
    long, target = b"n" * 300, b"t" * 300
    data = raw(b"@", b"L", long + b"\0") + raw(b"@", b"K", target + b"\0") + raw(b"short", b"2", target=b"x") + END
    (found,) = members(data)
    assert (found.name, found.target) == (long, target)


def test_base_256_reaches_beyond_octal_and_below_zero() -> None:  # rule 16
    data = raw(b"f", uid=b"\x80\0\0\0\xff\xff\xff\xfe", mtime=b"\xff" * 11 + b"\xfe") + END
    assert (members(data)[0].uid, members(data)[0].mtime) == (2**32 - 2, -2_000_000_000)


@pytest.mark.parametrize("field", [b"    644 ", b"644\0\0\0\0\0", b"0000644 ", b"644\0junk", b"0000644\0"])
def test_numbers_are_read_as_every_writer_padded_them(field: bytes) -> None:
    assert members(raw(b"f", mode=field) + END)[0].mode == 0o644


def test_an_empty_number_is_zero() -> None:
    assert members(raw(b"f", mode=bytes(8), uid=b" " * 8) + END)[0].mode == 0


# What may not be


@pytest.mark.parametrize("bit", range(8))
def test_a_header_with_any_bit_changed_is_refused(bit: int) -> None:  # rule 16
    whole = raw(b"name", mtime=b"14231532134\0")
    for at in {*range(512)} - {148, 154, 155}:  # these pad the checksum
        block = bytearray(whole)
        block[at] ^= 1 << bit
        with pytest.raises(EngineError):
            members(bytes(block) + END)


def test_the_sum_of_signed_characters_is_a_checksum_too() -> None:
    block = bytearray(raw("éé".encode()))
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 8 * 32
    block[148:156] = b"%06o\0 " % signed
    assert members(bytes(block) + END)[0].name == "éé".encode()


@pytest.mark.parametrize(
    "data",
    [
        raw(b"f", size=b"\xff" * 12),
        raw(b"f", size=b"-0000000010\0"),
        raw(b"f", size=b"0o000000010\0"),
        raw(b"f", size=b"00_00000010\0"),
        pax(record(b"size", b"-512")) + raw(b"f"),
        pax(record(b"size", b"9" * 20)) + raw(b"f"),
        raw(b"f", uid=b"\xff" * 8),
        pax(record(b"gid", b"4294967296")) + raw(b"f"),
        pax(record(b"uid", b"x")) + raw(b"f"),
        raw(b"x", b"x", size=b"\xff" * 11 + b"\0"),
        raw(b"x", b"L", size=b"\xff" * 12),
    ],
)
def test_an_impossible_number_is_refused(data: bytes) -> None:  # rule 18
    with pytest.raises(MalformedLayer):
        members(data + END)


@pytest.mark.parametrize(
    "records",
    [
        b"0 a=b\n",
        b"\n",
        b"6 =ab\n",
        b"6 abc\n",
        b"5 a=b",
        b"99 a=b\n",
        b"-6 a=b\n",
        b"6 a=bc",
        b"x a=b\n",
        b"3 \n",
        b"6a=b\n",
    ],
)
def test_a_broken_pax_record_is_refused_and_never_loops(records: bytes) -> None:  # rule 18
    with pytest.raises(MalformedLayer):
        members(pax(records) + raw(b"f") + END)


@pytest.mark.parametrize("mtime", [b"x", b"1.2.3", b"1e9", b"--1", b"nan", b"1 "])
def test_a_time_that_is_no_number_is_refused(mtime: bytes) -> None:
    with pytest.raises(MalformedLayer, match="time in seconds"):
        members(pax(record(b"mtime", mtime)) + raw(b"f") + END)


@pytest.mark.parametrize("key", [b"path", b"linkpath"])
def test_a_name_with_a_nul_is_refused(key: bytes) -> None:
    with pytest.raises(MalformedLayer, match="NUL"):
        members(pax(record(key, b"a\0b")) + raw(b"f", b"2", target=b"t") + END)


@pytest.mark.parametrize("flag", [b"x", b"g", b"L", b"K"])
def test_an_extended_header_is_bounded(flag: bytes) -> None:  # rule 18
    content = record(b"comment", b"x" * 2000) if flag in b"xg" else b"x" * 2000
    with pytest.raises(LimitExceeded):
        members(raw(b"@", flag, content) + raw(b"f") + END, limit=1024)


def test_global_headers_are_bounded_together() -> None:  # rule 18
    some = b"".join(pax(record(b"k%d" % n, b"x" * 500), flag=b"g") for n in range(3))
    with pytest.raises(LimitExceeded):
        members(some + raw(b"f") + END, limit=1024)


@pytest.mark.parametrize(
    "data",
    [
        raw(b"holes", b"S"),
        pax(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.name", b"holes")) + raw(b"GNUSparseFile.0/holes"),
        pax(record(b"GNU.sparse.map", b"0,1")) + raw(b"holes"),
    ],
    ids=["old", "1.0", "0.1"],
)
def test_a_sparse_file_is_refused_by_name(data: bytes) -> None:  # rule 16
    with pytest.raises(Unsupported, match="/holes"):
        members(data + END)


@pytest.mark.parametrize("flag", [b"M", b"V", b"Q", b"8", b"\xff"])
def test_an_unknown_type_is_refused_by_name(flag: bytes) -> None:
    with pytest.raises(MalformedLayer, match="/strange"):
        members(raw(b"strange", flag) + END)


@pytest.mark.parametrize("device", [{"devmajor": 4096}, {"devminor": 1 << 20}])
def test_a_device_number_that_no_kernel_has_is_refused(device: dict[str, int]) -> None:
    with pytest.raises(MalformedLayer, match="device"):
        members(tars.tar(item("c", "char", **device)))


def test_what_is_no_tar_is_refused() -> None:
    with pytest.raises(MalformedLayer, match="byte 0 of the tar"):
        members(b"<html>" * 200)


# Where it ends


def test_bytes_after_the_end_are_passed_over() -> None:  # rule 17
    assert [m.name for m in members(raw(b"a") + END + b"junk" * 1000 + raw(b"b"))] == [b"a"]


def test_an_entry_after_one_zero_block_is_refused() -> None:
    with pytest.raises(MalformedLayer, match="zero block"):
        members(raw(b"a") + bytes(512) + raw(b"b") + END)


def test_the_padding_of_the_last_content_may_be_missing() -> None:  # as `umoci insert` 0.4.7 ends its layers
    data = raw(b"a", content=b"x" * 700)
    assert members(data[: 512 + 700])[0].size == 700
    assert members(data[: 512 + 900])[0].size == 700
    with pytest.raises(MalformedLayer, match="ends in the middle"):
        members(data[: 512 + 699])


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240)])
def test_an_archive_may_end_with_less_than_two_zero_blocks(end: bytes) -> None:
    assert len(members(raw(b"a", content=b"x") + end)) == 1


SAMPLE = tars.tar(
    item("d/", "dir"),
    item("d/" + "n" * 120, content=b"x" * 700),
    item("l" * 150, "symlink", target="t" * 150),
    item("e", content=b"y" * 512, pax_headers={"SCHILY.xattr.user.a": "b" * 1500}),
)


@patient
@given(st.lists(st.integers(0, len(SAMPLE)), max_size=40))
def test_it_does_not_matter_where_the_stream_is_cut_into_pieces(cuts: list[int]) -> None:
    assert members(SAMPLE, cuts) == members(SAMPLE)


def test_the_stream_may_come_byte_by_byte() -> None:
    assert members(SAMPLE, range(len(SAMPLE))) == members(SAMPLE)


def test_a_tar_cut_short_anywhere_is_refused_or_ends_between_entries() -> None:
    whole = members(SAMPLE)
    for stop in range(0, len(SAMPLE), 37):
        try:
            found = members(SAMPLE[:stop])
        except MalformedLayer as error:
            assert "ends" in str(error) or "describes no entry" in str(error)  # noqa: PT017
        else:
            assert found == whole[: len(found)]
            last = found[-1].offset + found[-1].size if found else 0
            assert stop >= last


def test_an_extended_header_that_describes_no_entry_is_refused() -> None:
    with pytest.raises(MalformedLayer, match="describes no entry"):
        members(pax(record(b"path", b"x")) + END)


# Writing

MEMBERS = st.builds(
    Member,
    kind=st.sampled_from(["file", "symlink", "dir", "fifo", "char"]),
    name=st.binary(min_size=1, max_size=300).map(lambda b: b.replace(b"\0", b"0").rstrip(b"/") or b"x"),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    mtime=st.integers(-(2**33), 2**33).map(lambda s: s * 1_000_000_000),
    xattrs=st.dictionaries(
        st.binary(min_size=1, max_size=20).filter(lambda b: b"=" not in b and b"\0" not in b),
        st.binary(max_size=600),
        max_size=3,
    ).map(lambda d: tuple(sorted(d.items()))),
)


@patient
@given(MEMBERS, st.binary(min_size=1, max_size=300).map(lambda b: b.replace(b"\0", b"0")))
def test_what_is_written_reads_back_equal(member: Member, target: bytes) -> None:
    target = target if member.kind == "symlink" else b""
    device = {"major": 4095, "minor": 2**20 - 1} if member.kind == "char" else {}
    fields = {field: getattr(member, field) for field in Member.__struct_fields__}
    member = Member(**{**fields, "target": target, **device})
    data = tar.header(member)
    (found,) = members(data + tar.END)
    assert found == Member(**{**fields, "target": target, **device, "offset": len(data)})


def test_a_member_that_ustar_can_hold_takes_one_block() -> None:
    plain = Member("file", b"n" * 100, 0o7777, 8**7 - 1, 8**7 - 1, (8**11 - 1) * 10**9, 8**11 - 1)
    assert len(tar.header(plain)) == 512


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 2**40])
def test_tarfile_reads_the_sizes_that_we_write(size: int) -> None:
    header = tar.header(Member("file", b"big", size=size))
    with tarfile.open(fileobj=io.BytesIO(header), mode="r:") as archive:
        assert archive.next().size == size  # type: ignore[union-attr]
    assert next(tar.Reader().feed(header)).size == size


@pytest.mark.parametrize("xattr", [b"", b"user.a=b", b"user.\0"])
def test_an_attribute_that_tar_cannot_carry_is_refused(xattr: bytes) -> None:
    with pytest.raises(Unsupported):
        tar.header(Member("file", b"f", xattrs=((xattr, b""),)))


def test_a_name_with_a_nul_is_not_written() -> None:
    with pytest.raises(Unsupported):
        tar.header(Member("file", b"a\0b"))
