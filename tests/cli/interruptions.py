"""Run as a script: `tito update` is killed at each of its writes in turn; what it leaves is updated again.

Arguments: the workspace, a folder for copies of it, and a cell to write into a lesson after each kill, or nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from tito.carried import make_wheel
from tito.cli import main
from tito.update import work

LESSON = "modules/01_numbers/numbers_dev.py"
WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile", "open")


def kill_at(number: int, root: Path) -> None:
    """Kill this process at the given one of its writes below `root`."""
    done = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event not in WRITES or not str(arguments[0]).startswith(str(root)):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        done += 1
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def update(root: Path, kill: int = 0) -> int:
    """Run `tito update` in a process of its own; return how it ended, as `os.waitpid` says it."""
    child = os.fork()
    if not child:
        os.chdir(root)
        if kill:
            kill_at(kill, root)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                main(["update"])
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        os._exit(99)
    return os.waitpid(child, 0)[1]


def files(root: Path) -> dict[str, str]:
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    kept = {name: path for name, path in found.items() if not name.startswith((".tito/backups/", ".tito/update/"))}
    return {name: path.read_bytes().hex() for name, path in kept.items() if "/.unfinished-" not in name}


def run(root: Path, copies: Path, cell: str) -> list[dict[str, Any]]:
    seen = []
    for number in range(1, 1000):
        copy = copies / str(number)
        shutil.copytree(root, copy)
        killed = os.WIFSIGNALED(update(copy, number))
        between = files(copy)
        if cell and killed:
            with (copy / LESSON).open("a", encoding="utf-8") as lesson:
                lesson.write(cell)
        ended = update(copy)
        left = sorted(path.name for path in (copy / ".tito").iterdir())
        seen.append({"killed": killed, "between": between, "ended": ended, "after": files(copy), "left": left})
        if not killed:
            break
        shutil.rmtree(copy)
    return seen


if __name__ == "__main__":
    root, copies, cell = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    wheel = make_wheel(copies / "wheel")  # building it is not what is tested, and takes most of the time

    def make_it(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(wheel, folder / wheel.name))

    work.make_wheel = make_it
    print(json.dumps(run(root, copies, cell)))
