"""Optimizers on plain arrays, in place, for engines that bring none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.cases import Adam, Array, Sgd

Update = Callable[[Sequence[Array]], None]


def array_optimizer(parameters: Sequence[Array], settings: Sgd | Adam) -> Update:
    """Return the function that changes `parameters` in place, given their gradients."""
    return sgd(parameters, settings) if isinstance(settings, Sgd) else adam(parameters, settings)


def sgd(parameters: Sequence[Array], settings: Sgd) -> Update:
    """Return ``p -= lr * grad``."""

    def update(grads: Sequence[Array]) -> None:
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter -= settings.lr * grad

    return update


def adam(parameters: Sequence[Array], settings: Adam) -> Update:
    """Return Adam's update. Source: D. Kingma and J. Ba, Adam, arXiv:1412.6980."""
    beta1, beta2 = settings.betas
    means = [np.zeros_like(parameter) for parameter in parameters]
    squares = [np.zeros_like(parameter) for parameter in parameters]
    steps = 0

    def update(grads: Sequence[Array]) -> None:
        nonlocal steps
        steps += 1
        size = settings.lr / (1 - beta1**steps)
        root = (1 - beta2**steps) ** -0.5
        for parameter, grad, mean, square in zip(parameters, grads, means, squares, strict=True):
            mean += (1 - beta1) * (grad - mean)
            square *= beta2
            square += (1 - beta2) * grad * grad
            parameter -= size * mean / (np.sqrt(square) * root + settings.eps)

    return update
