"""What is read is what the bytes say, or an error of ours: never other data, never another exception."""

from __future__ import annotations

import gzip
import itertools
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinytorch.datasets import DatasetError
from tinytorch.datasets._formats import read_cifar, read_idx

from .making import archive, cifar_batch, idx, pixel

VALUES = bytes(range(24))
PLAIN = idx([4, 2, 3], VALUES)

quickly = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def packed(tmp_path: Path, body: bytes) -> Path:
    """Write `body` into a gzip file."""
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(body, mtime=0))
    return path


def test_idx_is_read_with_the_last_axis_fastest(tmp_path: Path) -> None:
    items = read_idx(packed(tmp_path, PLAIN), (2, 3))
    assert (items.shape, items.dtype) == ((4, 2, 3), np.uint8)
    for i, row, column in itertools.product(range(4), range(2), range(3)):
        assert items[i, row, column] == 6 * i + 3 * row + column
    items[0] = 9  # an array of one's own, not a view of something that cannot be written


def test_idx_of_single_values_and_of_nothing(tmp_path: Path) -> None:
    assert read_idx(packed(tmp_path, idx([3], bytes([7, 0, 255]))), ()).tolist() == [7, 0, 255]
    assert read_idx(packed(tmp_path, idx([0, 2, 3], b"")), (2, 3)).shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", r"file\.gz begins with , expected 00 00 08 03 of an IDX file\."),
        (b"\0\0\x0d\x03" + PLAIN[4:], r"begins with 00 00 0d 03, expected 00 00 08 03"),
        (idx([4, 6], VALUES), r"begins with 00 00 08 02, expected 00 00 08 03"),
        (PLAIN[:15], r"ends within the head of an IDX file\."),
        (idx([4, 3, 2], VALUES), r"holds items of shape \(3, 2\), expected \(2, 3\)\."),
        (PLAIN[:-1], r"should hold 24 values by its head, but holds only 23\."),
        (PLAIN + b"\0", r"should hold 24 values by its head, but holds more\."),
        (idx([2**32 - 1, 2, 3], VALUES), r"should hold 25,769,803,770 values by its head, but holds only 24\."),
    ],
    ids=["empty", "type", "axes", "head", "shape", "short", "long", "huge"],
)
def test_an_idx_file_that_is_not_as_it_says_is_an_error(tmp_path: Path, body: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_idx(packed(tmp_path, body), (2, 3))


def test_a_file_that_is_not_gzip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(PLAIN)
    with pytest.raises(DatasetError, match=r"file\.gz is not a whole gzip file: Not a gzipped file"):
        read_idx(tmp_path / "file.gz", (2, 3))


@given(length=st.integers(0, 60))
@quickly
def test_a_truncated_idx_file_is_always_an_error(tmp_path: Path, length: int) -> None:
    path = packed(tmp_path, PLAIN)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(length, len(whole) - 1)])
    with pytest.raises(DatasetError):
        read_idx(path, (2, 3))


@given(place=st.integers(0, 2**16), flip=st.integers(1, 255))
@quickly
def test_a_changed_byte_never_gives_other_values(tmp_path: Path, place: int, flip: int) -> None:
    path = packed(tmp_path, PLAIN)
    damaged = bytearray(path.read_bytes())
    damaged[place % len(damaged)] ^= flip
    path.write_bytes(damaged)
    try:
        items = read_idx(path, (2, 3))
    except DatasetError:
        return
    assert items.tobytes() == VALUES  # the byte was one of gzip's own that does not matter, such as the date


@given(garbage=st.binary(max_size=200))
@quickly
def test_garbage_in_place_of_a_file_is_an_error_of_ours(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(garbage)
    for read in (lambda: read_idx(path, (2, 3)), lambda: read_cifar(path, ["a"])):
        with pytest.raises(DatasetError):
            read()


@given(head=st.sampled_from([b"", PLAIN[:3], PLAIN[:4], PLAIN[:8], PLAIN[:16]]), rest=st.binary(max_size=60))
@quickly
def test_garbage_within_gzip_is_read_exactly_or_not_at_all(tmp_path: Path, head: bytes, rest: bytes) -> None:
    path = packed(tmp_path, head + rest)
    try:
        items = read_idx(path, (2, 3))
    except DatasetError:
        return
    assert idx(list(items.shape), items.tobytes()) == head + rest


NAMES = ["first.bin", "second.bin"]
MEMBERS = {"second.bin": cifar_batch(2, 1), "other.txt": b"text", "first.bin": cifar_batch(0, 2)}


def test_cifar_images_are_read_plane_by_plane_in_the_order_that_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "file.tar.gz"
    path.write_bytes(archive(MEMBERS))
    images, labels = read_cifar(path, NAMES)
    assert (images.shape, images.dtype, labels.tolist()) == ((3, 32, 32, 3), np.uint8, [0, 1, 2])
    assert images.flags.c_contiguous
    for i, row, column, channel in itertools.product(range(3), (0, 1, 30, 31), (0, 1, 30, 31), range(3)):
        assert images[i, row, column, channel] == pixel(i, row, column, channel)
    images[0] = 9
    assert list(tmp_path.iterdir()) == [path]  # nothing was unpacked


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"first.bin": cifar_batch(0, 1)}, r"file\.tar\.gz does not contain second\.bin\."),
        (
            {"first.bin": b"", "second.bin": b""},
            r"first\.bin in .* has 0 bytes, which are not whole records of 3,073\.",
        ),
        (MEMBERS | {"second.bin": bytes(3072)}, r"second\.bin in .* has 3,072 bytes, which are not whole records"),
    ],
)
def test_an_archive_with_other_contents_is_an_error(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    path = tmp_path / "file.tar.gz"
    path.write_bytes(archive(members))
    with pytest.raises(DatasetError, match=message):
        read_cifar(path, NAMES)


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_in_an_archive_is_not_followed(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "file.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("first.bin")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(DatasetError, match=r"does not contain first\.bin"):
        read_cifar(path, ["first.bin"])


@given(place=st.integers(0, 2**32), flip=st.integers(0, 255))
@quickly
def test_a_damaged_archive_never_gives_other_images(tmp_path: Path, place: int, flip: int) -> None:
    """A byte is changed, or everything from there is cut off."""
    path = tmp_path / "file.tar.gz"
    whole = archive(MEMBERS)
    path.write_bytes(whole)
    expected = read_cifar(path, NAMES)
    place %= len(whole)
    path.write_bytes(whole[:place] + (bytes([whole[place] ^ flip]) + whole[place + 1 :] if flip else b""))
    try:
        images, labels = read_cifar(path, NAMES)
    except DatasetError:
        return
    assert (images.tobytes(), labels.tobytes()) == (expected[0].tobytes(), expected[1].tobytes())


@given(start=st.integers(0, 2000), garbage=st.binary(min_size=1, max_size=40))
@quickly
def test_garbage_within_an_archive_is_an_error_of_ours_or_harmless(tmp_path: Path, start: int, garbage: bytes) -> None:
    plain = gzip.decompress(archive(MEMBERS))
    path = packed(tmp_path, plain[:start] + garbage + plain[start + len(garbage) :])
    try:
        images, _ = read_cifar(path, NAMES)
    except DatasetError:
        return
    assert images.shape[1:] == (32, 32, 3)
