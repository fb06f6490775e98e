"""Layers, activations and losses in PyTorch's spelling."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from
from tinytorch.nn import functional as functional
from tinytorch.nn import utils as utils

if _built("layers"):
    from tinytorch.core.layers import Buffer as Buffer
    from tinytorch.core.layers import Dropout as Dropout
    from tinytorch.core.layers import Flatten as Flatten
    from tinytorch.core.layers import Linear as Linear
    from tinytorch.core.layers import Module as Module
    from tinytorch.core.layers import Parameter as Parameter
    from tinytorch.core.layers import Sequential as Sequential
if _built("layers") and _built("activations"):
    from tinytorch.nn.activations import GELU as GELU
    from tinytorch.nn.activations import LogSoftmax as LogSoftmax
    from tinytorch.nn.activations import ReLU as ReLU
    from tinytorch.nn.activations import Sigmoid as Sigmoid
    from tinytorch.nn.activations import Softmax as Softmax
    from tinytorch.nn.activations import Tanh as Tanh

if _built("losses"):
    from tinytorch.core.losses import BCELoss as BCELoss
    from tinytorch.core.losses import BCEWithLogitsLoss as BCEWithLogitsLoss
    from tinytorch.core.losses import CrossEntropyLoss as CrossEntropyLoss
    from tinytorch.core.losses import MSELoss as MSELoss

if _built("spatial"):
    from tinytorch.core.spatial import AdaptiveAvgPool1d as AdaptiveAvgPool1d
    from tinytorch.core.spatial import AdaptiveAvgPool2d as AdaptiveAvgPool2d
    from tinytorch.core.spatial import AdaptiveMaxPool1d as AdaptiveMaxPool1d
    from tinytorch.core.spatial import AdaptiveMaxPool2d as AdaptiveMaxPool2d
    from tinytorch.core.spatial import AvgPool1d as AvgPool1d
    from tinytorch.core.spatial import AvgPool2d as AvgPool2d
    from tinytorch.core.spatial import BatchNorm1d as BatchNorm1d
    from tinytorch.core.spatial import BatchNorm2d as BatchNorm2d
    from tinytorch.core.spatial import Conv1d as Conv1d
    from tinytorch.core.spatial import Conv2d as Conv2d
    from tinytorch.core.spatial import MaxPool1d as MaxPool1d
    from tinytorch.core.spatial import MaxPool2d as MaxPool2d

if _built("autograd"):
    from tinytorch.nn import hooks as _hooks
    from tinytorch.nn import moving as _moving

    _hooks.add_hooks()
    _moving.add_moving()

__getattr__ = _missing_from(__name__)
