"""The stepper as one HTML page that needs nothing else: all steps in words and numbers, and a script that turns them.

Without the script the page shows every step, one below the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytorch.viz._numbers import MOST_SHOWN, line, number, size, summary
from tinytorch.viz._page import asset, fill
from tinytorch.viz._steps import BackwardStep, ErrorStep, ForwardStep, LeafStep, Outgoing, StartStep, Step
from tinytorch.viz._svg import svg

if TYPE_CHECKING:
    from tinytorch.viz._steps import Stepper

_FRAME_HEIGHT = 720
_FRAME_TITLE = "Forward and back, one rule at a time"
_LONGEST_LABEL = 16  # signs that have room beside an edge
_ICONS = {
    "first": "M2 2h2v12H2zM14 2v12L5 8z",
    "previous": "M12 2v12L3 8z",
    "play": "M3 2v12l11-6z",
    "next": "M4 2v12l9-6z",
    "last": "M12 2h2v12h-2zM2 2v12l9-6z",
}
_LABELS = {"first": "First step", "previous": "Previous step", "play": "Play", "next": "Next step", "last": "Last step"}


def page(stepper: Stepper, title: str, about: str = "", source: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    stepper
        What it shows.
    title, about, source
        Its heading, a sentence below it, and the lines of code that made the graph.
    """
    data = {"total": stepper.total, "steps": [_data(step) for step in stepper.steps]}
    parts = {
        "title": escape(title),
        "about": f"<p>{escape(about)}</p>" if about else "",
        "source": f'<pre class="source">{escape(source)}</pre>' if source else "",
        "style": asset("stepper.css"),
        "script": asset("stepper.js"),
        "data": json.dumps(data).replace("<", "\\u003c"),
        "drawing": svg(stepper.graph, hint=False),
        "controls": "\n".join(_button(name) for name in _LABELS),
        "last": str(len(stepper) - 1),
        "steps": "\n".join(_card(step) for step in stepper.steps),
        "total": size(stepper.total),
    }
    return fill(asset("stepper.html"), parts)


def frame(stepper: Stepper) -> str:
    """Return the page inside a frame, for a notebook: scripts run there, and styles stay inside."""
    text = escape(page(stepper, _FRAME_TITLE), quote=True)
    style = f"width:100%;height:{_FRAME_HEIGHT}px;border:0"
    return f'<iframe title="{_FRAME_TITLE}" style="{style}" srcdoc="{text}"></iframe>'


def _button(name: str) -> str:
    label = _LABELS[name]
    icon = f'<svg viewBox="0 0 16 16" aria-hidden="true"><path d="{_ICONS[name]}"/></svg>'
    if name == "play":
        icon += '<svg class="pause" viewBox="0 0 16 16" aria-hidden="true"><path d="M3 2h4v12H3zM9 2h4v12H9z"/></svg>'
    return f'<button type="button" id="{name}" aria-label="{label}" title="{label}">{icon}</button>'


def _data(step: Step) -> dict[str, Any]:
    """Return what the script needs to know of a step."""
    edges: list[dict[str, Any]] = []
    sums: dict[int, str] = {}
    if isinstance(step, StartStep):
        sums[step.node] = _label(step.gradient)
    if isinstance(step, BackwardStep):
        for out in step.outgoing:
            edges.append({"from": step.node, "to": out.to, "input": out.input, "text": _label(out.gradient)})
            if out.before is not None and out.after is not None:
                sums[out.to] = f"{'sum' if out.adds_up else 'has'} {_label(out.after)}"
    return {
        "node": step.node,
        "phase": _phase(step),
        "title": step.title,
        "says": step.says,
        "held": step.held,
        "holds": size(step.held),
        "edges": edges,
        "sums": sums,
    }


def _phase(step: Step) -> str:
    return "forward" if isinstance(step, ForwardStep) else "backward"


def _label(value: Any) -> str:
    """Return an array as it fits beside an edge."""
    text = line(value)
    return text if len(text) <= _LONGEST_LABEL else "×".join(map(str, np.shape(value)))


def _card(step: Step) -> str:
    wrong = bool(isinstance(step, ErrorStep) or (isinstance(step, BackwardStep) and step.error))
    kind = f"step {_phase(step)}{' wrong' if wrong else ''}"
    head = f'<span class="phase">{_phase(step)}</span><h2>{escape(step.title)}</h2>'
    return f'<li class="{kind}"><header>{head}</header>\n{"".join(_body(step))}</li>'


def _body(step: Step) -> Iterator[str]:
    if isinstance(step, ForwardStep):
        yield from _forward(step)
    elif isinstance(step, BackwardStep):
        yield from _backward(step)
    elif isinstance(step, StartStep):
        yield _sum("", [_term("incoming", "gradient of the result", step.gradient)])
    elif isinstance(step, LeafStep):
        yield from _leaves(step)
    elif isinstance(step, ErrorStep):
        yield _problem("The walk stopped", step.error, step.where)


def _forward(step: ForwardStep) -> Iterator[str]:
    terms = [_term("", given.name or "a constant", given.value) for given in step.inputs if given.value is not None]
    if step.value is not None:
        terms += [_sign("→"), _term("made", step.makes, step.value)]
    if terms:
        yield _sum("", terms)
    yield _released(f"Kept for the way back: {size(step.keeps)}." if step.keeps else "Kept for the way back: nothing.")


def _backward(step: BackwardStep) -> Iterator[str]:
    yield f'<p class="rule">{_code(step.formula)}</p>'
    if not any(out.local is not None for out in step.outgoing):
        yield _sum("", [_term("incoming", "came in", step.incoming)])
    for out in step.outgoing:
        yield _outgoing(step, out)
    if step.error:
        yield _problem("It stopped here", step.error, step.where)
    for note in step.notes:
        yield _problem("Look again", note, "")
    if step.released:
        yield _released(f"The graph lets go of {size(step.released)}.")


def _outgoing(step: BackwardStep, out: Outgoing) -> str:
    terms = []
    if out.local is not None:
        terms += [_term("incoming", "incoming", step.incoming), _sign("×")]
        terms += [_term("local", "local derivative", out.local), _sign("=")]
    if out.product is not None:
        terms += [_term("product", "product", out.product), _sign("→")]
    caption = "summed back" if out.product is not None else "outgoing"
    terms.append(_term("outgoing", caption, out.gradient))
    rows = [terms]
    if out.before is not None and out.after is not None:
        added = [_term("before", "was there", out.before), _sign("+"), _term("outgoing", "arrives", out.gradient)]
        rows.append([*added, _sign("=" if out.adds_up else "→"), _term("after", f"{out.name} has now", out.after)])
    return _sum(f"To {out.name}", *rows)


def _leaves(step: LeafStep) -> Iterator[str]:
    first = [leaf for leaf in step.leaves if leaf.before is None]
    if first:
        yield _sum("", [_term("after", leaf.attribute, leaf.after) for leaf in first])
    for leaf in step.leaves:
        if leaf.before is not None:
            terms = [_term("before", "was there", leaf.before), _sign("+"), _term("outgoing", "arrived", leaf.arrived)]
            yield _sum("", [*terms, _sign("="), _term("after", leaf.attribute, leaf.after)])
    for note in step.notes:
        yield _problem("Look again", note, "")


def _sum(head: str, *rows: list[str]) -> str:
    shown = "".join(f'<div class="terms">{"".join(row)}</div>' for row in rows)
    return f'<section class="sum">{f"<h3>{escape(head)}</h3>" if head else ""}{shown}</section>\n'


def _term(kind: str, caption: str, value: Any) -> str:
    return (
        f'<figure class="term {kind}"><div class="value">{_value(value)}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _value(value: Any) -> str:
    """Return an array as HTML: a number, a table, or shape and range where it is large; all digits in the title."""
    array = np.asarray(value)
    if array.size > MOST_SHOWN:
        return f'<span class="number">{escape(summary(array))}</span>'
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        return _number(array) if array.dtype.kind in "fiub" else escape(str(array))
    if array.ndim > 2 or array.size == 0:
        return f'<span class="number">{escape(line(array))}</span>'
    rows = "".join(f"<tr>{''.join(f'<td>{_number(x)}</td>' for x in row)}</tr>" for row in np.atleast_2d(array))
    return f"<table>{rows}</table>"


def _number(value: Any) -> str:
    return f'<span class="number" title="{float(value)!r}">{number(value)}</span>'


def _sign(text: str) -> str:
    return f'<span class="sign">{text}</span>'


def _released(text: str) -> str:
    return f'<p class="released">{escape(text)}</p>'


def _problem(head: str, text: str, where: str) -> str:
    place = f'<p class="where">{escape(where)}</p>' if where else ""
    return f'<div class="problem"><p><strong>{escape(head)}.</strong> {escape(text)}</p>{place}</div>\n'


def _code(text: str) -> str:
    """Return a line of a docstring, what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
