"""The self-test's report, `selftest.json` beside the results: its schema, and what it covers."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator

from energyscore.base.errors import ResultError, first_problem
from energyscore.base.files import read_file
from energyscore.base.stamps import digest_of, utc_stamp
from energyscore.base.writing import check_folder, write_atomically
from energyscore.results.parts import EnvironmentPart, NonNegative, Part

FILE_NAME = "selftest.json"
MOST_BYTES = 2**22

MAX_AGE = timedelta(days=30)
"""An older self-test is not cited: coolers clog, neighbours and kernels change."""

Status = Literal["ok", "caution", "cannot"]
Figures: TypeAlias = dict[str, float | int | str | list[float] | None]


class SelfTestCheck(Part):
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
    checks: list[SelfTestCheck]

    @model_validator(mode="after")
    def _id_is_of_the_content(self) -> "SelfTest":
        if self.id != _digest(self):
            raise ValueError("the id is not that of the content: the file was changed")
        return self

    @property
    def invalidating(self) -> list[SelfTestCheck]:
        """The checks that say that measurements made here would be invalid."""
        return [check for check in self.checks if check.invalidates]

    def age(self) -> timedelta:
        """The time since it was made."""
        return datetime.now(UTC) - datetime.fromisoformat(self.created_at)

    def why_not_of(self, cpu: str | None, gpus: Collection[str], driver: str | None) -> str:
        """Why it does not cover measurements made here now, with these GPUs; empty when it does."""
        own = self.environment
        missing = set(gpus) - {gpu.uuid for gpu in own.gpus}
        if own.cpu != cpu:
            return f"it was made on another machine ({own.cpu})"
        if missing:
            return f"it did not test {', '.join(sorted(missing))}"
        if gpus and own.driver != driver:
            return f"it was made with driver {own.driver}, not {driver}"
        if self.age() > MAX_AGE:
            return f"it is over {MAX_AGE.days} days old"
        return ""


def make_selftest(
    environment: EnvironmentPart,
    checks: Sequence[SelfTestCheck],
    *,
    quick: bool,
    duration_s: float,
    now: datetime | None = None,
) -> SelfTest:
    """A self-test of these checks, with its id."""
    draft = SelfTest.model_construct(
        id="",
        created_at=utc_stamp(now),
        quick=quick,
        duration_s=round(duration_s, 1),
        environment=environment,
        checks=list(checks),
    )
    return SelfTest.model_validate({**dict(draft), "id": _digest(draft)})


def parse_selftest(text: str | bytes, where: str) -> SelfTest:
    """Read a self-test from JSON; a ResultError names `where` if it was changed or is none."""
    try:
        return SelfTest.model_validate_json(text)
    except ValidationError as error:
        raise ResultError(f"{where} is no self-test: {first_problem(error)}.") from error


def selftest_to_json(selftest: SelfTest) -> str:
    """The file's text: indented JSON, one newline at the end."""
    return selftest.model_dump_json(indent=2) + "\n"


def check_place(out: Path, warn: Callable[[str], None]) -> None:
    """A ResultError before the test where its file could not be written at the end."""
    check_folder(out, warn)
    if (out / FILE_NAME).is_dir():
        raise ResultError(
            f"{out / FILE_NAME} is a folder; the self-test's file has that name.",
            "Rename the folder, or name another place with --out.",
        )


def save_selftest(out: Path, selftest: SelfTest) -> Path:
    """Write it into the folder of the results, in place of an older one, and give its path."""
    path = out / FILE_NAME
    write_atomically(path, selftest_to_json(selftest))
    return path


def load_selftest(out: Path) -> SelfTest | None:
    """The self-test in a folder of results, None if there is none; a ResultError if broken."""
    path = out / FILE_NAME
    if not path.is_file():
        return None
    data = read_file(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ResultError(f"{path} is too large for a self-test.")
    return parse_selftest(data, str(path))


def with_selftest(
    out: Path, machine: EnvironmentPart, warn: Callable[[str], None]
) -> EnvironmentPart:
    """The same machine, citing the self-test in that folder if it covers this machine.

    `warn` is told of a file that was changed or cannot be read: it is not cited.
    """
    try:
        found = load_selftest(out)
    except ResultError as error:
        warn(f"the self-test is not cited: {error.message}")
        return machine
    gpus = [gpu.uuid for gpu in machine.gpus]
    if found is None or found.why_not_of(machine.cpu, gpus, machine.driver):
        return machine
    return machine.model_copy(update={"selftest": found.id})


def _digest(selftest: SelfTest) -> str:
    return digest_of(selftest.model_dump(mode="json", exclude={"id"}))
