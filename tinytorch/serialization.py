"""`tinytorch.save` and `tinytorch.load`: state dicts, and what is made of them, as files of arrays without any code."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinytorch._devices import check_device
from tinytorch.core.tensor import Array, Tensor, from_numpy
from tinytorch.core.training import load_arrays, load_state, save_arrays

Place = str | os.PathLike[str] | IO[bytes]

_STRUCTURE = "tinytorch.structure"  # the key of the metadata under which stands what is around the tensors
_CHECKPOINT = "tinytorch.state"  # the same in the checkpoints of lesson 07
_DEEPEST = 100
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
        A state dict, for example, or ``{"model": ..., "optimizer": ..., "epoch": 3}``. Keys are strings or integers.
    f
        A path, or a file that is open for writing bytes. An old file is there until the new one is whole.

    Raises
    ------
    TypeError
        If there is anything else in the object; the message says where.
    ValueError
        If it is nested too deep, or holds itself.

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
    arrays: dict[str, Array] = {}
    structure = _taken_apart(obj, (), arrays)
    metadata = {_STRUCTURE: json.dumps(structure)}
    if isinstance(f, str | os.PathLike):
        save_arrays(f, arrays, metadata)
        return
    with _path_for(b"") as path:
        save_arrays(path, arrays, metadata)
        f.write(path.read_bytes())


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


def _taken_apart(value: Any, path: tuple[str | int, ...], arrays: dict[str, Array]) -> Any:
    """Return what JSON can hold of a value, and put the arrays in it into `arrays`, each under a name of its own."""
    if len(path) > _DEEPEST:
        raise ValueError(
            f"save: the object is nested more than {_DEEPEST} deep: {_shown(path[:3])}... Does it hold itself?"
        )
    if isinstance(value, Tensor | np.ndarray):
        return {"tensor": _put(value.data if isinstance(value, Tensor) else value, path, arrays)}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        value = value.item()
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in (list, tuple):
        parts = [_taken_apart(part, (*path, k), arrays) for k, part in enumerate(value)]
        return parts if kind is list else {"tuple": parts}
    if kind in (dict, OrderedDict):
        return {"dict": [_item(key, part, path, arrays) for key, part in value.items()]}
    raise TypeError(
        f"save: {_shown(path)} is of the type {kind.__name__}, but only tensors, arrays, numbers, strings, None, and "
        "dicts, lists and tuples of them can be saved. Save the state_dict() of an object, and of a function what it "
        "was made from."
    )


def _item(key: Any, part: Any, path: tuple[str | int, ...], arrays: dict[str, Array]) -> list[Any]:
    if type(key) not in (str, int):
        raise TypeError(f"save: the keys of dicts are strings or integers, but {_shown(path)} has the key {key!r}.")
    return [key, _taken_apart(part, (*path, key), arrays)]


def _put(array: Array, path: tuple[str | int, ...], arrays: dict[str, Array]) -> str:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"save: {_shown(path)} is an array of {array.dtype}, but only numbers can be saved.")
    name = wanted = ".".join(map(str, path)) or "tensor"
    again = 2
    while name in arrays or name == "__metadata__":  # {"a.b": x, "a": {"b": y}}; and a word of the format itself
        name = f"{wanted}~{again}"
        again += 1
    arrays[name] = array
    return name


def _shown(path: tuple[str | int, ...]) -> str:
    return "obj" + "".join(f"[{key!r}]" for key in path)


def _loaded(path: Path, name: str) -> Any:
    if reason := _other_format(path):
        raise ValueError(f"load: {name} {reason}")
    arrays, metadata = load_arrays(path)
    if _CHECKPOINT in metadata:
        return _with_tensors(load_state(path))
    if _STRUCTURE not in metadata:
        return {key: _tensor(array) for key, array in arrays.items()}
    try:
        return _put_together(json.loads(metadata[_STRUCTURE]), arrays)
    except (json.JSONDecodeError, RecursionError, LookupError) as error:
        raise ValueError(f"load: {name} is damaged: what it says of its structure cannot be read ({error}).") from error


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


def _put_together(structure: Any, arrays: dict[str, Array]) -> Any:
    match structure:
        case {"tensor": str(name)}:
            return _tensor(arrays[name])
        case {"tuple": list(parts)}:
            return tuple(_put_together(part, arrays) for part in parts)
        case {"dict": list(items)}:
            return {key: _put_together(part, arrays) for key, part in map(_pair, items)}
        case list(parts):
            return [_put_together(part, arrays) for part in parts]
        case None | bool() | int() | float() | str():
            return structure
    raise LookupError(f"{structure!r} names nothing")


def _pair(item: Any) -> tuple[str | int, Any]:
    match item:
        case [str(key) | int(key), part]:
            return key, part
    raise LookupError(f"{item!r} is no key with its value")


def _with_tensors(value: Any) -> Any:
    """Return the state in a checkpoint with tensors in the place of arrays."""
    if isinstance(value, np.ndarray):
        return _tensor(value)
    if isinstance(value, dict):
        return {key: _with_tensors(part) for key, part in value.items()}
    return type(value)(map(_with_tensors, value)) if isinstance(value, list | tuple) else value


def _tensor(array: Array) -> Tensor:
    return from_numpy(array if array.flags.writeable else array.copy())
