"""Convolution with stride 1, and the gradient of the largest: what stands in for the forms of lesson 09, and when.

The gradient of the images is a convolution too: of the gradient in a border, with kernels that are turned around.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.spatial import Convolution, Grid, MaxPool
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy
from tinytorch.fast import _replacements
from tinytorch.fast._threads import share, split
from tinytorch.ops._replace import Method, Replacement

FULL = 0.5  # the least share of the places in bordered images where windows begin: others are worked on for nothing
SHORT = 512  # places of several small images, which make one long row
PARTS = 16  # at most so many sums of the weight's gradient are added up
_EACH = 64  # products in the place of an element of other kernels: parts are longer, since each makes room for images


class Frame(NamedTuple):
    """Windows with stride 1 over images in their border, which is given anew for each direction.

    Attributes
    ----------
    channels
        Of the images.
    kernel, dilation
        How many elements a window has, and how far apart they are.
    border
        How wide it is above and on the left; negative where the images lose their edge.
    places
        How many windows stand below and beside each other.
    """

    channels: int
    kernel: tuple[int, ...]
    dilation: tuple[int, ...]
    border: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of an image with its border."""
        settings = zip(self.places, self.kernel, self.dilation, strict=True)
        return tuple(n + (k - 1) * d for n, k, d in settings)

    @property
    def pays(self) -> bool:
        """Whether windows begin in most places, and are more than one element, which is a product of matrices."""
        return math.prod(self.places) >= FULL * math.prod(self.size) and math.prod(self.kernel) > 1

    def work(self, count: int) -> int:
        """Return how many elements the windows over `count` images have; 0 if no window fits."""
        return count * self.channels * math.prod(self.kernel) * math.prod(self.size) if min(self.places) > 0 else 0

    def settings(self, together: int) -> tuple[Any, ...]:
        """Return what kernels ask for: where the terms of so many images begin, and how these lie in the long row."""
        high, wide = self.size
        starts = (np.arange(n) for n in (self.channels, *self.kernel))
        steps = (together * high * wide, self.dilation[0] * wide, self.dilation[1])
        channel, row, column = (start * step for start, step in zip(starts, steps, strict=True))
        terms = (channel[:, None, None] + row[:, None] + column).ravel()
        return np.append(terms, [-1] * (-len(terms) % 3)), *self.border, high, wide, together

    def together(self) -> int:
        """Return how many images make one long row."""
        (down, across), (_, wide) = self.places, self.size
        return max(1, SHORT // ((down - 1) * wide + across))


def _forward(grid: Grid, channels: int, size: tuple[int, ...]) -> Frame:
    """Return how windows stand over images of height and width `size`."""
    return Frame(channels, grid.kernel, grid.dilation, grid.before, grid.places(size))


def _backward(grid: Grid, channels: int, size: tuple[int, ...]) -> Frame:
    """Return how windows stand over gradients, one for each element of images of height and width `size`."""
    settings = zip(grid.kernel, grid.dilation, grid.before, strict=True)
    return Frame(channels, grid.kernel, grid.dilation, tuple((k - 1) * d - b for k, d, b in settings), size)


def convolve(x: FloatArray, weight: FloatArray, bias: FloatArray | None, frame: Frame) -> FloatArray:
    """Return the convolution. Shapes: ``(N, C, H, W), (O, C, kh, kw), (O,) -> (N, O, H', W')``."""
    return _correlated(x, weight, bias, frame)


def weight_gradient(x: FloatArray, grad_output: FloatArray, frame: Frame) -> FloatArray:
    """Return the gradient of the weight. Shapes: ``(N, C, H, W), (N, O, H', W') -> (O, C, kh, kw)``."""
    images, grads = np.ascontiguousarray(x), np.ascontiguousarray(grad_output)
    count, outputs = grads.shape[:2]
    together = frame.together()
    settings, correlate = frame.settings(together), _replacements._kernels().correlate_gradients
    some = split(count, _cost(frame, outputs), max(together, math.ceil(count / PARTS)))
    totals = np.zeros((len(some), outputs + -outputs % 4, len(settings[0])), np.float32)
    share(lambda i: correlate(images[some[i]], grads[some[i]], *settings, totals[i]), range(len(some)))
    shape = (outputs, frame.channels, *frame.kernel)
    return np.ascontiguousarray(totals.sum(axis=0)[:outputs, : math.prod(shape[1:])]).reshape(shape)


def input_gradient(grad_output: FloatArray, weight: FloatArray, frame: Frame) -> FloatArray:
    """Return the gradient of the images. Shapes: ``(N, O, H', W'), (O, C, kh, kw) -> (N, C, H, W)``."""
    return _correlated(grad_output, weight[:, :, ::-1, ::-1].swapaxes(0, 1), None, frame)


def _correlated(x: FloatArray, weight: FloatArray, bias: FloatArray | None, frame: Frame) -> FloatArray:
    images, kernels = np.ascontiguousarray(x), _filled(weight.reshape(len(weight), -1))
    shift = np.zeros(len(kernels), np.float32)
    shift[: len(weight)] = 0 if bias is None else bias
    out = np.empty((len(x), len(weight), *frame.places), np.float32)
    together = frame.together()
    settings, correlate = frame.settings(together), _replacements._kernels().correlate
    some = split(len(x), _cost(frame, len(weight)), together)
    share(lambda part: correlate(images[part], kernels, shift, *settings, out[part]), some)
    return out


def _filled(kernels: FloatArray) -> FloatArray:
    """Return kernels, filled up with zeros to a multiple of four, and their terms to a multiple of three."""
    outputs, terms = kernels.shape
    out = np.zeros((outputs + -outputs % 4, terms + -terms % 3), np.float32)
    out[:outputs, :terms] = kernels
    return out


def _cost(frame: Frame, outputs: int) -> int:
    """Return how long an image takes, in elements of other kernels."""
    return outputs * frame.work(1) // _EACH


def _knows(convolution: Convolution, frame: Frame, count: int, *arrays: Any) -> bool:
    """Return whether a convolution of `count` images has stride 1, no groups, and enough work that pays."""
    plain = convolution.groups == 1 and convolution.grid.stride == (1, 1)
    return (
        plain
        and _replacements._answers(*arrays, size=frame.work(count))
        and frame.pays
        and all(a is None or a.size for a in arrays)
    )


def _convolve(original: Method) -> Method:
    @functools.wraps(original)
    def forward(convolution: Convolution, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
        images, kernels, shift = x.data, weight.data, None if bias is None else bias.data
        frame = _forward(convolution.grid, kernels.shape[1], images.shape[2:])
        known = images.shape[1] == kernels.shape[1] and kernels.shape[2:] == frame.kernel
        if not known or not _knows(convolution, frame, len(images), images, kernels, shift):
            return original(convolution, x, weight, bias)
        return from_numpy(convolve(images, kernels, shift, frame))

    return forward


def _weight_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def gradient(convolution: Convolution, x: Tensor, grad_output: Tensor) -> Any:
        images, grad = x.data, grad_output.data
        frame = _forward(convolution.grid, images.shape[1], images.shape[2:])
        known = grad.shape[2:] == frame.places and len(grad) == len(images)
        if known and _knows(convolution, frame, len(images), images, grad):
            result = weight_gradient(images, grad, frame)
            if np.isfinite(result).all():  # otherwise it may be of windows that run over: 0 * inf is nan
                return from_numpy(result)
        return original(convolution, x, grad_output)

    return gradient


def _input_gradient(original: Method) -> Method:
    @functools.wraps(original)
    def gradient(convolution: Convolution, grad_output: Tensor, weight: Tensor, size: tuple[int, ...]) -> Any:
        grad, kernels = grad_output.data, weight.data
        frame = _backward(convolution.grid, grad.shape[1], tuple(size))
        known = grad.shape[2:] == convolution.grid.places(tuple(size)) and len(kernels) == grad.shape[1]
        if known and _knows(convolution, frame, len(grad), grad, kernels) and np.isfinite(kernels).all():
            return from_numpy(input_gradient(grad, kernels, frame))  # 0 * inf would be nan in the border
        return original(convolution, grad_output, weight, size)

    return gradient


def spread(grad: FloatArray, number: Array, grid: Grid, size: tuple[int, ...]) -> FloatArray:
    """Return gradients at the places that were chosen. Shapes: ``(N, C, H', W'), (N, C, H', W') -> (N, C, H, W)``."""
    high, wide = grid.bordered(size)
    offsets = np.array([i * grid.dilation[0] * wide + j * grid.dilation[1] for i, j in grid.offsets()])
    out = np.zeros((*grad.shape[:2], high, wide), np.float32)
    planes, steps = math.prod(grad.shape[:2]), (grid.stride[0] * wide, grid.stride[1])
    grads, numbers = (np.ascontiguousarray(a).reshape(planes, *grid.places(size)) for a in (grad, number))
    flat, kernel = out.reshape(planes, high * wide), _replacements._kernels().spread
    share(lambda some: kernel(grads[some], numbers[some], offsets, *steps, flat[some]), split(planes, grads[0].size))
    return out[grid.inside(size)]


def _spread(original: Method) -> Method:
    @functools.wraps(original)
    def images(pool: MaxPool, grad_output: Tensor, number: Tensor, size: tuple[int, ...]) -> Any:
        grad, chosen = grad_output.data, number.data
        fits = grad.shape == chosen.shape and grad.shape[2:] == pool.grid.places(size) and chosen.dtype == np.uint8
        window = math.prod(pool.grid.kernel)
        if not fits or not _replacements._answers(grad, size=grad.size * window) or chosen.max() >= window:
            return original(pool, grad_output, number, size)
        return from_numpy(spread(grad, chosen, pool.grid, size))

    return images


REPLACEMENTS = [
    Replacement(Convolution, "forward", _convolve),
    Replacement(Convolution, "weight_gradient", _weight_gradient),
    Replacement(Convolution, "input_gradient", _input_gradient),
    Replacement(MaxPool, "spread", _spread),
]
