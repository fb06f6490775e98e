# %% [markdown]
r"""
# 07 Training
Three calls make a step: forget the gradients, make new ones, move. A training is thousands of them. This module builds
what stands around the steps, so that a training ends well: rates that fall, gradients that cannot explode, and a run
that survives a computer switched off in the middle.

**You have** layers (03), losses (04), gradients (05) and optimizers (06). **You build** eight schedules of the learning
rate, two ways to limit a gradient, a file format for weights, checkpoints, and a trainer that goes on where it stopped
as if nothing had happened.

        rate                                          loss
         |    .-'-.                                    |\     switched off
         |  .'     '-.                                 | \       |
         | /          '-.                              |  '-.____|
         |/              '-.                           |         |'-.____  goes on, to the last bit
         +------------------- steps                    +------------------ steps

At the end you measure what a checkpoint costs, and what a run loses that goes on without one.
"""

# %%
#| default_exp core.training
#| doc Training: schedules, clipping, files of weights, checkpoints, and the loop that a run is made of.

# %% tags=["imports"]
#| export
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

# %% [markdown]
"""
## Why a rate should fall
A gradient is computed from a batch, not from all the data, so it is the true one plus noise. Far from the minimum the
true part is large and the noise does not matter. At the bottom the true part is 0, and only the noise is left: the
parameter never comes to rest, it trembles.

How much? Take the loss `w**2 / 2`, whose slope is w, and noise of variance 1. A step is

    w  <-  w - lr * (w + noise)  =  (1 - lr) * w - lr * noise

After many steps the variance of w no longer changes: `var = (1 - lr)**2 * var + lr**2`. Solved, `var = lr / (2 - lr)`,
and the mean loss is half of it:

    lr      loss at the bottom
    0.4     0.125
    0.2     0.0556
    0.1     0.0263
    0.05    0.0128

Half the rate, half the loss that remains. But half the rate also takes twice as many steps to get there. So begin with
a large rate and let it fall. `trembling` measures the table.
"""


# %%
from tinytorch.core.layers import Parameter
from tinytorch.core.optimizers import SGD


def trembling(lr: float, steps: int = 1000) -> float:
    """Return the mean loss ``w**2 / 2`` of 100 parameters with noisy slopes, long after they have arrived."""
    rng = np.random.default_rng(0)
    w, total = np.zeros(100), 0.0
    for step in range(2 * steps):
        w -= lr * (w + rng.standard_normal(100))
        total += float((w * w / 2).mean()) if step >= steps else 0.0
    return total / steps


def test_unit_half_the_rate_leaves_half_the_loss() -> None:
    for lr, loss in ((0.4, 0.125), (0.2, 0.0556), (0.1, 0.0263), (0.05, 0.0128)):
        assert np.isclose(trembling(lr), loss, rtol=0.05)


# %% [markdown]
"""
## The frame
A scheduler is told which optimizer it moves. From then on one call after each epoch (or after each batch, if you like)
sets the rates:

    scheduler = StepLR(optimizer, step_size=30)
    for epoch in range(90):
        ...                        steps of the optimizer
        scheduler.step()

Where are the rates? In the optimizer: `group["lr"]`, one for each group. The scheduler writes them there and the
optimizer reads them. When the scheduler is made, it notes the rate of each group as `group["initial_lr"]`.

Each scheduler is one method, `get_lr`: it returns the rate of each group for the epoch `self.last_epoch`, which counts
0, 1, 2. There are two ways to write it.

    from the beginning:      rate = initial * 0.9 ** epoch
    from the rate that is:   rate = rate * 0.9

Both give the same numbers, as long as nobody else touches the rates. The second one, like PyTorch, **moves what is
there**. If you halve a rate by hand in the middle, it stays halved; and two schedulers on one optimizer multiply, one
moving what the other has left. So most of the schedulers below take `self.rates()`, the rates as they are, and change
them.

The price: what a scheduler has done is in the optimizer. Whoever saves a training saves both state dicts. That of a
scheduler has only numbers, words and lists, so that it can be written as JSON.

This cell is given. `SkippedRateWarning` says that `scheduler.step()` came before the first `optimizer.step()`: then the
first rate was never used.
"""


# %% tags=["scheduler"]
#| export
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


# %% [markdown]
"""
The function `course_of` runs a schedule and notes the rates; `draw` shows them. Each column is an epoch. Here is `1 /
(epoch + 1)`, a schedule from the time when theorems were proved about them:

         1 |o
           |
           |
           | o
           |
           |  oo
           |    ooooooooo
         0 |             ooooooooooooooooooooooooooo
"""


# %%
def course_of(make: Callable[[Optimizer], LRScheduler], epochs: int, lr: float = 1.0) -> list[float]:
    """Return the rates of the first epochs of a schedule."""
    w = Parameter([0.0])
    optimizer = SGD([w], lr=lr)
    scheduler, rates = make(optimizer), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        w.grad = Tensor([0.0])
        optimizer.step()
        scheduler.step()
    return rates


def draw(rates: Sequence[float], height: int = 8) -> str:
    """Return a picture of rates in characters, one column for each."""
    top = max(rates)
    rows = [[" "] * len(rates) for _ in range(height)]
    for column, rate in enumerate(rates):
        rows[height - 1 - round(rate / top * (height - 1))][column] = "o"
    names = [f"{top:.3g}", *[""] * (height - 2), "0"]
    return "\n".join(f"{name:>6} |{''.join(row).rstrip()}" for name, row in zip(names, rows, strict=True))


def test_unit_a_schedule_is_a_function_of_the_epoch() -> None:
    rates = course_of(lambda optimizer: LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1)), 4)
    assert np.allclose(rates, [1, 1 / 2, 1 / 3, 1 / 4])
    assert draw([1.0, 0.5, 0.0], height=3).splitlines() == ["     1 |o", "       | o", "     0 |  o"]


# %% [markdown]
"""
## Down by steps
The oldest rule: when the loss stops falling, divide the rate by ten. With `StepLR` it happens after every `step_size`
epochs, with `MultiStepLR` at epochs that you choose, the `milestones`. The factor is `gamma`.

         1 |oooooooooo
           |
           |
           |          oooooooooo
           |
           |                    oooooooooo
           |                              oooooooooo
         0 |

The rate 1, `step_size=3` and `gamma=0.1`, epoch by epoch:

    epoch   0      1      2      3      4      5      6
    rate    1      1      1      0.1    0.1    0.1    0.01

Epoch 0 is a multiple of 3 as well, but nothing happens there: it is the beginning.

**Exercise**: both. If `self.last_epoch` is an epoch of a change, multiply `self.rates()` by gamma; otherwise return
them as they are. A milestone may be listed twice: then the rate falls twice in that epoch.
"""


# %% tags=["step_lr"]
#| export
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
        ### BEGIN SOLUTION
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self.rates()
        return [rate * self.gamma for rate in self.rates()]
        ### END SOLUTION


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
        ### BEGIN SOLUTION
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [rate * factor for rate in self.rates()]
        ### END SOLUTION


# %%
def test_unit_step_lr_falls_after_every_three_epochs() -> None:
    rates = course_of(lambda optimizer: StepLR(optimizer, step_size=3), 7)
    assert np.allclose(rates, [1, 1, 1, 0.1, 0.1, 0.1, 0.01])


def test_unit_multi_step_lr_falls_at_its_milestones() -> None:
    rates = course_of(lambda optimizer: MultiStepLR(optimizer, milestones=[1, 4, 4], gamma=0.5), 6)
    assert np.allclose(rates, [1, 0.5, 0.5, 0.5, 0.125, 0.125])


# %% [markdown]
"""
## Down a little each time
`ExponentialLR` multiplies the rate by `gamma` in every epoch. What is a good gamma? One that is a tenth after all
epochs: for 20 epochs `0.1 ** (1 / 20)`, which is 0.891.

         1 |o
           | oo
           |   o
           |    ooo
           |       oo
           |         ooooo
           |              ooooooooo
         0 |                       ooooooooooooooooo

**Exercise**: `get_lr`. The beginning is given: there the rates stay.
"""


# %% tags=["exponential_lr"]
#| export
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
        ### BEGIN SOLUTION
        return [rate * self.gamma for rate in self.rates()]
        ### END SOLUTION


# %%
def test_unit_exponential_lr_falls_a_little_each_time() -> None:
    rates = course_of(lambda optimizer: ExponentialLR(optimizer, gamma=0.1 ** (1 / 20)), 21)
    assert np.allclose([rates[0], rates[1], rates[20]], [1, 0.891, 0.1], atol=1e-3)


def test_unit_a_rate_changed_by_hand_stays_changed() -> None:
    optimizer = SGD([Parameter([0.0])], lr=1.0)
    optimizer.state[optimizer.param_groups[0]["params"][0]] = {"step": 1}  # as after a step
    scheduler = ExponentialLR(optimizer, gamma=0.5)
    optimizer.param_groups[0]["lr"] = 0.8
    scheduler.step()
    assert scheduler.get_last_lr() == [0.4]


# %% [markdown]
"""
## Half a wave
A rate should stay high as long as there is way to go, fall in the middle, and be small for a while at the end. Half a
period of the cosine does that. From the rate `base` down to `eta_min` in `T_max` epochs:

    rate = eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

         1 |ooooooo
           |       oooooo
           |             oooo
           |                 oooo
           |                     ooo
           |                        oooo
           |                            oooooo
         0 |                                  ooooooo

For `base` 1, `eta_min` 0 and `T_max` 4 the rates are 1, 0.854, 0.5, 0.146, 0. After that the wave goes up again.

Now write it so that it moves the rate that is there. What is multiplied is the **distance to `eta_min`**. In one epoch
it changes by the quotient of the wave now and the wave before:

    rate - eta_min        1 + cos(pi * epoch / T_max)
    ---------------  =  -------------------------------
    old  - eta_min      1 + cos(pi * (epoch - 1) / T_max)

From epoch 1 to 2 of the example: `0.5 / 0.854 = 0.586`. At the bottom the wave before is 0, and there is nothing to
multiply; that case is given.

**Exercise**: the rate of every other epoch.
"""


# %% tags=["cosine_lr"]
#| export
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
        ### BEGIN SOLUTION
        now = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return [self.eta_min + (rate - self.eta_min) * now / before for rate in rates]
        ### END SOLUTION


# %%
def test_unit_cosine_annealing_follows_half_a_wave() -> None:
    rates = course_of(lambda optimizer: CosineAnnealingLR(optimizer, T_max=4), 6)
    assert np.allclose(rates, [1, 0.854, 0.5, 0.146, 0, 0.146], atol=1e-3)


# %% [markdown]
"""
## Warm-up
At the very beginning a large rate does harm. The weights are random, so the first gradients are large and point to
nowhere in particular. And Adam has seen one gradient: its mean square is that gradient squared, so every element makes
a step as long as the rate, even where the gradient is nothing but noise. A few epochs with a small rate give the means
time to become means.

`LinearLR` goes in a straight line from `start_factor` times the rate to `end_factor` times the rate, in `total_iters`
epochs, and then leaves it alone. With the factors 0.25 and 1 in 3 epochs:

    epoch    0       1       2       3       4
    factor   0.25    0.5     0.75    1       1

To move the rate that is there, multiply it by the factor now over the factor before: in epoch 2 by 0.75 / 0.5. In epoch
0 no factor came before, so it is multiplied by the factor itself.

**Exercise**: `factor`, the straight line; and the rates in `get_lr`, where `before` is given.
"""


# %% tags=["linear_lr"]
#| export
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
        ### BEGIN SOLUTION
        return self.start_factor + (self.end_factor - self.start_factor) * epoch / self.total_iters
        ### END SOLUTION

    def get_lr(self) -> list[float]:
        """Return the rates, moved from the factor before to the factor now; behind the line, as they are."""
        if self.last_epoch > self.total_iters or (self.starting and self.last_epoch > 0):
            return self.rates()
        before = 1.0 if self.last_epoch == 0 else self.factor(self.last_epoch - 1)
        ### BEGIN SOLUTION
        return [rate * self.factor(self.last_epoch) / before for rate in self.rates()]
        ### END SOLUTION


# %%
def test_unit_linear_lr_warms_up() -> None:
    rates = course_of(lambda optimizer: LinearLR(optimizer, start_factor=0.25, total_iters=3), 5)
    assert np.allclose(rates, [0.25, 0.5, 0.75, 1, 1])


# %% [markdown]
"""
## One schedule after another
A warm-up is followed by something. `SequentialLR` runs one scheduler up to a milestone and then the next, which begins
at its own epoch 0, with the rates of the beginning:

    warm = LinearLR(optimizer, start_factor=0.1, total_iters=5)
    fall = CosineAnnealingLR(optimizer, T_max=20)
    scheduler = SequentialLR(optimizer, [warm, fall], milestones=[5])

         1 |     oooo
           |    o    ooo
           |            oo
           |   o          oo
           |  o             o
           | o               oo
           |o                  ooo
         0 |                      oooo

The usual schedule of a language model is this one. Who has the turn? Scheduler 0 until the first milestone, and after
that as many as there are milestones behind us. With the milestones 5 and 8:

    epoch             0      1 to 4   5      6, 7     8      9 and on
    milestones past   0      0        1      1        2      2
    scheduler         0      0        1      1        2      2
    what it does      begin  go on    begin  go on    begin  go on

`bisect_right(milestones, epoch)` from the standard library counts the milestones up to an epoch, that epoch included. A
scheduler begins with `scheduler._begin(rates)`: at its epoch 0, with the rates of the beginning, `base_lrs`. It goes on
with `scheduler._advance()`. The state of a `SequentialLR` holds the states of all its schedulers.

**Exercise**: the turn, in `_advance`. In epoch 0 begin with this scheduler's own `base_lrs`; at a milestone, with those
of the one that begins.
"""


# %% tags=["sequential_lr"]
#| export
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
        ### BEGIN SOLUTION
        scheduler = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        if self.last_epoch == 0:
            scheduler._begin(self.base_lrs)
        elif self.last_epoch in self._milestones:
            scheduler._begin(scheduler.base_lrs)
        else:
            scheduler._advance()
        ### END SOLUTION
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


# %%
def warm_then_fall(optimizer: Optimizer) -> LRScheduler:
    """Return a warm-up of 5 epochs, followed by a cosine of 20."""
    warm = LinearLR(optimizer, start_factor=0.1, total_iters=5)
    return SequentialLR(optimizer, [warm, CosineAnnealingLR(optimizer, T_max=20)], milestones=[5])


def test_unit_a_warm_up_and_then_a_fall() -> None:
    rates = course_of(warm_then_fall, 26)
    assert np.allclose([rates[i] for i in (0, 1, 5, 15, 25)], [0.1, 0.28, 1, 0.5, 0])


# %% [markdown]
"""
## One cycle
`OneCycleLR` is a whole training in one schedule, set after every batch: up to `max_lr` in the first 30 %, which is a
long warm-up, and then down to almost nothing. While the rate goes up the momentum goes down, and the other way round: a
long step needs no push from behind.

         1 |          oooooo
           |        oo      oooo
           |       o            ooo
           |      o                ooo
           |     o                    oo
           |    o                       ooo
           |  oo                           oooo
         0 |oo                                 ooooo

A phase has an end, and a rate and a momentum at both of its ends. For `total_steps=10` and `pct_start=0.4` the first
phase ends at step `0.4 * 10 - 1 = 3`, the second one at step 9:

    step     0     1     2     3     4     5     6     7     8     9
    phase    up    up    up    up    down  down  down  down  down  down
    done     0     1/3   2/3   1     1/6   2/6   3/6   4/6   5/6   1

`anneal` goes from one value to the other with what is done, in a straight line or along half a wave: at `done = 0` it
is `start`, at 1 it is `end`.

    "linear"    start + (end - start) * done
    "cos"       end + (start - end) * (1 + cos(pi * done)) / 2

**Exercise**: `place` and `anneal`. In `place`, go through the phases; the first one whose end is not before this step
is the one, and the last one in any case. The first phase starts at 0, each other one where the one before has ended.
What is done is 1 at most, and 1 in a phase that starts where it ends.
"""


# %% tags=["one_cycle_lr"]
#| export
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
        ### BEGIN SOLUTION
        start, step = 0.0, self.last_epoch
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        end = phase["end_step"]
        return phase, 1.0 if start == end else min(1.0, (step - start) / (end - start))
        ### END SOLUTION

    def anneal(self, start: float, end: float, done: float) -> float:
        """Return the value between `start` and `end` when a part of the way is done."""
        ### BEGIN SOLUTION
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
        ### END SOLUTION

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


# %%
def test_unit_one_cycle_has_phases() -> None:
    cycle = OneCycleLR(SGD([Parameter([0.0])], lr=1.0), max_lr=1.0, total_steps=10, pct_start=0.4)
    seen = []
    for cycle.last_epoch in range(10):
        phase, done = cycle.place()
        seen.append((phase["end_lr"], round(6 * done)))
    assert seen == [*[("max_lr", n) for n in (0, 2, 4, 6)], *[("min_lr", n) for n in (1, 2, 3, 4, 5, 6)]]
    assert np.allclose([cycle.anneal(1.0, 3.0, done) for done in (0, 0.5, 1)], [1, 2, 3])


def test_unit_one_cycle_goes_up_and_down() -> None:
    rates = course_of(lambda optimizer: OneCycleLR(optimizer, max_lr=1.0, total_steps=10, pct_start=0.4), 10)
    assert np.allclose([rates[0], rates[3], rates[6], rates[9]], [0.04, 1, 0.5, 4e-6], atol=1e-5)


# %% [markdown]
"""
## When nothing gets better
All schedules so far are fixed before the training begins. `ReduceLROnPlateau` looks: it is given a value after every
epoch, mostly the loss on data that was held back, and multiplies the rates by `factor` when the value has not got
better for more than `patience` epochs.

What is better? With `mode="min"` a value below the best so far, by more than a `threshold`: `rel` means a part of the
best, `abs` an amount. `is_better` is given.

Here with `patience=1`, `factor=0.1`, `cooldown=2` and a threshold that does not matter:

    epoch   value   best   bad epochs             cooldown   rate
    1       5       5      0                      0          1
    2       4       4      0                      0          1
    3       4       4      1                      0          1
    4       6       4      2: more than patience  2          0.1      bad epochs begin at 0 again
    5       6       4      0: cooling down        1          0.1
    6       6       4      0: cooling down        0          0.1
    7       6       4      1                      0          0.1
    8       6       4      2: more than patience  2          0.01

While it cools down no bad epoch is counted: a new rate needs some time to show what it can do.

**Exercise**: the counting in `step`. In this order: is the value better? Then it is the best, and no epoch was bad;
otherwise one more was. Does it cool down? Then one epoch less from now on, and no epoch was bad. Were more epochs bad
than `patience` allows? Then `self.reduce()`, and cool down.
"""


# %% tags=["plateau"]
#| export
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
        ### BEGIN SOLUTION
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
        ### END SOLUTION
        self._advance()


# %%
def test_unit_a_plateau_follows_the_table() -> None:
    optimizer = SGD([Parameter([0.0])], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, patience=1, cooldown=2)
    seen = []
    for value in (5.0, 4.0, 4.0, 6.0, 6.0, 6.0, 6.0, 6.0):
        scheduler.step(value)
        seen.append((scheduler.best, scheduler.cooldown_counter, round(scheduler.get_last_lr()[0], 6)))
    assert [best for best, _, _ in seen] == [5, 4, 4, 4, 4, 4, 4, 4]
    assert [cooldown for _, cooldown, _ in seen] == [0, 0, 0, 2, 1, 0, 0, 2]
    assert [rate for _, _, rate in seen] == [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01]


# %% [markdown]
r"""
## A cliff
A loss is not always a smooth valley. Where a network multiplies many numbers, there are cliffs: the slope is a hundred
or a thousand times larger than a step to the side.

         loss
          |        |
          |        |   slope 1000
          |        |
          |        \
          |         '-.____        slope 1
          |                '--.__o
          +--------------------------- w
          <------------------- a step from the cliff with lr = 0.1: 100 units, out of the picture

The gradient is right: up there the loss does fall a thousand for each unit of w. But it is true only for the next
millimetre, and the step is a hundred units long. Everything that was learned is gone.

The cure is crude. If the gradient is longer than `max_norm`, shorten it to that length:

    length   gradient     max_norm   factor   afterwards    length
    5        [3, 4]       10         1        [3, 4]        5
    5        [3, 4]       1          0.2      [0.6, 0.8]    1

The direction stays, for **all gradients together are one vector**: the length is the root of the sum of all squares, in
all parameters. With `[3]` in one parameter and `[4]` in another it is 5.

The length is a norm, and there are others. The norm of type p is the p-th root of the sum of the p-th powers; `inf` is
the largest element. As in PyTorch it is computed in two steps: the norm of each gradient, then the norm of these norms.
`norm_of` computes in float64, so that squares of gradients as large as 1e20 do not overflow.

**Exercise**: the total norm, from `norms`; and the shortening. Multiply every gradient, in place, by `max_norm /
(total_norm + 1e-6)`, but never by more than 1: a short gradient stays as it is. Use `np.minimum` rather than `min`:
when the norm is nan the factor has to be nan as well, and not 1 by chance. Gradients that are None are left out
already. `scale` multiplies an array in place and tells the engine.
"""


# %% tags=["clip_norm"]
#| export
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
    ### BEGIN SOLUTION
    total = norm_of(norms, norm_type)
    ### END SOLUTION
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
        ### BEGIN SOLUTION
        factor = np.minimum(max_norm / (total + 1e-6), 1.0)
        scale(grad.data, float(factor), "clip_grad_norm_()")
        ### END SOLUTION


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


# %%
def test_unit_clipping_keeps_the_direction() -> None:
    a, b, idle = Parameter([0.0]), Parameter([0.0]), Parameter([0.0])
    a.grad, b.grad = Tensor([3.0]), Tensor([4.0])
    assert clip_grad_norm_([a, idle, b], max_norm=10.0).item() == 5.0
    assert (a.grad.tolist(), b.grad.tolist()) == ([3.0], [4.0])
    assert clip_grad_norm_([a, idle, b], max_norm=1.0).item() == 5.0
    assert np.allclose([a.grad.item(), b.grad.item()], [0.6, 0.8])


# %% [markdown]
"""
## Cutting each element
The other way is to cut every element at a value: with 1, `[3, -0.5]` becomes `[1, -0.5]`. It needs no norm, and one
huge element does not shrink all others. But the direction changes: `[100, 1]` becomes `[1, 1]`, 44 degrees away from
where it pointed.

**Exercise**: `clip_grad_value_`. `np.clip` cuts; with `out=` it writes into the array that is there. Tell the engine
with `note_change(array, "clip_grad_value_()")`.
"""


# %% tags=["clip_value"]
#| export
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
            ### BEGIN SOLUTION
            np.clip(grad.data, -clip_value, clip_value, out=grad.data)
            note_change(grad.data, "clip_grad_value_()")
            ### END SOLUTION


# %%
def test_unit_cutting_changes_only_what_is_too_large() -> None:
    w = Parameter([0.0, 0.0])
    w.grad = Tensor([3.0, -0.5])
    clip_grad_value_(w, 1.0)
    assert w.grad.tolist() == [1.0, -0.5]


def steps_at_a_cliff(max_norm: float) -> float:
    """Return where w is after 20 steps in a valley at 1 with a cliff at 0, when it begins on the cliff."""
    w = Parameter([-0.01])
    optimizer = SGD([w], lr=0.1)
    for _ in range(20):
        slope = -1000.0 if w.item() < 0 else w.item() - 1
        w.grad = Tensor([slope])
        clip_grad_norm_(w, max_norm)
        optimizer.step()
    return w.item()


def test_unit_a_cliff_throws_far_unless_the_step_is_limited() -> None:
    assert steps_at_a_cliff(max_norm=math.inf) > 10
    assert 0.8 < steps_at_a_cliff(max_norm=1.0) < 1


# %% [markdown]
"""
## Training, written once by hand
A schedule and a limit for the gradient are parts of a loop. Here is the whole loop, once, without any help. The task
is small: points in the plane, and the question whether a point lies inside a ring.

A **loader** gives the examples in batches, in a new order each time it is asked. Module 08 builds a good one; this one
is enough for now. Look at where its random numbers come from: from a generator of its own if it has one, and otherwise
from the package's. It will matter.
"""


# %%
import time
from tempfile import TemporaryDirectory

from tinytorch.core.activations import Tanh
from tinytorch.core.layers import Dropout, Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import from_numpy, manual_seed


class Shuffled:
    """Batches of examples, in a new order each time."""

    def __init__(self, x: Array, y: Array, size: int, generator: np.random.Generator | None = None) -> None:
        self.x, self.y, self.size, self.generator = x, y, size, generator

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = (self.generator or default_generator()).permutation(len(self.x))
        for start in range(0, len(order), self.size):
            chosen = order[start : start + self.size]
            yield from_numpy(self.x[chosen]), from_numpy(self.y[chosen])


def ring(count: int, seed: int) -> tuple[Array, Array]:
    """Return points in the plane, and 1 for those in a ring, 0 for the others."""
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    radius = np.hypot(x[:, 0], x[:, 1])
    return x, ((radius > 0.4) & (radius < 0.8)).astype(np.int64)


def network() -> Sequential:
    return Sequential(Linear(2, 32), Tanh(), Dropout(0.1), Linear(32, 2))


def train_by_hand(epochs: int) -> list[float]:
    """Return the mean loss of each epoch."""
    manual_seed(0)
    model, criterion = network(), CrossEntropyLoss()
    optimizer, loader = Adam(model.parameters(), lr=0.01), Shuffled(*ring(300, 0), 32)
    losses = []
    for _ in range(epochs):
        total, count = 0.0, 0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(x), count + len(x)
        losses.append(total / count)
    return losses


def test_unit_the_loop_by_hand() -> None:
    losses = train_by_hand(8)
    assert losses[-1] < losses[0]
    assert train_by_hand(8) == losses  # the same seed, the same numbers, to the last bit


# %% [markdown]
"""
## A mean of means
300 examples in batches of 32 make nine full batches and one of 12. Their losses are means already. The mean of the
ten means is not the mean over the examples: the 12 would count as much as 32. Take a small case, three examples in
batches of two:

    batch     losses      mean    size
    first     1, 3        2       2
    second    8           8       1

    mean of the means        (2 + 8) / 2          = 5
    weighted by the sizes    (2 * 2 + 8 * 1) / 3  = 4      as it is: (1 + 3 + 8) / 3

So the totals are kept, and how many examples they are of. `accuracy` is such a number too: how many of the examples
have their highest score where the target says.
"""


# %% tags=["averages"]
#| export
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


# %%
def test_unit_means_are_weighted_by_the_sizes_of_their_batches() -> None:
    averages = Averages()
    averages.add({"loss": 2.0}, 2)
    averages.add({"loss": 8.0}, 1)
    assert averages.means() == {"loss": 4.0}


# %% [markdown]
r"""
## What others may do: callbacks
A training run is watched, logged, saved and stopped. None of this belongs into the loop. So the loop calls, at five
moments, everybody who wants to be called:

    on_train_begin
      on_epoch_begin            \
        on_batch_end  ...        |  for each epoch
      on_epoch_end              /
    on_train_end                   not after an exception

A **callback** is an object with these five methods. It is given the trainer and reads what it needs: `trainer.epoch`,
`trainer.batch`, `trainer.row` (what is known of this epoch), `trainer.history` (a row for each epoch that is done). To
end the training after this epoch it sets `trainer.stop`.

A callback that remembers something has a state, as an optimizer has: what it returns from `state_dict()` goes into the
checkpoint.
"""


# %% tags=["callback"]
#| export
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


# %% [markdown]
"""
## Stopping early
A network that has learned what there is to learn begins to learn its examples by heart: the loss on the training
examples falls on, and the loss on others (the *validation* set) rises. It is time to stop. But a loss is noisy, and
one bad epoch means little. So wait: stop after `patience` epochs in a row without a better one. With `patience=2` and
`min_delta=0.05`:

    epoch   val_loss   best before   better by 0.05?   waited   stop?
    1       0.90       inf           yes               0
    2       0.70       0.90          yes               0
    3       0.68       0.70          no, by 0.02       1
    4       0.60       0.70          yes, by 0.10      0
    5       0.61       0.60          no                1
    6       0.58       0.60          no, by 0.02       2        yes

See epoch 4: it is compared with 0.70, not with 0.68, which was not better enough to count. A loss of `nan` is not
better than anything.

**Exercise**: the rule. `sign` is 1 where less is better, -1 where more is; `sign * value` is a number of which less is
better. Set `self.best` (the value itself) and `self.waited`; call `self.keep(trainer)` where it became better, and set
`trainer.stop` when it is time.
"""


# %% tags=["early_stopping"]
#| export
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
        ### BEGIN SOLUTION
        if self.sign * value < self.sign * self.best - self.min_delta:
            self.best, self.waited = value, 0
            self.keep(trainer)
        else:
            self.waited += 1
        if self.waited >= self.patience:
            trainer.stop = True
        ### END SOLUTION

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


# %%
def epochs_until_stop(values: list[float], **settings: Any) -> int:
    """Return after how many of some epochs a run would be stopped."""
    trainer = Trainer(network(), SGD(network().parameters(), lr=0.1), CrossEntropyLoss())
    stopping = EarlyStopping("val_loss", **settings)
    for epoch, value in enumerate(values, 1):
        trainer.row = {"val_loss": value}
        stopping.on_epoch_end(trainer)
        if trainer.stop:
            return epoch
    return len(values) + 1


def test_unit_early_stopping_follows_the_table() -> None:
    assert epochs_until_stop([0.90, 0.70, 0.68, 0.60, 0.61, 0.58, 0.1], patience=2, min_delta=0.05) == 6
    assert epochs_until_stop([0.5, 0.6, 0.7, 0.8], patience=3, mode="max") == 5
    assert epochs_until_stop([math.nan] * 4, patience=3) == 3


# %% [markdown]
"""
## The trainer: an epoch of training
`Trainer` holds what a run is made of, and where it is. This cell is given; it checks what it was given and says what
went wrong.

A loss of `nan` or `inf` stops the run at once, before the step is taken: with such a gradient one step makes every
parameter `nan`, and then nothing is left to look at.
"""


# %% tags=["trainer"]
#| export
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


def pair_of(batch: Any) -> tuple[Any, Any, int]:
    """Return the inputs and the targets of a batch, and how many examples it has."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        what = f"{len(batch)} things" if isinstance(batch, tuple | list) else type(batch).__name__
        raise TypeError(f"Trainer: a batch is a pair of inputs and targets, but the loader gave {what}.")
    inputs, targets = batch
    return inputs, targets, len(targets)


# %% [markdown]
"""
The steps of an epoch are those of the loop by hand. Three things come in between: the check of the loss before the
gradient, the limit of the gradient after `backward()`, and the numbers afterwards.

**Exercise**: a step inside `train_epoch`. Forget the old gradients; compute `outputs` and `loss`;
`self.check_loss(loss)`; go back; if `self.clip_grad_norm` is not None, limit the gradients of the model's parameters;
let the optimizer step.
"""


# %% tags=["train_epoch"]
#| export
class Trainer(Trainer):
    def train_epoch(self, batches: Iterable[Any]) -> None:
        """Take a step with each of the batches."""
        self.model.train()
        for batch in batches:
            inputs, targets, count = pair_of(batch)
            ### BEGIN SOLUTION
            self.optimizer.zero_grad()
            outputs = self.model(inputs)
            loss = self.criterion(outputs, targets)
            self.check_loss(loss)
            loss.backward()
            if self.clip_grad_norm is not None:
                clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)
            self.optimizer.step()
            ### END SOLUTION
            self.note_batch(self.measure(loss, outputs, targets), count)


# %%
def test_unit_a_step_is_that_of_the_loop_by_hand() -> None:
    manual_seed(0)
    model = network()
    trainer = Trainer(model, Adam(model.parameters(), lr=0.01), CrossEntropyLoss())
    trainer.train_epoch(Shuffled(*ring(300, 0), 32))
    assert trainer.row["loss"] == train_by_hand(1)[0]
    assert (trainer.batch, trainer.step) == (10, 10)


# %% [markdown]
"""
## Measuring
To measure is not to train: no dropout, no gradients, no steps. `evaluate` sets the model to `eval()`, goes through the
batches inside `no_grad()`, and afterwards gives each layer the mode it had. It does so even if something goes wrong in
between.

**Exercise**: the middle of `evaluate`: for each batch, the outputs, the loss and what `self.measure` says of them,
taken into `sums`, weighted by how many examples the batch has.
"""


# %% tags=["evaluate"]
#| export
class Trainer(Trainer):
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
                    ### BEGIN SOLUTION
                    outputs = self.model(inputs)
                    loss = self.criterion(outputs, targets)
                    sums.add(self.measure(loss, outputs, targets), count)
                    ### END SOLUTION
        finally:
            for module, mode in modes:
                module.training = mode
        if not sums.count:
            raise ValueError("Trainer.evaluate: the loader gave no example. Is it an iterator that was used up?")
        return sums.means()


# %%
def test_unit_measuring_is_repeatable_and_changes_nothing() -> None:
    manual_seed(0)
    model = network()
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), CrossEntropyLoss(), metrics={"accuracy": accuracy})
    x, y = ring(50, 1)
    whole, parts = trainer.evaluate(Shuffled(x, y, 50)), trainer.evaluate(Shuffled(x, y, 32))
    assert np.isclose(whole["loss"], parts["loss"])
    assert np.isclose(whole["accuracy"], parts["accuracy"])
    assert model.training


# %% [markdown]
"""
## A file of weights
A training of a week must survive the night in which the machine is restarted. So the weights go into a file. Which?

Python's own way to put objects into files is `pickle`. But a pickle is not data: it is a list of calls, and to load it
is to make them. Whoever wrote the file chose the calls. The next cell makes one that calls `print`; it could have
called anything.
"""


# %%
import contextlib
import io
import pickle


class Weights:
    """Says, when it is pickled, that print() is what makes it again."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return print, ("this code ran because you loaded a file",)


def load_a_strangers_pickle() -> str:
    """Return what is printed when a pickle of `Weights` is loaded."""
    file = pickle.dumps(Weights())
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        pickle.loads(file)
    return printed.getvalue()


def test_unit_loading_a_pickle_runs_code() -> None:
    assert load_a_strangers_pickle() == "this code ran because you loaded a file\n"


# %% [markdown]
"""
Weights are arrays with names, so a file needs no more than that. The format **safetensors** is this: how long the
header is (8 bytes), the header (JSON), and then the numbers, one array after the other. `{"w": [1.0, -2.0]}` is 72
bytes:

    00  38 00 00 00 00 00 00 00                           the header has 0x38 = 56 bytes
    08  7b 22 77 22 3a 7b 22 64 74 79 70 65 22 3a 22 46   {"w":{"dtype":"F
    18  33 32 22 2c 22 73 68 61 70 65 22 3a 5b 32 5d 2c   32","shape":[2],
    28  22 64 61 74 61 5f 6f 66 66 73 65 74 73 22 3a 5b   "data_offsets":[
    38  30 2c 38 5d 7d 7d 20 20                           0,8]}}  and spaces, up to a multiple of 8
    40  00 00 80 3f 00 00 00 c0                           1.0, -2.0

The offsets count from the end of the header: this array is bytes 0 to 8. Numbers are little-endian, the lowest byte
first, and an array's last axis runs fastest, whatever its order in memory was. Under `"__metadata__"` the header may
have strings by name.

Nothing in such a file can run. Every other framework reads it, and it can be read without reading all of it.

**Exercise**: in `header_of`, the entry of each array. `code_of(array.dtype)` is its dtype's name in the file. The first
array begins at 0, each other one where the one before ends; `array.nbytes` says how long it is.
"""


# %% tags=["header"]
#| export
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
    ### BEGIN SOLUTION
    begin = 0
    for name, array in arrays.items():
        end = begin + array.nbytes
        entries[name] = {"dtype": code_of(array.dtype), "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    ### END SOLUTION
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of 8
    if len(text) > MAX_HEADER:
        raise ValueError(f"save_arrays: the header has {len(text)} bytes, but at most {MAX_HEADER} can be read back.")
    return len(text).to_bytes(8, "little") + text


# %%
def hex_picture(data: bytes) -> str:
    """Return the first eight bytes, and then sixteen a line, as the picture above shows them."""
    pieces = [(0, data[:8])] + [(i, data[i : i + 16]) for i in range(8, len(data), 16)]
    return "\n".join(f"{i:02x}  {piece.hex(' '):47}   {piece!r}" for i, piece in pieces)


def test_unit_the_header_of_two_numbers() -> None:
    header = header_of({"w": np.array([1.0, -2.0], np.float32)}, {})
    assert header[:8] == b"\x38\0\0\0\0\0\0\0"
    assert header[8:] == b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  '
    assert json.loads(header_of({"a": np.zeros((2, 3)), "b": np.zeros(0), "c": np.array(True)}, {})[8:])["c"] == {
        "dtype": "BOOL",
        "shape": [],
        "data_offsets": [48, 49],
    }


# %% [markdown]
"""
## All of a file or nothing
What if the machine stops while the file is written? Half of the new one is there, the old one is gone, and the week is
lost. So a file is never written over. The new one is written *beside* it, and then takes its name, which is one single
operation of the file system:

    weights           old old old        old old old        old old old        new new new
    weights.partial                      new n              new new new        (gone)
                      before             writing            written            renamed

Whoever opens `weights` finds the old or the new, at every moment, whole.

One thing is missing. What a program has written is not on the disk: it waits in the program's own buffer, then in that
of the operating system, for half a minute perhaps. A rename might reach the disk before the bytes do. `flush()` empties
the first buffer and `os.fsync` the second; then comes the rename; and the folder, which is where names stand, gets an
`fsync` of its own.

**Exercise**: `write_atomically`. Write the pieces into the file beside, flush it, `os.fsync(file.fileno())`, and when
it is closed, `os.replace(beside, path)`.
"""


# %% tags=["write_atomically"]
#| export
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
        ### BEGIN SOLUTION
        with open(beside, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        ### END SOLUTION
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


# %%
def test_unit_a_file_that_could_not_be_written_leaves_the_old_one() -> None:
    def half() -> Iterator[bytes]:
        yield b"half"
        raise OSError("the disk is full")

    with TemporaryDirectory() as folder:
        path = Path(folder, "file")
        write_atomically(path, [b"one", b"two"])
        with contextlib.suppress(OSError):
            write_atomically(path, half())
        assert path.read_bytes() == b"onetwo"
        assert os.listdir(folder) == ["file"]


def test_unit_72_bytes() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "w.safetensors")
        save_arrays(path, {"w": np.array([1.0, -2.0], np.float32)})
        assert len(path.read_bytes()) == 72
        assert path.read_bytes()[64:] == bytes.fromhex("0000803f000000c0")


# %% [markdown]
"""
## Reading what anybody may have written
A file that comes from elsewhere, or from a broken disk, may hold anything. Nothing of it is believed: the header must
fit into the file, be JSON, and have the right kinds of things in the right places. And the arrays must **tile** the
bytes after the header: no gap, no overlap, nothing after the end, and each as long as its shape says. Suppose 24 bytes:

    a  F32 [2]   [0, 8]        a  [0, 8]  b  [8, 24]             all well
    b  F64 [2]   [8, 24]

    b  F64 [2]   [4, 20]       b begins at 4, but a ends at 8     an overlap
    b  F64 [2]   [16, 32]      b begins at 16, but a ends at 8    a gap (and it runs past the end)
    b  F64 [1]   [8, 24]       16 bytes, but [1] of F64 are 8
    a alone      [0, 8]        16 bytes at the end are nobody's

Overlaps are refused though they could be read: two arrays in the same place mean that somebody wants to fool a reader.

**Exercise**: `check_offsets`. Go through the entries by where they begin (an empty array ends where it begins: sort by
`(begin, end)`), keep the end of the one before, and raise a `ValueError` that names the array. `math.prod(shape)` is
the number of elements. At the end, the last end must be `size`.
"""


# %% tags=["check_offsets"]
#| export
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
    ### BEGIN SOLUTION
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
    ### END SOLUTION


# %%
def problem_of(size: int, **entries: Entry) -> str:
    """Return what `check_offsets` says of some entries."""
    try:
        check_offsets(entries, size)
    except ValueError as error:
        return str(error)
    return ""


def test_unit_arrays_tile_the_file() -> None:
    a = Entry("F32", (2,), 0, 8)
    assert problem_of(24, a=a, b=Entry("F64", (2,), 8, 24)) == ""
    assert "'b'" in problem_of(24, a=a, b=Entry("F64", (2,), 4, 20))
    assert "'b'" in problem_of(32, a=a, b=Entry("F64", (2,), 16, 32))
    assert "'b'" in problem_of(24, a=a, b=Entry("F64", (1,), 8, 24))
    assert problem_of(24, a=a) != ""


# %% [markdown]
"""
The rest of the reading is given. Each check asks one thing, and `load_arrays` adds to every complaint which file it is
of. bfloat16 (`BF16`), which NumPy lacks, is float32 without its last two bytes, so it is read as float32.
"""


# %% tags=["load_arrays"]
#| export
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


# %%
def test_unit_what_was_written_is_read() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(7, np.uint8), "c": np.zeros((0, 4), np.float16)}
    with TemporaryDirectory() as folder:
        path = Path(folder, "some.safetensors")
        save_arrays(path, arrays, {"note": "µ"})
        read, metadata = load_arrays(path)
        assert metadata == {"note": "µ"}
        for name, array in arrays.items():
            assert read[name].dtype == array.dtype
            assert np.array_equal(read[name], array)
        path.write_bytes(path.read_bytes()[:-1])
        try:
            load_arrays(path)
        except ValueError as error:
            print(error)
        else:
            raise AssertionError("a file that is cut off was read")


# %% [markdown]
"""
## More than weights
To go on with a training, the weights are not enough. The optimizer remembers, the schedule counts, callbacks wait, and
all of them use types of their own: dicts by number, tuples, floats, arrays. So a **state** is a tree: dicts and lists
of plain values, with arrays at its leaves. The arrays go into the file's arrays, named by their path in the tree, and
the tree, with a note in the place of each array, into its metadata as JSON:

    {"model": {"0.weight": [[...]]}, "epoch": 3, "betas": (0.9, 0.999)}

    arrays      model.0.weight
    metadata    {"model": {"0.weight": {"$array": "model.0.weight"}}, "epoch": 3, "betas": {"$tuple": [0.9, 0.999]}}

JSON writes a float with as many digits as it needs to come back the very same (`repr` does that), `nan` and `inf`
included. So nothing is rounded. And any program that reads safetensors can take the weights out of a checkpoint.

This cell is given.
"""


# %% tags=["save_state"]
#| export
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


# %%
def test_unit_a_tree_comes_back_as_it_was() -> None:
    tree = {"state": {0: {"step": np.float32(3)}}, "betas": (0.1 + 0.2, math.inf), "best": None, "rows": [{"a": 1}]}
    with TemporaryDirectory() as folder:
        save_state(f"{folder}/tree", tree)
        assert load_state(f"{folder}/tree") == tree


# %% [markdown]
"""
## What a checkpoint has to hold
A run that is stopped and goes on shall end with the very same numbers as one that was never stopped: **bit for bit**,
not about. It is the only demand that can be tested, and whatever is forgotten shows. What can be forgotten?

    the model's values          else everything begins anew
    the optimizer's state       else Adam's means begin at 0, and the loss jumps
    the scheduler's state       else the rate begins anew
    the callbacks' state        else early stopping waits too long
    the place                   epoch, batches done in it, steps in all
    the sums of this epoch      else its mean loss is that of its second half
    the history                 else the rows before are lost
    the random state, twice     else Dropout drops others, and the examples come in another order

Why twice? The order of the examples was drawn when the epoch began. A run that goes on in the middle needs the same
order again, so it needs the random state *as it was then*. Afterwards, Dropout goes on from the state *as it is now*:

    epoch begins                     checkpoint
    |                                |
    o---o---o---o---o---o---o---o---(o)---o---o---o
    order drawn                      dropout goes on
    from this state                  from this one

`random_state` takes the states of all generators that count: the package's own and, where there is one, the loader's.

**Exercise**: what `Trainer.state_dict` gathers of the place and of the random state. If the epoch is `finished`, the
checkpoint stands at the beginning of the next one: no batch is done, the sums are empty, and the random state of its
beginning is that of now. `len(self.history)` is the number of epochs that are done. `self._epoch_began` is the random
state of this epoch's beginning.
"""


# %% tags=["gather"]
#| export
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


class Trainer(Trainer):
    @property
    def loaders(self) -> dict[str, Any]:
        """The loaders of this run, by name."""
        return {"loader": self.loader, "validation_loader": self.validation_loader}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that another process needs to go on from here; arrays are shared, not copied."""
        finished = len(self.history) > self.epoch
        now = random_state(self.loaders)
        ### BEGIN SOLUTION
        place = {
            "epoch": len(self.history),
            "batch": 0 if finished else self.batch,
            "step": self.step,
            "totals": {} if finished else self.sums.totals,
            "count": 0 if finished else self.sums.count,
            "random": now,
            "random_at_epoch_begin": now if finished else self._epoch_began,
        }
        ### END SOLUTION
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


def state_of(thing: Any) -> dict[str, Any]:
    """Return the state of a scheduler, or an empty one if there is none."""
    return {} if thing is None else dict(thing.state_dict())


# %% [markdown]
"""
## Going back to a checkpoint
First everything is compared, then anything is changed: a checkpoint of another network, another optimizer or another
kind of loader leaves the run as it was, with an error that says what differs. This cell is given.
"""


# %% tags=["load_checkpoint"]
#| export
class Trainer(Trainer):
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


# %% [markdown]
"""
## Going on in the middle of an epoch
The checkpoint was made after 8 of 12 batches. To have the other four, the loader must draw the same order again, and
then the first eight are skipped:

    1  put the random state of the epoch's beginning back
    2  begin to iterate: the order is drawn, the same as then
    3  take `self.batch` batches and throw them away
    4  put the random state of the checkpoint back, for what comes next

Step 4 must come after step 3, since some loaders draw the order only when the first batch is asked for, and others draw
at every batch.

**Exercise**: `batches_left`, for a run that goes on. If the loader ends before all of them are skipped
(`StopIteration`), its data have changed: raise a `ValueError`. `next(batches)` takes a batch.
"""


# %% tags=["batches_left"]
#| export
class Trainer(Trainer):
    def batches_left(self) -> Iterator[Any]:
        """Return the batches of this epoch; those that were done before the checkpoint are skipped."""
        if self._goes_on is None:
            self._epoch_began = random_state(self.loaders)
            return iter(self.loader)
        ### BEGIN SOLUTION
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
        ### END SOLUTION
        self._goes_on = None
        return batches


# %%
def test_unit_the_rest_of_an_epoch() -> None:
    for generator in (None, np.random.default_rng(3)):
        loader = Shuffled(*ring(20, 0), 4, generator)
        model = network()
        trainer = Trainer(model, SGD(model.parameters(), lr=0.1), CrossEntropyLoss())
        trainer._begin(loader, 1, None)
        batches = trainer.batches_left()
        for _ in range(2):
            next(batches)
            trainer.batch += 1
        default_generator().random(7)  # as Dropout draws
        saved = trainer.state_dict()
        rest, draw = [x.tolist() for x, _ in batches], default_generator().random()
        default_generator().random(100)
        trainer.load_state_dict(saved)
        assert [x.tolist() for x, _ in trainer.batches_left()] == rest
        assert default_generator().random() == draw


# %% [markdown]
"""
## The whole run
`fit` is given. Follow the order at the end of an epoch: it is measured, the row is made with the rate that was used,
the scheduler moves, the callbacks are called, and among them the checkpoints come last, so that they see what the
others did.

If you stop a run with Ctrl-C, the `KeyboardInterrupt` goes on to you, with a note that says which checkpoint is the
last.
"""


# %% tags=["fit"]
#| export
class Trainer(Trainer):
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


# %% [markdown]
"""
## Checkpoints and a log
`Checkpoint` saves after each epoch, and every few steps if you say so. Of an epoch that is the best so far it keeps a
second file.

`CSVLog` writes a table with a row for each epoch. It is written anew each time, from the history, and atomically: so a
killed run leaves no half row, and a run that goes on from an older checkpoint cuts back what came after it. It has no
column of times: two runs with the same numbers have the same file.
"""


# %% tags=["checkpoint"]
#| export
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


# %%
def make_trainer(*callbacks: Callback, seed: int = 0) -> tuple[Trainer, Shuffled]:
    """Return a trainer of the ring, and its loader."""
    manual_seed(seed)
    model = network()
    trainer = Trainer(model, Adam(model.parameters(), lr=0.02), CrossEntropyLoss(), callbacks=callbacks)
    return trainer, Shuffled(*ring(300, 0), 32, np.random.default_rng(seed))


class StoppedError(Exception):
    """What a run of the tests is stopped with."""


class StopAt(Callback):
    """Stops a run after some step, as a power cut would."""

    last = True

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            raise StoppedError


def losses_after_a_stop(path: Path, step: int, forget: str = "") -> list[float]:
    """Return the losses of a run that was stopped and goes on from a checkpoint, with a part of it left out."""
    trainer, loader = make_trainer(Checkpoint(path, every_n_steps=5), StopAt(step))
    with contextlib.suppress(StoppedError):
        trainer.fit(loader, 6)
    trainer, loader = make_trainer(seed=1)
    state = load_state(path)
    state["callbacks"] = {}
    if forget == "optimizer":
        state["optimizer"]["state"] = {}
    if forget == "random":
        state["random"] = state["random_at_epoch_begin"] = random_state({"loader": loader})
    save_state(path, state)
    return trainer.fit(loader, 6, resume=path).series("loss")["loss"]


def test_unit_a_run_that_goes_on_ends_with_the_same_bits() -> None:
    trainer, loader = make_trainer()
    whole = trainer.fit(loader, 6).series("loss")["loss"]
    with TemporaryDirectory() as folder:
        for step in (5, 23, 30, 59):
            assert losses_after_a_stop(Path(folder, "run.ckpt"), step) == whole


def test_unit_a_log_has_a_row_for_each_epoch() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "log.csv")
        trainer, loader = make_trainer(CSVLog(path))
        history = trainer.fit(loader, 3)
        rows = [line.split(",") for line in path.read_text().splitlines()]
        assert rows[0] == ["epoch", "loss", "lr"]
        assert [float(row[1]) for row in rows[1:]] == [row["loss"] for row in history]


# %% [markdown]
"""
### What is the same, and what is not
Two runs with one seed are the same bit for bit: on one machine, with one version of NumPy, and with the same number of
threads. What may differ:

- **The order of a sum.** `(a + b) + c` is not `a + (b + c)` in floats. A product of matrices on two threads, or on
  another processor, adds in another order; its last bits differ, and after a hundred steps of training the third digit.
- **Other generators.** A loader or a callback that draws from `random` or from a generator of its own that is not named
  `generator` is not in the checkpoint.
- **The clock.** So the log has no times.

A checkpoint carries on where it was made. On another machine it is as good, and not the same.
"""

# %% [markdown]
"""
## Questions that measure something
### What if the checkpoint forgets something?
A run of six epochs is stopped after 33 steps, and goes on from the checkpoint of step 30, the end of epoch 3: once with
everything, once without the optimizer's state, and once without the random state. Before you look: which shows more?
"""


# %%
def experiment_forgetting() -> None:
    with TemporaryDirectory() as folder:
        for forget in ("", "optimizer", "random"):
            losses = losses_after_a_stop(Path(folder, "run.ckpt"), 33, forget)
            print(f"without {forget or 'nothing':10}", "  ".join(f"{loss:.6f}" for loss in losses))


# %% [markdown]
"""
Without Adam's two means the first steps after the stop have the length of the rate, whatever the gradients, and the
mean of ten losses shows it. Without the random state the examples come in another order, Dropout drops other elements,
and the losses part at once, by as much as two seeds do: it learns as well, and nobody can say any more whether a change
of the program changed the result.

### What does a checkpoint cost?
Adam's two arrays make it three times the weights. And the disk must say that it has them: that takes time.

**For thought**: at how many parameters does a checkpoint every hundred steps cost a tenth of your training?
"""


# %%
def experiment_cost() -> None:
    with TemporaryDirectory() as folder:
        for width in (32, 256, 1024):
            model = Sequential(Linear(width, width), Tanh(), Linear(width, 2))
            trainer = Trainer(model, Adam(model.parameters()), CrossEntropyLoss())
            x = np.zeros((8, width), np.float32)
            trainer.fit([(from_numpy(x), from_numpy(np.zeros(8, np.int64)))], 1)
            path, times = Path(folder, "run.ckpt"), []
            for _ in range(3):
                start = time.perf_counter()
                trainer.save(path)
                times.append(time.perf_counter() - start)
            weights = sum(value.data.nbytes for value in model.state_dict().values())
            size = path.stat().st_size
            print(f"{weights:9,} bytes of weights   {size:10,} in the checkpoint   {1e3 * np.median(times):6.1f} ms")


def test_unit_a_checkpoint_of_adam_is_three_times_the_weights() -> None:
    trainer, loader = make_trainer()
    trainer.fit(loader, 1)
    with TemporaryDirectory() as folder:
        trainer.save(f"{folder}/run.ckpt")
        arrays, _ = load_arrays(f"{folder}/run.ckpt")
    weights = sum(array.nbytes for name, array in arrays.items() if name.startswith("model."))
    remembered = sum(array.nbytes for name, array in arrays.items() if ".exp_avg" in name)
    assert remembered == 2 * weights


# %% [markdown]
"""
### Which schedule wins?
The ring again, 15 epochs, with three rates to begin with. Guess first: for which of them does a schedule matter most?
"""


# %%
SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "none": lambda optimizer: None,
    "StepLR": lambda optimizer: StepLR(optimizer, step_size=5, gamma=0.3),
    "ExponentialLR": lambda optimizer: ExponentialLR(optimizer, gamma=0.8),
    "CosineAnnealingLR": lambda optimizer: CosineAnnealingLR(optimizer, T_max=15),
    "ReduceLROnPlateau": lambda optimizer: ReduceLROnPlateau(optimizer, factor=0.3, patience=1),
}


def loss_with_schedule(name: str, lr: float, epochs: int = 15) -> float:
    """Return the loss on other points of the ring, after some epochs."""
    manual_seed(0)
    model = network()
    optimizer = Adam(model.parameters(), lr=lr)
    trainer = Trainer(model, optimizer, CrossEntropyLoss(), scheduler=SCHEDULES[name](optimizer))
    other = Shuffled(*ring(300, 1), 300)
    return float(trainer.fit(Shuffled(*ring(300, 0), 32), epochs, other)[-1]["val_loss"])


def experiment_schedules() -> None:
    rates = (0.003, 0.03, 0.3)
    print(f"{'':20}", "".join(f"lr={rate:<8}" for rate in rates))
    for name in SCHEDULES:
        print(f"{name:20}", "".join(f"{loss_with_schedule(name, rate):<11.4f}" for rate in rates))


# %% [markdown]
"""
## All together
A network learns the ring, is stopped early, and is what it was in its best epoch.
"""


# %%
def test_module() -> None:
    """🧪 Module 07: a run with a schedule, a limit, checkpoints, a log and an early end."""
    with TemporaryDirectory() as folder:
        log, path = Path(folder, "log.csv"), Path(folder, "run.ckpt")
        manual_seed(0)
        model = network()
        optimizer = Adam(model.parameters(), lr=0.03)
        stopping = EarlyStopping("val_loss", patience=4, restore_best=True)
        trainer = Trainer(
            model,
            optimizer,
            CrossEntropyLoss(),
            scheduler=CosineAnnealingLR(optimizer, T_max=40),
            metrics={"accuracy": accuracy},
            clip_grad_norm=1.0,
            callbacks=[stopping, CSVLog(log), Checkpoint(path, monitor="val_loss")],
        )
        other = Shuffled(*ring(300, 1), 100)
        history = trainer.fit(Shuffled(*ring(300, 0), 32), 40, other)
        assert history[-1]["val_loss"] < history[0]["val_loss"]
        assert np.isclose(trainer.evaluate(other)["loss"], stopping.best)
        assert len(log.read_text().splitlines()) == len(history) + 1
        assert load_state(path)["history"] == history
    print("Module 07: all is well.")


if __name__ == "__main__":
    test_unit_half_the_rate_leaves_half_the_loss()
    test_unit_a_schedule_is_a_function_of_the_epoch()
    test_unit_step_lr_falls_after_every_three_epochs()
    test_unit_multi_step_lr_falls_at_its_milestones()
    test_unit_exponential_lr_falls_a_little_each_time()
    test_unit_a_rate_changed_by_hand_stays_changed()
    test_unit_cosine_annealing_follows_half_a_wave()
    test_unit_linear_lr_warms_up()
    test_unit_a_warm_up_and_then_a_fall()
    test_unit_one_cycle_has_phases()
    test_unit_one_cycle_goes_up_and_down()
    test_unit_a_plateau_follows_the_table()
    test_unit_clipping_keeps_the_direction()
    test_unit_cutting_changes_only_what_is_too_large()
    test_unit_a_cliff_throws_far_unless_the_step_is_limited()
    test_unit_the_loop_by_hand()
    test_unit_means_are_weighted_by_the_sizes_of_their_batches()
    test_unit_early_stopping_follows_the_table()
    test_unit_a_step_is_that_of_the_loop_by_hand()
    test_unit_measuring_is_repeatable_and_changes_nothing()
    test_unit_loading_a_pickle_runs_code()
    test_unit_the_header_of_two_numbers()
    test_unit_a_file_that_could_not_be_written_leaves_the_old_one()
    test_unit_72_bytes()
    test_unit_arrays_tile_the_file()
    test_unit_what_was_written_is_read()
    test_unit_a_tree_comes_back_as_it_was()
    test_unit_the_rest_of_an_epoch()
    test_unit_a_run_that_goes_on_ends_with_the_same_bits()
    test_unit_a_log_has_a_row_for_each_epoch()
    test_unit_a_checkpoint_of_adam_is_three_times_the_weights()
    experiment_forgetting()
    experiment_cost()
    experiment_schedules()
    test_module()
