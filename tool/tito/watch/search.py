"""The search for a known mistake, beside the loop, since it takes longer than the answer itself."""

from __future__ import annotations

import threading

from tito.verdict import Verdict
from tito.watch.inbox import Broken, Put, Recognized


class Search:
    """A search that has begun; `put` is told of its end.

    Parameters
    ----------
    verdict
        Whose first failure is looked into.
    put
        Takes the events.
    """

    def __init__(self, verdict: Verdict, put: Put) -> None:
        self._verdict = verdict
        self._put = put
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, so that nothing of it is at work any more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._verdict.look_for_mistake(self._stop)
        except BaseException as error:
            self._put(Broken(error))
        else:
            self._put(Recognized(self._verdict))
