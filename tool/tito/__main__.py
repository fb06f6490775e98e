"""Makes ``python -m tito`` the same as ``tito``."""

from tito.cli import main

main()
