"""Matrices: products in every order, inverses, factors, norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch
import tinytorch.linalg
from tinytorch import Tensor
from tinytorch.core.autograd import NotDifferentiableError
from tinytorch.linalg import LinAlgError

from .harness import Array, Case, compare, numbers, refuse, torch

Maker = Callable[[np.random.Generator], list[Array]]
INF = float("inf")


def regular(*shapes: tuple[int, ...]) -> Maker:
    """Return a maker of arrays whose first is a stack of matrices with a condition number below 10."""

    def make(rng: np.random.Generator) -> list[Array]:
        n = shapes[0][-1]
        first = rng.uniform(-0.5, 0.5, shapes[0]) / n + np.eye(n) * rng.choice([-1.0, 1.0], n)
        return [first, *(rng.uniform(-3, 3, shape) for shape in shapes[1:])]

    return make


def positive(shape: tuple[int, ...]) -> Maker:
    """Return a maker of symmetric matrices whose eigenvalues are positive and apart."""

    def make(rng: np.random.Generator) -> list[Array]:
        n = shape[-1]
        turn, _ = np.linalg.qr(rng.standard_normal(shape))
        return [turn @ (np.arange(1, n + 1)[:, None] * turn.swapaxes(-1, -2))]

    return make


def apart(shape: tuple[int, ...]) -> Maker:
    """Return a maker of matrices whose singular values are apart."""

    def make(rng: np.random.Generator) -> list[Array]:
        u, _, v = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
        return [(u * np.arange(1.0, min(shape[-2:]) + 1)) @ v]

    return make


def symmetric(x: Any) -> Any:
    """Return what an operation that reads one triangle sees of any matrix."""
    return (x + x.swapaxes(-1, -2)) / 2


def chain(lib: Any, matrices: Any) -> Any:
    """Return the product of matrices; PyTorch's ``chain_matmul`` warns that it will go."""
    return lib.chain_matmul(*matrices) if lib is tinytorch else lib.linalg.multi_dot(matrices)


def cond(lib: Any, x: Any, p: Any) -> Any:
    """Return the condition number; PyTorch's own fails on the way back for these norms."""
    if lib is tinytorch:
        return lib.linalg.cond(x, p)
    return lib.linalg.matrix_norm(x, p) * lib.linalg.matrix_norm(lib.linalg.inv(x), p)


def distances(lib: Any, x: Any, y: Any, p: float) -> Any:
    """Return the distances of all rows; PyTorch's own have no second derivative."""
    if lib is tinytorch:
        return lib.cdist(x, y, p)
    return lib.linalg.vector_norm(x[..., :, None, :] - y[..., None, :, :], p, dim=-1)


def sign_and_log(result: Any) -> list[Any]:
    """Return what `slogdet` returned; PyTorch's sign has a gradient, of 0, for the sake of complex numbers."""
    return [result.sign.detach(), result.logabsdet]


PRODUCTS = [
    *(
        Case(f"matmul{a}{b}", lambda lib, x, y: lib.matmul(x, y), numbers(a, b))
        for a, b in [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 4)),
            ((2, 3), (3, 4)),
            ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((5, 2, 3), (3,)),
            ((3,), (5, 3, 4)),
            ((6, 1, 2, 3), (5, 3, 4)),
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
            ((1, 1), (1, 1)),
        ]
    ),
    Case("mm", lambda lib, x, y: lib.mm(x, y), numbers((2, 3), (3, 4))),
    Case("mm method", lambda lib, x, y: x.mm(y), numbers((2, 0), (0, 4))),
    Case("bmm", lambda lib, x, y: lib.bmm(x, y), numbers((5, 2, 3), (5, 3, 4))),
    Case("bmm method", lambda lib, x, y: x.bmm(y), numbers((0, 2, 3), (0, 3, 4))),
    Case("mv", lambda lib, x, y: lib.mv(x, y) + x.mv(y), numbers((2, 3), (3,))),
    Case("dot", lambda lib, x, y: lib.dot(x, y) + x.dot(y), numbers((3,), (3,))),
    Case("vdot", lambda lib, x, y: lib.vdot(x, y) + x.vdot(y), numbers((3,), (3,))),
    Case("inner 1-D", lambda lib, x, y: lib.inner(x, y), numbers((3,), (3,))),
    Case("inner n-D", lambda lib, x, y: x.inner(y), numbers((2, 4, 3), (5, 3))),
    Case("inner 0-d", lambda lib, x, y: lib.inner(x, y), numbers((), (5, 3))),
    Case("outer", lambda lib, x, y: lib.outer(x, y) + x.outer(y), numbers((3,), (4,))),
    Case("outer empty", lambda lib, x, y: lib.outer(x, y), numbers((0,), (4,))),
    Case("ger", lambda lib, x, y: lib.ger(x, y) + x.ger(y), numbers((3,), (1,))),
    Case("addmm", lambda lib, x, a, b: lib.addmm(x, a, b), numbers((2, 4), (2, 3), (3, 4))),
    Case("addmm weighted", lambda lib, x, a, b: x.addmm(a, b, beta=2, alpha=-0.5), numbers((4,), (2, 3), (3, 4))),
    Case("addmm beta 0", lambda lib, a, b: lib.addmm(a.detach() * np.nan, a, b, beta=0), numbers((3, 3), (3, 3))),
    Case("addmv", lambda lib, x, a, b: lib.addmv(x, a, b, beta=0.5) + x.addmv(a, b), numbers((2,), (2, 3), (3,))),
    Case("addr", lambda lib, x, a, b: lib.addr(x, a, b, alpha=3) + x.addr(a, b), numbers((2, 3), (2,), (3,))),
    Case("baddbmm", lambda lib, x, a, b: lib.baddbmm(x, a, b), numbers((1, 4), (5, 2, 3), (5, 3, 4))),
    Case("baddbmm 2", lambda lib, x, a, b: x.baddbmm(a, b, beta=2, alpha=3), numbers((5, 2, 4), (5, 2, 3), (5, 3, 4))),
    Case("addbmm", lambda lib, x, a, b: lib.addbmm(x, a, b, alpha=2), numbers((2, 4), (5, 2, 3), (5, 3, 4))),
    Case("kron", lambda lib, x, y: lib.kron(x, y), numbers((2, 3), (4, 1))),
    Case("kron 1-D and 3-D", lambda lib, x, y: x.kron(y), numbers((3,), (2, 3, 2))),
    Case("kron 0-d", lambda lib, x, y: lib.kron(x, y), numbers((), (2, 3))),
    Case("trace", lambda lib, x: lib.trace(x) + x.trace(), numbers((3, 3))),
    Case("trace wide", lambda lib, x: lib.trace(x) ** 2, numbers((2, 4))),
    Case("trace empty", lambda lib, x: lib.trace(x), numbers((0, 0))),
    Case("cross", lambda lib, x, y: lib.linalg.cross(x, y), numbers((2, 3), (2, 3))),
    Case("cross dim", lambda lib, x, y: lib.cross(x, y, dim=0), numbers((3, 4), (3, 4))),
    Case("cross method", lambda lib, x, y: x.cross(y, -2), numbers((5, 3, 4), (1, 3, 4))),
    Case("cross broadcast", lambda lib, x, y: lib.linalg.cross(x, y, dim=1), numbers((1, 3, 4), (5, 3, 1))),
    Case("chain", lambda lib, *x: chain(lib, x), numbers((2, 3), (3, 5), (5, 1), (1, 4))),
    Case("multi_dot", lambda lib, *x: lib.linalg.multi_dot(x), numbers((9, 2), (2, 8), (8, 1), (1, 3))),
    Case("multi_dot vectors", lambda lib, *x: lib.linalg.multi_dot(x), numbers((3,), (3, 5), (5,))),
    Case("vecdot", lambda lib, x, y: lib.linalg.vecdot(x, y, dim=0), numbers((3, 2), (3, 1))),
    Case("tensordot 2", lambda lib, x, y: lib.tensordot(x, y), numbers((2, 3, 4), (3, 4, 5))),
    Case("tensordot 1", lambda lib, x, y: lib.tensordot(x, y, dims=1), numbers((2, 3), (3, 4, 5))),
    Case("tensordot 0", lambda lib, x, y: lib.tensordot(x, y, dims=0), numbers((2,), (3, 1))),
    Case(
        "tensordot axes",
        lambda lib, x, y: lib.tensordot(x, y, dims=([0, -1], [2, 0])),
        numbers((2, 3, 4), (4, 5, 2)),
    ),
    Case("tensordot all", lambda lib, x, y: lib.tensordot(x, y, dims=2), numbers((3, 4), (3, 4))),
]

EINSUMS: list[tuple[str, Sequence[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk->ki", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ba,ca", [(2, 3), (4, 3)]),
    ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("bij,bjk->ik", [(5, 2, 3), (5, 3, 4)]),
    ("ijb,jkb->ikb", [(2, 3, 5), (3, 4, 5)]),
    ("bthd,bshd->bhts", [(2, 3, 2, 4), (2, 5, 2, 4)]),
    ("bhts,bshd->bthd", [(2, 2, 3, 5), (2, 5, 2, 4)]),
    ("i,i->", [(3,), (3,)]),
    ("i,i->i", [(3,), (3,)]),
    ("bi,bi->b", [(4, 3), (4, 3)]),
    ("aib,bia->ab", [(2, 3, 4), (4, 3, 2)]),
    ("i,j->ij", [(3,), (4,)]),
    ("i,j->ji", [(3,), (4,)]),
    ("ij,ij", [(3, 4), (3, 4)]),
    ("ij->ji", [(3, 4)]),
    ("ij->j", [(3, 4)]),
    ("ij->", [(3, 4)]),
    ("ij", [(3, 4)]),
    ("ba", [(3, 4)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ij", [(3, 3, 2)]),
    ("iji->j", [(3, 2, 3)]),
    ("iii->", [(3, 3, 3)]),
    ("ii,i->i", [(3, 3), (3,)]),
    ("ii,jj->ij", [(3, 3), (2, 2)]),
    ("ij,kl->", [(2, 3), (2, 2)]),
    ("ijk,k->i", [(2, 3, 4), (4,)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (5, 3, 4)]),
    ("...ij,...jk->...ik", [(6, 1, 2, 3), (5, 3, 4)]),
    ("...ij,jk", [(6, 5, 2, 3), (3, 4)]),
    ("i...,i...->...", [(3, 2), (3, 1)]),
    ("ij,ij->j", [(3, 2), (1, 2)]),
    ("ij,ij->", [(1, 2), (3, 1)]),
    ("i,i,i->", [(1,), (3,), (1,)]),
    ("...,...->...", [(2, 3), (3,)]),
    ("...", [(2, 3)]),
    ("...i->...", [(2, 3)]),
    ("...ij->ij", [(5, 2, 3)]),
    ("i...->...i", [(5, 2, 3)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 5), (5, 2)]),
    ("i,ij,j->", [(3,), (3, 4), (4,)]),
    ("bi,bj,bk->bijk", [(2, 2), (2, 3), (2, 4)]),
    ("bi,ij,bj->b", [(5, 3), (3, 4), (5, 4)]),
    ("ij,j->i", [(2, 1), (3,)]),
    ("ij,ij->ij", [(2, 1), (1, 3)]),
    ("i,j", [(1,), (1,)]),
    (",ij->ij", [(), (2, 3)]),
    ("->", [()]),
    ("ij,jk->ik", [(0, 3), (3, 4)]),
    ("ij,jk->ik", [(2, 0), (0, 4)]),
    ("aB,Bc", [(2, 3), (3, 4)]),
    (" i j , j k -> i k ", [(2, 3), (3, 4)]),
]


def einsum_case(equation: str, shapes: Sequence[tuple[int, ...]]) -> Case:
    return Case(f"einsum {equation} {shapes}", lambda lib, *x: lib.einsum(equation, *x), numbers(*shapes))


SUMS = [
    *(einsum_case(equation, shapes) for equation, shapes in EINSUMS),
    Case("einsum list", lambda lib, *x: lib.einsum("ij,jk", list(x)), numbers((2, 3), (3, 4))),
    Case("einsum sublists", lambda lib, x, y: lib.einsum(x, [0, 1], y, [1, 2], [2, 0]), numbers((2, 3), (3, 4))),
    Case("einsum sublists 2", lambda lib, x, y: lib.einsum(x, [..., 1], y, [1, 26]), numbers((2, 3), (3, 4))),
    Case("einsum one tensor twice", lambda lib, x: lib.einsum("ij,kj->ik", x, x), numbers((2, 3))),
    Case("einsum one side", lambda lib, x, y: lib.einsum("ij,jk", x, y), numbers((2, 3), (3, 4)), constant=(1,)),
]

INVERSES = [
    *(
        case
        for shape in [(3, 3), (1, 1), (2, 3, 3), (0, 2, 2)]
        for case in (
            Case(f"inv{shape}", lambda lib, x: lib.linalg.inv(x), regular(shape)),
            Case(f"det{shape}", lambda lib, x: lib.linalg.det(x), regular(shape)),
            Case(f"slogdet{shape}", lambda lib, x: sign_and_log(lib.linalg.slogdet(x)), regular(shape)),
            Case(f"logdet{shape}", lambda lib, x: lib.logdet(lib.matmul(x, x)), regular(shape)),
        )
    ),
    Case("inverse", lambda lib, x: lib.inverse(x) + x.inverse(), regular((3, 3))),
    Case("det function and method", lambda lib, x: lib.det(x) + x.det(), regular((3, 3))),
    Case("slogdet names", lambda lib, x: x.slogdet().logabsdet + lib.slogdet(x).sign, regular((3, 3))),
    Case("solve", lambda lib, a, b: lib.linalg.solve(a, b), regular((3, 3), (3, 2))),
    Case("solve vector", lambda lib, a, b: lib.linalg.solve(a, b), regular((3, 3), (3,))),
    Case("solve stacks", lambda lib, a, b: lib.linalg.solve(a, b), regular((2, 3, 3), (2, 3, 4))),
    Case("solve stack of vectors", lambda lib, a, b: lib.linalg.solve(a, b), regular((2, 3, 3), (2, 3))),
    Case("solve broadcast", lambda lib, a, b: lib.linalg.solve(a, b), regular((2, 1, 3, 3), (4, 3, 2))),
    Case("solve one matrix", lambda lib, a, b: lib.linalg.solve(a, b), regular((3, 3), (4, 3, 2))),
    Case("solve right", lambda lib, a, b: lib.linalg.solve(a, b, left=False), regular((3, 3), (2, 3))),
    Case("solve constant", lambda lib, a, b: lib.linalg.solve(a, b), regular((3, 3), (3, 2)), constant=(0,)),
    *(
        Case(
            f"solve_triangular upper={upper} unit={unit}",
            lambda lib, a, b, upper=upper, unit=unit: lib.linalg.solve_triangular(
                a, b, upper=upper, unitriangular=unit
            ),
            regular((3, 3), (3, 2)),
        )
        for upper in (False, True)
        for unit in (False, True)
    ),
    *(
        Case(f"matrix_power {n}", lambda lib, x, n=n: lib.matrix_power(x, n) + x.matrix_power(n), regular((2, 3, 3)))
        for n in (-3, -1, 0, 1, 2, 5)
    ),
    Case("pinv tall", lambda lib, x: lib.linalg.pinv(x), apart((4, 3))),
    Case("pinv wide", lambda lib, x: lib.pinverse(x), apart((2, 3, 4))),
    Case("pinv square", lambda lib, x: lib.linalg.pinv(x, rtol=1e-6), apart((3, 3))),
    Case("pinv atol", lambda lib, x: lib.linalg.pinv(x, atol=1.5), apart((4, 3)), second=False),
]

FACTORS = [
    Case("cholesky", lambda lib, x: lib.linalg.cholesky(symmetric(x)), positive((3, 3))),
    Case("cholesky stack", lambda lib, x: lib.linalg.cholesky(x), positive((2, 3, 3))),
    Case("cholesky upper", lambda lib, x: lib.linalg.cholesky(x, upper=True), positive((1, 1))),
    Case("qr tall", lambda lib, x: lib.linalg.qr(x), apart((4, 3))),
    Case("qr square", lambda lib, x: lib.linalg.qr(x), apart((2, 3, 3))),
    Case("qr wide", lambda lib, x: lib.linalg.qr(x), apart((3, 5))),
    Case("qr complete", lambda lib, x: lib.linalg.qr(x, mode="complete"), apart((4, 3)), constant=(0,)),
    Case("qr r", lambda lib, x: lib.linalg.qr(x, mode="r")[1], apart((4, 3)), constant=(0,)),
    Case("svdvals", lambda lib, x: lib.linalg.svdvals(x), apart((4, 3))),
    Case("svdvals wide stack", lambda lib, x: lib.linalg.svdvals(x), apart((2, 3, 4))),
    *(
        Case(
            f"svd {shape}",
            lambda lib, x: [part * part for part in lib.linalg.svd(x, full_matrices=False)],
            apart(shape),
        )
        for shape in [(4, 3), (3, 4), (2, 3, 3)]
    ),
    Case("svd together", lambda lib, x: (lambda u, s, v: u @ v * s.sum())(*lib.linalg.svd(x, False)), apart((4, 3))),
    Case("svd full", lambda lib, x: lib.linalg.svd(x).S, apart((4, 3)), constant=(0,)),
    Case("svd square full", lambda lib, x: lib.linalg.svd(x).U ** 2, apart((3, 3))),
    Case("eigvalsh", lambda lib, x: lib.linalg.eigvalsh(x), positive((3, 3))),
    Case("eigh", lambda lib, x: [part * part for part in lib.linalg.eigh(x)], positive((2, 3, 3))),
    Case("eigh upper", lambda lib, x: [part * part for part in lib.linalg.eigh(x, UPLO="U")], positive((3, 3))),
    Case("eigh of any", lambda lib, x: lib.linalg.eigh(symmetric(x)).eigenvalues, positive((3, 3))),
    Case("matrix_rank", lambda lib, x: lib.linalg.matrix_rank(x), apart((2, 4, 3)), constant=(0,)),
    Case("matrix_rank atol", lambda lib, x: lib.linalg.matrix_rank(x, atol=1.5), apart((4, 3)), constant=(0,)),
    Case("cond", lambda lib, x: lib.linalg.cond(x), apart((4, 3))),
    Case("cond -2", lambda lib, x: lib.linalg.cond(x, -2), apart((2, 3, 3))),
    Case("cond 1", lambda lib, x: cond(lib, x, 1), apart((3, 3))),
    Case("cond fro", lambda lib, x: cond(lib, x, "fro"), apart((3, 3))),
]

SOLUTIONS = [
    Case("matrix_exp", lambda lib, x: [lib.matrix_exp(x), x.matrix_exp(), lib.linalg.matrix_exp(x)], numbers((3, 3))),
    Case("matrix_exp of a stack", lambda lib, x: lib.matrix_exp(x), numbers((2, 1, 2, 2), low=-9, high=2)),
    Case("matrix_exp of 0", lambda lib, x: lib.matrix_exp(x * 0), numbers((2, 2))),
    Case("matrix_exp of nothing", lambda lib, x: lib.matrix_exp(x), numbers((0, 2, 2))),
    Case(
        "lstsq tall",
        lambda lib, a, b: lib.linalg.lstsq(a, b).solution,
        lambda rng: [*apart((4, 3))(rng), rng.uniform(-3, 3, (4, 2))],
    ),
    Case(
        "lstsq square",
        lambda lib, a, b: lib.linalg.lstsq(a, b)[0],
        lambda rng: [*apart((3, 3))(rng), rng.uniform(-3, 3, (3, 1))],
    ),
    Case(
        "lstsq stack",
        lambda lib, a, b: lib.linalg.lstsq(a, b)[0],
        lambda rng: [*apart((2, 4, 3))(rng), rng.uniform(-3, 3, (2, 4, 2))],
    ),
    *(
        Case(
            f"lstsq {driver}",
            lambda lib, a, b, d=driver: lib.linalg.lstsq(a, b, driver=d),
            lambda rng: [*apart((5, 3))(rng), rng.uniform(-3, 3, (5, 2))],
            constant=(0, 1),
        )
        for driver in (None, "gels", "gelsy", "gelsd", "gelss")
    ),
    *(
        Case(
            f"cdist {p}",
            lambda lib, x, y, p=p: distances(lib, x, y, p),
            numbers((2, 3, 4), (5, 4)),
            second=p not in (0, INF),
        )
        for p in (0.0, 0.5, 1.0, 2.0, 3.0, INF)
    ),
    Case("cdist of stacks", lambda lib, x, y: lib.cdist(x, y), numbers((2, 3, 4), (2, 5, 4)), second=False),
    Case("cdist of the same", lambda lib, x: lib.cdist(x, x), numbers((3, 2)), second=False),
    Case("cdist of nothing", lambda lib, x, y: lib.cdist(x, y), numbers((0, 2), (3, 2)), second=False),
    Case("cdist without columns", lambda lib, x, y: lib.cdist(x, y), numbers((2, 0), (3, 0)), second=False),
    *(
        Case(
            f"renorm {p} {dim}",
            lambda lib, x, p=p, d=dim: [lib.renorm(x, p, d, 2.0), x.renorm(p, d, 2.0)],
            numbers((3, 4, 2)),
        )
        for p in (1, 2, 3)
        for dim in (0, -1)
    ),
    Case(
        "renorm of some", lambda lib, x: lib.renorm(x, 2, 0, 1.0) ** 2, lambda rng: [np.array([[0.3, 0.4], [3.0, 4.0]])]
    ),
]

NORMS = [  # some are squared, so that there is a second derivative to compare
    *(
        Case(
            f"vector_norm {p} {dim} {keepdim}",
            lambda lib, x, p=p, d=dim, k=keepdim: lib.linalg.vector_norm(x, p, d, k) ** 2,
            numbers((2, 3, 4)),
        )
        for p in (2, 1, 3, 1.5, 0.5, -1, -2.5, INF, -INF)
        for dim, keepdim in [(None, False), (1, True), ((0, -1), False)]
    ),
    Case("vector_norm 0", lambda lib, x: lib.linalg.vector_norm(x, 0), numbers((2, 3)), constant=(0,)),
    Case("vector_norm 0-d", lambda lib, x: lib.linalg.vector_norm(x), numbers(())),
    Case("vector_norm empty", lambda lib, x: lib.linalg.vector_norm(x, dim=0), numbers((0, 2))),
    Case("vector_norm dtype", lambda lib, x: lib.linalg.vector_norm(x, dtype=lib.float64), numbers((2, 3))),
    *(
        Case(
            f"vector_norm {p} at 0",
            lambda lib, x, p=p: lib.linalg.vector_norm(x, p),
            lambda rng: [np.zeros(3)],
            second=False,
        )
        for p in (2, 1, 3, 1.5, INF)
    ),
    *(
        Case(
            f"vector_norm {p} with a 0",
            lambda lib, x, p=p: lib.linalg.vector_norm(x, p),
            lambda rng: [np.array([0.0, 2.0, -1.0])],
            second=False,
        )
        for p in (2, 1, 3, 1.5, 0.5, INF, -INF)
    ),
    Case("vector_norm ties", lambda lib, x: lib.linalg.vector_norm(x, INF) ** 2, lambda rng: [np.array([2.0, -2, 1])]),
    *(
        Case(
            f"matrix_norm {ord} {keepdim}",
            lambda lib, x, ord=ord, k=keepdim: lib.linalg.matrix_norm(x, ord, keepdim=k) ** 2,
            apart((2, 4, 3)),
        )
        for ord in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)
        for keepdim in (False, True)
    ),
    Case("matrix_norm dim", lambda lib, x: lib.linalg.matrix_norm(x, 1, dim=(2, 0)) ** 2, numbers((2, 3, 4))),
    Case("matrix_norm nuc dim", lambda lib, x: lib.linalg.matrix_norm(x, "nuc", (0, 2), True), numbers((2, 4, 3))),
    Case("linalg.norm", lambda lib, x: lib.linalg.norm(x), numbers((2, 3, 4))),
    Case("linalg.norm dim", lambda lib, x: lib.linalg.norm(x, dim=1), numbers((2, 3))),
    Case("linalg.norm of a vector", lambda lib, x: lib.linalg.norm(x, 3), numbers((3,))),
    Case("linalg.norm of a matrix", lambda lib, x: lib.linalg.norm(x, 2), apart((3, 3))),
    Case("linalg.norm of matrices", lambda lib, x: lib.linalg.norm(x, "nuc", (0, 1), keepdim=True), apart((3, 3))),
    Case("norm", lambda lib, x: lib.norm(x) + x.norm(), numbers((2, 3))),
    Case("norm dim", lambda lib, x: lib.norm(x, dim=(0, 2), keepdim=True), numbers((2, 3, 4))),
    Case("norm p", lambda lib, x: x.norm(1, 0) ** 2, numbers((2, 3))),
    Case("norm inf", lambda lib, x: lib.norm(x, INF, dim=-1) ** 2, numbers((2, 3))),
    Case("norm nuc", lambda lib, x: lib.norm(x, "nuc"), apart((4, 3))),
]

CASES = [*SOLUTIONS, *PRODUCTS, *SUMS, *INVERSES, *FACTORS, *NORMS]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    compare(replace(case, second=False), 0, dtype)  # the rules on arrays
    for seed in range(2):
        compare(case, seed, dtype)  # the rules on tensors


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: lib.matmul(x, x),
        lambda lib, x: lib.einsum("ij,jk->ik", x, x),
        lambda lib, x: lib.trace(x),
        lambda lib, x: lib.kron(x, x),
        lambda lib, x: lib.outer(x[0], x[1]),
        lambda lib, x: lib.tensordot(x, x, 2),
        lambda lib, x: lib.addmm(x, x, x),
    ],
)
@pytest.mark.parametrize("dtype", ["int64", "int32", "float16"])
def test_agrees_in_other_dtypes(call: Any, dtype: str) -> None:
    case = Case("", call, lambda rng: [rng.integers(-4, 5, (3, 3)).astype(dtype)], second=False)
    compare(case, 0, dtype)


REFUSED: list[tuple[Any, list[tuple[int, ...]], str]] = [
    (lambda lib, a: lib.matrix_exp(a), [(2, 3)], "square"),
    (lambda lib, a, b: lib.linalg.lstsq(a, b), [(3, 2), (4, 1)], "axis -2 of the first has 3 elements"),
    (lambda lib, a, b: lib.linalg.lstsq(a, b, driver="qr"), [(3, 2), (3, 1)], "gelsy"),
    (lambda lib, a, b: lib.cdist(a, b), [(3, 2), (3, 4)], "rows of equal length"),
    (lambda lib, a, b: lib.cdist(a, b), [(2,), (3, 2)], "rows of equal length"),
    (lambda lib, a, b: lib.cdist(a, b, -1.0), [(3, 2), (3, 2)], "0 or more"),
    (lambda lib, a: lib.renorm(a, 2, 0, 1.0), [(3,)], "two axes or more"),
    (lambda lib, a: lib.renorm(a, -1, 0, 1.0), [(3, 2)], "p above 0"),
    (lambda lib, a, b: lib.mm(a, b), [(2, 3), (4, 5)], "axis of the left has 3|last axis"),
    (lambda lib, a, b: lib.mm(a, b), [(2, 3), (3,)], "mat2 a tensor with 2 axes"),
    (lambda lib, a, b: lib.bmm(a, b), [(2, 2, 3), (3, 3, 4)], "axis 0 of the first has 2"),
    (lambda lib, a, b: lib.mv(a, b), [(2, 3), (2,)], "last axis"),
    (lambda lib, a, b: lib.dot(a, b), [(3,), (4,)], "axis 0 of the first has 3 elements, axis 0 of the second 4"),
    (lambda lib, a, b: lib.dot(a, b), [(3, 1), (3,)], "input a tensor with 1 axis"),
    (lambda lib, a, b: lib.inner(a, b), [(2, 3), (2, 4)], "axis -1"),
    (lambda lib, a, b: lib.outer(a, b), [(2, 3), (2,)], "1 axis"),
    (lambda lib, x, a, b: lib.addmm(x, a, b), [(5,), (2, 3), (3, 4)], "input of shape .5,. to a product of shape"),
    (lambda lib, a, b: lib.tensordot(a, b, 1), [(2, 3), (2, 3)], "axis 1 of the first has 3 elements, axis 0"),
    (lambda lib, a, b: lib.tensordot(a, b, ([0], [0, 1])), [(2, 3), (2, 3)], "names 1 and 2"),
    (lambda lib, a, b: lib.cross(a, b, dim=0), [(2, 3), (2, 3)], "vectors of 3 elements"),
    (lambda lib, a: lib.trace(a), [(2, 3, 4)], "2 axes"),
    (lambda lib, a, b: lib.einsum("ij,jk->ik", a, b), [(2, 3), (4, 5)], "letter 'j' names axes of 3 and 4"),
    (lambda lib, a: lib.einsum("ij,jk->ik", a), [(2, 3)], "1 operands for the 2 terms"),
    (lambda lib, a: lib.einsum("ijk->ik", a), [(2, 3)], "2 axes for the term 'ijk'"),
    (lambda lib, a: lib.einsum("i->i", a), [(2, 3)], "2 axes for the term 'i'"),
    (lambda lib, a: lib.einsum("ij->ik", a), [(2, 3)], "letter 'k' of the result"),
    (lambda lib, a: lib.einsum("ij->ii", a), [(2, 3)], "letter 'i' twice"),
    (lambda lib, a: lib.einsum("i1->i", a), [(2, 3)], "cannot read 'i1'"),
    (lambda lib, a: lib.einsum("ii", a), [(1, 3)], "letter 'i' names axes of 1 and 3"),
    (lambda lib, a: lib.linalg.inv(a), [(2, 3)], "axis -2 has 2 elements and axis -1 has 3"),
    (lambda lib, a: lib.linalg.inv(a), [(2,)], "matrix or a stack"),
    (lambda lib, a: lib.linalg.inv(a * 0), [(2, 2)], "inv.. failed on matrices of shape .2, 2.: singular matrix"),
    (lambda lib, a, b: lib.linalg.solve(a * 0, b), [(2, 2), (2,)], "solve.. failed"),
    (lambda lib, a, b: lib.linalg.solve(a, b), [(2, 2), (3, 1)], "axis -1 of the first has 2 elements, axis -2"),
    (lambda lib, a: lib.linalg.cholesky(-lib.einsum("ij,kj", a, a)), [(2, 2)], "not positive definite"),
    (lambda lib, a: lib.linalg.det(a), [(3, 2)], "square"),
    (lambda lib, a: lib.linalg.eigh(a, UPLO="X"), [(2, 2)], "UPLO"),
    (lambda lib, a: lib.linalg.qr(a, mode="full"), [(2, 2)], "complete"),
    (lambda lib, a: lib.linalg.matrix_norm(a, 3), [(2, 2)], "nuc"),
    (lambda lib, a: lib.linalg.matrix_norm(a), [(2,)], "matrix or a stack"),
    (lambda lib, a: lib.linalg.norm(a, 3), [(2, 2, 2)], "means 3"),
    (lambda lib, a: lib.linalg.vector_norm(a, float("inf")), [(0,)], "no elements"),
    (lambda lib, a: lib.linalg.vector_norm(a, dim=(0, 0)), [(2, 2)], "twice"),
    (lambda lib, a: lib.norm(a, "max"), [(2, 2)], "'fro' or 'nuc'"),
    (lambda lib, a: lib.linalg.multi_dot([a]), [(2, 2)], "two matrices"),
    (lambda lib, a: lib.matrix_power(a, 0.5), [(2, 2)], "integer"),
    (lambda lib, a: lib.linalg.inv(a.long() if hasattr(a, "long") else a), [(2, 2)], "floats"),
]


@pytest.mark.parametrize(("call", "shapes", "words"), REFUSED)
def test_refuses_what_pytorch_refuses(call: Any, shapes: list[tuple[int, ...]], words: str) -> None:
    arrays = [np.random.default_rng(0).standard_normal(shape) for shape in shapes]
    refuse(call, *arrays)
    with pytest.raises((RuntimeError, ValueError, TypeError), match=words):
        call(tinytorch, *(tinytorch.from_numpy(a) for a in arrays))


@pytest.mark.parametrize("name", ["eig", "eigvals"])
def test_complex_eigenvalues_are_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(NotImplementedError, match=r"linalg.eigh\(\)"):
        getattr(tinytorch.linalg, name)(tinytorch.eye(2))


def test_matrix_exp_of_infinity_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        tinytorch.matrix_exp(tinytorch.tensor([[INF]]))


def test_lstsq_finds_the_smallest_of_many_solutions() -> None:
    a, b = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[2.0], [2.0]])
    solution = tinytorch.linalg.lstsq(tinytorch.from_numpy(a), tinytorch.from_numpy(b)).solution
    np.testing.assert_allclose(solution.numpy(), torch.linalg.lstsq(torch.from_numpy(a), torch.from_numpy(b)).solution)


def test_a_singular_matrix_has_its_own_error() -> None:
    with pytest.raises(LinAlgError, match="singular"):
        tinytorch.inverse(tinytorch.zeros(2, 2))


def test_det_has_its_gradient_at_a_singular_matrix() -> None:
    """The cofactors of [[1, 2], [2, 4]] are [[4, -2], [-2, 1]]; PyTorch answers with zeros."""
    a = Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True, dtype=np.float64)
    tinytorch.det(a).backward()
    assert a.grad is not None
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)
    with pytest.raises(NotDifferentiableError, match="higher order at a singular"):
        tinytorch.autograd.grad(tinytorch.det(a), a, create_graph=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: tinytorch.linalg.qr(a, mode="complete"),
        lambda a: tinytorch.linalg.svd(a),
        lambda a: tinytorch.linalg.svd(a[:2] * 0 + tinytorch.eye(2), full_matrices=False).U.sum().backward(),
        lambda a: tinytorch.linalg.eigh(a[:2] * 0 + tinytorch.eye(2)).eigenvectors.sum().backward(),
    ],
)
def test_arbitrary_vectors_have_no_gradient(call: Any) -> None:
    with pytest.raises(NotDifferentiableError, match="arbitrary"):
        call(tinytorch.ones(3, 2, requires_grad=True))


A, B, V = np.arange(1.0, 10).reshape(3, 3) + 9 * np.eye(3), np.arange(6.0).reshape(3, 2), np.array([1.0, -2, 3])
TWINS: list[tuple[Any, list[Array]]] = [
    (lambda a, b: np.dot(a, b), [A, B]),
    (lambda a, b: np.dot(a, b), [A, V]),
    (lambda a, b: np.dot(a, b), [A[None] * V[:, None, None], A[None] + 1]),
    (lambda a, b: np.dot(2.0, b) + np.dot(a, b), [V, V]),
    (lambda a, b: np.vdot(a, b), [A, A + 1]),
    (lambda a, b: np.inner(a, b), [A, A + 1]),
    (lambda a, b: np.outer(a, b), [B, V]),
    (lambda a, b: np.tensordot(a, b, axes=1), [A, B]),
    (lambda a, b: np.tensordot(a, b, axes=(0, 0)), [A, B]),
    (lambda a, b: np.tensordot(a, b, axes=([0, 1], [1, 0])), [A, A]),
    (lambda a, b: np.einsum("ij,jk->ki", a, b), [A, B]),
    (lambda a, b: np.einsum("ij,jk->ki", a, b, optimize=True), [A, B]),
    (lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), [A, B]),
    (lambda a, b: np.matmul(a, b), [A, B]),
    (lambda a, b: np.kron(a, b), [A, B]),
    (lambda a: np.trace(a), [A]),
    (lambda a: np.trace(a, 1), [A]),
    (lambda a, b: np.cross(a, b), [A, A.T]),
    (lambda a, b: np.cross(a, b, axis=0), [A, A.T]),
    (lambda a: np.linalg.inv(a), [A]),
    (lambda a: np.linalg.det(a), [A]),
    (lambda a: np.linalg.slogdet(a)[1], [A]),
    (lambda a, b: np.linalg.solve(a, b), [A, B]),
    (lambda a, b: np.linalg.solve(a, b), [A, V]),
    (lambda a: np.linalg.matrix_power(a, 3), [A]),
    (lambda a: np.linalg.pinv(a), [B]),
    (lambda a: np.linalg.cholesky(a), [A @ A.T]),
    (lambda a: np.linalg.qr(a)[1], [A]),
    (lambda a: np.linalg.qr(a, mode="r"), [A]),
    (lambda a: np.linalg.svd(a, full_matrices=False)[1], [A]),
    (lambda a: np.linalg.svd(a, compute_uv=False), [A]),
    (lambda a: np.linalg.eigh(a)[0], [A @ A.T]),
    (lambda a: np.linalg.eigvalsh(a, UPLO="U"), [A @ A.T]),
    (lambda a, b, v: np.linalg.multi_dot([a, b, b.T, v]), [A, B, V]),
    (lambda a: np.linalg.norm(a), [A]),
    (lambda a: np.linalg.norm(a, 2), [A]),
    (lambda a: np.linalg.norm(a, ord="nuc", axis=(0, 1), keepdims=True), [A]),
    (lambda a: np.linalg.norm(a, axis=1), [A]),
    (lambda a: np.linalg.norm(a, 1, 0), [A]),
    (lambda a: np.linalg.vector_norm(a, axis=0, ord=3), [A]),
    (lambda a: np.linalg.matrix_norm(a, ord=1), [A]),
]


@pytest.mark.parametrize(("call", "arrays"), TWINS)
def test_numpy_functions_answer_with_tensors_that_keep_their_gradients(call: Any, arrays: list[Array]) -> None:
    tensors = [tinytorch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    result, expected = call(*tensors), call(*arrays)
    assert isinstance(result, Tensor)
    assert result.requires_grad
    assert result.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-10, atol=1e-10)


def test_numpy_functions_take_an_array_beside_a_tensor() -> None:
    b = tinytorch.from_numpy(B.copy()).requires_grad_()
    for result in (np.dot(A, b), np.einsum("ij,jk", A, b), np.tensordot(A, b, 1), np.linalg.solve(A, b)):
        assert isinstance(result, Tensor)
        assert result.requires_grad


def test_what_a_numpy_function_cannot_take_is_named() -> None:
    with pytest.raises(TypeError, match=r"np.dot\(\) of a tensor does not take out"):
        np.dot(tinytorch.ones(2), tinytorch.ones(2), out=np.zeros(()))


def test_einsum_is_the_matrix_product_where_it_is_one() -> None:
    q, k = (tinytorch.rand(2, 16, 4, 8, requires_grad=True) for _ in range(2))
    scores = tinytorch.einsum("bthd,bshd->bhts", q, k)
    by_matmul = q.permute(0, 2, 1, 3) @ k.permute(0, 2, 3, 1)
    np.testing.assert_array_equal(scores.detach().numpy(), by_matmul.detach().numpy())
