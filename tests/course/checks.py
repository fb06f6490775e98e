"""What a module of the course has to keep to. Each check returns its complaints; none means all is well."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tito.course import Course, Module
from tito.diagnosis.versions import TABLE, Edit
from tito.export import export_of, header, names_of, read_lesson, strays
from tito.lesson import Lesson

from .answers import table_of

Check = Callable[[Path, Module], Iterator[str]]

SECTIONS = (
    "overview",
    "prerequisites",
    "learning outcomes",
    "module structure",
    "key concepts",
    "common pitfalls",
    "testing strategy",
    "files",
    "export",
    "next steps",
)
SCRIPT_LIMIT = 60  # seconds; a lesson takes less than 5 on a machine that does nothing else
FOR_LESSONS = sys.stdlib_module_names | {"numpy"}
FOR_SUITES = FOR_LESSONS | {"pytest", "hypothesis"}


def run_python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on `arguments` with the package of `root` first on its path."""
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SCRIPT_LIMIT,
        check=False,
    )


def table(root: Path, course: Course) -> Iterator[str]:
    """Check the course table itself, and that every folder is in it."""
    for i, module in enumerate(course, 1):
        if module.number != i or not re.fullmatch(rf"{i:02}_[a-z]+", module.folder):
            yield f"row {i} is number {module.number} in {module.folder}"
        for folder in module.needs:
            if folder not in [other.folder for other in course.modules[: i - 1]]:
                yield f"{module.folder} needs {folder}, which does not stand before it"
        if module.written and not (module.difficulty and module.can and module.adds):
            yield f"{module.folder} lacks its difficulty, what it can, or what it adds"
    promised = Counter((package, name) for module in course for package, names in module.adds.items() for name in names)
    yield from (f"{package}.{name} is promised {n} times" for (package, name), n in promised.items() if n > 1)
    folders = {path.name for path in (root / "modules").iterdir() if path.is_dir() and path.name != "__pycache__"}
    written = {module.folder for module in course.written}
    yield from (f"modules/{folder} is not a written module of the table" for folder in sorted(folders - written))


def files(root: Path, module: Module) -> Iterator[str]:
    """Check that the module's files are there."""
    folder = f"modules/{module.folder}"
    for name in (module.lesson, module.suite, f"{folder}/README.md", f"{folder}/exercises.toml", module.exported):
        if not (root / name).is_file():
            yield f"{name} is missing"


def page(root: Path, module: Module) -> Iterator[str]:
    """Check that the module's page has its title, the hours of the table, and all parts with something in them.

    A part is a section or a row of a table; the overview may simply follow the title.
    """
    text = (root / "modules" / module.folder / "README.md").read_text(encoding="utf-8")
    _, first, *parts = [*re.split(r"^#{1,3} (?=\S)", text, flags=re.MULTILINE), ""]
    heading, _, opening = first.partition("\n")
    if heading.strip() != f"{module.number:02} {module.title}":
        yield f"the first heading is not `# {module.number:02} {module.title}`"
    found = {"overview": opening.strip()} if opening.strip() else {}
    found |= {label.strip("* ").lower(): row for label, row in re.findall(r"^\|([^|]+)\|(.*)\|", text, re.MULTILINE)}
    found |= {part.partition("\n")[0].strip().lower(): part.partition("\n")[2] for part in parts}
    for section in SECTIONS:
        if section not in found:
            yield f"no section is called {section!r}"
        elif not found[section].strip():
            yield f"section {section!r} is empty"
    if not re.search(rf"\b{module.hours:g} hours?\b", text) or "difficulty" not in text.lower():
        yield f"the page does not say `{module.hours:g} hours` and the difficulty"


def title(root: Path, module: Module) -> Iterator[str]:
    """Check that the lesson opens with its title."""
    first = read_lesson(root, module).cells[0]
    expected = f"# {module.number:02} {module.title}"
    if not first.markdown or expected not in first.lines:
        yield f"the first cell is not prose that opens with {expected!r}"


def exported(root: Path, module: Module) -> Iterator[str]:
    """Check that the exported file is what the lesson exports."""
    if diff := export_of(root, module).diff():
        yield f"{module.exported} does not match its lesson:\n{diff}\nRun `tito export {module.number:02}`."


def package(root: Path, course: Course) -> Iterator[str]:
    """Check that nothing in the package's core is without a source, and that the table of names is of today."""
    yield from (f"{path.relative_to(root)} is exported by no lesson" for path in strays(root, course))
    if diff := names_of(root, course).diff():
        yield f"{names_of(root, course).shown} does not match modules/course.toml:\n{diff}\nRun `tito export`."


def hints(root: Path, module: Module) -> Iterator[str]:
    """Check that every exercise has three hints, and that no others are listed."""
    names = [exercise.name for exercise in read_lesson(root, module).exercises]
    rows = tomllib.loads((root / "modules" / module.folder / TABLE).read_text(encoding="utf-8"))
    if not names:
        yield "the lesson has no exercise"
    yield from (f"no exercise of the lesson is called {name!r}" for name in rows if name not in names)
    yield from (f"{name}: not in {TABLE}" for name in names if name not in rows)
    for name, row in rows.items():
        given = [hint.strip() for hint in row.get("hints", [])]
        if len(set(given) - {""}) != 3 or len(given) != 3:
            yield f"{name}: {len(given)} hints, not three that differ"


def listed_answers(root: Path, module: Module) -> Iterator[str]:
    """Check that every exercise has three wrong answers with advice, the module two right ones, and that all fit."""
    lesson, listed = read_lesson(root, module), table_of(root, module)
    names = [exercise.name for exercise in lesson.exercises]
    for name in names:
        wrong = listed.wrong.get(name, ())
        if len(wrong) < 3:
            yield f"{name}: {len(wrong)} wrong answers, not at least three"
        for edit in wrong:
            if not re.fullmatch(r".{20,160}[.?]", edit.advice):
                yield f"{name}: {edit.name!r}: the diagnosis is not a sentence or two of 20 to 160 characters"
            if not re.match(r"[a-z]+s\b", edit.name) or edit.name.endswith("."):
                yield f"{name}: {edit.name!r} does not go on from `it`"
    if sum(len(edits) for edits in listed.right.values()) < 2:
        yield "fewer than two right answers are written differently"
    for edits in (listed.wrong, listed.right):
        for name in names:
            yield from _edits(lesson, name, edits.get(name, ()))


def _edits(lesson: Lesson, name: str, edits: tuple[Edit, ...]) -> Iterator[str]:
    """Check that changes to an answer fit it, and have names of their own."""
    repeated = Counter(edit.name for edit in edits)
    yield from (f"{name}: {edit!r} is listed {n} times" for edit, n in repeated.items() if n > 1)
    for edit in edits:
        try:
            if edit.answers(lesson.exercise(name)) == lesson.exercise(name).answer():
                yield f"{name}: {edit.name!r} changes nothing"
        except ValueError as error:
            yield f"{name}: {edit.name!r}: {error}"


def answers(root: Path, module: Module) -> Iterator[str]:
    """Check that answers are what a learner writes: in an exported cell, not empty, no signature, no docstring."""
    lesson = read_lesson(root, module)
    for exercise in lesson.exercises:
        if not exercise.cell.exported:
            yield f"{exercise.name}: line {exercise.line}: the cell is not exported"
        if not all(answer.strip() for answer in exercise.answer()):
            yield f"{exercise.name}: line {exercise.line}: an answer is empty"
    top = header(module.lesson)
    whole = interface(lesson.export(top))
    starter = interface(Lesson(lesson.starter(), lesson.path).export(top))
    for name, shown in whole.items():
        if starter.get(name) != shown:
            yield f"`{name}` or its docstring is inside an answer"


def interface(text: str) -> dict[str, tuple[str, str | None]]:
    """Return the signature and the docstring of each function and class, by name; not of those inside functions."""
    found: dict[str, tuple[str, str | None]] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                found[prefix + node.name] = f"{marks}{ast.unparse(node.args)}", ast.get_docstring(node)
            elif isinstance(node, ast.ClassDef):
                found[prefix + node.name] = ", ".join(map(ast.unparse, node.bases)), ast.get_docstring(node)
                visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(text).body, "")
    return found


def classes(root: Path, module: Module) -> Iterator[str]:
    """Check that no class or function is defined twice in the exported file, and no string stands about in a class."""
    tree = ast.parse(export_of(root, module).text)
    kinds = ast.FunctionDef | ast.ClassDef
    defined = Counter(node.name for node in tree.body if isinstance(node, kinds))
    yield from (f"{name} is defined {n} times" for name, n in defined.items() if n > 1)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for statement in node.body[1:]:
                if (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and statement.value.value is not ...
                ):
                    yield f"class {node.name}: a string that is no docstring"


def script(root: Path, module: Module) -> Iterator[str]:
    """Check that the lesson runs as a script, and says at the end that all is well."""
    try:
        done = run_python(root, module.lesson)
    except subprocess.TimeoutExpired:
        yield f"python {module.lesson} does not end in {SCRIPT_LIMIT} s"
        return
    if done.returncode:
        yield f"python {module.lesson} ends with {done.returncode}:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    elif not done.stdout.strip():
        yield f"python {module.lesson} prints nothing"


def inline_tests(root: Path, module: Module) -> Iterator[str]:
    """Check that the lesson's own tests are outside the package and all run under the guard, `test_module` last."""
    lesson = read_lesson(root, module)
    tree = ast.parse(lesson.text)
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    units = [node.name for node in tests if node.name.startswith("test_unit_")]
    if not units:
        yield "no function is called test_unit_..."
    yield from (f"{name} is defined {n} times" for name, n in Counter(node.name for node in tests).items() if n > 1)
    yield from (
        f"{node.name} is neither test_unit_... nor test_module"
        for node in tests
        if node.name not in units and node.name != "test_module"
    )
    whole = [node for node in tests if node.name == "test_module"]
    if not whole:
        yield "no function is called test_module"
    elif not (ast.get_docstring(whole[-1]) or "").startswith(f"🧪 Module {module.number:02}"):
        yield f"the docstring of test_module does not open with '🧪 Module {module.number:02}'"
    guards = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
    ]
    called = [name for guard in guards for name in called_in(guard)]
    yield from (f"{node.name} is not called under the guard" for node in tests if node.name not in called)
    if [name for name in called if name.startswith("test_")][-1:] != ["test_module"]:
        yield "test_module is not the last test under the guard"
    at_import = [
        name for node in tree.body if node not in guards and isinstance(node, ast.Expr) for name in called_in(node)
    ]
    yield from (f"{name} is called outside the guard" for name in at_import if name.startswith("test_"))
    yield from (f"{name} is exported" for name in interface(export_of(root, module).text) if name.startswith("test_"))


def called_in(node: ast.AST) -> list[str]:
    """Return the names that are called in `node`, in order."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)]
    return [call.func.id for call in sorted(calls, key=lambda call: call.lineno) if isinstance(call.func, ast.Name)]


def imports(root: Path, course: Course, module: Module) -> Iterator[str]:
    """Check that the lesson and its suite import nothing but what stands before them."""
    below = {other.name for other in course.closure(module)}
    lesson = ast.parse(read_lesson(root, module).text)
    suite = ast.parse((root / module.suite).read_text(encoding="utf-8"))
    for path, tree, libraries, names, parts in (
        (module.lesson, lesson, FOR_LESSONS, below, False),
        (module.suite, suite, FOR_SUITES, below | {module.name}, True),
    ):
        for line, name in imported(tree):
            top, _, rest = name.partition(".")
            core = rest.split(".")[1] if rest.startswith("core.") else ""
            if top == "tinytorch" and (core in names if core else parts and not rest.startswith("core")):
                continue
            if top != "tinytorch" and top in libraries:
                continue
            yield f"{path}, line {line}: imports {name}"


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything imported, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            whole = source in ("tinytorch", "tinytorch.core")  # there the imported names may be modules
            yield from ((node.lineno, f"{source}.{name.name}" if whole else source) for name in node.names)


def names(root: Path, module: Module) -> Iterator[str]:
    """Check that what the module adds is where the course table promises it."""
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    package, _, member = name.rpartition('.')\n"
        "    if not hasattr(importlib.import_module(package), member):\n"
        "        print(name)\n"
    )
    promised = [f"{package}.{name}" for package, members in module.adds.items() for name in members]
    done = run_python(root, "-c", program, *promised)
    if done.returncode:
        yield f"importing what the module adds fails:\n{done.stderr[-2000:]}"
    yield from (f"{name} is promised in course.toml, but is not there" for name in done.stdout.split())
