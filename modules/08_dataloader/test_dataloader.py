"""The comprehensive suite of module 08: datasets, samplers, collation, and the loader with its processes."""

from __future__ import annotations

import doctest
import itertools
import os
import pickle
import random
import sys
import time
from collections import OrderedDict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.core import dataloader
from tinytorch.core.dataloader import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    End,
    IterableDataset,
    MapFetcher,
    RandomSampler,
    Rows,
    SequentialSampler,
    StreamFetcher,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    in_order,
    random_split,
    samples_of,
    seed_worker,
    stack,
    work,
)
from tinytorch.core.tensor import Tensor, default_generator, manual_seed, tensor

some_examples = settings(max_examples=30, deadline=None)
FETCHING = ("tensor_dataset", "rows", "batch_sampler", "stack", "default_collate", "fetch")
WORKING = (*FETCHING, "work", "in_order", "seed_worker")
AWAITED = 8.0  # seconds after which a loader in a test gives up, so that a wrong answer does not wait for ever

here_only = pytest.mark.skipif(
    sys.platform != "linux", reason="a dataset of this file cannot be sent to a worker that is spawned"
)
Pair = namedtuple("Pair", ["x", "y"])


class Squares(Dataset):
    def __init__(self, count):
        self.count = count
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return index, index**2

    def __len__(self):
        return self.count


class Countdown(IterableDataset):
    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return iter(range(self.count - 1, -1, -1))

    def __len__(self):
        return self.count


def rows(count):
    """A dataset of `count` rows: (i, 10 i), i."""
    numbers = np.arange(count)
    return TensorDataset(Tensor(np.stack([numbers, 10 * numbers], axis=1)), tensor(numbers))


# Datasets


@pytest.mark.exercise("tensor_dataset")
def test_a_sample_is_a_row_of_each_tensor():
    dataset = TensorDataset(Tensor([[0, 1], [2, 3], [4, 5]]), tensor([7, 8, 9]), Tensor(np.zeros((3, 2, 2))))
    image, label, other = dataset[1]
    assert image.tolist() == [2, 3]
    assert label.item() == 8
    assert other.shape == (2, 2)
    assert isinstance(dataset[-1], tuple)
    assert dataset[-1][1].item() == 9


@pytest.mark.exercise("tensor_dataset")
def test_a_list_or_a_slice_of_a_tensor_dataset():
    x, y = rows(5)[[3, 0]]
    assert (x.tolist(), y.tolist()) == ([[3, 30], [0, 0]], [3, 0])
    assert rows(5)[1:3][1].tolist() == [1, 2]


@pytest.mark.exercise("tensor_dataset")
@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_tensor_dataset_has_as_many_samples_as_rows(count):
    assert len(TensorDataset(Tensor(np.zeros((count, 2))), tensor(np.zeros(count)))) == count


@pytest.mark.exercise("tensor_dataset")
def test_a_tensor_dataset_ends_where_its_rows_end():
    assert [y.item() for _, y in rows(3)] == [0, 1, 2]
    with pytest.raises(IndexError):
        rows(3)[3]


@pytest.mark.exercise("tensor_dataset")
def test_a_row_keeps_its_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (row,) = TensorDataset(x)[1]
    (row * 3).backward()
    assert x.grad.tolist() == [0, 3]


def test_a_tensor_dataset_says_what_does_not_fit():
    for tensors in ((), (Tensor([1, 2]), Tensor([1, 2, 3])), (Tensor(1.0),)):
        with pytest.raises(ValueError, match="equally many rows"):
            TensorDataset(*tensors)
    with pytest.raises(TypeError, match=r"holds tensors, but got ndarray"):
        TensorDataset(np.zeros(3))


def test_datasets_one_after_the_other():
    both = Squares(3) + Squares(2)
    assert isinstance(both, ConcatDataset)
    assert [both[i][0] for i in range(-5, 5)] == [0, 1, 2, 0, 1] * 2
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"no sample {index} in a dataset of 5"):
            both[index]
    with pytest.raises(ValueError, match="no datasets"):
        ConcatDataset([])
    with pytest.raises(ValueError, match="Use ChainDataset"):
        ConcatDataset([Countdown(2)])


def test_streams_one_after_the_other():
    both = Countdown(2) + Countdown(3)
    assert isinstance(both, ChainDataset)
    assert (list(both), len(both)) == ([1, 0, 2, 1, 0], 5)
    with pytest.raises(TypeError, match="joins IterableDatasets, but got Squares"):
        ChainDataset([Squares(2)])


def test_what_a_dataset_has_to_write():
    with pytest.raises(NotImplementedError, match=r"Dataset has no __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match=r"IterableDataset has no __iter__"):
        iter(IterableDataset())
    with pytest.raises(TypeError, match=r"Dataset does not say how many samples it has"):
        DataLoader(Dataset(), shuffle=True)


@pytest.mark.exercise("subset")
def test_a_subset_looks_up_its_numbers():
    some = Subset(Squares(9), [4, 1, 8, 4])
    assert [some[i][0] for i in range(4)] == [4, 1, 8, 4]
    assert some[-2] == (8, 64)
    assert len(some) == 4


@pytest.mark.exercise("subset")
def test_a_subset_of_a_subset():
    some = Subset(Subset(Squares(9), [8, 6, 4, 2]), [3, 0])
    assert ([some[i][0] for i in range(2)], len(some)) == ([2, 8], 2)


@pytest.mark.exercise("tensor_dataset", "rows")
def test_a_subset_asks_for_all_samples_at_once_if_the_dataset_can():
    some = samples_of(Subset(rows(6), [5, 3, 1]), [2, 0])
    assert isinstance(some, Rows)
    assert some.columns[1].tolist() == [1, 5]
    assert samples_of(Subset(Squares(6), [5, 3, 1]), [2, 0]) == [(1, 1), (5, 25)]


@pytest.mark.exercise("tensor_dataset", "subset")
def test_a_subclass_that_changes_its_samples_is_asked_for_each():
    class Negative(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return -x, y.item()

    class Doubled(Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)[1].item()

    assert [(x.tolist(), y) for x, y in samples_of(Negative(*rows(3).tensors), [2, 1])] == [
        ([-2, -20], 2),
        ([-1, -10], 1),
    ]
    assert samples_of(Doubled(rows(9), [8, 6, 4]), [2, 0]) == [8, 16]


@pytest.mark.exercise("random_split")
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4), seed=st.integers(0, 9))
@some_examples
def test_a_split_gives_every_sample_to_one_part(lengths, seed):
    lengths = [*lengths, 2]  # lengths that sum up to 1 would be fractions
    data = Squares(sum(lengths))
    parts = random_split(data, lengths, np.random.default_rng(seed))
    assert [len(part.indices) for part in parts] == lengths
    assert sorted(itertools.chain(*(part.indices for part in parts))) == list(range(sum(lengths)))
    assert all(isinstance(part, Subset) and part.dataset is data for part in parts)


@pytest.mark.exercise("random_split")
def test_a_split_follows_the_permutation():
    expected = np.random.default_rng(5).permutation(10).tolist()
    parts = random_split(Squares(10), [2, 5, 3], np.random.default_rng(5))
    assert [list(part.indices) for part in parts] == [expected[:2], expected[2:7], expected[7:]]


@pytest.mark.exercise("random_split")
@pytest.mark.parametrize(
    ("count", "fractions", "lengths"),
    [(10, [0.5, 0.5], [5, 5]), (10, [0.7, 0.2, 0.1], [7, 2, 1]), (11, [0.5, 0.25, 0.25], [6, 3, 2]), (3, [1.0], [3])],
)
def test_a_split_by_fractions(count, fractions, lengths):
    assert [len(part.indices) for part in random_split(Squares(count), fractions)] == lengths


@pytest.mark.exercise("random_split")
def test_a_split_draws_from_the_generator():
    manual_seed(3)
    first = [list(part.indices) for part in random_split(Squares(20), [10, 10])]
    manual_seed(3)
    assert [list(part.indices) for part in random_split(Squares(20), [10, 10])] == first
    assert [list(part.indices) for part in random_split(Squares(20), [10, 10])] != first


@pytest.mark.exercise("random_split")
def test_a_split_warns_of_a_part_without_samples():
    with pytest.warns(UserWarning, match="part 1 has no samples") as caught:
        random_split(Squares(3), [0.9, 0.1])
    assert caught[0].filename == __file__


def test_a_split_says_what_does_not_fit():
    for lengths in ([3, 4], [-1, 11], [2.5, 7.5]):
        with pytest.raises(ValueError, match="do not sum up to the 10 samples"):
            random_split(Squares(10), lengths)
    with pytest.raises(ValueError, match=r"fraction 0 is -0.5, not between 0 and 1"):
        random_split(Squares(10), [-0.5, 1.5])
    with pytest.raises(TypeError, match=r"has to be a np.random.Generator or None, but got int"):
        random_split(Squares(10), [5, 5], 42)


# Samplers


def test_a_sequence_counts():
    assert list(SequentialSampler(Squares(4))) == [0, 1, 2, 3]
    assert len(SequentialSampler(Squares(4))) == 4


@pytest.mark.exercise("random_sampler")
@given(count=st.integers(1, 20), wanted=st.integers(1, 60), seed=st.integers(0, 9))
@some_examples
def test_without_replacement_no_sample_comes_again_before_all_have_come(count, wanted, seed):
    drawn = list(RandomSampler(Squares(count), num_samples=wanted, generator=np.random.default_rng(seed)))
    assert len(drawn) == wanted
    for start in range(0, wanted, count):
        some = drawn[start : start + count]
        assert len(set(some)) == len(some)
    assert set(drawn) <= set(range(count))
    assert all(type(number) is int for number in drawn)


@pytest.mark.exercise("random_sampler")
def test_an_epoch_has_an_order_of_its_own():
    sampler = RandomSampler(Squares(50), generator=np.random.default_rng(0))
    orders = [list(sampler) for _ in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert all(order != sorted(order) for order in orders)
    assert len(sampler) == 50


@pytest.mark.exercise("random_sampler")
def test_the_next_permutation_is_another_one():
    drawn = list(RandomSampler(Squares(20), num_samples=40, generator=np.random.default_rng(0)))
    assert drawn[:20] != drawn[20:]


@pytest.mark.exercise("random_sampler")
def test_with_replacement_a_third_does_not_come():
    drawn = list(RandomSampler(Squares(2000), replacement=True, generator=np.random.default_rng(0)))
    assert len(drawn) == 2000
    assert 1180 < len(set(drawn)) < 1350  # 1 - 1/e
    few = list(RandomSampler(Squares(10), replacement=True, num_samples=7))
    assert len(few) == 7
    assert all(type(number) is int and 0 <= number < 10 for number in few)
    assert set(RandomSampler(Squares(3), replacement=True, num_samples=200)) == {0, 1, 2}


@pytest.mark.exercise("random_sampler")
def test_an_order_can_be_repeated():
    for make in (
        lambda: RandomSampler(Squares(30)),
        lambda: RandomSampler(Squares(30), replacement=True),
        lambda: SubsetRandomSampler(range(5, 40)),
        lambda: WeightedRandomSampler([1.0] * 30, 30),
    ):
        sampler = make()
        manual_seed(1)
        first = list(sampler)
        manual_seed(1)
        assert list(sampler) == first


@pytest.mark.exercise("random_sampler")
def test_an_epoch_that_has_begun_is_not_disturbed():
    orders = []
    for disturbed in (False, True):
        manual_seed(0)
        numbers = iter(RandomSampler(Squares(10), num_samples=30))
        order = [next(numbers)]
        if disturbed:
            default_generator().random(7)
        orders.append(order + list(numbers))
    assert orders[0] == orders[1]


def test_a_random_sampler_says_what_does_not_fit():
    with pytest.raises(ValueError, match="num_samples must be an integer above 0, but got 0"):
        RandomSampler(Squares(0))
    with pytest.raises(TypeError, match="replacement must be True or False, but got 1"):
        RandomSampler(Squares(3), replacement=1)
    with pytest.raises(TypeError, match="but got int"):
        RandomSampler(Squares(3), generator=0)


def test_numbers_of_ones_choice():
    sampler = SubsetRandomSampler([3, 5, 7, 9], np.random.default_rng(0))
    assert (sorted(sampler), len(sampler)) == ([3, 5, 7, 9], 4)


def test_weights_say_how_often():
    drawn = list(WeightedRandomSampler(Tensor([1.0, 0.0, 3.0]), 4000, generator=np.random.default_rng(0)))
    assert np.bincount(drawn, minlength=3) / 4000 == pytest.approx([0.25, 0, 0.75], abs=0.03)
    once = WeightedRandomSampler([5.0, 1.0, 0.0, 1.0], 3, replacement=False)
    assert (sorted(once), len(once)) == ([0, 1, 3], 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, -1.0], 1), "weights must be finite, 0 or more"),
        (([0.0, 0.0], 1), "one of them above 0"),
        (([[1.0]], 1), r"got shape \(1, 1\)"),
        (([1.0, 0.0], 2, False), "only 1 have a weight above 0"),
        (([1.0], 0), "num_samples must be an integer above 0"),
        (([1.0], 1, 2), "replacement must be True or False"),
    ],
)
def test_weights_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightedRandomSampler(*arguments)


@pytest.mark.exercise("batch_sampler")
@given(count=st.integers(0, 30), size=st.integers(1, 8), drop_last=st.booleans())
@some_examples
def test_batches_are_the_numbers_in_lists(count, size, drop_last):
    sampler = BatchSampler(range(count), size, drop_last)
    batches = list(sampler)
    kept = count - count % size if drop_last else count
    assert list(itertools.chain(*batches)) == list(range(kept))
    assert all(isinstance(batch, list) and len(batch) == size for batch in batches[:-1])
    assert all(batches)
    assert len(sampler) == len(batches)


@pytest.mark.exercise("batch_sampler")
def test_the_last_batch_is_short():
    sampler = BatchSampler(range(7), 3, False)
    assert list(sampler) == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(sampler) == 3


@pytest.mark.exercise("batch_sampler")
def test_the_last_batch_is_dropped():
    sampler = BatchSampler(range(7), 3, True)
    assert list(sampler) == [[0, 1, 2], [3, 4, 5]]
    assert len(sampler) == 2


@pytest.mark.exercise("batch_sampler")
def test_batches_of_an_endless_sampler():
    batches = iter(BatchSampler(itertools.count(), 2, False))
    assert list(itertools.islice(batches, 3)) == [[0, 1], [2, 3], [4, 5]]


def test_a_batch_sampler_says_what_does_not_fit():
    for size in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="batch_size must be an integer above 0"):
            BatchSampler(range(3), size, False)
    with pytest.raises(ValueError, match="drop_last must be True or False, but got 1"):
        BatchSampler(range(3), 2, 1)


# Collation


@pytest.mark.exercise("stack")
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_a_stack_has_a_new_first_axis(dtype):
    arrays = [np.arange(i, i + 6).reshape(2, 3).astype(dtype) for i in range(4)]
    whole = stack(arrays)
    assert isinstance(whole, Tensor)
    assert (whole.shape, whole.dtype) == ((4, 2, 3), np.dtype(dtype))
    assert all((whole.data[i] == array).all() for i, array in enumerate(arrays))


@pytest.mark.exercise("stack")
def test_a_stack_of_scalars_of_empty_arrays_and_of_one():
    assert stack([np.array(1.0), np.array(2.0)]).tolist() == [1, 2]
    assert stack([np.zeros((0, 2))] * 3).shape == (3, 0, 2)
    assert stack([np.ones(2)]).shape == (1, 2)


@pytest.mark.exercise("stack")
def test_a_stack_is_a_copy():
    row = np.zeros(2)
    whole = stack([row])
    whole.data[...] = 1
    assert row.tolist() == [0, 0]


def test_a_stack_says_which_shapes_differ():
    with pytest.raises(ValueError, match=r"sample 0 has shape \(2,\), but sample 2 has \(3,\).*crop, pad or resize"):
        stack([np.ones(2), np.ones(2), np.ones(3)])
    with pytest.raises(TypeError, match="a batch holds numbers, but sample 0 is an array of <U1"):
        stack([np.array("a")])


@pytest.mark.exercise("stack", "default_collate")
@pytest.mark.parametrize(
    ("samples", "dtype", "values"),
    [
        ([Tensor([1, 2]), Tensor([3, 4])], "float32", [[1, 2], [3, 4]]),
        ([np.array([1, 2]), np.array([3, 4])], "int64", [[1, 2], [3, 4]]),
        ([np.float32(1), np.float32(2)], "float32", [1, 2]),
        ([np.float64(1), np.float64(2)], "float64", [1, 2]),
        ([1.5, 2.5], "float64", [1.5, 2.5]),
        ([1, 2], "int64", [1, 2]),
        ([True, False], "bool", [True, False]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_become_a_tensor(samples, dtype, values):
    batch = default_collate(samples)
    assert isinstance(batch, Tensor)
    assert (batch.dtype, batch.tolist()) == (np.dtype(dtype), values)


def test_texts_stay_as_they_are():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]


@pytest.mark.exercise("default_collate")
def test_a_batch_of_pairs_is_a_list_of_batches():
    batch = default_collate([(1, "a"), (2, "b"), (3, "c")])
    assert isinstance(batch, list)
    numbers, letters = batch
    assert numbers.tolist() == [1, 2, 3]
    assert list(letters) == ["a", "b", "c"]
    assert [column.tolist() for column in default_collate([[1, 0.5], [2, 1.5]])] == [[1, 2], [0.5, 1.5]]


@pytest.mark.exercise("default_collate")
def test_a_batch_of_named_tuples_is_a_named_tuple_of_batches():
    batch = default_collate([Pair(1, 0.5), Pair(2, 1.5)])
    assert isinstance(batch, Pair)
    assert (batch.x.tolist(), batch.y.tolist()) == ([1, 2], [0.5, 1.5])


@pytest.mark.exercise("default_collate")
def test_a_batch_of_mappings_is_a_mapping_of_batches():
    batch = default_collate([{"n": 1, "text": "a"}, {"text": "b", "n": 2}])
    assert (type(batch), list(batch)) == (dict, ["n", "text"])
    assert batch["n"].tolist() == [1, 2]
    assert batch["text"] == ["a", "b"]


@pytest.mark.exercise("default_collate")
def test_a_mapping_keeps_its_type_where_it_can():
    ordered = [OrderedDict(n=1), OrderedDict(n=2)]
    assert isinstance(default_collate(ordered), OrderedDict)
    assert ordered[0] == {"n": 1}
    assert default_collate([MappingProxyType({"n": 1})])["n"].tolist() == [1]


@pytest.mark.exercise("stack", "default_collate")
def test_structures_in_structures():
    batch = default_collate([({"x": np.full(2, i)}, [i, Pair(i, (i, i))]) for i in range(3)])
    assert batch[0]["x"].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert batch[1][0].tolist() == [0, 1, 2]
    assert isinstance(batch[1][1], Pair)
    assert batch[1][1].y[1].tolist() == [0, 1, 2]


@pytest.mark.exercise("default_collate")
def test_samples_that_do_not_fit_together():
    with pytest.raises(ValueError, match="sample 0 has 2 parts, but sample 1 has 3"):
        default_collate([[1, 2], [1, 2, 3]])
    with pytest.raises(KeyError, match=r"sample 0 has the key 'x', but sample 1 has only \['y'\]"):
        default_collate([{"x": 1}, {"y": 1}])
    with pytest.raises(TypeError, match=r"got NoneType\. Give the DataLoader a collate_fn"):
        default_collate([(1, None)])
    with pytest.raises(ValueError, match="there are no samples in this batch"):
        default_collate([])


def test_converting_a_sample():
    sample = default_convert(({"x": np.ones(2)}, Pair(np.float32(1), "a"), [np.arange(2)], 5))
    assert isinstance(sample, list)
    assert (sample[0]["x"].tolist(), sample[1].x.item(), sample[1].y, sample[3]) == ([1, 1], 1.0, "a", 5)
    assert (sample[0]["x"].dtype, sample[2][0].dtype) == (np.float64, np.int64)


@pytest.mark.exercise("tensor_dataset", "rows")
def test_rows_are_what_the_samples_would_be():
    some = rows(9).__getitems__([7, 2, 7])
    assert len(some) == 3
    assert [y.item() for _, y in some] == [7, 2, 7]
    x, y = default_collate(some)
    assert (x.tolist(), y.tolist()) == ([[7, 70], [2, 20], [7, 70]], [7, 2, 7])


@pytest.mark.exercise("tensor_dataset", "rows")
def test_rows_of_other_kinds_of_lists():
    for numbers in (range(1, 3), (1, 2), np.array([1, 2])):
        assert default_collate(rows(9).__getitems__(numbers))[1].tolist() == [1, 2]


@pytest.mark.exercise("tensor_dataset", "rows")
def test_a_batch_is_a_copy():
    dataset = rows(4)
    for numbers in ([0, 1, 2], [3, 1]):
        x, _ = default_collate(dataset.__getitems__(numbers))
        x.data[...] = -1
    assert dataset.tensors[0].data.min() == 0


# Fetching


@pytest.mark.exercise("fetch", "stack", "default_collate")
def test_samples_are_fetched_by_their_numbers():
    squares = Squares(9)
    numbers, powers = MapFetcher(squares, True, default_collate)([8, 2])
    assert (numbers.tolist(), powers.tolist()) == ([8, 2], [64, 4])
    assert squares.asked == [8, 2]


@pytest.mark.exercise("fetch")
def test_samples_are_fetched_with_a_function_of_ones_own():
    assert MapFetcher(Squares(9), True, list)([3, 1]) == [(3, 9), (1, 1)]


@pytest.mark.exercise("fetch")
def test_without_batches_a_sample_is_fetched():
    assert MapFetcher(Squares(9), False, default_convert)(3) == [3, 9]
    assert MapFetcher({"a": 1}, False, str)("a") == "1"


@pytest.mark.exercise("fetch", "tensor_dataset", "rows")
def test_all_rows_are_fetched_at_once():
    x, y = MapFetcher(rows(9), True, default_collate)([8, 2])
    assert (x.tolist(), y.tolist()) == ([[8, 80], [2, 20]], [8, 2])
    samples = MapFetcher(rows(9), True, lambda batch: batch)([8, 2])
    assert isinstance(samples, list)  # somebody else's function may want to sort them


def test_a_stream_is_fetched_to_its_end():
    fetch = StreamFetcher(Countdown(5), True, list, drop_last=False)
    assert [fetch([None] * 2) for _ in range(3)] == [[4, 3], [2, 1], [0]]
    assert isinstance(fetch([None] * 2), End)
    fetch = StreamFetcher(Countdown(3), True, list, drop_last=True)
    assert fetch([None] * 2) == [2, 1]
    assert isinstance(fetch([None] * 2), End)
    fetch = StreamFetcher(Countdown(1), False, str, drop_last=False)
    assert fetch(None) == "0"
    assert isinstance(fetch(None), End)


# Workers, in one process


@pytest.mark.exercise("work")
def test_a_worker_sends_a_result_for_each_task():
    sent = []
    work([(0, 4), (2, 8), (5, 1)], lambda index: index * 10, sent.append)
    assert sent == [(0, 40), (2, 80), (5, 10)]


@pytest.mark.exercise("work")
def test_a_worker_does_a_task_before_it_takes_the_next():
    log = []

    def tasks():
        for number in range(3):
            log.append(f"task {number}")
            yield number, number

    work(tasks(), lambda index: log.append(f"fetch {index}"), lambda result: log.append(f"send {result[0]}"))
    assert log == [f"{what} {number}" for number in range(3) for what in ("task", "fetch", "send")]


@pytest.mark.exercise("work")
def test_an_exception_is_sent_in_the_place_of_the_batch():
    sent = []
    work([(0, 4), (1, 0), (2, 1)], lambda index: 8 // index, sent.append)
    assert [number for number, _ in sent] == [0, 1, 2]
    assert (sent[0][1], sent[2][1]) == (2, 8)
    assert isinstance(sent[1][1], dataloader.Failure)
    assert isinstance(sent[1][1].error, ZeroDivisionError)
    assert "8 // index" in sent[1][1].note


@pytest.mark.exercise("work")
def test_what_is_not_an_error_ends_a_worker():
    def leave(index):
        raise SystemExit(index)

    with pytest.raises(SystemExit):
        work([(0, 4)], leave, lambda result: None)


@pytest.mark.exercise("work")
def test_a_pipe_that_breaks_ends_a_worker():
    def broken(result):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        work([(0, 4), (1, 4)], lambda index: index, broken)


class AwkwardError(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def test_an_error_that_cannot_be_sent_becomes_one_that_can():
    for error, message in (
        (AwkwardError(1, 2), "AwkwardError: 1 and 2"),
        (StopIteration("over"), "StopIteration: over"),
    ):
        failed = pickle.loads(pickle.dumps(dataloader.failure(error)))
        assert type(failed.error) is RuntimeError
        assert str(failed.error) == message
    assert type(dataloader.failure(KeyError("x")).error) is KeyError


@pytest.mark.exercise("in_order")
@given(order=st.permutations(range(7)))
@some_examples
def test_results_come_in_order(order):
    assert list(in_order((number, f"batch {number}") for number in order)) == [f"batch {n}" for n in range(7)]


@pytest.mark.exercise("in_order")
@given(order=st.permutations(range(6)))
@some_examples
def test_each_result_comes_as_soon_as_it_can(order):
    arrived = []

    def arrivals():
        for number in order:
            arrived.append(number)
            yield number, number

    for result in in_order(arrivals()):
        last = max(order.index(number) for number in range(result + 1))
        assert len(arrived) == last + 1


@pytest.mark.exercise("in_order")
def test_results_may_be_anything():
    assert list(in_order([(1, None), (0, 0), (2, [])])) == [0, None, []]


@pytest.mark.exercise("in_order")
def test_results_without_end():
    pairs = ((number ^ 1, str(number ^ 1)) for number in itertools.count())
    assert list(itertools.islice(in_order(pairs), 4)) == ["0", "1", "2", "3"]


def draws():
    """Return a number from each generator."""
    return random.random(), float(np.random.random()), float(default_generator().random())


@pytest.fixture
def kept_generators():
    """What other tests draw is not changed by the seeds of this one."""
    states = random.getstate(), np.random.get_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])


@pytest.mark.exercise("seed_worker")
def test_a_seed_is_the_base_and_the_number(kept_generators):
    assert seed_worker(40, 2) == 42
    assert seed_worker(2**63 - 1, 5) == 2**63 + 4


@pytest.mark.exercise("seed_worker")
def test_a_seed_is_that_of_all_generators(kept_generators):
    seed_worker(40, 2)
    first = draws()
    seed_worker(40, 2)
    assert [a == b for a, b in zip(first, draws(), strict=True)] == [True, True, True]


@pytest.mark.exercise("seed_worker")
@pytest.mark.parametrize("other", [(40, 3), (41, 2), (2**40 + 40, 2)])
def test_another_worker_or_epoch_draws_other_numbers(other, kept_generators):
    seed_worker(40, 2)
    first = draws()
    seed_worker(*other)
    assert [a == b for a, b in zip(first, draws(), strict=True)] == [False, False, False]


@pytest.mark.exercise("seed_worker")
def test_no_generator_draws_the_numbers_of_another(kept_generators):
    seed_worker(2**62, 2)
    drawn = [
        [generator() for _ in range(3)] for generator in (random.random, np.random.random, default_generator().random)
    ]
    assert len({float(number) for numbers in drawn for number in numbers}) == 9


# The loader


@pytest.mark.exercise(*FETCHING, "loader")
def test_a_loader_goes_through_the_data():
    loader = DataLoader(rows(7), batch_size=3)
    for _ in range(2):
        assert [y.tolist() for _, y in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(loader) == 3


@pytest.mark.exercise(*FETCHING, "loader")
def test_a_loader_may_drop_the_last_batch():
    loader = DataLoader(rows(7), batch_size=3, drop_last=True)
    assert [y.tolist() for _, y in loader] == [[0, 1, 2], [3, 4, 5]]
    assert len(loader) == 2


@pytest.mark.exercise("fetch", "loader")
def test_a_loader_without_batches_gives_samples():
    assert list(DataLoader(Squares(3), batch_size=None)) == [[0, 0], [1, 1], [2, 4]]
    assert len(DataLoader(Squares(3), batch_size=None)) == 3


@pytest.mark.exercise("batch_sampler", "loader")
def test_a_loader_ends_with_the_stream():
    loader = DataLoader(Countdown(5), batch_size=3)
    for _ in range(2):
        assert [batch.tolist() for batch in loader] == [[4, 3, 2], [1, 0]]
    assert [batch.tolist() for batch in DataLoader(Countdown(5), batch_size=3, drop_last=True)] == [[4, 3, 2]]
    assert list(DataLoader(Countdown(3), batch_size=None)) == [2, 1, 0]
    assert (len(loader), len(DataLoader(Countdown(5), 3, drop_last=True))) == (2, 1)


@pytest.mark.exercise("batch_sampler", "fetch", "loader")
def test_a_loader_fetches_no_batch_before_it_is_asked_for():
    squares = Squares(6)
    batches = iter(DataLoader(squares, batch_size=2, collate_fn=len))
    assert (next(batches), squares.asked) == (2, [0, 1])
    assert (next(batches), squares.asked) == (2, [0, 1, 2, 3])


@pytest.mark.exercise(*FETCHING, "random_sampler", "loader")
def test_a_shuffled_epoch_meets_every_sample_once():
    loader = DataLoader(rows(20), batch_size=6, shuffle=True)
    epochs = [[y.tolist() for _, y in loader] for _ in range(2)]
    assert epochs[0] != epochs[1]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [6, 6, 6, 2]
        assert sorted(itertools.chain(*epoch)) == list(range(20))


@pytest.mark.exercise(*FETCHING, "loader")
def test_orders_of_ones_own():
    assert [y.tolist() for _, y in DataLoader(rows(9), 2, sampler=[8, 1, 5])] == [[8, 1], [5]]
    assert [y.tolist() for _, y in DataLoader(rows(9), batch_sampler=[[8], [1, 5]])] == [[8], [1, 5]]
    assert [sample[1].item() for sample in DataLoader(rows(9), batch_size=None, sampler=[8, 1])] == [8, 1]


@pytest.mark.exercise("batch_sampler", "fetch", "loader")
def test_a_function_of_ones_own_makes_the_batches():
    loader = DataLoader(Squares(5), batch_size=2, collate_fn=lambda samples: sum(square for _, square in samples))
    assert list(loader) == [1, 13, 16]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_workers": -1}, ValueError, "num_workers must be 0 or more"),
        ({"timeout": -1}, ValueError, "timeout must be 0 or more"),
        ({"timeout": 5}, ValueError, "timeout is for worker processes"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor is for worker processes"),
        ({"num_workers": 1, "prefetch_factor": 0}, ValueError, "prefetch_factor must be an integer above 0"),
        ({"persistent_workers": True}, ValueError, "persistent_workers is for worker processes"),
        ({"multiprocessing_context": "spawn"}, ValueError, "multiprocessing_context is for worker processes"),
        ({"num_workers": 1, "multiprocessing_context": "clone"}, ValueError, "must be one of .*spawn.*got 'clone'"),
        ({"num_workers": 1, "multiprocessing_context": 5}, TypeError, "a string or a context, but got int"),
        ({"shuffle": True, "sampler": [0]}, ValueError, "sampler and shuffle exclude each other"),
        ({"batch_sampler": [[0]], "batch_size": 2}, ValueError, "batch_sampler takes the place of"),
        ({"batch_sampler": [[0]], "shuffle": True}, ValueError, "batch_sampler takes the place of"),
        ({"batch_sampler": [[0]], "drop_last": True}, ValueError, "batch_sampler takes the place of"),
        ({"batch_size": None, "drop_last": True}, ValueError, "drop_last needs batches"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer above 0"),
        ({"generator": 3}, TypeError, "has to be a np.random.Generator"),
    ],
    ids=str,
)
def test_options_that_exclude_each_other(options, error, message):
    with pytest.raises(error, match=message):
        DataLoader(Squares(4), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}], ids=str)
def test_a_stream_has_no_numbers(options):
    with pytest.raises(ValueError, match="come as they come"):
        DataLoader(Countdown(4), **options)


def test_a_loader_is_not_rebuilt():
    loader = DataLoader(Squares(4), 2)
    with pytest.raises(ValueError, match="batch_size of a DataLoader cannot be changed any more"):
        loader.batch_size = 3
    loader.collate_fn = list


# The loader and its processes


def ended(pids):
    """Whether these processes are gone, which may take a moment."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.exercise(*WORKING, "random_sampler", "loader")
@pytest.mark.parametrize("workers", [1, 3])
def test_workers_bring_the_same_batches(workers):
    epochs = []
    for count in (0, workers):
        generator = np.random.default_rng(3)
        loader = DataLoader(
            rows(23), 4, shuffle=True, num_workers=count, generator=generator, timeout=AWAITED if count else 0
        )
        epochs.append([[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(2)])
    assert epochs[0] == epochs[1]
    assert epochs[0][0] != epochs[0][1]


@pytest.mark.exercise(*WORKING)
def test_an_exception_arrives_as_it_was():
    loader = DataLoader(Subset(rows(4), [0, 1, 2, 99, 3]), num_workers=2, timeout=AWAITED)
    batches, seen = iter(loader), []
    with pytest.raises(IndexError, match="99 is out of bounds") as caught:
        seen.extend(y.item() for _, y in batches)
    assert "worker process 1 of a DataLoader" in caught.value.__notes__[0]
    assert "__getitem__" in caught.value.__notes__[0]
    assert next(batches)[1].item() == 3  # the worker has lived on


class Drawn(Dataset):
    """Samples that tell what was drawn for them, and where."""

    def __getitem__(self, index):
        info = get_worker_info()
        return (*draws(), info.id, info.seed)

    def __len__(self):
        return 12


@here_only
@pytest.mark.exercise("batch_sampler", "stack", "default_collate", "fetch", "work", "in_order", "seed_worker")
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_draw_numbers_of_their_own(persistent):
    def epochs(seed):
        generator = np.random.default_rng(seed)
        loader = DataLoader(Drawn(), num_workers=2, generator=generator, timeout=AWAITED, persistent_workers=persistent)
        return [[[part.item() for part in sample] for sample in loader] for _ in range(2)]

    first = epochs(1)
    numbers = [number for epoch in first for sample in epoch for number in sample[:3]]
    assert len(set(numbers)) == 2 * 12 * 3
    assert [sample[3] for sample in first[0]] == [0, 1] * 6
    assert len({sample[4] for epoch in first for sample in epoch}) == 4
    assert epochs(1) == first != epochs(2)


class Shared(IterableDataset):
    """Numbers, of which each worker yields its share."""

    def __init__(self, counts):
        self.counts = counts

    def __iter__(self):
        return iter([100 * get_worker_info().id + i for i in range(self.counts[get_worker_info().id])])


@here_only
@pytest.mark.exercise("batch_sampler", "stack", "default_collate", "fetch", "work", "in_order", "seed_worker")
def test_each_worker_brings_its_part_of_a_stream():
    loader = DataLoader(Shared([5, 1, 0]), batch_size=2, num_workers=3, timeout=AWAITED)
    for _ in range(2):
        assert [batch.tolist() for batch in loader] == [[0, 1], [100], [2, 3], [4]]


@here_only
@pytest.mark.exercise("batch_sampler", "fetch", "work", "in_order", "seed_worker")
def test_workers_keep_their_order_whoever_is_faster():
    def slow_and_quick(samples):
        time.sleep(0.02 * (samples[0] % 3 == 0))
        return samples[0]

    loader = DataLoader(range(12), num_workers=3, collate_fn=slow_and_quick, timeout=AWAITED)
    assert list(loader) == list(range(12))


@here_only
@pytest.mark.exercise("batch_sampler", "fetch", "work", "in_order", "seed_worker")
def test_workers_are_prepared():
    prepared = []
    options = {"worker_init_fn": prepared.append, "collate_fn": lambda _: list(prepared), "timeout": AWAITED}
    for persistent in (False, True):
        loader = DataLoader(range(4), num_workers=2, persistent_workers=persistent, **options)
        for _ in range(2):
            assert list(loader) == [[0], [1], [0], [1]]
    assert get_worker_info() is None


@pytest.mark.exercise(*WORKING)
def test_workers_end_with_the_epoch_or_with_the_loader():
    batches = iter(DataLoader(rows(6), num_workers=2, timeout=AWAITED))
    pids = [process.pid for process in batches.workers.processes]
    assert all(map(is_running, pids))
    assert len(list(batches)) == 6
    assert ended(pids)
    assert list(batches) == []

    loader = DataLoader(rows(6), num_workers=2, timeout=AWAITED, persistent_workers=True)
    first = iter(loader)
    pids = [process.pid for process in first.workers.processes]
    assert len(list(first)) == 6
    second = iter(loader)
    assert [process.pid for process in second.workers.processes] == pids
    next(second)
    assert [y.item() for _, y in loader] == list(range(6))  # what was on its way is thrown away
    with pytest.raises(RuntimeError, match="its workers have begun another epoch"):
        next(second)
    del loader, first, second
    assert ended(pids)


@pytest.mark.exercise(*WORKING)
def test_workers_end_in_the_middle_of_an_epoch():
    batches = iter(DataLoader(rows(600), num_workers=2, timeout=AWAITED))
    pids = [process.pid for process in batches.workers.processes]
    for _ in batches:
        break
    del _, batches
    assert ended(pids)


def test_examples_in_docstrings():
    results = doctest.testmod(dataloader)
    assert results.attempted > 10
    assert results.failed == 0
