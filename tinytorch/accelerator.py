"""What scripts ask about accelerators: there is none that TinyTorch computes on."""


def is_available() -> bool:
    """Return False."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0


def current_accelerator() -> None:
    """Return None."""
