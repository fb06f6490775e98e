"""Build hook: puts the course into the tool's wheel, so that an installed `tito` can make workspaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = ("modules/**/*", "tinytorch/**/*", "examples/**/*", "milestones/**/*", "tito", "requirements.txt", "LICENSE")
MADE = {"__pycache__", ".ipynb_checkpoints", ".hypothesis"}


def carried(root: Path) -> list[Path]:
    """Return the files of the course below `root`, relative to it."""
    found = sorted(path.relative_to(root) for pattern in CARRIED for path in root.glob(pattern) if path.is_file())
    return [path for path in found if not MADE & set(path.parts) and path.suffix != ".ipynb"]


class CarryHook(BuildHookInterface[Any]):
    """Adds the course as `tito/_carried/`; an editable installation reads it from the repository instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to include."""
        if version == "standard":
            root = Path(self.root).parent
            for path in carried(root):
                build_data["force_include"][str(root / path)] = f"tito/_carried/{path.as_posix()}"
