# %% [markdown]
"""
# 01 Tensor
Everything a network sees, remembers and learns is held in one kind of object: an array of numbers with any number
of axes. This module builds it.

**You have** Python and NumPy. **You build** `Tensor`: numbers of one type, arithmetic on all of them at once,
matrix products, new shapes for old memory, sums and maxima. A place for gradients is built in, and sleeps until
module 05.
"""

# %%
#| default_exp core.tensor
#| doc The tensor: an array of numbers with a place for its gradient.

# %% tags=["imports"]
#| export
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
Scalar = bool | int | float
Dim = int | tuple[int, ...] | None

# %% [markdown]
"""
## Part 1: what a tensor is
One number, a row of numbers, a table, a stack of tables: a tensor is all of these. They differ in how many **axes**
they have. The lengths of the axes are the **shape**.

    axes  shape      what it may be
     0    ()         a loss: 0.7
     1    (3,)       a bias: [1, 2, 3]
     2    (2, 3)     two examples with three features each: [[1, 2, 3],
                                                             [4, 5, 6]]
     3    (2, 2, 3)  a stack of two such tables
     4    (64, 3, 32, 32)   64 images, 3 colours, 32 rows, 32 columns

The product of the lengths is the number of elements: 2 · 3 = 6 for the table. For the shape `()` nothing is
multiplied, and the empty product is 1: one element. If a length is 0, so is the product; an empty tensor is
unusual, and allowed.

Why not nested lists? A Python list holds references to objects that lie anywhere in memory, each with a type of its
own. An array holds the numbers themselves, side by side, all of one type. So one instruction of the processor can
take eight of them at a time. At the end of this module you measure what that is worth.

NumPy has such arrays. Our tensor holds one, adds PyTorch's habits, and keeps a place for a gradient.
"""

# %% [markdown]
"""
## Part 2: making a tensor
### 2.1 Which numbers
The type of the elements is called the **dtype**. A tensor takes four kinds, by NumPy's letters:

| kind | letter | for example | bytes each | used for |
|---|---|---|---|---|
| truth values | `b` | `bool` | 1 | masks |
| integers | `i` | `int64` | 8 | class numbers, positions |
| integers from 0 up | `u` | `uint8` | 1 | pixels |
| floats | `f` | `float32` | 4 | everything that learns |

A float32 keeps about 7 decimal digits: 0.1 becomes 0.100000001490116. A float64 keeps 16, in twice the memory and
time. Networks learn from noisy steps, so 7 digits are plenty, and float32 is the default, as in PyTorch.

The two functions below are given. They let numbers in, and nothing else. `np.array` would take almost anything: it
makes text of `[1, "a"]`, and references to objects of `[1, None]`. Such mistakes are cheapest where they are made.
"""


# %% tags=["numbers"]
#| export
def _numbers(data: Any, dtype: npt.DTypeLike | None) -> Array:
    """Return `data` as a new array of numbers of type `dtype`; None keeps the type it has."""
    values = data.numpy() if isinstance(data, Tensor) else data
    try:
        found = np.array(values)
    except ValueError:
        raise ValueError(
            "the rows of a tensor must have equal lengths, but these nested sequences are ragged. "
            "Pad the short rows, or make one tensor for each."
        ) from None
    if found.dtype.kind not in "biuf":
        raise TypeError(
            f"a tensor holds numbers, but got {type(data).__name__} data of type {found.dtype}. "
            "Look for text, None or a complex number in it."
        )
    return found if dtype is None else found.astype(_number_type(dtype), copy=False)


def _number_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return NumPy's object for `dtype`, if it is a type that a tensor can hold."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if dtype is None or found.kind not in "biuf":
        raise TypeError(
            f"the elements of a tensor cannot have the type {dtype!r}. "
            "Use np.float32, np.float64, np.int64, np.bool_ or another of NumPy's numbers."
        )
    return found


def _check_gradient_fits(dtype: np.dtype[Any]) -> None:
    """Raise an error unless elements of type `dtype` can have a gradient."""
    if dtype.kind != "f":
        raise TypeError(
            f"only tensors of floats can require gradients, but this one holds {dtype}. "
            "Leave requires_grad out, or pass dtype=np.float32."
        )


# %% [markdown]
"""
### 2.2 The class
`Tensor(data)` copies the numbers into an array of its own, so later changes to `data` do not reach it:

    Tensor([1, 2, 3]).data     array([1., 2., 3.], dtype=float32)      dtype=None means float32
    Tensor([1, 2, 3], dtype=np.int64).data      array([1, 2, 3])

The other three fields belong to the gradient and are given. Only floats can have one: a gradient says what happens
when a number moves *a little*, and an integer cannot.

`__slots__` lists the fields once and for all. An object with slots needs no dictionary of its own; a network makes
millions of tensors. And a mistyped `t.requires_gard = True` is an error in the exported class, not a new field.

**Your first exercise**: fill `self.data`. Call `_numbers` with the dtype that was asked for, or with `np.float32`.
"""


# %% tags=["creation"]
#| export
class Tensor:
    """An n-dimensional array that can carry a gradient.

    Parameters
    ----------
    data
        A number, nested sequences of numbers, a NumPy array or another tensor. The values are copied.
    requires_grad
        Whether ``backward()`` shall compute the gradient of this tensor. Sleeps until module 05.
    dtype
        The type of the elements; ``float32`` unless told otherwise, as in ``torch.Tensor``.

    Attributes
    ----------
    data
        The values, as a NumPy array.
    requires_grad
        Whether the gradient of this tensor is wanted.
    grad
        d(loss)/d(self), of the shape of `data`, once ``backward()`` has run; None before.

    Raises
    ------
    TypeError
        If `data` does not hold numbers, or if a gradient is wanted for elements that are not floats.
    ValueError
        If nested sequences have unequal lengths.

    Examples
    --------
    >>> Tensor([[1, 2], [3, 4]])
    tensor([[1., 2.],
            [3., 4.]])
    >>> Tensor([[1, 2], [3, 4]]) @ Tensor([1, -1])
    tensor([-1., -1.])
    """

    __slots__ = ("__weakref__", "_grad_at", "_grad_fn", "data", "grad", "requires_grad")

    data: Array
    requires_grad: bool
    grad: Tensor | None
    _grad_fn: Any
    _grad_at: bytes

    def __init__(self, data: Any, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> None:
        ### BEGIN SOLUTION
        self.data = _numbers(data, np.float32 if dtype is None else dtype)
        ### END SOLUTION
        if requires_grad:
            _check_gradient_fits(self.data.dtype)
        self.requires_grad = requires_grad
        self.grad = None
        self._grad_fn = None


# %%
def test_unit_creation() -> None:
    assert Tensor([1, 2, 3]).data.tolist() == [1.0, 2.0, 3.0]
    assert Tensor([1, 2, 3]).data.dtype == np.float32
    assert Tensor([1, 2, 3], dtype=np.int64).data.dtype == np.int64
    source = np.array([1.0, 2.0])
    copied = Tensor(source, dtype=np.float64)
    source[0] = 9.0
    assert copied.data.tolist() == [1.0, 2.0]


# %% [markdown]
"""
### 2.3 One class, many cells
A tensor has some seventy methods. To read them a few at a time, this lesson *continues* the class from cell to
cell:

    class Tensor(Tensor):      # all that Tensor was so far, and ...
        def shape(self): ...   # ... one more method

In the parentheses stands the class so far; the name before them then means the longer one. It is ordinary
inheritance, used as glue. When the lesson is exported, the pieces are joined into one class, as you would have
written it on one page.

One thing to know when you run cells one by one: a tensor that you made *before* a cell belongs to the class as it
was then. Make a new one, and it has the new methods.
"""

# %% [markdown]
"""
### 2.4 Facts about a tensor
Four facts, all of them known to the array: its shape, how many axes, how many elements, and their type.

    t = Tensor([[1, 2, 3], [4, 5, 6]])      t.shape (2, 3)      t.ndim 2      t.size 6      t.dtype float32

They are properties: read without parentheses. `numel()` and `dim()` are PyTorch's names for two of them.
"""


# %% tags=["facts"]
#| export
class Tensor(Tensor):
    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        ### BEGIN SOLUTION
        return self.data.shape
        ### END SOLUTION

    @property
    def ndim(self) -> int:
        """The number of axes."""
        ### BEGIN SOLUTION
        return self.data.ndim
        ### END SOLUTION

    @property
    def size(self) -> int:
        """The number of elements."""
        ### BEGIN SOLUTION
        return self.data.size
        ### END SOLUTION

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        ### BEGIN SOLUTION
        return self.data.dtype
        ### END SOLUTION

    def numel(self) -> int:
        """Return the number of elements, as PyTorch spells it."""
        return self.size

    def dim(self) -> int:
        """Return the number of axes, as PyTorch spells it."""
        return self.ndim


# %%
def test_unit_facts() -> None:
    t = Tensor([[1, 2, 3], [4, 5, 6]])
    assert (t.shape, t.ndim, t.size, t.dtype) == ((2, 3), 2, 6, np.float32)
    number = Tensor(7)
    assert (number.shape, number.ndim, number.size) == ((), 0, 1)


# %% [markdown]
"""
### 2.5 Back to Python and NumPy
`numpy()` shows the array itself, `tolist()` makes nested lists, `item()` takes the one number out of a tensor that
has just one. All given.

`__index__` lets a tensor of one integer stand where Python wants an integer, as in `names[scores.argmax()]`.
`__array__` is how NumPy asks an object for its numbers: after it, `np.asarray(t)` works.
"""


# %% tags=["back_to_python"]
#| export
class Tensor(Tensor):
    def numpy(self) -> Array:
        """Return the values as the NumPy array they are kept in, not a copy."""
        return self.data

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers; a number for a 0-d tensor."""
        return self.data.tolist()

    def item(self) -> Scalar:
        """Return the value of a one-element tensor as a Python number.

        Raises
        ------
        ValueError
            If there is not exactly one element.
        """
        if self.data.size != 1:
            raise ValueError(
                f"item() reads a tensor of one element, but this one has shape {self.data.shape}. "
                "Use tolist(), or pick one element by its index."
            )
        value: Scalar = self.data.item()
        return value

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.data.size != 1 or self.data.dtype.kind == "f":
            raise TypeError(
                f"only one integer can stand for an index, but this tensor has shape {self.data.shape} and "
                f"holds {self.data.dtype}. Use t.tolist() for several, or int(t) to cut a float."
            )
        return int(self.item())

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)


# %% [markdown]
"""
### 2.6 Length, iteration, truth
A tensor is counted and walked along its first axis: a `(2, 3)` table has length 2 and gives two rows. A 0-d tensor
has no axis to walk along.

`if t:` asks for *one* truth value. A tensor of one element has one. For several, "is it true?" has no answer, or
two: all of them, or any of them? Guessing would hide mistakes, so it is an error.
"""


# %% tags=["length_and_truth"]
#| export
class Tensor(Tensor):
    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("a 0-d tensor has no length and no rows to iterate over; item() reads its value.")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"a tensor of shape {self.data.shape} is not one truth value. "
                "Compare one element, or ask the array: t.data.any() or t.data.all()."
            )
        return bool(self.data.item())


# %% [markdown]
"""
### 2.7 What you see when you print it
Nearly PyTorch's format: at most four digits behind the point, the dtype where it is not the usual one, and what a
gradient would need to know. Above a thousand elements only the corners are shown. An empty tensor shows its shape,
since the brackets cannot.

    tensor([0.3333, 2.0000])      tensor(0.3333, dtype=float64)      tensor([1., 2.], requires_grad=True)
"""


# %% tags=["repr"]
#| export
class Tensor(Tensor):
    def __repr__(self) -> str:
        array = self.data
        values = np.array2string(
            array, separator=", ", prefix="tensor(", precision=4, floatmode="maxprec_equal", threshold=1000
        )
        notes = ""
        if array.size == 0 and array.ndim != 1:
            notes += f", size={array.shape}"
        if array.dtype not in (np.float32, np.int64, np.bool_) or (array.size == 0 and array.dtype != np.float32):
            notes += f", dtype={array.dtype}"
        if self._grad_fn is not None:
            notes += f", grad_fn=<{type(self._grad_fn).__name__}>"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({values}{notes})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.data.ndim == 0 else object.__format__(self, spec)


# %%
def test_unit_repr() -> None:
    assert repr(Tensor([1 / 3, 2])) == "tensor([0.3333, 2.0000])"
    assert repr(Tensor(1 / 3, dtype=np.float64)) == "tensor(0.3333, dtype=float64)"
    assert repr(Tensor([1.0, 2.0], requires_grad=True)) == "tensor([1., 2.], requires_grad=True)"
    assert f"loss {Tensor(0.12345):.2f}" == "loss 0.12"


# %% [markdown]
"""
### 2.8 Wrapping a result
Every operation below computes an array and then needs a tensor around it. `Tensor(array)` would copy the array and
turn it into float32. `from_numpy` does neither. It is called once for every operation that ever runs, so it is
short: it makes an empty object and fills its fields.

(NumPy returns a *scalar* where a result has no axes, `np.float32(6.0)`. `np.asarray` makes a 0-d array of it.)
"""


# %% tags=["from_numpy"]
#| export
def from_numpy(array: Array | np.generic) -> Tensor:
    """Return a tensor around `array` as it is: no copy, no change of dtype.

    Every operation wraps its result in this way, so a float64 tensor stays float64.

    Examples
    --------
    >>> array = np.array([1.0, 2.0])
    >>> t = from_numpy(array)
    >>> array[0] = 7.0
    >>> t
    tensor([7., 2.], dtype=float64)
    """
    tensor = Tensor.__new__(Tensor)
    tensor.data = array if isinstance(array, np.ndarray) else np.asarray(array)
    tensor.requires_grad = False
    tensor.grad = None
    tensor._grad_fn = None
    return tensor


# %%
def test_unit_from_numpy() -> None:
    array = np.array([1.0, 2.0])
    assert from_numpy(array).data is array
    assert from_numpy(np.float64(6.0)).data.ndim == 0


# %% [markdown]
"""
## Part 3: arithmetic
### 3.1 Broadcasting
Adding two `(2, 3)` tables pairs their elements. But a bias of shape `(3,)` should be added to *each* of the two
rows. Copying it twice first would work, and would waste memory. **Broadcasting** behaves as if it had been copied,
without copying:

    [[ 1,  2,  3],   +   [10, 20, 30]    =    [[ 1,  2,  3],   +   [[10, 20, 30],    =   [[11, 22, 33],
     [ 4,  5,  6]]                             [ 4,  5,  6]]        [10, 20, 30]]         [14, 25, 36]]
      shape (2, 3)         shape (3,)                               as if repeated

The rule has three sentences:

1. Write the two shapes below each other, **aligned on the right**. Missing axes on the left count as 1.
2. On each axis the lengths must be **equal, or one of them 1**.
3. An axis of length 1 is **stretched** to the other's length.

       (2, 3)         (2, 1)         (8, 1, 6)         (2, 3)
          (3)            (3)            (7, 1)            (2)
       ------         ------         ---------         ------
       (2, 3)         (2, 3)         (8, 7, 6)         3 against 2: error

The last column is the mistake that everybody makes: two numbers, one per row, added to a `(2, 3)` table. Alignment
on the right pairs the 2 with the 3. As a column, of shape `(2, 1)`, it fits.

And the second column is the mistake that nobody notices: `(2, 1)` with `(3,)` is no error and makes a table.
Predictions of shape `(32, 1)` minus targets of shape `(32,)` make 1,024 differences instead of 32. This is why the
losses of module 04 refuse to broadcast.

**Exercise.** Find the axis at which two shapes clash. Count from the right, starting at 1, and return 0 if none
does.

    first_clash((2, 3), (2,)) = 1        first_clash((4, 3), (5, 3)) = 2        first_clash((2, 1), (3,)) = 0
"""


# %% tags=["first_clash"]
#| export
def first_clash(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Return the first axis, counted from the right starting at 1, on which shapes `a` and `b` do not broadcast.

    Returns
    -------
    int
        The number of the axis, or 0 if the shapes broadcast.

    Examples
    --------
    >>> first_clash((2, 3), (2,))
    1
    """
    ### BEGIN SOLUTION
    for axis in range(1, min(len(a), len(b)) + 1):
        if a[-axis] != b[-axis] and 1 not in (a[-axis], b[-axis]):
            return axis
    return 0
    ### END SOLUTION


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...], sign: str) -> None:
    """Raise an error that names the axis if shapes `a` and `b` do not broadcast in the operation `sign`."""
    axis = first_clash(a, b)
    if axis:
        raise ValueError(
            f"shapes {a} and {b} do not broadcast in {sign}: axis -{axis} has {a[-axis]} and {b[-axis]} "
            "elements. Sizes must be equal, or one of them 1."
        )


# %%
def test_unit_first_clash() -> None:
    assert first_clash((2, 3), (2,)) == 1
    assert first_clash((4, 3), (5, 3)) == 2
    assert first_clash((2, 1), (3,)) == 0
    assert first_clash((8, 1, 6), (7, 1)) == 0
    assert first_clash((), (5,)) == 0


# %% [markdown]
"""
### 3.2 When types meet
`Tensor([0.5]) + np.array([1])` adds a float32 and an int64. Of which type is the sum? NumPy answers float64, the
smallest float that holds both ranges. Then one integer mask would double the memory of all that follows. PyTorch
asks for the **kind** first, and so do we:

- A float meets an integer or a bool: the other takes the *float's* type. float32 with int64 gives float32.
- A tensor with axes meets a 0-d one of the same kind: the 0-d one takes the other's type. It is only a number.
- Otherwise the larger type wins: float32 with float64 gives float64. NumPy does this on its own.
- A Python number has no size. It takes the tensor's type; only a float beside integers changes it, to float32.

**Exercise.** Write the first rule: return both arrays, with the one that is not of floats converted by `.astype`.
"""


# %% tags=["promotion"]
#| export
def common_type(x: Array, y: Array) -> tuple[Array, Array]:
    """Return `x` and `y`, converted where PyTorch's rule for mixed types differs from NumPy's.

    Raises
    ------
    TypeError
        If one of them does not hold numbers.
    """
    kinds = x.dtype.kind + y.dtype.kind
    if not set(kinds) <= set("biuf"):
        raise TypeError(f"a tensor calculates with numbers, but got arrays of {x.dtype} and {y.dtype}.")
    if kinds != "ff" and "f" in kinds:  # one of floats, one not
        ### BEGIN SOLUTION
        if x.dtype.kind == "f":
            return x, y.astype(x.dtype)
        return x.astype(y.dtype), y
        ### END SOLUTION
    if x.ndim and not y.ndim and x.dtype.kind != "b":
        return x, y.astype(x.dtype)
    if y.ndim and not x.ndim and y.dtype.kind != "b":
        return x.astype(y.dtype), y
    return x, y


# %%
def test_unit_promotion() -> None:
    floats, integers = np.array([0.5], np.float32), np.array([1])
    assert [array.dtype for array in common_type(floats, integers)] == [np.float32, np.float32]
    assert [array.dtype for array in common_type(integers, floats)] == [np.float32, np.float32]
    number = np.array(2.0)
    assert [array.dtype for array in common_type(floats, number)] == [np.float32, np.float32]


# %% [markdown]
"""
### 3.3 Two operands
`operands` is given. It looks at what stands on the two sides of a sign, applies the two rules you just wrote, and
returns what NumPy shall calculate with. It runs for every operation, so the usual case, two arrays of the same type
and shape, passes with three comparisons.
"""


# %% tags=["operands"]
#| export
def operands(a: Tensor, b: Any, sign: str) -> tuple[Array, Any]:
    """Return the arrays of two operands, after PyTorch's rules for mixed types.

    A float meets an integer: the integer becomes the float's type. A Python number takes the tensor's type;
    a float beside a tensor of integers makes both float32.

    Raises
    ------
    TypeError
        If `b` is not a number, an array or a tensor.
    ValueError
        If the two shapes do not broadcast.
    """
    x = a.data
    y = b.data if isinstance(b, Tensor) else b.item() if isinstance(b, np.generic) else b
    if isinstance(y, np.ndarray):
        if x.dtype != y.dtype:
            x, y = common_type(x, y)
        if x.shape != y.shape:
            check_broadcast(x.shape, y.shape, sign)
    elif isinstance(y, float):
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
    elif not isinstance(y, int):
        raise TypeError(f"{sign} works on tensors, numbers and NumPy arrays, but got {type(b).__name__}.")
    return x, y


# %% [markdown]
"""
### 3.4 Plus, minus, times, divided by
Python turns `a + b` into `a.__add__(b)`. So a class that has the method has the sign. Each of the four is the same
two steps: get the operands, wrap the result of NumPy's own sign.

    Tensor([6, 8]) + 2  = [8, 10]        Tensor([6, 8]) * Tensor([2, 4]) = [12, 32]
    Tensor([6, 8]) - 2  = [4, 6]         Tensor([6, 8]) / Tensor([2, 4]) = [3, 2]

A product of tensors goes element by element; the matrix product has a sign of its own, `@`. Division makes floats,
even of integers: float32.

Wrap with `from_numpy`, not with `Tensor`, or a float64 tensor turns into float32 at its first sum.
"""


# %% tags=["arithmetic"]
#| export
class Tensor(Tensor):
    def __add__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        a, b = operands(self, other, "+")
        return from_numpy(a + b)
        ### END SOLUTION

    def __sub__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        a, b = operands(self, other, "-")
        return from_numpy(a - b)
        ### END SOLUTION

    def __mul__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        a, b = operands(self, other, "*")
        return from_numpy(a * b)
        ### END SOLUTION

    def __truediv__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        a, b = operands(self, other, "/")
        quotient = a / b
        ### END SOLUTION
        return from_numpy(quotient if a.dtype.kind == "f" else quotient.astype(np.float32))

    def __pow__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "**")
        return from_numpy(a**b)

    def __neg__(self) -> Tensor:
        return from_numpy(-self.data)


# %%
def test_unit_arithmetic() -> None:
    a, b = Tensor([6, 8]), Tensor([2, 4])
    assert (a + 2).data.tolist() == [8.0, 10.0]
    assert (a - 2).data.tolist() == [4.0, 6.0]
    assert (a * b).data.tolist() == [12.0, 32.0]
    assert (a / b).data.tolist() == [3.0, 2.0]
    assert (a**2).data.tolist() == [36.0, 64.0]
    assert (Tensor([1], dtype=np.float64) + 1).data.dtype == np.float64
    batch = Tensor([[1, 2, 3], [4, 5, 6]])
    assert (batch + Tensor([10, 20, 30])).data.tolist() == [[11.0, 22.0, 33.0], [14.0, 25.0, 36.0]]


# %% [markdown]
"""
### 3.5 The tensor on the right
`2 - t` asks the number first: `int.__sub__(2, t)`. An int knows no tensors and declines. Then Python asks the right
side, with the *reflected* method `t.__rsub__(2)`. Its `self` is the **right** operand.

    2 - Tensor([6, 8]) = [-4, -6]          12 / Tensor([6, 8]) = [2, 1.5]          2 ** Tensor([3, 4]) = [8, 16]

For `+` and `*` the order does not matter, and they are given. For the other three it does. Turn the left operand
into a tensor with `_constant(other, self)`, and use the method you have already.

A NumPy array on the left is more eager than an int: it would take the tensor for a sequence and walk through its
elements. `__array_ufunc__ = None` tells it to keep out, so `array - t` arrives at `__rsub__` too, and so do
`array @ t` and `array < t`.
"""


# %% tags=["constants"]
#| export
def _constant(value: Any, like: Tensor) -> Tensor:
    """Return the left operand of a reflected operation as a tensor: a number takes the type of `like`."""
    if isinstance(value, np.ndarray):
        return from_numpy(value)
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, bool | int | float):
        raise TypeError(f"a tensor calculates with tensors, numbers and NumPy arrays, but got {type(value).__name__}.")
    dtype = like.data.dtype
    if isinstance(value, float) and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    elif dtype.kind == "b":
        return from_numpy(np.asarray(value))  # the number 2 is not a truth value
    return from_numpy(np.asarray(value, dtype))


# %% tags=["reflected"]
#| export
class Tensor(Tensor):
    __array_ufunc__ = None  # makes `array + tensor` ask Tensor.__radd__ instead of NumPy

    def __radd__(self, other: Any) -> Tensor:
        return self.__add__(other)

    def __rmul__(self, other: Any) -> Tensor:
        return self.__mul__(other)

    def __rsub__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        return _constant(other, self) - self
        ### END SOLUTION

    def __rtruediv__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        return _constant(other, self) / self
        ### END SOLUTION

    def __rpow__(self, other: Any) -> Tensor:
        ### BEGIN SOLUTION
        return _constant(other, self) ** self
        ### END SOLUTION


# %%
def test_unit_reflected() -> None:
    assert (2 - Tensor([6, 8])).data.tolist() == [-4.0, -6.0]
    assert (12 / Tensor([6, 8])).data.tolist() == [2.0, 1.5]
    assert (2 ** Tensor([3, 4])).data.tolist() == [8.0, 16.0]
    left = np.array([[1.0], [2.0]]) - Tensor([10.0, 20.0])
    assert isinstance(left, Tensor)
    assert left.data.tolist() == [[-9.0, -19.0], [-8.0, -18.0]]


# %% [markdown]
"""
### 3.6 Comparisons
A comparison answers for each element and makes a tensor of bools, a **mask**: `Tensor([1, 5, 3]) > 2` is
`[False, True, True]`. Given; the pattern is that of the arithmetic.

`==` against something that is no number at all, such as `None`, is left to Python, which answers `False`.

Since `==` no longer means "the same object", Python would refuse to put tensors into sets and dicts. `__hash__`
brings that back: there a tensor is found by which object it is.
"""


# %% tags=["comparison"]
#| export
def _is_comparable(x: Any) -> bool:
    return isinstance(x, (Tensor, np.ndarray, np.generic, bool, int, float))


class Tensor(Tensor):
    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        if not _is_comparable(other):
            return NotImplemented
        a, b = operands(self, other, "==")
        return from_numpy(a == b)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        if not _is_comparable(other):
            return NotImplemented
        a, b = operands(self, other, "!=")
        return from_numpy(a != b)

    def __lt__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "<")
        return from_numpy(a < b)

    def __le__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "<=")
        return from_numpy(a <= b)

    def __gt__(self, other: Any) -> Tensor:
        a, b = operands(self, other, ">")
        return from_numpy(a > b)

    def __ge__(self, other: Any) -> Tensor:
        a, b = operands(self, other, ">=")
        return from_numpy(a >= b)

    # `==` compares values, so a tensor is found in a set or dict by which object it is.
    __hash__ = object.__hash__


# %%
def test_unit_comparison() -> None:
    assert (Tensor([1, 5, 3]) > 2).data.tolist() == [False, True, True]
    assert (np.array([1.0, 5.0, 3.0]) < Tensor(2)).data.tolist() == [True, False, False]
    t = Tensor([1, 2])
    assert (t == None) is False  # noqa: E711
    assert len({t, t, Tensor([1, 2])}) == 2


# %% [markdown]
"""
### 3.7 The matrix product
A layer of a network is a matrix product. Each element of `a @ b` is a row of `a` times a column of `b`, element by
element, and summed:

                     b  [[5, 6],
                         [7, 8]]

    a  [[1, 2],         [[1·5 + 2·7, 1·6 + 2·8],          [[19, 22],
        [3, 4]]          [3·5 + 4·7, 3·6 + 4·8]]    =      [43, 50]]

A row of `a` must be as long as a column of `b`: the **inner** sizes agree, and the outer ones make the result.

    (n, k) @ (k, m) -> (n, m)            (32, 784) @ (784, 10) -> (32, 10)
              inner sizes equal

More axes in front make a stack of matrices; the stacks broadcast by the rule of 3.1. A vector counts as one row on
the left and as one column on the right, and its axis does not appear in the result: `(2, 2) @ (2,) -> (2,)`.

The checks are given. The line you write is short; what NumPy does behind it is the subject of the last part.
"""


# %% tags=["matrix_operands"]
#| export
def _matrix_operands(a: Tensor, b: Any) -> tuple[Array, Array]:
    """Return the arrays of a matrix product whose shapes fit; the stack axes broadcast."""
    x, y = a.data, (b if isinstance(b, Tensor) else _constant(b, a)).data
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(
            f"@ multiplies vectors and matrices, but got shapes {x.shape} and {y.shape}. Use * for numbers."
        )
    inner = y.shape[0] if y.ndim == 1 else y.shape[-2]
    if x.shape[-1] != inner:
        raise ValueError(
            f"shapes {x.shape} and {y.shape} do not fit in @: the last axis of the left has {x.shape[-1]} elements, "
            f"the {'only' if y.ndim == 1 else 'last but one'} axis of the right has {inner}. They must be equal."
        )
    if x.ndim > 2 and y.ndim > 2:
        check_broadcast(x.shape[:-2], y.shape[:-2], "the stacks of @")
    return (x, y) if x.dtype == y.dtype else common_type(x, y)


# %% tags=["matmul"]
#| export
class Tensor(Tensor):
    def matmul(self, other: Any) -> Tensor:
        """Return the matrix product, of vectors, matrices, or stacks of matrices that broadcast.

        Shapes: ``(..., n, k) @ (..., k, m) -> (..., n, m)``; a vector counts as one row on the left and as
        one column on the right, and its axis does not appear in the result. Source: ``numpy.matmul``.

        Raises
        ------
        ValueError
            If the inner sizes differ, if the stacks do not broadcast, or if an operand is 0-d.

        Examples
        --------
        >>> Tensor([[1, 2], [3, 4]]).matmul(Tensor([[5, 6], [7, 8]]))
        tensor([[19., 22.],
                [43., 50.]])
        """
        a, b = _matrix_operands(self, other)
        ### BEGIN SOLUTION
        return from_numpy(a @ b)
        ### END SOLUTION

    def __matmul__(self, other: Any) -> Tensor:
        return self.matmul(other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _constant(other, self).matmul(self)


# %%
def test_unit_matmul() -> None:
    a, b = Tensor([[1, 2], [3, 4]]), Tensor([[5, 6], [7, 8]])
    assert (a @ b).data.tolist() == [[19.0, 22.0], [43.0, 50.0]]
    assert (a @ Tensor([1, 1])).data.tolist() == [3.0, 7.0]
    assert (np.array([1.0, 1.0]) @ a).data.tolist() == [4.0, 6.0]


# %% [markdown]
"""
## Part 4: picking and moving elements
### 4.1 Indexing
An index works as in NumPy:

    t = [[1, 2, 3],      t[0]        [1, 2, 3]      one row: an axis less
         [4, 5, 6]]      t[1, 2]     6              one element, 0-d
                         t[:, 1:]    [[2, 3], [5, 6]]      a slice of each axis
                         t[t > 4]    [5, 6]         where a mask is True
                         t[[1, 0]]   [[4, 5, 6], [1, 2, 3]]       rows by number, in this order

Numbers and slices give a **view**: another window on the same memory, nothing is copied. Masks and lists copy,
because what they pick does not lie at regular distances.

An index may itself be a tensor, as in `t[t > 4]`. NumPy does not know our tensors, so `array_index`, given,
replaces them by their arrays.

Assigning, `t[0] = 1`, is refused. A gradient may depend on the old value, and there would be no trace of it.
"""


# %% tags=["array_index"]
#| export
def array_index(index: Any) -> Any:
    """Return `index` with the tensors in it replaced by their arrays."""
    if isinstance(index, Tensor):
        if index.data.dtype.kind == "f":
            raise IndexError(
                f"a tensor used as an index must hold integers or booleans, but this one holds {index.data.dtype}. "
                "Use index.long()."
            )
        return index.data
    if isinstance(index, tuple):
        return tuple(array_index(part) for part in index)
    return index


# %% tags=["indexing"]
#| export
class Tensor(Tensor):
    def __getitem__(self, index: Any) -> Tensor:
        """Return the elements that `index` picks, as NumPy has it; slices share memory with this tensor."""
        ### BEGIN SOLUTION
        return from_numpy(self.data[array_index(index)])
        ### END SOLUTION

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a tensor is not changed in place: backward() may need the values it holds. Make a new tensor, or, before "
            "any operation has used it, write t.data[...] = value."
        )


# %%
def test_unit_indexing() -> None:
    t = Tensor([[1, 2, 3], [4, 5, 6]])
    assert t[0].data.tolist() == [1.0, 2.0, 3.0]
    assert t[1, 2].data.tolist() == 6.0
    assert t[:, 1:].data.tolist() == [[2.0, 3.0], [5.0, 6.0]]
    assert t[t > 4].data.tolist() == [5.0, 6.0]
    assert np.shares_memory(t[:, 1:].data, t.data)
    assert [row.data.tolist() for row in t] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


# %% [markdown]
"""
### 4.2 How a table lies in memory
Memory is one long row of bytes. A `(2, 3)` table of float32 takes 24 of them, row after row. What makes it a table
is not the bytes. It is two numbers beside them, the **strides**: how many bytes to walk for one step along each
axis.

    memory   | 1 | 2 | 3 | 4 | 5 | 6 |          4 bytes each

    t        [[1, 2, 3],     shape (2, 3)       strides (12, 4):  next row: 12 bytes on
              [4, 5, 6]]                                          next column: 4 bytes on

    t.T      [[1, 4],        shape (3, 2)       strides (4, 12):  next row: 4 bytes on
              [2, 5],                                             next column: 12 bytes on
              [3, 6]]        the same memory

Element `[i, j]` lies at byte `i · strides[0] + j · strides[1]`. For `t[1, 2]` that is 1 · 12 + 2 · 4 = 20, the last
four bytes: the 6. For `t.T[2, 1]` it is 2 · 4 + 1 · 12 = 20 as well.

So a transpose costs nothing. It swaps two strides, and a million elements stay where they are. The same holds for
slices and for most reshapes. An array whose elements lie in the order in which you read them, such as `t`, is
called **contiguous**. `t.T` is not.

### 4.3 Reshape
`reshape` keeps the order of the elements and cuts it into rows of another length:

    [[1, 2, 3],      reshape(3, 2)      [[1, 2],        reshape(-1)     [1, 2, 3, 4, 5, 6]
     [4, 5, 6]]                          [3, 4],
                                         [5, 6]]        compare with t.T above: not the same!

One length may be -1: "whatever is left". `reshape(32, -1)` flattens 32 images, whatever their size. The lengths may
come as several arguments or as one tuple; `_lengths`, given, makes a tuple of both.

`view` is PyTorch's name for a reshape that never copies. Ours copies if it must.
"""


# %% tags=["lengths"]
#| export
def _lengths(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the integers of ``f(2, 3)`` and ``f((2, 3))`` alike."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape


# %% tags=["reshape"]
#| export
class Tensor(Tensor):
    def reshape(self, *shape: Any) -> Tensor:
        """Return the same elements in another shape; one length may be -1 and is then worked out.

        The result shares memory with this tensor where strides can describe it, and is a copy otherwise.

        Raises
        ------
        ValueError
            If `shape` does not hold exactly as many elements.

        Examples
        --------
        >>> Tensor([[1, 2, 3], [4, 5, 6]]).reshape(3, -1)
        tensor([[1., 2.],
                [3., 4.],
                [5., 6.]])
        """
        wanted = _lengths(shape)
        try:
            ### BEGIN SOLUTION
            return from_numpy(self.data.reshape(wanted))
            ### END SOLUTION
        except ValueError:
            raise ValueError(
                f"a tensor of shape {self.shape} has {self.size} elements and cannot be reshaped to {wanted}. "
                "The lengths must multiply to that number; at most one of them may be -1."
            ) from None

    def view(self, *shape: Any) -> Tensor:
        """Return ``reshape(*shape)``; PyTorch's name for it. The result may be a copy here."""
        return self.reshape(*shape)


# %%
def test_unit_reshape() -> None:
    t = Tensor([[1, 2, 3], [4, 5, 6]])
    assert t.reshape(3, 2).data.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert t.reshape((-1,)).data.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert np.shares_memory(t.reshape(3, 2).data, t.data)


# %% [markdown]
"""
### 4.4 Transpose and permute
`transpose(0, 1)` swaps two axes. `permute(2, 0, 1)` puts all of them in a new order: axis 0 of the result is axis 2
of the tensor, and so on. `T` reverses them.

    images (64, 32, 32, 3)      permute(0, 3, 1, 2)      (64, 3, 32, 32)      colours before rows and columns
      axis   0   1   2  3

NumPy has both under other names: `swapaxes` swaps two, and NumPy's `transpose` takes the whole order. All results
are views.
"""


# %% tags=["permute"]
#| export
class Tensor(Tensor):
    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Return a view with axes `dim0` and `dim1` swapped."""
        ### BEGIN SOLUTION
        return from_numpy(self.data.swapaxes(dim0, dim1))
        ### END SOLUTION

    def permute(self, *dims: Any) -> Tensor:
        """Return a view whose axis i is axis ``dims[i]`` of this tensor.

        Raises
        ------
        ValueError
            If `dims` does not name each axis once.

        Examples
        --------
        >>> zeros(64, 32, 32, 3).permute(0, 3, 1, 2).shape
        (64, 3, 32, 32)
        """
        order = _lengths(dims)
        try:
            ### BEGIN SOLUTION
            return from_numpy(self.data.transpose(order))
            ### END SOLUTION
        except ValueError:
            raise ValueError(
                f"permute() of a tensor of shape {self.shape} takes each of its {self.ndim} axes once, but got {order}."
            ) from None

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes in reverse order; for a matrix, its transpose."""
        return self.permute(*reversed(range(self.ndim)))


# %%
def test_unit_permute() -> None:
    t = Tensor([[1, 2, 3], [4, 5, 6]])
    assert t.T.data.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert t.T.data.strides == (4, 12)
    assert t.transpose(0, 1).data.strides == (4, 12)
    images = from_numpy(np.zeros((2, 5, 4, 3)))
    assert images.permute(0, 3, 1, 2).shape == (2, 3, 5, 4)
    assert images.transpose(1, 3).shape == (2, 3, 4, 5)


# %% [markdown]
"""
## Part 5: from many numbers to few
### 5.1 Sum and mean
A **reduction** makes an axis disappear. `dim` says which one; without it, all do.

    t = [[1, 2, 3],      t.sum()        21              shape ()
         [4, 5, 6]]      t.sum(dim=0)   [5, 7, 9]       shape (3,)     along axis 0, down the columns
                         t.sum(dim=1)   [6, 15]         shape (2,)     along axis 1, across the rows

If `dim=0` seems to be the wrong way round: the `dim` you name is the one that goes. Of the shape (2, 3), `dim=0`
takes away the 2.

`keepdim=True` leaves a length of 1 in its place: `t.sum(dim=1, keepdim=True)` is `[[6], [15]]`, of shape `(2, 1)`.
That broadcasts against `t` again, so `t / t.sum(dim=1, keepdim=True)` scales every row to sum 1. Without `keepdim`
the `(2,)` would clash with the 3.

NumPy calls the two arguments `axis` and `keepdims`.
"""


# %% tags=["reductions"]
#| export
class Tensor(Tensor):
    def sum(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the sum over `dim`, an axis or several; over all elements if it is None.

        Integers and bools add up to int64. The sum of no elements is 0.

        Examples
        --------
        >>> Tensor([[1, 2, 3], [4, 5, 6]]).sum(dim=1, keepdim=True)
        tensor([[ 6.],
                [15.]])
        """
        ### BEGIN SOLUTION
        total = self.data.sum(axis=dim, keepdims=keepdim)
        ### END SOLUTION
        return from_numpy(total if total.dtype.kind != "u" else total.astype(np.int64))

    def mean(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the mean over `dim`, an axis or several; over all elements if it is None.

        The mean of no elements is nan, with NumPy's warning.

        Raises
        ------
        TypeError
            If the elements are not floats.
        """
        if self.data.dtype.kind != "f":
            raise TypeError(f"mean() needs floats, but this tensor holds {self.data.dtype}. Use t.float().mean().")
        ### BEGIN SOLUTION
        return from_numpy(self.data.mean(axis=dim, keepdims=keepdim))
        ### END SOLUTION


# %%
def test_unit_reductions() -> None:
    t = Tensor([[1, 2, 3], [4, 5, 6]])
    assert t.sum().data.tolist() == 21.0
    assert t.sum(dim=0).data.tolist() == [5.0, 7.0, 9.0]
    assert t.sum(dim=1, keepdim=True).data.tolist() == [[6.0], [15.0]]
    assert t.mean().data.tolist() == 3.5
    assert t.mean(dim=1).data.tolist() == [2.0, 5.0]


# %% [markdown]
"""
### 5.2 The largest, and where it stands
`amax` and `amin` are reductions like the sum. `argmax` and `argmin` return positions instead of values: a
classifier's answer is the `argmax` of ten scores. Given.

    t = [[1, 9, 3],      t.amax(dim=1)     [9, 8]
         [8, 5, 6]]      t.argmax(dim=1)   [1, 0]

Of no elements none is the largest, so for these an empty axis is an error. For the sum it is not: it is 0.
"""


# %% tags=["extremum"]
#| export
class Tensor(Tensor):
    def amax(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the largest element over `dim`, an axis or several; over all elements if it is None."""
        self._check_there_is_one(dim)
        return from_numpy(self.data.max(axis=dim, keepdims=keepdim))

    def amin(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the smallest element over `dim`, an axis or several; over all elements if it is None."""
        self._check_there_is_one(dim)
        return from_numpy(self.data.min(axis=dim, keepdims=keepdim))

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return where the largest element stands along `dim`; in the flattened tensor if it is None."""
        self._check_there_is_one(dim)
        return from_numpy(np.argmax(self.data, axis=dim, keepdims=keepdim))

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return where the smallest element stands along `dim`; in the flattened tensor if it is None."""
        self._check_there_is_one(dim)
        return from_numpy(np.argmin(self.data, axis=dim, keepdims=keepdim))

    def _check_there_is_one(self, dim: Dim) -> None:
        """Raise an error if an axis of `dim` is empty, so that no element can be the largest."""
        if self.data.size:
            return
        axes = range(self.data.ndim) if dim is None else np.atleast_1d(dim)
        if any(self.data.shape[axis] == 0 for axis in axes):
            raise ValueError(
                f"a tensor of shape {self.data.shape} has no largest or smallest element along dim={dim}: "
                "there is nothing to choose from."
            )


# %% [markdown]
"""
### 5.3 Both at once
PyTorch's `max(dim)` returns values *and* positions, as a pair with names. `amax` and `argmax` could each be called.
But there is a difference that matters in module 05: where two elements tie for the maximum, `amax` shares the
gradient between them, and `max(dim)` sends it to the one whose position it returned. So the values must be **picked
by their positions**, by indexing.

To pick `t[0, 1]` and `t[1, 0]`, NumPy wants the row numbers and the column numbers:

    t = [[1, 9, 3],      rows    [0, 1]     counted
         [8, 5, 6]]      columns [1, 0]     from argmax       t[[0, 1], [1, 0]] = [9, 8]

With more axes it is the same: counted positions for every axis that stays, and in the place of `dim` the positions
that `argmax` found. `np.indices(shape, sparse=True)` counts; it returns one array for each axis of `shape`.

**Exercise.** Insert `where.data` into the list of counted positions, at the place of `dim`, which may be negative.
Then index `self` with the tuple.
"""


# %% tags=["pick"]
#| export
class Extremum(NamedTuple):
    """What ``max(dim)`` and ``min(dim)`` return: the values, and where they stood along `dim`."""

    values: Tensor
    indices: Tensor


class Tensor(Tensor):
    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the largest element, or, along `dim`, ``(values, indices)`` as PyTorch does.

        Examples
        --------
        >>> values, indices = Tensor([[1, 9, 3], [8, 5, 6]]).max(dim=1)
        >>> values
        tensor([9., 8.])
        >>> indices
        tensor([1, 0])
        """
        return self.amax(None, keepdim) if dim is None else self._extremum(self.argmax(dim), dim, keepdim)

    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the smallest element, or, along `dim`, ``(values, indices)`` as PyTorch does."""
        return self.amin(None, keepdim) if dim is None else self._extremum(self.argmin(dim), dim, keepdim)

    def _extremum(self, where: Tensor, dim: int, keepdim: bool) -> Extremum:
        """Return the elements at the positions `where` along `dim`, and the positions."""
        if self.ndim == 0:
            return Extremum(self[()], where)
        values = self._pick(where, dim)
        if not keepdim:
            return Extremum(values, where)
        kept = [1 if axis == dim % self.ndim else n for axis, n in enumerate(self.shape)]
        return Extremum(values.reshape(kept), where.reshape(kept))

    def _pick(self, where: Tensor, dim: int) -> Tensor:
        """Return the element at position `where` along `dim`, for each position on the other axes.

        Shapes: `where` and the result have the shape of this tensor without axis `dim`.
        """
        index: list[Any] = list(np.indices(where.shape, sparse=True))
        ### BEGIN SOLUTION
        index.insert(dim % self.ndim, where.data)
        return self[tuple(index)]
        ### END SOLUTION


# %%
def test_unit_pick() -> None:
    t = Tensor([[1, 9, 3], [8, 5, 6]])
    values, indices = t.max(dim=1)
    assert values.data.tolist() == [9.0, 8.0]
    assert indices.data.tolist() == [1, 0]
    assert t.min(dim=-2).values.data.tolist() == [1.0, 5.0, 3.0]
    assert t.max(dim=0, keepdim=True).indices.data.tolist() == [[1, 0, 1]]
    assert t.max().data.tolist() == 9.0


# %% [markdown]
"""
## Part 6: one element at a time
`exp`, `log`, `sqrt`, `abs` and `clip` change each element and leave the shape alone.

    x            [0, 1]                 x            [-2, 0.5, 7]
    x.exp()      [1, 2.7183]            x.clip(0, 1) [0, 0.5, 1]       below 0 raised, above 1 lowered
    exp, log     [0, 1]                 x.abs()      [2, 0.5, 7]

The exponential of an integer is no integer. PyTorch makes float32 of it, NumPy float64. `_floats`, given, does what
PyTorch does.

At the end of its domain a function answers with `inf` or `nan` and NumPy warns: the logarithm of 0 is `-inf`, of -1
`nan`. Leave the warning in; it names the first operation that went wrong.
"""


# %% tags=["elementwise"]
#| export
class Tensor(Tensor):
    def _floats(self) -> FloatArray:
        """Return the array; integers and bools as float32."""
        return self.data if self.data.dtype.kind == "f" else self.data.astype(np.float32)

    def exp(self) -> Tensor:
        """Return e to the power of each element."""
        x = self._floats()
        ### BEGIN SOLUTION
        return from_numpy(np.exp(x))
        ### END SOLUTION

    def log(self) -> Tensor:
        """Return the natural logarithm of each element."""
        x = self._floats()
        ### BEGIN SOLUTION
        return from_numpy(np.log(x))
        ### END SOLUTION

    def sqrt(self) -> Tensor:
        """Return the square root of each element."""
        return from_numpy(np.sqrt(self._floats()))

    def abs(self) -> Tensor:
        """Return each element without its sign."""
        return from_numpy(np.abs(self.data))

    def __abs__(self) -> Tensor:
        return self.abs()


# %%
def test_unit_elementwise() -> None:
    x = Tensor([0.0, 1.0])
    assert np.allclose(x.exp().data, [1.0, 2.7182818])
    assert np.allclose(x.exp().log().data, [0.0, 1.0])
    assert Tensor([0], dtype=np.int64).exp().data.dtype == np.float32
    assert Tensor([4.0, 9.0]).sqrt().data.tolist() == [2.0, 3.0]
    assert abs(Tensor([-2.0, 0.5])).data.tolist() == [2.0, 0.5]


# %% [markdown]
"""
`clip` is yours too. Either bound may be missing, which `np.clip` understands as `None`.
"""


# %% tags=["clip"]
#| export
class Tensor(Tensor):
    def clip(self, min: Scalar | None = None, max: Scalar | None = None) -> Tensor:
        """Return each element, raised to `min` where it is below and lowered to `max` where it is above.

        Raises
        ------
        ValueError
            If both bounds are missing.

        Examples
        --------
        >>> Tensor([-2, 0.5, 7]).clip(0, 1)
        tensor([0.0, 0.5, 1.0])
        """
        if min is None and max is None:
            raise ValueError("clip() needs min, max or both, but got neither.")
        low, high = (bound.item() if isinstance(bound, np.generic) else bound for bound in (min, max))
        x = self._floats() if isinstance(low, float) or isinstance(high, float) else self.data
        ### BEGIN SOLUTION
        return from_numpy(np.clip(x, low, high))
        ### END SOLUTION

    def clamp(self, min: Scalar | None = None, max: Scalar | None = None) -> Tensor:
        """Return ``clip(min, max)``; PyTorch's other name for it."""
        return self.clip(min, max)


# %%
def test_unit_clip() -> None:
    x = Tensor([-2.0, 0.5, 7.0])
    assert x.clip(0, 1).data.tolist() == [0.0, 0.5, 1.0]
    assert x.clip(max=1).data.tolist() == [-2.0, 0.5, 1.0]


# %% [markdown]
"""
### Another type
`to(dtype)` converts; `float()`, `double()` and `long()` are PyTorch's short names for the three types you need
most. To an integer, a float is cut towards zero: 2.9 becomes 2, and -2.9 becomes -2. If the type is right already,
nothing is copied.
"""


# %% tags=["types"]
#| export
class Tensor(Tensor):
    def to(self, dtype: npt.DTypeLike) -> Tensor:
        """Return the same values as elements of another type; of the same type, they share memory.

        Raises
        ------
        TypeError
            If `dtype` is not a type of numbers.
        """
        return from_numpy(self.data.astype(_number_type(dtype), copy=False))

    def float(self) -> Tensor:
        """Return the values as float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """Return the values as float64."""
        return self.to(np.float64)

    def long(self) -> Tensor:
        """Return the values as int64."""
        return self.to(np.int64)


# %% [markdown]
"""
## Part 7: what sleeps until module 05
A network learns from gradients: by how much does the loss move if this number moves? Module 05 computes them. The
places where they will be kept are here already, so that it does not have to change the class: `requires_grad` says
that the gradient is wanted, `grad` holds it, `grad_fn` will remember which operation made a tensor. A tensor that
no operation made is a **leaf**.

`backward()` will do the computing. Until then it says so. `detach()` returns the same numbers, on the same memory,
without a past.
"""


# %% tags=["dormant"]
#| export
class Tensor(Tensor):
    @property
    def grad_fn(self) -> Any:
        """The node of the graph that made this tensor; None for a leaf."""
        return self._grad_fn

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self._grad_fn is None

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
        """Compute the gradients of everything this tensor was made from; sleeps until module 05."""
        raise RuntimeError("backward() sleeps until module 05, autograd, brings it to life: `tito module start 05`.")

    def zero_grad(self) -> None:
        """Forget the gradient, so that the next ``backward()`` starts from nothing."""
        self.grad = None

    def detach(self) -> Tensor:
        """Return a tensor that shares these values and has no history."""
        return from_numpy(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return this tensor.

        Raises
        ------
        TypeError
            If a gradient is wanted for elements that are not floats.
        RuntimeError
            If an operation made this tensor, and its gradient is on the way to others.
        """
        if requires_grad:
            _check_gradient_fits(self.data.dtype)
        elif self._grad_fn is not None:
            raise RuntimeError("only a leaf can stop requiring a gradient. Use t.detach() for the values alone.")
        self.requires_grad = requires_grad
        return self


# %%
def test_unit_dormant() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    assert (w.requires_grad, w.grad, w.grad_fn, w.is_leaf) == (True, None, None, True)
    assert not w.detach().requires_grad
    assert w.detach().data is w.data
    message = ""
    try:
        w.backward()
    except RuntimeError as error:
        message = str(error)
    assert "module 05" in message


# %% [markdown]
"""
## Part 8: tensors from nothing
The rest is given: PyTorch's functions that make tensors. `tensor(data)`, with a small t, differs from the class in
one point: it looks at the data for the dtype. Integers stay integers.

    Tensor([1, 2])      float32          tensor([1, 2])      int64          tensor([1.0, 2])      float32
"""


# %% tags=["tensor"]
#| export
def tensor(data: Any, dtype: npt.DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Return a new tensor of the dtype that `data` suggests, as ``torch.tensor`` does.

    Python floats make float32, integers int64, booleans bool; arrays and tensors keep theirs.

    Examples
    --------
    >>> tensor([1, 2])
    tensor([1, 2])
    >>> tensor([True, False]).dtype
    dtype('bool')
    """
    values = _numbers(data, dtype)
    if dtype is None and values.dtype == np.float64 and not _has_dtype(data):
        values = values.astype(np.float32)
    return from_numpy(values).requires_grad_(requires_grad)


def _has_dtype(data: Any) -> bool:
    """Return whether `data`, or the first thing in its nested sequences, brings a dtype along."""
    while isinstance(data, Sequence) and len(data):
        data = data[0]
    return isinstance(data, Tensor | np.ndarray | np.generic)


# %% [markdown]
"""
These make tensors of a given shape. It may come as several arguments, `zeros(2, 3)`, or as one tuple,
`zeros((2, 3))`.
"""


# %% tags=["filled"]
#| export
def zeros(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` filled with 0."""
    return full(_lengths(size), 0, dtype, requires_grad)


def ones(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` filled with 1."""
    return full(_lengths(size), 1, dtype, requires_grad)


def full(
    size: int | Sequence[int], fill_value: Scalar, dtype: npt.DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of shape `size` filled with `fill_value`, whose type decides the dtype if that is None."""
    found = tensor(fill_value).dtype if dtype is None else _number_type(dtype)
    return from_numpy(np.full(_lengths((size,)), fill_value, found)).requires_grad_(requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    dtype: npt.DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``start, start + step, ...`` up to and without `end`; ``arange(n)`` counts from 0.

    Examples
    --------
    >>> arange(4)
    tensor([0, 1, 2, 3])
    >>> arange(0, 1, 0.25)
    tensor([0.00, 0.25, 0.50, 0.75])
    """
    if step == 0:
        raise ValueError("arange() with step=0 never arrives. Use a step above or below 0.")
    values = np.arange(0, start, step) if end is None else np.arange(start, end, step)
    usual = np.float32 if values.dtype.kind == "f" else np.int64
    return from_numpy(values).to(usual if dtype is None else dtype).requires_grad_(requires_grad)


def eye(n: int, m: int | None = None, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return the identity matrix, ``(n, n)`` or ``(n, m)``."""
    return from_numpy(np.eye(n, m, dtype=_number_type(dtype))).requires_grad_(requires_grad)


# %% [markdown]
"""
A network starts from random numbers. They all come from one generator, so that one seed repeats a whole run. `rand`
draws evenly from [0, 1), `randn` from the bell curve around 0 with standard deviation 1.
"""


# %% tags=["random"]
#| export
_generator = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Start the random numbers of this package afresh from `seed`; return their generator."""
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def default_generator() -> np.random.Generator:
    """Return the generator that all random numbers of this package come from."""
    return _generator


def rand(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` with elements drawn evenly from [0, 1)."""
    return tensor(_generator.random(_lengths(size)), dtype, requires_grad)


def randn(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` with elements drawn from the standard normal distribution."""
    return tensor(_generator.standard_normal(_lengths(size)), dtype, requires_grad)


# %%
def test_unit_making() -> None:
    assert tensor([1, 2]).dtype == np.int64
    assert tensor([1.0, 2]).dtype == np.float32
    assert ones(2, 3).data.tolist() == [[1.0] * 3] * 2
    assert arange(3).data.tolist() == [0, 1, 2]
    manual_seed(7)
    first = randn(3).data.tolist()
    manual_seed(7)
    assert randn(3).data.tolist() == first


# %% [markdown]
"""
## Part 9: questions that measure
A tensor is also a piece of hardware in use: bytes that are kept and moved, multiplications that take time. Guess
each answer before you run the cell. The times are those of an ordinary machine; yours differ, the ratios less.

### How many bytes is a tensor?
Elements times bytes each. A million elements are 4 MB in float32 and 8 MB in float64. In a list, each number is an
object of 24 bytes, and a reference of 8 bytes to it: 32 MB.

So a model of 7 billion parameters is 28 GB in float32. That is why module 15 will keep them in one byte each.

*For thought*: how many bytes are the 64 images of part 1? And of which size would they be as `uint8`, the type of
pixels?
"""

# %%
import sys
import time
from collections.abc import Callable


def bytes_of_a_million() -> dict[str, int]:
    """Return the bytes that a million numbers take, by how they are kept."""
    numbers = [float(i) for i in range(1_000_000)]
    return {
        "float32": Tensor(numbers).data.nbytes,
        "float64": Tensor(numbers, dtype=np.float64).data.nbytes,
        "list": sys.getsizeof(numbers) + sum(map(sys.getsizeof, numbers)),
    }


def show_bytes() -> None:
    """Print the bytes of a million numbers."""
    for kind, size in bytes_of_a_million().items():
        print(f"a million numbers, {kind:8} {size / 1e6:5.1f} MB")


# %% [markdown]
"""
### Does the order in memory matter?
`t` and `t.T` hold the same numbers in the same memory, and a sum over all of them does not care for the order. But
copy each of them into a new contiguous array. For `t` the processor reads straight on. For `t.T` it jumps 8,192
bytes between any two neighbours. Memory comes in lines of 64 bytes, 16 floats; of each line that it fetches, it
uses 4 bytes, and fetches the line again later.

Expect the second copy to take ten times as long, or more.

*For thought*: `x @ w.T` multiplies by a transposed view, in every `Linear` layer. Yet nobody copies there first.
Why? (The product reads each element many times, so it can afford to rearrange small blocks on the way, and a BLAS
library does.)
"""


# %%
def seconds(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time that `action` took; the others were disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def show_layout() -> None:
    """Print strides, and what it costs to copy against the order of memory."""
    t = zeros(2048, 2048)
    for name, array in (("t", t.data), ("t.T", t.T.data)):
        order = "contiguous" if array.flags.c_contiguous else "not contiguous"
        taken = seconds(lambda array=array: array.copy("C"))
        print(f"{name:4} strides {array.strides!s:11} {order:15} copy {taken * 1e3:6.1f} ms")


# %% [markdown]
"""
### What does a Python loop cost?
The sum of the products of two vectors, 100,000 elements each. The loop runs through Python's interpreter: 30 to 50
ns for each element, for finding types and making objects; the multiplication itself is lost in it. `@` does the
same in one call, with eight products at a time.

Expect a factor of some hundreds. It is the reason why this whole package never loops over elements.

*For thought*: on four elements the loop wins. Why? (A call of NumPy costs about a microsecond before it looks at
the first element.)
"""


# %%
def dot_in_a_loop(a: list[float], b: list[float]) -> float:
    """Return the sum of the products of the elements of two lists."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def show_loop() -> None:
    """Print the time of a loop and of one call, for the same sum of products."""
    a, b = rand(100_000), rand(100_000)
    rows = a.tolist(), b.tolist()
    loop, call = seconds(lambda: dot_in_a_loop(*rows)), seconds(lambda: a @ b)
    print(f"100,000 products: loop {loop * 1e3:.2f} ms, one call {call * 1e3:.3f} ms, factor {loop / call:.0f}")


# %% [markdown]
"""
### How many multiplications is a matrix product?
Each of the n · m elements of the result takes k multiplications and k additions: **2 · n · k · m** floating-point
operations, in short FLOPs. For n = k = m = 512 that is 2 · 512³ = 268 million. Divided by the seconds it takes,
this is the speed in GFLOP/s, billions of them per second.

Compare with adding the same two matrices: 512² = 0.26 million FLOPs, a thousandth. The time is not a thousandth,
because of memory. An addition moves 12 bytes for each FLOP: two floats in, one out. The product loads each element
once and uses it 512 times. So the product runs at the speed of arithmetic, and the sum at the speed of memory.

Expect 20 to 200 GFLOP/s for the product, 1 to 10 for the sum, and 0.01 to 0.05 for three loops in Python.

*For thought*: doubling n makes the product 8 times as much work, and the matrices 4 times as large. What happens to
the FLOPs per byte?
"""


# %%
def matmul_in_loops(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    """Return the product of two matrices, element by element."""
    columns = list(zip(*b, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in a]


def show_flops() -> None:
    """Print the speed of a matrix product, of a sum and of loops in GFLOP/s."""
    n = 512
    a, b = rand(n, n), rand(n, n)
    small = rand(48, 48).tolist()
    for name, flops, action in (
        ("a @ b, 512 x 512", 2 * n**3, lambda: a @ b),
        ("a + b, 512 x 512", n**2, lambda: a + b),
        ("three loops, 48 x 48", 2 * 48**3, lambda: matmul_in_loops(small, small)),
    ):
        taken = seconds(action)
        print(f"{name:21} {flops / 1e6:8.2f} MFLOP in {taken * 1e3:7.3f} ms: {flops / taken / 1e9:8.3f} GFLOP/s")


# %%
def test_unit_measures() -> None:
    sizes = bytes_of_a_million()
    assert (sizes["float32"], sizes["float64"]) == (4_000_000, 8_000_000)
    assert sizes["list"] > 31_000_000
    assert zeros(2048, 2048).T.data.strides == (4, 8192)
    assert matmul_in_loops([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]) == [[19.0, 22.0], [43.0, 50.0]]


# %% [markdown]
"""
## Part 10: all of it together
The last test is a small network, forward only: two layers on a batch of three, and the probabilities of two
classes. Every step is one that you wrote. From module 02 on they get names: `ReLU`, `Softmax`, `Linear`.

    x (3, 2) -> @ w1 (2, 4) + b1 (4,) -> clip at 0 -> @ w2 (4, 2) -> exp, divided by its sum -> probabilities (3, 2)
"""


# %%
def test_module() -> None:
    """🧪 Module 01: creation, arithmetic, shapes and reductions together."""
    x = Tensor([[1, 2], [3, 4], [-5, 6]])
    w1 = Tensor([[1, -1], [0.5, 0], [-1, 1], [0, 2]]).T
    hidden = (x @ w1 + Tensor([0, 1, 0, -3])).clip(min=0)
    assert hidden.tolist() == [[0, 1.5, 1, 1], [0, 2.5, 1, 5], [0, 0, 11, 9]]

    logits = hidden @ eye(2).reshape(1, 4).reshape(2, 2)[[0, 1, 1, 0]]
    assert logits.tolist() == [[1, 2.5], [5, 3.5], [9, 11]]
    odds = (logits - logits.max(dim=1, keepdim=True).values).exp()
    probabilities = odds / odds.sum(dim=1, keepdim=True)
    assert probabilities.argmax(dim=1).tolist() == [1, 0, 1]
    assert np.allclose(probabilities.sum(dim=1).numpy(), 1)
    assert np.allclose(probabilities[0, 1].item(), 1 / (1 + np.exp(-1.5)))

    targets = tensor([1, 0, 0])
    loss = -probabilities[arange(3), targets].log().mean()
    assert loss.shape == ()
    assert np.allclose(loss.item(), np.log([1 + np.exp(-1.5), 1 + np.exp(-1.5), 1 + np.exp(2)]).mean())
    assert (loss.dtype, x.double().mean().dtype) == (np.float32, np.float64)
    assert (1 - x / 2).permute(1, 0).tolist() == [[0.5, -0.5, 3.5], [0, -1, -2]]


# %% [markdown]
"""
## Summary
- A tensor is numbers of one type in one piece of memory, with a shape and strides that say how to read it. Views
  share the memory; copies do not.
- Shapes broadcast aligned on the right, where lengths are equal or one of them is 1.
- Results keep the type of their inputs; a float keeps its size when integers join.
- A reduction removes the axis that it names; `keepdim=True` keeps it with length 1.
- One call for many elements, never a loop. A matrix product is limited by arithmetic, nearly everything else by
  memory.

Next is module 02: functions that bend a straight line.
"""

# %%
if __name__ == "__main__":
    test_unit_creation()
    test_unit_facts()
    test_unit_repr()
    test_unit_from_numpy()
    test_unit_first_clash()
    test_unit_promotion()
    test_unit_arithmetic()
    test_unit_reflected()
    test_unit_comparison()
    test_unit_matmul()
    test_unit_indexing()
    test_unit_reshape()
    test_unit_permute()
    test_unit_reductions()
    test_unit_pick()
    test_unit_elementwise()
    test_unit_clip()
    test_unit_dormant()
    test_unit_making()
    test_unit_measures()
    show_bytes()
    show_layout()
    show_loop()
    show_flops()
    test_module()
    print("Module 01 is well: your tensor calculates.")
