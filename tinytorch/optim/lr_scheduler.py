"""Schedules of the learning rate in PyTorch's spelling."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("training"):
    from tinytorch.core.training import CosineAnnealingLR as CosineAnnealingLR
    from tinytorch.core.training import ExponentialLR as ExponentialLR
    from tinytorch.core.training import LambdaLR as LambdaLR
    from tinytorch.core.training import LinearLR as LinearLR
    from tinytorch.core.training import LRScheduler as LRScheduler
    from tinytorch.core.training import MultiStepLR as MultiStepLR
    from tinytorch.core.training import OneCycleLR as OneCycleLR
    from tinytorch.core.training import ReduceLROnPlateau as ReduceLROnPlateau
    from tinytorch.core.training import SequentialLR as SequentialLR
    from tinytorch.core.training import StepLR as StepLR

__getattr__ = _missing_from(__name__)
