"""The comprehensive suite of module 07."""

import contextlib
import doctest
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import tinytorch.core.training as training
from tinytorch.core.autograd import ChangedInPlaceError
from tinytorch.core.layers import Dropout, Linear, Parameter, Sequential
from tinytorch.core.losses import CrossEntropyLoss, MSELoss
from tinytorch.core.optimizers import SGD, Adagrad, Adam
from tinytorch.core.tensor import Tensor, default_generator, from_numpy, manual_seed
from tinytorch.core.training import (
    DTYPES,
    Averages,
    Callback,
    Checkpoint,
    CosineAnnealingLR,
    CSVLog,
    EarlyStopping,
    Entry,
    ExponentialLR,
    History,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    SkippedRateWarning,
    StepLR,
    Trainer,
    accuracy,
    check_offsets,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    header_of,
    load_arrays,
    load_state,
    monitored,
    save_arrays,
    save_state,
    write_atomically,
)

some_examples = settings(max_examples=25, deadline=None)

SIMPLE = ("step_lr", "exponential_lr", "cosine_lr", "linear_lr")


def descent(*lrs, rule=SGD, **defaults):
    """Return an optimizer with a group for each rate, after a first step."""
    optimizer = rule([{"params": [Parameter([0.0])], "lr": lr} for lr in lrs or (1.0,)], **defaults)
    for group in optimizer.param_groups:
        group["params"][0].grad = Tensor([0.0])
    optimizer.step()
    return optimizer


def rates_of(scheduler, epochs):
    """Return the rates of the first group in the next epochs, beginning with those that are set."""
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.step()
    return rates


def close(*values):
    return pytest.approx(values, rel=1e-9, abs=1e-12)


# The frame


def test_a_scheduler_sets_the_rate_of_each_group():
    optimizer = descent(1.0, 0.5)
    scheduler = LambdaLR(optimizer, [lambda epoch: 1 / (epoch + 1), lambda epoch: 2**epoch])
    seen = []
    for _ in range(3):
        seen.append([group["lr"] for group in optimizer.param_groups])
        assert scheduler.get_last_lr() == seen[-1]
        scheduler.step()
    assert seen == [[1.0, 0.5], [0.5, 1.0], close(1 / 3, 2.0)]
    assert [group["initial_lr"] for group in optimizer.param_groups] == scheduler.base_lrs == [1.0, 0.5]
    assert scheduler.last_epoch == 3


def test_rates_that_are_told_cannot_be_changed_from_outside():
    scheduler = LambdaLR(descent(), lambda epoch: 1.0)
    scheduler.get_last_lr()[0] = 7.0
    scheduler.state_dict()["base_lrs"][0] = 7.0
    assert (scheduler.get_last_lr(), scheduler.base_lrs) == ([1.0], [1.0])


def test_a_schedule_that_has_no_rule():
    with pytest.raises(NotImplementedError, match=r"LRScheduler has no get_lr\(\)"):
        LRScheduler(descent())


def test_a_first_rate_that_is_never_used_is_worth_a_warning():
    p = Parameter([0.0])
    optimizer = SGD([p], lr=1.0)
    scheduler = LambdaLR(optimizer, lambda epoch: 1.0)
    with pytest.warns(SkippedRateWarning, match=r"LambdaLR.step\(\) comes before SGD has changed") as caught:
        scheduler.step()
    assert caught[0].filename == __file__
    scheduler.step()  # a second warning would be an error
    p.grad = Tensor([1.0])
    optimizer.step()
    LambdaLR(optimizer, lambda epoch: 1.0).step()


@pytest.mark.parametrize("rate", [-1.0, -1e-9, math.nan, math.inf])
def test_a_rate_that_is_none(rate):
    scheduler = LambdaLR(descent(), lambda epoch: rate if epoch else 1.0)
    with pytest.raises(ValueError, match=r"LambdaLR makes the rate .* for group 0 in epoch 1. A rate is 0 or more"):
        scheduler.step()


def test_what_rounding_brings_below_0_is_0():
    assert rates_of(LambdaLR(descent(), lambda epoch: -1e-17 if epoch else np.float32(0.5)), 2) == [0.5, 0.0]


def test_a_group_that_comes_later():
    optimizer = descent()
    schedulers = [LambdaLR(optimizer, lambda epoch: 1.0), ReduceLROnPlateau(optimizer, patience=0)]
    optimizer.add_param_group({"params": [Parameter([0.0])]})
    for scheduler, metrics in zip(schedulers, [(), (1.0,)], strict=True):
        with pytest.raises(ValueError, match=r"was made for 1 groups, but the optimizer has 2. Make the scheduler aft"):
            scheduler.step(*metrics)
        assert scheduler.last_epoch == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: LambdaLR(None, abs), TypeError, "LambdaLR moves the rates of an Optimizer, but got NoneType"),
        (lambda o: StepLR([o], 3), TypeError, "StepLR moves the rates of an Optimizer, but got list"),
        (lambda o: LambdaLR(o, [abs, abs]), ValueError, "lr_lambda has 2 values, but the optimizer has 1 groups"),
        (lambda o: LambdaLR(o, abs, last_epoch=4), KeyError, "last_epoch=4, but group 0 has no 'initial_lr'"),
        (lambda o: StepLR(o, 0), ValueError, "StepLR: step_size must be a whole number from 1 on, but got 0"),
        (lambda o: StepLR(o, 2.5), ValueError, "StepLR: step_size must be a whole number from 1 on, but got 2.5"),
        (lambda o: StepLR(o, True), ValueError, "StepLR: step_size must be a whole number from 1 on, but got True"),
        (lambda o: StepLR(o, 3, -0.1), ValueError, "StepLR: gamma must be 0 or more, but got -0.1"),
        (lambda o: StepLR(o, 3, math.nan), ValueError, "StepLR: gamma must be 0 or more, but got nan"),
        (lambda o: StepLR(o, 3, math.inf), ValueError, "StepLR: gamma must be 0 or more, but got inf"),
        (lambda o: MultiStepLR(o, [3, -1]), ValueError, "each milestone must be a whole number from 0 on, but got -1"),
        (lambda o: MultiStepLR(o, [3], -1), ValueError, "MultiStepLR: gamma must be 0 or more"),
        (lambda o: ExponentialLR(o, -1), ValueError, "ExponentialLR: gamma must be 0 or more"),
        (lambda o: CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max must be a whole number from 1"),
        (lambda o: CosineAnnealingLR(o, 5, -1), ValueError, "CosineAnnealingLR: eta_min must be 0 or more"),
        (lambda o: LinearLR(o, 0), ValueError, "start_factor must be above 0 and 1 at most, but got 0"),
        (lambda o: LinearLR(o, 1.5), ValueError, "start_factor must be above 0 and 1 at most, but got 1.5"),
        (lambda o: LinearLR(o, end_factor=1.5), ValueError, "end_factor must be 0 to 1, but got 1.5"),
        (lambda o: LinearLR(o, total_iters=0), ValueError, "total_iters must be a whole number from 1 on"),
        (lambda o: OneCycleLR(o, 1.0), ValueError, "needs total_steps, or both epochs and steps_per_epoch"),
        (lambda o: OneCycleLR(o, 1.0, epochs=3), ValueError, "needs total_steps, or both epochs and steps_per_epoch"),
        (lambda o: OneCycleLR(o, 1.0, epochs=0, steps_per_epoch=3), ValueError, "OneCycleLR: epochs must be a whole"),
        (lambda o: OneCycleLR(o, 1.0, epochs=3, steps_per_epoch=0), ValueError, "steps_per_epoch must be a whole"),
        (lambda o: OneCycleLR(o, 1.0, 0), ValueError, "OneCycleLR: total_steps must be a whole number from 1 on"),
        (lambda o: OneCycleLR(o, -1.0, 9), ValueError, "OneCycleLR: max_lr must be 0 or more, but got -1.0"),
        (lambda o: OneCycleLR(o, [1.0, 1.0], 9), ValueError, "max_lr has 2 values, but the optimizer has 1 groups"),
        (lambda o: OneCycleLR(o, 1.0, 9, pct_start=1.5), ValueError, "pct_start must be 0 to 1, but got 1.5"),
        (lambda o: OneCycleLR(o, 1.0, 9, anneal_strategy="x"), ValueError, "must be 'cos' or 'linear', but got 'x'"),
        (lambda o: OneCycleLR(o, 1.0, 9, div_factor=0), ValueError, "OneCycleLR: div_factor must be above 0"),
        (lambda o: OneCycleLR(o, 1.0, 9, final_div_factor=-1), ValueError, "final_div_factor must be above 0"),
        (lambda o: OneCycleLR(o, 1.0, 9, base_momentum=-1), ValueError, "base_momentum must be 0 to 1, but got -1"),
        (lambda o: OneCycleLR(o, 1.0, 9, max_momentum=2), ValueError, "max_momentum must be 0 to 1, but got 2"),
        (lambda o: ReduceLROnPlateau(o, "up"), ValueError, "mode must be 'min' or 'max', but got 'up'"),
        (lambda o: ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode must be 'rel' or 'abs'"),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be 0 or more and below 1, but got 1.0"),
        (lambda o: ReduceLROnPlateau(o, patience=-1), ValueError, "patience must be a whole number from 0 on"),
        (lambda o: ReduceLROnPlateau(o, cooldown=0.5), ValueError, "cooldown must be a whole number from 0 on"),
        (lambda o: ReduceLROnPlateau(o, min_lr=-1), ValueError, "min_lr must be 0 or more, but got -1"),
        (lambda o: ReduceLROnPlateau(o, min_lr=[0, 0]), ValueError, "min_lr has 2 values, but the optimizer has 1 gr"),
    ],
)
def test_settings_that_cannot_be(make, error, message):
    optimizer = descent()
    with pytest.raises(error, match=message):
        make(optimizer)
    assert optimizer.param_groups[0]["lr"] == 1.0


# Schedules of the epoch


@pytest.mark.exercise("step_lr")
def test_step_lr_by_hand():
    assert rates_of(StepLR(descent(), step_size=3), 7) == close(1, 1, 1, 0.1, 0.1, 0.1, 0.01)


@pytest.mark.exercise("step_lr")
def test_multi_step_lr_by_hand():
    scheduler = MultiStepLR(descent(), milestones=[4, 1, 4], gamma=0.5)
    assert rates_of(scheduler, 6) == close(1, 0.5, 0.5, 0.5, 0.125, 0.125)


@pytest.mark.exercise("step_lr")
@given(lr=st.floats(0.01, 10), size=st.integers(1, 5), gamma=st.floats(0.1, 2))
@some_examples
def test_steps_are_powers_of_gamma(lr, size, gamma):
    epochs = range(12)
    expected = [lr * gamma ** (epoch // size) for epoch in epochs]
    assert rates_of(StepLR(descent(lr), size, gamma), 12) == close(*expected)
    assert rates_of(MultiStepLR(descent(lr), range(size, 12, size), gamma), 12) == close(*expected)


@pytest.mark.exercise("exponential_lr")
def test_exponential_lr_by_hand():
    assert rates_of(ExponentialLR(descent(8.0), gamma=0.5), 4) == [8.0, 4.0, 2.0, 1.0]


@pytest.mark.exercise("exponential_lr")
@given(lr=st.floats(0.01, 10), gamma=st.floats(0.1, 1.5))
@some_examples
def test_exponential_lr_is_a_power_of_gamma(lr, gamma):
    assert rates_of(ExponentialLR(descent(lr), gamma), 9) == close(*(lr * gamma**epoch for epoch in range(9)))


@pytest.mark.exercise("cosine_lr")
def test_cosine_annealing_lr_by_hand():
    slope = math.sqrt(0.5) / 2
    scheduler = CosineAnnealingLR(descent(), T_max=4)
    half = [1, 0.5 + slope, 0.5, 0.5 - slope, 0]
    assert rates_of(scheduler, 10) == close(*half, *half[-2::-1], half[1])


@pytest.mark.exercise("cosine_lr")
@given(lr=st.floats(0.01, 10), lowest=st.floats(0, 0.01), period=st.integers(1, 12))
@some_examples
def test_cosine_annealing_lr_is_half_a_wave(lr, lowest, period):
    middle, height = (lr + lowest) / 2, (lr - lowest) / 2
    expected = [middle + height * math.cos(math.pi * epoch / period) for epoch in range(period + 1)]
    assert rates_of(CosineAnnealingLR(descent(lr), period, lowest), period + 1) == close(*expected)


@pytest.mark.exercise("linear_lr")
def test_linear_lr_by_hand():
    scheduler = LinearLR(descent(), start_factor=0.25, total_iters=3)
    assert [scheduler.factor(epoch) for epoch in range(4)] == close(0.25, 0.5, 0.75, 1)
    assert rates_of(scheduler, 6) == close(0.25, 0.5, 0.75, 1, 1, 1)


@pytest.mark.exercise("linear_lr")
def test_linear_lr_may_end_at_0():
    assert rates_of(LinearLR(descent(), 1.0, 0.0, total_iters=2), 4) == close(1, 0.5, 0, 0)


@pytest.mark.exercise("linear_lr")
@given(lr=st.floats(0.01, 10), first=st.floats(0.01, 1), last=st.floats(0, 1), epochs=st.integers(1, 8))
@some_examples
def test_linear_lr_is_a_straight_line(lr, first, last, epochs):
    line = np.interp(np.arange(epochs + 3), [0, epochs], [lr * first, lr * last])
    assert rates_of(LinearLR(descent(lr), first, last, epochs), epochs + 3) == close(*line)


@pytest.mark.exercise(*SIMPLE)
def test_every_group_moves_by_itself():
    for make, expected in (
        (lambda o: StepLR(o, 1, 0.5), [0.5, 0.05]),
        (lambda o: MultiStepLR(o, [1], 0.5), [0.5, 0.05]),
        (lambda o: ExponentialLR(o, 0.5), [0.5, 0.05]),
        (lambda o: CosineAnnealingLR(o, 2), [0.5, 0.05]),
        (lambda o: LinearLR(o, 0.25, 0.75, 2), [0.5, 0.05]),
    ):
        scheduler = make(descent(1.0, 0.1))
        scheduler.step()
        assert scheduler.get_last_lr() == close(*expected)


@pytest.mark.exercise(*SIMPLE)
def test_a_rate_that_was_changed_by_hand_stays_changed():
    """Halved by hand in epoch 3: every rate from there on is half of what it would have been."""
    for make in (
        lambda o: StepLR(o, 2, 0.5),
        lambda o: MultiStepLR(o, [1, 5], 0.5),
        lambda o: ExponentialLR(o, 0.7),
        lambda o: CosineAnnealingLR(o, 12),
        lambda o: LinearLR(o, 0.5, 1.0, 6),
    ):
        whole, scheduler = rates_of(make(descent()), 8), make(descent())
        before = rates_of(scheduler, 3)
        scheduler.optimizer.param_groups[0]["lr"] /= 2
        assert [*before, *(2 * rate for rate in rates_of(scheduler, 5))] == close(*whole)


@pytest.mark.exercise(*SIMPLE)
def test_two_schedulers_on_one_optimizer_multiply():
    optimizer = descent()
    warm, fall = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
    steps = StepLR(optimizer, 2, 0.1)
    seen = []
    for _ in range(5):
        seen.append(optimizer.param_groups[0]["lr"])
        for scheduler in (warm, fall, steps):
            scheduler.step()
    assert seen == close(0.5, 0.375, 0.025, 0.0125, 0.000625)


@pytest.mark.exercise(*SIMPLE)
def test_going_on_from_an_epoch_leaves_the_rates():
    for make in (
        lambda o: StepLR(o, 3, 0.5, last_epoch=3),
        lambda o: MultiStepLR(o, [2], 0.5, last_epoch=3),
        lambda o: ExponentialLR(o, 0.5, last_epoch=3),
        lambda o: CosineAnnealingLR(o, 7, last_epoch=3),
        lambda o: LinearLR(o, 0.5, 1.0, 6, last_epoch=3),
    ):
        optimizer = descent(0.4)
        optimizer.param_groups[0]["initial_lr"] = 2.0
        scheduler = make(optimizer)
        assert (scheduler.last_epoch, scheduler.base_lrs, scheduler.get_last_lr()) == (4, [2.0], [0.4])


# One schedule after another


def in_turn(optimizer):
    """Return three schedules, whose rates are 0.5, then 10, 11, 12, then 200, 201, 202 and so on."""
    parts = [
        LambdaLR(optimizer, lambda epoch: 0.5),
        LambdaLR(optimizer, lambda epoch: 10 + epoch),
        LambdaLR(optimizer, lambda epoch: 200 + epoch),
    ]
    return SequentialLR(optimizer, parts, [2, 5])


@pytest.mark.exercise("sequential_lr")
def test_one_schedule_after_another():
    scheduler = in_turn(descent())
    assert rates_of(scheduler, 8) == close(0.5, 0.5, 10, 11, 12, 200, 201, 202)
    assert scheduler.last_epoch == 8
    assert scheduler.get_last_lr() == close(203)


@pytest.mark.exercise("sequential_lr")
def test_a_schedule_that_moves_what_is_there_begins_with_the_first_rate():
    """In the lesson's example: a warm-up of 5 epochs, and then half a wave of 20."""
    optimizer = descent(2.0, 1.0)
    parts = [LinearLR(optimizer, 0.1, total_iters=5), CosineAnnealingLR(optimizer, 20)]
    scheduler = SequentialLR(optimizer, parts, [5])
    rates = rates_of(scheduler, 25)
    assert scheduler.get_last_lr() == close(0, 0)
    wave = [1 + math.cos(math.pi * epoch / 20) for epoch in range(20)]
    assert rates == close(*np.linspace(0.2, 2.0, 6)[:5], *wave)


@pytest.mark.exercise("sequential_lr")
def test_a_schedule_that_has_not_fallen_yet_begins_at_its_top():
    optimizer = descent()
    scheduler = SequentialLR(optimizer, [ExponentialLR(optimizer, 0.5), ExponentialLR(optimizer, 0.1)], [3])
    assert rates_of(scheduler, 6) == close(1, 0.5, 0.25, 1, 0.1, 0.01)


@pytest.mark.exercise("sequential_lr")
def test_milestones_that_leave_no_epoch():
    optimizer = descent()
    parts = [LambdaLR(optimizer, lambda epoch, n=n: n + epoch) for n in (10, 20, 30, 40)]
    assert rates_of(SequentialLR(optimizer, parts, [0, 2, 2]), 4) == close(20, 21, 40, 41)


@pytest.mark.exercise("sequential_lr")
def test_a_sequence_in_a_sequence():
    optimizer = descent()
    first, second = in_turn(optimizer), in_turn(optimizer)
    last = LambdaLR(optimizer, lambda epoch: 7.0)
    scheduler = SequentialLR(optimizer, [first, second, last], [4, 10])
    assert rates_of(scheduler, 11) == close(0.5, 0.5, 10, 11, 0.5, 0.5, 10, 11, 12, 200, 7)


@pytest.mark.exercise("sequential_lr")
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o, a: SequentialLR(o, [], []), ValueError, "0 schedulers need 0 milestones between them, but got 0"),
        (lambda o, a: SequentialLR(o, [a, a], []), ValueError, "2 schedulers need 1 milestones between them, but g"),
        (lambda o, a: SequentialLR(o, [a, None], [3]), TypeError, "scheduler 1 is no LRScheduler but NoneType"),
        (lambda o, a: SequentialLR(descent(), [a], []), ValueError, "scheduler 0 moves the rates of another optimizer"),
        (lambda o, a: SequentialLR(o, [a, a], [-1]), ValueError, "each milestone must be a whole number from 0 on"),
        (lambda o, a: SequentialLR(o, [a, a, a], [3, 2]), ValueError, r"must not go back, but got \[3, 2\]"),
        (lambda o, a: SequentialLR(o, [a], [], 3), ValueError, "last_epoch must be -1, but got 3. To go on"),
        (lambda o, a: SequentialLR(o, [ReduceLROnPlateau(o)], []), ValueError, r"whose step\(\) needs a value"),
        (lambda o, a: SequentialLR(None, [a], []), TypeError, "SequentialLR moves the rates of an Optimizer"),
    ],
)
def test_what_makes_no_sequence(make, error, message):
    optimizer = descent()
    with pytest.raises(error, match=message):
        make(optimizer, LambdaLR(optimizer, lambda epoch: 0.5))


# One cycle


def cycle_of(optimizer=None, **given):
    return OneCycleLR(
        optimizer or descent(momentum=0.9), **{"max_lr": 1.0, "total_steps": 10, "pct_start": 0.4, **given}
    )


def places(scheduler):
    """Return where each step is: the rate that its phase goes to, and the part that is done."""
    seen = []
    for step in range(scheduler.total_steps):
        scheduler.last_epoch = step
        phase, done = scheduler.place()
        seen.append((phase["end_lr"], round(done, 9)))
    return seen


@pytest.mark.exercise("one_cycle_lr")
@pytest.mark.parametrize(
    ("strategy", "values"),
    [("linear", [1.0, 1.5, 2.0, 3.0]), ("cos", [1.0, 2 - math.sqrt(0.5), 2.0, 3.0])],
)
def test_the_way_from_one_value_to_another(strategy, values):
    scheduler = OneCycleLR.__new__(OneCycleLR)
    scheduler.anneal_strategy = strategy
    assert [scheduler.anneal(1.0, 3.0, done) for done in (0, 0.25, 0.5, 1)] == close(*values)
    assert [scheduler.anneal(3.0, 1.0, done) for done in (1, 0.75, 0.5, 0)] == close(*values)


@pytest.mark.exercise("one_cycle_lr")
def test_the_phases_of_the_example():
    up, down = [("max_lr", round(n / 3, 9)) for n in range(4)], [("min_lr", round(n / 6, 9)) for n in range(1, 7)]
    assert places(cycle_of()) == up + down


@pytest.mark.exercise("one_cycle_lr")
def test_three_phases():
    up = [("max_lr", round(n / 3, 9)) for n in range(4)]
    down = [("initial_lr", round(n / 3, 9)) for n in range(1, 4)]
    assert places(cycle_of(three_phase=True)) == [*up, *down, *[("min_lr", round(n / 3, 9)) for n in range(1, 4)]]


@pytest.mark.exercise("one_cycle_lr")
def test_phases_that_end_between_two_steps():
    """With 9 steps the first phase ends at 0.5 * 9 - 1 = 3.5."""
    up, down = [("max_lr", n / 3.5) for n in range(4)], [("min_lr", (n - 3.5) / 4.5) for n in range(4, 9)]
    assert places(cycle_of(total_steps=9, pct_start=0.5)) == [(name, round(done, 9)) for name, done in up + down]


@pytest.mark.exercise("one_cycle_lr")
def test_a_phase_without_steps():
    """The first one ends at -1, before the beginning; or where it begins; or the last one does."""
    seen = places(cycle_of(total_steps=4, pct_start=0.0))
    assert seen == [("min_lr", 0.25), ("min_lr", 0.5), ("min_lr", 0.75), ("min_lr", 1.0)]
    assert places(cycle_of(total_steps=5, pct_start=0.2))[:2] == [("max_lr", 1.0), ("min_lr", 0.25)]
    assert places(cycle_of(total_steps=3, pct_start=1.0)) == [("max_lr", 0.0), ("max_lr", 0.5), ("max_lr", 1.0)]
    assert places(cycle_of(total_steps=1, pct_start=1.0)) == [("max_lr", 1.0)]


@pytest.mark.exercise("one_cycle_lr")
def test_rates_of_a_cycle_by_hand():
    rates = rates_of(cycle_of(anneal_strategy="linear", max_lr=25.0, final_div_factor=2.0), 10)
    assert rates == close(1, 9, 17, 25, *(25 - 24.5 * n / 6 for n in range(1, 7)))


@pytest.mark.exercise("one_cycle_lr")
@pytest.mark.parametrize("rule", [SGD, Adam], ids=["momentum", "the first beta"])
def test_the_momentum_goes_the_other_way(rule):
    optimizer = descent(rule=rule)
    scheduler, seen = cycle_of(optimizer, anneal_strategy="linear", base_momentum=0.6, max_momentum=0.9), []
    for _ in range(10):
        group = optimizer.param_groups[0]
        seen.append(group["momentum"] if rule is SGD else group["betas"][0])
        scheduler.step()
    assert seen == close(0.9, 0.8, 0.7, 0.6, *(0.6 + 0.3 * n / 6 for n in range(1, 7)))
    assert rule is SGD or optimizer.param_groups[0]["betas"][1] == 0.999


@pytest.mark.exercise("one_cycle_lr")
def test_the_momentum_stays_if_it_shall():
    optimizer = descent(momentum=0.3)
    scheduler = cycle_of(optimizer, cycle_momentum=False)
    scheduler.step()
    assert optimizer.param_groups[0]["momentum"] == 0.3


@pytest.mark.exercise("one_cycle_lr")
def test_a_cycle_for_each_group():
    optimizer = descent(1.0, 1.0, momentum=0.9)
    scheduler = cycle_of(optimizer, max_lr=[1.0, 3.0], base_momentum=[0.1, 0.2], max_momentum=[0.5, 0.6])
    for _ in range(3):
        scheduler.step()
    assert [(group["lr"], group["momentum"]) for group in optimizer.param_groups] == [close(1, 0.1), close(3, 0.2)]


@pytest.mark.exercise("one_cycle_lr")
def test_more_steps_than_were_said():
    scheduler = cycle_of(total_steps=None, epochs=2, steps_per_epoch=3)
    rates = rates_of(scheduler, 6)
    assert scheduler.get_last_lr() == [rates[5]] == close(1 / 25 / 1e4)
    with pytest.raises(ValueError, match=r"OneCycleLR was made for 6 steps, but now comes step 7. Is it called after"):
        scheduler.step()


def test_a_rule_without_momentum():
    optimizer = descent(rule=Adagrad)
    with pytest.raises(ValueError, match=r"Adagrad has neither momentum nor betas\. Pass cycle_momentum=False"):
        cycle_of(optimizer)
    assert optimizer.param_groups[0].keys() & {"initial_lr", "max_lr"} == set()
    cycle_of(optimizer, cycle_momentum=False)


# When nothing gets better


def watched(values, **given):
    """Return what a plateau says after each value: the best, bad epochs, epochs to cool down, the rate."""
    scheduler = ReduceLROnPlateau(descent(), **given)
    seen = []
    for value in values:
        scheduler.step(value)
        counts = scheduler.num_bad_epochs, scheduler.cooldown_counter
        seen.append((scheduler.best, *counts, round(scheduler.get_last_lr()[0], 12)))
    return seen


@pytest.mark.exercise("plateau")
def test_the_table_of_the_lesson():
    assert watched([5, 4, 4, 6, 6, 6, 6, 6], patience=1, cooldown=2) == [
        (5, 0, 0, 1.0),
        (4, 0, 0, 1.0),
        (4, 1, 0, 1.0),
        (4, 0, 2, 0.1),
        (4, 0, 1, 0.1),
        (4, 0, 0, 0.1),
        (4, 1, 0, 0.1),
        (4, 0, 2, 0.01),
    ]


@pytest.mark.exercise("plateau")
def test_epochs_without_a_better_value_count_in_a_row():
    values = [5, 6, 4, 6, 6, 3, 6, 6, 6]
    bad = [row[1] for row in watched(values, patience=2)]
    assert bad == [0, 1, 0, 1, 2, 0, 1, 2, 0]
    assert [row[3] for row in watched(values, patience=2)] == [1.0] * 8 + [0.1]


@pytest.mark.exercise("plateau")
def test_a_better_value_counts_while_it_cools_down():
    rows = watched([5, 5, 4, 4.5, 4.5], patience=0, cooldown=2)
    assert rows == [(5, 0, 0, 1.0), (5, 0, 2, 0.1), (4, 0, 1, 0.1), (4, 0, 0, 0.1), (4, 0, 2, 0.01)]


@pytest.mark.exercise("plateau")
def test_no_patience():
    assert [row[3] for row in watched([5, 5, 4, 4], patience=0, factor=0.5)] == [1.0, 0.5, 0.5, 0.25]


@pytest.mark.exercise("plateau")
@pytest.mark.parametrize(
    ("given", "values", "better"),
    [
        ({"mode": "min", "threshold_mode": "rel", "threshold": 0.1}, [10, 9.1, 8.9, 8.1, 8.0], [1, 0, 1, 0, 1]),
        ({"mode": "min", "threshold_mode": "abs", "threshold": 0.5}, [10, 9.6, 9.4, 9.0, 8.8], [1, 0, 1, 0, 1]),
        ({"mode": "max", "threshold_mode": "rel", "threshold": 0.1}, [10, 10.9, 11.1, 12.1, 12.3], [1, 0, 1, 0, 1]),
        ({"mode": "max", "threshold_mode": "abs", "threshold": 0.5}, [-1, -0.6, -0.4, 0, 0.2], [1, 0, 1, 0, 1]),
        ({"mode": "min"}, [1, math.nan, 0.5], [1, 0, 1]),
    ],
)
def test_what_is_better(given, values, better):
    bad = [row[1] for row in watched(values, **given)]
    assert [int(count == 0) for count in bad] == better


@pytest.mark.exercise("plateau")
def test_the_lowest_rates():
    optimizer = descent(1.0, 1.0, 1e-8)
    scheduler = ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.5, 0.0, 0.0])
    for value in (Tensor(1.0), np.float32(1.0), 1):
        scheduler.step(value)
    assert scheduler.get_last_lr() == close(0.5, 0.01, 1e-8)


# Going on


def in_json(state):
    return json.loads(json.dumps(state))


CONTINUED = {
    "LambdaLR": lambda o: LambdaLR(o, lambda epoch: 0.9**epoch),
    "StepLR": lambda o: StepLR(o, 2, 0.3),
    "MultiStepLR": lambda o: MultiStepLR(o, [1, 3, 3], 0.3),
    "ExponentialLR": lambda o: ExponentialLR(o, 0.7),
    "CosineAnnealingLR": lambda o: CosineAnnealingLR(o, 4, 0.01),
    "LinearLR": lambda o: LinearLR(o, 0.2, 0.9, 5),
    "SequentialLR": lambda o: SequentialLR(o, [LinearLR(o, total_iters=3), CosineAnnealingLR(o, 4)], [3]),
    "OneCycleLR": lambda o: OneCycleLR(o, 2.0, 12),
}
EXERCISES = {
    "LambdaLR": (),
    "StepLR": ("step_lr",),
    "MultiStepLR": ("step_lr",),
    "ExponentialLR": ("exponential_lr",),
    "CosineAnnealingLR": ("cosine_lr",),
    "LinearLR": ("linear_lr",),
    "SequentialLR": ("sequential_lr", "linear_lr", "cosine_lr"),
    "OneCycleLR": ("one_cycle_lr",),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.exercise(*EXERCISES[name])] * bool(EXERCISES[name])) for name in CONTINUED],
)
@pytest.mark.parametrize("epoch", [0, 1, 3, 4, 7])
def test_a_schedule_goes_on_where_another_one_stopped(name, epoch):
    first, second = descent(1.0, 0.3, momentum=0.9), descent(5.0, 5.0, momentum=0.9)
    scheduler, other = CONTINUED[name](first), CONTINUED[name](second)
    for _ in range(epoch):
        scheduler.step()
    other.load_state_dict(in_json(scheduler.state_dict()))
    second.load_state_dict(first.state_dict())
    for _ in range(12 - epoch):
        assert [g["lr"] for g in second.param_groups] == [g["lr"] for g in first.param_groups]
        assert [g["momentum"] for g in second.param_groups] == [g["momentum"] for g in first.param_groups]
        assert other.get_last_lr() == scheduler.get_last_lr()
        scheduler.step()
        other.step()


@pytest.mark.exercise("plateau")
@pytest.mark.parametrize("epoch", range(9))
def test_a_plateau_goes_on_where_another_one_stopped(epoch):
    first, second = descent(), descent(5.0)
    scheduler, other = ReduceLROnPlateau(first, patience=1, cooldown=1), ReduceLROnPlateau(second, "max", 0.9)
    for step, value in enumerate((3.0, 4.0, 4.0, 5.0, 2.0, 3.0, 3.0, 3.0, 3.0)):
        if step == epoch:
            other.load_state_dict(in_json(scheduler.state_dict()))
            second.load_state_dict(first.state_dict())
        scheduler.step(value)
        if step >= epoch:
            other.step(value)
            assert other.state_dict() == scheduler.state_dict()
    assert first.param_groups[0]["lr"] == second.param_groups[0]["lr"] < 0.1


class Falling:
    """A function with something to remember."""

    def __init__(self, base):
        self.base = base

    def __call__(self, epoch):
        return self.base**epoch


def test_functions_are_not_saved_but_what_objects_remember():
    scheduler = LambdaLR(descent(1.0, 1.0), [Falling(0.5), lambda epoch: 1.0])
    assert scheduler.state_dict()["lr_lambdas"] == [{"base": 0.5}, None]
    other = LambdaLR(descent(1.0, 1.0), [Falling(0.9), lambda epoch: 2.0])
    other.load_state_dict(in_json(scheduler.state_dict()))
    other.step()
    assert other.get_last_lr() == [0.5, 2.0]


def test_a_state_of_something_else_changes_nothing():
    optimizer = descent()
    scheduler = StepLR(optimizer, 3)
    before = scheduler.state_dict()
    for state, message in (
        (LambdaLR(optimizer, lambda epoch: 1.0).state_dict(), "the state lacks 'gamma', so it is of no StepLR"),
        (before | {"more": 1}, "the state has 'more', so it is of no StepLR"),
        (StepLR(descent(1.0, 1.0), 3).state_dict(), "the state is for 2 groups, but the optimizer has 1"),
    ):
        with pytest.raises(ValueError, match=message):
            scheduler.load_state_dict(state)
        assert scheduler.state_dict() == before


@pytest.mark.exercise("sequential_lr", "step_lr")
def test_a_sequence_of_something_else_changes_nothing():
    def sequence(*parts):
        optimizer = descent()
        return SequentialLR(optimizer, [part(optimizer) for part in parts], [2] * (len(parts) - 1))

    def step(optimizer):
        return StepLR(optimizer, 3)

    def constant(optimizer):
        return LambdaLR(optimizer, lambda epoch: 1.0)

    scheduler = sequence(step, constant)
    scheduler.step()
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="the state is of 1 schedulers, but here are 2"):
        scheduler.load_state_dict(sequence(step).state_dict())
    with pytest.raises(ValueError, match="the state has 'gamma', so it is of no LambdaLR"):
        scheduler.load_state_dict(sequence(step, step).state_dict())
    assert scheduler.state_dict() == before


# Limits of the gradient


def with_gradients(*arrays, dtype=np.float64):
    params = [from_numpy(np.zeros(np.shape(array), dtype)).requires_grad_() for array in arrays]
    for p, array in zip(params, arrays, strict=True):
        p.grad = from_numpy(np.array(array, dtype))
    return params


def gradients(params):
    return [p.grad.tolist() for p in params]


@pytest.mark.exercise("clip_norm")
def test_all_gradients_together_have_one_length():
    params = with_gradients([[3.0, 0.0]], 4.0)
    idle = Parameter([1.0])
    assert clip_grad_norm_([idle, *params], max_norm=10).item() == pytest.approx(5.0)
    assert gradients(params) == [[[3.0, 0.0]], 4.0]
    assert clip_grad_norm_([idle, *params], max_norm=1).item() == pytest.approx(5.0)
    assert params[0].grad.tolist()[0] == pytest.approx([0.6, 0.0], rel=1e-6)
    assert params[1].grad.item() == pytest.approx(0.8, rel=1e-6)
    assert idle.grad is None


@pytest.mark.exercise("clip_norm")
@pytest.mark.parametrize(
    ("norm_type", "norm"),
    [
        (1, 10.0),
        (2, math.sqrt(30)),
        (2.0, math.sqrt(30)),
        (3, 100 ** (1 / 3)),
        (math.inf, 4.0),
        (-math.inf, 1.0),
        (0, 2.0),
    ],
)
def test_norms_of_several_types(norm_type, norm):
    """[1, -2] and [3, 4]. Of type 0: two gradients are not zero, and each of their norms counts."""
    arrays = ([1.0, -2.0], [3.0, 4.0])
    assert get_total_norm([Tensor(array) for array in arrays], norm_type).item() == pytest.approx(norm)
    params = with_gradients(*arrays)
    assert clip_grad_norm_(params, 0.5, norm_type).item() == pytest.approx(norm)
    after = np.concatenate([p.grad.data for p in params])
    assert after == pytest.approx(np.array([1, -2, 3, 4]) * 0.5 / norm, rel=1e-5)


@pytest.mark.exercise("clip_norm")
@given(
    arrays=st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4), min_size=1, max_size=3),
    max_norm=st.floats(0, 100),
    norm_type=st.sampled_from([1.0, 2.0, 3.0, math.inf]),
)
@some_examples
def test_afterwards_the_norm_is_the_greatest_at_most(arrays, max_norm, norm_type):
    params = with_gradients(*arrays)
    values = np.concatenate(arrays)
    norm = np.linalg.norm(values, norm_type)
    assert clip_grad_norm_(params, max_norm, norm_type).item() == pytest.approx(norm, rel=1e-9)
    factor = min(1.0, max_norm / (norm + 1e-6))
    assert np.concatenate([p.grad.data for p in params]) == pytest.approx(values * factor, rel=1e-9)


@pytest.mark.exercise("clip_norm")
def test_gradients_are_changed_in_place():
    (p,) = with_gradients([3.0, 4.0])
    held, array = p.grad, p.grad.data
    clip_grad_norm_(p, 1.0)
    assert p.grad is held
    assert held.data is array
    assert array == pytest.approx(np.array([0.6, 0.8]), rel=1e-6)


@pytest.mark.exercise("clip_norm")
def test_a_norm_that_is_known_is_not_computed_again():
    params = with_gradients([3.0], [4.0])
    assert clip_grads_with_norm_(params, 1.0, Tensor(10.0)) is None
    assert np.concatenate([p.grad.data for p in params]) == pytest.approx(np.array([0.3, 0.4]), rel=1e-6)


@pytest.mark.exercise("clip_norm")
def test_gradients_of_zero_stay():
    params = with_gradients([0.0, 0.0])
    for max_norm in (0.0, 1.0, 1e308, math.inf):
        assert clip_grad_norm_(params, max_norm).item() == 0.0
        assert gradients(params) == [[0.0, 0.0]]


@pytest.mark.exercise("clip_norm")
def test_nan_and_infinity_can_be_seen_afterwards():
    for value, max_norm, norm, after in (
        (math.nan, 1.0, math.nan, [math.nan, math.nan]),
        (math.inf, 1.0, math.inf, [0.0, math.nan]),
        (math.inf, math.inf, math.inf, [math.nan, math.nan]),
    ):
        params = with_gradients([3.0, value])
        assert clip_grad_norm_(params, max_norm).item() == pytest.approx(norm, nan_ok=True)
        assert params[0].grad.tolist() == pytest.approx(after, nan_ok=True)


@pytest.mark.exercise("clip_norm")
def test_a_norm_that_is_not_finite_may_be_an_error():
    for value in (math.nan, math.inf):
        params = with_gradients([3.0, value])
        with pytest.raises(RuntimeError, match=f"norm of type 2.0 is {value}, so they cannot be clipped. Look for nan"):
            clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
        assert params[0].grad.tolist()[0] == 3.0
    assert clip_grad_norm_(with_gradients([3.0, 4.0]), 1.0, error_if_nonfinite=True).item() == pytest.approx(5.0)


@pytest.mark.exercise("clip_norm")
def test_large_gradients_have_a_length():
    params = with_gradients([3e20, 4e20], dtype=np.float32)
    assert clip_grad_norm_(params, 1.0).item() == pytest.approx(5e20, rel=1e-6)
    assert params[0].grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-6)


@pytest.mark.exercise("clip_norm")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_norm_has_the_dtype_of_the_gradients(dtype):
    params = with_gradients([3.0], [[4.0]], dtype=dtype)
    norm = clip_grad_norm_(params, 1.0)
    assert [norm.dtype, *(p.grad.dtype for p in params)] == [dtype] * 3
    assert norm.shape == ()
    assert params[0].grad.item() == pytest.approx(0.6, rel=1e-3)


@pytest.mark.exercise("clip_norm")
def test_where_there_is_no_gradient():
    for params in ([], [Parameter([1.0])], Parameter([1.0])):
        assert clip_grad_norm_(params, 1.0).item() == 0.0
    assert get_total_norm([]).item() == 0.0


@pytest.mark.exercise("clip_norm")
def test_parameters_may_come_from_a_generator():
    params = with_gradients([3.0], [4.0])
    assert clip_grad_norm_((p for p in params), 1.0).item() == pytest.approx(5.0)
    assert params[1].grad.item() == pytest.approx(0.8)


@pytest.mark.exercise("clip_value")
def test_cutting_by_hand():
    params = with_gradients([3.0, -0.5, -7.0, 1.0], 2.0)
    idle = Parameter([1.0])
    assert clip_grad_value_([*params, idle], 1) is None
    assert gradients(params) == [[1.0, -0.5, -1.0, 1.0], 1.0]
    assert idle.grad is None


@pytest.mark.exercise("clip_value")
@given(values=st.lists(st.floats(width=32), max_size=6), limit=st.floats(0, 1e6))
@some_examples
def test_cutting_is_the_nearest_value_within_the_limit(values, limit):
    (p,) = with_gradients(values)
    clip_grad_value_(p, limit)
    expected = [value if math.isnan(value) else math.copysign(min(abs(value), limit), value) for value in values]
    assert p.grad.tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.exercise("clip_value")
def test_cutting_is_done_in_place():
    (p,) = with_gradients([3.0, 4.0])
    held, array = p.grad, p.grad.data
    clip_grad_value_(p, 1.0)
    assert p.grad is held
    assert held.data is array
    assert array.tolist() == [1.0, 1.0]


@pytest.mark.exercise("clip_value")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_limit_beyond_the_dtype_cuts_nothing(dtype):
    (p,) = with_gradients([3.0, -4.0], dtype=dtype)
    for limit in (1e39, math.inf):
        clip_grad_value_(p, limit)
        assert (p.grad.tolist(), p.grad.dtype) == ([3.0, -4.0], dtype)


@pytest.mark.parametrize(
    "clip",
    [
        pytest.param(lambda p: clip_grad_norm_(p, 1.0), marks=pytest.mark.exercise("clip_norm"), id="clip_grad_norm_"),
        pytest.param(
            lambda p: clip_grad_value_(p, 1.0), marks=pytest.mark.exercise("clip_value"), id="clip_grad_value_"
        ),
    ],
)
def test_a_graph_that_saved_the_gradient_is_told(clip):
    (p,) = with_gradients([3.0, 4.0])
    w = Parameter([1.0, 1.0])
    loss = (w * p.grad).sum()
    clip(p)
    with pytest.raises(ChangedInPlaceError, match=r"clip_grad_\w+_\(\) has changed it in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        (lambda p: clip_grad_norm_(p, -1), ValueError, "max_norm must be 0 or more, but got -1"),
        (lambda p: clip_grad_norm_(p, math.nan), ValueError, "max_norm must be 0 or more, but got nan"),
        (lambda p: clip_grad_value_(p, -1), ValueError, "clip_value must be 0 or more, but got -1"),
        (lambda p: clip_grad_value_(p, math.nan), ValueError, "clip_value must be 0 or more, but got nan"),
        (lambda p: clip_grad_norm_([p, "w"], 1), TypeError, "gradients are clipped of tensors, but got str"),
        (lambda p: clip_grad_value_([p, "w"], 1), TypeError, "gradients are clipped of tensors, but got str"),
    ],
)
def test_what_cannot_be_clipped(clip, error, message):
    (p,) = with_gradients([3.0])
    with pytest.raises(error, match=message):
        clip(p)
    assert p.grad.tolist() == [3.0]


few_examples = settings(max_examples=30, deadline=None)

FILE = ("header", "write_atomically", "check_offsets")
RUN = ("train_epoch", "evaluate", *FILE, "gather", "batches_left")


class Shuffled:
    """Batches in a new order each time; the order is drawn when the first batch is asked for."""

    def __init__(self, count=20, size=6, generator=None):
        rng = np.random.default_rng(7)
        self.x = rng.standard_normal((count, 3)).astype(np.float32)
        self.y = (self.x.sum(axis=1) > 0).astype(np.int64)
        self.size, self.generator = size, generator

    def __len__(self):
        return math.ceil(len(self.x) / self.size)

    def __iter__(self):
        order = (self.generator or default_generator()).permutation(len(self.x))
        for start in range(0, len(order), self.size):
            chosen = order[start : start + self.size]
            yield from_numpy(self.x[chosen]), from_numpy(self.y[chosen])


def make(*callbacks, seed=0, own_generator=True, **options):
    manual_seed(seed)
    model = Sequential(Linear(3, 8), Dropout(0.3), Linear(8, 2))
    trainer = Trainer(model, Adam(model.parameters(), lr=0.05), CrossEntropyLoss(), callbacks=callbacks, **options)
    return trainer, Shuffled(generator=np.random.default_rng(seed) if own_generator else None)


class Scale(training.Module):
    """One number, times the input; of float64, so that steps can be followed by hand."""

    def __init__(self, value):
        self.w = Parameter(np.array([value]))

    def forward(self, x):
        return x * self.w


def column(*values):
    return from_numpy(np.array(values))


def line(value=0.0, lr=0.1, **options):
    """A trainer of ``w * x`` with the loss ``mean((w * x - y)**2)``."""
    model = Scale(value)
    return Trainer(model, SGD(model.parameters(), lr=lr), MSELoss(), **options)


# Means


def test_means_are_weighted_by_the_sizes_of_their_batches():
    averages = Averages()
    averages.add({"loss": 2.0, "accuracy": 1.0}, 3)
    averages.add({"loss": 8.0, "accuracy": 0.0}, 1)
    assert averages.means() == {"loss": 3.5, "accuracy": 0.75}


def test_accuracy():
    logits = Tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]])
    assert accuracy(logits, column(0, 1)) == 0.5
    assert accuracy(Tensor(np.zeros((2, 3, 4))), from_numpy(np.zeros((2, 4), np.int64))) == 1.0


@pytest.mark.parametrize(
    ("logits", "targets", "error", "message"),
    [
        ((2, 3), np.zeros(3, int), ValueError, r"logits of shape \(2, 3\) and targets of shape \(3,\)"),
        ((2,), np.zeros(2, int), ValueError, r"Pass logits \(N, C, ...\)"),
        ((2, 3), np.zeros(2), TypeError, "are the numbers of classes, but got float64"),
        ((0, 3), np.zeros(0, int), ValueError, "there is no example"),
    ],
)
def test_what_has_no_accuracy(logits, targets, error, message):
    with pytest.raises(error, match=message):
        accuracy(Tensor(np.zeros(logits)), from_numpy(targets))


def test_a_history_gives_series():
    history = History([{"epoch": 1, "loss": 2.0, "lr": 0.1}, {"epoch": 2, "loss": 1.0, "lr": 0.1}])
    assert history.series() == {"loss": [2.0, 1.0], "lr": [0.1, 0.1]}
    assert history.series("loss") == {"loss": [2.0, 1.0]}
    assert History().series() == {}


# Early stopping


def waiting(values, **options):
    """Return after each value how long was waited, and whether the run was stopped, until it is."""
    trainer, stopping, seen = line(), EarlyStopping("val_loss", **options), []
    for value in values:
        trainer.row = {"val_loss": value}
        stopping.on_epoch_end(trainer)
        seen.append(stopping.waited)
        if trainer.stop:
            break
    return seen, trainer.stop, stopping.best


@pytest.mark.exercise("early_stopping")
def test_early_stopping_follows_the_table():
    values = [0.90, 0.70, 0.68, 0.60, 0.61, 0.58, 0.1]
    assert waiting(values, patience=2, min_delta=0.05) == ([0, 0, 1, 0, 1, 2], True, 0.60)


@pytest.mark.exercise("early_stopping")
def test_early_stopping_waits_for_more():
    assert waiting([0.5, 0.6, 0.55, 0.7, 0.1], patience=2, mode="max") == ([0, 0, 1, 0, 1], False, 0.7)
    assert waiting([-3.0, -2.0, -5.0], patience=1, mode="max") == ([0, 0, 1], True, -2.0)


@pytest.mark.exercise("early_stopping")
def test_what_is_equal_is_not_better_and_neither_is_nan():
    assert waiting([1.0, 1.0, 1.0], patience=2) == ([0, 1, 2], True, 1.0)
    assert waiting([math.nan, 1.0, math.nan, math.nan], patience=2) == ([1, 0, 1, 2], True, 1.0)


@pytest.mark.exercise("early_stopping")
def test_the_best_values_are_kept_only_when_they_are_wanted():
    for wanted in (True, False):
        trainer, stopping = line(), EarlyStopping("loss", restore_best=wanted)
        for w, loss in ((1.0, 0.5), (2.0, 0.3), (3.0, 0.4)):
            trainer.model.w.data[...] = w
            trainer.row = {"loss": loss}
            stopping.on_epoch_end(trainer)
        stopping.on_train_end(trainer)
        assert trainer.model.w.tolist() == [2.0 if wanted else 3.0]


@pytest.mark.exercise("early_stopping", "train_epoch")
def test_early_stopping_ends_a_run_and_a_new_run_begins_afresh():
    stopping = EarlyStopping("loss", patience=2)
    trainer = line(1.0, lr=0.0, callbacks=[stopping])
    batches = [(column(1.0), column(0.0))]
    assert len(trainer.fit(batches, 10)) == 3
    assert len(trainer.fit(batches, 10)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience must be at least 1 and min_delta 0 or more, but got patience=0"),
        ({"min_delta": -0.1}, "min_delta=-0.1"),
        ({"min_delta": math.nan}, "min_delta=nan"),
        ({"mode": "up"}, "mode is 'min' where less is better, or 'max' where more is, but got 'up'"),
    ],
)
def test_settings_of_early_stopping(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_what_is_not_in_the_row():
    with pytest.raises(KeyError, match=r"no value is named 'val_loss'; an epoch has loss, lr\. Pass a validation_load"):
        monitored({"epoch": 1, "loss": 1.0, "lr": 0.1}, "val_loss")


# Steps


@pytest.mark.exercise("train_epoch")
def test_steps_by_hand():
    """The slope of ``mean((w * x - y)**2)`` is ``mean(2 * x * (w * x - y))``."""
    trainer = line()
    trainer.train_epoch([(column(1.0, 2.0), column(2.0, 4.0)), (column(1.0), column(0.0))])
    w = 0.1 * (4 + 16) / 2  # 1.0 after the first step
    assert trainer.sums.means()["loss"] == pytest.approx(((4 + 16) + w**2) / 3)
    assert trainer.model.w.item() == pytest.approx(w - 0.1 * 2 * w)
    assert (trainer.batch, trainer.step) == (2, 2)


@pytest.mark.exercise("train_epoch")
def test_gradients_are_forgotten_between_the_steps_and_not_after_them():
    trainer = line(1.0, lr=0.0)
    trainer.train_epoch([(column(1.0), column(0.0))] * 3)
    assert trainer.model.w.grad.tolist() == [2.0]


@pytest.mark.exercise("train_epoch")
def test_gradients_are_limited_before_the_step():
    trainer = line(lr=1.0, clip_grad_norm=0.25)
    trainer.train_epoch([(column(100.0), column(100.0))])
    assert trainer.model.w.item() == pytest.approx(0.25, rel=1e-4)
    trainer = line(lr=1.0, clip_grad_norm=100.0)
    trainer.train_epoch([(column(0.5), column(1.0))])
    assert trainer.model.w.item() == pytest.approx(1.0)


@pytest.mark.exercise("train_epoch")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_before_the_step(bad):
    trainer = line(0.5)
    batches = [(column(1.0), column(0.5)), (column(1.0), column(bad))]
    words = rf"the loss is {bad} in epoch 1, step 2, at the rate 0.1. No step was taken. Try a smaller rate"
    with pytest.raises(FloatingPointError, match=words):
        trainer.fit(batches, 1)
    assert trainer.model.w.tolist() == [0.5]
    trainer = line(0.5, check_finite=False)
    assert not math.isfinite(trainer.fit(batches, 1)[0]["loss"])
    assert trainer.step == 2


@pytest.mark.exercise("train_epoch")
def test_training_is_in_training_mode():
    seen = []

    class Watch(Scale):
        def forward(self, x):
            seen.append(self.training)
            return super().forward(x)

    model = Watch(1.0)
    model.eval()
    Trainer(model, SGD(model.parameters(), lr=0.1), MSELoss()).fit([(column(1.0), column(1.0))], 1)
    assert seen == [True]


@pytest.mark.exercise("train_epoch")
def test_a_loss_of_several_numbers():
    model = Scale(1.0)
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), MSELoss(reduction="none"))
    with pytest.raises(ValueError, match=r"returned a tensor of shape \(2,\). The loss is one number"):
        trainer.train_epoch([(column(1.0, 2.0), column(1.0, 2.0))])


@pytest.mark.parametrize(("batch", "what"), [((1, 2, 3), "3 things"), (np.zeros(2), "ndarray")])
def test_a_batch_is_a_pair(batch, what):
    with pytest.raises(TypeError, match=f"a batch is a pair of inputs and targets, but the loader gave {what}"):
        line().train_epoch([batch])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler_every": "batch"}, "scheduler_every is 'epoch' or 'step', but got 'batch'"),
        ({"clip_grad_norm": 0.0}, "clip_grad_norm is a length above 0, or None, but got 0.0"),
        ({"metrics": {"loss": accuracy}}, "a metric cannot be named 'loss'"),
    ],
)
def test_settings_of_the_trainer(options, message):
    with pytest.raises(ValueError, match=message):
        line(**options)


# Measuring


@pytest.mark.exercise("evaluate")
def test_measuring_weighs_each_example_the_same():
    trainer = line(1.0, metrics={"largest": lambda outputs, targets: outputs.data.max()})
    batches = [(column(1.0, 2.0, 3.0), column(0.0, 0.0, 0.0)), (column(5.0), column(0.0))]
    assert trainer.evaluate(batches) == pytest.approx({"loss": (1 + 4 + 9 + 25) / 4, "largest": (3 * 3 + 5) / 4})
    assert (trainer.step, trainer.sums.count) == (0, 0)


@pytest.mark.exercise("evaluate")
def test_measuring_trains_nothing():
    trainer = line(1.0)
    before = default_generator().bit_generator.state
    trainer.evaluate([(column(1.0), column(0.0))] * 2)
    assert (trainer.model.w.tolist(), trainer.model.w.grad) == ([1.0], None)
    assert default_generator().bit_generator.state == before


@pytest.mark.exercise("evaluate")
def test_every_layer_gets_its_mode_back():
    frozen, open_ = Dropout(), Dropout()
    model = Sequential(frozen, open_)
    frozen.eval()
    seen = []

    def criterion(outputs, targets):
        seen.append((frozen.training, open_.training, outputs.requires_grad))
        return MSELoss()(outputs, targets)

    trainer = Trainer(model, SGD([Parameter([1.0])], lr=0.1), criterion)
    trainer.evaluate([(column(1.0), column(1.0))])
    assert (seen, frozen.training, open_.training) == ([(False, False, False)], False, True)
    with pytest.raises(ValueError, match="MSELoss"):
        trainer.evaluate([(column(1.0), column(1.0, 2.0))])
    assert (frozen.training, open_.training) == (False, True)


def test_measuring_nothing():
    with pytest.raises(ValueError, match="the loader gave no example"):
        line().evaluate([])


# The file of arrays


@pytest.mark.exercise("header")
def test_the_header_of_two_numbers():
    header = header_of({"w": np.array([1.0, -2.0], np.float32)}, {})
    assert header[:8] == (56).to_bytes(8, "little")
    assert json.loads(header[8:]) == {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.exercise("header")
def test_the_header_of_several_arrays():
    arrays = {
        "a": np.zeros((2, 3), ">f8"),
        "b": np.zeros((0, 4), np.int16),
        "c": np.array(True),
        "d": np.zeros(3, "f2"),
    }
    header = json.loads(header_of(arrays, {"made": "here"})[8:])
    assert header.pop("__metadata__") == {"made": "here"}
    assert list(header) == ["a", "b", "c", "d"]
    assert [tuple(entry.values()) for entry in header.values()] == [
        ("F64", [2, 3], [0, 48]),
        ("I16", [0, 4], [48, 48]),
        ("BOOL", [], [48, 49]),
        ("F16", [3], [49, 55]),
    ]


@pytest.mark.exercise("write_atomically")
def test_the_bytes_are_on_the_disk_before_the_file_takes_its_name(tmp_path, monkeypatch):
    path, events = tmp_path / "file", []
    path.write_bytes(b"old")
    fsync, replace = os.fsync, os.replace

    def watched_fsync(file):
        number = file if isinstance(file, int) else file.fileno()
        events.append(("fsync", os.fstat(number).st_size if os.fstat(number).st_mode & 0o100000 else "folder"))
        fsync(number)

    def watched_replace(source, target):
        events.append(("replace", Path(source).read_bytes(), path.read_bytes()))
        assert Path(source).parent == tmp_path
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_atomically(path, [b"some", b"thing"])
    assert path.read_bytes() == b"something"
    assert events[:2] == [("fsync", 9), ("replace", b"something", b"old")]


@pytest.mark.exercise("write_atomically")
def test_the_old_file_is_whole_while_the_new_one_is_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen = []

    def pieces():
        for _ in range(3):
            seen.append(path.read_bytes())
            yield b"x" * 100_000

    write_atomically(path, pieces())
    assert seen == [b"old"] * 3
    assert path.read_bytes() == b"x" * 300_000
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.exercise("write_atomically")
def test_the_old_file_stays_when_the_new_one_cannot_be_made(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces():
        yield b"x" * 100_000
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, pieces())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.exercise("write_atomically")
def test_what_lay_beside_from_a_kill_does_not_matter(tmp_path):
    (tmp_path / "file.partial").write_bytes(b"half" * 1000)
    write_atomically(tmp_path / "file", [b"whole"])
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["file"]


def entry(begin, end, *shape, code="U8"):
    return Entry(code, shape, begin, end)


@pytest.mark.exercise("check_offsets")
def test_arrays_that_tile_the_bytes():
    check_offsets({}, 0)
    check_offsets({"a": entry(0, 8, 2, code="F32"), "b": entry(8, 24, 2, code="F64")}, 24)
    check_offsets({"b": entry(3, 5, 2), "a": entry(0, 3, 3)}, 5)
    check_offsets({"scalar": entry(0, 4, code="F32"), "half": entry(4, 8, 2, code="BF16")}, 8)


@pytest.mark.exercise("check_offsets")
def test_an_empty_array_ends_where_it_begins():
    check_offsets({"a": entry(0, 3, 3), "full": entry(3, 5, 2), "empty": entry(3, 3, 0, 7)}, 5)
    check_offsets({"empty": entry(0, 0, 0)}, 0)


@pytest.mark.exercise("check_offsets")
@pytest.mark.parametrize(
    ("b", "size"),
    [(entry(2, 5, 3), 5), (entry(4, 7, 3), 7), (entry(0, 3, 3), 3), (entry(3, 6, 2), 6), (entry(3, 6, 4), 6)],
    ids=["overlap", "gap", "the same place", "too long", "too short"],
)
def test_an_array_that_is_not_in_its_place(b, size):
    with pytest.raises(ValueError, match="'b'"):
        check_offsets({"a": entry(0, 3, 3), "b": b}, size)


@pytest.mark.exercise("check_offsets")
@pytest.mark.parametrize("size", [2, 4], ids=["past the end", "bytes left over"])
def test_the_last_array_ends_where_the_file_ends(size):
    with pytest.raises(ValueError):
        check_offsets({"a": entry(0, 3, 3)}, size)


@pytest.mark.exercise("check_offsets")
def test_the_first_array_begins_at_the_beginning():
    with pytest.raises(ValueError, match="'a'"):
        check_offsets({"a": entry(1, 4, 3)}, 4)


ARRAYS = npst.arrays(
    st.sampled_from([np.dtype(name) for name in DTYPES.values()] + [np.dtype(">f4"), np.dtype(">i8"), np.dtype(">u2")]),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@pytest.mark.exercise(*FILE)
@given(arrays=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), ARRAYS, max_size=4), data=st.data())
@few_examples
def test_what_was_written_is_read(tmp_path_factory, arrays, data):
    arrays.pop("__metadata__", None)
    arrays = {name: array.T if data.draw(st.booleans()) else array for name, array in arrays.items()}
    metadata = data.draw(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
    path = tmp_path_factory.mktemp("arrays") / "some.safetensors"
    save_arrays(path, arrays, metadata)
    read, notes = load_arrays(path)
    assert (list(read), notes) == (list(arrays), metadata)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype.newbyteorder("=")
        assert read[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
        assert read[name].shape == array.shape
        assert read[name].flags.writeable


@pytest.mark.exercise(*FILE)
def test_tensors_and_views_are_written_by_their_axes(tmp_path):
    base = np.arange(24.0).reshape(4, 6)
    arrays = {"every second": base[::2, ::-1], "turned": base.T, "tensor": Tensor([1.0, 2.0])}
    save_arrays(tmp_path / "file", arrays)
    read, _ = load_arrays(str(tmp_path / "file"))
    assert all(np.array_equal(read[name], np.asarray(array)) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("arrays", "metadata", "error", "message"),
    [
        ({"a": [1.0]}, {}, TypeError, "takes arrays by name, but got 'a': list"),
        ({1: np.ones(1)}, {}, TypeError, "takes arrays by name, but got 1: ndarray"),
        ({"__metadata__": np.ones(1)}, {}, ValueError, "the name '__metadata__' belongs to the metadata"),
        ({}, {"n": 1}, TypeError, "metadata is strings by name, but got 'n': 1"),
    ],
)
def test_what_cannot_be_written(tmp_path, arrays, metadata, error, message):
    with pytest.raises(error, match=message):
        save_arrays(tmp_path / "file", arrays, metadata)
    assert os.listdir(tmp_path) == []


@pytest.mark.exercise("header")
@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array(["text"]), np.array([None])])
def test_dtypes_that_the_file_does_not_know(tmp_path, array):
    with pytest.raises(TypeError, match="there is no name for the dtype"):
        save_arrays(tmp_path / "file", {"a": array})
    assert os.listdir(tmp_path) == []


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.exercise("check_offsets")
def test_bfloat16_is_read_as_float32(tmp_path):
    bits = np.array([1.0, -2.5, math.inf, math.nan], np.float32).view(np.uint32) >> 16
    header = {"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    write(tmp_path / "file", header, bits.astype("<u2").tobytes())
    (array,) = load_arrays(tmp_path / "file")[0].values()
    assert array.dtype == np.float32
    assert np.array_equal(array, [[1.0, -2.5], [math.inf, math.nan]], equal_nan=True)


GOOD = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes, but the length of the header alone takes 8"),
        (b"\x02\0\0\0\0\0\0", "it has 7 bytes"),
        (b"\xff" * 8 + b"{}", r"its header has 18446744073709551615 bytes, but 2 are left in it, and 100000000"),
        (b"\x03\0\0\0\0\0\0\0{}", "its header has 3 bytes, but 2 are left"),
    ],
)
def test_a_file_that_is_too_short(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=f"file cannot be read as a file of arrays: .*{message}"):
        load_arrays(tmp_path / "file")


def test_a_header_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "MAX_HEADER", 1000)
    (tmp_path / "file").write_bytes((1001).to_bytes(8, "little") + b" " * 1001)
    with pytest.raises(ValueError, match=r"says that its header has 1001 bytes.* and 1000 is the most"):
        load_arrays(tmp_path / "file")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "its header is no JSON"),
        (b"\xff\xfe", "its header is no JSON"),
        (b"[" * 100_000, "its header is nested too deeply"),
        (b"[]", "must be a JSON object, but it is a list"),
        (b'{"a": 1, "a": 2}', "the name 'a' comes twice"),
        (b'{"a": ' + b"1" * 5000 + b"}", "its header is no JSON"),
        ({"__metadata__": {"a": 1}}, "'__metadata__' must be strings by name"),
        ({"__metadata__": []}, "'__metadata__' must be strings by name"),
        ({"a": 1}, "'a' must have 'dtype', 'shape' and 'data_offsets', but it is 1"),
        ({"a": {**GOOD, "more": 1}}, "'a' must have"),
        ({"a": {**GOOD, "dtype": "F8_E4M3"}}, "'a' has the dtype 'F8_E4M3', but those known are F64"),
        ({"a": {**GOOD, "dtype": ["F32"]}}, "'a' has the dtype"),
        ({"a": {**GOOD, "shape": 2}}, "the shape of 'a' must be a list of integers from 0, but it is 2"),
        ({"a": {**GOOD, "shape": [-2, -1]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "shape": [2.0]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "shape": [True, 2]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "shape": [0, 2**70]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "data_offsets": [0]}}, "the offsets of 'a' must be two integers"),
        ({"a": {**GOOD, "data_offsets": [2, 0]}}, "the offsets of 'a'"),
        ({"a": {**GOOD, "data_offsets": ["0", "2"]}}, "the offsets of 'a'"),
        ({"a": {**GOOD, "data_offsets": None}}, "the offsets of 'a'"),
    ],
)
def test_a_header_that_says_something_else(tmp_path, header, message):
    write(tmp_path / "file", header, b"\1\2")
    with pytest.raises(ValueError, match=f"file cannot be read as a file of arrays: .*{message}"):
        load_arrays(tmp_path / "file")


@pytest.mark.exercise("check_offsets")
@pytest.mark.parametrize(
    ("entry", "data", "message"),
    [
        ({**GOOD, "dtype": "BOOL"}, b"\1\2", "'a' holds truth values, each a byte 0 or 1"),
        ({"dtype": "U8", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}, b"", "'a' has a shape that no array can"),
        ({"dtype": "U8", "shape": [1] * 100, "data_offsets": [0, 1]}, b"\1", "'a' has a shape that no array can have"),
        (GOOD, b"\1\2\3", ""),
        (GOOD, b"\1", ""),
    ],
)
def test_arrays_that_are_not_what_the_header_says(tmp_path, entry, data, message):
    write(tmp_path / "file", {"a": entry}, data)
    with pytest.raises(ValueError, match=f"file cannot be read as a file of arrays: .*{message}"):
        load_arrays(tmp_path / "file")


# Trees


@pytest.mark.exercise(*FILE)
def test_a_tree_comes_back_as_it_was(tmp_path):
    tree = {
        "state": {0: {"step": np.float32(3)}, 1: {"$array": 5}},
        "betas": (0.1 + 0.2, 1e-320, math.inf, -0.0),
        "nothing": None,
        "": {"": np.zeros(0)},
        "rows": [{"a": True, "big": 1 << 127}, [], (), "µ"],
    }
    save_state(tmp_path / "tree", tree)
    read = load_state(tmp_path / "tree")
    assert np.array_equal(read[""].pop(""), tree[""].pop(""))
    assert repr(read) == repr(tree)
    assert type(read["state"][0]["step"]) is np.float32


@pytest.mark.exercise(*FILE)
def test_names_in_a_tree_that_look_the_same(tmp_path):
    tree = {"a.b": np.array(1), "a": {"b": np.array(2)}, "__metadata__": np.array(3)}
    save_state(tmp_path / "tree", tree)
    read = load_state(tmp_path / "tree")
    assert (int(read["a.b"]), int(read["a"]["b"]), int(read["__metadata__"])) == (1, 2, 3)


def test_what_a_tree_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match=r"but at optimizer.0.schedule is a function"):
        save_state(tmp_path / "tree", {"optimizer": [{"schedule": make}]})
    with pytest.raises(TypeError, match="cannot hold the ndarray of dtype complex128 at a"):
        save_state(tmp_path / "tree", {"a": np.zeros(1, complex)})


@pytest.mark.exercise(*FILE)
@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ("[]", "its state is a list"), ('{"a": {"$array": "b"}}', "is damaged: its state cannot be")],
)
def test_a_damaged_tree(tmp_path, text, message):
    save_arrays(tmp_path / "tree", {}, {"tinytorch.state": text})
    with pytest.raises(ValueError, match=message):
        load_state(tmp_path / "tree")
    save_arrays(tmp_path / "tree", {"a": np.ones(2)})
    with pytest.raises(ValueError, match="tree is a file of arrays, but not a checkpoint"):
        load_state(tmp_path / "tree")


# What a checkpoint gathers


class At(Callback):
    """Calls something after some step, or after each epoch."""

    last = True

    def __init__(self, do, step=None):
        self.do, self.step = do, step

    def on_batch_end(self, trainer):
        if trainer.step == self.step:
            self.do(trainer)

    def on_epoch_end(self, trainer):
        if self.step is None:
            self.do(trainer)


@pytest.mark.exercise("gather", "train_epoch")
def test_what_is_gathered_inside_an_epoch():
    states = []
    trainer, loader = make(At(lambda t: states.append((t.state_dict(), dict(t.sums.totals))), step=6))
    began = []
    trainer.callbacks.insert(0, At(lambda t: began.append(loader.generator.bit_generator.state)))
    trainer.fit(loader, 2)
    ((state, totals),) = states
    assert (state["epoch"], state["batch"], state["step"], state["batches"]) == (1, 2, 6, 4)
    assert len(state["history"]) == 1
    assert (state["count"], totals.keys()) == (12, {"loss"})
    assert state["random_at_epoch_begin"]["loader"] == began[0] != state["random"]["loader"]
    assert state["random_at_epoch_begin"]["default"] != state["random"]["default"]


@pytest.mark.exercise("gather", "train_epoch")
def test_what_is_gathered_after_an_epoch():
    states = []
    trainer, loader = make(At(lambda t: states.append(t.state_dict())))
    trainer.fit(loader, 2)
    state = states[-1]
    assert (state["epoch"], state["batch"], state["step"]) == (2, 0, 8)
    assert (state["totals"], state["count"]) == ({}, 0)
    assert state["history"] == trainer.history
    assert state["random_at_epoch_begin"] == state["random"]
    assert state["random"]["default"] == default_generator().bit_generator.state
    assert state["random"]["loader"] == loader.generator.bit_generator.state


# Going on


def run(path, stop_at=None, resume=False, epochs=3, own_generator=True, **options):
    """Return the history and the values of a run, which is stopped or goes on."""

    def stop(trainer):
        raise InterruptedError

    callbacks = [Checkpoint(path, every_n_steps=1), CSVLog(path.with_suffix(".csv"))]
    callbacks += [At(stop, stop_at)] * (stop_at is not None)
    trainer, loader = make(*callbacks, seed=5 if resume else 0, own_generator=own_generator, **options)
    try:
        history = trainer.fit(loader, epochs, Shuffled(9, 4), resume=path if resume else None)
    except InterruptedError:
        history = trainer.history
    return history, {name: value.data.tobytes() for name, value in trainer.model.state_dict().items()}


@pytest.mark.exercise(*RUN)
@pytest.mark.parametrize("own_generator", [True, False], ids=["own generator", "the package's"])
@pytest.mark.parametrize("stop_at", [1, 4, 6, 12])
def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path, stop_at, own_generator):
    whole = run(tmp_path / "whole.ckpt", own_generator=own_generator)
    run(tmp_path / "run.ckpt", stop_at, own_generator=own_generator)
    went_on = run(tmp_path / "run.ckpt", resume=True, own_generator=own_generator)
    assert went_on == whole
    assert (tmp_path / "run.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.exercise("batches_left", "train_epoch", *FILE, "gather", "evaluate")
def test_a_loader_that_gives_fewer_batches_than_were_done(tmp_path):
    run(tmp_path / "run.ckpt", 3)
    trainer, _ = make()
    lazy = iter([])
    trainer_loader = type("Lazy", (), {"__iter__": lambda self: lazy, "generator": np.random.default_rng(0)})()
    with pytest.raises(ValueError, match="checkpoint"):
        trainer.fit(trainer_loader, 4, Shuffled(9, 4), resume=unhooked(tmp_path / "run.ckpt"))


def unhooked(path):
    """Take the callbacks' states out of a checkpoint."""
    save_state(path, {**load_state(path), "callbacks": {}})
    return path


@pytest.mark.exercise(*RUN)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t, loader: setattr(t, "model", Linear(3, 2)),
            "does not fit the model: it lacks 'bias', 'weight', and it ha",
        ),
        (
            lambda t, loader: setattr(t, "model", Sequential(Linear(3, 9), Dropout(), Linear(9, 2))),
            r"'0.weight' of the model is float32 of shape \(8, 3\) in it, but float32 of shape \(9, 3\) here",
        ),
        (
            lambda t, loader: setattr(t, "optimizer", SGD(t.model.parameters(), lr=0.1)),
            "the optimizer is Adam in it, but SGD here",
        ),
        (
            lambda t, loader: setattr(t, "optimizer", Adam([t.model[0].weight])),
            r"the state has groups of \[4\] parameters, but this optimizer \[1\]",
        ),
        (
            lambda t, loader: setattr(t, "scheduler", ReduceLROnPlateau(t.optimizer)),
            "the scheduler is NoneType in it, but ReduceLROnPlateau here",
        ),
        (lambda t, loader: setattr(loader, "size", 7), "the number of batches in an epoch is 4 in it, but 3 here"),
        (
            lambda t, loader: setattr(loader, "generator", None),
            "the random generators is {.*'loader': 'PCG64'} in it, but {",
        ),
        (
            lambda t, loader: setattr(loader, "generator", np.random.Generator(np.random.MT19937(0))),
            "'loader': 'PCG64'} in it, but .*'MT19937'",
        ),
        (lambda t, loader: t.callbacks.clear(), "the state of a callback 'Checkpoint 1', but this trainer has none"),
    ],
)
def test_a_checkpoint_of_something_else_changes_nothing(tmp_path, change, message):
    path = tmp_path / "run.ckpt"
    run(path, 3)
    trainer, loader = make(Checkpoint(path))
    change(trainer, loader)
    optimizer = trainer.optimizer
    before = [value.data.tobytes() for value in trainer.model.state_dict().values()]
    random = default_generator().bit_generator.state
    with pytest.raises(ValueError, match=f"cannot go on from .*run.ckpt: .*{message}"):
        trainer.fit(loader, 4, Shuffled(9, 4), resume=path)
    assert [value.data.tobytes() for value in trainer.model.state_dict().values()] == before
    assert default_generator().bit_generator.state == random
    assert optimizer.state == {}


@pytest.mark.exercise(*RUN)
def test_a_run_that_is_done_is_done(tmp_path):
    whole = run(tmp_path / "run.ckpt")
    assert run(tmp_path / "run.ckpt", resume=True) == whole


@pytest.mark.exercise(*RUN, "early_stopping")
def test_a_run_that_was_stopped_early_stays_stopped(tmp_path):
    def trained(resume):
        stopping = EarlyStopping("loss", patience=1, mode="max", restore_best=True)
        trainer, loader = make(stopping, Checkpoint(tmp_path / "run.ckpt"))
        history = trainer.fit(loader, 9, resume=resume)
        return history, {name: value.data.tobytes() for name, value in trainer.model.state_dict().items()}

    first = trained(None)
    assert len(first[0]) < 9
    assert trained(tmp_path / "run.ckpt") == first


# The whole run


@pytest.mark.exercise("train_epoch", "evaluate")
def test_the_row_of_an_epoch():
    trainer, loader = make(metrics={"accuracy": accuracy})
    history = trainer.fit(loader, 2, Shuffled(9, 4))
    assert list(history[1]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr"]
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["lr"] == 0.05
    assert {"val_" + name: value for name, value in trainer.evaluate(Shuffled(9, 4)).items()} == pytest.approx(
        {name: history[1][name] for name in ("val_loss", "val_accuracy")}
    )
    json.dumps(history)


class Count:
    """A schedule that counts its steps."""

    def __init__(self):
        self.steps = []

    def step(self, *values):
        self.steps.append(values)


@pytest.mark.exercise("train_epoch", "evaluate")
def test_a_scheduler_is_stepped_after_each_epoch_or_each_step():
    for every, steps in (("epoch", 2), ("step", 8)):
        scheduler = Count()
        trainer, loader = make(scheduler=scheduler, scheduler_every=every)
        trainer.fit(loader, 2)
        assert scheduler.steps == [()] * steps


@pytest.mark.exercise("train_epoch", "evaluate")
def test_a_plateau_is_shown_the_value_that_is_watched():
    class Plateau(ReduceLROnPlateau):
        def __init__(self):
            self.seen = []

        def step(self, metrics):
            self.seen.append(metrics)

    for monitor, validation, name in ((None, None, "loss"), (None, Shuffled(9, 4), "val_loss"), ("loss", None, "loss")):
        scheduler = Plateau()
        trainer, loader = make(scheduler=scheduler, monitor=monitor)
        history = trainer.fit(loader, 2, validation)
        assert scheduler.seen == history.series(name)[name]
    with pytest.raises(ValueError, match="ReduceLROnPlateau looks at an epoch's value"):
        make(scheduler=Plateau(), scheduler_every="step")


@pytest.mark.exercise("train_epoch")
def test_the_moments_of_a_run():
    seen = []

    class Watch(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda t: seen.append((name[3:], t.epoch, t.batch, t.step, len(t.history)))
            return super().__getattribute__(name)

    trainer = line(callbacks=[Watch()])
    trainer.fit([(column(1.0), column(1.0))] * 2, 2)
    assert seen == [
        ("train_begin", 0, 0, 0, 0),
        ("epoch_begin", 0, 0, 0, 0),
        ("batch_end", 0, 1, 1, 0),
        ("batch_end", 0, 2, 2, 0),
        ("epoch_end", 0, 2, 2, 1),
        ("epoch_begin", 1, 0, 2, 1),
        ("batch_end", 1, 1, 3, 1),
        ("batch_end", 1, 2, 4, 1),
        ("epoch_end", 1, 2, 4, 2),
        ("train_end", 1, 0, 4, 2),
    ]
    assert trainer.batches == 2


@pytest.mark.exercise("train_epoch")
def test_a_callback_ends_the_run_after_its_epoch():
    def stop(trainer):
        trainer.stop = True

    trainer = line(callbacks=[At(stop, step=3)])
    assert len(trainer.fit([(column(1.0), column(1.0))] * 2, 9)) == 2
    assert trainer.step == 4


@pytest.mark.exercise("train_epoch")
def test_an_iterator_gives_its_batches_once():
    trainer = line()
    with pytest.raises(ValueError, match=r"the loader gave no batch in epoch 2. An iterator gives its batches once"):
        trainer.fit(iter([(column(1.0), column(1.0))]), 2)
    with pytest.raises(ValueError, match="epochs must be 0 or more, but got -1"):
        trainer.fit([], -1)
    assert trainer.fit([], 0) == []


@pytest.mark.exercise(*RUN)
def test_ctrl_c_goes_on_to_the_caller_with_a_note(tmp_path):
    def interrupt(trainer):
        raise KeyboardInterrupt

    path = tmp_path / "run.ckpt"
    for callbacks, note in (
        ([], "There is no checkpoint. Pass callbacks="),
        ([Checkpoint(path)], f"The last checkpoint is {path}. Go on with fit(..., resume={str(path)!r})."),
    ):
        trainer, loader = make(*callbacks, At(interrupt, step=6))
        with pytest.raises(KeyboardInterrupt) as caught:
            trainer.fit(loader, 3)
        (said,) = caught.value.__notes__
        assert said.startswith("Stopped in epoch 2 of 3, after 6 steps.")
        assert note in said


# Checkpoints and logs


@pytest.mark.exercise(*RUN)
def test_the_best_epoch_is_kept_beside(tmp_path):
    path = tmp_path / "run.ckpt"
    trainer, loader = make(Checkpoint(path, monitor="loss", mode="max"))
    history = trainer.fit(loader, 5)
    losses = history.series("loss")["loss"]
    best = load_state(tmp_path / "run.best.ckpt")
    assert best["epoch"] == losses.index(max(losses)) + 1 < 5
    assert load_state(path)["epoch"] == 5
    assert load_state(path)["callbacks"] == {"Checkpoint 1": {"best": max(losses)}}


@pytest.mark.exercise(*RUN)
def test_checkpoints_see_what_the_other_callbacks_did(tmp_path):
    """Wherever a checkpoint stands among the callbacks."""
    path = tmp_path / "run.ckpt"

    class Steps(Callback):
        steps = 0

        def on_batch_end(self, trainer):
            self.steps += 1

        def state_dict(self):
            return {"steps": self.steps}

    trainer, loader = make(Checkpoint(path, every_n_steps=3), Steps(), Steps())
    with contextlib.suppress(InterruptedError):
        trainer.fit(loader, 1)
    assert load_state(path)["callbacks"]["Steps 1"] == {"steps": 4}
    assert load_state(path)["callbacks"]["Steps 2"] == {"steps": 4}


def test_settings_of_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, or None, but got 0"):
        Checkpoint("a", every_n_steps=0)
    trainer, loader = make(Checkpoint(tmp_path / "none" / "a"))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none. Make it first"):
        trainer.fit(loader, 1)


@pytest.mark.exercise("train_epoch", "evaluate", "write_atomically")
def test_a_log_has_a_row_for_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("an older run\n")
    trainer, loader = make(CSVLog(path))
    history = trainer.fit(loader, 2)
    assert path.read_text() == "epoch,loss,lr\n" + "".join(
        f"{n},{row['loss']!r},0.05\n" for n, row in enumerate(history, 1)
    )


def test_examples_in_docstrings():
    assert doctest.testmod(training).failed == 0
