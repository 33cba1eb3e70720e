"""Reading the one pickled array that a published data set has, without trusting it.

Unpickling can run any code. Here it cannot: the names that a pickled array of NumPy needs lead to inert
stand-ins, every other name is refused, and what comes out must be a dict of dicts of numbers.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from jurybox.errors import FormatError

_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
_SCALAR_TYPES = ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1")
_MOST_ENTRIES = 10_000_000


def read_pickled_annotations(path: Path) -> dict[str, dict[str, float]]:
    """Read a ``.npy`` file that holds one dict: text → annotator → label.

    Raises
    ------
    FormatError
        For anything else; nothing in the file is executed.
    """
    try:
        return _numbers(_content(path))
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"refused ({type(error).__name__}: {error!s:.200})", file=str(path)) from error


def _content(path: Path) -> Any:
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        if not dtype.hasobject or shape != ():
            raise ValueError(f"an array of shape {shape} and type {dtype}; expected one pickled dict")
        data = file.read()
    _check_operations(data)
    array = _InertUnpickler(io.BytesIO(data)).load()
    state = getattr(array, "state", None)
    if not (
        isinstance(state, tuple) and len(state) == 5 and isinstance(state[4], list) and len(state[4]) == 1
    ):
        raise ValueError("no array of one object; expected one pickled dict")
    return state[4][0]


def _check_operations(data: bytes) -> None:
    """Refuse memo positions beyond the file's size, with which a short file could ask for all memory."""
    for operation, argument, _ in pickletools.genops(data):
        if "PUT" in operation.name and int(argument or 0) > len(data):
            raise ValueError(f"{operation.name} {argument} in a file of {len(data)} bytes")


class _InertUnpickler(pickle.Unpickler):
    """Reads NumPy's pickles into stand-ins that keep what they are given and do nothing."""

    def find_class(self, module: str, name: str, /) -> Any:
        if module in _MODULES and name in ("_reconstruct", "ndarray", "dtype", "scalar"):
            return _stand_in(name)
        raise ValueError(f"it names {module}.{name}; expected a dict of dicts of numbers")


def _stand_in(name: str) -> type:
    """Make a class that only remembers its arguments and state; a fresh one, so that none can be altered."""

    class StandIn:
        def __init__(self, *arguments: Any) -> None:
            self.arguments = arguments
            self.state: Any = None

        def __setstate__(self, state: Any) -> None:
            self.state = state

    StandIn.__name__ = name
    return StandIn


def _numbers(content: Any) -> dict[str, dict[str, float]]:
    """Copy a dict of dicts of numbers, refusing everything else."""
    if type(content) is not dict:
        raise ValueError(f"it holds {type(content).__name__}; expected a dict")
    copy: dict[str, dict[str, float]] = {}
    n_entries = 0
    for text, labels in content.items():
        if type(labels) is not dict:
            raise ValueError(f"entry {text!r:.40} is {type(labels).__name__}; expected a dict")
        n_entries += len(labels)
        if n_entries > _MOST_ENTRIES:
            raise ValueError(f"more than {_MOST_ENTRIES} annotations")
        copy[_key(text)] = {_key(annotator): _number(label) for annotator, label in labels.items()}
    return copy


def _key(value: Any) -> str:
    if type(value) not in (str, int):
        raise ValueError(f"a key is {type(value).__name__}; expected a string or a whole number")
    return str(value)


def _number(value: Any) -> float:
    if type(value) in (int, float, bool):
        return float(value)
    arguments = getattr(value, "arguments", None)
    if type(value).__name__ == "scalar" and arguments is not None and len(arguments) == 2:
        kind, data = arguments
        code = getattr(kind, "arguments", (None,))[0]
        if code in _SCALAR_TYPES and type(data) is bytes:
            return float(np.frombuffer(data, dtype=np.dtype(code).newbyteorder("<"))[0])
    raise ValueError(f"a label is {type(value).__name__}; expected a number")
