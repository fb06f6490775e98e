"""A training run as a process of its own: it can be told to kill itself, and it goes on from its checkpoint.

Run as ``program.py FOLDER [MOMENT N]``: MOMENT is what is counted ("batch", "replace", "fsync" or "bytes"), and at the
Nth time the process kills itself by SIGKILL, before the thing is done. "wait" says on stdout that step N is done, and
waits for somebody else's signal.
"""

from __future__ import annotations

import builtins
import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinytorch.core.training as training
from tinytorch.core.activations import Tanh
from tinytorch.core.layers import Dropout, Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import Tensor, default_generator, from_numpy, manual_seed
from tinytorch.core.training import Callback, Checkpoint, CSVLog, EarlyStopping, StepLR, Trainer, accuracy

EPOCHS = 4


class Batches:
    """A loader that shuffles, and that draws noise from the package's generator at every batch."""

    def __init__(self, count: int, seed: int, generator: np.random.Generator | None) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((count, 4)).astype(np.float32)
        self.y = (self.x[:, 0] * self.x[:, 1] > 0).astype(np.int64)
        self.generator = generator

    def __len__(self) -> int:
        return -(-len(self.x) // 8)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = (self.generator or default_generator()).permutation(len(self.x))
        for start in range(0, len(order), 8):
            chosen = order[start : start + 8]
            noise = default_generator().normal(scale=0.01, size=(len(chosen), 4))
            yield from_numpy(self.x[chosen] + noise.astype(np.float32)), from_numpy(self.y[chosen])


class Countdown:
    """Kills this process when something happened `left` times."""

    def __init__(self, left: int) -> None:
        self.left = left

    def happen(self, times: int = 1) -> None:
        self.left -= times
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class AtBatch(Callback):
    """Counts batches, before or after the checkpoints."""

    def __init__(self, countdown: Countdown) -> None:
        self.countdown = countdown

    def on_batch_end(self, trainer: Trainer) -> None:
        self.countdown.happen()


class AtReplace:
    """Counts renames."""

    def __init__(self, countdown: Countdown) -> None:
        replace = os.replace

        def counted(source: Any, target: Any) -> None:
            countdown.happen()
            replace(source, target)

        os.replace = counted


def count_fsyncs(countdown: Countdown) -> None:
    fsync = os.fsync

    def counted(number: int) -> None:
        countdown.happen()
        fsync(number)

    os.fsync = counted


def count_bytes(countdown: Countdown) -> None:
    """Let files of the training be written byte by byte, as far as the countdown goes."""

    def opened(path: Any, mode: str = "r") -> Any:
        file = builtins.open(path, mode, **({"buffering": 0} if "w" in mode else {}))  # noqa: SIM115 - closed by its user
        if "w" not in mode:
            return file

        class Slow:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *exception: object) -> None:
                file.close()

            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def write(self, data: bytes) -> int:
                written = data[: countdown.left]
                file.write(written)
                countdown.happen(len(data))
                return len(data)

        return Slow()

    training.open = opened  # type: ignore[attr-defined]


class Wait(Callback):
    """Says that a step is done, and waits to be told to stop."""

    last = True

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            print("waiting", flush=True)
            time.sleep(60)


def main(folder: Path, moment: str = "", count: int = 0) -> None:
    """Train, or go on."""
    path = folder / "run.ckpt"
    goes_on = path.exists()
    manual_seed(99 if goes_on else 0)  # what the seed was when the run began has to come from the checkpoint
    model = Sequential(Linear(4, 16), Tanh(), Dropout(0.2), Linear(16, 2))
    optimizer = Adam(model.parameters(), lr=0.02)
    callbacks: list[Callback] = [
        CSVLog(folder / "log.csv"),
        Checkpoint(path, every_n_steps=3, monitor="val_loss"),
        EarlyStopping("val_loss", patience=3, restore_best=True),
    ]
    if moment == "batch":
        callbacks.append(AtBatch(Countdown(count)))
    elif moment == "wait":
        callbacks.append(Wait(count))
    elif moment:
        {"replace": AtReplace, "fsync": count_fsyncs, "bytes": count_bytes}[moment](Countdown(count))
    trainer = Trainer(
        model,
        optimizer,
        CrossEntropyLoss(),
        scheduler=StepLR(optimizer, step_size=7, gamma=0.9),
        scheduler_every="step",
        metrics={"accuracy": accuracy},
        clip_grad_norm=0.5,
        callbacks=callbacks,
    )
    loader = Batches(60, 0, np.random.default_rng(5 if goes_on else 4))
    trainer.fit(loader, EPOCHS, Batches(20, 1, None), resume=path if goes_on else None)
    values = b"".join(value.data.tobytes() for value in model.state_dict().values())
    print(hashlib.sha256(values).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))
