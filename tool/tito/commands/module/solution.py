"""`tito module solution`: the reference answer, for whoever has passed or gives up."""

from __future__ import annotations

import click

from tito import references
from tito.commands.options import limit_option
from tito.errors import TitoError
from tito.lesson import BEGIN, END, Lesson
from tito.practice import Here, chosen_exercise, try_lesson
from tito.screen import code, say


@click.command("solution")
@click.argument("name", metavar="NN")
@click.argument("exercise", required=False)
@click.option("--i-give-up", is_flag=True, help="Show it although your own answer does not pass yet.")
@limit_option
def command(name: str, exercise: str | None, i_give_up: bool, limit: float) -> None:
    """Show the reference answer, once your own passes."""
    here = Here.find(name)
    reference = references.reference_lesson(here.module)
    if exercise:
        reference.exercise(exercise)
    if i_give_up:
        chosen = chosen_exercise(here, exercise)
    else:
        chosen = exercise
        _require_pass(here, exercise, limit)
    for each in reference.exercises:
        if chosen in (None, each.name):
            _show_answer(reference, each.name)


def _require_pass(here: Here, exercise: str | None, limit: float) -> None:
    """Raise an error unless the learner's answers pass: all of them, or every test of one exercise."""
    verdict = try_lesson(here.workspace, here.module, limit, all_tests=exercise is not None)
    mine = [test for test in verdict.run.tests if exercise in test["exercises"]]
    passed = bool(mine) and all(test["outcome"] == "passed" for test in mine) if exercise else verdict.passed
    if passed and (exercise is None or verdict.run.ended):
        return
    what = exercise or here.module.folder
    arguments = f"{here.number}{f' {exercise}' if exercise else ''}"
    raise TitoError(
        f"your own {what} does not pass yet, so its reference answer stays closed.",
        f"`tito module hint {arguments}` helps on; "
        f"`tito module solution {arguments} --i-give-up` shows it all the same.",
    )


def _show_answer(lesson: Lesson, name: str) -> None:
    cell = lesson.exercise(name).cell
    say(f"# {name}, the reference answer in {lesson.path}", "dim")
    code("\n".join(line for line in cell.lines if not line.startswith("#|") and line.strip() not in (BEGIN, END)))
    say()
