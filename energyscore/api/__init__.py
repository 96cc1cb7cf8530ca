"""energyscore from Python: measure a function or a model, and read results.

Light to import; what measures is imported when something is measured.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal, overload

from energyscore.api.measurement import Block, Figure, Measurement
from energyscore.base.errors import ResultError, UsageError

__all__ = ["Block", "Figure", "Measurement", "load", "load_all", "measure", "meter"]

Device = Literal["auto", "cpu", "cuda"]


@overload
def measure(
    work: Callable[[Any], object],
    queries: Iterable[Any],
    *,
    repeats: int | None = None,
    min_window_s: float | None = None,
    quick: bool = False,
    batch_size: int | None = None,
    device: Device = "auto",
    gpus: Sequence[str | int] = (),
    idle_s: float | None = None,
    allow_shared: bool = False,
    name: str | None = None,
    progress: bool = False,
) -> Measurement: ...


@overload
def measure(
    work: str | os.PathLike[str],
    queries: Iterable[str | Mapping[str, object]] | int | None = None,
    *,
    task: str,
    repeats: int | Literal["auto"] | None = None,
    quick: bool = False,
    batch_size: int | None = None,
    device: Device = "auto",
    gpus: Sequence[str | int] = (),
    idle_s: float | None = None,
    allow_shared: bool = False,
    options: Mapping[str, object] | None = None,
    progress: bool = False,
) -> Measurement: ...


def measure(
    work: Callable[[Any], object] | str | os.PathLike[str],
    queries: Iterable[Any] | int | None = None,
    *,
    task: str | None = None,
    repeats: int | Literal["auto"] | None = None,
    min_window_s: float | None = None,
    quick: bool = False,
    batch_size: int | None = None,
    device: Device = "auto",
    gpus: Sequence[str | int] = (),
    idle_s: float | None = None,
    allow_shared: bool = False,
    name: str | None = None,
    options: Mapping[str, object] | None = None,
    progress: bool = False,
) -> Measurement:
    """Measure the energy that a function, or a model at a task, needs for 1,000 queries.

    **A function** is called with each query: once unmetered, then to warm up, then over and over
    in each metered run, every time in another order. Its output is dropped. Work that torch began
    on a GPU is waited for; any other work must be done when the function returns: an output that
    holds work known not to be done (a future, coroutine, generator, running thread or process; at
    any depth) is refused, and threads and processes that go on are a caution. Metered are the
    GPUs on which torch holds memory in this process; `gpus` names others, such as those of a server
    that the function asks. Processor and memory are those of the whole machine. Measure an async
    function `f` as `lambda query: asyncio.run(f(query))`; inside an event loop, call
    `await asyncio.to_thread(energyscore.measure, ...)`.

    **A model** is measured at a task exactly as `energyscore run` does it, in a process of its own.
    The whole result is in `result`.

    Nothing is printed and no file is left behind; `save` of what is returned writes one. One
    process measures one thing at a time: each of two would be charged with the energy of both.

    Args:
        work: a function, a bound method, a Hugging Face pipeline, anything that can be called; or
            the name of a model: hub id, folder, or `builtin:NAME`.
        queries: what the function is called with; a generator is read to its end first. For a
            model: texts, mappings by the task's fields, or how many queries of the task's dataset.
        task: the task of a model (`energyscore tasks` lists them).
        repeats: how many runs. Default: 3 of a function, the task's number for a model, 1 with
            `quick`. For models also `auto`: until the interval is narrow enough.
        min_window_s: seconds that each run of a function lasts at least, over as many passes as
            that takes. Default: 10; with `quick` 1, and 2.5 on a GPU. Not for models: the protocol
            sets theirs.
        quick: a short fixed warm-up (three batches) instead of one until pace and temperature are
            steady (30 s to 2 min), and no minimum window for models; one run by default.
        batch_size: call the function with lists of up to so many queries. Default: with one query,
            not in a list. For a model: the task's.
        device: `cpu` meters no GPU and excludes `gpus`; `cuda` is an error if no GPU is used.
        gpus: the GPUs to meter (NVML's index or UUID). Default: those that the work occupies.
        idle_s: seconds to meter idling before, for the net figure. Default: 0 for a function, 30
            for a model, 0 with `quick`.
        allow_shared: keep a measurement valid although other processes used the GPUs.
        name: what to call the function. Default: its own name.
        options: for a model: more options of `energyscore run`, by their names with `_` for `-`,
            such as `{"dtype": "bfloat16", "reasoning": "off"}`; not those that write files.
        progress: show the progress on stderr.

    Returns:
        The figures with their intervals, methods, or reasons why there are none; and whether the
        measurement is valid. A figure that was not measured is None, never 0.

    Raises:
        UsageError: an argument is wrong, or this process is measuring already. TaskError,
            ModelError and DatasetError are UsageErrors, too.
        WorkError: the function raised; its exception is the `__cause__`.
        MeterError: a GPU that was named cannot be metered.
        UnsupportedError: this machine cannot do what was asked.

    All of them are EnergyScoreErrors and names of `energyscore`. Ctrl-C stays a KeyboardInterrupt.
    However it ends, no process and no thread of it is left.

    Example:
        >>> measured = energyscore.measure(classifier, texts, repeats=5)
        >>> assert measured.require_gpu_ci95()[1] <= 2.5  # the whole interval, as the gate judges
        >>> energyscore.measure("openai-community/gpt2", task="text_generation", quick=True).result
    """
    from energyscore.api.arguments import read_arguments

    arguments = read_arguments(
        task=task,
        repeats=repeats,
        min_window_s=min_window_s,
        quick=quick,
        batch_size=batch_size,
        device=device,
        gpus=gpus,
        idle_s=idle_s,
        allow_shared=allow_shared,
        name=name,
        options=options,
        progress=progress,
    )
    if isinstance(work, str | os.PathLike):
        from energyscore.api.models import measure_model

        return measure_model(os.fspath(work), queries, arguments)
    if not callable(work):
        raise UsageError(
            f"work is of type {type(work).__name__}: neither a function nor a model's name.",
            "Give something that can be called with a query, or a hub id, folder or builtin:NAME.",
        )
    from energyscore.api.calls import measure_calls

    return measure_calls(work, queries, arguments)


def meter(
    name: str = "block",
    *,
    queries: int = 1,
    device: Device = "auto",
    gpus: Sequence[str | int] = (),
    allow_shared: bool = False,
) -> AbstractContextManager[Block]:
    """Measure a block of code that is no function: one window, from its beginning to its end.

    There is no warm-up and nothing is repeated, so that its figures have no interval. Metered are
    the GPUs on which torch holds memory in this process when the block begins. Whatever else the
    block starts must be done when it ends.

    Args:
        name: what to call it.
        queries: how many queries the block does; figures are of 1,000 of them. Default: the block
            is one.
        device: as for `measure`.
        gpus: as for `measure`.
        allow_shared: as for `measure`.

    Returns:
        A context manager; `measured` of what it gives is there once the block has ended.

    Raises:
        UsageError: an argument is wrong, or this process is measuring already.
        MeterError: a GPU that was named cannot be metered.
        UnsupportedError: this machine cannot do what was asked.

    Example:
        >>> with energyscore.meter("an epoch", queries=len(batches)) as block:
        ...     train(batches)
        >>> print(block.measured)
    """
    from energyscore.api.arguments import read_arguments
    from energyscore.api.block import measure_block

    if type(queries) is not int or queries < 1:
        raise UsageError(f"queries: it must be a whole number of at least 1 (got {queries!r}).")
    arguments = read_arguments(
        quick=True, device=device, gpus=gpus, allow_shared=allow_shared, name=name
    )
    return measure_block(name, queries, arguments)


def load(path: str | os.PathLike[str]) -> Measurement:
    """Read one result, or one baseline: its figures, and in `result` all that the file holds.

    Raises:
        ResultError: when there is no such file, or it is no result; the message says where.
        UsageError: when it is not one path.

    Example:
        >>> assert energyscore.load("result.json").require_gpu_wh_per_1k_queries() <= 2.5
    """
    from energyscore.api.arguments import read_path
    from energyscore.api.measurement import of_result
    from energyscore.base.files import is_dir
    from energyscore.judge.baseline import load_baseline
    from energyscore.results.folder import kind_of
    from energyscore.results.store import load_result

    file = read_path("path", path)
    if is_dir(file):
        raise ResultError(f"{file} is a folder.", "energyscore.load_all reads all results in it.")
    of_baseline = kind_of(file) == "baseline"
    return of_result(load_baseline(file).result if of_baseline else load_result(file))


def load_all(folder: str | os.PathLike[str], *, every: bool = False) -> list[Measurement]:
    """Read the results in a folder, all the way down: the latest of each measurement.

    They come in the order of their paths. An invalid one counts only where there is no valid one,
    as in `energyscore gate`; where it is newer, the valid one has the caution `newer_invalid`.
    With `every`, older results of the same measurement are read too.

    Raises:
        ResultError: when there is no such folder, it holds no result, or one of them is broken.
        UsageError: when it is not one path.

    Example:
        >>> for measured in energyscore.load_all("results"):
        ...     assert measured.require_system_ci95()[1] <= 20, measured
    """
    from energyscore.api.arguments import read_path
    from energyscore.api.measurement import of_result
    from energyscore.results.latest import NEWER_INVALID, latest_only, set_aside
    from energyscore.results.parts import Caution
    from energyscore.results.store import load_results

    loaded = load_results([read_path("folder", folder)])
    if every:
        return [of_result(result) for _, result in loaded]
    cautions = {
        one.result.identity: Caution(code=NEWER_INVALID, message=one.caution)
        for one in set_aside(loaded)
        if one.newer_invalid
    }
    found = []
    for _, result in sorted(latest_only(loaded), key=lambda entry: entry[0]):
        measured = of_result(result)
        if caution := cautions.get(result.identity):
            measured = replace(measured, cautions=(*measured.cautions, caution))
        found.append(measured)
    return found
