"""Read the formats in which data sets are published. What is not as the format says is an error."""

from __future__ import annotations

import gzip
import math
import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinytorch.datasets._files import DatasetError

ByteArray = npt.NDArray[np.uint8]

_PIECE = 1 << 20
_UNSIGNED_BYTES = 8  # the code of this type in IDX files


def read_idx(path: Path, shape: tuple[int, ...]) -> ByteArray:
    """Return the items of a gzipped IDX file, each of `shape`, as an array of shape ``(N, *shape)``.

    Notes
    -----
    The format: two zero bytes, the type of the values, the number of axes; the length of each axis as a big-endian
    32-bit number; then the values, the last axis fastest. Only unsigned bytes are read.

    Raises
    ------
    DatasetError
        If the file is anything else, or is longer or shorter than its head says.
    """
    try:
        with gzip.open(path) as stream:
            count = _idx_head(stream, path, shape)
            size = count * math.prod(shape)
            values = _read_at_most(stream, size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is not a whole gzip file: {error}.") from None
    if len(values) != size:
        amount = "more" if len(values) > size else f"only {len(values):,}"
        raise DatasetError(f"{path} should hold {size:,} values by its head, but holds {amount}.")
    return np.frombuffer(values, np.uint8).reshape(count, *shape)


def _idx_head(stream: gzip.GzipFile, path: Path, shape: tuple[int, ...]) -> int:
    """Return how many items of `shape` an IDX file says that it holds."""
    magic = bytes([0, 0, _UNSIGNED_BYTES, 1 + len(shape)])
    lengths = struct.Struct(f">{1 + len(shape)}I")
    head = stream.read(len(magic) + lengths.size)
    if not head.startswith(magic):
        raise DatasetError(f"{path} begins with {head[:4].hex(' ')}, expected {magic.hex(' ')} of an IDX file.")
    if len(head) < len(magic) + lengths.size:
        raise DatasetError(f"{path} ends within the head of an IDX file.")
    count, *item = lengths.unpack(head[len(magic) :])
    if tuple(item) != shape:
        raise DatasetError(f"{path} holds items of shape {tuple(item)}, expected {shape}.")
    return int(count)


def _read_at_most(stream: gzip.GzipFile, size: int) -> bytearray:
    """Read up to `size` bytes, piece by piece: a wrong head must not claim memory for what is not there."""
    values = bytearray()
    while len(values) < size and (piece := stream.read(min(_PIECE, size - len(values)))):
        values += piece
    return values


def read_cifar(path: Path, names: Sequence[str]) -> tuple[ByteArray, ByteArray]:
    """Return the images, of shape (N, 32, 32, 3), and the labels in the members `names` of CIFAR-10's binary archive.

    Notes
    -----
    A record is the label, one byte, and the image: 1,024 red values row by row, then the green, then the blue.
    Nothing is written to the disk.

    Raises
    ------
    DatasetError
        If the archive is damaged, lacks a member, or a member does not consist of whole records.
    """
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            batches = {
                member.name: archive.extractfile(member).read()  # type: ignore[union-attr]  # None for folders
                for member in archive
                if member.name in names and member.isfile()
            }
            while stream.read(_PIECE):  # gzip's own checksum comes last
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is not a whole archive (tar.gz): {error}.") from None
    absent = [name for name in names if name not in batches]
    if absent:
        raise DatasetError(f"{path} does not contain {', '.join(absent)}.")
    parts = [_cifar_records(batches[name], f"{name} in {path}") for name in names]
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def _cifar_records(batch: bytes, source: str) -> tuple[ByteArray, ByteArray]:
    """Return the images and the labels of one file of records."""
    size = 1 + 3 * 32 * 32
    if not batch or len(batch) % size:
        raise DatasetError(f"{source} has {len(batch):,} bytes, which are not whole records of {size:,}.")
    records = np.frombuffer(batch, np.uint8).reshape(-1, size)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0]
