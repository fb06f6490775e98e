"""The table of the published files is as it should be, as far as one can see without a network."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tinytorch.datasets import CIFAR10, MNIST, FashionMNIST, TinyShakespeare

SETS = [MNIST, FashionMNIST, CIFAR10, TinyShakespeare]


@pytest.mark.parametrize("owner", SETS)
def test_every_file_has_mirrors_and_checksums(owner: Any) -> None:
    assert len({file.name for file in owner.files}) == len(owner.files)
    sums = [checksum for file in owner.files for checksum in (file.sha256, *file.repacked)]
    assert len(set(sums)) == len(sums)
    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in sums)
    for file in owner.files:
        assert len(set(file.urls)) >= 2
        first, *others = map(urlsplit, file.urls)
        assert first.scheme == "https"
        assert all(url.scheme == "https" or url.netloc.startswith("fashion-mnist.s3-website.") for url in others)


@pytest.mark.parametrize("owner", SETS)
def test_the_docstring_says_how_much_is_downloaded(owner: Any) -> None:
    assert f"{sum(file.size for file in owner.files) / 1e6:.1f} MB" in re.sub(r"\s+", " ", owner.__doc__)


@pytest.mark.parametrize("owner", SETS)
def test_the_docstring_says_where_a_set_comes_from(owner: Any) -> None:
    assert re.search(r"Source: .*(licence|public domain)", owner.__doc__, re.DOTALL)
