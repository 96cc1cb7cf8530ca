"""Orders as actors of Ray: one an attempt, with GPUs of its own, on a node that can measure.

Ray's own retries are off: each attempt counts, and the driver repeats it. The driver must run in
the cluster: by way of the Ray Client actors are lost whenever the connection is.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from energyscore.base.errors import UsageError
from energyscore.base.stamps import utc_stamp
from energyscore.base.units import counted
from energyscore.measurement.child import GRACE_S
from energyscore.measurement.cluster import gather, ray_nodes
from energyscore.measurement.cluster.engine import Began, Came, Event, Journals, Lost
from energyscore.measurement.cluster.node import NodeFacts
from energyscore.measurement.cluster.order import Order
from energyscore.measurement.cluster.ray_join import join

_EXAMINED_S, _FETCHED_S, _DROPPED_S, _WAIT_S, _LOOK_EVERY_S = 120.0, 300.0, 20.0, 1.0, 10.0
_INSTALLED_S = 1800.0  # examined, where packages are installed first


@dataclass
class RayNode:
    """One node of the cluster, what it said, and what works on it."""

    id: str
    name: str
    gpus: int  # as Ray counts them
    cpus: int
    facts: NodeFacts | None = None
    problem: str = ""
    remedy: str = ""
    keeper: Any = None
    running: dict[int, int] = field(default_factory=dict)  # GPUs by the number of the order

    @property
    def machine(self) -> str:
        """Several nodes may be on one machine, in containers."""
        return self.facts.machine if self.facts else self.id

    def has_room(self, gpus: int, cpus: int) -> bool:
        """Whether so many are free here now, where each order takes so many processors."""
        enough = (len(self.running) + 1) * cpus <= self.cpus
        return enough and sum(self.running.values()) + gpus <= self.gpus


@dataclass
class _Running:
    actor: Any
    process: Any  # its id on its node, to come
    node: RayNode
    began_at: str


class RayEngine:
    """Gives orders to nodes that can measure, one at a time each unless nodes are shared."""

    def __init__(
        self,
        address: str,
        *,
        keys: Collection[str],
        show: Callable[[Sequence[RayNode]], None],
        cpus: int = 1,
        gpu_type: str | None = None,
        shared_node: bool = False,
        pip: Sequence[str] = (),
    ) -> None:
        """Join the cluster and examine its nodes; `show` is told of them before anything runs.

        `pip` is what Ray installs on a node for our work there, beside what it has.
        """
        self._ray, self._keys = join(address, pip), keys
        self._examined_s = _INSTALLED_S if pip else _EXAMINED_S
        self._cpus, self._gpu_type, self._shared = cpus, gpu_type, shared_node
        self._nodes: dict[str, RayNode] = {}
        self._running: dict[Any, tuple[int, _Running]] = {}
        self._left: list[tuple[RayNode, str]] = []
        self._where: dict[str, RayNode] = {}
        self._dropped: list[Any] = []
        self._news: list[Event] = []
        self._looked_at = 0.0
        self._look(show)
        if all(node.problem for node in self._nodes.values()):
            why = "; ".join(f"{node.name}: {node.problem}" for node in self._nodes.values())
            raise UsageError(f"No node of the cluster can measure. {why}.")

    def _look(self, show: Callable[[Sequence[RayNode]], None] = lambda nodes: None) -> None:
        """Which nodes there are; new ones are examined."""
        keys = self._keys
        alive = {node["NodeID"]: node for node in self._ray.nodes() if node["Alive"]}
        for gone in set(self._nodes) - set(alive):
            self._nodes.pop(gone)
        new = [
            RayNode(
                id_,
                told["NodeManagerHostname"],
                int(told["Resources"].get("GPU", 0)),
                int(told["Resources"].get("CPU", 0)),
            )
            for id_, told in alive.items()
            if id_ not in self._nodes
        ]
        names = [node.name for node in (*self._nodes.values(), *new)]
        for node in new:  # several may run on one machine
            node.name += f"/{node.id[:8]}" if names.count(node.name) > 1 else ""
            node.keeper = self._actor(ray_nodes.NodeKeeper, node, num_cpus=0)
        asked = {node.id: node.keeper.examine.remote() for node in new}
        deadline = time.monotonic() + self._examined_s
        for node in new:
            try:
                left_s = max(0.0, deadline - time.monotonic())
                node.facts = self._ray.get(asked[node.id], timeout=left_s)
                node.problem, node.remedy = node.facts.why_not(
                    promised=node.gpus, gpu_type=self._gpu_type
                )
                self._left += [(node, name) for name in node.facts.kept if gather.is_of(name, keys)]
            except self._ray.exceptions.RuntimeEnvSetupError as error:
                node.problem = _first_line(str(error).strip().rpartition("\n")[2])
                node.remedy = "--pip needs virtualenv and a package index there."
            except Exception as error:  # noqa: BLE001 - whatever is wrong there is its problem
                node.problem = _first_line(str(error))
                node.remedy = "Is energyscore[ray] installed there, in the same environment?"
            self._nodes[node.id] = node
        self._looked_at = time.monotonic()
        if new:
            show(new)

    def begin(self) -> Iterable[Event]:
        """What nodes kept."""
        left, self._left = self._left, []
        return [event for node, name in left for event in self._fetch(node, name)]

    def why_never(self, order: Order) -> str:
        """Why no node can do it."""
        if self._able(order):
            return ""
        fit = [node for node in self._nodes.values() if not node.problem]
        gpus = max((node.gpus for node in fit), default=0)
        cpus = max((node.cpus for node in fit), default=0)
        return (
            f"No node that can measure has {counted(order.gpus, 'GPU')} and "
            f"{counted(self._cpus, 'processor')}; the most that one has are {gpus} and {cpus}."
        )

    def _able(self, order: Order) -> list[RayNode]:
        """Nodes that have what it needs, busy or not."""
        return [
            node
            for node in self._nodes.values()
            if not node.problem and order.gpus <= node.gpus and self._cpus <= node.cpus
        ]

    def offer(self, number: int, order: Order, avoid: Collection[str], journals: Journals) -> bool:
        """Begin it on a node with room; what nodes kept is fetched before anything begins."""
        if self._left:
            return False
        able = self._able(order)
        # A node where it failed is taken only if there is no other.
        able = [node for node in able if node.name not in avoid] or able
        busy = {node.machine for node in self._nodes.values() if node.running and not self._shared}
        free = [
            node
            for node in able
            if node.machine not in busy and node.has_room(order.gpus, self._cpus)
        ]
        if not free:
            return False
        node = min(free, key=lambda one: (len(one.running), one.gpus, one.id))
        needs = {"num_gpus": order.gpus, "num_cpus": self._cpus}
        actor = self._actor(ray_nodes.NodeWorker, node, **needs)
        process = actor.process.remote()
        call = actor.measure.remote(order.to_line(), node.name, dict(journals()))
        node.running[number] = order.gpus
        self._running[call] = number, _Running(actor, process, node, utc_stamp())
        self._news.append(Began(number, node.name))
        return True

    def wait(self) -> Iterable[Event]:
        """What nodes kept first; then whatever ends within a second."""
        news, self._news = self._news, []
        news += self.begin()
        if news or not self._running:
            return news or self._pause()
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_WAIT_S)
        if time.monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._look()
        return [self._ended(call) for call in done]

    def _pause(self) -> list[Event]:
        time.sleep(_WAIT_S)
        self._look()
        return []

    def _fetch(self, node: RayNode, name: str) -> list[Event]:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._where[name] = node
            kept = node.keeper.fetch.remote(name)
            return [Came(None, name, self._ray.get(kept, timeout=_FETCHED_S))]
        return []

    def _ended(self, call: Any) -> Event:
        number, running = self._running.pop(call)
        running.node.running.pop(number, None)
        try:
            name, data = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._look()
            why = f"its worker was lost: {_first_line(str(error))}"
            return Lost(number, running.node.name, running.began_at, why)
        finally:
            self._ray.kill(running.actor)
        self._where[name] = running.node
        return Came(number, name, data)

    def taken(self, name: str) -> None:
        """Its node need not keep it any more."""
        if node := self._where.pop(name, None):
            self._dropped.append(node.keeper.drop.remote(name))

    def close(self) -> None:
        """Wait until nodes have dropped what was taken."""
        if self._dropped:
            count = len(self._dropped)
            self._ray.wait(self._dropped, num_returns=count, timeout=_DROPPED_S)

    def cancel(self) -> Iterable[Event]:
        """End all that runs; what comes later is kept by its node."""
        try:
            calls = [call for call, (_, one) in self._running.items() if self._interrupt(one)]
            limit_s = GRACE_S + _WAIT_S
            done = (
                self._ray.wait(calls, num_returns=len(calls), timeout=limit_s)[0] if calls else []
            )
            came = [self._ended(call) for call in done]
        finally:
            for _, running in self._running.values():
                self._ray.kill(running.actor)
            self._running = {}
        return [event for event in came if isinstance(event, Came)]

    def _interrupt(self, running: _Running) -> bool:
        """Whether it has begun, and was asked to end."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            process = self._ray.get(running.process, timeout=0)
            running.node.keeper.interrupt.remote(process)
            return True
        return False

    def _actor(self, kind: type, node: RayNode, **needs: int) -> Any:
        """An actor on a node; Ray itself repeats nothing."""
        made = self._ray.remote(max_restarts=0, max_task_retries=0)(kind)
        return made.options(scheduling_strategy=ray_nodes.pinned(node.id), **needs).remote()


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else "it says nothing"
