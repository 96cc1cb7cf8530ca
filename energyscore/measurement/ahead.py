"""What is said before a run: how long it takes, what is not official, who else is busy."""

import time
from collections.abc import Sequence

from energyscore.base.errors import EnergyScoreError, MeterError, UnsupportedError, UsageError
from energyscore.base.interrupts import Interrupted
from energyscore.base.units import counted
from energyscore.measurement.backend import Device
from energyscore.measurement.benchmark import Pace
from energyscore.measurement.forecast import LONG_S, Forecast, forecast_of, question_of
from energyscore.measurement.metering import describe_machine
from energyscore.measurement.meters.load import BUSY, LoadMeter, Mark
from energyscore.measurement.observer import LineObserver, describe_estimate
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.suite.estimate import estimate_of
from energyscore.measurement.work import Plan
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.quick import QUICK
from energyscore.protocol.task import Generation, TaskFile
from energyscore.protocol.workload import Workload
from energyscore.results import store
from energyscore.results.checks import TOO_BUSY
from energyscore.results.conformance import (
    OFFICIAL_GPU,
    Departure,
    Intent,
    departures_ahead,
    is_gpu,
)
from energyscore.results.parts import EnvironmentPart

NOT_STARTED = "not started, as you chose."
_LEAST_LOOK_S = 0.6  # the kernel's clocks are too coarse for less
_REMEDIES = {
    "hardware": f"it needs {OFFICIAL_GPU}",
    "dataset": "--dataset official",
    "weights": "name a model with weights of its own",
}
_BY_OPTION = {
    "device": "gpu",
    "queries": "queries",
    "batch size": "batch_size",
    "repeats": "repeats",
    "precision": "dtype",
    "warm-up": "quick",
}
"""Points that hold by default, with the option that changes them."""


class Look:
    """A look at how busy others keep the machine, from when it is made."""

    def __init__(self) -> None:
        """Begin."""
        self._meter, self._begin_s = LoadMeter(), time.monotonic()
        try:
            self._token: Mark | None = self._meter.start()
        except MeterError:
            self._token = None  # the system does not tell

    def others_share(self) -> float | None:
        """The share of the processor that others used since; waits until it can be told."""
        if self._token is None:
            return None
        time.sleep(max(0.0, self._begin_s + _LEAST_LOOK_S - time.monotonic()))
        return self._meter.others_share(self._token)


def warn_of_others(look: Look, observer: LineObserver) -> None:
    """Say it where others are busy, before their work is measured too."""
    share = look.others_share()
    if share is not None and share > BUSY:
        observer.warn(
            f"other processes use {share:.0%} of the processor now: they slow the work down, and "
            f"estimates count them in. Estimates made while they use over {TOO_BUSY:.0%} get no "
            "stars."
        )


def forecast_job(
    asked: Sequence[tuple[TaskFile, ModelSpec, Generation | None]],
    listed: int,
    job: Job,
    device: Device,
) -> Forecast:
    """What the models that are not measured yet will take, loading apart."""
    known = store.KnownResults(job.out, lambda error: None)
    estimates = []
    for task, model, generation in asked:
        options = job.options
        if generation is not None and generation.reasoning is not None:
            options = RunOptions(reasoning=[generation.reasoning]).over(options)
        folder = store.result_folder(job.out, model.folder, task.spec.id)
        earlier = [result for _, result in known.load(folder)]
        estimates.append(estimate_of(task.spec, options, earlier, on_gpu=device == "cuda"))
    limit_w = None if device == "cpu" else power_limit_w(describe_machine(), job.options)
    return forecast_of(estimates, listed, limit_w)


def power_limit_w(machine: EnvironmentPart, options: RunOptions) -> float | None:
    """What the GPUs that a model will use may draw; None where one does not say it."""
    limits_w = [options.power_limit or gpu.power_limit_w for gpu in machine.gpus]
    if not limits_w or None in limits_w:
        return None
    return max(w for w in limits_w if w is not None) * (options.spread or 1)


def say_ahead(forecast: Forecast, options: RunOptions, observer: LineObserver) -> None:
    """Say what a run will take; where that is much, ask once whether to go on.

    Raises:
        Interrupted: when the answer is no.
    """
    observer.say(forecast.describe("--max-new-tokens N"))
    if not options.quick and not options.screen:
        observer.say(f"With --quick: {QUICK}.")
    if forecast.costly and not observer.agree(forecast.question()):
        raise Interrupted(NOT_STARTED, "--quick takes less.")


def check_official(
    asked: Sequence[tuple[TaskFile, ModelSpec, Workload, Generation | None]],
    options: RunOptions,
    device: Device,
    observer: LineObserver,
) -> None:
    """Say which points of the official protocol will not hold; with --official refuse.

    Raises:
        UsageError: with --official, when something was asked for otherwise.
        UnsupportedError: with --official, when this machine cannot hold them.
    """
    machine = describe_machine()
    missed: dict[str, Departure] = {}
    for task, model, workload, generation in asked:
        intent = _intent(task, model, workload, generation, options, device, machine)
        missed |= {one.name: one for one in departures_ahead(task.spec, intent)}
    if not missed:
        observer.say(
            "Official so far: every point of the official protocol that can be checked before "
            "holds. Windows, the counter and exclusive use are checked in the result."
        )
        return
    if not options.official:
        observer.say(
            f"Not official in {counted(len(missed), 'point')}: {', '.join(missed)} (--official "
            "says why, and measures nothing then)."
        )
        return
    told = "; ".join(_with_remedy(one, options) for one in missed.values())
    kind: type[EnergyScoreError] = (
        UnsupportedError if {"hardware", "device"} & missed.keys() else UsageError
    )
    raise kind(f"--official: the result would not be official. {told}.")


def _with_remedy(missed: Departure, options: RunOptions) -> str:
    """A point, and what would hold it where that is known."""
    remedy, option = _REMEDIES.get(missed.name, ""), _BY_OPTION.get(missed.name, "")
    if option and getattr(options, option) != RunOptions.model_fields[option].default:
        remedy = f"leave out --{option.replace('_', '-')}"
    return f"{missed} ({remedy})" if remedy else str(missed)


def _intent(
    task: TaskFile,
    model: ModelSpec,
    workload: Workload,
    generation: Generation | None,
    options: RunOptions,
    device: Device,
    machine: EnvironmentPart,
) -> Intent:
    names = [gpu.name for gpu in machine.gpus] if device == "cuda" else []
    # Which of several GPUs the model will be on is not known yet.
    names = [name for name in names if is_gpu(name, OFFICIAL_GPU)] or names
    dtype = "float32" if device == "cpu" else None
    random = model.source == "builtin" or model.random_weights
    return Intent(
        gpus=tuple(dict.fromkeys(names)),
        cpu=machine.cpu,
        device=device,
        gpus_chosen_by="user" if options.gpu else "model",
        dataset=workload.dataset,
        official_dataset=workload.official,
        queries=len(workload.queries),
        batch_size=options.batch_size or task.spec.batch_size,
        repeats=options.runs(task.spec) or task.spec.repeats,
        dtype=dtype if options.dtype == "auto" else options.dtype,
        weights="random" if random else "pretrained",
        quick=options.quick,
        quantization=model.quantization,
        compiled=model.compile,
        generation=generation.recorded() if generation and task.spec.generation else None,
    )


def say_pace(pace: Pace, plan: Plan, forecast: Forecast | None, observer: LineObserver) -> None:
    """Say again how long it takes, now that the warm-up has shown it; ask if nobody was asked."""
    quick_s = None if plan.quick else pace.pass_s
    at_most = plan.target_half_width is not None
    observer.tell(
        describe_estimate(pace.runs, pace.run_s, pace.longest_s, at_most=at_most, pass_s=quick_s)
    )
    whole_s = pace.runs * max(pace.run_s, pace.longest_s or 0.0)
    question = question_of(forecast, whole_s, at_most=at_most or pace.longest_s is not None)
    if whole_s > LONG_S and not observer.agree(question):
        raise Interrupted(NOT_STARTED, "--quick takes less.")
