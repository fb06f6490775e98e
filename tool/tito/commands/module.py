"""`tito module`: find your place, start, test, complete; get help; start anew."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

import click

from tito import references
from tito.backups import keep, shown
from tito.course import Module
from tito.errors import TitoError
from tito.export import Export, export_of, read_lesson
from tito.files import write_atomically
from tito.lesson import BEGIN, END, Lesson
from tito.memory import recall, remember
from tito.practice import Here, missing_hint, missing_message, tell_backup, try_lesson
from tito.runner import LIMIT
from tito.screen import code, fields, listed, prose, say, table
from tito.verdict import answer_print
from tito.workspace import LOAN, OPEN, YOURS, Workspace, open_exercises

DIFFICULTY = ("", "calm", "steady", "steep", "demanding")

limit_option = click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=LIMIT,
    metavar="SECONDS",
    show_default="120",
    help="Stop a test run that takes longer.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result for other programs.")


class _Group(click.Group):
    """A group that shows its commands in the order of a learner's way."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands as they were added."""
        return list(self.commands)


@click.group("module", cls=_Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Work on the modules of the course.

    NN is a module: 05, 5, autograd or 05_autograd.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _dump(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


# Where the learner is


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the modules of the course and how far each is."""
    workspace = Workspace.find()
    states = [workspace.state(module) for module in workspace.course]
    if as_json:
        _dump([_row(module, state) for module, state in zip(workspace.course, states, strict=True)])
        return
    rows = [
        (
            f"{module.number:02}",
            module.title,
            f"{module.hours:g} h" if module.written else "",
            DIFFICULTY[module.difficulty],
            state,
        )
        for module, state in zip(workspace.course, states, strict=True)
    ]
    table(("", "module", "time", "difficulty", "state"), rows, states)


def _row(module: Module, state: str) -> dict[str, Any]:
    return {
        "number": module.number,
        "folder": module.folder,
        "name": module.name,
        "title": module.title,
        "hours": module.hours,
        "difficulty": module.difficulty,
        "state": state,
    }


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show where you are, and the next command."""
    workspace = Workspace.find()
    modules = workspace.course.written
    exercises = {module.folder: _exercises(workspace, module) for module in modules}
    states = [workspace.state(module) for module in modules]
    step, reason = _next_step(workspace)
    if as_json:
        rows = [
            {**_row(module, state), "exercises": exercises[module.folder]}
            for module, state in zip(modules, states, strict=True)
        ]
        _dump({"workspace": str(workspace.root), "modules": rows, "next": step})
        return
    table(
        ("", "module", "state", "exercises written"),
        [
            (f"{module.number:02}", module.title, state, _written(exercises[module.folder], state))
            for module, state in zip(modules, states, strict=True)
        ],
        states,
    )
    say()
    prose(reason)
    say(f"Next: `{step}`")


def _exercises(workspace: Workspace, module: Module) -> dict[str, Any]:
    """Return what is written of a module: its exercises, and which are open; or what is wrong with its lesson."""
    try:
        lesson = read_lesson(workspace.root, module)
        names = [exercise.name for exercise in open_exercises(lesson)]
        return {"total": len(lesson.exercises), "open": names, "problem": None}
    except TitoError as error:
        return {"total": None, "open": [], "problem": error.message}


def _written(exercises: dict[str, Any], state: str) -> str:
    if state == LOAN:
        return "the reference's"
    if exercises["problem"]:
        return "the lesson cannot be read"
    return f"{exercises['total'] - len(exercises['open'])} of {exercises['total']}"


def _next_step(workspace: Workspace) -> tuple[str, str]:
    """Return the next command, and why it is next."""
    module = workspace.current()
    if module is None:
        return "tito test", "Every module that is written is there."
    number, title = f"{module.number:02}", f"{module.number:02} {module.title}"
    exercises = _exercises(workspace, module)
    if exercises["problem"]:
        path = workspace.root / module.lesson
        lost = not path.exists() or not path.read_bytes().strip()
        return f"tito module {'reset' if lost else 'test'} {number}", exercises["problem"]
    left = exercises["open"]
    if not left:
        return f"tito module complete {number}", f"Every exercise of {title} is written."
    if workspace.begun(module):
        return f"tito module test {number}", f"You are in {title}; the next exercise is {left[0]}."
    return f"tito module start {number}", f"The next module is {title}."


# The way through a module


@command.command()
@click.argument("name", metavar="NN")
def start(name: str) -> None:
    """Begin module NN, or take it up again; ends a loan."""
    here = Here.find(name)
    workspace, module = here.workspace, here.module
    missing = workspace.missing(module)
    if missing:
        raise TitoError(missing_message(module, missing), missing_hint(missing))
    lesson = read_lesson(workspace.root, module)
    left = open_exercises(lesson)
    if workspace.state(module) == LOAN:
        _end_loan(workspace, module)
    _introduce(module, lesson)
    say()
    if left:
        first = left[0]
        say(f"Begin with {first.name}, {module.lesson}:{first.line}")
        prose(
            f"Next: write it in your editor, or with `tito notebook {here.number}`; "
            f"then `tito module test {here.number}`",
            indent=6,
        )
    else:
        say("Every exercise is written.")
        say(f"Next: `tito module complete {here.number}`")


def _end_loan(workspace: Workspace, module: Module) -> None:
    """Put the learner's own lesson in the place of the borrowed file."""
    written = workspace.put(module, export_of(workspace.root, module))
    tell_backup(workspace, written)
    prose(f"The loan is over: {module.exported} is your lesson now, with what you have written so far.")
    say()


def _introduce(module: Module, lesson: Lesson) -> None:
    say(f"{module.number:02} {module.title}", "bold")
    for line in _opening(lesson):
        prose(line)
    say()
    fields(
        [
            ("Lesson", module.lesson),
            ("Page", f"modules/{module.folder}/README.md"),
            ("Time", f"{module.hours:g} {'hour' if module.hours == 1 else 'hours'}, {DIFFICULTY[module.difficulty]}"),
            ("Exercises", _progress(lesson)),
        ]
    )


def _progress(lesson: Lesson) -> str:
    done, total = len(lesson.exercises) - len(open_exercises(lesson)), len(lesson.exercises)
    return f"{total}, of which {done} written" if done else str(total)


def _opening(lesson: Lesson) -> list[str]:
    """Return the first paragraph under a lesson's title, and what it says that the learner has and builds."""
    first = next((cell for cell in lesson.cells if cell.markdown), None)
    lines = [line.strip() for line in first.lines if line.strip() != '"""'] if first else []
    text = "\n".join(line for line in lines if not line.startswith("# ")).strip()
    opening, *others = text.split("\n\n")
    shown = [opening, *(paragraph for paragraph in others if paragraph.startswith("**You "))]
    return [" ".join(paragraph.replace("**", "").split()) for paragraph in shown if paragraph]


@command.command()
@click.argument("name", metavar="NN")
@click.option("--all", "all_tests", is_flag=True, help="Show every failure, not only the first.")
@json_option
@limit_option
def test(name: str, all_tests: bool, as_json: bool, limit: float) -> None:
    """Export your module NN and run its suite against it."""
    run_test(name, all_tests, as_json, limit)


def run_test(name: str, all_tests: bool, as_json: bool, limit: float) -> None:
    """Test a module and show the verdict; a failure ends the command with exit code 1."""
    here = Here.find(name)
    verdict = try_lesson(here.workspace, here.module, limit, all_tests or as_json)
    if as_json:
        _dump(verdict.as_json())
    else:
        verdict.show(all_tests)
        if verdict.passed:
            _after_pass(here)
    if not verdict.passed:
        raise SystemExit(1)


def _after_pass(here: Here) -> None:
    left = _left(here)
    if left:
        say(f"Still to write: {listed(left)}.")
    else:
        say(f"Next: `tito module complete {here.number}`")


def _left(here: Here) -> list[str]:
    return [exercise.name for exercise in open_exercises(read_lesson(here.workspace.root, here.module))]


@command.command()
@click.argument("name", metavar="NN")
@limit_option
def complete(name: str, limit: float) -> None:
    """Test and export module NN: what can your framework do now?"""
    here = Here.find(name)
    verdict = try_lesson(here.workspace, here.module, limit)
    if not verdict.passed:
        verdict.show()
        raise SystemExit(1)
    left = _left(here)
    if left:
        raise TitoError(
            f"{here.module.folder} passes its tests, but there is still a stub in {listed(left)}.",
            f"Write it, then `tito module complete {here.number}`.",
        )
    verdict.show()
    say(f"Exported to {here.module.exported}: {here.module.folder} is yours.", "bold green")
    if here.module.can:
        say()
        prose(f"Your framework can now {here.module.can}.")
    say()
    prose(_onward(here))


def _onward(here: Here) -> str:
    after = [module for module in here.workspace.course.written if module.number > here.module.number]
    waiting = next((module for module in after if here.workspace.state(module) == OPEN), here.workspace.current())
    if waiting:
        return f"Next: {waiting.number:02} {waiting.title}, `tito module start {waiting.number:02}`"
    return "That was the last module that is written so far. `tito module list` shows what is planned."


# Starting anew


@command.command()
@click.argument("name", metavar="NN")
@click.option("--exercise", metavar="NAME", help="Bring back this exercise only.")
def reset(name: str, exercise: str | None) -> None:
    """Start the lesson NN anew; your old file is kept."""
    here = Here.find(name)
    workspace, module = here.workspace, here.module
    _refuse_in_solved(workspace, "its lessons are the reference answers", "`git restore` brings a file back.")
    back = _bring_back(workspace, module)
    path = workspace.root / module.lesson
    text = _reset_exercise(here, exercise) if exercise else references.starter(module)
    if path.exists() and path.read_bytes() == text.encode():
        say(f"{module.lesson} is as it was handed out{f' in {exercise}' if exercise else ''}; nothing to do.")
    else:
        _replace_lesson(workspace, module, text)
        say(f"{exercise or module.lesson} is as it was handed out.", "green")
    for given in back:
        say(f"{given} was missing and is back.", "green")
    say(f"Next: `tito module start {here.number}`")


def _replace_lesson(workspace: Workspace, module: Module, text: str) -> None:
    path = workspace.root / module.lesson
    if path.exists():
        say(f"Your old file is in {shown(workspace.root, keep(workspace.root, module, path))}{path.name}")
    write_atomically(path, text)


def _bring_back(workspace: Workspace, module: Module) -> list[str]:
    """Copy the given files of a module that are missing; return their paths."""
    given = [module.suite, f"modules/{module.folder}/README.md"]
    missing = [path for path in given if not (workspace.root / path).exists()]
    for path in missing:
        write_atomically(workspace.root / path, references.reference_file(path).read_text(encoding="utf-8"))
    return missing


def _reset_exercise(here: Here, name: str) -> str:
    """Return the learner's lesson with one exercise's cell as it was handed out.

    The cell is found by its tag, so that it also comes back if its markers are damaged.
    """
    starter = Lesson(references.starter(here.module), here.module.lesson)
    _known_exercise(starter, name)
    cell = starter.exercise(name).cell
    text = (here.workspace.root / here.module.lesson).read_text(encoding="utf-8")
    lines = text.split("\n")
    opens = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    at = next((i for i in opens if f'tags=["{name}"' in lines[i]), None)
    if at is None:
        raise TitoError(
            f"{here.module.lesson} has no cell tagged {name!r} any more.",
            f"`tito module reset {here.number}` brings the whole lesson back and keeps your file.",
        )
    end = next((i for i in opens if i > at), len(lines))
    while end > at + 1 and not lines[end - 1].strip():
        end -= 1
    return "\n".join([*lines[: at + 1], *cell.lines, *lines[end:]])


def _refuse_in_solved(workspace: Workspace, why: str, instead: str) -> None:
    if workspace.solved:
        raise TitoError(f"this is the course's own repository; {why}.", instead, exit_code=2)


# Help


@command.command()
@click.argument("name", metavar="NN")
@click.argument("exercise", required=False)
def hint(name: str, exercise: str | None) -> None:
    """Give the next hint for EXERCISE, or where you are."""
    here = Here.find(name)
    table = references.hints(here.module)
    chosen = _chosen(here, exercise)
    if chosen is None:
        say(f"Every exercise of {here.module.folder} is written.")
        say(f"Next: `tito module test {here.number}`, which says if one is not right yet.")
        return
    hints = table.get(chosen, ())
    if not hints:
        raise TitoError(f"there is no hint for {chosen}.", f"`tito module solution {here.number} {chosen} --i-give-up`")
    key = f"{here.module.folder}/{chosen}"
    given = min(int(recall(here.workspace.root, "hints").get(key, 0)), len(hints))
    fresh = hints[given : given + 1] or hints
    for number, text in enumerate(fresh, 1 if given == len(hints) else given + 1):
        prose(text, first=f"{chosen}, hint {number} of {len(hints)}: ", indent=4)
    remember(here.workspace.root, "hints", key, min(given + 1, len(hints)))
    say()
    if given + 1 < len(hints):
        prose(
            f"Next: `tito module test {here.number}`. Still stuck? `tito module hint {here.number} {chosen}`", indent=6
        )
    else:
        prose(
            f"Next: `tito module test {here.number}`. To see the answer: "
            f"`tito module solution {here.number} {chosen} --i-give-up`",
            indent=6,
        )


def _chosen(here: Here, name: str | None) -> str | None:
    """Return the exercise that is meant: the named one, the one that failed last, or the first that is open."""
    if name:
        _known_exercise(references.reference_lesson(here.module), name)
        return name
    lesson = read_lesson(here.workspace.root, here.module)
    failing = recall(here.workspace.root, "failing").get(here.module.folder)
    if failing and failing["answer"] == answer_print(lesson, failing["exercise"]):
        return str(failing["exercise"])
    return next((exercise.name for exercise in open_exercises(lesson)), None)


def _known_exercise(lesson: Lesson, name: str) -> None:
    names = [exercise.name for exercise in lesson.exercises]
    if name not in names:
        close = get_close_matches(name, names, n=1)
        guess = f"Did you mean {close[0]}? " if close else ""
        raise TitoError(f"{lesson.path} has no exercise {name!r}.", f"{guess}It has {', '.join(names)}.", exit_code=2)


@command.command()
@click.argument("name", metavar="NN")
@click.argument("exercise", required=False)
@click.option("--i-give-up", is_flag=True, help="Show it although your own answer does not pass yet.")
@limit_option
def solution(name: str, exercise: str | None, i_give_up: bool, limit: float) -> None:
    """Show the reference answer, once your own passes."""
    here = Here.find(name)
    reference = references.reference_lesson(here.module)
    if exercise:
        _known_exercise(reference, exercise)
    if i_give_up:
        chosen = _chosen(here, exercise)
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
    raise TitoError(
        f"your own {what} does not pass yet, so its reference answer stays closed.",
        f"`tito module hint {here.number}{f' {exercise}' if exercise else ''}` helps on; "
        f"`tito module solution {here.number}{f' {exercise}' if exercise else ''} --i-give-up` shows it all the same.",
    )


def _show_answer(lesson: Lesson, name: str) -> None:
    cell = lesson.exercise(name).cell
    say(f"# {name}, the reference answer in {lesson.path}", "dim")
    code("\n".join(line for line in cell.lines if not line.startswith("#|") and line.strip() not in (BEGIN, END)))
    say()


# Loans


@command.command()
@click.argument("names", metavar="NN...", nargs=-1, required=True)
@click.option("--with-prerequisites", is_flag=True, help="Borrow what NN stands on as well, where it is open.")
@click.option("--force", is_flag=True, help="Borrow even if the module is yours; your export is kept in a backup.")
def borrow(names: tuple[str, ...], with_prerequisites: bool, force: bool) -> None:
    """Use the reference's module NN for now; your lesson stays."""
    workspace = Workspace.find()
    _refuse_in_solved(workspace, "the reference answers are here already", "Borrow in a workspace made by `tito init`.")
    wanted = {workspace.course.find(name).folder for name in names}
    if with_prerequisites:
        for folder in list(wanted):
            wanted |= {module.folder for module in workspace.missing(workspace.course.by_folder(folder))}
    modules = [module for module in workspace.course if module.folder in wanted]
    for module in modules:
        _check_borrow(workspace, module, wanted, force)
    for module in modules:
        _borrow(workspace, module)
    current = workspace.current()
    if current:
        say(f"Next: `tito module start {current.number:02}`")


def _check_borrow(workspace: Workspace, module: Module, wanted: set[str], force: bool) -> None:
    """Raise an error if a module cannot be borrowed; nothing has been written then."""
    if workspace.state(module) == YOURS and not force:
        raise TitoError(
            f"{module.folder} is yours, so it is not replaced by the reference.",
            f"`tito module borrow {module.number:02} --force` does it and keeps your export in a backup.",
        )
    missing = [other for other in workspace.missing(module) if other.folder not in wanted]
    if missing:
        raise TitoError(
            missing_message(module, missing),
            f"`tito module borrow {module.number:02} --with-prerequisites` borrows them too.",
        )


def _borrow(workspace: Workspace, module: Module) -> None:
    loan = Export(workspace.root / module.exported, module.exported, references.loan(module))
    if workspace.state(module) == YOURS:
        loan.check_overwrite()
        folder = keep(workspace.root, module, loan.path, workspace.root / module.lesson)
        say(f"Your export and lesson are kept in {shown(workspace.root, folder)}")
    tell_backup(workspace, workspace.put(module, loan))
    say(f"{module.folder} is on loan: {module.exported}", "yellow")
