"""Reading the CSV files of data sets, with errors that name file, row, column and value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import DataFrame
from jurybox.errors import FormatError


def read_table(path: Path, required: Sequence[str]) -> DataFrame:
    """Read a CSV file with a header; every cell is a string, '' where it is empty.

    Raises
    ------
    FormatError
        Where the file is missing, no UTF-8, no table, or lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise FormatError("there is no such file", file=str(path))
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 ({error}): save it as UTF-8", file=str(path)) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise FormatError(
            f"no CSV table ({error}): expected a header and comma-separated rows", file=str(path)
        ) from error
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise FormatError(
            f"missing; the file has {', '.join(map(repr, frame.columns[:8]))}",
            file=str(path),
            column=missing[0],
        )
    return frame


def refuse(bad: NDArray[np.bool_], frame: DataFrame, path: Path, column: str, problem: str) -> None:
    """Raise a FormatError about the first of the ``bad`` rows, shape (rows,), if there is one."""
    if bad.any():
        row = int(bad.argmax())
        raise FormatError(problem, file=str(path), row=row + 1, column=column, value=frame[column].iloc[row])


def unique_column(frame: DataFrame, path: Path, column: str = "id") -> NDArray[np.object_]:
    """Return the identifiers of a table: none empty, none twice."""
    values: NDArray[np.object_] = frame[column].to_numpy(dtype=object)
    refuse(values == "", frame, path, column, "empty; expected an identifier")
    refuse(frame[column].duplicated().to_numpy(), frame, path, column, "appears twice; expected each id once")
    return values
