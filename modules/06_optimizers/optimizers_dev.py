# %% [markdown]
r"""
# 06 Optimizers
A gradient says which way is down, for each parameter, at the place where you stand. It does not say how far to go. An
optimizer decides that, and this module builds six of them. All have the same frame; each is a rule of a few lines.

**You have** parameters (03), losses (04) and `backward()` (05). **You build** the loop that steps, the rules of `SGD`,
`Adagrad`, `RMSprop`, `Adadelta`, `Adam` and `AdamW`, and what makes a thousand small parameters as quick as a large
one.

        loss
         |  \                          a step:   w  <-  w - lr * gradient
         |   o                         lr, the learning rate, says how far
         |    \ o
         |     '-. o      .-'
         |        '-.o.o-'
         +------------------- w

At the end you measure what an optimizer remembers of each parameter, and what a step costs.
"""

# %%
#| default_exp core.optimizers
#| doc Optimizers: rules that change parameters by their gradients, and what those rules remember.

# %% tags=["imports"]
#| export
from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import grad_mode, note_change
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy

# %% [markdown]
"""
## One step, by hand
Take the loss `w * w`. Its slope is `2 * w`. Start at `w = 1` with the learning rate 0.1:

    w       slope     w - 0.1 * slope
    1.0     2.0       0.8
    0.8     1.6       0.64
    0.64    1.28      0.512

Each step multiplies w by 0.8, so it shrinks to the minimum at 0 and never jumps over it. Now take the rate 1.1. The
factor is `1 - 1.1 * 2 = -1.2`: w jumps to the other side, a little further out each time. That is what a loss looks
like that grows to `nan`: not a bug in the gradient, a rate that is too large. The border is where the factor is -1.
Here that is the rate 1, in general 2 divided by the curvature.

This loop is all of training, and the two lines in it are all of an optimizer.
"""


# %%
import time

from tinytorch.core.layers import Linear, Parameter
from tinytorch.core.tensor import manual_seed


def slide(lr: float, steps: int) -> float:
    """Return where w is after some steps down ``w * w`` from 1."""
    w = Parameter([1.0])
    for _ in range(steps):
        w.zero_grad()
        (w * w).sum().backward()
        assert w.grad is not None
        w.data -= lr * w.grad.data
    return float(w.data[0])


def test_unit_a_step_by_hand() -> None:
    assert np.isclose(slide(0.1, 3), 0.512)
    assert abs(slide(1.1, 10)) > 6


# %% [markdown]
"""
## The frame
An optimizer is told at the beginning what it may change. Then three calls make a training step:

    optimizer = SGD(net.parameters(), lr=0.1)
    optimizer.zero_grad()      forget the gradients of the step before
    loss.backward()            make new ones
    optimizer.step()           move

Sometimes parts of a network want settings of their own: a smaller rate for the layers that know something already, no
weight decay for biases. So the parameters come in **groups**, each a dict with its own settings. What a group does not
say, it takes from the optimizer:

    SGD([{"params": body.parameters(), "lr": 0.01},
         {"params": head.parameters()}], lr=0.1)

The groups stay where everybody can reach them, in `optimizer.param_groups`. To change the rate in the middle of a
training, write into them: `optimizer.param_groups[0]["lr"] = 0.01`. The schedulers of module 07 do nothing else.

This cell is given. Most of it says what can be wrong with the arguments.
"""


# %% tags=["optimizer"]
#| export
Group = dict[str, Any]


class Optimizer:
    """Changes parameters by their gradients; what every optimizer has in common.

    A subclass says in `buffers` what it remembers of each parameter, and writes its rule, `update`.

    Parameters
    ----------
    params
        Tensors that require a gradient, or groups of them: dicts with ``"params"`` and settings of their own.
    defaults
        The settings of all groups that do not say otherwise.

    Attributes
    ----------
    param_groups
        The groups, each with all of its settings. They may be changed between two steps.
    state
        What is remembered of each parameter, once it has been changed: the number of steps, and an array by name.

    Raises
    ------
    TypeError
        If something is no tensor, or a lone tensor takes the place of a list.
    ValueError
        If there are no parameters, one comes twice, does not require a gradient, or was computed from others.

    Notes
    -----
    Source: ``torch.optim.Optimizer``.
    """

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        if isinstance(params, Tensor | Mapping):
            raise TypeError(
                f"{type(self).__name__} takes a list of tensors or of groups, but got one {type(params).__name__}. "
                "Put it into a list."
            )
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._packs: dict[Tensor, Pack] = {}
        self._last: tuple[Callable[[], Tensor | None], bytes] = (lambda: None, b"")  # a gradient of the last step
        self._warned = False
        given = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__} got no parameters. Is net.parameters() empty, or used up?")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with settings of their own; what the group does not say is taken from the defaults."""
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(
                f"a group of parameters is a dict with the key 'params', but got {type(param_group).__name__}."
            )
        group = {**self.defaults, **param_group}
        tensors = param_group["params"]
        group["params"] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        if unknown := sorted(group.keys() - self.defaults.keys() - {"params"}):
            raise ValueError(
                f"{type(self).__name__} has no setting {unknown[0]!r}. It has {', '.join(sorted(self.defaults))}."
            )
        self._check_params(group["params"])
        self.check(group)
        self.param_groups.append(group)

    def _check_params(self, params: list[Any]) -> None:
        taken = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{type(self).__name__} changes tensors, but got {type(p).__name__}.")
            if not p.requires_grad or not p.is_leaf:
                why = "requires no gradient" if not p.requires_grad else "was computed from others, so it has none"
                raise ValueError(
                    f"{type(self).__name__} was given a tensor of shape {p.shape} that {why}. Give it parameters: "
                    "leaves with requires_grad=True."
                )
            if id(p) in taken:
                raise ValueError(f"a parameter of shape {p.shape} comes twice; it would be changed twice in one step.")
            taken.add(id(p))

    def check(self, group: Group) -> None:
        """Raise a ValueError if a setting of the group is out of its range."""
        for name in ("lr", "eps", "weight_decay"):
            if not 0 <= group.get(name, 0) < math.inf:
                raise ValueError(f"{type(self).__name__}: {name} must be 0 or more, but got {group[name]}.")

    def buffers(self, group: Group) -> tuple[str, ...]:
        """Return the names of the arrays that the rule remembers of each parameter of a group."""
        return ()

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w`, and the arrays in `state`, in place; every subclass writes its own.

        Parameters
        ----------
        w, grad
            Values and their gradient, one axis.
        state
            An array of the same length for each name in ``buffers(group)``, zeros at first.
        step
            Which step this is; 1 is the first.
        group
            The settings.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update().")

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            settings = ", ".join(f"{name}={value}" for name, value in group.items() if name != "params")
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return "\n".join([f"{type(self).__name__} (", *lines, ")"])


# %%
def message_of(call: Callable[[], object]) -> str:
    """Return the message of the error that `call` raises."""
    try:
        call()
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        return str(error)
    raise AssertionError("no error was raised")


def test_unit_groups_take_what_they_do_not_say_from_the_optimizer() -> None:
    body, head = Linear(2, 2), Linear(2, 1)
    groups = [{"params": body.parameters(), "lr": 0.01}, {"params": head.parameters()}]
    optimizer = Optimizer(groups, {"lr": 0.1})
    assert [(len(group["params"]), group["lr"]) for group in optimizer.param_groups] == [(2, 0.01), (2, 0.1)]
    assert "comes twice" in message_of(lambda: Optimizer([head.weight, head.weight], {}))
    assert "Put it into a list" in message_of(lambda: Optimizer(head.weight, {}))  # type: ignore[arg-type]


# %% [markdown]
"""
## Forgetting
Gradients add up in a leaf (module 05), so somebody has to forget them before each `backward()`. `net.zero_grad()` does
it for a network; an optimizer does it for what it changes.

**Exercise**: `zero_grad`. With `set_to_none=True` the gradient becomes None, and `step()` will leave that parameter
alone. With False, a gradient that is there becomes zeros: then momentum goes on moving the parameter.
"""


# %% tags=["zero_grad"]
#| export
class Optimizer(Optimizer):
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that are there to zeros."""
        ### BEGIN SOLUTION
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = from_numpy(np.zeros_like(p.grad.data))
        ### END SOLUTION


# %%
def test_unit_zero_grad_forgets_or_sets_to_zeros() -> None:
    a, b = Parameter([1.0]), Parameter([2.0])
    optimizer = Optimizer([a, b], {})
    a.grad = Tensor([4.0])
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is not None
    assert (a.grad.tolist(), b.grad) == ([0.0], None)
    optimizer.zero_grad()
    assert a.grad is None


# %% [markdown]
"""
## A step
`step()` goes through the groups, and in each through the parameters that have a gradient. It counts the step and hands
the rule four things:

    w        the values             to be changed in place
    grad     their gradient
    state    what the rule remembers: an array for each name in `buffers(group)`, zeros at the beginning
    step     how many steps these values have seen, this one included

A rule works element by element, so it does not matter to it which parameter an element belongs to: it gets all arrays
with one axis. That makes two things easy. A large parameter is worked on a piece at a time, and many small ones
together. `parts` does both, below. For now, read it as "the parameters, one by one".

**Exercise**: `step`. In each group take the parameters that have a gradient; for each part of them, `w, grad, state,
step`, call the rule, `self.update`.

A `closure`, if there is one, computes the loss and its gradients again; optimizers that try several steps call it.
"""


# %% tags=["step"]
#| export
class Optimizer(Optimizer):
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once.

        Parameters
        ----------
        closure
            Computes the loss and its gradients, first.

        Returns
        -------
        object
            What `closure` returned.

        Warns
        -----
        StaleGradientWarning
            Once, if no ``backward()`` came since the last step.
        """
        loss = None
        if closure is not None:
            with grad_mode(True):
                loss = closure()
        self._check_new()
        ### BEGIN SOLUTION
        for group in self.param_groups:
            ready = [p for p in group["params"] if p.grad is not None]
            for w, grad, state, step in self.parts(ready, group):
                self.update(w, grad, state, step, group)
        ### END SOLUTION
        return loss

    def _check_new(self) -> None:
        """Warn if the first gradient is the one of the last step."""
        grads = (p.grad for group in self.param_groups for p in group["params"])
        first: Tensor | None = next((grad for grad in grads if grad is not None), None)
        if first is None:
            return
        some = first.data.flat[:: max(1, first.data.size // 8)].tobytes()  # somebody may write into it in place
        before, values = self._last
        if before() is first and values == some and first.data.any() and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__}.step() meets the gradients of the step before: no backward() came in between. "
                "Call backward() before each step().",
                StaleGradientWarning,
                stacklevel=3,
            )
        self._last = weakref.ref(first), some


class StaleGradientWarning(UserWarning):
    """A step is taken with gradients that were made for the step before."""


# %% [markdown]
"""
## Pieces and packs
This cell is given; what it costs to do without is measured at the end.

**A large parameter in pieces.** A million values do not fit into the processor's cache. Adam's rule reads and writes
its arrays a dozen times, and each time they would come from memory anew. In pieces of 32,768 elements they come once.

**Many small ones in a pack.** Each operation of NumPy costs about a microsecond before it has touched an element. A
thousand biases times a dozen operations are twelve milliseconds of nothing. So small parameters are laid side by side,
as many as make a piece:

    b1 [1 2]   b2 [3]   b3 [4 5 6]       gather       w  [1 2 3 4 5 6]      the rule runs once
                                         scatter      b1 [...]  b2 [...]  b3 [...]

What is remembered of them stays side by side from step to step.

`parts` is a generator: what stands after a `yield` runs when the rule is done with that part. There the values are put
back, and the engine is told that they were changed. If a loss from before this step is asked for its gradient later,
the engine finds that the values it saved are gone, and says so.

**Exercise**: `gather` and `scatter`. `np.concatenate` lays arrays with one axis side by side; `self.pieces` holds the
slice of each parameter.
"""


# %% tags=["pack"]
#| export
PIECE = 1 << 15  # elements that are worked on at a time
SMALL = 1 << 14  # elements up to which a parameter is packed with others


class Pack:
    """Small parameters side by side, with what is remembered of them.

    Parameters
    ----------
    params
        Tensors of one dtype.
    states
        What is remembered of each; the arrays in them become parts of the pack's.
    names
        Of these arrays.
    """

    def __init__(self, params: Sequence[Tensor], states: Sequence[dict[str, Any]], names: tuple[str, ...]) -> None:
        ends = np.cumsum([p.size for p in params]).tolist()
        self.params = params
        self.pieces = [slice(end - p.size, end) for p, end in zip(params, ends, strict=True)]
        self.state = {name: np.concatenate([state[name].reshape(-1) for state in states]) for name in names}
        for p, state, piece in zip(params, states, self.pieces, strict=True):
            state.update({name: array[piece].reshape(p.shape) for name, array in self.state.items()})

    def gather(self, arrays: Iterable[Array]) -> FloatArray:
        """Return arrays of the parameters' shapes side by side, with one axis."""
        ### BEGIN SOLUTION
        return np.concatenate([array.reshape(-1) for array in arrays])
        ### END SOLUTION

    def scatter(self, w: FloatArray) -> None:
        """Write values that stand side by side into the arrays of the parameters, in place."""
        ### BEGIN SOLUTION
        for p, piece in zip(self.params, self.pieces, strict=True):
            p.data[...] = w[piece].reshape(p.shape)
        ### END SOLUTION

    def is_of(self, params: Sequence[Tensor], names: tuple[str, ...]) -> bool:
        """Return whether the pack is of these parameters, and remembers arrays of these names."""
        same = len(params) == len(self.params) and all(a is b for a, b in zip(params, self.params, strict=True))
        return same and tuple(self.state) == names


Part = tuple[FloatArray, FloatArray, dict[str, FloatArray], int]


def in_pieces(w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int) -> Iterator[Part]:
    """Yield the same pieces of all arrays."""
    for start in range(0, w.size, PIECE):
        piece = slice(start, start + PIECE)
        yield w[piece], grad[piece], {name: array[piece] for name, array in state.items()}, step


def gradient_of(p: Tensor) -> FloatArray:
    """Return the gradient of a parameter that has one."""
    assert p.grad is not None
    return p.grad.data


def that_fit_together(params: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Yield the parameters in lists of `PIECE` elements at most, or of one parameter."""
    few: list[Tensor] = []
    elements = 0
    for p in params:
        if few and elements + p.size > PIECE:
            yield few
            few, elements = [], 0
        few.append(p)
        elements += p.size
    if few:
        yield few


class Optimizer(Optimizer):
    def parts(self, params: Iterable[Tensor], group: Group) -> Iterator[Part]:
        """Count a step for each parameter, and yield all of their values in parts; take the changed ones back."""
        names, done = self.buffers(group), f"{type(self).__name__}.step()"
        small: dict[Any, list[Tensor]] = {}
        for p in params:
            state = self._state_of(p, names, group)
            state["step"] += 1
            if p.size <= SMALL or not p.data.flags.c_contiguous:
                small.setdefault((p.dtype, state["step"]), []).append(p)
                continue
            remembered = {name: state[name].reshape(-1) for name in names}
            yield from in_pieces(p.data.reshape(-1), gradient_of(p).reshape(-1), remembered, state["step"])
            note_change(p.data, done)
        for (_, step), alike in small.items():
            for few in that_fit_together(alike):
                pack = self._pack_of(few, names)
                w = pack.gather(p.data for p in few)
                yield w, pack.gather(gradient_of(p) for p in few), pack.state, step
                pack.scatter(w)
                for p in few:
                    note_change(p.data, done)

    def _state_of(self, p: Tensor, names: tuple[str, ...], group: Group) -> dict[str, Any]:
        """Return what is remembered of a parameter; what is not there yet begins now."""
        state = self.state.setdefault(p, {"step": 0})
        for name in names:
            if name not in state:
                state[name] = np.full(p.shape, self.first(name, group), p.dtype)
        return state

    def first(self, name: str, group: Group) -> float:
        """Return what the array `name` is filled with at the beginning."""
        return 0.0

    def _pack_of(self, params: list[Tensor], names: tuple[str, ...]) -> Pack:
        """Return the pack of some parameters: that of the last step if it is of these and of no others."""
        pack = self._packs.get(params[0])
        if pack is None or not pack.is_of(params, names) or any(self._packs.get(p) is not pack for p in params):
            pack = Pack(params, [self.state[p] for p in params], names)
            self._packs.update(dict.fromkeys(params, pack))
        return pack


# %%
class Halve(Optimizer):
    """Halves the values, whatever the gradient."""

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        w /= 2


def test_unit_a_step_changes_what_has_a_gradient() -> None:
    a, b, large = Parameter([2.0, 4.0]), Parameter([[6.0]]), Parameter(np.full((300, 300), 8.0, np.float32))
    kept = a.data
    optimizer = Halve([a, b, large], {})
    a.grad, large.grad = Tensor([1.0, 1.0]), Tensor(np.ones((300, 300)))
    optimizer.step()
    assert a.data is kept
    assert (a.tolist(), b.tolist(), large.data.min(), large.data.max()) == ([1.0, 2.0], [[6.0]], 4.0, 4.0)
    assert [optimizer.state[p]["step"] for p in (a, large)] == [1, 1]


def test_unit_a_pack_lays_arrays_side_by_side() -> None:
    a, b = Parameter([1.0, 2.0]), Parameter([[3.0], [4.0]])
    pack = Pack([a, b], [{"sum": np.zeros(2)}, {"sum": np.ones((2, 1))}], ("sum",))
    assert pack.gather([a.data, b.data]).tolist() == [1.0, 2.0, 3.0, 4.0]
    assert pack.state["sum"].tolist() == [0.0, 0.0, 1.0, 1.0]
    pack.scatter(np.array([5.0, 6.0, 7.0, 8.0]))
    assert (a.tolist(), b.tolist()) == ([5.0, 6.0], [[7.0], [8.0]])


def test_unit_the_same_gradient_twice_is_worth_a_warning() -> None:
    a = Parameter([2.0])
    optimizer = Halve([a], {})
    a.grad = Tensor([1.0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            optimizer.step()
    assert [warning.category for warning in caught] == [StaleGradientWarning]


# %% [markdown]
"""
## Saving an optimizer
A training that is stopped and goes on must not forget what its optimizer remembers: Adam without its means would begin
anew, with the bias correction of step 1. So an optimizer has a state dict as well. It cannot use names, since it knows
none; it **numbers** the parameters, group after group, in their order:

    {"state":        {0: {"step": 5, "exp_avg": ..., "exp_avg_sq": ...}, 1: ...},
     "param_groups": [{"lr": 0.1, ..., "params": [0, 1]}]}

The keys are PyTorch's, and so are the names of the arrays below, so that a training can go on there. Arrays become
tensors that share their memory: like the state dict of a module it is no snapshot.

**Exercise**: `state_dict`. `numbers` maps each parameter to its number. A parameter that was never changed has no
state.
"""


# %% tags=["state_dict"]
#| export
class Optimizer(Optimizer):
    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered, by the numbers of the parameters, and the settings of the groups."""
        params = [p for group in self.param_groups for p in group["params"]]
        numbers = {p: number for number, p in enumerate(params)}
        ### BEGIN SOLUTION
        state = {numbers[p]: _as_tensors(remembered) for p, remembered in self.state.items()}
        groups = [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        ### END SOLUTION
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what another optimizer of the same kind remembered, and its settings; all or nothing.

        Parameters
        ----------
        state_dict
            As from `state_dict`; values are copied.

        Raises
        ------
        ValueError
            If the groups have other sizes, a shape differs, or the rule lacks an array.
        """
        saved = list(state_dict["param_groups"])
        sizes, own = [len(group["params"]) for group in saved], [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise ValueError(f"load_state_dict: the state has groups of {sizes} parameters, but this optimizer {own}.")
        numbers = [number for group in saved for number in group["params"]]
        groups = [
            {**mine, **{name: value for name, value in theirs.items() if name in mine and name != "params"}}
            for mine, theirs in zip(self.param_groups, saved, strict=True)
        ]
        state: dict[Tensor, dict[str, Any]] = {}
        places = iter(numbers)
        for group in groups:
            for p in group["params"]:
                number = next(places)
                if number in state_dict["state"]:
                    state[p] = _fitting(state_dict["state"][number], p, self.buffers(group), number)
        for mine, new in zip(self.param_groups, groups, strict=True):
            mine.update(new)
        self.state, self._packs = state, {}


def _as_tensors(remembered: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: from_numpy(value if isinstance(value, np.ndarray) else np.asarray(value, np.float32))
        for name, value in remembered.items()
    }


def _fitting(saved: Mapping[str, Any], p: Tensor, names: tuple[str, ...], number: int) -> dict[str, Any]:
    """Return copies of the saved arrays of a parameter, if they are those that the rule needs."""
    arrays = {
        name: np.asarray(value.data if isinstance(value, Tensor) else value)
        for name, value in saved.items()
        if value is not None
    }
    state: dict[str, Any] = {"step": int(arrays.pop("step", 1))}
    for name in names:
        if name not in arrays:
            raise ValueError(f"load_state_dict: the state of parameter {number} has no {name!r}.")
        if arrays[name].shape != p.shape:
            raise ValueError(
                f"load_state_dict: {name!r} of parameter {number} has shape {arrays[name].shape}, but the parameter "
                f"{p.shape}."
            )
        state[name] = arrays[name].astype(p.dtype)
    return state


# %%
class Rolling(Optimizer):
    """Adds each gradient to a velocity, and steps by it."""

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("velocity",)

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        state["velocity"] += grad
        w -= state["velocity"]


def test_unit_an_optimizer_goes_on_where_another_one_stopped() -> None:
    a, b = Parameter([1.0, 2.0]), Parameter([1.0, 2.0])
    first, second = Rolling([a], {}), Rolling([b], {})
    for gradient in ([1.0, -1.0], [0.5, 3.0]):
        a.grad = Tensor(gradient)
        first.step()
    state = first.state_dict()
    assert state["param_groups"] == [{"params": [0]}]
    assert (state["state"][0]["step"].item(), state["state"][0]["velocity"].tolist()) == (2.0, [1.5, 2.0])
    second.load_state_dict(state)
    b.data[...] = a.data
    for p, optimizer in ((a, first), (b, second)):
        p.grad = Tensor([2.0, 2.0])
        optimizer.step()
    assert a.tolist() == b.tolist()


# %% [markdown]
"""
## SGD: down the slope, with momentum
The plain step is `w -= lr * grad`. It has a weakness. Take a long valley, `(x**2 + 100 * y**2) / 2`: flat along x, a
hundred times steeper along y. The rate must stay below `2 / 100`, or y blows up. And with such a rate x crawls.

**Momentum** remembers the steps before, as a rolling ball does. Across the valley the slopes change sign and cancel;
along it they add up:

    velocity = momentum * velocity + grad          the first step: velocity = grad
    w -= lr * velocity

With a constant gradient and momentum 0.9, the velocity grows to `1 + 0.9 + 0.81 + ... = 10` times the gradient. So
momentum is also ten times the rate: who switches it on should turn `lr` down.

**Nesterov** looks ahead: it steps along `grad + momentum * velocity`, as if the velocity had been applied already.
**Dampening** d adds only `(1 - d) * grad` to the velocity, except in the first step. **Weight decay** adds
`weight_decay * w` to the gradient: a slope towards 0, so that values that nothing needs fade away.

**Exercise**: `update`. Do not change `grad` in place: it belongs to the parameter. `grad = grad + ...` makes a new
array.
"""


# %% tags=["sgd"]
#| export
class SGD(Optimizer):
    """Steps down the slope, with momentum if wanted.

    Parameters
    ----------
    params
        Tensors that require a gradient, or groups of them.
    lr
        The learning rate: how far to go.
    momentum
        How much of the velocity stays from one step to the next.
    dampening
        How much of the gradient does not go into the velocity.
    weight_decay
        How much of the values is added to the gradient.
    nesterov
        Whether to step along the velocity of the next step.
    maximize
        Whether to go up.

    Notes
    -----
    Memory: nothing, or one array for each parameter with momentum.
    Source: ``torch.optim.SGD``; I. Sutskever et al., On the importance of initialization and momentum in deep learning,
    ICML 2013.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def check(self, group: Group) -> None:
        """Raise a ValueError if a setting of the group is out of its range."""
        super().check(group)
        if group["momentum"] < 0:
            raise ValueError(f"SGD: momentum must be 0 or more, but got {group['momentum']}.")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov=True needs a momentum above 0, and no dampening.")

    def buffers(self, group: Group) -> tuple[str, ...]:
        """Return the name of the velocity, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w` by its velocity."""
        grad = with_decay(w, grad, group)
        ### BEGIN SOLUTION
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= group["momentum"]
            velocity += grad if step == 1 else (1 - group["dampening"]) * grad
            grad = grad + group["momentum"] * velocity if group["nesterov"] else velocity
        w -= group["lr"] * grad
        ### END SOLUTION


def with_decay(w: FloatArray, grad: FloatArray, group: Group) -> FloatArray:
    """Return the gradient with the slope of the weight decay added; its negative first, to go up."""
    if group["maximize"]:
        grad = -grad
    return grad + group["weight_decay"] * w if group["weight_decay"] else grad


# %%
def walk_down(make: Callable[[list[Tensor]], Optimizer], steps: int) -> list[float]:
    """Return where an optimizer is after some steps down the valley ``(x**2 + 100 * y**2) / 2`` from (1, 1)."""
    place = Parameter(np.array([1.0, 1.0]))
    optimizer = make([place])
    for _ in range(steps):
        optimizer.zero_grad()
        (place * place * Tensor([0.5, 50.0])).sum().backward()
        optimizer.step()
    return [float(value) for value in place.data]


def test_unit_sgd_is_the_step_by_hand() -> None:
    w = Parameter([1.0])
    optimizer = SGD([w], lr=0.1)
    for expected in (0.8, 0.64, 0.512):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
        assert np.isclose(w.data[0], expected)


def test_unit_momentum_adds_up_along_a_slope() -> None:
    w = Parameter([0.0])
    optimizer = SGD([w], lr=1.0, momentum=0.9)
    moves = []
    for _ in range(3):
        before = w.item()
        w.grad = Tensor([-1.0])
        optimizer.step()
        moves.append(w.item() - before)
    assert np.allclose(moves, [1.0, 1.9, 2.71])
    assert w.grad is not None
    assert w.grad.tolist() == [-1.0]


def test_unit_momentum_is_quicker_in_a_valley() -> None:
    plain = walk_down(lambda params: SGD(params, lr=0.018), 100)
    rolling = walk_down(lambda params: SGD(params, lr=0.018, momentum=0.9), 100)
    assert abs(plain[0]) > 0.1
    assert abs(rolling[0]) < 0.01


# %% [markdown]
"""
## A rate for each element
In the valley one rate serves two directions badly. Why not a rate for each? The size of an element's gradients tells
how steep it is there. So remember their squares, and divide by the root:

    Adagrad     total  = total + grad**2                             w -= lr * grad / (sqrt(total) + eps)
    RMSprop     square = alpha * square + (1 - alpha) * grad**2      w -= lr * grad / (sqrt(square) + eps)

The units say what has happened. If w is in metres and the loss in euros, the gradient is in euros a metre, and `lr *
grad` is metres only if `lr` carries the rest. `grad / sqrt(total)` has no unit: it is about 1, whatever the gradient's
size. So **the rate is now the length of a step**, and the same `lr` serves losses of any size.

Adagrad's total only grows, so its steps shrink for ever: after n equal gradients by `1 / sqrt(n)`. That suits rare
features, and ends long trainings early. RMSprop forgets with the factor `alpha`, so its steps do not end.

`eps` keeps 0 from dividing 0.

**Exercises**: the two rules. Adagrad's rate is `lr / (1 + (step - 1) * lr_decay)`. RMSprop can do two things more,
which are given: `centered` subtracts the square of the mean gradient, and `momentum` adds up the steps.
"""


# %% tags=["adagrad"]
#| export
class Adagrad(Optimizer):
    """Divides each element's steps by the root of the sum of its squared gradients.

    Parameters
    ----------
    params
        Tensors that require a gradient, or groups of them.
    lr
        The length of the first step.
    lr_decay
        How much the rate falls with each step.
    weight_decay
        How much of the values is added to the gradient.
    initial_accumulator_value
        What the sums begin with.
    eps
        What is added to the root.
    maximize
        Whether to go up.

    Notes
    -----
    Memory: one array for each parameter.
    Source: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods, JMLR 12, 2011; ``torch.optim.Adagrad``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )

    def buffers(self, group: Group) -> tuple[str, ...]:
        """Return the name of the sum of squares."""
        return ("sum",)

    def first(self, name: str, group: Group) -> float:
        """Return what the sum begins with."""
        return float(group["initial_accumulator_value"])

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w` by its gradient over the root of `sum`."""
        grad = with_decay(w, grad, group)
        lr, eps = group["lr"] / (1 + (step - 1) * group["lr_decay"]), group["eps"]
        ### BEGIN SOLUTION
        total = state["sum"]
        total += grad * grad
        w -= lr * grad / (np.sqrt(total) + eps)
        ### END SOLUTION


# %% tags=["rmsprop"]
#| export
class RMSprop(Optimizer):
    """Divides each element's steps by the root of the mean of its last squared gradients.

    Parameters
    ----------
    params
        Tensors that require a gradient, or groups of them.
    lr
        About the length of a step.
    alpha
        How much of the mean stays from one step to the next.
    eps
        What is added to the root.
    weight_decay
        How much of the values is added to the gradient.
    momentum
        How much of the last step is added to this one.
    centered
        Whether to divide by the standard deviation: the mean is subtracted.
    maximize
        Whether to go up.

    Notes
    -----
    Memory: one array for each parameter; one more with momentum, and one more if centered.
    Source: G. Hinton, Neural networks for machine learning, lecture 6, 2012; ``torch.optim.RMSprop``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def check(self, group: Group) -> None:
        """Raise a ValueError if a setting of the group is out of its range."""
        super().check(group)
        for name in ("alpha", "momentum"):
            if group[name] < 0:
                raise ValueError(f"RMSprop: {name} must be 0 or more, but got {group[name]}.")

    def buffers(self, group: Group) -> tuple[str, ...]:
        """Return the names of the means, and of the velocity."""
        return ("square_avg", *["momentum_buffer"] * bool(group["momentum"]), *["grad_avg"] * bool(group["centered"]))

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w` by its gradient over the root of `square_avg`."""
        grad = with_decay(w, grad, group)
        square, alpha = state["square_avg"], group["alpha"]
        ### BEGIN SOLUTION
        square *= alpha
        square += (1 - alpha) * grad * grad
        ### END SOLUTION
        spread = square
        if group["centered"]:
            mean = state["grad_avg"]
            mean += (1 - alpha) * (grad - mean)
            spread = square - mean * mean
        ### BEGIN SOLUTION
        change = grad / (np.sqrt(spread) + group["eps"])
        ### END SOLUTION
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= group["momentum"]
            velocity += change
            change = velocity
        w -= group["lr"] * change


# %%
def moves_of(optimizer: Optimizer, w: Parameter, gradients: list[float]) -> list[float]:
    """Return by how much each of some gradients in turn moves w."""
    moves = []
    for gradient in gradients:
        before = w.item()
        w.grad = Tensor([gradient])
        optimizer.step()
        moves.append(before - w.item())
    return moves


def test_unit_adagrad_takes_shorter_and_shorter_steps() -> None:
    w = Parameter(np.array([0.0]))
    assert np.allclose(moves_of(Adagrad([w], lr=0.1), w, [7.0, 7.0, 7.0]), [0.1, 0.1 / 2**0.5, 0.1 / 3**0.5])


def test_unit_rmsprop_forgets() -> None:
    w = Parameter(np.array([0.0]))
    moves = moves_of(RMSprop([w], lr=0.1, alpha=0.5), w, [4.0] * 20)
    assert np.isclose(moves[0], 0.1 * 4 / 8**0.5)
    assert np.isclose(moves[-1], 0.1)


# %% [markdown]
"""
## Adadelta: no rate at all?
Adadelta asks where the unit went. A step ought to be in the unit of w, metres. What else is in metres? The steps
before. So it remembers their squares as well, and multiplies:

    square = rho * square + (1 - rho) * grad**2
    change = sqrt(delta + eps) / sqrt(square + eps) * grad
    delta  = rho * delta + (1 - rho) * change**2
    w     -= lr * change                                           lr is 1

The first step has no steps before it; `eps` starts things off, at `sqrt(eps)`, a thousandth. So Adadelta begins slowly.

**Exercise**: `update`. Mind the order: this step's `change` must not be in `delta` yet when it is computed.
"""


# %% tags=["adadelta"]
#| export
class Adadelta(Optimizer):
    """Makes each element's steps as long as its steps before, in the root of the mean square.

    Parameters
    ----------
    params
        Tensors that require a gradient, or groups of them.
    lr
        What the steps are multiplied by.
    rho
        How much of the means stays from one step to the next.
    eps
        What is added to the mean squares before their roots are taken.
    weight_decay
        How much of the values is added to the gradient.
    maximize
        Whether to go up.

    Notes
    -----
    Memory: two arrays for each parameter.
    Source: M. Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701; ``torch.optim.Adadelta``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def check(self, group: Group) -> None:
        """Raise a ValueError if a setting of the group is out of its range."""
        super().check(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: rho must be between 0 and 1, but got {group['rho']}.")

    def buffers(self, group: Group) -> tuple[str, ...]:
        """Return the names of the two mean squares."""
        return ("square_avg", "acc_delta")

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w` by steps of the size of those before."""
        grad = with_decay(w, grad, group)
        square, delta = state["square_avg"], state["acc_delta"]
        rho, eps = group["rho"], group["eps"]
        ### BEGIN SOLUTION
        square *= rho
        square += (1 - rho) * grad * grad
        change = np.sqrt(delta + eps) / np.sqrt(square + eps) * grad
        delta *= rho
        delta += (1 - rho) * change * change
        w -= group["lr"] * change
        ### END SOLUTION


# %%
def test_unit_adadelta_begins_with_the_root_of_eps() -> None:
    w = Parameter(np.array([0.0]))
    moves = moves_of(Adadelta([w], rho=0.9, eps=1e-6), w, [5.0, 5.0])
    assert np.isclose(moves[0], 1e-3 / (0.1 * 25 + 1e-6) ** 0.5 * 5)
    assert moves[1] > moves[0] / 2


# %% [markdown]
"""
## Adam: momentum and a rate for each element
Adam remembers both means, that of the gradients and that of their squares:

    mean   = beta1 * mean   + (1 - beta1) * grad            beta1 = 0.9
    square = beta2 * square + (1 - beta2) * grad**2         beta2 = 0.999

Both begin at 0, and so they are too small at first. How much? After n equal gradients g, `mean` is `(1 - beta1**n) *
g`:

    step       1       2       3       10      100
    mean / g   0.1     0.19    0.271   0.651   1.000
    square     0.001   0.002   0.003   0.010   0.095     times g**2

So divide each by its factor. This is the **bias correction**, and without it the first step would be `0.1 /
sqrt(0.001)`, three times too long:

    w -= lr * (mean / (1 - beta1**n)) / (sqrt(square / (1 - beta2**n)) + eps)

Now the first step is `lr * g / |g|`: its length is `lr`, whatever the gradient.

**Exercise**: Adam's rule. `factor1` and `factor2` are the two factors. With `amsgrad` (given) the largest square so far
takes the place of the square.
"""


# %% tags=["adam"]
#| export
class Adam(Optimizer):
    """Divides the mean of each element's last gradients by the root of their mean square.

    Parameters
    ----------
    params
        Tensors that require a gradient, or groups of them.
    lr
        About the length of a step.
    betas
        How much of the mean, and of the mean square, stays from one step to the next.
    eps
        What is added to the root.
    weight_decay
        How much of the values is added to the gradient.
    amsgrad
        Whether to divide by the root of the largest mean square so far.
    maximize
        Whether to go up.

    Notes
    -----
    Memory: two arrays for each parameter; three with `amsgrad`.
    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, arXiv:1412.6980; ``torch.optim.Adam``.

    Examples
    --------
    >>> w = Tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9, 99.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def check(self, group: Group) -> None:
        """Raise a ValueError if a setting of the group is out of its range."""
        super().check(group)
        for i, beta in enumerate(group["betas"]):
            if not 0 <= beta < 1:
                raise ValueError(f"{type(self).__name__}: betas[{i}] must be 0 or more and below 1, but got {beta}.")

    def buffers(self, group: Group) -> tuple[str, ...]:
        """Return the names of the two means, and of the largest."""
        return ("exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * bool(group["amsgrad"]))

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w` by the mean gradient over the root of the mean square."""
        self.change(w, with_decay(w, grad, group), state, step, group)

    def change(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Change `w` as Adam does, with a gradient that has its weight decay already."""
        beta1, beta2 = group["betas"]
        factor1, factor2 = 1 - beta1**step, 1 - beta2**step
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        ### BEGIN SOLUTION
        mean += (1 - beta1) * (grad - mean)
        square *= beta2
        square += (1 - beta2) * grad * grad
        ### END SOLUTION
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            np.maximum(largest, square, out=largest)
            square = largest
        ### BEGIN SOLUTION
        w -= group["lr"] / factor1 * mean / (np.sqrt(square) / math.sqrt(factor2) + group["eps"])
        ### END SOLUTION


# %%
def test_unit_adams_first_step_is_as_long_as_the_rate() -> None:
    for gradient in (1e-3, 5.0, -400.0):
        w = Parameter(np.array([0.0]))
        (move,) = moves_of(Adam([w], lr=0.1), w, [gradient])
        assert np.isclose(move, math.copysign(0.1, gradient), rtol=1e-4)


def test_unit_adam_corrects_its_bias() -> None:
    w = Parameter(np.array([0.0]))
    assert np.allclose(moves_of(Adam([w], lr=0.1), w, [3.0] * 10), 0.1)


# %% [markdown]
"""
## AdamW: a decay that decays
Adam with weight decay does not do what its name says. The decay `weight_decay * w` goes into the gradient, the gradient
is divided by its own size, and so is the decay: an element with large gradients hardly fades. AdamW takes the decay out
of the gradient and applies it to the values:

    w *= 1 - lr * weight_decay
    w as Adam changes it, without weight decay

**Exercise**: AdamW's `update`. `self.change` is Adam's rule; to go up (`maximize`), pass the gradient's negative.
"""


# %% tags=["adamw"]
#| export
class AdamW(Adam):
    """Adam, with a weight decay that shrinks the values themselves.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize
        As for `Adam`.
    weight_decay
        By how much, times `lr`, each step shrinks the values.

    Notes
    -----
    Memory: as `Adam`.
    Source: I. Loshchilov and F. Hutter, Decoupled weight decay regularization, arXiv:1711.05101; ``torch.optim.AdamW``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def update(self, w: FloatArray, grad: FloatArray, state: dict[str, FloatArray], step: int, group: Group) -> None:
        """Shrink `w`, then change it as Adam does."""
        ### BEGIN SOLUTION
        w *= 1 - group["lr"] * group["weight_decay"]
        self.change(w, -grad if group["maximize"] else grad, state, step, group)
        ### END SOLUTION


# %%
def test_unit_adamw_shrinks_large_gradients_or_small_alike() -> None:
    for gradient in (1e-3, 1e3):
        w = Parameter(np.array([1.0]))
        (move,) = moves_of(AdamW([w], lr=0.1, weight_decay=0.5), w, [gradient])
        assert np.isclose(1 - move, 1 * (1 - 0.1 * 0.5) - 0.1, rtol=1e-4)


# %% [markdown]
"""
## Questions that measure something
### How much does an optimizer remember?
A network of n parameters in float32 has 4n bytes of values and as much of gradients while it learns. What comes on top?

**For thought**: a network of a billion parameters is trained with Adam. How many gigabytes does it need before the
first image comes?
"""


# %%
def bytes_remembered(optimizer: Optimizer, p: Parameter) -> float:
    """Return how many bytes are remembered of each element of a parameter after one step."""
    p.grad = from_numpy(np.ones_like(p.data))
    optimizer.step()
    arrays = [array for array in optimizer.state[p].values() if isinstance(array, np.ndarray)]
    return sum(array.nbytes for array in arrays) / p.size


RULES: dict[str, Callable[[list[Any]], Optimizer]] = {
    "SGD": lambda params: SGD(params, lr=0.01),
    "SGD, momentum": lambda params: SGD(params, lr=0.01, momentum=0.9),
    "Adagrad": Adagrad,
    "RMSprop": RMSprop,
    "Adadelta": Adadelta,
    "Adam": Adam,
    "AdamW": AdamW,
}


def experiment_memory() -> None:
    for name, make in RULES.items():
        p = Parameter(np.zeros(1000, np.float32))
        print(f"{name:14} {bytes_remembered(make([p]), p):2.0f} bytes for each parameter")


def test_unit_memory_is_counted() -> None:
    p = Parameter(np.zeros(1000, np.float32))
    assert bytes_remembered(Adam([p]), p) == 8


# %% [markdown]
"""
### Is a thousand small parameters a thousand times one?
Compare a step of Adam on one parameter of a thousand elements, on a thousand of them, and on one of a million. Without
packs the second took about a hundred times as long as now for small ones; try it: set `SMALL = 0`.
"""


# %%
def seconds_of_a_step(sizes: list[int]) -> float:
    """Return the median time of a step of Adam on parameters of some sizes."""
    params = [Parameter(np.zeros(size, np.float32)) for size in sizes]
    optimizer, times = Adam(params), []
    for _ in range(7):
        for p in params:
            p.grad = from_numpy(np.ones_like(p.data))
        start = time.perf_counter()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def experiment_time() -> None:
    for name, sizes in {
        "one of 10": [10],
        "a thousand of 10": [10] * 1000,
        "one of 1,000": [1000],
        "a thousand of 1,000": [1000] * 1000,
        "one of 1,000,000": [1_000_000],
    }.items():
        print(f"{name:20} {1e3 * seconds_of_a_step(sizes):7.2f} ms")


# %% [markdown]
"""
### Which is the best?
There is no best one. In the valley of above each rule gets a rate that suits it; look at how far they are from the
minimum after 100 steps, and change the rates.
"""


# %%
def experiment_valley() -> None:
    for name, make in {
        "SGD": lambda params: SGD(params, lr=0.018),
        "SGD, momentum": lambda params: SGD(params, lr=0.018, momentum=0.9),
        "Adagrad": lambda params: Adagrad(params, lr=0.5),
        "RMSprop": lambda params: RMSprop(params, lr=0.02),
        "Adadelta": lambda params: Adadelta(params, lr=5.0),
        "Adam": lambda params: Adam(params, lr=0.1),
    }.items():
        x, y = walk_down(make, 100)
        print(f"{name:14} x = {x:9.6f}   y = {y:9.6f}")


# %% [markdown]
"""
## All together
A network learns a curve with each of the rules.
"""


# %%
def learn(make: Callable[[list[Any]], Optimizer], steps: int = 60) -> tuple[float, float]:
    """Return the loss of a small network on a parabola, before and after some steps."""
    manual_seed(0)
    x = Tensor(np.linspace(-1, 1, 32).reshape(32, 1))
    hidden, out = Linear(1, 16), Linear(16, 1)
    optimizer = make([*hidden.parameters(), *out.parameters()])
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        h = hidden(x)
        loss = ((out(h * h) - x * x * x * x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


def test_module() -> None:
    """🧪 Module 06: a network that learns with every rule."""
    for name, make in RULES.items():
        before, after = learn(make)
        assert after < before, name
    print("Module 06: all is well.")


if __name__ == "__main__":
    test_unit_a_step_by_hand()
    test_unit_groups_take_what_they_do_not_say_from_the_optimizer()
    test_unit_zero_grad_forgets_or_sets_to_zeros()
    test_unit_a_step_changes_what_has_a_gradient()
    test_unit_a_pack_lays_arrays_side_by_side()
    test_unit_the_same_gradient_twice_is_worth_a_warning()
    test_unit_an_optimizer_goes_on_where_another_one_stopped()
    test_unit_sgd_is_the_step_by_hand()
    test_unit_momentum_adds_up_along_a_slope()
    test_unit_momentum_is_quicker_in_a_valley()
    test_unit_adagrad_takes_shorter_and_shorter_steps()
    test_unit_rmsprop_forgets()
    test_unit_adadelta_begins_with_the_root_of_eps()
    test_unit_adams_first_step_is_as_long_as_the_rate()
    test_unit_adam_corrects_its_bias()
    test_unit_adamw_shrinks_large_gradients_or_small_alike()
    test_unit_memory_is_counted()
    experiment_memory()
    experiment_time()
    experiment_valley()
    test_module()
