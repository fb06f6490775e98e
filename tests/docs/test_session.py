"""The session that the README shows is what a learner sees: played again, line by line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tito.commands.init import create
from tito.course import Course
from tito.files import write_atomically
from tito.lesson import Lesson
from tito.references import reference_lesson

ROOT = Path(__file__).parents[2]
MISTAKE = ("unbroadcast(grad_output * a, shape_b)", "grad_output * a")


def answered(lesson: Lesson, reference: Lesson, names: list[str]) -> Lesson:
    """Return `lesson` with the reference answers of some exercises put in."""
    return Lesson(lesson.replaced({name: reference.exercise(name).answer() for name in names}), lesson.path)


def comparable(text: str) -> list[str]:
    """Return the lines of `text` without the seconds, which differ from run to run."""
    return [re.sub(r"\d+\.\d s\b", "0.0 s", line.rstrip()) for line in text.strip().splitlines()]


def test_the_readmes_session_is_what_a_learner_sees(tmp_path: Path, course: Course) -> None:
    module = course.find("05")
    workspace = create(tmp_path / "framework", course.closure(module))
    path, reference = workspace.root / module.lesson, reference_lesson(module)
    start = Lesson(path.read_text(encoding="utf-8"), module.lesson)
    names = [exercise.name for exercise in start.exercises]
    k = names.index("mul_backward")
    right = answered(start, reference, names[: k + 1]).text
    assert right.count(MISTAKE[0]) == 1
    texts = {
        "./tito module start 05": start.text,
        "./tito module test 05": right.replace(*MISTAKE),
        "./tito module hint 05": right.replace(*MISTAKE),
        "./tito module complete 05": answered(start, reference, names).text,
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"## A session in module 05\n(.*?)\n## ", readme, re.DOTALL)
    assert shown is not None
    played = re.findall(r"^\$ (\./tito module .+?)\n(.*?)(?=^\$ |^```)", shown[1], re.MULTILINE | re.DOTALL)
    assert [command for command, _ in played] == list(texts)
    environment = {**os.environ, "PYTHONPATH": str(workspace.root), "TITO_LAUNCHER": "./tito", "COLUMNS": "80"}
    for command, output in played:
        write_atomically(path, texts[command])
        done = subprocess.run(
            [sys.executable, "-m", "tito", *command.split()[1:]],
            cwd=workspace.root,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert comparable(done.stdout + done.stderr) == comparable(output)
