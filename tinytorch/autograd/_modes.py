"""Switches for recording, each for one thread: `enable_grad`, `set_grad_enabled`, `inference_mode`."""

from __future__ import annotations

from tinytorch.core.autograd import grad_mode, is_grad_enabled


class enable_grad(grad_mode):  # noqa: N801
    """Record inside, also within ``no_grad()``: ``with enable_grad():``, or ``@enable_grad()`` on a function.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(grad_mode):  # noqa: N801
    """Record from now on, or do not; used as a context, until its end.

    Parameters
    ----------
    mode
        Whether to record.

    Examples
    --------
    >>> with set_grad_enabled(False):
    ...     y = Tensor(2.0, requires_grad=True) * 2
    >>> y.requires_grad
    False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before = is_grad_enabled()
        super().__enter__()  # a call is enough

    def __enter__(self) -> set_grad_enabled:
        return self


class inference_mode(grad_mode):  # noqa: N801
    """Record nothing inside, as `no_grad`; ``inference_mode(False)`` changes nothing.

    Notes
    -----
    PyTorch also forbids to use its results in recorded operations later, to save their bookkeeping; here they are
    ordinary tensors.
    """

    def __init__(self, mode: bool = True) -> None:
        super().__init__(is_grad_enabled() and not mode)
