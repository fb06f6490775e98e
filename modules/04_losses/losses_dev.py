# %% [markdown]
"""
# 04 Losses
A network answers; a loss says with one number how wrong the answer is. Training will do nothing but make that number
small, so whatever the loss gets wrong, the network learns wrong. This module builds the four losses that most networks
are trained with, and makes them right where plain formulas fail: at shapes that do not fit, and at confident answers.

**You have** `Tensor` (01), stable activations (02) and `Module` (03). **You build** `MSELoss`, `BCELoss`,
`BCEWithLogitsLoss` and `CrossEntropyLoss`.

    input   what the network says --+
                                    +--> one loss for each position --> reduction --> one number
    target  what is true -----------+

    the answer is          a loss for it
    a quantity             MSELoss              how far off, squared
    yes or no              BCEWithLogitsLoss    how surprised by the truth
    one of C classes       CrossEntropyLoss     how surprised by the truth

At the end you measure what the loss of a language model weighs, and what it saves to compute it in one piece.
"""

# %%
#| default_exp core.losses
#| doc Losses: one number that says how wrong a prediction is, stable at any input.

# %% tags=["imports"]
#| export
from __future__ import annotations

import numpy as np

from tinytorch.core.activations import stable_log_softmax
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Array, FloatArray, Tensor, from_numpy

# %% [markdown]
"""
The tests and measurements below use a few things more, and two small helpers: errors are part of what a loss promises,
and the numbers in the text are rounded.
"""

# %%
import timeit
import tracemalloc
from collections.abc import Callable

from tinytorch.core.activations import stable_sigmoid, stable_softmax
from tinytorch.core.layers import Flatten, Linear, Sequential
from tinytorch.core.tensor import manual_seed, rand, tensor


def message_of(call: Callable[[], object]) -> str:
    """Return the message of the error that `call` raises."""
    try:
        call()
    except (IndexError, TypeError, ValueError) as error:
        return str(error)
    raise AssertionError("no error was raised")


def close(values: Tensor | Array, expected: object, within: float = 1e-4) -> bool:
    """Whether no element of `values` is further than `within` from `expected`."""
    return np.allclose(values.data if isinstance(values, Tensor) else values, expected, rtol=0, atol=within)


# %% [markdown]
"""
## Many losses, one number
Every position of a batch has its own loss. Training follows *one* number, so the losses are reduced:

    losses  [[4, 0],     "none"   [[4, 0], [1, 3]]
             [1, 3]]     "sum"    8
                         "mean"   2

The mean is the default for a reason. A sum doubles when the batch does, and with it every step of the training; a mean
stays. `"none"` is for looking at single examples, or for weighing them yourself.

The mean of an empty batch is 0/0. PyTorch says `nan`, and so do we, without NumPy's warning; these lines are given.

Write `reduce`: put the mean or the sum of `values` in their place, or leave them as they are.
"""

# %% tags=["reduce"]
#| export
REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: str) -> None:
    """Raise an error that lists the reductions if `reduction` is none of them."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"a loss is reduced by 'mean', 'sum' or 'none', but got reduction={reduction!r}.")


def reduce(values: FloatArray, reduction: str) -> FloatArray:
    """Return the mean or the sum of `values`, or for "none" the values themselves.

    The mean of no values is nan, as in PyTorch.
    """
    check_reduction(reduction)
    if reduction == "mean" and values.size == 0:
        return np.asarray(np.nan, values.dtype)
    ### BEGIN SOLUTION
    if reduction == "mean":
        values = values.mean()
    elif reduction == "sum":
        values = values.sum()
    ### END SOLUTION
    return np.asarray(values)


# %%
def test_unit_reduce() -> None:
    losses = np.array([[4.0, 0.0], [1.0, 3.0]])
    assert reduce(losses, "mean") == 2.0
    assert reduce(losses, "sum") == 8.0
    assert reduce(losses, "none").tolist() == [[4.0, 0.0], [1.0, 3.0]]
    assert np.isnan(reduce(np.zeros(0), "mean"))
    assert "'mean', 'sum' or 'none', but got reduction='avg'" in message_of(lambda: reduce(losses, "avg"))


# %% [markdown]
"""
## The silent broadcast
A network with one output returns shape `(3, 1)`. The targets come from a file, in shape `(3,)`. Suppose the network is
*perfect*: it says 1, 2, 3, and 1, 2, 3 is true. What is its mean squared error?

    input - target = [[1],  - [1, 2, 3]  =  [[0, -1, -2],
                      [2],                   [1,  0, -1],
                      [3]]                   [2,  1,  0]]       (3, 1) and (3,) broadcast to (3, 3)

    mean of the squares = (0+1+4 + 1+0+1 + 4+1+0) / 9 = 1.3333

Each answer was compared with *every* target. And now the network that says 2 three times, the mean of the targets:
each row is `[1, 0, -1]`, and the mean of the squares is 0.6667. **The wrong loss prefers the network that ignores its
input.** Training runs, the number falls, and nothing is learned but a mean. No error tells you.

So a loss never broadcasts here. Unequal shapes are an error that shows the reshape to use. The base class of all
losses is given: it keeps the reduction, and hands out the two arrays after looking at them.

A target of integers becomes floats of the input's type, so labels 0 and 1 need no conversion.
"""


# %% tags=["loss"]
#| export
class Loss(Module):
    """A module that compares an input with a target; `reduction` is "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        check_reduction(reduction)
        self.reduction = reduction

    def _check_tensors(self, input: Tensor, target: Tensor) -> None:
        """Raise an error unless both are tensors, the input one of floats."""
        name = type(self).__name__
        for role, value in (("input", input), ("target", target)):
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"{name}: {role} must be a Tensor, but got {type(value).__name__}. tensor(x) makes one."
                )
        if input.dtype.kind != "f":
            raise TypeError(f"{name}: input must hold floats, but it holds {input.dtype}. Use input.float().")

    def _arrays(self, input: Tensor, target: Tensor) -> tuple[FloatArray, FloatArray]:
        """Return the arrays of two tensors of one shape, as floats; never broadcast them."""
        self._check_tensors(input, target)
        if input.shape != target.shape:
            raise ValueError(
                f"{type(self).__name__}: input has shape {input.shape} but target {target.shape}. "
                f"They must be equal; {_way_to_equal_shapes(input.shape, target.shape)}."
            )
        return input.data, target.data if target.dtype.kind == "f" else target.data.astype(input.dtype)


def _way_to_equal_shapes(input: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Say what gives the target the shape of the input."""
    if len(input) > 1 and 1 not in input and target == input[::-1]:
        return "try target.T"
    if np.prod(input) == np.prod(target):
        return f"try target.reshape({', '.join(map(str, input)) or '()'})"
    return "give one target for each element of the input"


# %%
def test_unit_a_silent_broadcast_prefers_the_mean_to_the_truth() -> None:
    target = Tensor([1.0, 2.0, 3.0])
    perfect, constant = Tensor([[1.0], [2.0], [3.0]]), Tensor([[2.0], [2.0], [2.0]])
    assert close(((perfect - target) ** 2).mean(), 1.3333)
    assert close(((constant - target) ** 2).mean(), 0.6667)
    message = message_of(lambda: Loss()._arrays(perfect, target))
    assert message == "Loss: input has shape (3, 1) but target (3,). They must be equal; try target.reshape(3, 1)."


# %% [markdown]
"""
## MSE: how far off, squared
For a quantity (a price, a temperature) the natural question is how far off the answer was. `MSELoss` squares it:

    input   [3, 5]
    target  [1, 5]
    errors  [2, 0]  ->  squares [4, 0]  ->  mean 2

    loss 16 |*                               *
          9 |    *                       *           twice as far off costs four times as much,
          4 |        *               *               and pulls back twice as hard: the slope is 2 * error
          1 |            *       *
          0 |                *
            +--------------------------------
             -4  -3  -2  -1  0   1   2   3   4  error

Squares have no corner at 0, as `|error|` has, so the pull grows gently weaker towards the target. The price: one
outlier, 100 off, costs as much as 10,000 errors of 1. Note the unit too. A price in euros has a loss in euros squared.

Write the line of `forward`: the squared difference, element by element.
"""


# %% tags=["mse"]
#| export
class MSELoss(Loss):
    """Squared error: ``(input - target)**2``.

    Examples
    --------
    >>> MSELoss()(Tensor([3.0, 5.0]), Tensor([1.0, 5.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the squared error of two tensors of one shape.

        Raises
        ------
        ValueError
            If the shapes differ.
        TypeError
            If the input does not hold floats.
        """
        x, t = self._arrays(input, target)
        ### BEGIN SOLUTION
        squares = (x - t) ** 2
        ### END SOLUTION
        return from_numpy(reduce(squares, self.reduction))


# %%
def test_unit_mse() -> None:
    input, target = Tensor([3.0, 5.0]), Tensor([1.0, 5.0])
    assert MSELoss()(input, target).item() == 2.0
    assert MSELoss("sum")(input, target).item() == 4.0
    assert MSELoss("none")(input, target).data.tolist() == [4.0, 0.0]


# %% [markdown]
"""
## Binary cross-entropy: how surprised by the truth
Is it a cat? The network says *p*, its probability for yes. How wrong was that? If it *is* a cat, the network gave the
truth the probability p, and its **surprise** is `-log(p)`:

    p for the truth    0.99    0.9     0.5     0.1     0.01
    surprise           0.010   0.105   0.693   2.303   4.605

    4.6 |*
        |
        |*
    2.3 |    *
        |       *
        |             *
    0.7 |                    *
        |                              *
    0.0 |                                       *
        +----------------------------------------
         0                   0.5                1   p for the truth

A certain and right answer costs nothing. Each time p falls to a tenth, 2.3 is added: surprises of independent
events add up, because their probabilities multiply. A coin toss costs log 2 = 0.693, so a loss of 0.693 means that the
network knows nothing. Against a confident mistake the curve rises without limit, which is what punishes bluffing.

If it is *not* a cat, the truth had the probability `1 - p`. With a target t of 1 for yes and 0 for no, one formula
says both, and also covers what lies between (of ten people, seven said cat: t = 0.7):

    surprise = -(t * log(p) + (1 - t) * log(1 - p))

Two things to watch. At p = 0 the logarithm is minus infinity, and `0 * inf` is `nan`; PyTorch stops the logarithms at
-100, and so do we. And at p = 1e-9 the float32 number `1 - p` is 1, whose logarithm is 0 instead of -1e-9;
`np.log1p(-p)` computes `log(1 - p)` without forming `1 - p`.

Write the two logarithms, neither below -100.
"""


# %% tags=["bce"]
#| export
class BCELoss(Loss):
    """Binary cross-entropy of probabilities: ``-(t * log(p) + (1 - t) * log(1 - p))``.

    Notes
    -----
    The logarithms are kept above -100, so that a certain and wrong answer costs 100, not infinity.
    `BCEWithLogitsLoss` needs no such limit; prefer it.

    Examples
    --------
    >>> round(BCELoss()(Tensor([0.9]), Tensor([1.0])).item(), 4)
    0.1054
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the surprise at the targets, for an input of probabilities of the same shape.

        Raises
        ------
        ValueError
            If the shapes differ, or an element of either is not between 0 and 1.
        TypeError
            If the input does not hold floats.
        """
        p, t = self._arrays(input, target)
        self._check_between_0_and_1("input", p, " BCEWithLogitsLoss takes logits, which can be any number.")
        self._check_between_0_and_1("target", t, "")
        with np.errstate(divide="ignore"):  # log(0) is -inf here, and then -100
            ### BEGIN SOLUTION
            if_true = np.maximum(np.log(p), -100)
            if_false = np.maximum(np.log1p(-p), -100)
            ### END SOLUTION
        surprise = -(t * if_true + (1 - t) * if_false)
        return from_numpy(reduce(surprise, self.reduction))

    def _check_between_0_and_1(self, role: str, values: FloatArray, advice: str) -> None:
        wrong = ~((values >= 0) & (values <= 1))  # so nan is wrong too
        if wrong.any():
            raise ValueError(
                f"BCELoss: {role} must hold probabilities, 0 to 1, but {_first(role, values, wrong)}.{advice}"
            )


def _first(name: str, values: Array, wrong: Array) -> str:
    """Describe the first element of `values` where `wrong` is true, for example ``target[3] is 7``."""
    position = tuple(np.argwhere(wrong)[0].tolist())
    index = f"[{', '.join(map(str, position))}]" if position else ""
    return f"{name}{index} is {values[position]}"


# %%
def test_unit_bce() -> None:
    truth_had = Tensor([0.99, 0.9, 0.5, 0.1, 0.01])
    surprise = BCELoss("none")
    assert close(surprise(truth_had, Tensor([1.0] * 5)), [0.0101, 0.1054, 0.6931, 2.3026, 4.6052])
    assert close(surprise(1 - truth_had, Tensor([0.0] * 5)), [0.0101, 0.1054, 0.6931, 2.3026, 4.6052])
    assert surprise(Tensor([0.0, 1.0]), Tensor([1.0, 0.0])).data.tolist() == [100.0, 100.0]
    assert surprise(Tensor([1e-9]), Tensor([0.0])).item() > 0
    message = message_of(lambda: surprise(Tensor([0.5, 2.0]), Tensor([1.0, 1.0])))
    assert message == (
        "BCELoss: input must hold probabilities, 0 to 1, but input[1] is 2.0. "
        "BCEWithLogitsLoss takes logits, which can be any number."
    )


# %% [markdown]
"""
## Why logits go into the loss as they are
A network ends in a **logit**, any number; `Sigmoid` makes a probability of it, and `BCELoss` takes the logarithm. On
paper this is right. Here it is in float32, with a target of 0, so that a large logit is a confident mistake:

    logit    sigmoid       1 - sigmoid    Sigmoid, then BCE    true value
       5     0.9933072     0.0066928           5.0067             5.0067
      10     0.9999546     0.0000454           9.9996            10.0000
      15     0.99999964    0.00000036         14.8438            15.0000
      17     1.0           0                 100                 17
      50     1.0           0                 100                 50
     100     1.0           0                 100                100      <- right by accident
     101     1.0           0                 100                101
    1000     1.0           0                 100               1000

The information is lost *inside the sigmoid*. Next to 1, float32 numbers stand 0.0000001 apart, so `1 + exp(-17)` is 1,
and after that no logarithm can tell 17 from 1000. The digits go first (14.8438), then everything.

Worse than the wrong value is the flat line. From 17 on, the loss does not change when the logit does. Its slope is 0,
so training gets no pull at all from the examples that are *most* wrong. The true loss has the slope 1 there.

So do it on paper first, and let the computer see the simplified form only. With t = 0:

    -log(1 - sigmoid(x)) = -log(1 / (1 + exp(x))) = log(1 + exp(x))

This function is called **softplus**: 0 far on the left, x far on the right, rounded at 0. With t = 1 it is
`softplus(-x)`, by symmetry. Computed as it stands, `exp(100)` overflows in float32, so take x out first if it is
positive:

    x > 0:   log(1 + exp(x)) = log(exp(x) * (exp(-x) + 1)) = x + log(1 + exp(-x))

Now the exponent is never positive, `exp(-|x|)` is between 0 and 1, and both cases fit in one line:

    softplus(x) = max(x, 0) + log(1 + exp(-|x|))

    x          -100        -2        0         2        100
    softplus    3.8e-44     0.1269    0.6931    2.1269   100

Write it. Use `np.log1p` for `log(1 + small)`.
"""


# %% tags=["softplus"]
#| export
def softplus(x: FloatArray) -> FloatArray:
    """Return ``log(1 + exp(x))``, from ``exp(-|x|)``, which cannot overflow."""
    ### BEGIN SOLUTION
    result: FloatArray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    ### END SOLUTION
    return result


# %%
def test_unit_softplus() -> None:
    assert close(softplus(np.array([-2.0, 0.0, 2.0])), [0.1269, 0.6931, 2.1269])
    assert softplus(np.array([-1e4, 1e4])).tolist() == [0.0, 10000.0]
    assert softplus(np.array([-100.0], np.float32)) > 0


# %% [markdown]
"""
## BCE with logits
`Sigmoid` and `BCELoss` in one:

    surprise = t * softplus(-x) + (1 - t) * softplus(x)

    logit    target    surprise
      2        1        softplus(-2) = 0.1269      right, and fairly sure
      2        0        softplus(2)  = 2.1269      wrong, and fairly sure
     1e4       0        10000                      wrong, and the slope is still 1

`pos_weight` w answers rare classes. With 1 cat in 100 images, "never a cat" is right 99 times; w = 99 lets the cats
weigh as much as all the rest. It multiplies the first term only:

    surprise = w * t * softplus(-x) + (1 - t) * softplus(x)

Write this line. The `weight` is 1 unless somebody has set it; the checks are given.
"""


# %% tags=["bce_with_logits"]
#| export
class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits: `Sigmoid` and `BCELoss` in one, right at any logit.

    Parameters
    ----------
    reduction
        "mean", "sum" or "none".
    pos_weight
        How often to count the positive examples, one number or one a class; it broadcasts over the input.

    Raises
    ------
    ValueError
        If `reduction` is none of the three.

    Examples
    --------
    >>> BCEWithLogitsLoss()(Tensor([10000.0, -10000.0]), Tensor([0.0, 0.0])).item()
    5000.0
    """

    def __init__(self, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(reduction)
        _check_setting(self, "pos_weight", pos_weight)
        self.pos_weight = pos_weight

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the surprise at the targets, for an input of logits of the same shape.

        Raises
        ------
        ValueError
            If the shapes differ, or `pos_weight` does not broadcast over them.
        TypeError
            If the input does not hold floats.
        """
        x, t = self._arrays(input, target)
        weight = self._positive_weight(x)
        ### BEGIN SOLUTION
        surprise = weight * t * softplus(-x) + (1 - t) * softplus(x)
        ### END SOLUTION
        return from_numpy(reduce(surprise, self.reduction))

    def _positive_weight(self, x: FloatArray) -> FloatArray:
        """Return what the positive examples count, in the type of `x`; 1 unless told otherwise."""
        if self.pos_weight is None:
            return np.ones((), x.dtype)
        weight = self.pos_weight.data.astype(x.dtype)
        fits = weight.ndim <= x.ndim and all(
            n in (1, m) for n, m in zip(weight.shape[::-1], x.shape[::-1], strict=False)
        )
        if not fits:
            raise ValueError(
                f"BCEWithLogitsLoss: pos_weight of shape {weight.shape} does not broadcast over an input of shape "
                f"{x.shape}. Give one number, or one for each class on the last axis."
            )
        return weight


def _check_setting(loss: Loss, name: str, value: Tensor | None) -> None:
    """Raise an error unless `value` is None or a tensor that is not trained."""
    where = f"{type(loss).__name__}: {name}"
    if value is not None and not isinstance(value, Tensor):
        raise TypeError(f"{where} must be a Tensor or None, but got {type(value).__name__}. Tensor(x) makes one.")
    if value is not None and value.requires_grad:
        raise ValueError(f"{where} is a setting and receives no gradient. Pass {name}.detach().")


# %%
def test_unit_bce_with_logits() -> None:
    surprise = BCEWithLogitsLoss("none")
    assert close(surprise(Tensor([2.0, 2.0]), Tensor([1.0, 0.0])), [0.1269, 2.1269])
    assert surprise(Tensor([17.0, 100.0, 101.0, 1e4]), Tensor([0.0] * 4)).data.tolist() == [17.0, 100.0, 101.0, 1e4]
    weighted = BCEWithLogitsLoss("none", pos_weight=Tensor(3.0))
    assert close(weighted(Tensor([2.0, 2.0]), Tensor([1.0, 0.0])), [3 * 0.126928, 2.1269])


def test_unit_sigmoid_then_bce_goes_flat() -> None:
    logits, no = Tensor([15.0, 17.0, 50.0, 101.0]), Tensor([0.0] * 4)
    composed = BCELoss("none")(from_numpy(stable_sigmoid(logits.data)), no)
    assert close(composed, [14.8438, 100.0, 100.0, 100.0])
    assert BCEWithLogitsLoss("none")(logits, no).data.tolist() == [15.0, 17.0, 50.0, 101.0]


# %% [markdown]
"""
## Cross-entropy: one of C classes
With three classes the network gives three logits, and softmax makes a distribution of them. The loss is the surprise
at the true class, as before:

    logits      [2, 1, 0]
    exp         [7.389, 2.718, 1]          sum 11.107
    softmax     [0.665, 0.245, 0.090]
    surprise    [0.408, 1.408, 2.408]      if the true class is 0, 1, 2

A network that knows nothing gives each class 1/C, and its loss is log C: 2.303 for ten digits. Remember that number;
the first loss of a fresh network should be close to it.

### The log-sum-exp trick
Written out, the surprise at class k is

    -log(exp(x_k) / sum(exp(x))) = log(sum(exp(x))) - x_k

a *log-sum-exp* minus one logit. In float32 `exp(89)` is infinity already, so logits of 1002, 1001, 1000 give
`inf / inf`, a `nan`. Take the largest logit m out of the sum, as you took x out of softplus:

    log(sum(exp(x))) = m + log(sum(exp(x - m)))

                     = 1002 + log(exp(0) + exp(-1) + exp(-2)) = 1002 + log(1.5032) = 1002.4076

and the surprise at class 0 is 1002.4076 - 1002 = 0.4076, the same as for 2, 1, 0. It has to be: adding 1000 to all
logits multiplies all powers by the same number, and softmax divides it out.

Why this is safe at *any* input: the largest exponent is 0, so its power is 1. The sum lies between 1 and C, so it
neither overflows, nor is it 0, whose logarithm would be minus infinity.

`stable_log_softmax` of module 02 does just this. What it would cost to take the logarithm *after* a softmax: with the
logits 0 and 200 the first probability is exp(-200), in float32 a plain 0, and its surprise infinite. The right answer
is 200.
"""


# %%
def test_unit_log_sum_exp() -> None:
    assert close(-stable_log_softmax(np.array([2.0, 1.0, 0.0]), 0), [0.4076, 1.4076, 2.4076])
    assert close(-stable_log_softmax(np.array([1002.0, 1001.0, 1000.0]), 0), [0.4076, 1.4076, 2.4076])
    two = np.array([0.0, 200.0], np.float32)
    assert stable_softmax(two, 0)[0] == 0
    assert -stable_log_softmax(two, 0)[0] == 200


# %% [markdown]
"""
### Every target is a distribution
"The true class is 1" is a distribution over the classes too, a very sure one. Written so, one formula covers all
kinds of target, and it is the definition of cross-entropy:

    the true class is 1          q = [0,   1,   0  ]
    7 of 10 people said 1        q = [0.1, 0.7, 0.2]         loss = -sum(q * log_softmax(logits))
    this position is padding     q = [0,   0,   0  ]

So `CrossEntropyLoss` first makes q, then sums. It comes in five small cells. Here is the first one, given: what it is
made with, and where the classes are. PyTorch puts them on axis 1, whatever follows:

    logits                       class indices
    (C,)                         ()               one example
    (N, C)                       (N,)             a batch
    (N, C, H, W)                 (N, H, W)        a class for each pixel
"""


# %% tags=["cross_entropy_class"]
#| export
class CrossEntropyLoss(Loss):
    """Cross-entropy of logits: the surprise at the true class, after a softmax over the classes.

    Parameters
    ----------
    weight
        How much each class counts, shape ``(C,)``; all the same if None.
    ignore_index
        Positions whose class index is this one do not count.
    reduction
        "mean", "sum" or "none". The mean over class indices is weighted: divided by the sum of the weights.
    label_smoothing
        The share of the true distribution that is spread evenly over all classes, 0 to 1.

    Raises
    ------
    ValueError
        If `reduction` or `label_smoothing` is not one of the values above.
    TypeError
        If `weight` is not a tensor.

    Notes
    -----
    Shapes: logits ``(C,)``, ``(N, C)`` or ``(N, C, d1, ...)``. Targets: integers, class indices, of the same shape
    without C; or floats, probabilities, of the same shape.
    The mean over no position is nan, as in PyTorch.

    Examples
    --------
    >>> logits, classes = Tensor([[10000.0, 0.0], [0.0, 0.0]]), Tensor([1, 0]).long()
    >>> [round(loss, 4) for loss in CrossEntropyLoss(reduction="none")(logits, classes).tolist()]
    [10000.0, 0.6931]
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        _check_setting(self, "weight", weight)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"CrossEntropyLoss: label_smoothing is a share, 0 to 1, but got {label_smoothing}.")
        self.weight = weight
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing


def class_axis(logits: Array) -> int:
    """Return the axis of the classes: the only one of ``(C,)``, the second of ``(N, C, ...)``."""
    return 0 if logits.ndim == 1 else 1


# %% [markdown]
"""
### One-hot
Class indices are integers. Their distribution has a single 1:

    classes [2, 0]  ->  [[0, 0, 1],
                         [1, 0, 0]]

For `(N, C)` you could write `result[np.arange(N), classes] = 1`. For any number of axes NumPy has
`np.put_along_axis(array, indices, value, axis)`: along `axis`, at each of `indices`, put `value`. The indices need as
many axes as the array, so the class axis that they lack has to be added with `np.expand_dims(classes, axis)`.

Write it: zeros like the logits, then the ones.
"""


# %% tags=["one_hot"]
#| export
def one_hot(classes: Array, logits: FloatArray) -> FloatArray:
    """Return an array like `logits` with 1 at the true class of each position and 0 elsewhere."""
    axis = class_axis(logits)
    ### BEGIN SOLUTION
    result = np.zeros_like(logits)
    np.put_along_axis(result, np.expand_dims(classes, axis), 1, axis)
    ### END SOLUTION
    return result


# %%
def test_unit_one_hot() -> None:
    assert one_hot(np.array([2, 0]), np.zeros((2, 3))).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.array(1), np.zeros(3)).tolist() == [0, 1, 0]
    pixels = one_hot(np.array([[0, 1]]), np.zeros((1, 2, 2)))
    assert pixels.tolist() == [[[1, 0], [0, 1]]]


# %% [markdown]
"""
### Label smoothing
With q = [0, 1, 0] the loss is never content: it is 0 only where the true logit is infinitely far above the others, so
training makes logits larger and larger, and the network surer than it has reason to be. *Label smoothing* gives the
share s of each distribution away, evenly to all C classes:

    q = (1 - s) * q + s / C

    s = 0.1, C = 3:   [0, 1, 0]  ->  0.9 * [0, 1, 0] + 0.1 / 3 = [0.0333, 0.9333, 0.0333]

It still sums to 1, and it has a best answer at a finite distance: log(0.9333 / 0.0333) = 3.33 above the others.

Write the line. C is the length of the class axis.
"""


# %% tags=["label_smoothing"]
#| export
def smoothed(p: FloatArray, smoothing: float) -> FloatArray:
    """Return distributions `p` with the share `smoothing` of each spread evenly over the classes."""
    if smoothing == 0:
        return p
    ### BEGIN SOLUTION
    mixed: FloatArray = (1 - smoothing) * p + smoothing / p.shape[class_axis(p)]
    return mixed
    ### END SOLUTION


# %%
def test_unit_label_smoothing() -> None:
    p = np.array([[0.0, 1.0, 0.0]])
    assert close(smoothed(p, 0.1), [[0.0333, 0.9333, 0.0333]])
    assert smoothed(p, 0.0) is p
    assert close(smoothed(np.array([[[1.0, 0.0], [0.0, 1.0]]]), 0.2), [[[0.9, 0.1], [0.1, 0.9]]])


# %% [markdown]
"""
### Class weights, padding, and a mean that is fair
`weight` lets rare classes count more: the surprise at class c is multiplied by `weight[c]`, in q. The mean must then be
divided by the weights as well. Two positions, nothing known (each surprise is log 2 = 0.693), weights 1 and 3:

    true classes   [0, 1]
    losses         [1 * 0.693, 3 * 0.693]     sum 2.773
    divided by 2                              1.386     twice the surprise of a coin: misleading
    divided by 1 + 3                          0.693     right: a weighted mean

`ignore_index` marks positions that do not count at all, such as the padding after a short sentence. They have q = 0,
and no share in the divisor either:

    true classes   [0, -100]                  losses [0.693, 0]     divided by 1: 0.693

One exception, which is PyTorch's definition: where the target holds *probabilities*, the divisor is the number of
positions, with or without weights.

`target_distribution` returns q, and the `scale` that the mean multiplies the sum of all losses by. Module 05 asks it
again for the way back, which is why it is a method of its own. If nothing counts, the scale is 0, so that nothing is
learned from such a batch, and the loss is `nan`, as in PyTorch.

Write two lines. First, `total`: the sum of the weights of the true classes, over the positions that are not
`ignored`; `weight` is an array of C numbers, all 1 unless told otherwise. Second, `q` times the weights, which have to
stand along the class axis: `reshape` them to `[-1]` for logits of one axis, `[1, -1]` for two, `[1, -1, 1, 1]` for
four.
"""


# %% tags=["target_distribution"]
#| export
class CrossEntropyLoss(CrossEntropyLoss):
    def target_distribution(self, logits: FloatArray, target: Array) -> tuple[FloatArray, FloatArray]:
        """Return what is true, as weights of the log-probabilities, and what the mean multiplies the sum by.

        Returns
        -------
        q
            Of the shape of `logits`, smoothed and weighted, 0 at ignored positions. The loss of a position is
            ``-sum(q * log_softmax(logits))`` over its classes.
        scale
            0-d: the mean is the sum of all losses times this. 1 for the other reductions; 0 if no position counts.
        """
        axis = class_axis(logits)
        weight = self._class_weights(logits)
        if target.dtype.kind == "f":
            q = smoothed(target.astype(logits.dtype, copy=False), self.label_smoothing)
            total = logits.size / logits.shape[axis]
        else:
            ignored = target == self.ignore_index
            q = smoothed(one_hot(np.where(ignored, 0, target), logits), self.label_smoothing)
            np.moveaxis(q, axis, -1)[ignored] = 0
            ### BEGIN SOLUTION
            total = weight[target[~ignored]].sum()
            ### END SOLUTION
        if self.weight is not None:
            ### BEGIN SOLUTION
            q = q * weight.reshape([-1 if i == axis else 1 for i in range(q.ndim)])
            ### END SOLUTION
        if self.reduction != "mean":
            total = 1
        return q, np.asarray(1 / total if total else 0, logits.dtype)

    def _class_weights(self, logits: FloatArray) -> FloatArray:
        """Return one weight a class, in the type of `logits`."""
        classes = logits.shape[class_axis(logits)]
        if self.weight is None:
            return np.ones(classes, logits.dtype)
        if self.weight.shape != (classes,):
            raise ValueError(
                f"CrossEntropyLoss: weight has shape {self.weight.shape}, but the logits have {classes} classes. "
                f"Give one weight a class, shape ({classes},)."
            )
        return self.weight.data.astype(logits.dtype)


# %%
def test_unit_target_distribution() -> None:
    logits, classes = np.zeros((2, 2)), np.array([0, 1])
    q, scale = CrossEntropyLoss().target_distribution(logits, classes)
    assert (q.tolist(), scale) == ([[1, 0], [0, 1]], 0.5)
    q, scale = CrossEntropyLoss(weight=Tensor([1.0, 3.0])).target_distribution(logits, classes)
    assert (q.tolist(), scale) == ([[1, 0], [0, 3]], 0.25)
    q, scale = CrossEntropyLoss().target_distribution(logits, np.array([0, -100]))
    assert (q.tolist(), scale) == ([[1, 0], [0, 0]], 1.0)
    q, scale = CrossEntropyLoss(reduction="sum").target_distribution(logits, classes)
    assert scale == 1.0
    pixels, _ = CrossEntropyLoss(weight=Tensor([1.0, 3.0])).target_distribution(
        np.zeros((1, 2, 3)), np.array([[0, 1, 1]])
    )
    assert pixels.tolist() == [[[1, 0, 0], [0, 3, 3]]]


# %% [markdown]
"""
### Putting it together
What is left is the definition: minus the sum of `q * log_softmax(logits)` over the classes. The name of such a sum is
an *expectation*, what you get on average if q says how often. It is given, for one reason: a logit of `-inf` is how
one forbids a class, its logarithm is `-inf` too, and `0 * -inf` would be `nan`. So it multiplies only where q is not 0.

Write the line in `forward`. The checks below it are given.
"""


# %% tags=["cross_entropy"]
#| export
def expectation(q: FloatArray, values: FloatArray) -> FloatArray:
    """Return the sum of ``q * values`` over the classes; where q is 0, a value of -inf does not count."""
    products = np.multiply(q, values, out=np.zeros_like(q), where=q != 0)
    result: FloatArray = products.sum(axis=class_axis(q))
    return result


class CrossEntropyLoss(CrossEntropyLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of logits and class indices or probabilities.

        Raises
        ------
        ValueError
            If the shapes do not fit together.
        IndexError
            If a class index is not one of the classes.
        TypeError
            If the logits do not hold floats, or the target holds floats where class indices are expected.
        """
        self._check(input, target)
        logits = input.data
        q, scale = self.target_distribution(logits, target.data)
        ### BEGIN SOLUTION
        losses = -expectation(q, stable_log_softmax(logits, class_axis(logits)))
        ### END SOLUTION
        if self.reduction == "none":
            return from_numpy(losses)
        total = losses.sum() * scale
        return from_numpy(np.asarray(total if scale else np.nan, logits.dtype))

    def _check(self, input: Tensor, target: Tensor) -> None:
        """Raise an error unless the target fits the logits."""
        self._check_tensors(input, target)
        if input.ndim == 0 or input.shape[class_axis(input.data)] == 0:
            raise ValueError(
                f"CrossEntropyLoss: input has shape {input.shape}, but needs an axis of one or more classes: "
                "(C,), (N, C) or (N, C, d1, ...)."
            )
        if target.dtype.kind == "b":
            raise TypeError("CrossEntropyLoss: target holds bool. Class indices are integers: use target.long().")
        axis = class_axis(input.data)
        positions = input.shape[:axis] + input.shape[axis + 1 :]
        if target.dtype.kind == "f":
            self._check_probabilities(input, target, positions)
        else:
            self._check_indices(input, target, positions)

    def _check_probabilities(self, input: Tensor, target: Tensor, positions: tuple[int, ...]) -> None:
        if target.shape == input.shape:
            if self.ignore_index >= 0:
                raise ValueError(
                    f"CrossEntropyLoss: ignore_index={self.ignore_index} picks class indices, but target holds "
                    "probabilities. Leave ignore_index out."
                )
            return
        if target.size == np.prod(positions):
            raise TypeError(
                f"CrossEntropyLoss: target has shape {target.shape} and holds {target.dtype}. Class indices are "
                "integers: use target.long()."
            )
        raise ValueError(
            f"CrossEntropyLoss: input has shape {input.shape} but a target of probabilities {target.shape}. "
            "They must be equal."
        )

    def _check_indices(self, input: Tensor, target: Tensor, positions: tuple[int, ...]) -> None:
        if target.shape != positions:
            raise ValueError(
                f"CrossEntropyLoss: input of shape {input.shape} takes class indices of shape {positions}, but target "
                f"has shape {target.shape}. {self._advice(input, target, positions)}"
            )
        classes = input.shape[class_axis(input.data)]
        indices = target.data
        wrong = ((indices < 0) | (indices >= classes)) & (indices != self.ignore_index)
        if wrong.any():
            raise IndexError(
                f"CrossEntropyLoss: {_first('target', indices, wrong)}, but the classes are 0 to {classes - 1}. "
                f"A position that shall not count is marked by {self.ignore_index}, the ignore_index."
            )

    def _advice(self, input: Tensor, target: Tensor, positions: tuple[int, ...]) -> str:
        if target.shape == input.shape:
            return "If it holds probabilities, use target.float()."
        if input.ndim > 2 and target.shape == input.shape[:-1]:
            return (
                "The classes belong on axis 1. If they are on the last one, use "
                f"input.reshape(-1, {input.shape[-1]}) and target.reshape(-1)."
            )
        if target.size == np.prod(positions):
            return f"Try target.reshape({', '.join(map(str, positions)) or '()'})."
        return "Give one class index for each position."


# %%
def test_unit_cross_entropy() -> None:
    logits = Tensor([[2.0, 1.0, 0.0]] * 3)
    classes = tensor([0, 1, 2])
    assert close(CrossEntropyLoss(reduction="none")(logits, classes), [0.4076, 1.4076, 2.4076])
    assert close(CrossEntropyLoss()(logits, classes), 1.4076)
    assert close(CrossEntropyLoss()(logits, tensor([0, -100, -100])), 0.4076)
    assert close(CrossEntropyLoss(weight=Tensor([1.0, 3.0]))(Tensor(np.zeros((2, 2))), tensor([0, 1])), 0.6931)
    half = tensor([[0.5, 0.5, 0.0]])
    assert close(CrossEntropyLoss()(logits[:1], half), 0.9076)
    assert close(CrossEntropyLoss(label_smoothing=0.1)(logits[:1], tensor([0])), 0.9 * 0.4076 + 0.1 * 1.4076)


def test_unit_cross_entropy_at_extremes() -> None:
    surprise = CrossEntropyLoss(reduction="none")
    assert surprise(Tensor([[1e4, -1e4], [1e4, -1e4]]), tensor([0, 1])).data.tolist() == [0.0, 20000.0]
    assert close(surprise(Tensor([1.0, 1.0, -np.inf]), tensor(0)), 0.6931)
    assert np.isnan(CrossEntropyLoss()(Tensor([[1.0, 2.0]]), tensor([-100])).item())


def test_unit_cross_entropy_says_what_does_not_fit() -> None:
    loss, logits = CrossEntropyLoss(), Tensor(np.zeros((2, 3)))
    assert "use target.long()" in message_of(lambda: loss(logits, Tensor([0, 1])))
    assert "target[1] is 3, but the classes are 0 to 2" in message_of(lambda: loss(logits, tensor([0, 3])))
    assert "Try target.reshape(2)" in message_of(lambda: loss(logits, tensor([[0], [1]])))
    words = Tensor(np.zeros((2, 5, 7)))  # batch, context, vocabulary
    assert "input.reshape(-1, 7) and target.reshape(-1)" in message_of(
        lambda: loss(words, Tensor(np.zeros((2, 5))).long())
    )


# %% [markdown]
"""
## Question 1: is the first loss right?
The cheapest test of a new network: before any training it knows nothing, so its loss should be log C. Much more means
that it is sure of itself without reason, which the first hundreds of steps have to undo. Here are random logits of
three sizes for ten classes, where log 10 = 2.303:

    logits of size 0.01   expect 2.30
    logits of size 1      expect about 2.7
    logits of size 10     expect about 15: the largest of ten is about 1.5 sizes above 0, and the true one is at 0

*For thought*: a language model of 50,257 words starts with a loss of 11.5. log 50257 is 10.82. Is that cause for alarm?
And what would you look for if it started with 3?
"""


# %%
def measure_first_loss() -> list[float]:
    """Print and return the loss of random logits of three sizes, at ten classes."""
    generator, losses = np.random.default_rng(4), []
    classes = from_numpy(generator.integers(0, 10, 10_000))
    for size in (0.01, 1.0, 10.0):
        logits = Tensor(size * generator.standard_normal((10_000, 10)))
        losses.append(CrossEntropyLoss()(logits, classes).item())
        print(f"    logits of size {size:5.2f}: {losses[-1]:6.3f}")
    return losses


# %% [markdown]
"""
## Question 2: how heavy are the logits of a language model?
GPT-2 reads 1024 tokens at once and gives, for *each* of them, one logit for each of 50,257 words. With a batch of 8:

    8 * 1024 * 50,257 = 411,705,344 logits        4 bytes each: 1.65 GB

The whole model, 124,439,808 parameters, weighs 0.50 GB. So the output of its last layer is more than three times as
heavy as the model, and every array of the same shape that the loss makes weighs 1.65 GB again.

*For thought*: q is one of them, and 50,256 of 50,257 of its elements are 0. How many bytes would the class indices
need instead? (8 bytes a position.)
"""


# %%
def measure_language_model() -> tuple[int, float]:
    """Print and return the bytes of GPT-2's logits for a batch of 8, and how many times its weights that is."""
    batch, context, vocabulary, parameters, bytes_each = 8, 1024, 50_257, 124_439_808, 4
    logits = batch * context * vocabulary * bytes_each
    ratio = logits / (parameters * bytes_each)
    print(f"    logits {logits:,} bytes, {ratio:.1f} times the weights; class indices {batch * context * 8:,} bytes")
    return logits, ratio


# %% [markdown]
"""
## Question 3: how often does cross-entropy go over memory?
The arithmetic of a loss is nothing beside the time to move its arrays. So count passes: how often an array of the
logits' shape is read or written. *Composed* of tensor operations, one after another:

    operation          reads   writes
    largest of a row     1               m
    logits - m           1       1       shifted
    exp                  1       1       powers
    sum of a row         1
    powers / sum         1       1       probabilities
    log                  1       1       log-probabilities
    pick the true one                    a few elements
                         6       4       10 passes, 4 arrays

Yours, *fused*, makes three arrays at most at one time: `log_softmax` is worked out in place, then q is laid beside it.
And if only class indices had to be served, the log-sum-exp could be *picked* from directly, `log(sum(exp(x - m))) + m -
x_k`: 4 reads, 2 writes, 1 array.

    composed   4 arrays
    fused      about 3.25 (the quarter is the mask of q, one byte an element)
    picked     1

The time follows the arrays more than the passes, since fresh memory has to be got from the system: expect fused in a
quarter to a half of the time of composed, and picked faster still. The larger gain comes in module 05. To walk back,
the composed loss must keep its powers and its probabilities *until then*, the fused one nothing but the logits, from
which the softmax is made again.

Why then is yours not the picked one? It serves indices, probabilities, smoothing and weights by one formula, and its
gradient is by the same q. That is worth an array, until the array weighs 1.65 GB.

*For thought*: what is left of "picked" with label smoothing? (Which sum over the classes do you need beside x_k?)
"""


# %%
def composed(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the mean cross-entropy, made of tensor operations."""
    shifted = logits - logits.amax(1, keepdim=True)
    powers = shifted.exp()
    probabilities = powers / powers.sum(1, keepdim=True)
    logs = probabilities.log()
    return -logs[np.arange(len(logits)), classes].mean()


def picked(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the mean cross-entropy, from the log-sum-exp and the logit of the true class."""
    x = logits.data
    largest = x.max(axis=1)
    powers = x - largest[:, None]
    np.exp(powers, out=powers)
    log_sum_exp = np.log(powers.sum(axis=1)) + largest
    return from_numpy((log_sum_exp - x[np.arange(len(x)), classes.data]).mean())


def measure_passes() -> dict[str, float]:
    """Print time and peak memory of three ways to one number; return the peaks, in arrays of the logits' size."""
    generator = np.random.default_rng(4)
    logits = Tensor(generator.standard_normal((256, 8000)))
    classes = from_numpy(generator.integers(0, 8000, 256))
    peaks = {}
    for name, way in (("composed", composed), ("fused", CrossEntropyLoss()), ("picked", picked)):
        assert close(way(logits, classes), 9.5, 0.1)  # log(8000) is 8.99; logits of size 1 add a half
        tracemalloc.start()
        way(logits, classes)
        peaks[name] = tracemalloc.get_traced_memory()[1] / logits.data.nbytes
        tracemalloc.stop()
        taken = min(timeit.repeat(lambda way=way: way(logits, classes), number=1, repeat=5))
        print(f"    {name:9} {taken * 1e3:6.1f} ms, {peaks[name]:.2f} arrays")
    return peaks


# %% [markdown]
"""
## The module test, and what you have
All four losses on one small network, each smaller for the better answer.
"""


# %%
def test_module() -> None:
    """🧪 Module 04: four losses judge a network, and prefer the truth."""
    manual_seed(4)
    images = rand(32, 8, 8)
    logits = Sequential(Flatten(), Linear(64, 10))(images)
    digits = from_numpy(logits.data.argmax(axis=1))
    wrong = from_numpy((digits.data + 1) % 10)

    loss = CrossEntropyLoss()
    assert abs(loss(logits, wrong).item() - np.log(10)) < 0.7
    assert loss(logits, digits).item() < loss(logits, wrong).item()
    assert loss(100 * logits, digits).item() < loss(logits, digits).item()
    assert close(loss(logits, digits), loss(logits, Tensor(one_hot(digits.data, logits.data))).data)

    yes = Tensor(digits.data == 0)
    first = logits[:, 0]
    assert close(BCEWithLogitsLoss()(first, yes), BCELoss()(from_numpy(stable_sigmoid(first.data)), yes).data)
    # Two classes whose logits are x and 0 are one question with the logit x.
    both = Tensor(np.stack([np.zeros(32, np.float32), first.data], axis=1))
    assert close(BCEWithLogitsLoss()(first, yes), loss(both, yes.long()).data)

    assert MSELoss()(logits, logits).item() == 0
    assert close(MSELoss()(logits + 2, logits), 4.0)
    assert "try target.reshape(32, 10)" in message_of(lambda: MSELoss()(logits, logits.reshape(320)))
    print("Module 04: all is well.")


# %% [markdown]
"""
You built four losses from two ideas: how far off, and how surprised. Two habits made them safe. A shape that does not
fit is an error and not a broadcast. And a logarithm of an exponential is simplified on paper before a computer sees it.

There is a number now that says how wrong a network is. Module 05 finds out which way each of its parameters has to move
to make it smaller.
"""

# %%
if __name__ == "__main__":
    test_unit_reduce()
    test_unit_a_silent_broadcast_prefers_the_mean_to_the_truth()
    test_unit_mse()
    test_unit_bce()
    test_unit_softplus()
    test_unit_bce_with_logits()
    test_unit_sigmoid_then_bce_goes_flat()
    test_unit_log_sum_exp()
    test_unit_one_hot()
    test_unit_label_smoothing()
    test_unit_target_distribution()
    test_unit_cross_entropy()
    test_unit_cross_entropy_at_extremes()
    test_unit_cross_entropy_says_what_does_not_fit()
    print("The first loss of a network, at ten classes:")
    assert close(np.array(measure_first_loss()), [2.303, 2.72, 15.4], 0.2)
    print("The logits of a language model:")
    assert measure_language_model()[0] == 1_646_821_376
    print("Three ways to one number:")
    peaks = measure_passes()
    assert peaks["picked"] < peaks["fused"] < peaks["composed"]
    test_module()
