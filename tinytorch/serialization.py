"""`tinytorch.save` and `tinytorch.load`: state dicts, and what is made of them, as files of arrays without any code."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinytorch._devices import check_device
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Array, Tensor, from_numpy
from tinytorch.core.training import STATE, load_arrays, load_state, save_state

Place = str | os.PathLike[str] | IO[bytes]

_ALONE = "$object"  # the key of an object that is no dict: a state is one
_PROTOCOLS = b"\x02\x03\x04\x05"  # of pickles
_IN_PYTORCH = (
    "In PyTorch, write the state dict with safetensors.torch.save_file(model.state_dict(), 'model.safetensors'), "
    "and load that file here."
)


def save(obj: Any, f: Place) -> None:
    """Write tensors, and the dicts, lists, tuples, numbers and strings around them, into a file.

    Parameters
    ----------
    obj
        A state dict, for example, or ``{"model": ..., "optimizer": ..., "epoch": 3}``.
    f
        A path, or a file that is open for writing bytes. An old file is there until the new one is whole.

    Raises
    ------
    TypeError
        If there is anything else in the object; the message says where.
    ValueError
        If it is nested too deeply, or holds itself.

    Notes
    -----
    Whatever its name, the file has the format safetensors, which many tools read: the tensors of a state dict stand in
    it under their own names, deeper ones under the keys that lead to them, with dots between. A tensor that stands in
    two places is written twice. Whether a gradient is wanted is not written.
    Source: ``torch.save``.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> save({"weight": Tensor([1.0, 2.0]), "betas": (0.9, 0.999)}, file)
    >>> load(io.BytesIO(file.getvalue()))
    {'weight': tensor([1., 2.]), 'betas': (0.9, 0.999)}
    """
    if isinstance(obj, Module):
        raise TypeError(f"save: a {type(obj).__name__} has code, which is not saved. Save its state_dict().")
    state = obj if isinstance(obj, dict) and _ALONE not in obj else {_ALONE: obj}
    try:
        if isinstance(f, str | os.PathLike):
            save_state(f, state)
            return
        with _path_for(b"") as path:
            save_state(path, state)
            f.write(path.read_bytes())
    except RecursionError:
        raise ValueError(f"save: the {type(obj).__name__} is nested too deeply. Does it hold itself?") from None


def load(f: Place, map_location: Any = None, weights_only: bool = True) -> Any:
    """Return what `save` wrote, or the state in a checkpoint; of the safetensors files of others, a dict of tensors.

    Parameters
    ----------
    f
        A path, or a file that is open for reading bytes.
    map_location
        A device, for PyTorch's sake: None or the processor.
    weights_only
        For PyTorch's sake: there is never any code in such a file, so both values do the same.

    Returns
    -------
    object
        Arrays and parameters come back as tensors that want no gradient.

    Raises
    ------
    ValueError
        If it is a file of another format, for example one that PyTorch's own ``save`` wrote, or is damaged.
    RuntimeError
        If `map_location` is another device than the processor.

    Notes
    -----
    Source: ``torch.load``.
    """
    check_device(map_location, "load(map_location=...)")
    if isinstance(f, str | os.PathLike):
        return _loaded(Path(f), str(f))
    with _path_for(f.read()) as path:
        return _loaded(path, str(getattr(f, "name", "the file")))


@contextmanager
def _path_for(content: bytes) -> Iterator[Path]:
    """Yield the path of a file with this content, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tinytorch-") as folder:
        path = Path(folder) / "arrays"
        path.write_bytes(content)
        yield path


def _loaded(path: Path, name: str) -> Any:
    if reason := _other_format(path):
        raise ValueError(f"load: {name} {reason}")
    arrays, metadata = load_arrays(path)
    if STATE not in metadata:
        return {key: _tensor(array) for key, array in arrays.items()}
    state = _with_tensors(load_state(path))
    return state[_ALONE] if state.keys() == {_ALONE} else state


def _other_format(path: Path) -> str:
    """Return what is the matter with a file that has another format, and what to do; nothing if it may be ours."""
    with path.open("rb") as file:
        start = file.read(8)
    if zipfile.is_zipfile(path) and start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith("data.pkl") for name in names):
            return (
                f"was written by torch.save: it is a zip archive with a pickle, which may run any code. {_IN_PYTORCH}"
            )
        if any(name.endswith(".npy") for name in names):
            return "is an archive of NumPy's arrays. Read it with numpy.load."
        return "is a zip archive, not a file of tensors."
    # A file of ours begins with the length of its header: a pickle read so has a header that is longer than the file.
    if start[:1] == b"\x80" and start[1:2] in _PROTOCOLS and int.from_bytes(start, "little") > path.stat().st_size - 8:
        return f"is a pickle, as torch.save wrote it before PyTorch 1.6; pickles may run any code. {_IN_PYTORCH}"
    return ""


def _with_tensors(value: Any) -> Any:
    """Return the state in a checkpoint with tensors in the place of arrays."""
    if isinstance(value, np.ndarray):
        return _tensor(value)
    if isinstance(value, dict):
        return {key: _with_tensors(part) for key, part in value.items()}
    return type(value)(map(_with_tensors, value)) if isinstance(value, list | tuple) else value


def _tensor(array: Array) -> Tensor:
    return from_numpy(array if array.flags.writeable else array.copy())
