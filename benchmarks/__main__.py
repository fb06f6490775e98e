"""Measure TinyTorch beside its peers: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import machine, table
from benchmarks.cells import Row
from benchmarks.engines import ENGINES
from benchmarks.session import Session
from benchmarks.workloads import QUESTIONS

RESULTS = Path(__file__).parent / "results"


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="TinyTorch beside its peers, in one run.",
        epilog="\n".join(f"{name:14} {question.asks}" for name, question in QUESTIONS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help="one or several of those below; all by default"
    )
    parser.add_argument("--engines", type=engine_names, default=list(ENGINES), help=f"of {','.join(ENGINES)}")
    parser.add_argument("--rounds", type=int, default=11, help="how many times each engine takes its turn (11)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each engine (all cores)")
    parser.add_argument("--quick", action="store_true", help="three short rounds: to see that it works")
    parser.add_argument("--save", action="store_true", help="keep the result in benchmarks/results/")
    parser.add_argument("--name", default=date.today().isoformat(), help="the name of the saved result (the date)")
    asked = parser.parse_args()
    for question in asked.questions:
        if question not in QUESTIONS:
            parser.error(f"there is no question {question!r}. There are {', '.join(QUESTIONS)}.")
    return asked


def engine_names(text: str) -> list[str]:
    """Return the engines of a list with commas, in the order of the table."""
    names = text.split(",")
    unknown = [name for name in names if name not in ENGINES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no engine is called {unknown[0]!r}. There are {', '.join(ENGINES)}.")
    return [name for name in ENGINES if name in names]


def measure(asked: argparse.Namespace) -> tuple[Session, list[Row]]:
    """Answer the questions, one after the other."""
    rounds, seconds, budget = (3, 0.02, 2.0) if asked.quick else (asked.rounds, 0.1, 20.0)
    with Session(asked.engines, asked.threads, rounds, seconds, budget) as session:
        rows = [row for name in asked.questions or QUESTIONS for row in QUESTIONS[name].answer(session)]
    return session, rows


def facts(asked: argparse.Namespace, session: Session) -> dict[str, Any]:
    """Return what has to be known beside the numbers."""
    return {
        "date": date.today().isoformat(),
        "command": machine.command(),
        **machine.commit(),
        "machine": machine.machine(),
        "threads": asked.threads,
        "rounds": session.rounds,
        "versions": session.versions,
        "engines": {name: ENGINES[name].about for name in asked.engines},
        "copy_bandwidth": session.bandwidth,
    }


def save(asked: argparse.Namespace, session: Session, rows: list[Row]) -> None:
    """Write the numbers and the table."""
    known = facts(asked, session)
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**known, "rows": table.numbers(rows)}, indent=1, ensure_ascii=False)
    (RESULTS / f"{asked.name}.json").write_text(text + "\n", encoding="utf-8")
    page = table.markdown(rows, asked.engines, session.bandwidth, known)
    (RESULTS / f"{asked.name}.md").write_text(page, encoding="utf-8")


def main() -> None:
    """Measure, print the table, and keep it if asked to."""
    asked = options()
    session, rows = measure(asked)
    print(table.terminal(rows, asked.engines, session.bandwidth))
    if asked.save:
        save(asked, session, rows)


if __name__ == "__main__":
    main()
