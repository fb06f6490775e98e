"""Judges the versions of a course: run with the path of an order, it prints each verdict on a line as it comes."""

from __future__ import annotations

import compileall
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from tito.diagnosis.trials import Job, Trials


def main(path: Path) -> None:
    """Carry out the order in the file at `path`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    order = json.loads(path.read_text(encoding="utf-8"))
    jobs = [Job(**job) for job in order["jobs"]]
    for package in {job.package for job in jobs}:
        compileall.compile_dir(package, quiet=2)
    for verdict in Trials(path.parent, order["at_once"], order["fork"]).run(jobs):
        print(json.dumps(asdict(verdict)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
