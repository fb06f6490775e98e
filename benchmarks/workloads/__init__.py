"""The questions, one file each: what is measured, and the mathematics of it."""

from __future__ import annotations

from benchmarks.workloads import (
    chain,
    convolution,
    import_time,
    ladder,
    mlp,
    peak_memory,
    per_operation,
    programs,
    rows,
    transformer,
)
from benchmarks.workloads.question import Question

QUESTIONS: dict[str, Question] = {
    "small_mlp": mlp.SMALL,
    "wide_mlp": mlp.WIDE,
    "tiny_mlp": mlp.TINY,
    "per_operation": per_operation.QUESTION,
    "rows": rows.QUESTION,
    "transformer": transformer.QUESTION,
    "lenet": convolution.LENET,
    "cifar_net": convolution.CIFAR,
    "adam": programs.ADAM,
    "loading": programs.LOADING,
    "epoch": programs.EPOCH,
    "chain": chain.QUESTION,
    "ladder": ladder.QUESTION,
    "import_time": import_time.QUESTION,
    "peak_memory": peak_memory.QUESTION,
}

CASES = {case.name: case for question in QUESTIONS.values() for case in question.cases}
