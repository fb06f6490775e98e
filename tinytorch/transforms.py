"""What is done to an image before a network sees it, in torchvision's spelling.

Images are tensors or NumPy arrays of shape (..., height, width); `ToTensor` alone takes arrays as files hold them.
Random transforms draw from the generator of this package, which a `DataLoader` seeds anew in each worker and epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.tensor import Array, Tensor, default_generator, from_numpy

__all__ = ["Compose", "Lambda", "Normalize", "RandomCrop", "RandomHorizontalFlip", "RandomRotation", "ToTensor"]


def _array_of(image: Any, who: str) -> Array:
    """Return the array of an image, which has to have a height and a width."""
    array = image.data if isinstance(image, Tensor) else image
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{who} takes a tensor or an array, but got {type(image).__name__}. Try np.asarray(image).")
    if array.ndim < 2:
        raise ValueError(f"{who} takes images of shape (..., height, width), but got shape {array.shape}.")
    return array


def _same_kind(array: Array, image: Any) -> Any:
    """Return `array` as what `image` is: a tensor or an array."""
    return from_numpy(array) if isinstance(image, Tensor) else array


def _check_chance(p: float, who: str) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: p is a probability between 0 and 1, but got {p}.")
    return p


class Compose:
    """Several transforms, one after the other.

    Examples
    --------
    >>> transform = Compose([ToTensor(), Normalize(0.5, 0.5)])
    >>> transform(np.array([[0, 255]], np.uint8))
    tensor([[[-1.,  1.]]])
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {transform}" for transform in self.transforms), ")"])


class Lambda:
    """A function as a transform. Workers that are spawned need one that can be pickled, so no lambda."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda takes a function, but got {type(lambd).__name__}.")
        self.lambd = lambd

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"


class ToTensor:
    """Makes a tensor (C, H, W) of an array (H, W) or (H, W, C); bytes become float32 from 0 to 1.

    Examples
    --------
    >>> ToTensor()(np.full((28, 28, 3), 255, np.uint8)).shape
    (3, 28, 28)
    """

    def __call__(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            raise TypeError("ToTensor makes a tensor of an array, but got a tensor: it has been called already.")
        array = np.asarray(image)
        if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
            raise ValueError(
                f"ToTensor takes an image of shape (H, W) or (H, W, C), but got shape {array.shape} of {array.dtype}."
            )
        array = (array[:, :, None] if array.ndim == 2 else array).transpose(2, 0, 1)
        if array.dtype == np.uint8:
            return from_numpy(np.divide(array, np.float32(255), dtype=np.float32, order="C"))
        return from_numpy(np.array(array, order="C"))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """Takes a mean off each channel, and divides by a standard deviation.

    Parameters
    ----------
    mean, std
        A number for each channel of an image (C, H, W), or one for all.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean, self.std = mean, std
        self._mean, self._std = (np.reshape(np.asarray(values, np.float64), (-1, 1, 1)) for values in (mean, std))
        if not (np.isfinite(self._std).all() and (self._std > 0).all()):
            raise ValueError(f"Normalize: each std must be above 0, but got {std}.")

    def __call__(self, image: Any) -> Any:
        array = _array_of(image, "Normalize")
        if array.dtype.kind != "f":
            raise TypeError(f"Normalize needs floats, but the image holds {array.dtype}. Put ToTensor() before it.")
        for name, values in (("mean", self._mean), ("std", self._std)):
            if array.ndim < 3 or len(values) not in (1, array.shape[-3]):
                raise ValueError(
                    f"Normalize: {name} has {len(values)} values, but the image has shape {array.shape}. Give one "
                    "value, or one for each channel of an image (C, H, W)."
                )
        return _same_kind((array - self._mean.astype(array.dtype)) / self._std.astype(array.dtype), image)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class RandomHorizontalFlip:
    """Mirrors an image left to right, with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = _check_chance(p, "RandomHorizontalFlip")

    def __call__(self, image: Any) -> Any:
        array = _array_of(image, "RandomHorizontalFlip")
        if default_generator().random() >= self.p:
            return image
        return _same_kind(np.ascontiguousarray(array[..., ::-1]), image)

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop:
    """Cuts a piece out of an image, at a random place.

    Parameters
    ----------
    size
        Height and width of the piece, or one number for both.
    padding
        How many pixels are put around the image first, on each side.
    fill
        What these pixels hold.
    """

    def __init__(self, size: int | Sequence[int], padding: int = 0, fill: float = 0) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1 or padding < 0:
            raise ValueError(
                f"RandomCrop: size must be above 0 and padding 0 or more, but got size={size} and padding={padding}."
            )
        self.size = height, width
        self.padding = padding
        self.fill = fill

    def __call__(self, image: Any) -> Any:
        array = _array_of(image, "RandomCrop")
        height, width = self.size
        room = [n + 2 * self.padding - wanted for n, wanted in zip(array.shape[-2:], self.size, strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"RandomCrop: a piece of {height} x {width} does not fit into an image of shape {array.shape} with "
                f"padding {self.padding}. Choose a smaller size or more padding."
            )
        if self.padding:
            sides = [(0, 0)] * (array.ndim - 2) + [(self.padding, self.padding)] * 2
            array = np.pad(array, sides, constant_values=self.fill)
        top, left = (int(default_generator().integers(n + 1)) for n in room)
        return _same_kind(array[..., top : top + height, left : left + width].copy(), image)

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomRotation:
    """Turns an image around its middle, by a random angle.

    Parameters
    ----------
    degrees
        The range of the angles, counter-clockwise; one number means from ``-degrees`` to ``degrees``.
    interpolation
        ``"nearest"`` takes the pixel that is nearest, ``"bilinear"`` a mean of the four around.
    fill
        What pixels hold that come from outside of the image.
    """

    def __init__(self, degrees: float | Sequence[float], interpolation: str = "nearest", fill: float = 0) -> None:
        low, high = (-degrees, degrees) if isinstance(degrees, int | float) else degrees
        if low > high:
            raise ValueError(f"RandomRotation: degrees must be 0 or more, or from low to high, but got {degrees}.")
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"RandomRotation: interpolation is 'nearest' or 'bilinear', but got {interpolation!r}.")
        self.degrees = float(low), float(high)
        self.interpolation = interpolation
        self.fill = fill

    def __call__(self, image: Any) -> Any:
        array = _array_of(image, "RandomRotation")
        angle = math.radians(default_generator().uniform(*self.degrees))
        return _same_kind(self._turned(array, angle), image)

    def _turned(self, array: Array, angle: float) -> Array:
        """Return the image, each pixel taken from where it was before the turn."""
        height, width = array.shape[-2:]
        y, x = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2]).reshape(2, 1, 1)
        from_y = math.sin(angle) * x + math.cos(angle) * y + (height - 1) / 2
        from_x = math.cos(angle) * x - math.sin(angle) * y + (width - 1) / 2
        if self.interpolation == "nearest":
            # Halves are rounded up, and a last bit of the sine must not decide.
            return self._pixels(array, np.floor(from_y + 0.5 + 1e-9), np.floor(from_x + 0.5 + 1e-9))
        top, left = np.floor(from_y), np.floor(from_x)
        turned = np.zeros(array.shape)
        for dy in (0, 1):
            for dx in (0, 1):
                share = np.abs(1 - dy - (from_y - top)) * np.abs(1 - dx - (from_x - left))
                turned += share * self._pixels(array, top + dy, left + dx)
        return (np.rint(turned) if array.dtype.kind in "iu" else turned).astype(array.dtype)

    def _pixels(self, array: Array, y: Array, x: Array) -> Array:
        """Return the pixels at some places, and `fill` outside of the image."""
        height, width = array.shape[-2:]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        rows, columns = (np.where(inside, places, 0).astype(np.int64) for places in (y, x))
        return np.where(inside, array[..., rows, columns], np.asarray(self.fill, array.dtype))

    def __repr__(self) -> str:
        return f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation!r})"
