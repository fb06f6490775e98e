"""What scripts in PyTorch's style say about devices and dtypes of whole networks."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", ["cpu", "cpu:0", "cuda", "cuda:1", "mps"])
def test_a_device_is_written_and_compared_as_in_pytorch(name: str) -> None:
    ours, theirs = tinytorch.device(name), torch.device(name)
    assert (repr(ours), str(ours), ours.type, ours.index) == (repr(theirs), str(theirs), theirs.type, theirs.index)
    assert ours == tinytorch.device(ours) == tinytorch.device(ours.type, ours.index)
    assert hash(ours) == hash(tinytorch.device(name))
    assert ours != tinytorch.device("cuda:7")


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "float32"])
def test_a_device_that_nobody_has_is_an_error(name: str) -> None:
    with pytest.raises(RuntimeError, match=rf"a device is one of cpu, .* but got '{name}'"):
        tinytorch.device(name)


def test_a_tensor_that_is_where_it_should_be_is_returned_itself() -> None:
    x = tinytorch.randn(2, requires_grad=True)
    for same in (x.to("cpu"), x.to(tinytorch.device("cpu")), x.to(x.device, x.dtype), x.to(np.float32), x.to(x)):
        assert same is x
    copied = x.to("cpu", copy=True)
    assert copied is not x
    assert copied.grad_fn is not None
    assert x.to("cpu", non_blocking=True).device == x.device


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.to(np.float64),
        lambda x: x.to("cpu", np.float64),
        lambda x: x.to(dtype="float64", device="cpu"),
        lambda x: x.to(Tensor(1.0, dtype=np.float64)),
        lambda x: x.double(),
    ],
)
def test_a_converted_tensor_keeps_its_gradient(convert) -> None:  # type: ignore[no-untyped-def]
    x = tinytorch.tensor([1.0, 2.0], requires_grad=True)
    y = convert(x)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [2.0, 4.0])


@pytest.mark.parametrize("move", [lambda: tinytorch.randn(2).to("cuda:0"), lambda: nn.Linear(2, 1).to("cuda:0")])
def test_another_device_than_the_processor_is_an_error(move) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RuntimeError, match=r"to\(\): TinyTorch computes on the processor, but got device 'cuda:0'"):
        move()
    with pytest.raises(RuntimeError, match=r"Linear\.cuda\(\): TinyTorch computes on the processor"):
        nn.Linear(2, 1).cuda()
    assert not tinytorch.cuda.is_available()
    assert not tinytorch.accelerator.is_available()
    assert not tinytorch.backends.mps.is_available()


def network(lib):  # type: ignore[no-untyped-def]
    net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.ReLU(), lib.nn.Linear(3, 1))
    net.register_buffer("mean", lib.tensor([1.0]))
    net.register_buffer("count", lib.tensor(3))
    return net


@pytest.mark.parametrize("convert", [lambda net, lib: net.double(), lambda net, lib: net.to("cpu", lib.float64)])
def test_a_network_is_converted_as_in_pytorch(convert) -> None:  # type: ignore[no-untyped-def]
    ours, theirs = network(tinytorch), network(torch)
    weight = ours[0].weight
    ours(tinytorch.ones(1, 2)).sum().backward()
    assert convert(ours, tinytorch) is ours
    convert(theirs, torch)
    dtypes = {name: str(value.dtype) for name, value in ours.state_dict().items()}
    assert dtypes == {name: str(value.dtype)[6:] for name, value in theirs.state_dict().items()}
    assert ours[0].weight is weight
    assert weight.grad.dtype == np.float64
    assert ours(tinytorch.ones(1, 2, dtype=np.float64)).dtype == np.float64
    assert copy.deepcopy(ours).half()[2].bias.dtype == np.float16


def test_a_network_of_integers_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Linear\.to\(\) takes a dtype of floats, .* but got int64"):
        nn.Linear(2, 1).to(tinytorch.int64)


def test_apply_reaches_children_first() -> None:
    net, names = network(tinytorch), []
    assert net.apply(lambda module: names.append(type(module).__name__)) is net
    assert names == ["Linear", "ReLU", "Linear", "Sequential"]
