"""The loop on a screen of its own, with keys."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from difflib import get_close_matches

from rich.console import Console
from rich.text import Text

from tito.commands.graph import has_browser
from tito.commands.module import reset
from tito.commands.module.hint import give_hint, solution
from tito.errors import TitoError
from tito.screen import fields, say
from tito.verdict import Failure, Verdict
from tito.watch.inbox import Event, Key, Saved
from tito.watch.keyboard import END, ENTER, ERASE, ESCAPE
from tito.watch.loop import Loop
from tito.watch.pane import Pane
from tito.watch.picture import Picture, fit, head, keys, marked, printed, refusal, state
from tito.watch.terminal import Terminal

_KEYS = (("h", "hint"), ("a", "all failures"), ("s", "skip to"), ("g", "graph"), ("r", "run"), ("x", "reset"))
_SMALL = (60, 22)  # a window of fewer columns or lines is small
_FIRST = ("Came", "Expected", "Looks like", "Where", "Called", "With")


class Full:
    """Draws the picture anew after each event, and knows what the keys do."""

    styled = True

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.hint = ""
        self.hint_for: str | None = None
        self.typed: str | None = None  # what was typed after `s`, while it is asked for
        self.asked = False  # whether `x` waits for its answer
        self.commands: dict[str, Callable[[Loop], None]] = {
            "h": self._hint,
            "a": self._all,
            "s": self._skip,
            "g": self._graph,
            "r": lambda loop: loop.test(again=True),
            "x": self._reset,
            "c": self._complete,
            "q": self._quit,
            END: self._quit,
        }

    def begun(self, loop: Loop) -> None:
        """Show where the learner is."""
        self._draw(loop)

    def testing(self, loop: Loop) -> None:
        """Show that a run has begun, or how far it is."""
        self._draw(loop)

    def answered(self, loop: Loop) -> None:
        """Show what came of a run."""
        if self.hint_for != loop.exercise:
            self.hint = ""
        if loop.all_failures and loop.verdict and not loop.verdict.passed:
            verdict = loop.verdict
            self._away(loop, lambda: verdict.show(everything=True))
        self._draw(loop)

    def recognized(self, loop: Loop) -> None:
        """Show the known mistake that was found behind the failure."""
        self._draw(loop)

    def refused(self, loop: Loop) -> None:
        """Show why nothing was tested, below the last picture."""
        self._draw(loop)

    def noted(self, loop: Loop) -> None:
        """Show the notes."""
        self._draw(loop)

    def take(self, loop: Loop, event: Event) -> None:
        """Do what a key asks for; draw the picture anew in a window of another size."""
        if not isinstance(event, Key):
            self._draw(loop)
        elif self.typed is not None:
            self._type(loop, event.name)
        elif self.asked:
            self._answer(loop, event.name)
        elif event.name.lower() in self.commands:
            try:
                self.commands[event.name.lower()](loop)
            except TitoError as error:
                loop.note(f"{error.message} {error.hint}")

    def _quit(self, loop: Loop) -> None:
        loop.going = False

    def _hint(self, loop: Loop) -> None:
        failure = loop.failure
        module = failure.module if failure else loop.module
        exercise = failure.exercise if failure else loop.exercise
        if exercise is None:
            loop.note("No exercise is in hand, so there is no hint to give.")
            return
        here = type(loop.here)(loop.workspace, module)
        self.hint, last = loop.captured(lambda: give_hint(here, exercise))
        self.hint_for = loop.exercise
        if last:
            self.hint += f"To see the answer: {solution(here, exercise)}"
        self._draw(loop)

    def _all(self, loop: Loop) -> None:
        loop.test(again=True, everything=True)

    def _skip(self, loop: Loop) -> None:
        if not loop.names:
            loop.note("The lesson could not be read yet, so there is nothing to skip to.")
            return
        self.typed = ""
        self._draw(loop)

    def _type(self, loop: Loop, key: str) -> None:
        """Take a key of the exercise's number or name."""
        assert self.typed is not None
        if key in (ESCAPE, END):
            self.typed = None
        elif key == ERASE:
            self.typed = self.typed[:-1]
        elif key == ENTER:
            typed, self.typed = self.typed, None
            if chosen := _chosen(loop, typed.strip()):
                loop.skip_to(chosen)
                return
            if typed.strip():
                loop.note(_unknown(loop, typed.strip()))
        elif len(key) == 1 and key.isprintable():
            self.typed += key
        self._draw(loop)

    def _reset(self, loop: Loop) -> None:
        if loop.exercise is None:
            loop.note("No exercise is in hand, so there is nothing to reset.")
            return
        self.asked = True
        self._draw(loop)

    def _answer(self, loop: Loop, key: str) -> None:
        """Reset the exercise if the learner means it."""
        self.asked = False
        if key.lower() == "y":
            callback = reset.command.callback
            assert callback is not None
            try:
                said, _ = loop.captured(lambda: callback(loop.here.number, loop.exercise))
            except TitoError as error:
                said = f"{error.message} {error.hint}"
            lines = [line for line in said.strip().split("\n") if not line.startswith("Next: ")]
            loop.test(again=True)
            loop.written = loop.lesson_text
            loop.notes += lines
        self._draw(loop)

    def _graph(self, loop: Loop) -> None:
        exercise = ["--exercise", loop.exercise] if loop.exercise else []
        where = [] if has_browser() else ["--terminal"]
        command = [sys.executable, "-m", "tito", "graph", loop.here.number, *exercise, *where]
        self._away(loop, lambda: subprocess.run(command, cwd=loop.workspace.root))
        self._draw(loop)

    def _complete(self, loop: Loop) -> None:
        if not loop.can_complete:
            return
        said = loop.complete()
        self._away(loop, lambda: print(said.strip("\n")))
        if loop.finished:
            self._draw(loop)
        else:
            loop.test(again=True)

    def _away(self, loop: Loop, show: Callable[[], object]) -> None:
        """Show something where it stays in the scrollback; go back at a key or a save."""
        with self.terminal.away():
            show()
            with self.terminal.single_keys():
                say()
                say("Press a key to go back to the loop.", "dim")
                sys.stdout.flush()
                while True:
                    event = loop.inbox.get()
                    if isinstance(event, Key):
                        return
                    if isinstance(event, Saved):
                        loop.inbox.put(event)
                        return

    def _draw(self, loop: Loop) -> None:
        size = shutil.get_terminal_size()
        width, height = max(size.columns, 10), max(size.lines, 3)
        notes = [marked(note, "green" if " passes its " in note else "") for note in loop.notes]
        picture = Picture(
            head(loop, width), self._body(loop, width < _SMALL[0] or height < _SMALL[1]), notes, self._foot(loop, width)
        )
        if self.typed is not None:
            picture.more, picture.notes = "type to see fewer", []
        pane = Pane(styled=True)
        console = Console(file=pane, width=width, highlight=False)
        shown = []
        for line in fit(picture, width, height):
            pane.seek(0)
            pane.truncate()
            console.print(line, end="", soft_wrap=True)
            shown.append(pane.getvalue())
        self.terminal.draw(shown, cursor=self.typed is not None)

    def _body(self, loop: Loop, small: bool) -> list[Text]:
        if self.typed is not None:
            return _choices(loop, self.typed)
        verdict, failure = loop.verdict, loop.failure
        if verdict is None:
            waiting = f"{loop.exercise} is next." if loop.exercise else "Every exercise is written."
            return [Text(waiting, "bold")]
        if failure:
            said, _ = loop.captured(lambda: _show_failure(verdict, failure, small))
            return printed(said)
        said, _ = loop.captured(verdict.show)
        lines = printed(said)
        if loop.finished:
            return [*lines, Text(), Text("That was the last module that is written so far.")]
        if loop.left:
            return [*lines, Text(), Text(f"Still to write: {', '.join(loop.left)}.")]
        done = f"{loop.module.folder} is done. Press c to complete it: you see what your framework can do now."
        return [*lines, Text(), Text(done, "bold")]

    def _foot(self, loop: Loop, width: int) -> list[Text]:
        if self.typed is not None:
            return [Text(f"Skip to: {self.typed}")]
        lines = [*_paragraphs(self.hint), Text()] if self.hint else []
        if loop.problem:
            lines.append(marked(refusal(loop.problem), "yellow"))
            if "`" in loop.problem.hint:
                lines.append(marked(loop.problem.hint))
        if self.asked:
            return [*lines, marked(f"Start {loop.exercise} anew? Your file is kept in `.tito/backups`. y yes, n no")]
        if shown := state(loop):
            lines.append(Text(shown, "dim"))
        pairs = [*([("c", "complete")] if loop.can_complete else []), *_KEYS, ("q", "quit")]
        return [*lines, *keys(pairs, width)]


def _show_failure(verdict: Verdict, failure: Failure, small: bool) -> None:
    """Print a failure; in a `small` window, of which the end may be cut, what counts most comes first."""
    if not small:
        verdict.show_failure(failure)
        return
    say(verdict.headline(failure), "bold" if failure.kind == "stub" else "bold red")
    facts = verdict.facts(failure)
    fields(sorted(facts, key=lambda fact: _FIRST.index(fact[0]) if fact[0] in _FIRST else len(_FIRST)))


def _paragraphs(said: str) -> list[Text]:
    """Return hints, one a line, to be wrapped anew: a command indents what goes on."""
    return [marked(line) for line in re.sub(r"\n +", " ", said.strip()).split("\n")]


def _choices(loop: Loop, typed: str) -> list[Text]:
    """List the exercises, those first whose names go with what was typed."""
    lines = [Text("Type the number or the name of an exercise, then Enter; Escape goes back."), Text()]
    wrong = loop.failure.exercises if loop.failure and loop.failure.kind != "stub" else ()
    found = False
    for number, name in enumerate(loop.names, 1):
        if typed and not (name.startswith(typed) or str(number).startswith(typed) or typed in name):
            continue
        how = "to write" if name in loop.left else "not right yet" if name in wrong else "written"
        here = "  (here)" if name == loop.exercise else ""
        found = True
        lines.append(Text(f"{number:3} {name}  {how}{here}", "bold" if here else ""))
    return lines if found else [*lines, Text("No exercise is called so.")]


def _chosen(loop: Loop, typed: str) -> str | None:
    """Return the exercise that was typed: by its number, its name, or the beginning of one name."""
    names = loop.names
    if typed.isdecimal() and 1 <= int(typed) <= len(names):
        return names[int(typed) - 1]
    if typed in names:
        return typed
    begun = [name for name in names if typed and name.startswith(typed)]
    return begun[0] if len(begun) == 1 else None


def _unknown(loop: Loop, typed: str) -> str:
    close = get_close_matches(typed, loop.names, n=1)
    return f"No exercise is called {typed!r}." + (f" Did you mean {close[0]}?" if close else "")
