"""What Ray runs on a node: an actor for each attempt, and one for the node itself."""

import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Any

from energyscore.base.files import read_file
from energyscore.base.interrupts import heed_ctrl_c
from energyscore.base.writing import write_atomically
from energyscore.measurement.cluster import gather
from energyscore.measurement.cluster.delivery import to_bytes
from energyscore.measurement.cluster.node import NodeFacts, examine_node, kept_folder
from energyscore.measurement.cluster.order import Order
from energyscore.measurement.cluster.scratch import sweep
from energyscore.measurement.cluster.worker import attempt


class NodeWorker:
    """Measures one order. Ray gives it its GPUs, and it is killed afterwards."""

    def process(self) -> int:
        """Its id on its node."""
        return os.getpid()

    def measure(self, line: str, node: str, journals: Mapping[str, bytes]) -> tuple[str, bytes]:
        """What came of an order, by its name. It is written down here before it is sent."""
        heed_ctrl_c()
        have_usual_priority()
        order = Order.model_validate_json(line, strict=False)
        if not order.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray does not hide them
        delivery = attempt(order, journals=journals, node=node)
        name, data = gather.name_of(delivery.attempt), to_bytes(delivery)
        write_atomically(kept_folder() / f"{name}.zip", data)
        return name, data


def have_usual_priority() -> None:
    """Ray starts its workers at a niceness of 15; what is measured is to work as elsewhere.

    Only root, and who is allowed to, can do so: docs/cluster.md tells the others.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, os.getppid()))


class NodeKeeper:
    """One for each node: it answers at once, and starts no process while something is measured."""

    def examine(self) -> NodeFacts:
        """The node itself, once it is tidy."""
        sweep()
        return examine_node()

    def interrupt(self, process: int) -> None:
        """Ask a worker of this node to end: it keeps its finished runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)

    def fetch(self, name: str) -> bytes:
        """What the node kept."""
        return read_file(kept_folder() / f"{name}.zip")

    def drop(self, name: str) -> None:
        """The driver has it."""
        (kept_folder() / f"{name}.zip").unlink(missing_ok=True)


def pinned(node_id: str) -> Any:
    """The scheduling that puts work on one node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)
