"""A Ray cluster of two nodes on this machine, however busy it is, and workers of it that die."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jurybox

ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(map(str, (Path(jurybox.__file__).parents[1], Path(__file__).parents[1]))),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "45",
    "RAY_gcs_server_port_wait_time_s": "900",
    "RAY_gcs_server_request_timeout_seconds": "900",
    "RAY_worker_register_timeout_seconds": "900",
    "RAY_agent_register_timeout_ms": "900000",
    "RAY_health_check_timeout_ms": "300000",
    "RAY_health_check_initial_delay_ms": "300000",
}
"""Where workers find what they run; and patience: on a busy machine everything is slow to start."""

_AGENTS = (
    "metrics_agent_port",
    "metrics_export_port",
    "dashboard_agent_listen_port",
    "runtime_env_agent_port",
)
_MEMORY = 100 * 2**20
_ATTEMPTS = 20


@contextmanager
def two_nodes(folder: str) -> Iterator[str]:
    """Start a cluster of two nodes with a processor each, whose files are in a folder; yield its address."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": _MEMORY}
    cluster = Cluster(initialize_head=False)
    try:
        _start(cluster, {**node, "include_dashboard": False, "temp_dir": folder})
        _start(cluster, node)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def _start(cluster: Any, node: dict[str, Any]) -> None:
    """Start a node, the first one as head; again where it ends, since it waits 15 seconds for its agent."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            cluster.add_node(**node, **_ports())
        except Exception as error:  # Ray raises no other when a node has ended
            if not left or "timed out during startup" not in str(error):
                raise
        else:
            return


def _ports() -> dict[str, int]:
    """Return free ports for a node's agents: for ports of their own choice a node waits, too."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in _AGENTS]
        for each in held:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(_AGENTS, held, strict=True)}


@dataclass(frozen=True)
class DyingOnce:
    """Kills the worker that is the first to begin with one of the items, and leaves a mark."""

    mark: str
    at: int

    @property
    def died(self) -> bool:
        """Whether it has happened."""
        return Path(self.mark).exists()

    def around(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that does the same, unless it is the one to die."""
        return _Dying(self, function)


@dataclass(frozen=True)
class _Dying:
    once: DyingOnce
    function: Callable[[Any], Any]

    def __call__(self, item: Any) -> Any:
        if getattr(item, "number", item) == self.once.at and not self.once.died:
            Path(self.once.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.function(item)
