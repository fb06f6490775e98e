"""Data sets: digits that come with the package, and larger ones that are fetched when `download=True` is passed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinytorch.core.tensor import Tensor
from tinytorch.datasets._files import DatasetError as DatasetError
from tinytorch.datasets._images import CIFAR10 as CIFAR10
from tinytorch.datasets._images import MNIST as MNIST
from tinytorch.datasets._images import FashionMNIST as FashionMNIST
from tinytorch.datasets._text import TinyShakespeare as TinyShakespeare
from tinytorch.datasets._text import tiny_shakespeare as tiny_shakespeare

_FOLDER = Path(__file__).parent


class Digits(NamedTuple):
    """Images of handwritten digits, and which digit each one is."""

    images: Tensor  # (N, 8, 8), float32, 0 (paper) to 1 (ink)
    labels: Tensor  # (N,), int64, 0 to 9


def digits() -> Digits:
    """Return 1,797 handwritten digits of 8 by 8 pixels, by 13 people, in a fixed order.

    Returns
    -------
    Digits
        ``images`` of shape (1797, 8, 8), float32 from 0 to 1, and ``labels`` of shape (1797,), int64.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, the test part; licence CC BY 4.0. See ``digits.txt`` beside this file.

    Examples
    --------
    >>> images, labels = digits()
    >>> images.shape, labels.shape
    ((1797, 8, 8), (1797,))
    """
    with np.load(_FOLDER / "digits.npz", allow_pickle=False) as file:
        # The 17 shades are the number of inked pixels in a 4 by 4 block of the original bitmap.
        return Digits(Tensor(file["images"] / 16), Tensor(file["labels"], dtype=np.int64))
