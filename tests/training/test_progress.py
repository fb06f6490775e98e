"""What is shown of a training: on a real terminal, in a pipe, and in a notebook's kernel."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tinytorch
from tinytorch import _progress, nn, optim
from tinytorch.core.training import Trainer
from tinytorch.training import LivePicture, ProgressBar

# A run of 3 epochs of 4 batches that takes a second a batch by its own clock, and calls `seen` after each moment.
RUN = """
import itertools, sys, types
from tinytorch import _progress
from tinytorch.training import LivePicture, ProgressBar
now = 0.0
_progress._clock = lambda: now

def run(*shown, epochs=3, batches=4, seconds=1.0, seen=lambda trainer: None, known=True):
    global now
    trainer = types.SimpleNamespace(
        epoch=0, epochs=epochs, batch=0, batches=batches if known else None, step=0, row={}, history=[], stop=False)
    def call(moment):
        for callback in shown:
            getattr(callback, moment)(trainer)
        seen(trainer)
    call("on_train_begin")
    for trainer.epoch in range(epochs):
        trainer.batch = 0
        call("on_epoch_begin")
        for trainer.batch in range(1, batches + 1):
            now += seconds
            trainer.step += 1
            trainer.row = {"epoch": trainer.epoch + 1, "loss": 8 / (trainer.step + 1)}
            call("on_batch_end")
        trainer.row = {**trainer.row, "val_loss": 8 / (trainer.epoch + 1), "lr": 0.1}
        trainer.history.append(dict(trainer.row))
        call("on_epoch_end")
    call("on_train_end")
"""


class Terminal:
    """A terminal in which a program runs after `RUN`; what is on its screen at any time."""

    def __init__(self, program: str, folder: Path, columns: int = 80, lines: int = 24, **environment: str) -> None:
        pexpect, pyte = pytest.importorskip("pexpect"), pytest.importorskip("pyte")
        script = folder / "run.py"
        script.write_text(f"{RUN}\n{program}", encoding="utf-8")
        self.pexpect = pexpect
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self.raw = ""
        self.screens: list[list[str]] = []  # after each piece that came
        variables = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment}
        variables.pop("COLUMNS", None)
        variables.pop("LINES", None)
        self.child = pexpect.spawn(
            sys.executable, [str(script)], dimensions=(lines, columns), encoding="utf-8", env=variables, timeout=60
        )

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def feed(self, text: str) -> None:
        self.raw += text
        self._stream.feed(text)

    def until(self, sign: str) -> str:
        """Wait for a sign, which is not shown; return the screen."""
        self.child.expect_exact(sign)
        self.feed(self.child.before)
        return self.text

    def end(self) -> str:
        self.child.expect(self.pexpect.EOF)
        self.feed(self.child.before)
        self.child.close()
        return self.text


def test_a_line_changes_in_place_and_the_last_one_stays(tmp_path: Path) -> None:
    seen = "seen=lambda trainer: (sys.stdin.readline() if trainer.step in (2, 5) and trainer.batch else None)"
    terminal = Terminal(f"print('before')\nrun(ProgressBar(), {seen})\nprint('after')", tmp_path)
    terminal.child.expect_exact("2/4")
    terminal.feed(terminal.child.before + terminal.child.after)
    terminal.child.expect_exact("left")
    terminal.feed(terminal.child.before + terminal.child.after)
    assert terminal.lines[:2] == ["before", "epoch 1/3 ━━━━━━━━━━━━──────────── 2/4  loss 2.667  1/s  2.0 s left"]
    terminal.child.send("\n\n\n")
    assert terminal.end().splitlines()[-2:] == ["epoch 3/3  loss 0.6154 val_loss 2.667 lr 0.1  4.0 s", "after"]
    assert "epoch 1/3  loss 1.6 val_loss 8 lr 0.1  4.0 s" in terminal.raw
    assert "epoch 1/3  loss" not in terminal.text


def test_nothing_stays_where_nothing_shall(tmp_path: Path) -> None:
    program = "print('before')\nrun(ProgressBar(leave=False))\nprint('after')"
    assert Terminal(program, tmp_path).end() == "before\nafter"


@pytest.mark.parametrize("columns", [12, 30, 50, 80, 200])
def test_no_line_is_longer_than_the_terminal(columns: int, tmp_path: Path) -> None:
    terminal = Terminal("run(ProgressBar(), seconds=4000.0)", tmp_path, columns)
    terminal.end()
    shown = [re.sub(r"\x1b\[\d*[A-Z]", "", line).strip("\r") for line in terminal.raw.split("\n")]
    assert max(map(len, shown)) < columns
    assert len(terminal.text.splitlines()) == 1
    assert (" h " in terminal.raw) == (columns >= 50)


def test_a_run_that_is_interrupted_leaves_the_cursor_on_a_fresh_line(tmp_path: Path) -> None:
    program = """
import signal
def wait(trainer):
    if trainer.step == 2:
        print("<here>", file=sys.stderr, flush=True)
        signal.pause()
try:
    run(LivePicture(every=1), ProgressBar(), seen=wait)
except KeyboardInterrupt:
    print("stopped")
run(ProgressBar(), epochs=1)
print("after")
"""
    terminal = Terminal(program, tmp_path)
    terminal.until("<here>\r\n")
    assert terminal.screen.cursor.x == 0
    terminal.child.kill(signal.SIGINT)
    lines = terminal.end().splitlines()
    assert re.match("epoch 1/3 .* 2/4  loss 2.667", lines[-4])
    assert lines[-3:] == ["stopped", "epoch 1/1  loss 1.6 val_loss 8 lr 0.1  4.0 s", "after"]


def test_a_picture_is_drawn_in_place_above_the_line(tmp_path: Path) -> None:
    terminal = Terminal("print('before')\nrun(LivePicture(title='Losses'), ProgressBar())\nprint('after')", tmp_path)
    lines = terminal.end().splitlines()
    assert lines[:2] == ["before", "Losses"]
    assert lines[-3] == "1 loss: 1.6 → 0.6154   2 val_loss: 8 → 2.667"
    assert lines[-2:] == ["epoch 3/3  loss 0.6154 val_loss 2.667 lr 0.1  4.0 s", "after"]
    assert len(lines) == 1 + 14 + 1 + 1
    assert terminal.text.count("Losses") == 1
    assert terminal.raw.count("Losses") > 3


def test_a_picture_fits_into_a_small_terminal(tmp_path: Path) -> None:
    terminal = Terminal("run(LivePicture(every=1), ProgressBar())", tmp_path, 30, 8)
    lines = terminal.end().splitlines()
    assert len(lines) <= 8
    assert re.match(r" *\d┤|8", lines[0])


def test_ten_pictures_a_second_at_most(tmp_path: Path) -> None:
    """1000 batches take 10 seconds: about 100 pictures, and 3 for the ends of epochs."""
    for shown in ("ProgressBar()", "LivePicture(every=1)"):
        terminal = Terminal(f"run({shown}, epochs=2, batches=500, seconds=0.01)", tmp_path)
        terminal.end()
        drawn = terminal.raw.count("\x1b[J")
        assert 85 <= drawn <= 106


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}])
def test_a_terminal_that_cannot_draw_is_written_to_like_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal("run(ProgressBar())", tmp_path, **environment)
    assert len(terminal.end().splitlines()) == 3
    assert "\x1b" not in terminal.raw


def fake_run(*shown: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    names: dict[str, Any] = {}
    monkeypatch.setattr(_progress, "_clock", _progress._clock)  # put back afterwards
    exec(RUN, names)
    names["run"](*shown, **options)


def test_in_a_pipe_there_is_a_plain_line_for_each_epoch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_run(ProgressBar(), monkeypatch=monkeypatch)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1/3  loss 1.6 val_loss 8 lr 0.1  4.0 s",
        "epoch 2/3  loss 0.8889 val_loss 4 lr 0.1  4.0 s",
        "epoch 3/3  loss 0.6154 val_loss 2.667 lr 0.1  4.0 s",
    ]


def test_in_a_pipe_the_picture_comes_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_run(ProgressBar(), LivePicture(title="Losses"), monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line[:9] for line in out.splitlines()[:4]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "Losses"]
    assert len(out.splitlines()) == 3 + 14


def test_a_stream_without_unicode_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(file, "isatty", lambda: True, raising=False)
    fake_run(LivePicture(file=file), ProgressBar(file), monkeypatch=monkeypatch)
    file.flush()
    file.seek(0)
    text = file.read()
    assert "epoch 1/3 ######------------------ 1/4" in text
    assert "* loss: 1.6 -> 0.6154" in text


def test_a_loader_without_a_length_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(file, "isatty", lambda: True, raising=False)
    fake_run(ProgressBar(file), monkeypatch=monkeypatch, known=False)
    assert "epoch 1/3 2 batches  loss 2.667  1/s\x1b[K" in file.getvalue()


def curves_of(picture: LivePicture) -> dict[str, list[float]]:
    return {name: [round(value, 2) for value in curve] for name, curve in picture._curves.items()}


def test_the_curves_have_a_point_for_so_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    by_epoch, by_batch = LivePicture(file=io.StringIO()), LivePicture(every=2, file=io.StringIO())
    fake_run(by_epoch, by_batch, monkeypatch=monkeypatch, epochs=2)
    assert curves_of(by_epoch) == {"loss": [1.6, 0.89], "val_loss": [8.0, 4.0]}
    assert curves_of(by_batch) == {"loss": [2.67, 1.6, 1.14, 0.89], "val_loss": [8.0, 8.0, 4.0, 4.0]}
    with pytest.raises(ValueError, match="every is a number of batches, 1 or more, but got 0"):
        LivePicture(every=0)


def test_a_real_training_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    tinytorch.manual_seed(0)
    model = nn.Linear(2, 1)
    batches = [(tinytorch.ones(4, 2), tinytorch.zeros(4, 1))] * 5
    shown = [ProgressBar(), LivePicture(every=2)]
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.05), nn.MSELoss(), callbacks=shown)
    trainer.fit(batches, epochs=2, validation_loader=batches)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"epoch 2/2  loss \S+ val_loss \S+ lr 0.05  0\.\d s", lines[1])
    assert re.match("1 loss: .*2 val_loss: ", lines[-1])


def test_in_a_kernel_one_chart_changes(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel")
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [RUN, "run(LivePicture(every=1, title='A < B'), ProgressBar())", "run(LivePicture(), epochs=1)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    root = str(Path(tinytorch.__file__).parents[1])
    notebook.cells[0].source = f"import sys; sys.path.insert(0, {root!r})\n{RUN}"
    updates: list[Any] = []

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            updates.append(msg["msg_type"])
            return super().process_message(msg, cell, cell_index)

    Client(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    chart, *rest = [output for output in notebook.cells[1].outputs if output.output_type == "display_data"]
    assert rest == []
    assert chart.data["image/svg+xml"].startswith("<svg")
    assert "A &lt; B" in chart.data["image/svg+xml"]
    assert "loss: 4 → 0.6154" in chart.data["image/svg+xml"]  # the last state, by updates of the first
    assert "loss: 4 → 0.6154" in chart.data["text/plain"]
    assert updates.count("update_display_data") > 6
    said = "".join(output.text for output in notebook.cells[1].outputs if output.output_type == "stream")
    assert [line[:9] for line in said.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def test_no_kernel_is_seen_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _progress.in_kernel()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # type: ignore[arg-type]
    assert not _progress.in_kernel()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))  # type: ignore[arg-type]
    assert _progress.in_kernel()
