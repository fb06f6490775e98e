"""What differs from PyTorch on purpose still does, in the way the page says."""

from __future__ import annotations

import pytest

from .differences import DIFFERENCES, Difference
from .table import operations


@pytest.mark.parametrize("entry", DIFFERENCES, ids=lambda entry: entry.check.__name__)
def test_both_libraries_do_what_is_said(entry: Difference) -> None:
    entry.check()


def test_entries_are_about_what_is_there() -> None:
    others = {"Tensor", "backward", "getitem", "grad", "no_grad", "size", "vmap"}
    named = {name for entry in DIFFERENCES for name in entry.operations}
    assert sorted(named - set(operations()) - others) == []
