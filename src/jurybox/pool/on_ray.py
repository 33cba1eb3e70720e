"""Working on shards on a Ray cluster (extra ``scale``): references go out, and what is found comes back.

Shards are read and written where the work is done, so all nodes must see the pool's address, and have jurybox
with the same extras. Ray does again what a worker that dies was doing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from jurybox.errors import InputError, JuryboxError
from jurybox.pool.shards import scale

__all__ = ["Cluster"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # tasks a processor that are handed out at once
_RETRIES = 10


class Cluster:
    """A Ray cluster; an `jurybox.pool.shards.Over` whose tasks are spread over its nodes.

    Parameters
    ----------
    address
        Such as ``ray://head:10001`` or ``head:6379``; ``auto`` for the cluster that this machine belongs to,
        ``local`` for a new one of this machine alone.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    InputError
        If there is no cluster.
    """

    def __init__(self, address: str) -> None:
        self._ray = _quiet_ray()
        try:
            _reach(address)
            if not self._ray.is_initialized():
                self._ray.init(address=address, log_to_driver=False, logging_level="error")
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"no Ray cluster at {address!r}: {error}") from error

    def __call__(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield what a function finds for each item, as tasks; the function is sent to each node once."""
        ray = self._ray
        sent = ray.put(function)
        task = ray.remote(_applied).options(num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD")
        processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: list[Any] = []
        left = iter(items)
        while True:
            more = islice(left, _AHEAD * processors - len(waiting))
            waiting += [task.remote(sent, item) for item in more]
            if not waiting:
                return
            done, waiting = ray.wait(waiting)
            yield from map(_said, ray.get(done))

    def stage(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield what a function finds for each item, by actors, each with a GPU where there are any.

        It is a stage of a Ray data set, for functions that keep something in memory, such as an encoder.
        """
        data, ray = scale("ray.data"), self._ray
        data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells its plan of execution
        resources = ray.cluster_resources()
        on_gpu = resources.get("GPU", 0) >= 1
        workers = min(len(items), max(1, int(resources.get("GPU" if on_gpu else "CPU", 1))))
        if not items:
            return
        rows = data.from_items([{"item": item} for item in items], override_num_blocks=len(items))
        found = rows.map_batches(
            _Stage,
            fn_constructor_args=(function,),
            batch_size=1,
            compute=data.ActorPoolStrategy(min_size=1, max_size=workers),
            num_gpus=1 if on_gpu else None,
            num_cpus=None if on_gpu else 1,
        )
        for row in found.iter_rows():
            yield _said(row["found"])

    def close(self) -> None:
        """Leave the cluster; one that was begun for this alone ends."""
        self._ray.shutdown()


@dataclass(frozen=True)
class _Outcome:
    """What a function found, or why it refused; Ray would wrap the error in several of its own."""

    found: Any = None
    error: JuryboxError | None = None


def _applied(function: Callable[[Any], Any], item: Any) -> _Outcome:
    try:
        return _Outcome(function(item))
    except JuryboxError as error:
        return _Outcome(error=error)


def _said(outcome: _Outcome) -> Any:
    if outcome.error is not None:
        raise outcome.error
    return outcome.found


class _Stage:
    """An actor: keeps the function in memory."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        return {"found": [_applied(self.function, item) for item in batch["item"].tolist()]}


def _reach(address: str) -> None:
    """Try an address with a port: where nobody listens, Ray waits for a minute and ends the process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=30).close()


def _quiet_ray() -> Any:
    """Import Ray, which must be told before its import not to report who uses it to its makers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    return scale("ray")
