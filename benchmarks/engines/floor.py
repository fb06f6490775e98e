"""The floor: each step written by hand in NumPy, forward and backward, without any engine.

In float64 it is also what every engine's numbers are compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Adam, Array, Arrays, Case, Sgd
from benchmarks.engines import by_hand
from benchmarks.engines.engine import Engine, Step, first_answers, read_loss
from benchmarks.engines.updates import array_optimizer
from benchmarks.workloads.chain import FACTOR, LENGTH
from benchmarks.workloads.ladder import RUNGS
from benchmarks.workloads.programs import BATCH, COMPARED, LR, NormalizedOneByOne
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
    return score_gradients_with_x(parameters, x, hidden1, hidden2, grad, need_x=False)[1:]


def score_gradients_with_x(
    parameters: tuple[Array, ...], x: Array, hidden1: Array, hidden2: Array, grad: Array, need_x: bool = True
) -> list[Any]:
    """Return the gradients at an MLP's input, None where it is not needed, and of its parameters."""
    w1, _, w2, _, w3, _ = parameters
    grad_hidden2, grad_w3, grad_b3 = by_hand.linear_backward(grad, hidden2, w3)
    grad_hidden2 *= hidden2 > 0
    grad_hidden1, grad_w2, grad_b2 = by_hand.linear_backward(grad_hidden2, hidden1, w2)
    grad_hidden1 *= hidden1 > 0
    grad_x, grad_w1, grad_b1 = by_hand.linear_backward(grad_hidden1, x, w1, need_x)
    return [grad_x, grad_w1, grad_b1, grad_w2, grad_b2, grad_w3, grad_b3]


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


def lenet(arrays: Arrays) -> Made:
    """Return the loss and the gradients of LeNet."""
    k1, b1, k2, b2, *dense = arrays.parameters
    images, labels = arrays.data
    first = np.maximum(by_hand.conv2d(images, k1, b1, 2), 0)
    small = by_hand.max_pool2d(first)
    second = np.maximum(by_hand.conv2d(small, k2, b2, 0), 0)
    smaller = by_hand.max_pool2d(second)
    x = smaller.reshape(len(images), -1)
    hidden1, hidden2, output = scores(tuple(dense), x)
    loss, grad = by_hand.cross_entropy(output, labels)
    grad_x, *grads = score_gradients_with_x(tuple(dense), x, hidden1, hidden2, grad)
    grad_second = by_hand.max_pool2d_backward(grad_x.reshape(smaller.shape), second, smaller) * (second > 0)
    grad_small, *grads2 = by_hand.conv2d_backward(grad_second, small, k2, 0)
    grad_first = by_hand.max_pool2d_backward(grad_small, first, small) * (first > 0)
    _, *grads1 = by_hand.conv2d_backward(grad_first, images, k1, 2, need_x=False)
    return loss, [*grads1, *grads2, *grads]


def cifar_net(arrays: Arrays) -> Made:
    """Return the loss and the gradients of the network for colour images."""
    k1, b1, k2, b2, k3, b3, w1, c1, w2, c2 = arrays.parameters
    images, labels = arrays.data
    first = np.maximum(by_hand.conv2d(images, k1, b1, 1), 0)
    second = np.maximum(by_hand.conv2d(first, k2, b2, 1), 0)
    small = by_hand.max_pool2d(second)
    third = np.maximum(by_hand.conv2d(small, k3, b3, 1), 0)
    smaller = by_hand.max_pool2d(third)
    x = smaller.reshape(len(images), -1)
    hidden = np.maximum(affine(x, w1, c1), 0)
    loss, grad = by_hand.cross_entropy(affine(hidden, w2, c2), labels)
    grad_hidden, *grads5 = by_hand.linear_backward(grad, hidden, w2)
    grad_x, *grads4 = by_hand.linear_backward(grad_hidden * (hidden > 0), x, w1)
    grad_third = by_hand.max_pool2d_backward(grad_x.reshape(smaller.shape), third, smaller) * (third > 0)
    grad_small, *grads3 = by_hand.conv2d_backward(grad_third, small, k3, 1)
    grad_second = by_hand.max_pool2d_backward(grad_small, second, small) * (second > 0)
    grad_first, *grads2 = by_hand.conv2d_backward(grad_second, first, k2, 1)
    _, *grads1 = by_hand.conv2d_backward(grad_first * (first > 0), images, k1, 1, need_x=False)
    return loss, [*grads1, *grads2, *grads3, *grads4, *grads5]


def adam_step(arrays: Arrays) -> Callable[[], Any]:
    """Return a step of Adam."""
    update = array_optimizer(arrays.parameters, Adam(1e-3))

    def run() -> Any:
        update([grad.copy() for grad in arrays.data])
        return arrays.parameters

    return run


def loading(arrays: Arrays) -> Callable[[], Any]:
    """Return a pass through shuffled batches."""
    images, labels, order = arrays.data

    def run() -> Any:
        batches = ((images[i], labels[i]) for i in np.split(order, range(BATCH, len(order), BATCH)))
        return [chosen for _, chosen in batches]

    return run


def loading_samples(arrays: Arrays) -> Callable[[], Any]:
    """Return a pass through batches of which each image is normalized by itself."""
    images, labels, order = arrays.data
    dataset = NormalizedOneByOne(images, labels)

    def run() -> Any:
        batches = (
            (np.stack([dataset[j][0] for j in i]), labels[i]) for i in np.split(order, range(BATCH, len(order), BATCH))
        )
        return [chosen for _, chosen in batches]

    return run


def epoch(arrays: Arrays, gradients: Callable[[Arrays], Made], flat: bool) -> Callable[[], Any]:
    """Return an epoch of training with a function that makes the loss and the gradients of a batch."""
    images, labels, order = arrays.data
    images = images.reshape(len(images), -1) if flat else images

    def run() -> list[float]:
        parameters = tuple(array.copy() for array in arrays.parameters)
        update, losses = array_optimizer(parameters, Sgd(LR)), []
        for i in np.split(order, range(BATCH, len(order), BATCH)):
            loss, grads = gradients(Arrays(parameters, (images[i], labels[i])))
            update(grads)
            losses.append(float(loss))
        return losses[:COMPARED]

    return run


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
        lenet, cifar_net,
    )
}  # fmt: skip
BACKWARD: dict[str, Callable[[Arrays], list[Array]]] = {"chain": chain_backward, "ladder": ladder_backward}
PROGRAMS: dict[str, Callable[[Arrays], Callable[[], Any]]] = {
    "adam_step": adam_step,
    "loading": loading,
    "loading_samples": loading_samples,
    "digits_epoch": partial(epoch, gradients=classifier, flat=True),
    "mnist_epoch": partial(epoch, gradients=lenet, flat=False),
}


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
        if case.kind == "program":
            program = PROGRAMS[case.mathematics](arrays)
            return Step(lambda _: program(), read_all)
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
