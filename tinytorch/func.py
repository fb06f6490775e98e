"""Functions that make functions: `grad`, `value_and_grad`, `vmap`, and derivatives of functions without side effects.

Source: ``torch.func``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tinytorch.autograd import functional
from tinytorch.autograd._modes import enable_grad
from tinytorch.core.autograd import is_grad_enabled, topological_order
from tinytorch.core.tensor import Tensor
from tinytorch.ops.joining import stack, unbind


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that computes the gradient of `func`, which makes one number.

    Parameters
    ----------
    func
        Takes tensors and returns a tensor of one element; with `has_aux` that and something else.
    argnums
        Of which argument, or arguments, the gradient is taken.
    has_aux
        Whether `func` returns a pair whose second part is passed on.

    Examples
    --------
    >>> grad(lambda x: x**3)(Tensor(2.0))
    tensor(12.)
    >>> grad(grad(lambda x: x**3))(Tensor(2.0))
    tensor(12.)
    """

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, (_, aux) = _gradient(func, argnums, has_aux, args, kwargs)
        return (found, aux) if has_aux else found

    return gradient


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the value of `func` and its gradient, as ``(value, gradient)``.

    Examples
    --------
    >>> value_and_grad(lambda x: x**3)(Tensor(2.0))
    (tensor(8.), tensor(12.))
    """

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        found, (value, aux) = _gradient(func, argnums, has_aux, args, kwargs)
        return ((value, aux), found) if has_aux else (value, found)

    return both


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes ``(gradient, value)``; PyTorch's order of `value_and_grad`."""
    both = value_and_grad(func, argnums, has_aux)

    @functools.wraps(func)
    def turned(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return turned


def _gradient(
    func: Callable[..., Any], argnums: int | tuple[int, ...], has_aux: bool, args: tuple[Any, ...], kwargs: Any
) -> tuple[Any, tuple[Any, Any]]:
    """Return the gradient, and what `func` made."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    with enable_grad():
        point = {i % len(args): _start(args[i]) for i in numbers}
        out = func(*(point.get(i, x) for i, x in enumerate(args)), **kwargs)
        value, aux = out if has_aux else (out, None)
        if not isinstance(value, Tensor) or value.size != 1:
            shown = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
            raise RuntimeError(f"grad() needs a function that makes one number, but it made {shown}. Reduce it first.")
        wanted = [point[i % len(args)] for i in numbers]
        found = functional._gradients([value], wanted, None, True)
    own = [x for x in wanted if x.is_leaf]
    found = [_settled(x, own) for x in found]
    return found[0] if isinstance(argnums, int) else tuple(found), (_settled(value, own), aux)


def _start(x: Any) -> Tensor:
    """Return a tensor to take the gradient of: one that knows of `x` if others may ask, else a new leaf."""
    if not isinstance(x, Tensor):
        raise TypeError(f"gradients are taken of tensors, but got {type(x).__name__}.")
    return x[...] if x.requires_grad else x.detach().requires_grad_()


def _settled(result: Tensor, own: list[Tensor]) -> Tensor:
    """Return a result without its graph, unless somebody else's leaf is in it."""
    order = topological_order(result._grad_fn)
    leaves = (edge for node in order for edge in node.next_functions if isinstance(edge, Tensor))
    if is_grad_enabled() and any(all(leaf is not mine for mine in own) for leaf in leaves):
        return result
    return result.detach()


def vmap(func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0) -> Callable[..., Any]:
    """Return a function that maps `func` over an axis of its arguments.

    Parameters
    ----------
    func
        Takes tensors without the axis, and returns a tensor or a tuple of tensors.
    in_dims
        The axis of each argument that is mapped over, None for an argument that stays whole; one number for all.
    out_dims
        Where the axis is in each result.

    Raises
    ------
    ValueError
        If no argument is mapped over, or the axes have different lengths.

    Notes
    -----
    `func` runs once for each position, so this saves writing, not time: where speed counts, write the function for the
    whole batch. Gradients pass through.

    Examples
    --------
    >>> vmap(lambda x, y: (x * y).sum())(Tensor([[1, 2], [3, 4]]), Tensor([[1, 1], [10, 10]]))
    tensor([ 3., 70.])
    """

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        dims = tuple(in_dims) if isinstance(in_dims, tuple | list) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ValueError(f"vmap() has in_dims for {len(dims)} arguments, but got {len(args)}.")
        pieces = [x if dim is None else unbind(x, dim) for x, dim in zip(args, dims, strict=True)]
        lengths = {len(piece) for piece, dim in zip(pieces, dims, strict=True) if dim is not None}
        if len(lengths) != 1:
            raise ValueError(
                f"vmap() maps over one length, but got {sorted(lengths)}."
                if lengths
                else "vmap() has no axis to map over."
            )
        results = [
            func(*(p if dim is None else p[i] for p, dim in zip(pieces, dims, strict=True)), **kwargs)
            for i in range(lengths.pop())
        ]
        if isinstance(results[0], Tensor):
            return stack(results, out_dims)
        places = out_dims if isinstance(out_dims, tuple | list) else [out_dims] * len(results[0])
        return tuple(stack(parts, place) for parts, place in zip(zip(*results, strict=True), places, strict=True))

    return mapped


def vjp(func: Callable[..., Any], *primals: Tensor) -> tuple[Any, Callable[..., Any]]:
    """Return ``func(*primals)``, and a function from a gradient of that to the gradients of `primals`.

    Examples
    --------
    >>> value, back = vjp(lambda x: x**2, Tensor([1.0, 2.0]))
    >>> back(Tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """

    def back(*v: Any) -> tuple[Any, ...]:
        given = v[0] if len(v) == 1 else v
        return tuple(functional.vjp(func, primals, given)[1])

    return func(*primals), back


def jvp(func: Callable[..., Any], primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Any, Any]:
    """Return ``func(*primals)``, and how it moves when `primals` move by `tangents`."""
    return functional.jvp(func, primals, tangents)


def jacrev(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of `func` with respect to one argument, by walks back.

    Examples
    --------
    >>> jacrev(lambda x: x * x)(Tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def jacobian(*args: Any) -> Any:
        def of_one(x: Tensor) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :])

        return functional.jacobian(
            of_one, args[argnums], create_graph=is_grad_enabled() and args[argnums].requires_grad
        )

    return jacobian


jacfwd = jacrev


def hessian(func: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return a function that computes the Hessian of `func` with respect to one argument."""
    return jacrev(jacrev(func, argnums), argnums)
