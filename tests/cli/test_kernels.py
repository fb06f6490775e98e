"""A module's suite asks the learner's own code: the compiled kernels, which could answer in its place, are off."""

from __future__ import annotations

import pytest

from .learner import Learner, write

SUITE = """
import os

from tinytorch.core.numbers import double


def test_no_kernel_stands_in():
    assert os.environ["TINYTORCH_FAST"] == "0"
    assert double(3) == 6
"""


@pytest.mark.parametrize("wanted", ["0", "1", None])
def test_the_kernels_are_off_in_a_suite(learner: Learner, wanted: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYTORCH_FAST", raising=False)
    if wanted:
        monkeypatch.setenv("TINYTORCH_FAST", wanted)
    learner.answer("double")
    learner.answer("half")
    write(learner.root / "modules/01_numbers/test_numbers.py", SUITE)
    result = learner.tito("module", "test", "01")
    assert result.exit_code == 0, result.stdout
