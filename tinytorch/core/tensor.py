# Exported from modules/01_tensor/tensor_dev.py by tito export; edit it there.
"""The tensor: an array of numbers with a place for its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
Scalar = bool | int | float
Dim = int | tuple[int, ...] | None

__all__ = [
    "Array",
    "Dim",
    "Extremum",
    "FloatArray",
    "Scalar",
    "Tensor",
    "arange",
    "array_index",
    "check_broadcast",
    "common_type",
    "default_generator",
    "eye",
    "first_clash",
    "from_numpy",
    "full",
    "manual_seed",
    "ones",
    "operands",
    "rand",
    "randn",
    "tensor",
    "zeros",
]


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
        self.data = _numbers(data, np.float32 if dtype is None else dtype)
        if requires_grad:
            _check_gradient_fits(self.data.dtype)
        self.requires_grad = requires_grad
        self.grad = None
        self._grad_fn = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.data.dtype

    def numel(self) -> int:
        """Return the number of elements, as PyTorch spells it."""
        return self.size

    def dim(self) -> int:
        """Return the number of axes, as PyTorch spells it."""
        return self.ndim

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

    def __add__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "+")
        return from_numpy(a + b)

    def __sub__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "-")
        return from_numpy(a - b)

    def __mul__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "*")
        return from_numpy(a * b)

    def __truediv__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "/")
        quotient = a / b
        return from_numpy(quotient if a.dtype.kind == "f" else quotient.astype(np.float32))

    def __pow__(self, other: Any) -> Tensor:
        a, b = operands(self, other, "**")
        return from_numpy(a**b)

    def __neg__(self) -> Tensor:
        return from_numpy(-self.data)

    __array_ufunc__ = None  # makes `array + tensor` ask Tensor.__radd__ instead of NumPy

    def __radd__(self, other: Any) -> Tensor:
        return self.__add__(other)

    def __rmul__(self, other: Any) -> Tensor:
        return self.__mul__(other)

    def __rsub__(self, other: Any) -> Tensor:
        return _constant(other, self) - self

    def __rtruediv__(self, other: Any) -> Tensor:
        return _constant(other, self) / self

    def __rpow__(self, other: Any) -> Tensor:
        return _constant(other, self) ** self

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
        return from_numpy(a @ b)

    def __matmul__(self, other: Any) -> Tensor:
        return self.matmul(other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _constant(other, self).matmul(self)

    def __getitem__(self, index: Any) -> Tensor:
        """Return the elements that `index` picks, as NumPy has it; slices share memory with this tensor."""
        return from_numpy(self.data[array_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "a tensor is not changed in place: backward() may need the values it holds. Make a new tensor, or, before "
            "any operation has used it, write t.data[...] = value."
        )

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
            return from_numpy(self.data.reshape(wanted))
        except ValueError:
            raise ValueError(
                f"a tensor of shape {self.shape} has {self.size} elements and cannot be reshaped to {wanted}. "
                "The lengths must multiply to that number; at most one of them may be -1."
            ) from None

    def view(self, *shape: Any) -> Tensor:
        """Return ``reshape(*shape)``; PyTorch's name for it. The result may be a copy here."""
        return self.reshape(*shape)

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Return a view with axes `dim0` and `dim1` swapped."""
        return from_numpy(self.data.swapaxes(dim0, dim1))

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
            return from_numpy(self.data.transpose(order))
        except ValueError:
            raise ValueError(
                f"permute() of a tensor of shape {self.shape} takes each of its {self.ndim} axes once, but got {order}."
            ) from None

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes in reverse order; for a matrix, its transpose."""
        return self.permute(*reversed(range(self.ndim)))

    def sum(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the sum over `dim`, an axis or several; over all elements if it is None.

        Integers and bools add up to int64. The sum of no elements is 0.

        Examples
        --------
        >>> Tensor([[1, 2, 3], [4, 5, 6]]).sum(dim=1, keepdim=True)
        tensor([[ 6.],
                [15.]])
        """
        total = self.data.sum(axis=dim, keepdims=keepdim)
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
        return from_numpy(self.data.mean(axis=dim, keepdims=keepdim))

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
        index.insert(dim % self.ndim, where.data)
        return self[tuple(index)]

    def _floats(self) -> FloatArray:
        """Return the array; integers and bools as float32."""
        return self.data if self.data.dtype.kind == "f" else self.data.astype(np.float32)

    def exp(self) -> Tensor:
        """Return e to the power of each element."""
        x = self._floats()
        return from_numpy(np.exp(x))

    def log(self) -> Tensor:
        """Return the natural logarithm of each element."""
        x = self._floats()
        return from_numpy(np.log(x))

    def sqrt(self) -> Tensor:
        """Return the square root of each element."""
        return from_numpy(np.sqrt(self._floats()))

    def abs(self) -> Tensor:
        """Return each element without its sign."""
        return from_numpy(np.abs(self.data))

    def __abs__(self) -> Tensor:
        return self.abs()

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
        return from_numpy(np.clip(x, low, high))

    def clamp(self, min: Scalar | None = None, max: Scalar | None = None) -> Tensor:
        """Return ``clip(min, max)``; PyTorch's other name for it."""
        return self.clip(min, max)

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
    for axis in range(1, min(len(a), len(b)) + 1):
        if a[-axis] != b[-axis] and 1 not in (a[-axis], b[-axis]):
            return axis
    return 0


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...], sign: str) -> None:
    """Raise an error that names the axis if shapes `a` and `b` do not broadcast in the operation `sign`."""
    axis = first_clash(a, b)
    if axis:
        raise ValueError(
            f"shapes {a} and {b} do not broadcast in {sign}: axis -{axis} has {a[-axis]} and {b[-axis]} "
            "elements. Sizes must be equal, or one of them 1."
        )


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
        if x.dtype.kind == "f":
            return x, y.astype(x.dtype)
        return x.astype(y.dtype), y
    if x.ndim and not y.ndim and x.dtype.kind != "b":
        return x, y.astype(x.dtype)
    if y.ndim and not x.ndim and y.dtype.kind != "b":
        return x.astype(y.dtype), y
    return x, y


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


def _is_comparable(x: Any) -> bool:
    return isinstance(x, (Tensor, np.ndarray, np.generic, bool, int, float))


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


def _lengths(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the integers of ``f(2, 3)`` and ``f((2, 3))`` alike."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape


class Extremum(NamedTuple):
    """What ``max(dim)`` and ``min(dim)`` return: the values, and where they stood along `dim`."""

    values: Tensor
    indices: Tensor


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
