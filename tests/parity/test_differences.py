"""What differs from PyTorch on purpose still does, in the way the page says."""

from __future__ import annotations

import pytest

from .differences import DIFFERENCES, Difference
from .watching import called_by, operations

# What entries are about that is no operation: features of the tensor and of the package, and what trains.
FEATURES = {
    *("Tensor", "backward", "manual_seed", "no_grad"),
    *("t.data", "t.dtype", "t.grad", "t.shape", "t.size", "t[index]", "float(t)", "np.sin(t)"),
    *("DataLoader", "OneCycleLR", "Optimizer.step", "clip_grad_norm_", "clip_grad_value_", "save", "load"),
}


@pytest.mark.parametrize("entry", DIFFERENCES, ids=lambda entry: entry.check.__name__)
def test_both_libraries_do_what_is_said(entry: Difference) -> None:
    """The check holds, and calls every operation that the entry names, in both libraries."""
    ours, theirs = called_by(entry.check)
    named = set(entry.operations) - FEATURES
    assert named <= set(operations())
    assert (named - ours, named - theirs) == (set(), set())


def test_no_entry_stands_there_twice() -> None:
    said = [(entry.operations, entry.ours) for entry in DIFFERENCES]
    assert len(set(said)) == len(said)
