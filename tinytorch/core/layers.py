# Exported from modules/03_layers/layers_dev.py by tito export; edit it there.
"""Layers: functions that own their parameters, and networks made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from tinytorch.core.tensor import Array, Tensor, default_generator, from_numpy, rand

_T = TypeVar("_T")

__all__ = [
    "Buffer",
    "Dropout",
    "Flatten",
    "IncompatibleKeys",
    "Linear",
    "Module",
    "Parameter",
    "Sequential",
    "dotted",
    "first_of_each",
    "fitting_array",
    "uniform_parameter",
]


class Parameter(Tensor):
    """A tensor that a `Module` owns and trains.

    It computes as any tensor does, and what comes out is a plain tensor. The type only makes it found.

    Parameters
    ----------
    data
        The first values, copied. A tensor or an array keeps its dtype; anything else becomes float32.
    requires_grad
        False freezes the values: training leaves them alone.

    Raises
    ------
    TypeError
        If a gradient is wanted for elements that are not floats.

    Examples
    --------
    >>> Parameter([0.5, 1.5])
    Parameter containing:
    tensor([0.5, 1.5], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        dtype = data.dtype if isinstance(data, Tensor | np.ndarray | np.generic) else None
        if requires_grad and dtype is not None and dtype.kind != "f":
            raise TypeError(
                f"a Parameter is trained in small steps, so it holds floats, but got {dtype}. "
                "Pass floats, or requires_grad=False."
            )
        super().__init__(data, requires_grad, dtype)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Module:
    """A function that owns its parameters: a layer, a loss, a whole network.

    A subclass assigns parameters and other modules to its attributes and writes `forward`. What it owns is
    found by looking at these attributes, so ``super().__init__()`` does no harm and is not needed.

    Attributes
    ----------
    training
        True while the module is trained; `train` and `eval` set it.

    Examples
    --------
    >>> class Scale(Module):
    ...     def __init__(self, factor: float) -> None:
    ...         self.factor = Parameter([factor])
    ...
    ...     def forward(self, x: Tensor) -> Tensor:
    ...         return x * self.factor
    >>> scale = Scale(1.5)
    >>> scale(Tensor([3.0]))[0].item()
    4.5
    >>> dict(scale.named_parameters())
    {'factor': Parameter containing:
    tensor([1.5], requires_grad=True)}
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass writes its own."""
        name = type(self).__name__
        raise NotImplementedError(f"{name} has no forward(). Write `def forward(self, x)` in class {name}.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def _holding(self, kind: type[_T]) -> list[tuple[str, _T]]:
        """Return the name and the value of each attribute that is a `kind`, in the order of assignment."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, kind)]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the name and the module of each attribute that is a module; a shared one once."""
        return first_of_each(self._holding(Module))

    def children(self) -> Iterator[Module]:
        """Yield the modules that are attributes of this one."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield the path and the module of this one and of all below it, parents first; a shared one once."""
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [(prefix, self)]
        while waiting:
            path, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            children = [(dotted(path, name), child) for name, child in module.named_children()]
            waiting.extend(reversed(children))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield the path and the parameter of everything to train, own ones first; a shared one once."""
        return first_of_each(
            (dotted(path, name), parameter)
            for path, module in self.named_modules(prefix)
            for name, parameter in module._holding(Parameter)
        )

    def parameters(self) -> Iterator[Parameter]:
        """Yield everything to train; what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode: bool = True) -> Self:
        """Set `training` to `mode` here and in all modules below, and return this module.

        Raises
        ------
        ValueError
            If `mode` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(
                f"train() sets a mode, True or False, but got {type(mode).__name__}. It does not fit data by itself."
            )
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False here and in all modules below, and return this module."""
        return self.train(False)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Make `tensor` a buffer and assign it to the attribute `name`; None leaves the attribute None.

        Raises
        ------
        ValueError
            If `name` is no name of an attribute.
        KeyError
            If there is an attribute of this name already.
        """
        if not name.isidentifier():
            raise ValueError(f"a buffer is an attribute, so its name is an identifier, but got {name!r}.")
        if hasattr(self, name):
            raise KeyError(f"{type(self).__name__} has an attribute {name!r} already. Choose another name.")
        setattr(self, name, None if tensor is None else Buffer(tensor, persistent))

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Buffer]]:
        """Yield the path and the buffer of everything that is kept and not trained; a shared one once."""
        return first_of_each(
            (dotted(path, name), buffer)
            for path, module in self.named_modules(prefix)
            for name, buffer in module._holding(Buffer)
        )

    def buffers(self) -> Iterator[Buffer]:
        """Yield everything that is kept and not trained."""
        return (buffer for _, buffer in self.named_buffers())

    def _kept(self) -> list[tuple[str, Tensor]]:
        """Return what the state dict has of this module itself: its parameters, then its persistent buffers."""
        buffers = [(name, buffer) for name, buffer in self._holding(Buffer) if buffer.persistent]
        return [*self._holding(Parameter), *buffers]

    def state_dict(self) -> dict[str, Tensor]:
        """Return all values by path, detached, sharing memory with the parameters; a shared one by every path."""
        state = {name: tensor.detach() for name, tensor in self._kept()}
        for path, child in self._holding(Module):
            state |= {dotted(path, name): value for name, value in child.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values into the parameters of the same names; if anything does not fit, copy nothing.

        Parameters
        ----------
        state
            Tensors or arrays by path, as from `state_dict`.
        strict
            Whether the names must agree exactly. If not, those that agree are loaded.

        Raises
        ------
        KeyError
            If `strict` and a name is unknown or missing.
        ValueError
            If a shape differs.
        TypeError
            If a value does not hold real numbers.
        """
        own = self.state_dict()
        keys = IncompatibleKeys(
            missing_keys=[name for name in own if name not in state],
            unexpected_keys=[name for name in state if name not in own],
        )
        if strict:
            keys.check()
        arrays = {name: fitting_array(name, state[name], own[name].shape) for name in own if name in state}
        for name, array in arrays.items():
            own[name].data[...] = array
        return keys

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that are there to zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = from_numpy(np.zeros_like(parameter.grad.data))

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all parameters, and return this module; False freezes it."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def extra_repr(self) -> str:
        """Return the settings that ``repr`` shows between the parentheses."""
        return ""

    def _shown(self) -> Iterable[tuple[str, Any]]:
        """Return what ``repr`` lists inside this module, by name."""
        return self._holding(Module)

    def __repr__(self) -> str:
        name, settings = type(self).__name__, self.extra_repr()
        parts = [f"({key}): {part!r}".replace("\n", "\n  ") for key, part in self._shown()]
        if not parts:
            return f"{name}({settings})"
        return "\n  ".join([f"{name}(", *([settings] if settings else []), *parts]) + "\n)"


def first_of_each(pairs: Iterable[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """Yield those pairs whose value, the very same object, has not come before under another name."""
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def dotted(path: str, name: str) -> str:
    """Return ``path.name``, or `name` alone below an empty path."""
    return f"{path}.{name}" if path else name


class Buffer(Tensor):
    """A tensor that a `Module` keeps and does not train, such as a running mean.

    Parameters
    ----------
    data
        The first values, copied. A tensor or an array keeps its dtype; anything else becomes float32.
    persistent
        Whether the state dict has it.

    Notes
    -----
    Source: ``torch.nn.Buffer``.

    Examples
    --------
    >>> Buffer([0.0, 0.0])
    tensor([0., 0.])
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any, persistent: bool = True) -> None:
        dtype = data.dtype if isinstance(data, Tensor | np.ndarray | np.generic) else None
        super().__init__(data, dtype=dtype)
        self.persistent = persistent


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` returns: the names that the state lacks, and those that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def check(self) -> None:
        """Raise a KeyError that names what is unexpected or missing, if anything is."""
        if self.unexpected_keys:
            raise KeyError("load_state_dict: " + " ".join(map(self._unexpected, self.unexpected_keys)))
        if self.missing_keys:
            names = ", ".join(map(repr, self.missing_keys))
            raise KeyError(
                f"load_state_dict: the state has no value for {names}. "
                "Add it, or pass strict=False to keep what is there."
            )

    def _unexpected(self, name: str) -> str:
        close = get_close_matches(name, self.missing_keys, n=1)
        return f"no parameter is named {name!r}." + (f" Did you mean {close[0]!r}?" if close else "")


def fitting_array(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Return the array of `value`, or raise an error that says why it does not fit a parameter of `shape`."""
    array: Array = value.data if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"load_state_dict: {name!r} takes numbers, but got {type(value).__name__} data of type {array.dtype}."
        )
    if array.shape != shape:
        turned = array.ndim == 2 and array.T.shape == shape
        advice = "Transpose it with .T." if turned else "Build the module with the sizes that the state was made with."
        raise ValueError(
            f"load_state_dict: {name!r} has shape {shape} in this module, but {array.shape} in the state. {advice}"
        )
    return array


def uniform_parameter(size: tuple[int, ...], bound: float) -> Parameter:
    """Return a parameter of shape `size` with elements drawn evenly between ``-bound`` and ``bound``."""
    return Parameter((2 * rand(size) - 1) * bound)


class Linear(Module):
    """Weighted sums of the inputs: ``x @ weight.T + bias``.

    Parameters
    ----------
    in_features
        The length of the last axis of the input.
    out_features
        The length of the last axis of the output.
    bias
        Whether to add a bias.

    Attributes
    ----------
    weight
        Parameter of shape ``(out_features, in_features)``.
    bias
        Parameter of shape ``(out_features,)``, or None.

    Notes
    -----
    Shapes: ``(..., in_features) -> (..., out_features)``.
    Both parameters begin evenly spread between ``-1/sqrt(in_features)`` and ``1/sqrt(in_features)``.
    Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks,
    AISTATS 2010, eq. 1.

    Examples
    --------
    >>> layer = Linear(784, 10)
    >>> layer
    Linear(in_features=784, out_features=10, bias=True)
    >>> layer(rand(32, 784)).shape
    (32, 10)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"Linear needs at least 1 feature in and 1 out, but got Linear({in_features}, {out_features})."
            )
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = uniform_parameter((out_features, in_features), bound)
        self.bias = uniform_parameter((out_features,), bound) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted sums of the last axis of `x`.

        Raises
        ------
        TypeError
            If `x` is not a tensor.
        ValueError
            If the last axis of `x` is not `in_features` long.
        """
        self._check_input(x)
        out = x @ self.weight.T
        return out if self.bias is None else out + self.bias

    def _check_input(self, x: Tensor) -> None:
        name = f"Linear({self.in_features}, {self.out_features})"
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} takes a tensor, but got {type(x).__name__}. Tensor(x) makes one.")
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"{name} takes inputs whose last axis is {self.in_features}, but got shape {x.shape}. {self._advice(x)}"
            )

    def _advice(self, x: Tensor) -> str:
        if x.ndim > 2 and x.size == x.shape[0] * self.in_features:
            return f"Flatten each image first, for example x.reshape({x.shape[0]}, -1)."
        return f"Change the input, or make the layer Linear({x.shape[-1] if x.ndim else 1}, {self.out_features})."

    def extra_repr(self) -> str:
        """Return the sizes, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Dropout(Module):
    """Set each element to 0 with chance `p` while training, and scale the others up so that the mean stays.

    Parameters
    ----------
    p
        The chance to be dropped, 0 to 1.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Notes
    -----
    In `eval` mode the input is returned as it is.
    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout takes the chance to drop an element, 0 to 1, but got p={p}.")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with some elements dropped, or `x` itself in `eval` mode."""
        if not self.training or self.p == 0:
            return x
        kept = default_generator().random(x.shape, dtype=np.float32) >= self.p
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return x * from_numpy(kept.astype(x.dtype) * scale)

    def extra_repr(self) -> str:
        """Return the chance to be dropped."""
        return f"p={self.p}"


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim` into one; by default, all but the batch axis.

    Examples
    --------
    >>> Flatten()(rand(32, 28, 28)).shape
    (32, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with the axes joined.

        Raises
        ------
        IndexError
            If `x` has no axis `start_dim` or `end_dim`.
        ValueError
            If `start_dim` comes after `end_dim`.
        """
        start, end = self._axis(self.start_dim, x), self._axis(self.end_dim, x)
        if start > end:
            raise ValueError(f"{self!r} starts after it ends for an input of shape {x.shape}.")
        joined = math.prod(x.shape[start : end + 1])
        return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])

    def _axis(self, dim: int, x: Tensor) -> int:
        """Return `dim` counted from the front; a 0-d tensor counts as one of length 1."""
        ndim = max(x.ndim, 1)
        if not -ndim <= dim < ndim:
            raise IndexError(f"{self!r} got shape {x.shape}, which has no axis {dim}. Give it a batch axis first.")
        return dim % ndim

    def extra_repr(self) -> str:
        """Return the two axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Sequential(Module):
    """Layers one after another: each takes what the one before it returned.

    Parameters
    ----------
    *layers
        Modules, or anything else that can be called with one tensor. Their names are "0", "1", ...

    Raises
    ------
    TypeError
        If a layer cannot be called, or is a class where an object of it was meant.

    Examples
    --------
    >>> model = Sequential(Flatten(), Linear(784, 10))
    >>> model
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=784, out_features=10, bias=True)
    )
    >>> list(model.state_dict())
    ['1.weight', '1.bias']
    >>> model(rand(32, 28, 28)).shape
    (32, 10)
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for layer in layers:
            self.append(layer)

    def append(self, layer: Callable[[Any], Any]) -> Self:
        """Add a layer at the end, and return this module."""
        if isinstance(layer, type):
            raise TypeError(
                f"layer {len(self)} of Sequential is the class {layer.__name__}. "
                f"Make a layer of it: {layer.__name__}(...)."
            )
        if not callable(layer):
            advice = " Unpack it with a star: Sequential(*layers)." if isinstance(layer, list | tuple) else ""
            raise TypeError(
                f"layer {len(self)} of Sequential is a {type(layer).__name__}, which is not callable.{advice}"
            )
        setattr(self, str(len(self)), layer)
        return self

    def forward(self, x: Any) -> Any:
        """Return what the last layer returns; `x` itself if there is no layer."""
        for layer in self:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self._layers())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._layers())

    def __getitem__(self, index: int | slice) -> Any:
        """Return one layer, or, for a slice, a `Sequential` that shares the layers."""
        layers = self._layers()
        if isinstance(index, slice):
            return Sequential(*layers[index])
        if not -len(layers) <= index < len(layers):
            raise IndexError(f"this Sequential has {len(layers)} layers, so there is no layer {index}.")
        return layers[index]

    def _layers(self) -> list[Any]:
        """Return the attributes that are named by numbers."""
        return [layer for name, layer in vars(self).items() if name.isdecimal()]

    def _shown(self) -> Iterable[tuple[str, Any]]:
        return ((str(i), layer) for i, layer in enumerate(self))
