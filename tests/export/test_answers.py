"""Taking answers out of a lesson and putting them back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tito.errors import TitoError
from tito.lesson import BEGIN, END, Lesson

PATH = "modules/01_demo/demo_dev.py"

INDENTS = st.sampled_from(["", "    ", "        "])
CODE = st.lists(
    st.sampled_from(["", "x = 1", "    y = 2  # why", "#| export", '"""', "café = '\u2028'"]), min_size=0, max_size=4
)


@st.composite
def lessons(draw: st.DrawFn) -> str:
    """Draw the text of a lesson: any lines, with any number of cells, exercises and regions in them."""
    lines = draw(CODE)
    for i in range(draw(st.integers(0, 4))):
        lines += [f'# %% tags=["exercise-{i}", "more"]', *draw(CODE)]
        for _ in range(draw(st.integers(0, 3))):
            indent = draw(INDENTS)
            answer = draw(CODE.filter(lambda lines: lines != [""]))  # an answer of one empty line is no answer
            lines += [indent + BEGIN, *answer, indent + END, *draw(CODE)]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


@given(lessons())
def test_the_starter_with_the_answers_put_back_is_the_lesson(text: str) -> None:
    lesson = Lesson(text, PATH)
    answers = {exercise.name: exercise.answer() for exercise in lesson.exercises}
    starter = Lesson(lesson.starter(), PATH)
    assert starter.replaced(answers) == text
    assert lesson.replaced(answers) == text
    assert lesson.replaced({}) == text


@given(lessons())
def test_the_starter_keeps_every_line_outside_the_answers(text: str) -> None:
    def outside(text: str) -> list[str]:
        kept, inside = [], False
        for line in text.split("\n"):
            inside = inside and line.strip() != END
            if not inside:
                kept.append(line)
            inside = inside or line.strip() == BEGIN
        return kept

    lesson = Lesson(text, PATH)
    starter = Lesson(lesson.starter(), PATH)
    assert outside(starter.text) == outside(text)
    assert starter.starter() == starter.text
    assert [exercise.name for exercise in starter.exercises] == [exercise.name for exercise in lesson.exercises]


def test_a_stub_raises_and_names_its_exercise() -> None:
    text = (
        f'# %% tags=["double"]\n#| export\ndef double(x):\n    """Twice."""\n    {BEGIN}\n    return x + x\n    {END}\n'
    )
    namespace: dict[str, object] = {}
    exec(Lesson(Lesson(text, PATH).starter(), PATH).export("# header"), namespace)
    with pytest.raises(NotImplementedError, match=f"^exercise double: write it in {PATH}$"):
        namespace["double"](1)  # type: ignore[operator]


def test_one_answer_can_be_put_in_alone() -> None:
    cell = '# %% tags=["{0}"]\n    {begin}\n    return {0}\n    {end}\n'
    text = "".join(cell.format(name, begin=BEGIN, end=END) for name in ("one", "two"))
    lesson = Lesson(text, PATH)
    assert lesson.replaced({"two": ("    a = 1\n    return a",)}) == text.replace(
        "    return two\n", "    a = 1\n    return a\n"
    )


def test_as_many_answers_as_regions_are_needed() -> None:
    lesson = Lesson(f'# %% tags=["one"]\n{BEGIN}\nx = 1\n{END}\n', PATH)
    with pytest.raises(ValueError, match="zip"):
        lesson.replaced({"one": ("x = 1", "y = 1")})


def test_replaced_answers_of_a_broken_lesson_name_the_line() -> None:
    with pytest.raises(TitoError, match=f"{PATH}, line 2"):
        Lesson(f"# %%\n{BEGIN}\n", PATH).starter()
