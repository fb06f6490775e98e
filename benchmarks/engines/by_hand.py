"""Functions and their gradients in NumPy, by hand: block by block, so that what is worked on stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.cases import Array

BLOCK = 1 << 16  # elements of float32 that fit a second-level cache together with two more blocks


def blocks(x: Array) -> Iterator[slice]:
    """Yield slices of the rows of x."""
    rows = max(1, BLOCK // max(1, x.shape[-1]))
    return (slice(start, start + rows) for start in range(0, len(x), rows))


def linear_backward(grad: Array, x: Array, weight: Array, need_x: bool = True) -> tuple[Any, Array, Array]:
    """Return the gradients of ``x @ weight.T + bias``; None for x where it is not needed."""
    return grad @ weight if need_x else None, grad.T @ x, grad.sum(axis=0)


def gelu(x: Array) -> tuple[Array, Array]:
    """Return the GELU of x by its tanh form, and its slope."""
    root = float((2 / np.pi) ** 0.5)
    y, slope = np.empty_like(x), np.empty_like(x)
    for rows in blocks(x):
        part = x[rows]
        square = part * part
        t = square * (0.044715 * root)
        t += root
        t *= part
        np.tanh(t, out=t)
        square *= 3 * 0.044715 * root
        square += root
        square *= part
        half = 0.5 * t
        half += 0.5  # (1 + t) / 2
        np.multiply(part, half, out=y[rows])
        # d(x * half) = half + x * (1 - t * t) / 2 * du/dx
        t *= t
        np.subtract(1, t, out=t)
        t *= square
        t *= 0.5
        np.add(half, t, out=slope[rows])
    return y, slope


def softmax(x: Array, out: Array | None = None) -> Array:
    """Return the softmax of each row."""
    y = np.empty_like(x) if out is None else out
    for rows in blocks(x):
        part = y[rows]
        np.subtract(x[rows], x[rows].max(axis=-1, keepdims=True), out=part)
        np.exp(part, out=part)
        part *= 1 / part.sum(axis=-1, keepdims=True)
    return y


def softmax_backward(grad: Array, y: Array) -> Array:
    """Return the gradient at x from the one at ``y = softmax(x)``."""
    grad_x = np.empty_like(y)
    for rows in blocks(y):
        g, part = grad[rows], grad_x[rows]
        np.subtract(g, np.einsum("ij,ij->i", g, y[rows])[:, None], out=part)
        part *= y[rows]
    return grad_x


def cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean cross-entropy of the rows, and its gradient."""
    count = len(labels)
    grad, total = np.empty_like(logits), 0.0
    for rows in blocks(logits):
        part, label = grad[rows], labels[rows]
        here = np.arange(len(label)), label
        np.subtract(logits[rows], logits[rows].max(axis=1, keepdims=True), out=part)
        right = part[here]
        np.exp(part, out=part)
        norm = part.sum(axis=1, keepdims=True)
        total += float(np.log(norm).sum() - right.sum())
        part *= 1 / (norm * count)
        part[here] -= 1 / count
    return total / count, grad


def mse_loss(x: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean squared error, and its gradient."""
    error = x - targets
    flat = error.ravel()
    loss = float(flat @ flat) / x.size
    error *= 2 / x.size
    return loss, error


def layer_norm(x: Array, scale: Array, shift: Array) -> tuple[Array, Array, Array]:
    """Return the layer norm of each row, and what its gradient needs: the mean and 1 / deviation of each row."""
    width = x.shape[-1]
    y, mean, rate = np.empty_like(x), np.empty_like(x[:, :1]), np.empty_like(x[:, :1])
    for rows in blocks(x):
        part = y[rows]
        np.mean(x[rows], axis=1, keepdims=True, out=mean[rows])
        np.subtract(x[rows], mean[rows], out=part)
        rate[rows, 0] = (np.einsum("ij,ij->i", part, part) / width + 1e-5) ** -0.5
        part *= rate[rows]
        part *= scale
        part += shift
    return y, mean, rate


def layer_norm_backward(grad: Array, x: Array, scale: Array, mean: Array, rate: Array) -> tuple[Array, Array, Array]:
    """Return the gradients at x, scale and shift."""
    width = x.shape[-1]
    grad_x, grad_scale, grad_shift = np.empty_like(x), np.zeros_like(scale), np.zeros_like(scale)
    for rows in blocks(x):
        g, part, row_rate = grad[rows], grad_x[rows], rate[rows]
        centered = x[rows] - mean[rows]
        product = g * centered
        grad_shift += g.sum(axis=0)
        grad_scale += row_rate[:, 0] @ product
        along_ones, along_x = (g @ scale)[:, None] / width, (product @ scale)[:, None] / width
        np.multiply(g, scale, out=part)
        part -= along_ones
        centered *= along_x * row_rate * row_rate
        part -= centered
        part *= row_rate
    return grad_x, grad_scale, grad_shift


def causal_mask(length: int, dtype: Any) -> Array:
    """Return 0 where a position may look and -inf where it may not."""
    return np.triu(np.full((length, length), -np.inf, dtype), k=1)


def attention(q: Array, k: Array, v: Array) -> tuple[Array, Array]:
    """Return causal attention, and the weights. Shapes: ``(B, heads, T, C)``, weights ``(B, heads, T, T)``."""
    length, width = q.shape[-2:]
    weights = q @ k.swapaxes(-1, -2)
    weights *= width**-0.5
    weights += causal_mask(length, q.dtype)
    rows = weights.reshape(-1, length)
    softmax(rows, out=rows)
    return weights @ v, weights


def attention_backward(grad: Array, q: Array, k: Array, v: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return the gradients at q, k and v."""
    length, width = q.shape[-2:]
    grad_weights = grad @ v.swapaxes(-1, -2)
    grad_scores = softmax_backward(grad_weights.reshape(-1, length), weights.reshape(-1, length))
    grad_scores *= width**-0.5
    grad_scores = grad_scores.reshape(weights.shape)
    return grad_scores @ k, grad_scores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ grad


def windows(x: Array, height: int, width: int) -> Array:
    """Return a copy of all windows as columns. Shapes: ``(N, C, H, W) -> (N, C * height * width, windows)``."""
    view = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))  # (N, C, H', W', height, width)
    count, channels, down, across = view.shape[:4]
    return view.transpose(0, 1, 4, 5, 2, 3).reshape(count, channels * height * width, down * across)


def padded(x: Array, padding: int) -> Array:
    """Return images in a border of zeros."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding))) if padding else x


def images_at_once(x: Array, kernels: Array) -> int:
    """Return for how many images the columns fit the cache."""
    return max(1, 4 * BLOCK // (x[0].size * kernels[0, 0].size))


def conv2d(x: Array, kernels: Array, bias: Array, padding: int) -> Array:
    """Return the convolution of images, a few at a time."""
    size = kernels.shape[-1]
    side = x.shape[-1] + 2 * padding - size + 1
    y = np.empty((len(x), len(kernels), side, side), x.dtype)
    flat, step = kernels.reshape(len(kernels), -1), images_at_once(x, kernels)
    for i in range(0, len(x), step):
        columns = windows(padded(x[i : i + step], padding), size, size)
        np.matmul(flat, columns, out=y[i : i + step].reshape(-1, len(kernels), side * side))
    y += bias[:, None, None]
    return y


def conv2d_backward(grad: Array, x: Array, kernels: Array, padding: int, need_x: bool = True) -> tuple[Any, ...]:
    """Return the gradients at the images, None where it is not needed, at the kernels and at the bias."""
    size, flat = kernels.shape[-1], kernels.reshape(len(kernels), -1)
    grad_x, grad_flat = np.empty_like(x) if need_x else None, np.zeros_like(flat.T)
    side, step = grad.shape[-1], images_at_once(x, kernels)
    for i in range(0, len(x), step):
        images = padded(x[i : i + step], padding)
        rows = grad[i : i + step].reshape(-1, len(kernels), side * side)
        grad_flat += (windows(images, size, size) @ rows.swapaxes(1, 2)).sum(axis=0)
        if grad_x is not None:
            # Where the windows overlap, their gradients add up.
            columns = (flat.T @ rows).reshape(len(images), -1, size, size, side, side)
            spread = np.zeros_like(images)
            for down in range(size):
                for across in range(size):
                    spread[:, :, down : down + side, across : across + side] += columns[:, :, down, across]
            end = spread.shape[-1] - padding
            grad_x[i : i + step] = spread[:, :, padding:end, padding:end]
    return grad_x, grad_flat.T.reshape(kernels.shape), grad.sum(axis=(0, 2, 3))


def max_pool2d(x: Array) -> Array:
    """Return the largest of each 2 by 2 elements."""
    rows = np.maximum(x[:, :, ::2], x[:, :, 1::2])
    return np.maximum(rows[..., ::2], rows[..., 1::2])


def max_pool2d_backward(grad: Array, x: Array, y: Array) -> Array:
    """Return the gradient at x: it goes to the first of the largest."""
    grad_x, free = np.zeros_like(x), np.ones(y.shape, bool)
    for down in (0, 1):
        for across in (0, 1):
            here = (x[:, :, down::2, across::2] == y) & free
            free &= ~here
            np.multiply(grad, here, out=grad_x[:, :, down::2, across::2])
    return grad_x
