"""The stepper as text: all steps in a listing, one step on a screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.core.autograd import MulBackward
from tinytorch.viz import _numbers
from tinytorch.viz._stepper_text import screen


def leaf(data: Any) -> Tensor:
    return Tensor(data, requires_grad=True, dtype=np.float64)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


DIAMOND = """\
Forward
   1  Mul
        x = 2,  y = 3  →  6
        keeps 16 bytes for the way back
   2  Add
        Mul = 6,  x = 2  →  8
        keeps nothing for the way back

Backward
   3  Backward begins at the end. The gradient of the result is 1: it moves
      exactly as much as itself.
   4  Add. Gradient of `out = a + b`: each input receives `grad_output`, summed
      back to its own shape.
        to Mul: 1 × 1 = 1
        to x: 1 × 1 = 1
   5  Mul. Gradient of `out = a * b`, element by element.
        to x: 1 × 3 = 3
        x has: 1 + 3 = 4
        to y: 1 × 2 = 2
        lets go of 16 bytes
   6  backward() writes what has arrived
        x.grad = 4
        y.grad = 2"""


def test_print_lists_all_steps():
    x, y = leaf(2.0), leaf(3.0)
    steps = (x * y + x).graph().step()
    assert str(steps) == DIAMOND


def test_show_prints_the_listing_where_nobody_sits(capsys):
    x, y = leaf(2.0), leaf(3.0)
    (x * y + x).graph().step().show()
    assert capsys.readouterr().out == DIAMOND + "\n"


def test_matrices_stand_side_by_side_and_below_each_other_where_there_is_no_room(monkeypatch):
    x, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([10.0, 20.0])
    steps = (x * b).sum().graph().step()
    wide = """\
        to b: [1 1] × [1 2] = [1 2]  summed to  [4 6]
              [1 1]   [3 4]   [3 4]"""
    assert wide in str(steps)
    monkeypatch.setenv("COLUMNS", "40")
    assert wide not in str(steps)
    assert all(len(line) <= 40 for line in str(steps).split("\n"))
    assert "summed to [4 6]" in str(steps)


def test_the_screen_shows_what_every_node_holds_by_now():
    x, y = leaf(2.0), leaf(3.0)
    steps = (x * y + x).graph().step()
    steps.at(0)
    lines = screen(steps, 80, 24).split("\n")
    assert len(lines) == 24
    assert lines[0] == "Step 1 of 6. Mul runs"
    assert lines[1] == "The graph keeps ████████████████████ 16 bytes of 16 bytes"
    assert [line.split() for line in lines if line.startswith(("▶", "  x", "  y", "  Add"))] == [
        ["x", "=", "2,", "y", "=", "3", "→", "6"], ["x", "2"], ["y", "3"], ["▶", "Mul", "6"], ["Add"],
    ]  # fmt: skip
    steps.at(4)
    rows = [line.split() for line in screen(steps, 80, 24).split("\n")]
    assert ["x", "2", "4"] in rows
    assert ["y", "3", "2"] in rows
    assert ["▶", "Mul", "6", "1"] in rows


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (200, 60)])
def test_every_screen_fits(width, height):
    x = out = leaf(np.ones((2, 3)))
    for _ in range(30):
        out = out * x
    steps = out.sum().graph().step()
    for k in range(0, len(steps), 7):
        steps.at(k)
        lines = screen(steps, width, height).split("\n")
        assert len(lines) == height
        assert all(len(line) <= width for line in lines)
        assert lines[0].startswith(f"Step {k + 1} of {len(steps)}.")


def test_an_error_and_its_place_are_listed(monkeypatch):
    def apply(self, grad):
        raise ValueError("not like this")

    monkeypatch.setattr(MulBackward, "apply", apply)
    x, y = leaf(2.0), leaf(3.0)
    steps = (x * y + x).graph().step()
    assert "stopped here: ValueError: not like this" in str(steps)


def test_a_sum_that_does_not_add_up_has_no_equals_sign(monkeypatch):
    from tinytorch.core import autograd as core

    def propagate(order, grads, retain_graph):
        for node in order:
            for edge, grad in core.input_gradients(node, grads.pop(node)):
                grads[edge] = grad
            node.release()

    monkeypatch.setattr(core, "propagate", propagate)
    x, y = leaf(2.0), leaf(3.0)
    text = str((x * y + x).graph().step())
    assert "x has: 1 + 3 → 3" in text
    assert "note: What has arrived at x is not what was there plus what came." in " ".join(text.split())


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (-0.0, "0"), (1 / 3, "0.3333"), (-2.5, "−2.5"), (1e-9, "1e−9"), (np.inf, "∞"), (np.nan, "nan")],
)
def test_numbers_are_short(value, text):
    assert _numbers.number(value) == text


def test_large_arrays_are_summed_up():
    assert _numbers.line(np.arange(100.0).reshape(10, 10)) == "10×10, from 0 to 99"
    assert _numbers.line(np.zeros((0, 100))) == "[]"
    assert _numbers.size(1) == "1 byte"
    assert _numbers.size(2_500_000) == "2.5 MB"
