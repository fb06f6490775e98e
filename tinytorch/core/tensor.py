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
    "default_generator",
    "eye",
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
    """

    __slots__ = ("__weakref__", "_grad_fn", "data", "grad", "requires_grad")

    data: Array
    requires_grad: bool
    grad: Tensor | None
    _grad_fn: Any

    def __init__(self, data: Any, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> None:
        self.data = _numbers(data, np.float32 if dtype is None else dtype)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(
                f"only tensors of floats can require gradients, but this one holds {self.data.dtype}. "
                "Leave requires_grad out, or pass dtype=np.float32."
            )
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
        return self.data.size

    def dim(self) -> int:
        """Return the number of axes, as PyTorch spells it."""
        return self.data.ndim

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
                f"item() reads a tensor of one element, but this one has shape {self.shape}. "
                "Use tolist(), or pick one element by its index."
            )
        value: Scalar = self.data.item()
        return value

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("a 0-d tensor has no length; item() reads its value.")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"a tensor of shape {self.shape} is not one truth value. "
                "Compare one element, or ask the array: t.data.any() or t.data.all()."
            )
        return bool(self.data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", prefix="tensor(")
        notes = ""
        if self.data.dtype not in (np.float32, np.int64, np.bool_):
            notes += f", dtype={self.data.dtype}"
        if self._grad_fn is not None:
            notes += f", grad_fn=<{type(self._grad_fn).__name__}>"
        elif self.requires_grad:
            notes += ", requires_grad=True"
        return f"tensor({values}{notes})"

    __array_ufunc__ = None  # makes `array + tensor` ask Tensor.__radd__ instead of NumPy

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
        if not isinstance(other, Tensor | np.ndarray | np.generic | bool | int | float):
            return NotImplemented
        a, b = operands(self, other, "==")
        return from_numpy(a == b)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        if not isinstance(other, Tensor | np.ndarray | np.generic | bool | int | float):
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
            If the inner sizes differ, or an operand is 0-d.
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

        Raises
        ------
        ValueError
            If `shape` does not hold exactly as many elements.
        """
        wanted = _lengths(shape)
        try:
            return from_numpy(self.data.reshape(wanted))
        except ValueError:
            raise ValueError(
                f"a tensor of shape {self.shape} has {self.size} elements and cannot be reshaped to {wanted}."
            ) from None

    def view(self, *shape: Any) -> Tensor:
        """Return ``reshape(*shape)``; PyTorch's name for it. The result may be a copy here."""
        return self.reshape(*shape)

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Return a view with axes `dim0` and `dim1` swapped."""
        return from_numpy(self.data.swapaxes(dim0, dim1))

    def permute(self, *dims: Any) -> Tensor:
        """Return a view whose axis i is axis ``dims[i]`` of this tensor."""
        return from_numpy(self.data.transpose(_lengths(dims)))

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes in reverse order; for a matrix, its transpose."""
        return self.permute(*reversed(range(self.ndim)))

    def sum(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the sum over `dim`, an axis or several; over all elements if it is None."""
        return from_numpy(self.data.sum(axis=dim, keepdims=keepdim))

    def mean(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the mean over `dim`, an axis or several; over all elements if it is None."""
        if self.dtype.kind != "f":
            raise TypeError(f"mean() needs floats, but this tensor holds {self.dtype}. Use t.float().mean().")
        return from_numpy(self.data.mean(axis=dim, keepdims=keepdim))

    def amax(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the largest element over `dim`, an axis or several; over all elements if it is None."""
        return from_numpy(self.data.max(axis=dim, keepdims=keepdim))

    def amin(self, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the smallest element over `dim`, an axis or several; over all elements if it is None."""
        return from_numpy(self.data.min(axis=dim, keepdims=keepdim))

    def argmax(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Return where the largest element stands along `dim`; in the flattened tensor if it is None."""
        return from_numpy(self.data.argmax(axis=dim, keepdims=keepdim))

    def argmin(self, dim: Any = None, keepdim: bool = False) -> Tensor:
        """Return where the smallest element stands along `dim`; in the flattened tensor if it is None."""
        return from_numpy(self.data.argmin(axis=dim, keepdims=keepdim))

    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the largest element, or, along `dim`, ``(values, indices)`` as PyTorch does."""
        return self.amax() if dim is None else self._at(self.argmax(dim, keepdim=True), dim, keepdim)

    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the smallest element, or, along `dim`, ``(values, indices)`` as PyTorch does."""
        return self.amin() if dim is None else self._at(self.argmin(dim, keepdim=True), dim, keepdim)

    def _at(self, indices: Tensor, dim: int, keepdim: bool) -> Extremum:
        """Pick one element along `dim` for each of `indices`, whose length along `dim` is 1."""
        index: list[Any] = list(np.ogrid[tuple(slice(n) for n in self.shape)])
        index[dim] = indices
        values = self[tuple(index)]
        if keepdim:
            return Extremum(values, indices)
        shape = [n for axis, n in enumerate(values.shape) if axis != dim % self.ndim]
        return Extremum(values.reshape(shape), indices.reshape(shape))

    def exp(self) -> Tensor:
        """Return e to the power of each element."""
        return from_numpy(np.exp(self.data))

    def log(self) -> Tensor:
        """Return the natural logarithm of each element."""
        return from_numpy(np.log(self.data))

    def sqrt(self) -> Tensor:
        """Return the square root of each element."""
        return from_numpy(np.sqrt(self.data))

    def abs(self) -> Tensor:
        """Return each element without its sign."""
        return from_numpy(np.abs(self.data))

    def __abs__(self) -> Tensor:
        return self.abs()

    def clip(self, min: Scalar | None = None, max: Scalar | None = None) -> Tensor:
        """Return each element, raised to `min` where it is below and lowered to `max` where it is above."""
        if min is None and max is None:
            raise ValueError("clip() needs min, max or both, but got neither.")
        return from_numpy(np.clip(self.data, min, max))

    def clamp(self, min: Scalar | None = None, max: Scalar | None = None) -> Tensor:
        """Return ``clip(min, max)``; PyTorch's other name for it."""
        return self.clip(min, max)

    def to(self, dtype: npt.DTypeLike) -> Tensor:
        """Return the same values as elements of another type."""
        return from_numpy(self.data.astype(dtype))

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
        """Set `requires_grad` and return this tensor."""
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"only tensors of floats can require gradients, but this one holds {self.dtype}.")
        self.requires_grad = requires_grad
        return self

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)


def _numbers(data: Any, dtype: npt.DTypeLike | None) -> Array:
    """Return `data` as a new array of numbers of type `dtype`; None keeps the type it has."""
    values = data.data if isinstance(data, Tensor) else data
    try:
        found = np.array(values)
    except ValueError:
        raise ValueError(
            "the rows of a tensor must have equal lengths, but these nested sequences are ragged. "
            "Pad the short rows, or make one tensor for each."
        ) from None
    if found.dtype.kind not in "biuf":
        raise TypeError(f"a tensor holds numbers, but got {type(data).__name__} data of type {found.dtype}.")
    return found if dtype is None else found.astype(dtype, copy=False)


def from_numpy(array: Array | np.generic) -> Tensor:
    """Return a tensor around `array` as it is: no copy, no change of dtype.

    Every operation wraps its result in this way, so a float64 tensor stays float64.
    """
    tensor = Tensor.__new__(Tensor)
    tensor.data = array if isinstance(array, np.ndarray) else np.asarray(array)
    tensor.requires_grad = False
    tensor.grad = None
    tensor._grad_fn = None
    return tensor


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
        if x.dtype.kind != y.dtype.kind:
            if x.dtype.kind == "f":
                y = y.astype(x.dtype)
            elif y.dtype.kind == "f":
                x = x.astype(y.dtype)
        if x.shape != y.shape:
            check_broadcast(x.shape, y.shape, sign)
    elif isinstance(y, float):
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
    elif not isinstance(y, int):
        raise TypeError(f"{sign} works on tensors, numbers and NumPy arrays, but got {type(b).__name__}.")
    return x, y


def check_broadcast(a: tuple[int, ...], b: tuple[int, ...], sign: str) -> None:
    """Raise an error that names the axis if shapes `a` and `b` do not broadcast."""
    for axis in range(1, min(len(a), len(b)) + 1):
        if a[-axis] != b[-axis] and 1 not in (a[-axis], b[-axis]):
            raise ValueError(
                f"shapes {a} and {b} do not broadcast in {sign}: axis -{axis} has {a[-axis]} and {b[-axis]} "
                "elements. Sizes must be equal, or one of them 1."
            )


def _constant(value: Any, like: Tensor) -> Tensor:
    """Return the left operand of a reflected operation as a tensor: a number takes the type of `like`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and like.dtype.kind != "f":
        return Tensor(value)
    if isinstance(value, bool | int | float):
        return from_numpy(np.asarray(value, like.dtype))
    return from_numpy(_numbers(value, None))


def _matrix_operands(a: Tensor, b: Any) -> tuple[Array, Array]:
    """Return the arrays of a matrix product whose shapes fit; the stack axes broadcast."""
    y = b if isinstance(b, Tensor) else _constant(b, a)
    if a.ndim == 0 or y.ndim == 0:
        raise ValueError(
            f"@ multiplies vectors and matrices, but got shapes {a.shape} and {y.shape}. Use * for numbers."
        )
    inner = y.shape[0] if y.ndim == 1 else y.shape[-2]
    if a.shape[-1] != inner:
        raise ValueError(
            f"shapes {a.shape} and {y.shape} do not fit in @: the last axis of the left has {a.shape[-1]} elements, "
            f"the {'only' if y.ndim == 1 else 'last but one'} axis of the right has {inner}. They must be equal."
        )
    check_broadcast(a.shape[:-2], y.shape[:-2], "@")
    if a.dtype.kind != y.dtype.kind:
        return (a.data, y.data.astype(a.dtype)) if a.dtype.kind == "f" else (a.data.astype(y.dtype), y.data)
    return a.data, y.data


def array_index(index: Any) -> Any:
    """Return `index` with the tensors in it replaced by their arrays."""
    if isinstance(index, Tensor):
        if index.dtype.kind == "f":
            raise IndexError(
                f"a tensor used as an index must hold integers or booleans, but this one holds {index.dtype}. "
                "Use index.long()."
            )
        return index.data
    if isinstance(index, tuple):
        return tuple(array_index(part) for part in index)
    return index


def _lengths(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the integers of ``f(2, 3)`` and ``f((2, 3))`` alike."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape


class Extremum(NamedTuple):
    """What ``max(dim)`` and ``min(dim)`` return: the values, and where they stood along `dim`."""

    values: Tensor
    indices: Tensor


def tensor(data: Any, dtype: npt.DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Return a new tensor of the dtype that `data` suggests, as ``torch.tensor`` does.

    Python floats make float32, integers int64, booleans bool; arrays and tensors keep theirs.
    """
    if dtype is None:
        found = _numbers(data, None)
        native = isinstance(data, Tensor | np.ndarray | np.generic)
        dtype = np.float32 if found.dtype == np.float64 and not native else found.dtype
    return Tensor(data, requires_grad, dtype)


def zeros(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` filled with 0."""
    return full(_lengths(size), 0, dtype, requires_grad)


def ones(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` filled with 1."""
    return full(_lengths(size), 1, dtype, requires_grad)


def full(
    size: Sequence[int], fill_value: Scalar, dtype: npt.DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of shape `size` filled with `fill_value`, whose type decides the dtype if that is None."""
    dtype = tensor(fill_value).dtype if dtype is None else dtype
    return from_numpy(np.full(tuple(size), fill_value, dtype)).requires_grad_(requires_grad)


def arange(start: float, end: float | None = None, step: float = 1, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return ``start, start + step, ...`` up to and without `end`; ``arange(n)`` counts from 0."""
    start, end = (0, start) if end is None else (start, end)
    return tensor(np.arange(start, end, step).tolist(), dtype) if end != start else zeros(0, dtype=dtype or np.int64)


def eye(n: int, m: int | None = None, dtype: npt.DTypeLike = np.float32) -> Tensor:
    """Return the identity matrix, ``(n, n)`` or ``(n, m)``."""
    return from_numpy(np.eye(n, m, dtype=dtype))


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
    return Tensor(_generator.random(_lengths(size)), requires_grad, dtype)


def randn(*size: Any, dtype: npt.DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Return a tensor of shape `size` with elements drawn from the standard normal distribution."""
    return Tensor(_generator.standard_normal(_lengths(size)), requires_grad, dtype)
