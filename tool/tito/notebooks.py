"""The notebook beside a lesson: made from it, and taken back into it, with nothing lost on either side."""

from __future__ import annotations

import difflib
import importlib
import itertools
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from tito.backups import keep, shown
from tito.course import Module
from tito.errors import TitoError
from tito.export import read_lesson
from tito.files import write_atomically
from tito.lesson import CELL
from tito.memory import fingerprint, recall, remember

_FORMAT = "py:percent"


def notebook_path(root: Path, module: Module) -> Path:
    """Return where a module's notebook is."""
    return (root / module.lesson).with_suffix(".ipynb")


def check_taken_back(root: Path, module: Module) -> None:
    """Raise an error if the notebook holds changes that the lesson does not have yet; reads no Jupytext."""
    path = notebook_path(root, module)
    if path.exists() and _facts(root, module).get("notebook") != _cells_fingerprint(_read(path)):
        raise TitoError(
            f"{path.name} holds changes that the lesson does not have yet.",
            f"`tito notebook {module.number:02} --no-open` takes them back; then run this again.",
        )


def synchronize(root: Path, module: Module) -> str:
    """Bring lesson and notebook together; return what was done.

    Raises
    ------
    TitoError
        If both have changed since they were the same, or the notebook does not parse, or a lesson cannot say what is
        in it. Nothing is written then.
    """
    path, lesson = notebook_path(root, module), read_lesson(root, module)
    name = path.relative_to(root).as_posix()
    if not path.exists():
        _write(root, module, lesson.text, None)
        return f"Wrote {name}."
    facts, notebook = _facts(root, module), _read(path)
    lesson_changed = facts.get("lesson") != fingerprint(lesson.text)
    notebook_changed = facts.get("notebook") != _cells_fingerprint(notebook)
    if notebook_changed and _cells_fingerprint(notebook) == _cells_fingerprint(_to_notebook(lesson.text)):
        _remember(root, module, lesson.text, notebook)
        return f"{name} and the lesson say the same."
    if lesson_changed and notebook_changed:
        raise TitoError(
            f"{module.lesson} and its notebook have both changed since they were the same, so neither is overwritten.",
            f"Keep both: rename {path.name}, run `tito notebook {module.number:02}`, then copy what you need across.",
        )
    if lesson_changed:
        folder = keep(root, module, path)
        _write(root, module, lesson.text, notebook)
        return f"Wrote {name}: the lesson had changed. The old notebook is in {shown(root, folder)}"
    if notebook_changed:
        text = taken_back(lesson.text, notebook)
        _check_same(text, notebook, path.name)
        folder = keep(root, module, root / module.lesson)
        write_atomically(root / module.lesson, text)
        _remember(root, module, text, notebook)
        return f"Took the notebook's changes back into {module.lesson}. The old lesson is in {shown(root, folder)}"
    return f"{name} and the lesson say the same."


def taken_back(text: str, notebook: Any) -> str:
    """Return a lesson's text with a notebook's cells; a cell that did not change keeps every byte.

    Parameters
    ----------
    text
        The lesson that the notebook was made from.
    notebook
        The notebook as parsed JSON.
    """
    head, chunks = _chunks(text)
    before = [_key(cell) for cell in _to_notebook(text)["cells"]]
    after = [_key(cell) for cell in notebook["cells"]]
    if len(before) == len(chunks) + 1 and head.strip():  # to Jupytext, what stands before the first cell is one too
        head, chunks = "", [head, *chunks]
    if len(before) != len(chunks):
        raise TitoError(
            "the lesson does not have the cells that Jupytext sees in it, so the notebook was not taken back.",
            "Look for a line `# %%` inside a string; or copy your answers across by hand.",
        )
    parts = [head]
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            parts += chunks[a:b]
            continue
        for i, cell in enumerate(after[c:d]):
            old = chunks[a + i] if a + i < b else ""
            parts.append(_render(cell) + _gap(old, exact=b - a == d - c))
    return "".join(parts).rstrip("\n") + "\n"


def _check_same(text: str, notebook: Any, name: str) -> None:
    """Make sure that a lesson's text says what its notebook says; only spaces at a cell's end may differ.

    Raises
    ------
    TitoError
        If a cell would read otherwise.
    """
    wanted, got = ([_key(cell) for cell in each["cells"]] for each in (notebook, _to_notebook(text)))
    for number, (want, have) in enumerate(itertools.zip_longest(wanted, got, fillvalue=("", "", ())), 1):
        if CELL.search(want[1]) or (want[0], want[1].rstrip(), want[2]) != (have[0], have[1].rstrip(), have[2]):
            begins = textwrap.shorten(want[1], 60, placeholder=" ...")
            raise TitoError(
                f"cell {number} of {name} would read otherwise in the lesson, so nothing was taken back: {begins!r}.",
                "A line that begins with `# %%` opens a cell in a lesson; write it otherwise, or split the cell there.",
            )


def _chunks(text: str) -> tuple[str, list[str]]:
    """Cut a lesson before each cell; return what stands before the first, and the cells with what follows them."""
    starts = [match.start() for match in CELL.finditer(text)]
    return text[: starts[0]] if starts else text, [
        text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)
    ]


def _gap(chunk: str, exact: bool) -> str:
    """Return the line ends after a cell: those that its old text has, or a blank line before a cell that is new."""
    ends = chunk[len(chunk.rstrip("\n")) :]
    return ends if exact or len(ends) > 1 else "\n\n"


def _render(cell: tuple[str, str, tuple[str, ...]]) -> str:
    """Return a cell as percent text, without the line ends after it."""
    kind, source, tags = cell
    label = f" tags={json.dumps(list(tags))}" if tags else ""
    if kind == "markdown" and '"""' not in source and "\\" not in source:
        return f'# %% [markdown]{label}\n"""\n{source}\n"""'
    jupytext = _jupytext()
    one = jupytext.reads("", fmt=_FORMAT)
    one["cells"] = [_cell(kind, source, tags)]
    options = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all"}
    one["metadata"] = {"jupytext": options}
    return str(jupytext.writes(one, fmt=_FORMAT)).rstrip("\n")


def _cell(kind: str, source: str, tags: tuple[str, ...]) -> Any:
    from nbformat import from_dict

    make: Any = from_dict  # it has no types
    extra: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return make({"cell_type": kind, "source": source, "metadata": {"tags": list(tags)} if tags else {}, **extra})


def _jupytext() -> Any:
    """Return the module, imported only now: it takes longer than everything else here."""
    try:
        return importlib.import_module("jupytext")
    except ModuleNotFoundError:
        raise TitoError(
            "notebooks need Jupytext, which is not installed.", f"Run `{sys.executable} -m pip install jupytext`."
        ) from None


def _to_notebook(text: str) -> Any:
    notebook = _jupytext().reads(text, fmt=_FORMAT)
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number}"  # the same lesson always makes the same notebook
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key == "tags"}
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _write(root: Path, module: Module, text: str, old: Any) -> None:
    """Write the notebook of a lesson; cells that did not change keep the outputs and pictures they have in `old`."""
    notebook = _to_notebook(text)
    before = {_key(cell): cell for cell in (old or {}).get("cells", ())}
    for cell in notebook["cells"]:
        kept = before.get(_key(cell), {})
        cell.update({part: kept[part] for part in ("outputs", "execution_count", "attachments") if part in kept})
    path = notebook_path(root, module)
    write_atomically(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    _remember(root, module, text, notebook)


def _read(path: Path) -> Any:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            _key(cell)
    except (ValueError, KeyError, TypeError):
        raise TitoError(
            f"{path.name} is not a notebook that Jupyter could read.",
            "Move it away; `tito notebook` makes a new one from the lesson.",
        ) from None
    return notebook


def _key(cell: Any) -> tuple[str, str, tuple[str, ...]]:
    """Return what a cell says: its kind, its text and its tags, without outputs or numbers."""
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    return cell["cell_type"], text, tuple(cell.get("metadata", {}).get("tags", ()))


def _cells_fingerprint(notebook: Any) -> str:
    return fingerprint(json.dumps([_key(cell) for cell in notebook["cells"]]))


def _facts(root: Path, module: Module) -> dict[str, str]:
    return recall(root, "notebooks", dict).get(module.folder, {})


def _remember(root: Path, module: Module, text: str, notebook: Any) -> None:
    remember(root, "notebooks", module.folder, {"lesson": fingerprint(text), "notebook": _cells_fingerprint(notebook)})
