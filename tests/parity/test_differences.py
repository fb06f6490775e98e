"""What differs from PyTorch on purpose still does, in the way the page says."""

from __future__ import annotations

import pytest

from .differences import DIFFERENCES, Difference


@pytest.mark.parametrize("entry", DIFFERENCES, ids=lambda entry: entry.check.__name__)
def test_both_libraries_do_what_is_said(entry: Difference) -> None:
    entry.check()
