"""A Ray cluster of two nodes on this machine, however busy it is, and workers of it that die."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jurybox

ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(map(str, (Path(jurybox.__file__).parents[1], Path(__file__).parents[1]))),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "900",
    "RAY_gcs_server_port_wait_time_s": "900",
    "RAY_gcs_server_request_timeout_seconds": "900",
    "RAY_worker_register_timeout_seconds": "900",
    "RAY_agent_register_timeout_ms": "900000",
    "RAY_health_check_timeout_ms": "300000",
    "RAY_health_check_initial_delay_ms": "300000",
}
"""Where workers find what they run; and patience: on a busy machine everything is slow to start."""

_MEMORY = 100 * 2**20


@contextmanager
def two_nodes(folder: str) -> Iterator[str]:
    """Start a cluster of two nodes with a processor each, whose files are in a folder; yield its address."""
    from ray._common.utils import get_default_ray_temp_dir
    from ray._private.node import Node
    from ray._raylet import (
        DASHBOARD_AGENT_LISTEN_PORT_NAME,
        METRICS_AGENT_PORT_NAME,
        METRICS_EXPORT_PORT_NAME,
        persist_port,
    )
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": _MEMORY, "include_log_monitor": False, "no_monitor": True}
    cluster = Cluster(initialize_head=False)
    start = Node.start_raylet

    def unhurried(self: Any, *given: Any, **named: Any) -> None:
        # A node ends where its agents need 15 seconds to say their ports; -1 is that of one not in use.
        for name in (METRICS_AGENT_PORT_NAME, METRICS_EXPORT_PORT_NAME, DASHBOARD_AGENT_LISTEN_PORT_NAME):
            persist_port(self.get_session_dir_path(), self.node_id, name, -1)
        start(self, *given, **named)

    Node.start_raylet = unhurried
    Path(get_default_ray_temp_dir()).mkdir(exist_ok=True)  # the address is written there all the same
    try:
        cluster.add_node(**node, **_ports(), include_dashboard=False, temp_dir=folder)
        cluster.add_node(**node, **_ports())
        yield str(cluster.address)
    finally:
        Node.start_raylet = start
        cluster.shutdown()


def _ports() -> dict[str, int]:
    """Return a free port for a node's third agent, which it needs, and would wait for as well."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return {"runtime_env_agent_port": held.getsockname()[1]}


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
