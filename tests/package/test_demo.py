"""The main job, `tito demo`, as a new user runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pyte
import pytest
from click.testing import CliRunner
from PIL import Image

from tito.cli import cli
from tito.commands.demo import Training, show_digits


def test_the_demo_trains_a_network_with_the_exported_framework(tmp_path: Path) -> None:
    """In a real terminal of 80 columns: steps, a live bar, digits, a picture, and the command to begin with."""
    child = pexpect.spawn(sys.executable, ["-m", "tito", "demo"], cwd=str(tmp_path), dimensions=(50, 80), timeout=110)
    seen = b""
    while child.isalive() or not child.closed:
        try:
            seen += child.read_nonblocking(65536, timeout=110)
        except pexpect.EOF:
            break
    child.close()
    screen = pyte.Screen(80, 50)
    pyte.ByteStream(screen).feed(seen)
    text = "\n".join(line.rstrip() for line in screen.display)
    assert child.exitstatus == 0, text
    for name in ("01_tensor", "02_activations", "03_layers", "04_losses", "05_autograd"):
        assert re.search(rf"{name} +tested in +\d+\.\d s, +[\d,]+ lines exported to tinytorch/core/", text)
    assert re.search(r"central differences agree to \de-\d\d", text)
    assert "epoch 30 ━" in text
    assert len(set(re.findall(rb"epoch +(\d+)", seen))) > 3, "the bar did not move"
    reached = re.search(r"(\d+\.\d)% of the held-out digits are right\. The curves are in tito-demo\.png", text)
    assert reached is not None
    assert float(reached[1]) >= 95
    assert text.rstrip().endswith("    tito init ../my-framework")
    with Image.open(tmp_path / "tito-demo.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tito-demo.png"]


def test_a_place_that_cannot_be_written_to_is_refused_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tito", "demo", "--picture", str(tmp_path / "missing" / "curve.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "error: the picture cannot be written to" in done.stderr
    assert "--picture FILE" in done.stderr


def test_a_network_that_learns_too_little_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    digit = {"image": [[0.0] * 8] * 8, "label": 1, "predicted": 7}
    monkeypatch.setattr("tito.commands.demo.prepare", lambda folder: None)
    monkeypatch.setattr("tito.commands.demo.train", lambda workspace: Training(1e-9, [2.0], [0.5], [digit] * 4))
    with pytest.raises(SystemExit) as end:
        cli.main(["demo", "--picture", str(tmp_path / "curve.png")])
    assert end.value.code == 1
    assert "reads 50.0% of the held-out digits; 95% were expected" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_digits_are_shown_side_by_side_and_a_mistake_last() -> None:
    def digit(label: int, predicted: int) -> dict[str, object]:
        return {"image": [[1.0] + [0.0] * 7] * 8, "label": label, "predicted": predicted}

    shown = show_digits([digit(4, 9), digit(2, 2), digit(0, 0), digit(0, 0), digit(1, 1)]).splitlines()
    assert len(shown) == 9
    assert shown[0].count("@@") == 4
    assert re.sub(r" +", " ", shown[-1]).strip() == "reads 0 reads 1 reads 2 reads 9, is 4"


def test_the_help_names_the_picture() -> None:
    assert "tito-demo.png" in CliRunner().invoke(cli, ["demo", "--help"]).output
