"""Training in a few lines: a trainer, what it calls, and what shows how far it is. (PyTorch leaves this to others.)"""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("training"):
    from tinytorch._progress import LivePicture as LivePicture
    from tinytorch._progress import ProgressBar as ProgressBar
    from tinytorch.core.training import Callback as Callback
    from tinytorch.core.training import Checkpoint as Checkpoint
    from tinytorch.core.training import CSVLog as CSVLog
    from tinytorch.core.training import EarlyStopping as EarlyStopping
    from tinytorch.core.training import History as History
    from tinytorch.core.training import Trainer as Trainer
    from tinytorch.core.training import accuracy as accuracy

__getattr__ = _missing_from(__name__)
