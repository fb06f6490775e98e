"""Axes and pieces of tensors, taken apart and put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch.core.autograd import RULES, GradientShapeError
from tinytorch.ops import joining, moving, shape

from .harness import Array, Call, Case, compare, numbers, refuse, torch

FAMILY = (joining, moving, shape)


def pad(lib: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    return lib.nn.functional.pad(x, *args, **kwargs)


def integers(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], list[Array]]:
    """Return a maker of integer arrays."""
    return lambda rng: [rng.integers(-5, 6, shape) for shape in shapes]


def flat(result: Any) -> Iterator[Any]:
    for part in result if isinstance(result, tuple | list) else (result,):
        yield from flat(part) if isinstance(part, tuple | list) else (part,)


def squared(case: Case) -> Case:
    """Return the case with its results squared, so that the gradient of an operation that only moves has a gradient."""

    def call(lib: Any, *tensors: Any) -> list[Any]:
        return [y * y for y in flat(case.call(lib, *tensors))]

    return Case(f"{case.name}, squared", call, case.inputs, case.constant)


def on(shape: tuple[int, ...], **calls: Call) -> list[Case]:
    """Return cases of one tensor of a shape."""
    return [Case(f"{name} of {shape}", call, numbers(shape)) for name, call in calls.items()]


CASES = [
    *on((2, 1, 3, 1), squeeze=lambda lib, x: [x.squeeze(), lib.squeeze(x)]),
    *on((2, 1, 3, 1), squeeze_one=lambda lib, x: [x.squeeze(1), lib.squeeze(x, dim=-1), x.squeeze(0)]),
    *on((2, 1, 3, 1), squeeze_two=lambda lib, x: [x.squeeze((1, -1)), lib.squeeze(x, (0, 1))]),
    *on((), squeeze=lambda lib, x: [x.squeeze(), x.squeeze(0)], unsqueeze=lambda lib, x: [x.unsqueeze(0)]),
    *on((2, 3), unsqueeze=lambda lib, x: [x.unsqueeze(d) for d in (0, 1, 2, -1, -3)] + [lib.unsqueeze(x, dim=1)]),
    *on((2, 3, 4), flatten=lambda lib, x: [x.flatten(), lib.flatten(x, 1), x.flatten(end_dim=-2), x.flatten(1, 1)]),
    *on((), flatten=lambda lib, x: [x.flatten(), lib.flatten(x)], ravel=lambda lib, x: x.ravel()),
    *on((0, 3), flatten=lambda lib, x: x.flatten(), ravel=lambda lib, x: lib.ravel(x)),
    *on((2, 3), ravel=lambda lib, x: [lib.ravel(x), lib.transpose(x, 0, 1).ravel()]),
    *on((2, 6), unflatten=lambda lib, x: [x.unflatten(1, (2, 3)), lib.unflatten(x, -1, (-1, 2)), x.unflatten(0, [2])]),
    *on((0, 6), unflatten=lambda lib, x: [x.unflatten(1, (2, -1)), x.unflatten(0, (0, 2))]),
    Case("view_as", lambda lib, x, y: [x.view_as(y), x.reshape_as(y)], numbers((2, 6), (3, 4)), constant=(1,)),
    *on((2, 3), contiguous=lambda lib, x: [x.contiguous(), x.transpose(0, 1).contiguous()]),
    *on((2, 3), clone=lambda lib, x: [x.clone(), lib.clone(x)]),
    Case("atleast", lambda lib, *x: [f(*x) for f in (lib.atleast_1d, lib.atleast_2d, lib.atleast_3d)],
         numbers((), (3,), (2, 3), (2, 1, 3), (1, 2, 1, 2))),
    *on((3,), atleast=lambda lib, x: [lib.atleast_1d(x), lib.atleast_2d([x, x]), lib.atleast_3d(x)]),
    *on((2, 3), reshape=lambda lib, x: [lib.reshape(x, (3, 2)), lib.reshape(x, [-1]), lib.reshape(x, (1, -1, 3))]),
    *on((), reshape=lambda lib, x: [lib.reshape(x, (1, 1)), lib.reshape(x, (-1,)), lib.reshape(x, ())]),
    *on((2, 0), reshape=lambda lib, x: lib.reshape(x, (0, 5))),
    *on((2, 3, 4), transpose=lambda lib, x: [lib.transpose(x, 0, -1), x.transpose(1, 2), lib.transpose(x, 1, 1)]),
    *on((), transpose=lambda lib, x: [lib.transpose(x, 0, -1), x.swapaxes(0, 0)]),
    *on((2, 3, 4), swap=lambda lib, x: [x.swapaxes(0, 2), lib.swapaxes(x, -1, 1)]),
    *on((2, 3, 4), swapdims=lambda lib, x: [x.swapdims(0, 1), lib.swapdims(x, 0, -1)]),
    *on((2, 3, 4), permute=lambda lib, x: [lib.permute(x, (2, 0, 1)), lib.permute(x, dims=[1, 0, -1])]),
    *on((2, 3), t=lambda lib, x: [x.t(), lib.t(x)], mT=lambda lib, x: x.mT),
    *on((3,), t=lambda lib, x: x.t()),
    *on((), t=lambda lib, x: x.t()),
    *on((2, 0, 3), mT=lambda lib, x: x.mT),
    *on((2, 3, 4), movedim=lambda lib, x: [x.movedim(0, -1), lib.movedim(x, (0, 1), (-1, 0)), x.moveaxis([2], [0])]),
    *on((), movedim=lambda lib, x: [x.movedim(0, 0), lib.moveaxis(x, -1, 0)]),
    *on((2, 1), expand=lambda lib, x: [x.expand(2, 4), x.expand(-1, 3), x.expand((3, -1, 2)), x.expand(2, 0)]),
    *on((), expand=lambda lib, x: [x.expand(2, 3), x.expand(1), x.expand(())]),
    *on((0, 1), expand=lambda lib, x: [x.expand(0, 3), x.expand(2, -1, -1)]),
    *on((3,), broadcast_to=lambda lib, x: [x.broadcast_to((2, 3)), lib.broadcast_to(x, (4, 1, 3))]),
    Case("expand_as", lambda lib, x, y: x.expand_as(y), numbers((3, 1), (2, 3, 4)), constant=(1,)),
    Case("broadcast_tensors", lambda lib, *x: lib.broadcast_tensors(*x), numbers((3, 1), (2, 1, 4), ())),
    *on((2, 3), repeat=lambda lib, x: [x.repeat(2, 1), x.repeat((2, 1, 3)), x.repeat(1, 1), x.repeat(0, 2)]),
    *on((), repeat=lambda lib, x: [x.repeat(3), x.repeat(()), x.tile(2), lib.tile(x, (2, 2))]),
    *on((2, 3), tile=lambda lib, x: [x.tile(2), lib.tile(x, (2, 1)), x.tile(2, 1, 2)]),
    *on((2, 3), repeat_interleave=lambda lib, x: [x.repeat_interleave(2), lib.repeat_interleave(x, 3, dim=-1)]),
    *on((2, 3), repeat_interleave_0=lambda lib, x: [x.repeat_interleave(0, 1), x.repeat_interleave(1, 0)]),
    *on((), repeat_interleave=lambda lib, x: x.repeat_interleave(3)),
    Case("repeat_interleave by a tensor",
         lambda lib, x, n: [x.repeat_interleave(n, dim=1), lib.repeat_interleave(x, n[:1]), x.repeat_interleave(n, -1)],
         lambda rng: [rng.standard_normal((2, 3)), np.array([2, 0, 3])]),
    Case("meshgrid", lambda lib, *x: lib.meshgrid(*x, indexing="ij"), numbers((2,), (3,), (1,))),
    Case("meshgrid xy", lambda lib, *x: lib.meshgrid(list(x), indexing="xy"), numbers((2,), (3,), (2,))),
    Case("meshgrid of one", lambda lib, x: lib.meshgrid(x, indexing="xy"), numbers((3,))),
    Case("meshgrid 0-d", lambda lib, *x: lib.meshgrid(*x, indexing="ij"), numbers((), (3,))),
    *on((4, 5), narrow=lambda lib, x: [x.narrow(0, 1, 2), lib.narrow(x, -1, -3, 3), x.narrow(1, 5, 0)]),
    Case("narrow from a tensor", lambda lib, x, i: lib.narrow(x, 0, i, 1),
         lambda rng: [rng.standard_normal((3, 2)), np.array(1)]),
    *on((3, 4), select=lambda lib, x: [x.select(0, 1), lib.select(x, -1, -2)], unbind=lambda lib, x: x.unbind(1)),
    *on((3,), select=lambda lib, x: x.select(0, -1), unbind=lambda lib, x: lib.unbind(x)),
    *on((2, 7), split=lambda lib, x: [lib.split(x, 3, dim=1), x.split(1), x.split([2, 0, 5], -1), x.split(9, 1)]),
    *on((0, 2), split=lambda lib, x: [x.split(2), x.split(0), x.chunk(3)]),
    *on((2, 7), chunk=lambda lib, x: [x.chunk(3, 1), lib.chunk(x, 5, dim=-1), x.chunk(1), x.chunk(9)]),
    *on((7, 2), tensor_split=lambda lib, x: [x.tensor_split(3), lib.tensor_split(x, (2, 1, -2, 20))]),
    *on((3, 2), tensor_split=lambda lib, x: x.tensor_split(5)),
    Case("tensor_split by a tensor", lambda lib, x, i, n: [x.tensor_split(i, 1), lib.tensor_split(x, n)],
         lambda rng: [rng.standard_normal((2, 5)), np.array([1, 3]), np.array(2)]),
    Case("cat", lambda lib, *x: [lib.cat(x), lib.cat([x[0], x[1], x[0]], dim=0)], numbers((2, 3), (1, 3), (0, 3))),
    Case("cat last", lambda lib, *x: [lib.cat(x, -1), lib.concat(x, dim=1), lib.concatenate(x, dim=1)],
         numbers((2, 3), (2, 1))),
    Case("cat of one with constants", lambda lib, *x: lib.cat(x), numbers((2,), (3,), (4,)), constant=(0, 2)),
    Case("cat with an empty row", lambda lib, *x: lib.cat(x, 1), numbers((2, 3), (0,), (2, 1)), (1,)),
    Case("cat with an empty row first", lambda lib, *x: lib.cat(x), numbers((0,), (2, 3)), (0,)),
    Case("cat of empty rows", lambda lib, *x: lib.cat(x), numbers((0,), (0,))),
    Case("cat of mixed", lambda lib, x, n: lib.cat([n, x, n]), lambda rng: [rng.standard_normal(2), np.arange(3)]),
    Case("stack", lambda lib, *x: [lib.stack(x), lib.stack(x, dim=1), lib.stack(x, -1)], numbers((2, 3), (2, 3))),
    Case("stack 0-d", lambda lib, *x: lib.stack(x), numbers((), (), ()), constant=(1,)),
    Case("stack of mixed", lambda lib, x, n: lib.stack([n, x]), lambda rng: [rng.standard_normal(3), np.arange(3)]),
    *(Case(f"{name} of {shapes}", lambda lib, *x, name=name: getattr(lib, name)(x), numbers(*shapes))
      for name in ("hstack", "vstack", "dstack", "column_stack")
      for shapes in (((), ()), ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3, 1), (2, 3, 1)))),
    Case("column_stack of vectors and matrices", lambda lib, *x: lib.column_stack(x), numbers((2,), (2, 3))),
    *on((2, 3), roll=lambda lib, x: [x.roll(1), lib.roll(x, -2, 1), x.roll((1, 2), (0, -1)), x.roll(1, dims=0)]),
    *on((2, 3), roll_twice=lambda lib, x: [x.roll((1, 1), (1, 1)), x.roll(100, 1)]),
    *on((), roll=lambda lib, x: x.roll(1), flip=lambda lib, x: x.flip(0)),
    *on((0, 2), roll=lambda lib, x: [x.roll(1), x.roll(1, 0)], flip=lambda lib, x: x.flip(0, 1)),
    *on((2, 3), flip=lambda lib, x: [x.flip(0), x.flip(0, 1), lib.flip(x, (-1,)), lib.flip(x, dims=[0]), x.flip(())]),
    *on((2, 3), fliplr=lambda lib, x: [x.fliplr(), lib.fliplr(x)], flipud=lambda lib, x: [x.flipud(), lib.flipud(x)]),
    *on((2, 3), rot90=lambda lib, x: [*(x.rot90(k) for k in range(-1, 5)), lib.rot90(x, 1, (1, 0)), lib.rot90(x)]),
    *on((2, 3, 2), rot90=lambda lib, x: x.rot90(1, [0, 2])),
    *on((3, 4), tril=lambda lib, x: [x.tril(), lib.tril(x, 1), x.tril(-2), x.tril(diagonal=9)]),
    *on((2, 3, 3), triu=lambda lib, x: [x.triu(), lib.triu(x, -1), x.triu(diagonal=2), x.triu(-9)]),
    *on((2, 0), tril=lambda lib, x: [x.tril(), x.triu()]),
    *on((3, 4), diag=lambda lib, x: [x.diag(), lib.diag(x, 1), x.diag(-2), x.diag(diagonal=7)]),
    *on((3,), diag=lambda lib, x: [x.diag(), lib.diag(x, 2), x.diag(-1)]),
    *on((2, 3, 4), diagonal=lambda lib, x: [x.diagonal(), lib.diagonal(x, 1), x.diagonal(-1, 1, 2)]),
    *on((2, 3, 4), diagonal_swapped=lambda lib, x: x.diagonal(1, dim1=-1, dim2=0)),
    *on((2, 3), diag_embed=lambda lib, x: [x.diag_embed(), lib.diag_embed(x, 1), x.diag_embed(-2, 0, 2)]),
    *on((2, 3), diag_embed_swapped=lambda lib, x: [x.diag_embed(1, dim1=-1, dim2=0), x.diag_embed(-1, 2, 1)]),
    *on((2, 0), diag_embed=lambda lib, x: x.diag_embed()),
    *on((2, 3), pad=lambda lib, x: [pad(lib, x, (1, 2)), pad(lib, x, (0, 1, 2, 0), value=-1.5), pad(lib, x, [])]),
    *on((3, 4), pad_cut=lambda lib, x: [pad(lib, x, (-1, 2)), pad(lib, x, (-1, -2, 3, -1)), pad(lib, x, (-2, -2))]),
    *on((), pad=lambda lib, x: pad(lib, x, ())),
    *on((0, 2), pad=lambda lib, x: pad(lib, x, (0, 0, 1, 0), value=2)),
    *(Case(f"pad {mode}", lambda lib, x, mode=mode: [
        pad(lib, x, (2, 1), mode), pad(lib, x, (0, 3), mode), pad(lib, x, (-1, 1), mode), pad(lib, x, (2, -3), mode),
        pad(lib, x, (-1, -2), mode=mode)], numbers((2, 3, 5)))
      for mode in ("reflect", "replicate", "circular")),
    *(Case(f"pad {mode} of pictures", lambda lib, x, mode=mode: pad(lib, x, (1, 2, 3, 0), mode), numbers((1, 2, 4, 3)))
      for mode in ("reflect", "replicate", "circular")),
    *(Case(f"pad {mode} of one", lambda lib, x, mode=mode, n=n: pad(lib, x, n, mode), numbers((1, 1)))
      for mode, n in (("replicate", (3, 2)), ("circular", (1, 1)))),
    *on((4, 6), hsplit=lambda lib, x: [*x.hsplit(3), *lib.hsplit(x, (1, 4)), *x[0].hsplit(2)]),
    *on((4, 6), vsplit=lambda lib, x: [*x.vsplit(2), *lib.vsplit(x, [1, 3])]),
    *on((2, 3, 4), dsplit=lambda lib, x: [*x.dsplit(2), *lib.dsplit(x, (1, 3))]),
    Case("row_stack", lambda lib, x, y: lib.row_stack((x, y)), numbers((3,), (2, 3))),
    Case("block_diag", lambda lib, *x: [lib.block_diag(*x), lib.block_diag(x[0])],
         numbers((2, 3), (3,), (), (0, 2), (1, 1))),
    Case("cartesian_prod", lambda lib, *x: [lib.cartesian_prod(*x), lib.cartesian_prod(x[0]),
                                            lib.cartesian_prod(*x[:2])],
         numbers((2,), (3,), (1,))),
    *on((4,), combinations=lambda lib, x: [lib.combinations(x), lib.combinations(x, 3), lib.combinations(x, 2, True),
                                           lib.combinations(x, r=5), lib.combinations(x, 1)]),
    *on((2, 3), diagflat=lambda lib, x: [x.diagflat(), lib.diagflat(x, 1), x.diagflat(-2)]),
    Case("diagonal_scatter", lambda lib, x, y, z: [x.diagonal_scatter(y), lib.diagonal_scatter(x, z, 2)],
         numbers((3, 4), (3,), (2,))),
    Case("select_scatter", lambda lib, x, y: [x.select_scatter(y, 0, -1), lib.select_scatter(x, y, dim=0, index=1)],
         numbers((3, 4), (4,))),
    Case("slice_scatter", lambda lib, x, y: [x.slice_scatter(y, 1, 0, 4, 2), lib.slice_scatter(x, y, 1, start=-2)],
         numbers((3, 4), (3, 2))),
    *on((5,), unfold=lambda lib, x: [x.unfold(0, 3, 1), x.unfold(-1, 2, 2), x.unfold(0, 5, 9), x.unfold(0, 1, 1)]),
    *on((2, 7, 3), unfold=lambda lib, x: [x.unfold(1, 3, 2), x.unfold(2, 2, 1).unfold(1, 2, 3)]),
    *on((), unfold=lambda lib, x: x.unfold(0, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agrees_with_pytorch(case: Case, dtype: str) -> None:
    compare(replace(case, second=False), 0, dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_gradient_has_the_right_gradient(case: Case) -> None:
    for seed in range(2):
        compare(squared(case), seed)


INTEGER_CASES = [
    Case("moves", lambda lib, x: [x.squeeze(), x.expand(3, -1, -1), x.repeat(2, 1), x.roll(1, 0), x.flip(0), x.tril(),
                                  x.triu(1), x.diag(), x.rot90(), x.repeat_interleave(2), *x.chunk(2), x.clone()],
         integers((3, 4))),
    Case("joins", lambda lib, *x: [lib.cat(x), lib.stack(x), lib.vstack(x)], integers((2, 3), (2, 3))),
    Case("pad", lambda lib, x: [pad(lib, x, (1, 1), value=1.5), pad(lib, x, (1, 1), "reflect")], integers((2, 3))),
    Case("pad of bytes", lambda lib, x: pad(lib, x, (1, 1), value=255), lambda rng: [np.arange(3, dtype=np.uint8)]),
    Case("bools", lambda lib, x: [x.tril(), x.diag_embed(), lib.cat([x, x]), pad(lib, x, (1, 0), value=2)],
         lambda rng: [rng.random((3, 3)) > 0.5]),
    Case("cat of kinds", lambda lib, *x: [lib.cat(x[:2]), lib.cat(x[1:]), lib.cat(x[2:]), lib.cat([x[0], x[3]])],
         lambda rng: [np.array([True]), np.array([2], np.int32), np.array([3], np.int64), np.array([4.0], np.float16)],
         constant=(3,)),
    Case("special values", lambda lib, x: [x.tril(), x.triu(), pad(lib, x, (1, 1), value=float("-inf"))],
         lambda rng: [np.array([[np.nan, np.inf], [-np.inf, -0.0]])]),
]  # fmt: skip


@pytest.mark.parametrize("case", INTEGER_CASES, ids=lambda case: case.name)
def test_keeps_the_dtype_that_pytorch_keeps(case: Case) -> None:
    compare(case, 0)


VIEWS: dict[str, Call] = {
    "squeeze": lambda x: x.squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "flatten": lambda x: x.flatten(),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "ravel": lambda x: x.ravel(),
    "view_as": lambda x: x.view_as(x),
    "expand": lambda x: x.expand(2, -1, -1),
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "t": lambda x: x.t(),
    "mT": lambda x: x.mT,
    "movedim": lambda x: x.movedim(0, 1),
    "narrow": lambda x: x.narrow(0, 1, 1),
    "select": lambda x: x.select(0, 1),
    "select a number": lambda x: x.select(0, 1).select(0, 1),
    "unbind": lambda x: x.unbind()[1],
    "split": lambda x: x.split(1)[1],
    "chunk": lambda x: x.chunk(2)[1],
    "tensor_split": lambda x: x.tensor_split(2)[1],
    "diagonal": lambda x: x.diagonal(),
    "contiguous": lambda x: x.contiguous(),
    "contiguous of a transpose": lambda x: x.t().contiguous(),
    "clone": lambda x: x.clone(),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1),
    "rot90 by nothing": lambda x: x.rot90(0),
    "rot90": lambda x: x.rot90(1),
    "diag": lambda x: x.diag(),
    "repeat": lambda x: x.repeat(1, 1),
    "tile": lambda x: x.tile(1),
    "tril": lambda x: x.tril(9),
}


@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_shared_where_pytorch_shares_it(name: str) -> None:
    ours, theirs = tinytorch.zeros(3, 4), torch.zeros(3, 4)
    shared = VIEWS[name](theirs).untyped_storage().data_ptr() == theirs.untyped_storage().data_ptr()
    assert np.shares_memory(VIEWS[name](ours).data, ours.data) == shared


REFUSED: dict[str, tuple[Call, Array | tuple[Array, ...]]] = {
    "hsplit of unequal pieces": (lambda lib, x: x.hsplit(4), np.zeros((2, 6))),
    "hsplit of 0-d": (lambda lib, x: x.hsplit(1), np.zeros(())),
    "vsplit of a vector": (lambda lib, x: x.vsplit(1), np.zeros(4)),
    "dsplit of a matrix": (lambda lib, x: x.dsplit(1), np.zeros((2, 4))),
    "block_diag of three axes": (lambda lib, x: lib.block_diag(x), np.zeros((1, 1, 1))),
    "cartesian_prod of matrices": (lambda lib, x: lib.cartesian_prod(x, x), np.zeros((2, 2))),
    "combinations of a matrix": (lambda lib, x: lib.combinations(x), np.zeros((2, 2))),
    "combinations of less than none": (lambda lib, x: lib.combinations(x, -1), np.zeros(2)),
    "diagonal_scatter of another length": (lambda lib, x: x.diagonal_scatter(x[0]), np.zeros((2, 3))),
    "select_scatter of another length": (lambda lib, x: x.select_scatter(x[0], 1, 0), np.zeros((2, 3))),
    "select_scatter behind the end": (lambda lib, x: x.select_scatter(x[0], 0, 2), np.zeros((2, 3))),
    "slice_scatter of another length": (lambda lib, x: x.slice_scatter(x, 0, 1), np.zeros((2, 3))),
    "broadcast_shapes": (lambda lib, x: lib.broadcast_shapes(x.shape, (3,)), np.zeros(2)),
    "unfold of too much": (lambda lib, x: x.unfold(0, 3, 1), np.zeros(2)),
    "unfold without steps": (lambda lib, x: x.unfold(0, 1, 0), np.zeros(2)),
    "unfold of no axis": (lambda lib, x: x.unfold(1, 1, 1), np.zeros(2)),
    "reshape by -2": (lambda lib, x: x.reshape(-2, 3), np.zeros(6)),
    "reshape of a method by fractions": (lambda lib, x: x.reshape(1.5, 4), np.zeros(6)),
    "view by -2": (lambda lib, x: x.view((3, -2)), np.zeros(6)),
    "transpose of a method": (lambda lib, x: x.transpose(0, 5), np.zeros((2, 3))),
    "transpose of half an axis": (lambda lib, x: x.transpose(0.5, 1), np.zeros((2, 3))),
    "permute of a method": (lambda lib, x: x.permute(0, 5), np.zeros((2, 3))),
    "permute of half an axis": (lambda lib, x: x.permute(0.5, 1), np.zeros((2, 3))),
    "permute of a method of too few": (lambda lib, x: x.permute(0), np.zeros((2, 3))),
    "squeeze of no axis": (lambda lib, x: x.squeeze(2), np.zeros((2, 1))),
    "squeeze of one axis twice": (lambda lib, x: x.squeeze((0, -2)), np.zeros((2, 1))),
    "squeeze of half an axis": (lambda lib, x: x.squeeze(0.5), np.zeros((2, 1))),
    "unsqueeze too far": (lambda lib, x: x.unsqueeze(4), np.zeros((2, 1))),
    "flatten backwards": (lambda lib, x: x.flatten(1, 0), np.zeros((2, 1))),
    "unflatten that does not fit": (lambda lib, x: x.unflatten(0, (2, 2)), np.zeros(6)),
    "unflatten that does not divide": (lambda lib, x: x.unflatten(0, (4, -1)), np.zeros(6)),
    "unflatten of two unknowns": (lambda lib, x: x.unflatten(0, (-1, -1)), np.zeros(6)),
    "unflatten of nothing": (lambda lib, x: x.unflatten(0, ()), np.zeros(6)),
    "unflatten of 0-d": (lambda lib, x: x.unflatten(0, (1, 1)), np.zeros(())),
    "view_as that does not fit": (lambda lib, x, y: x.view_as(y), (np.zeros(6), np.zeros(5))),
    "reshape by fractions": (lambda lib, x: lib.reshape(x, (1.5, 4)), np.zeros(6)),
    "transpose of no axis": (lambda lib, x: lib.transpose(x, 0, 2), np.zeros((2, 3))),
    "swapaxes of no axis": (lambda lib, x: x.swapaxes(0, -3), np.zeros((2, 3))),
    "permute of too few": (lambda lib, x: lib.permute(x, (0,)), np.zeros((2, 3))),
    "permute of one twice": (lambda lib, x: lib.permute(x, (0, 0)), np.zeros((2, 3))),
    "t of three axes": (lambda lib, x: x.t(), np.zeros((1, 2, 3))),
    "mT of a vector": (lambda lib, x: x.mT, np.zeros(3)),
    "movedim of one axis twice": (lambda lib, x: x.movedim((0, 0), (0, 1)), np.zeros((2, 3))),
    "movedim to fewer places": (lambda lib, x: x.movedim((0, 1), (0,)), np.zeros((2, 3))),
    "expand of a long axis": (lambda lib, x: x.expand(4), np.zeros(3)),
    "expand to fewer axes": (lambda lib, x: x.expand(3), np.zeros((2, 3))),
    "expand of a new axis by -1": (lambda lib, x: x.expand(-1, 3), np.zeros(3)),
    "expand by a negative number": (lambda lib, x: x.expand(-2), np.zeros(1)),
    "broadcast_tensors that clash": (lambda lib, x, y: lib.broadcast_tensors(x, y), (np.zeros(2), np.zeros(3))),
    "repeat of too few": (lambda lib, x: x.repeat(2), np.zeros((2, 3))),
    "repeat by a negative number": (lambda lib, x: x.repeat(-1), np.zeros(2)),
    "repeat_interleave by a negative number": (lambda lib, x: x.repeat_interleave(-1), np.zeros(2)),
    "repeat_interleave by too few": (lambda lib, x, n: x.repeat_interleave(n), (np.zeros(3), np.array([1, 2]))),
    "repeat_interleave by fractions": (lambda lib, x, n: x.repeat_interleave(n), (np.zeros(2), np.array([1.0, 2.0]))),
    "repeat_interleave of a 0-d axis": (lambda lib, x: x.repeat_interleave(2, 0), np.zeros(())),
    "meshgrid of a matrix": (lambda lib, x: lib.meshgrid(x, indexing="ij"), np.zeros((2, 3))),
    "meshgrid indexed otherwise": (lambda lib, x: lib.meshgrid(x, indexing="yx"), np.zeros(2)),
    "narrow too far": (lambda lib, x: x.narrow(0, 2, 2), np.zeros(3)),
    "narrow of less than nothing": (lambda lib, x: x.narrow(0, 1, -1), np.zeros(3)),
    "narrow from before the start": (lambda lib, x: x.narrow(0, -4, 1), np.zeros(3)),
    "narrow of 0-d": (lambda lib, x: x.narrow(0, 0, 1), np.zeros(())),
    "select behind the end": (lambda lib, x: x.select(0, 3), np.zeros(3)),
    "select of 0-d": (lambda lib, x: x.select(0, 0), np.zeros(())),
    "unbind of 0-d": (lambda lib, x: x.unbind(), np.zeros(())),
    "split into too little": (lambda lib, x: x.split([1, 1]), np.zeros(3)),
    "split into negatives": (lambda lib, x: x.split([4, -1]), np.zeros(3)),
    "split by 0": (lambda lib, x: x.split(0), np.zeros(3)),
    "split by -1": (lambda lib, x: x.split(-1), np.zeros(3)),
    "split by a fraction": (lambda lib, x: x.split(1.5), np.zeros(3)),
    "split of 0-d": (lambda lib, x: x.split(1), np.zeros(())),
    "chunk into none": (lambda lib, x: x.chunk(0), np.zeros(3)),
    "tensor_split into none": (lambda lib, x: x.tensor_split(0), np.zeros(3)),
    "cat of nothing": (lambda lib: lib.cat([]), ()),
    "cat of a tensor": (lambda lib, x: lib.cat(x), np.zeros((2, 3))),
    "cat of arrays": (lambda lib, x: lib.cat([x, np.zeros(3)]), np.zeros(3)),
    "cat of 0-d": (lambda lib, x: lib.cat([x, x]), np.zeros(())),
    "cat of other lengths": (lambda lib, x, y: lib.cat([x, y]), (np.zeros((2, 3)), np.zeros((2, 4)))),
    "cat of other ranks": (lambda lib, x, y: lib.cat([x, y]), (np.zeros((2, 3)), np.zeros(3))),
    "cat along no axis": (lambda lib, x: lib.cat([x, x], 2), np.zeros((2, 3))),
    "stack of nothing": (lambda lib: lib.stack([]), ()),
    "stack of other shapes": (lambda lib, x, y: lib.stack([x, y]), (np.zeros(2), np.zeros(3))),
    "stack along no axis": (lambda lib, x: lib.stack([x, x], 3), np.zeros((2,))),
    "hstack of other ranks": (lambda lib, x, y: lib.hstack([x, y]), (np.zeros(2), np.zeros((1, 2)))),
    "roll of more shifts than axes": (lambda lib, x: x.roll((1, 2), 0), np.zeros((2, 3))),
    "roll by two without axes": (lambda lib, x: x.roll((1, 2)), np.zeros((2, 3))),
    "flip of one axis twice": (lambda lib, x: x.flip(0, 0), np.zeros(3)),
    "fliplr of a vector": (lambda lib, x: x.fliplr(), np.zeros(3)),
    "flipud of 0-d": (lambda lib, x: x.flipud(), np.zeros(())),
    "rot90 in a line": (lambda lib, x: x.rot90(1, (0, 0)), np.zeros((2, 3))),
    "rot90 in space": (lambda lib, x: x.rot90(1, (0, 1, 2)), np.zeros((2, 3, 1))),
    "tril of a vector": (lambda lib, x: x.tril(), np.zeros(3)),
    "triu of a vector": (lambda lib, x: x.triu(), np.zeros(3)),
    "diag of 0-d": (lambda lib, x: x.diag(), np.zeros(())),
    "diag of three axes": (lambda lib, x: x.diag(), np.zeros((1, 1, 1))),
    "diagonal in a line": (lambda lib, x: x.diagonal(0, 1, -1), np.zeros((2, 3))),
    "diagonal of a vector": (lambda lib, x: x.diagonal(), np.zeros(3)),
    "diag_embed of 0-d": (lambda lib, x: x.diag_embed(), np.zeros(())),
    "diag_embed in a line": (lambda lib, x: x.diag_embed(0, 1, 1), np.zeros(3)),
    "pad by one number": (lambda lib, x: pad(lib, x, (1,)), np.zeros(3)),
    "pad of more axes": (lambda lib, x: pad(lib, x, (1, 1, 1, 1)), np.zeros(3)),
    "pad that cuts too much": (lambda lib, x: pad(lib, x, (-2, -2)), np.zeros(3)),
    "pad in no mode": (lambda lib, x: pad(lib, x, (1, 1), "mirror"), np.zeros((2, 3))),
    "pad by reflection of too much": (lambda lib, x: pad(lib, x, (3, 0), "reflect"), np.zeros((2, 3))),
    "pad around more than once": (lambda lib, x: pad(lib, x, (4, 0), "circular"), np.zeros((2, 3))),
    "pad by copies of nothing": (lambda lib, x: pad(lib, x, (1, 0), "replicate"), np.zeros((2, 0))),
    "pad by reflection with a value": (lambda lib, x: pad(lib, x, (1, 0), "reflect", 1.0), np.zeros((2, 3))),
    "pad with a number too large": (lambda lib, x: pad(lib, x, (1, 0), value=1e9), np.zeros(3, np.float16)),
    "pad of bytes with less than 0": (lambda lib, x: pad(lib, x, (1, 0), value=-1), np.zeros(3, np.uint8)),
    "pad of integers with infinity": (lambda lib, x: pad(lib, x, (1, 0), value=float("inf")), np.zeros(3, np.int64)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_pytorch_refuses(name: str) -> None:
    call, arrays = REFUSED[name]
    refuse(call, *(arrays if isinstance(arrays, tuple) else (arrays,)))


NUMPY: dict[str, tuple[Call, tuple[int, ...]]] = {
    "transpose": (lambda x: np.transpose(x, (2, 0, 1)), (2, 3, 4)),
    "transpose without axes": (lambda x: np.transpose(x), (2, 3, 4)),
    "matrix_transpose": (lambda x: np.matrix_transpose(x), (2, 3, 4)),
    "reshape": (lambda x: np.reshape(x, (3, -1)), (2, 3)),
    "ravel": (lambda x: np.ravel(x), (2, 3)),
    "expand_dims": (lambda x: np.expand_dims(x, (0, -1)), (2, 3)),
    "expand_dims by one": (lambda x: np.expand_dims(x, 1), (2, 3)),
    "squeeze": (lambda x: np.squeeze(x), (2, 1, 1)),
    "squeeze of one": (lambda x: np.squeeze(x, axis=-1), (2, 1, 1)),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 2), (2, 3, 4)),
    "moveaxis": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4)),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3)), (3,)),
    "copy": (lambda x: np.copy(x), (2, 3)),
    "atleast_2d": (lambda x: np.atleast_2d(x), (3,)),
    "concatenate": (lambda x: np.concatenate([x, np.ones((1, 3)), x], axis=0), (2, 3)),
    "concatenate of all": (lambda x: np.concatenate([x, x], axis=None), (2, 3)),
    "stack": (lambda x: np.stack([x, x], axis=-1), (2, 3)),
    "hstack": (lambda x: np.hstack([x, x]), (2, 3)),
    "vstack": (lambda x: np.vstack([x, x]), (3,)),
    "dstack": (lambda x: np.dstack([x, x]), (3,)),
    "column_stack": (lambda x: np.column_stack([x, x]), (3,)),
    "split": (lambda x: np.split(x, 2, axis=1)[1], (2, 6)),
    "split at": (lambda x: np.split(x, [1, 4], axis=1)[1], (2, 6)),
    "array_split": (lambda x: np.array_split(x, 4)[0], (6,)),
    "unstack": (lambda x: np.unstack(x, axis=1)[2], (2, 3)),
    "flip": (lambda x: np.flip(x), (2, 3)),
    "flip of one": (lambda x: np.flip(x, axis=1), (2, 3)),
    "fliplr": (lambda x: np.fliplr(x), (2, 3)),
    "flipud": (lambda x: np.flipud(x), (2, 3)),
    "rot90": (lambda x: np.rot90(x, 3, axes=(1, 0)), (2, 3)),
    "roll": (lambda x: np.roll(x, 2), (2, 3)),
    "roll of one": (lambda x: np.roll(x, -1, axis=-1), (2, 3)),
    "roll of both": (lambda x: np.roll(x, 1, axis=(0, 1)), (2, 3)),
    "tril": (lambda x: np.tril(x, k=1), (3, 3)),
    "triu": (lambda x: np.triu(x, -1), (3, 3)),
    "diag": (lambda x: np.diag(x, 1), (3, 3)),
    "diagonal": (lambda x: np.diagonal(x, 1, axis1=1, axis2=2), (2, 3, 4)),
    "tile": (lambda x: np.tile(x, (2, 1, 2)), (2, 3)),
    "tile by one": (lambda x: np.tile(x, 2), (2, 3)),
    "repeat": (lambda x: np.repeat(x, 2, axis=1), (2, 3)),
    "repeat by several": (lambda x: np.repeat(x, [1, 0, 2], axis=1), (2, 3)),
    "repeat of all": (lambda x: np.repeat(x, 3), (2, 3)),
    "pad": (lambda x: np.pad(x, ((1, 0), (2, 1)), constant_values=4.0), (2, 3)),
    "pad by one": (lambda x: np.pad(x, 1), (2, 3)),
    "pad edge": (lambda x: np.pad(x, ((0, 0), (2, 1)), mode="edge"), (2, 3)),
    "pad reflect": (lambda x: np.pad(x, ((0, 1), (2, 1)), mode="reflect"), (2, 3)),
    "pad wrap": (lambda x: np.pad(x, ((0, 0), (2, 1)), mode="wrap"), (2, 3)),
    "meshgrid": (lambda x: np.meshgrid(x, np.arange(4.0))[0], (3,)),
    "broadcast_arrays": (lambda x: np.broadcast_arrays(x, np.ones((2, 1)))[0], (3,)),
}


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_functions_answer_with_tensors_and_keep_gradients(name: str) -> None:
    """The gradient is the adjoint of what moves the elements: <w, f(x + u) - f(x)> == <grad, u>."""
    call, shape = NUMPY[name]
    rng = np.random.default_rng(0)
    array, u = rng.standard_normal(shape), rng.standard_normal(shape)
    x = tinytorch.from_numpy(array.copy()).requires_grad_()
    out = call(x)
    np.testing.assert_array_equal(out.data, call(array))
    w = rng.standard_normal(out.shape)
    (grad,) = tinytorch.autograd.grad(out, x, tinytorch.from_numpy(w))
    assert grad is not None
    assert np.sum(w * (call(array + u) - call(array))) == pytest.approx(np.sum(grad.data * u))


def test_numpy_asks_for_shapes_without_a_gradient_in_the_way() -> None:
    x = tinytorch.zeros(2, 3, requires_grad=True)
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3), 2, 6, 3)


@pytest.mark.parametrize(
    "call",
    [lambda x: np.squeeze(x, 0), lambda x: np.split(x, 2, axis=1), lambda x: np.pad(x, 1, mode="linear_ramp")],
)
def test_numpy_functions_refuse_what_numpy_refuses_or_only_numpy_knows(call: Call) -> None:
    with pytest.raises(ValueError):
        call(tinytorch.zeros(2, 3))


def test_numel_counts() -> None:
    assert tinytorch.numel(tinytorch.zeros(2, 0, 3)) == torch.numel(torch.zeros(2, 0, 3))


def test_contiguous_is_the_tensor_itself_where_nothing_is_to_do() -> None:
    x = tinytorch.zeros(2, 3)
    assert x.contiguous() is x


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: x.reshape(-2, 3), RuntimeError, r"reshape\(\) of a tensor of shape \(2, 3\) was given \(-2, 3\)"),
        (lambda x: x.view((-2, 3)), RuntimeError, "once, -1"),
        (lambda x: x.reshape(1.5, 4), TypeError, r"reshape\(\) takes integers"),
        (
            lambda x: x.transpose(0, 5),
            IndexError,
            r"transpose\(\): axis2: axis 5 is out of bounds .* shape \(2, 3\) the axes are -2 to 1",
        ),
        (lambda x: x.transpose(0.5, 1), TypeError, r"transpose\(\) takes an axis as an integer"),
        (lambda x: tinytorch.transpose(x, 0, 5), IndexError, r"transpose\(\) was given dim=5, but axis 5 is out of"),
        (lambda x: x.permute(0.5, 1), TypeError, r"permute\(\) takes integers"),
    ],
)
def test_mistakes_in_methods_of_the_lesson_have_words_of_their_own(
    call: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        call(tinytorch.zeros(2, 3))


def test_methods_of_the_lesson_take_what_pytorch_takes() -> None:
    for lib in (tinytorch, torch):
        x = lib.zeros(2, 3)
        assert tuple(x.permute(dims=(1, 0)).shape) == tuple(x.reshape(shape=(3, -1)).shape) == (3, 2)
        assert tuple(x.reshape([6]).shape) == tuple(x.reshape(lib.tensor(6)).shape) == (6,)
        assert tuple(lib.tensor(1.0).transpose(0, -1).shape) == ()
        assert tuple(lib.broadcast_shapes((2, 1), (3,), 1)) == (2, 3)


def test_a_flat_result_tells_its_pieces_apart_by_gradient() -> None:
    """By hand: the pieces of [1, 2, 3] are multiplied by 1, 10 and 100."""
    x = tinytorch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, b, c = x.unbind()
    (a + 10 * b + 100 * c).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 10.0, 100.0]


def test_a_piece_that_is_not_used_has_gradient_0() -> None:
    x = tinytorch.ones(5, requires_grad=True)
    x.split(2)[1].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 1.0, 1.0, 0.0]


def test_an_empty_row_that_cat_leaves_out_has_an_empty_gradient() -> None:
    x, y = tinytorch.zeros(0, requires_grad=True), tinytorch.ones(2, 3, requires_grad=True)
    tinytorch.cat([x, y], dim=1).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (0,)


def test_cat_computes_no_gradient_that_nobody_needs() -> None:
    x, y = tinytorch.ones(2, requires_grad=True), tinytorch.ones(3)
    node = tinytorch.cat([x, y])._grad_fn
    grads = node.apply(np.ones(5, np.float32))
    assert [g is None for g in grads] == [False, True]


def test_every_rule_of_the_family_is_in_the_table() -> None:
    table = {rule.backward for rule in RULES}
    found = {x for module in FAMILY for x in vars(module).values() if isinstance(x, type)}
    assert {x for x in found if x.__name__.endswith("Backward")} <= table


def test_every_function_is_a_method_where_it_is_one_in_pytorch() -> None:
    for name in (name for module in FAMILY for name in module.__all__):
        assert hasattr(tinytorch.Tensor, name) == hasattr(torch.Tensor, name), name
        assert hasattr(torch, name), name


def test_a_gradient_of_another_shape_is_refused() -> None:
    x = tinytorch.ones(2, 3, requires_grad=True)
    with pytest.raises(GradientShapeError):
        x.flip(0).backward(tinytorch.ones(3, 2))
