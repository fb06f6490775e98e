"""Convolution with stride 1: what stands in for the forms of lesson 09, and when.

An image in its border, read row after row, is one long row of numbers. What element (i, j) of all windows meets is
that row from place ``i * width + j`` on, so columns are made by long copies, and laid back by long sums. The windows
that begin in the last few places of a row of the image run over into the next one: what they give is dropped, and the
gradient that they get is 0.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.spatial import Convolution, Grid, slices
from tinytorch.core.tensor import FloatArray, Tensor, from_numpy
from tinytorch.fast import _replacements
from tinytorch.ops._replace import Method, Replacement

ROOM = 3 << 17  # elements of columns at a time: 1.5 megabytes
MANY = 32  # windows over an image: with fewer, a matrix product for each image is slower than one for all


class Windows(NamedTuple):
    """Windows with stride 1 over images.

    Attributes
    ----------
    grid
        Where they stand.
    channels, size
        Of the images: how many, and height and width.
    """

    grid: Grid
    channels: int
    size: tuple[int, ...]

    @property
    def high(self) -> int:
        """How many rows an image with its border has."""
        return self.grid.bordered(self.size)[0]

    @property
    def width(self) -> int:
        """How long a row of an image with its border is."""
        return self.grid.bordered(self.size)[1]

    @property
    def elements(self) -> int:
        """How many elements of all channels a window has."""
        return self.channels * math.prod(self.grid.kernel)

    @property
    def places(self) -> tuple[int, int]:
        """How many windows stand below and beside each other."""
        return self.grid.places(self.size)

    @property
    def pay(self) -> bool:
        """Whether products of an image's long columns pay: there are many windows, and not most of them run over."""
        down, across = self.places
        return down * across >= MANY and 2 * across >= self.width

    def work(self, count: int) -> int:
        """Return how many elements the columns of `count` images have; 0 if no window fits."""
        return count * self.elements * self.places[0] * self.width if min(self.places) > 0 else 0

    def blocks(self, count: int) -> tuple[list[slice], list[slice]]:
        """Return which of `count` images, and which rows of their windows, are worked on together."""
        down, _ = self.places
        fitting = max(1, ROOM // (self.elements * self.width))
        parts = math.ceil(down / fitting)
        return slices(count, fitting // down), slices(down, math.ceil(down / parts))

    def length(self, rows: slice) -> int:
        """Return how many windows begin in some rows, those included that run over; there are none after the last."""
        count: int = rows.stop - rows.start
        return count * self.width - (self.grid.kernel[1] - 1)

    def columns(self, images: FloatArray, rows: slice) -> FloatArray:
        """Return the windows of some rows of bordered images as columns, ``(images, elements, length)``."""
        image, channel, *_ = images.strides
        element = images.itemsize  # an axis of one element may have any stride
        shape = (len(images), self.channels, *self.grid.kernel, self.length(rows))
        strides = (image, channel, self.width * element, element, element)
        out = np.empty(shape, np.float32)
        np.copyto(out, np.lib.stride_tricks.as_strided(images[:, :, rows.start :], shape, strides))
        return out.reshape(len(images), self.elements, shape[-1])

    def gradients(self, grad: FloatArray, rows: slice) -> FloatArray:
        """Return gradients at some rows as long rows, ``(images, O, length)``: 0 for windows that run over."""
        part = grad[:, :, rows]
        out = np.zeros((*part.shape[:3], self.width), np.float32)
        out[..., : part.shape[3]] = part
        return out.reshape(*part.shape[:2], -1)[..., : self.length(rows)]


# Windows that run over may overflow, or meet infinity: nobody is to be warned of what is dropped.
_quietly = np.errstate(over="ignore", invalid="ignore")


@_quietly
def convolve(x: FloatArray, weight: FloatArray, bias: FloatArray | None, grid: Grid) -> FloatArray:
    """Return the convolution. Shapes: ``(N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, H', W')``."""
    windows, kernels = Windows(grid, x.shape[1], x.shape[2:]), weight.reshape(len(weight), -1)
    down, across = windows.places
    out = np.empty((len(x), len(weight), down, across), np.float32)
    some_images, some_rows = windows.blocks(len(x))
    for some in some_images:
        images = np.ascontiguousarray(grid.border(x[some]))
        for rows in some_rows:
            columns, part = windows.columns(images, rows), out[some, :, rows]
            product = np.empty((*part.shape[:3], windows.width), np.float32)
            np.matmul(kernels, columns, out=product.reshape(*part.shape[:2], -1)[..., : columns.shape[2]])
            np.add(product[..., :across], 0 if bias is None else bias[:, None, None], out=part)
    return out


@_quietly
def weight_gradient(x: FloatArray, grad_output: FloatArray, grid: Grid) -> FloatArray:
    """Return the gradient of the weight. Shapes: ``(N, C, H, W), (N, O, H', W') -> (O, C, kh, kw)``."""
    windows = Windows(grid, x.shape[1], x.shape[2:])
    total = np.zeros((windows.elements, grad_output.shape[1]), np.float32)
    some_images, some_rows = windows.blocks(len(x))
    for some in some_images:
        images = np.ascontiguousarray(grid.border(x[some]))
        for rows in some_rows:
            gradients = windows.gradients(grad_output[some], rows)
            total += (windows.columns(images, rows) @ gradients.swapaxes(1, 2)).sum(axis=0)
    return np.ascontiguousarray(total.T).reshape(-1, x.shape[1], *grid.kernel)


def input_gradient(grad_output: FloatArray, weight: FloatArray, size: tuple[int, ...], grid: Grid) -> FloatArray:
    """Return the gradient of the images. Shapes: ``(N, O, H', W'), (O, C, kh, kw) -> (N, C, H, W)``."""
    count, channels = len(grad_output), weight.shape[1]
    windows, kernels = Windows(grid, channels, size), weight.reshape(len(weight), -1).T
    out = np.empty((count, channels, *size), np.float32)
    some_images, some_rows = windows.blocks(count)
    for some in some_images:
        images = np.zeros((some.stop - some.start, channels, windows.high, windows.width), np.float32)
        planes = images.reshape(-1, windows.high * windows.width)
        for rows in some_rows:
            columns = kernels @ windows.gradients(grad_output[some], rows)
            matrix = columns.reshape(len(planes), *grid.kernel, columns.shape[2])
            # On one thread, which has the block in its cache; those of BLAS, which spin for a while, would slow others.
            _replacements._kernels().lay_back(matrix, planes, rows.start * windows.width, windows.width)
        out[some] = images[grid.inside(size)]
    return out


def _knows(convolution: Convolution, windows: Windows, count: int, *arrays: Any) -> bool:
    """Return whether a convolution of `count` images has stride 1, no dilation, no groups, and enough work."""
    grid = convolution.grid
    plain = convolution.groups == 1 and grid.stride == (1, 1) and grid.dilation == (1, 1)
    if not plain or not _replacements._answers(*arrays, size=windows.work(count)):
        return False
    return all(a is None or a.size for a in arrays)


def _convolve(original: Method) -> Method:
    @functools.wraps(original)
    def forward(convolution: Convolution, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
        images, kernels, shift = x.data, weight.data, None if bias is None else bias.data
        windows = Windows(convolution.grid, images.shape[1], images.shape[2:])
        if not _knows(convolution, windows, len(images), images, kernels, shift) or not windows.pay:
            return original(convolution, x, weight, bias)
        return from_numpy(convolve(images, kernels, shift, convolution.grid))

    return forward


def _weight_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def gradient(convolution: Convolution, x: Tensor, grad_output: Tensor) -> Any:
        images, grad = x.data, grad_output.data
        windows = Windows(convolution.grid, images.shape[1], images.shape[2:])
        known = _knows(convolution, windows, len(images), images, grad) and grad.shape[2:] == windows.places
        if known and windows.pay:
            result = weight_gradient(images, grad, convolution.grid)
            if np.isfinite(result).all():  # otherwise it may be of windows that run over: 0 * inf is nan
                return from_numpy(result)
        return original(convolution, x, grad_output)

    return gradient


def _input_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def gradient(convolution: Convolution, grad_output: Tensor, weight: Tensor, size: tuple[int, ...]) -> Any:
        grad, kernels = grad_output.data, weight.data
        windows = Windows(convolution.grid, kernels.shape[1], size)
        known = _knows(convolution, windows, len(grad), grad, kernels) and grad.shape[2:] == windows.places
        if not known or not np.isfinite(kernels).all():  # 0 * inf is nan, also for windows that run over
            return original(convolution, grad_output, weight, size)
        return from_numpy(input_gradient(grad, kernels, size, convolution.grid))

    return gradient


REPLACEMENTS = [
    Replacement(Convolution, "forward", _convolve),
    Replacement(Convolution, "weight_gradient", _weight_gradient),
    Replacement(Convolution, "input_gradient", _input_gradient),
]
