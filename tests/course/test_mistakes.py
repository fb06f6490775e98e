"""Mistakes as learners write them, in workspaces of the real course, through the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tito.commands.init import create
from tito.course import Course
from tito.lesson import Lesson

SWAPPED = """\
        grad_a = grad_b = None
        if need_a:
            grad_a = unbroadcast(a * grad_output, shape_a)
        if need_b:
            grad_b = unbroadcast(b * grad_output, shape_b)
        return (grad_a, grad_b)"""

ASSIGNED = """\
    for node in order:
        arrived = grads.pop(node)
        node.show(arrived)
        grads.update(input_gradients(node, arrived))
        if not retain_graph:
            node.release()"""

ONCE_A_PATH = """\
    order = []
    waiting = [(start, False)]
    while waiting:
        node, done = waiting.pop()
        if done:
            order.append(node)
            continue
        waiting.append((node, True))
        waiting.extend((edge, False) for edge in node.next_functions if isinstance(edge, Function))
    return order[::-1]"""

ELEMENTWISE = """\
        slope = out - out**2
        return (slope * grad_output,)"""

DOUBLED = """\
        grad_a = unbroadcast(grad_output * b * 2, shape_a) if need_a else None
        grad_b = unbroadcast(grad_output * a * 2, shape_b) if need_b else None
        return grad_a, grad_b"""

IN_PLACE = """\
    x -= np.max(x, axis=dim, keepdims=True)
    powers = np.exp(x)
    return powers / powers.sum(axis=dim, keepdims=True)"""

TRANSPOSED = """\
            grad_a = unbroadcast(grad_output @ b.swapaxes(-1, -2), a.shape)
~~~
            grad_b = unbroadcast(grad_output.swapaxes(-1, -2) @ a, b.shape)"""

CASES = [
    ("05", "mul_backward", SWAPPED, "it swaps the operands."),
    ("05", "backward", ASSIGNED, "it assigns instead of accumulating."),
    ("05", "topological_order", ONCE_A_PATH, "it visits a shared node once for each path."),
    ("05", "softmax_backward", ELEMENTWISE, "it leaves the sum term out, as if softmax were elementwise."),
    ("05", "mul_backward", DOUBLED, "twice what was expected."),
    (
        "05",
        "matmul_backward",
        TRANSPOSED,
        "in matmul_backward, it has grad_b transposed: the product is on the wrong side.",
    ),
    ("02", "stable_softmax", IN_PLACE, "it subtracts in place and so changes the caller's scores."),
]


@pytest.mark.parametrize(("number", "exercise", "answer", "words"), CASES, ids=lambda value: str(value)[:20])
def test_a_mistake_is_named_as_its_writer_would_see_it(
    number: str, exercise: str, answer: str, words: str, repository: Path, course: Course, tmp_path: Path
) -> None:
    module = course.find(number)
    root = create(tmp_path / "work", course.closure(module)).root
    reference = Lesson((repository / module.lesson).read_text(encoding="utf-8"), module.lesson)
    (root / module.lesson).write_text(reference.replaced({exercise: tuple(answer.split("\n~~~\n"))}), encoding="utf-8")
    assert f"Looks like {words}" in " ".join(run_tests(root, number).split())


def run_tests(root: Path, number: str) -> str:
    """Return what a learner sees."""
    command = [sys.executable, "-m", "tito", "module", "test", number]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=110, check=False)
    return done.stdout
