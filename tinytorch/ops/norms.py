"""Norms of vectors and of matrices, and distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.core.autograd import Function, restore_axes
from tinytorch.core.tensor import FloatArray, Scalar, Tensor, check_broadcast
from tinytorch.ops import shape
from tinytorch.ops._arguments import check_float_tensors
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.factorizations import svdvals
from tinytorch.ops.linear_algebra import check_matrices, inverse
from tinytorch.ops.reductions import (
    Dims,
    Grads,
    amax,
    amin,
    answers_for,
    axes_of,
    check_floats,
    check_tensor,
    in_dtype,
    narrow,
    wide,
)
from tinytorch.ops.shape import as_tensor, axis_of, broadcast_tensors

__all__ = ["cdist", "cosine_similarity", "dist", "norm", "pairwise_distance", "renorm"]


# Norms of vectors, and distances


class VectorNormBackward(Function):
    """Gradient of ``out = sum(|a|**p)**(1/p)``: ``grad_output * sign(a) * (|a| / out)**(p - 1)``.

    It is 0 where `out` is 0. For infinite p the elements whose size is `out` share `grad_output`.

    Notes
    -----
    Source: ``torch.linalg.vector_norm``, whose choices at 0 these are.
    """

    saves = ("inputs", "output")

    def __init__(
        self, a: Tensor, p: float, axes: tuple[int, ...], keepdim: bool, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.p, self.axes = p, axes

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = (restore_axes(x, len(self.input_shapes[0]), self.axes) for x in self.saved_tensors)
        grad_output = restore_axes(grad_output, a.ndim, self.axes)
        if self.p == 0:
            return (grad_output * np.zeros(a.shape, a.dtype),)
        if self.p == 1:
            return (np.sign(a) * grad_output,)
        if math.isinf(self.p):
            largest = (np.abs(a) == out) + (a != a)  # "or"
            share = grad_output / largest.sum(axis=self.axes, keepdims=True)
            return (np.sign(a) * (largest * share),)
        flat = out == 0
        scale = grad_output * (1 - flat) / (out + flat)  # a 0 stays 0, and no second derivative is divided by it
        if self.p == 2:
            return (a * scale,)
        still = a == 0
        ratio = (np.abs(a) + still) / (out + flat)
        return (np.sign(a) * ratio ** (self.p - 1) * (grad_output * (1 - flat)),)


@operation(VectorNormBackward)
def _vector_norm(input: Tensor, p: float, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    data = wide(input)
    if p == 2 and len(axes) == data.ndim:
        flat = data.reshape(-1)
        return narrow(np.sqrt(np.dot(flat, flat)).reshape((1,) * data.ndim if keepdim else ()), input)
    if p == 2:
        with np.errstate(over="ignore"):
            return narrow(np.sqrt((data * data).sum(axis=axes, keepdims=keepdim)), input)
    sizes = np.abs(data)
    if p == 1:
        return narrow(sizes.sum(axis=axes, keepdims=keepdim), input)
    if p == 0:
        return narrow(np.sum(sizes != 0, axis=axes, keepdims=keepdim), input)
    if p == math.inf:
        return narrow(sizes.max(axis=axes, keepdims=keepdim), input)
    if p == -math.inf:
        return narrow(sizes.min(axis=axes, keepdims=keepdim), input)
    with np.errstate(divide="ignore", over="ignore"):  # 0 to a negative power is inf here, and inf to it 0
        return narrow((sizes**p).sum(axis=axes, keepdims=keepdim) ** (1 / p), input)


def vector_norm(
    x: Tensor, ord: Scalar = 2, dim: Dims = None, keepdim: bool = False, *, dtype: npt.DTypeLike | None = None
) -> Tensor:
    """Return ``sum(|x|**ord)**(1/ord)`` over `dim`, an axis or several; of all elements if it is None.

    Parameters
    ----------
    x
        A tensor of floats.
    ord
        Any number; infinity is the largest size, -infinity the smallest, 0 counts the elements that are not 0.
    dim
        The axes.
    keepdim
        Whether the axes stay, with length 1.
    dtype
        The type in which to calculate, and of the result.

    Raises
    ------
    ValueError
        If there are no elements, and the norm of none is not 0.

    Notes
    -----
    Source: ``torch.linalg.vector_norm``.

    Examples
    --------
    >>> vector_norm(Tensor([3, -4]))
    tensor(5.)
    >>> vector_norm(Tensor([3, -4]), float("inf"))
    tensor(4.)
    """
    check_tensor(x, "vector_norm")
    floating = in_dtype(x, dtype)
    check_floats(floating, "vector_norm")
    if not isinstance(ord, int | float):
        raise TypeError(f"vector_norm() takes a number as ord, but got {ord!r}. matrix_norm() takes names.")
    axes = axes_of(x, dim, "vector_norm")
    if (ord < 0 or ord == math.inf) and 0 in [x.shape[axis] for axis in axes]:
        raise ValueError(f"the norm of no elements is not defined for ord={ord}: a tensor of shape {x.shape} has none.")
    return _vector_norm(floating, float(ord), axes, keepdim)


@composed()
def dist(input: Tensor, other: Tensor, p: Scalar = 2) -> Tensor:
    """Return the `p`-norm of ``input - other``.

    Examples
    --------
    >>> dist(Tensor([1, 1]), Tensor([4, 5]))
    tensor(5.)
    """
    check_tensor(input, "dist")
    check_tensor(other, "dist")
    check_broadcast(input.shape, other.shape, "dist()")
    return vector_norm(input - other, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """Return the `p`-norm of the difference of each row of `x1` and each row of `x2`.

    Parameters
    ----------
    x1, x2
        Rows, ``(..., n, d)`` and ``(..., m, d)``; the axes in front broadcast.
    p
        Which norm, 0 or more.
    compute_mode
        Accepted for PyTorch's sake; the differences are always computed as they are.

    Notes
    -----
    Shapes: ``(..., n, m)``. Memory: ``n * m * d`` elements. Where two rows are equal the gradient is 0.

    Examples
    --------
    >>> cdist(Tensor([[0, 0]]), Tensor([[3, 4], [1, 0]]))
    tensor([[5., 1.]])
    """
    check_floats(x1, "cdist")
    check_floats(x2, "cdist")
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"cdist() takes rows of equal length, but got shapes {x1.shape} and {x2.shape}.")
    if p < 0:
        raise ValueError(f"cdist() takes p of 0 or more, but got {p}.")
    check_broadcast(x1.shape[:-2], x2.shape[:-2], "the stacks of cdist()")
    n, m = x1.shape[-2], x2.shape[-2]
    gaps = x1.reshape((*x1.shape[:-1], 1, x1.shape[-1])) - x2.reshape((*x2.shape[:-2], 1, *x2.shape[-2:]))
    if gaps.shape[-1] == 0:
        return gaps.sum(-1).reshape((*gaps.shape[:-3], n, m))
    return vector_norm(gaps, p, -1)


@composed()
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Return the tensor with each slice along `dim` whose `p`-norm is above `maxnorm` scaled down to it.

    Examples
    --------
    >>> renorm(Tensor([[3, 4], [0, 1]]), 2, 0, 1)
    tensor([[0.6, 0.8],
            [0.0, 1.0]])
    """
    check_floats(input, "renorm")
    if input.ndim < 2:
        raise ValueError(f"renorm() scales slices of tensors of two axes or more, but got shape {input.shape}.")
    if p <= 0 or maxnorm < 0:
        raise ValueError(f"renorm() takes p above 0 and maxnorm of 0 or more, but got p={p} and maxnorm={maxnorm}.")
    axis = shape.axis_of(dim, input.ndim, "renorm")
    sizes = vector_norm(input, p, [i for i in range(input.ndim) if i != axis], keepdim=True)
    small = sizes.data <= maxnorm
    return input * np.where(small, 1.0, maxnorm / (sizes + 1e-7))


# Norms of matrices

_MATRIX_NORMS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def matrix_norm(
    A: Tensor,  # noqa: N803
    ord: Any = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """Return a norm of each matrix.

    Parameters
    ----------
    A
        A tensor of floats.
    ord
        "fro": the root of the sum of squares. "nuc": the sum of the singular values; 2 and -2: the largest and the
        smallest of them. 1 and -1: the largest and the smallest sum of sizes of a column; inf and -inf: of a row.
    dim
        The axes of the rows and of the columns.
    keepdim
        Whether they stay, with length 1.
    dtype
        The type in which to calculate, and of the result.

    Notes
    -----
    Source: ``torch.linalg.matrix_norm``.
    """
    check_tensor(A, "matrix_norm")
    matrices = A if dtype is None else A.to(dtype)
    check_floats(matrices, "matrix_norm")
    if A.ndim < 2:
        raise ValueError(f"matrix_norm() takes a matrix or a stack of them, but got a tensor of shape {A.shape}.")
    if ord not in _MATRIX_NORMS:
        raise ValueError(f"matrix_norm() knows ord={', '.join(map(str, _MATRIX_NORMS))}, but got {ord!r}.")
    axes = shape.axes_of(dim, A.ndim, "matrix_norm")
    if len(axes) != 2:
        raise ValueError(f"matrix_norm() takes two axes as dim, those of rows and columns, but got {dim}.")
    if ord == "fro":
        return vector_norm(matrices, 2, axes, keepdim)
    rows, columns = axes
    if ord in (1, -1, math.inf, -math.inf):
        summed, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(matrices, 1, summed, keepdim=True)
        result = (amax if ord > 0 else amin)(sums, chosen, True)
    else:
        result = _norm_by_values(matrices, ord, axes)
    return result if keepdim else result.reshape([n for i, n in enumerate(result.shape) if i not in axes])


def _norm_by_values(matrices: Tensor, ord: Any, axes: tuple[int, ...]) -> Tensor:
    """Return a norm that the singular values decide; the axes of the matrices stay, with length 1."""
    others = [i for i in range(matrices.ndim) if i not in axes]
    values = svdvals(matrices.permute([*others, *axes]))
    if ord == "nuc":
        result: Tensor = values.sum(-1)
    else:
        result = amax(values, -1) if ord > 0 else amin(values, -1)
    return result.reshape([1 if i in axes else n for i, n in enumerate(matrices.shape)])


def linalg_norm(
    A: Tensor,  # noqa: N803
    ord: Any = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """Return the norm of vectors or of matrices.

    Parameters
    ----------
    A
        A tensor of floats.
    ord
        As for `vector_norm` or for `matrix_norm`. None is the root of the sum of squares of all elements.
    dim
        An axis: the norm of vectors. Two axes: that of matrices. None: of the whole, flattened if `ord` is None too,
        and else a vector or a matrix.
    keepdim
        Whether the axes stay, with length 1.
    dtype
        The type in which to calculate, and of the result.

    Notes
    -----
    Source: ``torch.linalg.norm``.

    Examples
    --------
    >>> linalg_norm(Tensor([[3, 0], [0, 4]]))
    tensor(5.)
    >>> linalg_norm(Tensor([[3, 0], [0, 4]]), 2)
    tensor(4.)
    """
    check_tensor(A, "norm")
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    axes = tuple(range(A.ndim)) if dim is None else shape.axes_of(dim, A.ndim, "norm")
    if len(axes) == 1 and not isinstance(ord, str):
        return vector_norm(A, ord, axes, keepdim, dtype=dtype)
    if len(axes) == 2:
        return matrix_norm(A, ord, axes, keepdim, dtype=dtype)
    raise ValueError(
        f"norm() with ord={ord!r} takes one axis, of vectors, or two, of matrices, but shape {A.shape} with dim={dim} "
        f"means {len(axes)}. vector_norm() takes any number."
    )


@composed()
def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """Return the norm of vectors, as ``torch.norm`` has it: ``sum(|input|**p)**(1/p)`` over `dim`.

    Parameters
    ----------
    input
        A tensor of floats.
    p
        Any number; "fro", which is 2; or "nuc", the sum of the singular values of matrices.
    dim
        An axis or several; all of them if None.
    keepdim
        Whether the axes stay, with length 1.
    dtype
        The type in which to calculate, and of the result.

    Examples
    --------
    >>> norm(Tensor([[3, 0], [0, 4]]))
    tensor(5.)
    """
    check_tensor(input, "norm")
    if p == "nuc":
        return matrix_norm(input, "nuc", (0, 1) if dim is None else dim, keepdim, dtype=dtype)  # type: ignore[arg-type]
    if p is not None and isinstance(p, str) and p != "fro":
        raise ValueError(f"norm() takes as p a number, 'fro' or 'nuc', but got {p!r}.")
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype)


@answers_for(np.linalg.norm)
def _np_norm(x: Any, ord: Any = None, axis: Dims = None, keepdims: bool = False) -> Tensor:
    return linalg_norm(as_tensor(x), ord, axis, keepdims)


@answers_for(np.linalg.vector_norm)
def _np_vector_norm(x: Any, /, *, axis: Dims = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    return vector_norm(as_tensor(x), ord, axis, keepdims)


@answers_for(np.linalg.matrix_norm)
def _np_matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    return matrix_norm(as_tensor(x), ord, keepdim=keepdims)


def cond(A: Tensor, p: Any = None) -> Tensor:  # noqa: N803
    """Return the condition number: a norm of each matrix times that of its inverse; by default norm 2."""
    check_matrices("cond", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    return matrix_norm(A, p) * matrix_norm(inverse(A), p)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along `dim`; lengths below `eps` count as `eps`.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> cosine_similarity(Tensor([[1.0, 0.0]]), Tensor([[3.0, 4.0]]))
    tensor([0.6])
    """
    check_float_tensors("cosine_similarity", x1=x1, x2=x2)
    check_broadcast(x1.shape, x2.shape, "cosine_similarity()")
    axis = axis_of(dim, max(x1.ndim, x2.ndim), "cosine_similarity")
    a, b = (x / vector_norm(x, 2, axis, True).clip(min=eps) for x in broadcast_tensors(x1, x2))
    return (a * b).sum(axis)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """Return the p-norm of ``x1 - x2 + eps`` along the last axis.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> pairwise_distance(Tensor([0.0, 0.0]), Tensor([3.0, 4.0]))
    tensor(5.)
    """
    check_float_tensors("pairwise_distance", x1=x1, x2=x2)
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Return the input divided by its p-norm along `dim`; norms below `eps` count as `eps`.

    Examples
    --------
    >>> normalize(Tensor([[3.0, 4.0]]))
    tensor([[0.6, 0.8]])
    """
    check_float_tensors("normalize", input=input)
    return input / vector_norm(input, p, axis_of(dim, input.ndim, "normalize"), True).clip(min=eps)
