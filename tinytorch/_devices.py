"""Where tensors are: on the processor. What scripts in PyTorch's style say about devices is understood here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tinytorch.core.autograd import ENHANCED, ToBackward, tracked
from tinytorch.core.tensor import Tensor

_TYPES = ("cpu", "cuda", "mps", "xpu", "meta")


class device:  # noqa: N801
    """The name of a place for tensors. TinyTorch computes on the processor, ``device("cpu")``.

    Parameters
    ----------
    type
        ``"cpu"``, ``"cuda"`` and so on, also with an index, as in ``"cuda:0"``; or a device.
    index
        Which one of several.

    Raises
    ------
    RuntimeError
        If there is no such type of device.

    Notes
    -----
    Any device can be named. It is an error when a tensor or a module shall go to another one than the processor.
    Source: ``torch.device``.

    Examples
    --------
    >>> device("cuda:1")
    device(type='cuda', index=1)
    >>> Tensor([1.0]).device == device("cpu")
    True
    """

    def __init__(self, type: str | device, index: int | None = None) -> None:
        name, _, number = str(type).partition(":")
        if name not in _TYPES or (number and not number.isdecimal()) or (number and index is not None):
            raise RuntimeError(
                f"a device is one of {', '.join(_TYPES)}, with an index or without, as in 'cuda:0', but got {type!r}"
                + (f" with index {index}." if index is not None else ".")
            )
        self.type = name
        self.index = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


def is_device(value: Any) -> bool:
    """Return whether `value` names a device; the names of dtypes are other words."""
    return isinstance(value, device) or (isinstance(value, str) and value.partition(":")[0] in _TYPES)


def check_device(value: Any, what: str) -> None:
    """Raise a RuntimeError unless `value` is the processor, or None."""
    if value is not None and device(value).type != "cpu":
        raise RuntimeError(
            f"{what}: TinyTorch computes on the processor, but got device {str(value)!r}. Use device('cpu'), or choose "
            "by tinytorch.cuda.is_available(), which is False."
        )


def destination(args: tuple[Any, ...], dtype: Any, place: Any, what: str) -> Any:
    """Return the dtype that the arguments of a method ``to`` ask for, or None; the device is checked.

    Parameters
    ----------
    args
        A dtype, a device, both, or a tensor, which has both.
    dtype, place
        The same by name.
    what
        The method, for messages.
    """
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif is_device(value):
            place = value
        elif value is not None:
            dtype = value
    check_device(place, what)
    return dtype


def _to_anywhere(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    convert = tracked(original, ToBackward)

    @functools.wraps(original)
    def to(
        self: Tensor,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        non_blocking: bool = False,
        copy: bool = False,
    ) -> Tensor:
        """Return this tensor as elements of another dtype, and on a device, which is the processor.

        Parameters
        ----------
        *args
            A dtype, a device, both, or a tensor that has both.
        dtype, device
            The same by name.
        non_blocking
            Changes nothing: the processor's memory needs no transfer.
        copy
            Whether to copy the values even if nothing else changes. If not, this tensor itself is returned.

        Raises
        ------
        RuntimeError
            If the device is not the processor.
        TypeError
            If the dtype is not a type of numbers.
        """
        dtype = destination(args, dtype, device, "to()")
        if dtype is None or self.dtype == dtype:
            return self.clone() if copy else self  # type: ignore[attr-defined]
        return convert(self, dtype)

    return to


def add_devices() -> None:
    """Give `Tensor` its device, and let ``to()`` take one."""
    Tensor.device = property(lambda self: device("cpu"), doc="Where the elements are: ``device('cpu')``.")  # type: ignore[attr-defined]
    ENHANCED.append((Tensor, "to", _to_anywhere))
