"""The stepper in a terminal: a listing of all steps, or one screen for each, turned with the arrow keys."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tinytorch.viz._numbers import beside, block, line, size
from tinytorch.viz._steps import BackwardStep, ErrorStep, ForwardStep, Leaf, LeafStep, Outgoing, StartStep, Step

if TYPE_CHECKING:
    from tinytorch.viz._steps import Stepper

_BAR = 20  # signs of the memory bar
_WIDEST = 100
_KEYS = "→ n  next    ← p  previous    Home End  first, last    q  quit"
_OWN_SCREEN, _BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def listing(stepper: Stepper) -> str:
    """Return all steps, each with its sums, as plain text."""
    width = max(40, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))
    lines: list[str] = []
    for k, step in enumerate(stepper.steps, 1):
        if k == 1 or (_phase(step) != _phase(stepper.steps[k - 2])):
            lines += ["", _phase(step)][k == 1 :]
        head, *body = _lines_of(step, width - 6)
        lines += [f"{k:>4}  {head}", *(f"      {row}" for row in body)]
    return "\n".join(lines)


def screen(stepper: Stepper, width: int, height: int) -> str:
    """Return one screen: where we are, the step in numbers, and what every node holds by now."""
    step, count = stepper.current, len(stepper)
    lines = [f"Step {stepper.position + 1} of {count}. {step.title}", _memory(step.held, stepper.total), ""]
    lines += [*_lines_of(step, width), ""]
    lines += _table(stepper, width, max(3, height - len(lines) - 2))
    shown = [text[:width] for text in lines[: height - 2]]
    return "\n".join([*shown, *[""] * (height - 1 - len(shown)), _KEYS[:width]])


def show(stepper: Stepper) -> None:
    """Step through with keys where a person sits at a terminal; else print the listing."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(listing(stepper))
        return
    from tinytorch.viz._keys import keys

    with keys() as read:
        sys.stdout.write(_OWN_SCREEN)
        try:
            _turn(stepper, read)
        finally:
            sys.stdout.write(_BACK)
            sys.stdout.flush()


def _turn(stepper: Stepper, read: Callable[[], str]) -> None:
    moves: dict[str, Callable[[], Any]] = {
        **dict.fromkeys(("right", "down", "n", " ", "enter"), stepper.next),
        **dict.fromkeys(("left", "up", "p"), stepper.back),
        "home": lambda: stepper.at(0),
        "end": lambda: stepper.at(-1),
    }
    while True:
        columns, rows = shutil.get_terminal_size((80, 24))
        text = screen(stepper, columns, rows).replace("\n", "\x1b[K\r\n")
        sys.stdout.write(f"\x1b[H{text}\x1b[K\x1b[J")
        sys.stdout.flush()
        key = read()
        if key in ("q", "escape", "end of input"):
            return
        moves.get(key, lambda: None)()


def _phase(step: Step) -> str:
    return "Forward" if isinstance(step, ForwardStep) else "Backward"


def _memory(held: int, total: int) -> str:
    filled = round(_BAR * held / total) if total else 0
    return f"The graph keeps {'█' * filled}{'░' * (_BAR - filled)} {size(held)} of {size(total)}"


def _table(stepper: Stepper, width: int, height: int) -> list[str]:
    """Return what every node holds by now, one a line; of many, those around the current one."""
    names, values, grads = _state(stepper)
    nodes = list(names)
    current = nodes.index(stepper.current.node) if stepper.current.node in names else 0
    first = max(0, min(current - (height - 1) // 2, len(nodes) - (height - 1)))
    shown = nodes[first : first + height - 1]
    space = max([len(names[node]) for node in shown], default=0)
    half = max(8, (width - space - 6) // 2)
    rows = [f"  {'':{space}}  {'value':{half}}  gradient"]
    for node in shown:
        value, grad = _cut(values.get(node, ""), half), _cut(grads.get(node, ""), half)
        mark = "▶" if node == stepper.current.node else " "
        rows.append(f"{mark} {names[node]:{space}}  {value:{half}}  {grad}".rstrip())
    return rows


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _state(stepper: Stepper) -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
    """Return names, values and gradients by node, as they are at the current step."""
    names: dict[int, str] = {}
    values: dict[int, str] = {}
    grads: dict[int, str] = {}
    for k, forward in enumerate(stepper.forward):
        for given in forward.inputs:
            if given.node is not None and given.node not in names:
                names[given.node], values[given.node] = given.name, _known(given.value)
        names[forward.node] = forward.makes
        if k <= stepper.position:
            values[forward.node] = _known(forward.value)
    for step in stepper.steps[: stepper.position + 1]:
        if isinstance(step, StartStep):
            names.setdefault(step.node, "the result")
            grads[step.node] = line(step.gradient)
        for out in step.outgoing if isinstance(step, BackwardStep) else ():
            if out.after is not None:
                grads[out.to] = line(out.after)
    return names, values, grads


def _known(value: Any) -> str:
    return "(not kept)" if value is None else line(value)


def _lines_of(step: Step, width: int) -> list[str]:
    """Return a step in lines: its name, then its numbers."""
    if isinstance(step, ForwardStep):
        return list(_forward(step, width))
    if isinstance(step, BackwardStep):
        return list(_backward(step, width))
    if isinstance(step, StartStep):
        return _wrapped(step.says, width)
    if isinstance(step, LeafStep):
        notes = [text for note in step.notes for text in _wrapped(note, width)]
        return ["backward() writes what has arrived", *(row for leaf in step.leaves for row in _leaf(leaf)), *notes]
    assert isinstance(step, ErrorStep)
    return [*_wrapped(step.says, width), *([step.where] if step.where else [])]


def _forward(step: ForwardStep, width: int) -> Iterator[str]:
    parts: list[list[str] | str] = []
    for given in step.inputs:
        if given.value is not None:
            parts += [f"{',  ' if parts else '  '}{given.name} = " if given.name else ",  " if parts else "  "]
            parts += [block(given.value)]
    if step.value is not None:
        parts += ["  →  ", block(step.value)]
    yield step.name
    yield from _fitting(width, *parts) if parts else ()
    yield f"  keeps {size(step.keeps)} for the way back" if step.keeps else "  keeps nothing for the way back"


def _backward(step: BackwardStep, width: int) -> Iterator[str]:
    yield from _wrapped(f"{step.name}. {step.formula}", width)
    if not any(out.local is not None for out in step.outgoing):
        yield from _fitting(width, "  came in ", block(step.incoming))
    for out in step.outgoing:
        yield from _outgoing(step, out, width)
    if step.released:
        yield f"  lets go of {size(step.released)}"
    if step.error:
        yield from _wrapped(f"  stopped here: {step.error}", width)
    if step.where:
        yield f"  at {step.where}"
    for note in step.notes:
        yield from _wrapped(f"  note: {note}", width)


def _outgoing(step: BackwardStep, out: Outgoing, width: int) -> Iterator[str]:
    """Return incoming × local = outgoing, then what had arrived + outgoing = what is there now."""
    parts: list[list[str] | str] = [f"  to {out.name}: "]
    if out.local is not None:
        parts += [block(step.incoming), " × ", block(out.local), " = "]
    if out.product is not None:
        parts += [block(out.product), "  summed to  "]
    yield from _fitting(width, *parts, block(out.gradient))
    if out.before is not None and out.after is not None:
        yield from _fitting(
            width,
            f"  {out.name} has: ",
            block(out.before),
            " + ",
            block(out.gradient),
            " = " if out.adds_up else " → ",
            block(out.after),
        )


def _leaf(leaf: Leaf) -> list[str]:
    head = f"  {leaf.attribute} = "
    if leaf.before is None:
        return beside(head, block(leaf.after))
    return beside(head, block(leaf.before), " + ", block(leaf.arrived), " = ", block(leaf.after))


def _fitting(width: int, *parts: list[str] | str) -> list[str]:
    """Return parts side by side, or below each other where the line is too short for them."""
    row = beside(*parts)
    if max(map(len, row)) <= width:
        return row
    lines: list[str] = []
    sign = ""
    for part in parts:
        if isinstance(part, str):
            sign = part.strip()
        else:
            lines += beside(f"    {sign} ".rjust(16), part)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lead = len(text) - len(text.lstrip())
    return textwrap.wrap(text, width, subsequent_indent=" " * (lead + 2 if lead else 0))
