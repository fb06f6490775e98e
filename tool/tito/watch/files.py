"""The files of the course: say which were saved."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from watchfiles import watch

from tito.watch.inbox import Broken, Noted, Put, Saved

_STEP = 50  # milliseconds without a further change, after which what came together is told together


class Files:
    """Watches some files from a thread.

    Parameters
    ----------
    folder
        The folder that holds them, with its subfolders.
    files
        The files that matter.
    poll
        Look at the files again and again, for folders where the system does not tell of changes.
    put
        Takes the events.
    """

    def __init__(self, folder: Path, files: Iterable[Path], poll: bool, put: Put) -> None:
        self._folder = folder
        self._files = frozenset(files)
        self._put = put
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(poll,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._over.set()
        self._thread.join()

    def _run(self, poll: bool) -> None:
        try:
            self._watch(poll)
        except Exception as error:
            if poll:
                self._put(Broken(error))
                return
            # Such as a system that watches too many files already.
            self._put(Noted(f"The system does not tell of changes ({error}), so the files are looked at regularly."))
            self._run(poll=True)

    def _watch(self, poll: bool) -> None:
        changes = watch(
            self._folder,
            watch_filter=lambda change, path: Path(path) in self._files,
            step=_STEP,
            stop_event=self._over,
            force_polling=poll,
            ignore_permission_denied=True,
        )
        for found in changes:
            self._put(Saved(frozenset(Path(path) for _, path in found)))
