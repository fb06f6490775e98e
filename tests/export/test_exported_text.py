"""What a lesson exports: which lines, in which order, and where each came from."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tito.errors import TitoError
from tito.export import header
from tito.lesson import BEGIN, END, Lesson

PATH = "modules/01_demo/demo_dev.py"


def cells(*bodies: str) -> Lesson:
    """Return a lesson whose exported cells hold `bodies`."""
    return Lesson("".join(f"# %%\n#| export\n{body}\n" for body in bodies), PATH)


def exported(lesson: Lesson) -> str:
    """Return what `lesson` exports, without the header and ``__all__``."""
    text = lesson.export("# header")
    start, end = text.index("__all__ = ["), text.index("]\n") + 2
    return text[len("# header\n") : start].rstrip("\n") + "\n" + text[end:]


def run(lesson: Lesson) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "demo"}
    exec(compile(lesson.export("# header"), "demo", "exec"), namespace)
    return namespace


def test_a_small_lesson_exports_exactly_this() -> None:
    text = f'''\
# %% [markdown]
"""
# 01 Demo
"""

# %%
#| default_exp core.demo
#| doc Numbers, twice.

# %% tags=["imports"]
#| export
from __future__ import annotations

LIMIT: int = 10
_cache = [1]


# %% tags=["double"]
#| export
# Twice as much.
def double(x: float) -> float:
    """Return twice `x`.

    >>> double(2)
    4
    """
    {BEGIN}
    return x + x  # exact

    {END}


# %%
def test_unit_double() -> None:
    assert double(2) == 4
'''
    assert Lesson(text, PATH).export(header(PATH)) == (
        f"# Exported from {PATH} by tito export; edit it there.\n"
        '"""Numbers, twice."""\n'
        "\n"
        "from __future__ import annotations\n"
        "\n"
        "LIMIT: int = 10\n"
        "_cache = [1]\n"
        "\n"
        "__all__ = [\n"
        '    "LIMIT",\n'
        '    "double",\n'
        "]\n"
        "\n"
        "\n"
        "# Twice as much.\n"
        "def double(x: float) -> float:\n"
        '    """Return twice `x`.\n'
        "\n"
        "    >>> double(2)\n"
        "    4\n"
        '    """\n'
        "    return x + x  # exact\n"
    )


def test_all_lists_public_functions_classes_and_constants() -> None:
    lesson = cells(
        "import math",
        "a = 1\n_b = 2\nc: int = 3\nd.e = 4",
        "def f(): ...\ndef _g(): ...",
        "class H: ...\nclass _I: ...",
    )
    assert re.findall(r'^    "(\w+)",$', lesson.export("# header"), re.MULTILINE) == ["H", "a", "c", "f"]


@pytest.mark.parametrize("text", ["", "# %%\nx = 1\n", "# %%\n#| export\n", '# %% [markdown]\n"""\n#| export\n"""\n'])
def test_a_lesson_that_exports_nothing_says_so(text: str) -> None:
    with pytest.raises(TitoError, match=re.escape(f"{PATH} exports nothing.")):
        Lesson(text, PATH).export("# header")


# Continued classes


def test_a_continued_class_is_one_class() -> None:
    lesson = cells(
        "import math",
        'class A:\n    """An a."""\n\n    x = 1',
        "def helper(): ...",
        "class A(A):\n    def f(self):\n        return 1",
        "class B: ...",
        "class A(A):\n    def g(self):\n        return 2\n\n\ndef other(): ...",
    )
    assert exported(lesson) == (
        "import math\n\n\n"
        'class A:\n    """An a."""\n\n    x = 1\n\n'
        "    def f(self):\n        return 1\n\n"
        "    def g(self):\n        return 2\n\n\n"
        "def helper(): ...\n\n\n"
        "class B: ...\n\n\n"
        "def other(): ...\n"
    )


def test_a_class_is_continued_from_the_middle_of_its_cell() -> None:
    lesson = cells("X = 1\n\n\nclass A:\n    a = 1\n\n\nY = 2", "Z = 3\n\n\nclass A(A):\n    b = 2\n\n\ndef f(): ...")
    assert exported(lesson) == ("X = 1\n\n\nclass A:\n    a = 1\n\n    b = 2\n\n\nY = 2\n\n\nZ = 3\n\n\ndef f(): ...\n")


def test_decorators_and_comments_stay_with_the_class_where_it_begins() -> None:
    lesson = cells(
        "import functools",
        "def f(): ...\n\n\n# about A\n@functools.total_ordering\nclass A(Base):\n    a = 1",
        "class A(A):\n    b = 2",
    )
    assert exported(lesson).endswith(
        "def f(): ...\n\n\n# about A\n@functools.total_ordering\nclass A(Base):\n    a = 1\n\n    b = 2\n"
    )


def test_comments_of_a_continuation_move_into_the_class() -> None:
    lesson = cells(
        "class A:\n    a = 1\n    # after a",
        "# above\n# two lines\nclass A(A):  # noqa: F811\n\n    # before\n    b = 2\n    # after\n\n\n# apart\nX = 1",
        "class A(A):\n    c = 3",
    )
    assert exported(lesson) == (
        "class A:\n    a = 1\n    # after a\n\n"
        "    # above\n    # two lines\n    # before\n    b = 2\n    # after\n\n"
        "    c = 3\n\n\n"
        "# apart\nX = 1\n"
    )


def test_a_subclass_of_something_else_with_the_same_name_is_no_continuation() -> None:
    lesson = cells("from base import A", "class A(A):\n    a = 1", "class A(A):\n    b = 2")
    assert exported(lesson) == "from base import A\n\n\nclass A(A):\n    a = 1\n\n    b = 2\n"


def test_a_class_shown_in_a_string_is_no_class() -> None:
    lesson = cells('TEXT = """\nclass A:\n    x = 1\n"""', "class A:\n    y = 1", "class A(A):\n    z = 1")
    assert exported(lesson) == 'TEXT = """\nclass A:\n    x = 1\n"""\n\n\nclass A:\n    y = 1\n\n    z = 1\n'


def test_a_string_that_ends_like_a_comment_stays_whole() -> None:
    lesson = cells('X = """\n# no comment"""\nclass A:\n    a = 1', "class A(A):\n    b = 2")
    assert exported(lesson) == 'X = """\n# no comment"""\n\n\nclass A:\n    a = 1\n\n    b = 2\n'


def test_lines_that_python_counts_are_counted_in_the_lesson() -> None:
    text = "# %%\n#| export\nx = 1\n# %%\n#| export\ndef f():\ny = 2\n"
    with pytest.raises(TitoError, match=f"{PATH}, line 7: expected an indented block after .* on line 6"):
        Lesson(text, PATH).export("# header")


def test_a_continued_class_behaves_as_the_lesson_does() -> None:
    bodies = [
        "class A:\n    def one(self): return 1",
        "def two_of(a): return a.one() + 1",
        "class A(A):\n    def two(self): return two_of(self)",
        "class A(A):\n    three = property(lambda self: self.two() + self.one())",
    ]
    a = run(cells(*bodies))["A"]()  # type: ignore[operator]
    assert (a.one(), a.two(), a.three) == (1, 2, 3)
    assert type(a).__mro__ == (type(a), object)


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("class A(A): b = 2", 7, "its body starts on the same line"),
        ("# why\n@final\nclass A(A):\n    b = 2", 8, "it has a decorator"),
    ],
)
def test_a_continuation_that_cannot_be_joined_names_the_line(body: str, line: int, what: str) -> None:
    with pytest.raises(
        TitoError, match=re.escape(f"{PATH}, line {line}: this class continues an earlier one, but {what}.")
    ):
        cells("class A:\n    a = 1", body).export("# header")


# Errors


@pytest.mark.parametrize(
    ("body", "line", "shown"),
    [
        ("x = 1\ny = (2\nz = 3", 8, "y = (2"),
        ("def f(x):\n    {begin}\n    retrun x\n    {end}", 9, "retrun x"),
        ("def f(x):\n    {begin}\n    {end}\n\n\nx = 1", 12, "x = 1"),
        ("x = 1\nreturn x", 8, "return x"),
        ("def f():\n        x = 1\n    y = 2", 9, "y = 2"),
        ('x = """open', 7, 'x = """open'),
        ("x = 1\nfrom __future__ import annotations", 8, "from __future__ import annotations"),
        ("y = 1\nx = '\0'", 8, r"x = '\0'"),
    ],
)
def test_what_is_not_python_is_named_by_the_lessons_line(body: str, line: int, shown: str) -> None:
    text = "# %%\n#| export\nimport math\n\n# %%\n#| export\n" + body.format(begin=BEGIN, end=END) + "\n"
    with pytest.raises(TitoError, match=re.escape(f"{PATH}, line {line}: ") + ".*" + re.escape(f"`{shown}`")) as caught:
        Lesson(text, PATH).export("# header")
    assert "Nothing was exported" in caught.value.hint


def test_a_syntax_error_outside_the_exported_cells_does_not_matter() -> None:
    assert Lesson("# %%\n%matplotlib inline\n# %%\n#| export\nx = 1\n", PATH).export("# header")


# Line mapping and prose, on drawn lessons and on those of the course

BODIES = st.sampled_from(
    [
        "import math\n\nLIMIT = 3",
        'class A:\n    """An a."""\n\n    a = 1',
        "# more\nclass A(A):\n    def f(self):\n        ### BEGIN SOLUTION\n        return 2\n        ### END SOLUTION",
        "class B:\n    b = 1\n    # last",
        "class B(B):\n    c = 1\n\n\ndef g():\n    return 3",
        'TEXT = """\nclass A:\n"""  # café',
    ]
)
PROSE = st.sampled_from(
    ['# %% [markdown]\n"""\nWhy.\n"""\n\n', "# %%\nassert True\n\n", "# %% [markdown]\n# Why.\n", ""]
)


@st.composite
def drawn_lessons(draw: st.DrawFn) -> tuple[str, str]:
    """Draw two lessons that differ in their prose only."""
    first, second = "", ""
    for i, body in enumerate(draw(st.lists(BODIES, min_size=1, max_size=6))):
        cell = f'# %% tags=["cell-{i}"]\n#| export\n{body}\n\n'
        first += draw(PROSE) + cell
        second += draw(PROSE) + cell
    return first, second + draw(PROSE)


def check_sources(lesson: Lesson) -> None:
    """Check that each exported line names the lesson's line that it is, and that no line is lost or doubled."""
    lines = lesson.text.split("\n")
    exported = [line for line in lesson.exported_lines("# header") if line.source]
    for line in exported:
        assert line.text.strip() == lines[line.source - 1].strip()
    sources = [line.source for line in exported]
    assert len(set(sources)) == len(sources)
    in_cells = {
        number for cell in lesson.cells if cell.exported for number in range(cell.start, cell.start + len(cell.lines))
    }
    left_out = {lines[number - 1] for number in in_cells - set(sources)}
    allowed = r"class (\w+)\(\1\):|#\| export||    +(### BEGIN SOLUTION|### END SOLUTION)"
    assert [text for text in left_out if not re.fullmatch(allowed, text)] == []


def written_by_the_exporter(lesson: Lesson) -> Iterable[str]:
    return (line.text for line in lesson.exported_lines("# header") if not line.source and line.text)


@given(drawn_lessons())
def test_every_exported_line_knows_its_source(texts: tuple[str, str]) -> None:
    check_sources(Lesson(texts[0], PATH))


@given(drawn_lessons())
def test_prose_and_tests_change_no_exported_line(texts: tuple[str, str]) -> None:
    first, second = (Lesson(text, PATH) for text in texts)
    assert first.export("# header") == second.export("# header")


@given(drawn_lessons())
def test_what_is_exported_is_python(texts: tuple[str, str]) -> None:
    ast.parse(Lesson(texts[0], PATH).export("# header"))


def test_the_exporter_adds_only_the_header_the_docstring_and_all() -> None:
    lesson = Lesson("# %%\n#| doc About.\n# %%\n#| export\nimport math\n# %%\n#| export\nx = 1\n", PATH)
    assert list(written_by_the_exporter(lesson)) == ["# header", '"""About."""', "__all__ = [", '    "x",', "]"]


def test_markers_never_reach_the_package() -> None:
    lesson = cells(f"def f():\n    {BEGIN}\n    return 1\n    {END}")
    assert "SOLUTION" not in lesson.export("# header")
    assert exported(lesson) == "def f():\n    return 1\n"
