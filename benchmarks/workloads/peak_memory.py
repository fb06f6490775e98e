"""How much memory does a training step hold at its peak?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.cells import Row, say
from benchmarks.workloads import convolution, mlp, transformer
from benchmarks.workloads.question import Question

if TYPE_CHECKING:
    from benchmarks.session import Session

STEPS = {
    "peak memory, wide_mlp": mlp.WIDE,
    "peak memory, transformer": transformer.QUESTION,
    "peak memory, lenet": convolution.LENET,
    "peak memory, cifar_net": convolution.CIFAR,
}


def measure(session: Session) -> list[Row]:
    """Return the peak of resident memory above import: parameters, data, gradients and what the engine keeps."""
    rows = []
    for title, question in STEPS.items():
        say(title)
        fresh = partial(in_fresh_process, session, case=question.cases[0].name)
        rows.append(Row(title, "MB", session.in_turns(session.engines, fresh, max(1, session.rounds // 3))))
    return rows


def in_fresh_process(session: Session, name: str, case: str) -> float:
    """Return the megabytes that one engine needs, measured in a process of its own."""
    worker = session.start(name)
    try:
        megabytes: float = worker.ask("memory", case)
    finally:
        worker.close()
    return megabytes


QUESTION = Question("Peak resident memory of a training step above import, in a fresh process", measurement=measure)
