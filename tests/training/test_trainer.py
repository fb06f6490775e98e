"""The trainer as its users have it: beside the same loop in PyTorch, with real loaders, stopped and gone on."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import nn, optim
from tinytorch.training import Callback, Checkpoint, CSVLog, EarlyStopping, Trainer, accuracy
from tinytorch.utils.data import DataLoader, TensorDataset

Batch = tuple[Any, Any]


def points(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points in space, and whether the first two coordinates have the same sign."""
    x = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def batches(lib: Any, count: int, size: int, seed: int) -> list[Batch]:
    x, y = points(count, seed)
    return [(lib.from_numpy(x[i : i + size]), lib.from_numpy(y[i : i + size])) for i in range(0, count, size)]


def network(lib: Any) -> Any:
    return lib.nn.Sequential(lib.nn.Linear(3, 16), lib.nn.Tanh(), lib.nn.Linear(16, 2))


class Moments(Callback):
    """Notes what is called, and what is known then."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def on_train_begin(self, trainer: Trainer) -> None:
        self.seen.append(("train begin", trainer.step))

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self.seen.append(("epoch begin", trainer.epoch, trainer.batch))

    def on_batch_end(self, trainer: Trainer) -> None:
        self.seen.append(("batch end", trainer.epoch, trainer.batch, trainer.step))

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.seen.append(("epoch end", trainer.epoch, len(trainer.history)))

    def on_train_end(self, trainer: Trainer) -> None:
        self.seen.append(("train end", len(trainer.history)))


class StoppedError(Exception):
    """What a run is stopped with."""


class StopAt(Callback):
    last = True

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            raise StoppedError


# Beside PyTorch


SCHEDULES = {
    "none": ("epoch", lambda lib, optimizer: None),
    "every epoch": ("epoch", lambda lib, optimizer: lib.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)),
    "every step": ("step", lambda lib, optimizer: lib.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=24)),
    "plateau": (
        "epoch",
        lambda lib, optimizer: lib.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=0, threshold=0.1
        ),
    ),
}


def by_hand(torch: Any, model: Any, optimizer: Any, schedule: str, clip: float | None) -> list[dict[str, float]]:
    """Return the rows of a run that is written out."""
    every, make = SCHEDULES[schedule]
    scheduler, criterion = make(torch, optimizer), torch.nn.CrossEntropyLoss()
    train, held_out, rows = batches(torch, 50, 12, 0), batches(torch, 30, 20, 1), []
    for epoch in range(1, 5):
        total = right = 0.0
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            out = model(x)
            loss = criterion(out, y)
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            total, right = total + loss.item() * len(x), right + (out.argmax(1) == y).sum().item()
            if every == "step":
                scheduler.step()
        rate = optimizer.param_groups[0]["lr"]
        row = {"epoch": epoch, "loss": total / 50, "accuracy": right / 50, "lr": rate}
        model.eval()
        with torch.no_grad():
            outs = [(model(x), y) for x, y in held_out]
        row["val_loss"] = sum(criterion(out, y).item() * len(y) for out, y in outs) / 30
        row["val_accuracy"] = sum((out.argmax(1) == y).sum().item() for out, y in outs) / 30
        rows.append(row)
        if every == "epoch" and scheduler is not None:
            scheduler.step(*[row["val_loss"]] * (schedule == "plateau"))
    return rows


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_a_run_is_the_loop_that_one_would_write_in_pytorch(schedule: str, clip: float | None) -> None:
    torch = pytest.importorskip("torch")
    theirs = network(torch)
    model = network(tinytorch)
    model.load_state_dict({name: value.detach().numpy() for name, value in theirs.state_dict().items()})
    every, make = SCHEDULES[schedule]
    settings = {"lr": 0.2, "momentum": 0.9}
    optimizer = optim.SGD(model.parameters(), **settings)
    trainer = Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        scheduler=make(tinytorch, optimizer),
        scheduler_every=every,
        metrics={"accuracy": accuracy},
        clip_grad_norm=clip,
    )
    history = trainer.fit(batches(tinytorch, 50, 12, 0), 4, batches(tinytorch, 30, 20, 1))
    expected = by_hand(torch, theirs, torch.optim.SGD(theirs.parameters(), **settings), schedule, clip)
    for mine, other in zip(history, expected, strict=True):
        assert mine == pytest.approx(other, rel=2e-5)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name].data, value.numpy(), rtol=2e-4, atol=1e-6)


# Callbacks


def test_callbacks_are_called_in_order() -> None:
    moments = Moments()
    model = network(tinytorch)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), callbacks=[moments])
    trainer.fit(batches(tinytorch, 20, 10, 0), 2)
    assert moments.seen == [
        ("train begin", 0),
        *[("epoch begin", 0, 0), ("batch end", 0, 1, 1), ("batch end", 0, 2, 2), ("epoch end", 0, 1)],
        *[("epoch begin", 1, 0), ("batch end", 1, 1, 3), ("batch end", 1, 2, 4), ("epoch end", 1, 2)],
        ("train end", 2),
    ]


def test_the_best_epoch_comes_back() -> None:
    """The loss on held-out data, which is given here, is best in the second epoch."""
    model = network(tinytorch)
    kept: list[dict[str, np.ndarray]] = []

    class Scripted(Trainer):
        def evaluate(self, loader: Any) -> dict[str, float]:
            kept.append({name: value.data.copy() for name, value in self.model.state_dict().items()})
            return {"loss": [3.0, 1.0, 2.0, 1.5, 0.0][len(kept) - 1]}

    stopping = EarlyStopping(patience=2, restore_best=True)
    trainer = Scripted(model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), callbacks=[stopping])
    history = trainer.fit(batches(tinytorch, 20, 10, 0), 9, [])
    assert history.series("val_loss") == {"val_loss": [3.0, 1.0, 2.0, 1.5]}
    assert all(np.array_equal(value.data, kept[1][name]) for name, value in model.state_dict().items())


def test_an_exception_of_a_callback_goes_through_and_later_moments_are_not_called() -> None:
    moments, model = Moments(), network(tinytorch)
    trainer = Trainer(
        model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), callbacks=[moments, StopAt(3)]
    )
    with pytest.raises(StoppedError):
        trainer.fit(batches(tinytorch, 20, 10, 0), 2)
    assert moments.seen[-1] == ("batch end", 1, 1, 3)


# Going on


class Setting:
    """Everything of a run with all that has a state: dropout, batch norm, Adam, a schedule, shuffled data, noise."""

    def __init__(self, folder: Path, workers: int = 0, own: bool = False, seed: int = 0, stop: int = 0) -> None:
        tinytorch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
        optimizer = optim.Adam(self.model.parameters(), lr=0.05)
        generator = np.random.default_rng(seed + 5) if own else None
        arrays = [tinytorch.from_numpy(part) for part in points(50, 0)]
        self.loader = DataLoader(
            TensorDataset(*arrays), 8, shuffle=True, num_workers=workers, generator=generator, drop_last=True
        )
        self.path = folder / "run.ckpt"
        self.log = folder / "log.csv"
        self.trainer = Trainer(
            self.model,
            optimizer,
            nn.CrossEntropyLoss(),
            scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30),
            scheduler_every="step",
            metrics={"accuracy": accuracy},
            callbacks=[
                EarlyStopping(patience=50),
                CSVLog(self.log),
                Checkpoint(self.path, every_n_steps=4, monitor="val_loss"),
                *[StopAt(stop)] * bool(stop),
            ],
        )

    def fit(self, epochs: int, resume: bool = False) -> list[dict[str, Any]]:
        held_out = batches(tinytorch, 30, 15, 1)
        return self.trainer.fit(self.loader, epochs, held_out, resume=self.path if resume else None)

    def values(self) -> dict[str, bytes]:
        return {name: value.data.tobytes() for name, value in self.model.state_dict().items()}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("own", [False, True], ids=["the package's generator", "one of its own"])
@pytest.mark.parametrize("stop", [4, 6, 15, 17])
def test_a_stopped_run_goes_on_bit_for_bit(stop: int, own: bool, workers: int, tmp_path: Path) -> None:
    """An epoch has 6 batches, so that a checkpoint stands after 4, and at the end of an epoch and within one."""
    folders = [tmp_path / "whole", tmp_path / "stopped"]
    for folder in folders:
        folder.mkdir()
    whole = Setting(folders[0], workers, own)
    rows = whole.fit(4)
    stopped = Setting(folders[1], workers, own, stop=stop)
    with pytest.raises(StoppedError):
        stopped.fit(4)
    again = Setting(folders[1], workers, own, seed=1)
    assert again.fit(4, resume=True) == rows
    assert again.values() == whole.values()
    assert again.log.read_bytes() == whole.log.read_bytes()
    assert json.loads(json.dumps(rows)) == rows


def test_a_run_that_is_done_is_not_trained_any_more_but_can_be_made_longer(tmp_path: Path) -> None:
    whole = Setting(tmp_path)
    six = whole.fit(6)
    values = whole.values()
    three = Setting(tmp_path)
    assert three.fit(3) == six[:3]
    again = Setting(tmp_path, seed=1)
    assert again.fit(3, resume=True) == six[:3]
    assert again.values() == three.values()
    longer = Setting(tmp_path, seed=2)
    assert longer.fit(6, resume=True) == six
    assert longer.values() == values


def test_other_tools_read_a_checkpoint(tmp_path: Path) -> None:
    others = pytest.importorskip("safetensors.numpy")
    setting = Setting(tmp_path)
    setting.fit(1)
    read = others.load_file(setting.path)
    for name, value in setting.model.state_dict().items():
        assert np.array_equal(read[f"model.{name}"], value.data)
    assert setting.path.read_bytes()[:1] != b"\x80"  # what a pickle begins with


def narrow(setting: Setting) -> None:
    setting.trainer.model = nn.Sequential(nn.Linear(3, 2))


def other_optimizer(setting: Setting) -> None:
    setting.trainer.optimizer = optim.SGD(setting.model.parameters(), lr=0.1)


def other_schedule(setting: Setting) -> None:
    setting.trainer.scheduler = optim.lr_scheduler.StepLR(setting.trainer.optimizer, 3)


def larger_batches(setting: Setting) -> None:
    setting.loader = DataLoader(setting.loader.dataset, 25, shuffle=True)


def no_early_stopping(setting: Setting) -> None:
    setting.trainer.callbacks = [c for c in setting.trainer.callbacks if not isinstance(c, EarlyStopping)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (narrow, r"does not fit the model: it (lacks|has)"),
        (other_optimizer, "the optimizer is Adam in it, but SGD here"),
        (other_schedule, "the scheduler is CosineAnnealingLR in it, but StepLR here"),
        (larger_batches, "the number of batches in an epoch is 6 in it, but 2 here"),
        (no_early_stopping, "has the state of a callback 'EarlyStopping 1', but this trainer has none"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused_and_changes_nothing(
    change: Any, message: str, tmp_path: Path
) -> None:
    Setting(tmp_path).fit(1)
    other = Setting(tmp_path, seed=1)
    change(other)
    before, random = other.values(), tinytorch.core.tensor.default_generator().bit_generator.state
    with pytest.raises(ValueError, match=rf"cannot go on from .*run\.ckpt: .*{message}"):
        other.fit(2, resume=True)
    assert other.values() == before
    assert tinytorch.core.tensor.default_generator().bit_generator.state == random
    assert other.log.read_text().count("\n") == 2  # of the first run


# What can go wrong


def trainer_of(**settings: Any) -> Trainer:
    model = network(tinytorch)
    return Trainer(model, optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), **settings)


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    trainer = trainer_of()
    before = {name: value.data.copy() for name, value in trainer.model.state_dict().items()}
    x, y = points(4, 0)
    x[2, 1] = np.nan
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, step 1, at the rate 0\.1\. No step was"):
        trainer.fit([(tinytorch.from_numpy(x), tinytorch.from_numpy(y))], 1)
    assert all(np.array_equal(value.data, before[name]) for name, value in trainer.model.state_dict().items())


def test_a_loader_without_batches_is_an_error() -> None:
    with pytest.raises(ValueError, match="the loader gave no batch in epoch 1"):
        trainer_of().fit([], 1)


def test_an_iterator_is_used_up_after_an_epoch() -> None:
    with pytest.raises(ValueError, match=r"no batch in epoch 2\. An iterator gives its batches once"):
        trainer_of().fit(iter(batches(tinytorch, 20, 10, 0)), 2)


def test_a_loader_need_not_know_its_length() -> None:
    class Endless:
        def __iter__(self) -> Iterator[Batch]:
            return iter(batches(tinytorch, 20, 10, 0))

    trainer = trainer_of()
    assert len(trainer.fit(Endless(), 2)) == 2
    assert (trainer.batches, trainer.step) == (None, 4)


def test_an_exception_in_a_worker_arrives_with_its_traceback() -> None:
    class Broken:
        def __len__(self) -> int:
            return 20

        def __getitem__(self, i: int) -> Batch:
            if i == 13:
                raise KeyError("sample 13 is damaged")
            return points(1, i)[0][0], points(1, i)[1][0]

    with pytest.raises(KeyError, match="sample 13 is damaged") as caught:
        trainer_of().fit(DataLoader(Broken(), 5, num_workers=2), 1)
    assert "in __getitem__" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (tinytorch.ones(2, 3), "a batch is a pair of inputs and targets, but the loader gave Tensor"),
        ((1, 2, 3), "but the loader gave 3 things"),
    ],
)
def test_batches_are_pairs(batch: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        trainer_of().fit([batch], 1)


def test_what_a_monitor_waits_for_has_to_be_there() -> None:
    with pytest.raises(KeyError, match=r"no value is named 'val_loss'.*Pass a validation_loader"):
        trainer_of(callbacks=[EarlyStopping()]).fit(batches(tinytorch, 20, 10, 0), 1)


def test_a_folder_that_is_missing_is_said_before_the_first_step(tmp_path: Path) -> None:
    trainer = trainer_of(callbacks=[Checkpoint(tmp_path / "runs" / "run.ckpt")])
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*runs\. Make it first"):
        trainer.fit(batches(tinytorch, 20, 10, 0), 1)
    assert trainer.step == 0
