"""Gradients kept within limits, in PyTorch's spelling."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("training"):
    from tinytorch.core.training import clip_grad_norm_ as clip_grad_norm_
    from tinytorch.core.training import clip_grad_value_ as clip_grad_value_
    from tinytorch.core.training import clip_grads_with_norm_ as clip_grads_with_norm_
    from tinytorch.core.training import get_total_norm as get_total_norm

__getattr__ = _missing_from(__name__)
