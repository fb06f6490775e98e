"""What every milestone begins and ends with: its options, what is expected of it, and the sentence at the end."""

from __future__ import annotations

import argparse
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

import tinytorch

HERE = Path(__file__).parent
WIDTH = 80


@dataclass(frozen=True)
class Stage:
    """One run of a milestone.

    Attributes
    ----------
    name
        The program's name, for example ``1957_perceptron``.
    title
        What the run is headed with.
    expected
        The accuracy that has to be reached, from the table `milestones.toml`.
    seed
        Where all random numbers of the run begin.
    dry_run
        Whether only a few steps are taken, of which nothing is expected.
    out
        The folder for pictures.
    """

    name: str
    title: str
    expected: float
    seed: int
    dry_run: bool
    out: Path

    @property
    def picture(self) -> Path:
        """The picture's path."""
        return self.out / f"{self.name}.png"

    def steps(self, number: int) -> int:
        """Return how many steps to take: `number`, or a few in a dry run."""
        return min(number, 3) if self.dry_run else number

    def close(self, reached: float) -> None:
        """Say where the picture is, and what was reached against what was expected; less than that is an error."""
        print(f"\nPicture: {shown(self.picture)}")
        if self.dry_run:
            print(f"A dry run: {reached:.1%} after a few steps, and nothing was expected.")
        elif reached >= self.expected:
            print(f"Reached {reached:.1%}; at least {self.expected:.0%} was expected.")
        else:
            sys.stdout.flush()
            tell_shortfall(self.name, reached, self.expected)
            sys.exit(1)


def open_stage(program: str, doc: str | None) -> Stage:
    """Read the command line of a program, seed the random numbers, and print the title."""
    name = Path(program).stem
    table = tomllib.loads((HERE / "milestones.toml").read_text(encoding="utf-8"))["milestone"]
    row = next(row for row in table if f"{row['year']}_{row['name']}" == name)
    summary = (doc or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=summary, allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=0, help="where random numbers begin (default 0)")
    parser.add_argument("--dry-run", action="store_true", help="take a few steps only")
    parser.add_argument(
        "--out", type=Path, default=HERE.parent / "pictures", metavar="FOLDER", help="where the picture goes"
    )
    options = parser.parse_args()
    check_folder(parser, options.out)
    tinytorch.manual_seed(options.seed)
    print(f"{row['year']}  {row['title']}: {row['shows']}", flush=True)
    return Stage(name, row["title"], row["accuracy"], options.seed, options.dry_run, options.out)


def check_folder(parser: argparse.ArgumentParser, folder: Path) -> None:
    """Make the folder for pictures now, so that no run ends in vain."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"no folder for pictures can be made at {folder}: {error.strerror}; name another with --out")


def say(text: str) -> None:
    """Print a paragraph of the story, after an empty line."""
    print("\n" + textwrap.fill(text, WIDTH, break_on_hyphens=False), flush=True)


def tell_shortfall(name: str, reached: float, expected: float) -> None:
    """Say on stderr that the accuracy is too low, and where to look."""
    message = f"{name} reached {reached:.1%}, and at least {expected:.0%} was expected."
    hint = "A gradient or a step may be wrong: `tito test` tests every module that is yours."
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)


def shown(path: Path) -> str:
    """Return a path as seen from here, where it lies below."""
    whole = path.resolve()
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)
