"""Windows that slide over a tensor, and what they add up to when they are laid back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import FloatArray, Tensor, from_numpy
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.moving import pad
from tinytorch.ops.shape import Grads, axis_of, in_kind, integers

__all__: list[str] = []


class WindowsBackward(Function):
    """Gradient of windows along an axis: `grad_output`, laid back where they came from and added up."""

    saves = ()

    def __init__(
        self, a: Tensor, axis: int, size: int, step: int, dilation: int = 1, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.axis, self.step, self.dilation = axis, step, dilation

    def apply(self, grad_output: FloatArray) -> Grads:
        count = self.input_shapes[0][self.axis]
        return (in_kind(_laid_back, grad_output, self.axis, count, self.step, self.dilation),)


@operation(WindowsBackward, method="_windows")
def _windows(input: Tensor, axis: int, size: int, step: int, dilation: int = 1) -> Tensor:
    """Return a view with the windows in the place of `axis`, and what is in each along a new last axis."""
    reach = (size - 1) * dilation + 1
    views = np.lib.stride_tricks.sliding_window_view(input.data, reach, axis)
    return from_numpy(views[(slice(None),) * axis + (slice(None, None, step),)][..., ::dilation])


class LaidBackBackward(Function):
    """Gradient of windows that were laid back and added up: the windows of `grad_output`."""

    saves = ()

    def __init__(
        self, a: Tensor, axis: int, count: int, step: int, dilation: int = 1, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.place = axis, self.input_shapes[0][-1], step, dilation

    def apply(self, grad_output: FloatArray) -> Grads:
        return (in_kind(_windows, grad_output, *self.place),)


@operation(LaidBackBackward, method="_laid_back")
def _laid_back(input: Tensor, axis: int, count: int, step: int, dilation: int = 1) -> Tensor:
    """Return the sum of windows, each where it stands along an axis of `count` elements; what `_windows` undoes."""
    windows = input.data
    shape = [count if i == axis else n for i, n in enumerate(windows.shape[:-1])]
    out = np.zeros(shape, windows.dtype)
    front, places = (slice(None),) * axis, windows.shape[axis]
    for i in range(windows.shape[-1]):
        start = i * dilation
        out[(*front, slice(start, start + (places - 1) * step + 1, step))] += windows[..., i]
    return from_numpy(out)


@composed(method="unfold")
def unfold_method(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return a view of all windows of `size` elements along an axis, every `step` elements, along a new last axis.

    Raises
    ------
    ValueError
        If the axis is shorter than a window, or `step` is below 1.

    Examples
    --------
    >>> Tensor([1, 2, 3, 4, 5]).unfold(0, 3, 2)
    tensor([[1., 2., 3.],
            [3., 4., 5.]])
    """
    axis = axis_of(dimension, input.ndim, "unfold")
    line = input if input.ndim else input.reshape(1)
    if not 0 < size <= line.shape[axis] or step < 1:
        raise ValueError(
            f"unfold() takes windows of 1 to {line.shape[axis]} elements along axis {axis} of shape {input.shape} and "
            f"steps of 1 or more, but got size={size} and step={step}."
        )
    windows = _windows(line, axis, size, step)
    return windows if input.ndim else windows.reshape(size)


Pair = int | Sequence[int]


def _pair(value: Pair, name: str, what: str, least: int) -> tuple[int, int]:
    """Return the number for rows and the one for columns."""
    numbers = integers((value,), name)
    both = numbers * 2 if len(numbers) == 1 else numbers
    if len(both) != 2 or min(both) < least:
        raise ValueError(f"{name}() takes as {what} one number or two, {least} or more, but got {value}.")
    return both[0], both[1]


class _Grid:
    """Where blocks stand in an image: of what size, how far apart, how dense, within what border."""

    def __init__(self, name: str, kernel_size: Pair, dilation: Pair, padding: Pair, stride: Pair) -> None:
        self.name = name
        self.size = _pair(kernel_size, name, "kernel_size", 1)
        self.dilation = _pair(dilation, name, "dilation", 1)
        self.padding = _pair(padding, name, "padding", 0)
        self.step = _pair(stride, name, "stride", 1)

    def counts(self, height: int, width: int) -> tuple[int, int]:
        """Return how many blocks stand below and beside each other in an image."""
        room = (height + 2 * self.padding[0], width + 2 * self.padding[1])
        reach = [(n - 1) * d + 1 for n, d in zip(self.size, self.dilation, strict=True)]
        down, across = ((n - r) // s + 1 for n, r, s in zip(room, reach, self.step, strict=True))
        if down < 1 or across < 1:
            raise ValueError(
                f"{self.name}() cuts blocks of {tuple(reach)} elements, but the image, of {height} by {width} in a "
                f"border of {self.padding}, is smaller."
            )
        return down, across


def unfold(input: Tensor, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1) -> Tensor:
    """Return the blocks of images as columns.

    Parameters
    ----------
    input
        Images, ``(N, C, H, W)`` or ``(C, H, W)``.
    kernel_size, dilation, padding, stride
        The size of a block; how far apart its elements are; how much 0 surrounds an image; how far apart the blocks
        are. Each is one number, or one for rows and one for columns.

    Notes
    -----
    Shapes: ``(N, C, H, W) -> (N, C * kernel height * kernel width, blocks)``. Source: ``torch.nn.functional.unfold``.

    Examples
    --------
    >>> unfold(Tensor([[[1, 2, 3], [4, 5, 6]]]), 2)
    tensor([[1., 2.],
            [2., 3.],
            [4., 5.],
            [5., 6.]])
    """
    if input.ndim not in (3, 4):
        raise ValueError(f"unfold() takes images (N, C, H, W) or (C, H, W), but got shape {input.shape}.")
    grid = _Grid("unfold", kernel_size, dilation, padding, stride)
    images = input if input.ndim == 4 else input.unsqueeze(0)  # type: ignore[attr-defined]
    count, channels, height, width = images.shape
    down, across = grid.counts(height, width)
    above, beside = grid.padding
    if above or beside:
        images = pad(images, (beside, beside, above, above))
    rows = _windows(images, 2, grid.size[0], grid.step[0], grid.dilation[0])  # (N, C, down, W, kh)
    blocks = _windows(rows, 3, grid.size[1], grid.step[1], grid.dilation[1])  # (N, C, down, across, kh, kw)
    columns = blocks.permute(0, 1, 4, 5, 2, 3).reshape(count, channels * math.prod(grid.size), down * across)
    return columns if input.ndim == 4 else columns.reshape(columns.shape[1:])


def fold(
    input: Tensor, output_size: Pair, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Tensor:
    """Return images from blocks as columns: where blocks overlap, their elements are added.

    Parameters
    ----------
    input
        Columns, ``(N, C * kernel height * kernel width, blocks)``, or without the first axis.
    output_size
        Height and width of the images.
    kernel_size, dilation, padding, stride
        As for `unfold`.

    Raises
    ------
    ValueError
        If the columns do not hold whole blocks, or not as many as there are in an image.

    Examples
    --------
    >>> fold(Tensor([[1, 2], [2, 3], [4, 5], [5, 6]]), (2, 3), 2)
    tensor([[[ 1.,  4.,  3.],
             [ 4., 10.,  6.]]])
    """
    if input.ndim not in (2, 3):
        raise ValueError(f"fold() takes columns (N, C * block, blocks) or (C * block, blocks), but got {input.shape}.")
    grid = _Grid("fold", kernel_size, dilation, padding, stride)
    height, width = _pair(output_size, "fold", "output_size", 1)
    down, across = grid.counts(height, width)
    columns = input if input.ndim == 3 else input.unsqueeze(0)  # type: ignore[attr-defined]
    count, long, blocks = columns.shape
    if long % math.prod(grid.size) or blocks != down * across:
        raise ValueError(
            f"fold() of blocks of {grid.size} into {height} by {width} takes columns of a multiple of "
            f"{math.prod(grid.size)} elements, {down * across} of them, but got shape {input.shape}."
        )
    channels = long // math.prod(grid.size)
    apart = columns.reshape(count, channels, *grid.size, down, across).permute(0, 1, 4, 5, 2, 3)
    above, beside = grid.padding
    rows = _laid_back(apart, 3, width + 2 * beside, grid.step[1], grid.dilation[1])
    images = _laid_back(rows, 2, height + 2 * above, grid.step[0], grid.dilation[0])
    inner = images[:, :, above : above + height, beside : beside + width]
    return inner if input.ndim == 3 else inner[0]
