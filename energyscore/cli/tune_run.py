"""How the command line tunes: the space of this model, the trials, and what is published."""

from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.interrupts import interrupted_status
from energyscore.base.writing import check_folder, check_outputs, write_atomically
from energyscore.cli.console import Talk, say, say_note, say_skipped
from energyscore.cli.tune_view import TuneProgress
from energyscore.judge.tuning import Tried, Tuning, judge_tuning, quality_lost
from energyscore.measurement.metering import check_power_limit, describe_machine
from energyscore.measurement.suite.key import key_here
from energyscore.measurement.suite.where import here
from energyscore.measurement.tune.request import TuneRequest, asked_of, options_of
from energyscore.measurement.tune.runner import Tuner
from energyscore.measurement.tune.space import MOST_BATCH, Settings, Space
from energyscore.measurement.tune.trial import Trial, Tuned
from energyscore.protocol import hub
from energyscore.protocol.model import Dtype, ModelSpec
from energyscore.publish.command_line import command_line
from energyscore.publish.results_folder import ResultsFolder
from energyscore.publish.tuning import FILE_NAME, TuneReport, report_of, to_json
from energyscore.results.store import KnownResults

SEED = 0
QUICK_BATCH_S, LEAST_QUICK = 2.0, 4
"""With --quick no batch of more than so many is tried that takes longer at the default's pace."""

_PRECISIONS: dict[str, tuple[Dtype, ...]] = {
    "cuda": ("float32", "float16", "bfloat16"),
    "cpu": ("float32", "bfloat16"),
}


@dataclass(frozen=True)
class Dimensions:
    """What was named to be tried; None: what suits the machine."""

    batch_sizes: tuple[int, ...] | None = None
    dtypes: tuple[Dtype, ...] | None = None
    quantizations: tuple[str, ...] = ()
    attentions: tuple[str, ...] = ()
    power_limits_w: tuple[float, ...] = ()
    compiled: bool = False
    exhaustive: bool = False
    quick: bool = False

    def space(self, default: Settings, first: Trial) -> Space:
        """The space, once the default was measured."""
        result = first.result
        device = result.protocol.device if result else "cuda"
        most = result.workload.queries if result else MOST_BATCH
        latency_s = first.outcome.latency_p90_s
        if self.quick and latency_s:
            most = min(most, max(LEAST_QUICK, int(QUICK_BATCH_S / latency_s)))
        dtypes = self.dtypes
        if dtypes is None:
            dtypes = () if self.quick else _PRECISIONS[device]
        # What the default came to by itself is not tried by its name once more.
        own = (result.model.dtype, result.model.attention_default) if result else ()
        return Space(
            default,
            self.batch_sizes,
            max(1, default.batch_size, min(most, MOST_BATCH)),
            tuple(one for one in dtypes if one not in own),
            quantizations=self.quantizations,
            attentions=tuple(one for one in self.attentions if one not in own),
            compiles=(True,) if self.compiled else (),
            power_limits_w=self.power_limits_w,
        )

    def check(self, spec: ModelSpec, request: TuneRequest) -> None:
        """Refuse what cannot be tried, before anything is measured."""
        if request.limits.quality_loss is not None and spec.random_weights:
            raise UsageError(
                f"--max-quality-loss: {spec.label} has random weights: its answers mean nothing.",
                "Leave it out, or name a model with weights of its own.",
            )
        gpus = describe_machine().gpus if self.power_limits_w else []
        device = "cuda" if gpus and request.options.device != "cpu" else "cpu"
        for limit_w in self.power_limits_w:
            check_power_limit(device, request.options.gpu or (), limit_w)


@dataclass(frozen=True)
class Finished:
    """A tune that ended: what it came to, in the form that is kept in a file too.

    Attributes:
        file: where it is kept.
        interrupted: before the default was measured even, where there is nothing else.
        other_command: what measures with the default, where that is needed to decide.
        ended: why the search ended early; empty where it did not.
    """

    tuning: Tuning | None
    report: TuneReport | None
    file: Path | None
    interrupted: bool
    other_command: str | None = None
    ended: str = ""

    @property
    def exit_status(self) -> int:
        """0 there is a best setting, 3 there is none, 130 or 143 interrupted."""
        if self.interrupted:
            return interrupted_status()
        return 0 if self.tuning and self.tuning.best else 3


def run_tune(
    request: TuneRequest,
    dimensions: Dimensions,
    talk: Talk,
    budget_s: float | None = None,
    *,
    fresh: bool = False,
) -> Finished:
    """Measure the trials, judge them and write `tune.json`."""
    known = KnownResults(request.out, say_skipped)
    default = Settings(batch_size=request.task.spec.batch_size)
    spec = request.spec_for(default)  # what is wrong with it is said before anything is measured
    dimensions.check(spec, request)
    check_folder(request.out, say_note)
    check_outputs({"--out": request.out / FILE_NAME}, [])
    if not talk.quiet:
        say(
            f"Tuning {spec.label} at {request.task.spec.id}: the default first, then one trial "
            "after another, each in a process of its own. How long one takes is known after the "
            "first."
        )
    with TuneProgress(talk) as progress:
        tuner = Tuner(
            request,
            known,
            key_here(online=hub.is_reachable()),
            here(),
            progress,
            lambda first, other: quality_lost(first, other, request.limits.quality_loss or 0.0),
            budget_s=budget_s,
            fresh=fresh,
        )
        tuned = tuner.run(
            default,
            lambda first: dimensions.space(default, first),
            seed=SEED,
            exhaustive=dimensions.exhaustive,
        )
    ResultsFolder(known).write_csv()
    return _finished(tuned, request, spec.label)


def _finished(tuned: Tuned, request: TuneRequest, label: str) -> Finished:
    if tuned.default is None:
        return Finished(None, None, None, tuned.interrupted, ended=tuned.ended)
    trials = [_tried(one, request.out) for one in (*tuned.trials, *tuned.confirmed)]
    tuning = judge_tuning(
        label,
        request.task.spec.id,
        _tried(tuned.default, request.out),
        _tried(tuned.best, request.out) if tuned.best else None,
        trials,
        [(options_of(one.settings), one.reason) for one in tuned.left_out],
        undecided=[options_of(one) for one in tuned.undecided],
        ended=tuned.ended or "interrupted" * tuned.interrupted,
        interrupted=tuned.interrupted,
    )
    command = _command(tuning.best, request) if tuning.best else None
    file = request.out / FILE_NAME
    report = report_of(tuning, command)
    write_atomically(file, to_json(report).decode())
    undecided = tuning.saving is not None and tuning.saving.significant is False
    other = _command(tuning.default, request) if undecided else None
    return Finished(tuning, report, file, tuned.interrupted, other)


def _tried(trial: Trial, out: Path) -> Tried:
    outcome = trial.outcome
    return Tried(
        settings=options_of(outcome.settings),
        status=outcome.status,
        reason=outcome.reason,
        file=str(trial.file.relative_to(out)) if trial.file else None,
        result=trial.result,
        memory_bytes=outcome.memory_bytes,
        purpose=trial.purpose,
    )


def _command(best: Tried, request: TuneRequest) -> str:
    """The command that measures by the whole protocol with the best settings."""
    given = request.options.without(("screen", "until", "budget", "quick", "quality")).given()
    where = {} if request.task_path is None else {"task_path": str(request.task_path)}
    options = {**asked_of(best.settings), **given, **where}
    return command_line(request.task.spec.id, request.model, options)
