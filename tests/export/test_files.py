"""Writing exported files: what is overwritten, what is refused, and what an interruption leaves."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tito.course import Course, Module
from tito.errors import TitoError
from tito.export import Export, export_of, first_line, header, loan_header, names_of, read_lesson, strays
from tito.files import write_atomically

DEMO = Module(1, "01_demo", "Demo", hours=1, adds={"tinytorch": ("double",), "tinytorch.nn": ("Double",)})
PLANNED = Module(2, "02_later", "Later")
COURSE = Course((DEMO, PLANNED))
LESSON = "# %%\n#| default_exp core.demo\n# %%\n#| export\ndef double(x):\n    return x + x\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one lesson, not exported yet."""
    (tmp_path / "modules/01_demo").mkdir(parents=True)
    (tmp_path / DEMO.lesson).write_text(LESSON, encoding="utf-8")
    (tmp_path / "tinytorch/core").mkdir(parents=True)
    (tmp_path / "tinytorch/core/__init__.py").touch()
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_nothing_is_written_before_write(root: Path) -> None:
    before = files(root)
    export = export_of(root, DEMO)
    assert export.changed
    assert export.current is None
    assert files(root) == before


def test_write_writes_once(root: Path) -> None:
    assert export_of(root, DEMO).write() is True
    path = root / "tinytorch/core/demo.py"
    assert path.read_bytes() == export_of(root, DEMO).text.encode()
    assert first_line(path) == f"# Exported from {DEMO.lesson} by tito export; edit it there."
    written = path.stat()
    assert not export_of(root, DEMO).changed
    assert export_of(root, DEMO).write() is False
    assert path.stat() == written


def test_a_missing_folder_is_made(root: Path) -> None:
    (root / "tinytorch/core/__init__.py").unlink()
    (root / "tinytorch/core").rmdir()
    export_of(root, DEMO).write()
    assert (root / DEMO.exported).exists()


@pytest.mark.parametrize("first", [header(DEMO.lesson), header("modules/01_old/old_dev.py"), loan_header(DEMO)])
def test_files_of_our_own_are_overwritten(root: Path, first: str) -> None:
    (root / DEMO.exported).write_text(f"{first}\nx = 1\n")
    assert export_of(root, DEMO).write() is True
    assert (root / DEMO.exported).read_text() == export_of(root, DEMO).text


@pytest.mark.parametrize(
    "foreign",
    [
        b"x = 1\n",
        b"\n# Exported by hand\n",
        b"\n\nimport math\n",
        b"# Exported from modules/01_demo/demo_dev.py\n",
        b"\xff\xfe not text \x00",
        b" ",
    ],
)
def test_a_file_that_tito_did_not_write_is_refused_and_kept(root: Path, foreign: bytes) -> None:
    (root / DEMO.exported).write_bytes(foreign)
    before = files(root)
    with pytest.raises(TitoError, match=re.escape(f"{DEMO.exported} was not written by tito export")) as caught:
        export_of(root, DEMO).write()
    assert "Move it away" in caught.value.hint
    assert files(root) == before


def test_an_empty_file_is_nobodys(root: Path) -> None:
    (root / DEMO.exported).touch()
    assert export_of(root, DEMO).write() is True


def test_the_diff_shows_both_sides(root: Path) -> None:
    export_of(root, DEMO).write()
    assert export_of(root, DEMO).diff() == ""
    (root / DEMO.lesson).write_text(LESSON.replace("x + x", "2 * x"))
    lines = export_of(root, DEMO).diff().splitlines()
    assert "-    return x + x" in lines
    assert "+    return 2 * x" in lines
    assert lines[0] == f"--- {DEMO.exported}"


def test_the_diff_of_a_new_file_adds_every_line(root: Path) -> None:
    export = export_of(root, DEMO)
    added = [line[1:] for line in export.diff().splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert added == export.text.splitlines()


def test_an_export_to_another_name_is_refused(root: Path) -> None:
    (root / DEMO.lesson).write_text(LESSON.replace("core.demo", "core.memo"))
    with pytest.raises(TitoError, match=re.escape(f"{DEMO.lesson} exports to core.memo, but 01_demo is core.demo.")):
        export_of(root, DEMO)


def test_a_missing_lesson_says_how_it_comes_back(root: Path) -> None:
    (root / DEMO.lesson).unlink()
    with pytest.raises(TitoError, match=re.escape(f"{DEMO.lesson} is missing.")) as caught:
        read_lesson(root, DEMO)
    assert "tito module reset 01" in caught.value.hint


def test_a_lesson_that_is_not_text_says_so(root: Path) -> None:
    (root / DEMO.lesson).write_bytes(b"# %%\n\xff\xfe\n")
    with pytest.raises(TitoError, match=re.escape(f"{DEMO.lesson}, line 2: byte 0xff is not UTF-8 text.")) as caught:
        read_lesson(root, DEMO)
    assert "tito module reset 01" in caught.value.hint


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_an_empty_lesson_says_so(root: Path, text: str) -> None:
    (root / DEMO.lesson).write_text(text)
    with pytest.raises(TitoError, match=re.escape(f"{DEMO.lesson} is empty.")):
        read_lesson(root, DEMO)


@pytest.mark.parametrize("text", ["", "# %% [mark", LESSON[:60], LESSON[:-15], LESSON + "### BEGIN SOLUTION\n"])
def test_a_half_written_lesson_is_one_clear_error(root: Path, text: str) -> None:
    (root / DEMO.lesson).write_text(text)
    with pytest.raises(TitoError, match=re.escape(DEMO.lesson)):
        export_of(root, DEMO)


def test_windows_line_ends_change_nothing(root: Path) -> None:
    text = export_of(root, DEMO).text
    (root / DEMO.lesson).write_bytes(LESSON.replace("\n", "\r\n").encode())
    assert export_of(root, DEMO).text == text


# Interruptions


def test_an_export_that_cannot_be_renamed_leaves_the_old_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_of(root, DEMO).write()
    (root / DEMO.lesson).write_text(LESSON.replace("x + x", "2 * x"))
    before = files(root)

    def fails(source: object, target: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no space left"):
        export_of(root, DEMO).write()
    assert files(root) == before


@pytest.mark.parametrize("interruption", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    path = tmp_path / "file.py"
    path.write_text("old\n")

    def fails(name: object, mode: int) -> None:
        raise interruption

    monkeypatch.setattr(os, "chmod", fails)
    with pytest.raises(interruption):
        write_atomically(path, "new\n")
    assert files(tmp_path) == {"file.py": b"old\n"}


def test_the_new_text_is_whole_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.py"
    path.write_text("old\n")
    seen: list[tuple[str, str]] = []
    replace = os.replace

    def watched(source: str, target: Path) -> None:
        seen.append((Path(source).read_text(), Path(target).read_text()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write_atomically(path, "new\n")
    assert seen == [("new\n", "old\n")]
    assert files(tmp_path) == {"file.py": b"new\n"}


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_permissions_survive(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file.py"
    path.write_text("old\n")
    path.chmod(mode)
    before = path.stat().st_mode
    write_atomically(path, "new\n")
    assert path.stat().st_mode == before


# What no lesson exports


def test_strays_are_files_in_core_that_no_lesson_exports(root: Path) -> None:
    export_of(root, DEMO).write()
    assert strays(root, COURSE) == []
    core = root / "tinytorch/core"
    (core / "old.py").touch()
    (core / "later.py").touch()  # planned, not written
    assert strays(root, COURSE) == [core / "later.py", core / "old.py"]


def test_the_names_file_says_who_builds_what(root: Path) -> None:
    export = names_of(root, COURSE)
    assert isinstance(export, Export)
    assert export.write() is True
    namespace: dict[str, object] = {}
    exec(export.text, namespace)
    assert namespace["BUILT_BY"] == {"tinytorch": {"double": "01_demo"}, "tinytorch.nn": {"Double": "01_demo"}}
    assert first_line(export.path) == header("modules/course.toml")
