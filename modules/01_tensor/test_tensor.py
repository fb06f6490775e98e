"""The comprehensive suite of module 01, in the order of the lesson."""

from __future__ import annotations

import copy
import doctest
import math
import operator
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytorch.core.tensor as lesson
from tinytorch.core.tensor import (
    Extremum,
    Tensor,
    arange,
    array_index,
    check_broadcast,
    common_type,
    default_generator,
    eye,
    first_clash,
    from_numpy,
    full,
    manual_seed,
    ones,
    operands,
    rand,
    randn,
    tensor,
    zeros,
)

quick = settings(max_examples=40, deadline=None)
small_shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
filled_shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)
values = st.floats(-100, 100, width=32)
TABLE = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def table(dtype: Any = np.float32) -> Tensor:
    """Return [[1, 2, 3], [4, 5, 6]] as a tensor."""
    return from_numpy(np.array(TABLE, dtype))


def numbers(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Return an array of the given shape, filled with float64 from the bell curve."""
    return np.random.default_rng(seed).standard_normal(shape)


# 2.2 The class


@pytest.mark.exercise("creation")
@pytest.mark.parametrize("data", [3, 3.0, True, [1, 2], [[True], [False]], range(3), (1.5, 2), np.arange(3), [[]]])
def test_a_tensor_is_float32_unless_told_otherwise(data):
    t = Tensor(data)
    assert t.data.dtype == np.float32
    assert t.data.tolist() == np.array(data).tolist()


@pytest.mark.exercise("creation")
@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, np.uint8, np.bool_, "float64", int])
def test_a_tensor_has_the_dtype_that_was_asked_for(dtype):
    t = Tensor([0, 1, 1], dtype=dtype)
    assert t.data.dtype == np.dtype(dtype)
    assert t.data.tolist() == [0, 1, 1]


@pytest.mark.exercise("creation")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tensor_copies_its_data(dtype):
    source = np.array([1.0, 2.0], dtype)
    of_array, of_tensor = Tensor(source, dtype=dtype), Tensor(from_numpy(source), dtype=dtype)
    source[0] = 9.0
    assert of_array.data.tolist() == of_tensor.data.tolist() == [1.0, 2.0]


@pytest.mark.exercise("creation")
def test_a_new_tensor_has_no_gradient_and_no_history():
    t = Tensor([1.0])
    assert t.requires_grad is False
    assert t.grad is None
    assert t._grad_fn is None


@pytest.mark.exercise("creation")
def test_a_tensor_of_tensors_stacks_them():
    assert Tensor([Tensor([1, 2]), Tensor([3, 4])]).data.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert Tensor([Tensor(1), 2.5, np.float64(3)]).data.tolist() == [1.0, 2.5, 3.0]
    assert Tensor(Tensor([1, 2])).data.tolist() == [1.0, 2.0]


@pytest.mark.exercise("creation")
@pytest.mark.parametrize("data", [[[1, 2], [3]], [[1], 2], [np.zeros(2), np.zeros(3)]])
def test_ragged_data_is_refused(data):
    with pytest.raises(ValueError, match=r"equal lengths.*ragged.*Pad the short rows"):
        Tensor(data)


@pytest.mark.exercise("creation")
@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("text", "str data of type <U4"),
        (None, "NoneType data of type object"),
        ([1, None], "list data of type object"),
        ([1, "a"], "list data of type <U"),
        (1j, "complex data of type complex128"),
        ({1, 2}, "set data of type object"),
    ],
)
def test_what_is_no_number_is_refused(data, found):
    with pytest.raises(TypeError, match=f"holds numbers, but got {found}.*Look for text"):
        Tensor(data)


@pytest.mark.exercise("creation")
@pytest.mark.parametrize("dtype", [str, object, np.complex64, "flaot32", "datetime64[s]"])
def test_a_type_that_is_no_number_is_refused(dtype):
    with pytest.raises(TypeError, match=r"cannot have the type .*Use np.float32"):
        Tensor([1, 2], dtype=dtype)


@pytest.mark.exercise("creation")
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_only_floats_require_gradients(dtype):
    with pytest.raises(TypeError, match=f"only tensors of floats .* holds {np.dtype(dtype)}.*dtype=np.float32"):
        Tensor([0, 1], requires_grad=True, dtype=dtype)
    assert Tensor([0, 1], requires_grad=True, dtype=np.float64).requires_grad is True


@pytest.mark.exercise("creation")
def test_a_mistyped_field_is_an_error():
    with pytest.raises(AttributeError, match="requires_gard"):
        Tensor(1.0).requires_gard = True


# 2.4 Facts


@pytest.mark.exercise("facts")
@given(shape=small_shapes)
@quick
def test_facts_are_those_of_the_array(shape):
    t = from_numpy(np.zeros(shape, np.float64))
    assert (t.shape, t.ndim, t.size, t.dtype) == (shape, len(shape), math.prod(shape), np.float64)
    assert (t.dim(), t.numel()) == (t.ndim, t.size)


@pytest.mark.exercise("creation", "facts")
def test_facts_of_a_table_a_number_and_nothing():
    assert (Tensor(TABLE).shape, Tensor(TABLE).ndim, Tensor(TABLE).size) == ((2, 3), 2, 6)
    assert (Tensor(7).shape, Tensor(7).ndim, Tensor(7).size) == ((), 0, 1)
    assert (Tensor([]).shape, Tensor([]).ndim, Tensor([]).size) == ((0,), 1, 0)


# 2.5 Back to Python and NumPy


def test_numpy_is_the_array_itself():
    array = np.arange(3.0)
    assert from_numpy(array).numpy() is array
    assert np.shares_memory(np.asarray(from_numpy(array)), array)
    assert np.asarray(from_numpy(array), dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(from_numpy(array), copy=True), array)


def test_item_is_a_python_number():
    assert type(from_numpy(np.array([[2.5]], np.float32)).item()) is float
    assert type(from_numpy(np.array(2)).item()) is int
    assert type(from_numpy(np.array(True)).item()) is bool
    assert float(from_numpy(np.array([2.5]))) == 2.5
    assert int(from_numpy(np.array([2.5]))) == 2


@pytest.mark.parametrize("shape", [(2,), (0,), (2, 3)])
def test_item_of_many_or_none_is_an_error(shape):
    t = from_numpy(np.zeros(shape))
    for read in (Tensor.item, float, int):
        with pytest.raises(ValueError, match=r"one element, but this one has shape .*Use tolist\(\)"):
            read(t)


def test_a_tensor_of_one_integer_is_an_index():
    assert ["zero", "one", "two"][from_numpy(np.array(1))] == "one"
    assert list(range(from_numpy(np.array([3])))) == [0, 1, 2]
    for array in (np.array(1.0), np.array([1, 2])):
        with pytest.raises(TypeError, match=r"only one integer can stand for an index.*Use t\.tolist\(\)"):
            operator.index(from_numpy(array))


def test_tolist_gives_python_numbers():
    assert table().tolist() == TABLE
    assert type(table(np.int64).tolist()[0][0]) is int
    assert from_numpy(np.array(2.0)).tolist() == 2.0


# 2.6 Length, iteration, truth


def test_length_is_that_of_the_first_axis():
    assert len(table()) == 2
    assert len(from_numpy(np.zeros((0, 3)))) == 0


def test_a_number_has_no_length_and_no_rows():
    number = from_numpy(np.array(1.0))
    for use in (len, iter, list):
        with pytest.raises(TypeError, match=r"a 0-d tensor has no length.*item\(\)"):
            use(number)


def test_truth_of_one_element():
    assert not from_numpy(np.array(0.0))
    assert from_numpy(np.array([[2.0]]))


@pytest.mark.parametrize("shape", [(2,), (0,)])
def test_truth_of_many_or_none_is_an_error(shape):
    with pytest.raises(ValueError, match=r"of shape \(\d,\) is not one truth value.*t\.data\.any\(\)"):
        bool(from_numpy(np.zeros(shape)))


# 2.7 What you see


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.float32([1, 2]), "tensor([1., 2.])"),
        (np.float32([1 / 3, 2]), "tensor([0.3333, 2.0000])"),
        (np.float64([1, 2]), "tensor([1., 2.], dtype=float64)"),
        (np.float32(2.5), "tensor(2.5)"),
        (np.int64([1, -2]), "tensor([ 1, -2])"),
        (np.int32([1]), "tensor([1], dtype=int32)"),
        (np.array([True, False]), "tensor([ True, False])"),
        (np.float32([np.nan, np.inf]), "tensor([nan, inf])"),
        (np.float32([]), "tensor([])"),
        (np.int64([]), "tensor([], dtype=int64)"),
        (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
        (np.float32(TABLE), "tensor([[1., 2., 3.],\n        [4., 5., 6.]])"),
    ],
)
def test_repr(array, shown):
    assert repr(from_numpy(np.asarray(array))) == shown


def test_repr_of_a_long_tensor_shows_its_ends():
    assert repr(from_numpy(np.arange(2000))) == "tensor([   0,    1,    2, ..., 1997, 1998, 1999])"
    assert "..." not in repr(from_numpy(np.arange(1000)))


def test_repr_tells_of_the_gradient():
    class AddBackward:
        """Stands for a node of module 05."""

    t = from_numpy(np.array([1.0])).requires_grad_()
    assert repr(t) == "tensor([1.], dtype=float64, requires_grad=True)"
    t._grad_fn = AddBackward()
    assert repr(t) == "tensor([1.], dtype=float64, grad_fn=<AddBackward>)"


def test_a_number_can_be_formatted():
    assert f"{from_numpy(np.array(0.12345)):.2f}" == "0.12"
    assert f"{from_numpy(np.array([1, 2]))}" == "tensor([1, 2])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{from_numpy(np.zeros(2)):.2f}"


# 2.8 Wrapping a result


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_from_numpy_neither_copies_nor_converts(dtype):
    array = np.zeros((2, 3), dtype)
    t = from_numpy(array)
    assert t.data is array
    assert (t.requires_grad, t.grad, t._grad_fn) == (False, None, None)


def test_from_numpy_makes_a_0d_array_of_a_scalar():
    t = from_numpy(np.float32(2.5))
    assert type(t.data) is np.ndarray
    assert (t.data.shape, t.data.dtype) == ((), np.float32)


@pytest.mark.exercise("creation")
def test_a_tensor_survives_copy_and_pickle():
    t = Tensor(TABLE, requires_grad=True)
    for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert other.data is not t.data
        assert other.tolist() == TABLE
        assert other.requires_grad


# 3.1 Broadcasting


@pytest.mark.exercise("first_clash")
@pytest.mark.parametrize(
    ("a", "b", "axis"),
    [
        ((2, 3), (2,), 1),
        ((2,), (2, 3), 1),
        ((4, 3), (5, 3), 2),
        ((2, 3), (4, 5), 1),
        ((7, 2, 3), (6, 1, 3), 3),
        ((0,), (3,), 1),
        ((2, 1), (3,), 0),
        ((8, 1, 6), (7, 1), 0),
        ((0,), (1,), 0),
        ((), (2, 3), 0),
        ((2, 3), (), 0),
        ((), (), 0),
        ((5, 2, 3), (3,), 0),
    ],
)
def test_first_clash(a, b, axis):
    assert first_clash(a, b) == axis


@pytest.mark.exercise("first_clash")
@given(a=small_shapes, b=small_shapes)
@quick
def test_shapes_clash_exactly_where_numpy_says_so(a, b):
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        axis = first_clash(a, b)
        assert {a[-axis], b[-axis]} - {1} == {a[-axis], b[-axis]}
        assert a[-axis] != b[-axis]
        np.broadcast_shapes(a[len(a) - axis + 1 :], b[len(b) - axis + 1 :])  # what stands to the right fits
    else:
        assert first_clash(a, b) == 0


@pytest.mark.exercise("first_clash")
def test_the_error_names_the_axis():
    check_broadcast((2, 1), (3,), "+")
    with pytest.raises(ValueError, match=r"\(4, 3\) and \(5, 3\) do not broadcast in \+: axis -2 has 4 and 5 elements"):
        check_broadcast((4, 3), (5, 3), "+")


# 3.2 When types meet

FLOATS, WHOLES = [np.float16, np.float32, np.float64], [np.uint8, np.int32, np.int64, np.bool_]


@pytest.mark.exercise("promotion")
@pytest.mark.parametrize("floats", FLOATS)
@pytest.mark.parametrize("wholes", WHOLES)
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,))])
def test_a_float_keeps_its_type_beside_integers(floats, wholes, shapes):
    x, y = np.ones(shapes[0], floats), np.ones(shapes[1], wholes)
    assert [array.dtype for array in common_type(x, y)] == [floats, floats]
    assert [array.dtype for array in common_type(y, x)] == [floats, floats]
    assert [array.shape for array in common_type(x, y)] == [x.shape, y.shape]


@pytest.mark.exercise("promotion")
def test_an_integer_keeps_its_value_as_a_float():
    x, y = common_type(np.array([3, -4]), np.array([0.5, 0.25], np.float32))
    assert x.tolist() == [3.0, -4.0]
    assert y.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("axes", "number", "result"),
    [
        (np.float32, np.float64, np.float32),
        (np.float64, np.float32, np.float64),
        (np.int32, np.int64, np.int32),
        (np.bool_, np.int64, np.int64),
        (np.int64, np.bool_, np.int64),
    ],
)
def test_a_0d_array_takes_the_type_of_one_with_axes(axes, number, result):
    x, y = np.ones(2, axes), np.ones((), number)
    assert np.add(*common_type(x, y)).dtype == result
    assert np.add(*common_type(y, x)).dtype == result


@pytest.mark.parametrize("strange", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_arrays_of_something_else_are_refused(strange):
    with pytest.raises(TypeError, match="calculates with numbers, but got arrays of float32 and"):
        operands(table(), strange, "+")


# 3.3 and 3.4 Arithmetic

SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@pytest.mark.exercise("creation", "arithmetic")
@pytest.mark.parametrize(
    ("sign", "result"),
    [("+", [8.0, 12.0]), ("-", [4.0, 4.0]), ("*", [12.0, 32.0]), ("/", [3.0, 2.0])],
)
def test_two_tensors_pair_their_elements(sign, result):
    a, b = Tensor([6, 8]), Tensor([2, 4])
    assert SIGNS[sign](a, b).tolist() == result
    assert a.tolist() == [6.0, 8.0]


@pytest.mark.exercise("arithmetic")
@pytest.mark.parametrize("sign", SIGNS)
@given(data=st.data(), shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
@quick
def test_arithmetic_broadcasts(sign, data, shapes):
    a, b = (data.draw(hnp.arrays(np.float64, s, elements=st.integers(1, 50))) for s in shapes.input_shapes)
    result = SIGNS[sign](from_numpy(a), from_numpy(b))
    assert result.shape == shapes.result_shape
    for position in np.ndindex(result.shape):
        x, y = (np.broadcast_to(array, result.shape)[position].item() for array in (a, b))
        assert math.isclose(result.data[position], SIGNS[sign](Fraction(x), Fraction(y)), rel_tol=1e-12)


@pytest.mark.exercise("arithmetic")
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("other", [2, 2.0, True, np.float64(2), np.int64(2)])
def test_a_number_takes_the_type_of_the_tensor(sign, dtype, other):
    result = SIGNS[sign](table(dtype), other)
    assert type(result) is Tensor
    assert result.dtype == dtype
    assert np.allclose(result.data, SIGNS[sign](np.array(TABLE), float(other)), rtol=1e-3)


@pytest.mark.exercise("arithmetic")
def test_integers_stay_integers_until_a_float_or_a_division_comes():
    t = tensor([6, 8])
    assert [(t + 1).dtype, (t - t).dtype, (t * True).dtype, (t**2).dtype] == [np.int64] * 4
    assert [(t + 0.5).dtype, (t / 2).dtype, (t / t).dtype, (t**0.5).dtype] == [np.float32] * 4
    assert (t / 4).tolist() == [1.5, 2.0]
    assert (tensor([True, False]) + 1).tolist() == [2, 1]
    assert (tensor([True, False]) + tensor([True, True])).tolist() == [True, True]


@pytest.mark.exercise("promotion", "arithmetic")
def test_mixed_tensors_take_the_float_type():
    assert (table() + tensor([1, 2, 3])).dtype == np.float32
    assert (tensor([1, 2, 3]) + table(np.float64)).dtype == np.float64
    assert (table() + table(np.float64)).dtype == np.float64
    assert (table() + np.array([True, False, True])).tolist() == [[2.0, 2.0, 4.0], [5.0, 5.0, 7.0]]
    assert (table() * from_numpy(np.array(2.0))).dtype == np.float32


@pytest.mark.exercise("arithmetic")
@pytest.mark.parametrize("sign", SIGNS)
def test_arithmetic_refuses_shapes_that_clash(sign):
    with pytest.raises(ValueError, match=rf"\(2, 3\) and \(2,\) do not broadcast in \{sign}: axis -1 has 3 and 2"):
        SIGNS[sign](table(), from_numpy(np.zeros(2)))


@pytest.mark.exercise("arithmetic")
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("other", ["text", None, [1, 2, 3], 1j])
def test_arithmetic_refuses_what_is_no_number(sign, other):
    name = type(other).__name__
    with pytest.raises(TypeError, match=rf"\{sign} works on tensors, numbers and NumPy arrays, but got {name}"):
        SIGNS[sign](table(), other)


@pytest.mark.exercise("first_clash", "promotion")
def test_powers_and_sign():
    assert (table() ** 2).tolist() == [[1.0, 4.0, 9.0], [16.0, 25.0, 36.0]]
    assert (table() ** from_numpy(np.array([0, 1, 2]))).tolist() == [[1.0, 2.0, 9.0], [1.0, 5.0, 36.0]]
    assert (-table(np.int64)).tolist() == [[-1, -2, -3], [-4, -5, -6]]
    assert (table(np.float64) ** 0.5).dtype == np.float64


@pytest.mark.exercise("arithmetic")
def test_empty_and_0d_tensors_calculate():
    empty, number = from_numpy(np.zeros((0, 3))), from_numpy(np.array(2.0))
    assert (empty + 1).shape == (empty * from_numpy(np.ones(3))).shape == (0, 3)
    assert (number * number).shape == ()
    assert (number - 0.5).item() == 1.5


@pytest.mark.exercise("arithmetic")
def test_dividing_by_zero_warns_and_goes_on():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        quotient = table() / 0
    assert quotient.tolist() == [[math.inf] * 3] * 2


# 3.5 The tensor on the right


@pytest.mark.exercise("reflected")
@pytest.mark.parametrize("left", [12, 12.0, np.float64(12), np.int32(12)])
def test_a_number_on_the_left(left):
    t = from_numpy(np.float32([6, 8]))
    assert (left + t).tolist() == [18.0, 20.0]
    assert (left * t).tolist() == [72.0, 96.0]
    assert (left - t).tolist() == [6.0, 4.0]
    assert (left / t).tolist() == [2.0, 1.5]
    assert (left**t).tolist() == [12.0**6, 12.0**8]
    assert {(left - t).dtype, (left / t).dtype, (left**t).dtype, (left + t).dtype} == {np.dtype(np.float32)}


@pytest.mark.exercise("reflected")
def test_a_number_left_of_integers_and_bools():
    wholes, truths = tensor([1, 2]), tensor([True, False])
    assert ((2 - wholes).dtype, (0.5 - wholes).dtype, (1 / wholes).dtype) == (np.int64, np.float32, np.float32)
    assert (0.5 - wholes).tolist() == [-0.5, -1.5]
    assert (2 - truths).tolist() == [1, 2]
    assert (3**truths).tolist() == [3, 1]


@pytest.mark.exercise("reflected")
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_an_array_on_the_left_makes_a_tensor(dtype):
    array, t = np.array([[6], [8]], dtype), from_numpy(np.array([2.0, 4.0]))
    for result, wanted in (
        (array + t, [[8, 10], [10, 12]]),
        (array - t, [[4, 2], [6, 4]]),
        (array * t, [[12, 24], [16, 32]]),
        (array / t, [[3, 1.5], [4, 2]]),
        (array**t, [[36, 1296], [64, 4096]]),
    ):
        assert type(result) is Tensor
        assert result.tolist() == wanted
        assert result.dtype == np.float64


@pytest.mark.exercise("reflected")
@pytest.mark.parametrize("left", ["text", None, [1, 2, 3]])
def test_what_is_no_number_is_refused_on_the_left(left):
    with pytest.raises(TypeError, match=rf"calculates with tensors, numbers .* but got {type(left).__name__}"):
        left - table()


# 3.6 Comparisons


@pytest.mark.exercise("facts")
@pytest.mark.parametrize(
    ("compare", "result"),
    [
        (operator.lt, [True, False, False]),
        (operator.le, [True, True, False]),
        (operator.gt, [False, False, True]),
        (operator.ge, [False, True, True]),
        (operator.eq, [False, True, False]),
        (operator.ne, [True, False, True]),
    ],
)
def test_comparisons_from_both_sides(compare, result):
    t, two = from_numpy(np.float32([1, 2, 3])), np.array([2.0, 2.0, 2.0])
    mirror = {operator.lt: operator.gt, operator.le: operator.ge, operator.gt: operator.lt, operator.ge: operator.le}
    for other in (2, 2.0, np.float64(2), two, from_numpy(two)):
        answer, mirrored = compare(t, other), mirror.get(compare, compare)(other, t)
        assert type(answer) is type(mirrored) is Tensor
        assert answer.dtype == mirrored.dtype == np.bool_
        assert answer.tolist() == mirrored.tolist() == result


@pytest.mark.parametrize("other", [None, "text", [1, 2, 3], object()])
def test_equality_with_something_else_is_false(other):
    assert (table() == other) is False
    assert (table() != other) is True


def test_order_with_something_else_is_an_error():
    with pytest.raises(TypeError, match="< works on tensors, numbers and NumPy arrays, but got str"):
        table() < "text"  # noqa: B015


@pytest.mark.exercise("first_clash")
def test_comparisons_refuse_shapes_that_clash():
    with pytest.raises(ValueError, match="do not broadcast in =="):
        table() == np.zeros(2)  # noqa: B015


def test_a_set_finds_a_tensor_by_which_object_it_is():
    t = table()
    assert len({t, t, table()}) == 2


# 3.7 The matrix product


@pytest.mark.exercise("creation", "matmul")
def test_matmul_by_hand():
    a, b = Tensor([[1, 2], [3, 4]]), Tensor([[5, 6], [7, 8]])
    assert (a @ b).tolist() == a.matmul(b).tolist() == [[19.0, 22.0], [43.0, 50.0]]
    assert (b @ a).tolist() == [[23.0, 34.0], [31.0, 46.0]]


@pytest.mark.exercise("matmul")
@pytest.mark.parametrize(
    ("a", "b", "formula"),
    [
        ((3,), (3,), "k,k->"),
        ((2, 3), (3,), "nk,k->n"),
        ((3,), (3, 4), "k,km->m"),
        ((2, 3), (3, 4), "nk,km->nm"),
        ((5, 2, 3), (3, 4), "...nk,km->...nm"),
        ((2, 3), (5, 3, 4), "nk,...km->...nm"),
        ((5, 2, 3), (5, 3, 4), "...nk,...km->...nm"),
        ((6, 1, 2, 3), (5, 3, 4), "...nk,...km->...nm"),
        ((5, 2, 3), (3,), "...nk,k->...n"),
        ((3,), (5, 3, 4), "k,...km->...m"),
        ((2, 0), (0, 4), "nk,km->nm"),
        ((0, 3), (3, 4), "nk,km->nm"),
    ],
)
def test_matmul_sums_products_over_the_inner_axis(a, b, formula):
    x, y = numbers(a), numbers(b, 1)
    product = from_numpy(x) @ from_numpy(y)
    assert np.allclose(product.data, np.einsum(formula, x, y), rtol=1e-12)
    assert product.shape == np.einsum(formula, x, y).shape
    assert product.dtype == np.float64


@pytest.mark.exercise("matmul")
def test_matmul_with_arrays_on_either_side():
    array = np.array([[1.0, 1.0]])
    for product in (array @ table(np.float64), from_numpy(array) @ np.array(TABLE)):
        assert type(product) is Tensor
        assert product.tolist() == [[5.0, 7.0, 9.0]]


@pytest.mark.exercise("promotion", "matmul")
def test_matmul_of_mixed_types_takes_the_float_type():
    assert (tensor([[1, 1]]) @ table()).dtype == np.float32
    assert (table() @ tensor([1, 0, 0])).tolist() == [1.0, 4.0]
    assert (tensor([1, 2]) @ tensor([3, 4])).item() == 11
    assert (tensor([1, 2]) @ tensor([3, 4])).dtype == np.int64


@pytest.mark.exercise("first_clash")
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((2, 3), (2, 3), r"last axis of the left has 3 elements, the last but one axis of the right has 2"),
        ((2, 3), (2,), r"last axis of the left has 3 elements, the only axis of the right has 2"),
        ((3,), (2, 3), r"\(3,\) and \(2, 3\) do not fit in @"),
        ((4, 2, 3), (5, 3, 2), r"\(4,\) and \(5,\) do not broadcast in the stacks of @"),
        ((), (3,), r"got shapes \(\) and \(3,\)\. Use \* for numbers"),
    ],
)
def test_matmul_refuses_shapes_that_do_not_fit(a, b, message):
    with pytest.raises(ValueError, match=message):
        from_numpy(np.zeros(a)) @ from_numpy(np.zeros(b))


def test_matmul_refuses_numbers_and_lists():
    with pytest.raises(ValueError, match=r"Use \* for numbers"):
        table() @ 2
    with pytest.raises(TypeError, match="but got list"):
        table() @ [1, 2, 3]


# 4.1 Indexing

INDICES = [
    0,
    -1,
    (1, 2),
    slice(None, None, 2),
    (slice(None), slice(1, None)),
    (Ellipsis, 0),
    None,
    (0, None),
    [1, 0, 1],
    ([0, 1], [2, 0]),
    np.array([[True, False, True], [False, True, False]]),
    (),
]


@pytest.mark.exercise("indexing")
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing_is_that_of_numpy(index):
    picked, wanted = table(np.float64)[index], np.array(TABLE)[index]
    assert type(picked) is Tensor
    assert picked.tolist() == wanted.tolist()
    assert (picked.shape, picked.dtype) == (np.shape(wanted), np.float64)


@pytest.mark.exercise("indexing")
def test_tensors_pick_elements():
    t = table()
    assert t[t > 4].tolist() == [5.0, 6.0]
    assert t[tensor([1, 0])].tolist() == [TABLE[1], TABLE[0]]
    assert t[tensor([0, 1]), tensor([2, 0])].tolist() == [3.0, 4.0]
    assert t[:, tensor(1)].tolist() == [2.0, 5.0]


@pytest.mark.exercise("indexing")
def test_a_slice_shares_memory_and_a_mask_does_not():
    t = table()
    assert np.shares_memory(t[:, 1:].data, t.data)
    assert not np.shares_memory(t[t > 0].data, t.data)


@pytest.mark.exercise("indexing")
def test_indices_that_do_not_fit():
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        table()[5]
    with pytest.raises(IndexError, match=r"integers or booleans, but this one holds float32.*index\.long\(\)"):
        table()[table()]


@pytest.mark.exercise("indexing")
def test_iteration_gives_tensors_along_the_first_axis():
    rows = list(table())
    assert [type(row) for row in rows] == [Tensor, Tensor]
    assert [row.tolist() for row in rows] == TABLE
    assert [x.tolist() for x in rows[0]] == [1.0, 2.0, 3.0]


def test_array_index_replaces_tensors_only():
    i = tensor([0, 1])
    assert array_index(i) is i.data
    assert array_index((i, 2, None))[0] is i.data
    assert array_index((i, 2, None))[1:] == (2, None)
    assert array_index([0, 1]) == [0, 1]


def test_assigning_elements_is_refused():
    """Later parts of the package may let it happen, and record it; they keep the lesson's method aside."""
    t = table()
    set_item = vars(Tensor).get("_originals", {}).get("__setitem__", Tensor.__setitem__)
    with pytest.raises(TypeError, match=r"not changed in place.*t\.data\[\.\.\.\] = value"):
        set_item(t, 0, 1.0)
    assert t.tolist() == TABLE


# 4.3 Reshape


@pytest.mark.exercise("reshape")
@pytest.mark.parametrize("shape", [(3, 2), (6,), (1, 6, 1), (-1,), (3, -1), (-1, 1)])
def test_reshape_keeps_the_order(shape):
    for reshaped in (
        table().reshape(*shape),
        table().reshape(shape),
        table().reshape(list(shape)),
        table().view(*shape),
    ):
        assert reshaped.data.ravel().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        assert reshaped.shape == tuple(6 // abs(math.prod(shape)) if n == -1 else n for n in shape)


@pytest.mark.exercise("reshape")
def test_reshape_by_hand():
    assert table().reshape(3, 2).tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert from_numpy(np.array([5.0])).reshape(()).shape == ()
    assert from_numpy(np.zeros((0, 3))).reshape(3, 0).shape == (3, 0)


@pytest.mark.exercise("reshape")
def test_reshape_shares_memory_where_it_can():
    t = table(np.float64)
    assert np.shares_memory(t.reshape(3, 2).data, t.data)
    turned = from_numpy(t.data.T)
    assert turned.reshape(6).tolist() == [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
    assert not np.shares_memory(turned.reshape(6).data, t.data)


@pytest.mark.exercise("reshape")
@pytest.mark.parametrize("shape", [(4, 2), (-1, 4), (-1, -1), (0,), ()])
def test_reshape_refuses_another_number_of_elements(shape):
    with pytest.raises(ValueError, match=r"shape \(2, 3\) has 6 elements and cannot be reshaped to \(.*at most one"):
        table().reshape(shape)


# 4.4 Transpose and permute


@pytest.mark.exercise("permute")
def test_transpose_by_hand():
    assert table().T.tolist() == table().transpose(0, 1).tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert from_numpy(np.array([1.0, 2.0])).T.tolist() == [1.0, 2.0]
    assert from_numpy(np.array(1.0)).T.shape == ()


@pytest.mark.exercise("permute")
@given(shape=filled_shapes, data=st.data())
@quick
def test_permute_moves_each_axis(shape, data):
    order = data.draw(st.permutations(range(len(shape))))
    array = np.arange(math.prod(shape)).reshape(shape)
    result = from_numpy(array).permute(*order)
    assert result.shape == tuple(shape[axis] for axis in order)
    for position in np.ndindex(shape):
        assert result.data[tuple(position[axis] for axis in order)] == array[position]
    assert from_numpy(array).permute(order).tolist() == result.tolist()


@pytest.mark.exercise("permute")
@given(shape=filled_shapes, data=st.data())
@quick
def test_transpose_swaps_two_axes(shape, data):
    i, j = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    array = np.arange(math.prod(shape)).reshape(shape)
    order = list(range(len(shape)))
    order[i], order[j] = order[j], order[i]
    assert from_numpy(array).transpose(i, j).tolist() == np.einsum(array, order).tolist()


@pytest.mark.exercise("permute")
def test_moving_axes_copies_nothing():
    t = table()
    assert t.T.data.strides == (4, 12)
    assert np.shares_memory(t.T.data, t.data)
    assert np.shares_memory(t.permute(1, 0).data, t.data)


@pytest.mark.exercise("permute")
@pytest.mark.parametrize("dims", [(0,), (0, 0), (0, 1, 2), (0, 2)])
def test_permute_refuses_what_is_no_order(dims):
    with pytest.raises(ValueError, match=r"permute\(\) of a tensor of shape \(2, 3\) takes each of its 2 axes once"):
        table().permute(*dims)


@pytest.mark.exercise("permute")
def test_transpose_refuses_an_axis_that_is_not_there():
    with pytest.raises(IndexError, match="axis2: axis 5 is out of bounds for array of dimension 2"):
        table().transpose(0, 5)


# 5.1 Sum and mean

DIMS = [None, 0, 1, -1, (0, 1), (1,), (-1, 0)]


@pytest.mark.exercise("reductions")
def test_reductions_by_hand():
    t = table()
    assert (t.sum().item(), t.sum(dim=0).tolist(), t.sum(dim=1).tolist()) == (21.0, [5.0, 7.0, 9.0], [6.0, 15.0])
    assert (t.mean().item(), t.mean(dim=0).tolist(), t.mean(dim=1).tolist()) == (3.5, [2.5, 3.5, 4.5], [2.0, 5.0])
    assert t.sum(dim=1, keepdim=True).tolist() == [[6.0], [15.0]]
    assert t.mean(0, True).tolist() == [[2.5, 3.5, 4.5]]


@pytest.mark.exercise("reductions")
@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions_remove_the_axes_they_name(dim, keepdim):
    gone = {0, 1} if dim is None else {axis % 2 for axis in (dim if isinstance(dim, tuple) else (dim,))}
    shape = tuple(1 if axis in gone else n for axis, n in enumerate((2, 3)) if keepdim or axis not in gone)
    t = table(np.float64)
    for result in (t.sum(dim, keepdim), t.mean(dim, keepdim), t.amax(dim, keepdim), t.amin(dim, keepdim)):
        assert result.shape == shape
        assert result.dtype == np.float64


@pytest.mark.exercise("reductions")
@given(array=hnp.arrays(np.float64, filled_shapes, elements=st.floats(-100, 100)), data=st.data())
@quick
def test_sum_and_mean_of_each_line(array, data):
    dim = data.draw(st.integers(0, array.ndim - 1))
    t, lines = from_numpy(array), np.moveaxis(array, dim, -1)
    for position in np.ndindex(lines.shape[:-1]):
        total = math.fsum(lines[position])
        assert math.isclose(t.sum(dim).data[position], total, abs_tol=1e-9)
        assert math.isclose(t.mean(dim).data[position], total / array.shape[dim], abs_tol=1e-9)


@pytest.mark.exercise("reductions")
def test_sum_of_integers_and_of_nothing():
    assert [tensor([1, 2]).sum().dtype, tensor([True, True]).sum().dtype] == [np.int64, np.int64]
    assert from_numpy(np.array([200, 100], np.uint8)).sum().item() == 300
    assert from_numpy(np.array([200, 100], np.uint8)).sum().dtype == np.int64
    assert from_numpy(np.zeros((0, 3))).sum().item() == 0.0
    assert from_numpy(np.zeros((0, 3))).sum(0).tolist() == [0.0, 0.0, 0.0]
    assert from_numpy(np.array(2.5)).sum().item() == 2.5


@pytest.mark.exercise("reductions")
def test_mean_of_nothing_is_nan_with_a_warning():
    with pytest.warns(RuntimeWarning):
        mean = from_numpy(np.zeros(0)).mean()
    assert math.isnan(mean.item())


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_mean_needs_floats(dtype):
    with pytest.raises(
        TypeError, match=rf"needs floats, but this tensor holds {np.dtype(dtype)}.*t\.float\(\)\.mean\(\)"
    ):
        from_numpy(np.ones(2, dtype)).mean()


@pytest.mark.exercise("reductions")
def test_an_axis_that_is_not_there():
    with pytest.raises(IndexError, match="axis 2 is out of bounds"):
        table().sum(2)


# 5.2 The largest, and where it stands


def test_largest_and_smallest_by_hand():
    t = from_numpy(np.float32([[1, 9, 3], [8, 5, 6]]))
    assert (t.amax().item(), t.amax(1).tolist(), t.amin(0).tolist()) == (9.0, [9.0, 8.0], [1.0, 5.0, 3.0])
    assert (t.argmax().item(), t.argmax(1).tolist(), t.argmin(0).tolist()) == (1, [1, 0], [0, 1, 0])
    assert t.argmax(1, keepdim=True).tolist() == [[1], [0]]
    assert t.argmin().item() == 0
    assert (t.max().item(), t.min().item(), t.max(keepdim=True).tolist()) == (9.0, 1.0, [[9.0]])
    assert math.isnan(from_numpy(np.array([1.0, math.nan])).max().item())


@pytest.mark.parametrize("method", ["amax", "amin", "argmax", "argmin", "max", "min"])
@pytest.mark.parametrize("dim", [None, 0])
def test_nothing_has_no_largest(method, dim):
    with pytest.raises(ValueError, match=rf"shape \(0, 3\) has no largest or smallest element along dim={dim}"):
        getattr(from_numpy(np.zeros((0, 3))), method)(dim)


@pytest.mark.exercise("facts")
def test_nothing_to_answer_is_no_error():
    assert from_numpy(np.zeros((0, 3))).amax(1).shape == (0,)
    assert from_numpy(np.zeros((0, 3))).argmin(1).shape == (0,)


# 5.3 Both at once


@pytest.mark.exercise("pick")
def test_max_and_min_give_values_and_positions():
    t = from_numpy(np.float32([[1, 9, 3], [8, 5, 6]]))
    largest, smallest = t.max(1), t.min(dim=-2)
    assert isinstance(largest, Extremum)
    assert (largest.values.tolist(), largest.indices.tolist()) == ([9.0, 8.0], [1, 0])
    assert (smallest.values.tolist(), smallest.indices.tolist()) == ([1.0, 5.0, 3.0], [0, 1, 0])
    assert largest.indices.dtype == np.int64


@pytest.mark.exercise("pick")
@given(array=hnp.arrays(np.float64, filled_shapes, elements=st.integers(-3, 3)), data=st.data())
@quick
def test_max_and_min_of_each_line(array, data):
    dim = data.draw(st.integers(-array.ndim, array.ndim - 1))
    lines = np.moveaxis(array, dim, -1)
    for method, best in (("max", max), ("min", min)):
        found, where = getattr(from_numpy(array), method)(dim)
        assert found.shape == where.shape == lines.shape[:-1]
        for position in np.ndindex(found.shape):
            line = lines[position].tolist()
            assert found.data[position] == best(line)
            assert where.data[position] == line.index(best(line))
        kept = getattr(from_numpy(array), method)(dim, keepdim=True)
        assert kept.values.shape == kept.indices.shape == np.expand_dims(found.data, dim).shape
        assert kept.values.data.ravel().tolist() == found.data.ravel().tolist()
        assert kept.indices.data.ravel().tolist() == where.data.ravel().tolist()


@pytest.mark.exercise("indexing")
@pytest.mark.parametrize("dim", [0, -1])
def test_max_of_a_number_along_the_axis_it_does_not_have(dim):
    found, where = from_numpy(np.array(2.5)).max(dim)
    assert (found.item(), where.item(), found.shape) == (2.5, 0, ())


# 6 One element at a time


@pytest.mark.exercise("elementwise")
@given(array=hnp.arrays(np.float64, small_shapes, elements=st.floats(0.01, 20)))
@quick
def test_functions_of_each_element(array):
    for name, function in (("exp", math.exp), ("log", math.log), ("sqrt", math.sqrt), ("abs", math.fabs)):
        result = getattr(from_numpy(array), name)()
        assert (result.shape, result.dtype) == (array.shape, np.float64)
        wanted = [function(x) for x in array.ravel().tolist()]
        assert np.allclose(result.data.ravel(), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.exercise("elementwise")
@pytest.mark.parametrize("array", [np.array([1, 1]), np.array([True, True]), np.float32([1, 1])])
def test_functions_make_float32_of_whole_numbers(array):
    t = from_numpy(array)
    assert [t.exp().dtype, t.log().dtype, t.sqrt().dtype] == [np.float32] * 3
    assert np.allclose(t.exp().data, math.e)
    assert t.log().tolist() == [0.0, 0.0]


@pytest.mark.exercise("elementwise")
def test_the_logarithm_warns_where_it_ends():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert from_numpy(np.array(0.0)).log().item() == -math.inf
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert math.isnan(from_numpy(np.array(-1.0)).log().item())


@pytest.mark.exercise("facts")
def test_abs_keeps_integers():
    t = tensor([-2, 3])
    assert abs(t).tolist() == t.abs().tolist() == [2, 3]
    assert t.abs().dtype == np.int64


@pytest.mark.exercise("clip")
@given(array=hnp.arrays(np.float32, small_shapes, elements=values), low=values, up=st.floats(0, 50, width=32))
@quick
def test_clip_is_between_its_bounds(array, low, up):
    t, high = from_numpy(array), low + up
    for bounds in ((low, high), (low, None), (None, high)):
        wanted = [max(x, low) if bounds[0] is not None else x for x in array.ravel().tolist()]
        wanted = [min(x, high) if bounds[1] is not None else x for x in wanted]
        assert np.allclose(t.clip(*bounds).data.ravel(), wanted, rtol=1e-6)
        assert t.clamp(*bounds).tolist() == t.clip(*bounds).tolist()
        assert t.clip(*bounds).dtype == np.float32


@pytest.mark.exercise("clip")
def test_clip_by_hand_and_by_type():
    t = from_numpy(np.float32([-2, 0.5, 7]))
    assert t.clip(0, 1).tolist() == t.clip(min=0, max=1).tolist() == [0.0, 0.5, 1.0]
    assert t.tolist() == [-2.0, 0.5, 7.0]
    assert t.clip(max=np.float64(1)).dtype == np.float32
    assert tensor([-2, 7]).clip(0, 5).dtype == np.int64
    assert tensor([-2, 7]).clip(0.5).tolist() == [0.5, 7.0]
    assert tensor([-2, 7]).clip(0.5).dtype == np.float32


def test_clip_needs_a_bound():
    with pytest.raises(ValueError, match=r"clip\(\) needs min, max or both"):
        table().clip()


@pytest.mark.exercise("facts")
@pytest.mark.parametrize(
    ("change", "dtype"),
    [
        (lambda t: t.to(np.float16), np.float16),
        (lambda t: t.to("int32"), np.int32),
        (lambda t: t.to(bool), np.bool_),
        (Tensor.float, np.float32),
        (Tensor.double, np.float64),
        (Tensor.long, np.int64),
    ],
)
def test_types_change(change, dtype):
    changed = change(table(np.uint8))
    assert changed.dtype == dtype
    assert changed.tolist() == np.array(TABLE).astype(dtype).tolist()


def test_to_the_same_type_shares_the_memory():
    t = table()
    assert np.shares_memory(t.to(np.float32).data, t.data)
    assert from_numpy(np.array([2.9, -2.9])).long().tolist() == [2, -2]


@pytest.mark.parametrize("dtype", ["number", str, np.complex64])
def test_to_refuses_what_is_no_type_of_numbers(dtype):
    with pytest.raises(TypeError, match=rf"cannot have the type {dtype!r}.*Use np\.float32"):
        table().to(dtype)


# 7 What sleeps until module 05


def test_a_tensor_begins_as_a_leaf():
    t = table()
    assert (t.grad_fn, t.is_leaf) == (None, True)
    t._grad_fn = object()
    assert (t.grad_fn, t.is_leaf) == (t._grad_fn, False)


def test_backward_says_who_wakes_it():
    asleep = vars(Tensor).get("_originals", {}).get("backward", Tensor.backward)  # module 05 may have woken it
    with pytest.raises(RuntimeError, match=r"sleeps until module 05.*tito module start 05"):
        asleep(from_numpy(np.array(1.0)))


def test_zero_grad_forgets():
    t = table()
    t.grad = table()
    t.zero_grad()
    assert t.grad is None


def test_detach_shares_the_values():
    t = table().requires_grad_()
    assert t.detach().data is t.data
    assert not t.detach().requires_grad


def test_requires_grad_can_be_switched():
    t = table()
    assert t.requires_grad_() is t
    assert t.requires_grad
    assert not t.requires_grad_(False).requires_grad
    with pytest.raises(TypeError, match="only tensors of floats"):
        tensor([1]).requires_grad_()
    assert not tensor([1]).requires_grad_(False).requires_grad


def test_only_a_leaf_can_stop_requiring_a_gradient():
    t = table()
    t._grad_fn = object()
    with pytest.raises(RuntimeError, match=r"only a leaf.*t\.detach\(\)"):
        t.requires_grad_(False)


# 8 Tensors from nothing


@pytest.mark.exercise("facts")
@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, np.int64),
        (1.0, np.float32),
        (True, np.bool_),
        ([1, 2.5], np.float32),
        ([[True], [False]], np.bool_),
        ([], np.float32),
        (np.float64(1), np.float64),
        (np.arange(3, dtype=np.uint8), np.uint8),
        ([np.zeros(2), np.zeros(2)], np.float64),
        (table(np.float64), np.float64),
        ([table(np.float64)], np.float64),
    ],
    ids=str,
)
def test_tensor_takes_the_dtype_from_the_data(data, dtype):
    assert tensor(data).dtype == dtype
    assert tensor(data, dtype=np.float16).dtype == np.float16
    assert tensor(data).tolist() == np.array(data).tolist()


def test_tensor_copies_and_can_require_a_gradient():
    array = np.zeros(2)
    assert not np.shares_memory(tensor(array).data, array)
    assert tensor([1.0], requires_grad=True).requires_grad
    with pytest.raises(TypeError, match="only tensors of floats"):
        tensor([1], requires_grad=True)


@pytest.mark.exercise("facts")
@pytest.mark.parametrize(("make", "value"), [(zeros, 0.0), (ones, 1.0)])
def test_zeros_and_ones(make, value):
    for t in (make(2, 3), make((2, 3)), make([2, 3])):
        assert (t.shape, t.dtype, set(t.data.ravel().tolist())) == ((2, 3), np.float32, {value})
    assert make().shape == ()
    assert make(0, 3).shape == (0, 3)
    assert make(2, dtype=np.int64).dtype == np.int64
    assert make(2, requires_grad=True).requires_grad


@pytest.mark.exercise("facts")
def test_full_takes_its_type_from_the_value():
    assert full((2,), 7).tolist() == [7, 7]
    assert [full((2,), 7).dtype, full((2,), 7.0).dtype, full(2, True).dtype] == [np.int64, np.float32, np.bool_]
    assert full((2, 1), 7, dtype=np.float64, requires_grad=True).dtype == np.float64


@pytest.mark.exercise("facts")
def test_arange():
    assert arange(4).tolist() == [0, 1, 2, 3]
    assert arange(2, 5).tolist() == [2, 3, 4]
    assert arange(5, 0, -2).tolist() == [5, 3, 1]
    assert arange(0, 1, 0.25).tolist() == [0.0, 0.25, 0.5, 0.75]
    assert [arange(4).dtype, arange(4.0).dtype, arange(4, dtype=np.float64).dtype] == [np.int64, np.float32, np.float64]
    for empty in (arange(0), arange(3, 3), arange(5, 2)):
        assert (empty.shape, empty.dtype) == ((0,), np.int64)
    assert arange(2.0, requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="step=0 never arrives"):
        arange(0, 5, 0)


@pytest.mark.exercise("facts")
def test_eye():
    assert eye(2).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert eye(2, 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert (eye(2).dtype, eye(2, dtype=np.int64).dtype) == (np.float32, np.int64)


def test_one_seed_repeats_all_random_numbers():
    assert manual_seed(7) is default_generator()
    first = (rand(5).tolist(), randn(2, 3).tolist())
    manual_seed(7)
    assert (rand(5).tolist(), randn((2, 3)).tolist()) == first
    manual_seed(8)
    assert rand(5).tolist() != first[0]


@pytest.mark.exercise("facts")
def test_random_numbers_have_their_distribution():
    manual_seed(0)
    even, bell = rand(20_000), randn(20_000)
    assert even.dtype == bell.dtype == np.float32
    assert even.data.min() >= 0
    assert even.data.max() < 1
    # five standard errors around each mean and standard deviation
    assert abs(even.data.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 20_000)
    assert abs(bell.data.mean()) < 5 / math.sqrt(20_000)
    assert abs(bell.data.std() - 1) < 5 / math.sqrt(2 * 20_000)
    assert rand(2, dtype=np.float64, requires_grad=True).requires_grad
    assert randn(2, dtype=np.float64).dtype == np.float64


# Everything together


@pytest.mark.exercise("creation", "arithmetic", "matmul", "indexing", "permute", "reductions", "elementwise", "clip")
def test_a_small_network_forward():
    manual_seed(0)
    x, w, b = randn(5, 3), randn(4, 3), randn(4)
    hidden = (x @ w.T + b).clip(min=0)
    odds = hidden.exp()
    probabilities = odds / odds.sum(1, keepdim=True)
    for i in range(5):
        scores = [
            max(0.0, b.tolist()[j] + math.fsum(p * q for p, q in zip(x.tolist()[i], w.tolist()[j], strict=True)))
            for j in range(4)
        ]
        total = math.fsum(map(math.exp, scores))
        assert np.allclose(probabilities[i].data, [math.exp(s) / total for s in scores], rtol=1e-5)
    assert probabilities.dtype == np.float32


def documented() -> dict[str, str]:
    """Return the docstrings with examples, of the methods as this module wrote them."""
    methods = {**vars(Tensor), **vars(Tensor).get("_originals", {})}
    everything = {**vars(lesson), **{f"Tensor.{name}": method for name, method in methods.items()}}
    ours = {name: thing for name, thing in everything.items() if getattr(thing, "__module__", "") == lesson.__name__}
    return {name: thing.__doc__ for name, thing in ours.items() if ">>>" in (thing.__doc__ or "")}


@pytest.mark.exercise("creation", "first_clash", "matmul", "reshape", "permute", "reductions", "pick", "clip")
@pytest.mark.parametrize("name", documented())
def test_examples_in_docstrings(name):
    example = doctest.DocTestParser().get_doctest(documented()[name], dict(vars(lesson)), name, None, None)
    report: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=report.append).failed == 0, "".join(report)


def test_the_examples_are_found():
    assert {"Tensor", "from_numpy", "tensor", "arange", "Tensor.matmul", "Tensor.sum"} <= set(documented())
