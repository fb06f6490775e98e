"""What a tensor is made of: dtypes by name, questions about them, and memory shared with other libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.core.tensor import Tensor, from_numpy

__all__ = [
    "can_cast",
    "finfo",
    "from_dlpack",
    "iinfo",
    "is_floating_point",
    "is_tensor",
    "promote_types",
    "result_type",
]

finfo, iinfo = np.finfo, np.iinfo

# A method for each: ``t.half()`` is ``t.to(np.float16)``.
METHODS: dict[str, type[np.generic]] = {
    "half": np.float16,
    "int": np.int32,
    "short": np.int16,
    "char": np.int8,
    "byte": np.uint8,
    "bool": np.bool_,
}


def is_tensor(obj: Any) -> bool:
    """Return whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Return whether the elements are floats, which alone can have a gradient."""
    return bool(input.dtype.kind == "f")


def promote_types(type1: npt.DTypeLike, type2: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of a result of operands of two dtypes: floats before integers, then the wider one.

    Source: ``torch.promote_types``; unlike NumPy's, an int64 beside a float32 makes float32.
    """
    a, b = np.dtype(type1), np.dtype(type2)
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """Return the dtype of a result of two tensors, or of a tensor and a number."""
    found: np.dtype[Any] = (_empty(tensor1) + _empty(tensor2)).dtype
    return found


def _empty(x: Any) -> Any:
    """Return no elements of the dtype of a tensor; a number as it is."""
    return from_numpy(np.zeros(0 if x.ndim else (), x.dtype)) if isinstance(x, Tensor) else x


def can_cast(from_: npt.DTypeLike, to: npt.DTypeLike) -> bool:
    """Return whether a result of dtype `from_` may be written into a tensor of dtype `to`."""
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    return rank[np.dtype(to).kind] >= rank[np.dtype(from_).kind]


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a tensor around the memory of another library's array, which is not copied.

    Source: the array API standard, ``from_dlpack``.

    Raises
    ------
    TypeError
        If the object does not speak DLPack.

    Examples
    --------
    >>> from_dlpack(np.array([1.0, 2.0], np.float32))
    tensor([1., 2.])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack() takes an array of a library that speaks DLPack, but got {type(ext_tensor).__name__}. "
            "tensor(data) makes a tensor of numbers and sequences."
        )
    return from_numpy(np.from_dlpack(ext_tensor))


def _dlpack(self: Tensor, **arguments: Any) -> Any:
    """Hand the memory to another library: ``torch.from_dlpack(t)``, ``np.from_dlpack(t)``.

    Raises
    ------
    BufferError
        If this tensor requires a gradient, which the other library would not know of.
    """
    if self.requires_grad:
        raise BufferError(
            "a tensor that requires a gradient is not handed to other libraries, which would not know of it. "
            "Use t.detach()."
        )
    return self.data.__dlpack__(**arguments)


def _dlpack_device(self: Tensor) -> Any:
    return self.data.__dlpack_device__()


def _to_type(self: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """Return ``to(dtype)``; PyTorch's older name for it."""
    return self.to(dtype)


def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """Return the same values as elements of the dtype of `other`."""
    return self.to(other.dtype)


def _cpu(self: Tensor) -> Tensor:
    """Return this tensor, whose memory is the processor's."""
    return self


def _nelement(self: Tensor) -> int:
    """Return the number of elements; another name of `numel`."""
    return self.numel()


def _ndimension(self: Tensor) -> int:
    """Return the number of axes; another name of `dim`."""
    return self.dim()


def _element_size(self: Tensor) -> int:
    """Return the bytes of an element."""
    return self.dtype.itemsize


def _stride(self: Tensor, dim: int | None = None) -> Any:
    """Return how many elements lie between neighbours on each axis, or on axis `dim`."""
    steps = tuple(step // self.dtype.itemsize for step in self.data.strides)
    return steps if dim is None else steps[dim]


def _is_contiguous(self: Tensor) -> bool:
    """Return whether the elements lie in memory in the order in which they are counted."""
    return bool(self.data.flags.c_contiguous)


def _detach_(self: Tensor) -> Tensor:
    """Forget how this tensor was made, and return it: it is a leaf that requires no gradient.

    Raises
    ------
    RuntimeError
        If it is a view, whose history is that of the tensor it looks into.
    """
    if self._grad_fn is not None and self.data.base is not None:
        raise RuntimeError("detach_() of a view would leave the tensor it looks into behind. Use detach().")
    self.requires_grad, self._grad_fn = False, None
    return self


def _converting(name: str, dtype: type[np.generic]) -> Callable[[Tensor], Tensor]:
    def convert(self: Tensor) -> Tensor:
        return self.to(dtype)

    convert.__name__ = name
    convert.__doc__ = f"Return the same values as elements of type {dtype.__name__}."
    return convert


def add_conversions() -> None:
    """Give `Tensor` these methods."""
    methods: dict[str, Callable[..., Any]] = {
        **{name: _converting(name, dtype) for name, dtype in METHODS.items()},
        "type": _to_type,
        "type_as": _type_as,
        "cpu": _cpu,
        "is_floating_point": is_floating_point,
        "element_size": _element_size,
        "nelement": _nelement,
        "ndimension": _ndimension,
        "stride": _stride,
        "is_contiguous": _is_contiguous,
        "detach_": _detach_,
        "__dlpack__": _dlpack,
        "__dlpack_device__": _dlpack_device,
    }
    for name, method in methods.items():
        setattr(Tensor, name, method)
