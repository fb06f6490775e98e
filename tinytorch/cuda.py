"""What scripts ask about graphics cards: there is none that TinyTorch computes on."""


def is_available() -> bool:
    """Return False."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0
