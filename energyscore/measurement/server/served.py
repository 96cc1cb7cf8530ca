"""A server as what does the work of a session."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from energyscore.base.errors import ServerError
from energyscore.measurement.backend import Batch, BatchOutput, Device, EnterPhase
from energyscore.measurement.family import ServerFamily
from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.answer import Answer
from energyscore.measurement.server.asking import Asking
from energyscore.measurement.server.judged import AT_ONCE, ServedAnswers
from energyscore.measurement.server.load import ClosedLoop, ServerLoad
from energyscore.measurement.server.metrics import read_metrics
from energyscore.measurement.server.open_loop import OpenLoop
from energyscore.measurement.server.tokens import Tokenizer
from energyscore.measurement.server.whole import end_load
from energyscore.measurement.server_asked import LoadAsked
from energyscore.measurement.work import Plan
from energyscore.protocol.model import ModelFacts
from energyscore.protocol.task import Generation, TaskSpec
from energyscore.protocol.workload import Query
from energyscore.results.load import LoadPart, WholeLoad
from energyscore.results.loading import Loading
from energyscore.results.parts import Caution, Run

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
    family: ServerFamily | None  # its processes; None: who listens there is not known
    abilities: Mapping[str, Abilities]  # by the id of a task
    gpus: tuple[str, ...]  # that it computes on, where they are known
    device: Device
    tokenizer: Tokenizer | None  # that counts tokens where the server does not
    start: str  # what tells this start of it from others
    command: str | None = None  # that started it, without secrets; None: it ran already
    cautions: tuple[Caution, ...] = ()
    loading: Loading | None = None  # of one that was started here

    def told_apart_by(self, task: TaskSpec, load: LoadAsked | None) -> list[object]:
        """What makes another measurement of the same queries."""
        # One that is started here may be given another port each time.
        address = None if self.command else self.address
        tokenizer = self.tokenizer.name if self.tokenizer else None
        can = self.abilities[task.id]
        return told_apart_by(address, self.model, load, self.start, can, tokenizer)


def told_apart_by(
    address: str | None,
    model: str,
    load: LoadAsked | None,
    start: str,
    can: Abilities,
    tokenizer: str | None,
) -> list[object]:
    """What makes another measurement of the same queries on a server."""
    asked = [address, model, load and load.told_apart_by]
    found = [can.endpoint, can.lengths, can.prompts, can.tokens_by, can.version]
    return [*asked, start, *found, *([tokenizer] if tokenizer else [])]


class ServedModel:
    """A server under a load: what does the work of one entry."""

    prepare_ahead = 1
    phases: tuple[str, ...] = (SERVE,)
    lone_phase: str | None = None

    def __init__(self, server: Server, task: TaskSpec, asked: LoadAsked) -> None:
        """Nothing is asked yet."""
        self.server, self.asked = server, asked
        self.task, self.can = task, server.abilities[task.id]
        self.whole: WholeLoad | None = None  # as it was at the end of the load

    @property
    def at_once(self) -> int:
        """Queries that are asked together where answers are judged."""
        return self.asked.concurrency or AT_ONCE

    def gpu_uuids(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that it computes on, where they are known."""
        return self.server.gpus

    @property
    def told_apart_by(self) -> list[object]:
        """What makes another measurement of the same queries."""
        return self.server.told_apart_by(self.task, self.asked)

    def load_part(self, runs: Sequence[Run], generation: Generation | None) -> LoadPart:
        """The load of these runs, as results keep it."""
        can, server, parts = self.can, self.server, [run.load for run in runs if run.load]
        asked, is_open = self.asked, self.asked.request_rate is not None
        return LoadPart(
            kind="open" if is_open else "closed",
            concurrency=asked.concurrency,
            request_rate=asked.request_rate,
            max_outstanding=asked.max_outstanding if is_open else None,
            completed=sum(one.completed for one in parts),
            failed=sum(one.failed for one in parts),
            endpoint=can.endpoint,
            lengths=can.lengths_of(generation),
            prompts=can.prompts,
            tokens_by=can.tokens_by,
            tokenizer=server.tokenizer.name if server.tokenizer else None,
            version=can.version,
            whole=self.whole,
            launched=self.server.command,
        )

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
            context_length=self.can.context_length,
        )

    def with_tokens(self, answers: list[Answer]) -> list[Answer]:
        """The same, with tokens that the server does not tell, where a tokenizer counts them."""
        tokenizer = self.server.tokenizer
        return answers if tokenizer is None else tokenizer.counted(answers)

    def answerer(self) -> ServedAnswers:
        """What asks it for answers that are judged."""
        server = self.server
        return ServedAnswers(server.address, server.key, server.model, self.can, self.task)

    def check(self) -> None:
        """A ServerError where it is not the process any more that it was."""
        family = self.server.family
        if family is not None and not family.is_there():
            raise ServerError(f"{self.server.address}: the server has ended, or was started anew.")

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
    def load(self, plan: Plan) -> Iterator[ServerLoad]:
        """Its load, as long as this lasts."""
        server = self.server
        asking = Asking(
            server.address,
            server.key,
            server.model,
            self.task.modality,
            self.can,
            plan.workload,
            plan.generation,
            plan.seed,
            keeps=server.tokenizer is not None,
        )
        rate = self.asked.request_rate
        load = (
            ClosedLoop(asking, self.asked.concurrency or 1)
            if rate is None
            else OpenLoop(asking, rate, self.asked.max_outstanding)
        )
        before = read_metrics(server.address, server.key)
        load.start()
        try:
            yield load
            self.whole = end_load(load, server.address, server.key, before)
        finally:
            load.stop()
