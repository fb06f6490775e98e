"""`./tito`: what it sets up, when it does nothing, and that an interruption leaves nothing half-made.

A stand-in for uv keeps these tests fast and off the network: it notes how it was called and puts a `tito` that prints
its arguments into the environment. `test_wheel.py` has the real ones.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

UV = """\
#!{python}
import json, pathlib, sys, time
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if (folder / "fails").exists():
    sys.exit((folder / "fails").read_text())
if (folder / "waits").exists():
    time.sleep(float((folder / "waits").read_text()))
site = next(pathlib.Path(sys.argv[sys.argv.index("--python") + 1]).parents[1].glob("lib/python*/site-packages"))
(site / "tito.py").write_text("import sys; print('tito', *sys.argv[1:]); sys.exit(len(sys.argv) - 1)")
"""


@dataclass
class Folder:
    """A folder with the launcher, and a stand-in for uv beside it."""

    root: Path
    uv: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the launcher in a process group of its own, with the stand-in for uv."""
        return subprocess.Popen(
            [sys.executable, str(self.root / "tito"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "TITO_UV": str(self.uv / "uv"), **environment},
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run the launcher; return its exit code, stdout and stderr."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[list[str]]:
        """Return the arguments of uv's calls since the last look."""
        path = self.uv / "calls"
        if not path.exists():
            return []
        lines = path.read_text().splitlines()
        path.unlink()
        return [json.loads(line) for line in lines]

    def wait_for_call(self) -> None:
        """Wait until uv was called once."""
        limit = time.monotonic() + 30
        while not (self.uv / "calls").exists():
            assert time.monotonic() < limit, "uv was not called"
            time.sleep(0.01)

    @property
    def left(self) -> Path:
        """A file in the environment that only a new environment lacks."""
        return self.root / ".venv" / "left"


@pytest.fixture
def folder(tmp_path: Path, repository: Path) -> Folder:
    root, uv = tmp_path / "a folder", tmp_path / "uv"
    root.mkdir()
    uv.mkdir()
    shutil.copy(repository / "tito", root)
    (root / "requirements.txt").write_text("click==8.1.8\n")
    (root / "requirements-dev.txt").write_text("click==8.1.8\nruff==0.12.0\n")
    (uv / "uv").write_text(UV.format(python=sys.executable, folder=str(uv)))
    (uv / "uv").chmod(0o755)
    return Folder(root, uv)


def test_the_first_run_installs_and_passes_everything_on(folder: Folder) -> None:
    code, out, err = folder.run("module", "list")
    assert (code, out) == (2, "tito module list\n")
    assert err.startswith("tito: setting up .venv, once: ")
    assert err.splitlines()[-1].startswith("tito: .venv is set up (")
    packages, local = folder.calls()
    assert packages[-3:] == ["--require-hashes", "-r", str(folder.root / "requirements.txt")]
    assert local[-4:] == ["-e", str(folder.root), "-e", str(folder.root / "tool")]
    assert "--offline" in local


def test_a_second_run_does_nothing_and_says_nothing(folder: Folder) -> None:
    folder.run()
    folder.calls()
    assert folder.run("demo") == (1, "tito demo\n", "")
    assert folder.calls() == []


def test_it_may_be_run_from_another_folder(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tito.py").write_text("raise SystemExit('the wrong tito')")
    assert folder.run("demo")[:2] == (1, "tito demo\n")


def test_the_start_costs_little(folder: Folder) -> None:
    folder.run()
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        folder.run()
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.25  # leaves tito itself enough of the 0.4 s that a command may take to start


def test_only_the_test_command_takes_the_development_requirements(folder: Folder) -> None:
    folder.run("module", "test")
    assert folder.calls()[0][-1].endswith("requirements.txt")
    folder.run("test")
    assert folder.calls()[0][-1].endswith("requirements-dev.txt")
    folder.run("test")
    folder.run("demo")
    assert folder.calls() == []


def test_a_folder_without_development_requirements_tests_with_what_it_has(folder: Folder) -> None:
    (folder.root / "requirements-dev.txt").unlink()
    folder.run("test")
    assert folder.calls()[0][-1].endswith("requirements.txt")


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml", "tool/pyproject.toml"])
def test_changed_requirements_are_installed_into_the_same_environment(folder: Folder, name: str) -> None:
    folder.run()
    folder.left.touch()
    folder.calls()
    (folder.root / "tool").mkdir()
    (folder.root / name).write_text("# changed\n")
    folder.run()
    assert len(folder.calls()) == 2
    assert folder.left.exists()


def test_a_workspace_installs_the_wheel_it_keeps_and_again_when_that_changes(folder: Folder) -> None:
    wheel = folder.root / ".tito" / "tinytorch_tito-0.1.0-py3-none-any.whl"
    (wheel.parent / "backups").mkdir(parents=True)
    wheel.write_bytes(b"one")
    folder.run()
    assert folder.calls()[1][-3:] == ["-e", str(folder.root), str(wheel)]
    wheel.write_bytes(b"two")
    folder.run()
    assert len(folder.calls()) == 2


def test_of_two_wheels_the_younger_is_installed(folder: Folder) -> None:
    (folder.root / ".tito").mkdir()
    wheels = [folder.root / ".tito" / f"tinytorch_tito-{version}-py3-none-any.whl" for version in ("0.10.0", "0.9.0")]
    for age, wheel in enumerate(wheels):
        wheel.write_bytes(b"")
        os.utime(wheel, (1e9 - age, 1e9 - age))
    folder.run()
    assert folder.calls()[1][-3:] == ["-e", str(folder.root), str(wheels[0])]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_set_up_is_begun_anew(folder: Folder, sign: signal.Signals) -> None:
    (folder.uv / "waits").write_text("30")
    process = folder.start()
    folder.wait_for_call()
    folder.left.touch()
    os.killpg(process.pid, sign)
    process.communicate()
    assert process.returncode != 0
    (folder.uv / "waits").unlink()
    assert folder.run("demo")[:2] == (1, "tito demo\n")
    assert not folder.left.exists()


def test_an_interrupted_change_is_begun_anew(folder: Folder) -> None:
    folder.run()
    folder.calls()
    folder.left.touch()
    (folder.root / "requirements.txt").write_text("click==8.2.0\n")
    (folder.uv / "waits").write_text("30")
    process = folder.start()
    folder.wait_for_call()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (folder.uv / "waits").unlink()
    assert folder.run("demo")[:2] == (1, "tito demo\n")
    assert not folder.left.exists()


def test_control_c_is_one_line(folder: Folder) -> None:
    (folder.uv / "waits").write_text("30")
    process = folder.start()
    folder.wait_for_call()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "tito: stopped. The same command begins again."
    assert "Traceback" not in err


def test_what_a_killed_launcher_started_is_waited_for(folder: Folder) -> None:
    """The installer lives on when only the launcher dies; a new set-up must not run beside it."""
    (folder.uv / "waits").write_text("1")
    process = folder.start()
    folder.wait_for_call()
    process.kill()
    process.communicate()
    code, out, err = folder.run("demo")
    assert (code, out) == (1, "tito demo\n")
    assert "tito: waiting for another set-up of this folder ..." in err


def test_two_at_once_set_up_once(folder: Folder) -> None:
    (folder.uv / "waits").write_text("0.5")
    first = folder.start("first")
    folder.wait_for_call()
    assert folder.run("second")[:2] == (1, "tito second\n")
    assert first.communicate()[0] == "tito first\n"
    assert len(folder.calls()) == 2


def test_a_moved_folder_gets_a_new_environment(folder: Folder) -> None:
    folder.run()
    folder.left.touch()
    folder.root = folder.root.rename(folder.root.with_name("moved"))
    assert folder.run("demo")[:2] == (1, "tito demo\n")
    assert not folder.left.exists()


def test_an_environment_whose_python_is_gone_is_made_again(folder: Folder) -> None:
    folder.run()
    python = folder.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    assert folder.run("demo")[:2] == (1, "tito demo\n")


def test_an_environment_that_somebody_else_made_is_used_and_kept(folder: Folder) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder.root / ".venv")], check=True)
    folder.left.touch()
    (folder.uv / "fails").write_text("error: dns error")
    assert folder.run()[0] == 1
    (folder.uv / "fails").unlink()
    assert folder.run("demo")[:2] == (1, "tito demo\n")
    assert folder.left.exists()


def test_no_network_is_one_line(folder: Folder) -> None:
    (folder.uv / "fails").write_text("error: Failed to fetch\n  Caused by: dns error: no such host")
    code, out, err = folder.run("demo")
    assert (code, out) == (1, "")
    last = "tito: the packages could not be fetched. Is the network there? Then run the same command again."
    assert err.splitlines()[-1] == last
    assert "dns" not in err


def test_no_network_for_more_leaves_what_was_there(folder: Folder) -> None:
    folder.run()
    (folder.uv / "fails").write_text("error: error sending request")
    assert folder.run("test")[0] == 1
    assert folder.run("demo") == (1, "tito demo\n", "")


def test_another_failure_shows_what_uv_said(folder: Folder) -> None:
    (folder.uv / "fails").write_text("error: Hash mismatch for `click==8.1.8`")
    code, _, err = folder.run("demo")
    assert code == 1
    assert err.endswith("tito: could not install the packages:\nerror: Hash mismatch for `click==8.1.8`\n")


def patched(folder: Folder, code: str, **environment: str) -> tuple[int, str]:
    """Run the launcher after `code` has changed its interpreter; return its exit code and the last line."""
    program = f"import os, runpy, sys; sys.argv = ['tito', 'demo']\n{code}\nrunpy.run_path('tito', run_name='__main__')"
    env = {name: value for name, value in os.environ.items() if name != "TITO_UV"} | environment
    done = subprocess.run([sys.executable, "-c", program], cwd=folder.root, capture_output=True, text=True, env=env)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[-1]


def test_a_python_that_is_too_old_is_one_line(folder: Folder) -> None:
    line = "tito: needs Python 3.11 or newer, and this is 3.8. With a newer one: python3.13 tito demo"
    assert patched(folder, "sys.version_info = (3, 8, 18)") == (1, line)


def test_a_python_without_venv_is_one_line(folder: Folder) -> None:
    line = "tito: this Python cannot make environments. On Debian and Ubuntu, run: apt install python3-venv"
    assert patched(folder, "sys.modules['venv'] = None") == (1, line)
    no_installer = "sys.modules['ensurepip'] = sys.modules['pip'] = None"
    assert patched(folder, no_installer, PATH=str(folder.root)) == (1, line)


def test_without_ensurepip_a_uv_on_the_path_will_do(folder: Folder) -> None:
    no_installer = "sys.modules['ensurepip'] = sys.modules['pip'] = None"
    code, line = patched(folder, no_installer, PATH=str(folder.uv))
    assert code == 1  # the stand-in's exit code for one argument
    assert line.startswith("tito: .venv is set up")


def test_a_folder_that_cannot_be_written_is_one_line(folder: Folder) -> None:
    denied = "def mkdir(path): raise OSError(30, os.strerror(30), path)\nos.mkdir = mkdir"
    line = (
        f"tito: cannot write {folder.root}/.venv: Read-only file system. The folder must be one that you may write in."
    )
    assert patched(folder, denied) == (1, line)


def test_the_script_is_readable_by_old_pythons(repository: Path) -> None:
    """No syntax younger than Python 3.0: not even the parser of an old Python may stumble before the message."""
    text = (repository / "tito").read_text(encoding="ascii")
    tree = ast.parse(text)
    young = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        assert not isinstance(node, young), node.lineno
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
        if isinstance(node, ast.List | ast.Tuple | ast.Dict | ast.Set):
            assert not any(isinstance(part, ast.Starred) for part in ast.iter_child_nodes(node)), node.lineno
        if isinstance(node, ast.Raise):
            assert node.cause is None, node.lineno
