"""Matrices: products in every order, inverses, factors, norms."""

from __future__ import annotations

import functools
import itertools
import math
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinytorch.core.autograd import Function, NotDifferentiableError, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Scalar, Tensor, check_broadcast, common_type, from_numpy
from tinytorch.ops import reductions
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.reductions import Dims, answers_for, as_tensor, check_floats, check_tensor, vector_norm
from tinytorch.ops.shape import axes_of, axis_of

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "cross",
    "det",
    "dot",
    "einsum",
    "ger",
    "inner",
    "inverse",
    "kron",
    "logdet",
    "matmul",
    "matrix_power",
    "mm",
    "mv",
    "norm",
    "outer",
    "pinverse",
    "slogdet",
    "tensordot",
    "trace",
    "vdot",
]

Grads = tuple[FloatArray | None, ...]


class LinAlgError(RuntimeError):
    """A matrix does not allow what was asked: it is singular, or not positive definite."""


# Arguments


def _check_axes(name: str, wanted: dict[str, int], *tensors: Tensor) -> None:
    """Raise an error unless each tensor has as many axes as its name in `wanted` says."""
    for (role, ndim), tensor in zip(wanted.items(), tensors, strict=True):
        check_tensor(tensor, name)
        if tensor.ndim != ndim:
            raise ValueError(
                f"{name}() takes as {role} a tensor with {ndim} {'axis' if ndim == 1 else 'axes'}, but got shape "
                f"{tensor.shape}. matmul() takes vectors, matrices and stacks of them."
            )


def _check_equal(name: str, a: Tensor, axis_a: int, b: Tensor, axis_b: int) -> None:
    """Raise an error unless axis `axis_a` of `a` is as long as axis `axis_b` of `b`."""
    if a.shape[axis_a] != b.shape[axis_b]:
        raise ValueError(
            f"shapes {a.shape} and {b.shape} do not fit in {name}(): axis {axis_a} of the first has {a.shape[axis_a]} "
            f"elements, axis {axis_b} of the second {b.shape[axis_b]}. They must be equal."
        )


def _check_matrices(name: str, input: Tensor, square: bool = True) -> None:
    """Raise an error unless `input` holds matrices of float32 or float64, square ones if so asked."""
    check_floats(input, name)
    if input.dtype == np.float16:
        raise TypeError(f"{name}() works on float32 and float64, but this tensor holds float16. Use t.float().")
    if input.ndim < 2:
        raise ValueError(f"{name}() takes a matrix or a stack of them, but got a tensor of shape {input.shape}.")
    if square and input.shape[-1] != input.shape[-2]:
        raise ValueError(
            f"{name}() takes square matrices, but in a tensor of shape {input.shape} axis -2 has {input.shape[-2]} "
            f"elements and axis -1 has {input.shape[-1]}."
        )


def _transposed(a: FloatArray) -> FloatArray:
    """Return each matrix of an array or a tensor transposed."""
    return a.swapaxes(-1, -2)


# Products


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Return ``input @ other``: of vectors, matrices, or stacks of matrices that broadcast.

    Examples
    --------
    >>> matmul(Tensor([[1, 2], [3, 4]]), Tensor([1, -1]))
    tensor([-1., -1.])
    """
    check_tensor(input, "matmul")
    check_tensor(other, "matmul")
    return input.matmul(other)


@composed()
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices. Shapes: ``(n, k), (k, m) -> (n, m)``."""
    _check_axes("mm", {"input": 2, "mat2": 2}, input, mat2)
    return input.matmul(mat2)


@composed()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two stacks of matrices. Shapes: ``(b, n, k), (b, k, m) -> (b, n, m)``."""
    _check_axes("bmm", {"input": 3, "mat2": 3}, input, mat2)
    _check_equal("bmm", input, 0, mat2, 0)
    return input.matmul(mat2)


@composed()
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix and a vector. Shapes: ``(n, k), (k,) -> (n,)``."""
    _check_axes("mv", {"input": 2, "vec": 1}, input, vec)
    return input.matmul(vec)


@composed()
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the sum of the products of two vectors, element by element. Shapes: ``(n,), (n,) -> ()``.

    Examples
    --------
    >>> dot(Tensor([1, 2]), Tensor([3, 4]))
    tensor(11.)
    """
    _check_axes("dot", {"input": 1, "tensor": 1}, input, tensor)
    _check_equal("dot", input, 0, tensor, 0)
    return input.matmul(tensor)


@composed()
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Return ``dot(input, other)``; the two differ for complex numbers only."""
    return dot(input, other)


@composed()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sums of products over the last axes. Shapes: ``(..., k), (---, k) -> (..., ---)``.

    Numbers are multiplied with everything.
    """
    check_tensor(input, "inner")
    check_tensor(other, "inner")
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    _check_equal("inner", input, -1, other, -1)
    return tensordot(input, other, ([-1], [-1]))


@composed()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of all pairs of elements of two vectors. Shapes: ``(n,), (m,) -> (n, m)``."""
    _check_axes("outer", {"input": 1, "vec2": 1}, input, vec2)
    return input.reshape((-1, 1) if input.size else (0, 1)) * vec2


@composed()
def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """Return ``outer(input, vec2)``; BLAS's name for it."""
    return outer(input, vec2)


def _weighted_sum(name: str, input: Tensor, beta: Scalar, product: Tensor, alpha: Scalar) -> Tensor:
    """Return ``beta * input + alpha * product``; with beta 0 the input does not count, whatever it holds."""
    check_tensor(input, name)
    if input.ndim > product.ndim or any(
        n not in (1, m) for n, m in zip(input.shape[::-1], product.shape[::-1], strict=False)
    ):
        raise ValueError(
            f"{name}() adds an input of shape {input.shape} to a product of shape {product.shape}. It must broadcast "
            "to that shape."
        )
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return product + (input if beta == 1 else input * beta)


@composed()
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat1 @ mat2)``. Shapes: ``(n, m), (n, k), (k, m) -> (n, m)``.

    The input broadcasts to the product. With ``beta=0`` it does not count, not even where it is nan.
    """
    return _weighted_sum("addmm", input, beta, mm(mat1, mat2), alpha)


@composed()
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """Return ``beta * input + alpha * (mat @ vec)``. Shapes: ``(n,), (n, k), (k,) -> (n,)``."""
    return _weighted_sum("addmv", input, beta, mv(mat, vec), alpha)


@composed()
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """Return ``beta * input + alpha * outer(vec1, vec2)``. Shapes: ``(n, m), (n,), (m,) -> (n, m)``."""
    return _weighted_sum("addr", input, beta, outer(vec1, vec2), alpha)


@composed()
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """Return ``beta * input + alpha * bmm(batch1, batch2)``; the input broadcasts to the product."""
    return _weighted_sum("baddbmm", input, beta, bmm(batch1, batch2), alpha)


@composed()
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1) -> Tensor:
    """Return ``beta * input + alpha * bmm(batch1, batch2).sum(0)``."""
    _check_axes("addbmm", {"batch1": 3, "batch2": 3}, batch1, batch2)
    return _weighted_sum("addbmm", input, beta, einsum("bij,bjk->ik", batch1, batch2), alpha)


@composed()
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: every element of `input` times the whole of `other`.

    Shapes: ``(n, m), (p, q) -> (n * p, m * q)``; missing axes in front count as 1.

    Examples
    --------
    >>> kron(Tensor([[1, 2]]), Tensor([[1], [10]]))
    tensor([[ 1.,  2.],
            [10., 20.]])
    """
    check_tensor(input, "kron")
    check_tensor(other, "kron")
    ndim = max(input.ndim, other.ndim)
    a, b = ((1,) * (ndim - x.ndim) + x.shape for x in (input, other))
    apart = input.reshape([n for pair in zip(a, (1,) * ndim, strict=True) for n in pair])
    every = other.reshape([n for pair in zip((1,) * ndim, b, strict=True) for n in pair])
    return (apart * every).reshape([n * m for n, m in zip(a, b, strict=True)])


class TraceBackward(Function):
    """Gradient of ``out = trace(a)``: `grad_output` on the diagonal."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> Grads:
        return (grad_output * np.eye(*self.input_shapes[0], dtype=self.dtype),)


@operation(TraceBackward)
def trace(input: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix.

    Examples
    --------
    >>> trace(Tensor([[1, 2], [3, 4]]))
    tensor(5.)
    """
    _check_axes("trace", {"input": 2}, input)
    total = np.trace(input.data)
    return from_numpy(np.asarray(total))


class CrossBackward(Function):
    """Gradient of ``out = cross(a, b)``: ``cross(b, grad_output)`` for a, ``cross(grad_output, a)`` for b."""

    def __init__(self, a: Tensor, b: Tensor, axis: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        self.axis = axis

    def apply(self, grad_output: FloatArray) -> Grads:
        a, b = self.saved_tensors
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(_cross_of(b, grad_output, self.axis), a.shape) if need_a else None
        grad_b = unbroadcast(_cross_of(grad_output, a, self.axis), b.shape) if need_b else None
        return grad_a, grad_b


def _cross_of(a: Any, b: Any, axis: int) -> Any:
    """Return the cross product of arrays or of tensors; `axis` is counted from the back."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return _cross(as_tensor(a), as_tensor(b), axis)
    a, b = (np.moveaxis(x, axis, 0) for x in np.broadcast_arrays(a, b))
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis)


@operation(CrossBackward)
def _cross(input: Tensor, other: Tensor, axis: int) -> Tensor:
    a, b = common_type(input.data, other.data)
    return from_numpy(_cross_of(a, b, axis))


@composed()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return the vectors that stand on both inputs along `dim`, an axis of 3 elements.

    Parameters
    ----------
    input, other
        Tensors that broadcast.
    dim
        The axis of the vectors; the first of 3 elements if None.

    Examples
    --------
    >>> cross(Tensor([1, 0, 0]), Tensor([0, 1, 0]))
    tensor([0., 0., 1.])
    """
    check_tensor(input, "cross")
    check_tensor(other, "cross")
    check_broadcast(input.shape, other.shape, "cross()")
    if input.ndim != other.ndim:
        raise ValueError(f"cross() takes tensors with equally many axes, but got shapes {input.shape}, {other.shape}.")
    if dim is None:
        if 3 not in input.shape:
            raise ValueError(f"cross() needs an axis of 3 elements, but a tensor of shape {input.shape} has none.")
        dim = input.shape.index(3)
    axis = axis_of(dim, input.ndim, "cross")
    if input.ndim == 0 or input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ValueError(
            f"cross() multiplies vectors of 3 elements, but axis {dim} of shapes {input.shape} and {other.shape} is "
            "not of that length."
        )
    return _cross(input, other, axis - input.ndim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Return the product of several matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    Notes
    -----
    Source: T. Cormen et al., Introduction to Algorithms, sec. 15.2, matrix-chain multiplication.

    Examples
    --------
    >>> multi_dot([Tensor([[1, 2]]), Tensor([[3], [4]]), Tensor([[5]])])
    tensor([[55.]])
    """
    if len(tensors) < 2:
        raise ValueError(f"multi_dot() multiplies two matrices or more, but got {len(tensors)}.")
    for i, tensor in enumerate(tensors):
        check_tensor(tensor, "multi_dot")
        ends = (1, 2) if i in (0, len(tensors) - 1) else (2,)
        if tensor.ndim not in ends:
            raise ValueError(f"multi_dot() takes matrices, vectors at the ends, but tensor {i} has {tensor.shape}.")
    for a, b in itertools.pairwise(tensors):
        _check_equal("multi_dot", a, -1, b, 0)
    lengths = [1 if tensors[0].ndim == 1 else tensors[0].shape[0], *(t.shape[0] for t in tensors[1:])]
    lengths.append(1 if tensors[-1].ndim == 1 else tensors[-1].shape[1])
    return _chained(tensors, _cheapest_cuts(tuple(lengths)), 0, len(tensors) - 1)


def _cheapest_cuts(lengths: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Return for each chain of matrices i to j after which one to cut it; matrix i is lengths[i] x lengths[i + 1]."""
    n = len(lengths) - 1
    cost = {(i, i): 0 for i in range(n)}
    cuts = {}
    for span in range(1, n):
        for i in range(n - span):
            j = i + span
            costs = {k: cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1] for k in range(i, j)}
            cuts[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[cuts[i, j]]
    return cuts


def _chained(tensors: Sequence[Tensor], cuts: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return tensors[i]
    k = cuts[i, j]
    return _chained(tensors, cuts, i, k).matmul(_chained(tensors, cuts, k + 1, j))


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Return the product of matrices, in the order that takes the fewest multiplications."""
    for matrix in matrices:
        _check_axes("chain_matmul", {"matrices": 2}, matrix)
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


# Sums of products


class _Plan(NamedTuple):
    """How two operands become matrices whose product, or whose product by elements, is the wanted sum.

    The letters of an operand are put in the order: shared axes that stay, its own axes, axes that are summed over.
    """

    order_a: tuple[int, ...]
    order_b: tuple[int, ...]
    shared: int
    rows: int
    columns: int
    summed: int
    order_out: tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def _plan(a: str, b: str, out: str) -> _Plan:
    shared = [c for c in a if c in b and c in out]
    summed = [c for c in a if c in b and c not in out]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]
    made = [*shared, *rows, *columns]
    return _Plan(
        tuple(a.index(c) for c in [*shared, *rows, *summed]),
        tuple(b.index(c) for c in [*shared, *summed, *columns]),
        len(shared),
        len(rows),
        len(columns),
        len(summed),
        tuple(made.index(c) for c in out),
    )


def contract(a: Any, b: Any, letters_a: str, letters_b: str, letters_out: str) -> Any:
    """Return the sum over the letters that both operands share and the result lacks of their products.

    Parameters
    ----------
    a, b
        Arrays, or tensors.
    letters_a, letters_b, letters_out
        The name of each axis. No name comes twice in one operand; one that only one operand has is in the result.

    Notes
    -----
    It is one matrix product, of transposed views where these can be reshaped without a copy.
    """
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return _contract(as_tensor(a), as_tensor(b), letters_a, letters_b, letters_out)
    plan = _plan(letters_a, letters_b, letters_out)
    a, b = a.transpose(plan.order_a), b.transpose(plan.order_b)
    shared, rows = a.shape[: plan.shared], a.shape[plan.shared : plan.shared + plan.rows]
    columns = b.shape[plan.shared + plan.summed :]
    if not plan.summed:
        a = a.reshape(shared + rows + (1,) * plan.columns)
        b = b.reshape(shared + (1,) * plan.rows + columns)
        return (a * b).transpose(plan.order_out)
    inner = math.prod(a.shape[plan.shared + plan.rows :])
    if not plan.rows and not plan.columns:
        return np.vecdot(a.reshape((*shared, inner)), b.reshape((*shared, inner))).transpose(plan.order_out)
    a = _for_blas(a.reshape((*shared, math.prod(rows), inner)))
    b = _for_blas(b.reshape((*shared, inner, math.prod(columns))))
    return (a @ b).reshape(shared + rows + columns).transpose(plan.order_out)


def _for_blas(matrices: Array) -> Array:
    """Return matrices that BLAS reads as they are: without a unit stride in either axis, NumPy multiplies slowly."""
    if matrices.itemsize in matrices.strides[-2:]:
        return matrices
    return np.ascontiguousarray(matrices)


class ContractBackward(Function):
    """Gradient of ``out = contract(a, b)``: contractions of `grad_output` with the other operand.

    Notes
    -----
    Shapes: every letter of an operand is one of the result or of the other operand, so its gradient is a contraction
    of those two to its own letters.
    Memory: keeps both inputs alive, uncopied, until the graph is released.
    """

    def __init__(
        self,
        a: Tensor,
        b: Tensor,
        letters_a: str,
        letters_b: str,
        letters_out: str,
        *,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(a, b, output=output)
        self.letters = letters_a, letters_b, letters_out

    def apply(self, grad_output: FloatArray) -> Grads:
        a, b = self.saved_tensors
        letters_a, letters_b, letters_out = self.letters
        need_a, need_b = self.needs_input_grad
        grad_a = contract(grad_output, b, letters_out, letters_b, letters_a) if need_a else None
        grad_b = contract(grad_output, a, letters_out, letters_a, letters_b) if need_b else None
        return grad_a, grad_b


@operation(ContractBackward)
def _contract(input: Tensor, other: Tensor, letters_a: str, letters_b: str, letters_out: str) -> Tensor:
    a, b = input.data, other.data
    if a.dtype != b.dtype:
        a, b = common_type(a, b)
    return from_numpy(np.asarray(contract(a, b, letters_a, letters_b, letters_out)))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Return the sums of products of two tensors over pairs of axes.

    Parameters
    ----------
    a, b
        Tensors.
    dims
        How many of the last axes of `a` meet the first of `b`; or two lists, the axes of `a` and those of `b`.

    Notes
    -----
    Shapes: the remaining axes of `a`, then those of `b`.

    Examples
    --------
    >>> tensordot(Tensor([[1, 2], [3, 4]]), Tensor([[1, 0], [0, 1]]), dims=2)
    tensor(5.)
    """
    check_tensor(a, "tensordot")
    check_tensor(b, "tensordot")
    axes_a, axes_b = _pairs(a, b, dims)
    for i, j in zip(axes_a, axes_b, strict=True):
        _check_equal("tensordot", a, i, b, j)
    letters = string.ascii_letters
    letters_a = letters[: a.ndim]
    letters_b = list(letters[a.ndim : a.ndim + b.ndim])
    for i, j in zip(axes_a, axes_b, strict=True):
        letters_b[j] = letters_a[i]
    out = [c for c in letters_a if c not in letters_b] + [c for c in letters_b if c not in letters_a]
    result: Tensor = contract(a, b, letters_a, "".join(letters_b), "".join(out))
    return result


def _pairs(a: Tensor, b: Tensor, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of `a` and those of `b` that `dims` lets meet, counted from the front."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ValueError(
                f"tensordot() was given dims={dims}, but shapes {a.shape} and {b.shape} have {a.ndim} and {b.ndim} "
                "axes. It can be 0 to the smaller number, or two lists of axes."
            )
        return tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    try:
        first, second = dims
    except (TypeError, ValueError):
        raise ValueError(f"tensordot() takes as dims a number or two lists of axes, but got {dims!r}.") from None
    axes_a, axes_b = axes_of(first, a.ndim, "tensordot"), axes_of(second, b.ndim, "tensordot")
    if len(axes_a) != len(axes_b):
        raise ValueError(f"tensordot() pairs axes, but dims={dims} names {len(axes_a)} and {len(axes_b)} of them.")
    return axes_a, axes_b


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Return the sum of products that `equation` describes, Einstein's way.

    Each axis has a letter. A letter that is not in the result is summed over; one that several operands share lets
    their elements meet there; one that an operand has twice takes its diagonal.

    Parameters
    ----------
    equation
        Such as ``"ij,jk->ik"``. ``...`` stands for all other axes, which broadcast. Without ``->`` the result has,
        after these, the letters that come once, in alphabetical order.
    *operands
        One tensor for each term of the equation, or a list of them. The form of sublists is understood too:
        ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    Raises
    ------
    ValueError
        If the equation cannot be read, does not fit the operands, or two axes of one letter differ in length.

    Notes
    -----
    More than two operands are contracted in pairs, in the order that NumPy's greedy search finds.
    Source: ``torch.einsum``.

    Examples
    --------
    >>> a, b = Tensor([[1, 2], [3, 4]]), Tensor([1, 10])
    >>> einsum("ij,j->i", a, b)
    tensor([21., 43.])
    >>> einsum("ii", a)
    tensor(5.)
    """
    if not isinstance(equation, str):
        equation, operands = _from_sublists([equation, *operands])
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    for operand in operands:
        check_tensor(operand, "einsum")
    terms, out = _terms(equation, tuple([operand.ndim for operand in operands]))
    tensors, letters = _simplified(equation, list(operands), list(terms), out)
    while len(tensors) > 1:
        i, j = _next_pair(tensors, letters, out)
        rest = [k for k in range(len(tensors)) if k not in (i, j)]
        wanted = out if not rest else _union([out, *(letters[k] for k in rest)])
        kept = out if not rest else "".join(c for c in _union([letters[i], letters[j]]) if c in wanted)
        product = contract(tensors[i], tensors[j], letters[i], letters[j], kept)
        tensors, letters = [*(tensors[k] for k in rest), product], [*(letters[k] for k in rest), kept]
    result, have = tensors[0], letters[0]
    return result if have == out else result.permute([have.index(c) for c in out])


def _union(terms: Sequence[str]) -> str:
    """Return each letter of the terms once, in the order in which they come."""
    return "".join(dict.fromkeys("".join(terms)))


def _from_sublists(parts: list[Any]) -> tuple[str, tuple[Any, ...]]:
    """Return equation and operands of ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    out = parts.pop() if len(parts) % 2 else None
    operands, lists = parts[::2], parts[1::2]
    equation = ",".join(map(_letters_of_list, lists))
    return equation if out is None else f"{equation}->{_letters_of_list(out)}", tuple(operands)


def _letters_of_list(axes: Any) -> str:
    if not isinstance(axes, list | tuple) or any(
        axis is not Ellipsis and not (isinstance(axis, int) and 0 <= axis < 52) for axis in axes
    ):
        raise ValueError(
            "einsum() takes an equation and tensors, or tensors each followed by a list of the numbers 0 to 51 that "
            f"name its axes, but got {axes!r} in the place of such a list."
        )
    letters = string.ascii_uppercase + string.ascii_lowercase  # in the order in which PyTorch sorts them
    return "".join("..." if axis is Ellipsis else letters[axis] for axis in axes)


@functools.lru_cache(maxsize=1024)
def _terms(equation: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Return one letter for each axis of the operands and of the result, letters for those of ``...`` included."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum() was given {len(ndims)} operands for the {len(terms)} terms of {equation!r}.")
    for term in [*terms, right]:
        rest = term.replace("...", "", 1)
        if not (rest == "" or (rest.isascii() and rest.isalpha())):
            raise ValueError(
                f"einsum() cannot read {term!r} in {equation!r}. Terms are made of letters and at most one '...', "
                "separated by commas, with '->' before the result."
            )
    hidden = [_hidden(equation, i, term, ndim) for i, (term, ndim) in enumerate(zip(terms, ndims, strict=True))]
    free = [c for c in string.ascii_letters if c not in equation]
    dots = "".join(free[: max(hidden)])
    full = tuple(term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, hidden, strict=True))
    if arrow:
        return full, _checked_result(equation, right.replace("...", dots), full)
    named = left.replace(",", "").replace(".", "")
    return full, dots + "".join(sorted(c for c in set(named) if named.count(c) == 1))


def _hidden(equation: str, i: int, term: str, ndim: int) -> int:
    """Return for how many axes of operand `i` the ``...`` of its term stands."""
    named = len(term.replace("...", ""))
    if ndim < named or (ndim > named and "..." not in term):
        raise ValueError(
            f"einsum() was given an operand {i} with {ndim} axes for the term {term!r} of {equation!r}, which names "
            f"{named}."
        )
    return ndim - named


def _checked_result(equation: str, out: str, terms: Sequence[str]) -> str:
    for c in out:
        if out.count(c) > 1:
            raise ValueError(f"einsum() was given {equation!r}, whose result has the letter {c!r} twice.")
        if not any(c in term for term in terms):
            raise ValueError(f"einsum() was given {equation!r}, where no operand has the letter {c!r} of the result.")
    return out


def _simplified(equation: str, tensors: list[Tensor], letters: list[str], out: str) -> tuple[list[Tensor], list[str]]:
    """Return operands in which no letter comes twice, none is summed over alone, and none is stretched."""
    sizes = _sizes(equation, tensors, letters)
    for i, tensor in enumerate(tensors):
        term = letters[i]
        if len(set(term)) != len(term):
            tensor, term = _diagonals(tensor, term)
        others = [term for k, term in enumerate(letters) if k != i]
        if 1 in tensor.shape:  # an axis of 1 that meets a longer one meets it everywhere
            stretched = [k for k, c in enumerate(term) if tensor.shape[k] == 1 != sizes[c]]
            tensor = tensor.reshape([n for k, n in enumerate(tensor.shape) if k not in stretched])
            term = "".join(c for k, c in enumerate(term) if k not in stretched)
        alone = tuple(k for k, c in enumerate(term) if c not in out and not any(c in other for other in others))
        if alone:
            tensor = tensor.sum(alone)
            term = "".join(c for k, c in enumerate(term) if k not in alone)
        tensors[i], letters[i] = tensor, term
    return tensors, letters


def _sizes(equation: str, tensors: Sequence[Tensor], letters: Sequence[str]) -> dict[str, int]:
    """Return the length of each letter's axes, which must be equal, or 1."""
    sizes: dict[str, int] = {}
    for tensor, term in zip(tensors, letters, strict=True):
        own: dict[str, int] = {}
        for c, n in zip(term, tensor.shape, strict=True):
            if own.setdefault(c, n) != n or (n != 1 and sizes.setdefault(c, n) not in (1, n)):
                met = own[c] if own[c] != n else sizes[c]
                name = f"the letter {c!r}" if c in equation else "an axis of '...'"
                shapes = " and ".join(str(tensor.shape) for tensor in tensors)
                raise ValueError(
                    f"einsum() was given {equation!r} for shapes {shapes}: {name} names axes of {met} and {n} "
                    "elements. They must be equal."
                )
            if n != 1 or c not in sizes:
                sizes[c] = n
    return sizes


def _diagonals(tensor: Tensor, term: str) -> tuple[Tensor, str]:
    """Return the diagonal over each letter that comes twice, and the letters that remain."""
    rest = _union([term])
    places = {c: np.arange(tensor.shape[term.index(c)]) for c in rest}
    shape = [len(places[c]) for c in rest]
    index = [places[c].reshape([n if k == rest.index(c) else 1 for k, n in enumerate(shape)]) for c in term]
    return tensor[tuple(index)], rest


def _next_pair(tensors: Sequence[Tensor], letters: Sequence[str], out: str) -> tuple[int, int]:
    """Return which two operands to contract first."""
    if len(tensors) == 2:
        return 0, 1
    path, _ = np.einsum_path(
        ",".join(letters) + "->" + out, *(tensor.data for tensor in tensors), optimize=("greedy", 2**62)
    )
    i, j, *_ = sorted(path[1])
    return i, j


@answers_for(np.dot)
def _np_dot(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return inner(a, b)
    return tensordot(a, b, ([-1], [-1 if b.ndim == 1 else -2]))


@answers_for(np.vdot)
def _np_vdot(a: Any, b: Any) -> Tensor:
    return dot(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


@answers_for(np.inner)
def _np_inner(a: Any, b: Any) -> Tensor:
    return inner(as_tensor(a), as_tensor(b))


@answers_for(np.outer)
def _np_outer(a: Any, b: Any) -> Tensor:
    return outer(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


@answers_for(np.tensordot)
def _np_tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    if not isinstance(axes, int):
        axes = [[axis] if isinstance(axis, int) else axis for axis in axes]
    return tensordot(as_tensor(a), as_tensor(b), axes)


@answers_for(np.einsum)
def _np_einsum(*operands: Any, optimize: Any = True) -> Tensor:
    if isinstance(operands[0], str):
        return einsum(operands[0], *(as_tensor(x) for x in operands[1:]))
    return einsum(*(x if isinstance(x, list | tuple) else as_tensor(x) for x in operands))


@answers_for(np.kron)
def _np_kron(a: Any, b: Any) -> Tensor:
    return kron(as_tensor(a), as_tensor(b))


@answers_for(np.trace)
def _np_trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return as_tensor(np.diagonal(a, offset, axis1, axis2)).sum(-1)


@answers_for(np.cross)
def _np_cross(a: Any, b: Any, *, axis: int = -1) -> Tensor:
    return cross(as_tensor(a), as_tensor(b), axis)


@answers_for(np.linalg.multi_dot)
def _np_multi_dot(arrays: Sequence[Any]) -> Tensor:
    return multi_dot([as_tensor(x) for x in arrays])


# Inverses and determinants


def _lapack(name: str, function: Callable[..., Any], *arrays: Array) -> Any:
    """Return ``function(*arrays)``, with an error of ours where a matrix does not allow it."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(
            f"{name}() failed on matrices of shape {arrays[0].shape}: {str(error).lower()}. If they should not be like "
            f"that, look where they come from; a small multiple of the identity added to them often helps."
        ) from None


class InverseBackward(Function):
    """Gradient of ``out = inverse(a)``: ``-out.T @ grad_output @ out.T``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        across = _transposed(out)
        return (-(across @ grad_output @ across),)


@operation(InverseBackward, np.linalg.inv)
def inverse(input: Tensor) -> Tensor:
    """Return the matrix whose product with each matrix is the identity. Shapes: ``(..., n, n) -> (..., n, n)``.

    Raises
    ------
    LinAlgError
        If a matrix is singular.

    Notes
    -----
    To multiply with an inverse, `solve` is faster and more accurate.

    Examples
    --------
    >>> inverse(Tensor([[2, 0], [0, 4]]))
    tensor([[0.50, 0.00],
            [0.00, 0.25]])
    """
    _check_matrices("inv", input)
    return from_numpy(_lapack("inv", np.linalg.inv, input.data))


inv = inverse


class SolveBackward(Function):
    """Gradient of ``out = solve(A, B)``, A's inverse times B: ``solve(A.T, grad_output)`` for B, and its product with
    ``-out.T`` for A.

    Shapes: A ``(..., n, n)``, B and `out` ``(..., n, k)``; the axes in front broadcast.
    """

    saves = ("inputs", "output")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, b, out = self.saved_tensors
        need_a, need_b = self.needs_input_grad
        grad_b = np.linalg.solve(_transposed(a), grad_output)
        grad_a = unbroadcast(-(grad_b @ _transposed(out)), a.shape) if need_a else None
        return grad_a, unbroadcast(grad_b, b.shape) if need_b else None


@operation(SolveBackward)
def _solve(input: Tensor, other: Tensor) -> Tensor:
    return from_numpy(_lapack("solve", np.linalg.solve, *common_type(input.data, other.data)))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:  # noqa: N803
    """Return X, for which ``A @ X`` is `B`; ``X @ A`` if `left` is false.

    Parameters
    ----------
    A
        Square matrices, ``(..., n, n)``.
    B
        Matrices ``(..., n, k)``, or vectors: ``(n,)``, or one for each matrix of `A`, ``(..., n)``.
    left
        On which side of X the matrices stand.

    Raises
    ------
    LinAlgError
        If a matrix is singular.

    Notes
    -----
    Source: ``torch.linalg.solve``.

    Examples
    --------
    >>> solve(Tensor([[2, 0], [0, 4]]), Tensor([1, 1]))
    tensor([0.50, 0.25])
    """
    _check_matrices("solve", A)
    check_floats(B, "solve")
    vectors = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    if vectors:
        if not left:
            raise ValueError("solve() with left=False takes matrices as B, but got vectors.")
        right = B.reshape((*B.shape, 1))
    else:
        _check_matrices("solve", B, square=False)
        right = B if left else B.transpose(-1, -2)
    _check_equal("solve", A, -1, right, -2)
    check_broadcast(A.shape[:-2], right.shape[:-2], "the stacks of solve()")
    result = _solve(A if left else A.transpose(-1, -2), right)
    if vectors:
        return result.reshape(result.shape[:-1])
    return result if left else result.transpose(-1, -2)


def solve_triangular(
    A: Tensor,  # noqa: N803
    B: Tensor,  # noqa: N803
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Tensor:
    """Return X, for which ``A @ X`` is `B`, reading one triangle of `A`; with `unitriangular` its diagonal is 1."""
    _check_matrices("solve_triangular", A)
    _check_matrices("solve_triangular", B, square=False)
    n = A.shape[-1]
    triangle = np.tri(n, k=-1 if unitriangular else 0, dtype=A.dtype)
    matrix = A * from_numpy(triangle.T if upper else triangle)
    return solve(matrix + from_numpy(np.eye(n, dtype=A.dtype)) if unitriangular else matrix, B, left=left)


@answers_for(np.linalg.solve)
def _np_solve(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    return solve(a, b) if b.ndim == 1 else _solve(a, b)


class DetBackward(Function):
    """Gradient of ``out = det(a)``: ``grad_output`` times the cofactors of a, ``out * inverse(a).T``.

    The cofactors exist for a singular matrix too, and then come from the singular values.
    """

    saves = ("inputs", "output")

    def apply(self, grad_output: FloatArray) -> Grads:
        a, out = self.saved_tensors
        precision = float(np.finfo(a.dtype).eps)
        if isinstance(a, Tensor):
            if not _is_regular(a.data, 1 / precision):
                raise NotDifferentiableError(
                    "det() has no gradient of higher order at a singular matrix here. Leave create_graph out."
                )
        elif not _is_regular(a, 1 / math.sqrt(precision)):
            return (grad_output[..., None, None] * _cofactors(a),)
        scale = (grad_output * out).reshape((*out.shape, 1, 1))
        return (scale * _transposed(np.linalg.inv(a)),)


def _is_regular(a: FloatArray, limit: float) -> bool:
    """Return whether the condition number of each matrix, in norm 1, is below `limit`."""
    try:
        inverses = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return False
    sizes = [np.abs(x).sum(axis=-2).max(axis=-1, initial=0) for x in (a, inverses)]
    with np.errstate(over="ignore"):
        return bool((sizes[0] * sizes[1] < limit).all())


def _cofactors(a: FloatArray) -> FloatArray:
    """Return the matrices of cofactors: of ``U S V`` they are ``det(U) det(V) U C V``, C being those of S."""
    u, s, v = np.linalg.svd(a)
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(v)
    cofactors: FloatArray = (u * (others * sign[..., None])[..., None, :]) @ v
    return cofactors


@operation(DetBackward, np.linalg.det)
def det(input: Tensor) -> Tensor:
    """Return the determinant. Shapes: ``(..., n, n) -> (...)``.

    Examples
    --------
    >>> det(Tensor([[1, 2], [3, 4]]))
    tensor(-2.)
    """
    _check_matrices("det", input)
    return from_numpy(np.asarray(np.linalg.det(input.data)))


class SignAndLog(NamedTuple):
    """What ``slogdet()`` returns: the determinant is ``sign * exp(logabsdet)``."""

    sign: Tensor
    logabsdet: Tensor


class LogabsdetBackward(Function):
    """Gradient of ``out = log(|det(a)|)``: ``inverse(a).T * grad_output``."""

    def __init__(self, a: Tensor, value: FloatArray, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        return (_transposed(np.linalg.inv(a)) * grad_output.reshape((*grad_output.shape, 1, 1)),)


@operation(LogabsdetBackward)
def _logabsdet(input: Tensor, value: FloatArray) -> Tensor:
    return from_numpy(value)


@composed(np.linalg.slogdet)
def slogdet(input: Tensor) -> SignAndLog:
    """Return the sign of the determinant and the logarithm of its size, ``(sign, logabsdet)``, without overflow.

    Of a singular matrix they are 0 and -inf; its gradient is a `LinAlgError`. The sign has no gradient.

    Examples
    --------
    >>> slogdet(Tensor([[0, 1], [1, 0]]))
    SignAndLog(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    _check_matrices("slogdet", input)
    sign, value = (np.asarray(part) for part in np.linalg.slogdet(input.data))
    return SignAndLog(from_numpy(sign), _logabsdet(input, value))


@composed()
def logdet(input: Tensor) -> Tensor:
    """Return the logarithm of the determinant: nan if that is negative, -inf if it is 0."""
    sign, value = slogdet(input)
    return value + from_numpy(np.where(sign.data < 0, np.nan, 0).astype(value.dtype))


@composed()
def matrix_power(input: Tensor, n: int) -> Tensor:
    """Return the product of `n` times the same matrix; of its inverse for a negative `n`; the identity for 0.

    Examples
    --------
    >>> matrix_power(Tensor([[1, 1], [0, 1]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    _check_matrices("matrix_power", input)
    if not isinstance(n, int):
        raise TypeError(f"matrix_power() takes an integer as n, but got {type(n).__name__}.")
    if n == 0:
        return input * 0 + from_numpy(np.eye(input.shape[-1], dtype=input.dtype))
    square, left = (input, n) if n > 0 else (inverse(input), -n)
    power: Tensor | None = None
    while True:
        if left % 2:
            power = square if power is None else power.matmul(square)
        left //= 2
        if not left:
            break
        square = square.matmul(square)
    assert power is not None  # n has a digit that is not 0
    return power


@answers_for(np.linalg.matrix_power)
def _np_matrix_power(a: Any, n: int) -> Tensor:
    return matrix_power(as_tensor(a), n)


class PinvBackward(Function):
    """Gradient of ``P = pinv(a)``, where the rank does not change.

    Notes
    -----
    Source: G. Golub and V. Pereyra, The differentiation of pseudo-inverses, SIAM J. Numer. Anal. 10, 1973.
    """

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, rtol: Any, hermitian: bool, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> Grads:
        a, p = self.saved_tensors
        grad_t, p_t = _transposed(grad_output), _transposed(p)
        from_rows = grad_t @ p @ p_t
        from_columns = p_t @ p @ grad_t
        return (-(p_t @ grad_output @ p_t) + (from_rows - a @ (p @ from_rows)) + (from_columns - from_columns @ p @ a),)


@operation(PinvBackward)
def _pinv(input: Tensor, rtol: Any, hermitian: bool) -> Tensor:
    return from_numpy(np.linalg.pinv(input.data, rtol=rtol, hermitian=hermitian))


def pinv(
    A: Tensor,  # noqa: N803
    *,
    atol: float | None = None,
    rtol: float | None = None,
    hermitian: bool = False,
) -> Tensor:
    """Return the pseudo-inverse of Moore and Penrose. Shapes: ``(..., n, m) -> (..., m, n)``.

    Parameters
    ----------
    A
        Matrices of any shape.
    atol, rtol
        Singular values at or below the larger of `atol` and `rtol` times the largest one count as 0. By default
        `rtol` is the precision of the type times the longer side, or 0 if `atol` is given.
    hermitian
        Whether the matrices are symmetric, which is then not checked.
    """
    _check_matrices("pinv", A, square=hermitian)
    if rtol is None:
        rtol = float(np.finfo(A.dtype).eps) * max(A.shape[-2:]) if atol is None else 0.0
    if atol is not None and A.size:
        largest = np.linalg.svd(A.data, compute_uv=False)[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            return _pinv(A, np.fmax(rtol, atol / largest), hermitian)
    return _pinv(A, rtol, hermitian)


@composed()
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Return the pseudo-inverse; singular values at or below `rcond` times the largest one count as 0."""
    return pinv(input, rtol=rcond)


@answers_for(np.linalg.pinv)
def _np_pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tensor:
    return pinv(as_tensor(a), rtol=rcond if rtol is None else rtol, hermitian=hermitian)


# Factors


class CholeskyBackward(Function):
    """Gradient of ``out = cholesky(a)``, lower L: ``L.T^-1 @ half(L.T @ grad_output) @ L^-1``, made symmetric.

    ``half`` keeps the lower triangle and halves the diagonal.

    Notes
    -----
    Source: I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527.
    """

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> Grads:
        (out,) = self.saved_tensors
        n = out.shape[-1]
        half = np.tri(n, dtype=self.dtype) - 0.5 * np.eye(n, dtype=self.dtype)
        across = _transposed(out)
        left = np.linalg.solve(across, (across @ grad_output) * half)
        slope = np.linalg.solve(across, _transposed(left))
        return ((slope + _transposed(slope)) * 0.5,)


@operation(CholeskyBackward)
def _cholesky(input: Tensor) -> Tensor:
    return from_numpy(_lapack("cholesky", np.linalg.cholesky, input.data))


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:  # noqa: N803
    """Return the lower triangular L, for which ``L @ L.T`` is A; or its transpose, if `upper`.

    Only the lower triangle of `A` is read, which has to be symmetric; its gradient is symmetric.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.

    Examples
    --------
    >>> cholesky(Tensor([[4, 2], [2, 2]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    _check_matrices("cholesky", A)
    factor = _cholesky(A)
    return factor.transpose(-1, -2) if upper else factor


@answers_for(np.linalg.cholesky)
def _np_cholesky(a: Any, /, *, upper: bool = False) -> Tensor:
    return cholesky(as_tensor(a), upper=upper)


class QR(NamedTuple):
    """What ``qr()`` returns."""

    Q: Tensor
    R: Tensor


def _symmetric_lower(m: FloatArray) -> FloatArray:
    """Return the lower triangle of each matrix, and its mirror image above the diagonal."""
    n = m.shape[-1]
    below = m * np.tri(n, k=-1, dtype=m.dtype)
    return below + _transposed(below) + m * np.eye(n, dtype=m.dtype)


class _QRBackward(Function):
    """What the gradients of Q and of R have in common: of ``a = Q @ R`` both factors are needed.

    Notes
    -----
    Source: M. Seeger et al., Auto-differentiating linear algebra, arXiv:1710.08717.
    """

    def __init__(self, a: Tensor, q: FloatArray, r: FloatArray, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.factors = q, r

    def slope(self, a: FloatArray, grad_q: Any, m: FloatArray, q: FloatArray, r: FloatArray) -> FloatArray:
        """Return ``(grad_q + q @ symmetric_lower(m)) @ inverse(r).T``."""
        total = q @ _symmetric_lower(m)
        if grad_q is not None:
            total = total + grad_q
        return _transposed(np.linalg.solve(r, _transposed(total)))

    def both(self, a: Any) -> tuple[Any, Any]:
        """Return Q and R as arrays, or, where the rule is recorded, as tensors that come from `a`."""
        return qr(a) if isinstance(a, Tensor) else self.factors


class QBackward(_QRBackward):
    """Gradient of the Q of ``qr(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        q, r = self.both(a)
        return (self.slope(a, grad_output, -(_transposed(grad_output) @ q), q, r),)


class RBackward(_QRBackward):
    """Gradient of the R of ``qr(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        q, r = self.both(a)
        return (self.slope(a, None, r @ _transposed(grad_output), q, r),)


@operation(QBackward)
def _q(input: Tensor, q: FloatArray, r: FloatArray) -> Tensor:
    return from_numpy(q)


@operation(RBackward)
def _r(input: Tensor, q: FloatArray, r: FloatArray) -> Tensor:
    return from_numpy(r)


def qr(A: Tensor, mode: str = "reduced") -> QR:  # noqa: N803
    """Return Q with orthonormal columns and upper triangular R, for which ``Q @ R`` is A.

    Parameters
    ----------
    A
        Matrices ``(..., n, m)``.
    mode
        "reduced": Q is ``(..., n, k)`` and R ``(..., k, m)``, k the shorter side; "complete": Q is square; "r": Q is
        empty.

    Raises
    ------
    NotDifferentiableError
        If `A` requires a gradient, and "complete" adds columns to Q that no formula determines.

    Notes
    -----
    The gradient needs the first k columns of `A` to be independent. Source: ``torch.linalg.qr``.
    """
    _check_matrices("qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr() knows mode='reduced', 'complete' and 'r', but got {mode!r}.")
    n, m = A.shape[-2:]
    if mode == "complete" and n > m:
        if A.requires_grad:
            raise NotDifferentiableError(
                f"qr() with mode='complete' has no gradient for matrices of {n} rows and {m} columns, since the last "
                f"{n - m} columns of Q are arbitrary. Use mode='reduced'."
            )
        return QR(*map(from_numpy, np.linalg.qr(A.data, "complete")))
    if m > n:  # the first columns determine Q
        first = _reduced_qr(A[..., :n])
        rest = first.Q.transpose(-1, -2).matmul(A[..., n:])
        factors = QR(first.Q, _beside(first.R, rest))
    else:
        factors = _reduced_qr(A)
    return factors if mode != "r" else QR(from_numpy(np.empty(0, A.dtype)), factors.R)


def _reduced_qr(a: Tensor) -> QR:
    q, r = np.linalg.qr(a.data)
    return QR(_q(a, q, r), _r(a, q, r))


def _beside(left: Tensor, right: Tensor) -> Tensor:
    from tinytorch.ops.shape import cat

    return cat([left, right], -1)


@answers_for(np.linalg.qr)
def _np_qr(a: Any, mode: str = "reduced") -> Any:
    factors = qr(as_tensor(a), mode)
    return factors.R if mode == "r" else factors


class SVD(NamedTuple):
    """What ``svd()`` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _gaps(squares: FloatArray, name: str) -> FloatArray:
    """Return ``1 / (x[j] - x[i])`` for each pair, 0 on the diagonal: ``(..., n) -> (..., n, n)``.

    Raises
    ------
    NotDifferentiableError
        If two are equal, so that the vectors that belong to them are arbitrary.
    """
    n = squares.shape[-1]
    same = np.eye(n, dtype=squares.dtype)
    gaps = squares.reshape((*squares.shape[:-1], 1, n)) - squares.reshape((*squares.shape, 1))
    if ((gaps + same) == 0).any():
        raise NotDifferentiableError(
            f"{name}() has equal values here, so that the vectors that belong to them are arbitrary and have no "
            "gradient. The values alone have one."
        )
    return (1 - same) / (gaps + same)


class _SVDBackward(Function):
    """What the gradients of U, S and Vh have in common.

    Notes
    -----
    Source: J. Townsend, Differentiating the singular value decomposition, 2016.
    """

    def __init__(self, a: Tensor, factors: Sequence[FloatArray], *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.factors = factors

    def all(self, a: Any) -> Any:
        """Return U, S, Vh as arrays, or, where the rule is recorded, as tensors that come from `a`."""
        return svd(a, full_matrices=False) if isinstance(a, Tensor) else self.factors


class SVDValuesBackward(_SVDBackward):
    """Gradient of the singular values: ``U @ diag(grad_output) @ Vh``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        u, _, vh = self.all(a)
        return ((u * _as_row(grad_output)) @ vh,)


def _as_row(x: FloatArray) -> FloatArray:
    """Return ``(..., n)`` as ``(..., 1, n)``, which multiplies the columns of a matrix."""
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]))


class SVDLeftBackward(_SVDBackward):
    """Gradient of the left singular vectors."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        u, s, vh = self.all(a)
        return (_slope_of_left(u, s, vh, grad_output),)


class SVDRightBackward(_SVDBackward):
    """Gradient of the right singular vectors: that of the left ones of the transposed matrix."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        u, s, vh = self.all(a)
        return (_transposed(_slope_of_left(_transposed(vh), s, _transposed(u), _transposed(grad_output))),)


def _slope_of_left(u: FloatArray, s: FloatArray, vh: FloatArray, grad_u: FloatArray) -> FloatArray:
    turn = _transposed(u) @ grad_u
    inside = (turn - _transposed(turn)) * _gaps(s * s, "svd") * _as_row(s)
    slope = u @ inside
    if u.shape[-2] > u.shape[-1]:  # what leaves the space of the columns
        slope = slope + (grad_u - u @ turn) / _as_row(s)
    return slope @ vh


@operation(SVDLeftBackward)
def _svd_left(input: Tensor, factors: Sequence[FloatArray]) -> Tensor:
    return from_numpy(factors[0])


@operation(SVDValuesBackward)
def _svd_values(input: Tensor, factors: Sequence[FloatArray]) -> Tensor:
    return from_numpy(factors[1])


@operation(SVDRightBackward)
def _svd_right(input: Tensor, factors: Sequence[FloatArray]) -> Tensor:
    return from_numpy(factors[2])


def svd(A: Tensor, full_matrices: bool = True) -> SVD:  # noqa: N803
    """Return U, S and Vh, for which ``U @ diag(S) @ Vh`` is A, with orthonormal columns, sizes that fall, and rows.

    Parameters
    ----------
    A
        Matrices ``(..., n, m)``.
    full_matrices
        Whether U and Vh are square; else they have the shorter side's number of columns and rows.

    Raises
    ------
    NotDifferentiableError
        If `A` requires a gradient, is not square, and `full_matrices` is true: the additional vectors are arbitrary.

    Notes
    -----
    The gradients of U and Vh need singular values that differ. The sign of each pair of vectors is arbitrary.
    Source: ``torch.linalg.svd``.
    """
    _check_matrices("svd", A, square=False)
    if full_matrices and A.shape[-1] != A.shape[-2]:
        if A.requires_grad:
            raise NotDifferentiableError(
                f"svd() with full_matrices=True has no gradient for matrices of shape {A.shape[-2:]}, since some of "
                "the vectors are arbitrary. Use full_matrices=False."
            )
        return SVD(*map(from_numpy, _lapack("svd", np.linalg.svd, A.data)))
    factors = tuple(_lapack("svd", lambda a: np.linalg.svd(a, full_matrices=False), A.data))
    return SVD(_svd_left(A, factors), _svd_values(A, factors), _svd_right(A, factors))


def svdvals(A: Tensor) -> Tensor:  # noqa: N803
    """Return the singular values of each matrix, the largest first. Shapes: ``(..., n, m) -> (..., min(n, m))``."""
    return svd(A, full_matrices=False).S


@answers_for(np.linalg.svd)
def _np_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    return svd(as_tensor(a), full_matrices) if compute_uv else svdvals(as_tensor(a))


class Eigh(NamedTuple):
    """What ``eigh()`` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class _EighBackward(Function):
    """What the gradients of eigenvalues and of eigenvectors have in common.

    Notes
    -----
    Source: M. Giles, An extended collection of matrix derivative results, Oxford, 2008, sec. 3.1.
    """

    def __init__(self, a: Tensor, factors: Sequence[FloatArray], uplo: str, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.factors, self.uplo = factors, uplo

    def both(self, a: Any) -> Any:
        """Return values and vectors as arrays, or, where the rule is recorded, as tensors that come from `a`."""
        return eigh(a, self.uplo) if isinstance(a, Tensor) else self.factors


class EigenvaluesBackward(_EighBackward):
    """Gradient of the eigenvalues: ``V @ diag(grad_output) @ V.T``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        _, vectors = self.both(a)
        return ((vectors * _as_row(grad_output)) @ _transposed(vectors),)


class EigenvectorsBackward(_EighBackward):
    """Gradient of the eigenvectors: the turn of each towards each other one, over the gap between their values."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        values, vectors = self.both(a)
        turn = _transposed(vectors) @ grad_output
        inside = (turn - _transposed(turn)) * 0.5 * _gaps(values, "eigh")
        return (vectors @ inside @ _transposed(vectors),)


@operation(EigenvaluesBackward)
def _eigenvalues(input: Tensor, factors: Sequence[FloatArray], uplo: str) -> Tensor:
    return from_numpy(factors[0])


@operation(EigenvectorsBackward)
def _eigenvectors(input: Tensor, factors: Sequence[FloatArray], uplo: str) -> Tensor:
    return from_numpy(factors[1])


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:  # noqa: N803
    """Return the eigenvalues of symmetric matrices, the smallest first, and the eigenvectors as columns.

    Parameters
    ----------
    A
        Symmetric matrices; only one triangle is read. The gradient is symmetric.
    UPLO
        Which triangle: "L", the lower, or "U", the upper one.

    Notes
    -----
    The gradients of the eigenvectors need eigenvalues that differ. The sign of each eigenvector is arbitrary.
    Source: ``torch.linalg.eigh``.
    """
    _check_matrices("eigh", A)
    if UPLO not in ("L", "U"):
        raise ValueError(f"eigh() reads the triangle UPLO='L' or 'U', but got {UPLO!r}.")
    factors = tuple(_lapack("eigh", lambda a: np.linalg.eigh(a, "U" if UPLO == "U" else "L"), A.data))
    return Eigh(_eigenvalues(A, factors, UPLO), _eigenvectors(A, factors, UPLO))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """Return the eigenvalues of symmetric matrices, the smallest first. Shapes: ``(..., n, n) -> (..., n)``."""
    return eigh(A, UPLO).eigenvalues


@answers_for(np.linalg.eigh)
def _np_eigh(a: Any, UPLO: str = "L") -> Eigh:  # noqa: N803
    return eigh(as_tensor(a), UPLO)


@answers_for(np.linalg.eigvalsh)
def _np_eigvalsh(a: Any, UPLO: str = "L") -> Tensor:  # noqa: N803
    return eigvalsh(as_tensor(a), UPLO)


# Norms

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
    axes = axes_of(dim, A.ndim, "matrix_norm")
    if len(axes) != 2:
        raise ValueError(f"matrix_norm() takes two axes as dim, those of rows and columns, but got {dim}.")
    if ord == "fro":
        return vector_norm(matrices, 2, axes, keepdim)
    rows, columns = axes
    if ord in (1, -1, math.inf, -math.inf):
        summed, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(matrices, 1, summed, keepdim=True)
        result = (reductions.amax if ord > 0 else reductions.amin)(sums, chosen, True)
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
        result = reductions.amax(values, -1) if ord > 0 else reductions.amin(values, -1)
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
    axes = tuple(range(A.ndim)) if dim is None else axes_of(dim, A.ndim, "norm")
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
    _check_matrices("cond", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    return matrix_norm(A, p) * matrix_norm(inverse(A), p)


def matrix_rank(
    A: Tensor,  # noqa: N803
    *,
    atol: float | None = None,
    rtol: float | None = None,
    hermitian: bool = False,
) -> Tensor:
    """Return how many singular values of each matrix are above ``max(atol, rtol * largest)``; defaults as in `pinv`."""
    _check_matrices("matrix_rank", A, square=hermitian)
    values = np.linalg.svd(A.data, compute_uv=False)
    if rtol is None:
        rtol = float(np.finfo(A.dtype).eps) * max(A.shape[-2:]) if atol is None else 0.0
    limit = np.maximum(atol or 0.0, rtol * values.max(axis=-1, keepdims=True, initial=0))
    return from_numpy(np.asarray(np.sum(values > limit, axis=-1)))


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the vectors that stand on both inputs along `dim`, an axis of 3 elements."""
    return cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the sums of products of two tensors, which broadcast, over one axis."""
    check_tensor(x, "vecdot")
    check_tensor(y, "vecdot")
    check_broadcast(x.shape, y.shape, "vecdot()")
    return (x * y).sum(axis_of(dim, max(x.ndim, y.ndim), "vecdot"))
