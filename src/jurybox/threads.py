"""One thread for linear algebra: the core's matrices are small, and threads would mostly wait for each other.

NumPy and SciPy each bring a BLAS with a pool of threads of its own. On a machine that has other things to do,
which is what a server's machine has, their waiting makes a round take many times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import numpy  # noqa: F401  # the pools are looked for once, when they are here
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController

__all__ = ["single_threaded"]

P = ParamSpec("P")
R = TypeVar("R")


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's linear algebra run in one thread, and leave the number as it was afterwards.

    Other threads of the process that calculate meanwhile are held to one, too. Fine-tuning is not: PyTorch
    has threads of its own.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> @single_threaded
    ... def most_threads():
    ...     return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    >>> most_threads()
    1
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _pools().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()
