"""`gradcheck`: compares gradients with central differences, and names the mistake where it knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.autograd._grad import grad
from tinytorch.core.tensor import FloatArray, Tensor, from_numpy


class GradcheckError(RuntimeError):
    """A gradient does not agree with central differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of `func` with central differences, element by element.

    Parameters
    ----------
    func
        Takes `inputs` and returns a tensor or a tuple of tensors.
    inputs
        Tensors of float64; those that require gradients are checked. Other things are passed on.
    eps
        The step of the differences.
    atol, rtol
        How far the two may be apart: ``atol + rtol * abs(difference)``.
    raise_exception
        Raise `GradcheckError` instead of returning False.

    Returns
    -------
    bool
        Whether they agree.

    Raises
    ------
    GradcheckError
        If they do not: it names the input and the element, shows both numbers, and says which mistake would give the
        wrong one, if it is one of the common ones.
    TypeError
        If an input that is to be checked is not float64: the differences would drown in rounding.

    Notes
    -----
    Source: ``torch.autograd.gradcheck``.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True, dtype=np.float64)
    >>> gradcheck(lambda x: x.exp() * x, x)
    True
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    wanted = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck() needs at least one input that requires a gradient.")
    for i in wanted:
        if given[i].dtype != np.float64:
            raise TypeError(
                f"gradcheck() needs float64, but input {i} holds {given[i].dtype}. Convert it with .double()."
            )
    outputs = _outputs(func, given)
    for k, out in enumerate(outputs):
        if not out.requires_grad:
            continue
        for i in wanted:
            ours = _jacobian(func, given, k, i)
            expected = _differences(func, given, k, i, eps)
            close = np.isclose(ours, expected, rtol, atol, equal_nan=True)
            if not close.all():
                if raise_exception:
                    raise GradcheckError(_message(k, i, out.shape, given[i].shape, ours, expected, close, rtol, atol))
                return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of the gradients of `func` with central differences.

    Parameters
    ----------
    func, inputs, eps, atol, rtol, raise_exception
        As for `gradcheck`.
    grad_outputs
        What the first gradients start from; drawn at random if None, and checked too.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True, dtype=np.float64)
    >>> gradgradcheck(lambda x: x**3, x)
    True
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    outputs = [out for out in _outputs(func, given) if out.requires_grad]
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        seeds = [from_numpy(draw.standard_normal(out.shape)).requires_grad_() for out in outputs]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def slopes(*args: Any) -> tuple[Tensor, ...]:
        point, starts = args[: len(given)], args[len(given) :]
        moving = [out for out in _outputs(func, point) if out.requires_grad]
        wanted = [x for x in point if isinstance(x, Tensor) and x.requires_grad]
        found = grad(moving, wanted, list(starts), create_graph=True, allow_unused=True)
        return tuple(x * 0 if g is None else g for x, g in zip(wanted, found, strict=True))

    return gradcheck(slopes, [*given, *seeds], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _outputs(func: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    result = func(*inputs)
    return [result] if isinstance(result, Tensor) else list(result)


def _jacobian(func: Callable[..., Any], inputs: list[Any], k: int, i: int) -> FloatArray:
    """Return the derivative of output `k` with respect to input `i`, ``(outputs, inputs)``, by walks back."""
    out = _outputs(func, inputs)[k]
    rows = np.zeros((out.size, inputs[i].size))
    for row in range(out.size):
        seed = np.zeros(out.size, out.dtype)
        seed[row] = 1
        (g,) = grad(out, inputs[i], from_numpy(seed.reshape(out.shape)), retain_graph=True, allow_unused=True)
        if g is not None:
            rows[row] = g.data.ravel()
    return rows


def _differences(func: Callable[..., Any], inputs: list[Any], k: int, i: int, eps: float) -> FloatArray:
    """Return the same by central differences."""
    x = inputs[i].data
    columns = []
    for position in np.ndindex(x.shape):
        ends = []
        for step in (eps, -eps):
            moved = x.copy()
            moved[position] += step
            point = [from_numpy(moved).requires_grad_() if j == i else y for j, y in enumerate(inputs)]
            ends.append(_outputs(func, point)[k].data.ravel().copy())
        columns.append((ends[0] - ends[1]) / (2 * eps))
    return np.stack(columns, axis=1) if columns else np.zeros((1, 0))


def _message(
    k: int, i: int, out: Any, shape: Any, ours: FloatArray, expected: FloatArray, close: Any, rtol: float, atol: float
) -> str:
    row, column = (int(n) for n in np.argwhere(~close)[0])
    at = [int(n) for n in np.unravel_index(column, shape)] if shape else []
    of = [int(n) for n in np.unravel_index(row, out)] if out else []
    guess = _mistake(ours, expected, out, shape, rtol, atol)
    return (
        f"the gradient of output {k}{of or ''} with respect to input {i}{at or ''} is {ours[row, column]:.6g}, but "
        f"central differences say {expected[row, column]:.6g}; {int((~close).sum())} of {close.size} elements disagree."
        + (f" {guess}" if guess else "")
    )


def _mistake(ours: FloatArray, expected: FloatArray, out: Any, shape: Any, rtol: float, atol: float) -> str:
    """Say which common mistake would give these gradients."""

    def same(a: FloatArray, b: FloatArray) -> bool:
        return bool(a.shape == b.shape and np.allclose(a, b, rtol, atol))

    if not ours.any():
        return "It is zero everywhere: is the gradient lost on the way, for example by detach() or .data?"
    if same(ours, -expected):
        return "It is minus the right one: look for a sign."
    if len(shape) == 2:
        turned = ours.reshape(-1, *shape[::-1]).swapaxes(1, 2).reshape(ours.shape)
        if same(turned, expected):
            return "It is the transpose of the right one: is a transpose missing, or on the wrong side?"
    ratio = _ratio(ours, expected, rtol)
    if ratio is not None:
        return _factor(ratio, out, shape)
    return ""


def _ratio(ours: FloatArray, expected: FloatArray, rtol: float) -> float | None:
    """Return the one factor between the two, if there is one."""
    moving = np.abs(expected) > 1e-8
    if not moving.any() or np.abs(ours[~moving]).max(initial=0) > 1e-6:
        return None
    ratios = ours[moving] / expected[moving]
    return float(ratios[0]) if np.allclose(ratios, ratios[0], rtol=max(rtol, 1e-4)) else None


def _factor(ratio: float, out: Any, shape: Any) -> str:
    sizes = {int(np.prod(shape)), int(np.prod(out)), *map(int, shape), *map(int, out)} - {0, 1}
    for n in sorted(sizes):
        if np.isclose(ratio, n, rtol=1e-3):
            return f"It is {n} times the right one, a size of the shapes: is a factor 1/N of a mean missing?"
        if np.isclose(ratio, 1 / n, rtol=1e-3):
            return (
                f"It is 1/{n} of the right one, a size of the shapes: is a factor 1/N too many, or a sum over a "
                "broadcast axis missing?"
            )
    if np.isclose(ratio, 0.5, rtol=1e-3):
        return "It is half the right one: is a gradient assigned where it should be added to what is there?"
    return f"It is {ratio:.4g} times the right one: is a factor of the chain rule missing, or one too many?"
