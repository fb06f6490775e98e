"""A deep-learning framework that its users build themselves, one module of the course after the other.

`core/` holds what the lessons export; everything else is given and shows it in PyTorch's spelling. In a workspace
that is still growing, a name that is not built yet says which module builds it.
"""

from __future__ import annotations

from typing import Any as _Any

import numpy as _np

from tinytorch import nn as nn
from tinytorch import optim as optim
from tinytorch import training as training
from tinytorch import utils as utils
from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

__version__ = "0.1.0"

half = float16 = _np.float16
float32 = _np.float32
double = float64 = _np.float64
uint8, int8, int32 = _np.uint8, _np.int8, _np.int32
short = int16 = _np.int16
long = int64 = _np.int64
inf, nan, pi, e, newaxis = _np.inf, _np.nan, _np.pi, _np.e, None

if _built("tensor"):
    from tinytorch import datasets as datasets
    from tinytorch import transforms as transforms
    from tinytorch.core.tensor import Tensor as Tensor
    from tinytorch.core.tensor import arange as arange
    from tinytorch.core.tensor import eye as eye
    from tinytorch.core.tensor import from_numpy as from_numpy
    from tinytorch.core.tensor import full as full
    from tinytorch.core.tensor import manual_seed as manual_seed
    from tinytorch.core.tensor import ones as ones
    from tinytorch.core.tensor import rand as rand
    from tinytorch.core.tensor import randn as randn
    from tinytorch.core.tensor import tensor as tensor
    from tinytorch.core.tensor import zeros as zeros

if _built("autograd"):
    from tinytorch import accelerator as accelerator
    from tinytorch import autograd as autograd
    from tinytorch import backends as backends
    from tinytorch import cuda as cuda
    from tinytorch import func as func
    from tinytorch import linalg as linalg
    from tinytorch._devices import device as device
    from tinytorch.autograd import enable_grad as enable_grad
    from tinytorch.autograd import inference_mode as inference_mode
    from tinytorch.autograd import set_grad_enabled as set_grad_enabled
    from tinytorch.core.autograd import disable_autograd as disable_autograd
    from tinytorch.core.autograd import enable_autograd as enable_autograd
    from tinytorch.core.autograd import is_grad_enabled as is_grad_enabled
    from tinytorch.core.autograd import no_grad as no_grad
    from tinytorch.func import vmap as vmap
    from tinytorch.ops import *  # noqa: F403

    try:
        enable_autograd()
    except NotImplementedError:  # the lesson is being written: until `tracked` is there, gradients stay asleep
        disable_autograd()

    from tinytorch import fast as fast

    fast.enable_if_wanted()

if _built("training"):
    from tinytorch.serialization import load as load
    from tinytorch.serialization import save as save

# Dtypes with names of Python's own: found here, but not taken along by `from tinytorch import *`.
_DTYPES = {"bool": _np.bool_, "int": _np.int32, "float": _np.float32}
_missing = _missing_from(__name__)


def __getattr__(name: str) -> _Any:
    return _DTYPES[name] if name in _DTYPES else _missing(name)
