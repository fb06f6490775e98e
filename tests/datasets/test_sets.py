"""MNIST, FashionMNIST, CIFAR10 and TinyShakespeare hold what their files hold, in torchvision's spelling."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.datasets import CIFAR10, MNIST, DatasetError, FashionMNIST, TinyShakespeare, tiny_shakespeare
from tinytorch.datasets._files import data_folder, user_caches

from . import server as does
from .making import archive, cifar_archive, cifar_batch, file, mnist_files, pixel
from .server import Mirror

TEXT = "First Citizen:\r\nBefore we proceed any further, hear me speak.\n"
IMAGES = [MNIST, FashionMNIST, CIFAR10]
CONTENTS: dict[type, dict[str, bytes]] = {
    MNIST: mnist_files(),
    FashionMNIST: mnist_files(train=4, test=2),
    CIFAR10: {"cifar-10-binary.tar.gz": cifar_archive()},
    TinyShakespeare: {"input.txt": TEXT.encode()},
}


@pytest.fixture(autouse=True)
def _published(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put small sets in the place of the real ones: the same names, other contents, and this machine's mirror."""
    for owner, contents in CONTENTS.items():
        publish(mirror, monkeypatch, owner, contents)


def publish(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, owner: Any, contents: dict[str, bytes]) -> None:
    """Let `owner` consist of these files."""
    rows = [file(name, body, mirror.publish(f"/{owner.__name__}/{name}", body)) for name, body in contents.items()]
    monkeypatch.setattr(owner, "files", tuple(rows))


@pytest.mark.parametrize("owner", [MNIST, FashionMNIST])
@pytest.mark.parametrize("train", [True, False])
def test_mnist_holds_the_pixels_and_labels_of_its_files(tmp_path: Path, owner: type[MNIST], train: bool) -> None:
    count = {MNIST: {True: 5, False: 3}, FashionMNIST: {True: 4, False: 2}}[owner][train]
    digits = owner(tmp_path, train=train, download=True, progress=False)
    assert len(digits) == count
    assert (digits.data.shape, digits.data.dtype) == ((count, 28, 28), np.uint8)
    assert (digits.targets.tolist(), digits.targets.dtype) == ([9, 8, 7, 6, 5][:count], np.int64)
    for i, (image, label) in enumerate(digits):
        assert (image.shape, image.dtype, label, type(label)) == ((28, 28), np.uint8, 9 - i, int)
        for row, column in itertools.product(range(28), repeat=2):
            assert image[row, column] == pixel(i, row, column)


@pytest.mark.parametrize("train", [True, False])
def test_cifar10_holds_the_pixels_and_labels_of_its_archive(tmp_path: Path, train: bool) -> None:
    photographs = CIFAR10(tmp_path, train=train, download=True, progress=False)
    numbers = list(range(10)) if train else [10, 11]
    assert (photographs.data.shape, photographs.data.dtype) == ((len(numbers), 32, 32, 3), np.uint8)
    assert (photographs.targets.tolist(), photographs.targets.dtype) == ([i % 10 for i in numbers], np.int64)
    for i, (image, label) in zip(numbers, photographs, strict=True):
        assert (image.shape, image.dtype, label, type(label)) == ((32, 32, 3), np.uint8, i % 10, int)
        for row, column, channel in itertools.product((0, 1, 31), (0, 1, 31), range(3)):
            assert image[row, column, channel] == pixel(i, row, column, channel)


def test_tiny_shakespeare_is_its_text_with_its_line_ends(tmp_path: Path) -> None:
    assert TinyShakespeare(tmp_path, download=True, progress=False).text == TEXT
    assert tiny_shakespeare(tmp_path) == TEXT
    assert repr(TinyShakespeare(tmp_path)) == (
        f"Dataset TinyShakespeare\n    Number of characters: {len(TEXT)}\n    Root location: {tmp_path}"
    )


def test_one_download_brings_both_parts(tmp_path: Path, mirror: Mirror) -> None:
    """As scripts do it: the training part is downloaded, the test part is only opened."""
    MNIST(tmp_path, train=True, download=True, progress=False)
    mirror.close()
    assert len(MNIST(tmp_path, train=False)) == 3
    assert len(MNIST(tmp_path, train=True, download=True)) == 5  # nothing is left to download
    assert (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").is_file()  # torchvision's place


def test_transforms_are_applied_to_what_is_taken(tmp_path: Path) -> None:
    seen = []

    def darken(image: np.ndarray) -> float:
        seen.append(type(image))
        image //= 2
        return float(image[1, 2])

    digits = MNIST(tmp_path, True, darken, lambda label: label + 100, True, progress=False)
    assert digits[3] == (pixel(3, 1, 2) // 2, 106)
    assert digits[3] == (pixel(3, 1, 2) // 2, 106)  # what the transform did to its image stays there
    assert set(seen) == {np.ndarray}
    assert digits.data[3, 1, 2] == pixel(3, 1, 2)


def test_indices_are_those_of_a_sequence(tmp_path: Path) -> None:
    digits = MNIST(tmp_path, download=True, progress=False)
    assert digits[-1][1] == digits[4][1] == digits[np.int64(4)][1] == 5
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        digits[5]
    with pytest.raises(TypeError, match="'slice' object cannot be interpreted as an integer"):
        digits[0:2]  # type: ignore[index]


@pytest.mark.parametrize("owner", IMAGES)
def test_classes_and_their_labels(tmp_path: Path, owner: type[MNIST]) -> None:
    images = owner(tmp_path, download=True, progress=False)
    assert len(images.classes) == len(set(images.classes)) == 10
    assert [images.class_to_idx[name] for name in images.classes] == list(range(10))
    assert owner.classes[3] == {"MNIST": "3 - three", "FashionMNIST": "Dress", "CIFAR10": "cat"}[owner.__name__]


def test_the_form_on_the_screen(tmp_path: Path) -> None:
    assert repr(FashionMNIST(tmp_path, train=False, download=True, progress=False)) == (
        f"Dataset FashionMNIST\n    Number of datapoints: 2\n    Root location: {tmp_path}\n    Split: Test"
    )
    assert repr(FashionMNIST(tmp_path, transform=np.sum, target_transform=str)).endswith(
        f"    Split: Train\n    Transform: {np.sum}\n    Target transform: {str}"
    )


@pytest.mark.parametrize("owner", IMAGES)
def test_all_at_once_as_tensors(tmp_path: Path, owner: type[MNIST]) -> None:
    channels = 3 if owner is CIFAR10 else 1
    kept = owner(tmp_path, transform=str, download=True, progress=False)
    images, labels = kept.tensors()
    assert isinstance(images, Tensor)
    assert (images.shape, images.dtype) == ((len(kept), channels, *kept.data.shape[1:3]), np.float32)
    assert images.data.flags.c_contiguous
    assert (labels.data.tolist(), labels.dtype) == (kept.targets.tolist(), np.int64)
    for i, row, column, channel in itertools.product(range(2), (0, 5), (0, 27), range(channels)):
        assert images.data[i, channel, row, column] == np.float32(pixel(i, row, column, channel)) / np.float32(255)
    labels.data[:] = 0
    assert kept.targets.any()


def test_a_set_can_be_handed_to_another_process(tmp_path: Path) -> None:
    digits = MNIST(tmp_path, download=True, progress=False)
    copy = pickle.loads(pickle.dumps(digits))
    assert np.array_equal(copy.data, digits.data)
    assert copy[2][1] == digits[2][1]


@pytest.mark.parametrize("owner", [*IMAGES, TinyShakespeare])
def test_what_is_not_there_is_told_with_all_that_is_needed(tmp_path: Path, owner: Any, mirror: Mirror) -> None:
    with pytest.raises(DatasetError) as caught:
        owner(tmp_path)
    said = str(caught.value)
    needed = [row for row in owner.files if "t10k" not in row.name]
    folder = tmp_path / owner.__name__ / ("raw" if issubclass(owner, MNIST) else "")
    assert said.startswith(f"{owner.__name__}: {', '.join(row.name for row in needed)} not found in {folder}. ")
    assert "Pass download=True to fetch what is missing.\n" in said
    assert "TINYTORCH_DATA" in said
    for row in needed:
        assert f"  {row.name}  {row.size:,} bytes  SHA-256 {row.sha256}\n    from {row.urls[0]}\n" in said
        folder.mkdir(parents=True, exist_ok=True)
        (folder / row.name).write_bytes(CONTENTS[owner][row.name])
    owner(tmp_path)  # the advice was good
    assert mirror.requests == []


def test_what_is_damaged_is_told_and_mended(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    MNIST(tmp_path, download=True, progress=False)
    labels = raw / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(b"damaged")
    assert len(MNIST(tmp_path, train=True)) == 5
    expected = (
        rf"^MNIST: {re.escape(str(labels))} is damaged: its SHA-256 is \w{{64}}, expected \w{{64}}\. Pass download=True"
    )
    with pytest.raises(DatasetError, match=expected):
        MNIST(tmp_path, train=False)
    assert len(MNIST(tmp_path, train=False, download=True, progress=False)) == 3


def test_offline_the_download_says_what_to_do(tmp_path: Path, mirror: Mirror) -> None:
    mirror.close()
    with pytest.raises(
        DatasetError, match=r"CIFAR10: .* could not be fetched\. Tried:\n  http.*: Connection refused\n"
    ):
        CIFAR10(tmp_path, download=True, progress=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train-labels-idx1-ubyte.gz": mnist_files(train=4)["train-labels-idx1-ubyte.gz"]},
            "5 images came with 4 labels",
        ),
        ({"train-images-idx3-ubyte.gz": b"text"}, "is not a whole gzip file"),
    ],
)
def test_files_that_do_not_fit_each_other_are_an_error(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, changed: dict[str, bytes], message: str
) -> None:
    publish(mirror, monkeypatch, MNIST, mnist_files() | changed)
    with pytest.raises(DatasetError, match=message):
        MNIST(tmp_path, download=True, progress=False)


def test_a_label_without_a_class_is_an_error(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = bytes([10]) + cifar_batch(0, 1)[1:]
    contents = {"cifar-10-binary.tar.gz": archive({"cifar-10-batches-bin/test_batch.bin": batch})}
    publish(mirror, monkeypatch, CIFAR10, contents)
    with pytest.raises(DatasetError, match=r"a label in .* is 10, expected 0 to 9\."):
        CIFAR10(tmp_path, train=False, download=True, progress=False)


def test_what_the_system_has_is_used_and_may_be_packed_otherwise(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "share"
    system.mkdir()
    monkeypatch.setattr(FashionMNIST, "system_folders", (system,))
    repacked = mnist_files(train=4, test=2)
    rows = []
    for row in FashionMNIST.files:
        body = repacked[row.name][:4] + b"\1\2\3\4" + repacked[row.name][8:]  # another date in gzip's head
        (system / row.name).write_bytes(body)
        rows.append(dataclasses.replace(row, repacked=(file(row.name, body).sha256,)))
    with pytest.raises(DatasetError, match="not found"):
        FashionMNIST(tmp_path)
    monkeypatch.setattr(FashionMNIST, "files", tuple(rows))
    assert len(FashionMNIST(tmp_path)) == 4
    assert len(FashionMNIST(tmp_path, download=True)) == 4
    assert mirror.requests == []
    assert not (tmp_path / "FashionMNIST").exists()


def test_the_folder_is_the_one_given_or_named_or_among_the_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_folder() == user_caches() / "tinytorch"
    monkeypatch.setenv("TINYTORCH_DATA", "")
    assert data_folder() == user_caches() / "tinytorch"
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path / "named"))
    assert data_folder() == tmp_path / "named"
    assert data_folder("given") == Path("given")
    assert data_folder("") == Path()
    assert data_folder("~/given") == Path.home() / "given"
    assert tiny_shakespeare(download=True) == TEXT
    assert (tmp_path / "named" / "TinyShakespeare" / "input.txt").is_file()


def test_each_system_has_its_place_for_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path.home()
    assert user_caches("darwin") == home / "Library" / "Caches"
    assert user_caches("linux") == tmp_path / "caches"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # is to be ignored, the specification says
    assert user_caches("linux") == home / ".cache"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_caches("linux") == home / ".cache"
    monkeypatch.setenv("LOCALAPPDATA", os.fspath(tmp_path / "local"))
    assert user_caches("win32") == tmp_path / "local"
    monkeypatch.delenv("LOCALAPPDATA")
    assert user_caches("win32") == home / "AppData" / "Local"


def test_a_mirror_that_fails_is_followed_by_the_next_one_of_the_table(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = TinyShakespeare.files
    bad = mirror.publish("/bad", b"", does.status(503))
    monkeypatch.setattr(TinyShakespeare, "files", (dataclasses.replace(row, urls=(bad, *row.urls)),))
    assert tiny_shakespeare(tmp_path, download=True) == TEXT
