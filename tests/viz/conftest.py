"""A browser without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(
    scope="module"
)  # Playwright keeps an event loop running, which tests of notebooks cannot have around them
def chromium() -> Iterator[Any]:
    """Return a browser; where there is none, the tests that look at pages are skipped."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is installed to open the pages in")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed to drive the browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium: Any) -> Iterator[Any]:
    """Return a page without a network, which must not complain and not ask for anything but the file."""
    context = chromium.new_context(offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
    yield page
    context.close()
    assert complaints == []
