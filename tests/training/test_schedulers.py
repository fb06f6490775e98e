"""Every schedule beside PyTorch's: rate for rate, momentum for momentum, whatever the settings."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch.optim import lr_scheduler

torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")

Make = Callable[[Any, Any], Any]  # from a module of schedulers and an optimizer
some_examples = settings(max_examples=60)

NAMES = [
    *("LambdaLR", "StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "SequentialLR"),
    *("OneCycleLR", "ReduceLROnPlateau"),
]
RATES = st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=3)
FACTORS = st.floats(0.05, 1.5)


class Side:
    """An optimizer in one of the libraries, with a group for each rate."""

    def __init__(self, lib: Any, rates: list[float], rule: str = "SGD", **defaults: Any) -> None:
        self.lib, self.schedules = lib, lib.optim.lr_scheduler
        groups = [{"params": [lib.zeros(1).requires_grad_()], "lr": rate} for rate in rates]
        self.optimizer = getattr(lib.optim, rule)(groups, **defaults)

    def use(self) -> None:
        """Make a step, so that no scheduler warns."""
        for group in self.optimizer.param_groups:
            group["params"][0].grad = self.lib.zeros(1)
        self.optimizer.step()

    def row(self) -> list[float]:
        """Return what each group has now: its rate, and its momentum or first beta."""
        groups = self.optimizer.param_groups
        return [x for g in groups for x in (g["lr"], g.get("momentum", g.get("betas", (0.0,))[0]))]


def both(rates: list[float], rule: str = "SGD", **defaults: Any) -> list[Side]:
    return [Side(lib, rates, rule, **defaults) for lib in (tinytorch, torch)]


def course(side: Side, make: Make | list[Make], epochs: int, by_hand: int | None = None) -> list[list[float]]:
    """Return the rows of some epochs; after epoch `by_hand` somebody halves the rates."""
    makes = make if isinstance(make, list) else [make]
    schedulers = [make(side.schedules, side.optimizer) for make in makes]
    side.use()
    rows = [side.row()]
    for epoch in range(epochs):
        if epoch == by_hand:
            for group in side.optimizer.param_groups:
                group["lr"] /= 2
        for scheduler in schedulers:
            scheduler.step()
        rows.append(side.row())
        last = schedulers[-1].get_last_lr()
        assert last == [group["lr"] for group in side.optimizer.param_groups]
    return rows


def agree(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-13)


def compare(make: Make | list[Make], rates: list[float], epochs: int, by_hand: int | None = None) -> None:
    ours, theirs = (course(side, make, epochs, by_hand) for side in both(rates))
    agree(ours, theirs)


@st.composite
def simple(draw: st.DrawFn) -> Make:
    """Draw a scheduler that moves the rates as they are."""
    gamma = draw(FACTORS)
    size, count = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    milestones = draw(st.lists(st.integers(0, 12), max_size=4))
    first, last = draw(st.floats(0.05, 1.0)), draw(st.floats(0.0, 1.0))
    makes: list[Make] = [
        lambda lib, optimizer: lib.StepLR(optimizer, size, gamma),
        lambda lib, optimizer: lib.MultiStepLR(optimizer, milestones, gamma),
        lambda lib, optimizer: lib.ExponentialLR(optimizer, gamma),
        lambda lib, optimizer: lib.CosineAnnealingLR(optimizer, count),
        lambda lib, optimizer: lib.LinearLR(optimizer, first, last, count),
    ]
    return draw(st.sampled_from(makes))


@given(rates=RATES, make=simple(), by_hand=st.none() | st.integers(0, 12))
@settings(max_examples=200)
def test_schedules_that_move_the_rates(rates: list[float], make: Make, by_hand: int | None) -> None:
    compare(make, rates, 14, by_hand)


@given(rates=RATES, makes=st.lists(simple(), min_size=2, max_size=3))
@some_examples
def test_several_schedulers_on_one_optimizer(rates: list[float], makes: list[Make]) -> None:
    compare(makes, rates, 12)


@given(rates=RATES, period=st.integers(1, 12), lowest=st.floats(0, 12))
@some_examples
def test_half_a_wave_to_a_lowest_rate(rates: list[float], period: int, lowest: float) -> None:
    compare(lambda lib, optimizer: lib.CosineAnnealingLR(optimizer, period, lowest), rates, 30)


@given(rates=RATES, base=FACTORS)
@some_examples
def test_functions_of_the_epoch(rates: list[float], base: float) -> None:
    compare(lambda lib, optimizer: lib.LambdaLR(optimizer, lambda epoch: base**epoch), rates, 8)
    functions = [lambda epoch, n=n: 1 / (1 + n * epoch) for n in range(len(rates))]
    compare(lambda lib, optimizer: lib.LambdaLR(optimizer, functions), rates, 8, by_hand=3)


@given(rates=RATES, epoch=st.integers(0, 6), make=st.data())
@some_examples
def test_going_on_from_an_epoch(rates: list[float], epoch: int, make: st.DataObject) -> None:
    """`last_epoch` beside groups that know their first rate."""
    gamma, count = make.draw(FACTORS), make.draw(st.integers(1, 6))
    makes: list[Make] = [
        lambda lib, optimizer: lib.StepLR(optimizer, count, gamma, epoch),
        lambda lib, optimizer: lib.MultiStepLR(optimizer, [1, count, 5], gamma, epoch),
        lambda lib, optimizer: lib.ExponentialLR(optimizer, gamma, epoch),
        lambda lib, optimizer: lib.CosineAnnealingLR(optimizer, count + 7, 1e-5, epoch),
        lambda lib, optimizer: lib.LinearLR(optimizer, 0.5, 1.0, count, epoch),
        lambda lib, optimizer: lib.LambdaLR(optimizer, lambda n: 1 / (n + 1), epoch),
    ]
    chosen = make.draw(st.sampled_from(makes))
    sides = both(rates)
    for side in sides:
        for group in side.optimizer.param_groups:
            group["initial_lr"] = 3 * group["lr"]
    agree(*(course(side, chosen, 9) for side in sides))


@given(rates=RATES, makes=st.lists(simple(), min_size=1, max_size=3), data=st.data())
@some_examples
def test_one_after_another(rates: list[float], makes: list[Make], data: st.DataObject) -> None:
    count = len(makes) - 1
    milestones = sorted(data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)))

    def make(lib: Any, optimizer: Any) -> Any:
        return lib.SequentialLR(optimizer, [part(lib, optimizer) for part in makes], milestones)

    compare(make, rates, 14)


@given(rates=RATES, warm=st.integers(1, 6), period=st.integers(1, 20), by_hand=st.none() | st.integers(0, 12))
@some_examples
def test_a_warm_up_and_then_half_a_wave(rates: list[float], warm: int, period: int, by_hand: int | None) -> None:
    lowest = 1e-5 if by_hand is None else 0.0

    def make(lib: Any, optimizer: Any) -> Any:
        parts = [lib.LinearLR(optimizer, 0.1, total_iters=warm), lib.CosineAnnealingLR(optimizer, period, lowest)]
        return lib.SequentialLR(optimizer, parts, [warm])

    compare(make, rates, 16, by_hand)


def test_a_wave_that_would_make_a_rate_negative_is_an_error() -> None:
    """Below the lowest rate, by somebody's hand, a rising wave goes down; PyTorch's rate is negative."""

    def rates(side: Side) -> list[list[float]]:
        return course(side, lambda lib, optimizer: lib.CosineAnnealingLR(optimizer, 6, 0.1), 9, by_hand=7)

    ours, theirs = both([1.0])
    with pytest.raises(ValueError, match=r"CosineAnnealingLR makes the rate -0\.0.* in epoch 9. A rate is 0 or more"):
        rates(ours)
    assert rates(theirs)[-1][0] < 0


@given(warm=st.integers(1, 4), inner=st.integers(1, 8), outer=st.integers(1, 12), first=st.booleans())
@some_examples
def test_a_sequence_in_a_sequence_is_a_longer_one(warm: int, inner: int, outer: int, first: bool) -> None:
    """As PyTorch's sequence of the same three; its own nested ones go ahead by an epoch, or fail."""

    def parts(lib: Any, optimizer: Any) -> list[Any]:
        makes = [lib.LinearLR(optimizer, 0.1, total_iters=warm), lib.ExponentialLR(optimizer, 0.8)]
        return [*makes, lib.CosineAnnealingLR(optimizer, 9)]

    def flat(lib: Any, optimizer: Any) -> Any:
        return lib.SequentialLR(optimizer, parts(lib, optimizer), [inner, inner + outer])

    def nested(lib: Any, optimizer: Any) -> Any:
        one, two, three = parts(lib, optimizer)
        if first:
            return lib.SequentialLR(
                optimizer, [lib.SequentialLR(optimizer, [one, two], [inner]), three], [inner + outer]
            )
        return lib.SequentialLR(optimizer, [one, lib.SequentialLR(optimizer, [two, three], [outer])], [inner])

    ours, theirs = both([1.0, 0.3])
    agree(course(ours, nested, 24), course(theirs, flat, 24))


@st.composite
def cycles(draw: st.DrawFn) -> dict[str, Any]:
    """Draw settings of OneCycleLR with which PyTorch does not divide by 0."""
    steps = draw(st.integers(3, 30))
    part = draw(st.floats(0.05, 0.45))
    length = {"total_steps": steps} if draw(st.booleans()) else {"epochs": 2, "steps_per_epoch": steps}
    return {
        **length,
        "pct_start": part,
        "anneal_strategy": draw(st.sampled_from(["cos", "linear"])),
        "cycle_momentum": draw(st.booleans()),
        "base_momentum": draw(st.floats(0.1, 0.9)),
        "max_momentum": draw(st.floats(0.1, 0.95)),
        "div_factor": draw(st.floats(1.0, 50.0)),
        "final_div_factor": draw(st.floats(1.0, 1e4)),
        "three_phase": draw(st.booleans()),
    }


def near(given: dict[str, Any]) -> bool:
    """Whether a phase is so short that rounding decides how much of it is done."""
    steps = given.get("total_steps") or given["epochs"] * given["steps_per_epoch"]
    ends = [0.0, given["pct_start"] * steps - 1, 2 * given["pct_start"] * steps - 2, steps - 1]
    ends = ends if given["three_phase"] else [ends[0], ends[1], ends[3]]
    return any(abs(a - b) < 1e-3 for a, b in pairwise(ends))


@given(
    max_lr=RATES,
    cycle=cycles().filter(lambda given: not near(given)),
    rule=st.sampled_from(["SGD", "Adam", "AdamW", "RMSprop"]),
)
@settings(max_examples=150)
def test_one_cycle(max_lr: list[float], cycle: dict[str, Any], rule: str) -> None:
    steps = cycle.get("total_steps") or 2 * cycle["steps_per_epoch"]
    rates = [0.1] * len(max_lr)
    agree(
        *(
            course(side, lambda lib, optimizer: lib.OneCycleLR(optimizer, list(max_lr), **cycle), steps - 1)
            for side in both(rates, rule)
        )
    )


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize(("rule", "defaults"), [("SGD", {"momentum": 0.5}), ("Adam", {}), ("RMSprop", {})])
def test_one_cycle_with_its_own_settings(rule: str, defaults: dict[str, Any], strategy: str, three_phase: bool) -> None:
    def make(lib: Any, optimizer: Any) -> Any:
        return lib.OneCycleLR(
            optimizer, [0.1, 2.0], 25, anneal_strategy=strategy, three_phase=three_phase, base_momentum=[0.7, 0.8]
        )

    sides = both([1.0, 1.0], rule, **defaults)
    agree(*(course(side, make, 24) for side in sides))
    ours, theirs = (side.optimizer.param_groups for side in sides)
    for mine, its in zip(ours, theirs, strict=True):
        assert all(mine[name] == pytest.approx(its[name], rel=1e-12) for name in ("initial_lr", "max_lr", "min_lr"))
        assert mine.get("betas", (0, 0))[1] == its.get("betas", (0, 0))[1]


def test_a_cycle_goes_on_from_a_step() -> None:
    """A second scheduler on the same optimizer, with `last_epoch`, sets nothing back."""
    seen = []
    for side in both([1.0], momentum=0.9):
        first = side.schedules.OneCycleLR(side.optimizer, 2.0, 10)
        side.use()
        for _ in range(4):
            first.step()
        rows = [side.row()]

        def second(lib: Any, optimizer: Any) -> Any:
            return lib.OneCycleLR(optimizer, 7.0, 10, last_epoch=3)

        seen.append(rows + course(side, second, 5))
    agree(*seen)
    assert seen[0][0] == seen[0][1]


def test_a_cycle_within_a_sequence() -> None:
    def make(lib: Any, optimizer: Any) -> Any:
        cycle = lib.OneCycleLR(optimizer, 2.0, 10)
        return lib.SequentialLR(optimizer, [lib.LinearLR(optimizer, total_iters=3), cycle], [4])

    agree(*(course(side, make, 12) for side in both([1.0], momentum=0.9)))


def test_a_step_after_the_last_one_keeps_the_last_rate() -> None:
    """PyTorch's line goes on below its end, and the rate is negative."""
    ours, theirs = (
        course(side, lambda lib, optimizer: lib.OneCycleLR(optimizer, 1.0, 10, anneal_strategy="linear"), 10)
        for side in both([1.0])
    )
    agree(ours[:-1], theirs[:-1])
    assert ours[-1] == ours[-2]
    assert theirs[-1][0] < 0


# When nothing gets better

PLATEAUS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.floats(0.0, 0.95),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([0.0, 1e-4, 0.1, 0.5]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0, 0.01, [0.2, 0.0]]),
        "eps": st.sampled_from([0.0, 1e-8, 0.05]),
    }
)
VALUES = st.lists(
    st.integers(-4, 4).map(float) | st.floats(-2, 2) | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=20
)


@given(values=VALUES, plateau=PLATEAUS)
@settings(max_examples=200)
def test_a_plateau(values: list[float], plateau: dict[str, Any]) -> None:
    seen = []
    for side in both([1.0, 0.1]):
        scheduler = side.schedules.ReduceLROnPlateau(side.optimizer, **plateau)
        rows: list[list[float]] = [side.row()]
        for value in values:
            scheduler.step(value)
            counts = [scheduler.best, scheduler.num_bad_epochs, scheduler.cooldown_counter, scheduler.last_epoch]
            rows += [side.row(), scheduler.get_last_lr(), counts]
        seen.append(rows)
    for ours, theirs in zip(*seen, strict=True):
        agree(ours, theirs)


# Going on


def written(state: Any) -> Any:
    return json.loads(json.dumps(state))


@given(rates=RATES, makes=st.lists(simple(), min_size=1, max_size=2), stop=st.integers(0, 9))
@some_examples
def test_a_schedule_goes_on_from_its_state(rates: list[float], makes: list[Make], stop: int) -> None:
    whole, first, second = (Side(tinytorch, rates) for _ in range(3))

    def made(side: Side) -> list[Any]:
        schedulers = [make(side.schedules, side.optimizer) for make in makes]
        parts = [make(side.schedules, side.optimizer) for make in makes]
        sequence = [side.schedules.SequentialLR(side.optimizer, parts, [4] * (len(parts) - 1))]
        side.use()
        return sequence if stop % 2 else schedulers

    one, two, three = made(whole), made(first), made(second)
    rows: list[list[list[float]]] = [[], []]
    for epoch in range(12):
        if epoch == stop:
            for scheduler, other in zip(two, three, strict=True):
                other.load_state_dict(written(scheduler.state_dict()))
            second.optimizer.load_state_dict(first.optimizer.state_dict())
        for scheduler in one:
            scheduler.step()
        for scheduler in three if epoch >= stop else two:
            scheduler.step()
        rows[0].append(whole.row())
        rows[1].append(second.row() if epoch >= stop else first.row())
    assert rows[0] == rows[1]


@given(cycle=cycles(), stop=st.integers(0, 12), rule=st.sampled_from(["SGD", "Adam"]))
@some_examples
def test_a_cycle_goes_on_from_its_state(cycle: dict[str, Any], stop: int, rule: str) -> None:
    whole, other = Side(tinytorch, [1.0, 2.0], rule), Side(tinytorch, [1.0, 2.0], rule)
    steps = cycle.get("total_steps") or 2 * cycle["steps_per_epoch"]
    one = lr_scheduler.OneCycleLR(whole.optimizer, [0.1, 0.3], **cycle)
    two = lr_scheduler.OneCycleLR(other.optimizer, 7.0, 99, base_momentum=0.5, cycle_momentum=cycle["cycle_momentum"])
    whole.use()
    other.use()
    for step in range(steps):
        if step == min(stop, steps - 1):
            two.load_state_dict(written(one.state_dict()))
            other.optimizer.load_state_dict(whole.optimizer.state_dict())
        if step >= min(stop, steps - 1):
            assert other.row() == whole.row()
            two.step()
        one.step()


@given(values=VALUES, plateau=PLATEAUS, stop=st.integers(0, 20))
@some_examples
def test_a_plateau_goes_on_from_its_state(values: list[float], plateau: dict[str, Any], stop: int) -> None:
    whole, other = Side(tinytorch, [1.0, 0.1]), Side(tinytorch, [1.0, 0.1])
    one = lr_scheduler.ReduceLROnPlateau(whole.optimizer, **plateau)
    two = lr_scheduler.ReduceLROnPlateau(other.optimizer)
    for step, value in enumerate(values):
        if step == stop:
            two.load_state_dict(written(one.state_dict()))
            other.optimizer.load_state_dict(whole.optimizer.state_dict())
        one.step(value)
        if step >= stop:
            two.step(value)
            assert other.row() == whole.row()
            assert two.state_dict() == one.state_dict()


# Names, defaults, errors


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_pytorch(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(lib, name)) for lib in (lr_scheduler, torch.optim.lr_scheduler))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]
    assert issubclass(getattr(lr_scheduler, name), lr_scheduler.LRScheduler)


def sequence(lib: Any, optimizer: Any, *parts: Any, milestones: Any = (), **more: Any) -> Any:
    return lib.SequentialLR(optimizer, list(parts), list(milestones), **more)


REFUSED: list[tuple[type[Exception], str, Make]] = [
    (TypeError, "Optimizer", lambda lib, o: lib.StepLR("optimizer", 3)),
    (TypeError, "Optimizer", lambda lib, o: lib.ReduceLROnPlateau("optimizer")),
    (TypeError, "Optimizer", lambda lib, o: lib.OneCycleLR("optimizer", 1.0, 9)),
    (KeyError, "initial_lr", lambda lib, o: lib.ExponentialLR(o, 0.5, last_epoch=3)),
    (ValueError, "2", lambda lib, o: lib.LambdaLR(o, [abs, abs])),
    (ValueError, "greater than 0|above 0", lambda lib, o: lib.LinearLR(o, 0.0)),
    (ValueError, "less or equal to 1|1 at most", lambda lib, o: lib.LinearLR(o, 1.1)),
    (ValueError, "between 0 and 1|0 to 1", lambda lib, o: lib.LinearLR(o, end_factor=-0.1)),
    (ValueError, "between 0 and 1|0 to 1", lambda lib, o: lib.LinearLR(o, end_factor=1.1)),
    (ValueError, "got", lambda lib, o: sequence(lib, o)),
    (
        ValueError,
        "number of schedulers 1|1 schedulers need 0",
        lambda lib, o: sequence(lib, o, lib.StepLR(o, 1), milestones=[3]),
    ),
    (TypeError, "index 0|scheduler 0", lambda lib, o: sequence(lib, o, None)),
    (ValueError, "ReduceLROnPlateau", lambda lib, o: sequence(lib, o, lib.ReduceLROnPlateau(o))),
    (ValueError, "total_steps", lambda lib, o: lib.OneCycleLR(o, 1.0)),
    (ValueError, "total_steps", lambda lib, o: lib.OneCycleLR(o, 1.0, 0)),
    (ValueError, "total_steps", lambda lib, o: lib.OneCycleLR(o, 1.0, 2.5)),
    (ValueError, "epochs", lambda lib, o: lib.OneCycleLR(o, 1.0, epochs=-1, steps_per_epoch=3)),
    (ValueError, "steps_per_epoch", lambda lib, o: lib.OneCycleLR(o, 1.0, epochs=3, steps_per_epoch=0)),
    (ValueError, "pct_start", lambda lib, o: lib.OneCycleLR(o, 1.0, 9, pct_start=1.1)),
    (ValueError, "anneal_strategy", lambda lib, o: lib.OneCycleLR(o, 1.0, 9, anneal_strategy="poly")),
    (ValueError, "max_lr", lambda lib, o: lib.OneCycleLR(o, [1.0, 2.0], 9)),
    (ValueError, "base_momentum", lambda lib, o: lib.OneCycleLR(o, 1.0, 9, base_momentum=[0.1, 0.2])),
    (ValueError, "(?i)factor", lambda lib, o: lib.ReduceLROnPlateau(o, factor=1.0)),
    (ValueError, "mode", lambda lib, o: lib.ReduceLROnPlateau(o, "up")),
    (ValueError, "threshold.mode", lambda lib, o: lib.ReduceLROnPlateau(o, threshold_mode="up")),
    (ValueError, "min_lr", lambda lib, o: lib.ReduceLROnPlateau(o, min_lr=[0.1, 0.2])),
]


@pytest.mark.parametrize(("error", "message", "make"), REFUSED)
def test_what_pytorch_refuses_is_refused(error: type[Exception], message: str, make: Make) -> None:
    for side in both([1.0]):
        with pytest.raises(error, match=message):
            make(side.schedules, side.optimizer)


def test_a_rule_without_momentum_has_no_cycle() -> None:
    for side in both([1.0], "Adagrad"):
        with pytest.raises(ValueError, match="momentum"):
            side.schedules.OneCycleLR(side.optimizer, 1.0, 9)
        side.schedules.OneCycleLR(side.optimizer, 1.0, 9, cycle_momentum=False)


def test_a_sequence_moves_the_rates_of_one_optimizer() -> None:
    for side, other in zip(both([1.0]), both([1.0]), strict=True):
        part = side.schedules.StepLR(other.optimizer, 3)
        with pytest.raises(ValueError, match="optimizer"):
            side.schedules.SequentialLR(side.optimizer, [part], [])


def test_more_steps_than_a_cycle_has() -> None:
    for side in both([1.0]):
        scheduler = side.schedules.OneCycleLR(side.optimizer, 1.0, 4)
        side.use()
        for _ in range(4):
            scheduler.step()
        with pytest.raises(ValueError, match=r"4 steps|steps is 4"):
            scheduler.step()


def test_a_first_rate_that_is_never_used() -> None:
    for side in both([1.0]):
        scheduler = side.schedules.StepLR(side.optimizer, 3)
        with pytest.warns(UserWarning, match=r"optimizer.step\(\)") as caught:
            scheduler.step()
        scheduler.step()
        assert len(caught) == 1
