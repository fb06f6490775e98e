"""Adam in one pass over values, gradients and both means."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinytorch.core.optimizers import Adam, Group
from tinytorch.core.tensor import FloatArray
from tinytorch.fast import _replacements
from tinytorch.ops._replace import Method, Replacement

LARGE = 1 << 12  # elements, fewer than elsewhere: NumPy goes over them ten times, and a piece has no more than 2^15


def _fit(w: FloatArray, *others: FloatArray) -> bool:
    """Return whether the kernel works on these: rows of float32, those that it changes not being read-only."""
    arrays = w, *others
    rows = all(a.shape == (w.size,) and a.flags.c_contiguous for a in arrays)
    _, *changed = others
    writable = w.flags.writeable and all(a.flags.writeable for a in changed)
    return rows and writable and _replacements._answers(*arrays, size=_replacements.LARGE)


def _adam(original: Method) -> Method:
    @functools.wraps(original)
    def change(
        optimizer: Adam, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group
    ) -> Any:
        arrays = w, grad, state["exp_avg"], state["exp_avg_sq"]
        if w.size < LARGE or group["amsgrad"] or not _fit(*arrays):
            return original(optimizer, w, grad, state, step, group)
        beta1, beta2 = group["betas"]
        rate, root = group["lr"] / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)
        numbers = (1 - beta1, beta2, 1 - beta2, rate, root, group["eps"])
        _replacements._kernels().adam(*arrays, *map(np.float32, numbers))
        return None

    return change


REPLACEMENTS = [Replacement(Adam, "change", _adam)]
