"""The parts of the loop one by one: the order of tests, the warm process, the files, the place, the picture."""

from __future__ import annotations

import os
import queue
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from tito.errors import TitoError
from tito.lesson import Lesson
from tito.runner import Order, Run, run_suite, steady_environment
from tito.watch import files as watched_files
from tito.watch.attempt import ranks
from tito.watch.changes import changed_exercises
from tito.watch.files import Files
from tito.watch.inbox import Broken, Event, Noted, Recognized, Saved
from tito.watch.keyboard import END, ENTER, ERASE, ESCAPE, PosixKeyboard, named
from tito.watch.loop import passes
from tito.watch.order import brief, place
from tito.watch.picture import Picture, fit, keys, refusal
from tito.watch.place import current_module, find_place
from tito.watch.search import Search
from tito.watch.warm import CAN_FORK
from tito.watch.worker import Worker
from tito.workspace import Workspace

from .learner import NUMBERS, Learner
from .watching import PATIENCE, wait_for_end

LESSON = Lesson(NUMBERS, "modules/01_numbers/numbers_dev.py")


def test_ranks_put_what_changed_first_and_what_is_open_or_skipped_last() -> None:
    open_double = Lesson(LESSON.replaced({"double": LESSON.stubs()["double"]}), LESSON.path)
    assert sorted(ranks(open_double, []), key=ranks(open_double, []).__getitem__) == ["half", "double"]
    assert ranks(open_double, ["double"])["double"] == 0
    skipped = ranks(LESSON, [], {"double"})
    assert skipped["double"] > skipped["half"]


@pytest.mark.parametrize(
    ("exercises", "expected"),
    [(["a"], 0), (["a", "b"], 0), (["b"], 2), (["a", "c"], 103), (["d", "c"], 204), ([], 205), (["gone"], 205)],
)
def test_a_test_waits_until_all_that_it_needs_is_written(exercises: list[str], expected: int) -> None:
    assert place(exercises, {"a": 0, "b": 2, "c": 103, "d": 204}, 100) == expected


def test_of_what_is_not_written_one_test_is_enough() -> None:
    assert brief([0, 0, 1, 103, 103, 104, 104, 105, 105], 100, 104) == [True] * 4 + [False, True, False, False, False]
    assert brief([0, 0, 2, 3], 100, 2) == [True] * 4


def test_exercises_whose_cells_differ_have_changed() -> None:
    other = Lesson(LESSON.text.replace("Return half", "Give half").replace("# 01", "# One"), LESSON.path)
    assert changed_exercises(LESSON, other) == ("half",)
    assert changed_exercises(LESSON, LESSON) == ()


def test_an_exercise_passes_if_all_of_its_tests_do() -> None:
    tests: list[dict[str, Any]] = [
        {"exercises": ["a"], "outcome": "passed"},
        {"exercises": ["a", "b"], "outcome": "passed"},
        {"exercises": ["b"], "outcome": "failed"},
    ]
    assert [passes(Run(1, tests), name) for name in "abc"] == [2, 0, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h", ["h"]),
        ("\r\n", [ENTER, ENTER]),
        ("\x1b", [ESCAPE]),
        ("\x1b[A\x1b[1;5Cq\x1bOP", ["q"]),
        ("ä\x7f\x04", ["ä", ERASE, END]),
    ],
)
def test_keys_have_names(text: str, expected: list[str]) -> None:
    assert named(text) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are no keyboard there")
def test_a_keyboard_waits_for_keys_or_for_a_thread() -> None:
    read, write = os.pipe()
    keyboard = PosixKeyboard(read)
    threading.Timer(0.05, keyboard.wake).start()
    assert keyboard.wait() == []
    os.write(write, "ä".encode()[:1])
    assert keyboard.wait() == []
    os.write(write, "ä".encode()[1:] + b"q")
    assert keyboard.wait() == ["ä", "q"]
    os.close(write)
    assert keyboard.wait() == [END]
    os.close(read)


def test_the_place_counts_what_the_learner_wrote(learner: Learner) -> None:
    workspace = Workspace(learner.root)
    numbers = workspace.course.find("01")
    learner.answer("double", "    # twice\n\n    y = x + x\n    return y")
    found = find_place(workspace, numbers, "half", frozenset())
    assert (found.exercise, found.exercises, found.module, found.modules) == (2, 2, 1, 3)
    assert (found.yours, found.all, found.lines) == (1, 3, 2)
    assert find_place(workspace, numbers, None, frozenset({"double"})).yours == 0
    learner.tito("module", "borrow", "01")
    assert find_place(workspace, numbers, None, frozenset()).yours == 0
    learner.path("sums").unlink()
    assert find_place(workspace, numbers, None, frozenset()).all == 2


def test_the_current_module_is_the_first_that_is_open_or_failed_last(learner: Learner) -> None:
    workspace = Workspace(learner.root)
    learner.finish("numbers")
    assert current_module(workspace) == workspace.course.find("02")
    learner.answer("half", "    return x")
    learner.tito("module", "test", "01")
    assert current_module(workspace) == workspace.course.find("01")
    learner.answer("half")
    learner.tito("module", "test", "01")
    learner.finish("sums")
    assert current_module(workspace) is None


@pytest.mark.parametrize("fork", [True, False] if CAN_FORK else [False])
def test_a_warm_process_answers_as_a_new_interpreter_does(learner: Learner, fork: bool) -> None:
    workspace = Workspace(learner.root)
    module = workspace.course.find("01")
    worker = Worker(learner.root, fork)
    try:
        for answer in ("    return 7", "    return x + x", "    import os; os._exit(0)"):
            learner.answer("double", answer)
            learner.tito("export", "01")
            new, warm = run_suite(workspace, module), run_suite(workspace, module, start=worker.start)
            assert [(t["test"], t["outcome"]) for t in new.tests] == [(t["test"], t["outcome"]) for t in warm.tests]
            assert (new.collected, new.running, new.ended, new.status) == (
                warm.collected,
                warm.running,
                warm.ended,
                warm.status,
            )
            assert [t["failure"] and t["failure"]["came"] for t in new.tests] == [
                t["failure"] and t["failure"]["came"] for t in warm.tests
            ]
    finally:
        worker.close()


@pytest.mark.parametrize("fork", [True, False] if CAN_FORK else [False])
def test_an_order_is_ended_with_all_it_has_started(learner: Learner, fork: bool) -> None:
    learner.write(
        "test_waits.py",
        "import os, subprocess, sys, time\n"
        "def test_waits():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    print(os.getpid(), child.pid, flush=True)\n"
        "    time.sleep(600)\n",
    )
    output = learner.root / "output"
    order = Order(("-q", "-s", "test_waits.py"), steady_environment(learner.root), learner.root, output)
    worker = Worker(learner.root, fork)
    try:
        process = worker.start(order)
        while not process.wait(0.05) and "\n" not in (output.read_text() if output.exists() else ""):
            pass
        pids = [int(word) for word in output.read_text().split() if word.isdecimal()]
        assert len(pids) == 2
        process.kill()
        assert process.wait(PATIENCE)
        for pid in pids:
            wait_for_end(pid)
        passing = replace(order, arguments=("-q", "--co", "test_waits.py"))
        again = worker.start(passing)
        assert again.wait(PATIENCE)
        again.kill()
        assert "test_waits" in output.read_text()
    finally:
        worker.close()


def test_a_worker_that_cannot_begin_says_why(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    learner.write("broken/hypothesis.py", "raise ImportError('hypothesis is broken here')\n")
    monkeypatch.setenv("PYTHONPATH", str(learner.root / "broken"))
    worker = Worker(learner.root)
    try:
        with pytest.raises(TitoError, match="pytest did not start: "):
            worker.ready()
    finally:
        worker.close()


@pytest.mark.parametrize("poll", [False, True])
def test_only_the_files_that_matter_are_told(tmp_path: Path, poll: bool) -> None:
    events: queue.Queue[Event] = queue.Queue()
    mine, other = tmp_path / "deep" / "mine.py", tmp_path / "other.py"
    mine.parent.mkdir()
    mine.write_text("1")
    files = Files(tmp_path, [mine], poll, events.put)
    try:
        for number in range(1000):  # until it has begun to watch
            other.write_text(str(number))
            mine.write_text(str(number))
            try:
                event = events.get(timeout=0.5)
            except queue.Empty:
                continue
            assert event == Saved(frozenset({mine}))
            break
        else:
            pytest.fail("no save was told")
    finally:
        files.close()


def test_where_the_system_cannot_watch_the_files_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polled = []

    def watch(folder: Path, *, force_polling: bool, **options: object) -> list[set[tuple[int, str]]]:
        polled.append(force_polling)
        if not force_polling:
            raise OSError("OS file watch limit reached.")
        return [{(1, str(tmp_path / "a.py"))}]

    monkeypatch.setattr(watched_files, "watch", watch)
    events: list[Event] = []
    Files(tmp_path, [], False, events.append).close()
    assert polled == [False, True]
    assert isinstance(events[0], Noted)
    assert "watch limit" in events[0].text
    assert events[1:] == [Saved(frozenset({tmp_path / "a.py"}))]


def test_what_cannot_be_looked_at_either_ends_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(*_: object, **__: object) -> None:
        raise OSError("no such thing")

    monkeypatch.setattr(watched_files, "watch", watch)
    events: list[Event] = []
    Files(tmp_path, [], True, events.append).close()
    assert isinstance(events[0], Broken)


def test_a_refusal_is_one_line_with_a_place_to_click() -> None:
    error = TitoError("modules/a_dev.py, line 7: '(' was never closed:\n`f(`.")
    assert refusal(error) == "Not tested: modules/a_dev.py:7: '(' was never closed: `f(`."


def test_keys_stay_with_their_words() -> None:
    assert [line.plain for line in keys([("a", "one two"), ("b", "three")], 12)] == ["a one two", "b three"]
    assert [line.plain for line in keys([("a", "one two"), ("b", "three")], 80)] == ["a one two  b three"]


@pytest.mark.parametrize("height", range(1, 30))
@pytest.mark.parametrize("width", [10, 40, 80])
def test_a_picture_fits_every_window(width: int, height: int) -> None:
    long = Text("a `tito module test 01` of many words " * 3)
    picture = Picture([long], [long] * 5, [long, long], [Text("keys")])
    lines = fit(picture, width, height)
    assert len(lines) == height
    assert max(line.cell_len for line in lines) <= width


def test_the_last_notes_and_the_keys_stay_in_a_low_window() -> None:
    picture = Picture([Text("head")], [Text(f"body {i}") for i in range(9)], [Text("old"), Text("new")], [Text("keys")])
    shown = [line.plain for line in fit(picture, 40, 11)]
    body = [*(f"body {i}" for i in range(5)), "... 4 more lines: `a` shows them"]
    assert shown == ["head", "", *body, "", "new", "keys"]


class Slow:
    """Stands for a verdict whose mistake is looked for until that is stopped."""

    def look_for_mistake(self, stop: threading.Event) -> None:
        assert stop.wait(PATIENCE)


class Unlucky:
    """Stands for a verdict whose mistake cannot be looked for."""

    def look_for_mistake(self, stop: threading.Event) -> None:
        raise RuntimeError("no luck")


def test_a_search_is_ended_with_what_it_looks_into() -> None:
    events: list[Event] = []
    slow: Any = Slow()
    Search(slow, events.append).close()
    assert events == [Recognized(slow)]


def test_a_search_that_fails_is_told() -> None:
    events: list[Event] = []
    unlucky: Any = Unlucky()
    Search(unlucky, events.append).close()
    assert isinstance(events[0], Broken)
    assert str(events[0].error) == "no luck"
