"""The result of one model on one task: the schema of the files in `results/`.

A figure that could not be measured is null, and a `reason` beside it says why. Nothing here is
ever 0 because it is unknown.
"""

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from energyscore.base.errors import ResultError, first_problem
from energyscore.base.form import schema_of
from energyscore.base.form import unique_keys as unique_keys
from energyscore.results import parts
from energyscore.results.answers import Answers
from energyscore.results.compilation import Compilation
from energyscore.results.cost import Cost
from energyscore.results.load import LoadPart
from energyscore.results.loading import Loading
from energyscore.results.memory import Memory
from energyscore.results.performance import Performance
from energyscore.results.quality import Quality
from energyscore.results.screen_part import ScreenPart

SCHEMA_VERSION = 2

CUSTOM = "custom"
"""The task of functions and blocks of code, which is none: they are never rated."""

RULES_VERSION = 1
"""Of the protocol and the checks that a result is made by: raised when one changes, so that older
results stay what they were. `conformance`, `official` and `valid` are by these rules."""


class Result(parts.Part):
    """All runs of one model on one task, with what is needed to judge them."""

    kind: Literal["result"] = "result"
    schema_version: Literal[2] = 2
    created_at: parts.Time = Field(description="UTC, ISO 8601")
    rules_version: parts.PositiveCount = Field(
        default=RULES_VERSION, description="of the rules that it was made and checked by"
    )
    identity: str = Field(description="SHA-256 of everything that decides what is measured")
    request: str | None = Field(
        default=None, description="key of what was asked for: equal keys ask for the same"
    )
    machine: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None,
        description="SHA-256 of the machine that measured it, as it was then: its parts with all "
        "GPUs, its software, and what of it could be used; null: not recorded",
    )
    task: parts.TaskPart
    model: parts.ModelPart
    workload: parts.WorkloadPart
    protocol: parts.ProtocolPart
    environment: parts.EnvironmentPart
    runs: Annotated[list[parts.Run], Field(min_length=1)]
    screen: ScreenPart | None = Field(
        default=None, description="chosen queries instead of all; null: all were done in each run"
    )
    idle: parts.Idle
    score: parts.Score
    performance: Performance | None = Field(
        default=None, description="how fast, over all runs; null: an older file"
    )
    quality: Quality | None = Field(
        default=None, description="of the answers; null: it was not asked for"
    )
    answers: Answers | None = Field(
        default=None, description="by their digests; null: not of settings that are tuned"
    )
    cost: Cost | None = Field(
        default=None, description="what measuring took; null: an older file, or a function's"
    )
    memory: Memory | None = Field(
        default=None, description="of the model; null: a function, or an older file"
    )
    compilation: Compilation | None = Field(
        default=None, description="what torch.compile made; null: the model was not compiled"
    )
    loading: Loading | None = Field(
        default=None, description="of the model in a new process; null: it was not asked for"
    )
    load: LoadPart | None = Field(
        default=None, description="on a server; null: a model or function of this process"
    )
    emissions: parts.Emissions
    conformance: list[parts.Check]
    official: bool = Field(description="whether every point of `conformance` holds")
    cautions: list[parts.Caution]
    valid: bool
    invalid_reasons: list[str]
    raw: parts.RawPart | None = Field(
        default=None, description="the raw record beside this file; null: none was kept"
    )

    @model_validator(mode="after")
    def _score_stands_on_runs(self) -> "Result":
        domains = self.protocol.gpu_domains
        measured = domains and all(run.total_j(domains) is not None for run in self.runs)
        if self.score.gpu_wh_per_1k_queries is not None and not measured:
            raise ValueError("score.gpu_wh_per_1k_queries stands on runs without GPU energy")
        if self.score.runs != len(self.runs):
            raise ValueError(
                f"score.runs is {self.score.runs}, but there are {len(self.runs)} runs"
            )
        return self

    @model_validator(mode="after")
    def _a_function_is_no_model(self) -> "Result":
        unknown = [self.model.parameters is None, self.model.weights is None]
        of_none = self.of_function or self.of_server
        if (self.task.id == CUSTOM) != self.of_function or unknown != [of_none, of_none]:
            raise ValueError(
                f"model.source is {self.model.source!r}: only functions have the task {CUSTOM!r}, "
                "and only they and servers neither parameters nor weights"
            )
        return self

    @model_validator(mode="after")
    def _only_servers_have_a_load(self) -> "Result":
        loads = [self.load is not None, *(run.load is not None for run in self.runs)]
        dtype_known = self.model.dtype is not None
        if any(one != self.of_server for one in loads) or dtype_known == self.of_server:
            raise ValueError(
                f"model.source is {self.model.source!r}: results and runs of servers have a load, "
                "and no dtype; no others have or lack it"
            )
        return self

    @model_validator(mode="after")
    def _only_servers_have_unknown_tokens(self) -> "Result":
        work = self.workload
        counts = [work.input_tokens, work.output_tokens]
        for run in self.runs:
            counts += [run.input_tokens, run.output_tokens]
        if None in counts and not self.of_server:
            raise ValueError("a number of tokens is null, and the result is of no server")
        return self

    @property
    def of_function(self) -> bool:
        """Whether it is of a function or a block of code, not of a model at a task."""
        return self.model.source == "function"

    @property
    def of_server(self) -> bool:
        """Whether it is of a server under a load, not of a model in a process of ours."""
        return self.model.source == "server"

    @property
    def mode(self) -> str | None:
        """The mode that the model was asked to reason in; None where the task has none."""
        mode = (self.workload.generation or {}).get("reasoning")
        return None if mode is None else str(mode)

    @property
    def hardware(self) -> str:
        """The GPUs that were metered, or the processor, for people."""
        if self.environment.gpus and self.protocol.metered_gpus:
            names = [gpu.name for gpu in self.environment.gpus]
            return " + ".join(
                f"{names.count(name)} x {name}" if names.count(name) > 1 else name
                for name in dict.fromkeys(names)
            )
        return self.environment.cpu or "unknown processor"


def upgrade(content: Any) -> Any:
    """The JSON of a result of an older schema as the newest one has it.

    Version 1 had no `kind`, and called a run's `answers_cut` by the name `cut_queries`.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int or version != 1:
        return content
    if "kind" in content:
        raise ValueError("a result of schema version 1 has no `kind`")
    runs = content.get("runs")
    if isinstance(runs, list):
        if any(isinstance(run, dict) and "answers_cut" in run for run in runs):
            raise ValueError("a run of schema version 1 has no `answers_cut`")
        content = content | {"runs": [upgrade_run(run) for run in runs]}
    return {"kind": "result"} | content | {"schema_version": SCHEMA_VERSION}


AnyResult: TypeAlias = Annotated[Result, BeforeValidator(upgrade)]
"""A result of any schema, read as one of the newest."""

_ANY_RESULT: TypeAdapter[Result] = TypeAdapter(AnyResult)


def upgrade_run(run: Any) -> Any:
    """The JSON of a run of an older schema as the newest one has it; journals hold runs alone."""
    if not isinstance(run, dict) or "cut_queries" not in run:
        return run
    return {"answers_cut" if key == "cut_queries" else key: value for key, value in run.items()}


def parse_result(text: str | bytes, where: str) -> Result:
    """Read a result from JSON; a ResultError names `where`, and the field that is wrong."""
    if (result := _read_as_written(text)) is not None:
        return result
    try:
        content: Any = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=unique_keys
        )
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{where} is not valid JSON: {error}.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int:
        raise ResultError(f"{where} is not a result of energyscore: it has no schema_version.")
    if version > SCHEMA_VERSION:
        raise ResultError(
            f"{where} has schema version {version}; this energyscore reads up to {SCHEMA_VERSION}.",
            "Upgrade energyscore: pip install -U energyscore.",
        )
    if (kind := content.get("kind", "result")) != "result":
        raise ResultError(f"{where} is not a result: its kind is {str(kind)[:40]!r}.")
    try:
        return _ANY_RESULT.validate_json(text)
    except ValidationError as error:
        raise ResultError(f"{where}: {first_problem(error)}.") from error


def result_to_json(result: Result) -> str:
    """The file's text: indented JSON, fields in the schema's order, one newline at the end."""
    return result.model_dump_json(indent=2) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of result files."""
    return schema_of(Result, f"energyscore-result-{SCHEMA_VERSION}")


def _read_as_written(text: str | bytes) -> Result | None:
    """A result whose text is ours to the byte; else None, and it takes a closer look.

    What would be written again just so has no duplicate key, and nothing else that a reader could
    take in another way. To look at every key takes twice the time.
    """
    data = text.encode() if isinstance(text, str) else text
    try:
        result = Result.model_validate_json(data)
        if "schema_version" not in result.model_fields_set:
            return None
        # Fields that came later are not in what an older version wrote.
        again = result.model_dump_json(indent=2, exclude_unset=True)
    except ValueError:  # of the parser, and of what cannot be written
        return None
    return result if f"{again}\n".encode() == data else None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
