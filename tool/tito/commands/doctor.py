"""`tito doctor`: is everything in order here, and if not, what puts it right."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from tito import __version__
from tito.errors import TitoError
from tito.export import export_of, names_of, strays
from tito.references import not_as_handed_out
from tito.runner import kill_group
from tito.screen import count, prose, say
from tito.workspace import LOAN, Workspace

_IMPORT_LIMIT = 20  # seconds


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `advice` is there where something is wrong."""

    label: str
    text: str
    advice: str = ""


@click.command("doctor")
def command() -> None:
    """Look at the environment and the workspace, and say what to do about each problem."""
    problems = 0
    for finding in _examine():
        problems += bool(finding.advice)
        label = f"{'problem' if finding.advice else 'ok':9}{finding.label:15} "
        prose(finding.text, "bold red" if finding.advice else "", first=label, indent=25)
        if finding.advice:
            prose(finding.advice, first=f"{'':25}-> ", indent=28)
    if problems:
        raise TitoError(f"{count(problems, 'problem')} found.", "Each arrow above says what to do.")
    say()
    prose("All is well.", "green")


def _examine() -> Iterator[Finding]:
    yield _python()
    yield Finding("tito", __version__)
    try:
        workspace: Workspace | None = Workspace.find()
    except TitoError as error:
        workspace = None
        yield Finding("workspace", error.message, error.hint)
    answers = _which()
    yield _numpy(answers["numpy"])
    yield _environment(workspace)
    if workspace:
        kind = "the course's own repository" if workspace.solved else "a learner's workspace"
        yield Finding("workspace", f"{workspace.root} ({kind})")
        yield _answering(workspace, answers)
        yield _writable(workspace.root)
        yield from _package(workspace)
        yield from _given(workspace)


def _python() -> Finding:
    shown = f"{sys.version.split()[0]}, {sys.executable}"
    return Finding("python", shown, "" if sys.version_info >= (3, 11) else "Use Python 3.11 or newer.")


def _numpy(version: str) -> Finding:
    if not version:
        return Finding("numpy", "not installed", f"Run `{sys.executable} -m pip install numpy`.")
    old = int(version.split(".")[0]) < 2
    return Finding("numpy", version, f"Run `{sys.executable} -m pip install 'numpy>=2'`." if old else "")


def _environment(workspace: Workspace | None) -> Finding:
    if sys.prefix == sys.base_prefix:
        return Finding("environment", "none: the system's own Python", _activate(workspace))
    missing = [name for name in ("pytest", "hypothesis") if not _installed(name)]
    advice = f"Run `{sys.executable} -m pip install {' '.join(missing)}`." if missing else ""
    return Finding("environment", sys.prefix + (f", without {' and '.join(missing)}" if missing else ""), advice)


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _activate(workspace: Workspace | None) -> str:
    if workspace and (workspace.root / "tito").is_file():
        return f"Use the launcher: `{shlex.quote(str(workspace.root / 'tito'))} doctor` sets its environment up."
    return "Make one with `python3 -m venv .venv` and activate it."


def _which() -> dict[str, str]:
    """Ask a process of its own, in an empty folder, which `tinytorch` answers, and whether it can be imported."""
    found = {"path": "", "owner": "", "numpy": "", "error": "", "file": ""}
    with tempfile.TemporaryDirectory(prefix="tito-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tito.answering"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            said, complaint = process.communicate(timeout=_IMPORT_LIMIT)
        except subprocess.TimeoutExpired:
            kill_group(process)
            said, complaint = process.communicate()[0], f"it did not end in {_IMPORT_LIMIT} seconds"
    lines = said.strip().split("\n")
    if lines[0].startswith("{"):
        found |= json.loads(lines[0])
    if lines[-1].startswith('{"error"'):
        found |= json.loads(lines[-1])
    elif found["path"] or not lines[0]:
        found["error"] = complaint.strip().split("\n")[-1] or "the process ended"
    return found


def _answering(workspace: Workspace, answers: dict[str, str]) -> Finding:
    label, path = "tinytorch", answers["path"]
    install = f"Run `{sys.executable} -m pip install --no-deps -e {shlex.quote(str(workspace.root))}`."
    if not path:
        return Finding(label, f"none answers {answers['error']}".rstrip(), install)
    shown = f"{Path(path).parent}, {answers['owner'] or 'not installed'}"
    if not Path(path).resolve().is_relative_to((workspace.root / "tinytorch").resolve()):
        return Finding(label, f"{shown}: not this workspace's", install)
    if answers["error"]:
        return Finding(label, f"{shown}: import fails with {answers['error']}", _mend(workspace, answers["file"]))
    return Finding(label, f"{shown}: this workspace's")


def _mend(workspace: Workspace, file: str) -> str:
    """Return what to do about a package whose import fails in `file`."""
    module = next((module for module in workspace.course if module.exported == file), None)
    if module is None:
        return f"Look at {file or 'what tinytorch/ imports'}."
    return f"The error is in {file}: `tito module test {module.number:02}` shows it in your lesson."


def _given(workspace: Workspace) -> Iterator[Finding]:
    for module in workspace.course.written if not workspace.solved else ():
        for path in not_as_handed_out(workspace.root, module):
            state = "is not as it was handed out" if (workspace.root / path).is_file() else "is missing"
            advice = f"`tito module reset {module.number:02}` brings it back, and your lesson is kept."
            yield Finding(module.folder, f"{path} {state}", advice)


def _writable(root: Path) -> Finding:
    shut = [name for name in (".", "modules", "tinytorch/core") if not os.access(root / name, os.W_OK)]
    if shut:
        advice = f"Give yourself the right to write: `chmod -R u+w {shlex.quote(str(root))}`."
        return Finding("permission", f"not writable: {', '.join(shut)}", advice)
    return Finding("permission", "the workspace is writable")


def _package(workspace: Workspace) -> Iterator[Finding]:
    for module in workspace.course.written:
        if workspace.state(module) == LOAN or not (workspace.root / module.exported).exists():
            continue
        try:
            changed = export_of(workspace.root, module).changed
        except TitoError as error:
            yield Finding(module.folder, error.message, error.hint)
            continue
        if changed:
            advice = f"Run `tito export {module.number:02}`."
            yield Finding(module.folder, f"{module.exported} does not match its lesson", advice)
        else:
            yield Finding(module.folder, f"{module.exported} matches its lesson")
    if names_of(workspace.root, workspace.course).changed:
        yield Finding("names", "tinytorch/_names.py does not match the course table", "Run `tito export`.")
    for path in strays(workspace.root, workspace.course):
        shown = path.relative_to(workspace.root).as_posix()
        yield Finding("stray", f"{shown} came from no lesson", f"Move it out of {path.parent.name}/.")
