"""Runs a milestone on the learner's own package; run as ``python -m tito.playing ORDER``.

It runs in a process of its own, with the terminal of the one that started it. What goes wrong in the program, or in the
learner's code below it, is written to a file, so that it can be told as the tests tell it.
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from tito.drawing import load_package

INTERRUPTED = 130  # how a shell calls the end by Ctrl-C


def main() -> None:
    """Carry out the order in the file that is named on the command line."""
    order: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    root, program = Path(order["root"]), Path(order["program"])
    sys.argv = [str(program), *order["options"]]
    sys.path.insert(0, str(program.parent))  # as Python does for a program
    try:
        load_package(root)
        runpy.run_path(str(program), run_name="__main__")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # whatever a learner's package raises, the tool says it calmly
        sys.stdout.flush()
        Path(order["trouble"]).write_text(json.dumps(_trouble(error, root)), encoding="utf-8")
        sys.exit(1)


def _trouble(error: Exception, root: Path) -> dict[str, Any]:
    """Return what was raised, and the lines of the workspace that it came through, the deepest last."""
    frames = [
        {
            "path": Path(frame.filename).relative_to(root).as_posix(),
            "line": frame.lineno,
            "text": frame.line or "",
            "function": frame.name,
        }
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(root) and ".venv" not in Path(frame.filename).parts
    ]
    return {"came": f"{type(error).__name__}: {error}".removesuffix(": "), "frames": frames}


if __name__ == "__main__":
    main()
