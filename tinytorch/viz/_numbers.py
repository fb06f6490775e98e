"""Numbers as a picture, a table or a sentence shows them: short, and the same everywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

MOST_SHOWN = 36  # elements; of a larger array the shape and the range are shown
MOST_SAID = 4
_MINUS = "−"


def number(value: Any) -> str:
    """Return one number with four digits, without needless zeros."""
    value = float(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    text = f"{value:.4g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    text = "0" if text in ("-0", "0") else text
    return text.replace("-", _MINUS)


def shape_of(array: Any) -> str:
    """Return a shape as a word: ``2×3``."""
    return "×".join(map(str, np.shape(array))) or "one number"


def line(value: Any) -> str:
    """Return an array on one line, as in a sentence: ``3``, ``[1 2 3]``, or what it is like where it is large."""
    array = np.asarray(value)
    if array.size > MOST_SHOWN:
        return summary(array)
    return _nested(array)


def word(value: Any) -> str:
    """Return an array as a sentence can hold it: its numbers if they are few, else how many rows of how many."""
    array = np.asarray(value)
    return line(array) if array.size <= MOST_SAID else f"{shape_of(array)} numbers"


def summary(array: Any) -> str:
    """Return shape and range of an array that is too large to be shown."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or not array.size:
        return f"{shape_of(array)} {array.dtype}"
    return f"{shape_of(array)}, from {number(array.min())} to {number(array.max())}"


def _nested(array: Any) -> str:
    if array.ndim == 0:
        return number(array) if array.dtype.kind in "fiub" else str(array)
    return f"[{' '.join(_nested(part) for part in array)}]"


def size(count: int) -> str:
    """Return a number of bytes: ``8 bytes``, ``1.2 MB``."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    for unit, scale in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < scale * 1000 or unit == "GB":
            return f"{count / scale:.3g} {unit}"
    raise AssertionError(count)


def listed(words: list[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def block(value: Any) -> list[str]:
    """Return an array as lines of text: a matrix has a line for each row, its columns one below the other."""
    array = np.asarray(value)
    if array.size > MOST_SHOWN or array.ndim != 2:
        return [line(array)]
    cells = [[number(x) for x in row] for row in array]
    widths = [max(len(row[j]) for row in cells) for j in range(array.shape[1])]
    return [f"[{' '.join(f'{cell:>{w}}' for cell, w in zip(row, widths, strict=True))}]" for row in cells]


def beside(*parts: list[str] | str) -> list[str]:
    """Return blocks of text side by side, each in the middle of the highest; a string is a sign between two of them."""
    blocks = [[part] if isinstance(part, str) else part for part in parts]
    height = max(map(len, blocks))
    columns = []
    for lines in blocks:
        above = (height - len(lines)) // 2
        width = max(map(len, lines))
        padded = [""] * above + lines + [""] * (height - len(lines) - above)
        columns.append([f"{text:{width}}" for text in padded])
    return ["".join(row).rstrip() for row in zip(*columns, strict=True)]
