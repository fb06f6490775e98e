"""Runs one call in both libraries and compares all that comes of it.

A case is a function of the library and of its tensors, ``lambda lib, x: lib.sin(x)``: since both are spelled alike, one
function does for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tinytorch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

Array = npt.NDArray[Any]
Call = Callable[..., Any]
TOLERANCE = {"float16": (1e-2, 1e-2), "float32": (2e-4, 2e-5), "float64": (1e-10, 1e-12)}


@dataclass(frozen=True)
class Case:
    """One call to compare.

    Attributes
    ----------
    name
        What the report shows.
    call
        ``call(lib, *tensors)`` returns a tensor, or a sequence of tensors.
    inputs
        Makes the arrays from a generator of random numbers; float arrays require gradients unless `constant`.
    constant
        The positions of inputs that require no gradient.
    second
        Whether the second order is compared too.
    rtol
        A relative tolerance, where PyTorch is less exact than its dtype: it has constants of float32.
    """

    name: str
    call: Call
    inputs: Callable[[np.random.Generator], Sequence[Array]]
    constant: tuple[int, ...] = ()
    second: bool = True
    rtol: float = 0.0


def compare(case: Case, seed: int, dtype: str = "float64") -> None:
    """Assert that both libraries agree: results, first gradients, and the gradients of those."""
    rng = np.random.default_rng(seed)
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in case.inputs(rng)]
    wanted = [a.dtype.kind == "f" and i not in case.constant for i, a in enumerate(arrays)]
    ours, theirs = (_Side(lib, case.call, arrays, wanted) for lib in (tinytorch, torch))
    _assert_same(ours.outputs, theirs.outputs, "the results", case.rtol)
    assert [t.requires_grad for t in ours.outputs] == [t.requires_grad for t in theirs.outputs]
    for order in ("first", "second") if case.second else ("first",):
        seeds = [rng.standard_normal(tuple(t.shape)) for t in theirs.differentiable]
        if not seeds:
            return
        again = case.second and order == "first"
        if again:  # the rules run on arrays here, below on tensors
            plain = ours.gradients(seeds, create_graph=False, retain_graph=True)
        ours, theirs = ours.gradients(seeds, again), theirs.gradients(seeds, again)
        _assert_same(ours.outputs, theirs.outputs, f"the gradients of {order} order", case.rtol)
        if again:
            _assert_same(plain.outputs, theirs.outputs, "the gradients of first order, on arrays", case.rtol)


class _Side:
    """One library's tensors on the way from inputs to results to gradients."""

    def __init__(self, lib: Any, call: Call, arrays: Sequence[Array], wanted: Sequence[bool]) -> None:
        self.lib = lib
        make = lib.from_numpy
        self.inputs = [make(a.copy()).requires_grad_(want) for a, want in zip(arrays, wanted, strict=True)]
        self.outputs = list(_flat(call(lib, *self.inputs)))

    @property
    def differentiable(self) -> list[Any]:
        """The results that a gradient can start from."""
        return [t for t in self.outputs if t is not None and t.requires_grad]

    def gradients(self, seeds: Sequence[Array], create_graph: bool, retain_graph: bool | None = None) -> _Side:
        """Return the side with the gradients of the results in the place of the results."""
        starts, ends = self.differentiable, [t for t in self.inputs if t.requires_grad]
        dtypes = [str(t.dtype).removeprefix("torch.") for t in starts]
        given = [self.lib.from_numpy(np.asarray(s, d)) for s, d in zip(seeds, dtypes, strict=True)]
        side = object.__new__(_Side)
        side.lib, side.inputs = self.lib, self.inputs
        grads = self.lib.autograd.grad(starts, ends, given, retain_graph, create_graph, allow_unused=True)
        side.outputs = [self.lib.zeros_like(t) if g is None else g for t, g in zip(ends, grads, strict=True)]
        return side


def _flat(result: Any) -> Iterator[Any]:
    if isinstance(result, tuple | list):
        for part in result:
            yield from _flat(part)
    else:
        yield result


def _assert_same(ours: Sequence[Any], theirs: Sequence[Any], what: str, least: float) -> None:
    assert len(ours) == len(theirs), what
    for a, b in zip(ours, theirs, strict=True):
        mine, expected = a.detach().numpy(), b.detach().numpy()
        assert mine.shape == expected.shape, what
        assert mine.dtype == expected.dtype, what
        rtol, atol = TOLERANCE.get(str(expected.dtype), (0, 0))
        np.testing.assert_allclose(mine, expected, rtol=max(rtol, least), atol=atol, err_msg=what)


def refuse(call: Call, *arrays: Array) -> None:
    """Assert that both libraries refuse a call, ours in words of its own."""
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
        call(torch, *(torch.from_numpy(a) for a in arrays))
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)) as caught:
        call(tinytorch, *(tinytorch.from_numpy(a) for a in arrays))
    assert len(str(caught.value)) > 20


def numbers(
    *shapes: tuple[int, ...], low: float = -3.0, high: float = 3.0
) -> Callable[[np.random.Generator], list[Array]]:
    """Return a maker of arrays of these shapes, with numbers drawn evenly between two bounds."""
    return lambda rng: [rng.uniform(low, high, shape) for shape in shapes]
