"""Sums of products: pairs of axes that meet, in Einstein's notation and by their numbers."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.autograd import Function
from tinytorch.core.tensor import Array, FloatArray, Tensor, common_type, from_numpy
from tinytorch.ops._registry import operation
from tinytorch.ops.reductions import Grads, answers_for, check_tensor
from tinytorch.ops.shape import as_tensor, axes_of

__all__ = [
    "einsum",
    "tensordot",
]


# Arguments


def check_equal(name: str, a: Tensor, axis_a: int, b: Tensor, axis_b: int) -> None:
    """Raise an error unless axis `axis_a` of `a` is as long as axis `axis_b` of `b`."""
    if a.shape[axis_a] != b.shape[axis_b]:
        raise ValueError(
            f"shapes {a.shape} and {b.shape} do not fit in {name}(): axis {axis_a} of the first has {a.shape[axis_a]} "
            f"elements, axis {axis_b} of the second {b.shape[axis_b]}. They must be equal."
        )


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
        check_equal("tensordot", a, i, b, j)
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
        if 1 in tensor.shape:  # an axis of 1 that meets a longer one meets it everywhere
            stretched = [k for k, c in enumerate(term) if tensor.shape[k] == 1 != sizes[c]]
            tensor = tensor.reshape([n for k, n in enumerate(tensor.shape) if k not in stretched])
            term = "".join(c for k, c in enumerate(term) if k not in stretched)
        tensors[i], letters[i] = tensor, term
    for i, term in enumerate(letters):  # only now is it known which operand has a letter alone
        others = [term for k, term in enumerate(letters) if k != i]
        alone = tuple(k for k, c in enumerate(term) if c not in out and not any(c in other for other in others))
        if alone:
            tensors[i] = tensors[i].sum(alone)
            letters[i] = "".join(c for k, c in enumerate(term) if k not in alone)
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
