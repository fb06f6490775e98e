"""What the pages say is true: examples run, tables agree with the course, links lead somewhere, commands exist."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

import click
import pytest

from tito.cli import cli
from tito.commands.milestone.list import numbers
from tito.course import read_course
from tito.milestones import read_milestones

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("modules/*/README.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
COURSE = tomllib.loads((ROOT / "modules/course.toml").read_text(encoding="utf-8"))["module"]


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestParser().get_doctest(README.replace("\n```", "\n\n```"), {}, "README.md", "README.md", 0)
    assert len(examples.examples) > 5
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_the_readmes_table_is_the_course():
    rows = re.findall(r"^\| (\d\d) \| \[(.+?)\]\((.+?)\) \| (.+?) \| (\d) h \|$", README, re.MULTILINE)
    written = [row for row in COURSE if row.get("hours")]
    assert rows == [
        (f"{m['number']:02}", m["title"], f"modules/{m['folder']}/README.md", m["can"], str(m["hours"]))
        for m in written
    ]
    for module in COURSE:
        assert module in written or module["folder"].replace("_", " ") in " ".join(README.split())


def test_the_readmes_milestones_are_those_of_the_table():
    rows = re.findall(r"^\| (\d{4}) \| \[.+?\]\((.+?)\): .+ \| ([\d, -]+) \|$", README, re.MULTILINE)
    course = read_course(ROOT / "modules/course.toml")
    assert rows == [(str(m.year), m.program, numbers(list(m.modules(course)))) for m in read_milestones(ROOT)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page):
    for words in re.findall(
        r"(?:`|^\$ |^ {4})(?:\./)?tito ([a-z][a-z ]*)", page.read_text(encoding="utf-8"), re.MULTILINE
    ):
        command: click.Command = cli
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"tito {words}"
            command = found
