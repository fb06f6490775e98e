"""What the tests share: where the repository is, its course table, and what runs last."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tito.course import Course, read_course

# `./tito test` says how it was called; what the tests start is called otherwise.
os.environ.pop("TITO_LAUNCHER", None)

# Tests share the cores as whole files; the threads of a BLAS would only wait for each other, and spin while they do.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Under `nohup`, or in the background of a script, these are ignored, and so by every program that a test
# interrupts or whose terminal it closes.
for _name, _usual in (("SIGINT", signal.default_int_handler), ("SIGQUIT", signal.SIG_DFL), ("SIGHUP", signal.SIG_DFL)):
    if (_signal := getattr(signal, _name, None)) and signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _usual)

# No example is late: on a machine that others use too, that would say nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root folder of the repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def course(repository: Path) -> Course:
    """The course table of the repository."""
    return read_course(repository / "modules" / "course.toml")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest test last: what can fail sooner does."""
    items.sort(key=lambda item: item.path.name == "test_journey.py")
