"""Transforms of images: values worked by hand, chances, and shapes that do not fit."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import tinytorch
from tinytorch import transforms
from tinytorch.core.tensor import Tensor, from_numpy, manual_seed
from tinytorch.transforms import (
    Compose,
    Lambda,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    ToTensor,
)


def test_bytes_become_a_tensor_from_0_to_1():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    t = ToTensor()(image)
    assert (t.shape, t.dtype, t.data.flags.c_contiguous) == ((3, 2, 4), np.float32, True)
    assert t.data[2, 1, 3] == np.float32(image[1, 3, 2]) / np.float32(255)
    assert ToTensor()(np.zeros((5, 6), np.uint8)).shape == (1, 5, 6)


def test_other_numbers_keep_their_type():
    for dtype in (np.float64, np.int32, np.bool_):
        array = np.ones((2, 3), dtype)
        t = ToTensor()(array)
        assert (t.dtype, t.shape) == (np.dtype(dtype), (1, 2, 3))
        t.data[...] = 0
        assert array.all()


def test_what_is_no_image():
    for image in (np.zeros(3), np.zeros((1, 2, 3, 4)), np.array([["a"]])):
        with pytest.raises(ValueError, match=r"takes an image of shape \(H, W\) or \(H, W, C\), but got"):
            ToTensor()(image)
    with pytest.raises(TypeError, match="it has been called already"):
        ToTensor()(Tensor([[1.0]]))
    for transform in (Normalize(0, 1), RandomHorizontalFlip(), RandomCrop(1), RandomRotation(5)):
        with pytest.raises(ValueError, match=r"images of shape \(..., height, width\), but got shape \(3,\)"):
            transform(Tensor([1, 2, 3]))
        with pytest.raises(TypeError, match="takes a tensor or an array, but got list"):
            transform([[1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mean_and_a_deviation_for_each_channel(dtype):
    image = from_numpy(np.ones((2, 3, 3, 4), dtype))  # a batch is welcome
    out = Normalize([1.0, 0.5, 0.0], [1.0, 0.25, 2.0])(image)
    assert out.dtype == dtype
    assert [out.data[1, c].min() for c in range(3)] == [0.0, 2.0, 0.5]
    assert Normalize(0.5, 0.5)(image).data.max() == 1.0
    assert image.data.min() == 1.0


def test_means_that_do_not_fit():
    with pytest.raises(ValueError, match=r"mean has 2 values, but the image has shape \(3, 4, 4\)"):
        Normalize([0, 0], [1, 1])(Tensor(np.zeros((3, 4, 4))))
    with pytest.raises(ValueError, match="each std must be above 0"):
        Normalize([0.5], [0.0])
    with pytest.raises(TypeError, match=r"needs floats, but the image holds uint8. Put ToTensor\(\) before it"):
        Normalize(0, 1)(np.zeros((1, 2, 2), np.uint8))


def test_a_mirror():
    image = np.array([[1, 2, 3], [4, 5, 6]])
    assert RandomHorizontalFlip(1.0)(image).tolist() == [[3, 2, 1], [6, 5, 4]]
    assert RandomHorizontalFlip(0.0)(image) is image
    manual_seed(0)
    flip = RandomHorizontalFlip(0.3)
    assert sum(flip(image)[0, 0] == 3 for _ in range(2000)) == pytest.approx(600, abs=80)
    with pytest.raises(ValueError, match="p is a probability"):
        RandomHorizontalFlip(1.5)


def test_pieces_are_cut_at_every_place():
    image = Tensor(np.arange(20.0).reshape(4, 5))
    manual_seed(0)
    crop = RandomCrop((3, 2))
    pieces = [crop(image) for _ in range(300)]
    assert all(
        piece.shape == (3, 2) and (np.diff(piece.data) == 1).all() and (np.diff(piece.data, axis=0) == 5).all()
        for piece in pieces
    )
    assert {piece.data[0, 0] for piece in pieces} == {5 * y + x for y in range(2) for x in range(4)}
    pieces[0].data[...] = -1
    assert image.data.min() == 0


def test_padding_is_filled():
    image = np.full((2, 3, 3), 5, np.uint8)
    manual_seed(1)
    pieces = [RandomCrop(3, padding=2, fill=9)(image) for _ in range(100)]
    assert {piece.shape for piece in pieces} == {(2, 3, 3)}
    assert {int((piece[0] == 5).sum()) for piece in pieces} == {1, 2, 3, 4, 6, 9}
    assert set(np.unique(pieces)) == {5, 9}
    with pytest.raises(ValueError, match=r"a piece of 4 x 4 does not fit into an image of shape \(2, 3, 3\)"):
        RandomCrop(4)(image)
    for size, padding in ((0, 0), (2, -1)):
        with pytest.raises(ValueError, match="size must be above 0 and padding 0 or more"):
            RandomCrop(size, padding)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("quarter", range(-3, 4))
def test_quarter_turns_are_those_of_numpy(quarter, interpolation):
    image = np.random.default_rng(0).random((2, 6, 6))
    turned = RandomRotation((90 * quarter, 90 * quarter), interpolation)(Tensor(image, dtype=np.float64))
    assert turned.data == pytest.approx(np.rot90(image, quarter, axes=(1, 2)), abs=1e-12)


def test_a_small_turn_of_a_slope():
    """A linear picture stays linear: bilinear values are exact away from the border."""
    y, x = np.indices((21, 21)) - 10.0
    angle = np.radians(17)
    turned = RandomRotation((17, 17), "bilinear")(3 * x + y)
    exact = 3 * (np.cos(angle) * x - np.sin(angle) * y) + np.sin(angle) * x + np.cos(angle) * y
    assert turned[5:16, 5:16] == pytest.approx(exact[5:16, 5:16], abs=1e-9)


def test_turns_are_drawn_and_filled():
    image = np.full((9, 9), 100, np.uint8)
    manual_seed(0)
    rotation = RandomRotation(45, "bilinear", fill=7)
    turned = [rotation(image) for _ in range(5)]
    assert len({array.tobytes() for array in turned}) == 5
    assert all(array.dtype == np.uint8 and array[4, 4] == 100 and array.min() >= 7 for array in turned)
    assert any(array[0, 0] == 7 for array in turned)
    with pytest.raises(ValueError, match="degrees must be 0 or more, or from low to high"):
        RandomRotation(-5)
    with pytest.raises(ValueError, match="'nearest' or 'bilinear', but got 'cubic'"):
        RandomRotation(5, "cubic")


def test_one_after_the_other():
    transform = Compose([ToTensor(), RandomHorizontalFlip(1.0), Normalize(0.5, 0.5), Lambda(lambda t: t * 10)])
    assert transform(np.array([[0, 255]], np.uint8)).tolist() == [[[10.0, -10.0]]]
    assert repr(transform).splitlines()[1:3] == ["    ToTensor()", "    RandomHorizontalFlip(p=1.0)"]
    with pytest.raises(TypeError, match="Lambda takes a function, but got int"):
        Lambda(5)


def test_the_package_has_them_and_their_examples_run():
    assert tinytorch.transforms is transforms
    results = doctest.testmod(transforms)
    assert (results.attempted > 0, results.failed) == (True, 0)
