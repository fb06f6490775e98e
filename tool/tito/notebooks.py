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
_MARK = "\ufeff"  # what some editors put before the first letter of a file
_OPENS = {"code": "# %%", "markdown": "# %% [markdown]", "raw": "# %% [raw]"}
# Jupytext ends a line at each of these; while it works, letters that no text has stand in for them.
_LINE_ENDS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_HIDE = {ord(end): 0xF0000 + number for number, end in enumerate(_LINE_ENDS)}
_SHOW = {letter: end for end, letter in _HIDE.items()}

Key = tuple[str, str, tuple[str, ...]]


def notebook_path(root: Path, module: Module) -> Path:
    """Return where a module's notebook is."""
    return (root / module.lesson).with_suffix(".ipynb")


def check_taken_back(root: Path, module: Module) -> None:
    """Raise an error if the notebook holds changes that the lesson does not have yet; reads no Jupytext."""
    if _has_changes(root, module):
        raise TitoError(
            f"{notebook_path(root, module).name} holds changes that the lesson does not have yet.",
            f"`tito notebook {module.number:02} --no-open` takes them back; then run this again.",
        )


def take_back(root: Path, module: Module) -> str:
    """Take a notebook's changes back into its lesson, if there are any; return what was done, or nothing."""
    return synchronize(root, module) if _has_changes(root, module) else ""


def saved_cells(root: Path, module: Module) -> list[str]:
    """Return the text of each cell of a module's notebook, as it was saved last."""
    return [_key(cell)[1] for cell in _read(notebook_path(root, module))["cells"]]


def _has_changes(root: Path, module: Module) -> bool:
    path = notebook_path(root, module)
    return path.exists() and _facts(root, module).get("notebook") != _cells_fingerprint(_read(path))


def synchronize(root: Path, module: Module) -> str:
    """Bring lesson and notebook together; return what was done.

    Raises
    ------
    TitoError
        If both have changed since they were the same, or the notebook does not parse, or a lesson cannot say what is
        in it, or a file cannot be written. Nothing is written then.
    """
    path, lesson = notebook_path(root, module), read_lesson(root, module)
    name = path.relative_to(root).as_posix()
    if not path.exists():
        _write(root, module, lesson.text, {})
        return f"Wrote {name}."
    facts, notebook = _facts(root, module), _read(path)
    lesson_changed = facts.get("lesson") != fingerprint(lesson.text)
    notebook_changed = facts.get("notebook") != _cells_fingerprint(notebook)
    if notebook_changed and _cells_fingerprint(notebook) == _cells_fingerprint(as_notebook(lesson.text)):
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
        return (
            f"Wrote {name}: the lesson had changed. Where it is open, reload it. "
            f"The old notebook is in {shown(root, folder)}"
        )
    if notebook_changed:
        text = taken_back((root / module.lesson).read_bytes().decode("utf-8"), notebook)
        _check_same(text, notebook, path.name)
        folder = keep(root, module, root / module.lesson)
        _put(root / module.lesson, text)
        _remember(root, module, read_lesson(root, module).text, notebook)
        return f"Took the notebook's changes back into {module.lesson}. The old lesson is in {shown(root, folder)}"
    return f"{name} and the lesson say the same."


def taken_back(text: str, notebook: Any) -> str:
    """Return a lesson's text with a notebook's cells; a cell that did not change keeps every byte.

    Parameters
    ----------
    text
        The lesson that the notebook was made from, with the line ends that it has in its file.
    notebook
        The notebook as parsed JSON.
    """
    if text.startswith(_MARK):
        return _MARK + taken_back(text.removeprefix(_MARK), notebook)
    head, chunks = _chunks(text)
    before = [_key(cell) for cell in as_notebook(text)["cells"]]
    if len(chunks) != len(before):
        raise TitoError(
            "the lesson does not have the cells that Jupytext sees in it, so the notebook was not taken back.",
            "Look for a line `# %%` inside a string; or copy your answers across by hand.",
        )
    after = [_key(cell) for cell in notebook["cells"]]
    if chunks and not CELL.match(chunks[0]) and after[:1] != before[:1]:
        before[0] = ("", "", ())  # words before the first cell, which need a line that opens theirs elsewhere
    line_end = "\r\n" if "\r\n" in text else "\n"
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    apart = [*chunks[:-1], *(_body(chunk) + 2 * line_end for chunk in chunks[-1:])]  # the last one has no gap below
    away = [i for kind, a, b, _, _ in changes if kind != "equal" for i in range(a, b)]
    gone = {before[i]: apart[i] for i in away if CELL.match(chunks[i])}
    parts: list[str] = []
    for kind, a, b, c, d in changes:
        if kind == "equal":
            parts += chunks[a:b] if d == len(after) else apart[a:b]
            continue
        for i, cell in enumerate(notebook["cells"][c:d]):
            end = _end(chunks[a + i]) if b - a == d - c else 2 * line_end
            rendered = _render(cell).replace("\n", line_end) + end
            parts.append(gone.get(_key(cell), rendered))  # a cell that was moved
    if parts and changes[-1][0] != "equal":
        parts[-1] = _body(parts[-1]) + line_end
    return head + "".join(parts)


def _check_same(text: str, notebook: Any, name: str) -> None:
    """Make sure that a lesson's text says what its notebook says; only spaces at a cell's end may differ.

    Raises
    ------
    TitoError
        If a cell would read otherwise.
    """
    wanted, got = ([_key(cell) for cell in each["cells"]] for each in (notebook, as_notebook(text)))
    for number, (want, have) in enumerate(itertools.zip_longest(wanted, got, fillvalue=("", "", ())), 1):
        if CELL.search(want[1]) or (want[0], want[1].rstrip(), want[2]) != (have[0], have[1].rstrip(), have[2]):
            begins = textwrap.shorten(want[1], 60, placeholder=" ...")
            raise TitoError(
                f"cell {number} of {name} would read otherwise in the lesson, so nothing was taken back: {begins!r}.",
                "A line that begins with `# %%` opens a cell in a lesson, and a string that is not closed goes on "
                "in the next cell: write it otherwise.",
            )


def _chunks(text: str) -> tuple[str, list[str]]:
    """Cut a lesson before each cell; return what stands before the first, and the cells with what follows them.

    Words before the first cell are a cell too, as Jupytext has it, unless all they do is set it up.
    """
    starts = [match.start() for match in CELL.finditer(text)]
    head = text[: starts[0]] if starts else text
    chunks = [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]
    if len(_read_percent(text)["cells"]) == len(chunks) + 1 and head.strip():
        return "", [head, *chunks]
    return head, chunks


def _body(chunk: str) -> str:
    """Return a cell without the line ends after it."""
    return chunk.rstrip("\r\n")


def _end(chunk: str) -> str:
    """Return the line ends after a cell."""
    return chunk[len(_body(chunk)) :]


def _render(cell: Any) -> str:
    """Return a cell as percent text, without the line ends after it."""
    kind, source, tags = _key(cell)
    opens, quotes = _written(cell)
    magic = "# %" in source  # Jupytext takes such a line in a comment for a command of the notebook
    if kind != "code" and (quotes != "#" or magic) and '"""' not in source:
        quotes = _quotes(source) if quotes in ('"""', "#") else quotes
        return f'{opens}\n{quotes}\n{source}\n"""'
    jupytext = _jupytext()
    one = jupytext.reads("", fmt=_FORMAT)
    one["cells"] = [_cell(kind, source.translate(_HIDE), tags)]
    options = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"}
    one["metadata"] = {"jupytext": options}
    text = _body(str(jupytext.writes(one, fmt=_FORMAT))).translate(_SHOW)
    _, line_end, body = text.partition("\n")  # its own opening line, which it indents as the code is
    return opens + line_end + body


def _quotes(prose: str) -> str:
    """Return what prose usually stands in: a backslash would begin an escape in a plain string."""
    return 'r"""' if "\\" in prose else '"""'


def _opens(kind: str, tags: tuple[str, ...]) -> str:
    return _OPENS[kind] + (f" tags={json.dumps(list(tags))}" if tags else "")


def _written(cell: Any) -> tuple[str, str]:
    """Return the line that opens a cell, and what its prose stands in: three quotes, or ``#`` before each line.

    A cell remembers how it was written where that is not the usual way: with a title, for example.
    """
    kind, _, tags = _key(cell)
    usual, own = _opens(kind, tags), cell.get("metadata", {}).get("lesson")
    if isinstance(own, dict) and own.get("usual") == usual:
        return str(own.get("opens", usual)), str(own.get("quotes", '"""'))
    return usual, '"""'


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


def _read_percent(text: str) -> Any:
    return _jupytext().reads(text.replace("\r\n", "\n").translate(_HIDE), fmt=_FORMAT)


def as_notebook(text: str) -> Any:
    """Return a lesson as a notebook; the same lesson always makes the same one."""
    text = text.removeprefix(_MARK)
    notebook, (_, chunks) = _read_percent(text), _chunks(text)
    same = len(chunks) == len(notebook["cells"])
    for number, cell in enumerate(notebook["cells"]):
        read = cell["metadata"]
        cell["id"] = f"cell-{number}"
        cell["source"] = cell["source"].translate(_SHOW)
        cell["metadata"] = {"tags": read["tags"]} if "tags" in read else {}
        if same and CELL.match(chunks[number]):
            usual, opens = _opens(cell["cell_type"], _key(cell)[2]), chunks[number].split("\n")[0].rstrip("\r")
            code, usually = cell["cell_type"] == "code", _quotes(cell["source"])
            quotes = usually if code else read.get("cell_marker", "#")
            if opens != usual or quotes != usually:
                cell["metadata"]["lesson"] = {"usual": usual, "opens": opens, "quotes": quotes}
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _write(root: Path, module: Module, text: str, old: Any) -> None:
    """Write the notebook of a lesson; cells that did not change keep all that they have in `old`."""
    notebook = as_notebook(text)
    before: dict[Key, list[Any]] = {}
    for cell in old.get("cells", ()):
        before.setdefault(_key(cell), []).append(cell)
    kept = [before[_key(cell)].pop(0) if before.get(_key(cell)) else None for cell in notebook["cells"]]
    names = {cell.get("id") for cell in kept if cell}
    free = (name for name in map("cell-{}".format, itertools.count()) if name not in names)
    for cell, own in zip(notebook["cells"], kept, strict=True):
        cell["id"] = (own or {}).get("id") or next(free)
        if own:
            cell.update({part: own[part] for part in ("outputs", "execution_count", "attachments") if part in own})
            cell["metadata"] = {**own.get("metadata", {}), **cell["metadata"]}
    notebook["metadata"].update(old.get("metadata", {}))  # the kernel that was chosen, for example
    _put(notebook_path(root, module), json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    _remember(root, module, text, notebook)


def _put(path: Path, text: str) -> None:
    try:
        write_atomically(path, text)
    except PermissionError:
        raise TitoError(
            f"{path.name} could not be written, so it is as it was.",
            "Another program may hold it open: close it there and run this again. "
            "If not, `tito doctor` looks at what may be written.",
        ) from None


def _read(path: Path) -> Any:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            _key(cell)
    except (ValueError, KeyError, TypeError):
        raise TitoError(
            f"{path.name} is not a notebook that Jupyter could read.",
            "If it is being saved just now, run this again. If not, move it away: "
            "`tito notebook` makes a new one from the lesson.",
        ) from None
    return notebook


def _key(cell: Any) -> Key:
    """Return what a cell says: its kind, its text and its tags, without outputs or numbers."""
    source = cell["source"]
    text = source if isinstance(source, str) else "".join(source)
    return cell["cell_type"], text.replace("\r\n", "\n"), tuple(cell.get("metadata", {}).get("tags", ()))


def _cells_fingerprint(notebook: Any) -> str:
    return fingerprint(json.dumps([_key(cell) for cell in notebook["cells"]]))


def _facts(root: Path, module: Module) -> dict[str, str]:
    return recall(root, "notebooks", dict).get(module.folder, {})


def _remember(root: Path, module: Module, text: str, notebook: Any) -> None:
    remember(root, "notebooks", module.folder, {"lesson": fingerprint(text), "notebook": _cells_fingerprint(notebook)})
