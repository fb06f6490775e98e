"""`tinytorch.save` and `tinytorch.load`: what was saved comes back, others can read it, and nothing else is taken."""

from __future__ import annotations

import doctest
import io
import math
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytorch
from tinytorch import Tensor, nn, optim, serialization
from tinytorch.core.training import Checkpoint, Trainer, load_arrays, save_arrays

ARRAYS = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
KEYS = (
    st.text(max_size=4) | st.integers(-3, 3) | st.sampled_from(["a", "a.b", "b", "__metadata__", "$array", "$object"])
)
OBJECTS = st.recursive(
    PLAIN | ARRAYS.map(tinytorch.from_numpy),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def through_memory(obj: Any) -> Any:
    file = io.BytesIO()
    tinytorch.save(obj, file)
    file.seek(0)
    return tinytorch.load(file)


def same(a: Any, b: Any) -> bool:
    """Return whether two objects are the same to the bit, types and the order of keys included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return (a.dtype, a.shape, a.data.tobytes()) == (b.dtype, b.shape, b.data.tobytes())
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def trained() -> tuple[Any, Any]:
    """Return a model and its optimizer after a step."""
    tinytorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    (model(tinytorch.ones(5, 3)) ** 2).mean().backward()
    optimizer.step()
    return model, optimizer


@given(OBJECTS)
@example(
    {"a.b": tinytorch.ones(1), "a": {"b": tinytorch.zeros(2), "b_": tinytorch.zeros(3)}, "a.b_": tinytorch.ones(4)}
)
@example({1: tinytorch.ones(1), "1": tinytorch.zeros(2)})
@example({"$array": "weights", "$tuple": [], "$items": [1]})
@example({"$object": 1})
@example({"$object": {"$object": tinytorch.ones(1)}, "more": 2})
@example([-0.0, math.inf, 2**70, "\ud800"])
def test_what_was_saved_comes_back(obj: Any) -> None:
    assert same(through_memory(obj), obj)


def test_what_is_nearly_plain_comes_back_plain() -> None:
    given = {"w": nn.Parameter(Tensor([1.0])), "a": np.arange(3), "n": np.float32(0.5), "k": np.int64(7), "b": np.True_}
    back = through_memory(OrderedDict(given))
    assert list(map(type, back.values())) == [Tensor, Tensor, np.float32, np.int64, np.bool_]
    assert (back["w"].tolist(), back["a"].tolist(), back["a"].dtype) == ([1.0], [0, 1, 2], np.int64)
    assert (back["n"], back["k"], back["b"]) == (0.5, 7, True)
    assert not back["w"].requires_grad


def test_what_is_loaded_can_be_changed_in_place() -> None:
    back = through_memory({"w": tinytorch.ones(2)})
    back["w"].add_(1)
    assert back["w"].tolist() == [2.0, 2.0]


def test_arrays_that_lie_otherwise_in_memory_come_back_the_same() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    for array in (grid.T, grid[:, ::2], grid[::-1], np.asfortranarray(grid), grid.astype(">f8")):
        assert np.array_equal(through_memory(array).data, array)


def test_a_tensor_in_two_places_is_written_twice() -> None:
    w = tinytorch.ones(2)
    back = through_memory({"encoder": w, "decoder": w})
    back["encoder"].add_(1)
    assert back["decoder"].tolist() == [1.0, 1.0]


def test_other_tools_read_a_state_dict(tmp_path: Path) -> None:
    others = pytest.importorskip("safetensors.numpy")
    model, optimizer = trained()
    tinytorch.save(model.state_dict(), tmp_path / "model.pt")
    read = others.load_file(tmp_path / "model.pt")
    assert set(read) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert np.array_equal(read["2.weight"], model.state_dict()["2.weight"].data)
    tinytorch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "all.pt")
    names = set(others.load_file(tmp_path / "all.pt"))
    assert {"model.0.weight", "optimizer.state.0.exp_avg"} <= names


def test_files_of_other_tools_are_read(tmp_path: Path) -> None:
    others = pytest.importorskip("safetensors.numpy")
    others.save_file({"b": np.ones(2, np.float16), "a": np.zeros((1, 2))}, tmp_path / "x.safetensors", {"format": "pt"})
    back = tinytorch.load(tmp_path / "x.safetensors")
    assert {name: (t.dtype, t.shape) for name, t in back.items()} == {
        "a": (np.float64, (1, 2)),
        "b": (np.float16, (2,)),
    }


def test_a_model_and_its_optimizer_go_on_where_they_were(tmp_path: Path) -> None:
    model, optimizer = trained()
    tinytorch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "run.pt")
    back = tinytorch.load(tmp_path / "run.pt", map_location="cpu", weights_only=True)
    twin = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    again = optim.Adam(twin.parameters(), lr=0.5)
    twin.load_state_dict(back["model"])
    again.load_state_dict(back["optimizer"])
    assert back["epoch"] == 3
    assert same(again.state_dict(), optimizer.state_dict())
    for net, steps in ((model, optimizer), (twin, again)):
        steps.zero_grad()
        (net(tinytorch.ones(5, 3)) ** 2).mean().backward()
        steps.step()
    assert same(twin.state_dict(), model.state_dict())


def test_the_state_of_an_optimizer_fits_pytorchs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model, optimizer = trained()
    tinytorch.save(optimizer.state_dict(), tmp_path / "adam.pt")
    back = tinytorch.load(tmp_path / "adam.pt")
    state = {
        number: {
            name: torch.tensor(value.data) if isinstance(value, Tensor) else value for name, value in entry.items()
        }
        for number, entry in back["state"].items()
    }
    theirs = torch.optim.Adam([torch.nn.Parameter(torch.tensor(p.data)) for p in model.parameters()])
    theirs.load_state_dict({"state": state, "param_groups": back["param_groups"]})
    assert theirs.param_groups[0]["lr"] == 0.01
    assert theirs.state_dict()["state"].keys() == {0, 1, 2, 3}


def test_a_checkpoint_of_a_trainer_is_read_as_tensors(tmp_path: Path) -> None:
    model, optimizer = trained()
    trainer = Trainer(model, optimizer, nn.MSELoss(), callbacks=[Checkpoint(tmp_path / "run.safetensors")])
    trainer.fit([(tinytorch.ones(5, 3), tinytorch.zeros(5, 2))], epochs=2)
    back = tinytorch.load(tmp_path / "run.safetensors")
    assert same(back["model"], {name: tinytorch.from_numpy(t.data) for name, t in model.state_dict().items()})
    assert type(back["history"]) is list
    optimizer.load_state_dict(back["optimizer"])


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"optimizer": {"fn": len}}, r"at optimizer\.fn is a builtin_function_or_method"),
        ({"a": [1, (2, {3})]}, r"at a\.1\.1 is a set"),
        (nn.Linear(1, 1), r"a Linear has code, which is not saved\. Save its state_dict\(\)"),
        ({"a": {0: b"x"}}, r"at a\.0 is a bytes"),
        ({"z": np.array([1j])}, "the ndarray of dtype complex128 at z"),
        ({"z": np.array(["a"])}, "the ndarray of dtype <U1 at z"),
    ],
)
def test_anything_else_is_an_error_that_says_where(obj: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=message):
        tinytorch.save(obj, tmp_path / "x.pt")
    assert os.listdir(tmp_path) == []


def test_what_holds_itself_is_an_error() -> None:
    loop: dict[str, Any] = {}
    loop["me"] = loop
    with pytest.raises(ValueError, match=r"the dict is nested too deeply\. Does it hold itself"):
        tinytorch.save(loop, io.BytesIO())


def test_an_old_file_stays_if_the_new_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tinytorch.save({"epoch": 1}, tmp_path / "run.pt")

    def full(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="full"):
            tinytorch.save({"epoch": 2}, tmp_path / "run.pt")
    assert tinytorch.load(tmp_path / "run.pt") == {"epoch": 1}
    assert os.listdir(tmp_path) == ["run.pt"]


def by_pytorch(path: Path, **options: Any) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, path, **options)


def by_numpy(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (by_pytorch, r"x\.pt was written by torch\.save.*safetensors\.torch\.save_file\(model\.state_dict\(\)"),
        (lambda path: by_pytorch(path, _use_new_zipfile_serialization=False), r"is a pickle.*safetensors\.torch\.save"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), r"x\.pt is a pickle"),
        (by_numpy, r"NumPy's arrays\. Read it with numpy\.load"),
        (lambda path: path.write_bytes(b"not tensors at all"), r"x\.pt"),
        (lambda path: path.write_bytes(b""), r"x\.pt"),
    ],
)
def test_files_of_other_formats_are_named(write: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "x.pt")
    with pytest.raises(ValueError, match=message):
        tinytorch.load(tmp_path / "x.pt")


def test_a_long_header_is_no_pickle(tmp_path: Path) -> None:
    """A header of 0x80 + 256 * n bytes begins with the byte that pickles begin with."""
    for length in range(0x280, 0x600):
        tinytorch.save({"a": "x" * length}, tmp_path / "x.pt")
        if (tmp_path / "x.pt").read_bytes()[:2] == b"\x80\x04":
            break
    else:
        pytest.fail("no header began like a pickle")
    assert tinytorch.load(tmp_path / "x.pt") == {"a": "x" * length}


def test_a_damaged_state_is_an_error(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x.pt", {"a": np.ones(1)}, {"tinytorch.state": '{"b": {"$array": "b"}}'})
    with pytest.raises(ValueError, match=r"x\.pt is damaged"):
        tinytorch.load(tmp_path / "x.pt")


def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    tinytorch.save({"w": tinytorch.ones(4)}, tmp_path / "x.pt")
    whole = (tmp_path / "x.pt").read_bytes()
    for length in (*range(0, len(whole), 7), len(whole) - 1):
        (tmp_path / "x.pt").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x\.pt"):
            tinytorch.load(tmp_path / "x.pt")


def test_only_the_processor_is_there(tmp_path: Path) -> None:
    tinytorch.save({}, tmp_path / "x.pt")
    with pytest.raises(RuntimeError, match="TinyTorch computes on the processor"):
        tinytorch.load(tmp_path / "x.pt", map_location="cuda:0")
    assert tinytorch.load(str(tmp_path / "x.pt"), map_location=tinytorch.device("cpu"), weights_only=False) == {}


def test_a_missing_file_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        tinytorch.load(tmp_path / "none.pt")


def test_open_files_are_taken(tmp_path: Path) -> None:
    with (tmp_path / "x.pt").open("wb") as file:
        tinytorch.save([Tensor([1.0])], file)
    with (tmp_path / "x.pt").open("rb") as file:
        assert same(tinytorch.load(file), [Tensor([1.0])])
    arrays, _ = load_arrays(tmp_path / "x.pt")
    assert list(arrays) == ["$object.0"]
    broken: Any = SimpleNamespace(read=lambda: b"nothing", name="upload")
    with pytest.raises(ValueError):
        tinytorch.load(broken)


def test_the_examples_in_the_docstrings_run() -> None:
    results = doctest.testmod(serialization)
    assert results.attempted > 0
    assert results.failed == 0
