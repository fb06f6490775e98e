"""The programs in `examples/`, whole; and one of them by PyTorch, with nothing changed but its imports."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tests.datasets.making import file, mnist_files
from tests.datasets.server import Mirror
from tinytorch.datasets import MNIST

EXAMPLES = Path(__file__).parents[2] / "examples"
RIGHT = re.compile(r"(\d+) of (\d+) right \(([\d.]+) %\)")

# What PyTorch's users import the data from, as far as the script needs it; `digits` is our own data set.
TORCHVISION = """
class datasets:
    def digits():
        import numpy, torch
        from tinytorch.datasets import digits
        return tuple(torch.from_numpy(part.numpy()) for part in digits())

transforms = None
"""


def run(script: Path, *options: str | Path) -> list[str]:
    """Run a program; return the lines that it wrote."""
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def share(line: str) -> float:
    """Return how many in 100 were right."""
    match = RIGHT.search(line)
    assert match, line
    assert float(match[3]) == round(100 * int(match[1]) / int(match[2]), 1)
    return float(match[3])


def test_digits_checks_its_gradients_and_learns_to_read():
    lines = run(EXAMPLES / "digits.py", "--epochs", "12")
    assert lines[0].startswith("gradients and central differences agree to ")
    assert float(lines[0].split()[-1]) < 1e-7
    assert float(lines[-1].split()[-2]) > 94.0


def test_mnist_learns_to_read_digits_and_keeps_what_it_learned(tmp_path: Path):
    weights = tmp_path / "net.pt"
    lines = run(EXAMPLES / "mnist.py", "--data", "digits", "--save-model", weights)
    results = [share(line) for line in lines if "right" in line]
    assert len(results) == 12
    assert results[-1] > 95.0
    assert lines[-1] == f"wrote {weights}"
    script = runpy.run_path(str(EXAMPLES / "mnist.py"))
    model = script["Net"](side=8)
    model.load_state_dict(tinytorch.load(weights))
    tinytorch.manual_seed(1)  # as the script: the same images are held back
    held_out = script["digits"]()[1]
    assert 100 * script["test"](model, "cpu", tinytorch.utils.data.DataLoader(held_out, 1000)) == pytest.approx(
        results[-1], abs=0.05
    )


def test_mnist_reads_mnist_with_worker_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """MNIST in small, from a mirror on this machine; its pixels are no digits, so nothing can be learned."""
    mirror = Mirror()
    try:
        files = [file(name, body, mirror.publish(f"/{name}", body)) for name, body in mnist_files(70, 30).items()]
        monkeypatch.setattr(MNIST, "files", tuple(files))
        main = runpy.run_path(str(EXAMPLES / "mnist.py"))["main"]
        assert 0 <= main(["--root", str(tmp_path), "--epochs", "1", "--workers", "2"]) <= 1
    finally:
        mirror.close()
    out = capsys.readouterr().out
    assert "epoch 1    0 %  loss" in out
    assert " of 30 right" in out


def test_mnist_dry_run_takes_one_step():
    lines = run(EXAMPLES / "mnist.py", "--data", "digits", "--dry-run")
    assert len(lines) == 2
    assert 0 <= share(lines[1]) < 60


def test_mnist_is_a_script_of_pytorch_but_for_its_imports(tmp_path: Path):
    torch = pytest.importorskip("torch")
    text = (EXAMPLES / "mnist.py").read_text(encoding="utf-8")
    body = text.index("\nclass Net")
    imports = text[:body].replace("from tinytorch import datasets", "from torchvision import datasets")
    script = tmp_path / "mnist_with_pytorch.py"
    script.write_text(imports.replace("tinytorch", "torch") + text[body:], encoding="utf-8")
    (tmp_path / "torchvision.py").write_text(TORCHVISION, encoding="utf-8")
    lines = run(script, "--data", "digits", "--epochs", "5", "--no-cuda", "--save-model", tmp_path / "net.pt")
    assert share(lines[-2]) > 95.0
    state = torch.load(tmp_path / "net.pt", weights_only=True)
    ours = runpy.run_path(str(EXAMPLES / "mnist.py"))["Net"](side=8).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {n: v.shape for n, v in ours.items()}
    assert all(np.isfinite(value.numpy()).all() for value in state.values())
