"""Small expressions for `tito graph 05`: each function makes one graph, and its docstring says what to look at."""

from __future__ import annotations

import numpy as np

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.losses import CrossEntropyLoss, MSELoss
from tinytorch.core.tensor import Tensor

# The graph that shows an exercise best.
EXERCISES = {
    "unbroadcast": "bias",
    "add_backward": "chain",
    "topological_order": "diamond",
    "backward": "diamond",
    "mul_backward": "product",
    "div_backward": "quotient",
    "matmul_backward": "matmul",
    "sum_backward": "mean",
    "exp_log_backward": "growth",
    "relu_backward": "relu",
    "sigmoid_tanh_backward": "squash",
    "softmax_backward": "softmax",
    "mse_backward": "line",
    "cross_entropy_backward": "classes",
    "tracked": "chain",
    "numerical_gradient": "square",
}


def diamond() -> Tensor:
    """Use x twice: its gradient is the sum over both paths, 3 from the product and 1 from the sum."""
    x = Tensor(2.0, requires_grad=True)
    y = Tensor(3.0, requires_grad=True)
    return x * y + x


def chain() -> Tensor:
    """Walk the lesson's first example: along a chain the slopes multiply."""
    x = Tensor(3.0, requires_grad=True)
    y = x * 2
    return y + 1


def square() -> Tensor:
    """Give both factors of a product the same tensor: each contributes 3, and the slope of x² at 3 is 6."""
    x = Tensor(3.0, requires_grad=True)
    return x * x


def product() -> Tensor:
    """Multiply rows by one number: its gradient is the sum over all products it took part in."""
    a = Tensor([2.0, 3.0], requires_grad=True)
    b = Tensor(5.0, requires_grad=True)
    return (a * b).sum()


def bias() -> Tensor:
    """Add a bias to two rows: it was used twice, so its gradient is the sum over the rows."""
    x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    bias = Tensor([0.1, 0.2, 0.3], requires_grad=True)
    weights = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return ((x + bias) * weights).sum()


def quotient() -> Tensor:
    """Divide: a moves the result by 1 / b, and b moves it the other way."""
    a = Tensor(6.0, requires_grad=True)
    b = Tensor(3.0, requires_grad=True)
    return a / b


def matmul() -> Tensor:
    """Multiply matrices: each gradient is a matrix product again, with the other one transposed."""
    a = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    b = Tensor([[5.0], [6.0]], requires_grad=True)
    return (a @ b).sum()


def mean() -> Tensor:
    """Take a mean: every element receives the same share of the gradient."""
    a = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    return a.sum(dim=1).mean()


def growth() -> Tensor:
    """Take the logarithm of a sum of powers: exp needs its result on the way back, log its input."""
    a = Tensor([0.0, 1.0], requires_grad=True)
    return a.exp().sum().log()


def relu() -> Tensor:
    """Cut off below zero: no gradient gets through there."""
    x = Tensor([-1.0, 0.5, 2.0], requires_grad=True)
    return ReLU()(x).sum()


def squash() -> Tensor:
    """Squash twice: far from zero hardly any gradient is left."""
    x = Tensor([0.0, 3.0], requires_grad=True)
    return Sigmoid()(Tanh()(x) * 4).sum()


def softmax() -> Tensor:
    """Share out 1 between three: what one gains, the others lose, so the gradients add up to 0."""
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    weights = Tensor([1.0, 0.0, 0.0])
    return (Softmax()(x) * weights).sum()


def line() -> Tensor:
    """Fit a line by its squared error: w, used for every point, collects from all of them."""
    x = Tensor([1.0, 2.0])
    target = Tensor([3.0, 5.0])
    w = Tensor(1.0, requires_grad=True)
    b = Tensor(0.5, requires_grad=True)
    return MSELoss()(x * w + b, target)


def classes() -> Tensor:
    """Tell three classes apart: the gradient of the logits is what was predicted minus what is true."""
    logits = Tensor([[2.0, 1.0, 0.1]], requires_grad=True)
    return CrossEntropyLoss()(logits, Tensor([0], dtype=np.int64))
