"""Square matrices and systems of equations: inverses, determinants, powers, solutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.autograd import Function, NotDifferentiableError, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Tensor, check_broadcast, common_type, from_numpy
from tinytorch.ops._registry import composed, operation
from tinytorch.ops.contractions import check_equal
from tinytorch.ops.reductions import Grads, answers_for, check_floats
from tinytorch.ops.shape import as_tensor

__all__ = [
    "det",
    "inverse",
    "logdet",
    "matrix_exp",
    "matrix_power",
    "pinverse",
    "slogdet",
]


class LinAlgError(RuntimeError):
    """A matrix does not allow what was asked: it is singular, or not positive definite."""


# Arguments


def check_matrices(name: str, input: Tensor, square: bool = True) -> None:
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


def transposed(a: FloatArray) -> FloatArray:
    """Return each matrix of an array or a tensor transposed."""
    return a.swapaxes(-1, -2)


# Inverses and determinants


def lapack(name: str, function: Callable[..., Any], *arrays: Array) -> Any:
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
        across = transposed(out)
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
    check_matrices("inv", input)
    return from_numpy(lapack("inv", np.linalg.inv, input.data))


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
        grad_b = np.linalg.solve(transposed(a), grad_output)
        grad_a = unbroadcast(-(grad_b @ transposed(out)), a.shape) if need_a else None
        return grad_a, unbroadcast(grad_b, b.shape) if need_b else None


@operation(SolveBackward)
def _solve(input: Tensor, other: Tensor) -> Tensor:
    return from_numpy(lapack("solve", np.linalg.solve, *common_type(input.data, other.data)))


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
    check_matrices("solve", A)
    check_floats(B, "solve")
    vectors = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    if vectors:
        if not left:
            raise ValueError("solve() with left=False takes matrices as B, but got vectors.")
        right = B.reshape((*B.shape, 1))
    else:
        check_matrices("solve", B, square=False)
        right = B if left else B.transpose(-1, -2)
    check_equal("solve", A, -1, right, -2)
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
    check_matrices("solve_triangular", A)
    check_matrices("solve_triangular", B, square=False)
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
        return (scale * transposed(np.linalg.inv(a)),)


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
    check_matrices("det", input)
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
        return (transposed(np.linalg.inv(a)) * grad_output.reshape((*grad_output.shape, 1, 1)),)


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
    check_matrices("slogdet", input)
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
    check_matrices("matrix_power", input)
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
        grad_t, p_t = transposed(grad_output), transposed(p)
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
    check_matrices("pinv", A, square=hermitian)
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


_EXP_TERMS = {np.dtype(np.float32): 10, np.dtype(np.float64): 18}  # of the series; what they leave of norm 1 is lost


@composed()
def matrix_exp(input: Tensor) -> Tensor:
    """Return ``1 + A + A @ A / 2 + ...`` of each matrix A.

    Notes
    -----
    Shapes: ``(..., n, n) -> (..., n, n)``. Each A is halved until its norm is below 1/2, and the result squared as
    often. Source: C. Moler and C. Van Loan, Nineteen dubious ways to compute the exponential of a matrix, SIAM Review
    45, 2003, method 3.

    Examples
    --------
    >>> matrix_exp(Tensor([[0, 1], [0, 0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    check_matrices("matrix_exp", input)
    sizes = np.abs(input.data).sum(axis=-1).max(axis=-1, initial=0)
    largest = float(sizes.max(initial=0))
    if not math.isfinite(largest):
        raise ValueError("matrix_exp() takes matrices of finite numbers, but one holds inf or nan.")
    halvings = max(0, math.frexp(largest)[1] + 1)
    identity = from_numpy(np.eye(input.shape[-1], dtype=input.dtype))
    small = input * 0.5**halvings
    power = identity + small * 0
    for n in range(_EXP_TERMS[input.dtype], 0, -1):  # Horner's way
        power = identity + small.matmul(power) * (1 / n)
    for _ in range(halvings):
        power = power.matmul(power)
    return power


class LeastSquares(NamedTuple):
    """What ``lstsq()`` returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def lstsq(
    A: Tensor,  # noqa: N803
    B: Tensor,  # noqa: N803
    rcond: float | None = None,
    *,
    driver: str | None = None,
) -> LeastSquares:
    """Return the X for which ``A @ X`` comes closest to B, and of several the smallest.

    Parameters
    ----------
    A
        Matrices ``(..., n, m)``.
    B
        Matrices ``(..., n, k)``, or vectors, one for each matrix of `A`, ``(..., n)``.
    rcond
        Singular values at or below `rcond` times the largest one count as 0; by default the precision of the type
        times the longer side.
    driver
        "gelsy", which is also meant by None, "gels", "gelsd" or "gelss": LAPACK's names, which decide here what is
        returned beside the solution, as in PyTorch.

    Returns
    -------
    LeastSquares
        The solution; the sums of squares that remain, if `A` has more rows than columns and full rank, but not from
        "gelsy"; the rank, but not from "gels"; the singular values, from "gelsd" and "gelss". What is not given is
        empty.

    Notes
    -----
    The solution is the pseudo-inverse of `A` times B, which also gives its gradient.

    Examples
    --------
    >>> lstsq(Tensor([[1, 0], [1, 1], [1, 2]]), Tensor([[1], [3], [5]])).solution
    tensor([[1.],
            [2.]])
    """
    check_matrices("lstsq", A, square=False)
    check_floats(B, "lstsq")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise ValueError(f"lstsq() knows driver='gels', 'gelsy', 'gelsd' and 'gelss', but got {driver!r}.")
    vectors = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = B.reshape((*B.shape, 1)) if vectors else B
    check_equal("lstsq", A, -2, right, -2)
    check_broadcast(A.shape[:-2], right.shape[:-2], "the stacks of lstsq()")
    rtol = float(np.finfo(A.dtype).eps) * max(A.shape[-2:]) if rcond is None else rcond
    solution = pinv(A, rtol=rtol).matmul(right)
    rank = matrix_rank(A, rtol=rtol)
    empty = from_numpy(np.empty(0, A.dtype))
    n, m = A.shape[-2:]
    residuals = values = empty
    if driver not in (None, "gelsy") and n > m and bool(np.all(rank.data == m)):
        gap = A.matmul(solution) - right
        residuals = (gap * gap).sum(-2)
    if driver in ("gelsd", "gelss"):
        values = from_numpy(np.linalg.svd(A.data, compute_uv=False))
    if driver == "gels":
        rank = from_numpy(np.empty(0, np.int64))
    return LeastSquares(solution.reshape(solution.shape[:-1]) if vectors else solution, residuals, rank, values)


def matrix_rank(
    A: Tensor,  # noqa: N803
    *,
    atol: float | None = None,
    rtol: float | None = None,
    hermitian: bool = False,
) -> Tensor:
    """Return how many singular values of each matrix are above ``max(atol, rtol * largest)``; defaults as in `pinv`."""
    check_matrices("matrix_rank", A, square=hermitian)
    values = np.linalg.svd(A.data, compute_uv=False)
    if rtol is None:
        rtol = float(np.finfo(A.dtype).eps) * max(A.shape[-2:]) if atol is None else 0.0
    limit = np.maximum(atol or 0.0, rtol * values.max(axis=-1, keepdims=True, initial=0))
    return from_numpy(np.asarray(np.sum(values > limit, axis=-1)))
