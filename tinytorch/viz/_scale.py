"""Where numbers stand on an axis, and which few of them are named there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEPS = (1, 2, 5, 2.5, 4, 3, 1.5, 6, 8, 1.25)  # between two ticks, times a power of ten; the roundest first
_DECADES = 3  # values that are further apart, all of them positive, stand on a logarithmic scale
_TINY = 1e-300  # closer to zero there are no full floats to calculate with
_SAME = 1e-9  # values that differ by less, relative to the largest, are drawn as one


@dataclass(frozen=True)
class Tick:
    """A named place: from 0, the low end of the axis, to 1."""

    place: float
    label: str


class Scale:
    """An axis that just holds some values.

    Parameters
    ----------
    values
        Those that are not finite are left out.
    """

    def __init__(self, values: Floats) -> None:
        values = _drawable(values[np.isfinite(values)])
        self.log = bool(values.size and values.min() > 0 and _decades(values) > _DECADES)
        # A power of ten as the unit: differences of the largest floats stay finite, and round numbers stay round.
        self._unit = 1.0 if self.log else _unit(values)
        inside = self._inside(values) if values.size else np.zeros(1)
        low, high = float(inside.min()), float(inside.max())
        self.flat = high - low <= _SAME * max(abs(low), abs(high))
        self._low, self._span = low, high - low
        self.ticks = self._named(low, high) if values.size else []

    def places(self, values: Floats) -> Floats:
        """Return where values stand, from 0 to 1; nan for those that are not finite."""
        out = np.full(values.shape, math.nan)
        finite = np.isfinite(values)
        inside = self._inside(_drawable(values[finite]))
        out[finite] = 0.5 if self.flat else np.clip((inside - self._low) / self._span, 0.0, 1.0)
        return out

    def _inside(self, values: Floats) -> Floats:
        return np.log10(values) if self.log else values / self._unit

    def _named(self, low: float, high: float) -> list[Tick]:
        if self.flat:
            value = 10.0**low if self.log else low * self._unit
            return [Tick(0.5, labels([value], abs(value) / 1e3)[0])]
        if self.log:
            exponents = range(math.ceil(low), math.floor(high) + 1)
            exponents = exponents[:: math.ceil(len(exponents) / 4)]
            return [Tick((k - low) / (high - low), labels([10.0**k], 10.0**k)[0]) for k in exponents]
        inside, step = round_numbers(low, high)
        names = labels([x * self._unit for x in inside], step * self._unit)
        return [Tick((x - low) / (high - low), name) for x, name in zip(inside, names, strict=True)]


def round_numbers(low: float, high: float) -> tuple[list[float], float]:
    """Return 3 or 4 round numbers from `low` to `high`, evenly spaced, and their distance."""
    exponent = math.floor(math.log10(high - low))
    for step in _STEPS:
        for power in (exponent, exponent - 1):
            distance = step * 10.0**power
            first, last = math.ceil(low / distance), math.floor(high / distance)
            if last - first in (2, 3):
                return [k * distance for k in range(first, last + 1)], distance
    raise AssertionError((low, high))


def labels(values: Sequence[float], step: float) -> list[str]:
    """Return values as text, all with the digits that tell steps apart."""
    largest = max(map(abs, values))
    kind = "f" if largest == 0 or 1e-4 <= largest < 1e6 else "e"
    for digits in range(18):
        texts = [f"{value:.{digits}{kind}}" for value in values]
        if all(abs(float(text) / 2 - value / 2) <= step / 100 for text, value in zip(texts, values, strict=True)):
            break
    return [_tidy(text) for text in texts]


def as_floats(values: Iterable[Any]) -> Floats:
    """Return numbers, also tensors of one element, as an array of floats."""
    return np.array([float(value) for value in values], dtype=np.float64)


def _tidy(text: str) -> str:
    """Return a number without needless signs: ``2e-05`` as ``2e-5``, ``-0.0`` as ``0``."""
    if float(text) == 0:
        return "0"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def _drawable(values: Floats) -> Floats:
    return np.where(np.abs(values) < _TINY, 0.0, values)


def _decades(values: Floats) -> float:
    return float(np.log10(values.max()) - np.log10(values.min()))


def _unit(values: Floats) -> float:
    largest = float(np.abs(values).max()) if values.size else 0.0
    return 10.0 ** math.floor(math.log10(largest)) if largest else 1.0
