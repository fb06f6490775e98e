"""Copies of what modules own: of the same type, and kept or not as before."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from tinytorch import nn


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_of_a_layer_has_parameters_and_buffers_of_its_own(
    copied: Callable[[nn.Linear], nn.Linear], persistent: bool
) -> None:
    layer = nn.Linear(2, 1)
    layer.register_buffer("mean", [1.0, 2.0], persistent)
    twin = copied(layer)
    assert [(type(tensor), name) for name, tensor in twin.named_parameters()] == [
        (nn.Parameter, "weight"),
        (nn.Parameter, "bias"),
    ]
    ((name, mean),) = twin.named_buffers()
    assert (type(mean), name, mean.tolist()) == (nn.Buffer, "mean", [1.0, 2.0])
    assert list(twin.state_dict()) == list(layer.state_dict())
    mean.data[...] = 0
    assert layer.mean.tolist() == [1.0, 2.0]
