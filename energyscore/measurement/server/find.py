"""Before a server is asked for anything: what it can be asked, and where it works."""

import asyncio
import uuid
from collections.abc import Sequence

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.measurement.backend import Device
from energyscore.measurement.metering import gpus_of
from energyscore.measurement.options import RunOptions
from energyscore.measurement.server.client import Client, key_from, read_address
from energyscore.measurement.server.host import check_here, find_process
from energyscore.measurement.server.probe import Abilities, probe
from energyscore.measurement.server.served import Server
from energyscore.measurement.server_asked import ServerAsked
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import TaskSpec

MODALITIES = ("text_generation",)
"""What a server can be asked for."""

_IN_COMMON = {
    *("quick", "queries", "repeats", "half_width", "idle", "device", "gpu", "power_limit"),
    *("dataset", "dataset_config", "split", "columns", "allow_shared", "strict", "country"),
}


def check_asked(options: RunOptions, tasks: Sequence[TaskSpec], models: Sequence[str]) -> None:
    """Refuse what a server cannot be asked for."""
    if len(models) != 1:
        raise UsageError(
            "--server needs one --model: the name by which the server has it.",
            "curl ADDRESS/models lists them.",
        )
    for task in tasks:
        if task.modality not in MODALITIES:
            raise UsageError(
                f"--server: {task.id} cannot be asked of a server yet.",
                f"It can be asked for {' and '.join(MODALITIES)}.",
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
            "The server decides of its model; its answers are not judged here.",
        )


def on_server(name: str) -> ModelSpec:
    """A model by the name that a server has for it."""
    return ModelSpec(source="server", id=name)


def find_server(asked: ServerAsked, model: str, options: RunOptions) -> Server:
    """Look whether a server is on this machine, what it can do and where it works.

    Raises:
        EnergyScoreError: when it is not here, does not answer, or its GPUs are not known.
    """
    address, named, device = asked.address, options.gpu or (), options.device
    url, key = read_address(address), key_from(asked.api_key_env)
    check_here(url)
    process = find_process(url.port or (443 if url.scheme == "https" else 80))
    abilities = asyncio.run(_probe(address, key, model))
    pids = {one.pid for one in process.family()} if process else set()
    found = None if device == "cpu" else gpus_of(pids)
    if found == () and not named:
        raise UnsupportedError(
            f"--server {address}: which GPUs it computes on cannot be told from here.",
            "Name them with --gpu; or --device cpu, if it works on the processor.",
        )
    if device == "cuda" and not found and not named:
        raise UnsupportedError("--device cuda: NVML sees no GPU here.")
    on_gpu: Device = "cuda" if found or named else "cpu"
    start = f"{process.pid} {process.started_s}" if process else uuid.uuid4().hex
    return Server(address, key, model, process, abilities, found or (), on_gpu, start)


async def _probe(address: str, key: str | None, model: str) -> Abilities:
    client = Client(address, key)
    try:
        return await probe(client, address, model)
    finally:
        await client.close()
