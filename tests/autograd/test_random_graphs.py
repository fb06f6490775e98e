"""Random programs, run by both libraries: values, and the gradient of every leaf, have to come to the same.

A program is a list of lines over a growing list of tensors. It is put together from *genes*, small tuples of numbers:
each proposes a line, and PyTorch tries it at once; what does not fit there is left out. So every list of genes makes a
program, and a shorter list makes a shorter program, which is what Hypothesis needs to find the smallest one that fails.
The `repr` of a program is Python that runs as it stands, with either library.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinytorch
import tinytorch.linalg
import tinytorch.nn.functional
from tinytorch.core.autograd import ChangedInPlaceError, ForgottenZeroGradWarning

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

EXAMPLES = 400
LARGEST, FARTHEST, NEAR = 48, 1e3, 1e-6  # elements of a tensor; a value; what counts as two values that may swap
RTOL, ATOL = 1e-8, 1e-10

# A line, with {a}, {b}, {c} for tensors that are there, {d} and {e} for axes, {n} for a small number.
SMOOTH = [
    *("{a} + {b}", "{a} * {b}", "{a} - {b}", "{a} / ({b} * {b} + 1)", "{a} * {a}", "-{a}", "2 - {a}", "0.5 * {a}"),
    *("1 / ({a} ** 2 + 1)", "({a} * {a} + 0.5) ** {b}.tanh()", "{a} ** 3", "2 ** {a}.tanh()", "{a} + {b} * {c}"),
    *("{a}.sin()", "lib.cos({a})", "{a}.tanh()", "lib.sigmoid({a})", "lib.exp({a}.sin())", "({a} * {a} + 1).log()"),
    *(
        "({a}.square() + 0.5).sqrt()",
        "lib.rsqrt({a} * {a} + 1)",
        "{a}.erf()",
        "lib.atan({a})",
        "{a}.tanh().sinh().asinh()",
    ),
    *("lib.hypot({a}, {b} * {b} + 1)", "lib.atan2({a}, {b} * {b} + 1)", "lib.lerp({a}, {b}, 0.3)"),
    *("lib.addcmul({a}, {b}, {c}, value=0.5)", "lib.addcdiv({a}, {b}, {c} * {c} + 1)", "lib.logaddexp({a}, {b})"),
    *("lib.nn.functional.gelu({a})", "lib.nn.functional.softplus({a})", "lib.nn.functional.silu({a})"),
    *("lib.nn.functional.mse_loss({a}, {b})", "lib.nn.functional.layer_norm({a}, ({a}.shape[-1],))"),
]
REDUCTIONS = [
    *("{a}.sum()", "{a}.sum({d})", "{a}.sum({d}, keepdim=True)", "{a}.mean()", "{a}.sum(({d}, {e}))"),
    *("{a}.prod()", "{a}.prod({d})", "{a}.var()", "{a}.var({d}, keepdim=True)"),
    *(
        "{a}.logsumexp({d})",
        "lib.softmax({a}, {d})",
        "lib.log_softmax({a}, {d})",
        "{a}.cumsum({d})",
        "{a}.cumprod({d})",
    ),
    *("({a} * {a} + 0.1).sqrt().norm()", "lib.linalg.vector_norm({a} * {a} + 0.1, dim={d})"),
    *("lib.nn.functional.cross_entropy({a}, lib.tensor([0, 1])[: len({a})])",),
]
SHAPES = [
    *("{a}.reshape(-1)", "{a}.unsqueeze({d})", "{a}.squeeze()", "{a}.squeeze({d})", "{a}.transpose({d}, {e})"),
    *("{a}.flatten()", "{a}.flatten({d})", "{a}.movedim({d}, {e})", "{a}.flip({d})", "{a}.roll(1, {d})"),
    *("{a}.expand(2, *{a}.shape)", "{a}.expand_as({b})", "{a}.repeat(2, *[1] * {a}.ndim)", "{a}.clone()"),
    *("{a}.reshape({b}.shape)", "{a}.permute(*range({a}.ndim)[::-1])", "{a}.broadcast_to({b}.shape)"),
    *("lib.cat([{a}, {b}], {d})", "lib.stack([{a}, {b}], {d})", "lib.cat([{a}, {b}, {a}])", "{a}.split(1, {d})[{n}]"),
    *("{a}.chunk(2, {d})[{n}]", "{a}.unbind({d})[{n}]", "lib.nn.functional.pad({a}, (1, {n}))", "{a}.diagonal()"),
    *("{a}.tril()", "{a}.triu(1)", "{a}.repeat_interleave(2, {d})", "{a}.unfold({d}, 2, 1)"),
]
INDICES = [
    *("{a}[{n}]", "{a}[1:]", "{a}[..., {n}]", "{a}[None]", "{a}[::2]", "{a}[:, None]", "{a}[[0, 0]]", "{a}[-1]"),
    *("{a}[lib.tensor([[0, 1], [1, 1]])]", "{a}[:, lib.tensor([1, 0, 1])]", "{a}[lib.tensor([0, 1]), [1, 0]]"),
    *("{a}.index_select({d}, lib.tensor([0, 0, {n}]))", "{a}.gather({d}, {a}.detach().argsort({d}))"),
    *("{a}.take(lib.tensor([0, 0, {n}]))", "{a}.narrow({d}, 0, 1)", "{a}.select({d}, {n})"),
    *(
        "{a}.index_add(0, lib.tensor([{n}] * len({b})), {b})",
        "lib.zeros_like({a}).scatter_add({d}, ({a} * 0).long(), {a})",
    ),
]
PRODUCTS = [
    *("{a} @ {b}", "{a} @ {a}.T", "{a}.T @ {b}", "lib.outer({a}, {b})", "lib.einsum('i...,i...->...', {a}, {b})"),
    *("lib.einsum('ij,kj->ik', {a}, {b})", "lib.einsum('ij,jk,k->i', {a}, {b}, {c})", "lib.dot({a}, {b})"),
    *(
        "lib.nn.functional.linear({a}, {b}, {c}.flatten())",
        "lib.tensordot({a}, {a}.T, 1)",
        "lib.addmm({a}, {b}, {c})",
        "{a}.mv({b})",
    ),
    *(
        "lib.linalg.inv({a} @ {a}.T + 2 * lib.eye(len({a})).double())",
        "{a}.trace()",
        "lib.bmm({a}, {a}.transpose(1, 2))",
    ),
    *("lib.nn.functional.scaled_dot_product_attention({a}, {a}.sin(), {a}.cos())",),
]
# With the distances that may not be small: where they change their sign, the gradient jumps.
KINKED = [
    *(("{a}.abs()", "{a}"), ("lib.nn.functional.relu({a})", "{a}"), ("{a}.clamp(-1, 1)", "{a}.abs() - 1")),
    *(("lib.maximum({a}, {b})", "{a} - {b}"), ("lib.minimum({a}, {b})", "{a} - {b}")),
    *(("lib.where({a} > {b}, {a}, {b} * {c})", "{a} - {b}"), ("{a}[{a} > 0]", "{a}"), ("{a} * ({b} > 0)", "{b}")),
    *(("{a}.amax({d})", "{a}.sort({d}).values.diff(dim={d})"), ("{a}.amin()", "{a}.flatten().sort().values.diff()")),
    *(("{a}.masked_fill({a} > 0.5, 0.25)", "{a} - 0.5"), ("lib.nn.functional.leaky_relu({a}, 0.1)", "{a}")),
    *(("lib.nn.functional.l1_loss({a}, {b})", "{a} - {b}"), ("lib.nn.functional.elu({a})", "{a}")),
]
# The same, but for these even values that are equal make a difference: the order between them is not said.
ORDERED = [
    *(
        ("{a}.sort({d}).values", "{a}.sort({d}).values.diff(dim={d})"),
        ("{a}.max({d}).values", "{a}.sort({d}).values.diff(dim={d})"),
    ),
    *(
        ("{a}.topk(2, {d}).values", "{a}.sort({d}).values.diff(dim={d})"),
        ("{a}.median()", "{a}.flatten().sort().values.diff()"),
    ),
    *(
        ("{a}.cummax({d}).values", "{a}.sort({d}).values.diff(dim={d})"),
        ("{a}.mean({d})", "0 * {a}.sum() + {a}.numel()"),
    ),
    *((("{a}.std({d}, correction=0)",) * 2),),
]
UNRECORDED = ["{a}.detach()", "{a}.detach().clone().requires_grad_()", "({a} * {b}).detach()"]
CHANGES = [
    *(
        "{a}.mul_(0.5)",
        "{a}.add_({b})",
        "{a}.mul_({b}.tanh())",
        "{a} -= {b}",
        "{a}.tanh_()",
        "{a}.sin_()",
        "{a}.zero_()",
    ),
    *(
        "{a}[{n}] = {b} * 2",
        "{a}[1:] = 0.5",
        "{a}.copy_({b})",
        "{a}[..., 0] = {b}.sum()",
        "{a}.fill_(0.5)",
    ),
    *("{a}.sigmoid_()", "{a}.addcmul_({b}, {b}, value=0.1)", "{a}[lib.tensor([0])] = {b}"),
]
GRADIENTS = ["lib.autograd.grad({a}.sin().sum(), {b}, create_graph=True)[0]"]
PASSES = ["{a}.sin().sum().backward(retain_graph=True)", "{a}.retain_grad()"]

KINDS = {
    "smooth": SMOOTH,
    "reduction": REDUCTIONS,
    "shape": SHAPES,
    "index": INDICES,
    "product": PRODUCTS,
    "kinked": KINKED,
    "ordered": ORDERED,
    "no_grad": SMOOTH,
    "unrecorded": UNRECORDED,
    "change": CHANGES,
    "gradient": GRADIENTS,
    "pass": PASSES,
    "step": ["{a}.mul_(0.9)", "{a}.sub_({b})"],
}
OFTEN = {"gradient": 8, "pass": 5, "unrecorded": 3, "step": 4, "change": 3}  # kinds of few lines weigh more
USUAL = ["smooth", "reduction", "shape", "index", "product", "kinked", "ordered"]
LEAVES: list[tuple[int, ...]] = [(), (3,), (2, 3), (3, 2), (1, 3), (2, 1), (2, 2), (3, 3), (2, 3, 2), (1,), (0, 3)]
HEADER = """import numpy as np
import torch as lib  # or tinytorch

def leaf(seed, *shape):
    return lib.from_numpy(np.asarray(np.random.default_rng(seed).uniform(-2, 2, shape))).requires_grad_()
"""

Gene = tuple[str, int, tuple[int, ...]]  # a kind of line, which of them, and where it applies


class Program:
    """Lines of Python, each of which PyTorch has run; the last one it may have refused.

    Attributes
    ----------
    lines
        What both libraries run.
    names
        The names of the tensors.
    taken
        Which of the genes have become lines.
    refused
        What PyTorch said against the last line, if it did.
    """

    def __init__(self, leaves: Sequence[tuple[int, ...]], genes: Sequence[Gene], second: bool) -> None:
        self.lines: list[str] = []
        self.names: list[str] = []
        self.refused: Exception | None = None
        self.space = namespace(torch)
        for i, shape in enumerate(leaves):
            self.names.append(f"t{i}")
            self.do(f"t{i} = leaf({', '.join(map(str, (i, *shape)))})")
        self.taken = [self.propose(kind, which, places) for kind, which, places in genes]
        if self.refused is None:
            self.finish(second)

    def __repr__(self) -> str:
        return "\n".join([HEADER, *self.lines])

    def do(self, line: str) -> None:
        """Run a line and keep it."""
        self.lines.append(line)
        exec(line, self.space)

    def tensor(self, name: str) -> Any:
        return self.space[name]

    def propose(self, kind: str, which: int, places: tuple[int, ...]) -> bool:
        """Add the line that a gene means, tried on one tensor after the other; return whether PyTorch takes it."""
        if self.refused is not None or kind == "nothing":
            return False
        return any(self.add(kind, which, (places[0] + more, *places[1:])) for more in range(len(self.names)))

    def add(self, kind: str, which: int, places: tuple[int, ...]) -> bool:
        """Add a line for these tensors, and return whether PyTorch takes it."""
        choice: Any = KINDS[kind][which]
        text, gap = choice if isinstance(choice, tuple) else (choice, None)
        a, b, c = (self.names[-1 - i % len(self.names)] for i in places[:3])
        axes = max(1, self.tensor(a).ndim)
        fill = {"a": a, "b": b, "c": c, "d": places[3] % axes, "e": places[4] % axes, "n": places[3] % 2}
        line = text.format(**fill)
        if kind in ("change", "step"):
            return self.change(kind, line, a)
        if kind == "pass":
            return self.walk(line, a)
        if kind == "index" and not self.tensor(a).numel():
            return False  # where there is nothing to pick, PyTorch does not look at the index
        if gap is None or self.apart(gap.format(**fill), strict=kind == "ordered" or ("{b}" in gap and a != b)):
            return self.make(line, recorded=kind != "no_grad")
        return False

    def apart(self, gap: str, strict: bool) -> bool:
        """Whether no rounding can turn one of these distances around."""
        distance = self.attempt(gap)
        if distance is None:
            return False
        return bool(((distance.abs() > NEAR) | ((distance == 0) if not strict else False)).all())

    def attempt(self, expression: str) -> Any:
        """Return what PyTorch makes of an expression; None if it will not have it."""
        try:
            return eval(expression, self.space)
        except (RuntimeError, ValueError, IndexError, TypeError, UserWarning):
            return None

    def make(self, expression: str, recorded: bool) -> bool:
        """Add a tensor, if it can be made and is small, finite and new."""
        made = self.attempt(expression)
        if not torch.is_tensor(made) or made.dtype != torch.float64 or made.numel() > LARGEST or made.ndim > 4:
            return False
        if not (made.detach().abs() < FARTHEST).all():  # nan included
            return False
        if any(made is self.tensor(name) for name in self.names):
            return False
        name = f"t{len(self.names)}"
        self.names.append(name)
        self.do(f"{name} = {expression}" if recorded else f"with lib.no_grad(): {name} = {expression}")
        return True

    def change(self, kind: str, line: str, name: str) -> bool:
        """Change a tensor in place: one that shares its memory with no other, and, where it is recorded, is no leaf."""
        tensor = self.tensor(name)
        memory = [self.tensor(other).untyped_storage().data_ptr() for other in self.names]
        alone = tensor.numel() and memory.count(tensor.untyped_storage().data_ptr()) == 1
        if not alone or tensor._base is not None or (kind == "change" and tensor.is_leaf and tensor.requires_grad):
            return False
        if kind == "step":
            line = f"with lib.no_grad(): {line}"
        try:
            exec(line, self.space)
        except (RuntimeError, IndexError, TypeError, ValueError):
            self.again()  # it may have changed something before it failed
            return False
        self.lines.append(line)
        return True

    def again(self) -> None:
        """Run all lines from the start."""
        self.space = namespace(torch)
        for line in self.lines:
            exec(line, self.space)

    def walk(self, line: str, name: str) -> bool:
        """Go back through the graph in the middle of the program."""
        if not self.tensor(name).requires_grad:
            return False
        try:
            self.do(line)
        except RuntimeError as error:
            self.refused = error
        return True

    def finish(self, second: bool) -> None:
        """Go back from everything, to every leaf, and from those gradients once more if the second order is asked."""
        ends = [name for name in self.names if self.tensor(name).requires_grad and self.tensor(name).is_leaf]
        starts = [name for name in self.names if self.tensor(name).requires_grad]
        self.lines.append(f"loss = sum(t.sin().sum() for t in [{', '.join(starts)}])")
        if second:
            leaves = ", ".join(ends)
            self.lines.append(f"grads = lib.autograd.grad(loss, [{leaves}], create_graph=True, allow_unused=True)")
            self.lines.append("loss = sum(g.sin().sum() for g in grads if g is not None and g.requires_grad)")
        self.lines.append("if getattr(loss, 'requires_grad', False): loss.backward()")
        for line in self.lines[-4 if second else -2 :]:
            if self.refused is None:
                try:
                    exec(line, self.space)
                except RuntimeError as error:
                    self.refused = error


def namespace(lib: Any) -> dict[str, Any]:
    """Return what the lines of a program find around them."""

    def leaf(seed: int, *shape: int) -> Any:
        values = np.asarray(np.random.default_rng(seed).uniform(-2, 2, shape))
        return lib.from_numpy(values).requires_grad_()

    return {"lib": lib, "leaf": leaf}


def run(program: Program) -> dict[str, Any]:
    """Run a program with this library; an error says at which line."""
    space = namespace(tinytorch)
    for line in program.lines:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ForgottenZeroGradWarning)  # PyTorch does not say so
                exec(line, space)
        except Exception as error:
            error.add_note(f"in the line: {line}\nof the program\n{program!r}")
            raise
    return space


def found(space: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return all that can be compared, by the expression that it is the value of."""
    values = {name: space[name] for name in [*names, "loss"]}
    values |= {f"{name}.grad": space[name].grad for name in names if space[name].is_leaf}
    grads = space.get("grads", ())
    return values | {f"grads[{i}]": grad for i, grad in enumerate(grads)}


def array(value: Any) -> Any:
    return np.asarray(value if isinstance(value, int) else value.detach().numpy())


def compare(program: Program) -> None:
    """Assert that both libraries found the same."""
    if program.refused is not None:
        return
    try:
        ours = found(run(program), program.names)
    except ChangedInPlaceError:  # rules save what suits them, so what may be changed before the way back differs
        assert any(kind in repr(program) for kind in ("_(", "] = ", "-= ")), repr(program)
        return
    theirs = found(program.space, program.names)
    arrays = {name: array(value) for name, value in theirs.items() if value is not None}
    scale = max((float(np.abs(a).max()) for a in arrays.values() if a.size), default=1.0)
    for name, value in theirs.items():
        assert (ours[name] is None) == (value is None), f"{name} is None in one of both:\n{program!r}"
        if value is not None:
            came = array(ours[name])
            assert came.shape == arrays[name].shape, f"the shape of {name}:\n{program!r}"
            says = f"{name}:\n{program!r}"
            np.testing.assert_allclose(came, arrays[name], rtol=RTOL, atol=ATOL * max(1.0, scale), err_msg=says)
    for name in program.names:
        assert ours[name].requires_grad == theirs[name].requires_grad, f"requires_grad of {name}:\n{program!r}"


PLACES = st.tuples(*[st.integers(0, 5)] * 3, *[st.integers(0, 3)] * 2)


@st.composite
def programs(draw: st.DrawFn, *kinds: str, second: bool = False) -> Program:
    """Draw a program with lines of the usual kinds and these."""
    leaves = draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3))
    known = [(kind, i) for kind in (*USUAL, *kinds) for i in range(len(KINDS[kind])) for _ in range(OFTEN.get(kind, 1))]
    line = st.sampled_from([("nothing", 0), *known])
    genes = draw(st.lists(st.tuples(line, PLACES), min_size=6, max_size=14))
    return Program(leaves, [(kind, which, places) for (kind, which), places in genes], second)


EVERY = [(kind, i) for kind, lines in KINDS.items() if kind != "no_grad" for i in range(len(lines))]


@pytest.mark.parametrize(("kind", "which"), EVERY)
def test_every_line(kind: str, which: int) -> None:
    """Hypothesis draws some lines seldom: each by itself, on tensors of all shapes and along several axes."""
    taken = False
    third = (2, 3) if kind == "product" else (2,)
    for (i, shape), c in itertools.product(enumerate(LEAVES), third):
        before, after = ("smooth", 4, (0, 0, 0, 0, 0)), ("smooth", 1, (0, 1, 0, 0, 0))
        line = (kind, which, (0, (0, 1, 3)[i % 3], c, i % 2, 1 - i % 2))
        program = Program([(3,), (3, 3), shape], [before, line, after], second=kind not in ("change", "step", "pass"))
        taken |= program.taken[1]
        compare(program)
    assert taken, f"PyTorch never takes {KINDS[kind][which]}"


bounded = settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@bounded
@given(programs("gradient", "pass", "unrecorded", "no_grad"))
def test_first_order(program: Program) -> None:
    compare(program)


@settings(bounded, max_examples=EXAMPLES // 2)
@given(programs("unrecorded", second=True))
def test_second_order(program: Program) -> None:
    compare(program)


@bounded
@given(programs("change", "change", "step", "pass", "unrecorded", "no_grad"))
def test_changes_in_place(program: Program) -> None:
    compare(program)
