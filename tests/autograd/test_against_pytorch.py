"""Short programs that run in both libraries and have to come to the same: the engine's own functions, side by side."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinytorch
import tinytorch.func
import tinytorch.utils.checkpoint

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")
for part in ("torch.func", "torch.utils.checkpoint"):
    importlib.import_module(part)

PROGRAMS: list[Callable[..., Any]] = []


def program(function: Callable[..., Any]) -> Callable[..., Any]:
    PROGRAMS.append(function)
    return function


def results(lib: Any, function: Callable[..., Any]) -> list[Any]:
    x = lib.from_numpy(np.array([1.0, 2.0, 3.0])).requires_grad_()
    w = lib.from_numpy(np.array([0.5, 0.2, 0.3])).requires_grad_()
    return [None if t is None else np.asarray(t.detach().numpy()) for t in flat(function(lib, x, w))]


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for part in value:
            yield from flat(part)
    else:
        yield value


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_agrees(function: Callable[..., Any]) -> None:
    ours = results(tinytorch, function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, such as that of cycles by create_graph
        theirs = results(torch, function)
    assert [a is None for a in ours] == [b is None for b in theirs]
    for a, b in zip(ours, theirs, strict=True):
        if a is not None:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# grad and backward


@program
def gradients_of_gradients(lib: Any, x: Any, w: Any) -> Any:
    (g,) = lib.autograd.grad(((x * w) ** 3).sum(), x, create_graph=True)
    (h,) = lib.autograd.grad((g * g).sum(), w, create_graph=True)
    return g, h, lib.autograd.grad(h.sum(), [x, w])


@program
def gradients_of_tensors_in_between(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    z = y * y
    return lib.autograd.grad([z.sum(), y.sum()], [y, x])


@program
def unused_inputs_are_none(lib: Any, x: Any, w: Any) -> Any:
    return lib.autograd.grad((x * 2).sum(), [x, w], allow_unused=True)


@program
def unused_inputs_are_zeros(lib: Any, x: Any, w: Any) -> Any:
    (g, h) = lib.autograd.grad((x * x).sum(), [x, w], create_graph=True, materialize_grads=True)
    return g, h, lib.autograd.grad(g.sum(), [x, w], allow_unused=True, materialize_grads=True)


@program
def the_same_input_twice(lib: Any, x: Any, w: Any) -> Any:
    return lib.autograd.grad((x * w).sum(), [x, x, w])


@program
def a_start_for_each_output(lib: Any, x: Any, w: Any) -> Any:
    y, z = x * w, x + w
    return lib.autograd.grad([y, z], [x, w], [w.detach(), x.detach()])


@program
def backward_into_chosen_inputs(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    (y * y).sum().backward(inputs=[w])
    return x.grad, w.grad


@program
def backward_from_several(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    lib.autograd.backward([y, (y * y).sum()], [w.detach(), None])
    return x.grad, w.grad


@program
def backward_from_several_into_one(lib: Any, x: Any, w: Any) -> Any:
    lib.autograd.backward(((x * w).sum(), (x * x).sum()), inputs=x, create_graph=True)
    (x.grad * w).sum().backward(inputs=[w])
    return x.grad, w.grad


@program
def backward_with_create_graph(lib: Any, x: Any, w: Any) -> Any:
    (x * w).sum().backward(create_graph=True)
    g = w.grad
    (g * g).sum().backward()
    return x.grad, w.grad


@program
def a_gradient_penalty(lib: Any, x: Any, w: Any) -> Any:
    out = (x * w).exp().sum()
    (slope,) = lib.autograd.grad(out, x, create_graph=True)
    (out + ((slope * slope).sum().sqrt() - 1) ** 2).backward()
    return x.grad, w.grad


@program
def two_passes_over_one_graph(lib: Any, x: Any, w: Any) -> Any:
    y = (x * w).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad, w.grad


# Switches


@program
def switches(lib: Any, x: Any, w: Any) -> Any:
    grad_of = lambda t: t.detach() * float(t.requires_grad)  # noqa: E731
    with lib.no_grad():
        a = x * 2
        with lib.enable_grad():
            b = x * 3
    with lib.set_grad_enabled(False):
        c = x * 4
    with lib.inference_mode():
        d = x * 5
        e = float(lib.is_grad_enabled())
    lib.set_grad_enabled(False)
    f = x * 6
    lib.set_grad_enabled(True)
    g = x * 7
    return [grad_of(t) for t in (a, b, c, f, g)], lib.tensor(float(d.requires_grad) + e)


@program
def switches_as_decorators(lib: Any, x: Any, w: Any) -> Any:
    @lib.no_grad()
    def off(t: Any) -> Any:
        return on(t) + t * 2

    @lib.enable_grad()
    def on(t: Any) -> Any:
        return t * 3

    with lib.no_grad():
        y = on(x)
    return y.sum().backward(), x.grad, lib.tensor(float(off(x).requires_grad))


# Hooks


@program
def hooks_of_tensors(lib: Any, x: Any, w: Any) -> Any:
    seen = []
    y = x * w
    y.register_hook(lambda g: seen.append(g.detach()))
    y.register_hook(lambda g: g * 2)
    gone = y.register_hook(lambda g: g * 1000)
    gone.remove()
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    return x.grad, w.grad, seen


@program
def hooks_with_create_graph(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    y.register_hook(lambda g: g * g)
    (g,) = lib.autograd.grad((y * y * y).sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), [x, w])


@program
def hooks_of_modules(lib: Any, x: Any, w: Any) -> Any:
    layer = lib.nn.Linear(3, 2)
    with lib.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(lib.ones(*parameter.shape) * 0.5)
    seen: list[Any] = []
    layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    layer.register_forward_hook(lambda module, args, out: out + 1)
    layer.register_full_backward_hook(lambda module, inward, outward: seen.append((inward[0], outward[0])))
    layer.register_full_backward_hook(lambda module, inward, outward: (inward[0] * 10,))
    point = x.float().detach().requires_grad_()
    (layer(point) ** 2).sum().backward()
    return point.grad, layer.weight.grad, seen


# Operations of one's own


@program
def one_output(lib: Any, x: Any, w: Any) -> Any:
    class Cube(lib.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, t: Any) -> Any:
            y = t * t * t
            ctx.save_for_backward(t, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            t, y = ctx.saved_tensors
            return 3 * y / t * g

    y = Cube.apply(x * w)
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return y, g, lib.autograd.grad(g.sum(), [x, w])


@program
def several_outputs_and_settings(lib: Any, x: Any, w: Any) -> Any:
    class Both(lib.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any, scale: float) -> Any:
            ctx.save_for_backward(a, b)
            ctx.scale = scale
            return a * b * scale, (a + b).sum()

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            a, b = ctx.saved_tensors
            return g * b * ctx.scale + h, g * a * ctx.scale + h, None

    p, q = Both.apply(x, w, 2.0)
    first = lib.autograd.grad((p * p).sum() * q, [x, w], create_graph=True)
    return p, q, first, lib.autograd.grad((first[0] * first[1]).sum(), [x, w])


@program
def an_input_that_needs_none_and_an_output_that_has_none(lib: Any, x: Any, w: Any) -> Any:
    class Largest(lib.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, t: Any, other: Any) -> Any:
            index = t.argmax()
            ctx.index, ctx.needs = index.item(), ctx.needs_input_grad
            ctx.mark_non_differentiable(index)
            return t.max() * other.sum(), index

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any = None) -> Any:
            assert ctx.needs == (True, False)
            grad = lib.zeros(3, dtype=lib.float64)
            grad[ctx.index] = 1.0
            return grad * g, None

    value, index = Largest.apply(x, w.detach())
    value.backward()
    return x.grad, index, lib.tensor(float(index.requires_grad))


# Functions of functions


def two_to_two(a: Any, b: Any) -> Any:
    return (a * b).exp(), (a * a * b).sum()


def to_one(a: Any, b: Any) -> Any:
    return ((a * b) ** 3).sum() * a.sum()


@program
def jacobians_and_hessians(lib: Any, x: Any, w: Any) -> Any:
    f = lib.autograd.functional
    return f.jacobian(two_to_two, (x, w)), f.hessian(to_one, (x, w)), f.jacobian(lambda t: t**2, x)


@program
def products_with_vectors(lib: Any, x: Any, w: Any) -> Any:
    f, v = lib.autograd.functional, (w.detach(), x.detach())
    return (
        f.vjp(two_to_two, (x, w), (x.detach(), lib.tensor(2.0, dtype=lib.float64))),
        f.jvp(two_to_two, (x, w), v),
        f.hvp(to_one, (x, w), v),
        f.vhp(to_one, (x, w), v),
        f.vjp(to_one, (x, w)),
    )


@program
def differentiable_jacobian(lib: Any, x: Any, w: Any) -> Any:
    jacobian = lib.autograd.functional.jacobian(lambda t: t**3 * w, x, create_graph=True)
    return lib.autograd.grad(jacobian.sum(), [x, w])


@program
def functions_that_make_functions(lib: Any, x: Any, w: Any) -> Any:
    f, t = lib.func, x.detach()
    value, back = f.vjp(lambda a: a**2, t)
    return (
        f.grad(lambda a: (a**3).sum())(t),
        f.grad(to_one, argnums=(0, 1))(t, w.detach()),
        f.grad_and_value(lambda a: (a**3).sum())(t),
        f.hessian(lambda a: (a**3).sum())(t),
        f.jacrev(lambda a: a**2)(t),
        f.vmap(f.grad(lambda a: (a**3).sum()))(t.reshape(3, 1)),
        f.vmap(lambda a, b: a * b, in_dims=(0, None))(t, w.detach()),
        f.grad(lambda a: f.grad(lambda b: (a * b**3).sum())(t).sum())(t),
        value,
        back(t),
        f.jvp(lambda a: a**2, (t,), (t,)),
    )


@program
def a_gradient_function_inside_a_loss(lib: Any, x: Any, w: Any) -> Any:
    lib.func.grad(lambda a: (a**3 * w).sum())(x).sum().backward()
    return x.grad, w.grad


# Checkpoints and copies


@program
def a_checkpoint(lib: Any, x: Any, w: Any) -> Any:
    y = lib.utils.checkpoint.checkpoint(lambda t: (t * w).exp(), x * 2, use_reentrant=False)
    (y * y).sum().backward()
    return y, x.grad, w.grad


@program
def copies_of_leaves(lib: Any, x: Any, w: Any) -> Any:
    (x * w).sum().backward()
    y = copy.deepcopy(x)
    (y * 2).sum().backward()
    return x.grad, y, y.grad


# Changes in place


@program
def recorded_changes(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y.mul_(w)
    y += 1
    y -= x
    y.clamp_(min=2.0)
    y[0] = w[1] * 5
    y[1:] = y[1:] * 3
    y.exp_()
    (y * y).sum().backward()
    return y, x.grad, w.grad


@program
def a_buffer_is_filled(lib: Any, x: Any, w: Any) -> Any:
    buffer = lib.zeros(2, 3, dtype=lib.float64)
    buffer[0] = x
    buffer[:, 1] = w[0] * 2
    buffer[1, [0, 2]] = x[:2]
    (buffer**2).sum().backward()
    return buffer, x.grad, w.grad


@program
def copying_and_filling(lib: Any, x: Any, w: Any) -> Any:
    y = lib.ones(3, dtype=lib.float64)
    y.copy_(x * w)
    z = x * x
    z.fill_(3.0)
    u = x * w
    u.zero_()
    (y * z + u).sum().backward()
    return x.grad, w.grad


@program
def a_step_of_an_optimizer(lib: Any, x: Any, w: Any) -> Any:
    (x * w).sum().backward()
    with lib.no_grad():
        x -= 0.1 * x.grad
        w.sub_(w.grad, alpha=0.5)
    x.grad.zero_()
    return x, w, x.grad
