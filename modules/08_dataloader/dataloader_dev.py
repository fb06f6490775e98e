# %% [markdown]
"""
# 08 DataLoader
A network learns from batches: some samples, side by side in one tensor, in a new order each time. Somebody has to pick
them, fetch them, lay them side by side, and have the next batch ready when the network asks. This module builds that.

**You have** tensors (01) and everything that learns from them (02 to 07). **You build** datasets, samplers, `collate`,
and a `DataLoader` with worker processes.

    Dataset            Sampler               BatchSampler         fetch, collate
    one sample   <-    an order: 2 0 3 1  ->  [2 0] [3 1]    ->    tensors (2, ...)  ->  the network
    for an index

Each part is a few lines, and each can be replaced. At the end you measure what a batch costs, and when workers pay.
"""

# %%
#| default_exp core.dataloader
#| doc Data, a batch at a time: datasets, samplers, collation, and a loader with worker processes.

# %% tags=["imports"]
#| export
from __future__ import annotations

import bisect
import copy
import itertools
import math
import os
import pickle
import queue
import random
import signal
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from tinytorch.core.tensor import Array, Tensor, default_generator, from_numpy, manual_seed, tensor

if TYPE_CHECKING:  # what is for processes is imported where they start: it takes 10 ms, and most programs need none
    from multiprocessing.connection import Connection

# %% [markdown]
"""
## An epoch, by hand
Six points and the batch size 2. An epoch goes once through all of them:

    order      2  0  5  3  1  4            a permutation of 0 ... 5
    batches   [2  0][5  3][1  4]           two at a time

Why batches, and not one point after the other, or all at once? The gradient of one sample points roughly the right way.
The mean over n samples has the same direction and less noise: the noise falls with the root of n. So four times as many
samples make it twice as exact, at four times the price. With all 60,000 you would take one very exact step where a
thousand rough ones get further. And why a new order? Look at both, measured:
"""


# %%
from tinytorch.core.layers import Parameter
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import SGD


def epoch_by_hand(x: Tensor, y: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of one epoch."""
    order = default_generator().permutation(len(x))
    for start in range(0, len(x), batch_size):
        indices = order[start : start + batch_size]
        yield x[indices], y[indices]


def noise_of_a_gradient(batch_size: int) -> float:
    """Return how far the gradients of the batches of an epoch are from each other, as a standard deviation."""
    manual_seed(0)
    x = Tensor(default_generator().standard_normal(4096))
    y = x * 2 + Tensor(default_generator().standard_normal(4096))
    w = Parameter([1.0])
    gradients = []
    for some_x, some_y in epoch_by_hand(x, y, batch_size):
        w.zero_grad()
        ((some_x * w - some_y) ** 2).mean().backward()
        assert w.grad is not None
        gradients.append(w.grad.item())
    return float(np.std(gradients))


def blobs(count: int = 2000, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Return points in the plane, around one centre for each class, all of one class after the other."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) * classes // count
    angles = labels * 2 * np.pi / classes
    points = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.standard_normal((count, 2)) * 0.8
    return Tensor(points), tensor(labels)


def accuracy_after(batches: Iterable[Any], epochs: int = 1) -> float:
    """Return which part of the points a linear classifier gets right that has learned from some batches."""
    w, b = Parameter(np.zeros((2, 4), np.float32)), Parameter(np.zeros(4, np.float32))
    optimizer, loss_of = SGD([w, b], lr=0.5), CrossEntropyLoss()
    for _ in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            loss_of(x @ w + b, y).backward()
            optimizer.step()
    x, y = blobs()
    return float(((x @ w + b).argmax(1) == y).float().mean().item())


def experiment_noise() -> None:
    for size in (1, 4, 16, 64):
        print(f"batches of {size:2}: the gradient varies by {noise_of_a_gradient(size):.2f}")


def experiment_shuffle() -> None:
    x, y = blobs()
    in_order = [(x[i : i + 20], y[i : i + 20]) for i in range(0, 2000, 20)]
    manual_seed(0)
    print(f"one class after the other: {accuracy_after(in_order):.0%} right")
    print(f"shuffled:                  {accuracy_after(epoch_by_hand(x, y, 20)):.0%} right")


def test_unit_four_times_the_batch_halves_the_noise() -> None:
    assert 1.6 < noise_of_a_gradient(4) / noise_of_a_gradient(16) < 2.4


def test_unit_an_epoch_meets_every_sample_once() -> None:
    x = Tensor([0, 1, 2, 3, 4, 5])
    seen = [some.tolist() for some, _ in epoch_by_hand(x, x, 4)]
    assert [len(some) for some in seen] == [4, 2]
    assert sorted(itertools.chain(*seen)) == [0, 1, 2, 3, 4, 5]


# %% [markdown]
"""
## A dataset
A dataset answers two questions: how many samples are there, and what is sample number i? That is all. Whether it reads
files, cuts a long text or calculates is its own affair.

    class Squares(Dataset):
        def __getitem__(self, index): return index, index**2
        def __len__(self): return 100

Some data have no numbers, because they come as a stream: a socket, a log, a file too large to count. These are
`IterableDataset`s, and only answer "what comes next?".

This cell is given. A sum of datasets is one after the other: `a + b`.
"""


# %% tags=["dataset"]
#| export
_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


def length(data: Any) -> int:
    """Return ``len(data)``; the error says what a dataset needs."""
    try:
        return len(data)
    except TypeError as error:
        raise TypeError(
            f"{type(data).__name__} does not say how many samples it has: {error}. Give it a __len__(), or make it an "
            "IterableDataset if nobody can know."
        ) from None


class Dataset(Generic[_T_co]):
    """Samples with numbers: a subclass writes ``__getitem__(index)`` and ``__len__()``.

    It may also write ``__getitems__(indices)``, which returns the list of several samples, where that is cheaper than
    one after the other.

    Notes
    -----
    Source: ``torch.utils.data.Dataset``.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __getitem__(self, index):
    ...         return index, index**2
    ...
    ...     def __len__(self):
    ...         return 4
    >>> for batch in DataLoader(Squares(), batch_size=2):
    ...     print(batch)
    [tensor([0, 1]), tensor([0, 1])]
    [tensor([2, 3]), tensor([4, 9])]
    """

    def __getitem__(self, index: Any) -> _T_co:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(index).")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[_T_co]):
    """Samples that come one after the other, without numbers: a subclass writes ``__iter__()``.

    Each worker process iterates over a copy of its own. Ask `get_worker_info` in ``__iter__`` which part is this
    worker's, or every sample comes once from each.
    """

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__().")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ChainDataset([self, other])


class ConcatDataset(Dataset[_T_co]):
    """Several datasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[_T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset got no datasets. Give it a list of at least one.")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise ValueError("ConcatDataset needs samples with numbers. Use ChainDataset for an IterableDataset.")
        self.cumulative_sizes = list(itertools.accumulate(length(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> _T_co:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no sample {index} in a dataset of {len(self)}.")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[_T_co]):
    """Several streams, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[_T_co]]) -> None:
        self.datasets = list(datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"ChainDataset joins IterableDatasets, but got {type(dataset).__name__}.")

    def __iter__(self) -> Iterator[_T_co]:
        return itertools.chain.from_iterable(dataset for dataset in self.datasets)  # type: ignore[misc]

    def __len__(self) -> int:
        return sum(length(dataset) for dataset in self.datasets)


# %%
class Squares(Dataset[tuple[int, int]]):
    """Numbers, and their squares."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __getitem__(self, index: int) -> tuple[int, int]:
        return index, index**2

    def __len__(self) -> int:
        return self.count


def message_of(call: Callable[[], object]) -> str:
    """Return the message of the error that `call` raises."""
    try:
        call()
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        return str(error)
    raise AssertionError("no error was raised")


def test_unit_a_sum_of_datasets_is_one_after_the_other() -> None:
    both = Squares(3) + Squares(2)
    assert [both[i] for i in range(5)] == [(0, 0), (1, 1), (2, 4), (0, 0), (1, 1)]
    assert (length(both), both[-2]) == (5, (0, 0))
    assert "no sample 5" in message_of(lambda: both[5])


# %% [markdown]
"""
## Tensors as a dataset
Often the data are in memory already: images `(60000, 1, 28, 28)`, labels `(60000,)`. Sample i is row i of each:

    images  [[0 1]         labels  [7         dataset[1]  ->  (images[1], labels[1])  =  ([2 3], 8)
             [2 3]                  8
             [4 5]]                 9]

**Exercise**: `__getitem__` and `__len__` of `TensorDataset`. The index may also be a list or a slice; then the answer
is a tuple of several rows each, and nothing has to be written for it.
"""


# %% tags=["tensor_dataset"]
#| export
class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Rows of tensors: sample i is row i of each.

    Parameters
    ----------
    tensors
        With equally many rows. They are not copied.

    Raises
    ------
    TypeError
        If something is no tensor.
    ValueError
        If there is no tensor, or if they have different numbers of rows.

    Examples
    --------
    >>> dataset = TensorDataset(Tensor([[1, 2], [3, 4]]), Tensor([5, 6]))
    >>> dataset[1]
    (tensor([3., 4.]), tensor(6.))
    """

    def __init__(self, *tensors: Tensor) -> None:
        for t in tensors:
            if not isinstance(t, Tensor):
                raise TypeError(f"TensorDataset holds tensors, but got {type(t).__name__}. Wrap it: tensor(...).")
        shapes = [t.shape for t in tensors]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(f"TensorDataset needs tensors with equally many rows, but got shapes {shapes}.")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        ### BEGIN SOLUTION
        return tuple(t[index] for t in self.tensors)
        ### END SOLUTION

    def __len__(self) -> int:
        ### BEGIN SOLUTION
        return len(self.tensors[0])
        ### END SOLUTION


# %%
def test_unit_a_sample_is_a_row_of_each() -> None:
    dataset = TensorDataset(Tensor([[0, 1], [2, 3], [4, 5]]), tensor([7, 8, 9]))
    image, label = dataset[1]
    assert (image.tolist(), label.item(), len(dataset)) == ([2.0, 3.0], 8, 3)
    assert dataset[[2, 0]][1].tolist() == [9, 7]
    assert "shapes [(2,), (3,)]" in message_of(lambda: TensorDataset(Tensor([1, 2]), Tensor([1, 2, 3])))


# %% [markdown]
"""
## Parts of a dataset
A network is judged on data it has not learned from. So a dataset is split before anything else. Nothing is copied for
that: a `Subset` is a dataset and a list of numbers.

    dataset        a b c d e f
    indices        4 1 5               subset[0] -> dataset[4] = e

**Exercise**: `Subset`. Its sample i is the dataset's sample `indices[i]`.
"""


# %% tags=["subset"]
#| export
class Subset(Dataset[_T_co]):
    """Some samples of a dataset, by their numbers."""

    def __init__(self, dataset: Dataset[_T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> _T_co:
        ### BEGIN SOLUTION
        return self.dataset[self.indices[index]]
        ### END SOLUTION

    def __len__(self) -> int:
        ### BEGIN SOLUTION
        return len(self.indices)
        ### END SOLUTION

    def __getitems__(self, indices: Sequence[int]) -> Sequence[_T_co]:
        """Return several samples, all at once if the dataset can."""
        return samples_of(self.dataset, [self.indices[i] for i in indices])


def samples_of(dataset: Any, indices: Sequence[int]) -> Sequence[Any]:
    """Return several samples of a dataset: by its ``__getitems__`` if it has one, or one after the other.

    A subclass that writes `__getitem__` alone means it: then an inherited ``__getitems__`` does not count.
    """
    for kind in type(dataset).__mro__:
        if "__getitems__" in vars(kind):
            samples: Sequence[Any] = dataset.__getitems__(indices)
            return samples
        if "__getitem__" in vars(kind):
            break
    return [dataset[i] for i in indices]


# %%
def test_unit_a_subset_looks_up_its_numbers() -> None:
    some = Subset(Squares(6), [4, 1, 5])
    assert ([some[i] for i in range(3)], len(some)) == ([(4, 16), (1, 1), (5, 25)], 3)


# %% [markdown]
"""
The numbers are drawn: a permutation of all of them, cut at the lengths.

    permutation   4 1 5 0 3 2        lengths 4 and 2   ->   [4 1 5 0]  [3 2]

Without the permutation the test set would be the last samples, which may all be of one class, or of one day.

**Exercise**: `random_split`. `permutation` is there; cut it, and make a `Subset` of each piece. Fractions that sum up
to 1 have been turned into lengths by the given lines.
"""


# %% tags=["random_split"]
#| export
def check_generator(generator: Any) -> np.random.Generator | None:
    """Return `generator`, which has to be one of NumPy's, or None for the one of this package."""
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"generator has to be a np.random.Generator or None, but got {type(generator).__name__}. "
            "Use np.random.default_rng(seed)."
        )
    return generator


def split_lengths(count: int, fractions: Sequence[float]) -> list[int]:
    """Return lengths that sum up to `count`; what rounding leaves over goes to the first ones, one each."""
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"random_split: fraction {i} is {fraction}, not between 0 and 1.")
    lengths = [math.floor(count * fraction) for fraction in fractions]
    for i in range(count - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, n in enumerate(lengths):
        if n == 0:
            warnings.warn(f"random_split: part {i} has no samples.", stacklevel=3)
    return lengths


def random_split(
    dataset: Dataset[_T], lengths: Sequence[float], generator: np.random.Generator | None = None
) -> list[Subset[_T]]:
    """Split a dataset by chance into parts that share nothing.

    Parameters
    ----------
    dataset
        What to split.
    lengths
        How many samples each part shall have, or fractions that sum up to 1.
    generator
        Where the permutation is drawn; the generator of this package if it is None.

    Raises
    ------
    ValueError
        If the lengths do not sum up to the number of samples.

    Examples
    --------
    >>> train, test = random_split(TensorDataset(Tensor([1, 2, 3, 4, 5])), [0.8, 0.2])
    >>> len(train), len(test)
    (4, 1)
    """
    count = length(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = split_lengths(count, lengths)
    if sum(lengths) != count or min(lengths) < 0 or not all(isinstance(n, int) for n in lengths):
        raise ValueError(
            f"random_split: lengths {list(lengths)} do not sum up to the {count} samples of the dataset. "
            "Use such lengths, or fractions that sum up to 1."
        )
    permutation = (check_generator(generator) or default_generator()).permutation(count).tolist()
    ### BEGIN SOLUTION
    ends = list(itertools.accumulate(int(n) for n in lengths))
    return [Subset(dataset, permutation[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    ### END SOLUTION


# %%
def test_unit_a_split_gives_every_sample_to_one_part() -> None:
    parts = random_split(Squares(10), [7, 3], np.random.default_rng(0))
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(itertools.chain(*(part.indices for part in parts))) == list(range(10))
    assert [len(part) for part in random_split(Squares(10), [0.5, 0.25, 0.25])] == [6, 2, 2]


# %% [markdown]
"""
## Samplers: an order
A sampler yields numbers, in the order in which their samples shall come. `SequentialSampler` counts. `RandomSampler`
draws: without replacement, a permutation, so that an epoch meets every sample once; with replacement, each number
anew, so that some come twice and some not at all (about 37 % of them, in an epoch of n draws from n).

**Exercise**: `RandomSampler.__iter__`. It yields `num_samples` numbers below `count`. With replacement,
`generator.integers` draws them. Without, yield permutations, one after the other, and cut the last one: 5 numbers from
3 samples are one permutation and two numbers of the next.

The generator is drawn from when the epoch begins. Where none is given, the epoch gets one of its own, whose seed comes
from `default_generator()`: so what the network draws for its dropout does not disturb the order, nor the other way
round.
"""


# %% tags=["random_sampler"]
#| export
class Sampler(Generic[_T_co]):
    """An order of samples: a subclass writes ``__iter__()``, and ``__len__()`` if it can say how many."""

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__().")


class SequentialSampler(Sampler[int]):
    """All samples in the order of their numbers."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(length(self.data_source)))

    def __len__(self) -> int:
        return length(self.data_source)


def check_count(name: str, value: Any) -> None:
    """Raise a ValueError unless `value` is an integer above 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} must be an integer above 0, but got {value!r}.")


def fresh_generator(generator: np.random.Generator | None) -> np.random.Generator:
    """Return `generator`; if it is None a new one, with a seed from the generator of this package."""
    return generator if generator is not None else np.random.default_rng(draw_seed(None))


def draw_seed(generator: np.random.Generator | None) -> int:
    """Return a number of 63 random bits."""
    return int((generator if generator is not None else default_generator()).integers(2**63))


class RandomSampler(Sampler[int]):
    """Samples in a random order, a new one each time.

    Parameters
    ----------
    data_source
        A dataset.
    replacement
        Whether a sample may come again before all have come.
    num_samples
        How many numbers an epoch has; as many as there are samples if it is None.
    generator
        Where they are drawn.
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement must be True or False, but got {replacement!r}.")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = check_generator(generator)
        check_count("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many numbers an epoch has."""
        return length(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator, count = fresh_generator(self.generator), length(self.data_source)
        ### BEGIN SOLUTION
        if self.replacement:
            yield from generator.integers(count, size=self.num_samples).tolist()
        else:
            for start in range(0, self.num_samples, count):
                yield from generator.permutation(count)[: self.num_samples - start].tolist()
        ### END SOLUTION

    def __len__(self) -> int:
        return self.num_samples


# %%
def test_unit_a_random_sampler_meets_every_sample_once() -> None:
    manual_seed(0)
    sampler = RandomSampler(Squares(8))
    first, second = list(sampler), list(sampler)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(8))
    five = list(RandomSampler(Squares(3), num_samples=5))
    assert (sorted(five[:3]), len(set(five[3:]))) == ([0, 1, 2], 2)
    assert len(set(RandomSampler(Squares(1000), replacement=True))) < 700


# %% [markdown]
"""
Two more orders are given. `SubsetRandomSampler` shuffles numbers that you choose. `WeightedRandomSampler` draws each
number with a probability of its own: where one class is rare, its samples can come as often as the others.
"""


# %% tags=["more_samplers"]
#| export
class SubsetRandomSampler(Sampler[int]):
    """Some samples in a random order, a new one each time."""

    def __init__(self, indices: Sequence[int], generator: np.random.Generator | None = None) -> None:
        self.indices = indices
        self.generator = check_generator(generator)

    def __iter__(self) -> Iterator[int]:
        for i in fresh_generator(self.generator).permutation(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Samples drawn with a probability each.

    Parameters
    ----------
    weights
        One for each sample, 0 or more; they need not sum up to 1.
    num_samples
        How many numbers an epoch has.
    replacement
        Whether a sample may come again.
    generator
        Where they are drawn.
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor | Array,
        num_samples: int,
        replacement: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        check_count("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement must be True or False, but got {replacement!r}.")
        self.weights = Tensor(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"weights must be a list of numbers, but got shape {self.weights.shape}.")
        array = self.weights.data
        if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
            raise ValueError("weights must be finite, 0 or more, and one of them above 0.")
        if not replacement and num_samples > np.count_nonzero(array):
            raise ValueError(
                f"{num_samples} different samples cannot be drawn: only {np.count_nonzero(array)} have a weight above "
                "0. Draw fewer, or with replacement."
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = check_generator(generator)

    def __iter__(self) -> Iterator[int]:
        chances = self.weights.data / self.weights.data.sum()
        generator = fresh_generator(self.generator)
        yield from generator.choice(len(chances), self.num_samples, self.replacement, chances).tolist()

    def __len__(self) -> int:
        return self.num_samples


# %%
def test_unit_weights_say_how_often() -> None:
    drawn = list(WeightedRandomSampler([1.0, 0.0, 3.0], 1000, generator=np.random.default_rng(0)))
    assert 1 not in drawn
    assert 650 < drawn.count(2) < 850


# %% [markdown]
"""
## Batches of numbers
A batch sampler takes numbers from another sampler and hands them on in lists:

    numbers   0 1 2 3 4 5 6          batch_size 3     [0 1 2] [3 4 5] [6]
                                     drop_last        [0 1 2] [3 4 5]

The last list may be short. Some networks want all batches alike, and a very short one has a very noisy gradient: then
drop it.

**Exercise**: `BatchSampler.__iter__` and `__len__`. The numbers may be endless, so take them as they come.
`itertools.islice(numbers, n)` takes the next n of an iterator, or what is left.
"""


# %% tags=["batch_sampler"]
#| export
class BatchSampler(Sampler[list[int]]):
    """Numbers of another sampler, in lists.

    Examples
    --------
    >>> list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False))
    [[0, 1, 2], [3, 4, 5], [6]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        check_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last must be True or False, but got {drop_last!r}.")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        ### BEGIN SOLUTION
        while batch := list(itertools.islice(numbers, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch
        ### END SOLUTION

    def __len__(self) -> int:
        count = length(self.sampler)
        ### BEGIN SOLUTION
        return count // self.batch_size if self.drop_last else math.ceil(count / self.batch_size)
        ### END SOLUTION


# %%
def test_unit_the_last_batch_is_short_or_dropped() -> None:
    whole, dropped = (BatchSampler(range(7), 3, drop_last) for drop_last in (False, True))
    assert list(whole) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(dropped) == [[0, 1, 2], [3, 4, 5]]
    assert (len(whole), len(dropped)) == (3, 2)


# %% [markdown]
"""
## Collating: samples become a batch
A batch is a list of samples; the network wants tensors. To collate is to lay them side by side, on a new first axis:

    (3,)  [1 2 3]
    (3,)  [4 5 6]      ->     (2, 3)  [[1 2 3]
                                       [4 5 6]]

That needs equal shapes. Where sample 5 has another shape than sample 0 nothing sensible can be done here, so the error
names both and says what to do.

**Exercise**: `stack`. The shapes have been checked. `np.array` of a list of arrays makes such an array; so does
`np.stack`.
"""


# %% tags=["stack"]
#| export
def stack(arrays: Sequence[Array]) -> Tensor:
    """Return arrays of one shape side by side, on a new first axis.

    Raises
    ------
    ValueError
        If their shapes differ.
    TypeError
        If they do not hold numbers.
    """
    shape = arrays[0].shape
    for i, array in enumerate(arrays):
        if array.shape != shape:
            raise ValueError(
                f"default_collate: sample 0 has shape {shape}, but sample {i} has {array.shape}. A batch needs equal "
                "shapes: crop, pad or resize in the dataset, or give the DataLoader a collate_fn that does."
            )
    if arrays[0].dtype.kind not in "biuf":
        raise TypeError(f"default_collate: a batch holds numbers, but sample 0 is an array of {arrays[0].dtype}.")
    ### BEGIN SOLUTION
    return from_numpy(np.array(arrays))
    ### END SOLUTION


# %%
def test_unit_a_stack_has_a_new_first_axis() -> None:
    rows = stack([np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])])
    assert (rows.shape, rows.dtype, rows.tolist()) == ((2, 3), np.float64, [[1, 2, 3], [4, 5, 6]])
    assert "sample 0 has shape (2,), but sample 1 has (3,)" in message_of(lambda: stack([np.ones(2), np.ones(3)]))


# %% [markdown]
"""
Samples are seldom bare arrays. They are pairs of image and label, or dicts of parts, or pairs of a dict and a number.
What holds for the parts holds for the whole: **a batch of pairs is a pair of batches**.

    [(image0, 7),                [stack([image0, image1]),
     (image1, 2)]         ->      tensor([7, 2])]

    [{"text": "a", "n": 1},      {"text": ["a", "b"],
     {"text": "b", "n": 2}] ->    "n": tensor([1, 2])}

`zip(*samples)` turns a list of pairs into a pair of lists. Then each of the lists is collated in the same way, by the
same function. The bottom of this recursion is given: tensors and arrays are stacked, numbers become a tensor (of
float64 for Python's floats, as in PyTorch), texts stay as they are.

**Exercise**: three cases in `default_collate`. For a mapping, return `like(first, ...)` around a dict with a collated
entry for each key. A named tuple becomes a named tuple of collated columns, `type(first)(*columns)`. Any other
sequence, tuples too, becomes a list of them.
"""


# %% tags=["default_collate"]
#| export
def like(first: Mapping[Any, Any], entries: dict[Any, Any]) -> Any:
    """Return a mapping of the type of `first` with other entries; a dict where the type does not let itself be made."""
    if isinstance(first, MutableMapping):
        clone = copy.copy(first)
        clone.update(entries)
        return clone
    try:
        return type(first)(entries)  # type: ignore[call-arg]
    except TypeError:
        return entries


def column(samples: Sequence[Mapping[Any, Any]], key: Any) -> list[Any]:
    """Return the entries of all samples under a key."""
    for i, sample in enumerate(samples):
        if key not in sample:
            raise KeyError(f"default_collate: sample 0 has the key {key!r}, but sample {i} has only {list(sample)}.")
    return [sample[key] for sample in samples]


def check_lengths(samples: Sequence[Sequence[Any]]) -> None:
    """Raise a ValueError unless all samples have as many parts as the first."""
    for i, sample in enumerate(samples):
        if len(sample) != len(samples[0]):
            raise ValueError(
                f"default_collate: sample 0 has {len(samples[0])} parts, but sample {i} has {len(sample)}. They must "
                "be equal; lists of different lengths need a collate_fn that pads them."
            )


def default_collate(batch: Sequence[Any]) -> Any:
    """Return samples as a batch: tensors with one more axis, in the structure that each sample has.

    Parameters
    ----------
    batch
        Samples of one kind: tensors, arrays, numbers, texts, or mappings, tuples and lists of these.

    Returns
    -------
    object
        Tensors for tensors, arrays and numbers; lists for texts, tuples and lists; mappings and named tuples of the
        type that the samples have.

    Raises
    ------
    ValueError
        If shapes or lengths differ, or if the batch is empty.
    TypeError
        If a sample holds something else.

    Examples
    --------
    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    >>> default_collate([{"x": 0.5}, {"x": 1.5}])
    {'x': tensor([0.5, 1.5], dtype=float64)}
    """
    if isinstance(batch, Rows):
        return list(batch.columns)
    if not len(batch):
        raise ValueError("default_collate: there are no samples in this batch. Does the sampler yield an empty list?")
    first = batch[0]
    if isinstance(first, Tensor):
        if any(t.requires_grad for t in batch):
            return np.stack(batch)  # the package's operation, which keeps the gradients
        return stack([t.data for t in batch])
    if isinstance(first, np.ndarray):
        return stack(batch)
    if isinstance(first, np.bool_ | np.number):
        return from_numpy(np.array(batch))
    if isinstance(first, float):
        return from_numpy(np.array(batch, np.float64))
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        ### BEGIN SOLUTION
        return like(first, {key: default_collate(column(batch, key)) for key in first})
        ### END SOLUTION
    if isinstance(first, Sequence):
        check_lengths(batch)
        ### BEGIN SOLUTION
        columns = [default_collate(parts) for parts in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
        ### END SOLUTION
    raise TypeError(
        f"default_collate lays tensors, arrays, numbers, texts, mappings and sequences side by side, but got "
        f"{type(first).__name__}. Give the DataLoader a collate_fn that knows what to do with it."
    )


def default_convert(sample: Any) -> Any:
    """Return a sample with its arrays as tensors; what a loader without batches does."""
    if isinstance(sample, np.ndarray) and sample.dtype.kind in "biuf":
        return from_numpy(sample)
    if isinstance(sample, np.bool_ | np.number):
        return from_numpy(np.asarray(sample))
    if isinstance(sample, Mapping):
        return like(sample, {key: default_convert(part) for key, part in sample.items()})
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return type(sample)(*(default_convert(part) for part in sample))
    if isinstance(sample, list | tuple):
        return [default_convert(part) for part in sample]
    return sample


class Rows(Sequence[Any]):
    """Samples that are rows of tensors, and lie side by side already."""

    def __init__(self, columns: tuple[Tensor, ...]) -> None:
        self.columns = columns

    def __getitem__(self, index: Any) -> Any:
        return tuple(t[index] for t in self.columns)

    def __len__(self) -> int:
        return len(self.columns[0])


# %%
def test_unit_a_batch_of_pairs_is_a_pair_of_batches() -> None:
    images, labels = default_collate([(np.zeros((2, 2)), 7), (np.ones((2, 2)), 2)])
    assert (images.shape, labels.tolist()) == ((2, 2, 2), [7, 2])
    batch = default_collate([{"text": "a", "n": 1}, {"text": "b", "n": 2}])
    assert (batch["text"], batch["n"].tolist()) == (["a", "b"], [1, 2])
    nested = default_collate([({"x": 1}, [0.5]), ({"x": 2}, [1.5])])
    assert (nested[0]["x"].tolist(), nested[1][0].tolist()) == ([1, 2], [0.5, 1.5])


# %% [markdown]
"""
## A batch at once
Sixty-four samples of a `TensorDataset` are 64 calls, 128 small tensors, and a collation that lays them side by side
again. But they did lie side by side. One index does the same:

    dataset[[2, 0]]     ->     (images[[2, 0]], labels[[2, 0]])         what the batch shall be

So a dataset may have `__getitems__(indices)`. PyTorch asks it for the list of several samples. Ours may return `Rows`,
which looks like that list, and whose columns are finished: `default_collate` has only to hand them on.

**Exercise**: `TensorDataset.__getitems__`. `self[...]` of a list of numbers gives the columns.
"""


# %% tags=["rows"]
#| export
class TensorDataset(TensorDataset):
    def __getitems__(self, indices: Sequence[int]) -> Rows:
        """Return several samples, by one index into each tensor."""
        ### BEGIN SOLUTION
        return Rows(self[list(indices)])
        ### END SOLUTION


# %%
def test_unit_rows_are_what_the_samples_would_be() -> None:
    dataset = TensorDataset(Tensor([[0, 1], [2, 3], [4, 5]]), tensor([7, 8, 9]))
    rows = dataset.__getitems__([2, 0])
    assert [(image.tolist(), label.item()) for image, label in rows] == [([4, 5], 9), ([0, 1], 7)]
    images, labels = default_collate(rows)
    assert (images.tolist(), labels.tolist()) == ([[4, 5], [0, 1]], [9, 7])
    images.data[...] = -1
    assert dataset[2][0].tolist() == [4, 5]  # a batch is a copy: whoever changes it leaves the data alone


# %% [markdown]
"""
## Fetching
Now numbers become a batch. What a fetcher does depends on the kind of data:

    samples with numbers       fetch([2, 0])       samples 2 and 0, collated
    a stream                   fetch([_, _])       the next two, collated; END when there are none

A loader without batches (`batch_size=None`) asks for one number, and gets that sample as it is, or the next one.

**Exercise**: `MapFetcher.__call__`, for samples with numbers. `samples_of(dataset, indices)` is the list of several
samples. Where there are no batches, the `index` is one number.
"""


# %% tags=["fetch"]
#| export
class End:
    """What is fetched from a stream that has come to its end."""


class MapFetcher:
    """Fetches samples with numbers.

    Parameters
    ----------
    dataset
        Where they are.
    batched
        Whether several are asked for at a time.
    collate_fn
        What makes a batch of a list of samples; without batches, what is done to each sample.
    """

    def __init__(self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any]) -> None:
        self.dataset = dataset
        self.batched = batched
        self.collate_fn = collate_fn

    def collate(self, samples: Any) -> Any:
        """Return what `collate_fn` makes of the samples."""
        if isinstance(samples, Rows) and self.collate_fn is not default_collate:
            samples = list(samples)  # a function of somebody else's may want to sort them
        return self.collate_fn(samples)

    def __call__(self, index: Any) -> Any:
        """Return the batch of a list of numbers, or the sample of one."""
        ### BEGIN SOLUTION
        return self.collate(samples_of(self.dataset, index) if self.batched else self.dataset[index])
        ### END SOLUTION


class StreamFetcher:
    """Fetches what comes next in a stream."""

    def __init__(
        self, dataset: IterableDataset[Any], batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.samples = iter(dataset)
        self.batched = batched
        self.collate_fn = collate_fn
        self.drop_last = drop_last

    def __call__(self, index: Any) -> Any:
        """Return the next batch, of as many samples as `index` has places, or the next sample."""
        samples = list(itertools.islice(self.samples, len(index) if self.batched else 1))
        if not samples or (self.batched and self.drop_last and len(samples) < len(index)):
            return End()
        return self.collate_fn(samples if self.batched else samples[0])


@dataclass(frozen=True)
class FetcherMaker:
    """Makes fetchers; a function inside of another one could not be sent to a spawned worker."""

    dataset: Any
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool

    def __call__(self) -> Callable[[Any], Any]:
        """Return a fetcher that begins with the beginning."""
        if isinstance(self.dataset, IterableDataset):
            return StreamFetcher(self.dataset, self.batched, self.collate_fn, self.drop_last)
        return MapFetcher(self.dataset, self.batched, self.collate_fn)


# %%
class Countdown(IterableDataset[int]):
    """A stream: 4, 3, 2, 1, 0."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(4, -1, -1))


def test_unit_fetchers_make_batches() -> None:
    numbers, squares = MapFetcher(Squares(9), True, default_collate)([8, 2])
    assert (numbers.tolist(), squares.tolist()) == ([8, 2], [64, 4])
    assert MapFetcher(Squares(9), False, default_convert)(3) == [3, 9]
    fetch = StreamFetcher(Countdown(), True, default_collate, drop_last=True)
    assert [fetch([None, None]).tolist() for _ in range(2)] == [[4, 3], [2, 1]]
    assert isinstance(fetch([None, None]), End)


# %% [markdown]
"""
## Several processes
Everything so far happens in one process: the network waits while a batch is fetched, and nothing is fetched while the
network calculates. Python runs one thread at a time, so other threads would not help with samples that take
calculating. Other *processes* do. Each has a copy of the dataset, and between two processes there is a queue:

         this process                                       worker 0
    task 0: numbers [2 0] --------------------------->  fetch([2 0])
    task 2: numbers [5 1] --------------------------->       |
              (0, batch)  <---------------------------  (0, batch)

Tasks go down, batches come up, and each carries its task's number. This is a worker's whole life: take a task, fetch,
send, until there are no more tasks. An exception must not end it: it is caught, and sent in the place of the batch.

**Exercise**: `work`. For each `(number, index)` of `tasks` send `(number, result)`. The result is `fetch(index)`, or
`failure(error)` if that raises an `Exception`.
"""


# %% tags=["work"]
#| export
@dataclass(frozen=True)
class WorkerInfo:
    """Who a worker process is: its number, how many there are, its seed, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return who this worker process is; None in the process of the loader."""
    return _worker_info


@dataclass(frozen=True)
class Failure:
    """What a worker sends in the place of a batch: an exception, and where it came from."""

    error: Exception
    note: str


def failure(error: Exception) -> Failure:
    """Return an exception in a form that another process can read: with its traceback as text."""
    who = f"worker process {_worker_info.id}" if _worker_info else "a worker"
    note = f"Caught in {who} of a DataLoader. There the traceback was:\n\n{''.join(traceback.format_exception(error))}"
    try:
        arrives = type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # whatever its class does when it is made again
        arrives = False
    if not arrives or isinstance(error, StopIteration):  # that would end the loop, as if all data had come
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return Failure(error, note)


Task = tuple[Any, Any]  # its number, and what to fetch


def work(tasks: Iterable[Task], fetch: Callable[[Any], Any], send: Callable[[tuple[Any, Any]], None]) -> None:
    """Do the tasks, and send each result with the number of its task."""
    ### BEGIN SOLUTION
    for number, index in tasks:
        try:
            result = fetch(index)
        except Exception as error:
            result = failure(error)
        send((number, result))
    ### END SOLUTION


# %%
def test_unit_a_worker_sends_a_result_for_each_task() -> None:
    sent: list[Any] = []
    work([(0, 4), (2, 0), (4, 1)], lambda index: 8 // index, sent.append)
    assert [number for number, _ in sent] == [0, 2, 4]
    assert (sent[0][1], sent[2][1]) == (2, 8)
    assert isinstance(sent[1][1].error, ZeroDivisionError)
    assert "8 // index" in sent[1][1].note


# %% [markdown]
"""
## In order
Two workers do not finish in turn. Batch 1 may be here before batch 0. Who trains must not notice: with the same seed,
the same batches in the same order, however busy the machine is. So what comes early waits:

    arrives     1        0          3       2
    waits       {1}      {}         {3}     {}
    goes on              0, 1               2, 3

**Exercise**: `in_order`. From pairs `(number, result)` in any order it yields the results in the order of their numbers
0, 1, 2, ..., each as soon as all before it are there. It must not wait for a pair that it does not need yet.
"""


# %% tags=["in_order"]
#| export
def in_order(arrivals: Iterable[tuple[int, _T]]) -> Iterator[_T]:
    """Yield numbered results in the order of their numbers, each as soon as it can be.

    Examples
    --------
    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    ### BEGIN SOLUTION
    early: dict[int, _T] = {}
    due = 0
    for number, result in arrivals:
        early[number] = result
        while due in early:
            yield early.pop(due)
            due += 1
    ### END SOLUTION


# %%
def test_unit_what_comes_early_waits() -> None:
    arrived: list[int] = []

    def arrivals() -> Iterator[tuple[int, str]]:
        for number in (1, 0, 3, 2):
            arrived.append(number)
            yield number, f"batch {number}"

    steps = [(result, len(arrived)) for result in in_order(arrivals())]
    assert steps == [("batch 0", 2), ("batch 1", 2), ("batch 2", 4), ("batch 3", 4)]


# %% [markdown]
"""
## The seeds of workers
Datasets draw random numbers: an image is turned a little, or mirrored. A worker process starts as a copy of this
process, and the state of every generator is copied with it. Without more ado all workers would draw the same numbers,
and the same again in the next epoch: half of the random crops would be repetitions. Many real trainings had that
mistake, and nothing in them failed.

So each worker gets a seed of its own, in each epoch: a `base_seed`, drawn from the loader's generator when the epoch
begins, plus the worker's number. There are three generators to seed: Python's `random.seed`, NumPy's `np.random.seed`,
which takes numbers of 32 bits, or several of them, and `manual_seed` of this package.

**Exercise**: `seed_worker`. Seed all three with `base_seed + worker_id` and return that number. For NumPy,
`np.random.SeedSequence(seed).generate_state(4)` makes four numbers of 32 bits. (It mixes them too, and it must:
`random` and `np.random` are the same algorithm, and would draw the same numbers from the same seed.)
"""


# %% tags=["seed_worker"]
#| export
def seed_worker(base_seed: int, worker_id: int) -> int:
    """Seed all generators of a worker process, and return the seed."""
    ### BEGIN SOLUTION
    seed = base_seed + worker_id
    random.seed(seed)
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))
    manual_seed(seed)
    return seed
    ### END SOLUTION


# %%
def draws() -> tuple[float, float, float]:
    """Return a number from each generator."""
    return random.random(), float(np.random.random()), float(default_generator().random())


def test_unit_workers_draw_different_numbers_and_the_same_ones_again() -> None:
    kept = random.getstate(), np.random.get_state()
    assert seed_worker(40, 2) == 42
    first = draws()
    seed_worker(40, 3)
    assert all(a != b for a, b in zip(first, draws(), strict=True))
    seed_worker(40, 2)
    assert draws() == first
    random.setstate(kept[0])
    np.random.set_state(kept[1])


# %% [markdown]
"""
## What a worker process does
The rest of a worker is plumbing, and given. A pipe (a `Connection`) leads to it. Down come tasks, and at the beginning
of an epoch its base seed. When the pipe is closed, the worker ends. When this process is killed, nobody closes
anything; so each second the worker asks who its parent is, and ends if that is another one. Ctrl-C reaches all
processes of a terminal: workers ignore it, and leave it to this process to say when to end.

Batches go up through a thread. Without it a worker would stand still until its batch has been taken; with it the next
batch is calculated meanwhile. The arrays are copied into the message before the thread gets it, so a dataset may use
one buffer again and again.
"""


# %% tags=["worker"]
#| export
PATIENCE = 5.0  # seconds that workers get to end by themselves


@dataclass(frozen=True)
class Job:
    """What all workers of a loader are told at the beginning."""

    dataset: Any
    make_fetcher: FetcherMaker
    init_fn: Callable[[int], None] | None
    num_workers: int


class Worker:
    """The inside of a worker process."""

    def __init__(self, connection: Connection, job: Job, worker_id: int) -> None:
        self.connection = connection
        self.job = job
        self.id = worker_id
        self.begun = False
        self.error: Exception | None = None
        self.outbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self.post, daemon=True).start()

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks that come, and begin an epoch where its seed comes."""
        for message in messages(self.connection):
            if isinstance(message, int):
                self.begin(message)
            else:
                yield message

    def begin(self, base_seed: int) -> None:
        """Begin an epoch; what goes wrong is kept for the first task, since only a task has an answer."""
        global _worker_info
        try:
            seed = seed_worker(base_seed, self.id)
            _worker_info = WorkerInfo(self.id, self.job.num_workers, seed, self.job.dataset)
            if self.job.init_fn is not None and not self.begun:
                self.job.init_fn(self.id)
            self.begun = True
            self.fetcher = self.job.make_fetcher()
            self.error = None
        except Exception as error:
            self.error = error

    def fetch(self, index: Any) -> Any:
        """Return the batch of a task."""
        if self.error is not None:
            raise self.error
        return self.fetcher(index)

    def send(self, result: tuple[Any, Any]) -> None:
        """Hand a result to the thread that posts it."""
        try:
            message = pickle.dumps(result, protocol=5)
        except Exception as error:  # a batch may hold anything
            message = pickle.dumps((result[0], failure(error)), protocol=5)
        self.outbox.put(message)

    def post(self) -> None:
        """Send what is in the outbox, as long as somebody reads."""
        try:
            while True:
                self.connection.send_bytes(self.outbox.get())
        except OSError:
            return  # the loader has gone, and the tasks end too


def messages(connection: Connection) -> Iterator[Any]:
    """Yield what comes through a pipe until its other end is closed, or the process there is gone."""
    parent = os.getppid()
    while os.getppid() == parent:  # a pipe is closed when all copies are, and forked processes have copies of both ends
        try:
            if connection.poll(1.0):
                yield connection.recv()
        except (EOFError, OSError):
            return


def run_worker(connection: Connection, job: Job, worker_id: int) -> None:
    """Be a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(connection, job, worker_id)
    work(worker.tasks(), worker.fetch, worker.send)


# %% [markdown]
"""
## Starting and stopping them
A process can be started in several ways. **Fork** copies this process as it is: it takes milliseconds, the dataset need
not be sent, and memory is shared until somebody writes into it. But only the thread that forks is copied: a lock that
another thread held stays locked for ever in the copy. **Spawn** starts a fresh interpreter: it imports everything anew
(a fraction of a second), and everything has to be pickled and sent. Here, as in PyTorch, it is fork on Linux, and
spawn on macOS and Windows, where fork is unsafe or missing; `multiprocessing_context` chooses another.

Stopping is harder than starting. The iterator may be dropped in the middle of an epoch, the program may end, the system
may have killed a worker. `weakref.finalize` calls `stop` when the workers are not used any more, and at the end of the
program if not before. Nothing of this is an exercise; read it once.
"""


# %% tags=["workers"]
#| export
def context_of(choice: Any) -> Any:
    """Return what starts processes in the chosen way, or in the one that suits this system if it is None."""
    import multiprocessing
    import multiprocessing.context

    known = multiprocessing.get_all_start_methods()
    if choice is None:
        choice = "fork" if sys.platform == "linux" else multiprocessing.get_start_method()
    elif isinstance(choice, str) and choice not in known:
        raise ValueError(f"multiprocessing_context must be one of {known} here, but got {choice!r}.")
    elif not isinstance(choice, str | multiprocessing.context.BaseContext):
        raise TypeError(f"multiprocessing_context must be a string or a context, but got {type(choice).__name__}.")
    return multiprocessing.get_context(choice) if isinstance(choice, str) else choice


@contextmanager
def without_interrupts(context: Any) -> Iterator[None]:
    """Hold Ctrl-C back while processes start, so that it cannot reach one that does not ignore it yet."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    if context.get_start_method() != "fork":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # or else it starts below, and lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hang_up(connection: Connection) -> None:
    """Close a pipe, also for forked processes that have a copy of this end without knowing."""
    if sys.platform != "win32":
        import socket

        with socket.socket(fileno=os.dup(connection.fileno())) as end, suppress(OSError):  # the other end may be gone
            end.shutdown(socket.SHUT_RDWR)
    connection.close()


def stop(owner: int, processes: list[Any], connections: list[Connection]) -> None:
    """End processes: close their pipes, wait, and end those by force that do not listen."""
    if os.getpid() != owner:
        return  # a forked copy of the loader is dropped; the workers are not its own
    for connection in connections:
        hang_up(connection)
    for end, limit in ((None, PATIENCE), ("terminate", 1.0), ("kill", None)):
        until = time.monotonic() + (limit or 0.0)
        for process in processes:
            if end and process.is_alive():
                getattr(process, end)()
        for process in processes:
            process.join(None if limit is None else max(0.0, until - time.monotonic()))
    for process in processes:
        process.close()


class Workers:
    """Worker processes and the pipes to them."""

    def __init__(self, job: Job, context: Any) -> None:
        self.processes: list[Any] = []
        self.connections: list[Connection] = []
        self.close = weakref.finalize(self, stop, os.getpid(), self.processes, self.connections)
        self.epoch = 0
        try:
            with without_interrupts(context):
                for i in range(job.num_workers):
                    self._start(job, context, i)
        except BaseException:
            self.close()
            raise

    def _start(self, job: Job, context: Any, i: int) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=run_worker, args=(theirs, job, i), name=f"DataLoader worker {i}", daemon=True)
        try:
            process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            ours.close()
            raise TypeError(
                f"a worker process could not be started, because {culprit(job)} cannot be pickled: {error}. Workers "
                f"started by {context.get_start_method()!r} are sent everything they need. Define it at the top level "
                "of a module, not inside of a function, and keep open files, locks and lambdas out of it; or use "
                "num_workers=0."
            ) from error
        finally:
            theirs.close()
        self.processes.append(process)
        self.connections.append(ours)

    def begin(self, base_seed: int) -> int:
        """Begin an epoch, and return its number; what still comes of older ones is thrown away."""
        self.epoch += 1
        for i in range(len(self.connections)):
            self._send(i, base_seed)
        return self.epoch

    def give(self, worker: int, number: int, index: Any) -> None:
        """Send a task of this epoch to a worker."""
        self._send(worker, ((self.epoch, number), index))

    def _send(self, worker: int, message: Any) -> None:
        try:
            self.connections[worker].send(message)
        except OSError:
            raise self._death_of(worker) from None

    def receive(self, timeout: float) -> Iterator[tuple[int, Any]]:
        """Yield the results of this epoch that are there; wait for one if there are none."""
        from multiprocessing.connection import wait

        ready = wait(self.connections, timeout or None)
        if not ready:
            raise RuntimeError(
                f"the DataLoader got nothing from its {len(self.processes)} workers for {timeout:g} seconds. Give it a "
                "larger timeout, or look at the dataset with num_workers=0."
            )
        for connection in ready:
            try:
                message = connection.recv_bytes()  # type: ignore[union-attr]
            except (EOFError, OSError):
                raise self._death_of(self.connections.index(connection)) from None  # type: ignore[arg-type]
            (epoch, number), result = pickle.loads(message)
            if epoch == self.epoch:
                yield number, result

    def _death_of(self, worker: int) -> RuntimeError:
        """Return an error that says how a worker ended."""
        process = self.processes[worker]
        process.join(PATIENCE)
        code = process.exitcode
        who = f"DataLoader worker {worker} (process {process.pid})"
        if code is not None and code < 0:
            why = {
                signal.SIGKILL if hasattr(signal, "SIGKILL") else None: (
                    "The system does that when memory runs out: try fewer workers, smaller batches, or a smaller "
                    "prefetch_factor."
                ),
                signal.SIGSEGV: "Code that is not Python went wrong there: try num_workers=0 to see which.",
            }
            name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
            return RuntimeError(f"{who} was killed by {name}. {why.get(-code, 'Somebody sent it that signal.')}")
        return RuntimeError(
            f"{who} ended with exit code {code}, without an answer. What it printed stands above; num_workers=0 shows "
            "the error where it happens. If workers are spawned, the program needs `if __name__ == '__main__':`."
        )


def culprit(job: Job) -> str:
    """Return which part of a job cannot be pickled."""
    parts = {"the dataset": job.dataset, "worker_init_fn": job.init_fn, "collate_fn": job.make_fetcher.collate_fn}
    for name, part in parts.items():
        try:
            pickle.dumps(part)
        except Exception:  # classes raise what they like here
            return name
    return "what they are sent"


# %%
def test_unit_workers_answer_and_end() -> None:
    squares = Squares(9)
    job = Job(squares, FetcherMaker(squares, True, default_collate, False), None, 2)
    workers = Workers(job, context_of(None))
    workers.begin(0)
    workers.give(1, 0, [2, 3])
    ((number, batch),) = workers.receive(10.0)
    assert (number, batch[1].tolist()) == (0, [4, 9])
    processes = [process.pid for process in workers.processes]
    workers.close()
    for pid in processes:
        assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Return whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# %% [markdown]
"""
## An epoch with workers
The loader hands out tasks in turn: `prefetch_factor` for each worker at first, and then, whenever it takes a batch, one
more to the worker that made it. So which worker does which task does not depend on who is faster, and an epoch with
random transforms can be repeated. A worker whose stream has ended answers `End`, and gets no more.
"""


# %% tags=["worker_batches"]
#| export
def arrivals(workers: Workers, given: deque[int], timeout: float) -> Iterator[tuple[int, Any]]:
    """Yield numbered results as they come, as long as some are missing."""
    while given:
        yield from workers.receive(timeout)


class WorkerBatches(Iterator[Any]):
    """The batches of one epoch, made by worker processes.

    Parameters
    ----------
    workers
        Who makes them.
    indices
        What to fetch, one batch after the other.
    base_seed
        The epoch's.
    prefetch_factor
        How many batches a worker makes ahead.
    timeout
        After how many seconds without any batch to give up; 0 waits for ever.
    keep
        Whether the workers live on after the epoch.
    """

    def __init__(
        self,
        workers: Workers,
        indices: Iterable[Any],
        base_seed: int,
        prefetch_factor: int,
        timeout: float,
        keep: bool,
    ) -> None:
        self.workers = workers
        self.tasks = enumerate(indices)
        self.keep = keep
        self.given: deque[int] = deque()  # the workers of the tasks that are not taken yet, in order
        self.results = in_order(arrivals(workers, self.given, timeout))
        self.done = False
        try:
            self.epoch = workers.begin(base_seed)
            for _ in range(prefetch_factor):
                for worker in range(len(workers.processes)):
                    self._give(worker)
        except BaseException:
            workers.close()
            raise

    def _give(self, worker: int) -> None:
        """Give a worker the next task, if there is one."""
        for number, index in self.tasks:
            self.workers.give(worker, number, index)
            self.given.append(worker)
            return

    def __next__(self) -> Any:
        result = End()
        while isinstance(result, End):
            result = self._next_result()
        if isinstance(result, Failure):
            result.error.add_note(result.note)
            raise result.error
        return result

    def _next_result(self) -> Any:
        """Return what was made of the next task, and give its worker another one; stop everything if that fails."""
        if self.done:
            raise StopIteration
        if not self.workers.close.alive or self.epoch != self.workers.epoch:
            raise RuntimeError(
                "this iteration over a DataLoader is over: it ended with an error, or its workers have begun another "
                "epoch. Iterate over the loader again."
            )
        try:
            result = next(self.results)
            worker = self.given.popleft()
            if not isinstance(result, End):
                self._give(worker)
            return result
        except StopIteration:
            self.done = True
            if not self.keep:
                self.workers.close()
            raise
        except BaseException:
            self.workers.close()
            raise


# %% [markdown]
"""
## Options that exclude each other
Most mistakes with a loader are options that contradict each other. Given: they are PyTorch's, and so are their errors.
"""


# %% tags=["options"]
#| export
def check_workers(
    num_workers: Any, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    """Raise a ValueError or TypeError if the options for workers do not fit together."""
    if not isinstance(num_workers, int) or num_workers < 0:
        raise ValueError(f"num_workers must be 0 or more, but got {num_workers!r}. With 0 there are no processes.")
    if timeout < 0:
        raise ValueError(f"timeout must be 0 or more seconds, but got {timeout}. With 0 the loader waits for ever.")
    if num_workers == 0:
        others = {"timeout": timeout, "prefetch_factor": prefetch_factor, "multiprocessing_context": context}
        others["persistent_workers"] = persistent_workers
        for name, value in others.items():
            if value not in (None, False, 0):
                raise ValueError(f"{name} is for worker processes, but num_workers is 0. Leave it out, or use workers.")
    elif prefetch_factor is not None:
        check_count("prefetch_factor", prefetch_factor)
    if context is not None:
        context_of(context)


def check_choices(
    dataset: Any, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    """Raise a ValueError if the options for the order do not fit together."""
    if isinstance(dataset, IterableDataset):
        for name, value in {"shuffle": shuffle, "sampler": sampler, "batch_sampler": batch_sampler}.items():
            if value is not None and value is not False:
                raise ValueError(f"{name} is for samples with numbers; those of an IterableDataset come as they come.")
    if sampler is not None and shuffle:
        raise ValueError("sampler and shuffle exclude each other: the sampler is the order.")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler takes the place of batch_size, shuffle, sampler and drop_last. Leave them out.")
    if batch_size is None and drop_last:
        raise ValueError("drop_last needs batches, but batch_size is None.")


# %%
def test_unit_options_exclude_each_other() -> None:
    data = Squares(4)
    assert "sampler and shuffle" in message_of(lambda: DataLoader(data, shuffle=True, sampler=[1, 0]))
    assert "num_workers is 0" in message_of(lambda: DataLoader(data, prefetch_factor=2))
    assert "come as they come" in message_of(lambda: DataLoader(Countdown(), shuffle=True))


# %% [markdown]
"""
## The loader
A `DataLoader` puts the parts together: it chooses samplers from `batch_size`, `shuffle` and their kin, and each time it
is iterated over, an epoch begins. Most of the cell says which options exclude each other; those are PyTorch's.

**Exercise**: `batches`, an epoch in this process. For each index of `self.indices`, fetch, and yield what came; stop
when it is an `End`.
"""


# %% tags=["loader"]
#| export
class DataLoader(Generic[_T_co]):
    """Batches of a dataset, a new epoch each time it is iterated over.

    Parameters
    ----------
    dataset
        Samples with numbers, or an `IterableDataset`.
    batch_size
        How many samples a batch has; None gives samples instead of batches.
    shuffle
        Whether each epoch has an order of its own.
    sampler
        The order, if it is neither random nor that of the numbers: an iterable of numbers.
    batch_sampler
        An iterable of lists of numbers, in the place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers
        How many processes fetch batches ahead; with 0 this process fetches each when it is asked for.
    collate_fn
        What makes a batch of a list of samples; `default_collate` if it is None.
    pin_memory
        Accepted and without effect: it is for GPUs.
    drop_last
        Whether to leave out a last batch that is short.
    timeout
        After how many seconds without a batch from any worker to give up; 0 waits for ever.
    worker_init_fn
        Called in each worker with its number, once, after it has been seeded.
    multiprocessing_context
        How workers start: ``"fork"``, ``"spawn"``, ``"forkserver"`` or a context of `multiprocessing`. Fork on Linux,
        elsewhere what Python prefers, if it is None.
    generator
        Where orders and seeds of workers are drawn; the generator of this package if it is None. From the same state of
        the generator come the same batches, with workers too.
    prefetch_factor
        How many batches each worker makes ahead; 2 if it is None.
    persistent_workers
        Whether workers live on from one epoch to the next.

    Raises
    ------
    ValueError
        If options exclude each other, or a number is out of its range.

    Notes
    -----
    With workers, what a batch holds is pickled; tensors must not be results of recorded operations.
    Source: ``torch.utils.data.DataLoader``.

    Examples
    --------
    >>> dataset = TensorDataset(Tensor([[0], [1], [2]]), tensor([0, 1, 4]))
    >>> loader = DataLoader(dataset, batch_size=2)
    >>> len(loader)
    2
    >>> for x, y in loader:
    ...     print(x.shape, y)
    (2, 1) tensor([0, 1])
    (1, 1) tensor([4])
    """

    _fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
    _finished = False

    def __init__(
        self,
        dataset: Dataset[_T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: np.random.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        check_choices(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = check_generator(generator)
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        if sampler is None:
            if isinstance(dataset, IterableDataset):
                sampler = itertools.repeat(None)
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
            self.batch_size: int | None = batch_size
        else:
            self.batch_size = None
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.make_fetcher = FetcherMaker(dataset, batch_sampler is not None, self.collate_fn, drop_last)
        self._workers: Workers | None = None
        self._finished = True

    @property
    def indices(self) -> Iterable[Any]:
        """What to fetch: lists of numbers, or numbers if there are no batches."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def batches(self) -> Iterator[Any]:
        """Yield the batches of an epoch, fetched in this process."""
        fetch = self.make_fetcher()
        ### BEGIN SOLUTION
        for index in self.indices:
            batch = fetch(index)
            if isinstance(batch, End):
                return
            yield batch
        ### END SOLUTION

    def __iter__(self) -> Iterator[Any]:
        base_seed = draw_seed(self.generator)  # without workers too, so that their number does not change the order
        if self.num_workers == 0:
            return self.batches()
        workers = self._workers
        if workers is None or not workers.close.alive:
            workers = self._start_workers()
        self._workers = workers if self.persistent_workers else None
        ahead = self.prefetch_factor or 2
        return WorkerBatches(workers, self.indices, base_seed, ahead, self.timeout, self.persistent_workers)

    def _start_workers(self) -> Workers:
        job = Job(self.dataset, self.make_fetcher, self.worker_init_fn, self.num_workers)
        return Workers(job, context_of(self.multiprocessing_context))

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return length(self.indices)
        count = length(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else math.ceil(count / self.batch_size)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._finished and name in self._fixed:
            raise ValueError(f"{name} of a DataLoader cannot be changed any more. Make a new one.")
        super().__setattr__(name, value)


# %%
def test_unit_a_loader_goes_through_the_data() -> None:
    loader = DataLoader(Squares(5), batch_size=2)
    assert [numbers.tolist() for numbers, _ in loader] == [[0, 1], [2, 3], [4]]
    assert len(loader) == 3
    assert [batch.tolist() for batch in DataLoader(Countdown(), batch_size=3)] == [[4, 3, 2], [1, 0]]
    assert list(DataLoader(Squares(3), batch_size=None)) == [[0, 0], [1, 1], [2, 4]]


def order_of(num_workers: int, seed: int) -> list[list[int]]:
    """Return the numbers in the batches of two epochs."""
    generator = np.random.default_rng(seed)
    loader = DataLoader(Squares(10), 3, shuffle=True, num_workers=num_workers, generator=generator)
    return [numbers.tolist() for _ in range(2) for numbers, _ in loader]


def test_unit_workers_bring_the_same_batches() -> None:
    assert order_of(2, seed=1) == order_of(0, seed=1) != order_of(0, seed=2)


class Noise(Dataset[list[float]]):
    """Samples that are drawn."""

    def __getitem__(self, index: int) -> list[float]:
        return list(draws())

    def __len__(self) -> int:
        return 8


def test_unit_workers_draw_numbers_of_their_own() -> None:
    loader = DataLoader(Noise(), num_workers=2, generator=np.random.default_rng(0))
    epochs = [[tuple(x.item() for x in sample) for sample in loader] for _ in range(2)]
    assert len({number for epoch in epochs for sample in epoch for number in sample}) == 2 * 8 * 3
    again = DataLoader(Noise(), num_workers=2, generator=np.random.default_rng(0))
    assert [tuple(x.item() for x in sample) for sample in again] == epochs[0]


class Broken(Dataset[int]):
    """A dataset with a sample that cannot be read."""

    def __getitem__(self, index: int) -> int:
        if index == 3:
            raise OSError("image 3 is damaged")
        return index

    def __len__(self) -> int:
        return 6


def test_unit_an_exception_arrives_with_its_traceback() -> None:
    batches = iter(DataLoader(Broken(), num_workers=2))
    assert [next(batches).item() for _ in range(3)] == [0, 1, 2]
    note = ""
    try:
        next(batches)
    except OSError as error:
        note = f"{error} {error.__notes__[0]}"
    assert note.startswith("image 3 is damaged")
    assert "in __getitem__" in note


# %% [markdown]
"""
## Questions that measure something
### What does a batch cost?
Sixty-four images of 28 by 28 out of a `TensorDataset`, with and without `__getitems__`, and with two workers. Copying
200 KB takes about 10 microseconds; the rest is Python, or the way between the processes.

**For thought**: why are workers slower here, and what would have to be true of the dataset for them to pay?
"""


# %%
class OneByOne(Dataset[tuple[Tensor, ...]]):
    """Another dataset, sample by sample."""

    def __init__(self, dataset: TensorDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)


def microseconds_of_a_batch(loader: DataLoader[Any]) -> float:
    """Return the time of a batch, without the start of the workers."""
    batches = iter(loader)
    next(batches)
    start, count = time.perf_counter(), 0
    for _ in batches:
        count += 1
    return 1e6 * (time.perf_counter() - start) / count


def experiment_batch() -> None:
    images = TensorDataset(Tensor(np.zeros((6400, 1, 28, 28), np.float32)), tensor(np.arange(6400)))
    for name, loader in {
        "sample by sample": DataLoader(OneByOne(images), 64, shuffle=True),
        "all at once": DataLoader(images, 64, shuffle=True),
        "all at once, in 2 workers": DataLoader(images, 64, shuffle=True, num_workers=2),
    }.items():
        print(f"{name:26} {microseconds_of_a_batch(loader):7.0f} microseconds a batch")


# %% [markdown]
"""
### When do workers pay?
A transform takes some time for each sample; here it just calculates for as long. Two workers can at best halve it, if
there are two cores that have nothing else to do. Each batch costs some 300 microseconds on its way between the
processes, and the start costs milliseconds. So with 10 microseconds a sample there is little to gain, with 1
millisecond nearly everything. And while a network calculates on the same cores, workers and network share them.
"""


# %%
class Slow(Dataset[int]):
    """Samples that take some time."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds

    def __getitem__(self, index: int) -> int:
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass
        return index

    def __len__(self) -> int:
        return self.count


def experiment_workers() -> None:
    for seconds, count in ((1e-5, 6400), (1e-3, 320)):
        alone, shared = (
            microseconds_of_a_batch(DataLoader(Slow(count, seconds), 32, num_workers=workers)) for workers in (0, 2)
        )
        print(f"{1e6 * seconds:5.0f} microseconds a sample: {alone:6.0f} a batch, with 2 workers {shared:6.0f}")


# %% [markdown]
"""
### How much memory do batches in flight take?
Every worker holds `prefetch_factor` batches ahead, on its side or in the pipe. Beside them it has a copy of the
dataset: forked, it shares the memory until somebody writes into it. (Python writes into every object that it only
looks at: it counts references. So a list of a million small objects is copied bit by bit, and an array is not.)

**For thought**: how many bytes wait if 8 workers make batches of 256 images of 3 x 224 x 224 float32?
"""


# %%
def bytes_in_flight(batch_bytes: int, num_workers: int, prefetch_factor: int = 2) -> int:
    """Return how many bytes of finished batches wait at most."""
    return batch_bytes * num_workers * prefetch_factor


def experiment_memory() -> None:
    for name, batch_bytes, workers in (("digits", 64 * 28 * 28 * 4, 2), ("photographs", 256 * 3 * 224 * 224 * 4, 8)):
        print(f"{name:12} {bytes_in_flight(batch_bytes, workers) / 1e6:8.1f} MB in flight with {workers} workers")


# %% [markdown]
"""
## All together
A classifier learns from a dataset that is split, shuffled, and fetched by two workers.
"""


# %%
def test_module() -> None:
    """🧪 Module 08: a classifier learns from shuffled batches, with workers and without."""
    manual_seed(0)
    train, test = random_split(TensorDataset(*blobs()), [0.8, 0.2])
    assert (len(train), len(test)) == (1600, 400)
    for workers in (0, 2):
        right = accuracy_after(DataLoader(train, 20, shuffle=True, num_workers=workers), epochs=2)
        assert right > 0.85, right
    print("Module 08: all is well.")


if __name__ == "__main__":
    test_unit_four_times_the_batch_halves_the_noise()
    test_unit_an_epoch_meets_every_sample_once()
    test_unit_a_sum_of_datasets_is_one_after_the_other()
    test_unit_a_sample_is_a_row_of_each()
    test_unit_a_subset_looks_up_its_numbers()
    test_unit_a_split_gives_every_sample_to_one_part()
    test_unit_a_random_sampler_meets_every_sample_once()
    test_unit_weights_say_how_often()
    test_unit_the_last_batch_is_short_or_dropped()
    test_unit_a_stack_has_a_new_first_axis()
    test_unit_a_batch_of_pairs_is_a_pair_of_batches()
    test_unit_rows_are_what_the_samples_would_be()
    test_unit_fetchers_make_batches()
    test_unit_a_worker_sends_a_result_for_each_task()
    test_unit_what_comes_early_waits()
    test_unit_workers_draw_different_numbers_and_the_same_ones_again()
    test_unit_workers_answer_and_end()
    test_unit_options_exclude_each_other()
    test_unit_a_loader_goes_through_the_data()
    test_unit_workers_bring_the_same_batches()
    test_unit_workers_draw_numbers_of_their_own()
    test_unit_an_exception_arrives_with_its_traceback()
    experiment_noise()
    experiment_shuffle()
    experiment_batch()
    experiment_workers()
    experiment_memory()
    test_module()
