"""Gradients within limits, beside PyTorch: norms of every type, and what is left of the gradients."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytorch
from tinytorch.nn import utils

torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")

Array = npt.NDArray[Any]

LIBS = (tinytorch, torch)
NAMES = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
NORM_TYPES = [1, 2, 2.0, 3, 0.5, -1, 0, math.inf, -math.inf]
DTYPES = [np.float16, np.float32, np.float64]
BITS: dict[Any, Any] = {np.float16: 16, np.float32: 32, np.float64: 64}
RTOL = {np.float16: 4e-3, np.float32: 1e-5, np.float64: 1e-9}
some_examples = settings(max_examples=40)


def with_gradients(lib: Any, arrays: list[Array]) -> list[Any]:
    """Return parameters of one library with these gradients, and one without any."""
    params = [lib.tensor(np.zeros_like(array)).requires_grad_() for array in arrays]
    for p, array in zip(params, arrays, strict=True):
        p.grad = lib.tensor(array.copy())
    return [lib.zeros(2).requires_grad_(), *params]


def after(params: list[Any]) -> list[Array]:
    return [np.asarray(p.grad) for p in params[1:]]


def compare(arrays: list[Array], rtol: float, clip: Any) -> None:
    """Clip in both libraries, and compare what is returned and what is left of the gradients."""
    ours, theirs = (with_gradients(lib, arrays) for lib in LIBS)
    results = [clip(lib.nn.utils, params) for lib, params in zip(LIBS, (ours, theirs), strict=True)]
    if results[1] is None:
        assert results[0] is None
    else:
        mine, its = (np.asarray(result) for result in results)
        assert (mine.dtype, mine.shape) == (its.dtype, its.shape)
        np.testing.assert_allclose(mine, its, rtol=rtol)
    for mine, its in zip(after(ours), after(theirs), strict=True):
        assert mine.dtype == its.dtype
        np.testing.assert_allclose(mine, its, rtol=2 * rtol, atol=np.finfo(mine.dtype).tiny)


def gradients(
    dtype: Any, least: float = 1e-2, most: float = 100.0, min_side: int = 1
) -> st.SearchStrategy[list[Array]]:
    """Draw a few arrays, of every shape, whose elements are zero or of a size that no power overflows."""
    size = st.floats(least, most, width=BITS[dtype])
    elements = size | size.map(lambda x: -x) | st.just(0.0)
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=min_side, max_side=3)
    return st.lists(hnp.arrays(dtype, shapes, elements=elements), min_size=1, max_size=4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm_type", NORM_TYPES)
@given(data=st.data())
@settings(max_examples=12)
def test_norms_of_every_type(norm_type: float, dtype: Any, data: st.DataObject) -> None:
    empty = norm_type not in (math.inf, -math.inf, -1)  # of which PyTorch says nothing for an array without elements
    # In float16 PyTorch's 1e-6 is 0, and 0 / 0 is nan.
    max_norm = data.draw(st.floats(0.01 if dtype is np.float16 else 0.0, 1000.0))
    arrays = data.draw(gradients(dtype, 0.25, 4.0, min_side=0 if empty else 1))
    compare(arrays, RTOL[dtype], lambda lib, params: lib.clip_grad_norm_(params, max_norm, norm_type))


@given(data=st.data(), norm_type=st.sampled_from(NORM_TYPES))
@some_examples
def test_gradients_of_several_dtypes(data: st.DataObject, norm_type: float) -> None:
    arrays = [array for dtype in DTYPES for array in data.draw(gradients(dtype, 0.25, 4.0))]
    compare(arrays, 1e-2, lambda lib, params: lib.clip_grad_norm_(params, 1.0, norm_type))


@pytest.mark.parametrize("norm_type", NORM_TYPES)
@pytest.mark.parametrize("max_norm", [0.0, 1.0, math.inf])
def test_gradients_that_are_not_finite(norm_type: float, max_norm: float) -> None:
    for dtype in DTYPES:
        for value in (math.nan, math.inf, -math.inf):
            arrays = [np.array([1.0, value, -2.0], dtype), np.array(3.0, dtype)]
            compare(arrays, RTOL[dtype], lambda lib, params: lib.clip_grad_norm_(params, max_norm, norm_type))


@pytest.mark.parametrize("norm_type", NORM_TYPES)
@pytest.mark.parametrize("value", [math.nan, math.inf, 1.0])
def test_what_is_an_error_is_one_in_both(norm_type: float, value: float) -> None:
    seen: list[Any] = []
    for lib in LIBS:
        params = with_gradients(lib, [np.array([value, 2.0])])
        try:
            norm = lib.nn.utils.clip_grad_norm_(params, 1.0, norm_type, error_if_nonfinite=True)
        except RuntimeError:
            seen.append([value, 2.0])
            np.testing.assert_array_equal(after(params)[0], [value, 2.0])
        else:
            seen.append(norm.item())
    ours, theirs = seen
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("max_norm", [0.0, 1e-30, 1.0, 1e30, math.inf])
def test_gradients_of_zero(max_norm: float) -> None:
    for norm_type in (1, 2, math.inf, -math.inf, 0):
        compare(
            [np.zeros(3), np.zeros(())], 0.0, lambda lib, params, n=norm_type: lib.clip_grad_norm_(params, max_norm, n)
        )


def test_where_there_is_no_gradient() -> None:
    for lib in LIBS:
        w = lib.zeros(2).requires_grad_()
        for params in ([], [w], w):
            norm = lib.nn.utils.clip_grad_norm_(params, 1.0)
            assert (norm.item(), norm.shape, norm.dtype) == (0.0, (), lib.float32)
        assert lib.nn.utils.get_total_norm([]).item() == 0.0
        assert w.grad is None
    for params in ([], [w := tinytorch.zeros(2).requires_grad_()], w):
        utils.clip_grad_value_(params, 1.0)  # PyTorch's fails


def test_large_gradients_of_float32() -> None:
    """Where the squares overflow, PyTorch's norm is infinite and nothing is left; here it is computed in float64."""
    ours, theirs = (with_gradients(lib, [np.array([3e20, 4e20], np.float32)]) for lib in LIBS)
    norms = [lib.nn.utils.clip_grad_norm_(p, 1.0).item() for lib, p in zip(LIBS, (ours, theirs), strict=True)]
    assert norms == [pytest.approx(5e20, rel=1e-6), math.inf]
    assert after(ours)[0] == pytest.approx(np.array([0.6, 0.8]), rel=1e-6)
    assert after(theirs)[0].tolist() == [0.0, 0.0]


@given(data=st.data(), max_norm=st.floats(0.0, 100.0), total=st.floats(0.0, 1000.0))
@some_examples
def test_a_norm_that_is_known(data: st.DataObject, max_norm: float, total: float) -> None:
    arrays = data.draw(gradients(np.float64))

    def clip(lib: Any, params: list[Any]) -> Any:
        known = (tinytorch if lib is utils else torch).tensor(np.float64(total))
        return lib.clip_grads_with_norm_(params, max_norm, known)

    compare(arrays, 1e-9, clip)


@given(data=st.data(), norm_type=st.sampled_from(NORM_TYPES))
@some_examples
def test_the_norm_alone(data: st.DataObject, norm_type: float) -> None:
    arrays = data.draw(gradients(np.float64))
    ours, theirs = (lib.nn.utils.get_total_norm([lib.tensor(a) for a in arrays], norm_type).item() for lib in LIBS)
    assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data(), clip_value=st.floats(0.0, 1000.0) | st.just(math.inf))
@some_examples
def test_each_element_is_cut(dtype: Any, data: st.DataObject, clip_value: float) -> None:
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    elements = st.floats(width=BITS[dtype])
    arrays = data.draw(st.lists(hnp.arrays(dtype, shapes, elements=elements), min_size=1, max_size=3))
    compare(arrays, 0.0, lambda lib, params: lib.clip_grad_value_(params, clip_value))


@pytest.mark.parametrize(
    "given_as",
    [lambda params: params[1], lambda params: params, tuple, lambda params: (p for p in params)],
    ids=["one", "list", "tuple", "generator"],
)
@pytest.mark.parametrize(("name", "limit"), [("clip_grad_norm_", 1.0), ("clip_grad_value_", 0.5)])
def test_a_parameter_or_several(name: str, limit: float, given_as: Callable[[list[Any]], Any]) -> None:
    for lib in LIBS:
        params = with_gradients(lib, [np.array([3.0, 4.0])])
        getattr(lib.nn.utils, name)(given_as(params), limit)
        assert np.abs(after(params)[0]).max() < 0.9


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_pytorch(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(lib.nn.utils, name)).parameters.values() for lib in LIBS)
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize("norm_type", [2, math.inf])
def test_a_norm_that_is_not_finite_is_told(norm_type: float) -> None:
    for lib in LIBS:
        params = with_gradients(lib, [np.array([3.0, math.inf])])
        with pytest.raises(RuntimeError, match=rf"{float(norm_type)}.* cannot be clipped"):
            lib.nn.utils.clip_grad_norm_(params, 1.0, norm_type, error_if_nonfinite=True)


@pytest.mark.parametrize("limit", [-1.0, math.nan])
def test_limits_that_are_none(limit: float) -> None:
    """With a negative one PyTorch turns the gradients round."""
    params = with_gradients(tinytorch, [np.array([3.0, 4.0])])
    with pytest.raises(ValueError, match=f"max_norm must be 0 or more, but got {limit}"):
        utils.clip_grad_norm_(params, limit)
    with pytest.raises(ValueError, match=f"clip_value must be 0 or more, but got {limit}"):
        utils.clip_grad_value_(params, limit)
    assert after(params)[0].tolist() == [3.0, 4.0]
