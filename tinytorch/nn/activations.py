"""The activations of lesson 02 as modules of lesson 03, so that ``isinstance(nn.ReLU(), nn.Module)`` holds."""

from __future__ import annotations

from tinytorch.core import activations
from tinytorch.core.layers import Module


class ReLU(activations.ReLU, Module):
    """``max(x, 0)``, element by element."""


class Sigmoid(activations.Sigmoid, Module):
    """``1 / (1 + exp(-x))``, element by element."""


class Tanh(activations.Tanh, Module):
    """``tanh(x)``, element by element."""


class GELU(activations.GELU, Module):
    """``x * Phi(x)``, element by element; ``approximate="tanh"`` for the form without erf."""


class Softmax(activations.Softmax, Module):
    """Probabilities along `dim` that sum to 1."""


class LogSoftmax(activations.LogSoftmax, Module):
    """The logarithm of softmax along `dim`."""
