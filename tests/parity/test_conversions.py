"""Dtypes by name, questions about them, and memory shared with other libraries."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor

from .harness import torch

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
METHODS = ("half", "float", "double", "int", "long", "short", "char", "byte", "bool")
ALIASES = ("short", "int", "long", "half", "float", "double")


def name_of(dtype: Any) -> str:
    return str(dtype if "torch" in str(dtype) else np.dtype(dtype)).removeprefix("torch.")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_for_each_dtype(name: str) -> None:
    ours, theirs = (getattr(lib.tensor([0.0, 1.0, 2.7]), name)() for lib in (tinytorch, torch))
    assert name_of(ours.dtype) == name_of(theirs.dtype)
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-3)


def test_half_has_a_gradient() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x.half() * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("name", [*DTYPES, *ALIASES])
def test_names_of_dtypes(name: str) -> None:
    assert name_of(getattr(tinytorch, name)) == name_of(getattr(torch, name))


def test_a_star_import_leaves_pythons_names_alone() -> None:
    names: dict[str, Any] = {}
    exec("from tinytorch import *", names)
    assert "Tensor" in names
    assert not {"bool", "int", "float"} & set(names)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)))
def test_promotion_and_casts(a: str, b: str) -> None:
    ours, theirs = ([getattr(lib, a), getattr(lib, b)] for lib in (tinytorch, torch))
    assert name_of(tinytorch.promote_types(*ours)) == name_of(torch.promote_types(*theirs))
    assert tinytorch.can_cast(*ours) == torch.can_cast(*theirs)
    x, y = (tinytorch.zeros(2, dtype=dtype) for dtype in ours)
    assert name_of(tinytorch.result_type(x, y)) == name_of(torch.promote_types(*theirs))


@pytest.mark.parametrize("number", [True, 2, 2.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_beside_a_number(dtype: str, number: float) -> None:
    ours, theirs = (lib.result_type(lib.zeros(2, dtype=getattr(lib, dtype)), number) for lib in (tinytorch, torch))
    assert name_of(ours) == name_of(theirs)


def test_questions() -> None:
    for lib in (tinytorch, torch):
        x = lib.zeros(2, 3)
        assert lib.is_tensor(x)
        assert not lib.is_tensor([1.0])
        assert lib.is_floating_point(x)
        assert not x.long().is_floating_point()
        assert (x.element_size(), x.nelement(), x.ndimension()) == (4, 6, 2)
        assert (x.stride(), x.T.stride(), x.stride(-1)) == ((3, 1), (1, 3), 1)
        assert x.is_contiguous()
        assert not x.T.is_contiguous()
        assert x.cpu() is x
        assert x.type(lib.int64).dtype == x.type_as(x.long()).dtype == lib.int64
        assert lib.finfo(lib.float32).eps == 2.0**-23
        assert lib.iinfo(lib.int32).max == 2**31 - 1
        assert (lib.inf, lib.newaxis) == (float("inf"), None)


def test_detach_in_place_forgets_how_a_tensor_was_made() -> None:
    for lib in (tinytorch, torch):
        x = lib.tensor([1.0, 2.0]).requires_grad_()
        y = x * 2
        assert y.detach_() is y
        assert not y.requires_grad
        assert y.grad_fn is None
        with pytest.raises(RuntimeError, match="view"):
            (x * 2)[:1].detach_()


def test_memory_is_shared_with_other_libraries() -> None:
    t = tinytorch.tensor([1.0, 2.0, 3.0])
    theirs, numpys = torch.from_dlpack(t), np.from_dlpack(t)
    t.data[0] = 7
    assert theirs.tolist() == numpys.tolist() == [7.0, 2.0, 3.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_of_other_libraries_is_shared(dtype: str) -> None:
    theirs = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    ours = tinytorch.from_dlpack(theirs)
    theirs[0, 0] = 1
    assert name_of(ours.dtype) == dtype
    assert ours.tolist() == theirs.tolist()


def test_a_gradient_does_not_leave_by_dlpack() -> None:
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(BufferError, match=r"requires a gradient .* Use t\.detach\(\)"):
        np.from_dlpack(x)
    with pytest.raises(BufferError):
        torch.from_dlpack(torch.ones(1).requires_grad_().__dlpack__())
    with pytest.raises(TypeError, match="speaks DLPack, but got list"):
        tinytorch.from_dlpack([1.0])
