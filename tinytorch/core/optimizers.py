# Exported from modules/06_optimizers/optimizers_dev.py by tito export; edit it there.
"""Optimizers: rules that change parameters by their gradients, and what those rules remember."""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinytorch.core.autograd import grad_mode, note_change
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy

__all__ = [
    "PIECE",
    "SGD",
    "SMALL",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Group",
    "Optimizer",
    "Pack",
    "Part",
    "RMSprop",
    "StaleGradientWarning",
    "gradient_of",
    "in_pieces",
    "that_fit_together",
    "with_decay",
]


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

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that are there to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = from_numpy(np.zeros_like(p.grad.data))

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
        for group in self.param_groups:
            ready = [p for p in group["params"] if p.grad is not None]
            for w, grad, state, step in self.parts(ready, group):
                self.update(w, grad, state, step, group)
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

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered, by the numbers of the parameters, and the settings of the groups."""
        params = [p for group in self.param_groups for p in group["params"]]
        numbers = {p: number for number, p in enumerate(params)}
        state = {numbers[p]: _as_tensors(remembered) for p, remembered in self.state.items()}
        groups = [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
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


class StaleGradientWarning(UserWarning):
    """A step is taken with gradients that were made for the step before."""


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
        return np.concatenate([array.reshape(-1) for array in arrays])

    def scatter(self, w: FloatArray) -> None:
        """Write values that stand side by side into the arrays of the parameters, in place."""
        for p, piece in zip(self.params, self.pieces, strict=True):
            p.data[...] = w[piece].reshape(p.shape)

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
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= group["momentum"]
            velocity += grad if step == 1 else (1 - group["dampening"]) * grad
            grad = grad + group["momentum"] * velocity if group["nesterov"] else velocity
        w -= group["lr"] * grad


def with_decay(w: FloatArray, grad: FloatArray, group: Group) -> FloatArray:
    """Return the gradient with the slope of the weight decay added; its negative first, to go up."""
    if group["maximize"]:
        grad = -grad
    return grad + group["weight_decay"] * w if group["weight_decay"] else grad


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
        total = state["sum"]
        total += grad * grad
        w -= lr * grad / (np.sqrt(total) + eps)


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
        square *= alpha
        square += (1 - alpha) * grad * grad
        spread = square
        if group["centered"]:
            mean = state["grad_avg"]
            mean += (1 - alpha) * (grad - mean)
            spread = square - mean * mean
        change = grad / (np.sqrt(spread) + group["eps"])
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= group["momentum"]
            velocity += change
            change = velocity
        w -= group["lr"] * change


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
        square *= rho
        square += (1 - rho) * grad * grad
        change = np.sqrt(delta + eps) / np.sqrt(square + eps) * grad
        delta *= rho
        delta += (1 - rho) * change * change
        w -= group["lr"] * change


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
        mean += (1 - beta1) * (grad - mean)
        square *= beta2
        square += (1 - beta2) * grad * grad
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            np.maximum(largest, square, out=largest)
            square = largest
        w -= group["lr"] / factor1 * mean / (np.sqrt(square) / math.sqrt(factor2) + group["eps"])


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
        w *= 1 - group["lr"] * group["weight_decay"]
        self.change(w, -grad if group["maximize"] else grad, state, step, group)
