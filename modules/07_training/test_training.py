"""The comprehensive suite of module 07, second half: files, checkpoints, callbacks, the trainer."""

import contextlib
import doctest
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import tinytorch.core.training as training
from tinytorch.core.layers import Dropout, Linear, Parameter, Sequential
from tinytorch.core.losses import CrossEntropyLoss, MSELoss
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor, default_generator, from_numpy, manual_seed
from tinytorch.core.training import (
    DTYPES,
    Averages,
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    Entry,
    History,
    ReduceLROnPlateau,
    Trainer,
    accuracy,
    check_offsets,
    header_of,
    load_arrays,
    load_state,
    monitored,
    save_arrays,
    save_state,
    write_atomically,
)

few_examples = settings(max_examples=30, deadline=None)

FILE = ("header", "write_atomically", "check_offsets")
RUN = ("train_epoch", "evaluate", *FILE, "gather", "batches_left")


class Shuffled:
    """Batches in a new order each time; the order is drawn when the first batch is asked for."""

    def __init__(self, count=20, size=6, generator=None):
        rng = np.random.default_rng(7)
        self.x = rng.standard_normal((count, 3)).astype(np.float32)
        self.y = (self.x.sum(axis=1) > 0).astype(np.int64)
        self.size, self.generator = size, generator

    def __len__(self):
        return math.ceil(len(self.x) / self.size)

    def __iter__(self):
        order = (self.generator or default_generator()).permutation(len(self.x))
        for start in range(0, len(order), self.size):
            chosen = order[start : start + self.size]
            yield from_numpy(self.x[chosen]), from_numpy(self.y[chosen])


def make(*callbacks, seed=0, own_generator=True, **options):
    manual_seed(seed)
    model = Sequential(Linear(3, 8), Dropout(0.3), Linear(8, 2))
    trainer = Trainer(model, Adam(model.parameters(), lr=0.05), CrossEntropyLoss(), callbacks=callbacks, **options)
    return trainer, Shuffled(generator=np.random.default_rng(seed) if own_generator else None)


class Scale(training.Module):
    """One number, times the input; of float64, so that steps can be followed by hand."""

    def __init__(self, value):
        self.w = Parameter(np.array([value]))

    def forward(self, x):
        return x * self.w


def column(*values):
    return from_numpy(np.array(values))


def line(value=0.0, lr=0.1, **options):
    """A trainer of ``w * x`` with the loss ``mean((w * x - y)**2)``."""
    model = Scale(value)
    return Trainer(model, SGD(model.parameters(), lr=lr), MSELoss(), **options)


# Means


def test_means_are_weighted_by_the_sizes_of_their_batches():
    averages = Averages()
    averages.add({"loss": 2.0, "accuracy": 1.0}, 3)
    averages.add({"loss": 8.0, "accuracy": 0.0}, 1)
    assert averages.means() == {"loss": 3.5, "accuracy": 0.75}


def test_accuracy():
    logits = Tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]])
    assert accuracy(logits, column(0, 1)) == 0.5
    assert accuracy(Tensor(np.zeros((2, 3, 4))), from_numpy(np.zeros((2, 4), np.int64))) == 1.0


@pytest.mark.parametrize(
    ("logits", "targets", "error", "message"),
    [
        ((2, 3), np.zeros(3, int), ValueError, r"logits of shape \(2, 3\) and targets of shape \(3,\)"),
        ((2,), np.zeros(2, int), ValueError, r"Pass logits \(N, C, ...\)"),
        ((2, 3), np.zeros(2), TypeError, "are the numbers of classes, but got float64"),
        ((0, 3), np.zeros(0, int), ValueError, "there is no example"),
    ],
)
def test_what_has_no_accuracy(logits, targets, error, message):
    with pytest.raises(error, match=message):
        accuracy(Tensor(np.zeros(logits)), from_numpy(targets))


def test_a_history_gives_series():
    history = History([{"epoch": 1, "loss": 2.0, "lr": 0.1}, {"epoch": 2, "loss": 1.0, "lr": 0.1}])
    assert history.series() == {"loss": [2.0, 1.0], "lr": [0.1, 0.1]}
    assert history.series("loss") == {"loss": [2.0, 1.0]}
    assert History().series() == {}


# Early stopping


def waiting(values, **options):
    """Return after each value how long was waited, and whether the run was stopped, until it is."""
    trainer, stopping, seen = line(), EarlyStopping("val_loss", **options), []
    for value in values:
        trainer.row = {"val_loss": value}
        stopping.on_epoch_end(trainer)
        seen.append(stopping.waited)
        if trainer.stop:
            break
    return seen, trainer.stop, stopping.best


@pytest.mark.exercise("early_stopping")
def test_early_stopping_follows_the_table():
    values = [0.90, 0.70, 0.68, 0.60, 0.61, 0.58, 0.1]
    assert waiting(values, patience=2, min_delta=0.05) == ([0, 0, 1, 0, 1, 2], True, 0.60)


@pytest.mark.exercise("early_stopping")
def test_early_stopping_waits_for_more():
    assert waiting([0.5, 0.6, 0.55, 0.7, 0.1], patience=2, mode="max") == ([0, 0, 1, 0, 1], False, 0.7)
    assert waiting([-3.0, -2.0, -5.0], patience=1, mode="max") == ([0, 0, 1], True, -2.0)


@pytest.mark.exercise("early_stopping")
def test_what_is_equal_is_not_better_and_neither_is_nan():
    assert waiting([1.0, 1.0, 1.0], patience=2) == ([0, 1, 2], True, 1.0)
    assert waiting([math.nan, 1.0, math.nan, math.nan], patience=2) == ([1, 0, 1, 2], True, 1.0)


@pytest.mark.exercise("early_stopping")
def test_the_best_values_are_kept_only_when_they_are_wanted():
    for wanted in (True, False):
        trainer, stopping = line(), EarlyStopping("loss", restore_best=wanted)
        for w, loss in ((1.0, 0.5), (2.0, 0.3), (3.0, 0.4)):
            trainer.model.w.data[...] = w
            trainer.row = {"loss": loss}
            stopping.on_epoch_end(trainer)
        stopping.on_train_end(trainer)
        assert trainer.model.w.tolist() == [2.0 if wanted else 3.0]


@pytest.mark.exercise("early_stopping", "train_epoch")
def test_early_stopping_ends_a_run_and_a_new_run_begins_afresh():
    stopping = EarlyStopping("loss", patience=2)
    trainer = line(1.0, lr=0.0, callbacks=[stopping])
    batches = [(column(1.0), column(0.0))]
    assert len(trainer.fit(batches, 10)) == 3
    assert len(trainer.fit(batches, 10)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 0}, "patience must be at least 1 and min_delta 0 or more, but got patience=0"),
        ({"min_delta": -0.1}, "min_delta=-0.1"),
        ({"min_delta": math.nan}, "min_delta=nan"),
        ({"mode": "up"}, "mode is 'min' where less is better, or 'max' where more is, but got 'up'"),
    ],
)
def test_settings_of_early_stopping(options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_what_is_not_in_the_row():
    with pytest.raises(KeyError, match=r"no value is named 'val_loss'; an epoch has loss, lr\. Pass a validation_load"):
        monitored({"epoch": 1, "loss": 1.0, "lr": 0.1}, "val_loss")


# Steps


@pytest.mark.exercise("train_epoch")
def test_steps_by_hand():
    """The slope of ``mean((w * x - y)**2)`` is ``mean(2 * x * (w * x - y))``."""
    trainer = line()
    trainer.train_epoch([(column(1.0, 2.0), column(2.0, 4.0)), (column(1.0), column(0.0))])
    w = 0.1 * (4 + 16) / 2  # 1.0 after the first step
    assert trainer.sums.means()["loss"] == pytest.approx(((4 + 16) + w**2) / 3)
    assert trainer.model.w.item() == pytest.approx(w - 0.1 * 2 * w)
    assert (trainer.batch, trainer.step) == (2, 2)


@pytest.mark.exercise("train_epoch")
def test_gradients_are_forgotten_between_the_steps_and_not_after_them():
    trainer = line(1.0, lr=0.0)
    trainer.train_epoch([(column(1.0), column(0.0))] * 3)
    assert trainer.model.w.grad.tolist() == [2.0]


@pytest.mark.exercise("train_epoch")
def test_gradients_are_limited_before_the_step():
    trainer = line(lr=1.0, clip_grad_norm=0.25)
    trainer.train_epoch([(column(100.0), column(100.0))])
    assert trainer.model.w.item() == pytest.approx(0.25, rel=1e-4)
    trainer = line(lr=1.0, clip_grad_norm=100.0)
    trainer.train_epoch([(column(0.5), column(1.0))])
    assert trainer.model.w.item() == pytest.approx(1.0)


@pytest.mark.exercise("train_epoch")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_before_the_step(bad):
    trainer = line(0.5)
    batches = [(column(1.0), column(0.5)), (column(1.0), column(bad))]
    words = rf"the loss is {bad} in epoch 1, step 2, at the rate 0.1. No step was taken. Try a smaller rate"
    with pytest.raises(FloatingPointError, match=words):
        trainer.fit(batches, 1)
    assert trainer.model.w.tolist() == [0.5]
    trainer = line(0.5, check_finite=False)
    assert not math.isfinite(trainer.fit(batches, 1)[0]["loss"])
    assert trainer.step == 2


@pytest.mark.exercise("train_epoch")
def test_training_is_in_training_mode():
    seen = []

    class Watch(Scale):
        def forward(self, x):
            seen.append(self.training)
            return super().forward(x)

    model = Watch(1.0)
    model.eval()
    Trainer(model, SGD(model.parameters(), lr=0.1), MSELoss()).fit([(column(1.0), column(1.0))], 1)
    assert seen == [True]


@pytest.mark.exercise("train_epoch")
def test_a_loss_of_several_numbers():
    model = Scale(1.0)
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), MSELoss(reduction="none"))
    with pytest.raises(ValueError, match=r"returned a tensor of shape \(2,\). The loss is one number"):
        trainer.train_epoch([(column(1.0, 2.0), column(1.0, 2.0))])


@pytest.mark.parametrize(("batch", "what"), [((1, 2, 3), "3 things"), (np.zeros(2), "ndarray")])
def test_a_batch_is_a_pair(batch, what):
    with pytest.raises(TypeError, match=f"a batch is a pair of inputs and targets, but the loader gave {what}"):
        line().train_epoch([batch])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler_every": "batch"}, "scheduler_every is 'epoch' or 'step', but got 'batch'"),
        ({"clip_grad_norm": 0.0}, "clip_grad_norm is a length above 0, or None, but got 0.0"),
        ({"metrics": {"loss": accuracy}}, "a metric cannot be named 'loss'"),
    ],
)
def test_settings_of_the_trainer(options, message):
    with pytest.raises(ValueError, match=message):
        line(**options)


# Measuring


@pytest.mark.exercise("evaluate")
def test_measuring_weighs_each_example_the_same():
    trainer = line(1.0, metrics={"largest": lambda outputs, targets: outputs.data.max()})
    batches = [(column(1.0, 2.0, 3.0), column(0.0, 0.0, 0.0)), (column(5.0), column(0.0))]
    assert trainer.evaluate(batches) == pytest.approx({"loss": (1 + 4 + 9 + 25) / 4, "largest": (3 * 3 + 5) / 4})
    assert (trainer.step, trainer.sums.count) == (0, 0)


@pytest.mark.exercise("evaluate")
def test_measuring_trains_nothing():
    trainer = line(1.0)
    before = default_generator().bit_generator.state
    trainer.evaluate([(column(1.0), column(0.0))] * 2)
    assert (trainer.model.w.tolist(), trainer.model.w.grad) == ([1.0], None)
    assert default_generator().bit_generator.state == before


@pytest.mark.exercise("evaluate")
def test_every_layer_gets_its_mode_back():
    frozen, open_ = Dropout(), Dropout()
    model = Sequential(frozen, open_)
    frozen.eval()
    seen = []

    def criterion(outputs, targets):
        seen.append((frozen.training, open_.training, outputs.requires_grad))
        return MSELoss()(outputs, targets)

    trainer = Trainer(model, SGD([Parameter([1.0])], lr=0.1), criterion)
    trainer.evaluate([(column(1.0), column(1.0))])
    assert (seen, frozen.training, open_.training) == ([(False, False, False)], False, True)
    with pytest.raises(ValueError, match="MSELoss"):
        trainer.evaluate([(column(1.0), column(1.0, 2.0))])
    assert (frozen.training, open_.training) == (False, True)


def test_measuring_nothing():
    with pytest.raises(ValueError, match="the loader gave no example"):
        line().evaluate([])


# The file of arrays


@pytest.mark.exercise("header")
def test_the_header_of_two_numbers():
    header = header_of({"w": np.array([1.0, -2.0], np.float32)}, {})
    assert header[:8] == (56).to_bytes(8, "little")
    assert json.loads(header[8:]) == {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.exercise("header")
def test_the_header_of_several_arrays():
    arrays = {
        "a": np.zeros((2, 3), ">f8"),
        "b": np.zeros((0, 4), np.int16),
        "c": np.array(True),
        "d": np.zeros(3, "f2"),
    }
    header = json.loads(header_of(arrays, {"made": "here"})[8:])
    assert header.pop("__metadata__") == {"made": "here"}
    assert list(header) == ["a", "b", "c", "d"]
    assert [tuple(entry.values()) for entry in header.values()] == [
        ("F64", [2, 3], [0, 48]),
        ("I16", [0, 4], [48, 48]),
        ("BOOL", [], [48, 49]),
        ("F16", [3], [49, 55]),
    ]


@pytest.mark.exercise("write_atomically")
def test_the_bytes_are_on_the_disk_before_the_file_takes_its_name(tmp_path, monkeypatch):
    path, events = tmp_path / "file", []
    path.write_bytes(b"old")
    fsync, replace = os.fsync, os.replace

    def watched_fsync(file):
        number = file if isinstance(file, int) else file.fileno()
        events.append(("fsync", os.fstat(number).st_size if os.fstat(number).st_mode & 0o100000 else "folder"))
        fsync(number)

    def watched_replace(source, target):
        events.append(("replace", Path(source).read_bytes(), path.read_bytes()))
        assert Path(source).parent == tmp_path
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_atomically(path, [b"some", b"thing"])
    assert path.read_bytes() == b"something"
    assert events[:2] == [("fsync", 9), ("replace", b"something", b"old")]


@pytest.mark.exercise("write_atomically")
def test_the_old_file_is_whole_while_the_new_one_is_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    seen = []

    def pieces():
        for _ in range(3):
            seen.append(path.read_bytes())
            yield b"x" * 100_000

    write_atomically(path, pieces())
    assert seen == [b"old"] * 3
    assert path.read_bytes() == b"x" * 300_000
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.exercise("write_atomically")
def test_the_old_file_stays_when_the_new_one_cannot_be_made(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces():
        yield b"x" * 100_000
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, pieces())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.exercise("write_atomically")
def test_what_lay_beside_from_a_kill_does_not_matter(tmp_path):
    (tmp_path / "file.partial").write_bytes(b"half" * 1000)
    write_atomically(tmp_path / "file", [b"whole"])
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["file"]


def entry(begin, end, *shape, code="U8"):
    return Entry(code, shape, begin, end)


@pytest.mark.exercise("check_offsets")
def test_arrays_that_tile_the_bytes():
    check_offsets({}, 0)
    check_offsets({"a": entry(0, 8, 2, code="F32"), "b": entry(8, 24, 2, code="F64")}, 24)
    check_offsets({"b": entry(3, 5, 2), "a": entry(0, 3, 3)}, 5)
    check_offsets({"scalar": entry(0, 4, code="F32"), "half": entry(4, 8, 2, code="BF16")}, 8)


@pytest.mark.exercise("check_offsets")
def test_an_empty_array_ends_where_it_begins():
    check_offsets({"a": entry(0, 3, 3), "full": entry(3, 5, 2), "empty": entry(3, 3, 0, 7)}, 5)
    check_offsets({"empty": entry(0, 0, 0)}, 0)


@pytest.mark.exercise("check_offsets")
@pytest.mark.parametrize(
    ("b", "size"),
    [(entry(2, 5, 3), 5), (entry(4, 7, 3), 7), (entry(0, 3, 3), 3), (entry(3, 6, 2), 6), (entry(3, 6, 4), 6)],
    ids=["overlap", "gap", "the same place", "too long", "too short"],
)
def test_an_array_that_is_not_in_its_place(b, size):
    with pytest.raises(ValueError, match="'b'"):
        check_offsets({"a": entry(0, 3, 3), "b": b}, size)


@pytest.mark.exercise("check_offsets")
@pytest.mark.parametrize("size", [2, 4], ids=["past the end", "bytes left over"])
def test_the_last_array_ends_where_the_file_ends(size):
    with pytest.raises(ValueError):
        check_offsets({"a": entry(0, 3, 3)}, size)


@pytest.mark.exercise("check_offsets")
def test_the_first_array_begins_at_the_beginning():
    with pytest.raises(ValueError, match="'a'"):
        check_offsets({"a": entry(1, 4, 3)}, 4)


ARRAYS = npst.arrays(
    st.sampled_from([np.dtype(name) for name in DTYPES.values()] + [np.dtype(">f4"), np.dtype(">i8"), np.dtype(">u2")]),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@pytest.mark.exercise(*FILE)
@given(arrays=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), ARRAYS, max_size=4), data=st.data())
@few_examples
def test_what_was_written_is_read(tmp_path_factory, arrays, data):
    arrays.pop("__metadata__", None)
    arrays = {name: array.T if data.draw(st.booleans()) else array for name, array in arrays.items()}
    metadata = data.draw(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
    path = tmp_path_factory.mktemp("arrays") / "some.safetensors"
    save_arrays(path, arrays, metadata)
    read, notes = load_arrays(path)
    assert (list(read), notes) == (list(arrays), metadata)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype.newbyteorder("=")
        assert read[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()
        assert read[name].shape == array.shape
        assert read[name].flags.writeable


@pytest.mark.exercise(*FILE)
def test_tensors_and_views_are_written_by_their_axes(tmp_path):
    base = np.arange(24.0).reshape(4, 6)
    arrays = {"every second": base[::2, ::-1], "turned": base.T, "tensor": Tensor([1.0, 2.0])}
    save_arrays(tmp_path / "file", arrays)
    read, _ = load_arrays(str(tmp_path / "file"))
    assert all(np.array_equal(read[name], np.asarray(array)) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("arrays", "metadata", "error", "message"),
    [
        ({"a": [1.0]}, {}, TypeError, "takes arrays by name, but got 'a': list"),
        ({1: np.ones(1)}, {}, TypeError, "takes arrays by name, but got 1: ndarray"),
        ({"__metadata__": np.ones(1)}, {}, ValueError, "the name '__metadata__' belongs to the metadata"),
        ({}, {"n": 1}, TypeError, "metadata is strings by name, but got 'n': 1"),
    ],
)
def test_what_cannot_be_written(tmp_path, arrays, metadata, error, message):
    with pytest.raises(error, match=message):
        save_arrays(tmp_path / "file", arrays, metadata)
    assert os.listdir(tmp_path) == []


@pytest.mark.exercise("header")
@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array(["text"]), np.array([None])])
def test_dtypes_that_the_file_does_not_know(tmp_path, array):
    with pytest.raises(TypeError, match="there is no name for the dtype"):
        save_arrays(tmp_path / "file", {"a": array})
    assert os.listdir(tmp_path) == []


def write(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.exercise("check_offsets")
def test_bfloat16_is_read_as_float32(tmp_path):
    bits = np.array([1.0, -2.5, math.inf, math.nan], np.float32).view(np.uint32) >> 16
    header = {"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    write(tmp_path / "file", header, bits.astype("<u2").tobytes())
    (array,) = load_arrays(tmp_path / "file")[0].values()
    assert array.dtype == np.float32
    assert np.array_equal(array, [[1.0, -2.5], [math.inf, math.nan]], equal_nan=True)


GOOD = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes, but the length of the header alone takes 8"),
        (b"\x02\0\0\0\0\0\0", "it has 7 bytes"),
        (b"\xff" * 8 + b"{}", r"its header has 18446744073709551615 bytes, but 2 are left in it, and 100000000"),
        (b"\x03\0\0\0\0\0\0\0{}", "its header has 3 bytes, but 2 are left"),
    ],
)
def test_a_file_that_is_too_short(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=f"file cannot be read as a file of arrays: .*{message}"):
        load_arrays(tmp_path / "file")


def test_a_header_that_is_too_long_is_not_read(tmp_path):
    with open(tmp_path / "file", "wb") as file:
        file.write((100_000_001).to_bytes(8, "little"))
        file.truncate(8 + 100_000_001)  # a hole: it takes no room on the disk
    with pytest.raises(ValueError, match=r"says that its header has 100000001 bytes.* and 100000000 is the most"):
        load_arrays(tmp_path / "file")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "its header is no JSON"),
        (b"\xff\xfe", "its header is no JSON"),
        (b"[" * 100_000, "its header is nested too deeply"),
        (b"[]", "must be a JSON object, but it is a list"),
        (b'{"a": 1, "a": 2}', "the name 'a' comes twice"),
        (b'{"a": ' + b"1" * 5000 + b"}", "its header is no JSON"),
        ({"__metadata__": {"a": 1}}, "'__metadata__' must be strings by name"),
        ({"__metadata__": []}, "'__metadata__' must be strings by name"),
        ({"a": 1}, "'a' must have 'dtype', 'shape' and 'data_offsets', but it is 1"),
        ({"a": {**GOOD, "more": 1}}, "'a' must have"),
        ({"a": {**GOOD, "dtype": "F8_E4M3"}}, "'a' has the dtype 'F8_E4M3', but those known are F64"),
        ({"a": {**GOOD, "dtype": ["F32"]}}, "'a' has the dtype"),
        ({"a": {**GOOD, "shape": 2}}, "the shape of 'a' must be a list of integers from 0, but it is 2"),
        ({"a": {**GOOD, "shape": [-2, -1]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "shape": [2.0]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "shape": [True, 2]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "shape": [0, 2**70]}}, "the shape of 'a'"),
        ({"a": {**GOOD, "data_offsets": [0]}}, "the offsets of 'a' must be two integers"),
        ({"a": {**GOOD, "data_offsets": [2, 0]}}, "the offsets of 'a'"),
        ({"a": {**GOOD, "data_offsets": ["0", "2"]}}, "the offsets of 'a'"),
        ({"a": {**GOOD, "data_offsets": None}}, "the offsets of 'a'"),
    ],
)
def test_a_header_that_says_something_else(tmp_path, header, message):
    write(tmp_path / "file", header, b"\1\2")
    with pytest.raises(ValueError, match=f"file cannot be read as a file of arrays: .*{message}"):
        load_arrays(tmp_path / "file")


@pytest.mark.exercise("check_offsets")
@pytest.mark.parametrize(
    ("entry", "data", "message"),
    [
        ({**GOOD, "dtype": "BOOL"}, b"\1\2", "'a' holds truth values, each a byte 0 or 1"),
        ({"dtype": "U8", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}, b"", "'a' has a shape that no array can"),
        ({"dtype": "U8", "shape": [1] * 100, "data_offsets": [0, 1]}, b"\1", "'a' has a shape that no array can have"),
        (GOOD, b"\1\2\3", ""),
        (GOOD, b"\1", ""),
    ],
)
def test_arrays_that_are_not_what_the_header_says(tmp_path, entry, data, message):
    write(tmp_path / "file", {"a": entry}, data)
    with pytest.raises(ValueError, match=f"file cannot be read as a file of arrays: .*{message}"):
        load_arrays(tmp_path / "file")


# Trees


@pytest.mark.exercise(*FILE)
def test_a_tree_comes_back_as_it_was(tmp_path):
    tree = {
        "state": {0: {"step": np.float32(3)}, 1: {"$array": 5}},
        "betas": (0.1 + 0.2, 1e-320, math.inf, -0.0),
        "nothing": None,
        "": {"": np.zeros(0)},
        "rows": [{"a": True, "big": 1 << 127}, [], (), "µ"],
    }
    save_state(tmp_path / "tree", tree)
    read = load_state(tmp_path / "tree")
    assert np.array_equal(read[""].pop(""), tree[""].pop(""))
    assert repr(read) == repr(tree)
    assert type(read["state"][0]["step"]) is np.float32


@pytest.mark.exercise(*FILE)
def test_names_in_a_tree_that_look_the_same(tmp_path):
    tree = {"a.b": np.array(1), "a": {"b": np.array(2)}, "__metadata__": np.array(3)}
    save_state(tmp_path / "tree", tree)
    read = load_state(tmp_path / "tree")
    assert (int(read["a.b"]), int(read["a"]["b"]), int(read["__metadata__"])) == (1, 2, 3)


def test_what_a_tree_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match=r"but at optimizer.0.schedule is a function"):
        save_state(tmp_path / "tree", {"optimizer": [{"schedule": make}]})
    with pytest.raises(TypeError, match="cannot hold the ndarray of dtype complex128 at a"):
        save_state(tmp_path / "tree", {"a": np.zeros(1, complex)})


@pytest.mark.exercise(*FILE)
@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is damaged"), ("[]", "its state is a list"), ('{"a": {"$array": "b"}}', "is damaged: its state cannot be")],
)
def test_a_damaged_tree(tmp_path, text, message):
    save_arrays(tmp_path / "tree", {}, {"tinytorch.state": text})
    with pytest.raises(ValueError, match=message):
        load_state(tmp_path / "tree")
    save_arrays(tmp_path / "tree", {"a": np.ones(2)})
    with pytest.raises(ValueError, match="tree is a file of arrays, but not a checkpoint"):
        load_state(tmp_path / "tree")


# What a checkpoint gathers


class At(Callback):
    """Calls something after some step, or after each epoch."""

    last = True

    def __init__(self, do, step=None):
        self.do, self.step = do, step

    def on_batch_end(self, trainer):
        if trainer.step == self.step:
            self.do(trainer)

    def on_epoch_end(self, trainer):
        if self.step is None:
            self.do(trainer)


@pytest.mark.exercise("gather", "train_epoch")
def test_what_is_gathered_inside_an_epoch():
    states = []
    trainer, loader = make(At(lambda t: states.append((t.state_dict(), dict(t.sums.totals))), step=6))
    began = []
    trainer.callbacks.insert(0, At(lambda t: began.append(loader.generator.bit_generator.state)))
    trainer.fit(loader, 2)
    ((state, totals),) = states
    assert (state["epoch"], state["batch"], state["step"], state["batches"]) == (1, 2, 6, 4)
    assert len(state["history"]) == 1
    assert (state["count"], totals.keys()) == (12, {"loss"})
    assert state["random_at_epoch_begin"]["loader"] == began[0] != state["random"]["loader"]
    assert state["random_at_epoch_begin"]["default"] != state["random"]["default"]


@pytest.mark.exercise("gather", "train_epoch")
def test_what_is_gathered_after_an_epoch():
    states = []
    trainer, loader = make(At(lambda t: states.append(t.state_dict())))
    trainer.fit(loader, 2)
    state = states[-1]
    assert (state["epoch"], state["batch"], state["step"]) == (2, 0, 8)
    assert (state["totals"], state["count"]) == ({}, 0)
    assert state["history"] == trainer.history
    assert state["random_at_epoch_begin"] == state["random"]
    assert state["random"]["default"] == default_generator().bit_generator.state
    assert state["random"]["loader"] == loader.generator.bit_generator.state


# Going on


def run(path, stop_at=None, resume=False, epochs=3, own_generator=True, **options):
    """Return the history and the values of a run, which is stopped or goes on."""

    def stop(trainer):
        raise InterruptedError

    callbacks = [Checkpoint(path, every_n_steps=1), CSVLog(path.with_suffix(".csv"))]
    callbacks += [At(stop, stop_at)] * (stop_at is not None)
    trainer, loader = make(*callbacks, seed=5 if resume else 0, own_generator=own_generator, **options)
    try:
        history = trainer.fit(loader, epochs, Shuffled(9, 4), resume=path if resume else None)
    except InterruptedError:
        history = trainer.history
    return history, {name: value.data.tobytes() for name, value in trainer.model.state_dict().items()}


@pytest.mark.exercise(*RUN)
@pytest.mark.parametrize("own_generator", [True, False], ids=["own generator", "the package's"])
@pytest.mark.parametrize("stop_at", [1, 4, 6, 12])
def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path, stop_at, own_generator):
    whole = run(tmp_path / "whole.ckpt", own_generator=own_generator)
    run(tmp_path / "run.ckpt", stop_at, own_generator=own_generator)
    went_on = run(tmp_path / "run.ckpt", resume=True, own_generator=own_generator)
    assert went_on == whole
    assert (tmp_path / "run.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.exercise("batches_left", "train_epoch", *FILE, "gather", "evaluate")
def test_a_loader_that_gives_fewer_batches_than_were_done(tmp_path):
    run(tmp_path / "run.ckpt", 3)
    trainer, _ = make()
    lazy = iter([])
    trainer_loader = type("Lazy", (), {"__iter__": lambda self: lazy, "generator": np.random.default_rng(0)})()
    with pytest.raises(ValueError, match="checkpoint"):
        trainer.fit(trainer_loader, 4, Shuffled(9, 4), resume=unhooked(tmp_path / "run.ckpt"))


def unhooked(path):
    """Take the callbacks' states out of a checkpoint."""
    save_state(path, {**load_state(path), "callbacks": {}})
    return path


@pytest.mark.exercise(*RUN)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t, loader: setattr(t, "model", Linear(3, 2)),
            "does not fit the model: it lacks 'bias', 'weight', and it ha",
        ),
        (
            lambda t, loader: setattr(t, "model", Sequential(Linear(3, 9), Dropout(), Linear(9, 2))),
            r"'0.weight' of the model is float32 of shape \(8, 3\) in it, but float32 of shape \(9, 3\) here",
        ),
        (
            lambda t, loader: setattr(t, "optimizer", SGD(t.model.parameters(), lr=0.1)),
            "the optimizer is Adam in it, but SGD here",
        ),
        (
            lambda t, loader: setattr(t, "optimizer", Adam([t.model[0].weight])),
            r"the state has groups of \[4\] parameters, but this optimizer \[1\]",
        ),
        (
            lambda t, loader: setattr(t, "scheduler", ReduceLROnPlateau(t.optimizer)),
            "the scheduler is NoneType in it, but ReduceLROnPlateau here",
        ),
        (lambda t, loader: setattr(loader, "size", 7), "the number of batches in an epoch is 4 in it, but 3 here"),
        (
            lambda t, loader: setattr(loader, "generator", None),
            "the random generators is {.*'loader': 'PCG64'} in it, but {",
        ),
        (
            lambda t, loader: setattr(loader, "generator", np.random.Generator(np.random.MT19937(0))),
            "'loader': 'PCG64'} in it, but .*'MT19937'",
        ),
        (lambda t, loader: t.callbacks.clear(), "the state of a callback 'Checkpoint 1', but this trainer has none"),
    ],
)
def test_a_checkpoint_of_something_else_changes_nothing(tmp_path, change, message):
    path = tmp_path / "run.ckpt"
    run(path, 3)
    trainer, loader = make(Checkpoint(path))
    change(trainer, loader)
    optimizer = trainer.optimizer
    before = [value.data.tobytes() for value in trainer.model.state_dict().values()]
    random = default_generator().bit_generator.state
    with pytest.raises(ValueError, match=f"cannot go on from .*run.ckpt: .*{message}"):
        trainer.fit(loader, 4, Shuffled(9, 4), resume=path)
    assert [value.data.tobytes() for value in trainer.model.state_dict().values()] == before
    assert default_generator().bit_generator.state == random
    assert optimizer.state == {}


@pytest.mark.exercise(*RUN)
def test_a_run_that_is_done_is_done(tmp_path):
    whole = run(tmp_path / "run.ckpt")
    assert run(tmp_path / "run.ckpt", resume=True) == whole


@pytest.mark.exercise(*RUN, "early_stopping")
def test_a_run_that_was_stopped_early_stays_stopped(tmp_path):
    def trained(resume):
        stopping = EarlyStopping("loss", patience=1, mode="max", restore_best=True)
        trainer, loader = make(stopping, Checkpoint(tmp_path / "run.ckpt"))
        history = trainer.fit(loader, 9, resume=resume)
        return history, {name: value.data.tobytes() for name, value in trainer.model.state_dict().items()}

    first = trained(None)
    assert len(first[0]) < 9
    assert trained(tmp_path / "run.ckpt") == first


# The whole run


@pytest.mark.exercise("train_epoch", "evaluate")
def test_the_row_of_an_epoch():
    trainer, loader = make(metrics={"accuracy": accuracy})
    history = trainer.fit(loader, 2, Shuffled(9, 4))
    assert list(history[1]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr"]
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["lr"] == 0.05
    assert {"val_" + name: value for name, value in trainer.evaluate(Shuffled(9, 4)).items()} == pytest.approx(
        {name: history[1][name] for name in ("val_loss", "val_accuracy")}
    )
    json.dumps(history)


class Count:
    """A schedule that counts its steps."""

    def __init__(self):
        self.steps = []

    def step(self, *values):
        self.steps.append(values)


@pytest.mark.exercise("train_epoch", "evaluate")
def test_a_scheduler_is_stepped_after_each_epoch_or_each_step():
    for every, steps in (("epoch", 2), ("step", 8)):
        scheduler = Count()
        trainer, loader = make(scheduler=scheduler, scheduler_every=every)
        trainer.fit(loader, 2)
        assert scheduler.steps == [()] * steps


@pytest.mark.exercise("train_epoch", "evaluate")
def test_a_plateau_is_shown_the_value_that_is_watched():
    class Plateau(ReduceLROnPlateau):
        def __init__(self):
            self.seen = []

        def step(self, metrics):
            self.seen.append(metrics)

    for monitor, validation, name in ((None, None, "loss"), (None, Shuffled(9, 4), "val_loss"), ("loss", None, "loss")):
        scheduler = Plateau()
        trainer, loader = make(scheduler=scheduler, monitor=monitor)
        history = trainer.fit(loader, 2, validation)
        assert scheduler.seen == history.series(name)[name]
    with pytest.raises(ValueError, match="ReduceLROnPlateau looks at an epoch's value"):
        make(scheduler=Plateau(), scheduler_every="step")


@pytest.mark.exercise("train_epoch")
def test_the_moments_of_a_run():
    seen = []

    class Watch(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda t: seen.append((name[3:], t.epoch, t.batch, t.step, len(t.history)))
            return super().__getattribute__(name)

    trainer = line(callbacks=[Watch()])
    trainer.fit([(column(1.0), column(1.0))] * 2, 2)
    assert seen == [
        ("train_begin", 0, 0, 0, 0),
        ("epoch_begin", 0, 0, 0, 0),
        ("batch_end", 0, 1, 1, 0),
        ("batch_end", 0, 2, 2, 0),
        ("epoch_end", 0, 2, 2, 1),
        ("epoch_begin", 1, 0, 2, 1),
        ("batch_end", 1, 1, 3, 1),
        ("batch_end", 1, 2, 4, 1),
        ("epoch_end", 1, 2, 4, 2),
        ("train_end", 1, 0, 4, 2),
    ]
    assert trainer.batches == 2


@pytest.mark.exercise("train_epoch")
def test_a_callback_ends_the_run_after_its_epoch():
    def stop(trainer):
        trainer.stop = True

    trainer = line(callbacks=[At(stop, step=3)])
    assert len(trainer.fit([(column(1.0), column(1.0))] * 2, 9)) == 2
    assert trainer.step == 4


@pytest.mark.exercise("train_epoch")
def test_an_iterator_gives_its_batches_once():
    trainer = line()
    with pytest.raises(ValueError, match=r"the loader gave no batch in epoch 2. An iterator gives its batches once"):
        trainer.fit(iter([(column(1.0), column(1.0))]), 2)
    with pytest.raises(ValueError, match="epochs must be 0 or more, but got -1"):
        trainer.fit([], -1)
    assert trainer.fit([], 0) == []


@pytest.mark.exercise(*RUN)
def test_ctrl_c_goes_on_to_the_caller_with_a_note(tmp_path):
    def interrupt(trainer):
        raise KeyboardInterrupt

    path = tmp_path / "run.ckpt"
    for callbacks, note in (
        ([], "There is no checkpoint. Pass callbacks="),
        ([Checkpoint(path)], f"The last checkpoint is {path}. Go on with fit(..., resume={str(path)!r})."),
    ):
        trainer, loader = make(*callbacks, At(interrupt, step=6))
        with pytest.raises(KeyboardInterrupt) as caught:
            trainer.fit(loader, 3)
        (said,) = caught.value.__notes__
        assert said.startswith("Stopped in epoch 2 of 3, after 6 steps.")
        assert note in said


# Checkpoints and logs


@pytest.mark.exercise(*RUN)
def test_the_best_epoch_is_kept_beside(tmp_path):
    path = tmp_path / "run.ckpt"
    trainer, loader = make(Checkpoint(path, monitor="loss", mode="max"))
    history = trainer.fit(loader, 5)
    losses = history.series("loss")["loss"]
    best = load_state(tmp_path / "run.best.ckpt")
    assert best["epoch"] == losses.index(max(losses)) + 1 < 5
    assert load_state(path)["epoch"] == 5
    assert load_state(path)["callbacks"] == {"Checkpoint 1": {"best": max(losses)}}


@pytest.mark.exercise(*RUN)
def test_checkpoints_see_what_the_other_callbacks_did(tmp_path):
    """Wherever a checkpoint stands among the callbacks."""
    path = tmp_path / "run.ckpt"

    class Steps(Callback):
        steps = 0

        def on_batch_end(self, trainer):
            self.steps += 1

        def state_dict(self):
            return {"steps": self.steps}

    trainer, loader = make(Checkpoint(path, every_n_steps=3), Steps(), Steps())
    with contextlib.suppress(InterruptedError):
        trainer.fit(loader, 1)
    assert load_state(path)["callbacks"]["Steps 1"] == {"steps": 4}
    assert load_state(path)["callbacks"]["Steps 2"] == {"steps": 4}


def test_settings_of_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, or None, but got 0"):
        Checkpoint("a", every_n_steps=0)
    trainer, loader = make(Checkpoint(tmp_path / "none" / "a"))
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none. Make it first"):
        trainer.fit(loader, 1)


@pytest.mark.exercise("train_epoch", "evaluate", "write_atomically")
def test_a_log_has_a_row_for_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("an older run\n")
    trainer, loader = make(CSVLog(path))
    history = trainer.fit(loader, 2)
    assert path.read_text() == "epoch,loss,lr\n" + "".join(
        f"{n},{row['loss']!r},0.05\n" for n, row in enumerate(history, 1)
    )


def test_examples_in_docstrings():
    assert doctest.testmod(training).failed == 0
