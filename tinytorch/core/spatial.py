# Exported from modules/09_spatial/spatial_dev.py by tito export; edit it there.
"""Convolution, pooling and batch norm: layers that know what is beside what."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tinytorch.core.autograd import RULES, LayerFunction, Rule, note_change
from tinytorch.core.layers import Buffer, Module, Parameter, uniform_parameter
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy

__all__ = [
    "ROOM",
    "AdaptiveAverage",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AverageBackward",
    "AveragePool",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "ChosenFunction",
    "CollectBackward",
    "Conv1d",
    "Conv2d",
    "ConvNd",
    "Convolution",
    "ConvolutionBackward",
    "Grid",
    "InputGradientBackward",
    "MaxPool",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPoolBackward",
    "MaxSpreadBackward",
    "Normalization",
    "NormalizationBackward",
    "Numbers",
    "Pair",
    "Plan",
    "SpatialFunction",
    "SpreadBackward",
    "WeightGradientBackward",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_windows",
    "as_given",
    "as_images",
    "as_images_of",
    "as_kernels",
    "as_matrix",
    "avg_pool1d",
    "avg_pool2d",
    "batch_statistics",
    "both",
    "check_fit",
    "chosen",
    "columns",
    "conv1d",
    "conv2d",
    "convolve",
    "convolve_by_loops",
    "enlarge",
    "in_kind",
    "input_gradient",
    "largest",
    "lay_back",
    "max_pool1d",
    "max_pool2d",
    "move_running",
    "output_size",
    "pool_grid",
    "slices",
    "weight_gradient",
    "window_lengths",
    "windows",
    "working_type",
]


Pair = tuple[int, int]


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Return how many places a window has along one axis; 0 or less if it does not fit.

    Examples
    --------
    >>> output_size(28, 5, padding=2), output_size(7, 3, stride=2)
    (28, 3)
    """
    reach = dilation * (kernel - 1) + 1
    return (size + 2 * padding - reach) // stride + 1


def convolve_by_loops(images: FloatArray, weight: FloatArray, stride: int = 1, padding: int = 0) -> FloatArray:
    """Return the convolution of images with kernels, one product at a time: slow, and plainly right.

    Shapes: ``(N, C, H, W), (O, C, kh, kw) -> (N, O, H', W')``.
    """
    count, channels, height, width = images.shape
    kernels, _, high, wide = weight.shape
    down = output_size(height, high, stride, padding)
    across = output_size(width, wide, stride, padding)
    bordered = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out = np.zeros((count, kernels, down, across), images.dtype)
    for n in range(count):
        for o in range(kernels):
            for y in range(down):
                for x in range(across):
                    for c in range(channels):
                        for i in range(high):
                            for j in range(wide):
                                out[n, o, y, x] += bordered[n, c, y * stride + i, x * stride + j] * weight[o, c, i, j]
    return out


class Grid(NamedTuple):
    """Where windows stand over images: for rows first, then for columns.

    Attributes
    ----------
    kernel
        How many elements a window has.
    stride
        How far apart windows are.
    before, after
        How wide the border is, above and on the left, below and on the right.
    dilation
        How far apart the elements of a window are.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    before: Pair = (0, 0)
    after: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def places(self, size: tuple[int, ...]) -> Pair:
        """Return how many windows stand below and beside each other over images of height and width `size`."""
        settings = zip(self.bordered(size), self.kernel, self.stride, self.dilation, strict=True)
        down, across = (output_size(room, k, s, 0, d) for room, k, s, d in settings)
        return down, across

    def offsets(self) -> Iterator[Pair]:
        """Yield the places inside a window, row by row."""
        return ((i, j) for i in range(self.kernel[0]) for j in range(self.kernel[1]))

    def inside(self, size: tuple[int, ...]) -> tuple[slice, slice, slice, slice]:
        """Return the index of images of height and width `size` within their border."""
        rows, columns = (slice(start, start + n) for start, n in zip(self.before, size, strict=True))
        return slice(None), slice(None), rows, columns

    def bordered(self, size: tuple[int, ...]) -> Pair:
        """Return height and width of images with their border."""
        high, wide = (n + self.before[i] + self.after[i] for i, n in enumerate(size))
        return high, wide

    def border(self, images: Array, value: float = 0.0) -> Array:
        """Return images within a border of `value`; the images themselves if there is none."""
        if self.before == self.after == (0, 0):
            return images
        size = images.shape[2:]
        out = np.full((*images.shape[:2], *self.bordered(size)), value, images.dtype)
        out[self.inside(size)] = images
        return out


def windows(images: Array, grid: Grid, places: Pair) -> Array:
    """Return a view of all windows over images that have their border already.

    Shapes: ``(N, C, H, W) -> (N, C, kh, kw, *places)``.
    """
    count, channels = images.shape[:2]
    image, channel, row, column = images.strides
    (apart_down, apart_across), (step_down, step_across) = grid.dilation, grid.stride
    strides = (image, channel, row * apart_down, column * apart_across, row * step_down, column * step_across)
    return np.lib.stride_tricks.as_strided(images, (count, channels, *grid.kernel, *places), strides)


def columns(view: Array, groups: int = 1) -> Array:
    """Return windows as the columns of a matrix, one matrix a group.

    Shapes: ``(N, C, kh, kw, rows, across) -> (groups, C / groups * kh * kw, N * rows * across)``.
    """
    count, channels, high, wide, rows, across = view.shape
    ordered = view.transpose(1, 2, 3, 0, 4, 5)
    return ordered.reshape(groups, channels // groups * high * wide, count * rows * across)


ROOM = 1 << 17  # elements of columns at a time: half a megabyte of float32


class Plan(NamedTuple):
    """How the windows of images are divided into blocks whose columns fit the cache.

    Attributes
    ----------
    places
        How many windows stand below and beside each other.
    images, rows
        The slices of the images, and of the rows of windows, that make the blocks.
    """

    places: Pair
    images: list[slice]
    rows: list[slice]

    @classmethod
    def of(cls, shape: tuple[int, ...], grid: Grid) -> Plan:
        """Return the plan for images of a shape."""
        count, channels, *size = shape
        down, across = grid.places(tuple(size))
        fitting = ROOM // (channels * math.prod(grid.kernel) * across)  # rows of windows
        return cls((down, across), slices(count, fitting // down), slices(down, fitting))


def slices(total: int, step: int) -> list[slice]:
    """Return slices of `step`, at least 1, that cover 0 to `total`."""
    step = max(1, step)
    return [slice(start, min(start + step, total)) for start in range(0, total, step)]


def working_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to calculate in: float16 has no fast product, and sums in it lose their digits."""
    return np.result_type(dtype, np.float32)


def as_kernels(weight: FloatArray, groups: int) -> FloatArray:
    """Return a weight as matrices with a kernel in each row, one matrix a group."""
    matrix = weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))
    return matrix.astype(working_type(weight.dtype), copy=False)


def as_images_of(product: FloatArray, rows: int, across: int) -> FloatArray:
    """Return the columns of a product as images, ``(images, O, rows, across)``."""
    groups, each, long = product.shape
    return product.reshape(groups * each, long // (rows * across), rows, across).swapaxes(0, 1)


def as_matrix(images: FloatArray, groups: int, dtype: np.dtype[Any]) -> FloatArray:
    """Return images as matrices with a pixel in each column, ``(groups, O / groups, P)``; undoes `as_images_of`."""
    count, kernels, rows, across = images.shape
    ordered = images.swapaxes(0, 1).astype(dtype, copy=False)
    return ordered.reshape(groups, kernels // groups, count * rows * across)


def convolve(
    images: FloatArray, weight: FloatArray, bias: FloatArray | None, grid: Grid, groups: int = 1
) -> FloatArray:
    """Return the convolution of images with kernels.

    Shapes: ``(N, C, H, W), (O, C / groups, kh, kw), (O,) -> (N, O, H', W')``.
    """
    plan = Plan.of(images.shape, grid)
    out = np.empty((len(images), len(weight), *plan.places), images.dtype)
    kernels = as_kernels(weight, groups)
    shift = 0.0 if bias is None else bias[:, None, None]
    for some in plan.images:
        bordered = grid.border(images[some].astype(kernels.dtype, copy=False))
        view = windows(bordered, grid, plan.places)
        for rows in plan.rows:
            product = kernels @ columns(view[..., rows, :], groups)
            part = out[some, :, rows]
            np.add(as_images_of(product, *part.shape[2:]), shift, out=part, casting="same_kind")
    return out


def weight_gradient(images: FloatArray, grad_output: FloatArray, grid: Grid, groups: int = 1) -> FloatArray:
    """Return the gradient of the weight of a convolution.

    Shapes: ``(N, C, H, W), (N, O, H', W') -> (O, C / groups, kh, kw)``.
    """
    plan = Plan.of(images.shape, grid)
    kernels, channels = grad_output.shape[1], images.shape[1] // groups
    dtype = working_type(images.dtype)
    total = np.zeros((groups, kernels // groups, channels * math.prod(grid.kernel)), dtype)
    for some in plan.images:
        view = windows(grid.border(images[some].astype(dtype, copy=False)), grid, plan.places)
        for rows in plan.rows:
            grad = as_matrix(grad_output[some, :, rows], groups, dtype)
            matrix = columns(view[..., rows, :], groups)
            total += (matrix @ grad.swapaxes(1, 2)).swapaxes(1, 2)  # quicker, with long matrices, than grad @ matrix.T
    return total.reshape(kernels, channels, *grid.kernel).astype(images.dtype, copy=False)


def lay_back(matrix: FloatArray, view: FloatArray) -> None:
    """Add the columns of a matrix to the windows that they would have been taken from; the adjoint of `columns`.

    Parameters
    ----------
    matrix
        Of shape ``(groups, C / groups * kh * kw, N * rows * across)``.
    view
        The windows, ``(N, C, kh, kw, rows, across)``: a view of what is added to.
    """
    count, channels, high, wide, rows, across = view.shape
    places = matrix.reshape(channels, high, wide, count, rows, across)
    for i in range(high):
        for j in range(wide):
            view[:, :, i, j] += places[:, i, j].swapaxes(0, 1)


def input_gradient(
    grad_output: FloatArray, weight: FloatArray, size: tuple[int, ...], grid: Grid, groups: int = 1
) -> FloatArray:
    """Return the gradient of the images of a convolution, which have height and width `size`.

    Shapes: ``(N, O, H', W'), (O, C / groups, kh, kw) -> (N, C, H, W)``.
    """
    kernels = as_kernels(weight, groups).swapaxes(1, 2)
    shape = (len(grad_output), weight.shape[1] * groups, *size)
    plan = Plan.of(shape, grid)
    down, across = plan.places
    high, wide = grid.bordered(size)
    in_line = grid.stride == (1, 1) and bool(np.isfinite(weight).all())  # 0 times infinity would be nan
    long = wide if in_line else across  # how many windows begin in a row, those of 0 included
    out = np.empty(shape, grad_output.dtype)
    for some in plan.images:
        images = np.zeros((some.stop - some.start, shape[1], high + 1, wide), kernels.dtype)  # windows of 0 end below
        view = windows(images, grid, (down, long))
        for rows in plan.rows:
            part = grad_output[some, :, rows]
            grad = np.zeros((*part.shape[:3], long), kernels.dtype)
            grad[..., :across] = part
            lay_back(kernels @ as_matrix(grad, groups, kernels.dtype), view[..., rows, :])
        out[some] = images[grid.inside(size)]
    return out


class Convolution:
    """Multiplies every window of images with kernels: an operation on tensors, with its two gradients.

    Parameters
    ----------
    grid
        Where the windows stand.
    groups
        Into how many groups the channels fall, which do not see each other.

    Notes
    -----
    Memory: the columns of one block, about half a megabyte, whatever the size of the images.
    Source: K. Chellapilla, S. Puri and P. Simard, High performance convolutional neural networks for document
    processing, 2006; ``torch.nn.functional.conv2d``.
    """

    def __init__(self, grid: Grid, groups: int = 1) -> None:
        self.grid, self.groups = grid, groups

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the convolution."""
        shift = None if bias is None else bias.data
        return from_numpy(convolve(x.data, weight.data, shift, self.grid, self.groups))

    def weight_gradient(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """Return the gradient of the weight."""
        return from_numpy(weight_gradient(x.data, grad_output.data, self.grid, self.groups))

    def input_gradient(self, grad_output: Tensor, weight: Tensor, size: Pair) -> Tensor:
        """Return the gradient of the images, of height and width `size`."""
        return from_numpy(input_gradient(grad_output.data, weight.data, size, self.grid, self.groups))


def in_kind(operation: Callable[..., Tensor], *inputs: Any) -> Any:
    """Call an operation on tensors from a rule: with arrays, or with tensors while gradients are recorded."""
    recorded = any(isinstance(x, Tensor) for x in inputs)
    result = operation(*(from_numpy(x) if isinstance(x, np.ndarray) else x for x in inputs))
    return result if recorded else result.data


class SpatialFunction(LayerFunction):
    """A rule that calls its layer, and knows the height and the width of its first input."""

    def __init__(self, layer: Any, *inputs: Any, output: Tensor | None = None) -> None:
        super().__init__(layer, *inputs, output=output)
        self.layer = layer
        self.size = self.input_shapes[0][2:]


class ConvolutionBackward(SpatialFunction):
    """Gradient of a convolution: each of its two factors meets `grad_output` as it met the other one.

    Notes
    -----
    Shapes: ``(N, C, H, W), (O, C / groups, kh, kw), (O,) -> (N, O, H', W')``.
    Units: with `x` in [X], `weight` in [W] and the loss in [L], `grad_output` is in [L/XW], the gradients in [L/X] and
    [L/W].
    Memory: keeps the images if the weight needs a gradient, and the weight if the images do; no columns.
    Errors: `GradientShapeError` if `grad_output` does not have the output's shape.
    Source: Y. LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86, 1998.
    """

    def __init__(
        self, layer: Convolution, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, output: Tensor | None = None
    ) -> None:
        super().__init__(layer, x, weight, bias, output=output)
        need_x, need_weight, _ = self.needs_input_grad
        self.saved = (x.data if need_weight else None, weight.data if need_x else None, None)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        x, weight, _ = self.saved_tensors
        need_x, need_weight, need_bias = self.needs_input_grad
        grad_x = grad_weight = grad_bias = None
        if need_x:
            grad_x = in_kind(self.layer.input_gradient, grad_output, weight, self.size)
        if need_weight:
            grad_weight = in_kind(self.layer.weight_gradient, x, grad_output)
        if need_bias:
            grad_bias = grad_output.sum(axis=(0, 2, 3))
        return grad_x, grad_weight, grad_bias


class InputGradientBackward(SpatialFunction):
    """Gradient of ``input_gradient(g, weight)``: the convolution for g, and `weight_gradient` for the weight."""

    def __init__(
        self, layer: Convolution, g: Tensor, weight: Tensor, size: Pair, *, output: Tensor | None = None
    ) -> None:
        super().__init__(layer, g, weight, output=output)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        g, weight = self.saved_tensors
        need_g, need_weight = self.needs_input_grad
        return (
            in_kind(self.layer.forward, grad_output, weight) if need_g else None,
            in_kind(self.layer.weight_gradient, grad_output, g) if need_weight else None,
        )


class WeightGradientBackward(SpatialFunction):
    """Gradient of ``weight_gradient(x, g)``: `input_gradient` for x, and the convolution for g."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        x, g = self.saved_tensors
        need_x, need_g = self.needs_input_grad
        return (
            in_kind(self.layer.input_gradient, g, grad_output, self.size) if need_x else None,
            in_kind(self.layer.forward, x, grad_output) if need_g else None,
        )


RULES += [
    Rule(Convolution, "forward", ConvolutionBackward),
    Rule(Convolution, "input_gradient", InputGradientBackward),
    Rule(Convolution, "weight_gradient", WeightGradientBackward),
]


Numbers = int | Sequence[int]


def both(name: str, what: str, value: Any, dims: int, least: int) -> Pair:
    """Return a setting as a number for rows and one for columns; with one axis there is one row.

    Raises
    ------
    TypeError
        If the setting is not made of integers.
    ValueError
        If there are not `dims` of them, or one is below `least`.
    """
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] * dims
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers):
        raise TypeError(
            f"{name}() takes {what} as {['a whole number', 'one or two whole numbers'][dims - 1]}, but got {value!r}."
        )
    if len(numbers) == 1:
        numbers *= dims
    if len(numbers) != dims or min(numbers) < least:
        raise ValueError(
            f"{name}() takes {what} as {['one number', 'one number or two'][dims - 1]}, {least} or more, "
            f"but got {value!r}."
        )
    return (least, int(numbers[0])) if dims == 1 else (int(numbers[0]), int(numbers[1]))


def as_images(name: str, x: Tensor, dims: int) -> Tensor:
    """Return a batch of images, ``(N, C, H, W)``: of one image, or of signals, too.

    Raises
    ------
    TypeError
        If `x` is no tensor of floats.
    ValueError
        If it has not the axes of a batch or of one of its members.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}() takes a tensor, but got {type(x).__name__}. Tensor(x) makes one.")
    if x.dtype.kind != "f":
        raise TypeError(f"{name}() takes floats, but got {x.dtype}. Use x.float().")
    if x.ndim not in (dims + 1, dims + 2):
        one = ("C, L", "C, H, W")[dims - 1]
        raise ValueError(
            f"{name}() takes an input of shape (N, {one}) or ({one}), but got {x.shape}."
            + (" Where is the axis of the channels? Try x.unsqueeze(-3)." if x.ndim == dims == 2 else "")
        )
    shape = x.shape if x.ndim == dims + 2 else (1, *x.shape)
    shape = shape if dims == 2 else (*shape[:2], 1, shape[2])
    return x if x.shape == shape else x.reshape(shape)


def as_given(out: Tensor, x: Tensor, dims: int) -> Tensor:
    """Return images with the axes that `x` had before it was made a batch of images."""
    shape = out.shape if dims == 2 else (*out.shape[:2], out.shape[3])
    shape = shape if x.ndim == dims + 2 else shape[1:]
    return out if out.shape == shape else out.reshape(shape)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of signals with kernels; arguments as for `conv2d`.

    Shapes: ``(N, C, L), (O, C / groups, k), (O,) -> (N, O, L')``; without the N too.

    Examples
    --------
    >>> conv1d(Tensor([[1.0, 2.0, 4.0, 8.0]]), Tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2., 4.]])
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of images with kernels.

    Parameters
    ----------
    input
        Of shape ``(N, C, H, W)`` or ``(C, H, W)``.
    weight
        The kernels, ``(O, C / groups, kh, kw)``.
    bias
        What is added to each channel of the output, ``(O,)``.
    stride, padding, dilation
        How far apart windows are, how many zeros surround an image, how far apart the elements of a window are: one
        number, or one for rows and one for columns. The padding may be "same", so that the size stays, or "valid",
        which is 0.
    groups
        Into how many groups the channels fall.

    Raises
    ------
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If the shapes do not fit, or a window is larger than an image with its border.

    Notes
    -----
    Source: ``torch.nn.functional.conv2d``.

    Examples
    --------
    >>> conv2d(Tensor([[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 0.0, 1.0]]]), Tensor([[[[1.0, 0.0], [0.0, -1.0]]]]))
    tensor([[[ 0., -1.],
             [ 0.,  0.]]])
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def _convolve(
    name: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers | str,
    dilation: Numbers,
    groups: int,
) -> Tensor:
    x = as_images(name, input, dims)
    _check_kernels(name, dims, input, x, weight, bias, groups)
    kernels = weight if dims == 2 else weight.reshape(*weight.shape[:2], 1, weight.shape[2])
    steps, apart = both(name, "stride", stride, dims, 1), both(name, "dilation", dilation, dims, 1)
    size = kernels.shape[2], kernels.shape[3]
    before, after = _padding(name, dims, padding, size, steps, apart)
    grid = Grid(size, steps, before, after, apart)
    check_fit(name, dims, grid, x.shape[2:])
    return as_given(Convolution(grid, groups).forward(x, kernels, bias), input, dims)


def _check_kernels(name: str, dims: int, input: Tensor, x: Tensor, weight: Any, bias: Any, groups: Any) -> None:
    for role, t in (("weight", weight), ("bias", bias)):
        if t is None and role == "bias":
            continue
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}() takes {role} as a tensor, but got {type(t).__name__}.")
        if t.dtype != x.dtype:
            raise TypeError(f"{name}(): the input is {x.dtype}, but {role} is {t.dtype}. Convert one with .to(dtype).")
    if weight.ndim != dims + 2 or 0 in weight.shape:
        axes = ("k", "kh, kw")[dims - 1]
        raise ValueError(f"{name}() takes a weight of shape (O, C / groups, {axes}), but got {weight.shape}.")
    kernels, channels = weight.shape[0], weight.shape[1]
    if not isinstance(groups, int) or groups < 1 or kernels % groups:
        raise ValueError(f"{name}() cannot divide {kernels} kernels into groups={groups!r} equal groups.")
    if x.shape[1] != channels * groups:
        last = input.shape[-1] == channels * groups
        order = (*range(input.ndim - dims - 1), input.ndim - 1, *range(input.ndim - dims - 1, input.ndim - 1))
        advice = (
            f" The channels seem to stand last; put them first with x.permute{order}."
            if last
            else f" Change the input, or make the weight for {x.shape[1]}."
        )
        raise ValueError(
            f"{name}() with a weight of shape {weight.shape}"
            + (f" and groups={groups}" if groups > 1 else "")
            + f" takes {channels * groups} channel{'s' * (channels * groups > 1)}, but the input of shape "
            f"{input.shape} has {x.shape[1]}.{advice}"
        )
    if bias is not None and bias.shape != (kernels,):
        raise ValueError(f"{name}(): bias has shape {bias.shape}, but needs {(kernels,)}, one for each kernel.")


def _padding(name: str, dims: int, padding: Any, size: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """Return the border before and after the images."""
    if not isinstance(padding, str):
        border = both(name, "padding", padding, dims, 0)
        return border, border
    if padding not in ("same", "valid"):
        raise ValueError(f"{name}() takes padding as numbers, 'same' or 'valid', but got {padding!r}.")
    if padding == "valid":
        return (0, 0), (0, 0)
    if stride != (1, 1):
        raise ValueError(f"{name}() with padding='same' keeps the size, but with stride={stride[-dims:]} it cannot.")
    down, across = ((k - 1) * d for k, d in zip(size, dilation, strict=True))
    return (down // 2, across // 2), (down - down // 2, across - across // 2)


def check_fit(name: str, dims: int, grid: Grid, size: tuple[int, ...]) -> None:
    """Raise a ValueError if images of height and width `size` have no room for a window."""
    if min(grid.places(size)) < 1 or min(size) < 1:
        reach = tuple((k - 1) * d + 1 for k, d in zip(grid.kernel, grid.dilation, strict=True))
        room = tuple(n + b + a for n, b, a in zip(size, grid.before, grid.after, strict=True))
        sign = " by ".join
        raise ValueError(
            f"{name}(): a window reaches over {sign(map(str, reach[-dims:]))} elements, but the input has "
            f"{sign(map(str, size[-dims:]))}, with its padding {sign(map(str, room[-dims:]))}. Use a smaller kernel, "
            "more padding, or fewer layers that shrink."
        )


_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # PyTorch's name, NumPy's name


def enlarge(images: Tensor, before: Pair, after: Pair, mode: str) -> Tensor:
    """Return images with a border made of the images themselves: "reflect", "replicate" or "circular"."""
    index = []
    for n, b, a in zip(images.shape[2:], before, after, strict=True):
        largest = {"reflect": n - 1, "replicate": max(n, b, a), "circular": n}[mode]
        if max(b, a) > largest:
            raise ValueError(
                f"padding_mode={mode!r} takes the border from the image, so over {n} elements it can be {largest} "
                f"wide, but padding is {max(b, a)}."
            )
        index.append(np.pad(np.arange(n), (b, a), mode=_MODES[mode]))  # type: ignore[call-overload]
    return images[:, :, index[0][:, None], index[1]]


class ConvNd(Module):
    """What `Conv1d` and `Conv2d` have in common."""

    dims: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers | str = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        name, dims = type(self).__name__, self.dims
        if in_channels < 1 or out_channels < 1:
            raise ValueError(f"{name} needs at least 1 channel in and 1 out, but got {in_channels} and {out_channels}.")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name} cannot divide {in_channels} channels in and {out_channels} out into groups={groups} equal "
                "groups."
            )
        if padding_mode not in ("zeros", *_MODES):
            raise ValueError(
                f"{name} takes padding_mode 'zeros', 'reflect', 'replicate' or 'circular', but got {padding_mode!r}."
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = both(name, "kernel_size", kernel_size, dims, 1)[-dims:]
        self.stride = both(name, "stride", stride, dims, 1)[-dims:]
        self.dilation = both(name, "dilation", dilation, dims, 1)[-dims:]
        self.padding = padding if isinstance(padding, str) else both(name, "padding", padding, dims, 0)[-dims:]
        self.padding_mode = padding_mode
        self._borders(name)
        self.weight = uniform_parameter((out_channels, in_channels // groups, *self.kernel_size), self._bound())
        self.bias = uniform_parameter((out_channels,), self._bound()) if bias else None

    def _bound(self) -> float:
        return 1 / math.sqrt(self.in_channels // self.groups * math.prod(self.kernel_size))

    def _borders(self, name: str) -> tuple[Pair, Pair]:
        """Return the border before and after the images."""
        size, stride, dilation = (
            both(name, "", numbers, self.dims, 1) for numbers in (self.kernel_size, self.stride, self.dilation)
        )
        return _padding(name, self.dims, self.padding, size, stride, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x`; see `conv2d`."""
        name = f"conv{self.dims}d"
        if self.padding_mode == "zeros":
            padding: Any = self.padding
        else:
            images = as_images(name, x, self.dims)
            x, padding = as_given(enlarge(images, *self._borders(name), self.padding_mode), x, self.dims), 0
        return _convolve(name, self.dims, x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Return the settings; those that are as usual are left out."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        usual: dict[str, Any] = {
            "padding": (0,) * self.dims, "dilation": (1,) * self.dims, "groups": 1, "padding_mode": "zeros"
        }  # fmt: skip
        shown = [name for name, value in usual.items() if getattr(self, name) != value]
        parts += [f"{name}={getattr(self, name)}" for name in shown if name != "padding_mode"]
        parts += ["bias=False"] * (self.bias is None)
        parts += [f"padding_mode={self.padding_mode}"] * ("padding_mode" in shown)
        return ", ".join(parts)


class Conv2d(ConvNd):
    """Multiplies every window of images with kernels that are trained.

    Parameters
    ----------
    in_channels, out_channels
        The channels of the images, and the kernels, each of which makes a channel of the output.
    kernel_size
        Height and width of a kernel; one number for both.
    stride, padding, dilation, groups
        As for `conv2d`.
    bias
        Whether to add a number to each channel of the output.
    padding_mode
        What the border is made of: "zeros", "reflect", "replicate" or "circular".

    Attributes
    ----------
    weight
        Parameter of shape ``(out_channels, in_channels / groups, *kernel_size)``.
    bias
        Parameter of shape ``(out_channels,)``, or None.

    Notes
    -----
    Shapes: ``(N, C, H, W) -> (N, O, H', W')``, ``(C, H, W) -> (O, H', W')``.
    Both parameters begin evenly spread, up to one over the root of ``in_channels / groups * kh * kw``.
    Source: ``torch.nn.Conv2d``.

    Examples
    --------
    >>> layer = Conv2d(1, 6, 5, padding=2)
    >>> layer
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    >>> layer(Tensor(np.zeros((64, 1, 28, 28)))).shape
    (64, 6, 28, 28)
    """

    dims = 2


class Conv1d(ConvNd):
    """Multiplies every window of signals with kernels that are trained; parameters as for `Conv2d`.

    Notes
    -----
    Shapes: ``(N, C, L) -> (N, O, L')``, ``(C, L) -> (O, L')``.
    Source: ``torch.nn.Conv1d``.
    """

    dims = 1


def largest(view: FloatArray) -> FloatArray:
    """Return the largest element of each window. Shapes: ``(N, C, kh, kw, H', W') -> (N, C, H', W')``."""
    high, wide = view.shape[2:4]
    out = view[:, :, 0, 0].copy()
    for i in range(high):
        for j in range(wide):
            np.maximum(out, view[:, :, i, j], out=out)
    return out


def chosen(view: FloatArray, out: FloatArray) -> Array:
    """Return the number of the place of each largest element in its window: of the first, if several are equal.

    Shapes: ``(N, C, kh, kw, H', W'), (N, C, H', W') -> (N, C, H', W')``.
    """
    high, wide = view.shape[2:4]
    number: Array = np.zeros(out.shape, np.uint8 if high * wide <= 256 else np.int64)
    looking = np.ones(out.shape, bool)
    for k in range(high * wide - 1):
        looking &= view[:, :, k // wide, k % wide] != out
        number += looking
    return number


class MaxPool:
    """Takes the largest element of every window: an operation on tensors.

    Parameters
    ----------
    grid
        Where the windows stand.

    Notes
    -----
    Source: ``torch.nn.functional.max_pool2d``.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def _view(self, images: Array, border: float) -> Array:
        """Return the windows of images within a border."""
        return windows(self.grid.border(images, border), self.grid, self.grid.places(images.shape[2:]))

    def forward(self, x: Tensor) -> Tensor:
        """Return the largest elements. Shapes: ``(N, C, H, W) -> (N, C, H', W')``."""
        return from_numpy(largest(self._view(x.data, -math.inf)))

    def chosen(self, x: FloatArray, out: FloatArray) -> Array:
        """Return the number of the place of each largest element in its window."""
        number = chosen(self._view(x, math.nan), out)
        if np.isnan(out).any():
            inner = self._view(np.isnan(x), False)
            for k, (i, j) in enumerate(self.grid.offsets()):
                np.copyto(number, k, where=inner[:, :, i, j])
        return number

    def spread(self, grad_output: Tensor, number: Tensor, size: Pair) -> Tensor:
        """Return images of zeros with each gradient added at the element that was chosen."""
        grid, grad = self.grid, grad_output.data
        bordered = np.zeros((*grad.shape[:2], *grid.bordered(size)), grad.dtype)
        view, finite = windows(bordered, grid, grid.places(size)), np.isfinite(grad).all()
        for k, (i, j) in enumerate(grid.offsets()):
            here = number.data == k  # a product is five times as fast as a choice, but 0 * inf is nan
            view[:, :, i, j] += grad * here if finite else np.where(here, grad, 0)
        return from_numpy(bordered[grid.inside(size)])

    def collect(self, images: Tensor, number: Tensor) -> Tensor:
        """Return the elements at the places that were chosen; the adjoint of `spread`."""
        view, out = self._view(images.data, 0.0), np.zeros(number.shape, images.dtype)
        for k, (i, j) in enumerate(self.grid.offsets()):
            np.copyto(out, view[:, :, i, j], where=number.data == k)
        return from_numpy(out)


class MaxPoolBackward(SpatialFunction):
    """Gradient of the largest elements: `grad_output`, at the element of each window that was chosen."""

    saves = ("inputs", "output")

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        x, out = (value.data if isinstance(value, Tensor) else value for value in self.saved_tensors)
        return (in_kind(self.layer.spread, grad_output, self.layer.chosen(x, out), self.size),)


class ChosenFunction(SpatialFunction):
    """A rule that knows which elements were chosen."""

    saves = ()

    def __init__(
        self, layer: MaxPool, images: Tensor, number: Tensor, *size: Pair, output: Tensor | None = None
    ) -> None:
        super().__init__(layer, images, output=output)
        self.number = number.data


class MaxSpreadBackward(ChosenFunction):
    """Gradient of what was added at the elements that were chosen: what arrives there."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (in_kind(self.layer.collect, grad_output, self.number),)


class CollectBackward(ChosenFunction):
    """Gradient of the elements that were chosen: `grad_output`, at each of them."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (in_kind(self.layer.spread, grad_output, self.number, self.size),)


RULES += [
    Rule(MaxPool, "forward", MaxPoolBackward),
    Rule(MaxPool, "spread", MaxSpreadBackward),
    Rule(MaxPool, "collect", CollectBackward),
]


def window_lengths(size: int, places: int, kernel: int, stride: int, padding: int, counted: int) -> Array:
    """Return how many elements of each window along one axis are not more than `counted` beyond the `size` elements.

    Examples
    --------
    >>> window_lengths(5, 3, kernel=3, stride=2, padding=1, counted=0)
    array([2, 3, 2])
    """
    starts = np.arange(places) * stride - padding
    ends = np.minimum(starts + kernel, size + counted)
    return ends - np.maximum(starts, -counted)


class AveragePool:
    """Takes the sum of every window, divided by a number for each: an operation on tensors.

    Parameters
    ----------
    grid
        Where the windows stand.
    divisor
        A number, or one for each window, ``(H', W')``.

    Notes
    -----
    Source: ``torch.nn.functional.avg_pool2d``.
    """

    def __init__(self, grid: Grid, divisor: Any) -> None:
        self.grid, self.divisor = grid, divisor

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages. Shapes: ``(N, C, H, W) -> (N, C, H', W')``."""
        images = x.data.astype(working_type(x.dtype), copy=False)
        view = windows(self.grid.border(images), self.grid, self.grid.places(x.shape[2:]))
        total = np.zeros((*view.shape[:2], *view.shape[4:]), view.dtype)
        for i, j in self.grid.offsets():
            total += view[:, :, i, j]
        return from_numpy((total / self.divisor).astype(x.dtype, copy=False))

    def spread(self, grad_output: Tensor, size: Pair) -> Tensor:
        """Return images with each gradient, divided, added to all elements of its window; the adjoint of `forward`."""
        grid, grad = self.grid, grad_output.data.astype(working_type(grad_output.dtype), copy=False)
        bordered = np.zeros((*grad.shape[:2], *grid.bordered(size)), grad.dtype)
        view, share = windows(bordered, grid, grid.places(size)), (grad / self.divisor).astype(grad.dtype, copy=False)
        for i, j in grid.offsets():
            view[:, :, i, j] += share
        return from_numpy(bordered[grid.inside(size)].astype(grad_output.dtype, copy=False))


class AverageBackward(SpatialFunction):
    """Gradient of averages: each is shared out evenly among the elements of its window."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (in_kind(self.layer.spread, grad_output, self.size),)


class SpreadBackward(SpatialFunction):
    """Gradient of what was shared out evenly: the averages."""

    saves = ()

    def __init__(self, layer: Any, images: Tensor, size: Pair, *, output: Tensor | None = None) -> None:
        super().__init__(layer, images, output=output)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (in_kind(self.layer.forward, grad_output),)


RULES += [Rule(AveragePool, "forward", AverageBackward), Rule(AveragePool, "spread", SpreadBackward)]


def adaptive_windows(size: int, places: int) -> list[slice]:
    """Return `places` windows over `size` elements, as even as can be, that leave none out.

    Examples
    --------
    >>> adaptive_windows(7, 3)
    [slice(0, 3, None), slice(2, 5, None), slice(4, 7, None)]
    """
    return [slice(i * size // places, -(-(i + 1) * size // places)) for i in range(places)]


class AdaptiveAverage:
    """Takes the average of as many windows as there shall be: an operation on tensors.

    Notes
    -----
    Source: ``torch.nn.functional.adaptive_avg_pool2d``.
    """

    def __init__(self, places: Pair) -> None:
        self.places = places

    def _windows(self, size: tuple[int, ...]) -> Iterator[tuple[int, int, slice, slice]]:
        """Yield each window: its place, its rows, its columns."""
        down, across = (adaptive_windows(n, m) for n, m in zip(size, self.places, strict=True))
        return ((y, x, rows, cols) for y, rows in enumerate(down) for x, cols in enumerate(across))

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages. Shapes: ``(N, C, H, W) -> (N, C, *places)``."""
        out = np.empty((*x.shape[:2], *self.places), x.dtype)
        for i, j, rows, cols in self._windows(x.shape[2:]):
            out[:, :, i, j] = x.data[:, :, rows, cols].mean(axis=(2, 3), dtype=working_type(x.dtype))
        return from_numpy(out)

    def spread(self, grad_output: Tensor, size: Pair) -> Tensor:
        """Return images with each gradient shared out evenly in its window; the adjoint of `forward`."""
        out = np.zeros((*grad_output.shape[:2], *size), working_type(grad_output.dtype))
        for i, j, rows, cols in self._windows(size):
            count = (rows.stop - rows.start) * (cols.stop - cols.start)
            out[:, :, rows, cols] += grad_output.data[:, :, i, j, None, None] / count
        return from_numpy(out.astype(grad_output.dtype, copy=False))

    def where(self, images: Array) -> Array:
        """Return where the largest element of each window is, counted row by row over the whole image."""
        out = np.empty((*images.shape[:2], *self.places), np.int64)
        for i, j, rows, cols in self._windows(images.shape[2:]):
            window = images[:, :, rows, cols]
            wide = window.shape[3]
            number = window.reshape(*window.shape[:2], window.shape[2] * wide).argmax(axis=2)
            out[:, :, i, j] = (rows.start + number // wide) * images.shape[3] + cols.start + number % wide
        return out


RULES += [Rule(AdaptiveAverage, "forward", AverageBackward), Rule(AdaptiveAverage, "spread", SpreadBackward)]


def pool_grid(
    name: str,
    dims: int,
    size: tuple[int, ...],
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    ceil_mode: bool,
) -> Grid:
    """Return where the windows of a pool stand over images of height and width `size`, which are checked."""
    kernel = both(name, "kernel_size", kernel_size, dims, 1)
    steps = kernel if stride is None or stride == [] else both(name, "stride", stride, dims, 1)
    border, apart = both(name, "padding", padding, dims, 0), both(name, "dilation", dilation, dims, 1)
    after = []
    for n, k, s, p, d in zip(size, kernel, steps, border, apart, strict=True):
        reach = (k - 1) * d + 1
        if 2 * p > reach:
            raise ValueError(
                f"{name}() takes a padding of at most half a window, but got padding={padding} for windows of {reach} "
                "elements: some would see nothing else."
            )
        places = output_size(n, k, s, p, d)
        more = -(-(n + 2 * p - reach) // s) + 1  # rounded up
        if ceil_mode and (more - 1) * s < n + p:
            places = more
        after.append(max(p, (places - 1) * s + reach - n - p))
    grid = Grid(kernel, steps, border, (after[0], after[1]), apart)
    check_fit(name, dims, grid, size)
    return grid


def _max_pool(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = as_images(name, input, dims)
    grid = pool_grid(name, dims, x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    pool = MaxPool(grid)
    out = pool.forward(x)
    if not return_indices:
        return as_given(out, input, dims)
    number = pool.chosen(x.data, out.data).astype(np.int64)
    i, j = number // grid.kernel[1], number % grid.kernel[1]
    rows = np.arange(out.shape[2])[:, None] * grid.stride[0] + i * grid.dilation[0] - grid.before[0]
    cols = np.arange(out.shape[3]) * grid.stride[1] + j * grid.dilation[1] - grid.before[1]
    return as_given(out, input, dims), as_given(from_numpy(rows * x.shape[3] + cols), input, dims)


def max_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of every window of signals; arguments as for `max_pool2d`."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of every window of images.

    Parameters
    ----------
    input
        Of shape ``(N, C, H, W)`` or ``(C, H, W)``.
    kernel_size, stride, padding, dilation
        The size of a window; how far apart windows are, its size by default; the width of the border, of which nothing
        is ever the largest; how far apart the elements of a window are. One number, or one for rows and one for
        columns.
    ceil_mode
        Whether a last window may stick out, so that no element is left out.
    return_indices
        Whether to say where they are as well, counted row by row in each channel.

    Returns
    -------
    Tensor
        Of shape ``(N, C, H', W')``; with `return_indices`, a tuple of it and the indices.

    Raises
    ------
    TypeError
        If `input` is no tensor of floats.
    ValueError
        If a window does not fit, or the padding is larger than half of it.

    Examples
    --------
    >>> max_pool2d(Tensor([[[1.0, 3.0, 2.0, 0.0], [4.0, 2.0, 1.0, 1.0]]]), 2)
    tensor([[[4., 2.]]])
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _avg_pool(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    x = as_images(name, input, dims)
    grid = pool_grid(name, dims, x.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise ValueError(f"{name}() divides by divisor_override, so it must not be 0.")
    divisor: Any = divisor_override
    if divisor is None:
        settings = zip(x.shape[2:], grid.places(x.shape[2:]), grid.kernel, grid.stride, grid.before, strict=True)
        down, across = (window_lengths(n, m, k, s, p, p if count_include_pad else 0) for n, m, k, s, p in settings)
        divisor = np.outer(down, across).astype(working_type(x.dtype))
    return as_given(AveragePool(grid, divisor).forward(x), input, dims)


def avg_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the average of every window of signals; arguments as for `avg_pool2d`."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the average of every window of images.

    Parameters
    ----------
    input
        Of shape ``(N, C, H, W)`` or ``(C, H, W)``.
    kernel_size, stride, padding, ceil_mode
        As for `max_pool2d`; the border is of zeros.
    count_include_pad
        Whether the zeros of the border count.
    divisor_override
        What to divide sums by, in place of how many elements count.

    Examples
    --------
    >>> avg_pool2d(Tensor([[[1.0, 3.0, 2.0, 0.0], [4.0, 2.0, 1.0, 1.0]]]), 2)
    tensor([[[2.5, 1.0]]])
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _adaptive(name: str, dims: int, input: Tensor, output_size: Any) -> tuple[Tensor, AdaptiveAverage]:
    """Return the input as images, and their windows."""
    x = as_images(name, input, dims)
    wanted = list(output_size) if isinstance(output_size, Sequence) else [output_size] * dims
    kept = x.shape[-dims:]
    wanted = [n if m is None else m for m, n in zip(wanted, kept, strict=False)] if len(wanted) == dims else wanted
    places = both(name, "output_size", wanted, dims, 1)
    if min(x.shape[2:]) < 1:
        raise ValueError(f"{name}() cannot cut an input without elements, of shape {input.shape}, into windows.")
    return x, AdaptiveAverage(places)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the averages of `output_size` windows that cover each signal."""
    x, pool = _adaptive("adaptive_avg_pool1d", 1, input, output_size)
    return as_given(pool.forward(x), input, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the averages of windows that cover each image.

    Parameters
    ----------
    input
        Of shape ``(N, C, H, W)`` or ``(C, H, W)``.
    output_size
        How many windows: one number, or one for rows and one for columns; None for as many as there are elements.

    Examples
    --------
    >>> adaptive_avg_pool2d(Tensor([[[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]]), (1, 2))
    tensor([[[3.5, 4.5]]])
    """
    x, pool = _adaptive("adaptive_avg_pool2d", 2, input, output_size)
    return as_given(pool.forward(x), input, 2)


def _adaptive_max_pool(name: str, dims: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    x, pool = _adaptive(name, dims, input, output_size)
    where = pool.where(x.data)
    count = x.shape[0] * x.shape[1]
    flat = x.reshape(count, x.shape[2] * x.shape[3])  # one row a channel: picking elements has a gradient already
    out = flat[np.arange(count)[:, None], where.reshape(count, math.prod(pool.places))].reshape(where.shape)
    return (
        (as_given(out, input, dims), as_given(from_numpy(where), input, dims))
        if return_indices
        else as_given(out, input, dims)
    )


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of `output_size` windows that cover each signal."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest elements of windows that cover each image; `output_size` as for `adaptive_avg_pool2d`."""
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


class MaxPool2d(Module):
    """Keeps the largest element of every window of images.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, return_indices, ceil_mode
        As for `max_pool2d`.

    Notes
    -----
    Shapes: ``(N, C, H, W) -> (N, C, H', W')``, without the N too. Source: ``torch.nn.MaxPool2d``.

    Examples
    --------
    >>> MaxPool2d(2)
    MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    """

    dims: ClassVar[int] = 2

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Tensor) -> Any:
        """Return the largest elements."""
        settings = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        return _max_pool(f"max_pool{self.dims}d", self.dims, x, *settings)

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool2d):
    """Keeps the largest element of every window of signals; parameters as for `MaxPool2d`."""

    dims = 1


class AvgPool2d(Module):
    """Keeps the average of every window of images.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As for `avg_pool2d`.

    Notes
    -----
    Shapes: ``(N, C, H, W) -> (N, C, H', W')``, without the N too. Source: ``torch.nn.AvgPool2d``.
    """

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return avg_pool2d(x, *settings, self.divisor_override)

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(AvgPool2d):
    """Keeps the average of every window of signals; parameters as for `AvgPool2d`, but for the divisor."""

    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            both("AvgPool1d", "kernel_size", kernel_size, 1, 1)[1:],
            both("AvgPool1d", "stride", kernel_size if stride is None else stride, 1, 1)[1:],
            both("AvgPool1d", "padding", padding, 1, 0)[1:],
            ceil_mode,
            count_include_pad,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return avg_pool1d(x, *settings)


class AdaptiveAvgPool2d(Module):
    """Keeps the averages of a fixed number of windows, whatever the size of the images.

    Parameters
    ----------
    output_size
        As for `adaptive_avg_pool2d`.

    Notes
    -----
    Source: ``torch.nn.AdaptiveAvgPool2d``.

    Examples
    --------
    >>> AdaptiveAvgPool2d(1)(Tensor(np.ones((2, 3, 9, 7)))).shape
    (2, 3, 1, 1)
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        return adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        """Return how many windows there are."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Keeps the averages of a fixed number of windows, whatever the length of the signals."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages."""
        return adaptive_avg_pool1d(x, self.output_size)


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """Keeps the largest elements of a fixed number of windows, whatever the size of the images."""

    dims: ClassVar[int] = 2

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Tensor) -> Any:
        """Return the largest elements."""
        name = f"adaptive_max_pool{self.dims}d"
        return _adaptive_max_pool(name, self.dims, x, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """Keeps the largest elements of a fixed number of windows, whatever the length of the signals."""

    dims = 1


def batch_statistics(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each channel over a batch, both ``(1, C, 1)``; the variance is divided by the count.

    Shapes: ``(N, C, P)``.
    """
    mean = x.mean(axis=(0, 2), keepdims=True)
    difference = x - mean
    return mean, (difference * difference).mean(axis=(0, 2), keepdims=True)


class Normalization:
    """Gives each channel mean 0 and variance 1, times `weight`, plus `bias`: an operation on tensors.

    Parameters
    ----------
    mean, var
        The statistics of the input, from `batch_statistics`.
    eps
        What is added to the variance.
    """

    def __init__(self, mean: FloatArray, var: FloatArray, eps: float) -> None:
        self.mean, self.var, self.eps = mean, var, eps

    def forward(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Return the input, normalized. Shapes: ``(N, C, P), (C,), (C,) -> (N, C, P)``."""
        scale = (self.var + self.eps) ** -0.5
        out = x.data - self.mean
        out *= scale if weight is None else scale * weight.data[:, None]
        if bias is not None:
            out += bias.data[:, None]
        return from_numpy(out.astype(x.dtype, copy=False))


class NormalizationBackward(LayerFunction):
    """Gradient of ``out = normal * weight + bias`` with ``normal = (x - mean(x)) * scale``.

    With ``g = grad_output * weight``::

        grad_x = (g - mean(g) - normal * mean(g * normal)) * scale
        grad_weight = sum(grad_output * normal)
        grad_bias = sum(grad_output)

    Notes
    -----
    Memory: keeps the input and two numbers a channel; `normal` is computed anew.
    Source: S. Ioffe and C. Szegedy, Batch normalization, arXiv:1502.03167.
    """

    def __init__(self, layer: Normalization, *inputs: Any, output: Tensor | None = None) -> None:
        super().__init__(layer, *inputs, output=output)
        self.layer = layer

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        x, weight, _ = self.saved_tensors
        need_x, need_weight, need_bias = self.needs_input_grad
        mean, var = self._statistics(x)
        scale = (var + self.layer.eps) ** -0.5
        normal = (x - mean) * scale
        grad_x = None
        if need_x:
            g = grad_output if weight is None else grad_output * weight.reshape(-1, 1)
            grad_x = (g - self._mean(g) - normal * self._mean(g * normal)) * scale
        return (
            grad_x,
            (grad_output * normal).sum(axis=(0, 2)) if need_weight else None,
            grad_output.sum(axis=(0, 2)) if need_bias else None,
        )

    def _statistics(self, x: Any) -> tuple[Any, Any]:
        """Return mean and variance; of a tensor, while gradients are recorded, in operations that are recorded."""
        if not isinstance(x, Tensor):
            return self.layer.mean, self.layer.var
        difference = x - self._mean(x)
        return self._mean(x), self._mean(difference * difference)

    @staticmethod
    def _mean(x: Any) -> Any:
        return x.sum(axis=(0, 2), keepdims=True) * (1 / max(1, x.shape[0] * x.shape[2]))


RULES += [Rule(Normalization, "forward", NormalizationBackward)]


def move_running(
    running_mean: FloatArray, running_var: FloatArray, mean: FloatArray, var: FloatArray, count: int, momentum: float
) -> None:
    """Move running statistics towards those of a batch, in place; the variance towards the unbiased one."""
    running_mean[...] = (1 - momentum) * running_mean + momentum * mean
    running_var[...] = (1 - momentum) * running_var + momentum * var * (count / (count - 1))


class BatchNorm2d(Module):
    """Gives each channel of images mean 0 and variance 1 over the batch, then a scale and a shift that are trained.

    Parameters
    ----------
    num_features
        How many channels there are.
    eps
        What is added to the variance.
    momentum
        How much of a batch comes into the running statistics; None for the average over all batches.
    affine
        Whether there are a weight and a bias.
    track_running_stats
        Whether to keep running statistics; if not, those of the batch are used in evaluation too.
    bias
        Whether there is a bias beside the weight.

    Attributes
    ----------
    weight, bias
        Parameters of shape ``(num_features,)``, ones and zeros at first, or None.
    running_mean, running_var, num_batches_tracked
        Buffers of shape ``(num_features,)``, zeros and ones at first, and the number of batches; or None.

    Notes
    -----
    Shapes: ``(N, C, H, W) -> (N, C, H, W)``.
    Source: S. Ioffe and C. Szegedy, Batch normalization, arXiv:1502.03167; ``torch.nn.BatchNorm2d``.

    Examples
    --------
    >>> layer = BatchNorm2d(3)
    >>> list(layer.state_dict())
    ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
    """

    shapes: ClassVar[dict[int, str]] = {4: "(N, C, H, W)"}

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        if num_features < 1:
            raise ValueError(f"{type(self).__name__} needs at least 1 channel, but got {num_features}.")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine and bias else None
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, np.float32))
            self.running_var = Buffer(np.ones(num_features, np.float32))
            self.num_batches_tracked = Buffer(np.array(0, np.int64))

    def reset_running_stats(self) -> None:
        """Set the running statistics back to mean 0 and variance 1, of no batches."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                note_change(buffer.data, "reset_running_stats()")
                buffer.data[...] = value

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, normalized: by its own statistics in training, by the running ones in evaluation.

        Raises
        ------
        TypeError
            If `x` is no tensor of floats.
        ValueError
            If it does not fit, or a channel has one value in training.
        """
        self._check_input(x)
        flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
        if not self.training and self.running_mean is not None and self.running_var is not None:
            return self._by_running(flat, self.running_mean, self.running_var).reshape(x.shape)
        count = flat.shape[0] * flat.shape[2]
        if count == 1:
            raise ValueError(
                f"{type(self).__name__} takes mean and variance over a batch, which needs more than one value a "
                f"channel, but got shape {x.shape}. Use a larger batch, or eval()."
            )
        data = flat.data.astype(working_type(x.dtype), copy=False)
        one = np.ones((1, self.num_features, 1), data.dtype)
        mean, var = batch_statistics(data) if count else (0 * one, one)
        if self.training:
            self._track(mean, var, count)
        return Normalization(mean, var, self.eps).forward(flat, self.weight, self.bias).reshape(x.shape)

    def _track(self, mean: FloatArray, var: FloatArray, count: int) -> None:
        """Let the statistics of a batch into the running ones."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        for buffer in (self.running_mean, self.running_var, self.num_batches_tracked):
            note_change(buffer.data, f"the forward pass of {type(self).__name__}")
        self.num_batches_tracked.data[...] += 1
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        if count:
            running = self.running_mean.data, self.running_var.data
            move_running(*running, mean.reshape(-1), var.reshape(-1), count, momentum)

    def _by_running(self, flat: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        """Return the input, normalized by running statistics."""
        scale = 1 / (var + self.eps).sqrt()
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return (flat * scale.reshape(-1, 1) + shift.reshape(-1, 1)).to(flat.dtype)

    def _check_input(self, x: Any) -> None:
        name = type(self).__name__
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} takes a tensor, but got {type(x).__name__}. Tensor(x) makes one.")
        if x.dtype.kind != "f":
            raise TypeError(f"{name} takes floats, but got {x.dtype}. Use x.float().")
        if x.ndim not in self.shapes:
            raise ValueError(f"{name} takes an input of shape {' or '.join(self.shapes.values())}, but got {x.shape}.")
        if x.shape[1] != self.num_features:
            advice = " The channels seem to stand last; put them second." if x.shape[-1] == self.num_features else ""
            raise ValueError(f"{name}({self.num_features}) got {x.shape[1]} channels, in shape {x.shape}.{advice}")

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm2d):
    """Gives each feature mean 0 and variance 1 over the batch; parameters as for `BatchNorm2d`.

    Notes
    -----
    Shapes: ``(N, C) -> (N, C)``, ``(N, C, L) -> (N, C, L)``. Source: ``torch.nn.BatchNorm1d``.
    """

    shapes: ClassVar[dict[int, str]] = {2: "(N, C)", 3: "(N, C, L)"}
