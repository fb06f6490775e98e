"""Derivatives of functions: Jacobians, Hessians, and their products with vectors.

Each takes a function of tensors and the place, one tensor or several, and answers in the same form as PyTorch's
``torch.autograd.functional``: a tensor for a tensor, a tuple for a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.autograd._grad import grad
from tinytorch.autograd._modes import enable_grad
from tinytorch.core.tensor import Tensor, from_numpy

Function = Callable[..., Any]


def vjp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of `v` with its Jacobian, by one walk back.

    Parameters
    ----------
    func
        Takes as many tensors as `inputs` has, and returns a tensor or a tuple of tensors.
    inputs
        Where; a tensor or a tuple of tensors.
    v
        Of the form and shape of the output; may be left out where that is one number.
    create_graph
        Make the results part of a graph.

    Returns
    -------
    tuple
        The output, and the product, of the form of `inputs`.

    Examples
    --------
    >>> vjp(lambda x: x**2, Tensor([1.0, 2.0]), Tensor([1.0, 10.0]))[1]
    tensor([ 2., 40.])
    """
    point, outputs, single = _run(func, inputs, create_graph)
    given = None if v is None else [_tensor(x) for x in _several(v)]
    products = _gradients(_several(outputs), point, given, create_graph)
    return _done(outputs, create_graph), _form(products, single)


def jvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of its Jacobian with `v`, by two walks back.

    The product with a vector from the left is linear in that vector; its own gradient is the product from the right.

    Parameters
    ----------
    func, inputs, create_graph
        As for `vjp`.
    v
        Of the form and shape of `inputs`; may be left out where that is one number.

    Examples
    --------
    >>> jvp(lambda x: x**2, Tensor([1.0, 2.0]), Tensor([1.0, 10.0]))[1]
    tensor([ 2., 40.])
    """
    with enable_grad():
        point, outputs, _ = _run(func, inputs, True)
        flat = _several(outputs)
        single = isinstance(outputs, Tensor)
        dual = [_zeros(out).requires_grad_() for out in flat]
        back = _gradients(flat, point, dual, True)
        given = [_ones(x) for x in point] if v is None else [_tensor(x) for x in _several(v)]
        _check_v(point, given)
        moving = [(b, g) for b, g in zip(back, given, strict=True) if b.requires_grad]
        products = _gradients([b for b, _ in moving], dual, [g for _, g in moving], create_graph)
    return _done(outputs, create_graph), _form(products, single)


def jacobian(func: Function, inputs: Any, create_graph: bool = False, vectorize: bool = False) -> Any:
    """Return the derivative of every output element with respect to every input element.

    Parameters
    ----------
    func, inputs, create_graph
        As for `vjp`.
    vectorize
        Taken for PyTorch's sake; the result is the same.

    Returns
    -------
    Tensor or tuple
        For one output and one input a tensor of shape ``output.shape + input.shape``; tuples of these, by output, then
        by input, where there are several.

    Examples
    --------
    >>> jacobian(lambda x: x * x, Tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    with enable_grad():
        point, outputs, single = _run(func, inputs, create_graph)
        blocks = [_rows(out, point, create_graph) for out in _several(outputs)]
    forms = [_form(block, single) for block in blocks]
    return forms[0] if isinstance(outputs, Tensor) else tuple(forms)


def hessian(func: Function, inputs: Any, create_graph: bool = False) -> Any:
    """Return the second derivatives of a function that makes one number.

    Parameters
    ----------
    func, inputs, create_graph
        As for `vjp`; the output has one element.

    Returns
    -------
    Tensor or tuple
        For one input a tensor of shape ``input.shape + input.shape``; a tuple of tuples where there are several.

    Raises
    ------
    RuntimeError
        If the output is not one number.

    Examples
    --------
    >>> hessian(lambda x: (x**3).sum(), Tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    single = isinstance(inputs, Tensor)

    def slopes(*point: Tensor) -> tuple[Tensor, ...]:
        out = func(*point)
        _check_one_number(out, "hessian()")
        return tuple(_gradients([out], list(point), None, True))

    found = jacobian(slopes, inputs if not single else (inputs,), create_graph)
    return found[0][0] if single else found


def hvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of its Hessian with `v`, without the Hessian; as `vhp`, by symmetry.

    Examples
    --------
    >>> hvp(lambda x: (x**3).sum(), Tensor([1.0, 2.0]), Tensor([1.0, 1.0]))[1]
    tensor([ 6., 12.])
    """
    return vhp(func, inputs, v, create_graph)


def vhp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of `v` with its Hessian, without the Hessian.

    Parameters
    ----------
    func, inputs, create_graph
        As for `vjp`; the output has one element.
    v
        Of the form and shape of `inputs`; may be left out where that is one number.
    """
    with enable_grad():
        point, out, single = _run(func, inputs, True)
        _check_one_number(out, "hvp()")
        slopes = _gradients([out], point, None, True)
        given = [_ones(x) for x in point] if v is None else [_tensor(x) for x in _several(v)]
        _check_v(point, given)
        moving = [(s, g) for s, g in zip(slopes, given, strict=True) if s.requires_grad]
        products = _gradients([s for s, _ in moving], point, [g for _, g in moving], create_graph)
    return _done(out, create_graph), _form(products, single)


def _run(func: Function, inputs: Any, keep_graph: bool) -> tuple[list[Tensor], Any, bool]:
    """Return the place as tensors that require gradients, what `func` makes there, and if `inputs` was one tensor."""
    point = [_start(x, keep_graph) for x in _several(inputs)]
    with enable_grad():
        outputs = func(*point)
    for out in _several(outputs):
        if not isinstance(out, Tensor):
            raise TypeError(f"the function has to return tensors, but returned {type(out).__name__}.")
    return point, outputs, isinstance(inputs, Tensor)


def _start(x: Any, keep_graph: bool) -> Tensor:
    tensor = _tensor(x)
    if keep_graph and tensor.requires_grad:
        return tensor.view_as(tensor)  # type: ignore[attr-defined,no-any-return]
    return tensor.detach().requires_grad_()


def _gradients(outputs: Sequence[Tensor], inputs: list[Tensor], given: Any, create_graph: bool) -> list[Tensor]:
    """Return the gradients of `inputs`, zeros where nothing depends on one."""
    moving = [i for i, out in enumerate(outputs) if out.requires_grad]
    starts = [outputs[i] for i in moving]
    seeds = None if given is None else [given[i] for i in moving]
    if not starts:
        return [_zeros(x) for x in inputs]
    found = grad(starts, inputs, seeds, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [_zeros(x) if g is None else g for x, g in zip(inputs, found, strict=True)]


def _rows(out: Tensor, point: list[Tensor], create_graph: bool) -> list[Tensor]:
    """Return the Jacobian of one output with respect to each input, by one walk back for each of its elements."""
    rows = []
    for i in range(out.size):
        seed = np.zeros(out.shape, out.dtype)
        seed.flat[i] = 1
        rows.append(_gradients([out], point, [from_numpy(seed)], create_graph))
    return [_stacked([row[k] for row in rows], out, x) for k, x in enumerate(point)]


def _stacked(rows: list[Tensor], out: Tensor, x: Tensor) -> Tensor:
    from tinytorch.ops.joining import stack

    if not rows:
        return from_numpy(np.zeros(out.shape + x.shape, out.dtype))
    return stack(rows).reshape(out.shape + x.shape)


def _several(value: Any) -> list[Any]:
    return [value] if isinstance(value, Tensor) else list(value)


def _form(values: list[Any], single: bool) -> Any:
    return values[0] if single else tuple(values)


def _done(outputs: Any, keep_graph: bool) -> Any:
    if keep_graph:
        return outputs
    return outputs.detach() if isinstance(outputs, Tensor) else tuple(out.detach() for out in outputs)


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"derivatives are taken of tensors, but got {type(value).__name__}.")
    return value


def _zeros(like: Tensor) -> Tensor:
    return from_numpy(np.zeros(like.shape, like.dtype))


def _ones(like: Tensor) -> Tensor:
    if like.size != 1:
        raise RuntimeError(f"v may be left out only where it is one number; here it has to have shape {like.shape}.")
    return from_numpy(np.ones(like.shape, like.dtype))


def _check_v(point: list[Tensor], given: list[Tensor]) -> None:
    shapes, wanted = [v.shape for v in given], [x.shape for x in point]
    if shapes != wanted:
        raise RuntimeError(f"v has to have the shapes of the inputs, {wanted}, but has {shapes}.")


def _check_one_number(out: Any, name: str) -> None:
    if not isinstance(out, Tensor) or out.size != 1:
        shown = f"shape {out.shape}" if isinstance(out, Tensor) else type(out).__name__
        raise RuntimeError(f"{name} needs a function that makes one number, but it made {shown}. Reduce it first.")
