"""Optimizers in PyTorch's spelling."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from
from tinytorch.optim import lr_scheduler as lr_scheduler

if _built("optimizers"):
    from tinytorch.core.optimizers import SGD as SGD
    from tinytorch.core.optimizers import Adadelta as Adadelta
    from tinytorch.core.optimizers import Adagrad as Adagrad
    from tinytorch.core.optimizers import Adam as Adam
    from tinytorch.core.optimizers import AdamW as AdamW
    from tinytorch.core.optimizers import Optimizer as Optimizer
    from tinytorch.core.optimizers import RMSprop as RMSprop

__getattr__ = _missing_from(__name__)
