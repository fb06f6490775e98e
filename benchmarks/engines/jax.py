"""JAX on the CPU: a training step, or a gradient, is compiled as a whole, as its users do; a graph is only traced."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jaxlib
import numpy as np
from jax import numpy as jnp

from benchmarks.cases import Adam, Array, Case, Sgd
from benchmarks.engines.engine import KindEngine, Step, read_loss


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """Return ``x @ weight.T + bias``."""
    return x @ weight.T + bias


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the mean cross-entropy of logits and classes."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


def mse_loss(x: Any, targets: Any) -> Any:
    """Return the mean squared error."""
    return jnp.mean((x - targets) ** 2)


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    """Return the layer norm over the last axis."""
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = (centered * centered).mean(axis=-1, keepdims=True)
    return centered * jax.lax.rsqrt(variance + 1e-5) * scale + shift


def split_heads(x: Any, heads: int) -> Any:
    """Split the channels as JAX's attention takes them. Shapes: ``(B, T, C) -> (B, T, heads, C / heads)``."""
    return x.reshape(*x.shape[:2], heads, -1)


def merge_heads(x: Any) -> Any:
    """Join the channels. Shapes: ``(B, T, heads, C / heads) -> (B, T, C)``."""
    return x.reshape(*x.shape[:2], -1)


def causal_attention(q: Any, k: Any, v: Any) -> Any:
    """Return attention in which no position sees a later one."""
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


FUNCTIONS = SimpleNamespace(
    linear=linear,
    relu=jax.nn.relu,
    cross_entropy=cross_entropy,
    mse_loss=mse_loss,
    gelu=jax.nn.gelu,
    softmax=jax.nn.softmax,
    layer_norm=layer_norm,
    split_heads=split_heads,
    merge_heads=merge_heads,
    causal_attention=causal_attention,
)


def sgd(settings: Sgd, parameters: Any, grads: Any, state: Any) -> tuple[Any, Any]:
    """Return the parameters and the state after a step of SGD."""
    return tuple(p - settings.lr * g for p, g in zip(parameters, grads, strict=True)), state


def adam(settings: Adam, parameters: Any, grads: Any, state: Any) -> tuple[Any, Any]:
    """Return the parameters and the state after a step of Adam."""
    steps, means, squares = state
    beta1, beta2 = settings.betas
    steps = steps + 1
    means = tuple(beta1 * m + (1 - beta1) * g for m, g in zip(means, grads, strict=True))
    squares = tuple(beta2 * s + (1 - beta2) * g * g for s, g in zip(squares, grads, strict=True))
    size, root = settings.lr / (1 - beta1**steps), (1 - beta2**steps) ** -0.5
    updated = tuple(
        p - size * m / (jnp.sqrt(s) * root + settings.eps) for p, m, s in zip(parameters, means, squares, strict=True)
    )
    return updated, (steps, means, squares)


def first_state(settings: Sgd | Adam, parameters: tuple[Any, ...]) -> Any:
    """Return what the optimizer remembers before its first step."""
    if isinstance(settings, Sgd):
        return ()
    return jnp.zeros(()), tuple(map(jnp.zeros_like, parameters)), tuple(map(jnp.zeros_like, parameters))


def training_step(case: Case) -> Callable[..., Any]:
    """Return ``(parameters, state, data) -> (parameters, state, loss)``, compiled."""
    update: Callable[..., Any] = sgd if isinstance(case.optimizer, Sgd) else adam

    def step(parameters: Any, state: Any, data: Any) -> Any:
        loss, grads = jax.value_and_grad(lambda p: case.function(FUNCTIONS, p, data))(parameters)
        return *update(case.optimizer, parameters, grads, state), loss

    compiled: Callable[..., Any] = jax.jit(step, donate_argnums=(0, 1))
    return compiled


def load(case: Case) -> tuple[Any, Any, Any]:
    """Return the parameters, the data, and the gradient at the output."""
    arrays = case.arrays()
    start = np.ones((), np.float32) if arrays.grad_output is None else arrays.grad_output
    return tuple(map(jnp.array, arrays.parameters)), tuple(map(jnp.array, arrays.data)), jnp.array(start)


def read_all(arrays: Any) -> list[Array]:
    """Return NumPy arrays."""
    return [np.asarray(array) for array in jax.tree_util.tree_leaves(arrays)]


class Jax(KindEngine):
    """JAX."""

    def versions(self) -> dict[str, str]:
        """Return the versions of JAX and of its library."""
        return {"jax": jax.__version__, "jaxlib": jaxlib.__version__}

    def train(self, case: Case) -> Step:
        """Return forward, backward and update, compiled as one function."""
        parameters, data, _ = load(case)
        assert case.optimizer is not None
        state, step = first_state(case.optimizer, parameters), training_step(case)

        def run(_: None) -> float:
            nonlocal parameters, state
            parameters, state, loss = step(parameters, state, data)
            jax.block_until_ready((parameters, state))
            return float(loss)

        return Step(run, read_loss)

    def forward(self, case: Case) -> Step:
        """Return the compiled forward; there is no tape to record on."""
        parameters, data, _ = load(case)
        function = jax.jit(lambda p, d: case.function(FUNCTIONS, p, d))
        return Step(lambda _: jax.block_until_ready(function(parameters, data)), read_all)

    def gradient(self, case: Case) -> Step:
        """Return forward and backward, compiled as one function."""
        parameters, data, start = load(case)

        def both(p: Any, d: Any, grad_output: Any) -> Any:
            output, pullback = jax.vjp(lambda p: case.function(FUNCTIONS, p, d), p)
            return output, pullback(grad_output)

        function = jax.jit(both)
        return Step(lambda _: jax.block_until_ready(function(parameters, data, start)), read_all)

    def build(self, case: Case) -> Step:
        """Return the tracing of a graph, with its values."""
        parameters, data, _ = load(case)

        def run(_: None) -> Any:
            output, _pullback = jax.vjp(lambda p: case.function(FUNCTIONS, p, data), parameters)
            return jax.block_until_ready(output)

        return Step(run, read_all)

    def backward(self, case: Case) -> Step:
        """Return the walk back through a traced graph."""
        parameters, data, start = load(case)

        def prepare() -> Any:
            _, pullback = jax.vjp(lambda p: case.function(FUNCTIONS, p, data), parameters)
            return pullback

        return Step(lambda pullback: jax.block_until_ready(pullback(start)), read_all, prepare)


ENGINE = Jax()
