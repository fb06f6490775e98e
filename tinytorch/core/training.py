# Exported from modules/07_training/training_dev.py by tito export; edit it there.
"""Training: schedules, clipping, files of weights, checkpoints, and the loop that a run is made of."""

from __future__ import annotations

import copy
import json
import math
import os
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, SupportsFloat

import numpy as np

from tinytorch.core.autograd import no_grad, note_change
from tinytorch.core.layers import Module
from tinytorch.core.optimizers import Optimizer
from tinytorch.core.tensor import Array, Tensor, default_generator, from_numpy

__all__ = [
    "CODES",
    "DTYPES",
    "MAX_HEADER",
    "NEARLY_ZERO",
    "STATE",
    "Averages",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CosineAnnealingLR",
    "EarlyStopping",
    "Entry",
    "ExponentialLR",
    "History",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "Row",
    "SequentialLR",
    "SkippedRateWarning",
    "StepLR",
    "Trainer",
    "accuracy",
    "check_count",
    "check_factor",
    "check_offsets",
    "check_optimizer",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "code_of",
    "for_each_group",
    "generators_of",
    "get_total_norm",
    "gradients_of",
    "header_of",
    "load_arrays",
    "load_state",
    "monitored",
    "norm_of",
    "pair_of",
    "phases_of",
    "random_state",
    "save_arrays",
    "save_state",
    "scale",
    "set_random_state",
    "sign_of",
    "state_of",
    "sync_folder",
    "write_atomically",
]


NEARLY_ZERO = 1e-12  # a rate that rounding has brought below 0 by so much is 0


class SkippedRateWarning(UserWarning):
    """A scheduler moves on before the optimizer has used its first rate."""


class LRScheduler:
    """Sets the learning rates of an optimizer, epoch after epoch; what every scheduler has in common.

    A subclass writes its rule, `get_lr`.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    last_epoch
        The epoch that is done; -1 at the beginning. To go on with another, the groups need their ``"initial_lr"``.

    Attributes
    ----------
    last_epoch
        The epoch whose rates are set now; 0 is the first.
    base_lrs
        The rates of the groups at the beginning.

    Raises
    ------
    TypeError
        If `optimizer` is none.
    KeyError
        If `last_epoch` is not -1 and a group has no ``"initial_lr"``.

    Notes
    -----
    Source: ``torch.optim.lr_scheduler.LRScheduler``.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(optimizer, type(self).__name__)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch}, but group {i} has no 'initial_lr'. To go on with "
                    "a training, make the scheduler with last_epoch=-1 and load both state dicts."
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._advance()

    @property
    def starting(self) -> bool:
        """Whether the rates are set for the first time, by nobody's call of `step`."""
        return self._step_count == 1

    def rates(self) -> list[float]:
        """Return the rate of each group as it is now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """Return the rate of each group for the epoch `last_epoch`; every subclass writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr().")

    def get_last_lr(self) -> list[float]:
        """Return the rates that this scheduler has set last."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go to the next epoch and set its rates.

        Warns
        -----
        SkippedRateWarning
            Once, if the optimizer has changed no parameter yet.
        """
        self._check_used()
        self._advance()

    def _check_used(self) -> None:
        if self.starting and not self.optimizer.state:
            warnings.warn(
                f"{type(self).__name__}.step() comes before {type(self.optimizer).__name__} has changed any parameter, "
                "so the first rate of the schedule was never used. Call optimizer.step() first.",
                SkippedRateWarning,
                stacklevel=3,
            )

    def _check_groups(self) -> None:
        count = len(self.optimizer.param_groups)
        if count != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__} was made for {len(self.base_lrs)} groups, but the optimizer has {count}. "
                "Make the scheduler after the last add_param_group()."
            )

    def _advance(self) -> None:
        """Count an epoch and set its rates."""
        self._check_groups()
        self._step_count += 1
        self.last_epoch += 1
        for i, (group, rate) in enumerate(zip(self.optimizer.param_groups, self.get_lr(), strict=True)):
            if not -NEARLY_ZERO <= rate < math.inf:
                raise ValueError(
                    f"{type(self).__name__} makes the rate {rate} for group {i} in epoch {self.last_epoch}. A rate is "
                    "0 or more."
                )
            group["lr"] = max(float(rate), 0.0)
        self._last_lr = self.rates()

    def _begin(self, rates: Sequence[float]) -> None:
        """Begin anew, at epoch 0, with some rates."""
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.last_epoch, self._step_count = -1, 0
        self._advance()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer: numbers, words, lists, dicts. The rates are in the optimizer's."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "optimizer"})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what another scheduler of the same kind has counted, and its settings; all or nothing.

        Raises
        ------
        ValueError
            If the state is of another kind, or for another number of groups.
        """
        self._check_state(state_dict)
        vars(self).update(copy.deepcopy(dict(state_dict)))

    def _check_state(self, state_dict: Mapping[str, Any]) -> None:
        if unlike := sorted(state_dict.keys() ^ self.state_dict().keys()):
            lacks = "lacks" if unlike[0] not in state_dict else "has"
            raise ValueError(f"load_state_dict: the state {lacks} {unlike[0]!r}, so it is of no {type(self).__name__}.")
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"load_state_dict: the state is for {len(state_dict['base_lrs'])} groups, but the optimizer has "
                f"{len(self.base_lrs)}."
            )


def check_optimizer(optimizer: Any, who: str) -> Optimizer:
    """Return `optimizer` if it is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{who} moves the rates of an Optimizer, but got {type(optimizer).__name__}.")
    return optimizer


def check_count(value: Any, least: int, name: str) -> None:
    """Raise a ValueError if `value` is no whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number from {least} on, but got {value!r}.")


def check_factor(value: float, name: str, most: float = math.inf) -> None:
    """Raise a ValueError if `value` is negative, larger than `most`, or no number."""
    if not 0 <= value <= most or value == math.inf:
        to = "or more" if most == math.inf else f"to {most}"
        raise ValueError(f"{name} must be 0 {to}, but got {value}.")


def for_each_group(value: Any, optimizer: Optimizer, name: str) -> list[Any]:
    """Return a list with one value for each group: `value` itself if it is a list or tuple, and else many of it."""
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} values, but the optimizer has {count} groups. Give one for each.")
    return values


class LambdaLR(LRScheduler):
    """Multiplies the rates of the beginning by a function of the epoch.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    lr_lambda
        Takes an epoch and returns a factor; or a list of such functions, one for each group.
    last_epoch
        The epoch that is done.

    Notes
    -----
    The state dict holds no functions; of objects that can be called it holds the attributes.
    Source: ``torch.optim.lr_scheduler.LambdaLR``.

    Examples
    --------
    >>> from tinytorch.core.optimizers import SGD
    >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1)).get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer, type(self).__name__)
        self.lr_lambdas = for_each_group(lr_lambda, optimizer, "LambdaLR: lr_lambda")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's first rate times its function of the epoch."""
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and the functions; of objects that can be called, their attributes."""
        state = {name: value for name, value in vars(self).items() if name not in ("optimizer", "lr_lambdas")}
        state["lr_lambdas"] = [getattr(function, "__dict__", None) or None for function in self.lr_lambdas]
        return copy.deepcopy(state)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what another scheduler of the same kind has counted; the functions stay."""
        self._check_state(state_dict)
        state = copy.deepcopy(dict(state_dict))
        for function, attributes in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            if attributes is not None:
                vars(function).update(attributes)
        vars(self).update(state)


class StepLR(LRScheduler):
    """Multiplies the rates by `gamma` after every `step_size` epochs.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    step_size
        Epochs from one change to the next.
    gamma
        The factor.
    last_epoch
        The epoch that is done.

    Notes
    -----
    Source: ``torch.optim.lr_scheduler.StepLR``.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        check_count(step_size, 1, "StepLR: step_size")
        check_factor(gamma, "StepLR: gamma")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates, multiplied by gamma if it is time."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self.rates()
        return [rate * self.gamma for rate in self.rates()]


class MultiStepLR(LRScheduler):
    """Multiplies the rates by `gamma` at chosen epochs.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    milestones
        The epochs; one that comes twice counts twice.
    gamma
        The factor.
    last_epoch
        The epoch that is done.

    Notes
    -----
    Source: ``torch.optim.lr_scheduler.MultiStepLR``.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = sorted(milestones)
        for milestone in self.milestones:
            check_count(milestone, 0, "MultiStepLR: each milestone")
        check_factor(gamma, "MultiStepLR: gamma")
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates, multiplied by gamma as often as this epoch is a milestone."""
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [rate * factor for rate in self.rates()]


class ExponentialLR(LRScheduler):
    """Multiplies the rates by `gamma` after every epoch.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    gamma
        The factor.
    last_epoch
        The epoch that is done.

    Notes
    -----
    Source: ``torch.optim.lr_scheduler.ExponentialLR``.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        check_factor(gamma, "ExponentialLR: gamma")
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates times gamma; at the beginning, as they are."""
        if self.starting:
            return self.rates()
        return [rate * self.gamma for rate in self.rates()]


class CosineAnnealingLR(LRScheduler):
    """Lets the rates fall along half a wave of the cosine, and rise again after it.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    T_max
        Epochs from the top to the bottom.
    eta_min
        The rate at the bottom.
    last_epoch
        The epoch that is done.

    Notes
    -----
    Source: I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, arXiv:1608.03983;
    ``torch.optim.lr_scheduler.CosineAnnealingLR``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        check_count(T_max, 1, "CosineAnnealingLR: T_max")
        check_factor(eta_min, "CosineAnnealingLR: eta_min")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates an epoch further along the wave."""
        rates = self.rates()
        if self.starting:
            return rates
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # the epoch before was at the bottom
            up = (1 - math.cos(math.pi / self.T_max)) / 2
            return [rate + (base - self.eta_min) * up for rate, base in zip(rates, self.base_lrs, strict=True)]
        now = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return [self.eta_min + (rate - self.eta_min) * now / before for rate in rates]


class LinearLR(LRScheduler):
    """Lets the rates go from one factor to another in a straight line: a warm-up, or a fall.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    start_factor
        What the rates are multiplied by in epoch 0; above 0, and 1 at most.
    end_factor
        What they are multiplied by from epoch `total_iters` on; from 0 to 1.
    total_iters
        Epochs from one to the other.
    last_epoch
        The epoch that is done.

    Notes
    -----
    Source: ``torch.optim.lr_scheduler.LinearLR``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and 1 at most, but got {start_factor}.")
        check_factor(end_factor, "LinearLR: end_factor", most=1)
        check_count(total_iters, 1, "LinearLR: total_iters")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        """Return the factor of an epoch from 0 to `total_iters`."""
        return self.start_factor + (self.end_factor - self.start_factor) * epoch / self.total_iters

    def get_lr(self) -> list[float]:
        """Return the rates, moved from the factor before to the factor now; behind the line, as they are."""
        if self.last_epoch > self.total_iters or (self.starting and self.last_epoch > 0):
            return self.rates()
        before = 1.0 if self.last_epoch == 0 else self.factor(self.last_epoch - 1)
        return [rate * self.factor(self.last_epoch) / before for rate in self.rates()]


class SequentialLR(LRScheduler):
    """Runs several schedulers, one after the other.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    schedulers
        In the order in which they run, each made for this optimizer.
    milestones
        The epochs in which the second one begins, the third, and so on.
    last_epoch
        Always -1; to go on, load the state.

    Notes
    -----
    One of the schedulers may be a `SequentialLR` itself. (PyTorch's first one then is an epoch ahead, and a later one
    fails.)
    Source: ``torch.optim.lr_scheduler.SequentialLR``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self._check_parts(check_optimizer(optimizer, type(self).__name__))
        if last_epoch != -1:
            raise ValueError(
                f"SequentialLR: last_epoch must be -1, but got {last_epoch}. To go on with a training, make it anew "
                "and load its state."
            )
        super().__init__(optimizer)

    def _check_parts(self, optimizer: Optimizer) -> None:
        if len(self._schedulers) != len(self._milestones) + 1:
            raise ValueError(
                f"SequentialLR: {len(self._schedulers)} schedulers need {max(0, len(self._schedulers) - 1)} milestones "
                f"between them, but got {len(self._milestones)}."
            )
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"SequentialLR: scheduler {i} is no LRScheduler but {type(scheduler).__name__}.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"SequentialLR: scheduler {i} is a ReduceLROnPlateau, whose step() needs a value.")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: scheduler {i} moves the rates of another optimizer.")
        for milestone in self._milestones:
            check_count(milestone, 0, "SequentialLR: each milestone")
        if self._milestones != sorted(self._milestones):
            raise ValueError(f"SequentialLR: the milestones must not go back, but got {self._milestones}.")

    def _advance(self) -> None:
        """Count an epoch, and let the scheduler whose turn it is begin or go on."""
        self._check_groups()
        self._step_count += 1
        self.last_epoch += 1
        scheduler = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        if self.last_epoch == 0:
            scheduler._begin(self.base_lrs)
        elif self.last_epoch in self._milestones:
            scheduler._begin(scheduler.base_lrs)
        else:
            scheduler._advance()
        self._last_lr = self.rates()

    def state_dict(self) -> dict[str, Any]:
        """Return what is counted, and the states of all schedulers."""
        state = {name: value for name, value in vars(self).items() if name not in ("optimizer", "_schedulers")}
        return copy.deepcopy(state) | {"_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back what is counted, and the states of all schedulers; all or nothing."""
        self._check_state(state_dict)
        state = copy.deepcopy(dict(state_dict))
        for scheduler, own in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            scheduler.load_state_dict(own)
        vars(self).update(state)

    def _check_state(self, state_dict: Mapping[str, Any]) -> None:
        super()._check_state(state_dict)
        states = state_dict["_schedulers"]
        if len(states) != len(self._schedulers):
            raise ValueError(
                f"load_state_dict: the state is of {len(states)} schedulers, but here are {len(self._schedulers)}."
            )
        for scheduler, own in zip(self._schedulers, states, strict=True):
            scheduler._check_state(own)


class OneCycleLR(LRScheduler):
    """Lets the rates rise to `max_lr` and fall to almost nothing, once in a training; call it after every batch.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    max_lr
        The highest rate; or a list, one for each group.
    total_steps
        Steps of the whole training; or give `epochs` and `steps_per_epoch`.
    epochs, steps_per_epoch
        Their product is `total_steps`.
    pct_start
        Which part of the steps goes up.
    anneal_strategy
        ``"cos"`` or ``"linear"``.
    cycle_momentum
        Whether the momentum (or the first beta) goes down and up meanwhile.
    base_momentum, max_momentum
        Its lowest and its highest value; or lists, one for each group.
    div_factor
        The first rate is ``max_lr / div_factor``.
    final_div_factor
        The last rate is the first one divided by this.
    three_phase
        Whether the rate goes down as slowly as up, and then to its last value in a third phase.
    last_epoch
        The step that is done.

    Raises
    ------
    ValueError
        If a setting is out of its range, the optimizer has no momentum, or more steps come than were said.

    Notes
    -----
    Step `total_steps`, one after the last, keeps the last rate.
    Source: L. Smith and N. Topin, Super-convergence: very fast training of neural networks using large learning rates,
    arXiv:1708.07120; ``torch.optim.lr_scheduler.OneCycleLR``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer, type(self).__name__)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or both epochs and steps_per_epoch.")
            check_count(epochs, 1, "OneCycleLR: epochs")
            check_count(steps_per_epoch, 1, "OneCycleLR: steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        check_count(total_steps, 1, "OneCycleLR: total_steps")
        check_factor(pct_start, "OneCycleLR: pct_start", most=1)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', but got {anneal_strategy!r}.")
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not 0 < value < math.inf:
                raise ValueError(f"OneCycleLR: {name} must be above 0, but got {value}.")
        self.total_steps, self.anneal_strategy, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        self._schedule_phases = phases_of(total_steps, pct_start, three_phase)
        settings = self._settings_of(optimizer, max_lr, base_momentum, max_momentum, div_factor, final_div_factor)
        if last_epoch == -1:
            for group, setting in zip(optimizer.param_groups, settings, strict=True):
                group.update(setting)
        super().__init__(optimizer, last_epoch)

    def _settings_of(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        base_momentum: float | Sequence[float],
        max_momentum: float | Sequence[float],
        div_factor: float,
        final_div_factor: float,
    ) -> list[dict[str, float]]:
        """Return for each group between which rates and momenta it goes."""
        settings: list[dict[str, float]] = []
        for rate in for_each_group(max_lr, optimizer, "OneCycleLR: max_lr"):
            check_factor(rate, "OneCycleLR: max_lr")
            first = rate / div_factor
            settings.append({"initial_lr": first, "max_lr": rate, "min_lr": first / final_div_factor})
        if not self.cycle_momentum:
            return settings
        if not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas. Pass cycle_momentum=False."
            )
        for name, given in (("max_momentum", max_momentum), ("base_momentum", base_momentum)):
            for setting, value in zip(settings, for_each_group(given, optimizer, f"OneCycleLR: {name}"), strict=True):
                check_factor(value, f"OneCycleLR: {name}", most=1)
                setting[name] = value
        return settings

    def place(self) -> tuple[dict[str, Any], float]:
        """Return the phase of this step, and how much of it is done, from 0 to 1."""
        start, step = 0.0, self.last_epoch
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        end = phase["end_step"]
        return phase, 1.0 if start == end else min(1.0, (step - start) / (end - start))

    def anneal(self, start: float, end: float, done: float) -> float:
        """Return the value between `start` and `end` when a part of the way is done."""
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2

    def get_lr(self) -> list[float]:
        """Return the rates of this step."""
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR was made for {self.total_steps} steps, but now comes step {self.last_epoch}. Is it called "
                "after every batch, and total_steps the number of all batches?"
            )
        phase, done = self.place()
        return [
            self.anneal(group[phase["start_lr"]], group[phase["end_lr"]], done) for group in self.optimizer.param_groups
        ]

    def _advance(self) -> None:
        """Count a step, and set its rates and momenta."""
        super()._advance()
        if not self.cycle_momentum:
            return
        phase, done = self.place()
        for group in self.optimizer.param_groups:
            momentum = self.anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], done)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


def phases_of(total_steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """Return the phases of a cycle: where each ends, and which of a group's values it goes from and to."""
    last = "initial_lr" if three_phase else "max_lr"
    phases = [
        (pct_start * total_steps - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
        (2 * pct_start * total_steps - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        (total_steps - 1, last, "min_lr", "max_momentum" if three_phase else "base_momentum", "max_momentum"),
    ]
    if not three_phase:
        del phases[1]
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(names, phase, strict=True)) for phase in phases]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rates by `factor` when a value has stopped getting better.

    Parameters
    ----------
    optimizer
        Whose rates are set.
    mode
        Whether a better value is a smaller one, ``"min"``, or a larger one, ``"max"``.
    factor
        Below 1.
    patience
        How many epochs in a row may pass without a better value.
    threshold
        By how much a value must be better to count.
    threshold_mode
        Whether `threshold` is a part of the best value, ``"rel"``, or an amount, ``"abs"``.
    cooldown
        For how many epochs after a change nothing is counted.
    min_lr
        The lowest rate; or a list, one for each group.
    eps
        Changes that are smaller than this are not made.

    Notes
    -----
    Source: ``torch.optim.lr_scheduler.ReduceLROnPlateau``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer(optimizer, type(self).__name__)
        for name, value, known in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in known:
                raise ValueError(f"ReduceLROnPlateau: {name} must be {known[0]!r} or {known[1]!r}, but got {value!r}.")
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be 0 or more and below 1, but got {factor}.")
        check_count(patience, 0, "ReduceLROnPlateau: patience")
        check_count(cooldown, 0, "ReduceLROnPlateau: cooldown")
        self.mode, self.factor, self.patience, self.cooldown = mode, factor, patience, cooldown
        self.threshold, self.threshold_mode, self.eps = threshold, threshold_mode, eps
        self.min_lrs = for_each_group(min_lr, optimizer, "ReduceLROnPlateau: min_lr")
        for lowest in self.min_lrs:
            check_factor(lowest, "ReduceLROnPlateau: min_lr")
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """Return the rates as they are: it is `reduce` that changes them."""
        return self.rates()

    def is_better(self, value: float) -> bool:
        """Return whether a value is better than the best so far, by more than the threshold."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * value > sign * self.best * (1 + sign * self.threshold)
        return sign * value > sign * (self.best + sign * self.threshold)

    def reduce(self) -> None:
        """Multiply the rates by the factor, down to the lowest."""
        for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            rate = max(group["lr"] * self.factor, lowest)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """Take the value of an epoch, and reduce the rates if it is time."""
        value = float(metrics)
        self._check_groups()
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._advance()


def gradients_of(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients that are there, of one tensor or of several."""
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"gradients are clipped of tensors, but got {type(p).__name__}.")
    return [p.grad for p in tensors if p.grad is not None]


def norm_of(values: Array, norm_type: float) -> float:
    """Return the norm of an array, whatever its shape, as if it had one axis."""
    sizes = np.abs(np.asarray(values, np.float64))
    if norm_type == math.inf:
        return float(sizes.max(initial=0.0))
    if norm_type == -math.inf:
        return float(sizes.min(initial=math.inf))
    if norm_type == 0:
        return float(np.count_nonzero(sizes))
    with np.errstate(over="ignore", divide="ignore"):
        return float((sizes**norm_type).sum() ** np.float64(1 / norm_type))


def scale(array: Array, factor: float, operation: str) -> None:
    """Multiply an array in place, and tell the engine which operation did it."""
    with np.errstate(invalid="ignore", over="ignore"):
        array *= factor
    note_change(array, operation)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of several tensors, as if they were one long one.

    Parameters
    ----------
    tensors
        Mostly gradients.
    norm_type
        2 for the length, `inf` for the largest element, any other p.
    error_if_nonfinite
        Whether a norm that is nan or infinite is an error.
    foreach
        Changes nothing here.

    Raises
    ------
    RuntimeError
        If the norm is nan or infinite, and `error_if_nonfinite`.

    Notes
    -----
    Source: ``torch.nn.utils.get_total_norm``.
    """
    arrays = [t.data for t in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    if not arrays:
        return Tensor(0.0)
    norm_type = float(norm_type)
    norms = np.array([norm_of(array, norm_type) for array in arrays])
    total = norm_of(norms, norm_type)
    with np.errstate(over="ignore"):
        result = from_numpy(np.asarray(total, np.result_type(*arrays)))
    if error_if_nonfinite and not np.isfinite(result.data):
        raise RuntimeError(
            f"the gradients' norm of type {norm_type} is {result.item()}, so they cannot be clipped. Look for nan or "
            "inf in the data or the loss, or pass error_if_nonfinite=False."
        )
    return result


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Shorten gradients, in place, so that a norm that is known already becomes `max_norm` at most.

    Parameters
    ----------
    parameters
        Whose gradients are changed.
    max_norm
        The greatest norm.
    total_norm
        The norm that they have.
    foreach
        Changes nothing here.

    Notes
    -----
    Source: ``torch.nn.utils.clip_grads_with_norm_``.
    """
    max_norm = float(max_norm)
    if not max_norm >= 0:
        raise ValueError(f"max_norm must be 0 or more, but got {max_norm}.")
    total = total_norm.item()
    for grad in gradients_of(parameters):
        factor = np.minimum(max_norm / (total + 1e-6), 1.0)
        scale(grad.data, float(factor), "clip_grad_norm_()")


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Shorten all gradients together, in place, so that their norm is `max_norm` at most.

    Parameters
    ----------
    parameters
        Whose gradients are changed.
    max_norm
        The greatest norm.
    norm_type
        2 for the length, `inf` for the largest element, any other p.
    error_if_nonfinite
        Whether a norm that is nan or infinite is an error; then nothing is changed.
    foreach
        Changes nothing here.

    Returns
    -------
    Tensor
        The norm that the gradients had.

    Notes
    -----
    Source: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks,
    arXiv:1211.5063; ``torch.nn.utils.clip_grad_norm_``.

    Examples
    --------
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> w.grad = Tensor([3.0, 4.0])
    >>> clip_grad_norm_([w], max_norm=1.0).item()
    5.0
    >>> w.grad
    tensor([0.6, 0.8])
    """
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total_norm = get_total_norm(gradients_of(tensors), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(tensors, max_norm, total_norm)
    return total_norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of the gradients, in place, at `clip_value` and its negative.

    Parameters
    ----------
    parameters
        Whose gradients are changed.
    clip_value
        The greatest size of an element.
    foreach
        Changes nothing here.

    Notes
    -----
    Source: ``torch.nn.utils.clip_grad_value_``.
    """
    clip_value = float(clip_value)
    if not clip_value >= 0:
        raise ValueError(f"clip_value must be 0 or more, but got {clip_value}.")
    with np.errstate(over="ignore"):  # what a dtype cannot hold cuts nothing
        for grad in gradients_of(parameters):
            np.clip(grad.data, -clip_value, clip_value, out=grad.data)
            note_change(grad.data, "clip_grad_value_()")


class Averages:
    """Means of several numbers, each weighted by the number of examples it was taken over.

    Examples
    --------
    >>> averages = Averages()
    >>> averages.add({"loss": 2.0}, 2)
    >>> averages.add({"loss": 8.0}, 1)
    >>> averages.means()
    {'loss': 4.0}
    """

    def __init__(self) -> None:
        self.totals: dict[str, float] = {}
        self.count = 0

    def add(self, values: Mapping[str, float], count: int) -> None:
        """Take in means over `count` examples."""
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value * count
        self.count += count

    def means(self) -> dict[str, float]:
        """Return the means over all examples so far."""
        return {name: total / self.count for name, total in self.totals.items()}


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """Return the part of the examples whose highest score is that of their class.

    Parameters
    ----------
    logits
        Scores of shape ``(N, C)`` or ``(N, C, ...)``.
    targets
        Classes, integers of shape ``(N,)`` or ``(N, ...)``.

    Raises
    ------
    ValueError
        If the shapes do not belong together, or there is no example.
    TypeError
        If the targets are no integers.

    Examples
    --------
    >>> accuracy(Tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), Tensor([0, 1, 1]).long())
    0.6666666666666666
    """
    shape = logits.shape[:1] + logits.shape[2:]
    if logits.ndim < 2 or targets.shape != shape:
        raise ValueError(
            f"accuracy: logits of shape {logits.shape} and targets of shape {targets.shape} do not belong together. "
            "Pass logits (N, C, ...) and classes (N, ...)."
        )
    if targets.data.dtype.kind not in "iu":
        raise TypeError(f"accuracy: targets are the numbers of classes, but got {targets.dtype}. Use .long().")
    if targets.size == 0 or logits.size == 0:
        raise ValueError(f"accuracy: there is no example in logits of shape {logits.shape}.")
    return float(np.mean(logits.data.argmax(axis=1) == targets.data))


Row = dict[str, Any]


class History(list[Row]):
    """One row for each epoch, a dict of numbers."""

    def series(self, *names: str) -> dict[str, list[float]]:
        """Return the values of each name, one an epoch; by default of all names but the epoch."""
        names = names or tuple(name for name in (self[0] if self else {}) if name != "epoch")
        return {name: [row[name] for row in self] for name in names}


class Callback:
    """Is called by a `Trainer` at five moments, and does nothing; subclasses write what they need.

    Attributes
    ----------
    last
        Whether it is called after the others, so that it sees what they did.
    """

    last = False

    def on_train_begin(self, trainer: Trainer) -> None:
        """Do what comes before the first epoch, also of a run that goes on (``trainer.step`` is not 0 then)."""

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Do what comes before an epoch."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """Do what comes after a step."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Do what comes after an epoch; its row is the last one of ``trainer.history``."""

    def on_train_end(self, trainer: Trainer) -> None:
        """Do what comes after the last epoch; nothing is called after an exception."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to go on; numbers, strings, arrays, and dicts and lists of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""


def monitored(row: Row, name: str) -> float:
    """Return one value of a row, or raise a KeyError that says which there are."""
    if name not in row:
        known = ", ".join(key for key in row if key != "epoch")
        advice = " Pass a validation_loader to fit()." if name.startswith("val_") else ""
        raise KeyError(f"no value is named {name!r}; an epoch has {known}.{advice}")
    return float(row[name])


class EarlyStopping(Callback):
    """Ends the training when a value has not become better for some epochs.

    Parameters
    ----------
    monitor
        The name of the value in an epoch's row.
    patience
        How many epochs in a row may pass without a better one; at least 1.
    min_delta
        By more than how much a value must be better to count.
    mode
        ``"min"`` where less is better, ``"max"`` where more is.
    restore_best
        Whether the model gets the values of its best epoch back at the end.

    Examples
    --------
    >>> EarlyStopping("val_accuracy", patience=3, mode="max").best
    -inf
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = False,
    ) -> None:
        if patience < 1 or not min_delta >= 0:
            raise ValueError(
                f"EarlyStopping: patience must be at least 1 and min_delta 0 or more, but got patience={patience}, "
                f"min_delta={min_delta}."
            )
        self.monitor, self.patience, self.min_delta, self.restore_best = monitor, patience, min_delta, restore_best
        self.sign = sign_of(mode)
        self._forget()

    def _forget(self) -> None:
        self.best = self.sign * math.inf
        self.waited = 0
        self.kept: dict[str, Array] | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        """Forget an earlier run; if this one goes on after its end, end it again."""
        if trainer.step == 0:
            self._forget()
        trainer.stop = trainer.stop or self.waited >= self.patience

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare the epoch with the best one, and end the training if it is time."""
        value = monitored(trainer.row, self.monitor)
        if self.sign * value < self.sign * self.best - self.min_delta:
            self.best, self.waited = value, 0
            self.keep(trainer)
        else:
            self.waited += 1
        if self.waited >= self.patience:
            trainer.stop = True

    def keep(self, trainer: Trainer) -> None:
        """Copy the model's values, if they are wanted back."""
        if self.restore_best:
            self.kept = {name: value.data.copy() for name, value in trainer.model.state_dict().items()}

    def on_train_end(self, trainer: Trainer) -> None:
        """Give the model the values of its best epoch."""
        if self.kept is not None:
            trainer.model.load_state_dict(self.kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, how long it is ago, and the model's values of then."""
        return {"best": self.best, "waited": self.waited, "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.best, self.waited, self.kept = state["best"], state["waited"], state["kept"]


def sign_of(mode: str) -> int:
    """Return 1 for ``"min"``, -1 for ``"max"``."""
    if mode not in ("min", "max"):
        raise ValueError(f"mode is 'min' where less is better, or 'max' where more is, but got {mode!r}.")
    return 1 if mode == "min" else -1


class Trainer:
    """Trains a model: takes steps, measures, calls callbacks, and can go on where a checkpoint was made.

    Parameters
    ----------
    model
        What is trained.
    optimizer
        What changes its parameters.
    criterion
        ``criterion(outputs, targets)`` is the loss, one number.
    scheduler
        Changes the rate of the optimizer.
    scheduler_every
        Whether it is stepped after each ``"epoch"`` or after each ``"step"``.
    metrics
        More to measure: functions of outputs and targets by name, such as ``{"accuracy": accuracy}``.
    clip_grad_norm
        The largest norm that the gradients of a step may have.
    callbacks
        Are called in this order, those with ``last = True`` at the end.
    check_finite
        Whether a loss that is nan or infinite is an error.
    monitor
        The value that a `ReduceLROnPlateau` is given: by default ``"val_loss"`` where there is one, or ``"loss"``.

    Attributes
    ----------
    epoch, epochs
        The running epoch, counted from 0, and how many there shall be.
    batch, batches
        How many batches of this epoch are done, and how many it has (None if the loader does not say).
    step
        How many batches are done in all.
    row
        What is known of the running epoch, or of the last one: its number counted from 1, the means so far, the rate
        (where it changes at every step, that of the next one).
    history
        The rows of the epochs that are done.
    stop
        Whether the training ends after this epoch; a callback may set it.

    Examples
    --------
    >>> from tinytorch.core.layers import Linear
    >>> from tinytorch.core.losses import MSELoss
    >>> from tinytorch.core.optimizers import SGD
    >>> model = Linear(1, 1)
    >>> batches = [(Tensor([[1.0], [2.0]]), Tensor([[3.0], [5.0]]))] * 50
    >>> history = Trainer(model, SGD(model.parameters(), lr=0.1), MSELoss()).fit(batches, epochs=4)
    >>> [row["epoch"] for row in history]
    [1, 2, 3, 4]
    >>> history[-1]["loss"] < 1e-3
    True
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        criterion: Callable[[Any, Any], Tensor],
        *,
        scheduler: Any = None,
        scheduler_every: str = "epoch",
        metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
        clip_grad_norm: float | None = None,
        callbacks: Iterable[Callback] = (),
        check_finite: bool = True,
        monitor: str | None = None,
    ) -> None:
        if scheduler_every not in ("epoch", "step"):
            raise ValueError(f"Trainer: scheduler_every is 'epoch' or 'step', but got {scheduler_every!r}.")
        if scheduler_every == "step" and isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError("Trainer: ReduceLROnPlateau looks at an epoch's value; pass scheduler_every='epoch'.")
        if clip_grad_norm is not None and not clip_grad_norm > 0:
            raise ValueError(f"Trainer: clip_grad_norm is a length above 0, or None, but got {clip_grad_norm}.")
        if taken := {"loss", "lr", "epoch"} & set(metrics or ()):
            raise ValueError(f"Trainer: a metric cannot be named {sorted(taken)[0]!r}; the row has that name already.")
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.scheduler, self.scheduler_every, self.monitor = scheduler, scheduler_every, monitor
        self.metrics, self.clip_grad_norm, self.check_finite = dict(metrics or {}), clip_grad_norm, check_finite
        self.callbacks = sorted(callbacks, key=lambda callback: callback.last)
        self.last_checkpoint: Path | None = None
        self._begin([], 0, None)

    def _begin(self, loader: Any, epochs: int, validation_loader: Any) -> None:
        """Set everything to the beginning of a run."""
        self.loader, self.validation_loader, self.epochs = loader, validation_loader, epochs
        self.batches: int | None = len(loader) if hasattr(loader, "__len__") else None
        self.epoch = self.batch = self.step = 0
        self.sums, self.row, self.history = Averages(), Row(), History()
        self.stop = False
        self._epoch_began: Any = None  # the random state of then
        self._goes_on: Any = None  # the random state of the checkpoint inside an epoch that is gone on from

    def call(self, moment: str) -> None:
        """Call a method of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, moment)(self)

    def measure(self, loss: Tensor, outputs: Any, targets: Any) -> dict[str, float]:
        """Return the loss and the metrics of a batch."""
        with no_grad():
            return {
                "loss": loss.item(),
                **{name: float(metric(outputs, targets)) for name, metric in self.metrics.items()},
            }

    def check_loss(self, loss: Tensor) -> None:
        """Raise an error if the loss is not one number, or not finite."""
        if loss.size != 1:
            raise ValueError(
                f"Trainer: the criterion returned a tensor of shape {loss.shape}. The loss is one number; use "
                "reduction='mean'."
            )
        if self.check_finite and not math.isfinite(loss.item()):
            rate = self.optimizer.param_groups[0].get("lr")
            raise FloatingPointError(
                f"the loss is {loss.item()} in epoch {self.epoch + 1}, step {self.step + 1}, at the rate {rate}. "
                "No step was taken. Try a smaller rate, clip_grad_norm=1.0, or look for nan in the data; "
                "check_finite=False goes on regardless."
            )

    def note_batch(self, values: Mapping[str, float], count: int) -> None:
        """Count a step, add its values to the epoch's, and tell the callbacks."""
        self.sums.add(values, count)
        self.batch += 1
        self.step += 1
        self.row = self._row_so_far()
        if self.scheduler is not None and self.scheduler_every == "step":
            self.scheduler.step()
        self.call("on_batch_end")

    def _row_so_far(self) -> Row:
        row: Row = {"epoch": self.epoch + 1, **self.sums.means()}
        if "lr" in self.optimizer.param_groups[0]:
            row["lr"] = float(self.optimizer.param_groups[0]["lr"])
        return row

    def train_epoch(self, batches: Iterable[Any]) -> None:
        """Take a step with each of the batches."""
        self.model.train()
        for batch in batches:
            inputs, targets, count = pair_of(batch)
            self.optimizer.zero_grad()
            outputs = self.model(inputs)
            loss = self.criterion(outputs, targets)
            self.check_loss(loss)
            loss.backward()
            if self.clip_grad_norm is not None:
                clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
            self.optimizer.step()
            self.note_batch(self.measure(loss, outputs, targets), count)

    def evaluate(self, loader: Iterable[Any]) -> dict[str, float]:
        """Return the mean loss and metrics over all examples of a loader, without training.

        Raises
        ------
        ValueError
            If the loader gives no batch.
        """
        modes = [(module, module.training) for module in self.model.modules()]
        sums = Averages()
        try:
            self.model.eval()
            with no_grad():
                for batch in loader:
                    inputs, targets, count = pair_of(batch)
                    outputs = self.model(inputs)
                    loss = self.criterion(outputs, targets)
                    sums.add(self.measure(loss, outputs, targets), count)
        finally:
            for module, mode in modes:
                module.training = mode
        if not sums.count:
            raise ValueError("Trainer.evaluate: the loader gave no example. Is it an iterator that was used up?")
        return sums.means()

    @property
    def loaders(self) -> dict[str, Any]:
        """The loaders of this run, by name."""
        return {"loader": self.loader, "validation_loader": self.validation_loader}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that another process needs to go on from here; arrays are shared, not copied."""
        finished = len(self.history) > self.epoch
        now = random_state(self.loaders)
        place = {
            "epoch": len(self.history),
            "batch": 0 if finished else self.batch,
            "step": self.step,
            "totals": {} if finished else self.sums.totals,
            "count": 0 if finished else self.sums.count,
            "random": now,
            "random_at_epoch_begin": now if finished else self._epoch_began,
        }
        return {
            **place,
            "batches": self.batches,
            "history": list(self.history),
            "model": self.model.state_dict(),
            "optimizer": {"kind": type(self.optimizer).__name__, **self.optimizer.state_dict()},
            "scheduler": {"kind": type(self.scheduler).__name__, "state": state_of(self.scheduler)},
            "callbacks": {name: state for name, callback in self._named() if (state := callback.state_dict())},
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint: `state_dict` in a file, atomically."""
        save_state(path, self.state_dict())
        self.last_checkpoint = Path(path)

    def _named(self) -> list[tuple[str, Callback]]:
        """Return the callbacks with names: their classes', numbered where one comes again."""
        kinds = [type(callback).__name__ for callback in self.callbacks]
        names = [f"{kind} {kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)]
        return list(zip(names, self.callbacks, strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where `state_dict` was called; if anything does not fit, change nothing.

        Raises
        ------
        ValueError
            If the state is of another model, optimizer, scheduler, loader or set of callbacks.
        """
        own = self.state_dict()
        _check_names("the checkpoint", state, own)
        _check_names("the model", state["model"], own["model"])
        for name, value in own["model"].items():
            _check_same(f"{name!r} of the model", _form(state["model"][name]), _form(value.data))
        _check_same("the optimizer", state["optimizer"]["kind"], own["optimizer"]["kind"])
        _check_same("the scheduler", state["scheduler"]["kind"], own["scheduler"]["kind"])
        _check_names("the scheduler", state["scheduler"]["state"], own["scheduler"]["state"])
        if None not in (state["batches"], own["batches"]):
            _check_same("the number of batches in an epoch", state["batches"], own["batches"])
        kinds, own_kinds = (
            {name: generator["bit_generator"] for name, generator in states.items()}
            for states in (state["random"], own["random"])
        )
        _check_same("the random generators", kinds, own_kinds)
        callbacks = dict(self._named())
        for name, saved in state["callbacks"].items():
            if name not in callbacks:
                raise ValueError(f"the checkpoint has the state of a callback {name!r}, but this trainer has none.")
            _check_names(f"the callback {name!r}", saved, callbacks[name].state_dict())
        try:
            self.optimizer.load_state_dict(state["optimizer"])  # all or nothing
        except (KeyError, TypeError) as error:
            raise ValueError(f"the checkpoint does not fit: the state of its optimizer lacks {error}.") from error
        self.model.load_state_dict(state["model"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"]["state"])
        for name, saved in state["callbacks"].items():
            callbacks[name].load_state_dict(saved)
        self._go_to(state)

    def _go_to(self, state: Mapping[str, Any]) -> None:
        """Set the place and the random state."""
        self.epoch, self.batch, self.step = state["epoch"], state["batch"], state["step"]
        self.sums.totals, self.sums.count = dict(state["totals"]), state["count"]
        self.history = History(state["history"])
        self.row = self._row_so_far() if self.batch else dict(self.history[-1]) if self.history else Row()
        self._epoch_began, self._goes_on = state["random_at_epoch_begin"], state["random"] if self.batch else None
        set_random_state(self.loaders, state["random"])

    def batches_left(self) -> Iterator[Any]:
        """Return the batches of this epoch; those that were done before the checkpoint are skipped."""
        if self._goes_on is None:
            self._epoch_began = random_state(self.loaders)
            return iter(self.loader)
        set_random_state(self.loaders, self._epoch_began)
        batches: Iterator[Any] = iter(self.loader)
        for done in range(self.batch):
            try:
                next(batches)
            except StopIteration:
                raise ValueError(
                    f"the checkpoint was made after {self.batch} batches of an epoch, but the loader gave only {done}. "
                    "Use the data and the batch size of then."
                ) from None
        set_random_state(self.loaders, self._goes_on)
        self._goes_on = None
        return batches

    def fit(
        self,
        loader: Iterable[Any],
        epochs: int,
        validation_loader: Iterable[Any] | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train until `epochs` epochs are done.

        Parameters
        ----------
        loader
            Gives pairs of inputs and targets, again and again.
        epochs
            How many there shall be in all, those before a checkpoint included.
        validation_loader
            What is measured after each epoch: ``val_loss`` and the metrics, ``val_...``.
        resume
            A checkpoint to go on from.

        Returns
        -------
        History
            A row for each epoch.

        Raises
        ------
        ValueError
            If there are no batches, or the checkpoint is of something else.
        FloatingPointError
            If the loss is nan or infinite.

        Notes
        -----
        A run that goes on ends with the very numbers of one that was never stopped, if it does the same things on the
        same machine with the same number of threads, and draws its random numbers from the package's generator and
        from the ``generator`` of its loaders.
        """
        if epochs < 0:
            raise ValueError(f"Trainer.fit: epochs must be 0 or more, but got {epochs}.")
        self._begin(loader, epochs, validation_loader)
        self.last_checkpoint = None
        if resume is not None:
            self._resume(resume)
        try:
            self.call("on_train_begin")
            while len(self.history) < self.epochs and not self.stop:
                self._run_epoch()
            self.call("on_train_end")
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(self._where())
            raise
        return self.history

    def _resume(self, path: str | os.PathLike[str]) -> None:
        state = load_state(path)
        try:
            self.load_state_dict(state)
        except ValueError as error:
            raise ValueError(f"cannot go on from {os.fspath(path)}: {error}") from error
        self.last_checkpoint = Path(path)

    def _run_epoch(self) -> None:
        self.epoch = len(self.history)
        self.call("on_epoch_begin")
        self.train_epoch(self.batches_left())
        if not self.batch:
            raise ValueError(
                f"Trainer.fit: the loader gave no batch in epoch {self.epoch + 1}. An iterator gives its batches once; "
                "pass a list or a loader."
            )
        self.row = self._row_so_far()
        if self.validation_loader is not None:
            rate = {"lr": self.row.pop("lr")} if "lr" in self.row else {}
            measured = self.evaluate(self.validation_loader)
            self.row |= {f"val_{name}": value for name, value in measured.items()} | rate
        self._step_scheduler()
        self.history.append(dict(self.row))
        self.call("on_epoch_end")
        self.batch, self.sums = 0, Averages()

    def _step_scheduler(self) -> None:
        if self.scheduler is None or self.scheduler_every == "step":
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            name = self.monitor or ("val_loss" if "val_loss" in self.row else "loss")
            self.scheduler.step(monitored(self.row, name))
        else:
            self.scheduler.step()

    def _where(self) -> str:
        """Return what somebody who stopped the run has to know."""
        done = f"Stopped in epoch {self.epoch + 1} of {self.epochs}, after {self.step} steps."
        if self.last_checkpoint is None:
            return f"{done} There is no checkpoint. Pass callbacks=[Checkpoint(path)] to have some."
        return (
            f"{done} The last checkpoint is {self.last_checkpoint}. "
            f"Go on with fit(..., resume={str(self.last_checkpoint)!r})."
        )


def pair_of(batch: Any) -> tuple[Any, Any, int]:
    """Return the inputs and the targets of a batch, and how many examples it has."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        what = f"{len(batch)} things" if isinstance(batch, tuple | list) else type(batch).__name__
        raise TypeError(f"Trainer: a batch is a pair of inputs and targets, but the loader gave {what}.")
    inputs, targets = batch
    return inputs, targets, len(targets)


DTYPES = {  # the name in the file, and NumPy's for the same bytes
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
CODES = {name: code for code, name in DTYPES.items()}
MAX_HEADER = 100_000_000  # bytes; longer ones are not believed


def code_of(dtype: np.dtype[Any]) -> str:
    """Return the name that a dtype has in the file; the order of bytes in memory does not matter."""
    code = CODES.get(dtype.newbyteorder("<").str)
    if code is None:
        raise TypeError(f"save_arrays: there is no name for the dtype {dtype} in the file. It has {', '.join(DTYPES)}.")
    return code


def header_of(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Return what stands before the numbers: the length of the header, and the header."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    begin = 0
    for name, array in arrays.items():
        end = begin + array.nbytes
        entries[name] = {"dtype": code_of(array.dtype), "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of 8
    if len(text) > MAX_HEADER:
        raise ValueError(f"save_arrays: the header has {len(text)} bytes, but at most {MAX_HEADER} can be read back.")
    return len(text).to_bytes(8, "little") + text


def write_atomically(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write a file so that at every moment the old one is there or the new one, whole.

    Parameters
    ----------
    path
        Of the file. The new one is written beside it, as ``<name>.partial``, so one process at a time may write it.
    pieces
        What the file shall hold. If making them fails, the old file stays.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".partial")
    try:
        with open(beside, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def save_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array | Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays into a file in the format safetensors, atomically.

    Parameters
    ----------
    path
        Of the file; see `write_atomically`.
    arrays
        Arrays or tensors by name, such as ``model.state_dict()``.
    metadata
        Strings by name.

    Raises
    ------
    TypeError
        If something is no array, has a dtype that the format does not know, or a name or metadata is no string.
    ValueError
        If an array is named ``__metadata__``.

    Notes
    -----
    Memory: a copy of one array at a time.
    Source: the format of the library safetensors, version 0.4 and later.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_arrays(f"{folder}/weights.safetensors", {"w": np.array([1.5, 2.5])}, {"made": "by hand"})
    ...     load_arrays(f"{folder}/weights.safetensors")
    ({'w': array([1.5, 2.5])}, {'made': 'by hand'})
    """
    metadata = metadata or {}
    for name, text in metadata.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"save_arrays: metadata is strings by name, but got {name!r}: {text!r}.")
    for name, value in arrays.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray | Tensor):
            raise TypeError(f"save_arrays: takes arrays by name, but got {name!r}: {type(value).__name__}.")
        if name == "__metadata__":
            raise ValueError("save_arrays: the name '__metadata__' belongs to the metadata. Choose another name.")
    plain = {name: value.data if isinstance(value, Tensor) else value for name, value in arrays.items()}
    header = header_of(plain, metadata)
    write_atomically(path, _pieces(header, plain))


def _pieces(header: bytes, arrays: Mapping[str, Array]) -> Iterator[bytes]:
    yield header
    for array in arrays.values():
        yield array.astype(DTYPES[code_of(array.dtype)], copy=False).tobytes()  # in the order of the axes


class Entry:
    """What a header says of an array: its dtype's name, its shape, and which bytes it has."""

    def __init__(self, code: str, shape: tuple[int, ...], begin: int, end: int) -> None:
        self.code, self.shape, self.begin, self.end = code, shape, begin, end

    @property
    def itemsize(self) -> int:
        """How many bytes an element has."""
        return 2 if self.code == "BF16" else np.dtype(DTYPES[self.code]).itemsize


def check_offsets(entries: Mapping[str, Entry], size: int) -> None:
    """Raise a ValueError that names the array unless the entries tile `size` bytes, each as long as its shape."""
    last = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != last:
            raise ValueError(f"{name!r} begins at byte {entry.begin}, but what is before it ends at {last}.")
        if entry.end - entry.begin != math.prod(entry.shape) * entry.itemsize:
            raise ValueError(
                f"{name!r} has {entry.end - entry.begin} bytes, but a shape of {list(entry.shape)} and the dtype "
                f"{entry.code} make {math.prod(entry.shape) * entry.itemsize}."
            )
        last = entry.end
    if last != size:
        raise ValueError(f"the arrays, up to {', '.join(entries)}, end at byte {last}, but the file at {size}.")


def load_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Read the arrays and the metadata of a file in the format safetensors.

    Parameters
    ----------
    path
        Of the file.

    Returns
    -------
    tuple of dict
        Arrays of their own, by name, in the order of the header; bfloat16 becomes float32. And the metadata.

    Raises
    ------
    ValueError
        If the file is not whole, or not such a file; nothing is returned of it then.
    """
    with open(path, "rb") as file:
        try:
            entries, metadata, start = _read_header(file)
            return {name: _read_array(file, name, entry, start) for name, entry in entries.items()}, metadata
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)} cannot be read as a file of arrays: {error}") from error


def _read_header(file: BinaryIO) -> tuple[dict[str, Entry], dict[str, str], int]:
    """Return the entries, the metadata, and where the numbers begin; everything is checked."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size < 8:
        raise ValueError(f"it has {size} bytes, but the length of the header alone takes 8.")
    length = int.from_bytes(file.read(8), "little")
    if length > min(MAX_HEADER, size - 8):
        raise ValueError(
            f"it says that its header has {length} bytes, but {size - 8} are left in it, and {MAX_HEADER} is the most."
        )
    header = _parsed(file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its '__metadata__' must be strings by name.")
    entries = {name: _entry(name, value) for name, value in header.items()}
    check_offsets(entries, size - 8 - length)
    return entries, metadata, 8 + length


def _parsed(text: bytes) -> dict[str, Any]:
    """Return the JSON object in a header; a name that comes twice is an error."""
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_doubles)
    except RecursionError:
        raise ValueError("its header is nested too deeply.") from None
    except ValueError as error:
        raise ValueError(f"its header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise ValueError(f"its header must be a JSON object, but it is a {type(header).__name__}.")
    return header


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"the name {twice[0]!r} comes twice.")
    return dict(pairs)


def _entry(name: str, value: Any) -> Entry:
    """Return what a header says of an array, if it is of the right kinds."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} must have 'dtype', 'shape' and 'data_offsets', but it is {_short(value)}.")
    code, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if code != "BF16" and (not isinstance(code, str) or code not in DTYPES):
        raise ValueError(f"{name!r} has the dtype {_short(code)}, but those known are {', '.join(DTYPES)} and BF16.")
    if not _are_counts(shape):
        raise ValueError(f"the shape of {name!r} must be a list of integers from 0, but it is {_short(shape)}.")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"the offsets of {name!r} must be two integers, begin and end, but are {_short(offsets)}.")
    return Entry(code, tuple(shape), *offsets)


def _are_counts(value: Any) -> bool:
    """Return whether something is a list of integers from 0 on that fit into 64 bits."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _read_array(file: BinaryIO, name: str, entry: Entry, start: int) -> Array:
    """Return one array, in memory of its own, in the order of bytes of this machine."""
    file.seek(start + entry.begin)
    data = bytearray(file.read(entry.end - entry.begin))
    if entry.code == "BF16":
        flat: Array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif entry.code == "BOOL" and data.translate(None, b"\0\1"):
        raise ValueError(f"{name!r} holds truth values, each a byte 0 or 1, but another byte is there.")
    else:
        flat = np.frombuffer(data, DTYPES[entry.code])
    try:
        return flat.astype(flat.dtype.newbyteorder("="), copy=False).reshape(entry.shape)
    except ValueError:
        raise ValueError(f"{name!r} has a shape that no array can have here: {_short(list(entry.shape))}.") from None


STATE = "tinytorch.state"  # the name of the tree in the metadata


def save_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a tree of dicts, lists, tuples, plain values, arrays and tensors into a file, atomically.

    Parameters
    ----------
    path
        Of the file; see `write_atomically`.
    state
        The tree. It comes back from `load_state` as it was, with arrays in the place of tensors.

    Raises
    ------
    TypeError
        If there is something else in it; its path is named.
    """
    arrays: dict[str, Array] = {}
    tree = _packed(state, "", arrays)
    save_arrays(path, arrays, {STATE: json.dumps(tree)})


def _packed(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """Return a value as JSON can hold it; arrays are put into `arrays`."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, Tensor | np.ndarray | np.generic):
        array = value.data if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.newbyteorder("<").str not in CODES:
            raise TypeError(f"a state cannot hold the {type(value).__name__} of dtype {array.dtype} at {path}.")
        while path in arrays or path == "__metadata__":
            path += "_"
        arrays[path] = array
        return {"$scalar" if isinstance(value, np.generic) else "$array": path}
    if isinstance(value, tuple | list):
        items = [_packed(item, _below(path, i), arrays) for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        packed = [(key, _packed(item, _below(path, key), arrays)) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return dict(packed)
        return {"$items": [[_packed(key, path, arrays), item] for key, item in packed]}
    raise TypeError(
        f"a state holds dicts, lists, tuples, numbers, strings, None and arrays, but at {path} is a "
        f"{type(value).__name__}."
    )


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def load_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the tree that `save_state` wrote.

    Raises
    ------
    ValueError
        If the file is not whole, or not of `save_state`.
    """
    arrays, metadata = load_arrays(path)
    if STATE not in metadata:
        raise ValueError(
            f"{os.fspath(path)} is a file of arrays, but not a checkpoint: its metadata has no {STATE!r}. "
            "load_arrays reads it."
        )
    try:
        state = _unpacked(json.loads(metadata[STATE]), arrays)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)} is damaged: its state cannot be read ({error}).") from error
    if not isinstance(state, dict):
        raise ValueError(f"{os.fspath(path)} is damaged: its state is a {type(state).__name__}, not a dict.")
    return state


def _unpacked(value: Any, arrays: Mapping[str, Array]) -> Any:
    """Return a value as it was before `_packed`."""
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$array"}:
        return arrays[value["$array"]]
    if value.keys() == {"$scalar"}:
        return arrays[value["$scalar"]][()]
    if value.keys() == {"$tuple"}:
        return tuple(_unpacked(value["$tuple"], arrays))
    if value.keys() == {"$items"}:
        return {_unpacked(key, arrays): _unpacked(item, arrays) for key, item in value["$items"]}
    return {key: _unpacked(item, arrays) for key, item in value.items()}


def random_state(loaders: Mapping[str, Any]) -> dict[str, Any]:
    """Return the states of the package's generator and of those of some loaders."""
    return {name: generator.bit_generator.state for name, generator in generators_of(loaders).items()}


def set_random_state(loaders: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Put the generators into the states that `random_state` returned."""
    for name, generator in generators_of(loaders).items():
        generator.bit_generator.state = state[name]


def generators_of(loaders: Mapping[str, Any]) -> dict[str, np.random.Generator]:
    """Return the package's generator, and those that loaders have of their own."""
    own = {name: getattr(loader, "generator", None) for name, loader in loaders.items()}
    return {"default": default_generator()} | {name: g for name, g in own.items() if isinstance(g, np.random.Generator)}


def state_of(thing: Any) -> dict[str, Any]:
    """Return the state of a scheduler, or an empty one if there is none."""
    return {} if thing is None else dict(thing.state_dict())


def _form(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _check_same(what: str, theirs: Any, own: Any) -> None:
    if theirs != own:
        raise ValueError(f"the checkpoint does not fit: {what} is {theirs} in it, but {own} here.")


def _check_names(what: str, theirs: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    missing, more = (sorted(map(repr, a.keys() - b.keys())) for a, b in ((own, theirs), (theirs, own)))
    if missing or more:
        parts = [f"it lacks {', '.join(missing)}"] * bool(missing) + [f"it has {', '.join(more)} as well"] * bool(more)
        raise ValueError(f"the checkpoint does not fit {what}: {', and '.join(parts)}.")


class Checkpoint(Callback):
    """Saves the run after each epoch, so that another process can go on with it.

    Parameters
    ----------
    path
        Of the latest checkpoint; one file, always whole.
    every_n_steps
        Save after this many steps as well.
    monitor
        A value of the epoch's row, such as ``"val_loss"``; the best epoch is kept beside, in ``<stem>.best<suffix>``.
    mode
        ``"min"`` where less is better, ``"max"`` where more is.
    """

    last = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        every_n_steps: int | None = None,
        monitor: str | None = None,
        mode: str = "min",
    ) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"Checkpoint: every_n_steps must be at least 1, or None, but got {every_n_steps}.")
        self.path, self.every_n_steps, self.monitor = Path(path), every_n_steps, monitor
        self.best_path = self.path.with_name(f"{self.path.stem}.best{self.path.suffix}")
        self.sign = sign_of(mode)
        self.best = self.sign * math.inf

    def on_train_begin(self, trainer: Trainer) -> None:
        """Forget an earlier run, and look whether there is a folder to write into."""
        if trainer.step == 0:
            self.best = self.sign * math.inf
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"Checkpoint: there is no folder {self.path.parent}. Make it first.")

    def on_batch_end(self, trainer: Trainer) -> None:
        """Save, if it is time."""
        if self.every_n_steps is not None and trainer.step % self.every_n_steps == 0:
            trainer.save(self.path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Save; first the best, so that a kill in between is made good by the epoch done again."""
        if self.monitor is not None:
            value = monitored(trainer.row, self.monitor)
            if self.sign * value < self.sign * self.best:
                self.best = value
                trainer.save(self.best_path)
        trainer.save(self.path)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self.best = state["best"]


class CSVLog(Callback):
    """Writes a table with a row for each epoch, whole at every moment.

    Parameters
    ----------
    path
        Of the table; one that is there is replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_train_begin(self, trainer: Trainer) -> None:
        """Write the rows that a checkpoint knows of, and no others."""
        self._write(trainer.history)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the row of this epoch too."""
        self._write(trainer.history)

    def _write(self, history: History) -> None:
        names = list(dict.fromkeys(name for row in history for name in row))
        lines = [names, *([repr(row[name]) if name in row else "" for name in names] for row in history)]
        write_atomically(self.path, ["".join(",".join(line) + "\n" for line in lines if line).encode()])
