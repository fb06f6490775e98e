# %% [markdown]
"""
# 05 Autograd
A loss is one number; a network has millions of parameters. This module finds how the loss moves with each of
them, in one walk back through the operations that made it.

**You have** `Tensor` (01), activations (02), layers (03) and losses (04). **You build** `unbroadcast`, the
gradient rules, the graph, and `backward()`. At the end `enable_autograd()` wakes the features that slept in
`Tensor` since 01.

The module has five parts: what automatic differentiation is, the mathematics it stands on, the building of it,
putting it to the test, and a summary. Take four evenings, or one long one.
"""

# %%
#| default_exp core.autograd
#| doc Reverse-mode automatic differentiation: gradient rules, the graph, and the walk back through it.

# %% tags=["imports"]
#| export
from __future__ import annotations

import copy
import functools
import inspect
import math
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from tinytorch.core.activations import (
    GELU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    erf,
    stable_log_softmax,
    stable_sigmoid,
    stable_softmax,
)
from tinytorch.core.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss, class_axis, softplus
from tinytorch.core.tensor import Array, Dim, FloatArray, Scalar, Tensor, array_index, from_numpy

# %% [markdown]
"""
## Part 1: what automatic differentiation is
There are three ways to get a derivative from a program.

**By hand.** You derive a formula on paper and type it in. It is exact, and it is out of date as soon as the model
changes.

**By nudging.** Move one input by a small step, run the program again, and see how the output moved. It needs no
thought, but one whole run for each parameter. A network with a million parameters needs a million runs for a
single step.

**Automatically.** Every program that computes a number is a chain of small operations: a sum, a product, an
`exp`. Each has a derivative that fits on one line. Record which operations ran, and a machine can combine those
lines for you. It is exact, like the first way, and needs no thought, like the second. And it costs about as much
as running the program twice or three times, no matter how many parameters there are. That last fact is why deep
learning is possible.

What is recorded is called a **computation graph**. Here is the one of `loss = (w * x + b - t) ** 2`:

    forward: numbers flow right

      w ---+
           +--> [ * ] ---+
      x ---+             +--> [ + ] ---+
      b -----------------+             +--> [ - ] ---> [ ** 2 ] ---> loss
      t -------------------------------+

    backward: gradients flow left

      w.grad <--- MulBackward <---+
                                  +--- AddBackward <---+
      b.grad <--------------------+                    +--- SubBackward <--- PowBackward <--- 1.0

Going forward, each operation leaves a **node** behind: what kind it was, which values it will need later, and
where its inputs came from. Going backward, each node answers one question: *if the loss moves this much with my
output, how much does it move with each of my inputs?* Nobody ever needs to see the whole formula.
"""

# %% [markdown]
"""
## Part 2: foundations
### The chain rule
Let `y = 2x` and `z = y + 1`. Move `x` by 1 and `y` moves by 2. Move `y` by 1 and `z` moves by 1. So when `x`
moves by 1, `z` moves by 2 · 1 = 2: along a chain, **the slopes multiply**.

When one value is used twice, both uses move the result, and **the slopes of the paths add up**. For `z = x * x`
at `x = 3` the first factor contributes 3 and the second contributes 3; the slope is 6.

Those two sentences are all the mathematics in this module. The rest is bookkeeping.

### From the end to the start
For `x -> y = x * 2 -> z = y + 1` we want `dz/dx`. Start at the end, where the answer is known: z moves with
itself, `dz/dz = 1`. Then walk back:

      x = 3.0  ------>  y = x * 2 = 6.0  ------>  z = y + 1 = 7.0      forward
      grad 2.0  <-----  grad 1.0         <------  grad 1.0             backward
               times 2                  times 1

So `z.grad`, `y.grad` and `x.grad` will be 1, 1 and 2. Remember these three numbers; your code has to find them.

Why backwards? A walk from the front computes how *one* input moves everything. A walk from the back computes how
everything moves *one* output. A network has millions of inputs and one loss. So we walk from the back.

### Where the memory is
While the forward pass runs, nodes keep what their rules will need. `y = x * 2` needs the 2 to go back through; it
does not need `y`. `exp` needs its own result, since the slope of `exp` is `exp`. An addition needs nothing at
all.

                      memory held by the graph

      forward    x*W1   |####
                 relu   |#######
                 x*W2   |###########
                 loss   |############     <- the peak: the end of the forward pass
      backward   loss   |###########
                 x*W2   |#######
                 relu   |####
                 x*W1   |                 each node lets go as soon as its rule has run

This is why training takes several times the memory of prediction, and why your `backward()` will release each
node as it goes by.
"""

# %% [markdown]
"""
## Part 3: implementation
### 3.1 Undoing a broadcast
Adding a `(3,)` bias to a `(2, 3)` batch uses every bias twice. Slopes of several uses add up, so the gradient of
the bias is the sum of the two rows:

    grad_output [[1, 2, 3],      ->  grad_bias [5, 7, 9]
                 [4, 5, 6]]

The same holds for an axis of length 1 that was stretched: a `(2, 1)` column beside a `(2, 3)` batch gets the sum
over each row, `[[6], [15]]`. Broadcasting copies; its gradient sums the copies.

So sum over two kinds of axes: those in front that the smaller shape does not have, and those where it has 1. With
`keepdims=True` every axis stays where it is; a `reshape` at the end drops those in front.
"""


# %% tags=["unbroadcast"]
#| export
def unbroadcast(grad: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Sum `grad` over the axes that broadcasting added to `shape` or stretched in it.

    Parameters
    ----------
    grad
        A gradient, of a shape that `shape` broadcasts to.
    shape
        The shape of what was broadcast.

    Returns
    -------
    ndarray
        The gradient of what was broadcast, of its shape; `grad` itself if nothing was.
    """
    if grad.shape == shape:
        return grad
    ### BEGIN SOLUTION
    added = grad.ndim - len(shape)
    stretched = [added + i for i, n in enumerate(shape) if n == 1]
    total: FloatArray = grad.sum(axis=(*range(added), *stretched), keepdims=True)
    return total.reshape(shape)
    ### END SOLUTION


# %%
def test_unit_unbroadcast() -> None:
    batch = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert unbroadcast(batch, (3,)).tolist() == [5.0, 7.0, 9.0]
    assert unbroadcast(batch, (2, 1)).tolist() == [[6.0], [15.0]]
    assert unbroadcast(batch, (1, 1)).tolist() == [[21.0]]
    assert unbroadcast(batch, ()).tolist() == 21.0
    assert unbroadcast(batch, (2, 3)) is batch


# %% [markdown]
"""
### 3.2 A node of the graph
`Function` is one operation that happened. It is given; read it slowly, everything else stands on it.

A node remembers three things about each input. Its shape, so that the gradient can be summed back to it. Whether
a gradient is needed at all: the digits of an image need none. And where to send the gradient: to the node that
made the input, or, if no operation made it, to the tensor itself. Such a tensor is called a **leaf**; leaves are
where gradients are kept.

It also saves arrays, and `saves` says which. A product needs its factors, each for the other's gradient. `exp`
needs its output. A sum needs nothing.

One line deserves a second look: the node holds its own result through a *weak* reference. The result points to
the node, so a normal reference back would tie the two together, and neither would be freed. A weak reference
says: if somebody else still holds this tensor, show it its gradient; if nobody does, let it go.
"""


# %% tags=["errors"]
#| export
class GradientShapeError(ValueError):
    """A gradient does not have the shape of what it is the gradient of."""


class GraphReleasedError(RuntimeError):
    """A second pass over a graph whose saved arrays are gone."""


class NotDifferentiableError(RuntimeError):
    """An operation would lose a gradient, or has none to give."""


class ChangedInPlaceError(RuntimeError):
    """An array that a rule needs no longer holds the values that it was saved with."""


class ForgottenZeroGradWarning(UserWarning):
    """Gradients of a parameter's old and new values are being added up."""


# %% [markdown]
"""
Nodes save arrays *uncopied*, which is what makes recording cheap. It has a price: whoever changes such an array in
place, before the walk has come by, makes its gradient wrong, and nothing looks amiss. So operations that change
arrays, such as `t.add_(1)`, leave a note: whose memory it was, and when. Every node knows when it was made. A note
that is younger than the node means that the saved values are gone, and then there is an error instead of a number.

    made at 5    y = x * x       MulBackward saves x
    noted at 6   x.add_(1)       the memory of x has other values now
                 y.backward()    6 is later than 5: error, naming MulBackward

A view has the memory of the array it looks into, so the note is kept under the array that owns the memory. What is
written past the operations, straight into `t.data`, leaves no note; PyTorch does not see that either.
"""


# %% tags=["changes"]
#| export
_time = 0  # counts the changes
_changes: dict[int, tuple[int, str]] = {}  # by the id of the array that owns the memory: when, and by what


def memory_of(array: Array) -> Array:
    """Return the array that owns the memory of `array`, which may be a view into it."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def note_change(array: Array, operation: str) -> int:
    """Note that `operation` changes the values of `array` in place; return the time of the note."""
    global _time
    _time += 1
    owner = memory_of(array)
    if id(owner) not in _changes:
        weakref.finalize(owner, _changes.pop, id(owner), None)
    _changes[id(owner)] = _time, operation
    return _time


# %% tags=["function"]
#| export
class Function:
    """One operation in the graph: what it saved, and where its gradients go.

    Parameters
    ----------
    *inputs
        The operands in the order of the operation: tensors, arrays or numbers.
    output
        The tensor that the operation made. Without it the operation is taken to be elementwise, which tells the
        output's shape but not its values.

    Attributes
    ----------
    next_functions
        For each input the node that made it, the tensor itself if it is a leaf, or None if it needs no gradient.
    needs_input_grad
        For each input, whether a gradient is needed.
    input_shapes
        The shape of each input.
    shape, dtype
        Those of the output.
    saved
        The arrays that were saved, inputs first, then the output; None once they are released.

    Notes
    -----
    Memory: holds the arrays named by `saves`, uncopied, until `release()`. Holds its output weakly.
    """

    saves: ClassVar[tuple[str, ...]] = ("inputs",)  # or "output", both, "factors", or nothing

    def __init__(self, *inputs: Any, output: Tensor | None = None) -> None:
        # This runs at every operation of every forward pass: one loop, and nothing that can wait for the way back.
        values: list[Any] = []
        shapes: list[tuple[int, ...]] = []
        edges: list[Edge] = []
        needed: list[bool] = []
        for x in inputs:
            if isinstance(x, Tensor):
                values.append(x.data)
                shapes.append(x.data.shape)
                edges.append((x._grad_fn or x) if x.requires_grad else None)
                needed.append(x.requires_grad)
            else:
                values.append(x.item() if isinstance(x, np.generic) else x)  # a plain number, which takes any type
                shapes.append(getattr(x, "shape", ()))
                edges.append(None)
                needed.append(False)
        self.made = _time
        self.input_shapes = tuple(shapes)
        self.next_functions = tuple(edges)
        self.needs_input_grad = tuple(needed)
        self.saved = self._saved_of(values, output) if self.saves else ()
        if output is None:
            self._without_output(values)
            return
        self.shape, self.dtype = output.data.shape, output.data.dtype
        self._output: weakref.ref[Tensor] | None = weakref.ref(output)

    def _saved_of(self, values: list[Any], output: Tensor | None) -> tuple[Any, ...] | None:
        """Return what `saves` names."""
        if "factors" in self.saves:  # what an input is multiplied by is needed only if that input's gradient is
            (a, b), (edge_a, edge_b) = values, self.next_functions
            return (None if edge_b is None else a, None if edge_a is None else b)
        saved = tuple(values) if "inputs" in self.saves else ()
        return saved if output is None or "output" not in self.saves else (*saved, output.data)

    def _without_output(self, values: list[Any]) -> None:
        """Say what the output is like from the inputs of an elementwise operation."""
        if "output" in self.saves:
            raise TypeError(f"{self.name} saves what its operation computed: pass output=, the resulting tensor.")
        self.shape, self.dtype = np.broadcast_shapes(*self.input_shapes), np.result_type(*values)
        self._output = None

    @property
    def name(self) -> str:
        """What the operation is called, for example ``AddBackward``."""
        return type(self).__name__

    @property
    def released(self) -> bool:
        """Whether the saved arrays are gone."""
        return self.saved is None

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """`saved`, or the error of a graph that is gone or whose arrays were changed."""
        if self.saved is None:
            raise GraphReleasedError(
                f"{self.name} has let go of its saved arrays: an earlier backward() passed here. Compute the loss "
                "again before each backward(), or pass retain_graph=True to all but the last."
            )
        if _changes:
            self._check_unchanged(self.saved)
        return self.saved

    def _check_unchanged(self, arrays: tuple[Any, ...]) -> None:
        """Raise `ChangedInPlaceError` if one of the saved arrays was changed since."""
        for array in arrays:
            changed, operation = (
                _changes.get(id(memory_of(array)), (0, "")) if isinstance(array, np.ndarray) else (0, "")
            )
            if changed > self.made:
                raise ChangedInPlaceError(
                    f"{self.name} saved an array of shape {array.shape} for its gradient, and {operation} has changed "
                    f"it in place since. Use the form that makes a new tensor, or let {operation} work on a clone()."
                )

    def release(self) -> None:
        """Let go of the saved arrays and of the nodes before this one."""
        self.saved = None
        self.next_functions = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        """Return the gradient at each input from the one at the output; None where none is needed.

        Parameters
        ----------
        grad_output
            d(loss)/d(output), of the output's shape.
        """
        raise NotImplementedError(f"{self.name} has no apply().")

    def check_shape(self, grad_output: FloatArray) -> None:
        """Raise `GradientShapeError` unless `grad_output` has the output's shape."""
        if grad_output.shape != self.shape:
            shapes = " and ".join(map(str, self.input_shapes))
            raise GradientShapeError(
                f"{self.name} was given a gradient of shape {grad_output.shape}, but inputs of shape {shapes} make an "
                f"output of shape {self.shape}. Pass a gradient of the output's shape, or call backward() on a scalar."
            )

    def show(self, grad_output: FloatArray) -> None:
        """Set ``.grad`` of the output, if somebody still holds it."""
        output = None if self._output is None else self._output()
        if output is not None:
            # a copy, since other tensors may be shown the same array
            output.grad = grad_output if isinstance(grad_output, Tensor) else from_numpy(np.array(grad_output))

    def __repr__(self) -> str:
        return f"<{self.name} of shape {self.shape}>"


Edge = Function | Tensor | None


# %% [markdown]
"""
### 3.3 The first rule: addition
`out = a + b`. Move `a` by 1 and `out` moves by 1. So each input receives `grad_output` as it came, summed back to
its own shape.

    a = [1, 2, 3]        grad_output = [10, 20, 30]        grad_a = [10, 20, 30]
    b = 5 (one number)                                     grad_b = 60: it was used three times

A rule returns one gradient for each input, or `None` where `needs_input_grad` says that nobody asks. Computing a
gradient that nobody asks for would be right, and slow.
"""


# %% tags=["add_backward"]
#| export
class AddBackward(Function):
    """Gradient of ``out = a + b``: each input receives `grad_output`, summed back to its own shape."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        ### BEGIN SOLUTION
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(grad_output, shape_a) if need_a else None
        grad_b = unbroadcast(grad_output, shape_b) if need_b else None
        return grad_a, grad_b
        ### END SOLUTION


# %%
def test_unit_add_backward() -> None:
    a = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = Tensor(5.0, requires_grad=True)
    grad_a, grad_b = AddBackward(a, b).apply(np.array([10.0, 20.0, 30.0]))
    assert grad_a is not None
    assert grad_b is not None
    assert grad_a.tolist() == [10.0, 20.0, 30.0]
    assert grad_b.tolist() == 60.0
    assert AddBackward(a, Tensor(5.0)).apply(np.ones(3))[1] is None


# %% [markdown]
"""
### 3.4 Recording an operation
A node is of no use until a result carries it. Three lines do that, here for the sum of two tensors:

1. compute the result as always;
2. say that it requires a gradient;
3. hang the node on it.

The tensors then form a graph by themselves. Nobody draws it; it is the trail of what was computed.
"""


# %%
def recorded_add(a: Tensor, b: Tensor) -> Tensor:
    result = from_numpy(a.data + b.data)
    result.requires_grad = True
    result._grad_fn = AddBackward(a, b, output=result)
    return result


def doubled(times: int, start: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return x and what becomes of it by ``x = x + x``, so many times."""
    leaf = out = Tensor(start, requires_grad=True)
    for _ in range(times):
        out = recorded_add(out, out)
    return leaf, out


# %% [markdown]
"""
### 3.5 An experiment: the walk that explodes
The obvious walk is recursive: apply a node's rule, then call yourself for each node before it. Here it is, only
counting its visits. Try it on `x = x + x`, done again and again:

    x ==> [ + ] ==> [ + ] ==> [ + ] ==> ... ==> out

Each arrow is double, since `x + x` uses its input twice. Two nodes make four ways back to `x`; twenty nodes make
2 to the power 20, more than a million.
"""


# %%
def naive_visits(node: Function) -> int:
    """Count the visits of a walk that follows every path."""
    return 1 + sum(naive_visits(edge) for edge in node.next_functions if isinstance(edge, Function))


def experiment_naive_walk() -> None:
    for times in (5, 10, 15, 20):
        visits = naive_visits(doubled(times)[1].grad_fn)
        print(f"x = x + x, {times:2} times: {times:2} nodes, {visits:9,} visits")


# %% [markdown]
"""
Twenty nodes, a million visits; with forty you would wait for days. The walk pays for *paths* when it should pay
for *nodes*. And there is a second trap: a chain of a few thousand operations is deeper than Python's stack, so
recursion ends in a `RecursionError` on a perfectly ordinary program.

The cure for both: visit each node **once**, after *all* nodes that use its output, because only then has its
whole gradient arrived. An order like that is a **topological order**: outputs before what made them.

### 3.6 Topological order, without recursion
Keep a stack of your own. Each entry is a node and a flag that says whether the nodes before it are done already.

    pop (node, False):   first time here. Push (node, True), then (input, False) for each node before it.
    pop (node, True):    everything below is in the list. Append the node.

Nodes are appended inputs first; reverse the list at the end. A set of the nodes already seen makes a diamond cost
two visits instead of two to the power of its height.

    a ---> b ---> d        one valid order from d:   d, b, c, a
    |             ^        another:                  d, c, b, a      (both are right)
    +----> c -----+
"""


# %% tags=["topological_order"]
#| export
def topological_order(start: Edge) -> list[Function]:
    """Return all nodes from `start` back to the leaves, each once, outputs before what made them.

    Parameters
    ----------
    start
        The node to begin with; from a leaf, or from None, there are no nodes.

    Notes
    -----
    Time and memory: in proportion to the nodes and edges; no recursion, so any depth.
    Source: T. Cormen et al., Introduction to Algorithms, 4th ed., MIT Press, 2022, sec. 20.4.
    """
    if not isinstance(start, Function):
        return []
    ### BEGIN SOLUTION
    order: list[Function] = []
    seen: set[Function] = set()
    stack = [(start, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            for edge in node.next_functions:
                if isinstance(edge, Function):
                    stack.append((edge, False))
    order.reverse()
    return order
    ### END SOLUTION


# %%
def test_unit_topological_order() -> None:
    _, out = doubled(20)
    order = topological_order(out.grad_fn)
    assert len(order) == 20
    assert order[0] is out.grad_fn
    position = {node: i for i, node in enumerate(order)}
    for node in order:
        for edge in node.next_functions:
            assert not isinstance(edge, Function) or position[node] < position[edge]


def test_unit_topological_order_is_not_recursive() -> None:
    assert len(topological_order(doubled(20_000, start=0.0)[1].grad_fn)) == 20_000


# %% [markdown]
"""
### 3.7 The backward pass
Now the walk itself. It needs one dictionary, `grads`: for every node (or leaf) that has been reached, the
gradient collected so far.

    grads = {node of the loss: 1}
    for each node in topological order:
        take its gradient out of grads                    it is complete: all its users came before
        apply the rule
        for each input: add what the rule returned to grads
        release the node
    what is left in grads belongs to the leaves

Follow it on `z = y + 1`, `y = 2 * x`:

    grads {z's node: 1}  ->  {y's node: 1}  ->  {x: 2}  ->  x.grad = 2

The key of a leaf is the tensor itself. And *add* is the important word: a tensor used twice is reached twice. For
`x + x` the second gradient meets the first one in `grads`, and 1 + 1 = 2.

Never add with `+=` here. `AddBackward` hands the *same* array to both of its inputs; changing it for one would
change it for the other.

Around your walk stand three given helpers. `start_gradient` says what to begin with. `input_gradients` runs a
rule and checks what it returned: a gradient that does not have its input's shape is a bug, and it is found here,
at the rule that made it. `accumulate` puts a finished gradient into a leaf: **added** to what is there, until
`zero_grad()`.
"""


# %% tags=["backward_helpers"]
#| export
def start_gradient(tensor: Tensor, gradient: Any) -> FloatArray:
    """Return what the walk begins with: 1 for a scalar, `gradient` for anything else.

    Raises
    ------
    RuntimeError
        If `tensor` requires no gradient, or is not one number and `gradient` is None.
    GradientShapeError
        If `gradient` does not have the shape of `tensor`.
    TypeError
        If `gradient` does not hold real numbers.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "backward() has nothing to do: this tensor was made from nothing that requires a gradient. Was "
            "requires_grad=True forgotten, or was it computed inside no_grad(), from a detach(), or by something that "
            "has no slope, such as a comparison, argmax or long()?"
        )
    data = tensor.data
    if gradient is None:
        if data.size != 1:
            raise RuntimeError(
                f"backward() starts from one number, but this tensor has shape {tensor.shape}. Reduce it first, for "
                f"example with .mean() or .sum(), or pass gradient=, a tensor of shape {tensor.shape}."
            )
        return np.ones(data.shape, data.dtype)
    seed = gradient.data if isinstance(gradient, Tensor) else np.asarray(gradient)
    if seed.dtype.kind not in "biuf":
        raise TypeError(f"backward() needs a gradient of real numbers, but got {seed.dtype}.")
    if seed.shape != data.shape:
        raise GradientShapeError(
            f"backward() was given a gradient of shape {seed.shape} for a tensor of shape {tensor.shape}. "
            "The two must be equal."
        )
    return seed if seed.dtype == data.dtype else seed.astype(data.dtype)


def input_gradients(node: Function, grad_output: FloatArray) -> list[tuple[Function | Tensor, FloatArray]]:
    """Apply the rule of `node`; return each gradient that is needed, checked, with where it goes.

    Raises
    ------
    NotDifferentiableError
        If the rule does not return a tuple with a gradient for each input that needs one.
    GradientShapeError
        If a gradient does not have the shape of its input.
    """
    grads, edges = node.apply(grad_output), node.next_functions
    if not isinstance(grads, tuple):
        raise NotDifferentiableError(
            f"{node.name}.apply() returned {type(grads).__name__}. Return a tuple with one gradient for each input; "
            "of a single one: `return (grad,)`, with the comma."
        )
    if len(grads) != len(edges):
        raise NotDifferentiableError(
            f"{node.name} has {len(edges)} inputs, but apply() returned {len(grads)} gradients. "
            "Return one for each input, None where none is needed."
        )
    found: list[tuple[Function | Tensor, FloatArray]] = []
    for i, edge in enumerate(edges):
        if edge is None:
            continue
        grad = grads[i]
        if not isinstance(grad, _ARRAYS) or grad.shape != node.input_shapes[i]:
            raise _wrong_gradient(node, grads)
        dtype = edge.dtype
        found.append((edge, grad if grad.dtype is dtype else grad.astype(dtype)))
    return found


_ARRAYS = (np.ndarray, np.generic, Tensor)


def _wrong_gradient(node: Function, grads: tuple[Any, ...]) -> Exception:
    """Return the error of the first gradient that is none, or of another shape than its input."""
    for i, (edge, grad, shape) in enumerate(zip(node.next_functions, grads, node.input_shapes, strict=True)):
        if edge is not None and not isinstance(grad, _ARRAYS):
            return NotDifferentiableError(
                f"{node.name} returned {'no gradient' if grad is None else type(grad).__name__} for input {i}, which "
                "needs one. Return an array of its shape."
            )
        if edge is not None and grad.shape != shape:
            return GradientShapeError(
                f"{node.name} returned a gradient of shape {grad.shape} for input {i}, whose shape is {shape}. "
                "The two must be equal: is there a broadcast that was not undone, or a transpose too many?"
            )
    raise AssertionError(f"all gradients of {node.name} are right.")


def accumulate(grads: dict[Any, FloatArray]) -> None:
    """Add gradients to the ``.grad`` of their leaves, and warn if they belong to other values than what is there.

    Raises
    ------
    TypeError
        If a leaf does not hold floats.
    """
    for leaf in grads:
        if leaf.data.dtype.kind != "f":
            raise TypeError(f"a leaf of shape {leaf.shape} holds {leaf.dtype}, and only floats can have a gradient.")
    moved = None
    while grads:  # one at a time, so that no gradient is held twice
        leaf, grad = grads.popitem()
        if not leaf.requires_grad:  # not any more
            continue
        # Eight of its values tell whether a parameter has moved, and cost nothing beside the gradient itself.
        data = leaf.data
        values = (data if data.size < 16 else data.flat[:: data.size // 8]).tobytes()
        if leaf.grad is None:
            # A copy, unless nobody else holds the array: rules may hand one to several inputs, or keep it.
            alone = sys.getrefcount(grad) == _ALONE and grad.base is None
            leaf.grad = from_numpy(grad if alone else np.array(grad))
        else:
            if getattr(leaf, "_grad_at", values) != values and leaf.grad.data.any():
                moved = leaf
            leaf.grad = from_numpy(leaf.grad.data + grad)
        leaf._grad_at = values
    if moved is not None:
        warnings.warn(
            f"backward() adds to the gradient of a tensor of shape {moved.shape} whose values have changed since that "
            "gradient was made. Was zero_grad() forgotten? Call it before each backward(). (If the next use of this "
            "gradient comes after a zero_grad(), all is well.)",
            ForgottenZeroGradWarning,
            stacklevel=_users_frame(),
        )


def _references() -> int:
    """Return what is counted for an array that nothing but one local variable holds."""
    array = np.empty(0)
    return sys.getrefcount(array)


_ALONE = _references()


def _users_frame() -> int:
    """Return how many frames above the caller's the first one outside of this package is, the walk itself aside."""
    level, frame = 3, sys._getframe(3)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("tinytorch."):
        level, frame = level + 1, frame.f_back
    return level


# %% tags=["backward"]
#| export
def propagate(order: list[Function], grads: dict[Any, FloatArray], retain_graph: bool) -> None:
    """Carry the gradients in `grads` through the nodes of `order`, until only those of the leaves are left."""
    ### BEGIN SOLUTION
    for node in order:
        grad_output = grads.pop(node)
        node.show(grad_output)
        for edge, grad in input_gradients(node, grad_output):
            grads[edge] = grads[edge] + grad if edge in grads else grad
        if not retain_graph:
            node.release()
    ### END SOLUTION


def backward(tensor: Tensor, gradient: Any = None, retain_graph: bool = False) -> None:
    """Compute the gradients of everything `tensor` was made from.

    Leaves keep theirs, added to what is there, until ``zero_grad()``. A tensor in between that is still held shows
    the gradient of this pass.

    Parameters
    ----------
    tensor
        Where to start, normally the loss. After ``enable_autograd()`` this is the method ``tensor.backward()``.
    gradient
        d(loss)/d(tensor), of its shape. Not needed for one number, where it is 1.
    retain_graph
        Keep the saved arrays, so that a second pass is possible.

    Raises
    ------
    RuntimeError
        If nothing here requires a gradient, or `tensor` is not one number and `gradient` is missing.
    GradientShapeError
        If a gradient does not have the shape of what it belongs to.
    GraphReleasedError
        If an earlier pass has released the graph.

    Notes
    -----
    Time: each node once, without recursion. Memory: a node's arrays go as soon as its rule has run.
    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, ch. 3.

    Examples
    --------
    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * 2
    >>> z = y + 1
    >>> z.backward()
    >>> x.grad, y.grad, z.grad
    (tensor(2.), tensor(1.), tensor(1.))
    """
    seed = start_gradient(tensor, gradient)
    start = tensor if tensor._grad_fn is None else tensor._grad_fn
    order = topological_order(start)
    for node in order:
        _ = node.saved_tensors  # a released node is an error now, before any gradient has changed
    grads: dict[Any, FloatArray] = {start: seed}
    propagate(order, grads, retain_graph)
    accumulate(grads)


# %%
def message_of(action: Callable[[], object]) -> str:
    """Return the message of the error that `action` raises."""
    try:
        action()
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("no error came")


def test_unit_backward_adds_up_what_is_used_twice() -> None:
    x, out = doubled(20)
    backward(out)
    assert x.grad is not None
    assert x.grad.item() == 2.0**20


def test_unit_backward_releases_the_graph() -> None:
    _, out = doubled(1)
    backward(out, retain_graph=True)
    backward(out)
    assert "retain_graph=True" in message_of(lambda: backward(out))


# %% [markdown]
"""
### 3.8 Arithmetic: the product
`out = a * b`. Move `a` by 1 and `out` moves by `b`: an input moves the output in proportion to the *other* input.

    a = 2, b = 5, grad_output = 1       grad_a = 5, grad_b = 2

That is why `MulBackward` keeps both inputs.
"""


# %% tags=["mul_backward"]
#| export
class MulBackward(Function):
    """Gradient of ``out = a * b``, element by element.

    An input moves the output in proportion to the *other* input::

        grad_a = unbroadcast(grad_output * b, a.shape)
        grad_b = unbroadcast(grad_output * a, b.shape)

    Notes
    -----
    Shapes: `grad_output` has ``broadcast(a.shape, b.shape)``; each result has its own input's shape, or is
    ``None`` where the input requires no gradient.
    Units: with `a` in [A], `b` in [B] and the loss in [L], `grad_output` is in [L/AB], so `grad_output * b`
    is in [L/A], as a gradient of `a` has to be.
    Memory: keeps each input that the other's gradient needs alive, uncopied, until the graph is released.
    Errors: `GradientShapeError` if `grad_output` does not have the output's shape.
    Source: A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, ch. 3.
    """

    saves = ("factors",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        ### BEGIN SOLUTION
        # A stretched input took part in many products, so its gradient is the sum over them.
        grad_a = unbroadcast(grad_output * b, shape_a) if need_a else None
        grad_b = unbroadcast(grad_output * a, shape_b) if need_b else None
        return grad_a, grad_b
        ### END SOLUTION


# %%
def test_unit_mul_backward() -> None:
    a = Tensor([2.0, 3.0], requires_grad=True)
    b = Tensor(5.0, requires_grad=True)
    grad_a, grad_b = MulBackward(a, b).apply(np.array([1.0, 10.0]))
    assert grad_a is not None
    assert grad_b is not None
    assert grad_a.tolist() == [5.0, 50.0]
    assert grad_b.tolist() == 1.0 * 2.0 + 10.0 * 3.0


# %% [markdown]
"""
### 3.9 Difference, sign, quotient
A difference sends `grad_output` to the left and minus `grad_output` to the right; changing a sign sends it back
with its sign changed. Both are given.

The quotient is yours. `out = a / b`. With `a` it moves by `1 / b`. With `b` it moves by `-a / b²`: a larger
divisor makes a smaller result.

    a = 6, b = 3, grad_output = 1       grad_a = 1/3, grad_b = -6/9 = -2/3
"""


# %% tags=["sub_neg_backward"]
#| export
class SubBackward(Function):
    """Gradient of ``out = a - b``: `grad_output` for a, its negative for b, each summed back to its shape."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = unbroadcast(grad_output, shape_a) if need_a else None
        grad_b = unbroadcast(-grad_output, shape_b) if need_b else None
        return grad_a, grad_b


class NegBackward(Function):
    """Gradient of ``out = -a``: ``-grad_output``."""

    saves = ()

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (-grad_output,)


# %% tags=["div_backward"]
#| export
class DivBackward(Function):
    """Gradient of ``out = a / b``: ``grad_output / b`` for a, ``-grad_output * a / b**2`` for b."""

    def __init__(self, a: Any, b: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, b, output=output)
        if self.saved and self.next_functions[1] is None:
            self.saved = (None, self.saved[1])  # only b's gradient needs a

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        ### BEGIN SOLUTION
        grad_a = unbroadcast(grad_output / b, shape_a) if need_a else None
        grad_b = (
            unbroadcast(-grad_output * (a / b / b), shape_b) if need_b else None
        )  # b * b may leave the float's range
        return grad_a, grad_b
        ### END SOLUTION


# %%
def test_unit_div_backward() -> None:
    a = Tensor(6.0, requires_grad=True, dtype=np.float64)
    b = Tensor(3.0, requires_grad=True, dtype=np.float64)
    grad_a, grad_b = DivBackward(a, b).apply(np.array(1.0))
    assert grad_a is not None
    assert grad_b is not None
    assert grad_a == 1 / 3
    assert abs(grad_b + 2 / 3) < 1e-12


# %% [markdown]
"""
### 3.10 Powers
`out = a ** b` moves with `a` by `b * a ** (b - 1)`, as school has it, and with `b` by `out * log(a)`. Given,
because of its corners: at `b = 0` the slope in `a` is 0 even where `a` is 0, and `0 ** b` does not move with `b`.
"""


# %% tags=["pow_backward"]
#| export
class PowBackward(Function):
    """Gradient of ``out = a ** b``: ``b * a**(b - 1)`` for a, ``out * log(a)`` for b, times `grad_output`.

    Where ``b`` is 0 the gradient of `a` is 0; where ``a`` is 0 and ``b`` is not negative the gradient of `b` is 0, as
    in PyTorch. For a negative `a` the gradient of `b` is nan: the real logarithm ends there.
    """

    saves = ("inputs", "output")

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b, out = self.saved_tensors
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            # Where b is 0 the factor b makes the product 0, as long as the power beside it is a number: a**0 is 1.
            one_less: Any = 0
            if not isinstance(b, int | float):
                # The power is a number unless a is 0, nan, or so small that 1 / a is infinite.
                safe = np.abs(a) >= np.finfo(self.dtype).tiny
                one_less = np.where((b == 0) & ~safe, 0, b - 1)
            elif b:
                one_less = b - 1
            grad_a = unbroadcast(grad_output * (b * a**one_less), shape_a)
        if need_b:
            with np.errstate(invalid="ignore", divide="ignore"):
                grad_b = unbroadcast(grad_output * out * np.log(np.where((a == 0) & (b >= 0), 1, a)), shape_b)
        return grad_a, grad_b


# %% [markdown]
"""
### 3.11 The matrix product
This rule does most of the work of every network. Let `out = a @ b` with shapes `(n, k) @ (k, m) -> (n, m)`. Each
output is a sum of products, `out[i, j] = sum over k of a[i, k] * b[k, j]`. So `a[i, k]` moves `out[i, j]` by
`b[k, j]`, for every j:

    grad_a[i, k] = sum over j of grad_output[i, j] * b[k, j]       grad_a = grad_output @ b.T
    grad_b[k, j] = sum over i of a[i, k] * grad_output[i, j]       grad_b = a.T @ grad_output

If you ever forget which side the transpose goes on, let the shapes tell you. `grad_a` must be `(n, k)`; from
`grad_output (n, m)` and `b (k, m as columns)` only `(n, m) @ (m, k)` gives that.

    a = [[1, 2]]  b = [[3], [4]]  grad_output = [[1]]      grad_a = [[3, 4]]   grad_b = [[1], [2]]

Stacks of matrices work the same way on their last two axes, and the axes in front may have been broadcast, so the
results are unbroadcast. `_as_matrices`, given, first turns a vector into a matrix of one row or one column.
"""


# %% tags=["matmul_backward"]
#| export
class MatmulBackward(Function):
    """Gradient of ``out = a @ b``: ``grad_output @ b.T`` for a, ``a.T @ grad_output`` for b.

    Notes
    -----
    Shapes: ``(..., n, k) @ (..., k, m) -> (..., n, m)``; the axes in front broadcast; vectors as in ``numpy.matmul``.
    Units: with `a` in [A], `b` in [B] and the loss in [L], the gradients are in [L/A] and [L/B].
    Memory: keeps both inputs alive, uncopied, until the graph is released.
    Errors: `GradientShapeError` if `grad_output` does not have the output's shape.
    Source: M. Giles, An extended collection of matrix derivative results, Oxford, 2008, sec. 2.2.
    """

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, b, grad_output = self._as_matrices(grad_output)
        shape_a, shape_b = self.input_shapes
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            ### BEGIN SOLUTION
            grad_a = unbroadcast(grad_output @ b.swapaxes(-1, -2), a.shape)
            ### END SOLUTION
            grad_a = grad_a.reshape(shape_a)
        if need_b:
            ### BEGIN SOLUTION
            grad_b = unbroadcast(a.swapaxes(-1, -2) @ grad_output, b.shape)
            ### END SOLUTION
            grad_b = grad_b.reshape(shape_b)
        return grad_a, grad_b

    def _as_matrices(self, grad_output: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a, b and `grad_output` with at least two axes each."""
        a, b = self.saved_tensors
        if b.ndim == 1:  # a vector on the right is a matrix of one column
            b, grad_output = b[:, None], grad_output[..., None]
        if a.ndim == 1:  # on the left, of one row
            a, grad_output = a[None, :], grad_output[..., None, :]
        if a.ndim > b.ndim == 2:  # a stack that meets one matrix is one long matrix: one product, and no sum over many
            rows = math.prod(a.shape[:-1])
            a, grad_output = a.reshape(rows, a.shape[-1]), grad_output.reshape(rows, b.shape[-1])
        return a, b, grad_output


# %%
def test_unit_matmul_backward() -> None:
    a = Tensor([[1.0, 2.0]], requires_grad=True)
    b = Tensor([[3.0], [4.0]], requires_grad=True)
    grad_a, grad_b = MatmulBackward(a, b, output=Tensor([[11.0]])).apply(np.array([[1.0]]))
    assert grad_a is not None
    assert grad_b is not None
    assert grad_a.tolist() == [[3.0, 4.0]]
    assert grad_b.tolist() == [[1.0], [2.0]]


# %% [markdown]
"""
### 3.12 Reductions
A sum moves by 1 with each of its terms. So every term receives the gradient of its sum: a reduction's gradient
**spreads**, as a broadcast's gradient sums. The two are each other's mirror image.

    out = a.sum(dim=1)      a (2, 3)      grad_output [10, 20]      grad_a [[10, 10, 10], [20, 20, 20]]

Before spreading, the axes that the sum removed have to come back with length 1: `(2,)` becomes `(2, 1)`.
`restore_axes` does that and is given. A mean is a sum divided by its count. And the largest element alone moves
with its maximum; where several tie, they share the gradient evenly.
"""


# %% tags=["sum_backward"]
#| export
def restore_axes(reduced: FloatArray, ndim: int, dim: Dim) -> FloatArray:
    """Give the axes `dim` that a reduction removed from `ndim` axes back, with length 1; None means all of them."""
    if reduced.ndim == ndim:
        return reduced
    return np.expand_dims(reduced, tuple(range(ndim)) if dim is None else dim)


class SumBackward(Function):
    """Gradient of ``out = a.sum(dim, keepdim)``: each element receives the gradient of its sum."""

    saves = ()

    def __init__(self, a: Tensor, dim: Dim = None, keepdim: bool = False, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.dim = dim

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (shape,) = self.input_shapes
        ### BEGIN SOLUTION
        return (np.broadcast_to(restore_axes(grad_output, len(shape), self.dim), shape),)
        ### END SOLUTION


# %%
def test_unit_sum_backward() -> None:
    a = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    (grad_a,) = SumBackward(a, 1, output=Tensor([6.0, 15.0])).apply(np.array([10.0, 20.0]))
    assert grad_a is not None
    assert grad_a.tolist() == [[10.0] * 3, [20.0] * 3]


# %% tags=["mean_extremum_backward"]
#| export
class MeanBackward(SumBackward):
    """Gradient of ``out = a.mean(dim, keepdim)``: that of the sum, divided by how many elements went into each mean."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        count = math.prod(self.input_shapes[0]) // max(1, math.prod(self.shape))
        return super().apply(grad_output / max(1, count))


class ExtremumBackward(Function):
    """Gradient of ``out = a.amax(dim, keepdim)``, and of ``amin``: elements equal to the result share its gradient."""

    saves = ("inputs", "output")

    def __init__(self, a: Tensor, dim: Dim = None, keepdim: bool = False, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.dim = dim

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        a, out = self.saved_tensors
        chosen = (a == restore_axes(out, a.ndim, self.dim)) | (a != a)  # a nan is the maximum wherever there is one
        share = restore_axes(grad_output, a.ndim, self.dim) / chosen.sum(axis=self.dim, keepdims=True)
        return (np.where(chosen, share, 0),)


# %% [markdown]
"""
### 3.13 One element at a time
The rules of functions that act on each element alone have one shape: `grad_output` times the slope.

| operation | slope | what it saves |
|---|---|---|
| `exp` | `out` | its output |
| `log` | `1 / a` | its input |
| `sqrt` | `1 / (2 * out)` | its output |
| `abs` | -1, 0 or 1 | its input |
| `clip` | 1 inside, 0 outside | its input |

`exp` and `log` are yours. At `a = 2`, `log` has slope 0.5; at `a = 0`, `exp` has slope 1.
"""


# %% tags=["exp_log_backward"]
#| export
class ExpBackward(Function):
    """Gradient of ``out = exp(a)``: ``grad_output * out``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        ### BEGIN SOLUTION
        return (grad_output * out,)
        ### END SOLUTION


class LogBackward(Function):
    """Gradient of ``out = log(a)``: ``grad_output / a``."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (a,) = self.saved_tensors
        ### BEGIN SOLUTION
        return (grad_output / a,)
        ### END SOLUTION


# %%
def test_unit_exp_log_backward() -> None:
    a = Tensor([0.0, 1.0], requires_grad=True)
    (grad_exp,) = ExpBackward(a, output=Tensor([1.0, math.e])).apply(np.array([1.0, 2.0]))
    assert np.allclose(np.asarray(grad_exp), [1.0, 2 * math.e])
    (grad_log,) = LogBackward(Tensor([2.0, 4.0], requires_grad=True)).apply(np.array([1.0, 1.0]))
    assert np.allclose(np.asarray(grad_log), [0.5, 0.25])


# %% tags=["elementwise_backward"]
#| export
class SqrtBackward(Function):
    """Gradient of ``out = sqrt(a)``: ``grad_output / (2 * out)``; infinite at 0, where the curve is vertical."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output / (2 * out),)


class AbsBackward(Function):
    """Gradient of ``out = abs(a)``: ``grad_output * sign(a)``; 0 at 0, as in PyTorch."""

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (a,) = self.saved_tensors
        return (grad_output * np.sign(a),)


class ClipBackward(Function):
    """Gradient of ``out = a.clip(min, max)``: `grad_output` between the bounds and on them, 0 elsewhere."""

    def __init__(
        self, a: Tensor, min: Scalar | None = None, max: Scalar | None = None, *, output: Tensor | None = None
    ) -> None:
        super().__init__(a, output=output)
        self.min, self.max = min, max

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (a,) = self.saved_tensors
        kept = True if self.min is None else a >= self.min
        if self.max is not None:
            kept = (a <= self.max) & kept
        return (np.where(kept, grad_output, 0),)  # a product would make nan of an infinite gradient outside


class ToBackward(Function):
    """Gradient of ``out = a.to(dtype)``: `grad_output`, which the walk makes elements of a's type."""

    saves = ()

    def __init__(self, a: Tensor, dtype: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (grad_output,)


# %% [markdown]
"""
### 3.14 Moving elements about
`reshape`, `transpose` and `permute` change no number, so their gradients are the same numbers moved back.
Indexing picks some elements; the others did not move the result, so they receive 0. An element that was picked
twice receives both gradients:

    out = a[[0, 0, 2]]      grad_output [1, 10, 100]      grad_a [11, 0, 100]

`grad_a[index] = grad_output` would keep only the last of the two. `np.add.at` adds them up. All four rules are
given.
"""


# %% tags=["movement_backward"]
#| export
class ReshapeBackward(Function):
    """Gradient of ``out = a.reshape(shape)``: `grad_output` in a's shape."""

    saves = ()

    def __init__(self, a: Tensor, *shape: Any, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (grad_output.reshape(self.input_shapes[0]),)


class TransposeBackward(Function):
    """Gradient of ``out = a.transpose(dim0, dim1)``: the same swap once more."""

    saves = ()

    def __init__(self, a: Tensor, dim0: int, dim1: int, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.dims = dim0, dim1

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (grad_output.swapaxes(*self.dims),)


class PermuteBackward(Function):
    """Gradient of ``out = a.permute(dims)``: the permutation that undoes `dims`."""

    saves = ()

    def __init__(self, a: Tensor, *dims: Any, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        flat = dims if all(isinstance(d, int | np.integer) for d in dims) else tuple(dims[0])
        self.inverse = np.argsort([d % a.ndim for d in flat])

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (np.transpose(grad_output, self.inverse),)


def scatter(values: FloatArray, index: Any, shape: tuple[int, ...]) -> FloatArray:
    """Return zeros of `shape` with `values` added at `index`; an element that was picked twice gets both."""
    out: FloatArray = np.zeros(shape, values.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    if all(part is None or part is Ellipsis or isinstance(part, int | np.integer | slice) for part in parts):
        out[index] = values  # a plain slice picks no element twice
    else:
        np.add.at(out, index, values)
    return out


class IndexBackward(Function):
    """Gradient of ``out = a[index]``: zeros, with `grad_output` added where the elements came from."""

    saves = ()

    def __init__(self, a: Tensor, index: Any, *, output: Tensor | None = None) -> None:
        super().__init__(a, output=output)
        self.index = copy.deepcopy(array_index(index))  # somebody may change the array before the walk comes by

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        return (scatter(grad_output, self.index, self.input_shapes[0]),)


# %% [markdown]
"""
### 3.15 Activations
`ReLU` lets the gradient through where its output is positive, and stops it elsewhere. Exactly at 0 it stops it,
as PyTorch does.

    x  [-1, 0, 2]      grad_output [10, 10, 10]      grad_x [0, 0, 10]

The slope of the sigmoid is `out * (1 - out)`, largest in the middle, at 0.25, and nearly nothing at the ends: ten
sigmoids in a row shrink a gradient to less than a millionth. `tanh` has slope `1 - out * out`, which is 1 in the
middle.

The first argument of these rules is the layer itself, since that is the `self` of the method they belong to.
"""


# %% tags=["relu_backward"]
#| export
class LayerFunction(Function):
    """The rule of a layer's forward pass: it is made with the layer first, and copies the layer's `settings`."""

    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, layer: Any, *inputs: Tensor, output: Tensor | None = None) -> None:
        super().__init__(*inputs, output=output)
        for name in self.settings:
            setattr(self, name, getattr(layer, name))


class ReLUBackward(LayerFunction):
    """Gradient of ``out = max(x, 0)``: `grad_output` where x is positive, 0 elsewhere; nan lets it through."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        ### BEGIN SOLUTION
        return (np.where(out <= 0, 0, grad_output),)
        ### END SOLUTION


# %%
def test_unit_relu_backward() -> None:
    x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    (grad_x,) = ReLUBackward(ReLU(), x, output=Tensor([0.0, 0.0, 2.0])).apply(np.array([10.0, 10.0, 10.0]))
    assert grad_x is not None
    assert grad_x.tolist() == [0.0, 0.0, 10.0]


# %% tags=["sigmoid_tanh_backward"]
#| export
class SigmoidBackward(LayerFunction):
    """Gradient of ``out = 1 / (1 + exp(-x))``: ``grad_output * out * (1 - out)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        ### BEGIN SOLUTION
        return (grad_output * out * (1 - out),)
        ### END SOLUTION


class TanhBackward(LayerFunction):
    """Gradient of ``out = tanh(x)``: ``grad_output * (1 - out**2)``."""

    saves = ("output",)

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        ### BEGIN SOLUTION
        return (grad_output * (1 - out * out),)
        ### END SOLUTION


# %%
def test_unit_sigmoid_tanh_backward() -> None:
    x = Tensor([0.0], requires_grad=True)
    (grad_sigmoid,) = SigmoidBackward(Sigmoid(), x, output=Tensor([0.5])).apply(np.array([1.0]))
    assert np.asarray(grad_sigmoid).tolist() == [0.25]
    (grad_tanh,) = TanhBackward(Tanh(), x, output=Tensor([0.5])).apply(np.array([1.0]))
    assert np.asarray(grad_tanh).tolist() == [0.75]


# %% [markdown]
"""
### 3.16 Softmax
Softmax is the first rule where *every* input moves *every* output: raise one score and its own probability grows
while all others shrink, since they sum to 1. The full table of slopes has one row and one column per class.
Nobody needs it; the product with `grad_output` comes out short:

    grad_x = out * (grad_output - sum(grad_output * out))

Read it so: a score gains where its own `grad_output` is above the average, where the average is weighted by the
probabilities. If `grad_output` is the same for all classes, nothing moves. Check: `out = [0.5, 0.5]`,
`grad_output = [1, 0]`: the average is 0.5, and the result `[0.25, -0.25]`.

GELU's slope and `LogSoftmax`'s are given.
"""


# %% tags=["softmax_backward"]
#| export
class SoftmaxBackward(LayerFunction):
    """Gradient of ``out = softmax(x, dim)``: ``out * (grad_output - sum(grad_output * out, dim))``."""

    saves = ("output",)
    settings = ("dim",)
    dim: int

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        ### BEGIN SOLUTION
        average = (grad_output * out).sum(axis=self.dim, keepdims=True)
        return (out * (grad_output - average),)
        ### END SOLUTION


# %%
def test_unit_softmax_backward() -> None:
    x = Tensor([1.0, 1.0], requires_grad=True)
    (grad_x,) = SoftmaxBackward(Softmax(), x, output=Tensor([0.5, 0.5])).apply(np.array([1.0, 0.0]))
    assert np.asarray(grad_x).tolist() == [0.25, -0.25]


# %% tags=["gelu_logsoftmax_backward"]
#| export
class LogSoftmaxBackward(LayerFunction):
    """Gradient of ``out = log_softmax(x, dim)``: ``grad_output - exp(out) * sum(grad_output, dim)``."""

    saves = ("output",)
    settings = ("dim",)
    dim: int

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (out,) = self.saved_tensors
        return (grad_output - np.exp(out) * grad_output.sum(axis=self.dim, keepdims=True),)


class GELUBackward(LayerFunction):
    """Gradient of GELU, in the form that the layer computes.

    Exact, ``x * Phi(x)``: ``Phi(x) + x * phi(x)``, with the normal distribution's integral and density. Tanh form: the
    product rule on ``0.5 * x * (1 + tanh(u))`` with ``u = sqrt(2 / pi) * (x + 0.044715 * x**3)``.
    Source: D. Hendrycks and K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
    """

    settings = ("approximate",)
    approximate: str

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        (x,) = self.saved_tensors
        return (grad_output * (self._tanh_slope(x) if self.approximate == "tanh" else self._exact_slope(x)),)

    @staticmethod
    def _exact_slope(x: FloatArray) -> FloatArray:
        near = np.clip(x, -30, 30)  # beyond, the density is 0 in every float, and x * x would overflow on the way
        density = np.exp(-0.5 * near * near) * (1 / math.sqrt(2 * math.pi))
        slope: FloatArray = 0.5 * (1 + erf(x * math.sqrt(0.5))) + near * density
        return slope

    @staticmethod
    def _tanh_slope(x: FloatArray) -> FloatArray:
        near = np.clip(x, -30, 30)
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (near + 0.044715 * near * near * near))
        slope: FloatArray = 0.5 * (1 + t) + 0.5 * near * (1 - t * t) * c * (1 + 3 * 0.044715 * near * near)
        return slope


# %% [markdown]
"""
### 3.17 Losses
A loss's gradient is where the walk begins, and it reads like a sentence. For the mean squared error it says:
*twice the error, divided by how many there are*.

    input [3, 5]   target [1, 5]   mean of [4, 0] = 2      grad_input = 2 * [2, 0] / 2 = [2, 0]

For cross-entropy it is nicer still. Softmax and logarithm together have a gradient that is just **what was
predicted minus what was true**:

    softmax [0.7, 0.2, 0.1]   true class 0      grad_logits = [0.7 - 1, 0.2, 0.1] = [-0.3, 0.2, 0.1]

This is why the two are fused: no division, no logarithm of a small number, one pass. Lesson 04 already prepared
the true distribution `q` (with weights and smoothing in it) and the scale of the reduction. You write the one
line that is left: `q.sum(axis) * softmax - q`, times `scale`, times `grad_output`.
"""


# %% tags=["mse_backward"]
#| export
def mean_scale(reduction: str, size: int) -> float:
    """Return what "mean" multiplies a sum of `size` values by; 1 for the other reductions."""
    return 1 / max(1, size) if reduction == "mean" else 1.0


class MSEBackward(LayerFunction):
    """Gradient of the squared error: ``2 * (input - target) * grad_output``, over the count if reduced by "mean"."""

    settings = ("reduction",)
    reduction: str

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        input, target = self.saved_tensors
        scale = mean_scale(self.reduction, input.size)
        ### BEGIN SOLUTION
        grad_input = 2 * (input - target) * (scale * grad_output)
        ### END SOLUTION
        need_input, need_target = self.needs_input_grad
        return grad_input if need_input else None, -grad_input if need_target else None


# %%
def test_unit_mse_backward() -> None:
    x, target = Tensor([3.0, 5.0], requires_grad=True), Tensor([1.0, 5.0])
    node = MSEBackward(MSELoss(), x, target, output=Tensor(2.0))
    assert np.asarray(node.apply(np.array(1.0))[0]).tolist() == [2.0, 0.0]


# %% tags=["cross_entropy_backward"]
#| export
class CrossEntropyBackward(LayerFunction):
    """Gradient of cross-entropy: ``(sum(q) * softmax - q) * scale * grad_output``, q being the true distribution.

    A target of probabilities receives ``-log_softmax``, weighted as the loss weights it.
    """

    def __init__(self, loss: CrossEntropyLoss, input: Tensor, target: Tensor, *, output: Tensor | None = None) -> None:
        super().__init__(loss, input, target, output=output)
        self.loss = copy.copy(loss)  # with the settings of this moment

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        logits, target = self.saved_tensors
        need_logits, need_target = self.needs_input_grad
        axis = class_axis(logits)
        q, scale = self.loss.target_distribution(logits, target)
        if self.loss.reduction == "none":
            grad_output = np.expand_dims(grad_output, axis)
        grad_logits = grad_target = None
        if need_logits:
            softmax = stable_softmax(logits, axis)
            ### BEGIN SOLUTION
            grad_logits = (q.sum(axis=axis, keepdims=True) * softmax - q) * (scale * grad_output)
            ### END SOLUTION
        if need_target:
            grad_target = self._slope_of_probabilities(logits, axis) * (scale * grad_output)
        return grad_logits, grad_target

    def _slope_of_probabilities(self, logits: FloatArray, axis: int) -> FloatArray:
        slope: FloatArray = -(1 - self.loss.label_smoothing) * stable_log_softmax(logits, axis)
        if self.loss.weight is not None:
            slope = slope * np.asarray(self.loss.weight).reshape([-1 if i == axis else 1 for i in range(logits.ndim)])
        return slope


# %%
def test_unit_cross_entropy_backward() -> None:
    logits = Tensor(np.log([[0.7, 0.2, 0.1]]), requires_grad=True, dtype=np.float64)
    node = CrossEntropyBackward(CrossEntropyLoss(), logits, Tensor([0], dtype=np.int64), output=Tensor(0.3567))
    (grad_logits, _) = node.apply(np.array(1.0))
    assert np.allclose(np.asarray(grad_logits), [[-0.3, 0.2, 0.1]])


# %% tags=["bce_backward"]
#| export
class BCEBackward(LayerFunction):
    """Gradient of binary cross-entropy on probabilities: ``(p - t) / (p * (1 - p))``; ``log((1 - p) / p)`` for t.

    The denominator is kept above 1e-12, as in PyTorch, and the logarithms above -100, as in the loss.
    """

    settings = ("reduction",)
    reduction: str

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        p, t = self.saved_tensors
        need_p, need_t = self.needs_input_grad
        grad_output = mean_scale(self.reduction, p.size) * grad_output
        grad_p = (p - t) / np.maximum(p * (1 - p), 1e-12) * grad_output if need_p else None
        grad_t = None
        if need_t:
            with np.errstate(divide="ignore"):
                grad_t = (np.maximum(np.log1p(-p), -100) - np.maximum(np.log(p), -100)) * grad_output
        return grad_p, grad_t


class BCEWithLogitsBackward(LayerFunction):
    """Gradient of binary cross-entropy on logits: ``sigmoid(x) - t``; ``-x`` for t.

    With `pos_weight` w the loss is ``(1 - t) * x + (1 + (w - 1) * t) * softplus(-x)``, and the slopes follow from that.
    """

    settings = ("reduction", "pos_weight")
    reduction: str
    pos_weight: Any

    def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
        self.check_shape(grad_output)
        x, t = self.saved_tensors
        need_x, need_t = self.needs_input_grad
        grad_output = mean_scale(self.reduction, x.size) * grad_output
        more = 0.0 if self.pos_weight is None else np.asarray(self.pos_weight) - 1
        grad_x = ((1 - t) - (1 + more * t) * stable_sigmoid(-x)) * grad_output if need_x else None
        grad_t = (more * softplus(-x) - x) * grad_output if need_t else None
        return grad_x, grad_t


# %% [markdown]
"""
### 3.18 When not to record
Prediction needs no graph. Inside `with no_grad():` operations run as they did in module 01: no node, nothing
saved. The switch belongs to one thread, so that one thread may predict while another trains.
"""


# %% tags=["no_grad"]
#| export
_F = TypeVar("_F", bound=Callable[..., Any])


class _Mode(threading.local):
    """What a thread has switched: each thread has its own."""

    enabled = True


_mode = _Mode()


def is_grad_enabled() -> bool:
    """Return whether operations of this thread are recorded."""
    return _mode.enabled


class grad_mode(ContextDecorator):  # noqa: N801
    """Record operations inside, or do not: ``with grad_mode(False):``, or as a decorator of a function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> grad_mode:
        # Kept by thread, not here: a decorated function may run in several threads at once.
        vars(_mode).setdefault("before", []).append(is_grad_enabled())
        _mode.enabled = self.enabled
        return self

    def __exit__(self, *exception: object) -> None:
        _mode.enabled = _mode.before.pop()

    def __call__(self, function: _F) -> _F:
        if inspect.isgeneratorfunction(function):
            raise TypeError(
                f"{function.__name__}() is a generator: it goes on between its values, where this would not hold. "
                f"Write `with {type(self).__name__}():` inside it."
            )
        return super().__call__(function)


class no_grad(grad_mode):  # noqa: N801
    """Record nothing inside: ``with no_grad():``, or ``@no_grad()`` on a function.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


# %% [markdown]
"""
### 3.19 Waking the tensor
`Tensor.__add__` knows nothing of graphs. It was finished in module 01, and we will not go back and edit it.
Instead we replace it, while the program runs, by one that does the same and records. This is called
**monkey-patching**, and the pattern has three steps:

    original = Tensor.__add__                            # 1. keep

    def operation(self, other):                          # 2. enhance
        result = original(self, other)
        if self.requires_grad or other.requires_grad:
            result.requires_grad = True
            result._grad_fn = AddBackward(self, other, output=result)
        return result

    Tensor.__add__ = operation                           # 3. replace

**Why not write it into `Tensor` from the start?** Then module 01 would be about graphs, on the first evening.
**Why not a second class,** `Variable`, that wraps a tensor and records? PyTorch did that until version 0.4, and
every user had to know which of the two they held, to wrap and to unwrap; most bugs of those years were a missing
`.data`. **Why not a subclass?** Every function that makes a `Tensor` would have to make the subclass instead. So
PyTorch merged the two, and version 2 has what you are about to have: one `Tensor`, whose gradient features sleep
until somebody asks for a gradient.

The price is honest too. A patched class is harder to read: `Tensor.__add__` is no longer where its `def` stands.
So there is **one table and one loop**, here, and nowhere else: `RULES` for what has a gradient, with two more rows in
`ENHANCED` for what wakes in another way. What is not in it is not patched.

Write `tracked` once, for all operations: it takes an original and its rule and returns the enhanced operation.
What to do in it:

1. Call the original.
2. If `wants_grad(args, kwargs)`, if recording is on, and if the result holds floats (an integer has no slope): let
   `positional` put the arguments in order, set `requires_grad`, and hang `rule(*args, output=result, **kwargs)`
   on the result as `_grad_fn`.
3. Return the result.

`wants_grad` and `positional` are given below.
"""


# %% tags=["tracked"]
#| export
def wants_grad(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a tensor among the arguments requires a gradient."""
    for x in args:  # a loop, since this is asked at every operation, and any() is slower
        if isinstance(x, Tensor) and x.requires_grad:
            return True
    return bool(kwargs) and any(isinstance(x, Tensor) and x.requires_grad for x in kwargs.values())


def tracked(original: Callable[..., Tensor], rule: Callable[..., Function]) -> Callable[..., Tensor]:
    """Return `original`, enhanced: its result carries a node of `rule` if an argument requires a gradient.

    Parameters
    ----------
    original
        An operation on tensors.
    rule
        Makes the node, from the arguments of the operation and ``output=``, its result.
    """
    ### BEGIN SOLUTION

    @functools.wraps(original)
    def operation(*args: Any, **kwargs: Any) -> Tensor:
        result = original(*args, **kwargs)
        if wants_grad(args, kwargs) and is_grad_enabled() and result.data.dtype.kind == "f":
            if kwargs:
                args, kwargs = positional(original, args, kwargs)
            result.requires_grad = True
            result._grad_fn = rule(*args, output=result, **kwargs)
        return result

    return operation
    ### END SOLUTION


def positional(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Turn operands that were passed by name into positional arguments; rules take their inputs in order."""
    if not any(isinstance(x, Tensor | np.ndarray) for x in kwargs.values()):
        return args, kwargs
    bound = inspect.signature(function).bind(*args, **kwargs)
    return bound.args, bound.kwargs


# %%
def test_unit_tracked() -> None:
    operation = tracked(lambda a, b: from_numpy(a.data + b.data), AddBackward)
    x = Tensor(1.0, requires_grad=True)
    y = operation(x, Tensor(2.0))
    assert isinstance(y.grad_fn, AddBackward)
    assert y.requires_grad
    assert operation(Tensor(1.0), Tensor(2.0)).grad_fn is None
    with no_grad():
        assert operation(x, x).grad_fn is None


# %% [markdown]
"""
Here is the table. An operation that is made of others, such as `Linear`, `view` or `2 - x`, is not in it: it gets
its gradient from the operations that it is made of. An operation that would *lose* the gradient is refused.
`numpy()` hands out a plain array; what is computed from that array, no graph will ever know.
"""


# %% tags=["rules"]
#| export
class Rule(NamedTuple):
    """A row of the table: the method of a class, and the rule of its gradient."""

    owner: type
    method: str
    backward: type[Function]


RULES: list[Rule] = [
    Rule(Tensor, "__add__", AddBackward),
    Rule(Tensor, "__sub__", SubBackward),
    Rule(Tensor, "__mul__", MulBackward),
    Rule(Tensor, "__truediv__", DivBackward),
    Rule(Tensor, "__neg__", NegBackward),
    Rule(Tensor, "__pow__", PowBackward),
    Rule(Tensor, "matmul", MatmulBackward),
    Rule(Tensor, "sum", SumBackward),
    Rule(Tensor, "mean", MeanBackward),
    Rule(Tensor, "amax", ExtremumBackward),
    Rule(Tensor, "amin", ExtremumBackward),
    Rule(Tensor, "exp", ExpBackward),
    Rule(Tensor, "log", LogBackward),
    Rule(Tensor, "sqrt", SqrtBackward),
    Rule(Tensor, "abs", AbsBackward),
    Rule(Tensor, "clip", ClipBackward),
    Rule(Tensor, "to", ToBackward),
    Rule(Tensor, "reshape", ReshapeBackward),
    Rule(Tensor, "transpose", TransposeBackward),
    Rule(Tensor, "permute", PermuteBackward),
    Rule(Tensor, "__getitem__", IndexBackward),
    Rule(ReLU, "forward", ReLUBackward),
    Rule(Sigmoid, "forward", SigmoidBackward),
    Rule(Tanh, "forward", TanhBackward),
    Rule(GELU, "forward", GELUBackward),
    Rule(Softmax, "forward", SoftmaxBackward),
    Rule(LogSoftmax, "forward", LogSoftmaxBackward),
    Rule(MSELoss, "forward", MSEBackward),
    Rule(BCELoss, "forward", BCEBackward),
    Rule(BCEWithLogitsLoss, "forward", BCEWithLogitsBackward),
    Rule(CrossEntropyLoss, "forward", CrossEntropyBackward),
]


def refused(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `original`, enhanced: an error where it would lose a gradient."""

    @functools.wraps(original)
    def operation(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise NotDifferentiableError(
                f"{original.__name__}() hands out a plain array, and this tensor requires a gradient, which would be "
                "lost there. If you mean to: t.detach().numpy(), or Tensor(t.detach())."
            )
        return original(self, *args, **kwargs)

    return operation


# %% tags=["enable_autograd"]
#| export
# What else wakes: a class, a method, and the function that enhances it.
ENHANCED: list[tuple[type, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = [
    (Tensor, "numpy", refused),
    (Tensor, "backward", lambda sleeping: backward),
]


def original_method(owner: type, name: str) -> Callable[..., Any]:
    """Return a method of `owner` as its lesson wrote it, whether or not it has been replaced."""
    kept: dict[str, Callable[..., Any]] = vars(owner).get("_originals", {})
    method: Callable[..., Any] = kept.get(name, vars(owner)[name])
    return method


def enable_autograd() -> None:
    """Wake the gradient features of `Tensor`: keep, enhance and replace every method in the table.

    May be called again: it always enhances the originals, never what an earlier call has put in their place.
    ``import tinytorch`` calls it once module 05 is there.

    Examples
    --------
    >>> enable_autograd()
    >>> (Tensor(3.0, requires_grad=True) * 2).grad_fn
    <MulBackward of shape ()>
    """
    enhanced: list[tuple[type, str, Callable[..., Any]]] = [
        *((owner, name, tracked(original_method(owner, name), rule)) for owner, name, rule in RULES),
        *((owner, name, enhance(original_method(owner, name))) for owner, name, enhance in ENHANCED),
    ]
    for owner, name, method in enhanced:
        if "_originals" not in vars(owner):
            owner._originals = {}  # type: ignore[attr-defined]
        owner._originals.setdefault(name, vars(owner)[name])  # type: ignore[attr-defined]
        setattr(owner, name, method)


def disable_autograd() -> None:
    """Put the originals back: gradients sleep again."""
    for owner in {rule.owner for rule in RULES}:
        for name, method in vars(owner).get("_originals", {}).items():
            setattr(owner, name, method)


# %%
def test_unit_enable_autograd_wakes_the_tensor() -> None:
    enable_autograd()
    x = Tensor(3.0, requires_grad=True)
    y = x * 2
    z = y + 1
    z.backward()
    assert x.grad is not None
    assert y.grad is not None
    assert z.grad is not None
    assert (x.grad.item(), y.grad.item(), z.grad.item()) == (2.0, 1.0, 1.0)


# %% [markdown]
"""
## Part 4: integration
### 4.1 Do not trust it: central differences
A gradient that is wrong still trains, only badly. So check each rule against the definition of a slope. Nudge one
input up and down by a small step h, and divide the difference by 2h:

    f(x) = x ** 3 at x = 2, h = 0.01:   (2.01**3 - 1.99**3) / 0.02 = 12.0001       exact: 12

The error shrinks with h squared, until rounding takes over. In float64 the best step is near the cube root of the
machine's precision, 6e-6, and then about ten digits agree. In float32 fewer than five would. So gradient checks run in
float64.

Write `numerical_gradient`: for each element, two runs of `f`. It is slow, and it knows nothing of rules, nodes
and graphs. That is its merit: the two can only agree if both are right.
"""


# %% tags=["numerical_gradient"]
#| export
def numerical_gradient(f: Callable[[Tensor], Tensor], x: Tensor, h: float = 6e-6) -> FloatArray:
    """Return d(f(x))/dx by central differences, two runs of `f` for each element.

    Parameters
    ----------
    f
        Makes one number from a tensor of x's shape.
    x
        Where to take the gradient; float64, or the difference drowns in rounding.
    h
        The step; the cube root of float64's precision by default.

    Returns
    -------
    ndarray
        The gradient, of x's shape.

    Raises
    ------
    TypeError
        If `x` is not a tensor of float64.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], dtype=np.float64)
    >>> numerical_gradient(lambda t: (t * t).sum(), x).round(6)
    array([2., 4.])
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"a gradient check needs a tensor, but got {type(x).__name__}. Use Tensor(x, dtype=np.float64)."
        )
    if x.dtype != np.float64:
        raise TypeError(f"a gradient check needs float64, but got {x.dtype}. Make the tensor with dtype=np.float64.")
    gradient = np.zeros(x.shape)
    with no_grad():
        for i in np.ndindex(x.shape):
            ahead, behind = x.data.copy(), x.data.copy()
            ahead[i] += h
            behind[i] -= h
            ### BEGIN SOLUTION
            gradient[i] = (float(f(from_numpy(ahead))) - float(f(from_numpy(behind)))) / (2 * h)
            ### END SOLUTION
    return gradient


# %%
def agrees(f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Return whether backward() and central differences agree on f at x."""
    x.zero_grad()
    f(x).backward()
    assert x.grad is not None
    return np.allclose(x.grad.data, numerical_gradient(f, x), rtol=1e-6, atol=1e-8)


def test_unit_numerical_gradient() -> None:
    x = Tensor([1.0, 2.0], dtype=np.float64)
    assert np.allclose(numerical_gradient(lambda t: (t * t * t).sum(), x), [3.0, 12.0])


def test_unit_rules_agree_with_central_differences() -> None:
    x = Tensor([[0.5, -1.5, 2.0], [3.0, 0.25, -0.75]], requires_grad=True, dtype=np.float64)
    w = Tensor([[1.0, -2.0], [0.5, 0.25], [3.0, 1.0]], dtype=np.float64)
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda t: (t * 3 - t / 2 + 1 / (t * t + 1)).sum(),
        lambda t: ((t @ w) ** 2).mean(),
        lambda t: (t.abs() + 0.1).log().sum(),
        lambda t: t.exp().sum(dim=0).sqrt().sum(),
        lambda t: t.amax(dim=1).sum() + t.T[0].sum(),
        lambda t: (Softmax(dim=1)(t) * t).sum(),
        lambda t: GELU()(t).sum() + GELU("tanh")(t).sum(),
        lambda t: (Sigmoid()(t) * Tanh()(t) * ReLU()(t)).sum(),
        lambda t: LogSoftmax()(t)[[0, 1, 1], [2, 0, 0]].sum(),
        lambda t: CrossEntropyLoss()(t, from_numpy(np.array([2, 0]))) + MSELoss()(t, w.T),
    ]
    for f in functions:
        assert agrees(f, x)


# %% [markdown]
"""
### 4.2 Deep graphs
A recurrent network on a long text, or a physical simulation, is a chain of tens of thousands of operations. Your
walk keeps its own stack, so depth costs memory, not Python's recursion limit. The recursive walk of 3.5 would
have ended near 1,000.
"""


# %%
def test_unit_deep_chain() -> None:
    x = Tensor(1.0, requires_grad=True)
    out = x
    for _ in range(20_000):
        out = out + 1
    out.backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0


# %% [markdown]
"""
### 4.3 Shared parameters
A language model often uses one matrix twice: to read tokens in and to write them out. Nothing special has to be
done. The matrix is reached twice, and both gradients add up:

    loss = (w * 2) * (w * 3) = 6 w**2       at w = 1:  d loss / d w = 12

One path gives 2 * 3 = 6, the other 3 * 2 = 6.
"""


# %%
def test_unit_shared_parameter() -> None:
    w = Tensor(1.0, requires_grad=True)
    ((w * 2) * (w * 3)).backward()
    assert w.grad is not None
    assert w.grad.item() == 12.0


# %% [markdown]
"""
### 4.4 A complex chain: a whole network
Two layers, an activation, a loss; a bias that is broadcast over the batch; class indices that pick elements. All
of it in one check, for each parameter in turn.
"""


# %%
def test_unit_network_agrees_with_central_differences() -> None:
    rng = np.random.default_rng(0)
    images, labels = Tensor(rng.standard_normal((5, 4)), dtype=np.float64), Tensor([0, 2, 1, 1, 0], dtype=np.int64)
    shapes = [(3, 4), (3,), (3, 3), (3,)]
    parameters = [Tensor(rng.standard_normal(shape), requires_grad=True, dtype=np.float64) for shape in shapes]

    def loss(w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        hidden = GELU()(images @ w1.T + b1)
        return CrossEntropyLoss()(hidden @ w2.T + b2, labels)

    for i, parameter in enumerate(parameters):
        assert agrees(lambda t, i=i: loss(*parameters[:i], t, *parameters[i + 1 :]), parameter)


# %% [markdown]
"""
### 4.5 Four pitfalls
Everybody who trains networks has fallen into each of these. The engine has a message for each; here they are on
purpose.

**1. The forgotten `zero_grad()`.** Gradients *add up* in a leaf. That is a feature: a batch too large for memory
can be run in pieces. But if the parameters have moved in between, the sum mixes slopes of two different places,
and training staggers. The engine notices that the values have changed and warns.

**2. Shapes.** A gradient has the shape of what it belongs to. If a rule of yours returns another, the error names
the rule, the input and both shapes.

**3. A second pass.** The graph is gone after `backward()`. If you need it twice, say `retain_graph=True`; most
often you do not, and the cure is to compute the loss again.

**4. `backward()` on many numbers.** "How does the loss move" needs *one* loss. A tensor of several has no single
slope: reduce it, or say with `gradient=` how much each of them counts.
"""


# %%
def pitfall_forgotten_zero_grad() -> str:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            (w * w).sum().backward()
            w.data -= 0.1 * w.grad.data  # a step, and no zero_grad() after it
    return str(caught[0].message)


def pitfall_shapes() -> str:
    class ForgetfulBackward(AddBackward):
        def apply(self, grad_output: FloatArray) -> tuple[FloatArray | None, ...]:
            return grad_output, grad_output  # the broadcast is not undone

    bias = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = tracked(original_method(Tensor, "__add__"), ForgetfulBackward)(Tensor(np.ones((2, 3))), bias)
    return message_of(lambda: out.sum().backward())


def pitfall_second_pass() -> str:
    loss = (Tensor([1.0, 2.0], requires_grad=True) ** 2).sum()
    loss.backward()
    return message_of(loss.backward)


def pitfall_many_numbers() -> str:
    return message_of((Tensor([1.0, 2.0], requires_grad=True) * 2).backward)


def experiment_pitfalls() -> None:
    for pitfall in (pitfall_forgotten_zero_grad, pitfall_shapes, pitfall_second_pass, pitfall_many_numbers):
        print(f"{pitfall.__name__}:\n    {pitfall()}")


def test_unit_pitfalls_have_messages() -> None:
    assert "zero_grad" in pitfall_forgotten_zero_grad()
    assert "ForgetfulBackward returned a gradient of shape (2, 3)" in pitfall_shapes()
    assert "retain_graph=True" in pitfall_second_pass()
    assert ".mean() or .sum()" in pitfall_many_numbers()


# %% [markdown]
"""
### 4.6 Questions that measure something
**How many bytes does a graph keep alive, and what frees them?** Count them: walk the graph, and sum the arrays
that its nodes have saved. For an MLP 784-256-128-10 the weights take 0.94 MB. The graph holds them too, uncopied,
and beside them everything that grows with the batch: the images, the activations, the logits. At which batch size
does that part overtake the weights? (Near 200: each image costs 4.7 kB.) And what does `backward()` leave of it?

**What does a gradient cost?** Time one forward pass and one forward pass with `backward()`. Expect a ratio
between two and three: for each matrix product forward there are two backward, one for each input. (The first
layer needs only one. Why?)

**What would nudging cost?** Two forward passes for each of 234,752 weights. Multiply, and be glad.
"""


# %%
import time


def saved_bytes(loss: Tensor) -> int:
    """Return the bytes of the arrays that the graph of `loss` has saved, each array once."""
    arrays = {
        id(array): array.nbytes
        for node in topological_order(loss.grad_fn)
        for array in ([] if node.released else node.saved_tensors)
        if isinstance(array, np.ndarray)
    }
    return sum(arrays.values())


def experiment_cost_of_a_gradient() -> None:
    rng = np.random.default_rng(0)
    sizes = [(256, 784), (128, 256), (10, 128)]
    weights = [Tensor(rng.standard_normal(size) * 0.05, requires_grad=True) for size in sizes]

    images = Tensor(rng.standard_normal((512, 784)))
    digits = Tensor(rng.integers(0, 10, 512), dtype=np.int64)

    def run(batch: int) -> Tensor:
        x, labels = images[:batch], digits[:batch]
        hidden = ReLU()(ReLU()(x @ weights[0].T) @ weights[1].T)
        return CrossEntropyLoss()(hidden @ weights[2].T, labels)

    for batch in (1, 64, 512):
        loss = run(batch)
        before = saved_bytes(loss)
        order = topological_order(loss.grad_fn)
        loss.backward()
        after = sum(not node.released for node in order)
        print(
            f"batch {batch:3}: the graph keeps {before / 1e6:6.2f} MB alive; after backward {after} nodes hold anything"
        )

    def median_ms(action: Callable[[], object]) -> float:
        times = []
        for _ in range(15):
            start = time.perf_counter()
            action()
            times.append(time.perf_counter() - start)
        return 1000 * sorted(times)[7]

    forward, both = median_ms(lambda: run(64)), median_ms(lambda: run(64).backward())
    parameters = sum(weight.size for weight in weights)
    print(f"batch 64: forward {forward:.2f} ms, forward and backward {both:.2f} ms, ratio {both / forward:.1f}")
    print(
        f"by nudging, one gradient of {parameters:,} weights would take {2 * parameters * forward / 60000:.0f} minutes"
    )


# %% [markdown]
"""
## Part 5: module test and summary
The module test is the story from end to end: a network that cannot solve XOR, because its weights are random;
forty steps of the walk you wrote; and a network that can.

XOR is 1 when exactly one of two inputs is 1. No straight line separates its four points, so one layer cannot
learn it, which in 1969 nearly ended this field. Two layers can, if somebody tells each weight which way to go.
"""


# %%
def test_module() -> None:
    """🧪 Module 05: every gradient rule, then end to end."""
    enable_autograd()
    for rule in RULES:
        assert vars(rule.owner)[rule.method] is not original_method(rule.owner, rule.method)
    test_unit_rules_agree_with_central_differences()
    rng = np.random.default_rng(1)
    points = Tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    answers = Tensor([[0], [1], [1], [0]])
    parameters = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in [(2, 8), (8,), (8, 1), (1,)]]

    def loss() -> Tensor:
        w1, b1, w2, b2 = parameters
        return BCEWithLogitsLoss()(Tanh()(points @ w1 + b1) @ w2 + b2, answers)

    before = loss().item()
    for _ in range(40):
        for parameter in parameters:
            parameter.zero_grad()
        loss().backward()
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.data -= 2.0 * parameter.grad.data
    after = loss().item()
    assert after < 0.1 < before
    print(f"module 05 works: the loss on XOR fell from {before:.3f} to {after:.3f}")


# %% [markdown]
"""
**What you have.** Thirty-one operations with a gradient each, one walk, one table. `loss.backward()` on any graph
of them gives the right gradient, or an error that says why not.

**The three ideas to keep.** Slopes multiply along a path and add up over paths. Visit each node once, after
everything that used it. Save only what the rule needs, and let go as you pass.

**What it looks like in PyTorch.** The same: `AddBackward0` in a `repr`, `next_functions`, `retain_graph`, one
`Tensor`. You can now read its documentation and know what the words mean, since you have built the thing.

**Next: 06 optimizers.** You know which way to go. The next module is about how far.
"""

# %%
if __name__ == "__main__":
    test_unit_unbroadcast()
    test_unit_add_backward()
    experiment_naive_walk()
    test_unit_topological_order()
    test_unit_topological_order_is_not_recursive()
    test_unit_backward_adds_up_what_is_used_twice()
    test_unit_backward_releases_the_graph()
    test_unit_mul_backward()
    test_unit_div_backward()
    test_unit_matmul_backward()
    test_unit_sum_backward()
    test_unit_exp_log_backward()
    test_unit_relu_backward()
    test_unit_sigmoid_tanh_backward()
    test_unit_softmax_backward()
    test_unit_mse_backward()
    test_unit_cross_entropy_backward()
    test_unit_tracked()
    test_unit_enable_autograd_wakes_the_tensor()
    test_unit_numerical_gradient()
    test_unit_rules_agree_with_central_differences()
    test_unit_deep_chain()
    test_unit_shared_parameter()
    test_unit_network_agrees_with_central_differences()
    test_unit_pitfalls_have_messages()
    experiment_pitfalls()
    experiment_cost_of_a_gradient()
    test_module()
