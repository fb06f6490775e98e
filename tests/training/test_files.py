"""Files of arrays, against the library of the format; and files that are broken in any way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tinytorch.core.training import DTYPES, load_arrays, load_state, save_arrays, save_state

library = pytest.importorskip("safetensors.numpy")

NAMES = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda name: name != "__metadata__")
TEXTS = st.dictionaries(NAMES, st.text(st.characters(codec="utf-8"), max_size=8), max_size=3)
ARRAYS = st.dictionaries(
    NAMES,
    npst.arrays(
        st.sampled_from([np.dtype(name) for name in DTYPES.values()]),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    max_size=5,
)
many_examples = settings(max_examples=150)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files") / "some.safetensors"


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    form = {name: (array.dtype, array.shape, array.tobytes()) for name, array in a.items()}
    return form == {name: (array.dtype, array.shape, array.tobytes()) for name, array in b.items()}


@given(arrays=ARRAYS, metadata=TEXTS)
@many_examples
def test_the_library_reads_what_we_write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    save_arrays(path, arrays, metadata)
    assert same(library.load_file(path), arrays)
    with library.safe_open(path, "numpy") as file:
        assert (file.metadata() or {}) == metadata


@given(arrays=ARRAYS, metadata=TEXTS)
@many_examples
def test_we_read_what_the_library_writes(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    library.save_file(arrays, path, metadata or None)
    read, notes = load_arrays(path)
    assert same(read, arrays)
    assert notes == metadata


def test_the_library_reads_turned_views_and_other_orders_of_bytes(path: Path) -> None:
    base = np.arange(24.0).reshape(2, 3, 4)
    arrays = {
        "turned": base.T,
        "every second": base[:, ::2, ::-1],
        "big": base.astype(">f4"),
        "0-d": base[0, 0, 0:1][0],
    }
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    save_arrays(path, arrays)
    read = library.load_file(path)
    assert all(np.array_equal(read[name], array) and read[name].shape == array.shape for name, array in arrays.items())


def test_bfloat16_of_pytorch(path: Path) -> None:
    torch = pytest.importorskip("torch")
    library_torch = pytest.importorskip("safetensors.torch")
    x = torch.randn(5, 3).to(torch.bfloat16)
    library_torch.save_file({"x": x, "y": torch.arange(3)}, path)
    read, _ = load_arrays(path)
    assert np.array_equal(read["x"], x.to(torch.float32).numpy())
    assert read["y"].tolist() == [0, 1, 2]


def test_pytorch_reads_what_we_write(path: Path) -> None:
    torch = pytest.importorskip("torch")
    library_torch = pytest.importorskip("safetensors.torch")
    save_arrays(path, {"w": np.arange(6, dtype=np.float32).reshape(2, 3)})
    assert torch.equal(library_torch.load_file(path)["w"], torch.arange(6.0).reshape(2, 3))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small checkpoint, as bytes."""
    path = tmp_path_factory.mktemp("checkpoint") / "run.ckpt"
    state = {"w": np.arange(4.0), "flags": np.array([True, False]), "history": [{"loss": 0.5}], 3: (1, None)}
    save_state(path, state)
    return path.read_bytes()


def read_or_refuse(path: Path, content: bytes) -> None:
    """Read a file; the only error may be a ValueError that names it."""
    path.write_bytes(content)
    for read in (load_arrays, load_state):
        try:
            read(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_a_file_that_is_cut_off_anywhere(path: Path, checkpoint: bytes) -> None:
    for length in range(len(checkpoint)):
        path.write_bytes(checkpoint[:length])
        with pytest.raises(ValueError, match=r"some\.safetensors cannot be read as a file of arrays"):
            load_arrays(path)


@given(data=st.data())
@settings(max_examples=400)
def test_bytes_that_flip(path: Path, checkpoint: bytes, data: st.DataObject) -> None:
    content = bytearray(checkpoint)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(path, bytes(content))


@given(data=st.data())
@settings(max_examples=200)
def test_headers_that_say_anything(path: Path, data: st.DataObject) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["F32", "U8", "BF16", "x"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    )
    entry = st.fixed_dictionaries({"dtype": values, "shape": values, "data_offsets": values}) | values
    header = json.dumps(data.draw(st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), entry))).encode()
    numbers = data.draw(st.binary(max_size=8))
    read_or_refuse(path, len(header).to_bytes(8, "little") + header + numbers)


@given(content=st.binary(max_size=64))
@settings(max_examples=100)
def test_files_of_anything(path: Path, content: bytes) -> None:
    read_or_refuse(path, content)
