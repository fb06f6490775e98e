"""The table: in a terminal, in Markdown, and as numbers for JSON."""

from __future__ import annotations

from typing import Any

from benchmarks.cells import Cell, Row

BASE = "torch"
"""The engine that the others are compared with."""

TILDE = "~: the middle half of the runs spreads over more than a quarter of it."

SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def quantity(value: float, unit: str) -> str:
    """Return a value with its unit, to three digits.

    Examples
    --------
    >>> quantity(0.00139, "s"), quantity(825.4, "MB")
    ('1.39 ms', '825 MB')
    """
    if unit != "s":
        return f"{digits(value)} {unit}"
    scale, name = next(((scale, name) for scale, name in SECONDS if value >= scale), SECONDS[-1])
    return f"{digits(value / scale)} {name}"


def digits(value: float) -> str:
    """Return a number to three digits, and large ones in full.

    Examples
    --------
    >>> digits(0.0214), digits(4.456), digits(37.06), digits(3312.0)
    ('0.021', '4.46', '37.1', '3,312')
    """
    if value < 0.0005:
        return "<0.001"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


class Notes:
    """Footnotes: each reason once, with a number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def mark(self, engine: str, reason: str) -> str:
        """Return a dash that points at the reason."""
        return f"– [{self.numbers.setdefault(f'{engine}: {reason}', len(self.numbers) + 1)}]"

    def lines(self) -> list[str]:
        """Return the footnotes."""
        return [f"[{number}] {text}" for text, number in self.numbers.items()]


def value_of(row: Row, engine: str, notes: Notes) -> str:
    """Return the median, with a tilde where the runs differed much, or a dash and its footnote."""
    cell = row.cells[engine]
    if not cell.runs:
        return notes.mark(engine, cell.reason or "not measured")
    return "~" * cell.noisy + quantity(cell.median, row.unit)


def ratio_of(row: Row, engine: str) -> str:
    """Return the ratio to the base; nothing where one of the two is missing."""
    ratio = ratio_to_base(row, row.cells[engine])
    return "" if ratio is None else digits(ratio)


def ratio_to_base(row: Row, cell: Cell) -> float | None:
    """Return the ratio of the medians."""
    base = row.cells.get(BASE)
    if base is None or not base.runs or not cell.runs:
        return None
    return cell.median / base.median


def terminal(rows: list[Row], engines: list[str], bandwidth: float | None) -> str:
    """Return the table as lines of a terminal: the medians, and below each its ratio."""
    notes = Notes()
    lines: list[list[str]] = [["", *engines]]
    for row in rows:
        lines.append([row.name, *(value_of(row, engine, notes) for engine in engines)])
        lines.append(["", *(ratio_of(row, engine) for engine in engines)])
    text = aligned(lines)
    if any(BASE in row.cells for row in rows):
        text += ["", f"Above: the median. Below: its ratio to {BASE}. {TILDE}"]
    text += ["", *notes.lines()] if notes.numbers else []
    limited = memory_limits(rows, engines, bandwidth)
    if limited:
        text += ["", f"Times what moving the bytes once takes, at {in_gigabytes(bandwidth)} of a copy:"]
        text += aligned([["", "bytes", "limit", *engines], *limited])
    return "\n".join(text)


def in_gigabytes(bandwidth: float | None) -> str:
    """Return a bandwidth in words."""
    return f"the {(bandwidth or 0) / 1e9:.1f} GB/s"


def aligned(lines: list[list[str]]) -> list[str]:
    """Return lines whose columns stand under each other, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]).rstrip() for first, *rest in lines]


def memory_limits(rows: list[Row], engines: list[str], bandwidth: float | None) -> list[list[str]]:
    """Return for each row that memory limits: bytes, the seconds they take, and each engine's multiple of it."""
    if bandwidth is None:
        return []
    found = []
    for row in rows:
        if row.bytes_moved:
            limit = row.bytes_moved / bandwidth
            multiples = [digits(cell.median / limit) if cell.runs else "–" for cell in cells_of(row, engines)]
            found.append([row.name, quantity(row.bytes_moved / 1e6, "MB"), quantity(limit, "s"), *multiples])
    return found


def cells_of(row: Row, engines: list[str]) -> list[Cell]:
    """Return the cells in the order of the table."""
    return [row.cells[engine] for engine in engines]


def markdown(rows: list[Row], engines: list[str], bandwidth: float | None, facts: dict[str, Any]) -> str:
    """Return the table in Markdown, with what it was measured on."""
    notes = Notes()
    body = [[row.name, *(with_ratio(row, engine, notes) for engine in engines)] for row in rows]
    text = [*about(facts), "", *markdown_table(["", *engines], body)]
    text += ["", f"Each cell: the median, and its ratio to {BASE}. {TILDE}", ""]
    text += [f"- {line}" for line in notes.lines()]
    limited = memory_limits(rows, engines, bandwidth)
    if limited:
        text += ["", f"Times what moving the bytes once takes, at {in_gigabytes(bandwidth)} of a copy:", ""]
        text += markdown_table(["", "bytes", "limit", *engines], limited)
    return "\n".join(text) + "\n"


def with_ratio(row: Row, engine: str, notes: Notes) -> str:
    """Return what stands in a cell in Markdown: the median, and the ratio in parentheses."""
    value, ratio = value_of(row, engine, notes), ratio_of(row, engine)
    return f"{value} ({ratio})" if ratio else value


def markdown_table(head: list[str], body: list[list[str]]) -> list[str]:
    """Return the lines of a table whose numbers stand to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(line) + " |" for line in (head, rule, *body)]


def about(facts: dict[str, Any]) -> list[str]:
    """Return a few lines on machine, versions and command."""
    machine = facts["machine"]
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    commit = f"{facts['commit'][:12]}{' with changes' if facts['changed'] else ''}" if facts["commit"] else "unknown"
    return [
        f"# {facts['date']}",
        "",
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['system']}; threads: {facts['threads']}",
        f"- Python {machine['python']}, {versions}",
        f"- commit {commit}",
        f"- `{facts['command']}`",
    ]


def numbers(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows as plain data, with every run."""
    return [
        {
            "name": row.name,
            "unit": row.unit,
            "bytes_moved": row.bytes_moved,
            "engines": {engine: cell_numbers(row, cell) for engine, cell in row.cells.items()},
        }
        for row in rows
    ]


def cell_numbers(row: Row, cell: Cell) -> dict[str, Any]:
    """Return a cell as plain data."""
    if not cell.runs:
        return {"reason": cell.reason}
    return {"median": cell.median, "ratio": ratio_to_base(row, cell), "runs": cell.runs}
