"""A mirror on this machine, and nothing of the machine's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tinytorch.datasets import _download
from tinytorch.datasets._images import FashionMNIST

from .server import Mirror


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A server that a test fills with files and plans."""
    server = Mirror()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep a test from this machine's own data sets and proxies."""
    for name in ("TINYTORCH_DATA", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(FashionMNIST, "system_folders", ())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than a second for what never comes. Other tests do not, since a busy machine may be slow itself."""
    monkeypatch.setattr(_download, "LIMITS", _download.Limits(connect=0.5, stall=0.4))
