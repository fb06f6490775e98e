"""Scaled dot-product attention as one operation."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.autograd import Function, unbroadcast
from tinytorch.core.tensor import Array, FloatArray, Tensor, check_broadcast, default_generator, from_numpy
from tinytorch.ops._arguments import check_chance, check_float_tensors, wide
from tinytorch.ops._blocks import dot_rows, in_blocks, shaped
from tinytorch.ops._registry import operation

__all__: list[str] = []

Grads = tuple[FloatArray | None, ...]


class Attention(NamedTuple):
    """How queries attend to keys.

    Attributes
    ----------
    is_causal
        Whether query i looks at keys 0 to i alone.
    scale
        What the scores are multiplied by.
    kept
        Which weights are not dropped, ``(..., L, S)``; None for all.
    kept_scale
        What those are multiplied by.
    """

    is_causal: bool
    scale: float
    kept: Array | None = None
    kept_scale: float = 1.0

    def weights(self, query: Any, key: Any, mask: Any) -> Any:
        """Return ``softmax(query @ key.T * scale + mask)``; 0 where nothing is attended to."""
        scores = (query * self.scale) @ key.swapaxes(-1, -2)
        if mask is not None:
            scores = scores + (_as_bias(mask, scores.dtype) if mask.dtype == bool else mask)
        if self.is_causal:
            scores = scores + _as_bias(np.tri(*scores.shape[-2:], dtype=np.bool_), scores.dtype)
        # The same number off each score of a row changes nothing, so it needs no gradient.
        top = (scores.data if isinstance(scores, Tensor) else scores).max(axis=-1, keepdims=True, initial=-np.inf)
        powers = np.exp(scores - np.where(top == -np.inf, top.dtype.type(0), top))
        total = powers.sum(axis=-1, keepdims=True)
        return powers / (total + (total == 0))

    def dropped(self, weights: Any, kept: Any) -> Any:
        """Return the weights, or a gradient at them, with the ones that are not kept made 0."""
        return weights if kept is None else weights * (kept * weights.dtype.type(self.kept_scale))


def _as_bias(mask: Any, dtype: Any) -> FloatArray:
    """Return 0 where a mask of booleans is true and -inf elsewhere."""
    return np.where(mask.data if isinstance(mask, Tensor) else mask, 0, -np.inf).astype(dtype)


class AttentionBackward(Function):
    """Gradient of ``out = weights @ value`` with ``weights = softmax(query @ key.T * scale + mask)``.

    With the gradient ``g = grad_output @ value.T`` at the weights, and ``h = weights * (g - sum(g * weights))`` at the
    scores::

        grad_query = h @ key * scale
        grad_key = h.T @ query * scale
        grad_value = weights.T @ grad_output
        grad_mask = h, summed back to the mask's shape

    Notes
    -----
    Memory: keeps the inputs, and computes the weights again, some examples at a time: none of the arrays of shape
    ``(..., L, S)`` is ever whole. With dropout, which weights are kept takes one byte each.
    Source: T. Dao et al., FlashAttention, arXiv:2205.14135, appendix B.
    """

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        attention: Attention,
        *,
        output: Tensor | None = None,
    ) -> None:
        super().__init__(query, key, value, mask, output=output)
        self.attention = attention

    def apply(self, grad_output: FloatArray) -> Grads:
        attention = self.attention
        need_query, need_key, need_value, need_mask = self.needs_input_grad

        def gradients(query: Any, key: Any, value: Any, mask: Any, kept: Any, grad: Any) -> Grads:
            query, key, value, grad = wide(query), wide(key), wide(value), wide(grad)
            weights = attention.weights(query, key, mask)
            grad_query = grad_key = grad_value = None
            if need_value:
                grad_value = attention.dropped(weights, kept).swapaxes(-1, -2) @ grad
            at_weights = attention.dropped(grad @ value.swapaxes(-1, -2), kept)
            at_scores = weights * (at_weights - dot_rows(at_weights, weights))
            if need_query:
                grad_query = at_scores @ key * attention.scale
            if need_key:
                grad_key = at_scores.swapaxes(-1, -2) @ query * attention.scale
            grads = (grad_query, grad_key, grad_value, at_scores if need_mask else None)
            pairs = zip(grads, (query, key, value, mask), strict=True)
            return tuple(None if g is None else unbroadcast(g, x.shape) for g, x in pairs)

        stacks = self.shape[:-2]
        operands = [_as_stack(x, stacks) for x in (*self.saved_tensors, attention.kept, grad_output)]
        grads = in_blocks(gradients, operands, width=operands[0].shape[-2] * operands[1].shape[-2])
        pairs = zip(grads, self.input_shapes, strict=True)
        return tuple(None if grad is None else _from_stack(grad, stacks, shape) for grad, shape in pairs)


def _as_stack(x: Any, stacks: tuple[int, ...]) -> Any:
    """Return an operand that broadcasts to ``(*stacks, L, S)`` as one stack of matrices, or of one that serves all."""
    if x is None:
        return None
    matrix = (1, *x.shape)[-2:]
    if math.prod(x.shape[:-2]) == 1:
        return x.reshape((1, *matrix))
    if x.shape[:-2] != stacks:
        x = x + np.zeros((*stacks, 1, 1), x.dtype)
    return x.reshape((math.prod(stacks), *matrix))


def _from_stack(grad: Any, stacks: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Return the gradient at an operand from that at what `_as_stack` made of it."""
    if math.prod(shape[:-2]) == 1:
        return shaped(grad, shape)
    return unbroadcast(grad.reshape((*stacks, *grad.shape[1:])), shape)


@operation(AttentionBackward, method="_attention")
def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, attention: Attention) -> Tensor:
    def attended(_: Any, query: Any, key: Any, value: Any, mask: Any, kept: Any) -> tuple[FloatArray]:
        weights = attention.weights(wide(query), wide(key), mask)
        return (attention.dropped(weights, kept) @ wide(value),)

    stacks = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    length, width = query.shape[-2], value.shape[-1]
    arrays = (query.data, key.data, value.data, None if mask is None else mask.data, attention.kept)
    operands = [_as_stack(x, stacks) for x in arrays]
    place = np.broadcast_to(query.dtype.type(0), (math.prod(stacks), length, width))  # has the shape of the result
    (out,) = in_blocks(attended, (place, *operands), width=length * key.shape[-2])
    return from_numpy(out.reshape((*stacks, length, width)).astype(query.dtype, copy=False))


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Return ``softmax(query @ key.T * scale + mask) @ value``.

    Parameters
    ----------
    query
        Of shape ``(..., L, E)``.
    key
        Of shape ``(..., S, E)``.
    value
        Of shape ``(..., S, Ev)``.
    attn_mask
        Broadcasts to ``(..., L, S)``: booleans, True where a position takes part, or floats, added to the scores.
        A query for which nothing takes part gives 0.
    dropout_p
        The chance that a weight is dropped; in evaluation pass 0.
    is_causal
        Whether query i looks at keys 0 to i alone.
    scale
        What the scores are multiplied by; ``1 / sqrt(E)`` if None.

    Returns
    -------
    Tensor
        Of shape ``(..., L, Ev)``.

    Raises
    ------
    ValueError
        If the shapes do not fit, `attn_mask` and `is_causal` are both given, or `dropout_p` is not between 0 and 1.
    TypeError
        If the dtypes differ, or `attn_mask` holds integers.

    Notes
    -----
    Source: A. Vaswani et al., Attention is all you need, arXiv:1706.03762, sec. 3.2.1.
    """
    _check_attention(query, key, value, attn_mask, is_causal)
    check_chance("scaled_dot_product_attention", dropout_p)
    scale = 1 / math.sqrt(max(1, query.shape[-1])) if scale is None else scale
    attention = Attention(is_causal, scale)
    if dropout_p:
        stacks = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
        kept = default_generator().random((*stacks, query.shape[-2], key.shape[-2]), dtype=np.float32) >= dropout_p
        attention = Attention(is_causal, scale, kept, 1 / (1 - dropout_p) if dropout_p < 1 else 0.0)
    return _attention(query, key, value, attn_mask, attention)


def _check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool) -> None:
    name = "scaled_dot_product_attention"
    check_float_tensors(name, query=query, key=key, value=value)
    fits = (
        min(query.ndim, key.ndim, value.ndim) >= 2
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
    )
    if not fits:
        raise ValueError(
            f"{name}() takes a query (..., L, E), a key (..., S, E) and a value (..., S, Ev), but got {query.shape}, "
            f"{key.shape} and {value.shape}."
        )
    check_broadcast(query.shape[:-2], key.shape[:-2], name)
    stacks = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    check_broadcast(stacks, value.shape[:-2], name)
    if mask is None:
        return
    if is_causal:
        raise ValueError(f"{name}() takes attn_mask or is_causal=True, not both. Write the one into the other.")
    if mask.dtype.kind != "b":
        check_float_tensors(name, query=query, attn_mask=mask)
    scores = (*np.broadcast_shapes(stacks, value.shape[:-2]), query.shape[-2], key.shape[-2])
    check_broadcast(mask.shape, scores, name)
    if np.broadcast_shapes(mask.shape, scores) != scores:
        raise ValueError(f"{name}(): attn_mask of shape {mask.shape} does not fit scores of shape {scores}.")
