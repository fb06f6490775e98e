"""The floor: each step written by hand in NumPy, forward and backward, without any engine.

In float64 it is also what every engine's numbers are compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Array, Arrays, Case
from benchmarks.engines import by_hand
from benchmarks.engines.engine import Engine, Step, first_answers, read_loss
from benchmarks.engines.updates import array_optimizer
from benchmarks.workloads.chain import FACTOR, LENGTH
from benchmarks.workloads.ladder import RUNGS
from benchmarks.workloads.transformer import HEADS

Made = tuple[Any, list[Array]]


def scores(parameters: tuple[Array, ...], x: Array) -> tuple[Array, Array, Array]:
    """Return both hidden layers and the output of an MLP."""
    w1, b1, w2, b2, w3, b3 = parameters
    hidden1 = x @ w1.T
    hidden1 += b1
    np.maximum(hidden1, 0, out=hidden1)
    hidden2 = hidden1 @ w2.T
    hidden2 += b2
    np.maximum(hidden2, 0, out=hidden2)
    output = hidden2 @ w3.T
    output += b3
    return hidden1, hidden2, output


def score_gradients(
    parameters: tuple[Array, ...], x: Array, hidden1: Array, hidden2: Array, grad: Array
) -> list[Array]:
    """Return the gradients of an MLP's parameters."""
    w1, _, w2, _, w3, _ = parameters
    grad_hidden2, grad_w3, grad_b3 = by_hand.linear_backward(grad, hidden2, w3)
    grad_hidden2 *= hidden2 > 0
    grad_hidden1, grad_w2, grad_b2 = by_hand.linear_backward(grad_hidden2, hidden1, w2)
    grad_hidden1 *= hidden1 > 0
    _, grad_w1, grad_b1 = by_hand.linear_backward(grad_hidden1, x, w1, need_x=False)
    return [grad_w1, grad_b1, grad_w2, grad_b2, grad_w3, grad_b3]


def classifier(arrays: Arrays) -> Made:
    """Return the loss and the gradients of the classifier."""
    x, labels = arrays.data
    hidden1, hidden2, output = scores(arrays.parameters, x)
    loss, grad = by_hand.cross_entropy(output, labels)
    return loss, score_gradients(arrays.parameters, x, hidden1, hidden2, grad)


def regressor(arrays: Arrays) -> Made:
    """Return the loss and the gradients of the regressor."""
    x, targets = arrays.data
    hidden1, hidden2, output = scores(arrays.parameters, x)
    loss, grad = by_hand.mse_loss(output, targets)
    return loss, score_gradients(arrays.parameters, x, hidden1, hidden2, grad)


def product_and_sum(arrays: Arrays) -> Made:
    """Return ``x * y + z`` and the gradients."""
    x, y, z = arrays.parameters
    grad = arrays.grad_output
    assert grad is not None
    return x * y + z, [grad * y, grad * x, grad]


def gelu(arrays: Arrays) -> Made:
    """Return the GELU and its gradient."""
    y, slope = by_hand.gelu(arrays.parameters[0])
    slope *= arrays.grad_output
    return y, [slope]


def softmax(arrays: Arrays) -> Made:
    """Return the softmax and its gradient."""
    assert arrays.grad_output is not None
    y = by_hand.softmax(arrays.parameters[0])
    return y, [by_hand.softmax_backward(arrays.grad_output, y)]


def layer_norm(arrays: Arrays) -> Made:
    """Return the layer norm and its gradients."""
    assert arrays.grad_output is not None
    x, scale, shift = arrays.parameters
    y, mean, rate = by_hand.layer_norm(x, scale, shift)
    return y, list(by_hand.layer_norm_backward(arrays.grad_output, x, scale, mean, rate))


def cross_entropy(arrays: Arrays) -> Made:
    """Return the cross-entropy and its gradient."""
    loss, grad = by_hand.cross_entropy(arrays.parameters[0], arrays.data[0])
    return loss, [grad]


def heads_of(x: Array, batch: int) -> Array:
    """Split the channels. Shapes: ``(B * T, C) -> (B, heads, T, C / heads)``, a view."""
    return x.reshape(batch, -1, HEADS, x.shape[-1] // HEADS).swapaxes(1, 2)


def rows_of(x: Array) -> Array:
    """Join the channels. Shapes: ``(B, heads, T, C / heads) -> (B * T, C)``."""
    return x.swapaxes(1, 2).reshape(-1, x.shape[1] * x.shape[3])


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``x @ weight.T + bias``."""
    y: Array = x @ weight.T
    y += bias
    return y


def transformer_block(arrays: Arrays) -> Made:
    """Return the loss and the gradients of the block."""
    scale1, shift1, wq, bq, wk, bk, wv, bv, wo, bo, scale2, shift2, w1, b1, w2, b2 = arrays.parameters
    x, targets = arrays.data
    batch, x, targets = len(x), x.reshape(-1, x.shape[-1]), targets.reshape(-1, x.shape[-1])

    normal1, mean1, rate1 = by_hand.layer_norm(x, scale1, shift1)
    q, k, v = (heads_of(affine(normal1, w, b), batch) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    heads, weights = by_hand.attention(q, k, v)
    seen = rows_of(heads)
    middle = affine(seen, wo, bo)
    middle += x
    normal2, mean2, rate2 = by_hand.layer_norm(middle, scale2, shift2)
    hidden, slope = by_hand.gelu(affine(normal2, w1, b1))
    output = affine(hidden, w2, b2)
    output += middle
    loss, grad = by_hand.mse_loss(output, targets)

    grad_hidden, grad_w2, grad_b2 = by_hand.linear_backward(grad, hidden, w2)
    grad_hidden *= slope
    grad_normal2, grad_w1, grad_b1 = by_hand.linear_backward(grad_hidden, normal2, w1)
    grad_middle, grad_scale2, grad_shift2 = by_hand.layer_norm_backward(grad_normal2, middle, scale2, mean2, rate2)
    grad_middle += grad
    grad_seen, grad_wo, grad_bo = by_hand.linear_backward(grad_middle, seen, wo)
    grads = by_hand.attention_backward(heads_of(grad_seen, batch), q, k, v, weights)
    grad_q, grad_k, grad_v = map(rows_of, grads)
    grad_normal1, grad_wq, grad_bq = by_hand.linear_backward(grad_q, normal1, wq)
    for_k, grad_wk, grad_bk = by_hand.linear_backward(grad_k, normal1, wk)
    for_v, grad_wv, grad_bv = by_hand.linear_backward(grad_v, normal1, wv)
    grad_normal1 += for_k
    grad_normal1 += for_v
    _, grad_scale1, grad_shift1 = by_hand.layer_norm_backward(grad_normal1, x, scale1, mean1, rate1)

    attending = [grad_wq, grad_bq, grad_wk, grad_bk, grad_wv, grad_bv, grad_wo, grad_bo]
    mlp = [grad_w1, grad_b1, grad_w2, grad_b2]
    return loss, [grad_scale1, grad_shift1, *attending, grad_scale2, grad_shift2, *mlp]


def chain_forward(arrays: Arrays) -> Array:
    """Return x, multiplied again and again."""
    y = arrays.parameters[0]
    for _ in range(LENGTH):
        y = y * FACTOR
    return y


def chain_backward(arrays: Arrays) -> list[Array]:
    """Return the gradient of the chain."""
    grad = np.ones_like(arrays.parameters[0])
    for _ in range(LENGTH):
        grad = grad * FACTOR
    return [grad]


def ladder_backward(arrays: Arrays) -> list[Array]:
    """Return the gradient of the ladder."""
    grad = np.ones_like(arrays.parameters[0])
    for _ in range(RUNGS):
        left, right = grad * 0.5, grad * 0.5
        grad = left + right
    return [grad]


WITH_GRADIENTS: dict[str, Callable[[Arrays], Made]] = {
    function.__name__: function
    for function in (
        classifier, regressor, product_and_sum, gelu, softmax, layer_norm, cross_entropy, transformer_block,
    )
}  # fmt: skip
BACKWARD: dict[str, Callable[[Arrays], list[Array]]] = {"chain": chain_backward, "ladder": ladder_backward}


def read_all(arrays: Any) -> list[Array]:
    """Return plain copies of what was computed."""
    return [np.array(array) for array in arrays]


class Floor(Engine):
    """NumPy by hand."""

    def __init__(self, dtype: npt.DTypeLike = np.float32) -> None:
        self.dtype = dtype

    def versions(self) -> dict[str, str]:
        """Return the versions of NumPy and of its BLAS."""
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"numpy": np.__version__, "numpy's BLAS": f"{blas['name']} {blas['version']}"}

    def step(self, case: Case) -> Step:
        """Return the step of a case."""
        arrays = case.arrays(self.dtype)
        if case.kind == "train":
            return self.train(case, arrays)
        if case.kind == "gradient":
            function = WITH_GRADIENTS[case.mathematics]

            def run(_: None) -> list[Any]:
                output, grads = function(arrays)
                return [output, *grads]

            return Step(run, read_all)
        if case.kind == "backward":
            back = BACKWARD[case.mathematics]
            return Step(lambda _: back(arrays), read_all)
        # Without an engine there is nothing to record: a forward, or a graph, is its arithmetic.
        return Step(lambda _: case.function(None, arrays.parameters, arrays.data), lambda output: read_all([output]))

    def train(self, case: Case, arrays: Arrays) -> Step:
        """Return forward, backward and update."""
        assert case.optimizer is not None
        function, update = WITH_GRADIENTS[case.mathematics], array_optimizer(arrays.parameters, case.optimizer)

        def run(_: None) -> float:
            loss, grads = function(arrays)
            update(grads)
            return float(loss)

        return Step(run, read_loss)


def reference(case: Case) -> list[Array]:
    """Return what an engine has to answer, in float64."""
    return first_answers(Floor(np.float64).step(case), case)


ENGINE = Floor()
