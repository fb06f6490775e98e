"""Which `tinytorch` answers: run as ``python -m tito.answering`` in a process of its own, it prints what it found.

It prints two lines of JSON: where the package is and what installed it, then, after importing it, what went wrong.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
import traceback
from pathlib import Path


def engine() -> str | None:
    """Return the path of the `tinytorch` that is imported, or would be, without importing it."""
    module = sys.modules.get("tinytorch")
    spec = module.__spec__ if module else importlib.util.find_spec("tinytorch")
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def owner() -> str:
    """Return what installed `tinytorch`: found by its record, or, in editable form, by the folder it points to."""
    found = [d for d in importlib.metadata.distributions() if d.metadata["Name"].startswith("tinytorch-")]
    return " and ".join(f"{d.metadata['Name']} {d.version}" for d in found if d.metadata["Name"] != "tinytorch-tito")


def version(name: str) -> str:
    """Return the installed version of a distribution, or nothing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def import_problem() -> dict[str, str]:
    """Import `tinytorch`; return what it raised, and the last of its files that was at work then."""
    try:
        importlib.import_module("tinytorch")
    except BaseException as error:  # whatever a learner's file does, it is what the doctor has to tell
        package = Path(engine() or ".").parent
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        inside = [Path(file) for file in files if Path(file).is_relative_to(package)]
        shown = (Path("tinytorch") / inside[-1].relative_to(package)).as_posix() if inside else ""
        return {"error": f"{type(error).__name__}: {error}", "file": shown}
    return {"error": "", "file": ""}


def main() -> None:
    """Print the two lines."""
    print(json.dumps({"path": engine(), "owner": owner(), "numpy": version("numpy")}), flush=True)
    if engine():
        problem = json.dumps(import_problem())
        print(f"\n{problem}", flush=True)  # on a line of its own, whatever the import has printed


if __name__ == "__main__":
    main()
