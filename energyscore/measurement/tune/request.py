"""What is to be tuned, and what that asks of the process of one trial."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyscore.base.stamps import digest_of
from energyscore.measurement.options import Job, RunOptions
from energyscore.measurement.tune.space import Proposal, Settings
from energyscore.protocol.model import ModelSpec
from energyscore.protocol.task import TaskFile
from energyscore.results.kinds import Purpose
from energyscore.results.store import result_folder

KeyOf = Callable[[TaskFile, ModelSpec, RunOptions], str]

_OPTIONS = {
    "dtype": "dtype",
    "quantization": "quantization",
    "attention": "attention",
    "compile": "compile",
    "power_limit_w": "power_limit",
}
"""Settings beside the batch size, and the options of `run` that ask for them."""

_NO_CHANGE = Settings(batch_size=1)


@dataclass(frozen=True)
class Limits:
    """What a setting must keep to; None: anything. `quality_loss` is a share of the default's."""

    latency_s: float | None = None
    memory_bytes: float | None = None
    quality_loss: float | None = None


@dataclass(frozen=True)
class TuneRequest:
    """One model at one task, what its trials have in common, and its limits."""

    task: TaskFile
    model: str
    options: RunOptions
    out: Path
    task_path: Path | None = None
    limits: Limits = Limits()
    verbose: bool = False

    def options_for(self, settings: Settings) -> RunOptions:
        """The options of `run` with these settings."""
        return RunOptions.model_construct(**asked_of(options_of(settings))).over(self.options)

    def spec_for(self, settings: Settings) -> ModelSpec:
        """The model as it is loaded with these settings."""
        return self.options_for(settings).model_spec(self.model, self.task.spec)

    @property
    def folder(self) -> Path:
        """Where the results of all trials are kept."""
        spec = self.options.model_spec(self.model, self.task.spec)
        return result_folder(self.out, spec.folder, self.task.spec.id)

    def key_for(
        self, settings: Settings, purpose: Purpose, key_of: KeyOf, against: str | None = None
    ) -> str:
        """SHA-256 of what is asked for, and what for: a trial is never taken for another one.

        `against`: the time of the figure that it is to be compared with, where it is for that one.
        """
        asked = key_of(self.task, self.spec_for(settings), self.options_for(settings))
        of_one = {"against": against} if against else {}
        return digest_of({"tune": purpose, "asked": asked, **of_one})

    def job_for(self, proposal: Proposal, purpose: Purpose, key: str, *, fresh: bool) -> Job:
        """What the process of a trial does."""
        said: dict[str, Any] = {
            "fresh": fresh or None,
            "tuning": purpose != "confirm" or None,
            "verbose": self.verbose or None,
            "beaten_by": proposal.beaten_by if self.options.screen else None,
        }
        return Job(
            tasks=(self.task.spec.id,),
            models=(self.model,),
            options=self.options_for(proposal.settings),
            out=self.out,
            task_path=self.task_path,
            request=key,
            **{name: value for name, value in said.items() if value is not None},
        )


def options_of(settings: Settings) -> dict[str, Any]:
    """Settings by the names of the options of `run` that ask for them."""
    others = {option: getattr(settings, name) for name, option in _OPTIONS.items()}
    return {"batch_size": settings.batch_size, **others}


def asked_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of these options those that have to be asked for: the batch size, and what is changed."""
    plain = options_of(_NO_CHANGE)
    return {
        name: value
        for name, value in options.items()
        if name == "batch_size" or value != plain[name]
    }
