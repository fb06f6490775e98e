"""What the programs are made of: their claims over many seeds, and the pictures in characters."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinytorch

from .conftest import runnable

Functions = Callable[[str], dict[str, Any]]
Import = Callable[[str], ModuleType]


@pytest.mark.parametrize("seed", range(8))
def test_rosenblatts_rule_ends_within_the_bound_of_the_theorem(functions: Functions, seed: int) -> None:
    program = functions("1957_perceptron")
    points, labels, line = program["two_classes"](np.random.default_rng(seed))
    assert points.shape == (120, 2)
    assert program["margin"](line, points, labels) > program["GAP"] - 1e-6
    found, mistakes = program["rosenblatt"](points, labels, 500)
    assert program["accuracy"](found, points, labels) == 1
    assert mistakes[-1] == 0
    assert 0 < sum(mistakes) <= program["most_mistakes"](line, points, labels)


def test_rosenblatts_rule_by_hand(functions: Functions) -> None:
    """From (0, 0, 0): the first point is added, the second taken away, and then both are right."""
    points, labels = tinytorch.Tensor([[1.0, 0.0], [-1.0, 0.0]]), tinytorch.Tensor([1.0, 0.0])
    line, mistakes = functions("1957_perceptron")["rosenblatt"](points, labels, 10)
    assert line.tolist() == [2.0, 0.0, 0.0]
    assert mistakes == [2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_gradient_descent_keeps_the_larger_distance(functions: Functions, seed: int) -> None:
    program = functions("1957_perceptron")
    tinytorch.manual_seed(seed)
    points, labels, _ = program["two_classes"](np.random.default_rng(seed))
    ruled, _ = program["rosenblatt"](points, labels, 500)
    descended, losses = program["descend"](points, labels, 1000)
    assert losses[-1] < losses[0]
    assert program["margin"](descended, points, labels) > 2 * program["margin"](ruled, points, labels) > 0


def test_the_loss_of_one_layer_is_nowhere_below_that_of_a_coin(functions: Functions) -> None:
    program = functions("1969_xor")
    model = tinytorch.nn.Linear(2, 1)
    rng = np.random.default_rng(0)
    assert program["loss_at"](model, np.zeros(3)) == pytest.approx(log(2))
    assert min(program["loss_at"](model, 3 * rng.standard_normal(3)) for _ in range(200)) > log(2)


@pytest.mark.parametrize("seed", range(5))
def test_two_layers_learn_xor_from_any_beginning(functions: Functions, seed: int) -> None:
    program, nn = functions("1969_xor"), tinytorch.nn
    tinytorch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    losses, path = program["train"](model, program["STEPS"])
    assert program["accuracy"](model) == 1
    assert losses[-1] < 0.05
    plane, track = program["plane_of"](path)
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(track[[0, -1], 1], 0, atol=1e-5)
    ends = program["surface"](model, path[0], plane, track[[0, -1]][None])  # the plane goes through start and end
    np.testing.assert_allclose(ends[0], [losses[0], program["loss_of"](model).item()], atol=1e-5)


def test_a_map_has_its_points_where_they_are_and_its_axes_named(beside_programs: Import) -> None:
    characters = beside_programs("characters")
    points, labels = np.array([[-0.9, 0.9], [0.9, -0.9], [5.0, 5.0]]), np.array([0, 1, 1])
    block = characters.region_map(lambda grid: grid.sum(1), points, labels, "Sum", (-1.0, 1.0), width=9, height=3)
    assert block == [
        "   Sum",
        "   ┌─────────┐",
        " 1 │o?·······│",
        "x2 │    ?····│",
        "-1 │       ?x│",
        "   └─────────┘",
        "    -1  x1  1",
    ]


def test_a_surface_is_dark_where_it_is_high_and_shows_the_way(beside_programs: Import) -> None:
    characters = beside_programs("characters")
    heights = np.array([[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    way = np.array([[0.1, 0.1], [0.5, 0.1], [0.9, 0.1]])
    block = characters.shade_map(heights, "Loss", (0.0, 1.0), (0.0, 1.0), ("a", "b"), way)
    assert block[2:4] == ["1 │ +@│", "0 │SoE│"]
    flat = characters.shade_map(np.ones((2, 3)), "Flat", (0.0, 1.0), (0.0, 1.0), ("a", "b"))
    assert flat[2] == "1 │   │"


def test_blocks_stand_side_by_side_whatever_their_height(beside_programs: Import) -> None:
    characters = beside_programs("characters")
    assert characters.beside(["ab", "c"], ["d"], gap=2) == "ab  d\nc"


def test_small_images_are_two_characters_a_pixel(beside_programs: Import) -> None:
    characters = beside_programs("characters")
    assert characters.tile(np.array([[0.0, 1.0], [0.5, 0.0]]), "four") == ["  @@", "++  ", "four"]
    assert characters.signed_tile(np.array([[-2.0, -0.8], [0.0, 2.0], [0.8, 0.1]])) == ["::..", "  ##", "++  "]
    assert characters.signed_tile(np.zeros((1, 2))) == ["    "]


def test_counts_stand_in_columns_and_zeros_are_dots(beside_programs: Import) -> None:
    characters = beside_programs("characters")
    assert characters.count_table(np.array([[12, 0], [1, 7]]), "is", "read") == [
        "is (down), read (across)",
        "      0  1",
        "  0  12  ·",
        "  1   1  7",
    ]


def test_a_sparkline_runs_from_zero_to_the_largest_value(beside_programs: Import) -> None:
    characters = beside_programs("characters")
    assert characters.sparkline([8, 4, 1, 0]) == "█▅▂▁"
    assert characters.sparkline([0.0, 0.0]) == "▁▁"
    assert len(characters.sparkline(list(range(1000)), 25)) == 25


if any(milestone.name == "lenet" for milestone in runnable()):

    def test_moved_images_keep_their_pixels_and_get_paper(functions: Functions) -> None:
        program = functions("1998_lenet")
        image = tinytorch.arange(6).float().reshape(1, 1, 2, 3)
        data = program["TensorDataset"](image, tinytorch.tensor([7]))
        assert program["moved"](data, 1).tensors[0].tolist() == [[[[0, 0, 1], [0, 3, 4]]]]
        assert program["moved"](data, -2).tensors[0].tolist() == [[[[2, 0, 0], [5, 0, 0]]]]
        assert program["moved"](data, 0).tensors[0].tolist() == image.tolist()

    def test_lenet5_has_the_papers_layers(functions: Functions) -> None:
        program = functions("1998_lenet")
        model = program["lenet5"]()
        assert program["size"](model) == 61_706
        assert model(tinytorch.zeros(2, 1, 28, 28)).shape == (2, 10)
