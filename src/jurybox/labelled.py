"""Values by text: a series where texts have names, an array where they are just numbered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Floats, Series
from jurybox.errors import InputError
from jurybox.inputs import array

__all__ = ["by_text", "labelled_as", "named", "scores_of"]


def named(identifiers: NDArray[Any]) -> bool:
    """Whether texts have names, not just numbers in order.

    Examples
    --------
    >>> named(np.array(["t1", "t2"])), named(np.arange(2))
    (True, False)
    """
    return not (identifiers.dtype.kind in "iu" and np.array_equal(identifiers, np.arange(len(identifiers))))


def by_text(values: Floats, texts: NDArray[Any], name: str) -> Floats | Series:
    """Return values (N,) as a series by text where texts have names, else as they are."""
    if not named(texts):
        return values
    import pandas as pd

    return pd.Series(values, index=pd.Index(texts, name="text"), name=name)


def labelled_as(pred_probs: Any, values: Floats, name: str) -> Floats | Series:
    """Return values (N,) as a series where the probabilities that they are of came as a pandas frame."""
    import pandas as pd

    return pd.Series(values, pred_probs.index, name=name) if isinstance(pred_probs, pd.DataFrame) else values


def scores_of(scores: Any, texts: NDArray[Any]) -> Any:
    """Return scores in the order of texts: a series by its index where texts have names.

    Raises
    ------
    InputError
        If a text has no score.
    """
    import pandas as pd

    if not isinstance(scores, pd.Series) or not named(texts):
        return array(scores)
    places = scores.index.get_indexer(pd.Index(texts))
    if (places < 0).any():
        raise InputError(
            f"scores has no value for text {texts[int((places < 0).argmax())]!r}, expected one a text"
        )
    return scores.to_numpy()[places]
