"""The one error that the tool shows to its user."""

from __future__ import annotations


class TitoError(Exception):
    """Something the user can put right: what happened, and what to do next.

    Parameters
    ----------
    message
        What came and what was expected, in one or two sentences.
    hint
        The next step, often a command.
    exit_code
        1 when the work itself failed, 2 when the request could not be understood.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
