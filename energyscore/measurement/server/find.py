"""Before a server is asked for anything: what it can be asked, and where it works."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.base.text import first_of
from energyscore.measurement.backend import Device
from energyscore.measurement.metering import gpus_of
from energyscore.measurement.observer import LineObserver
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.server.abilities import ENDPOINTS, Abilities
from energyscore.measurement.server.client import Client, key_from, read_address
from energyscore.measurement.server.host import Listener, check_here, find_listener
from energyscore.measurement.server.launch import Launched, launched
from energyscore.measurement.server.metrics import cache_hits
from energyscore.measurement.server.probe import Sought, probe
from energyscore.measurement.server.served import Server
from energyscore.measurement.server.tokens import load_tokenizer
from energyscore.measurement.server_asked import ServerAsked
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import Generation, TaskSpec
from energyscore.protocol.workload import Workload
from energyscore.results.parts import Caution
from energyscore.results.store import result_folder

LOG = "server.log"
"""What a server says that is started here; beside the results of its model."""

Work: TypeAlias = tuple[TaskSpec, Workload, Generation | None]
"""What is to be done: a task, its queries, and how long answers are."""

_IN_COMMON = {
    *("quick", "queries", "repeats", "half_width", "idle", "device", "gpu", "power_limit"),
    *("dataset", "dataset_config", "split", "columns", "allow_shared", "strict", "country"),
    *("quality", "max_new_tokens"),
}


def check_asked(options: RunOptions, tasks: Sequence[TaskSpec], models: Sequence[str]) -> None:
    """Refuse what a server cannot be asked for."""
    if len(models) != 1:
        raise UsageError(
            "--server and --launch need one --model: the name by which the server has it.",
            "curl ADDRESS/models lists them.",
        )
    for task in tasks:
        if task.modality not in ENDPOINTS:
            raise UsageError(
                f"--server: {task.id} is no work that servers are asked for.",
                f"They can be asked for {first_of(list(ENDPOINTS), len(ENDPOINTS))}.",
            )
    if options.reasoning:
        raise UsageError(
            "--server does not go with --reasoning: engines take a mode by fields of their own "
            "(chat_template_kwargs, reasoning_effort), and do not tell whether they heed them.",
            "Start the server in each mode, such as by `vllm serve DIR "
            "--default-chat-template-kwargs '{\"enable_thinking\": false}'`, and measure each with "
            "an --out of its own.",
        )
    fields = RunOptions.model_fields
    against = [
        name
        for name in fields.keys() - _IN_COMMON
        if getattr(options, name) != fields[name].get_default()
    ]
    if against:
        named = " and ".join(f"--{name.replace('_', '-')}" for name in sorted(against))
        raise UsageError(
            f"--server does not go with {named}.",
            "The server decides of its model.",
        )


def on_server(name: str) -> ModelSpec:
    """A model by the name that a server has for it."""
    return ModelSpec(source="server", id=name)


def find_server(
    asked: ServerAsked,
    model: str,
    options: RunOptions,
    work: Iterable[Work],
    started: Launched | None = None,
) -> Server:
    """Look whether a server is on this machine, what it can do and where it works.

    Raises:
        EnergyScoreError: when it is not here, does not answer, or its GPUs are not known.
    """
    address = started.address if started else asked.address or ""
    named, device = options.gpu or (), options.device
    url, key = read_address(address), key_from(asked.api_key_env)
    check_here(url)
    port = url.port or (443 if url.scheme == "https" else 80)
    found_there = Listener(started.family) if started else find_listener(address, port)
    family = found_there.family
    tokenizer = load_tokenizer(asked.tokenizer) if asked.tokenizer else None
    abilities = {}
    for task, workload, generation in work:
        if task.id not in abilities:
            sought = Sought(task.modality, workload.queries, generation)
            can = asyncio.run(_probe(address, key, model, sought))
            by_tokenizer = can.tokens_by is None and tokenizer is not None
            abilities[task.id] = replace(can, tokens_by="tokenizer") if by_tokenizer else can
    pids = {one.pid for one in family.members()} if family else set()
    found = None if device == "cpu" else gpus_of(pids)
    if found == () and not named:
        raise UnsupportedError(
            f"--server {address}: which GPUs it computes on cannot be told from here.",
            "Name them with --gpu; or --device cpu, if it works on the processor.",
        )
    if device == "cuda" and not found and not named:
        raise UnsupportedError("--device cuda: NVML sees no GPU here.")
    on_gpu: Device = "cuda" if found or named else "cpu"
    start = str(family) if family else uuid.uuid4().hex
    return Server(
        address=address,
        key=key,
        model=model,
        family=family,
        abilities=abilities,
        gpus=found or (),
        device=on_gpu,
        tokenizer=tokenizer,
        start=started.start if started else start,
        command=started.command if started else None,
        loading=started.loading if started else None,
        cautions=_unseen(found_there, named) if named and not found else (),
    )


def _unseen(there: Listener, named: Sequence[str]) -> tuple[Caution, ...]:
    """A caution that the work of a server was not seen on the GPUs that were named."""
    why = "none of its processes is listed there"
    if there.family is None:
        why = "its processes are not known"
        why += f", as {there.between} listens for it" if there.between else ""
    message = (
        f"that the server, and nobody else, computes on --gpu {' and '.join(named)} could not be "
        f"checked: {why}"
    )
    return (Caution(code="server_not_seen", message=message),)


@contextlib.contextmanager
def serving(job: Job, work: Iterable[Work], observer: LineObserver) -> Iterator[Server]:
    """The server of a job; one that is started here is ended with this.

    Raises:
        EnergyScoreError: when it cannot be started, found or measured.
    """
    asked, model = job.server, job.models[0]
    assert asked is not None
    with contextlib.ExitStack() as stack:
        started = None
        if asked.launch:
            log = result_folder(job.out, on_server(model).folder, job.tasks[0]).parent / LOG
            started = stack.enter_context(launched(asked, model, job.options, log, observer))
        yield find_server(asked, model, job.options, work, started)


async def _probe(address: str, key: str | None, model: str, sought: Sought) -> Abilities:
    client = Client(address, key)
    try:
        return await probe(client, address, model, sought, lambda: cache_hits(address, key))
    finally:
        await client.close()
