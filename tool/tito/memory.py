"""What `tito` remembers of a workspace between two commands, in `.tito/memory.json`.

Nothing in it is needed: how far a learner is, is read from the files. It spares backups of what `tito` itself wrote,
counts the hints that were given, and knows the days on which milestones were reached.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from tito.files import write_atomically

FILE = ".tito/memory.json"
V = TypeVar("V")


def fingerprint(text: str) -> str:
    """Return a short text that differs where `text` differs."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def recall(root: Path, topic: str, kind: type[V]) -> dict[str, V]:
    """Return what is remembered of `topic`, values of one kind by key; what is lost or damaged is left out."""
    found = _read(root).get(topic)
    facts = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in facts if isinstance(value, kind)}


def remember(root: Path, topic: str, key: str, value: Any) -> None:
    """Remember `value` for `key`; None forgets it."""
    memory = _read(root)
    before = memory.get(topic)
    facts = {**(before if isinstance(before, dict) else {}), key: value}
    if facts == before:
        return
    memory[topic] = {name: fact for name, fact in facts.items() if fact is not None}
    write_atomically(root / FILE, json.dumps(memory, indent=1, sort_keys=True) + "\n")


def _read(root: Path) -> dict[str, Any]:
    try:
        memory = json.loads((root / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # damaged is as good as lost: the worst is a backup too many
        return {}
    return memory if isinstance(memory, dict) else {}
