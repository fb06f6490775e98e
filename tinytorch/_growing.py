"""A package that grows: what is built already, and what to say about what is not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from tinytorch._names import BUILT_BY


def built(name: str) -> bool:
    """Return whether the module of the course that exports ``tinytorch.core.<name>`` is finished or on loan."""
    return find_spec(f"tinytorch.core.{name}") is not None


def missing_from(package: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for `package` that says which module of the course builds a missing name."""

    def missing(name: str) -> Any:
        builder = BUILT_BY.get(package, {}).get(name)
        if builder is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # An AttributeError would be swallowed by `from tinytorch import ...`, and this message with it.
        raise ImportError(
            f"{package}.{name} is not built yet: module {builder} builds it. Start it with `tito module start "
            f"{builder[:2]}`, or borrow it with `tito module borrow {builder[:2]}`.",
            name=package,
        )

    return missing
