"""The locked requirements: pinned, hashed, complete, and free of addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

LOCKS = ("requirements.txt", "requirements-dev.txt")
PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[0-9][^ ]*)(?: ; [^\\]+)? \\\n(?P<hashes>(?:    --hash=.*\n)+)",
    re.MULTILINE,
)


def pins(path: Path) -> set[tuple[str, str]]:
    """Return name and version of every requirement."""
    return {(match["name"], match["version"]) for match in PIN.finditer(path.read_text())}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_a_hash_or_a_remark(repository: Path, lock: str) -> None:
    text = (repository / lock).read_text()
    rest = [line for line in PIN.sub("", text).splitlines() if not line.lstrip().startswith("#")]
    assert rest == []
    for match in PIN.finditer(text):
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", match["hashes"]), match["name"]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_and_no_path(repository: Path, lock: str) -> None:
    text = (repository / lock).read_text()
    assert "://" not in text
    assert re.findall(r"(?:^|\s)(?:/|-i|--(?!hash=))\S*", text) == []


def test_both_locks_agree(repository: Path) -> None:
    assert pins(repository / "requirements.txt") < pins(repository / "requirements-dev.txt")


def test_whatever_is_asked_for_is_locked(repository: Path) -> None:
    framework, tool = (
        tomllib.loads((repository / path).read_text()) for path in ("pyproject.toml", "tool/pyproject.toml")
    )
    runtime = framework["project"]["dependencies"] + tool["project"]["dependencies"]
    development = framework["dependency-groups"]["dev"]
    for asked, lock in ((runtime, "requirements.txt"), (runtime + development, "requirements-dev.txt")):
        locked = {name for name, _ in pins(repository / lock)}
        assert {re.match(r"[A-Za-z0-9-]+", requirement)[0].lower() for requirement in asked} <= locked
