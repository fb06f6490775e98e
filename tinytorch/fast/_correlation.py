"""The compiled kernels of convolution: windows meet kernels where they stand, without a copy of each.

Images in their borders, read row after row, are one long row of numbers. What element (i, j) of all windows meets is
that row from place ``i * wide + j`` on: a *term*, whose product with one number is added to a long row of results.
Three terms meet the rows of four kernels at a time, so that twelve products come of seven numbers that are read. The
windows that begin in the last few places of a row, or in the last few rows of an image, run over into the next one:
what they give is dropped, and the gradient that they get is 0.

Kernels are filled up to a multiple of four, and terms to a multiple of three; a term of -1 meets zeros.
"""

from __future__ import annotations

import numpy as np
from numpy import float32

from tinytorch.fast._compile import Array, kernel, part, sums

Places = np.ndarray[tuple[int], np.dtype[np.int64]]  # where terms begin

STEP = 1280  # places at a time: four rows of results, and what they are made of, stay in the fastest cache
WHOLE = 32  # places at a time in the vectorised loops: lengths are rounded up to a multiple
APART = STEP + 40  # between two rows of results: with a power of two, they would share their places in the cache


@part
def _rounded(length: int) -> int:
    return (length + WHOLE - 1) // WHOLE * WHOLE


@part
def _step(end: int) -> int:
    """Return how many places of a long row are worked on at a time: about the same number each time."""
    steps = (end + STEP - 1) // STEP
    found: int = _rounded((end + steps - 1) // steps)
    return found


@part
def _copy(source: Array, target: Array) -> None:
    for x in range(source.size):
        target[x] = source[x]


@part
def _fill(flat: Array, images: Array, top: int, left: int, high: int, wide: int, room: int) -> None:
    """Put images into their borders, channel by channel with `room` rows; a negative border leaves out their edge."""
    count, channels, height, width = images.shape
    first, last = max(0, -left), min(width, wide - left)
    for n in range(count):
        for channel in range(channels):
            for y in range(max(0, -top), min(height, high - top)):
                place = (channel * room + n * high + y + top) * wide + left
                _copy(images[n, channel, y, first:last], flat[place + first : place + last])


@part
def _term(flat: Array, places: Places, number: int, start: int, length: int) -> Array:
    """Return what the windows from `start` on meet; `flat` ends with zeros."""
    place = places[number] + start if places[number] >= 0 else flat.size - STEP
    return flat[place : place + length]


@part
def _add_products(rows: Array, kernels: Array, flat: Array, places: Places, start: int, length: int) -> None:
    """Add the products of all terms with four kernels to four rows."""
    r0, r1, r2, r3 = rows[0, :length], rows[1, :length], rows[2, :length], rows[3, :length]
    k0, k1, k2, k3 = kernels[0], kernels[1], kernels[2], kernels[3]
    for t in range(0, places.size, 3):
        a0 = _term(flat, places, t, start, length)
        a1 = _term(flat, places, t + 1, start, length)
        a2 = _term(flat, places, t + 2, start, length)
        k00, k01, k02 = k0[t], k0[t + 1], k0[t + 2]
        k10, k11, k12 = k1[t], k1[t + 1], k1[t + 2]
        k20, k21, k22 = k2[t], k2[t + 1], k2[t + 2]
        k30, k31, k32 = k3[t], k3[t + 1], k3[t + 2]
        for x in range(length):
            x0, x1, x2 = a0[x], a1[x], a2[x]
            r0[x] = r0[x] + k00 * x0 + k01 * x1 + k02 * x2
            r1[x] = r1[x] + k10 * x0 + k11 * x1 + k12 * x2
            r2[x] = r2[x] + k20 * x0 + k21 * x1 + k22 * x2
            r3[x] = r3[x] + k30 * x0 + k31 * x1 + k32 * x2


@sums
def _add_sums(total: Array, rows: Array, flat: Array, places: Places, start: int, length: int) -> None:
    """Add the sums of the products of all terms with four rows to four rows of `total`."""
    end = start + length
    r0, r1, r2, r3 = rows[0, start:end], rows[1, start:end], rows[2, start:end], rows[3, start:end]
    for t in range(0, places.size, 3):
        a0 = _term(flat, places, t, start, length)
        a1 = _term(flat, places, t + 1, start, length)
        a2 = _term(flat, places, t + 2, start, length)
        s00 = s01 = s02 = s10 = s11 = s12 = float32(0)
        s20 = s21 = s22 = s30 = s31 = s32 = float32(0)
        for x in range(length):
            x0, x1, x2 = a0[x], a1[x], a2[x]
            y0, y1, y2, y3 = r0[x], r1[x], r2[x], r3[x]
            s00, s01, s02 = s00 + y0 * x0, s01 + y0 * x1, s02 + y0 * x2
            s10, s11, s12 = s10 + y1 * x0, s11 + y1 * x1, s12 + y1 * x2
            s20, s21, s22 = s20 + y2 * x0, s21 + y2 * x1, s22 + y2 * x2
            s30, s31, s32 = s30 + y3 * x0, s31 + y3 * x1, s32 + y3 * x2
        for k, found in enumerate(((s00, s01, s02), (s10, s11, s12), (s20, s21, s22), (s30, s31, s32))):
            total[k, t] += found[0]
            total[k, t + 1] += found[1]
            total[k, t + 2] += found[2]


@kernel
def correlate(
    images: Array, kernels: Array, bias: Array, places: Places, top: int, left: int, high: int, wide: int,
    together: int, out: Array,
) -> None:  # fmt: skip
    """Write the products of all windows with all kernels, and the bias, into `out`.

    Shapes: ``(N, C, H, W), (O, terms), (O,), (terms,) -> (N, O, H', W')``, with O filled up in `kernels` and `bias`.
    So many images as are worked on `together` make one long row.
    """
    count, outputs, down, across = out.shape
    flat = np.zeros(images.shape[1] * together * high * wide + STEP, float32)
    rows = np.empty((4, APART), float32)
    for n in range(0, count, together):
        some = min(together, count - n)
        _fill(flat, images[n : n + some], top, left, high, wide, together * high)
        end = ((some - 1) * high + down - 1) * wide + across
        step = _step(end)
        for start in range(0, end, step):
            length = min(step, end - start)
            for o in range(0, outputs, 4):
                for k in range(4):
                    rows[k, : _rounded(length)] = bias[o + k]
                _add_products(rows, kernels[o : o + 4], flat, places, start, _rounded(length))
                for row in range(start // wide, (start + length - 1) // wide + 1):
                    begin, y = row * wide - start, row % high
                    first, last = max(0, -begin), min(across, length - begin)
                    if y < down and first < last:
                        for k in range(min(4, outputs - o)):
                            target = out[n + row // high, o + k, y, first:last]
                            _copy(rows[k, begin + first : begin + last], target)


@kernel
def correlate_gradients(
    images: Array, grads: Array, places: Places, top: int, left: int, high: int, wide: int, together: int,
    total: Array,
) -> None:  # fmt: skip
    """Add the products of all windows with their gradients, which are the gradients of the kernels, to `total`.

    Shapes: ``(N, C, H, W), (N, O, H', W'), (terms,) -> (O, terms)``, with O filled up in `total`.
    """
    count, outputs, down, across = grads.shape
    flat = np.zeros(images.shape[1] * together * high * wide + STEP, float32)
    rows = np.zeros((len(total), _rounded(together * high * wide)), float32)
    for n in range(0, count, together):
        some = min(together, count - n)
        _fill(flat, images[n : n + some], top, left, high, wide, together * high)
        for i in range(some):
            for o in range(outputs):
                for y in range(down):
                    place = (i * high + y) * wide
                    _copy(grads[n + i, o, y], rows[o, place : place + across])
        end = ((some - 1) * high + down - 1) * wide + across
        if some < together:  # there are gradients of more images from before
            rows[:, end:] = float32(0)
        step = _step(end)
        for start in range(0, end, step):
            length = min(step, end - start)
            for o in range(0, outputs, 4):
                _add_sums(total[o : o + 4], rows[o : o + 4], flat, places, start, _rounded(length))
