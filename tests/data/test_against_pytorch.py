"""Datasets, samplers, collation and the loader beside PyTorch's: structures, dtypes, lengths, options that raise."""

from __future__ import annotations

import inspect
from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch.utils import data

torch = pytest.importorskip("torch", reason="PyTorch is not installed: there is nothing to compare with")
theirs = pytest.importorskip("torch.utils.data")

Pair = namedtuple("Pair", ["x", "y"])


def described(batch: Any) -> Any:
    """Return types, dtypes, shapes and values of a batch of either library."""
    if isinstance(batch, tinytorch.Tensor | torch.Tensor):
        array = np.asarray(batch)
        return "tensor", array.dtype.name, array.shape, array.tolist()
    if isinstance(batch, Mapping):
        return type(batch).__name__, [(key, described(part)) for key, part in batch.items()]
    if isinstance(batch, list | tuple):
        return type(batch).__name__, [described(part) for part in batch]
    return type(batch).__name__, batch


def tensors(lib: Any, dtype: str) -> list[Any]:
    return [lib.tensor(np.arange(6).reshape(2, 3) + i).to(getattr(lib, dtype)) for i in range(3)]


SAMPLES = {
    "float32 tensors": lambda lib: tensors(lib, "float32"),
    "float64 tensors": lambda lib: tensors(lib, "float64"),
    "int64 tensors": lambda lib: tensors(lib, "int64"),
    "bool tensors": lambda lib: tensors(lib, "bool"),
    "0-d tensors": lambda lib: [lib.tensor(1.5), lib.tensor(2.5)],
    "empty tensors": lambda lib: [lib.zeros(0, 3), lib.zeros(0, 3)],
    "arrays": lambda lib: [np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)],
    "arrays of bytes": lambda lib: [np.ones(3, np.uint8), np.zeros(3, np.uint8)],
    "0-d arrays": lambda lib: [np.array(1.0), np.array(2.0)],
    "float32 scalars": lambda lib: [np.float32(1), np.float32(2)],
    "float64 scalars": lambda lib: [np.float64(1), np.float64(2)],
    "int32 scalars": lambda lib: [np.int32(1), np.int32(2)],
    "bool scalars": lambda lib: [np.bool_(True), np.bool_(False)],
    "floats": lambda lib: [1.5, 2.5],
    "floats and ints": lambda lib: [1.5, 2],
    "ints": lambda lib: [1, 2],
    "ints and floats": lambda lib: [1, 2.5],
    "bools": lambda lib: [True, False],
    "texts": lambda lib: ["a", "b"],
    "bytes": lambda lib: [b"a", b"b"],
    "pairs": lambda lib: [(1, "a"), (2, "b")],
    "lists": lambda lib: [[1, 0.5], [2, 1.5]],
    "named tuples": lambda lib: [Pair(1, (2, 3)), Pair(4, (5, 6))],
    "dicts": lambda lib: [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}],
    "other mappings": lambda lib: [OrderedDict(n=1), OrderedDict(n=2)],
    "nested": lambda lib: [({"x": lib.ones(2)}, [1, Pair(2, "z")]), ({"x": lib.zeros(2)}, [3, Pair(4, "y")])],
    "one sample": lambda lib: [(1, lib.ones(2))],
}


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_collation_has_pytorchs_structure_and_dtypes(make):
    assert described(data.default_collate(make(tinytorch))) == described(theirs.default_collate(make(torch)))


@pytest.mark.parametrize(
    "sample",
    [
        np.ones(2),
        np.float32(1),
        np.int64(3),
        {"x": np.ones(2)},
        (np.ones(2), 1),
        [np.ones(2)],
        Pair(np.ones(1), "a"),
        5,
    ],
    ids=str,
)
def test_conversion_has_pytorchs_structure_and_dtypes(sample):
    assert described(data.default_convert(sample)) == described(theirs.default_convert(sample))


@pytest.mark.parametrize(
    "samples",
    [[np.ones(2), np.ones(3)], [[1, 2], [1]], [None, None], [{"x": 1}, {"y": 1}], [np.array("a")], [object], []],
    ids=str,
)
def test_what_pytorch_cannot_collate_is_an_error_here(samples):
    for library in (data, theirs):
        with pytest.raises((RuntimeError, ValueError, TypeError, KeyError, IndexError)):
            library.default_collate(samples)


def test_the_gradients_of_samples_are_not_lost():
    for lib, library in ((tinytorch, data), (torch, theirs)):
        x = lib.tensor([1.0, 2.0]).requires_grad_()
        batch = library.default_collate([x, x * 3])
        (batch * lib.tensor([[1.0, 1.0], [1.0, 10.0]])).sum().backward()
        assert x.grad.tolist() == [4, 31]


class Numbers:
    """A dataset for both libraries."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __getitem__(self, index: int) -> int:
        return int(index)

    def __len__(self) -> int:
        return self.count


def stream(library: Any, count: int) -> Any:
    class Stream(library.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Any:
            return iter(range(count))

        def __len__(self) -> int:
            return count

    return Stream()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_size": 3},
    {"batch_size": 3, "drop_last": True},
    {"batch_size": None},
    {"batch_size": 20},
    {"batch_size": 20, "drop_last": True},
    {"batch_size": 4, "sampler": [5, 1, 1, 0, 2]},
    {"batch_size": None, "sampler": [5, 1]},
    {"batch_sampler": [[1, 2], [3]]},
    {"batch_size": 2, "num_workers": 2},
    {"batch_size": 2, "num_workers": 2, "prefetch_factor": 1, "persistent_workers": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_loaders_bring_the_same_batches(options):
    ours, other = (library.DataLoader(Numbers(10), **options) for library in (data, theirs))
    assert len(ours) == len(other)
    for _ in range(2):
        assert [described(batch) for batch in ours] == [described(batch) for batch in other]
    assert (ours.batch_size, ours.drop_last, ours.prefetch_factor) == (
        other.batch_size,
        other.drop_last,
        other.prefetch_factor,
    )


@pytest.mark.parametrize(
    "options", [{"batch_size": 3}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}], ids=str
)
def test_streams_bring_the_same_batches(options):
    ours, other = (library.DataLoader(stream(library, 7), **options) for library in (data, theirs))
    assert len(ours) == len(other)
    assert [described(batch) for batch in ours] == [described(batch) for batch in other]


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"num_workers": 1, "prefetch_factor": -1},
        {"persistent_workers": True},
        {"multiprocessing_context": "spawn"},
        {"num_workers": 1, "multiprocessing_context": "clone"},
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_sampler": [[0]], "sampler": [0]},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 1.5},
    ],
    ids=str,
)
def test_the_same_options_exclude_each_other(options):
    for library in (data, theirs):
        with pytest.raises(ValueError):
            library.DataLoader(Numbers(10), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}], ids=str)
def test_the_same_options_exclude_streams(options):
    for library in (data, theirs):
        with pytest.raises(ValueError):
            library.DataLoader(stream(library, 7), **options)


def test_the_loader_takes_its_options_in_pytorchs_order():
    ours, other = (list(inspect.signature(library.DataLoader).parameters.items()) for library in (data, theirs))
    for (name, parameter), (their_name, theirs_) in zip(ours, other, strict=False):
        assert (name, parameter.kind, parameter.default) == (their_name, theirs_.kind, theirs_.default)


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(10, [7, 3]), (10, [0.7, 0.3]), (11, [0.5, 0.5]), (13, [0.3, 0.3, 0.4]), (1000, [0.1] * 10), (1, [1])],
    ids=str,
)
def test_splits_have_the_same_lengths(count, lengths):
    ours, other = ([len(p) for p in library.random_split(Numbers(count), lengths)] for library in (data, theirs))
    assert ours == other


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.6], [0.5, 0.4], [-0.5, 1.5]], ids=str)
def test_splits_that_do_not_fit(lengths):
    for library in (data, theirs):
        with pytest.raises(ValueError):
            library.random_split(Numbers(10), lengths)


@pytest.mark.parametrize("num_samples", [None, 1, 4, 10, 25])
@pytest.mark.parametrize("replacement", [False, True])
def test_random_samplers_have_the_same_lengths_and_repetitions(num_samples, replacement):
    for library in (data, theirs):
        sampler = library.RandomSampler(Numbers(10), replacement, num_samples)
        drawn = list(sampler)
        assert len(sampler) == len(drawn) == (num_samples or 10)
        if not replacement:
            most = -(-len(drawn) // 10)
            assert max(np.bincount(drawn)) <= most


@pytest.mark.parametrize("make", ["RandomSampler", "WeightedRandomSampler", "BatchSampler"])
def test_samplers_refuse_what_pytorch_refuses(make):
    wrong: dict[str, list[tuple[Any, ...]]] = {
        "RandomSampler": [(Numbers(0),), (Numbers(3), False, 0), (Numbers(3), True, -1), (Numbers(3), 1)],
        "WeightedRandomSampler": [([1.0], 0), ([1.0], True), ([1.0], 1, 5), ([[1.0]], 1)],
        "BatchSampler": [([1], 0, False), ([1], True, False), ([1], 2, 1)],
    }
    for arguments in wrong[make]:
        for library in (data, theirs):
            with pytest.raises((ValueError, TypeError)):
                getattr(library, make)(*arguments)


def test_sums_of_datasets():
    for library in (data, theirs):
        dataset = library.TensorDataset((tinytorch if library is data else torch).arange(3))
        both = dataset + dataset
        assert (type(both).__name__, len(both)) == ("ConcatDataset", 6)
        assert [int(both[i][0]) for i in range(-6, 6)] == [0, 1, 2, 0, 1, 2] * 2
        chained = stream(library, 2) + stream(library, 3)
        assert (type(chained).__name__, list(chained), len(chained)) == ("ChainDataset", [0, 1, 0, 1, 2], 5)


def test_every_name_here_is_there():
    names = [name for name in vars(data) if not name.startswith("_") and name != "annotations"]
    assert len(names) == 17
    assert [name for name in names if not hasattr(theirs, name)] == []
