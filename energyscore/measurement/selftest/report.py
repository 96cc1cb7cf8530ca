"""The self-test's report: the schema of `selftest.json`, and whose measurements it speaks for."""

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator

from energyscore.base.errors import ResultError, first_problem
from energyscore.results.result import EnvironmentPart, NonNegative, Part

MAX_AGE = timedelta(days=30)
"""An older self-test is not cited: coolers clog, neighbours and kernels change."""

Status = Literal["ok", "caution", "cannot"]
Figures: TypeAlias = dict[str, float | int | str | list[float] | None]


class Check(Part):
    """One thing that was tested."""

    name: str
    subject: str = Field(description="`gpu:<uuid>`, `cpu` or `machine`")
    status: Status = Field(description="`cannot`: it could not be tested; the message says why")
    invalidates: bool = Field(description="whether measurements made here would be invalid")
    figures: Figures = Field(description="units are in the names; null: not measured")
    message: str
    limit: str = Field(description="what it was judged by; empty where nothing is judged")


class SelfTest(Part):
    """All checks of one self-test. `id` is the SHA-256 of everything else in it."""

    kind: Literal["selftest"] = "selftest"
    schema_version: Literal[1] = 1
    id: str
    created_at: str = Field(description="UTC, ISO 8601")
    quick: bool = Field(description="shorter windows: every figure is less certain")
    duration_s: NonNegative
    environment: EnvironmentPart
    checks: list[Check]

    @model_validator(mode="after")
    def _id_is_of_the_content(self) -> "SelfTest":
        if self.id != _digest(self):
            raise ValueError("the id is not that of the content: the file was changed")
        return self

    @property
    def invalidating(self) -> list[Check]:
        """The checks that say that measurements made here would be invalid."""
        return [check for check in self.checks if check.invalidates]

    def age(self, now: datetime | None = None) -> timedelta:
        """The time since it was made."""
        made = datetime.fromisoformat(self.created_at)
        return (now or datetime.now(UTC)) - made

    def why_not_of(
        self,
        cpu: str | None,
        gpus: Collection[str],
        driver: str | None,
        now: datetime | None = None,
    ) -> str:
        """Why it does not speak for measurements made on this machine now; empty when it does.

        Args:
            cpu: the processor's name.
            gpus: UUIDs of the GPUs that are metered.
            driver: the GPUs' driver; of no matter where none is metered.
            now: the time, by default the present one.
        """
        own = self.environment
        missing = set(gpus) - {gpu.uuid for gpu in own.gpus}
        if own.cpu != cpu:
            return f"it was made on another machine ({own.cpu})"
        if missing:
            return f"it did not test {', '.join(sorted(missing))}"
        if gpus and own.driver != driver:
            return f"it was made with driver {own.driver}, not {driver}"
        if self.age(now) > MAX_AGE:
            return f"it is over {MAX_AGE.days} days old"
        return ""


def make_selftest(
    environment: EnvironmentPart,
    checks: Sequence[Check],
    *,
    quick: bool,
    duration_s: float,
    now: datetime | None = None,
) -> SelfTest:
    """A self-test of these checks, with its id."""
    draft = SelfTest.model_construct(
        id="",
        created_at=(now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        quick=quick,
        duration_s=round(duration_s, 1),
        environment=environment,
        checks=list(checks),
    )
    return SelfTest.model_validate({**dict(draft), "id": _digest(draft)})


def parse_selftest(text: str | bytes, where: str) -> SelfTest:
    """Read a self-test from JSON.

    Raises:
        ResultError: when it is not one, or was changed; the message names `where`.
    """
    try:
        return SelfTest.model_validate_json(text)
    except ValidationError as error:
        raise ResultError(f"{where} is no self-test: {first_problem(error)}.") from error


def selftest_to_json(selftest: SelfTest) -> str:
    """The file's text: indented JSON, one newline at the end."""
    return selftest.model_dump_json(indent=2) + "\n"


def _digest(selftest: SelfTest) -> str:
    content = selftest.model_dump(mode="json", exclude={"id"})
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
