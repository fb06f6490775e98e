"""Where in the user's own program an operation was recorded, and where a gradient was lost or became nan.

Nothing of this costs anything until it is switched on: then nodes and operations are enhanced, and put back after.
"""

from __future__ import annotations

import functools
import linecache
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import ContextDecorator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.autograd import RULES, Function, is_grad_enabled, wants_grad
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor

_PACKAGE = str(Path(__file__).parents[1])
_lock = threading.Lock()


class AnomalyError(RuntimeError):
    """An operation, or the rule of its gradient, has made a nan."""


@dataclass(frozen=True)
class Line:
    """A line of the user's program."""

    file: str
    number: int
    function: str

    @property
    def text(self) -> str:
        """What stands there."""
        return linecache.getline(self.file, self.number).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.number}, in {self.function}: {self.text}"


def users_line() -> Line:
    """Return the innermost line of the call stack that is not in this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


_lines: weakref.WeakKeyDictionary[Function, Line] = weakref.WeakKeyDictionary()
_losses: dict[int, str] = {}  # why a tensor has no gradient, by its id
_modules: weakref.WeakKeyDictionary[Function, tuple[str, ...]] = weakref.WeakKeyDictionary()
_roots: weakref.WeakSet[Module] = weakref.WeakSet()  # that were called while lines were recorded


class _Running(threading.local):
    """Which module a thread is in, and the paths of all modules below the outermost one."""

    path: tuple[str, ...] = ()
    names: dict[int, str] = {}  # noqa: RUF012


_running = _Running()


def line_of(node: Function) -> Line | None:
    """Return where a node was recorded, if lines were recorded then."""
    return _lines.get(node)


def modules_of(node: Function) -> tuple[str, ...]:
    """Return the path of the modules that were running when a node was recorded, if lines were recorded then."""
    return _modules.get(node, ())


def recorded_roots() -> list[Module]:
    """Return the outermost modules that were called while lines were recorded, those that are still there."""
    return list(_roots)


def reason_of(tensor: Tensor) -> str:
    """Return why a tensor lost its gradient, if lines were recorded then."""
    return _losses.get(id(tensor), "")


class record_lines(ContextDecorator):  # noqa: N801
    """Remember for each operation inside where in the program it stands, and in which module.

    `explain_grad`, `memory` and ``tensor.graph()`` then name it.

    Notes
    -----
    Each operation takes a few microseconds more. The switch is for the whole process.

    Examples
    --------
    >>> with record_lines():
    ...     y = Tensor(2.0, requires_grad=True) * 3
    >>> line_of(y.grad_fn).function
    '<module>'
    """

    _depth = 0
    _check_nan = 0
    _originals: tuple[tuple[Any, str, Any], ...] = ()

    def __init__(self, *, check_nan: bool = False) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> record_lines:
        with _lock:
            if record_lines._depth == 0:
                record_lines._originals = _enhance()
            record_lines._depth += 1
            record_lines._check_nan += self.check_nan
        return self

    def __exit__(self, *exception: object) -> None:
        with _lock:
            record_lines._depth -= 1
            record_lines._check_nan -= self.check_nan
            if record_lines._depth == 0:
                for owner, name, original in record_lines._originals:
                    setattr(owner, name, original)


class detect_anomaly(record_lines):  # noqa: N801
    """Stop at the first operation that makes a nan, forward or back, and name the line that it stands in.

    Raises
    ------
    AnomalyError
        If an operation makes a nan of inputs without one, or the rule of its gradient does.

    Notes
    -----
    For debugging: every result and gradient is searched.
    Source: ``torch.autograd.detect_anomaly``, which looks at gradients only.

    Examples
    --------
    >>> x = Tensor([0.0, 1.0], requires_grad=True)
    >>> with detect_anomaly(), np.errstate(all="ignore"):
    ...     (x / x).sum()
    Traceback (most recent call last):
    tinytorch.autograd._trace.AnomalyError: DivBackward: the operation made a nan ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(check_nan=check_nan)


def checks_nan() -> bool:
    """Return whether gradients are searched for nan."""
    return record_lines._check_nan > 0


def check_gradient(node: Function, grad_output: Any, gradient: Any) -> None:
    """Raise `AnomalyError` if a rule has made a nan of a gradient without one."""
    if _has_nan(gradient) and not _has_nan(grad_output):
        line = line_of(node)
        where = f" It belongs to {line}" if line else ""
        raise AnomalyError(f"{node.name}: the rule of the gradient made a nan of a gradient without one.{where}")


def _has_nan(value: Any) -> bool:
    data = value.data if isinstance(value, Tensor) else value
    return isinstance(data, np.ndarray | np.generic) and data.dtype.kind == "f" and bool(np.isnan(data).any())


def _enhance() -> tuple[tuple[Any, str, Any], ...]:
    """Enhance nodes and operations; return the originals."""
    places = [(Function, "__init__"), (Tensor, "detach"), (Module, "__call__")]
    places += [(rule.owner, rule.method) for rule in RULES]
    originals = tuple((owner, name, vars(owner)[name]) for owner, name in places)
    for owner, name, original in originals:
        enhance = _remembering if owner is Function else _entering if owner is Module else _noting
        setattr(owner, name, enhance(original, name))
    return originals


def _entering(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the call of a module that says which one is running."""

    @functools.wraps(original)
    def __call__(self: Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        before = _running.path
        if not before:
            _roots.add(self)
            _running.names = {id(module): path for path, module in self.named_modules()}
            _running.path = (type(self).__name__,)
        elif path := _running.names.get(id(self)):
            _running.path = (before[0], *path.split("."))
        else:
            _running.path = (*before, type(self).__name__)
        try:
            return original(self, *args, **kwargs)
        finally:
            _running.path = before

    return __call__


def _remembering(original: Callable[..., None], name: str) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Function, *inputs: Any, output: Tensor | None = None) -> None:  # noqa: N807
        original(self, *inputs, output=output)
        line = users_line()
        _lines[self] = line
        if _running.path:
            _modules[self] = _running.path
        if record_lines._check_nan and _has_nan(output) and not any(_has_nan(x) for x in inputs):
            raise AnomalyError(f"{self.name}: the operation made a nan of inputs without one, at {line}")

    return __init__


def _noting(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return an operation that notes where it was when it did not pass the gradient on."""

    @functools.wraps(original)
    def operation(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if isinstance(result, Tensor) and not result.requires_grad and wants_grad(args, kwargs):
            _note(result, name)
        elif isinstance(result, Tensor) and not result.requires_grad:
            inherited = next((r for x in args if isinstance(x, Tensor) and (r := reason_of(x))), "")
            if inherited:
                _remember_reason(result, inherited)
        return result

    return operation


def _note(result: Tensor, name: str) -> None:
    line = users_line()
    if name == "detach":
        why = "detach() cut it off"
    elif not is_grad_enabled():
        why = "recording was off there (no_grad)"
    else:
        why = f"{name.strip('_')}() made {result.dtype}, which has no gradient"
    _remember_reason(result, f"{why}, at {line}")


def _remember_reason(result: Tensor, reason: str) -> None:
    if id(result) not in _losses:
        weakref.finalize(result, _losses.pop, id(result), None)
    _losses[id(result)] = reason
