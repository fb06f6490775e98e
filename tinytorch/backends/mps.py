"""What scripts ask about Apple's graphics: TinyTorch does not compute on it."""


def is_available() -> bool:
    """Return False."""
    return False
