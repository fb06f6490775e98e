# %% [markdown]
"""
# 02 Activations
A layer multiplies and adds, so all it can draw is a straight line. An activation bends it. This module builds
the six bends that almost every network is made of, and makes them give the right number at *any* input, not
only at friendly ones.

**You have** `Tensor` (01). **You build** `ReLU`, `Sigmoid`, `Tanh`, `GELU`, `Softmax`, `LogSoftmax`.
"""

# %%
#| default_exp core.activations
#| doc Activations: the bends between the straight layers of a network, stable at any input.

# %% tags=["imports"]
#| export
from __future__ import annotations

import math

import numpy as np

from tinytorch.core.tensor import FloatArray, Tensor, from_numpy

# %% [markdown]
"""
## Why a network needs bends
Take two straight layers, `f(x) = 3x + 1` and `g(x) = 2x + 4`, and put one after the other:

    g(f(x)) = 2 * (3x + 1) + 4 = 6x + 6

That is one straight layer again. A hundred of them in a row are still one, just slower. Now cut the negative
part off between the two:

    x              -2    -1     0     1
    f(x)           -5    -2     1     4
    cut at 0        0     0     1     4
    g              4     4     6    12      <- flat, then rising: no straight line does that

One cut makes one corner. Add many such pieces and you can come as close as you like to any curve. All that a
network can do beyond a single layer, it owes to these bends.

An activation works on each number alone (`ReLU`, `Sigmoid`, `Tanh`, `GELU`) or on one axis (`Softmax`,
`LogSoftmax`). It has no parameters, so there is nothing in it to train. What all of them share is given here:
`layer(x)` calls `layer.forward(x)`.

The helper `_floats` hands out the array inside a tensor, and refuses a tensor of integers. The sigmoid of 1 is
0.731, which no integer can hold; better an error than a silent 0.
"""


# %% tags=["activation"]
#| export
class Activation:
    """A function of a tensor that holds no parameters: ``layer(x)`` is ``layer.forward(x)``."""

    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of `x`; every subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(). Write `def forward(self, x)` in it.")

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def _floats(x: Tensor, layer: Activation) -> FloatArray:
    """Return the array of `x`, which has to be a tensor of floats."""
    name = type(layer).__name__
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} takes a Tensor, but got {type(x).__name__}. Wrap it first: Tensor(x).")
    if x.dtype.kind != "f":
        raise TypeError(f"{name} needs floats, but this tensor holds {x.dtype}. Use x.float().")
    return x.data


# %%
def test_unit_activation() -> None:
    class Double(Activation):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    assert Double()(Tensor([3.0])).tolist() == [6.0]
    assert repr(Double()) == "Double()"


# %% [markdown]
"""
## ReLU: keep what is positive
The cut from above has a name: *rectified linear unit*, `max(x, 0)`.

      4.00 |                                       **
      3.50 |                                     **
      3.00 |                                  ***
      2.50 |                                **
      2.00 |                             ***
      1.50 |                           **
      1.00 |                        ***
      0.50 |                      **
      0.00 |**********************
           +-----------------------------------------
           -4                  0                   4

    x     [-2.0, -0.5, 0.0, 3.0]
    relu  [ 0.0,  0.0, 0.0, 3.0]

It is the cheapest bend there is, and its slope is easy: 1 on the right, 0 on the left. Where the slope is 0,
nothing is learned; a unit whose input is negative for every example is *dead*. GELU, below, rounds the corner
off.

Write `forward`: the larger of each element and 0. One trap: a `nan` must stay `nan`. Something went wrong
before it reached this layer, and a layer that turns `nan` into 0 hides the evidence. `np.maximum` passes it on,
`np.fmax` does not. Write the integer `0` and not `0.0`, so that a tensor of integers stays one.
"""


# %% tags=["relu"]
#| export
class ReLU(Activation):
    """``max(x, 0)``, element by element; the one activation that also takes integers.

    Examples
    --------
    >>> ReLU()(Tensor([-2.0, 0.0, 3.0])).tolist()
    [0.0, 0.0, 3.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with its negative elements replaced by 0."""
        array = x.data if isinstance(x, Tensor) and x.dtype.kind in "iu" else _floats(x, self)
        ### BEGIN SOLUTION
        return from_numpy(np.maximum(array, 0))
        ### END SOLUTION


# %%
def test_unit_relu() -> None:
    relu = ReLU()
    assert relu(Tensor([-2.0, -0.5, 0.0, 3.0])).tolist() == [0.0, 0.0, 0.0, 3.0]
    assert math.isnan(relu(Tensor([math.nan])).item())
    cut = relu(Tensor([-2.0, -1.0, 0.0, 1.0]) * 3 + 1)
    assert (cut * 2 + 4).tolist() == [4.0, 4.0, 6.0, 12.0]


# %% [markdown]
"""
## Sigmoid: any number to a probability
`sigmoid(x) = 1 / (1 + exp(-x))` squeezes every number into the range from 0 to 1. It answers yes-or-no
questions: "is this a cat?"

      1.00 |                             ************
      0.87 |                         ****
      0.75 |                       **
      0.62 |                     **
      0.50 |                    *
      0.38 |                  **
      0.25 |                **
      0.13 |            ****
      0.00 |************
           +-----------------------------------------
           -6                  0                   6

    x        [-2.0,   0.0,    2.0  ]
    sigmoid  [ 0.1192, 0.5,   0.8808]        the two ends add up to 1: sigmoid(-x) = 1 - sigmoid(x)

Now the trouble. A float64 holds numbers up to about 1.8e308, a float32 up to 3.4e38. So `exp(710)`, or
`exp(89)` in float32, is too large: it *overflows* to `inf`. There are two ways to write the same formula, and
each fails on one side:

    1 / (1 + exp(-x))        at x = -1000:  1 / (1 + inf)   = 0      right by luck, with a warning
    exp(x) / (1 + exp(x))    at x =  1000:  inf / inf       = nan    wrong, and nan spreads

The cure: never take `exp` of a positive number. With `power = exp(-|x|)`, which always lies between 0 and 1,

    x >= 0:   1     / (1 + power)          here power is exp(-x)
    x <  0:   power / (1 + power)          here power is exp(x)

Both cases have the same denominator, so one `np.where` picks the numerator. Do not put both whole formulas into
`np.where`: it computes both sides for all elements, and the wrong one overflows.

This works on arrays, because later modules need it there. The class around it is given.
"""


# %% tags=["stable_sigmoid"]
#| export
def stable_sigmoid(x: FloatArray) -> FloatArray:
    """Return ``1 / (1 + exp(-x))``, from ``exp(-|x|)``, which cannot overflow."""
    ### BEGIN SOLUTION
    power = np.exp(-np.abs(x))
    result: FloatArray = np.where(x >= 0, 1, power) / (1 + power)
    return result
    ### END SOLUTION


# %% tags=["sigmoid"]
#| export
class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``, element by element: any number to one between 0 and 1.

    Examples
    --------
    >>> Sigmoid()(Tensor([-10000.0, 0.0, 10000.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the sigmoid of each element."""
        return from_numpy(stable_sigmoid(_floats(x, self)))


# %%
def test_unit_sigmoid() -> None:
    out = Sigmoid()(Tensor([-2.0, 0.0, 2.0]))
    assert np.allclose(out.data, [0.1192, 0.5, 0.8808], atol=1e-4)
    with np.errstate(over="raise", invalid="raise"):
        assert Sigmoid()(Tensor([-1000.0, 1000.0])).tolist() == [0.0, 1.0]


# %% [markdown]
"""
## Tanh: the same shape around zero
`tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))` is a sigmoid stretched to the range from -1 to 1:
`tanh(x) = 2 * sigmoid(2x) - 1`.

      1.00 |                           **************
      0.75 |                        ***
      0.50 |                      **
      0.25 |                     *
      0.00 |                    *
     -0.25 |                   *
     -0.50 |                 **
     -0.75 |              ***
     -1.00 |**************
           +-----------------------------------------
           -4                  0                   4

    x     [-1.0,    0.0,  1.0   ]
    tanh  [-0.7616, 0.0,  0.7616]

Its outputs lie evenly around 0, which keeps the inputs of the next layer balanced. And its slope in the middle
is 1, where the sigmoid's is 1/4.

Neither formula above is good enough for a computer. The first overflows. The second is inaccurate near 0, where
it subtracts two numbers that are almost equal: in float32, `2 * sigmoid(2e-8) - 1` gives 0, and the right
answer is 1e-8. `np.tanh` knows both traps. Use it: the lesson here is to look for such traps before you type in
a formula from a book.
"""


# %% tags=["tanh"]
#| export
class Tanh(Activation):
    """``tanh(x)``, element by element: any number to one between -1 and 1.

    Examples
    --------
    >>> Tanh()(Tensor([-10000.0, 0.0, 10000.0])).tolist()
    [-1.0, 0.0, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the hyperbolic tangent of each element."""
        array = _floats(x, self)
        ### BEGIN SOLUTION
        return from_numpy(np.tanh(array))
        ### END SOLUTION


# %%
def test_unit_tanh() -> None:
    assert np.allclose(Tanh()(Tensor([-1.0, 0.0, 1.0])).data, [-0.7616, 0.0, 0.7616], atol=1e-4)
    tiny = Tanh()(Tensor([1e-8])).item()
    assert math.isclose(tiny, 1e-8, rel_tol=1e-6)


# %% [markdown]
"""
## The error function (given)
GELU needs the share of a bell curve that lies below `x`. That is `Phi(x) = (1 + erf(x / sqrt(2))) / 2`, where
`erf` is the *error function*:

    x     [0.0,  0.5,    1.0,    2.0   ]
    erf   [0.0,  0.5205, 0.8427, 0.9953]         erf(-x) = -erf(x)

There is no short formula for it. Python's `math.erf` takes one number at a time, and NumPy has none. So we make
our own out of what is fast on arrays: sums, products, one `exp`.

How does one make a function from nothing? By a polynomial through known points. `erf` itself goes flat, which
polynomials do badly. But `1 - erf(a)` falls like `exp(-a * a)`, so its logarithm, divided by `a`, is nearly a
straight line:

    log(1 - erf(a)) / a      a = 0: -1.13    1: -1.85    2: -2.68    4: -4.50

A polynomial follows such a curve easily. We take 32 points (12 are enough for float32), ask `math.erf` and
`math.erfc` = 1 - erf for the values there, and let NumPy solve for the coefficients. The points are
*Chebyshev's*: denser towards both ends, where a polynomial through evenly spaced points would swing wildly.
Then `erf(a) = 1 - exp(a * P)`, with the sign of `x` put back at the end.

The loop over blocks is about memory. The measurements at the end of this lesson show what it brings.
"""


# %% tags=["erf"]
#| export
def _erf_polynomial(limit: float, terms: int) -> FloatArray:
    """Return P, highest power first: ``erf(a) = 1 - exp(a * P(u))``, ``u = 2 * a / limit - 1``, for a <= `limit`."""
    u = np.cos(np.pi * (np.arange(terms) + 0.5) / terms)
    points = (u + 1) * limit / 2
    # Near 0, erfc is close to 1 and its logarithm loses digits; log1p keeps them.
    logs = [math.log1p(-math.erf(a)) if a < 0.5 else math.log(math.erfc(a)) for a in points]
    return np.linalg.solve(np.vander(u), np.array(logs) / points)


# From its limit on, erf rounds to 1 in that type.
_ERF_FLOAT64 = (6.0, _erf_polynomial(6.0, 32))
_ERF_FLOAT32 = (4.0, _erf_polynomial(4.0, 12).astype(np.float32))


def erf(x: FloatArray, block: int = 1 << 14) -> FloatArray:
    """Return the error function of each element, off by at most 1e-15 in float64 and 2e-7 in float32.

    Works through `block` elements at a time, so that what it calculates with stays in the processor's cache.

    Examples
    --------
    >>> erf(np.array([-1.0, 0.0, 1.0])).round(4).tolist()
    [-0.8427, 0.0, 0.8427]
    """
    limit, polynomial = _ERF_FLOAT64 if x.dtype.itemsize > 4 else _ERF_FLOAT32
    flat = x.reshape(-1)
    result = np.empty_like(flat)
    for start in range(0, flat.size, block):
        part = flat[start : start + block].astype(polynomial.dtype, copy=False)
        a = np.minimum(np.abs(part), limit)
        u = a * (2 / limit) - 1
        value = polynomial[0] * u + polynomial[1]
        for coefficient in polynomial[2:]:
            value *= u
            value += coefficient
        result[start : start + block] = np.copysign(1 - np.exp(a * value), part)
    return result.reshape(x.shape)


# %%
def test_unit_erf() -> None:
    assert np.allclose(erf(np.array([0.0, 0.5, 1.0, 2.0])), [0.0, 0.5205, 0.8427, 0.9953], atol=1e-4)
    x = np.linspace(-7, 7, 1001)
    assert np.abs(erf(x) - [math.erf(v) for v in x]).max() < 1e-15


# %% [markdown]
"""
## GELU: a corner rounded off
ReLU multiplies `x` by 0 or 1, depending on its sign. GELU, the *Gaussian error linear unit*, multiplies it by
something between: `x * Phi(x)`, where `Phi(x)` is the chance that a random number from the standard bell curve
lies below `x`.

      2.48 |                                        *
      2.24 |                                      **
      2.00 |                                    **
      1.76 |                                  **
      1.52 |                                **
      1.28 |                               *
      1.04 |                             **
      0.80 |                           **
      0.55 |                         **
      0.31 |                       **
      0.07 |*****               ***
     -0.17 |     ***************
           +-----------------------------------------
         -2.5                  0                 2.5

    x       [-1.0,    0.0,  1.0,    2.0   ]
    Phi(x)  [ 0.1587, 0.5,  0.8413, 0.9772]
    gelu    [-0.1587, 0.0,  0.8413, 1.9545]

Far right it is `x`, far left it is 0, and in between it dips to -0.17 at `x = -0.75`. It has no corner, and its
slope fades out on the left instead of stopping at 0, so fewer units die. Transformers use it.

There are two forms, and trained weights expect the one that they were trained with:

    "none"   0.5 * x * (1 + erf(x / sqrt(2)))
    "tanh"   0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))

They differ by at most 0.0005. The second is from a time when a library had `tanh` but no `erf`.

Write both. Three hints. Division by `sqrt(2)` is multiplication by `math.sqrt(0.5)`. Write the cube as
`near * near * near`: NumPy's `x**3` goes through a general power function, and is far slower, as you will
measure. And cube `near`, which is given, and not `array`: at `x = 1e13` the cube overflows float32, though `tanh`
has been 1 since 10.
"""


# %% tags=["gelu"]
#| export
class GELU(Activation):
    """``x * Phi(x)``, element by element, where Phi(x) is the share of the normal distribution below x.

    Parameters
    ----------
    approximate
        ``"none"`` computes Phi by `erf`; ``"tanh"`` by the paper's approximation, which GPT-2 was trained with.

    Raises
    ------
    ValueError
        If `approximate` is neither.

    Notes
    -----
    Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.

    Examples
    --------
    >>> GELU()(Tensor([-10000.0, 0.0, 10000.0])).tolist()
    [-0.0, 0.0, 10000.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU's approximate is 'none' or 'tanh', but got {approximate!r}.")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Return the GELU of each element."""
        array = _floats(x, self)
        if self.approximate == "none":
            ### BEGIN SOLUTION
            return from_numpy(0.5 * array * (1 + erf(array * math.sqrt(0.5))))
            ### END SOLUTION
        near = np.clip(array, -10, 10)  # beyond, tanh is -1 or 1
        ### BEGIN SOLUTION
        inner = math.sqrt(2 / math.pi) * (near + 0.044715 * near * near * near)
        return from_numpy(0.5 * array * (1 + np.tanh(inner)))
        ### END SOLUTION

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


# %%
def test_unit_gelu() -> None:
    x = Tensor([-1.0, 0.0, 1.0, 2.0])
    assert np.allclose(GELU()(x).data, [-0.1587, 0.0, 0.8413, 1.9545], atol=1e-4)
    everywhere = Tensor(np.linspace(-10, 10, 1001))
    gap = (GELU()(everywhere) - GELU("tanh")(everywhere)).abs().max().item()
    assert 0.0004 < gap < 0.0005
    with np.errstate(over="raise", invalid="raise"):
        assert GELU("tanh")(Tensor([1e13])).item() == Tensor(1e13).item()


# %% [markdown]
"""
## Softmax: scores to probabilities
A network that chooses among classes ends in one score, or *logit*, for each. Softmax makes probabilities of
them: raise e to each score, then divide by the sum.

    scores   [1.0,   2.0,   3.0  ]
    exp      [2.718, 7.389, 20.086]     sum 30.193
    softmax  [0.090, 0.245, 0.665]      sum 1

        1.0  ####
        2.0  ############
        3.0  #################################

Equal *steps* between scores become equal *ratios* between probabilities: here every step of 1 is a factor of e
= 2.718. So adding the same number to all scores changes nothing. `[1, 2, 3]` and `[1001, 1002, 1003]` have the
same softmax.

That is the cure for overflow, too. `exp(1003)` is `inf`; but we may subtract what we like first, and the best
thing to subtract is the largest score. Then the largest power is `exp(0) = 1`, nothing overflows, and the sum
is at least 1, so nothing is divided by zero:

    scores - 1003   [-2,    -1,    0]
    exp             [0.135, 0.368, 1]     sum 1.503
    softmax         [0.090, 0.245, 0.665]

`dim` names the axis whose elements shall sum to 1. For a batch of scores, `(N, C)`, it is the last. Each row
has its own largest score and its own sum: take both along `dim`, with `keepdims=True`, so that `(N, 1)`
broadcasts against `(N, C)`.

The first line is given: along an axis without elements there is no largest one, and nothing to do.
"""


# %% tags=["stable_softmax"]
#| export
def stable_softmax(x: FloatArray, dim: int) -> FloatArray:
    """Return ``exp(x) / sum(exp(x))`` along axis `dim`, with the largest element subtracted first."""
    if x.size == 0:
        return x.copy()
    ### BEGIN SOLUTION
    result: FloatArray = np.exp(x - x.max(axis=dim, keepdims=True))
    result /= result.sum(axis=dim, keepdims=True)
    return result
    ### END SOLUTION


# %% tags=["softmax"]
#| export
class Softmax(Activation):
    """``exp(x) / sum(exp(x))`` along one axis: scores to probabilities.

    Parameters
    ----------
    dim
        The axis whose elements shall sum to 1.

    Examples
    --------
    >>> Softmax()(Tensor([[-10000.0, 10000.0], [5.0, 5.0]])).tolist()
    [[0.0, 1.0], [0.5, 0.5]]
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the softmax of `x` along `dim`.

        Raises
        ------
        IndexError
            If `x` has no axis `dim`.
        """
        array = _floats(x, self)
        _check_dim(array, self.dim, self)
        return from_numpy(stable_softmax(array, self.dim))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def _check_dim(x: FloatArray, dim: int, layer: Activation) -> None:
    """Raise an error that lists the axes of `x` if `dim` is none of them; a 0-d array counts as one element."""
    if not isinstance(dim, int):
        raise TypeError(f"{layer} needs one axis, an integer. Use dim=-1 for the last.")
    axes = max(x.ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(
            f"{layer} got an input of shape {x.shape}, which has no such axis. Its dim can be {-axes} to {axes - 1}."
        )


# %%
def test_unit_softmax() -> None:
    expected = [0.0900, 0.2447, 0.6652]
    assert np.allclose(stable_softmax(np.array([1.0, 2.0, 3.0]), 0), expected, atol=1e-4)
    with np.errstate(over="raise", invalid="raise"):
        out = Softmax(dim=-1)(Tensor([[1001.0, 1002.0, 1003.0], [-3.0, -2.0, -1.0]]))
    assert np.allclose(out.data, [expected, expected], atol=1e-4)
    assert np.allclose(Softmax(dim=0)(Tensor([[1.0, 7.0], [1.0, 7.0]])).data, 0.5)


# %% [markdown]
"""
## LogSoftmax: the same, kept as logarithms
The losses of module 04 want `log(softmax(x))`. Why not compute just that? Because a probability can be too
small to hold. In float32, everything below 1e-45 is 0, and the logarithm of 0 is minus infinity:

    scores           [0, -200]
    softmax          [1, 0]            exp(-200) is about 1e-87
    log of softmax   [0, -inf]         all is lost: nothing tells -200 from -300
    log_softmax      [0, -200]         what we want

A logarithm turns the division into a subtraction and undoes the `exp` on top, so the small number need never
appear:

    log(exp(x) / sum(exp(x)))  =  x - log(sum(exp(x)))

Subtract the largest score first, as before. For `[1, 2, 3]`:

    shifted              [-2, -1, 0]
    log(sum(exp))        log(1.503) = 0.408
    log_softmax          [-2.408, -1.408, -0.408]        and exp of it is [0.090, 0.245, 0.665]

One warning that holds for all array code: `x -= ...` would change the array of the caller. Make a new array
first; you may then change that one in place.
"""


# %% tags=["stable_log_softmax"]
#| export
def stable_log_softmax(x: FloatArray, dim: int) -> FloatArray:
    """Return ``x - log(sum(exp(x)))`` along axis `dim`, with the largest element subtracted first."""
    if x.size == 0:
        return x.copy()
    ### BEGIN SOLUTION
    shifted: FloatArray = x - x.max(axis=dim, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return shifted
    ### END SOLUTION


# %% tags=["log_softmax"]
#| export
class LogSoftmax(Activation):
    """``log(softmax(x))`` along one axis: scores to logarithms of probabilities.

    Parameters
    ----------
    dim
        The axis along which the probabilities sum to 1.

    Examples
    --------
    >>> LogSoftmax()(Tensor([0.0, -10000.0])).tolist()
    [0.0, -10000.0]
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithm of the softmax of `x` along `dim`.

        Raises
        ------
        IndexError
            If `x` has no axis `dim`.
        """
        array = _floats(x, self)
        _check_dim(array, self.dim, self)
        return from_numpy(stable_log_softmax(array, self.dim))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


# %%
def test_unit_log_softmax() -> None:
    assert np.allclose(LogSoftmax()(Tensor([1.0, 2.0, 3.0])).data, [-2.4076, -1.4076, -0.4076], atol=1e-4)
    with np.errstate(all="raise", under="ignore"):
        assert LogSoftmax()(Tensor([0.0, -200.0])).tolist() == [0.0, -200.0]


# %% [markdown]
"""
## Draw your own
The curves above were drawn by this function with the classes of this lesson. A wrong activation looks wrong: try
`print(picture(Tanh()))`, or an activation that you invent.
"""


# %%
def picture(layer: Activation, reach: float = 4.0, rows: int = 9, columns: int = 41) -> str:
    """Draw the curve of `layer` from ``-reach`` to ``reach`` in characters."""
    x = np.linspace(-reach, reach, columns)
    y = layer(Tensor(x)).data
    levels = np.linspace(y.max(), y.min(), rows)
    nearest = np.abs(levels[:, None] - y).argmin(axis=0)
    curve = ["".join("*" if row == at else " " for at in nearest) for row in range(rows)]
    lines = [f"{level:6.2f} |{points}".rstrip() for level, points in zip(levels, curve, strict=True)]
    half = columns // 2
    return "\n".join([*lines, f"{'+':>8}{'-' * columns}", f"{-reach:>9g}{0:>{half}}{reach:>{half}g}"])


def test_unit_picture() -> None:
    assert picture(ReLU(), reach=2.0, rows=3, columns=5).splitlines() == [
        "  2.00 |    *",
        "  1.00 |   *",
        "  0.00 |***",
        "       +-----",
        "       -2 0 2",
    ]


# %% [markdown]
"""
## Measure: what does one element cost?
Count operations first. ReLU compares once. An `exp` is about 10 multiplications and additions inside; a `tanh`
about 20. Our `erf` in float32 has a polynomial of 12 terms, an `exp`, and a handful more: about 40.

So is ReLU 40 times as fast as `erf`? Run it. The cell prints nanoseconds per element. One machine said, with its
widest vector instructions (AVX-512) and without them (AVX2):

                         AVX-512     AVX2
    maximum(x, 0)          0.4        0.7
    exp                    0.5        1.5
    tanh                   0.4        1.5
    erf                    4.8        7.1
    x * x * x              0.24       0.29
    x ** 3                59          8

Three things to see. `exp` costs one to two times a `maximum`, not ten: the processor calculates faster than
NumPy can hand it numbers. `erf` costs ten times as much, not forty: what it pays for is its *passes*, about 30
walks over an array, one for each NumPy call. And `x ** 3` looks harmless, gives the same numbers as `x * x * x`
but for the last digit, and is 30 to 200 times slower.

*For thought*: is ReLU popular because it is cheap? A layer with 1,000 inputs does 2,000 operations to make one
number, and the activation a few more. What share of the time is that?
"""


# %%
import time
import tracemalloc
from collections.abc import Callable
from functools import partial


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time that `work` took; the others were disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_cost_per_element() -> None:
    """Print nanoseconds per element for a small array and a large one."""
    functions: dict[str, Callable[[FloatArray], FloatArray]] = {
        "maximum(x, 0)": lambda x: np.maximum(x, 0),
        "exp": np.exp,
        "tanh": np.tanh,
        "erf": erf,
        "x * x * x": lambda x: x * x * x,
        "x ** 3": lambda x: x**3,
    }
    small, large = (np.random.default_rng(0).standard_normal(n).astype(np.float32) for n in (1 << 14, 1 << 21))
    print("nanoseconds per element   16 thousand    2 million")
    for name, function in functions.items():
        costs = [seconds(partial(function, x)) / x.size * 1e9 for x in (small, large)]
        print(f"{name:20}{costs[0]:15.2f}{costs[1]:15.2f}")


# %% [markdown]
"""
## Measure: how often does softmax walk through memory?
Softmax on `(4096, 1024)` float32 numbers, 16 MiB, is five walks over the array. Reading counts once, and
writing counts once:

    max        reads x                   1
    subtract   reads x, writes           2
    exp        reads, writes             2
    sum        reads                     1
    divide     reads, writes in place    2
                                        ---
                                         8 times 16 MiB = 128 MiB through the processor

A plain copy reads once and writes once, 2. So softmax in NumPy cannot be faster than about four copies, even if
`exp` were free. Expect 6 to 15: the rest is `exp` itself, and new memory that the system has to hand out. One
loop that did everything to a row while that row is in the cache would read once and write once. The price of
NumPy is passes.

The cell also prints the peak of memory. Expect 2.0 arrays of the size of `x`: at `exp`, its input and its
output exist together. *For thought*: find the keyword of `np.exp` that brings this down to 1.0.

The last lines run `erf` in one block over the whole array, and then in blocks of 16 thousand. Each of its 30
passes runs through memory in the first case, and through the cache in the second. The arithmetic is the same;
expect about twice the speed.
"""


# %%
def measure_passes() -> None:
    """Print the time and the peak of memory of softmax, and what blocks bring to `erf`."""
    x = np.random.default_rng(0).standard_normal((4096, 1024)).astype(np.float32)
    copy = seconds(x.copy)
    softmax = seconds(lambda: stable_softmax(x, -1))
    print(f"copy {copy * 1e3:.1f} ms, softmax {softmax * 1e3:.1f} ms: {softmax / copy:.1f} copies")
    tracemalloc.start()
    stable_softmax(x, -1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"softmax holds {peak / x.nbytes:.1f} arrays of the size of its input at its peak")
    whole, blocks = (seconds(partial(erf, x, size), 2) for size in (x.size, 1 << 14))
    print(f"erf in one block {whole * 1e3:.0f} ms, in blocks of 16 thousand {blocks * 1e3:.0f} ms")


# %% [markdown]
"""
## Measure: where does a bend go flat?
The float32 numbers just above 1 stand 1.2e-7 apart. In `1 + power`, a `power` below half of that is rounded
away, and the sigmoid *is* 1. Its slope is 0 from there on, and nothing can be learned: the unit is *saturated*.
The cell looks for that input. You can find it with a pencil: `exp(-x) = 6e-8` at `x = 16.6`. The tanh, twice as
steep, gets there between 9 and 10.

*For thought*: on the left, the sigmoid reaches 0 only near `x = -104`. Why so much later?
"""


# %%
def measure_saturation() -> None:
    """Print from which input on each curve is flat in float32."""
    x = np.arange(0, 200, 0.1, dtype=np.float32)
    for name, layer in {"sigmoid": Sigmoid(), "tanh": Tanh()}.items():
        right = x[np.argmax(layer(from_numpy(x)).data == 1)]
        print(f"{name} is exactly 1 from x = {right:.1f} on")
    left = x[np.argmax(Sigmoid()(from_numpy(-x)).data == 0)]
    print(f"sigmoid is exactly 0 from x = -{left:.1f} on")


# %% [markdown]
"""
## All together
The module test checks what the six promise in common: the right value at friendly inputs, a finite value and no
warning at ±10,000, the dtype that came in, and an error for integers.
"""


# %%
def takes_integers(layer: Activation) -> bool:
    try:
        layer(Tensor([1], dtype=np.int64))
    except TypeError:
        return False
    return True


def test_module() -> None:
    """🧪 Module 02: six activations, at friendly inputs and at extreme ones."""
    layers = [ReLU(), Sigmoid(), Tanh(), GELU(), GELU("tanh"), Softmax(), LogSoftmax()]
    at_one = [1.0, 0.7310586, 0.7615942, 0.8413447, 0.8411920, 1.0, 0.0]
    for layer, value in zip(layers, at_one, strict=True):
        for dtype in (np.float32, np.float64):
            out = layer(Tensor([1.0], dtype=dtype))
            assert out.dtype == dtype
            assert math.isclose(out.item(), value, abs_tol=1e-6), layer
        with np.errstate(all="raise", under="ignore"):
            assert np.isfinite(layer(Tensor([-1e4, 0.0, 1e4])).data).all(), layer
        assert takes_integers(layer) == isinstance(layer, ReLU), layer

    scores = Tensor([[1.0, 2.0, 3.0], [1e4, 0.0, -1e4]])
    assert np.allclose(Softmax(dim=1)(scores).sum(dim=1).data, 1)
    assert np.allclose(LogSoftmax(dim=1)(scores).exp().data, Softmax(dim=1)(scores).data)
    print("Module 02 works: six bends, stable at any input.")


if __name__ == "__main__":
    test_unit_activation()
    test_unit_relu()
    test_unit_sigmoid()
    test_unit_tanh()
    test_unit_erf()
    test_unit_gelu()
    test_unit_softmax()
    test_unit_log_softmax()
    test_unit_picture()
    measure_cost_per_element()
    measure_passes()
    measure_saturation()
    test_module()

# %% [markdown]
"""
## What you have
Six activations with PyTorch's names and values, and three functions on arrays that the losses will use. The
pattern to take along: **rewrite the formula until nothing in it can overflow**, by `exp` of negative numbers
only, by subtracting the largest, by staying in logarithms.

Next: 03 puts layers between the bends, and both into a network.
"""
