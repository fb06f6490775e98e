"""PyTorch's spelling of what the lessons export: `tinytorch`, `tinytorch.nn`, `tinytorch.nn.functional`, data sets."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.datasets import digits
from tinytorch.nn import functional


def leaf(data: object) -> Tensor:
    return Tensor(data, requires_grad=True, dtype=np.float64)


@pytest.mark.parametrize("name", ["ReLU", "Sigmoid", "Tanh", "GELU", "Softmax", "LogSoftmax"])
def test_activations_are_modules_with_a_gradient(name):
    layer = getattr(nn, name)()
    assert isinstance(layer, nn.Module)
    assert list(layer.parameters()) == []
    assert layer.train().training
    assert not layer.eval().training
    x = leaf([[0.5, -1.0, 2.0]])
    (layer(x) * Tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert np.abs(x.grad.data).max() > 0


def test_a_sequential_of_nn_modules_lists_them_all():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert [type(child).__name__ for child in model.children()] == ["Linear", "ReLU", "Linear"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("function", "layer"),
    [
        (functional.relu, nn.ReLU()),
        (functional.sigmoid, nn.Sigmoid()),
        (functional.tanh, nn.Tanh()),
        (functional.gelu, nn.GELU()),
        (lambda x: functional.gelu(x, approximate="tanh"), nn.GELU(approximate="tanh")),
        (lambda x: functional.softmax(x, dim=0), nn.Softmax(dim=0)),
        (lambda x: functional.log_softmax(x, dim=0), nn.LogSoftmax(dim=0)),
        (lambda x: functional.dropout(x, training=False), nn.Dropout().eval()),
    ],
)
def test_functions_compute_what_their_layers_compute_and_keep_the_gradient(function, layer):
    a, b = leaf([[0.5, -1.0], [2.0, 0.25]]), leaf([[0.5, -1.0], [2.0, 0.25]])
    assert_allclose(function(a).data, layer(b).data)
    (function(a) ** 2).sum().backward()
    (layer(b) ** 2).sum().backward()
    assert_allclose(a.grad.data, b.grad.data)


def test_linear_multiplies_by_the_transposed_weight():
    x, weight, bias = leaf([[1.0, 2.0]]), leaf([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), leaf([0.0, 0.0, 10.0])
    assert functional.linear(x, weight, bias).tolist() == [[1.0, 2.0, 13.0]]
    assert functional.linear(x, weight).tolist() == [[1.0, 2.0, 3.0]]
    functional.linear(x, weight, bias).sum().backward()
    assert weight.grad.tolist() == [[1.0, 2.0]] * 3
    assert bias.grad.tolist() == [1.0] * 3


def test_dropout_drops_while_training():
    tinytorch.manual_seed(0)
    kept = functional.dropout(tinytorch.ones(10_000), p=0.25, training=True)
    assert set(np.unique(kept.data)) == {np.float32(0), np.float32(1 / 0.75)}
    assert kept.mean().item() == pytest.approx(1.0, abs=0.05)


def test_loss_functions_take_the_options_of_their_classes():
    logits, labels = leaf([[2.0, 0.0], [0.0, 1.0]]), tinytorch.tensor([0, -1])
    loss = functional.cross_entropy(logits, labels, ignore_index=-1, reduction="sum", label_smoothing=0.5)
    # 0.75 and 0.25 of the two log-probabilities of the one row that counts
    p = np.log(1 + np.exp(-2.0))
    assert loss.item() == pytest.approx(0.75 * p + 0.25 * (p + 2))
    weighted = functional.cross_entropy(
        logits, tinytorch.tensor([0, 1]), tinytorch.tensor([3.0, 1.0]), reduction="none"
    )
    assert weighted.tolist() == pytest.approx([3 * p, np.log(1 + np.exp(-1.0))])
    assert functional.mse_loss(leaf([1.0, 3.0]), Tensor([0.0, 0.0]), reduction="sum").item() == 10.0
    half = functional.binary_cross_entropy(leaf([0.5]), Tensor([1.0]))
    assert half.item() == pytest.approx(np.log(2))
    doubled = functional.binary_cross_entropy_with_logits(leaf([0.0]), Tensor([1.0]), pos_weight=Tensor([2.0]))
    assert doubled.item() == pytest.approx(2 * np.log(2))


def test_dtypes_have_pytorchs_names():
    assert tinytorch.ones(2, dtype=tinytorch.float64).dtype == tinytorch.float64
    assert tinytorch.tensor([1]).dtype == tinytorch.int64
    assert tinytorch.tensor([1.0]).dtype == tinytorch.float32


def test_digits_are_the_uci_test_set():
    images, labels = digits()
    assert (images.shape, images.dtype) == ((1797, 8, 8), np.float32)
    assert (labels.shape, labels.dtype) == ((1797,), np.int64)
    assert (images.data.min(), images.data.max()) == (0.0, 1.0)
    # How often each digit occurs is part of the data set's published description.
    assert np.bincount(labels.data).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert "CC BY 4.0" in (Path(tinytorch.datasets.__file__).parent / "digits.txt").read_text(encoding="utf-8")


def test_the_examples_in_the_docstrings_run():
    results = doctest.testmod(tinytorch.datasets)
    assert results.attempted > 0
    assert results.failed == 0
