"""Matrices as products of simpler ones: Cholesky, QR, singular values, eigenvalues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.autograd import Function, NotDifferentiableError
from tinytorch.core.tensor import FloatArray, Tensor, from_numpy
from tinytorch.ops._registry import operation
from tinytorch.ops.joining import cat
from tinytorch.ops.linear_algebra import check_matrices, lapack, transposed
from tinytorch.ops.reductions import Grads, answers_for
from tinytorch.ops.shape import as_tensor

__all__: list[str] = []


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
        across = transposed(out)
        left = np.linalg.solve(across, (across @ grad_output) * half)
        slope = np.linalg.solve(across, transposed(left))
        return ((slope + transposed(slope)) * 0.5,)


@operation(CholeskyBackward)
def _cholesky(input: Tensor) -> Tensor:
    return from_numpy(lapack("cholesky", np.linalg.cholesky, input.data))


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
    check_matrices("cholesky", A)
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
    return below + transposed(below) + m * np.eye(n, dtype=m.dtype)


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
        return transposed(np.linalg.solve(r, transposed(total)))

    def both(self, a: Any) -> tuple[Any, Any]:
        """Return Q and R as arrays, or, where the rule is recorded, as tensors that come from `a`."""
        return qr(a) if isinstance(a, Tensor) else self.factors


class QBackward(_QRBackward):
    """Gradient of the Q of ``qr(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        q, r = self.both(a)
        return (self.slope(a, grad_output, -(transposed(grad_output) @ q), q, r),)


class RBackward(_QRBackward):
    """Gradient of the R of ``qr(a)``."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        q, r = self.both(a)
        return (self.slope(a, None, r @ transposed(grad_output), q, r),)


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
    check_matrices("qr", A, square=False)
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
        return (transposed(_slope_of_left(transposed(vh), s, transposed(u), transposed(grad_output))),)


def _slope_of_left(u: FloatArray, s: FloatArray, vh: FloatArray, grad_u: FloatArray) -> FloatArray:
    turn = transposed(u) @ grad_u
    inside = (turn - transposed(turn)) * _gaps(s * s, "svd") * _as_row(s)
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
    check_matrices("svd", A, square=False)
    if full_matrices and A.shape[-1] != A.shape[-2]:
        if A.requires_grad:
            raise NotDifferentiableError(
                f"svd() with full_matrices=True has no gradient for matrices of shape {A.shape[-2:]}, since some of "
                "the vectors are arbitrary. Use full_matrices=False."
            )
        return SVD(*map(from_numpy, lapack("svd", np.linalg.svd, A.data)))
    factors = tuple(lapack("svd", lambda a: np.linalg.svd(a, full_matrices=False), A.data))
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
        return ((vectors * _as_row(grad_output)) @ transposed(vectors),)


class EigenvectorsBackward(_EighBackward):
    """Gradient of the eigenvectors: the turn of each towards each other one, over the gap between their values."""

    def apply(self, grad_output: FloatArray) -> Grads:
        (a,) = self.saved_tensors
        values, vectors = self.both(a)
        turn = transposed(vectors) @ grad_output
        inside = (turn - transposed(turn)) * 0.5 * _gaps(values, "eigh")
        return (vectors @ inside @ transposed(vectors),)


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
    check_matrices("eigh", A)
    if UPLO not in ("L", "U"):
        raise ValueError(f"eigh() reads the triangle UPLO='L' or 'U', but got {UPLO!r}.")
    factors = tuple(lapack("eigh", lambda a: np.linalg.eigh(a, "U" if UPLO == "U" else "L"), A.data))
    return Eigh(_eigenvalues(A, factors, UPLO), _eigenvectors(A, factors, UPLO))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """Return the eigenvalues of symmetric matrices, the smallest first. Shapes: ``(..., n, n) -> (..., n)``."""
    return eigh(A, UPLO).eigenvalues


def eig(A: Tensor) -> Eigh:  # noqa: N803
    """Refuse: the eigenvalues of matrices that are not symmetric are complex numbers, which no tensor holds here.

    Raises
    ------
    NotImplementedError
        Always; the message says what there is instead.
    """
    raise NotImplementedError(_NO_COMPLEX.format("eig"))


def eigvals(A: Tensor) -> Tensor:  # noqa: N803
    """Refuse, as `eig` does."""
    raise NotImplementedError(_NO_COMPLEX.format("eigvals"))


_NO_COMPLEX = (
    "linalg.{0}() makes complex numbers, and a tensor holds real ones here. Of a symmetric matrix linalg.eigh() gives "
    "the eigenvalues; of any other, without a gradient, np.linalg.{0}(t.detach().numpy())."
)


@answers_for(np.linalg.eigh)
def _np_eigh(a: Any, UPLO: str = "L") -> Eigh:  # noqa: N803
    return eigh(as_tensor(a), UPLO)


@answers_for(np.linalg.eigvalsh)
def _np_eigvalsh(a: Any, UPLO: str = "L") -> Tensor:  # noqa: N803
    return eigvalsh(as_tensor(a), UPLO)
