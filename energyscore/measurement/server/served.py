"""A server as what does the work of a session."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from energyscore.base.errors import ServerError
from energyscore.measurement.backend import Batch, BatchOutput, Device, EnterPhase
from energyscore.measurement.server.host import ServerProcess
from energyscore.measurement.server.load import Asking, ClosedLoop
from energyscore.measurement.server.probe import Abilities
from energyscore.measurement.work import Plan
from energyscore.protocol.model import ModelFacts
from energyscore.protocol.workload import Query
from energyscore.results.load import LoadPart
from energyscore.results.parts import Run

SERVE = "serve"
"""The one phase: where a server works at several requests at once, none can be told apart."""

QUICK_WINDOW_S = 3.0
"""What a quick run lasts at least, in which some requests have ended."""


@dataclass(frozen=True)
class Server:
    """A server on this machine, and what it can do."""

    address: str
    key: str | None
    model: str
    process: ServerProcess | None  # None: who listens there is not known
    abilities: Abilities
    gpus: tuple[str, ...]  # that it computes on, where they are known
    device: Device
    start: str  # what tells this start of it from others

    def told_apart_by(self, concurrency: int | None) -> list[object]:
        """What makes another measurement of the same queries."""
        can = self.abilities
        asked = [self.address, self.model, concurrency]
        return [*asked, self.start, can.endpoint, can.lengths, can.prompts, can.version]

    def facts(self) -> ModelFacts:
        """What is known of its model, which is little."""
        return ModelFacts(
            revision=None,
            architecture="not known",
            parameters=None,
            dtype=None,
            quantization=None,
            quantization_bits=None,
            weights=None,
            context_length=None,
        )


class ServedModel:
    """A server under a load: what does the work of one entry."""

    prepare_ahead = 1
    phases: tuple[str, ...] = (SERVE,)
    lone_phase: str | None = None

    def __init__(self, server: Server, concurrency: int) -> None:
        """Nothing is asked yet."""
        self.server, self.concurrency = server, concurrency

    def gpu_uuids(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that it computes on, where they are known."""
        return self.server.gpus

    @property
    def told_apart_by(self) -> list[object]:
        """What makes another measurement of the same queries."""
        return self.server.told_apart_by(self.concurrency)

    def load_part(self, runs: Sequence[Run]) -> LoadPart:
        """The load of these runs, as results keep it."""
        can, parts = self.server.abilities, [run.load for run in runs if run.load]
        return LoadPart(
            kind="closed",
            concurrency=self.concurrency,
            completed=sum(one.completed for one in parts),
            failed=sum(one.failed for one in parts),
            endpoint="completions" if can.endpoint == "completions" else "chat/completions",
            lengths=can.lengths,
            prompts=can.prompts,
            version=can.version,
        )

    def check(self) -> None:
        """A ServerError where it is not the process any more that it was."""
        process = self.server.process
        if process is not None and not process.is_there():
            raise ServerError(f"{self.server.address}: the server has ended, or was started anew.")

    def processor_s(self) -> float:
        """Seconds of the processor that its processes have used; 0 where they are not known."""
        return self.server.process.processor_s() if self.server.process else 0.0

    def cut_inputs(self, queries: Sequence[Query]) -> None:
        """Unknown: a server does not say how much it takes."""

    def prepare(self, queries: Sequence[Query]) -> Batch:
        """A server is asked by its load."""
        raise AssertionError("a server is asked by its load")

    def run(self, batch: Batch, enter: EnterPhase) -> BatchOutput:
        """A server is asked by its load."""
        raise AssertionError("a server is asked by its load")

    def run_lone(self, batch: Batch) -> None:
        """There is no such phase."""
        raise AssertionError("a server has one phase")

    def synchronize(self) -> None:
        """It goes on all the time: there is nothing to wait for."""

    def compiled(self) -> None:
        """Unknown: a server does not say what it compiles."""

    @contextlib.contextmanager
    def load(self, plan: Plan) -> Iterator[ClosedLoop]:
        """Its load, as long as this lasts."""
        generation = plan.generation
        assert generation is not None  # only tasks that write are asked of servers
        server = self.server
        asking = Asking(
            server.address,
            server.key,
            server.model,
            server.abilities,
            plan.workload,
            generation.max_new_tokens,
            plan.seed,
        )
        load = ClosedLoop(asking, self.concurrency)
        load.start()
        try:
            yield load
        finally:
            load.stop()
