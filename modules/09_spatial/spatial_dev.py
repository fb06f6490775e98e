# %% [markdown]
"""
# 09 Spatial
A `Linear` layer does not know that two pixels are neighbours: shuffle all pixels in the same way, and it learns just as
well. A convolution does know. It looks at a small window, asks one question of it, and asks the same question of every
window. This module builds it, with what stands around it in a network for images.

**You have** tensors (01), layers (03), gradients (05) and optimizers (06). **You build** the convolution, first by
seven loops and then by one matrix product, both ways; pooling; batch norm; and a LeNet that reads digits.

        image              window x kernel           output
      . . . . . .
      . [a b c] .          a*k0 + b*k1 + c*k2
      . [d e f] .    ->  + d*k3 + e*k4 + f*k5    ->    . o . .
      . [g h i] .        + g*k6 + h*k7 + i*k8          . . . .
      . . . . . .

At the end you measure how much faster the product is than the loops, where the parameters of a LeNet are, and what a
neuron sees.
"""

# %%
#| default_exp core.spatial
#| doc Convolution, pooling and batch norm: layers that know what is beside what.

# %% tags=["imports"]
#| export
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tinytorch.core.autograd import RULES, LayerFunction, Rule, note_change
from tinytorch.core.layers import Buffer, Module, Parameter, uniform_parameter
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy

# %% [markdown]
"""
## A convolution, by hand
A picture of 3 by 3 and a kernel of 2 by 2. Lay the kernel on the picture, multiply what lies on each other, add up;
move on by one:

    picture        kernel
    1 2 0          1  0          1*1 + 2*0 + 0*0 + 1*(-1) = 0       2*1 + 0*0 + 1*0 + 3*(-1) = -1
    0 1 3          0 -1          0*1 + 1*0 + 2*0 + 0*(-1) = 0       1*1 + 3*0 + 0*0 + 1*(-1) =  0
    2 0 1

    output   0 -1
             0  0

This kernel asks "how much darker is it down to the right?", at every place. (Mathematicians turn the kernel around
first, and call this one a cross-correlation. A network learns its kernels, so to it that makes no difference.)

**How large is the output?** A window of k elements has `n - k + 1` places on n elements. Four numbers change that:

    padding p     zeros on both sides            n becomes n + 2p
    dilation d    elements d apart, not 1        the window reaches over d * (k - 1) + 1 elements
    stride s      s steps at a time, not 1       every s-th place counts, the first included

    places = (n + 2p - reach) // s + 1

So a kernel of 5 with padding 2 leaves 28 pixels 28: `(28 + 4 - 5) // 1 + 1`. And 7 elements with a kernel of 3 and
stride 2 give `(7 - 3) // 2 + 1 = 3`.

**Exercise**: `output_size`.
"""


# %% tags=["output_size"]
#| export
Pair = tuple[int, int]


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Return how many places a window has along one axis; 0 or less if it does not fit.

    Examples
    --------
    >>> output_size(28, 5, padding=2), output_size(7, 3, stride=2)
    (28, 3)
    """
    ### BEGIN SOLUTION
    reach = dilation * (kernel - 1) + 1
    return (size + 2 * padding - reach) // stride + 1
    ### END SOLUTION


# %%
from tinytorch.core.autograd import enable_autograd, no_grad, numerical_gradient


def test_unit_output_size() -> None:
    assert output_size(3, 2) == 2
    assert output_size(28, 5, padding=2) == 28
    assert output_size(7, 3, stride=2) == 3
    assert output_size(9, 3, dilation=4) == 1


# %% [markdown]
"""
## Seven loops
A colour image has three channels, and a layer has many kernels. Each kernel has as many channels as the image, and
makes one channel of the output:

    images  (N, C, H, W)        N images, C channels, height, width
    weight  (O, C, kh, kw)      O kernels
    output  (N, O, H', W')

    output[n, o, y, x] = sum over c, i, j of  images[n, c, y*s + i, x*s + j] * weight[o, c, i, j]

That is a formula with four free letters and three to sum over: seven loops. It is slow, as you will see, but nobody can
get it wrong. The suite compares everything that is faster with it.

**Exercise**: `convolve_by_loops`. The zeros around the images are there already, in `bordered`.
"""


# %% tags=["seven_loops"]
#| export
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
    ### BEGIN SOLUTION
    for n in range(count):
        for o in range(kernels):
            for y in range(down):
                for x in range(across):
                    for c in range(channels):
                        for i in range(high):
                            for j in range(wide):
                                out[n, o, y, x] += bordered[n, c, y * stride + i, x * stride + j] * weight[o, c, i, j]
    ### END SOLUTION
    return out


# %%
PICTURE = np.array([[[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 0.0, 1.0]]]])
KERNEL = np.array([[[[1.0, 0.0], [0.0, -1.0]]]])


def test_unit_seven_loops_do_what_the_hand_does() -> None:
    assert convolve_by_loops(PICTURE, KERNEL).tolist() == [[[[0.0, -1.0], [0.0, 0.0]]]]
    assert convolve_by_loops(PICTURE, KERNEL, stride=2, padding=1).shape == (1, 1, 2, 2)


# %% [markdown]
"""
## Where windows stand
From here on height and width have numbers of their own, and so do the borders before and after the image. A `Grid`
keeps them together. This cell is given.
"""


# %% tags=["grid"]
#| export
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


# %% [markdown]
"""
## All windows, without copying
An array is a piece of memory and a rule for walking in it: `strides` says how many bytes it is to the next element
along each axis. Nothing forbids a rule that visits an element more than once. Here are five numbers of 8 bytes, and all
their windows of three:

    memory      1 2 3 4 5            strides (8,)

    as_strided(memory, shape=(3, 3), strides=(8, 8))

    [[1 2 3]                         8 bytes to the next element of the window,
     [2 3 4]                         8 bytes to the next window
     [3 4 5]]

No number was copied: the 3 stands there three times and is one. With stride 2 the next window is 16 bytes away; with
dilation 2 the next element of a window is.

Images have four axes with strides of their own. All their windows make six axes: image, channel, place in the window
(two), and place of the window (two).

**Exercise**: `windows`. Find the six strides. `grid.stride` and `grid.dilation` have a number for rows and one for
columns each. Careful: `as_strided` believes you, and with wrong strides it reads memory that is not yours.
"""


# %% tags=["windows"]
#| export
def windows(images: Array, grid: Grid, places: Pair) -> Array:
    """Return a view of all windows over images that have their border already.

    Shapes: ``(N, C, H, W) -> (N, C, kh, kw, *places)``.
    """
    count, channels = images.shape[:2]
    image, channel, row, column = images.strides
    ### BEGIN SOLUTION
    (apart_down, apart_across), (step_down, step_across) = grid.dilation, grid.stride
    strides = (image, channel, row * apart_down, column * apart_across, row * step_down, column * step_across)
    ### END SOLUTION
    return np.lib.stride_tricks.as_strided(images, (count, channels, *grid.kernel, *places), strides)


# %%
def test_unit_windows_are_a_view() -> None:
    grid = Grid(kernel=(2, 2))
    view = windows(PICTURE, grid, grid.places((3, 3)))
    assert view.shape == (1, 1, 2, 2, 2, 2)
    assert view[0, 0, :, :, 0, 1].tolist() == [[2.0, 0.0], [1.0, 3.0]]  # the second window of the first row
    assert view[0, 0, 1, 1].tolist() == [[1.0, 3.0], [0.0, 1.0]]  # what the lower right of the kernel meets
    assert np.shares_memory(view, PICTURE)


def test_unit_windows_with_stride_and_dilation() -> None:
    images = np.arange(49.0).reshape(1, 1, 7, 7)
    grid = Grid(kernel=(2, 3), stride=(2, 1), dilation=(3, 2))
    view = windows(images, grid, grid.places((7, 7)))
    assert view.shape == (1, 1, 2, 3, 2, 3)
    assert view[0, 0, :, :, 1, 2].tolist() == [[16.0, 18.0, 20.0], [37.0, 39.0, 41.0]]


# %% [markdown]
"""
## Columns, and one product
The sum over c, i and j is a product of a row and a column, if each window is laid out as a column. All windows of all
images side by side make a matrix, and then the whole convolution is one matrix product:

    windows of the picture       columns             kernel as a row              output
    1 2 | 2 0 | 0 1 | 1 3        1  2  0  1
    0 1 | 1 3 | 2 0 | 0 1        2  0  1  3    [1 0 0 -1] @ columns = [0 -1 0 0]
                                 0  1  2  0
                                 1  3  0  1

The columns are copied, since BLAS wants a plain matrix. What that costs comes soon.

With **groups** the channels fall into groups that do not see each other, each with kernels of its own. Then there is a
matrix a group, and `@` multiplies stacks of matrices.

**Exercise**: `columns`. First put the axes into the order of the result, channel, place in the window, image, place of
the window, and only then join them: `reshape` joins neighbours, whatever they mean.
"""


# %% tags=["columns"]
#| export
def columns(view: Array, groups: int = 1) -> Array:
    """Return windows as the columns of a matrix, one matrix a group.

    Shapes: ``(N, C, kh, kw, rows, across) -> (groups, C / groups * kh * kw, N * rows * across)``.
    """
    count, channels, high, wide, rows, across = view.shape
    ### BEGIN SOLUTION
    ordered = view.transpose(1, 2, 3, 0, 4, 5)
    return ordered.reshape(groups, channels // groups * high * wide, count * rows * across)
    ### END SOLUTION


# %%
def test_unit_columns_of_the_picture() -> None:
    matrix = columns(windows(PICTURE, Grid((2, 2)), (2, 2)))
    assert matrix.tolist() == [[[1, 2, 0, 1], [2, 0, 1, 3], [0, 1, 2, 0], [1, 3, 0, 1]]]
    assert (KERNEL.reshape(1, 4) @ matrix).tolist() == [[[0, -1, 0, 0]]]


# %% [markdown]
"""
## As much as fits the cache
The columns of a kernel of 5 by 5 are 25 times the image. For 64 images of 64 channels and 56 by 56 pixels, which are 51
MB, the columns of a kernel of 3 by 3 take 462 MB. Nobody needs them all at the same time. So the images are worked on a
few at a time, as many as have half a megabyte of columns, and of a large image a few rows at a time. Those columns
never leave the processor's cache: they are written, multiplied and forgotten. The backward pass makes them
anew.

A `Plan` says which images and which rows make a block. This cell is given.
"""


# %% tags=["plan"]
#| export
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


# %% [markdown]
"""
## Block by block
The weight becomes a matrix with a kernel in each row, and meets the columns of one block after another:

    kernels   (groups, O / groups, K)          K = C / groups * kh * kw
    matrix    (groups, K,          P)          P = images * rows * across
    product   (groups, O / groups, P)

`as_images_of` turns a product into images, `(images, O, rows, across)`, and `as_matrix` turns images into what such a
product looks like. Both are given.

**Exercise**: in `convolve`, the product of one block. `view` has the windows of some images; take `rows` of them, by
`view[..., rows, :]`.
"""


# %% tags=["convolution"]
#| export
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
            ### BEGIN SOLUTION
            product = kernels @ columns(view[..., rows, :], groups)
            ### END SOLUTION
            part = out[some, :, rows]
            np.add(as_images_of(product, *part.shape[2:]), shift, out=part, casting="same_kind")
    return out


# %%
def test_unit_one_product_is_the_seven_loops() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 2))
    grid = Grid((3, 2), stride=(2, 2), before=(1, 1), after=(1, 1))
    out = convolve(x, weight, None, grid)
    assert np.allclose(out, convolve_by_loops(x, weight, stride=2, padding=1))
    assert np.allclose(convolve(x, weight, np.arange(4.0), grid) - out, np.arange(4.0)[:, None, None])


def test_unit_groups_do_not_see_each_other() -> None:
    x = np.ones((1, 4, 3, 3))
    x[:, 2:] = 100
    assert convolve(x, np.ones((2, 2, 3, 3)), None, Grid((3, 3)), groups=2).ravel().tolist() == [18.0, 1800.0]


# %% [markdown]
"""
## The gradient of the kernels
Forward is `product = kernels @ matrix`. Module 05 knows what follows:

    grad_kernels = grad_product @ matrix.T

so the gradient of the kernels is a product of `grad_output` with the same columns. In the picture of above, let
`grad_output` be 1 at the first window and 10 at the last. Then `grad_kernel` is once the first window and ten times the
last one:

    1 2          1 3       11 32
    0 1  + 10 *  0 1   =    0 11

Each place of the kernel met a pixel in every window, so its gradient is a sum over all windows of all images.

**Exercise**: `weight_gradient`. Add up the products over all blocks in `total`, which has the shape of `kernels`.
`grad` is `grad_product` of one block, `(groups, O / groups, P)`. In a stack of matrices, `swapaxes(1, 2)` transposes
each.
"""


# %% tags=["weight_gradient"]
#| export
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
            ### BEGIN SOLUTION
            matrix = columns(view[..., rows, :], groups)
            total += (matrix @ grad.swapaxes(1, 2)).swapaxes(1, 2)  # quicker, with long matrices, than grad @ matrix.T
            ### END SOLUTION
    return total.reshape(kernels, channels, *grid.kernel).astype(images.dtype, copy=False)


# %%
def test_unit_the_gradient_of_the_kernel_is_a_sum_of_windows() -> None:
    grad_output = np.array([[[[1.0, 0.0], [0.0, 10.0]]]])
    assert weight_gradient(PICTURE, grad_output, Grid((2, 2))).tolist() == [[[[11.0, 32.0], [0.0, 11.0]]]]


# %% [markdown]
"""
## The gradient of the images
The other half of the same product is `grad_matrix = kernels.T @ grad_product`: a gradient for each element of the
columns. But a pixel stands in several columns, once for each window that it lies in. It moved the output through all of
them, so its gradient is the sum. The columns are laid back to where they came from, and what overlaps is added:

    windows of three of [1 2 3 4 5]         gradients [a b c], [d e f], [g h i]

    1 2 3                                   a   b   c
      2 3 4                                     d   e   f
        3 4 5                                       g   h   i
                                            a  b+d c+e+g f+h  i

Taking windows and laying them back are each other's **adjoint**: `sum(windows(x) * g) == sum(x * laid_back(g))`,
whatever x and g. The same holds for a matrix and its transpose, and that is what the two are.

Since a view of windows can be written to, laying back needs no thought about where: to the elements (i, j) of all
windows, add row (i, j) of the columns. All in one statement would not do, because NumPy does not say what comes of an
element that a view shows twice. The elements (i, j) of all windows are different ones.

**Exercise**: `lay_back`. `places` has the axes `(C, kh, kw, N, rows, across)`, as `columns` ordered them.
"""


# %% tags=["lay_back"]
#| export
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
    ### BEGIN SOLUTION
    for i in range(high):
        for j in range(wide):
            view[:, :, i, j] += places[:, i, j].swapaxes(0, 1)
    ### END SOLUTION


# %%
def test_unit_what_overlaps_is_added() -> None:
    image = np.zeros((1, 1, 1, 5))
    view = windows(image, Grid((1, 3)), (1, 3))
    lay_back(columns(windows(np.arange(1.0, 6.0).reshape(1, 1, 1, 5), Grid((1, 3)), (1, 3))), view)
    assert image.ravel().tolist() == [1.0, 4.0, 9.0, 8.0, 5.0]  # each number as often as it lies in a window


# %% [markdown]
"""
`input_gradient` makes a block's columns and lays them back, one block after another. It is given. One thing in it is
for speed alone. With stride 1 the elements (i, j) of all windows stand next to each other in memory, row after row, but
for the few at the end of each row where no window begins. So gradients of 0 are put there, and the "windows" that begin
there run on into the next row, where they add 0. Then the elements (i, j) are one long sum, not many short ones.
"""


# %% tags=["input_gradient"]
#| export
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


# %%
def test_unit_convolving_and_its_way_back_are_adjoint() -> None:
    rng = np.random.default_rng(1)
    for stride in (1, 2):
        grid = Grid((3, 2), (stride, stride), (1, 0), (1, 1))
        x, weight = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 2))
        out = convolve(x, weight, None, grid)
        grad = rng.standard_normal(out.shape)
        assert np.isclose((out * grad).sum(), (x * input_gradient(grad, weight, (7, 6), grid)).sum())


# %% [markdown]
"""
## The operation and its rule
`Convolution` makes operations on tensors of the three functions. They belong together: they are three sides of one sum,
over everything, of `x * weight * grad_output`, each element with those that it meets. `forward` leaves `grad_output`
out, `weight_gradient` the weight, `input_gradient` the images. So the rule of `forward` calls the other two. A bias,
which was added everywhere, gets the sum of everything that came.

With `create_graph=True` a rule is handed tensors instead of arrays, so that what it does is recorded. `in_kind` (given)
calls an operation with either, and answers in kind.

The first layer of a network gets images that require no gradient. Then `need_x` is False, and the dearest third of the
work is left out.

**Exercise**: `ConvolutionBackward.apply`. `self.layer` is the `Convolution`, `self.size` the height and width of x.
"""


# %% tags=["convolution_backward"]
#| export
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
        ### BEGIN SOLUTION
        if need_x:
            grad_x = in_kind(self.layer.input_gradient, grad_output, weight, self.size)
        if need_weight:
            grad_weight = in_kind(self.layer.weight_gradient, x, grad_output)
        if need_bias:
            grad_bias = grad_output.sum(axis=(0, 2, 3))
        ### END SOLUTION
        return grad_x, grad_weight, grad_bias


# %% [markdown]
"""
Gradients have gradients, and these two operations have rules as well: of the three sides each gives the gradients of
the other two. They are given, and so are the rows that put all three into the table of module 05.
"""


# %% tags=["second_order"]
#| export
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

# %% [markdown]
"""
Rows that come late wake when `enable_autograd()` is called again.
"""


# %%
def test_unit_convolution_has_the_gradient_of_central_differences() -> None:
    enable_autograd()
    rng = np.random.default_rng(2)
    x = from_numpy(rng.standard_normal((2, 2, 5, 4))).requires_grad_()
    weight = from_numpy(rng.standard_normal((3, 2, 3, 2))).requires_grad_()
    bias = from_numpy(rng.standard_normal(3)).requires_grad_()
    operation = Convolution(Grid((3, 2), (2, 1), (1, 1), (1, 0)))
    (operation.forward(x, weight, bias) ** 2).sum().backward()
    for t in (x, weight, bias):
        inputs = [x, weight, bias]
        i = next(i for i, other in enumerate(inputs) if other is t)

        def loss(value: Tensor, inputs: list[Tensor] = inputs, i: int = i) -> Tensor:
            return (operation.forward(*inputs[:i], value, *inputs[i + 1 :]) ** 2).sum()

        assert t.grad is not None
        assert np.allclose(t.grad.data, numerical_gradient(loss, t), atol=1e-5)


# %% [markdown]
"""
## As functions
`conv2d` and `conv1d` take tensors and settings as PyTorch does. Most of what follows says what can be wrong with them.
Three things come down to what is there already:

- **One axis.** A signal `(N, C, L)` is an image of one row, and its kernels have one row.
- **No batch.** A single image is a batch of one.
- **padding="same"** keeps the size: the border has `dilation * (kernel - 1)` zeros in all, and if that is odd the
  larger half comes after the image.

This cell is given.
"""


# %% tags=["functions"]
#| export
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


# %%
def message_of(call: Callable[[], object]) -> str:
    """Return the message of the error that `call` raises."""
    try:
        call()
    except (TypeError, ValueError) as error:
        return str(error)
    raise AssertionError("no error was raised")


def test_unit_functions_say_what_does_not_fit() -> None:
    weight = Tensor(np.ones((8, 3, 5, 5)))
    assert "permute(0, 3, 1, 2)" in message_of(lambda: conv2d(Tensor(np.ones((2, 32, 32, 3))), weight))
    assert "reaches over 5 by 5 elements" in message_of(lambda: conv2d(Tensor(np.ones((2, 3, 4, 9))), weight))
    assert conv2d(Tensor(np.ones((3, 9, 8))), weight, padding="same").shape == (8, 9, 8)


# %% [markdown]
"""
## As layers
`Conv2d` keeps the kernels as parameters. They begin as those of `Linear` do, spread evenly up to one over the root of
the number of products in a sum, here `C / groups * kh * kw`. In PyTorch's state dict they are `weight` and `bias`, and
so here.

`padding_mode` says what stands in the border if not zeros: the image mirrored ("reflect"), its edge repeated
("replicate"), or the image from the other side ("circular"). Then the image is enlarged first, by an index. This cell
is given.
"""


# %% tags=["layers"]
#| export
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


# %%
def test_unit_layers_have_pytorchs_names_and_numbers() -> None:
    layer = Conv2d(4, 6, 3, padding="same", groups=2, bias=False)
    assert {name: p.shape for name, p in layer.named_parameters()} == {"weight": (6, 2, 3, 3)}
    assert np.abs(layer.weight.data).max() <= 18**-0.5
    assert repr(layer) == "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=same, groups=2, bias=False)"
    assert Conv1d(2, 3, 3, stride=2)(Tensor(np.zeros((5, 2, 9)))).shape == (5, 3, 4)


# %% [markdown]
"""
## Pooling: the largest
A kernel answers at every place. Often it matters that it answered, not exactly where. `MaxPool2d(2)` keeps the largest
of each window of 2 by 2, and windows do not overlap (the stride is the size of the kernel, if nothing is said):

    1 3 | 2 0
    4 2 | 1 1        4 2
    ----+----   ->
    0 0 | 5 6        0 7
    0 0 | 7 5

The view of windows does this too, without a copy: `view[:, :, i, j]` are the elements (i, j) of all windows, an image a
quarter as large. The largest of four such images, element by element, is the result.

A border has -inf, which is never the largest. With `ceil_mode` a last window may stick out of the image; then the
border is wider there.

**Exercise**: `largest`. `np.maximum` compares two arrays, and lets nan through, as it should.
"""


# %% tags=["max_pool"]
#| export
def largest(view: FloatArray) -> FloatArray:
    """Return the largest element of each window. Shapes: ``(N, C, kh, kw, H', W') -> (N, C, H', W')``."""
    high, wide = view.shape[2:4]
    out = view[:, :, 0, 0].copy()
    ### BEGIN SOLUTION
    for i in range(high):
        for j in range(wide):
            np.maximum(out, view[:, :, i, j], out=out)
    ### END SOLUTION
    return out


# %%
POOLED = np.array([[[[1.0, 3, 2, 0], [4, 2, 1, 1], [0, 0, 5, 6], [0, 0, 7, 5]]]])


def test_unit_the_largest_of_each_window() -> None:
    assert largest(windows(POOLED, Grid((2, 2), (2, 2)), (2, 2))).tolist() == [[[[4, 2], [0, 7]]]]
    overlapping = windows(POOLED, Grid((2, 2)), (3, 3))
    assert largest(overlapping).tolist() == [[[[4, 3, 2], [4, 5, 6], [0, 7, 7]]]]


# %% [markdown]
"""
## Who was it?
Only the largest element moved the result, so it alone gets the gradient. If several are equal, as the four zeros of
above, the **first** one gets all of it, row by row, as in PyTorch. After a ReLU that is no rare case: most windows of a
dark corner are all 0.

`chosen` finds for each window the number of its place, 0 to kh * kw - 1:

    places      chosen
    0 1         2 0
    2 3         0 2

**Exercise**: `chosen`. The windows have a border of nan here, which equals nothing, so nobody out there is chosen. The
number of the first is how many places were looked at in vain before it. So keep an array of truth values, `looking`,
all True at first, that says where nobody was found yet; and go through all places but the last, adding 1 where it is
so.

`MaxPool` (given) makes an operation of it: the gradient goes to the elements that were chosen, and the gradient of that
is what arrives there. Where a window has a nan, the last nan is chosen, as in PyTorch.
"""


# %% tags=["max_pool_backward"]
#| export
def chosen(view: FloatArray, out: FloatArray) -> Array:
    """Return the number of the place of each largest element in its window: of the first, if several are equal.

    Shapes: ``(N, C, kh, kw, H', W'), (N, C, H', W') -> (N, C, H', W')``.
    """
    high, wide = view.shape[2:4]
    number: Array = np.zeros(out.shape, np.uint8 if high * wide <= 256 else np.int64)
    ### BEGIN SOLUTION
    looking = np.ones(out.shape, bool)
    for k in range(high * wide - 1):
        looking &= view[:, :, k // wide, k % wide] != out
        number += looking
    ### END SOLUTION
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


# %%
def test_unit_the_first_of_equals_is_chosen() -> None:
    pool = MaxPool(Grid((2, 2), (2, 2)))
    view = windows(POOLED, pool.grid, (2, 2))
    assert chosen(view, largest(view)).tolist() == [[[[2, 0], [0, 2]]]]
    enable_autograd()
    x = from_numpy(POOLED).requires_grad_()
    pool.forward(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[[0, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]]]


# %% [markdown]
"""
## Pooling: the average
The average of a window is its sum, divided by how many elements it has. How many is less plain than it sounds. Take six
elements, windows of 3, a stride of 2 and a padding of 1. With `ceil_mode` there is a fourth window, which sticks out of
the padding too:

    position         -1  0  1  2  3  4  5  6  7        0 to 5 are the image, -1 and 6 the padding, 7 is beyond
    window 0         [.  .  .]
    window 1               [.  .  .]
    window 2                     [.  .  .]
    window 3                           [.  .  .]

    count_include_pad=True       3 3 3 2               the padding counts, what is beyond it does not
    count_include_pad=False      2 3 3 1               only the image counts
    divisor_override=4           4 4 4 4               what you say

**Exercise**: `window_lengths`, along one axis. Window number i begins at `i * stride - padding`, where 0 is the first
element of the image, and has `kernel` elements. Cut off what is more than `counted` elements away from the image, on
either side: `counted` is the padding, or 0.
"""


# %% tags=["avg_pool"]
#| export
def window_lengths(size: int, places: int, kernel: int, stride: int, padding: int, counted: int) -> Array:
    """Return how many elements of each window along one axis are not more than `counted` beyond the `size` elements.

    Examples
    --------
    >>> window_lengths(5, 3, kernel=3, stride=2, padding=1, counted=0)
    array([2, 3, 2])
    """
    starts = np.arange(places) * stride - padding
    ### BEGIN SOLUTION
    ends = np.minimum(starts + kernel, size + counted)
    return ends - np.maximum(starts, -counted)
    ### END SOLUTION


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


# %%
def test_unit_windows_at_the_edge_are_shorter() -> None:
    assert window_lengths(5, 3, kernel=3, stride=2, padding=1, counted=0).tolist() == [2, 3, 2]
    assert window_lengths(5, 3, kernel=3, stride=2, padding=1, counted=1).tolist() == [3, 3, 3]
    assert window_lengths(6, 4, kernel=3, stride=2, padding=1, counted=1).tolist() == [3, 3, 3, 2]
    assert window_lengths(6, 4, kernel=3, stride=2, padding=1, counted=0).tolist() == [2, 3, 3, 1]


def test_unit_average_pool_and_its_gradient() -> None:
    enable_autograd()
    x = from_numpy(POOLED).requires_grad_()
    out = AveragePool(Grid((2, 2), (2, 2)), 4).forward(x)
    assert out.tolist() == [[[[2.5, 1.0], [0.0, 5.75]]]]
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[[0.25] * 4] * 4]]


# %% [markdown]
"""
## Pooling to a size
A network that ends in a `Linear` layer wants images of one size. **Adaptive** pooling says how many windows there shall
be, and cuts the image accordingly: with `AdaptiveAvgPool2d(1)` the average of each channel is left, whatever the size.

7 elements into 3 windows does not come out even. Window i of m begins at `i * n / m`, rounded down, and ends before
`(i + 1) * n / m`, rounded up. So windows may overlap by one element, and every element is in one:

    0 1 2 3 4 5 6         starts  0, 7/3 = 2.33, 14/3 = 4.67    ->  0 2 4
    [0 1 2]               ends    7/3, 14/3, 7                  ->  3 5 7
        [2 3 4]
            [4 5 6]

**Exercise**: `adaptive_windows`. `-(-a // b)` is a / b, rounded up.
"""


# %% tags=["adaptive_windows"]
#| export
def adaptive_windows(size: int, places: int) -> list[slice]:
    """Return `places` windows over `size` elements, as even as can be, that leave none out.

    Examples
    --------
    >>> adaptive_windows(7, 3)
    [slice(0, 3, None), slice(2, 5, None), slice(4, 7, None)]
    """
    ### BEGIN SOLUTION
    return [slice(i * size // places, -(-(i + 1) * size // places)) for i in range(places)]
    ### END SOLUTION


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


# %%
def test_unit_adaptive_windows_leave_none_out() -> None:
    assert adaptive_windows(7, 3) == [slice(0, 3), slice(2, 5), slice(4, 7)]
    assert adaptive_windows(4, 2) == [slice(0, 2), slice(2, 4)]
    assert adaptive_windows(2, 3) == [slice(0, 1), slice(0, 2), slice(1, 2)]
    x = from_numpy(np.arange(14.0).reshape(1, 1, 2, 7))
    assert AdaptiveAverage((1, 3)).forward(x).tolist() == [[[[4.5, 6.5, 8.5]]]]


# %% [markdown]
"""
## Pools as functions and layers
Settings, checks, and PyTorch's names. The only thought in it is `ceil_mode`: one window more, if the last ones do not
reach the end, but none that would begin in the padding. This cell is given.
"""


# %% tags=["pools"]
#| export
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


# %%
def test_unit_pools_as_pytorch_has_them() -> None:
    x = Tensor(np.arange(50.0).reshape(2, 5, 5))
    assert MaxPool2d(2)(x).shape == (2, 2, 2)
    assert MaxPool2d(2, ceil_mode=True)(x).shape == (2, 3, 3)
    assert AvgPool2d(3, stride=1, padding=1)(x).data[0, 0, 0] == (0 + 1 + 5 + 6) / 9
    assert "at most half a window" in message_of(lambda: max_pool2d(x, 2, padding=2))


# %% [markdown]
"""
## Batch norm
While a network learns, the inputs of a layer change their size with every step of the layers before it. `BatchNorm2d`
gives each channel mean 0 and variance 1, over all pixels of all images in the batch, and then a scale and a shift of
its own, which are trained:

    out = (x - mean) / sqrt(var + eps) * weight + bias

So the mean and the variance are taken over the axes N, H and W. `x` comes as `(N, C, H * W)`.

**Exercise**: `batch_statistics`. Subtract the mean before you square. `mean(x**2) - mean(x)**2` is the same on paper,
but in float32 the two are nearly equal where the mean is large, and what is left of them is rounding.
"""


# %% tags=["batch_statistics"]
#| export
def batch_statistics(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each channel over a batch, both ``(1, C, 1)``; the variance is divided by the count.

    Shapes: ``(N, C, P)``.
    """
    ### BEGIN SOLUTION
    mean = x.mean(axis=(0, 2), keepdims=True)
    difference = x - mean
    return mean, (difference * difference).mean(axis=(0, 2), keepdims=True)
    ### END SOLUTION


# %%
def test_unit_statistics_are_of_channels() -> None:
    x = np.array([[[1.0, 3.0], [10.0, 10.0]], [[5.0, 7.0], [10.0, 10.0]]])  # two images, two channels, two pixels
    mean, var = batch_statistics(x)
    assert mean.ravel().tolist() == [4.0, 10.0]
    assert var.ravel().tolist() == [5.0, 0.0]


# %% [markdown]
"""
## What flows back through a mean
Every pixel moved the mean and the variance, and through them all the others. The sum rule and the chain rule give, with
`normal = (x - mean) * scale` and `g = grad_output * weight`:

    grad_x = (g - mean(g) - normal * mean(g * normal)) * scale

It says: of `g`, take away what would only move all pixels together (the next line puts them back to mean 0), and what
would only stretch them (it puts them back to variance 1). What is left is what the loss can have. This cell is given.
"""


# %% tags=["normalization"]
#| export
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

# %% [markdown]
"""
## Training and evaluation
When the network is used, there may be no batch: one image comes, and its own mean would say nothing. So the layer keeps
**running** statistics while it trains, and uses them in `eval` mode:

    running = (1 - momentum) * running + momentum * batch

With momentum 0.1 a tenth of each batch comes in. It is the *opposite* of the optimizer's momentum, which says how much
stays. `momentum=None` takes the plain average of all batches so far: batch number n comes in with 1 / n.

One more trap. The variance that normalizes is divided by the count, so that the result has variance 1 exactly. The one
that runs is divided by the count less one: it is an estimate for data that nobody has seen, and there the plain
variance is a little too small, since the mean was fitted to the same numbers (for 2 values, by half).

The running statistics are buffers: they are saved with the state, and not trained.

**Exercise**: `running_statistics`. Change the arrays in place, `running[...] = ...`. `count` is how many values a
channel has; `mean` and `var` are those of `batch_statistics`, with one axis.
"""


# %% tags=["running_statistics"]
#| export
def move_running(
    running_mean: FloatArray, running_var: FloatArray, mean: FloatArray, var: FloatArray, count: int, momentum: float
) -> None:
    """Move running statistics towards those of a batch, in place; the variance towards the unbiased one."""
    ### BEGIN SOLUTION
    running_mean[...] = (1 - momentum) * running_mean + momentum * mean
    running_var[...] = (1 - momentum) * running_var + momentum * var * (count / (count - 1))
    ### END SOLUTION


# %%
def test_unit_running_statistics_move_by_momentum() -> None:
    mean, var = np.zeros(1), np.ones(1)
    move_running(mean, var, np.array([10.0]), np.array([4.0]), count=5, momentum=0.1)
    assert np.allclose([mean[0], var[0]], [1.0, 0.9 + 0.1 * 5.0])


# %% [markdown]
"""
The layer puts it together. This cell is given.
"""


# %% tags=["batch_norm"]
#| export
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


# %%
def test_unit_batch_norm_trains_and_evaluates() -> None:
    enable_autograd()
    layer, x = BatchNorm2d(2), Tensor(np.random.default_rng(3).normal(5, 3, (8, 2, 4, 4)))
    out = layer(x)
    assert np.allclose(out.data.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert np.allclose(out.data.var(axis=(0, 2, 3)), 1, atol=1e-3)
    for _ in range(200):
        layer(x)
    layer.eval()
    assert np.allclose(layer(x).data, out.data, atol=0.05)  # by now the running ones have arrived
    assert int(layer.num_batches_tracked or 0) == 201


# %% [markdown]
"""
## Questions that measure something
### What do seven loops cost?
A layer of a LeNet: 6 kernels of 5 by 5 on images of 28 by 28. That is 118 thousand products an image. A loop of Python
takes about a tenth of a microsecond for each thing that it does, and does several for each product. How long for one
image, and how long by `Convolution`? Expect a factor of about a thousand.

**For thought**: a product costs the processor a fiftieth of a nanosecond when it comes in a large matrix. What else of
the time of `Convolution` can there be?
"""


# %%
import time


def seconds(call: Callable[[], object], times: int = 3) -> float:
    """Return the shortest of some times that a call takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def experiment_loops() -> None:
    rng = np.random.default_rng(4)
    image, weight = rng.standard_normal((1, 1, 28, 28)), rng.standard_normal((6, 1, 5, 5))
    loops = seconds(lambda: convolve_by_loops(image, weight, padding=2), times=1)
    product = seconds(lambda: conv2d(from_numpy(image), from_numpy(weight), padding=2))
    print(f"seven loops {1e3 * loops:8.2f} ms   one product {1e3 * product:6.3f} ms   {loops / product:5.0f} times")


# %% [markdown]
"""
### Do blocks help?
The same convolution with the columns of a quarter of a megabyte, of half a megabyte, and so on up to all at once. Where
the columns no longer fit the cache, the time rises, and the memory with it. Which size is best depends on your
processor; change `ROOM` if it is another one.
"""


# %%
def experiment_blocks() -> None:
    global ROOM
    x = from_numpy(np.random.default_rng(5).standard_normal((16, 32, 32, 32)).astype(np.float32))
    layer, before = Conv2d(32, 32, 3, padding=1), ROOM
    for room in (1 << 15, 1 << 17, 1 << 20, 1 << 23):
        ROOM = room
        print(f"columns of at most {4 * room / 2**20:7.3f} MiB: {1e3 * seconds(lambda: layer(x)):6.2f} ms")
    ROOM = before


# %% [markdown]
"""
### Where are the parameters of a LeNet?
The network of 1998 for 28 by 28 pixels has two convolutions with a pool behind each, and three `Linear` layers. Count:
what share of the parameters is in the convolutions? And what share of the products? Each kernel is small, but it is
used at hundreds of places.

The expected numbers: 61,706 parameters, 2,572 of them in the convolutions, 4 %; of 416,520 products they make 86 %.
"""


# %%
from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Flatten, Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import manual_seed


def lenet() -> Sequential:
    """Return LeNet for images of 28 by 28 with ReLU and maxima, as it is built today."""
    return Sequential(
        Conv2d(1, 6, 5, padding=2), ReLU(), MaxPool2d(2),
        Conv2d(6, 16, 5), ReLU(), MaxPool2d(2),
        Flatten(),
        Linear(400, 120), ReLU(), Linear(120, 84), ReLU(), Linear(84, 10),
    )  # fmt: skip


def counted(net: Sequential) -> list[tuple[str, int, int]]:
    """Return name, parameters and products an image of each layer that has parameters."""
    x, found = Tensor(np.zeros((1, 1, 28, 28))), []
    for layer in net:
        x = layer(x)
        if isinstance(layer, Conv2d | Linear):
            places = math.prod(x.shape[2:])
            found.append((type(layer).__name__, sum(p.size for p in layer.parameters()), layer.weight.size * places))
    return found


def experiment_parameters() -> None:
    for name, parameters, products in counted(lenet()):
        print(f"{name:8} {parameters:6} parameters  {products:7} products an image")


def test_unit_a_lenet_has_its_parameters_in_its_linear_layers() -> None:
    layers = counted(lenet())
    assert sum(parameters for _, parameters, _ in layers) == 61706
    assert sum(parameters for name, parameters, _ in layers if name == "Conv2d") == 2572
    assert sum(products for _, _, products in layers) == 416520


# %% [markdown]
"""
### What does a neuron see?
A pixel of the second convolution of a LeNet looks at 5 by 5 pixels of the first pool, which looks at ... How large is
the part of the image that it depends on, its **receptive field**? The gradient knows: put 1 at one pixel of the output,
go back, and look where something arrives.

Count first: going back, a kernel of k makes n pixels `(n - 1) * stride + k`. So 1 becomes 5 by the second convolution,
10 by the pool (stride 2, kernel 2), 14 by the first convolution.

**For thought**: two convolutions of 3 by 3 see as much as one of 5 by 5. Which has fewer parameters, for 32 channels?
"""


# %%
def receptive_field(layers: Sequence[Callable[[Tensor], Tensor]], size: int = 28) -> Pair:
    """Return height and width of the part of an image that one pixel in the middle of the output depends on."""
    x = Tensor(np.random.default_rng(6).uniform(1, 2, (1, 1, size, size)), requires_grad=True)
    out = x
    for layer in layers:
        out = layer(out)
    middle = out.shape[-1] // 2
    out[0, :, middle, middle].sum().backward()
    assert x.grad is not None
    rows, cols = np.nonzero(x.grad.data[0, 0])
    return int(rows.max() - rows.min()) + 1, int(cols.max() - cols.min()) + 1


def test_unit_a_receptive_field_grows_with_depth() -> None:
    enable_autograd()
    layers = [Conv2d(1, 6, 5, padding=2), AvgPool2d(2), Conv2d(6, 16, 5)]
    assert [receptive_field(layers[:n]) for n in (1, 2, 3)] == [(5, 5), (6, 6), (14, 14)]


# %% [markdown]
"""
## All together
A LeNet learns to read. The digits are drawn here, as on a pocket calculator, from seven strokes, at random places, with
noise:

     _            _      _             _      _      _      _      _
    | |      |    _|     _|    |_|    |_     |_       |    |_|    |_|
    |_|      |   |_      _|      |     _|    |_|      |    |_|     _|
"""


# %%
STROKES = ["abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcfgd"]
PLACES = {  # rows and columns of each stroke
    "a": (slice(0, 2), slice(0, 10)), "b": (slice(0, 9), slice(8, 10)), "c": (slice(8, 17), slice(8, 10)),
    "d": (slice(15, 17), slice(0, 10)), "e": (slice(8, 17), slice(0, 2)), "f": (slice(0, 9), slice(0, 2)),
    "g": (slice(8, 10), slice(0, 10)),
}  # fmt: skip


def drawn_digits(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return images of digits, ``(count, 1, 28, 28)``, and which digit each one is."""
    images, labels = rng.normal(0, 0.2, (count, 1, 28, 28)), rng.integers(0, 10, count)
    for image, label in zip(images, labels, strict=True):
        down, across = rng.integers(3, 9), rng.integers(6, 13)
        ink = np.zeros((17, 10))
        for stroke in STROKES[label]:
            ink[PLACES[stroke]] = 1
        image[0, down : down + 17, across : across + 10] += ink
    return Tensor(images), Tensor(labels, dtype=np.int64)


def test_module() -> None:
    """🧪 Module 09: a LeNet that learns to read."""
    enable_autograd()
    manual_seed(0)
    rng = np.random.default_rng(0)
    net, loss_of = lenet(), CrossEntropyLoss()
    optimizer = Adam(net.parameters(), lr=3e-3)
    for _ in range(80):
        images, labels = drawn_digits(64, rng)
        optimizer.zero_grad()
        loss_of(net(images), labels).backward()
        optimizer.step()
    images, labels = drawn_digits(500, rng)
    with no_grad():
        right = (net(images).data.argmax(axis=1) == labels.data).mean()
    print(f"a LeNet reads {right:.0%} of digits that it has not seen")
    assert right > 0.8
    print("Module 09: all is well.")


if __name__ == "__main__":
    test_unit_output_size()
    test_unit_seven_loops_do_what_the_hand_does()
    test_unit_windows_are_a_view()
    test_unit_windows_with_stride_and_dilation()
    test_unit_columns_of_the_picture()
    test_unit_one_product_is_the_seven_loops()
    test_unit_groups_do_not_see_each_other()
    test_unit_the_gradient_of_the_kernel_is_a_sum_of_windows()
    test_unit_what_overlaps_is_added()
    test_unit_convolving_and_its_way_back_are_adjoint()
    test_unit_convolution_has_the_gradient_of_central_differences()
    test_unit_functions_say_what_does_not_fit()
    test_unit_layers_have_pytorchs_names_and_numbers()
    test_unit_the_largest_of_each_window()
    test_unit_the_first_of_equals_is_chosen()
    test_unit_windows_at_the_edge_are_shorter()
    test_unit_average_pool_and_its_gradient()
    test_unit_adaptive_windows_leave_none_out()
    test_unit_pools_as_pytorch_has_them()
    test_unit_statistics_are_of_channels()
    test_unit_running_statistics_move_by_momentum()
    test_unit_batch_norm_trains_and_evaluates()
    test_unit_a_lenet_has_its_parameters_in_its_linear_layers()
    test_unit_a_receptive_field_grows_with_depth()
    experiment_loops()
    experiment_blocks()
    experiment_parameters()
    test_module()
