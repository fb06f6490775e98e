"""Compares what came with what was expected, and says which known slip leads from the one to the other.

Each slip is a small function that returns a sentence, or nothing where it does not fit exactly. None speaks where
everything fits: of zeros, of single numbers, of arrays that are their own transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_RTOL = 1e-4  # as exact as the central differences that some tests compare with
_LARGEST = 100_000  # elements; a slip that is seen at all is seen in a small case
_MOST_AXES = 5


def looks_like(came: object, expected: object) -> str:
    """Return what the difference of two values looks like, in a sentence or two; empty if it is like nothing known.

    Parameters
    ----------
    came, expected
        Numbers, arrays, tensors (anything with an array as ``data``), dtypes, or nested lists and tuples of numbers.

    Examples
    --------
    >>> looks_like([-1.0, 2.0], [1.0, -2.0])
    'the right numbers with the opposite sign. Look for a minus that is missing, or a difference the wrong way round.'
    >>> looks_like([1.0, 2.0], [5.0, 1.0])
    ''
    """
    with np.errstate(all="ignore"):
        return swapped(came, expected) or dtype(came, expected) or _slip(came, expected)


def _slip(came: object, expected: object) -> str:
    """Return the first of the slips between numbers that fits."""
    a, b = _array(came), _array(expected)
    if a is None or b is None or not (a.size and b.size) or max(a.size, b.size) > _LARGEST:
        return ""
    if max(a.ndim, b.ndim) > _MOST_AXES or not np.isfinite(b).all():
        return ""
    if not np.isfinite(a).all():
        return not_finite(a, b)
    if a.shape == b.shape and _same(a, b):
        return ""
    return next((text for slip in SLIPS if (text := slip(a, b))), "")


def swapped(came: object, expected: object) -> str:
    """Two results in each other's place."""
    if not (isinstance(came, list | tuple) and isinstance(expected, list | tuple)):
        return ""
    if len(came) != 2 or len(expected) != 2:
        return ""
    a, b = [_array(x) for x in came], [_array(x) for x in expected]
    if any(x is None or x.size == 0 for x in (*a, *b)):
        return ""
    if _equal(a[0], b[1]) and _equal(a[1], b[0]):
        return (
            "the two results in each other's place. Look at which belongs to the left operand, and which to the right."
        )
    return ""


def dtype(came: object, expected: object) -> str:
    """Another type of float, where the values, or nothing but the types, were compared."""
    a = came if isinstance(came, np.dtype) else _dtype(came)
    b = expected if isinstance(expected, np.dtype) else _dtype(expected)
    if a is None or b is None or a == b or a.kind not in "iuf" or b.kind not in "iuf":
        return ""
    if not (isinstance(came, np.dtype) and isinstance(expected, np.dtype)):
        x, y = _array(came), _array(expected)
        if x is None or y is None or x.shape != y.shape or not _same(x, y):
            return ""
    where = "Look for the step that makes the type: a constant, a division, a call without dtype."
    return f"{a} where {b} was expected. {where}"


def not_finite(a: Array, b: Array) -> str:
    """Infinity or nan, where a form that cannot overflow is expected."""
    what = "nan" if np.isnan(a).any() else "infinity"
    return (
        f"{what} where a finite number was expected. Look for an exp that overflows, a logarithm of 0 or a division by "
        "0; a stable form avoids it."
    )


def sign(a: Array, b: Array) -> str:
    """The opposite sign."""
    if a.shape == b.shape and _same(a, -b):
        return (
            "the right numbers with the opposite sign. Look for a minus that is missing, or a difference the wrong "
            "way round."
        )
    return ""


def sign_lost(a: Array, b: Array) -> str:
    """Only the sizes."""
    if a.shape == b.shape and (b < 0).any() and (b > 0).any() and _same(a, np.abs(b)):
        return "the right sizes without their signs. Look for an absolute value or a square."
    return ""


def extra_axis(a: Array, b: Array) -> str:
    """The same numbers, with or without axes of length 1."""
    if a.shape != b.shape and a.size > 1 and a.squeeze().shape == b.squeeze().shape and _same(a.squeeze(), b.squeeze()):
        kept = a.ndim > b.ndim
        return (
            f"the right numbers in the shape {a.shape} instead of {b.shape}. Look at "
            f"{'an axis of length 1 that was kept' if kept else 'an axis of length 1 that was dropped'}: keepdims."
        )
    return ""


def transposed(a: Array, b: Array) -> str:
    """The axes in reverse order."""
    if a.ndim < 2 or a.shape != b.shape[::-1] or min(n for n in b.shape) < 2:
        return ""
    if not _same(a, b.T):
        return ""
    return "the transpose of what was expected. Look at which side of the product is transposed."


def reshaped(a: Array, b: Array) -> str:
    """The shape of the transpose, but the elements in their old order."""
    if a.ndim < 2 or a.shape != b.shape or min(a.shape) < 2 or not _same(a.ravel(), b.T.ravel()):
        return ""
    return "the numbers in their old order in a new shape. Look for a reshape where axes should change places."


def unsummed(a: Array, b: Array) -> str:
    """A sum over an axis that broadcasting added or stretched is missing."""
    if a.shape == b.shape or a.ndim < b.ndim or a.size <= b.size:
        return ""
    added = a.ndim - b.ndim
    axes = [i for i in range(a.ndim) if i < added or (b.shape[i - added] == 1 and a.shape[i] != 1)]
    total = a.sum(axis=tuple(axes), keepdims=True)
    if total.size == b.size and b.any() and _same(total.reshape(b.shape), b):
        return (
            f"the right numbers before a sum: shape {a.shape} instead of {b.shape}. Look for the sum over "
            f"{_axes(axes)}, which broadcasting made."
        )
    return ""


def oversummed(a: Array, b: Array) -> str:
    """A sum too many."""
    if a.size >= b.size or not b.any():
        return ""
    for axes in _some_axes(b.ndim):
        if all(b.shape[i] == 1 for i in axes):
            continue
        for keep in (True, False):
            total = b.sum(axis=axes, keepdims=keep)
            if total.shape == a.shape and _same(a, total):
                return (
                    f"the sum over {_axes(axes)} of what was expected: shape {a.shape} instead of {b.shape}. "
                    "Look for a sum that is not needed."
                )
    return ""


def other_axis(a: Array, b: Array) -> str:
    """The sum, or the mean, over another axis: other lengths, the same total."""
    if a.ndim != b.ndim or a.size < 2 or b.size < 2 or a.size == b.size or not b.any():
        return ""
    if _same(a.sum(), b.sum()) and b.sum() != 0:
        return f"the same total in the shape {a.shape} instead of {b.shape}. Look at which axis the sum goes over."
    if _same(a.mean(), b.mean()) and b.mean() != 0:
        return f"the same mean in the shape {a.shape} instead of {b.shape}. Look at which axis the mean goes over."
    return ""


def factor(a: Array, b: Array) -> str:
    """All numbers too large or too small by 2, or by the number of elements or the length of an axis."""
    if a.shape != b.shape or np.unique(b[b != 0]).size < 2:
        return ""
    lengths = {n: f"the length of axis {i}" for i, n in enumerate(b.shape)} | {b.size: "the number of elements"}
    for n, what in lengths.items():
        if n > 2 and _same(a, b * n):
            return f"each number {n} times too large, and {n} is {what}. Look for a division by {n}, as in a mean."
        if n > 2 and _same(a, b / n):
            return f"each number {n} times too small, and {n} is {what}. Look for a mean where a sum is meant."
    if _same(a, b * 2):
        return "twice what was expected. Look for a factor 2 too much, or something that is counted twice."
    if _same(a, b / 2):
        return "half of what was expected. Look for a factor 2, or one of two equal terms: assigned, or added up?"
    return ""


def backwards(a: Array, b: Array) -> str:
    """The right items in reverse order."""
    if a.ndim == 1 and a.shape == b.shape and a.size > 2 and not _same(b, b[::-1]) and _same(a, b[::-1]):
        return "the right numbers in reverse order. Look at the order in which they are collected."
    return ""


def without_sum_term(a: Array, b: Array) -> str:
    """Along an axis the right numbers sum to 0, and what came is larger, or smaller, everywhere."""
    if a.shape != b.shape or not b.any():
        return ""
    for axis, n in enumerate(b.shape):
        size = np.abs(b).sum(axis=axis)
        if n < 2 or not (size > 0).all() or not (np.abs(b.sum(axis=axis)) <= 1e-5 * size).all():
            continue
        excess = (a - b) * np.sign((a - b).sum(axis=axis, keepdims=True))
        if (excess > 1e-6 * np.abs(b).max()).all():
            return (
                f"the right numbers sum to 0 along axis {axis}, and yours do not. Look for the term that is subtracted "
                "from each: the sum over that axis."
            )
    return ""


SLIPS: tuple[Callable[[Array, Array], str], ...] = (
    sign,
    sign_lost,
    extra_axis,
    transposed,
    reshaped,
    unsummed,
    oversummed,
    other_axis,
    factor,
    backwards,
    without_sum_term,
)


def _array(value: object) -> Array | None:
    """Return numbers as an array of float64, else None."""
    data = getattr(value, "data", value) if not isinstance(value, np.ndarray | memoryview) else value
    value = data if isinstance(data, np.ndarray) else value
    if isinstance(value, bool | str | bytes) or not isinstance(value, np.ndarray | np.generic | float | int | Sequence):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):  # of unequal lengths, or of things that are no numbers
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" else None


def _dtype(value: object) -> np.dtype[Any] | None:
    found = getattr(getattr(value, "data", None), "dtype", None) or getattr(value, "dtype", None)
    return found if isinstance(found, np.dtype) else None


def _same(a: Any, b: Any) -> bool:
    """Whether two arrays of one shape agree, compared with the largest of their numbers."""
    scale = float(np.max(np.abs(b), initial=0.0))
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=_RTOL, atol=1e-7 * scale))


def _equal(a: Array | None, b: Array | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape and _same(a, b)


def _some_axes(ndim: int) -> list[tuple[int, ...]]:
    return [axes for count in range(1, ndim + 1) for axes in combinations(range(ndim), count)]


def _axes(axes: Sequence[int]) -> str:
    return f"ax{'is' if len(axes) == 1 else 'es'} {', '.join(map(str, axes))}"
