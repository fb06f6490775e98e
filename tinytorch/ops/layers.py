"""Layers as single operations: each would be several, with an array in between."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.activations import Sigmoid, stable_sigmoid
from tinytorch.core.autograd import Function, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Tensor, default_generator, from_numpy
from tinytorch.ops._arguments import check_chance, check_float_tensors, wide
from tinytorch.ops._blocks import shaped
from tinytorch.ops._registry import operation
from tinytorch.ops.shape import axis_of, in_kind

__all__: list[str] = []

Grads = tuple[FloatArray | None, ...]


class LinearBackward(Function):
    """Gradient of ``out = input @ weight.T + bias``.

    One matrix product for each of the first two, on all leading axes at once::

        grad_input = grad_output @ weight
        grad_weight = grad_output.T @ input
        grad_bias = grad_output, summed over the leading axes

    Memory: keeps the input only if the weight needs a gradient, and the weight only if the input does.
    """

    def __init__(self, input: Tensor, weight: Tensor, bias: Tensor | None = None, *, output: Tensor | None = None):
        super().__init__(input, weight, bias, output=output)
        need_input, need_weight, _ = self.needs_input_grad
        self.saved = (input.data if need_weight else None, weight.data if need_input else None, None)

    def apply(self, grad_output: FloatArray) -> Grads:
        x, weight, _ = self.saved_tensors
        shape_x, shape_weight, shape_bias = self.input_shapes
        need_x, need_weight, need_bias = self.needs_input_grad
        rows, outputs = math.prod(shape_x[:-1]), math.prod(shape_weight[:-1])
        flat = wide(shaped(grad_output, (rows, outputs)))
        grad_x = grad_weight = None
        if need_x:
            grad_x = shaped(flat @ wide(shaped(weight, (outputs, shape_weight[-1]))), shape_x)
        if need_weight:
            grad_weight = shaped(flat.swapaxes(0, 1) @ wide(shaped(x, (rows, shape_x[-1]))), shape_weight)
        return grad_x, grad_weight, unbroadcast(grad_output, shape_bias) if need_bias else None


@operation(LinearBackward, method="_linear")
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, w = wide(input.data), wide(weight.data)
    rows = math.prod(x.shape[:-1])
    flat = shaped(x, (rows, x.shape[-1]))  # one product: NumPy would make one for each matrix
    if rows <= _SHORT and 2 * rows <= len(w) and (bias is None or bias.ndim == 1):
        out = shaped(np.add((w @ flat.T).T, 0 if bias is None else bias.data, order="C"), x.shape[:-1] + w.shape[:-1])
    else:
        out = shaped(flat @ w.T, x.shape[:-1] + w.shape[:-1])
        if bias is not None:
            out += bias.data
    return from_numpy(out if out.dtype == input.data.dtype else out.astype(input.dtype))


# So many rows at most are multiplied as the columns of their transpose: OpenBLAS is up to a third faster at that, and
# adding the bias puts the result in order.
_SHORT = 64


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``.

    Shapes: ``(..., in), (out, in), (out,) -> (..., out)``; a weight of shape ``(in,)`` makes a result ``(...)``.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> linear(Tensor([1.0, 2.0]), Tensor([[1.0, 0.0], [1.0, 1.0]]), Tensor([0.0, 10.0]))
    tensor([ 1., 13.])
    """
    if not _fit_plainly(input, weight, bias):
        _check_linear(input, weight, bias)
    return _linear(input, weight, bias)


def _fit_plainly(input: Any, weight: Any, bias: Any) -> bool:
    """Return whether the operands are those of every day, which need no closer look."""
    tensors = (input, weight) if bias is None else (input, weight, bias)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            return False
    x, w = input.data, weight.data
    fit: bool = (
        x.dtype.kind == "f"
        and x.dtype == w.dtype
        and x.ndim > 0
        and w.ndim == 2
        and x.shape[-1] == w.shape[1]
        and (bias is None or (bias.data.shape == w.shape[:1] and bias.data.dtype == x.dtype))
    )
    return fit


def _check_linear(input: Any, weight: Any, bias: Any) -> None:
    check_float_tensors("linear", input=input, weight=weight, bias=bias)
    if weight.ndim not in (1, 2) or input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise ValueError(
            f"linear() takes an input of shape (..., in) and a weight of shape (out, in), but got {input.shape} and "
            f"{weight.shape}. Their last axes must be equal."
        )
    out = (*input.shape[:-1], *weight.shape[:-1])
    if bias is not None and (bias.ndim > len(out) or np.broadcast_shapes(bias.shape, out) != out):
        raise ValueError(f"linear(): bias has shape {bias.shape}, but needs {weight.shape[:-1]}, one for each output.")


class GLUBackward(Function):
    """Gradient of ``out = a * sigmoid(b)``, a and b being the halves of the input, as one array."""

    def __init__(self, input: Tensor, dim: int, *, output: Tensor | None = None) -> None:
        super().__init__(input, output=output)
        self.dim = dim

    def apply(self, grad_output: FloatArray) -> Grads:
        (x,) = self.saved_tensors
        a, b = _halves(x, self.dim)
        gate = in_kind(Sigmoid().forward, b)
        grad_a = grad_output * gate
        return (np.concatenate([grad_a, grad_a * a * (1 - gate)], axis=self.dim),)


def _halves(x: Any, dim: int) -> tuple[Any, Any]:
    half = x.shape[dim] // 2
    before = (slice(None),) * dim
    return x[(*before, slice(half))], x[(*before, slice(half, None))]


@operation(GLUBackward, method="_glu")
def _glu(input: Tensor, dim: int) -> Tensor:
    a, b = _halves(input.data, dim)
    return from_numpy(a * stable_sigmoid(b))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half of the input along `dim`, times the sigmoid of the second half.

    Raises
    ------
    ValueError
        If there is an odd number of elements along `dim`.

    Notes
    -----
    Source: Y. Dauphin et al., Language modeling with gated convolutional networks, arXiv:1612.08083.
    """
    check_float_tensors("glu", input=input)
    axis = axis_of(dim, input.ndim, "glu")
    if input.ndim == 0 or input.shape[axis] % 2:
        raise ValueError(f"glu() halves axis {dim}, but the input has shape {input.shape}. Give it an even length.")
    return _glu(input, axis)


class DropoutBackward(Function):
    """Gradient of ``out = input * kept * scale``: the same product with `grad_output`.

    Memory: keeps one byte an element.
    """

    saves = ()

    def __init__(self, input: Tensor, kept: Array, scale: float, *, output: Tensor | None = None) -> None:
        super().__init__(input, output=output)
        self.kept, self.scale = kept, scale

    def apply(self, grad_output: FloatArray) -> Grads:
        return (grad_output * (self.kept * self.dtype.type(self.scale)),)


@operation(DropoutBackward, method="_dropout")
def _dropout(input: Tensor, kept: Array, scale: float) -> Tensor:
    return from_numpy(input.data * (kept * input.dtype.type(scale)))


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set elements to 0 with probability `p` and scale the rest by ``1 / (1 - p)``, while training.

    Draws the same elements as the layer `Dropout` after the same seed.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Notes
    -----
    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """
    check_chance("dropout", p)
    if not training or p == 0:
        return input
    check_float_tensors("dropout", input=input)
    kept = default_generator().random(input.shape, dtype=np.float32) >= p
    return _dropout(input, kept, 1 / (1 - p) if p < 1 else 0.0)


class EmbeddingBackward(Function):
    """Gradient of ``out = weight[indices]``: each row receives the sum over its uses; the row `padding_idx` nothing."""

    saves = ()

    def __init__(
        self, weight: Tensor, indices: Array, padding_idx: int | None, *, output: Tensor | None = None
    ) -> None:
        super().__init__(weight, output=output)
        self.indices, self.padding_idx = indices.copy(), padding_idx

    def apply(self, grad_output: FloatArray) -> Grads:
        shape: Any = self.input_shapes[0]
        rows, columns = shape
        indices, grad = self.indices.reshape(-1), grad_output.reshape(self.indices.size, columns)
        if self.padding_idx is not None:
            used = indices != self.padding_idx
            indices, grad = indices[used], grad[used]
        return (in_kind(_sum_rows, grad, indices, rows),)


@operation(EmbeddingBackward, method="_embedding")
def _embedding(weight: Tensor, indices: Array, padding_idx: int | None) -> Tensor:
    return from_numpy(np.take(weight.data, indices, axis=0))


class SumRowsBackward(Function):
    """Gradient of ``out[indices] += a``, row by row: the rows that arrive at `indices`."""

    saves = ()

    def __init__(self, a: Tensor, indices: Array, rows: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.indices = indices

    def apply(self, grad_output: FloatArray) -> Grads:
        return (in_kind(_embedding, grad_output, self.indices, None),)


@operation(SumRowsBackward, method="_sum_rows")
def _sum_rows(input: Tensor, indices: Array, rows: int) -> Tensor:
    """Return `rows` rows, number i of them the sum of all rows of `input` whose index is i.

    Sorted by index, equal ones are neighbours, and one sum over each group costs a fifth of ``np.add.at``.
    """
    out = np.zeros((rows, input.shape[1]), input.dtype)
    if indices.size:
        order = np.argsort(indices, kind="stable")
        found = indices[order]
        starts = np.flatnonzero(np.append(True, found[1:] != found[:-1]))
        out[found[starts]] = np.add.reduceat(wide(input.data[order]), starts, axis=0)
    return from_numpy(out)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Return the rows of `weight` at the indices in `input`.

    Parameters
    ----------
    input
        Integers from 0 to below `V`, of any shape.
    weight
        The table, ``(V, D)``.
    padding_idx
        The row that receives no gradient; a negative one counts from the end.

    Returns
    -------
    Tensor
        Of shape ``(*input.shape, D)``.

    Raises
    ------
    IndexError
        If an index is not one of the rows.
    TypeError
        If `input` does not hold integers.
    ValueError
        If `weight` has not two axes, or there is no row `padding_idx`.

    Examples
    --------
    >>> embedding(Tensor([1, 0, 1]).long(), Tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    check_float_tensors("embedding", weight=weight)
    if not isinstance(input, Tensor) or input.dtype.kind not in "iu":
        found = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"embedding() takes indices, a tensor of integers, but got {found}. Use input.long().")
    if weight.ndim != 2:
        raise ValueError(f"embedding() takes a weight of shape (V, D), but got shape {weight.shape}.")
    rows = weight.shape[0]
    wrong = (input.data < 0) | (input.data >= rows)
    if wrong.any():
        raise IndexError(f"embedding(): the input holds {input.data[wrong][0]}, but the rows are 0 to {rows - 1}.")
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ValueError(f"embedding(): padding_idx={padding_idx}, but the rows are 0 to {rows - 1}.")
        padding_idx %= rows
    return _embedding(weight, input.data, padding_idx)
