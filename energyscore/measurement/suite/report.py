"""The status of a suite's entries: the schema of `suite.json`, and the exit status. Pure."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from energyscore.base.interrupts import interrupted_status
from energyscore.base.version import __version__
from energyscore.measurement.child import Ended
from energyscore.measurement.suite.attempt import Attempt
from energyscore.measurement.suite.plan import Planned
from energyscore.results.names import mode_of, with_details
from energyscore.results.parts import NonNegative, Part, Positive
from energyscore.results.result import Result

FILE_NAME = "suite.json"

Status = Literal["done", "skipped", "invalid", "failed", "unsupported", "pending"]
BAD: frozenset[Status] = frozenset({"invalid", "failed", "unsupported"})


class Record(Part):
    """One entry and its status."""

    task: str
    model: str
    model_class: str | None = Field(description="as the list says it")
    reasoning: str | None = Field(description="the mode; null where the task has none")
    setting: str = Field("", description="what tells it from other entries of the model")
    status: Status = Field(
        description="done: measured just now; skipped: measured before; failed: it has no result; "
        "unsupported: this version cannot measure it; pending: not measured yet"
    )
    reason: str = Field(description="why it is not done, or has no energy; else empty")
    exit_code: int | None = Field(description="of its process; negative: ended by that signal")
    seconds: NonNegative | None = Field(description="its process took, loading included")
    key: str | None = Field(description="SHA-256 of what was asked for")
    result: str | None = Field(description="the result's file, relative to the suite's folder")
    identity: str | None = Field(description="that of the result")
    wh_per_1k_queries: Positive | None
    basis: Literal["gpu", "system"] | None = Field(description="what the figure is the energy of")
    estimated: bool = Field(description="whether it is an estimate and no meter's figure")
    attempts: list[Attempt] = Field([], description="of a cluster: where it was measured, and how")

    @property
    def label(self) -> str:
        """The model, with its mode of reasoning and what tells it from other entries."""
        return with_details(self.model, mode_of(self.reasoning), self.setting)


class SuiteReport(Part):
    """A list, and the status of each of its entries."""

    kind: Literal["suite"] = "suite"
    schema_version: Literal[1] = 1
    energyscore: str = __version__
    updated_at: str = Field(description="UTC, ISO 8601")
    source: str = Field(description="the list's file")
    interrupted: bool
    entries: list[Record]

    @property
    def exit_status(self) -> int:
        """0 all is measured, 3 something failed or is invalid, 130 or 143 interrupted."""
        if self.interrupted:
            return interrupted_status()
        return 3 if any(record.status in BAD for record in self.entries) else 0


def report_to_json(report: SuiteReport) -> str:
    """The file's text."""
    return report.model_dump_json(indent=2) + "\n"


def hidden_by(records: Sequence[Record]) -> list[tuple[int, int]]:
    """Places of records whose result is hidden by a later one's: both are of one identity."""
    last = {record.identity: place for place, record in enumerate(records) if record.identity}
    return [
        (place, last[record.identity])
        for place, record in enumerate(records)
        if record.identity and record.key != records[last[record.identity]].key
    ]


def make_record(
    planned: Planned,
    status: Status,
    reason: str = "",
    *,
    ended: Ended | None = None,
    file: str | None = None,
    result: Result | None = None,
    attempts: Sequence[Attempt] = (),
) -> Record:
    """The record of an entry; with a result, its figure is that of the GPU where it has one."""
    gpu_wh = result.score.gpu_wh_per_1k_queries if result else None
    system_wh = result.score.system_wh_per_1k_queries if result else None
    by_system = gpu_wh is None and system_wh is not None
    if result is not None and gpu_wh is system_wh is None:
        reason = "; ".join(filter(None, (reason, result.score.why_no_energy)))
    return Record(
        task=planned.task_name,
        model=planned.model_name,
        model_class=planned.entry.model_class,
        reasoning=planned.mode,
        setting=planned.setting,
        status=status,
        reason=reason,
        exit_code=ended.exit_code if ended else None,
        seconds=ended.seconds if ended else None,
        key=planned.key or None,
        result=file,
        identity=result.identity if result else None,
        wh_per_1k_queries=system_wh if by_system else gpu_wh,
        basis="system" if by_system else "gpu" if gpu_wh is not None else None,
        estimated=by_system and result is not None and result.score.system_method == "estimated",
        attempts=list(attempts),
    )
