"""Puts the parts of the loop together, and takes them apart whatever happens."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, suppress

from tito.course import Module
from tito.screen import say
from tito.watch.files import Files
from tito.watch.full import Full
from tito.watch.inbox import Inbox, Resized
from tito.watch.keyboard import Keyboard, NoKeyboard, PosixKeyboard, WindowsKeyboard
from tito.watch.loop import Face, Loop
from tito.watch.plain import Plain
from tito.watch.terminal import Terminal, can_draw
from tito.watch.worker import Worker
from tito.workspace import Workspace


def start(workspace: Workspace, module: Module, plain: bool, poll: bool, limit: float) -> None:
    """Run the loop until the learner ends it."""
    plain = plain or not can_draw()
    inbox = Inbox(_keyboard(plain))
    terminal = Terminal(lambda: inbox.put(Resized()))
    face: Face = Plain() if plain else Full(terminal)
    with ExitStack() as stack:
        worker = stack.enter_context(closing(Worker(workspace.root)))
        loop = Loop(workspace, module, inbox, worker, face, limit)
        stack.enter_context(closing(Files(workspace.root / "modules", loop.files(), poll, inbox.put)))
        if not plain:
            stack.enter_context(terminal.taken())
        with suppress(KeyboardInterrupt):  # the other way to end it
            loop.run()
    say("The loop has ended; every file is whole. `tito watch` opens it again where you are.")


def _keyboard(plain: bool) -> Keyboard:
    if plain:
        return NoKeyboard()
    return WindowsKeyboard() if os.name == "nt" else PosixKeyboard()
