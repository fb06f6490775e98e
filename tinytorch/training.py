"""Training in a few lines: a trainer, what it calls, and what shows how far it is. (PyTorch leaves this to others.)"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("training"):
    from tinytorch.core.training import Callback as Callback
    from tinytorch.core.training import Checkpoint as Checkpoint
    from tinytorch.core.training import CSVLog as CSVLog
    from tinytorch.core.training import EarlyStopping as EarlyStopping
    from tinytorch.core.training import History as History
    from tinytorch.core.training import Trainer as Trainer
    from tinytorch.core.training import accuracy as accuracy

if _TYPE_CHECKING:
    from tinytorch._progress import LivePicture as LivePicture
    from tinytorch._progress import ProgressBar as ProgressBar

# Found here, and imported with all that draws when someone asks for them: `import tinytorch` stays quick.
_DRAWN = ("LivePicture", "ProgressBar")
_missing = _missing_from(__name__)


def __getattr__(name: str) -> _Any:
    if name in _DRAWN and _built("training"):
        return getattr(_import_module("tinytorch._progress"), name)
    return _missing(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_DRAWN})
