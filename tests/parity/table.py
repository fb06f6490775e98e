"""Writes docs/pytorch-parity.md from the code and from what the comparisons show: ``python -m tests.parity.table``."""

from __future__ import annotations

import importlib
import re
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

import tinytorch
import tinytorch.linalg
import tinytorch.nn.functional
from tinytorch import Tensor
from tinytorch.core.autograd import NotDifferentiableError

from .differences import DIFFERENCES
from .harness import Array, Case, torch

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "pytorch-parity.md"
COMMAND = "python -m tests.parity.table"

# Where operations are found: here, and in PyTorch.
NAMESPACES: dict[str, tuple[Any, Any]] = {
    "function": (tinytorch, torch),
    "method": (Tensor, torch.Tensor),
    "F": (tinytorch.nn.functional, torch.nn.functional),
    "linalg": (tinytorch.linalg, torch.linalg),
}
# What belongs to the tensor or the package and is no operation.
NOT_OPERATIONS = {
    *("backward", "zero_grad", "retain_grad", "register_hook", "requires_grad_", "detach", "detach_", "numpy", "item"),
    *("tolist", "disable_autograd", "enable_autograd", "is_grad_enabled", "manual_seed", "vmap"),
}


@dataclass
class Operation:
    """A row of the page.

    Attributes
    ----------
    home
        The file it is written in, without its ending.
    forms
        Where it is found: keys of `NAMESPACES`, and ``"in place"``.
    called, first, second
        Whether a comparison has called it; and compared its gradient, and the gradient of that.
    refuses
        Whether a comparison has seen it refuse a tensor that requires a gradient.
    """

    name: str
    home: str
    forms: list[str] = field(default_factory=list)
    called: bool = False
    first: bool = False
    second: bool = False
    refuses: bool = False


def public(owner: Any) -> Iterator[tuple[str, FunctionType]]:
    """Return the functions that users call, by name."""
    for name, value in sorted(vars(owner).items()):
        ours = isinstance(value, FunctionType) and value.__module__.startswith("tinytorch")
        if ours and not name.startswith("_") and name not in NOT_OPERATIONS:
            yield name, value


def operations() -> dict[str, Operation]:
    """Return the public operations, by name."""
    found: dict[str, Operation] = {}
    for form, (ours, _) in NAMESPACES.items():
        for name, function in public(ours):
            base = name.removesuffix("_")
            home = function.__module__.rpartition(".")[2]
            operation = found.setdefault(base, Operation(base, home))
            operation.forms.append("in place" if name != base else form)
            if home != "inplace":
                operation.home = home
    return found


# What the comparisons show.


def cases() -> list[Case]:
    """Return the cases of all files beside this one, each once."""
    found: dict[int, Case] = {}
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        for value in vars(module).values():
            for case in value if isinstance(value, list | tuple) else ():
                if isinstance(case, Case):
                    found[id(case)] = case
    return list(found.values())


class _Watch:
    """Notes which operations are called from outside of the package, and what becomes of gradients there."""

    def __init__(self, found: dict[str, Operation]) -> None:
        self.found = found
        self.inside = threading.local()
        self.second = False

    def watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        operation = self.found[name.removesuffix("_")]

        def watching(*args: Any, **kwargs: Any) -> Any:
            if getattr(self.inside, "yes", False):
                return function(*args, **kwargs)
            self.inside.yes = True
            try:
                result = function(*args, **kwargs)
            except NotDifferentiableError:
                operation.refuses = True
                raise
            finally:
                self.inside.yes = False
            self.note(operation, result)
            return result

        watching.__module__ = function.__module__
        return watching

    def note(self, operation: Operation, result: Any) -> None:
        operation.called = True
        parts = result if isinstance(result, tuple | list) else (result,)
        if any(isinstance(part, Tensor) and part.requires_grad for part in parts):
            operation.first = True
            operation.second |= self.second


@contextmanager
def _watching(watch: _Watch) -> Iterator[None]:
    places = [(owner, name, function) for owner, _ in NAMESPACES.values() for name, function in public(owner)]
    for owner, name, function in places:
        setattr(owner, name, watch.watched(name, function))
    try:
        yield
    finally:
        for owner, name, function in places:
            setattr(owner, name, function)


def _tensors(arrays: Sequence[Array], wanted: Sequence[bool]) -> list[Tensor]:
    return [tinytorch.from_numpy(a.copy()).requires_grad_(want) for a, want in zip(arrays, wanted, strict=True)]


def observed() -> dict[str, Operation]:
    """Return the operations with what the comparisons have shown of them."""
    found = operations()
    watch = _Watch(found)
    with _watching(watch), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in cases():
            watch.second = case.second
            arrays = case.inputs(np.random.default_rng(0))
            wanted = [a.dtype.kind == "f" and i not in case.constant for i, a in enumerate(arrays)]
            try:
                case.call(tinytorch, *_tensors(arrays, wanted))
            except NotDifferentiableError:
                case.call(tinytorch, *_tensors(arrays, [False] * len(arrays)))
    return found


def words_of_tests() -> set[str]:
    """Return every name and word in the tests beside this one: those call operations in tests of their own too."""
    paths = (path for path in sorted(HERE.glob("test_*.py")) if path.stem != "test_coverage")  # which lists names
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return set(re.findall(r"[A-Za-z]\w*", text))


def status(operation: Operation, words: set[str]) -> str:
    """Return what is compared with PyTorch."""
    if operation.second:
        return "values, gradient, second order"
    if operation.first:
        return "values, gradient"
    if operation.called:
        return "values"
    return "in a test of its own" if {operation.name, f"{operation.name}_"} & words else "not compared"


# What is not there.

# Names of PyTorch that belong to what is outside of the scope, by reason.
OUTSIDE = {
    "complex numbers": r"complex|conj|^(imag|real|isreal|polar|angle|adjoint)$|^(chalf|cfloat|cdouble|istft|stft)$",
    "other devices and storage": r"cuda|cudnn|miopen|mkldnn|^(xpu|ipu|mtia)$|vulkan|pin_memory|is_pinned|storage|"
    r"device|share_memory|is_shared|record_stream|data_ptr|^set_$|is_set_to|from_file|frombuffer|layout",
    "sparse and nested tensors": r"sparse|coalesce|indices|^values|dense|smm$|spmm|^saddmm|padded|jagged",
    "quantized tensors": r"quant|fbgemm|^q_|qscheme|int_repr|choose_qparams|scaled_mm|grouped_mm",
    "compilation, tracing and automatic precision": r"autocast|sym_|compile|^parse_|import_ir|^(fork|wait|cond)$|"
    r"script|torch_function|boolean_dispatch|type_comment|type_list|profiler|while_loop|slice_inverse|sym_constrain",
    "settings and state of the process": r"^(set|get|use)_|^are_|_enabled$|is_vulkan|seed|deterministic|typename|"
    r"classproperty|multiprocessing|thread|assert_int|^init_|Optional|module_load|reinforce|register_post|dim_order|"
    r"hash_tensor|is_distributed|is_storage|is_inference|is_neg$",
    "inner forms of other operations": r"_copy$|^native_|unsafe_|_ex$|_backward|batch_norm_|norm_except|"
    r"embedding_renorm|_with_indices$|convolution|conv_tbc|resolve_|new_empty_strided|^new$|^map2?_$|^apply_$|as_subclass",
}


def not_there() -> dict[str, list[str]]:
    """Return the names that PyTorch has and TinyTorch has not, by namespace, but for what is outside of the scope."""
    outside = re.compile("|".join(OUTSIDE.values()))
    missing = {}
    for form, (ours, theirs) in NAMESPACES.items():
        names = {
            name
            for name in dir(theirs)
            if not name.startswith("_") and callable(getattr(theirs, name)) and _is_operation(getattr(theirs, name))
        }
        if form == "function":
            names -= set(dir(torch.nn.functional)) | {name for name in names if name.endswith("_")}
        missing[form] = sorted(name for name in names - set(dir(ours)) if not outside.search(name))
    return missing


def _is_operation(value: Any) -> bool:
    return not isinstance(value, type | ModuleType)


# The page.

HEAD = """\
# Beside PyTorch

Written by `{command}` from the code and its comparisons with PyTorch {version}; a test keeps it
so. A script written for PyTorch runs here by changing its imports, as far as it uses what this page lists.

## Deliberate differences

Each is checked, in both libraries, by `tests/parity/test_differences.py`.

| Operation | PyTorch | TinyTorch | Why |
| --- | --- | --- | --- |
"""

FAMILIES = """
## Operations

{count} operations, by the file that they are written in. *As* says where one is found: as a function of `tinytorch`, a
method of `Tensor`, in `tinytorch.nn.functional` (F), in `tinytorch.linalg`, and as a method that works in place.
*Compared* says what the comparisons of `tests/parity` hold beside PyTorch: values and dtypes, gradients, and gradients
of gradients. Where only values are compared, the result has no gradient: it is new, or holds integers or truth values.
"""

MISSING = """
## Not there

What PyTorch has for real tensors on the processor, and TinyTorch has not yet. Outside of the scope, and not listed:
{outside}.
"""


def page() -> str:
    """Return the text of the page."""
    version = torch.__version__.partition("+")[0]
    text = HEAD.format(command=COMMAND, version=version)
    for entry in DIFFERENCES:
        names = ", ".join(f"`{name}`" for name in entry.operations)
        text += f"| {names} | {entry.theirs} | {entry.ours} | {entry.why} |\n"
    found = observed()
    text += FAMILIES.format(count=len(found))
    differing = {name for entry in DIFFERENCES for name in entry.operations}
    families: dict[str, list[Operation]] = defaultdict(list)
    for operation in found.values():
        families[operation.home].append(operation)
    words = words_of_tests()
    for home in sorted(families):
        title = home.strip("_").replace("_", " ").capitalize()
        text += f"\n### {title}\n\n| Operation | As | Compared |\n| --- | --- | --- |\n"
        for operation in sorted(families[home], key=lambda each: each.name):
            mark = " (differs)" if operation.name in differing else ""
            forms = ", ".join(dict.fromkeys(operation.forms))
            text += f"| `{operation.name}`{mark} | {forms} | {status(operation, words)} |\n"
    text += MISSING.format(outside=", ".join(OUTSIDE))
    for form, names in not_there().items():
        text += f"\n- {'`F`' if form == 'F' else form}: {', '.join(f'`{name}`' for name in names)}\n"
    return text


def main() -> None:
    """Write the page."""
    beside = PAGE.with_suffix(".new")
    beside.write_text(page(), encoding="utf-8")
    beside.replace(PAGE)
    print(f"wrote {PAGE.relative_to(HERE.parents[1])}")


if __name__ == "__main__":
    main()
