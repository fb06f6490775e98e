"""Writes docs/pytorch-parity.md from the code and from what the tests show: ``python -m tests.parity.table``."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import tinytorch
from tinytorch import Tensor

from .differences import DIFFERENCES
from .harness import torch
from .watching import NAMESPACES, Form, Operation, observed, public

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pytorch-parity.md"
COMMAND = "python -m tests.parity.table"

# Operations.

# Families whose file does not say it.
TITLES = {
    "functional": "Activations and losses of the lessons",
    "inplace": "In place only",
    "numpy": "Beside NumPy",
    "spatial": "Convolutions and pools",
    "tensor": "Tensors, as in the first lesson",
}
# What refuses on the way back, as `test_forms` compares.
REFUSED_LATER = {"heaviside"}
EVIDENCE = {
    "nothing": "",
    "tests": "a test of its own",
    "values": "values",
    "first": "values, gradient",
    "second": "values, gradient, second order",
}


def evidence(form: Form) -> str:
    """Return what is shown of a form: a key of `EVIDENCE`."""
    if form.second:
        return "second"
    if form.first:
        return "first"
    if form.cases:
        return "values"
    return "tests" if form.tests else "nothing"


def uncompared(operation: Operation) -> list[str]:
    """Return the forms of which nothing is shown; one that PyTorch has not need only be called."""
    return [
        kind
        for kind, form in operation.forms.items()
        if operation.name not in differing()
        and (evidence(form) == "nothing" if has_twin(operation, kind) else not form.called)
    ]


def has_twin(operation: Operation, kind: str) -> bool:
    name = f"{operation.name}_" if kind == "in place" else operation.name
    return hasattr(NAMESPACES["method" if kind == "in place" else kind][1], name)


def differing() -> set[str]:
    """Return the operations that the deliberate differences name."""
    return {name for entry in DIFFERENCES for name in entry.operations}


def gradient(operation: Operation) -> str:
    """Return by which rules an operation has its gradient, or that it has none."""
    if operation.home == "differentiation":
        return ""
    alone = sorted({name for rules in operation.rules if len(rules) == 1 for name in rules})
    if operation.rules and operation.name not in REFUSED_LATER:
        return ", ".join(f"`{name}`" for name in alone) if 1 <= len(alone) <= 3 else "of others"
    if operation.shown("same"):
        return "that of the tensor"
    refused = operation.name in REFUSED_LATER or (operation.shown("refuses") and not operation.shown("lost"))
    return "refused" if refused else "none"


def compared(operation: Operation) -> str:
    """Return what the tests hold beside PyTorch, of the form of which they hold least."""
    twins = [evidence(form) for kind, form in operation.forms.items() if has_twin(operation, kind)]
    if not twins:
        return "not in PyTorch"
    least = min(twins, key=list(EVIDENCE).index)
    shown = [EVIDENCE[least]] if least != "nothing" else []
    return "; ".join(shown + ["[differs](#deliberate-differences)"] * (operation.name in differing()))


# What is not there.

# Arguments that many operations take there.
ARGUMENTS = ("device", "layout", "memory_format", "out")
# Names of PyTorch that belong to what is outside of the scope, by reason.
OUTSIDE = {
    "complex numbers": r"complex|conj|^(imag|real|isreal|polar|angle|adjoint|H)$|^(chalf|cfloat|cdouble|istft|stft)$",
    "other devices and storage": r"cuda|cudnn|miopen|mkldnn|^(xpu|ipu|mtia)$|vulkan|pin_memory|is_pinned|storage|"
    r"share_memory|is_shared|record_stream|data_ptr|^set_$|is_set_to|from_file|frombuffer|"
    r"^is_(cpu|ipu|maia|meta|mkldnn|mps|mtia|vulkan|xla|xpu)$|^(get_|set_)?(default_)?device_module$",
    "sparse and nested tensors": r"sparse|coalesce|(row|col)_indices|^indices|^values|dense|smm$|spmm|"
    r"^saddmm|padded|jagged|^is_nested$",
    "quantized tensors": r"quant(?!ile)|fbgemm|^q_|qscheme|int_repr|choose_qparams|scaled_mm|grouped_mm|"
    r"^qu?int|^u?int[1-7]$|^bits?\d*x?\d*$|^float[48]_",
    "compilation, tracing and automatic precision": r"autocast|sym_|compile|^parse_|import_ir|^(fork|wait|cond)$|"
    r"script|torch_function|boolean_dispatch|type_comment|type_list|profiler|while_loop|slice_inverse|sym_constrain|"
    r"^functionalize$|^linearize$|debug_unwrap",
    "settings and state of the process": r"^(set|get|use)_|^are_|_enabled$|is_vulkan|seed|deterministic|typename|"
    r"classproperty|multiprocessing|thread|assert_int|^init_|Optional|module_load|reinforce|register_post|dim_order|"
    r"hash_tensor|is_distributed|is_storage|is_inference|is_neg$|^(output_nr|name|volatile|grad_dtype)$|variable|"
    r"^(cast|overload|is_tensor_like|kineto_available)$",
    "inner forms of other operations": r"(?<!index)_copy$|^native_|unsafe_|_ex$|_backward|batch_norm_|norm_except|"
    r"embedding_renorm|_with_indices$|convolution|conv_tbc|resolve_|new_empty_strided|^new$|^map2?_$|^apply_$|as_subclass",
}


def names_of(owner: Any) -> Iterator[str]:
    """Return the public names of PyTorch's that can be called and are no classes."""
    for name in dir(owner):
        value = getattr(owner, name)
        if not name.startswith("_") and callable(value) and not isinstance(value, type | ModuleType):
            yield name


def not_there() -> dict[str, list[str]]:
    """Return the names that PyTorch has and TinyTorch has not, by where, but for those that are `OUTSIDE`."""
    missing: dict[str, set[str]] = defaultdict(set)
    for space, (ours, theirs) in NAMESPACES.items():
        for name in set(names_of(theirs)) - set(dir(ours)):
            if space == "method" and name.endswith("_"):
                missing["methods that work in place"].add(name)
            elif space == "function":  # many are there a second time, and those in place a third
                if not hasattr(torch.nn.functional, name) and not name.endswith("_"):
                    missing["functions"].add(name)
            else:
                missing["methods" if space == "method" else f"`{place(space)}`"].add(name)
    missing["attributes of a tensor"] = {
        name for name in dir(torch.Tensor) if name[0] != "_" and not callable(getattr(torch.Tensor, name))
    } - set(dir(Tensor))
    missing["dtypes"] = {
        name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype) and not hasattr(tinytorch, name)
    }
    taken = {name for ours, _ in NAMESPACES.values() for _, each in public(ours) for name in signature(each).parameters}
    missing["arguments"] = {f"{name}=" for name in ARGUMENTS if name not in taken}
    missing["functions and methods"] = missing["functions"] & missing["methods"]
    for kind in ("functions", "methods"):
        missing[kind] -= missing["functions and methods"]
    kept = {kind: sorted(name for name in names if not is_outside(name)) for kind, names in missing.items()}
    return {kind: kept[kind] for kind in sorted(kept, key=lambda kind: kind.strip("`")) if kept[kind]}


def is_outside(name: str) -> bool:
    return any(re.search(pattern, name) for pattern in OUTSIDE.values())


def place(space: str) -> str:
    return "nn.functional" if space == "F" else space


# The page.

HEAD = """\
# Beside PyTorch

A script written for PyTorch runs here by changing its imports, as far as it uses what this page lists. The page comes
of `{command}`, which writes it from the code and from its comparisons with PyTorch {version};
a test fails when it says something else.

- [Deliberate differences](#deliberate-differences): {differences}, each with a test that runs both libraries.
- [Not there](#not-there): the names that a script cannot use.
- [Operations](#operations): {operations}, with what is compared of each.

## Deliberate differences

| Where | PyTorch | TinyTorch | Why |
| --- | --- | --- | --- |
"""

MISSING = """\
What PyTorch has for real tensors on the processor and TinyTorch has not yet. Many functions are there a second time in
`nn.functional` and, with an underscore, in place; these stand there alone. Outside of the scope, and not listed:
{outside}."""

OPERATIONS = """
## Operations

A family is a file. *As*: where an operation is found, as a function of `tinytorch`, a method of `Tensor`, a method that
works in place (`add_`), in `tinytorch.nn.functional` (F), `linalg`, `autograd` or `func`.

*Gradient*: the rules of its gradient, *of others* if it is made of operations that have them, *refused* if it raises
`NotDifferentiableError`, and *none* if the result is new or holds integers or truth values, in PyTorch too.

*Compared*: what the tests hold beside PyTorch for every form: values with their dtype, gradients of every input,
gradients of those. *A test of its own* calls it in both libraries.
"""


def page() -> str:
    """Return the text of the page."""
    found = observed()
    version = torch.__version__.partition("+")[0]
    text = HEAD.format(command=COMMAND, version=version, differences=len(DIFFERENCES), operations=len(found))
    for entry in DIFFERENCES:
        text += row(", ".join(f"`{name}`" for name in entry.operations), entry.theirs, entry.ours, entry.why)
    text += "\n## Not there\n\n"
    text += textwrap.fill(MISSING.format(outside=", ".join(OUTSIDE)), 120) + "\n\n"
    for kind, names in not_there().items():
        text += f"- {kind}: {', '.join(f'`{name}`' for name in names)}\n"
    text += OPERATIONS
    families: dict[str, list[Operation]] = defaultdict(list)
    for operation in found.values():
        families[TITLES.get(operation.home, operation.home.replace("_", " ").capitalize())].append(operation)
    return text + "".join(family(title, families[title]) for title in sorted(families))


def family(title: str, members: Iterable[Operation]) -> str:
    text = f"\n### {title}\n\n| Operation | As | Gradient | Compared |\n| --- | --- | --- | --- |\n"
    for each in sorted(members, key=lambda each: each.name):
        text += row(f"`{each.name}`", ", ".join(each.forms), gradient(each), compared(each))
    return text


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def main() -> None:
    """Write the page."""
    beside = PAGE.with_suffix(".new")
    beside.write_text(page(), encoding="utf-8")
    beside.replace(PAGE)
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
