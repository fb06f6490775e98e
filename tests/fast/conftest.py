"""What the tests of the compiled kernels share: kernels that answer whatever the size, and a count of who answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tinytorch import fast
from tinytorch.fast import _optimizers, _replacements, _spatial, _threads

# What stands in for the methods of a convolution; two of them share a kernel.
OF_WINDOWS = ("convolve", "weight_gradient", "input_gradient")


class Counting:
    """The kernels, each of which is counted when it is called."""

    def __init__(self) -> None:
        self.kernels = _replacements._kernels()
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        kernel = getattr(self.kernels, name)

        def careful(*args: Any) -> None:
            # For others it would be compiled once more, into a slower one.
            assert all(a.flags.c_contiguous for a in args if isinstance(a, np.ndarray))
            kernel(*args)

        return self.counted(name, careful)

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose calls are counted."""

        def count(*args: Any) -> Any:
            self.calls[name] += 1
            return function(*args)

        return count


@pytest.fixture
def switched() -> Iterator[None]:
    """Leave the kernels on or off as they were before the test."""
    before = fast.is_enabled()
    yield
    (fast.enable if before else fast.disable)()


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch, switched: None) -> Counter[str]:
    """Let the kernels answer for arrays of every size, in small parts; return how often each did."""
    counting = Counting()
    monkeypatch.setattr(_replacements, "_kernels", lambda: counting)
    monkeypatch.setattr(_replacements, "LARGE", 1)
    monkeypatch.setattr(_replacements, "SUMMED_ROWS", 2)
    monkeypatch.setattr(_optimizers, "LARGE", 1)
    monkeypatch.setattr(_spatial, "FULL", 0)
    for name in OF_WINDOWS:
        monkeypatch.setattr(_spatial, name, counting.counted(name, getattr(_spatial, name)))
    monkeypatch.setattr(_threads, "PART", 4)
    fast.enable()
    return counting.calls
