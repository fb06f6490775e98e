"""The comprehensive suite of module 09: windows, convolution and its gradients, pools, batch norm."""

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch.core.spatial as spatial
from tinytorch.core.activations import ReLU
from tinytorch.core.autograd import no_grad, numerical_gradient
from tinytorch.core.layers import Flatten, Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.core.spatial import (
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv1d,
    Conv2d,
    Grid,
    MaxPool1d,
    MaxPool2d,
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_windows,
    avg_pool1d,
    avg_pool2d,
    batch_statistics,
    chosen,
    columns,
    conv1d,
    conv2d,
    convolve,
    convolve_by_loops,
    input_gradient,
    largest,
    lay_back,
    max_pool1d,
    max_pool2d,
    move_running,
    output_size,
    weight_gradient,
    window_lengths,
    windows,
)
from tinytorch.core.tensor import Tensor, from_numpy, manual_seed
from tinytorch.datasets import digits

some_examples = settings(max_examples=25, deadline=None)

FORWARD = ("output_size", "windows", "columns", "convolution")
BACKWARD = (*FORWARD, "weight_gradient", "lay_back", "convolution_backward")
MAXIMA = ("output_size", "windows", "max_pool")
AVERAGES = ("output_size", "windows", "avg_pool")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def leaf(*shape, seed=0):
    return from_numpy(normal(*shape, seed=seed)).requires_grad_()


def safe(images):
    """Return the images in the middle of more memory, for windows that look at the wrong place."""
    room = np.zeros(3 * images.size + 64, images.dtype)
    middle = room[images.size : 2 * images.size].reshape(images.shape)
    middle[...] = images
    return middle


def picked(images, grid, places):
    """Return the windows, element by element."""
    (down, across), (high, wide) = places, grid.kernel
    out = np.zeros((*images.shape[:2], high, wide, down, across), images.dtype)
    for i, j, y, x in itertools.product(range(high), range(wide), range(down), range(across)):
        row = y * grid.stride[0] + i * grid.dilation[0]
        out[:, :, i, j, y, x] = images[:, :, row, x * grid.stride[1] + j * grid.dilation[1]]
    return out


def expected(x, weight, grid, groups=1):
    """Return the convolution by sums over the windows."""
    bordered = grid.border(x)
    view = picked(bordered, grid, grid.places(x.shape[2:]))
    parts = zip(np.split(view, groups, 1), np.split(weight, groups), strict=True)
    return np.concatenate([np.einsum("ncijyx,ocij->noyx", part, kernels) for part, kernels in parts], 1)


# Sizes and loops


@pytest.mark.exercise("output_size")
@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        ((3, 2), 2),
        ((28, 5, 1, 2), 28),
        ((7, 3, 2), 3),
        ((8, 3, 2), 3),
        ((9, 3, 1, 0, 4), 1),
        ((10, 3, 3, 1, 2), 3),
        ((2, 3), 0),
    ],
)
def test_output_size(arguments, places):
    assert output_size(*arguments) == places


@pytest.mark.exercise("output_size")
@given(
    size=st.integers(1, 20), kernel=st.integers(1, 5), stride=st.integers(1, 4), padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)  # fmt: skip
@some_examples
def test_output_size_counts_the_places(size, kernel, stride, padding, dilation):
    starts = range(0, size + 2 * padding, stride)
    fitting = [start for start in starts if start + dilation * (kernel - 1) < size + 2 * padding]
    assert max(0, output_size(size, kernel, stride, padding, dilation)) == len(fitting)


@pytest.mark.exercise("output_size", "seven_loops")
def test_seven_loops_by_hand():
    picture = np.array([[[[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]]])
    assert convolve_by_loops(picture, np.array([[[[1.0, 2], [3, -1]]]])).tolist() == [[[[4, 2], [8, 6]]]]
    assert convolve_by_loops(picture, np.ones((1, 1, 1, 1)), stride=2).tolist() == [[[[1, 0], [2, 1]]]]


@pytest.mark.exercise("output_size", "seven_loops")
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_seven_loops_over_images_channels_and_kernels(stride, padding):
    x, weight = normal(2, 3, 6, 5), normal(4, 3, 3, 2, seed=1)
    out = convolve_by_loops(x, weight, stride, padding)
    border = (padding, padding)
    np.testing.assert_allclose(out, expected(x, weight, Grid((3, 2), (stride, stride), border, border)))


# Windows and columns

GRIDS = [
    Grid((2, 2)),
    Grid((3, 2), stride=(2, 1)),
    Grid((2, 3), stride=(1, 3)),
    Grid((2, 3), dilation=(3, 1)),
    Grid((3, 2), (2, 3), dilation=(2, 4)),
]


@pytest.mark.exercise("output_size", "windows")
@pytest.mark.parametrize("grid", GRIDS)
def test_windows_are_a_view_of_the_right_elements(grid):
    images = safe(np.arange(2.0 * 3 * 9 * 8).reshape(2, 3, 9, 8))
    view = windows(images, grid, grid.places((9, 8)))
    assert np.shares_memory(view, images)
    np.testing.assert_array_equal(view, picked(images, grid, grid.places((9, 8))))


@pytest.mark.exercise("output_size", "windows")
def test_windows_of_images_that_are_a_view():
    images = safe(np.arange(2.0 * 3 * 9 * 8).reshape(9, 2, 8, 3)).transpose(1, 3, 0, 2)
    grid = GRIDS[1]
    np.testing.assert_array_equal(windows(images, grid, (4, 7)), picked(images, grid, (4, 7)))


@pytest.mark.exercise("columns")
@pytest.mark.parametrize("groups", [1, 2])
def test_columns_hold_a_window_each(groups):
    view = np.arange(3.0 * 4 * 2 * 3 * 5 * 2).reshape(3, 4, 2, 3, 5, 2)
    matrix = columns(view, groups)
    assert matrix.shape == (groups, 4 // groups * 6, 30)
    for n, y, x in itertools.product(range(3), range(5), range(2)):
        column = matrix[:, :, (n * 5 + y) * 2 + x]
        np.testing.assert_array_equal(column.ravel(), view[n, :, :, :, y, x].ravel())


@pytest.mark.exercise("output_size")
@pytest.mark.parametrize("room", [1, 100, 10**6])
def test_a_plan_covers_everything_once(room, monkeypatch):
    monkeypatch.setattr(spatial, "ROOM", room)
    plan = spatial.Plan.of((5, 3, 9, 8), Grid((3, 3), (2, 1)))
    seen = np.zeros((5, 4))
    for some, rows in itertools.product(plan.images, plan.rows):
        seen[some, rows] += 1
    assert plan.places == (4, 6)
    assert (seen == 1).all()


# Convolution

CASES = [
    (Grid((3, 2)), 1),
    (Grid((3, 3), (1, 1), (1, 1), (1, 1)), 1),
    (Grid((2, 3), (2, 3), (1, 0), (0, 2)), 2),
    (Grid((2, 2), (1, 2), (2, 1), (1, 1), (2, 3)), 4),
]
ROOMS = [1, 200, 10**6]


@pytest.mark.exercise(*FORWARD)
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("grid", "groups"), CASES)
def test_convolve_is_a_sum_over_windows(grid, groups, room, monkeypatch):
    monkeypatch.setattr(spatial, "ROOM", room)
    x, weight, bias = normal(3, 4, 7, 8), normal(8, 4 // groups, *grid.kernel, seed=1), normal(8, seed=2)
    np.testing.assert_allclose(convolve(x, weight, None, grid, groups), expected(x, weight, grid, groups), atol=1e-12)
    shifted = expected(x, weight, grid, groups) + bias[:, None, None]
    np.testing.assert_allclose(convolve(x, weight, bias, grid, groups), shifted, atol=1e-12)


@pytest.mark.exercise(*FORWARD)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_convolve_keeps_the_dtype(dtype):
    x, weight = normal(2, 3, 5, 5).astype(dtype), normal(4, 3, 3, 3, seed=1).astype(dtype)
    out = convolve(x, weight, weight[:, 0, 0, 0], CASES[1][0])
    assert out.dtype == dtype
    exact = convolve(
        x.astype(np.float64), weight.astype(np.float64), weight[:, 0, 0, 0].astype(np.float64), CASES[1][0]
    )
    np.testing.assert_allclose(out, exact, rtol=4 * np.finfo(dtype).eps, atol=40 * np.finfo(dtype).eps)


@pytest.mark.exercise(*FORWARD, "weight_gradient")
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("grid", "groups"), CASES)
def test_the_weight_gradient_is_the_adjoint(grid, groups, room, monkeypatch):
    """The output is linear in the weight, so its product with a gradient is the weight's with the weight's."""
    monkeypatch.setattr(spatial, "ROOM", room)
    x, shape = normal(3, 4, 7, 8), (8, 4 // groups, *grid.kernel)
    grad_output = normal(3, 8, *grid.places((7, 8)), seed=1)
    grad = weight_gradient(x, grad_output, grid, groups)
    assert grad.shape == shape
    for place in range(0, grad.size, 7):
        one = np.zeros(shape)
        one.flat[place] = 1
        np.testing.assert_allclose(grad.flat[place], (expected(x, one, grid, groups) * grad_output).sum())


@pytest.mark.exercise("lay_back")
@pytest.mark.parametrize("kernel", [(1, 3), (2, 2), (3, 2)])
def test_lay_back_adds_what_overlaps(kernel):
    images = np.ones((2, 3, 5, 6))
    grid, wanted = Grid(kernel, (1, 2)), images.copy()
    places = (6 - kernel[0], (6 - kernel[1]) // 2 + 1)
    strides = (*images.strides[:4], images.strides[2], 2 * images.strides[3])
    view = np.lib.stride_tricks.as_strided(images, (2, 3, *kernel, *places), strides)
    parts = normal(3, *kernel, 2, *places)
    for i, j, y, x in itertools.product(*map(range, (*kernel, *places))):
        wanted[:, :, y + i, x * 2 + j] += parts[:, i, j, :, y, x].T
    lay_back(parts.reshape(1, 3 * grid.kernel[0] * grid.kernel[1], -1), view)
    np.testing.assert_allclose(images, wanted)


@pytest.mark.exercise(*FORWARD, "lay_back")
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("grid", "groups"), CASES)
def test_the_input_gradient_is_the_adjoint(grid, groups, room, monkeypatch):
    monkeypatch.setattr(spatial, "ROOM", room)
    shape, weight = (3, 4, 7, 8), normal(8, 4 // groups, *grid.kernel)
    grad_output = normal(3, 8, *grid.places((7, 8)), seed=1)
    grad = input_gradient(grad_output, weight, (7, 8), grid, groups)
    assert grad.shape == shape
    for place in range(0, grad.size, 41):
        one = np.zeros(shape)
        one.flat[place] = 1
        wanted = (expected(one, weight, grid, groups) * grad_output).sum()
        np.testing.assert_allclose(grad.flat[place], wanted, atol=1e-12)


@pytest.mark.exercise(*BACKWARD)
def test_gradients_of_a_convolution_by_hand():
    x = from_numpy(np.array([[[[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]]])).requires_grad_()
    weight = from_numpy(np.array([[[[1.0, 0], [0, -1]]]])).requires_grad_()
    bias = from_numpy(np.array([5.0])).requires_grad_()
    out = conv2d(x, weight, bias)
    out.backward(from_numpy(np.array([[[[1.0, 0], [0, 10]]]])))
    assert x.grad.tolist() == [[[[1, 0, 0], [0, 9, 0], [0, 0, -10]]]]
    assert weight.grad.tolist() == [[[[11, 32], [0, 11]]]]
    assert bias.grad.tolist() == [11]


@pytest.mark.exercise(*BACKWARD)
@given(
    needed=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
    stride=st.integers(1, 2), padding=st.integers(0, 2), groups=st.sampled_from([1, 2]),
)  # fmt: skip
@some_examples
def test_gradients_are_central_differences_where_they_are_needed(needed, stride, padding, groups):
    shapes = (2, 2, 4, 5), (2, 2 // groups, 3, 2), (2,)
    inputs = [
        from_numpy(normal(*s, seed=i)).requires_grad_(need)
        for i, (s, need) in enumerate(zip(shapes, needed, strict=True))
    ]

    def loss(*inputs):
        return (conv2d(*inputs, stride, padding, groups=groups) ** 2).sum()

    loss(*inputs).backward()
    for i, (t, need) in enumerate(zip(inputs, needed, strict=True)):
        assert (t.grad is not None) == need
        if need:
            difference = numerical_gradient(lambda v, i=i: loss(*inputs[:i], v, *inputs[i + 1 :]), t)
            np.testing.assert_allclose(t.grad.data, difference, rtol=1e-5, atol=1e-5)


@pytest.mark.exercise(*BACKWARD)
def test_images_without_a_gradient_cost_none(monkeypatch):
    called = []
    monkeypatch.setattr(spatial, "input_gradient", lambda *args: called.append(args))
    layer = Conv2d(1, 2, 3)
    out = layer(from_numpy(np.ones((2, 1, 5, 5), np.float32)))
    assert out.grad_fn.saved_tensors[1] is None
    out.sum().backward()
    assert layer.weight.grad is not None
    assert called == []


@pytest.mark.exercise(*BACKWARD)
def test_gradients_have_gradients():
    """The derivative of the gradient's square, once by the rules and once by differences of the gradient."""
    x, weight = leaf(2, 2, 5, 4), leaf(3, 2, 3, 2, seed=1)

    def squared_gradient(x, weight, graph):
        for t in (x, weight):
            t.grad = None
        (conv2d(x, weight, stride=2, padding=1) ** 2).sum().backward(create_graph=graph)
        return sum((t.grad * t.grad).sum() for t in (x, weight))

    total = squared_gradient(x, weight, True)
    for t in (x, weight):
        t.grad = None
    total.backward()
    h, moves = 1e-5, [normal(*t.shape, seed=5 + i) for i, t in enumerate((x, weight))]
    ends = []
    for sign in (1, -1):
        moved = [from_numpy(t.data + sign * h * d).requires_grad_() for t, d in zip((x, weight), moves, strict=True)]
        ends.append(squared_gradient(*moved, False).item())
    slope = sum((t.grad.data * d).sum() for t, d in zip((x, weight), moves, strict=True))
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


# Functions and layers of convolution


@pytest.mark.exercise(*FORWARD)
def test_forms_of_the_input():
    x, weight = normal(2, 3, 7, 6), from_numpy(normal(4, 3, 3, 2))
    whole = conv2d(from_numpy(x), weight, padding=(1, 0))
    assert whole.shape == (2, 4, 7, 5)
    np.testing.assert_allclose(conv2d(from_numpy(x[1]), weight, padding=(1, 0)).data, whole.data[1])
    line, kernel = normal(2, 3, 9), normal(4, 3, 2)
    out = conv1d(from_numpy(line), from_numpy(kernel), stride=2, padding=1, dilation=3)
    image = conv2d(
        from_numpy(line[:, :, None]), from_numpy(kernel[:, :, None]), stride=(1, 2), padding=(0, 1), dilation=(1, 3)
    )
    np.testing.assert_allclose(out.data, image.data[:, :, 0])
    np.testing.assert_allclose(
        conv1d(from_numpy(line[0]), from_numpy(kernel), stride=2, padding=[1], dilation=3).data, out.data[0]
    )
    assert conv2d(from_numpy(x[:0]), weight).shape == (0, 4, 5, 5)


@pytest.mark.exercise(*FORWARD)
@pytest.mark.parametrize("kernel", [(1, 2), (3, 4), (5, 1)])
def test_padding_by_name(kernel):
    x, weight = from_numpy(normal(1, 2, 7, 6)), from_numpy(normal(3, 2, *kernel))
    assert conv2d(x, weight, padding="same", dilation=(1, 2)).shape == (1, 3, 7, 6)
    assert np.array_equal(conv2d(x, weight, padding="valid").data, conv2d(x, weight).data)


def images_of(*shape):
    return Tensor(np.ones(shape))


KERNELS = images_of(8, 3, 5, 5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: conv2d(np.ones((3, 9, 9)), KERNELS), TypeError, "conv2d.. takes a tensor, but got ndarray"),
        (lambda: conv2d(images_of(3, 9, 9).long(), KERNELS), TypeError, r"but got int64. Use x.float\(\)"),
        (lambda: conv2d(images_of(3, 9, 9).double(), KERNELS), TypeError, "float64, but weight is float32"),
        (lambda: conv2d(images_of(3, 9, 9), None), TypeError, "takes weight as a tensor, but got NoneType"),
        (lambda: conv2d(images_of(9, 9), KERNELS), ValueError, r"\(N, C, H, W\) or \(C, H, W\), but got \(9, 9\)"),
        (lambda: conv2d(images_of(3, 9, 9), images_of(8, 3, 5)), ValueError, r"\(O, C / groups, kh, kw\)"),
        (lambda: conv2d(images_of(2, 32, 32, 3), KERNELS), ValueError, r"has 32. .* x.permute\(0, 3, 1, 2\)"),
        (lambda: conv2d(images_of(32, 32, 3), KERNELS), ValueError, r"x.permute\(2, 0, 1\)"),
        (lambda: conv2d(images_of(2, 4, 9, 9), KERNELS), ValueError, r"takes 3 channels, but .* \(2, 4, 9"),
        (lambda: conv2d(images_of(2, 3, 9, 9), KERNELS, groups=3), ValueError, "divide 8 kernels into groups=3"),
        (lambda: conv2d(images_of(2, 3, 9, 9), KERNELS, groups=2), ValueError, "and groups=2 takes 6 channels"),
        (lambda: conv2d(images_of(3, 9, 9), KERNELS, images_of(3)), ValueError, r"shape \(3,\), but needs \(8,\)"),
        (lambda: conv2d(images_of(3, 4, 9), KERNELS), ValueError, "5 by 5 elements, but the input has 4 by 9"),
        (lambda: conv1d(images_of(3, 2), images_of(1, 3, 5), padding=1), ValueError, "5 elements, .* its padding 4"),
        (lambda: conv2d(images_of(3, 9, 9), KERNELS, stride=0), ValueError, "stride as one number or two, 1 or more"),
        (lambda: conv2d(images_of(3, 9, 9), KERNELS, padding=(1, 1, 1)), ValueError, "padding as one number or two"),
        (lambda: conv2d(images_of(3, 9, 9), KERNELS, dilation=1.5), TypeError, "dilation as one or two whole numbers"),
        (lambda: conv2d(images_of(3, 9, 9), KERNELS, padding="full"), ValueError, "'same' or 'valid', but got 'full'"),
        (lambda: conv2d(images_of(3, 9, 9), KERNELS, None, 2, "same"), ValueError, r"with stride=\(2, 2\) it cannot"),
        (lambda: Conv2d(0, 1, 3), ValueError, "Conv2d needs at least 1 channel in"),
        (lambda: Conv1d(3, 4, 3, groups=2), ValueError, "Conv1d cannot divide 3 channels in and 4 out into groups=2"),
        (lambda: Conv2d(3, 4, 3, padding_mode="zero"), ValueError, "'circular', but got 'zero'"),
        (lambda: Conv2d(3, 4, 3, 2, "same"), ValueError, "keeps the size"),
        (lambda: Conv1d(3, 4, (3, 3)), ValueError, "kernel_size as one number, 1 or more"),
    ],
)  # fmt: skip
@pytest.mark.exercise("output_size")
def test_what_a_convolution_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.exercise("output_size")
def test_a_layer_begins_as_it_should():
    manual_seed(0)
    layer = Conv2d(8, 64, 5, groups=2)
    bound = 1 / np.sqrt(4 * 25)
    for p in layer.parameters():
        assert np.abs(p.data).max() <= bound
        assert p.data.std() == pytest.approx(bound / np.sqrt(3), rel=0.15)
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer.weight.shape == (64, 4, 5, 5)
    assert Conv1d(2, 3, 4, bias=False).bias is None
    assert repr(Conv1d(2, 3, 4, 2, 1, 2)) == (
        "Conv1d(2, 3, kernel_size=(4,), stride=(2,), padding=(1,), dilation=(2,))"
    )


@pytest.mark.exercise(*BACKWARD)
@pytest.mark.parametrize(("mode", "numpys"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_borders_made_of_the_image(mode, numpys):
    layer, x = Conv2d(2, 3, 3, padding=(2, 1), padding_mode=mode), leaf(2, 2, 5, 4)
    layer.weight.data, layer.bias.data = layer.weight.data.astype(float), layer.bias.data.astype(float)
    wide = np.pad(x.data, ((0, 0), (0, 0), (2, 2), (1, 1)), mode=numpys)
    out = layer(x)
    np.testing.assert_allclose(out.data, conv2d(from_numpy(wide), layer.weight, layer.bias).data)
    (out * out).sum().backward()
    difference = numerical_gradient(lambda x: (layer(x) ** 2).sum(), x)
    np.testing.assert_allclose(x.grad.data, difference, rtol=1e-5, atol=1e-5)
    narrow = Conv1d(1, 1, 3, padding=4, padding_mode="reflect")
    with pytest.raises(ValueError, match="over 3 elements it can be 2 wide, but padding is 4"):
        narrow(images_of(1, 3))


# Pools


@pytest.mark.exercise("max_pool")
def test_the_largest_of_windows():
    view = safe(normal(2, 3, 3, 2, 4, 5))
    np.testing.assert_array_equal(largest(view), view.max(axis=(2, 3)))
    view[0, 0, 1, 0, 2, 2] = np.nan
    assert np.isnan(largest(view)).sum() == 1


@pytest.mark.exercise(*MAXIMA, "max_pool_backward")
def test_the_first_of_equals_is_chosen():
    view = np.random.default_rng(0).integers(0, 3, (2, 3, 3, 2, 4, 5)).astype(float)
    out = view.max(axis=(2, 3))
    wanted = view.reshape(2, 3, 6, 4, 5).argmax(axis=2)
    np.testing.assert_array_equal(chosen(view, out), wanted)
    view[:, :, 0] = np.nan  # a border
    view[0, 0, 1:] = -np.inf
    inner = np.where(np.isnan(view), -np.inf, view).max(axis=(2, 3))
    assert (chosen(view, inner)[0, 0] == 2).all()


@pytest.mark.exercise(*MAXIMA, "max_pool_backward")
def test_max_pool_and_its_gradient():
    x = from_numpy(np.array([[[1.0, 3, 2, 0], [4, 2, 1, 1], [0, 0, 5, 6], [0, 0, 7, 5]]])).requires_grad_()
    out = max_pool2d(x, 2)
    assert out.tolist() == [[[4, 2], [0, 7]]]
    out.backward(from_numpy(np.array([[[10.0, 20], [30, 40]]])))
    assert x.grad.tolist() == [[[0, 0, 20, 0], [10, 0, 0, 0], [30, 0, 0, 0], [0, 0, 40, 0]]]
    values, where = max_pool2d(x, 3, 1, return_indices=True)
    assert values.tolist() == [[[5, 6], [7, 7]]]
    assert where.tolist() == [[[10, 11], [14, 14]]]


@pytest.mark.exercise(*MAXIMA, "max_pool_backward")
@pytest.mark.parametrize(
    "options", [{}, {"stride": 1}, {"padding": 1}, {"dilation": 2}, {"ceil_mode": True, "padding": 1, "stride": 2}]
)
def test_max_pool_has_the_gradient_of_differences(options):
    x = from_numpy(np.random.default_rng(0).permutation(168).reshape(2, 2, 6, 7) / 9).requires_grad_()
    (max_pool2d(x, 3, **options) ** 2).sum().backward()
    difference = numerical_gradient(lambda x: (max_pool2d(x, 3, **options) ** 2).sum(), x)
    np.testing.assert_allclose(x.grad.data, difference, rtol=1e-5, atol=1e-4)


@pytest.mark.exercise(*MAXIMA, "max_pool_backward")
def test_pools_of_strange_values():
    x = from_numpy(np.array([[-np.inf, -np.inf, np.nan, 1.0]])).requires_grad_()
    out = max_pool1d(x, 2)
    assert out.data[0, 0] == -np.inf
    assert np.isnan(out.data[0, 1])
    out.backward(from_numpy(np.array([[np.inf, 2.0]])))
    assert x.grad.tolist() == [[np.inf, 0, 2, 0]]


@pytest.mark.exercise("avg_pool")
@given(
    size=st.integers(1, 12), kernel=st.integers(1, 4), stride=st.integers(1, 4), padding=st.integers(0, 2),
    include=st.booleans(), places=st.integers(1, 5),
)  # fmt: skip
@some_examples
def test_window_lengths_count_elements(size, kernel, stride, padding, include, places):
    places = min(places, (size + padding - 1) // stride + 1)  # every window begins in the image or before it
    counted = padding if include else 0
    wanted = [sum(-counted <= i * stride - padding + k < size + counted for k in range(kernel)) for i in range(places)]
    found = window_lengths(size, places, kernel, stride, padding, counted)
    if min(wanted) > 0:
        assert found.tolist() == wanted


@pytest.mark.exercise("avg_pool")
@pytest.mark.parametrize(
    ("arguments", "lengths"),
    [((5, 3, 3, 2, 1, 0), [2, 3, 2]), ((5, 3, 3, 2, 1, 1), [3, 3, 3]), ((6, 4, 3, 2, 1, 1), [3, 3, 3, 2])],
)
def test_window_lengths(arguments, lengths):
    assert window_lengths(*arguments).tolist() == lengths


@pytest.mark.exercise(*AVERAGES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 1},
        {"padding": 1},
        {"padding": 1, "count_include_pad": False, "ceil_mode": True},
        {"divisor_override": 5},
    ],
)
def test_average_pool_and_its_gradient(options):
    x = leaf(2, 2, 6, 7)
    ones = from_numpy(np.ones((1, 1, 6, 7)))
    out = avg_pool2d(x, 3, **options)
    if not options:
        np.testing.assert_allclose(out.data[..., 0, 0], x.data[..., :3, :3].mean(axis=(2, 3)))
    if options.get("count_include_pad") is False:
        np.testing.assert_allclose(avg_pool2d(ones, 3, **options).data, 1)
    (out**2).sum().backward()
    difference = numerical_gradient(lambda x: (avg_pool2d(x, 3, **options) ** 2).sum(), x)
    np.testing.assert_allclose(x.grad.data, difference, rtol=1e-5, atol=1e-5)


@pytest.mark.exercise("adaptive_windows")
@given(size=st.integers(1, 30), places=st.integers(1, 12))
@some_examples
def test_adaptive_windows_are_even_and_leave_none_out(size, places):
    cuts = adaptive_windows(size, places)
    assert len(cuts) == places
    assert (cuts[0].start, cuts[-1].stop) == (0, size)
    for i, cut in enumerate(cuts):
        assert cut.start == int(np.floor(i * size / places))
        assert cut.stop == int(np.ceil(np.float64((i + 1) * size) / places))


@pytest.mark.exercise("adaptive_windows")
def test_adaptive_pools():
    x = leaf(2, 2, 5, 4)
    np.testing.assert_allclose(adaptive_avg_pool2d(x, 1).data[..., 0, 0], x.data.mean(axis=(2, 3)))
    np.testing.assert_allclose(adaptive_avg_pool2d(x, (None, 2)).data[..., 1], x.data[..., 2:].mean(axis=3))
    np.testing.assert_allclose(adaptive_max_pool2d(x, 1).data[..., 0, 0], x.data.max(axis=(2, 3)))
    assert adaptive_max_pool1d(x[0, 0], 3).shape == (5, 3)
    assert adaptive_avg_pool1d(x[0], 3).shape == (2, 5, 3)
    values, where = adaptive_max_pool2d(x, (2, 3), return_indices=True)
    np.testing.assert_array_equal(x.data.reshape(2, 2, -1)[0, 1][where.data[0, 1]], values.data[0, 1])
    for pool in (adaptive_avg_pool2d, adaptive_max_pool2d):
        x.grad = None
        (pool(x, (3, 2)) ** 2).sum().backward()
        difference = numerical_gradient(lambda x, pool=pool: (pool(x, (3, 2)) ** 2).sum(), x)
        np.testing.assert_allclose(x.grad.data, difference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: max_pool2d(images_of(1, 4, 4), 2, padding=2), "max_pool2d.. takes a padding of at most half a window"),
        (lambda: max_pool2d(images_of(1, 1, 4), 2), "2 by 2 elements, but the input has 1 by 4"),
        (lambda: avg_pool2d(images_of(1, 4, 4), 2, divisor_override=0), "must not be 0"),
        (lambda: avg_pool1d(images_of(4), 2), r"\(N, C, L\) or \(C, L\), but got \(4,\)"),
        (lambda: adaptive_avg_pool2d(images_of(1, 4, 4), 0), "output_size as one number or two, 1 or more"),
        (lambda: adaptive_avg_pool2d(images_of(1, 0, 4), 2), "without elements"),
    ],
)
@pytest.mark.exercise("output_size")
def test_what_a_pool_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.exercise(*MAXIMA, "avg_pool", "adaptive_windows")
def test_pools_as_layers():
    x = from_numpy(normal(2, 3, 7, 7))
    assert np.array_equal(MaxPool2d(2, ceil_mode=True)(x).data, max_pool2d(x, 2, ceil_mode=True).data)
    assert np.array_equal(AvgPool2d(3, 2, 1)(x).data, avg_pool2d(x, 3, 2, 1).data)
    assert np.array_equal(AdaptiveAvgPool2d((2, 3))(x).data, adaptive_avg_pool2d(x, (2, 3)).data)
    line = from_numpy(normal(3, 9))
    assert np.array_equal(MaxPool1d(2)(line).data, max_pool1d(line, 2).data)
    assert np.array_equal(AvgPool1d(2, 3)(line).data, avg_pool1d(line, 2, 3).data)
    assert repr(MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"
    assert repr(AvgPool1d(2)) == "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"


# Batch norm


@pytest.mark.exercise("batch_statistics")
def test_statistics_of_channels():
    x = normal(4, 3, 5) * 2 + 7
    mean, var = batch_statistics(x)
    assert mean.shape == var.shape == (1, 3, 1)
    for c in range(3):
        values = x[:, c].ravel()
        assert mean[0, c, 0] == pytest.approx(sum(values) / 20)
        assert var[0, c, 0] == pytest.approx(sum((v - sum(values) / 20) ** 2 for v in values) / 20)


@pytest.mark.exercise("batch_statistics")
def test_a_small_variance_beside_a_large_mean():
    x = (1e4 + np.array([[[-0.125, 0.125]]])).astype(np.float32)
    assert batch_statistics(x)[1].item() == pytest.approx(1 / 64)


@pytest.mark.exercise("running_statistics")
def test_running_statistics_move_in_place():
    mean, var = np.array([1.0, -1.0]), np.array([1.0, 2.0])
    move_running(mean, var, np.array([11.0, -1.0]), np.array([4.0, 8.0]), 5, 0.1)
    np.testing.assert_allclose(mean, [2.0, -1.0])
    np.testing.assert_allclose(var, [0.9 + 0.1 * 5, 1.8 + 0.1 * 10])


@pytest.mark.exercise("batch_statistics", "running_statistics")
def test_batch_norm_by_hand():
    layer, x = BatchNorm1d(2, eps=0.0), Tensor([[1.0, 10.0], [3.0, 30.0]])
    layer.weight.data[...], layer.bias.data[...] = [2.0, 1.0], [0.0, 5.0]
    assert layer(x).tolist() == [[-2.0, 4.0], [2.0, 6.0]]
    np.testing.assert_allclose(layer.running_mean.data, [0.2, 2.0], rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.data, [0.9 + 0.2, 0.9 + 20], rtol=1e-6)
    assert int(layer.num_batches_tracked) == 1
    layer.eval()
    kept = layer.running_mean.data.copy()
    wanted = (x.data - kept) / np.sqrt(layer.running_var.data) * [2, 1] + [0, 5]
    np.testing.assert_allclose(layer(x).data, wanted, rtol=1e-5)
    assert np.array_equal(layer.running_mean.data, kept)


@pytest.mark.exercise("batch_statistics", "running_statistics")
def test_without_momentum_all_batches_count_the_same():
    layer = BatchNorm2d(2, momentum=None)
    batches = [normal(3, 2, 4, 4, seed=seed) + seed for seed in range(4)]
    for batch in batches:
        layer(Tensor(batch))
    np.testing.assert_allclose(
        layer.running_mean.data, np.mean([b.mean(axis=(0, 2, 3)) for b in batches], 0), rtol=1e-4
    )
    unbiased = [b.var(axis=(0, 2, 3), ddof=1) for b in batches]
    np.testing.assert_allclose(layer.running_var.data, np.mean(unbiased, 0), rtol=1e-4)
    layer.reset_running_stats()
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0, 0], [1, 1])
    assert int(layer.num_batches_tracked) == 0


@pytest.mark.exercise("batch_statistics", "running_statistics")
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_has_the_gradient_of_differences(training):
    x, weight, bias = leaf(3, 2, 2, 3), leaf(2, seed=1), leaf(2, seed=2)

    def loss(x, weight, bias):
        layer = BatchNorm2d(2).train(training)
        layer.weight, layer.bias = weight, bias
        return (layer(x) ** 3).sum()

    inputs = [x, weight, bias]
    loss(*inputs).backward()
    for i, t in enumerate(inputs):
        difference = numerical_gradient(lambda v, i=i: loss(*inputs[:i], v, *inputs[i + 1 :]), t)
        np.testing.assert_allclose(t.grad.data, difference, rtol=1e-4, atol=1e-5)


@pytest.mark.exercise("batch_statistics", "running_statistics")
def test_batch_norm_without_some_of_its_parts():
    x = Tensor(normal(4, 3, 5) * 3 + 2)
    plain = BatchNorm1d(3, affine=False, track_running_stats=False)
    assert list(plain.state_dict()) == []
    np.testing.assert_array_equal(plain(x).data, plain.eval()(x).data)  # its own statistics in evaluation, too
    np.testing.assert_allclose(plain(x).data.mean(axis=(0, 2)), 0, atol=1e-6)
    assert BatchNorm2d(3, bias=False).bias is None
    assert BatchNorm2d(3)(images_of(0, 3, 2, 2)).shape == (0, 3, 2, 2)
    half = BatchNorm1d(3)(from_numpy(x.data.astype(np.float16)))
    assert half.dtype == np.float16


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: BatchNorm2d(0), ValueError, "BatchNorm2d needs at least 1 channel"),
        (lambda: BatchNorm2d(3)(images_of(3, 4, 4)), ValueError, r"takes an input of shape \(N, C, H, W\), but got"),
        (lambda: BatchNorm1d(3)(images_of(2, 3, 4, 4)), ValueError, r"\(N, C\) or \(N, C, L\), but got"),
        (lambda: BatchNorm2d(3)(images_of(2, 4, 4, 3)), ValueError, "got 4 channels.* The channels seem to stand last"),
        (lambda: BatchNorm2d(3)(images_of(1, 3, 1, 1)), ValueError, "more than one value a channel"),
        (lambda: BatchNorm1d(3)(images_of(2, 3).long()), TypeError, "takes floats, but got int64"),
        (lambda: BatchNorm1d(3)([1.0]), TypeError, "takes a tensor, but got list"),
    ],
)
def test_what_batch_norm_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


# All together


@pytest.mark.exercise(*BACKWARD, "max_pool", "max_pool_backward", "batch_statistics", "running_statistics")
def test_a_network_reads_real_digits():
    manual_seed(0)
    images, labels = digits()
    net = Sequential(
        Conv2d(1, 8, 3, padding=1), BatchNorm2d(8), ReLU(), MaxPool2d(2),
        Conv2d(8, 16, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(64, 10),
    )  # fmt: skip
    optimizer, loss_of, order = Adam(net.parameters(), lr=5e-3), CrossEntropyLoss(), np.random.default_rng(0)
    for _ in range(60):
        some = order.integers(0, 1400, 64)
        optimizer.zero_grad()
        loss_of(net(images[some].reshape(64, 1, 8, 8)), labels[some]).backward()
        optimizer.step()
    net.eval()
    with no_grad():
        guesses = net(images[1400:].reshape(-1, 1, 8, 8)).data.argmax(axis=1)
    assert (guesses == labels.data[1400:]).mean() > 0.8


@pytest.mark.exercise(*FORWARD, "max_pool", "avg_pool", "adaptive_windows")
def test_examples_in_docstrings():
    assert doctest.testmod(spatial).failed == 0
