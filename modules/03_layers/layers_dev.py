# %% [markdown]
"""
# 03 Layers
A layer is a function with numbers of its own, which training will change. A network is layers made of layers. This
module gives them one base class, so that a network of any depth can be counted, saved, loaded, frozen and switched from
training to use by one call.

**You have** `Tensor` (01) and activations (02). **You build** `Module`, which finds parameters wherever they are, and
four layers on it: `Linear`, `Dropout`, `Flatten`, `Sequential`.

    image (28, 28)                                                              10 scores
        |                                                                           ^
     Flatten -> (784,) -> Linear -> (256,) -> ReLU -> Linear -> (128,) -> ReLU -> Linear
                          200,960                     32,896                      1,290     parameters

At the end you measure this network: what it weighs, what one pass costs, and why the size of its first random weights
decides whether it can learn at all.
"""


# %%
#| default_exp core.layers
#| doc Layers: functions that own their parameters, and networks made of them.

# %% tags=["imports"]
#| export
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from tinytorch.core.tensor import Array, Tensor, default_generator, from_numpy, rand

_T = TypeVar("_T")


# %% [markdown]
"""
Errors are part of what a layer promises, so the tests below look at messages too.
"""


# %%
def message_of(call: Callable[[], object]) -> str:
    """Return the message of the error that `call` raises."""
    try:
        call()
    except (IndexError, KeyError, TypeError, ValueError) as error:
        return str(error)
    raise AssertionError("no error was raised")


# %% [markdown]
"""
## A parameter is a tensor that is found
A layer holds many things: sizes, settings, tensors that stay as they are, and tensors to train. Something must tell the
last kind apart, and the lightest mark is a type:

    layer.in_features = 784              a setting
    layer.mask = Tensor([1, 0, 1])       a tensor that training leaves alone
    layer.weight = Parameter([0.5])      a tensor to train

A `Parameter` computes as any tensor does. `2 * parameter` is a plain tensor again: it is a result, nobody trains it.
This cell is given.
"""


# %% tags=["parameter"]
#| export
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


# %%
def test_unit_a_parameter_computes_as_a_tensor_and_its_results_are_plain() -> None:
    weight = Parameter([0.5, -1.0])
    assert weight.requires_grad
    doubled = 2 * weight
    assert type(doubled) is Tensor
    assert doubled.data.tolist() == [1.0, -2.0]
    assert Parameter(np.zeros(3)).dtype == np.float64
    assert "holds floats, but got int64" in message_of(lambda: Parameter(np.array([1, 2])))


# %% [markdown]
"""
## A module is a function that owns parameters
Whoever writes a layer says two things: what it owns, in `__init__`, and what it computes, in `forward`.

    class Scale(Module):
        def __init__(self, factor):
            self.factor = Parameter([factor])

        def forward(self, x):
            return x * self.factor

    double = Scale(2.0)
    double(Tensor([3.0]))         # 6

The call `double(x)` goes through `__call__`, which asks `forward`. So a module is used as a function is, and an
activation of module 02, which has `__call__` too, can stand wherever a layer can.

`training` is an attribute of the *class*, so every module starts in training mode without having to say so.

The rest of `Module` comes piece by piece: `class Module(Module)` in a later cell continues the class, as `Tensor` was
continued in module 01, and the exported file holds one class.
"""


# %% tags=["module"]
#| export
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


# %%
def test_unit_calling_a_module_computes_its_forward() -> None:
    class Scale(Module):
        def __init__(self, factor: float) -> None:
            self.factor = Parameter([factor])

        def forward(self, x: Tensor) -> Tensor:
            return x * self.factor

    double = Scale(2.0)
    assert double(Tensor([3.0])).data.tolist() == [6.0]
    assert double.training


# %% [markdown]
"""
## What does a module own?
Python keeps the attributes of an object in a dict, in the order they were assigned, and `vars(obj)` returns it:

    double = Scale(2.0)
    vars(double)                  # {'factor': a Parameter that holds 2}

So nothing needs to be registered. To know what it owns, a module looks at its own attributes and picks by type. The
modules among them are its *children*.

PyTorch does it at the other end: it intercepts each assignment (`__setattr__`) and sorts the value into one of several
dicts. Finding is faster then, but these dicts must exist before the first assignment, and that is why PyTorch's classes
must call `super().__init__()` first. Here the call does no harm and is not needed.

One layer can be assigned twice, on purpose: two names, the same weights. It is one child. `first_of_each` (given) drops
the second name; it compares by `id`, because two parameters with equal values are still two parameters.

**Exercise**: `_holding(kind)`, the names and values of the attributes that are of one type.

The tests of this part put attributes on a bare `Module()`. While the class is still growing, that is also safer than a
subclass: a subclass keeps the pieces that were there when it was defined, and lacks those that follow.
"""


# %% tags=["attributes"]
#| export
class Module(Module):
    def _holding(self, kind: type[_T]) -> list[tuple[str, _T]]:
        """Return the name and the value of each attribute that is a `kind`, in the order of assignment."""
        ### BEGIN SOLUTION
        return [(name, value) for name, value in vars(self).items() if isinstance(value, kind)]
        ### END SOLUTION

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the name and the module of each attribute that is a module; a shared one once."""
        return first_of_each(self._holding(Module))

    def children(self) -> Iterator[Module]:
        """Yield the modules that are attributes of this one."""
        return (child for _, child in self.named_children())


def first_of_each(pairs: Iterable[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """Yield those pairs whose value, the very same object, has not come before under another name."""
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


# %%
def module_with(**attributes: object) -> Module:
    """Return a bare module with the given attributes."""
    module = Module()
    vars(module).update(attributes)
    return module


def example_pair() -> Module:
    """Return a module with two children, a parameter, and two attributes that are nothing to train."""
    first, second = module_with(factor=Parameter([2.0])), module_with(factor=Parameter([3.0]))
    return module_with(name="pair", first=first, shift=Parameter([10.0]), second=second, limit=Tensor([99.0]))


def test_unit_attributes_are_picked_by_type_in_their_order() -> None:
    pair = example_pair()
    assert [name for name, _ in pair._holding(Parameter)] == ["shift"]
    assert [name for name, _ in pair.named_children()] == ["first", "second"]
    pair.again = pair.first
    assert list(pair.children()) == [pair.first, pair.second]


# %% [markdown]
"""
## All modules, at any depth
Children have children. Written as a tree, with the path of each module beside it:

    net                 ""
    +-- body            "body"
    |   +-- first       "body.first"
    |   +-- second      "body.second"
    +-- head            "head"

`named_modules` walks this tree, parents before their children, siblings in order. A recursive function would do. The
loop below keeps a list of what is still waiting instead, takes the last, and puts its children there in reverse so that
the first child comes out first:

    waiting                                   taken
    net                                       net
    head, body                                body
    head, body.second, body.first             body.first
    head, body.second                         body.second
    head                                      head

The set of modules already seen does two jobs: a shared layer comes once, and a child that points back at its parent
does not send the walk round for ever. Module 05 walks the graph of a computation in the same way, where it matters
more.

**Exercise**: `named_modules`. `dotted("body", "first")` makes the path `"body.first"`.
"""


# %% tags=["modules"]
#| export
class Module(Module):
    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield the path and the module of this one and of all below it, parents first; a shared one once."""
        ### BEGIN SOLUTION
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
        ### END SOLUTION

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())


def dotted(path: str, name: str) -> str:
    """Return ``path.name``, or `name` alone below an empty path."""
    return f"{path}.{name}" if path else name


# %%
def example_net() -> Module:
    """Return the tree of the picture."""
    return module_with(body=example_pair(), head=module_with(factor=Parameter([0.5])))


def test_unit_modules_come_parents_first_and_once() -> None:
    net = example_net()
    expected = ["", "body", "body.first", "body.second", "head"]
    assert [path for path, _ in net.named_modules()] == expected
    net.head.owner = net
    assert [path for path, _ in net.named_modules()] == expected


# %% [markdown]
"""
## All parameters
Now the most useful question is easy: the parameters of a network are the parameters of all its modules. Within a module
its own come before those of its children, so `net` has

    body.shift, body.first.factor, body.second.factor, head.factor

An optimizer (module 06) is given `net.parameters()` and changes each of them a little. A parameter that came twice
would be changed twice, so a shared one comes once.

**Exercise**: `named_parameters`, from `named_modules`, `_holding(Parameter)` and `first_of_each`.
"""


# %% tags=["parameters"]
#| export
class Module(Module):
    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield the path and the parameter of everything to train, own ones first; a shared one once."""
        ### BEGIN SOLUTION
        return first_of_each(
            (dotted(path, name), parameter)
            for path, module in self.named_modules(prefix)
            for name, parameter in module._holding(Parameter)
        )
        ### END SOLUTION

    def parameters(self) -> Iterator[Parameter]:
        """Yield everything to train; what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters())


# %%
def test_unit_parameters_carry_their_paths_and_a_shared_one_comes_once() -> None:
    net = example_net()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["body.shift", "body.first.factor", "body.second.factor", "head.factor"]
    net.head.factor = net.body.first.factor
    assert len(list(net.parameters())) == 3
    assert [name for name, _ in net.head.named_parameters(prefix="encoder")] == ["encoder.factor"]


# %% [markdown]
"""
What is not an attribute is not found, and no error says so. A plain list hides its layers:
"""


# %%
def test_unit_a_list_hides_its_layers() -> None:
    assert list(module_with(layers=[example_pair(), example_pair()]).parameters()) == []


# %% [markdown]
"""
The outputs of such a network look fine and its loss never falls, since nothing in the list is trained. `Sequential`,
below, is the list that is found. When a network does not learn, look at `len(list(net.parameters()))` first.

## Training and use
Dropout, below, acts while a network is trained and rests when it is used. The switch is one attribute, `training`, but
it has to be set in *every* module below. `train()` and `eval()` return the module, so that `model = Net().eval()`
works.

**Exercise**: `train`.
"""


# %% tags=["train"]
#| export
class Module(Module):
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
        ### BEGIN SOLUTION
        for module in self.modules():
            module.training = mode
        return self
        ### END SOLUTION

    def eval(self) -> Self:
        """Set `training` to False here and in all modules below, and return this module."""
        return self.train(False)


# %%
def test_unit_eval_and_train_reach_every_module() -> None:
    net = example_net()
    assert net.eval() is net
    assert [module.training for module in net.modules()] == [False] * 5
    net.body.train()
    assert (net.training, net.body.first.training, net.head.training) == (False, True, False)
    assert "got list" in message_of(lambda: net.train([1, 2]))


# %% [markdown]
"""
## Kept, but not trained
Some layers learn without a gradient. Batch normalization (module 09) follows the mean of what goes through it. No
optimizer changes that mean, and yet a network that is saved without it is not the network that was trained. Such a
tensor is a **buffer**, and the mark is again a type:

    layer.weight = Parameter([0.5])        trained, and kept in the state dict
    layer.mean = Buffer([0.0])             kept in the state dict
    layer.mask = Tensor([1, 0, 1])         neither

A buffer that can be computed anew, such as a table of sines, need not be kept: `Buffer(table, persistent=False)`. A
module changes its buffers in place, `self.mean.data[...] = ...`; assigning a tensor to the attribute would put a plain
tensor in the buffer's place. This cell is given.
"""


# %% tags=["buffers"]
#| export
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


class Module(Module):
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


# %%
def test_unit_buffers_are_kept_and_not_trained() -> None:
    layer = module_with(weight=Parameter([0.5]), mean=Buffer([0.0]), mask=Tensor([1.0]))
    layer.register_buffer("table", np.arange(3), persistent=False)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert [name for name, _ in layer.named_buffers()] == ["mean", "table"]
    assert [name for name, _ in layer._kept()] == ["weight", "mean"]
    assert "has an attribute 'mean' already" in message_of(lambda: layer.register_buffer("mean", [0.0]))


# %% [markdown]
"""
## Saving: the state dict
What a network has learned is the values of its parameters and buffers, so saving it means writing them down by name:

    {"body.shift": [10.], "body.first.factor": [2.], "body.second.factor": [3.], "head.factor": [0.5]}

The names and the shapes are those that PyTorch uses, so the same dict fits a network of the same layers there.

Two decisions are hidden in this dict. The tensors in it *share memory* with the parameters: making it copies nothing,
whatever the size of the network. And a shared parameter stands under *each* of its paths, so that the dict also fits a
network in which the two are not shared. The dict is therefore no snapshot. Training goes on changing it, and whoever
wants to keep the best values so far copies them: `{name: value.data.copy() for name, value in state.items()}`.

**Exercise**: `state_dict`. Here recursion is the simplest: what I keep myself, `self._kept()`, then, for each child,
the child's state dict with the child's name before each path. `tensor.detach()` is a plain tensor around the same
memory.
"""


# %% tags=["state_dict"]
#| export
class Module(Module):
    def state_dict(self) -> dict[str, Tensor]:
        """Return all values by path, detached, sharing memory with the parameters; a shared one by every path."""
        ### BEGIN SOLUTION
        state = {name: tensor.detach() for name, tensor in self._kept()}
        for path, child in self._holding(Module):
            state |= {dotted(path, name): value for name, value in child.state_dict().items()}
        return state
        ### END SOLUTION


# %%
def test_unit_a_state_dict_has_every_value_by_path_and_copies_nothing() -> None:
    net = example_net()
    state = net.state_dict()
    assert list(state) == ["body.shift", "body.first.factor", "body.second.factor", "head.factor"]
    assert state["body.shift"].data is net.body.shift.data
    net.head = net.body.first
    assert list(net.state_dict())[-1] == "head.factor"


# %% [markdown]
"""
## Loading: all or nothing
`load_state_dict` copies values back. Three things can be wrong: a name that the network does not have (a slip in
writing, or another network), a name that is missing, a shape that differs. The last of ten entries may be the wrong
one. If the first nine were already copied when the error comes, the network is half old and half new, and whoever
catches the error goes on with a network that nobody ever trained. So: look at everything first, then copy.

    check names     unknown or missing?          -> KeyError, with a guess at what was meant
    check shapes    fitting_array, for each      -> ValueError, with both shapes
    copy            into the arrays that are there: whoever holds a parameter sees the new values

The messages are given, as `IncompatibleKeys.check` and `fitting_array`.

**Exercise**: the two loops. The state dict of the module itself, `own`, shares memory with its parameters, so writing
*into* the arrays in `own` is enough: `array[...] = values` writes into an array, `x.data = values` would only put
another array in its place.
"""


# %% tags=["load_state_dict"]
#| export
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


class Module(Module):
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
        ### BEGIN SOLUTION
        arrays = {name: fitting_array(name, state[name], own[name].shape) for name in own if name in state}
        for name, array in arrays.items():
            own[name].data[...] = array
        ### END SOLUTION
        return keys


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


# %%
def test_unit_loading_copies_all_or_nothing() -> None:
    net, trained = example_net(), example_net()
    trained.body.shift.data[...] = 7.0
    held = net.body.shift
    net.load_state_dict(trained.state_dict())
    assert held.data.tolist() == [7.0]
    assert held.data is not trained.body.shift.data

    wrong = {"body.shift": np.array([1.0]), "head.factor": np.array([1.0, 2.0])}
    message = message_of(lambda: net.load_state_dict(wrong, strict=False))
    assert "'head.factor' has shape (1,) in this module, but (2,) in the state" in message
    assert held.data.tolist() == [7.0]

    slip = {name.replace("shift", "shfit"): value for name, value in trained.state_dict().items()}
    message = message_of(lambda: net.load_state_dict(slip))
    assert "no parameter is named 'body.shfit'. Did you mean 'body.shift'?" in message


# %% [markdown]
"""
## Forgetting gradients, freezing
From module 05 on, each parameter collects its gradient in `.grad`, and adds to it until it is told to forget.
`zero_grad()` tells all of them. With `set_to_none=True`, the default, the gradient is gone: its memory is free, and an
optimizer leaves a parameter alone that got no gradient since. With False it becomes zeros of the same shape.

`requires_grad_(False)` freezes a module: its values are used and not trained.

**Exercise**: `zero_grad`. A parameter that never had a gradient keeps None in either case.
"""


# %% tags=["zero_grad"]
#| export
class Module(Module):
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that are there to zeros."""
        ### BEGIN SOLUTION
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = from_numpy(np.zeros_like(parameter.grad.data))
        ### END SOLUTION

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all parameters, and return this module; False freezes it."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self


# %%
def test_unit_gradients_are_forgotten_and_parameters_frozen() -> None:
    pair = example_pair()
    pair.shift.grad = Tensor([4.0])
    pair.zero_grad(set_to_none=False)
    assert pair.shift.grad.data.tolist() == [0.0]
    assert pair.first.factor.grad is None
    pair.zero_grad()
    assert pair.shift.grad is None
    pair.first.requires_grad_(False)
    assert [parameter.requires_grad for parameter in pair.parameters()] == [True, False, True]


# %% [markdown]
"""
## Showing a network
`repr` prints a module with its children inside, each level two spaces deeper. `extra_repr` is the line a layer says
about itself. This cell is given.
"""


# %% tags=["repr"]
#| export
class Module(Module):
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


# %%
def test_unit_repr_nests() -> None:
    assert repr(example_net()).splitlines() == [
        "Module(",
        "  (body): Module(",
        "    (first): Module()",
        "    (second): Module()",
        "  )",
        "  (head): Module()",
        ")",
    ]


# %% [markdown]
"""
## How large should the first weights be?
Training starts somewhere, and zero is no good place: if all weights of a layer are equal, all its outputs are equal,
all get the same gradient, and they stay equal for ever. So the first weights are random. Then how large?

An output of a layer is a sum over its n inputs, `y = w1*x1 + ... + wn*xn`. Let the weights be drawn independently
around 0. The mixed terms of `y**2` then cancel on average, and what remains is

    mean of y**2  =  n * (mean of w**2) * (mean of x**2)

Weights spread evenly between -b and b have mean square b²/3. So write the bound as `b = c / sqrt(n)`, and n drops out:

    mean of y**2  =  c**2 / 3 * (mean of x**2)

ReLU then sets the negative half to 0, which halves the mean square. One layer with ReLU multiplies the typical size
(the root of the mean square) by `c / sqrt(6)`, and ten layers by the tenth power of that:

    c                    one layer     ten layers
    0.3                  0.12          0.00000000076      all signals die out
    1                    0.41          0.00013
    sqrt(6) = 2.45       1             1                  they keep their size
    5                    2.04          1256               they blow up

Going back through the layers, gradients are multiplied by the same weights and meet the same fate. At the end of this
module you measure the table.

`Linear` takes c = 1 as PyTorch does: weights and biases evenly between `-1/sqrt(n)` and `1/sqrt(n)`, the common rule
that Glorot and Bengio (2010) start from and improve on. It makes signals shrink by 2.4 a layer, which two or three
layers survive. Deeper networks draw their weights with c near `sqrt(6)` (He et al. 2015), or bring the signals back to
size between the layers.

**Exercise**: `uniform_parameter`. `rand` draws evenly from [0, 1); stretch and shift that to [-bound, bound).
"""


# %% tags=["uniform_parameter"]
#| export
def uniform_parameter(size: tuple[int, ...], bound: float) -> Parameter:
    """Return a parameter of shape `size` with elements drawn evenly between ``-bound`` and ``bound``."""
    ### BEGIN SOLUTION
    return Parameter((2 * rand(size) - 1) * bound)
    ### END SOLUTION


# %%
def test_unit_uniform_parameters_fill_their_interval() -> None:
    values = uniform_parameter((100, 100), 0.5).data
    assert values.shape == (100, 100)
    assert values.dtype == np.float32
    assert abs(values).max() <= 0.5
    assert abs(values.mean()) < 0.02
    assert abs((values**2).mean() - 0.5**2 / 3) < 0.005


# %% [markdown]
"""
## Linear
Each output is a weighted sum of all inputs, plus a number of its own:

    x = [1, 1, 2]    weight = [[1,  2, 3],    bias = [10, 20]
                               [0, -1, 1]]

    out[0] = 1*1 + 1*2 + 2*3    + 10 = 19
    out[1] = 1*0 + 1*(-1) + 2*1 + 20 = 21

The weight has one row per *output*: its shape is `(out_features, in_features)`, as in PyTorch, so that `weight[j]` is
all that output j knows. The whole layer is `x @ weight.T + bias`. `.T` copies nothing (module 01: a view), and `@`
works on the last axis, so the same line takes one input `(in,)`, a batch `(N, in)` or a batch of sequences `(N, T,
in)`.

`forward` is made of tensor operations only. Module 05 will give each operation its gradient, and so this layer gets its
gradient for nothing.

**Exercise**: the two parameters, and the sum in `forward`. Without a bias, `self.bias` is None.
"""


# %% tags=["linear"]
#| export
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
        ### BEGIN SOLUTION
        bound = 1 / math.sqrt(in_features)
        self.weight = uniform_parameter((out_features, in_features), bound)
        self.bias = uniform_parameter((out_features,), bound) if bias else None
        ### END SOLUTION

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
        ### BEGIN SOLUTION
        out = x @ self.weight.T
        return out if self.bias is None else out + self.bias
        ### END SOLUTION

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


# %%
def test_unit_linear_is_weighted_sums_plus_bias() -> None:
    layer = Linear(3, 2)
    layer.load_state_dict({"weight": [[1, 2, 3], [0, -1, 1]], "bias": [10, 20]})
    assert layer(Tensor([1, 1, 2])).data.tolist() == [19.0, 21.0]
    assert layer(Tensor([[1, 1, 2], [0, 0, 0]])).data.tolist() == [[19.0, 21.0], [10.0, 20.0]]
    assert list(Linear(3, 2, bias=False).state_dict()) == ["weight"]
    assert abs(Linear(16, 1000).weight.data).max() <= 1 / 4


def test_unit_linear_says_how_to_mend_the_shape() -> None:
    message = message_of(lambda: Linear(784, 10)(rand(32, 28, 28)))
    assert message == (
        "Linear(784, 10) takes inputs whose last axis is 784, but got shape (32, 28, 28). "
        "Flatten each image first, for example x.reshape(32, -1)."
    )


# %% [markdown]
"""
## Dropout
A network with many parameters can learn its training examples by heart. Dropout makes that harder: at each training
step a random part of the numbers passing through is set to 0, so that no output can rely on one single input.

    x                    [1, 2, 3, 4]      p = 0.5
    kept (drawn anew)    [1, 0, 1, 1]
    x * kept / (1 - p)   [2, 0, 6, 8]

Why divide by 1 - p? On average a share 1 - p of the elements is kept, so the sum would shrink by that factor. Dividing
makes up for it: each element has mean `(1 - p) * x / (1 - p) + p * 0 = x`. So the next layer sees the same mean in
training and in use, and in `eval` mode there is nothing at all to do: the input is returned as it is.

**Exercise**: `forward`. `default_generator().random(shape, dtype=np.float32)` draws evenly from [0, 1); a draw is below
p with chance p. At p = 1 everything goes, and 1 / (1 - p) must not be asked for. The result keeps the dtype of `x`.
"""


# %% tags=["dropout"]
#| export
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
        ### BEGIN SOLUTION
        if not self.training or self.p == 0:
            return x
        kept = default_generator().random(x.shape, dtype=np.float32) >= self.p
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return x * from_numpy(kept.astype(x.dtype) * scale)
        ### END SOLUTION

    def extra_repr(self) -> str:
        """Return the chance to be dropped."""
        return f"p={self.p}"


# %%
def test_unit_dropout_keeps_the_mean_in_training_and_rests_in_use() -> None:
    dropout = Dropout(0.25)
    x = from_numpy(np.ones((100, 100), np.float32))
    out = dropout(x).data
    assert sorted(set(out.ravel().tolist())) == [0.0, float(np.float32(4 / 3))]
    assert abs((out == 0).mean() - 0.25) < 0.03
    assert abs(out.mean() - 1) < 0.04
    assert dropout.eval()(x) is x
    assert not Dropout(1.0)(x).data.any()


# %% [markdown]
"""
## Flatten
Images come as `(N, 28, 28)`, and `Linear` wants `(N, 784)`. `Flatten` joins axes, by default all but the first, which
counts the images:

    (32, 28, 28)      start_dim=1, end_dim=-1  ->  (32, 784)
    (2, 3, 4, 5)      start_dim=1, end_dim=2   ->  (2, 12, 5)

**Exercise**: the new shape, and the `reshape` to it. `start` and `end` are already counted from the front and in range.
Multiply the lengths out instead of passing -1 to `reshape`: a batch of 0 images has 0 elements, and then any length
would do for -1.
"""


# %% tags=["flatten"]
#| export
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
        ### BEGIN SOLUTION
        joined = math.prod(x.shape[start : end + 1])
        return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])
        ### END SOLUTION

    def _axis(self, dim: int, x: Tensor) -> int:
        """Return `dim` counted from the front; a 0-d tensor counts as one of length 1."""
        ndim = max(x.ndim, 1)
        if not -ndim <= dim < ndim:
            raise IndexError(f"{self!r} got shape {x.shape}, which has no axis {dim}. Give it a batch axis first.")
        return dim % ndim

    def extra_repr(self) -> str:
        """Return the two axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


# %%
def test_unit_flatten_joins_axes() -> None:
    assert Flatten()(rand(32, 28, 28)).shape == (32, 784)
    assert Flatten(1, 2)(rand(2, 3, 4, 5)).shape == (2, 12, 5)
    assert Flatten()(rand(0, 28, 28)).shape == (0, 784)
    assert Flatten()(Tensor([[[1, 2], [3, 4]]])).data.tolist() == [[1.0, 2.0, 3.0, 4.0]]


# %% [markdown]
"""
## Sequential
Most networks are, at least in parts, a chain. `Sequential` keeps its layers as attributes named `"0"`, `"1"`, ...
(Python's `setattr` allows names that could not be typed), and so all that `Module` does works without another line. An
activation has no parameters and need not be a `Module`; it only has to be callable.

    Sequential(Linear(3, 2), ReLU(), Linear(2, 1))

    x --> "0" Linear --> "1" ReLU --> "2" Linear --> out      state dict: 0.weight, 0.bias, 2.weight, 2.bias

**Exercise**: `forward`. Iterating over a `Sequential` gives its layers in order.
"""


# %% tags=["sequential"]
#| export
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
        ### BEGIN SOLUTION
        for layer in self:
            x = layer(x)
        return x
        ### END SOLUTION

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


# %%
from tinytorch.core.activations import ReLU


def test_unit_sequential_is_a_chain_that_is_found() -> None:
    model = Sequential(Linear(3, 2), ReLU(), Linear(2, 1))
    first = {"0.weight": [[1, 2, 3], [0, -1, 1]], "0.bias": [-10, -20]}
    model.load_state_dict(first | {"2.weight": [[1, 1]], "2.bias": [5]})
    # Linear: [9 - 10, 1 - 20] = [-1, -19]; ReLU: [0, 0]; Linear: 5
    assert model(Tensor([1, 1, 2])).data.tolist() == [5.0]
    # Linear: [18 - 10, 2 - 20] = [8, -18]; ReLU: [8, 0]; Linear: 13
    assert model(Tensor([2, 2, 4])).data.tolist() == [13.0]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(model[:2]) == 2
    assert model[:2][0] is model[0]
    assert "layer 1 of Sequential is the class ReLU" in message_of(lambda: Sequential(Linear(3, 2), ReLU))


# %% [markdown]
"""
## Question 1: what does the network weigh?
A `Linear(n, m)` has n·m weights and m biases. For the picture at the top:

    Linear(784, 256)    784 * 256 + 256  =  200,960
    Linear(256, 128)    256 * 128 + 128  =   32,896
    Linear(128, 10)     128 *  10 +  10  =    1,290
                                            235,146  parameters, 4 bytes each: 940,584 bytes

The first layer has 85 % of them, only because images are long.

*For thought*: training keeps a gradient for each parameter, and the optimizer Adam (module 06) two more numbers. How
many bytes is that for this network, and for one of 7 billion parameters?
"""


# %%
def mlp() -> Sequential:
    """Return the network of the picture."""
    return Sequential(Flatten(), Linear(784, 256), ReLU(), Linear(256, 128), ReLU(), Linear(128, 10))


def measure_weight() -> tuple[int, int]:
    """Print and return the parameters of the network and their bytes."""
    model = mlp()
    for name, parameter in model.named_parameters():
        print(f"    {name:10} {parameter.shape!s:12} {parameter.size:8,}")
    count = sum(parameter.size for parameter in model.parameters())
    size = sum(parameter.data.nbytes for parameter in model.parameters())
    print(f"    {count:,} parameters, {size:,} bytes")
    return count, size


# %% [markdown]
"""
## Question 2: what does a forward pass cost?
One output of `Linear(n, m)` takes n multiplications and n additions (n - 1 to sum up, one for the bias): 2·n
floating-point operations (FLOPs), so 2·n·m for the layer. That is two per weight, and a rule worth remembering: *a pass
costs two FLOPs for each weight and example*.

    2 * (784 * 256 + 256 * 128 + 128 * 10)  =  469,504 FLOPs an image

ReLU adds 256 + 128 comparisons, less than a thousandth.

The cell times batches of 1 and 256. One image has to fetch all 940,584 bytes of weights for two FLOPs a weight; 256
images use each weight that is fetched 256 times. Calling six layers, too, costs the same time once for one image and
once for 256. So expect an image in the large batch to be about ten times cheaper, and the FLOPs per second to rise by
the same factor.

*For thought*: which of the three layers takes most of the time? Is it the one with most FLOPs?
"""


# %%
import time


def seconds(call: Callable[[], object], repeats: int = 20) -> float:
    """Return the shortest time that one of several calls took."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def flops(model: Sequential) -> int:
    """Return the floating-point operations of the linear layers of `model`, for one example."""
    return sum(2 * layer.in_features * layer.out_features for layer in model if isinstance(layer, Linear))


def measure_forward() -> int:
    """Print what a pass costs for a small and a large batch; return its FLOPs for one image."""
    model = mlp().eval()
    print(f"    {flops(model):,} FLOPs an image")
    for batch in (1, 256):
        x = rand(batch, 28, 28)
        taken = seconds(lambda x=x: model(x))
        each, speed = taken / batch * 1e6, batch * flops(model) / taken / 1e9
        print(f"    batch of {batch:3}: {each:6.1f} microseconds an image, {speed:5.1f} GFLOP/s")
    return flops(model)


# %% [markdown]
"""
## Question 3: what does Dropout cost?
`Dropout` does one comparison, one multiplication and one scaling per element, while `Linear(256, 256)` does 512 FLOPs
for each element of its result. Counted in FLOPs, Dropout is free. Measured, it takes about half as long as that layer,
and longer than a narrow one such as `Linear(16, 16)`: drawing a random number costs more than a few FLOPs, and each of
the steps (draw, compare, convert, scale, multiply) reads and writes a whole array. In `eval` mode it costs one `if`.

*For thought*: module 05 keeps the scaled mask for the way back. How many bytes is that for a `(256, 256)` activation,
and how many would do?
"""


# %%
def measure_dropout() -> float:
    """Print the time of Dropout beside that of a Linear layer; return their ratio."""
    x = rand(256, 256)
    linear, dropout = Linear(256, 256), Dropout(0.5)
    of_linear = seconds(lambda: linear(x))
    of_dropout = seconds(lambda: dropout(x))
    dropout.eval()
    of_nothing = seconds(lambda: dropout(x))
    print(f"    Linear(256, 256)        {of_linear * 1e6:7.1f} microseconds for a batch of 256")
    print(f"    Dropout, training       {of_dropout * 1e6:7.1f} microseconds")
    print(f"    Dropout, in use         {of_nothing * 1e6:7.1f} microseconds")
    return of_dropout / of_linear


# %% [markdown]
"""
## Question 4: what survives ten layers?
Here is the table from above, measured: noise of size 1 goes through ten layers `Linear(256, 256, bias=False)` and
`ReLU`, whose weights are drawn with four values of c. The last column should come near 0.00000000076, 0.00013, 1 and
1256. It will not hit them: the rule speaks of averages, and the deviations of ten random layers multiply.

*For thought*: replace ReLU by Tanh. Which c keeps small signals at their size now, and what happens to large ones? Then
give the layers of c = 1 their biases back. The size now stops falling near 0.03. Why is that no rescue? (Ask what such
an output still says about the input.)
"""


# %%
def sizes_through_layers(c: float, depth: int = 10, width: int = 256) -> list[float]:
    """Return the typical size of the signal after each of `depth` layers with weights of bound c/sqrt(width)."""
    x, relu, sizes = Tensor(default_generator().standard_normal((512, width))), ReLU(), []
    for _ in range(depth):
        layer = Linear(width, width, bias=False)
        layer.weight = uniform_parameter((width, width), c / math.sqrt(width))
        x = relu(layer(x))
        sizes.append(math.sqrt((x.data.astype(np.float64) ** 2).mean()))
    return sizes


def measure_sizes() -> dict[float, list[float]]:
    """Print and return what becomes of a signal for four sizes of the first weights."""
    measured = {c: sizes_through_layers(c) for c in (0.3, 1.0, math.sqrt(6), 5.0)}
    print("    c       1 layer   2 layers   5 layers  10 layers")
    for c, sizes in measured.items():
        print(f"    {c:4.2f} " + " ".join(f"{sizes[n - 1]:10.2g}" for n in (1, 2, 5, 10)))
    return measured


# %% [markdown]
"""
## The module test, and what you have
All of it at once: build the network, look at it, save it, load it into another one, and compare what the two compute.
"""


# %%
def test_module() -> None:
    """🧪 Module 03: a network is built, counted, switched, saved and loaded."""
    model = Sequential(mlp(), Dropout(0.5))
    names = [f"0.{i}.{kind}" for i in (1, 3, 5) for kind in ("weight", "bias")]
    assert [name for name, _ in model.named_parameters()] == names
    assert sum(parameter.size for parameter in model.parameters()) == 235_146

    images = rand(32, 28, 28)
    assert model(images).shape == (32, 10)
    assert (model(images).data != model(images).data).any()
    model.eval()
    logits = model(images).data
    assert (logits == model(images).data).all()

    other = Sequential(mlp(), Dropout(0.5)).eval()
    assert (logits != other(images).data).any()
    other.load_state_dict(model.state_dict())
    assert (logits == other(images).data).all()

    # The chain, written as plain NumPy.
    arrays = [value.data for value in model.state_dict().values()]
    x = images.data.reshape(32, 784)
    x = np.maximum(x @ arrays[0].T + arrays[1], 0)
    x = np.maximum(x @ arrays[2].T + arrays[3], 0)
    assert np.allclose(logits, x @ arrays[4].T + arrays[5], atol=1e-5)
    print("Module 03: all is well.")


# %% [markdown]
"""
You built `Module`, which finds everything below it by looking at attributes, and four layers that contain nothing but
tensor operations. The same few lines hold a network of two layers and one of two hundred: a walk over a tree of
modules, and a dict of arrays by path.

A network can compute now, and it cannot learn. Two things are missing: a number that says how wrong it is (module 04),
and the way from that number back to each parameter (module 05).
"""


# %%
if __name__ == "__main__":
    test_unit_a_parameter_computes_as_a_tensor_and_its_results_are_plain()
    test_unit_calling_a_module_computes_its_forward()
    test_unit_attributes_are_picked_by_type_in_their_order()
    test_unit_modules_come_parents_first_and_once()
    test_unit_parameters_carry_their_paths_and_a_shared_one_comes_once()
    test_unit_a_list_hides_its_layers()
    test_unit_eval_and_train_reach_every_module()
    test_unit_buffers_are_kept_and_not_trained()
    test_unit_a_state_dict_has_every_value_by_path_and_copies_nothing()
    test_unit_loading_copies_all_or_nothing()
    test_unit_gradients_are_forgotten_and_parameters_frozen()
    test_unit_repr_nests()
    test_unit_uniform_parameters_fill_their_interval()
    test_unit_linear_is_weighted_sums_plus_bias()
    test_unit_linear_says_how_to_mend_the_shape()
    test_unit_dropout_keeps_the_mean_in_training_and_rests_in_use()
    test_unit_flatten_joins_axes()
    test_unit_sequential_is_a_chain_that_is_found()
    print("What the network weighs:")
    assert measure_weight() == (235_146, 940_584)
    print("What a forward pass costs:")
    assert measure_forward() == 469_504
    print("What Dropout costs:")
    measure_dropout()
    print("What survives ten layers:")
    for c, sizes in measure_sizes().items():
        assert 1 / 3 < sizes[-1] / (c / math.sqrt(6)) ** 10 < 3
    test_module()
