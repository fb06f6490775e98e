"""Activations beyond those of lesson 02, in PyTorch's spelling, each beside the rule of its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.core.activations import GELU, LogSoftmax, Softmax, stable_sigmoid
from tinytorch.core.autograd import Function, unbroadcast
from tinytorch.core.losses import softplus as stable_softplus
from tinytorch.core.tensor import FloatArray, Scalar, Tensor, default_generator, from_numpy
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.elementwise import choose, sigmoid, tanh
from tinytorch.ops.inplace import in_place

# PyTorch has these beside those of torch.nn.functional.
__all__ = ["celu", "log_softmax", "prelu", "rrelu", "selu", "softmax", "threshold"]

Grads = tuple[FloatArray | None, ...]


def _check_floats(name: str, input: Any) -> None:
    """Raise an error unless `input` is a tensor of floats."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}() works on a tensor, but got {type(input).__name__}. Make one with tinytorch.tensor(...)."
        )
    if input.dtype.kind != "f":
        raise TypeError(f"{name}() needs floats, but this tensor holds {input.dtype}. Use t.float().")


def _placed(inplace: bool, name: str, compute: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """Return what `compute` makes of `input`: a new tensor, or `input` itself with the new values."""
    return in_place(f"{name}(inplace=True)", compute)(input, *args) if inplace else compute(input, *args)


def _sigmoid(x: Any) -> Any:
    """Return the sigmoid of a tensor or of an array."""
    return sigmoid(x) if isinstance(x, Tensor) else stable_sigmoid(x)


def _softplus_of(x: Any) -> Any:
    """Return ``log(1 + exp(x))`` of a tensor or of an array, without overflow."""
    if not isinstance(x, Tensor):
        return stable_softplus(x)
    return _softplus(x, 1, math.inf)


class SoftplusBackward(Function):
    """Gradient of ``out = log(1 + exp(beta * a)) / beta``: ``grad_output * sigmoid(beta * a)``."""

    def __init__(self, a: Tensor, beta: float, threshold: float, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.beta, self.threshold = beta, threshold

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        scaled = a * self.beta
        return (choose(scaled > self.threshold, grad_output, grad_output * _sigmoid(scaled)),)


@operation(SoftplusBackward, method="_softplus")
def _softplus(input: Tensor, beta: float, threshold: float) -> Tensor:
    x = input.data
    scaled = x * beta
    return from_numpy(choose(scaled > threshold, x, stable_softplus(scaled) / beta))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """Return ``log(1 + exp(beta * a)) / beta`` of each element: a smooth `relu`.

    Parameters
    ----------
    input
        A tensor of floats.
    beta
        How sharp the bend is; not 0.
    threshold
        Where ``beta * a`` is larger, the result is `a` itself.

    Raises
    ------
    ValueError
        If `beta` is 0.

    Examples
    --------
    >>> softplus(Tensor([-10000.0, 0.0, 10000.0]))
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+04])
    """
    _check_floats("softplus", input)
    if beta == 0:
        raise ValueError("softplus() divides by beta, which must not be 0.")
    return _softplus(input, beta, threshold)


class LogSigmoidBackward(Function):
    """Gradient of ``out = log(sigmoid(a))``: ``grad_output * sigmoid(-a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (grad_output * _sigmoid(-a),)


@operation(LogSigmoidBackward, method="_logsigmoid")
def _logsigmoid(input: Tensor) -> Tensor:
    return from_numpy(-stable_softplus(-input.data))


def logsigmoid(input: Tensor) -> Tensor:
    """Return the logarithm of the sigmoid of each element, finite where the sigmoid rounds to 0.

    Examples
    --------
    >>> logsigmoid(Tensor([-10000.0, 0.0]))
    tensor([-1.0000e+04, -6.9315e-01])
    """
    _check_floats("logsigmoid", input)
    return _logsigmoid(input)


class SiLUBackward(Function):
    """Gradient of ``out = a * s``, s being ``sigmoid(a)``: ``grad_output * s * (1 + a * (1 - s))``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        s = _sigmoid(a)
        with np.errstate(invalid="ignore"):
            return (grad_output * (s * (1 + a * (1 - s))),)


@operation(SiLUBackward, method="_silu")
def _silu(input: Tensor) -> Tensor:
    with np.errstate(invalid="ignore"):
        return from_numpy(input.data * stable_sigmoid(input.data))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``a * sigmoid(a)`` of each element, also called swish; nan for minus infinity, as PyTorch has it.

    Source: S. Elfwing et al., Sigmoid-Weighted Linear Units, arXiv:1702.03118.

    Examples
    --------
    >>> silu(Tensor([-10000.0, 0.0, 1.0])).tolist()
    [-0.0, 0.0, 0.7310585975646973]
    """
    _check_floats("silu", input)
    return _placed(inplace, "silu", _silu, input)


class MishBackward(Function):
    """Gradient of ``out = a * t``, t being ``tanh(softplus(a))``: ``t + a * sigmoid(a) * (1 - t**2)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        t = np.tanh(_softplus_of(a))
        with np.errstate(invalid="ignore"):
            return (grad_output * (t + a * _sigmoid(a) * (1 - t * t)),)


@operation(MishBackward, method="_mish")
def _mish(input: Tensor) -> Tensor:
    with np.errstate(invalid="ignore"):
        return from_numpy(input.data * np.tanh(stable_softplus(input.data)))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``a * tanh(softplus(a))`` of each element; nan for minus infinity, as PyTorch has it.

    Source: D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, arXiv:1908.08681.
    """
    _check_floats("mish", input)
    return _placed(inplace, "mish", _mish, input)


class SoftsignBackward(Function):
    """Gradient of ``out = a / (1 + abs(a))``: ``grad_output / (1 + abs(a))**2``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        below = 1 + np.abs(a)
        return (grad_output / below / below,)


@operation(SoftsignBackward, method="_softsign")
def _softsign(input: Tensor) -> Tensor:
    x = input.data if input.dtype.kind == "f" else input.data.astype(np.float32)
    with np.errstate(invalid="ignore"):
        return from_numpy(x / (1 + np.abs(x)))


def softsign(input: Tensor) -> Tensor:
    """Return ``a / (1 + abs(a))`` of each element; nan for infinities, as PyTorch has it."""
    if not isinstance(input, Tensor) or input.dtype.kind == "b":
        _check_floats("softsign", input)
    return _softsign(input)


class LeakyReLUBackward(Function):
    """Gradient of ``out = a if a > 0 else slope * a``: `grad_output`, times `slope` where a is not positive."""

    def __init__(self, a: Tensor, slope: float, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.slope = slope

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (choose(a > 0, grad_output, grad_output * self.slope),)


@operation(LeakyReLUBackward, method="_leaky_relu")
def _leaky_relu(input: Tensor, slope: float) -> Tensor:
    x = input.data
    return from_numpy(choose(x > 0, x, x * slope))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return each element, times `negative_slope` where it is not positive.

    Examples
    --------
    >>> leaky_relu(Tensor([-2.0, 3.0]), 0.5)
    tensor([-1.,  3.])
    """
    _check_floats("leaky_relu", input)
    return _placed(inplace, "leaky_relu", _leaky_relu, input, negative_slope)


class ELUBackward(Function):
    """Gradient of ``out = scale * (a if a > 0 else alpha * (exp(input_scale * a) - 1))``.

    For a positive a it is ``scale``, otherwise ``scale * alpha * input_scale * exp(input_scale * a)``.
    """

    def __init__(
        self, a: Tensor, alpha: float, scale: float = 1, input_scale: float = 1, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.alpha, self.scale, self.input_scale = alpha, scale, input_scale

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        power = np.exp(choose(a < 0, a) * self.input_scale)
        bent = grad_output * (self.scale * self.alpha * self.input_scale * power)
        return (choose(a <= 0, bent, grad_output * self.scale),)


@operation(ELUBackward, method="_elu")
def _elu(input: Tensor, alpha: float, scale: float = 1, input_scale: float = 1) -> Tensor:
    x = input.data
    bent = np.expm1(choose(x <= 0, x) * input_scale) * alpha
    result = choose(x <= 0, bent, x)
    return from_numpy(result if scale == 1 else result * scale)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return each element, or ``alpha * (exp(a) - 1)`` where it is not positive.

    Source: D. Clevert et al., Exponential Linear Units, arXiv:1511.07289.

    Examples
    --------
    >>> elu(Tensor([-10000.0, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    _check_floats("elu", input)
    return _placed(inplace, "elu", _elu, input, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return each element, or ``alpha * (exp(a / alpha) - 1)`` where it is not positive: smooth for every `alpha`.

    Source: J. Barron, Continuously Differentiable Exponential Linear Units, arXiv:1704.07483.

    Raises
    ------
    ValueError
        If `alpha` is 0.
    """
    _check_floats("celu", input)
    if alpha == 0:
        raise ValueError("celu() divides by alpha, which must not be 0.")
    return _placed(inplace, "celu", _elu, input, alpha, 1, 1 / alpha)


_SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return an `elu` whose two constants keep mean 0 and variance 1 from layer to layer.

    Source: G. Klambauer et al., Self-Normalizing Neural Networks, arXiv:1706.02515.
    """
    _check_floats("selu", input)
    return _placed(inplace, "selu", _elu, input, *_SELU)


class HardtanhBackward(Function):
    """Gradient of ``out = clip(a, low, high)``: `grad_output` between the bounds, 0 on them and beyond.

    nan lets it through, as in PyTorch's CUDA kernels; on a CPU it depends there on where in the array the nan stands.
    """

    def __init__(self, a: Tensor, low: Scalar, high: Scalar, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.low, self.high = low, high

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (choose(~((a <= self.low) | (a >= self.high)), grad_output),)


@operation(HardtanhBackward, method="_hardtanh")
def _hardtanh(input: Tensor, low: Scalar, high: Scalar) -> Tensor:
    return from_numpy(np.clip(input.data, low, high))


def hardtanh(input: Tensor, min_val: Scalar = -1.0, max_val: Scalar = 1.0, inplace: bool = False) -> Tensor:
    """Return each element, raised to `min_val` or lowered to `max_val` where it is beyond; integers stay integers.

    On the bounds the gradient is 0, where that of `clamp` is 1.

    Raises
    ------
    ValueError
        If `min_val` is above `max_val`.

    Examples
    --------
    >>> hardtanh(Tensor([-2.0, 0.5, 7.0]))
    tensor([-1.0,  0.5,  1.0])
    """
    return _hard("hardtanh", input, min_val, max_val, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return each element, 0 where it is negative and 6 where it is above."""
    return _hard("relu6", input, 0.0, 6.0, inplace)


def _hard(name: str, input: Any, low: Scalar, high: Scalar, inplace: bool) -> Tensor:
    if not isinstance(input, Tensor) or input.dtype.kind == "b":
        _check_floats(name, input)
    if low > high:
        raise ValueError(f"{name}() takes a min_val that is not above max_val, but got {low} and {high}.")
    if input.dtype.kind == "u" and low < 0:
        raise TypeError(f"{name}() was given min_val={low}, but {input.dtype} has no negative numbers. Use t.long().")
    if input.dtype.kind != "f":
        low, high = int(low), int(high)
    return _placed(inplace, name, _hardtanh, input, low, high)


class HardsigmoidBackward(Function):
    """Gradient of ``out = clip(a / 6 + 1 / 2, 0, 1)``: ``grad_output / 6`` for a between -3 and 3, 0 elsewhere."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (choose((a > -3) & (a < 3), grad_output / 6),)


@operation(HardsigmoidBackward, method="_hardsigmoid")
def _hardsigmoid(input: Tensor) -> Tensor:
    return from_numpy(np.clip(input.data + 3, 0, 6) / 6)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``clip(a / 6 + 1 / 2, 0, 1)`` of each element: a sigmoid of three straight lines.

    Examples
    --------
    >>> hardsigmoid(Tensor([-4.0, 0.0, 4.0]))
    tensor([0.0, 0.5, 1.0])
    """
    _check_floats("hardsigmoid", input)
    return _placed(inplace, "hardsigmoid", _hardsigmoid, input)


class HardswishBackward(Function):
    """Gradient of ``out = a * hardsigmoid(a)``: ``a / 3 + 1 / 2`` for a between -3 and 3, 0 below and 1 above."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        bent = grad_output * (choose((a > -3) & (a < 3), a) / 3 + 0.5)
        return (choose(~(a <= -3), choose(a < 3, bent, grad_output)),)


@operation(HardswishBackward, method="_hardswish")
def _hardswish(input: Tensor) -> Tensor:
    x = input.data
    with np.errstate(invalid="ignore"):
        return from_numpy(x * (np.clip(x + 3, 0, 6) / 6))


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``a * hardsigmoid(a)`` of each element; nan for minus infinity, as PyTorch has it.

    Source: A. Howard et al., Searching for MobileNetV3, arXiv:1905.02244.
    """
    _check_floats("hardswish", input)
    return _placed(inplace, "hardswish", _hardswish, input)


class ThresholdBackward(Function):
    """Gradient of ``out = a if a > threshold else value``: `grad_output` where a is above, 0 elsewhere."""

    def __init__(self, a: Tensor, threshold: Scalar, value: Scalar, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.threshold = threshold

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (choose(~(a <= self.threshold), grad_output),)


@operation(ThresholdBackward, method="_threshold")
def _threshold(input: Tensor, threshold: Scalar, value: Scalar) -> Tensor:
    return from_numpy(np.where(input.data <= threshold, value, input.data))


def threshold(input: Tensor, threshold: Scalar, value: Scalar, inplace: bool = False) -> Tensor:
    """Return each element that is above `threshold`, and `value` in the place of the others.

    Integers stay integers: both numbers are cut to whole ones then.

    Examples
    --------
    >>> threshold(Tensor([-1.0, 0.5, 2.0]), 1.0, 7.0)
    tensor([7., 7., 2.])
    """
    if not isinstance(input, Tensor) or input.dtype.kind == "b":
        _check_floats("threshold", input)
    if input.dtype.kind != "f":
        threshold, value = int(threshold), int(value)
    return _placed(inplace, "threshold", _threshold, input, threshold, value)


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """Return ``a * Phi(a)`` of each element, Phi being the normal distribution's integral.

    Parameters
    ----------
    input
        A tensor of floats.
    approximate
        "none" for the exact form, "tanh" for the one that stands on `tanh`.
    """
    _check_floats("gelu", input)
    return GELU(approximate).forward(input)


class PReLUBackward(Function):
    """Gradient of ``out = a if a > 0 else w * a``: `grad_output`, times w where a is not positive; for w, a there."""

    def apply(self, grad_output: FloatArray) -> Grads:
        a, w = self.saved_tensors
        need_a, need_w = self.needs_input_grad
        grad_a = choose(a > 0, grad_output, grad_output * w) if need_a else None
        grad_w = unbroadcast(grad_output * choose(a <= 0, a), self.input_shapes[1]) if need_w else None
        return grad_a, grad_w


@operation(PReLUBackward, method="_prelu")
def _prelu(input: Tensor, weight: Tensor) -> Tensor:
    x = input.data
    return from_numpy(choose(x > 0, x, x * weight.data))


@composed()
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return each element, times `weight` where it is not positive.

    Parameters
    ----------
    input
        A tensor of floats, its second axis being that of the channels.
    weight
        One number, or one for each channel.

    Raises
    ------
    ValueError
        If there are neither one nor as many weights as channels.

    Notes
    -----
    Source: K. He et al., Delving Deep into Rectifiers, arXiv:1502.01852.

    Examples
    --------
    >>> prelu(Tensor([-2.0, 3.0]), Tensor([0.5]))
    tensor([-1.,  3.])
    """
    _check_floats("prelu", input)
    _check_floats("prelu", weight)
    if input.dtype != weight.dtype:
        raise TypeError(f"prelu() takes weights of the input's type, {input.dtype}, but got {weight.dtype}.")
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ValueError(
            f"prelu() takes one weight, or one for each of the {channels} channels of a tensor of shape {input.shape}, "
            f"but got weights of shape {weight.shape}."
        )
    shape = () if weight.size == 1 else (channels,) + (1,) * (input.ndim - 2)
    return _prelu(input, weight.reshape(shape))


class ShrinkBackward(Function):
    """Gradient of what sets elements between two bounds to 0: `grad_output` outside of them."""

    def __init__(self, a: Tensor, lambd: float, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.lambd = lambd

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (choose(~((a >= -self.lambd) & (a <= self.lambd)), grad_output),)


@operation(ShrinkBackward, method="_hardshrink")
def _hardshrink(input: Tensor, lambd: float) -> Tensor:
    x = input.data
    return from_numpy(choose(~((x >= -lambd) & (x <= lambd)), x))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return each element, and 0 for those from ``-lambd`` to `lambd`.

    Examples
    --------
    >>> hardshrink(Tensor([-1.0, 0.2, 0.7]))
    tensor([-1.0,  0.0,  0.7])
    """
    _check_floats("hardshrink", input)
    return _hardshrink(input, lambd)


class SoftshrinkBackward(ShrinkBackward):
    """Gradient of what brings elements nearer to 0: `grad_output` where they have not reached it."""


@operation(SoftshrinkBackward, method="_softshrink")
def _softshrink(input: Tensor, lambd: float) -> Tensor:
    x = input.data
    return from_numpy(choose(~((x >= -lambd) & (x <= lambd)), x - np.copysign(x.dtype.type(lambd), x)))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return each element `lambd` nearer to 0, and 0 for those that are nearer already.

    Raises
    ------
    ValueError
        If `lambd` is negative.

    Examples
    --------
    >>> softshrink(Tensor([-1.0, 0.25, 0.75]))
    tensor([-0.50,  0.00,  0.25])
    """
    _check_floats("softshrink", input)
    if lambd < 0:
        raise ValueError(f"softshrink() takes lambd of 0 or more, but got {lambd}.")
    return _softshrink(input, lambd)


def tanhshrink(input: Tensor) -> Tensor:
    """Return ``a - tanh(a)`` of each element."""
    if not isinstance(input, Tensor) or input.dtype.kind == "b":
        _check_floats("tanhshrink", input)
    return input - tanh(input)


def softmin(input: Tensor, dim: int, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return ``softmax(-input)`` along `dim`: probabilities that are large where the elements are small.

    Examples
    --------
    >>> softmin(Tensor([0.0, 0.0]), 0)
    tensor([0.5, 0.5])
    """
    converted = input if dtype is None else input.to(dtype)
    return Softmax(dim).forward(-converted)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Return each element, times a slope where it is not positive: while training drawn from `lower` to `upper`.

    Otherwise the slope is the middle of the two. Source: B. Xu et al., arXiv:1505.00853.
    """
    _check_floats("rrelu", input)
    if not lower <= upper:
        raise ValueError(f"rrelu() draws slopes from lower to upper, but got {lower} and {upper}.")
    if not training:
        return _placed(inplace, "rrelu", _leaky_relu, input, (lower + upper) / 2)
    slopes = from_numpy(default_generator().uniform(lower, upper, input.shape).astype(input.dtype))
    return _placed(inplace, "rrelu", _prelu, input, slopes)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Return draws from the categories of `logits`, softened so that they have a gradient.

    Parameters
    ----------
    logits
        Logarithms of weights, along `dim`.
    tau
        The temperature: the nearer to 0, the nearer a draw is to one category.
    hard
        Return 1 for the category drawn and 0 for the others, with the gradient of the softened draw.
    eps
        Has no effect, as in PyTorch.
    dim
        The axis of the categories.

    Notes
    -----
    Source: E. Jang et al., Categorical Reparameterization with Gumbel-Softmax, arXiv:1611.01144.
    """
    _check_floats("gumbel_softmax", logits)
    noise = -np.log(default_generator().standard_exponential(logits.shape))
    soft = Softmax(dim).forward((logits + from_numpy(np.asarray(noise, logits.dtype))) / tau)
    if not hard:
        return soft
    drawn = (soft.data == soft.data.max(axis=dim, keepdims=True)).astype(logits.dtype)
    return from_numpy(drawn) - soft.detach() + soft


@composed()
def softmax(input: Tensor, dim: int, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along `dim`: scores to probabilities.

    Parameters
    ----------
    input
        A tensor of floats.
    dim
        The axis whose elements shall sum to 1.
    dtype
        What to convert the input to first.

    Examples
    --------
    >>> softmax(Tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return Softmax(dim).forward(input if dtype is None else input.to(dtype))


@composed()
def log_softmax(input: Tensor, dim: int, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the logarithm of ``softmax(input, dim)``, computed in a way that never overflows.

    Parameters
    ----------
    input
        A tensor of floats.
    dim
        The axis along which the probabilities sum to 1.
    dtype
        What to convert the input to first.
    """
    return LogSoftmax(dim).forward(input if dtype is None else input.to(dtype))
