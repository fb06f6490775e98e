"""What a save has changed."""

from __future__ import annotations

from tito.lesson import Lesson


def changed_exercises(before: Lesson, after: Lesson) -> tuple[str, ...]:
    """Return the exercises whose cells differ, in the order of the lesson."""
    old = {exercise.name: exercise.cell.lines for exercise in before.exercises}
    return tuple(exercise.name for exercise in after.exercises if old.get(exercise.name) != exercise.cell.lines)
