"""What measuring from Python, or reading a result, gives: figures that can be asserted on.

A figure that could not be measured is None with its reason. It is never 0, and whoever requires it
gets an error rather than something that a comparison might let pass.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from energyscore.base.errors import InvalidResult, NotMeasuredError, UsageError
from energyscore.base.units import counted, format_duration, format_wh

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from energyscore.base.stats import Summary
    from energyscore.results.parts import Caution
    from energyscore.results.result import Result

FigureMethod = Literal["counter", "power_integral", "rapl", "estimated", "measured"]


@dataclass(frozen=True)
class Figure:
    """Energy of 1,000 queries, or the reason why there is none.

    Attributes:
        wh_per_1k_queries: watt-hours of 1,000 queries, the mean of the runs; None where it could
            not be measured.
        ci95: bounds of the 95% interval of that mean over the runs, in the same unit; None for a
            single run, which has no spread, and where there is no figure. It is as wide to either
            side on the log scale; that of the net figure is cut at 0.
        method: how it was obtained. Of a GPU: `counter` (NVML's energy counter) or
            `power_integral`. Of the system: `measured`, or `estimated` as soon as one part of it
            is. None where there is no figure.
        reason: why there is no figure; empty where there is one.
    """

    wh_per_1k_queries: float | None
    ci95: tuple[float, float] | None
    method: FigureMethod | None
    reason: str

    @property
    def estimated(self) -> bool:
        """Whether it is an estimate by load and time rather than a meter's reading."""
        return self.method == "estimated"

    def __str__(self) -> str:
        """The figure with its interval and method, or why there is none."""
        if self.wh_per_1k_queries is None:
            return f"not measured: {self.reason}"
        bounds = ""
        if self.ci95 is not None:
            bounds = f" (95%: {format_wh(self.ci95[0])} to {format_wh(self.ci95[1])})"
        return f"{format_wh(self.wh_per_1k_queries)} per 1,000 queries{bounds}, {self.method}"


@dataclass(frozen=True, repr=False)
class Measurement:
    """The energy of some work, as it was measured.

    Each `require_` method gives a figure to assert on. It raises NotMeasuredError where there is
    none, and InvalidResult where the measurement is invalid; the message says why.

    Example:
        >>> measured = energyscore.load("result.json")
        >>> assert measured.require_gpu_wh_per_1k_queries() <= 2.5
        >>> if measured.gpu.ci95 is not None:
        ...     lower_wh, upper_wh = measured.gpu.ci95

    Attributes:
        name: a model, or the name of a function.
        gpu: energy of the metered GPUs, all together.
        net_gpu: the same less what these GPUs draw idle in that time; only where idling was
            metered. About zero, or negative: the work cannot be told from idling,
            whose draw was metered at another time and varies.
        system: energy of the metered GPUs, if any, and of processor and memory; its `method` says
            whether it is an estimate.
        metered_gpus: UUIDs.
        queries: of all runs, as `duration_s`.
        valid: figures of an invalid measurement can be read, but not required.
        cautions: what whoever reads the figures must know, each with a `code` and a `message`.
        result: the whole result, as `save` writes it.
    """

    name: str
    gpu: Figure
    net_gpu: Figure
    system: Figure
    metered_gpus: tuple[str, ...]
    runs: int
    queries: int
    duration_s: float
    valid: bool
    invalid_reasons: tuple[str, ...]
    cautions: tuple["Caution", ...]
    result: "Result | None" = field(default=None, compare=False)

    @property
    def gpu_wh_per_1k_queries(self) -> float | None:
        """GPU energy of 1,000 queries in Wh; None where it was not measured."""
        return self.gpu.wh_per_1k_queries

    @property
    def system_wh_per_1k_queries(self) -> float | None:
        """Energy of metered GPUs, processor and memory for 1,000 queries in Wh; often estimated."""
        return self.system.wh_per_1k_queries

    def require_gpu_wh_per_1k_queries(self) -> float:
        """GPU energy of 1,000 queries in Wh, to assert on; measured, never an estimate."""
        return self._require(self.gpu, "GPU energy")

    def require_system_wh_per_1k_queries(self) -> float:
        """Energy of metered GPUs, processor and memory for 1,000 queries in Wh, to assert on.

        `system.estimated` says whether it is an estimate, which follows the time that the work
        takes and how busy the machine is.
        """
        return self._require(self.system, "energy of the system")

    def require_gpu_ci95(self) -> tuple[float, float]:
        """Bounds of the 95% interval of the GPU energy, in Wh of 1,000 queries, to assert on.

        `energyscore gate` compares the upper bound with a limit. A single run has no interval.
        """
        return self._require_ci95(self.gpu, "GPU energy")

    def require_system_ci95(self) -> tuple[float, float]:
        """Bounds of the 95% interval of the system's energy, in Wh of 1,000 queries."""
        return self._require_ci95(self.system, "energy of the system")

    def _require_ci95(self, figure: Figure, what: str) -> tuple[float, float]:
        self._require(figure, what)
        if figure.ci95 is None:
            why = "one run has no spread" if self.runs == 1 else "its spread is not known"
            message = f"{self.name}: the {what} has no interval: {why}."
            hint = "Measure with repeats=3 or more."
            if any(caution.code == "one_window" for caution in self.cautions):
                hint = "A block is one window; `energyscore.measure` repeats a function."
            raise NotMeasuredError(message, hint)
        return figure.ci95

    def _require(self, figure: Figure, what: str) -> float:
        if not self.valid:
            reasons = "; ".join(self.invalid_reasons)
            raise InvalidResult(f"{self.name}: the measurement is invalid: {reasons}.")
        if figure.wh_per_1k_queries is None:
            raise NotMeasuredError(f"{self.name}: no {what} was measured: {figure.reason}.")
        return figure.wh_per_1k_queries

    def save(self, out: "str | os.PathLike[str]") -> "Path":
        """Write it as a result: `gate`, `baseline`, `compare`, `page` and `load` take it.

        The measurement of a function has no task, so that it gets no stars. Its baseline is found
        by its name and queries; queries that cannot be told by their values are comparable to
        nothing.

        Args:
            out: a folder of results, in which it gets a place of its own and replaces no other
                one; or a file, by `.json`, which is replaced.

        Returns:
            The file.

        Raises:
            ResultError: when it cannot be written.
            UsageError: when `out` is not one path, or there is no result.
        """
        from energyscore.api.arguments import read_path
        from energyscore.api.saving import save

        if self.result is None:
            raise UsageError(f"{self.name} was made without a result: there is nothing to save.")
        return save(self.result, read_path("out", out))

    def __str__(self) -> str:
        """All of it for people, a line each."""
        rows = (f"  {head}: {text}" for head, text in (*self._rows(), *self._remarks()))
        return "\n".join([f"{self.name}: {self._extent()}", *rows])

    def _repr_html_(self) -> str:
        """For notebooks."""
        from energyscore.api.saving import to_html

        rows = [("measured", self._extent()), *self._rows()]
        return to_html(self.name, rows, self._remarks())

    def _extent(self) -> str:
        runs = counted(self.runs, "run")
        queries = f"{self.queries:,} quer{'y' if self.queries == 1 else 'ies'}"
        return f"{runs}, {queries} in {format_duration(self.duration_s)}"

    def _rows(self) -> list[tuple[str, str]]:
        system = "GPU, processor" if self.metered_gpus else "processor"
        return [("GPU", str(self.gpu)), (f"{system} and memory", str(self.system))]

    def _remarks(self) -> list[tuple[str, str]]:
        return [
            *(("invalid", reason) for reason in self.invalid_reasons),
            *(("caution", caution.message) for caution in self.cautions),
        ]

    def __repr__(self) -> str:
        """In one line: failed assertions show it."""
        shown = f"GPU {self.gpu}"
        if self.gpu.wh_per_1k_queries is None and self.system.wh_per_1k_queries is not None:
            shown = f"system {self.system}"
        return f"<Measurement {self.name}: {shown}{'' if self.valid else ', invalid'}>"


def of_result(result: "Result") -> Measurement:
    """A result as a measurement."""
    from energyscore.results.score import gpu_summary, system_summary

    score, runs, reasons = result.score, result.runs, tuple(result.invalid_reasons)
    # Whoever wrote `valid: false` without a reason did not mean a valid one.
    reasons = reasons if reasons or result.valid else ("its file does not say why",)
    net_wh, of = score.net_gpu_wh_per_1k_queries, (score, runs, result.protocol.metered_gpus)
    net_method = None if net_wh is None else score.method
    return Measurement(
        name=result.model.id,
        gpu=_figure(gpu_summary(*of), score.method, score.reason),
        net_gpu=Figure(net_wh, score.net_ci95, net_method, score.net_reason),
        system=_figure(system_summary(*of), score.system_method, score.system_reason),
        metered_gpus=tuple(result.protocol.metered_gpus),
        runs=len(runs),
        queries=sum(run.queries for run in runs),
        duration_s=sum(run.duration_s for run in runs),
        valid=not reasons,
        invalid_reasons=reasons,
        cautions=tuple(result.cautions),
        result=result,
    )


def _figure(summary: "Summary | None", method: FigureMethod | None, reason: str) -> Figure:
    if summary is None:
        return Figure(None, None, method, reason)
    return Figure(summary.mean, summary.ci95, method, reason)


class Block:
    """What `energyscore.meter` gives: `measured` is there when its block has ended."""

    def __init__(self, name: str) -> None:
        """Name it for messages."""
        self._name = name
        self._measured: Measurement | None = None

    def end(self, measured: Measurement) -> None:
        """Take the figures."""
        self._measured = measured

    @property
    def measured(self) -> Measurement:
        """The figures.

        Raises:
            UsageError: before the block has ended, or where it failed.
        """
        if self._measured is None:
            raise UsageError(
                f"{self._name} has no figures: its block has not ended, or it failed.",
                "Read `measured` after the `with` block.",
            )
        return self._measured
