"""Small data sets in the published formats, made byte by byte."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

from tinytorch.datasets._files import File


def file(name: str, body: bytes, *urls: str) -> File:
    """Return the row of the table for a file with the content `body`."""
    return File(name, len(body), hashlib.sha256(body).hexdigest(), urls)


def idx(lengths: list[int], values: bytes) -> bytes:
    """Return an IDX file of unsigned bytes, not packed."""
    return bytes([0, 0, 8, len(lengths)]) + b"".join(n.to_bytes(4, "big") for n in lengths) + values


def pixel(image: int, row: int, column: int, channel: int = 0) -> int:
    """Return the value of a pixel in the sets made here."""
    return (37 * image + 11 * row + 3 * column + 101 * channel) % 256


def mnist_files(train: int = 5, test: int = 3) -> dict[str, bytes]:
    """Return the four files of a set in the form of MNIST. The label of image i is 9 - i % 10."""
    files = {}
    for part, count in (("train", train), ("t10k", test)):
        pixels = bytes(pixel(i, row, column) for i in range(count) for row in range(28) for column in range(28))
        labels = bytes(9 - i % 10 for i in range(count))
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx([count, 28, 28], pixels), mtime=0)
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx([count], labels), mtime=0)
    return files


def cifar_batch(first: int, count: int) -> bytes:
    """Return records of CIFAR-10's binary version. The label of image i is i % 10."""
    record = b""
    for i in range(first, first + count):
        planes = (pixel(i, row, column, channel) for channel in range(3) for row in range(32) for column in range(32))
        record += bytes([i % 10]) + bytes(planes)
    return record


def archive(members: dict[str, bytes]) -> bytes:
    """Return a tar.gz with these files, in this order."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return out.getvalue()


def cifar_archive(per_batch: int = 2) -> bytes:
    """Return CIFAR-10's archive with few images; images are numbered through the batches, the test's come last."""
    names = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)] + ["cifar-10-batches-bin/test_batch.bin"]
    batches = {name: cifar_batch(i * per_batch, per_batch) for i, name in enumerate(names)}
    # The order in the archive is not the order of the batches.
    return archive({"cifar-10-batches-bin/readme.html": b"<html>"} | dict(reversed(batches.items())))
