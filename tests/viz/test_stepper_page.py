"""The stepper's page in a real browser, without a network: buttons, keys, numbers, errors, and the notebook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.core.autograd import MulBackward
from tinytorch.core.losses import MSELoss
from tinytorch.viz._steps import Stepper


def leaf(data: Any) -> Tensor:
    return Tensor(data, requires_grad=True, dtype=np.float64)


def diamond() -> Stepper:
    x, y = leaf(2.0), leaf(3.0)
    return (x * y + x).graph().step()


def network() -> tuple[list[Tensor], Tensor]:
    rng = np.random.default_rng(0)
    x, w, b = (leaf(rng.standard_normal(shape)) for shape in [(3, 2), (2, 3), (3,)])
    return [x, w, b], MSELoss()((x @ w + b).exp(), Tensor(np.ones((3, 3)), dtype=np.float64))


@pytest.fixture
def opened(browser_page: Any, tmp_path: Path) -> Any:
    """Return a function that saves a stepper and opens its page."""

    def open_page(stepper: Stepper) -> Any:
        path = tmp_path / "steps.html"
        stepper.save(path)
        browser_page.goto(path.as_uri())
        return browser_page

    return open_page


def shown(page: Any) -> str:
    """Return the sentence of the step that is shown."""
    return str(page.locator("#says").inner_text())


def position(page: Any) -> int:
    return int(re.match(r"Step (\d+) of", shown(page))[1]) - 1  # type: ignore[index]


def numbers(page: Any, card: Any) -> list[float]:
    """Return the numbers of a term, all digits."""
    return [float(text) for text in card.locator(".number").evaluate_all("all => all.map(e => e.title)")]


def test_buttons_step_to_the_end_and_back(opened):
    steps = diamond()
    page = opened(steps)
    assert position(page) == 0
    for k, step in enumerate(steps.steps[1:], 1):
        page.get_by_role("button", name="Next step").click()
        assert shown(page) == f"Step {k + 1} of {len(steps)}. {step.says}"
    assert page.get_by_role("button", name="Next step").is_disabled()
    page.get_by_role("button", name="Previous step").click()
    assert position(page) == len(steps) - 2
    page.get_by_role("button", name="First step").click()
    assert position(page) == 0
    assert page.get_by_role("button", name="Previous step").is_disabled()
    page.get_by_role("button", name="Last step").click()
    assert position(page) == len(steps) - 1


def test_keys_step_too(opened):
    steps = diamond()
    page = opened(steps)
    for k in range(1, len(steps)):
        page.keyboard.press("ArrowRight")
        assert position(page) == k
    page.keyboard.press("ArrowRight")
    assert position(page) == len(steps) - 1
    page.keyboard.press("ArrowLeft")
    assert position(page) == len(steps) - 2
    page.keyboard.press("Home")
    assert position(page) == 0
    page.keyboard.press("End")
    assert position(page) == len(steps) - 1


def test_only_one_step_is_shown_and_all_controls_have_names(opened):
    page = opened(diamond())
    page.keyboard.press("End")
    assert page.locator(".steps > li:visible").count() == 1
    for control in page.locator("button, input, select").all():
        assert control.get_attribute("aria-label")
    assert page.locator("#says").get_attribute("aria-live") == "polite"


def test_a_focused_button_keeps_its_space_bar_and_the_slider_its_arrows(opened):
    page = opened(diamond())
    page.get_by_role("button", name="Next step").focus()
    page.keyboard.press("Space")
    assert position(page) == 1
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert position(page) == 2
    assert page.get_by_role("slider").get_attribute("aria-valuetext") == "step 3 of 6: Backward begins"


def test_all_controls_are_reached_by_tab(opened):
    page = opened(diamond())
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["drawing", "play", "next", "last", "slider", "speed"]


def test_play_goes_to_the_end_and_stops_there(opened, browser_page):
    browser_page.clock.install()
    page = opened(diamond())
    page.locator("#speed").select_option("fast")
    page.get_by_role("button", name="Play").click()
    assert page.get_by_role("button", name="Pause").is_visible()
    page.clock.run_for(700)
    assert position(page) == 1
    page.keyboard.press("Space")  # the button has the focus
    page.clock.run_for(5000)
    assert position(page) == 1
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(20000)
    assert position(page) == 5
    assert page.get_by_role("button", name="Play").is_visible()


def test_the_gradients_shown_are_the_engines(opened):
    leaves, loss = network()
    page = opened(loss.graph().step())
    page.keyboard.press("End")
    rows = page.locator(".steps > li.current .after").all()
    found = {row.locator("figcaption").inner_text(): numbers(page, row) for row in rows}
    loss.backward()
    assert len(found) == 3
    expected = [t.grad.data.ravel().tolist() for t in leaves]
    assert sorted(found.values()) == sorted(expected)


def test_gradients_appear_in_the_drawing_as_they_arrive(opened):
    page = opened(diamond())
    labels = page.locator(".layer .gradient text")
    page.keyboard.press("ArrowRight")
    assert labels.count() == 0
    counts = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        counts.append(sorted(labels.all_text_contents()))
    assert counts == [["1"], ["1", "1", "1"], ["1", "1", "1", "2", "3", "sum 4"]]
    assert page.locator(".layer .mark").count() == 1


def test_the_memory_bar_empties(opened):
    page = opened(diamond())
    page.keyboard.press("ArrowRight")
    assert page.locator("#held").inner_text() == "16 bytes"
    page.keyboard.press("End")
    assert page.locator("#held").inner_text() == "0 bytes"
    assert page.locator("#filled").evaluate("e => e.style.transform") == "scaleX(0)"


def test_a_click_on_a_node_goes_to_its_step(opened):
    steps = diamond()
    page = opened(steps)
    page.keyboard.press("End")
    page.locator(f'.drawing [data-id="{steps.backward[1].node}"]').click()
    assert position(page) == 4


def test_an_error_is_the_last_step(opened, monkeypatch):
    def apply(self, grad):
        raise ValueError("a <b> & not c")

    monkeypatch.setattr(MulBackward, "apply", apply)
    page = opened(diamond())
    page.keyboard.press("End")
    assert shown(page).endswith("Here it stopped: ValueError: a <b> & not c")
    assert "ValueError: a <b> & not c" in page.locator(".current .problem").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_narrow_window(opened, browser_page, scheme):
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.set_viewport_size({"width": 400, "height": 700})
    _, loss = network()
    page = opened(loss.graph().step())
    for _ in range(9):
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.keyboard.press("ArrowRight")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(opened, browser_page, scheme):
    """WCAG asks for a contrast of 4.5."""
    browser_page.emulate_media(color_scheme=scheme)
    page = opened(diamond())
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(CONTRAST) >= 4.5


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255)).reduce((s, v, i) => s + v * WEIGHTS[i], 0);
  const WEIGHTS = [0.2126, 0.7152, 0.0722];
  const behind = (e) => {
    const colour = rgb(getComputedStyle(e).backgroundColor);
    return colour[3] === 0 ? behind(e.parentElement) : colour;
  };
  const ratio = (e) => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const texts = [...document.querySelectorAll("h1, h2, h3, p, .current span, .current figcaption, #held, select")];
  return Math.min(...texts.filter((e) => e.offsetParent && e.innerText.trim()).map(ratio));
}"""


def test_without_scripts_every_step_is_there(chromium: Any, tmp_path: Path):
    steps = diamond()
    path = tmp_path / "steps.html"
    steps.save(path)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator(".steps > li:visible").count() == len(steps)
    assert not page.locator(".controls").is_visible()
    context.close()


def test_the_page_needs_nothing_else(tmp_path: Path):
    path = tmp_path / "steps.html"
    diamond().save(path)
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.findall(r"(?:src|href)=", text)


def test_it_steps_in_a_notebook(chromium: Any, tmp_path: Path):
    import nbformat
    from nbclient import NotebookClient

    code = (
        "from tinytorch import Tensor\nx, y = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)\n"
        "(x * y + x).graph().step()"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert "x.grad = 4" in output.data["text/plain"]
    path = tmp_path / "output.html"
    path.write_text(f"<!DOCTYPE html><body>{output.data['text/html']}</body>", encoding="utf-8")
    page = chromium.new_page()
    page.goto(path.as_uri())
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Last step").click()
    assert "x.grad = 4" in frame.locator("#says").inner_text()
    page.close()
