"""Starts `tito`: the installed script, and ``python -m tito``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run `tito`."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing has begun yet, so there is nothing to say either
    from tito import cli

    signal.signal(signal.SIGINT, interrupt)
    cli.main()


if __name__ == "__main__":
    main()
