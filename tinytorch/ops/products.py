"""Products of vectors and matrices, in every order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import Function, unbroadcast
from tinytorch.core.tensor import FloatArray, Scalar, Tensor, check_broadcast, common_type, from_numpy
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.contractions import check_equal, einsum, tensordot
from tinytorch.ops.reductions import Grads, answers_for, check_tensor
from tinytorch.ops.shape import as_tensor, axis_of

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "cross",
    "dot",
    "ger",
    "inner",
    "kron",
    "matmul",
    "mm",
    "mv",
    "outer",
    "trace",
    "vdot",
]


def check_axes(name: str, wanted: dict[str, int], *tensors: Tensor) -> None:
    """Raise an error unless each tensor has as many axes as its name in `wanted` says."""
    for (role, ndim), tensor in zip(wanted.items(), tensors, strict=True):
        check_tensor(tensor, name)
        if tensor.ndim != ndim:
            raise ValueError(
                f"{name}() takes as {role} a tensor with {ndim} {'axis' if ndim == 1 else 'axes'}, but got shape "
                f"{tensor.shape}. matmul() takes vectors, matrices and stacks of them."
            )


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
    check_axes("mm", {"input": 2, "mat2": 2}, input, mat2)
    return input.matmul(mat2)


@composed()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two stacks of matrices. Shapes: ``(b, n, k), (b, k, m) -> (b, n, m)``."""
    check_axes("bmm", {"input": 3, "mat2": 3}, input, mat2)
    check_equal("bmm", input, 0, mat2, 0)
    return input.matmul(mat2)


@composed()
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix and a vector. Shapes: ``(n, k), (k,) -> (n,)``."""
    check_axes("mv", {"input": 2, "vec": 1}, input, vec)
    return input.matmul(vec)


@composed()
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the sum of the products of two vectors, element by element. Shapes: ``(n,), (n,) -> ()``.

    Examples
    --------
    >>> dot(Tensor([1, 2]), Tensor([3, 4]))
    tensor(11.)
    """
    check_axes("dot", {"input": 1, "tensor": 1}, input, tensor)
    check_equal("dot", input, 0, tensor, 0)
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
    check_equal("inner", input, -1, other, -1)
    return tensordot(input, other, ([-1], [-1]))


@composed()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of all pairs of elements of two vectors. Shapes: ``(n,), (m,) -> (n, m)``."""
    check_axes("outer", {"input": 1, "vec2": 1}, input, vec2)
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
    check_axes("addbmm", {"batch1": 3, "batch2": 3}, batch1, batch2)
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
    check_axes("trace", {"input": 2}, input)
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
        check_equal("multi_dot", a, -1, b, 0)
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
        check_axes("chain_matmul", {"matrices": 2}, matrix)
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the vectors that stand on both inputs along `dim`, an axis of 3 elements."""
    return cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the sums of products of two tensors, which broadcast, over one axis."""
    check_tensor(x, "vecdot")
    check_tensor(y, "vecdot")
    check_broadcast(x.shape, y.shape, "vecdot()")
    return (x * y).sum(axis_of(dim, max(x.ndim, y.ndim), "vecdot"))


@answers_for(np.dot)
def _np_dot(a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return inner(a, b)
    return tensordot(a, b, ([-1], [-1 if b.ndim == 1 else -2]))


@answers_for(np.inner)
def _np_inner(a: Any, b: Any) -> Tensor:
    return inner(as_tensor(a), as_tensor(b))


@answers_for(np.vdot)
def _np_vdot(a: Any, b: Any) -> Tensor:
    return dot(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


@answers_for(np.outer)
def _np_outer(a: Any, b: Any) -> Tensor:
    return outer(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1))


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
