"""A package that grows: what is built already, and what to say about what is not."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinytorch._names import BUILT_BY

# The module of the course on which the given operations stand, whose names are not in the table.
_OPERATIONS = "05_autograd"


def built(name: str) -> bool:
    """Return whether the module of the course that exports ``tinytorch.core.<name>`` is finished or on loan."""
    return find_spec(f"tinytorch.core.{name}") is not None


def missing_from(package: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for `package` that says which module of the course builds a missing name."""

    def missing(name: str) -> Any:
        builder = BUILT_BY.get(package, {}).get(name)
        if builder is None and not built("autograd") and name in _operations(package):
            builder = _OPERATIONS
        if builder is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # An AttributeError would be swallowed by `from tinytorch import ...`, and this message with it.
        raise ImportError(
            f"{package}.{name} is not built yet: module {builder} builds it. Start it with `tito module start "
            f"{builder[:2]}`, or borrow it with `tito module borrow {builder[:2]}`.",
            name=package,
        )

    return missing


def _operations(package: str) -> set[str]:
    """Return what `package` gets from files that stand on module 05, which cannot be imported yet."""
    if package == "tinytorch.linalg":
        return _imported(Path(__file__).parent / "linalg.py")
    names = {
        "autograd",
        "func",
        "linalg",
        "viz",
        "enable_grad",
        "set_grad_enabled",
        "inference_mode",
        "is_grad_enabled",
    }
    for path in (Path(__file__).parent / "ops").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.List):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                names |= set(ast.literal_eval(node.value)) if ast.unparse(target) == "__all__" else set()
    return names


def _imported(path: Path) -> set[str]:
    """Return the names that a file imports."""
    imports = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    return {alias.asname or alias.name for node in imports for alias in node.names}
