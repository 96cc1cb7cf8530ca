"""Where the self-test lies: `selftest.json` beside the results, which cite it by its id."""

from pathlib import Path

from energyscore.base.errors import ResultError
from energyscore.base.writing import write_atomically
from energyscore.measurement.selftest.report import SelfTest, parse_selftest, selftest_to_json
from energyscore.results.result import EnvironmentPart
from energyscore.results.store import check_writable

FILE_NAME = "selftest.json"
MOST_BYTES = 2**22


def check_place(out: Path) -> None:
    """Find out before the test whether its file can be put there at the end.

    Raises:
        ResultError: when it cannot.
    """
    check_writable(out)
    if (out / FILE_NAME).is_dir():
        raise ResultError(
            f"{out / FILE_NAME} is a folder; the self-test's file has that name.",
            "Rename the folder, or name another place with --out.",
        )


def save_selftest(out: Path, selftest: SelfTest) -> Path:
    """Write it into the folder of the results, in place of an older one, and give its path.

    Raises:
        ResultError: when it cannot be written.
    """
    path = out / FILE_NAME
    write_atomically(path, selftest_to_json(selftest))
    return path


def load_selftest(out: Path) -> SelfTest | None:
    """The self-test in the folder of the results, None where there is none.

    Raises:
        ResultError: when the file cannot be read or is no self-test.
    """
    path = out / FILE_NAME
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ResultError(f"{path} is too large for a self-test.")
        data = path.read_bytes()
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_selftest(data, str(path))


def with_selftest(out: Path, machine: EnvironmentPart) -> EnvironmentPart:
    """The same machine, citing the self-test in that folder where it speaks for this machine."""
    try:
        found = load_selftest(out)
    except ResultError:
        return machine
    gpus = [gpu.uuid for gpu in machine.gpus]
    if found is None or found.why_not_of(machine.cpu, gpus, machine.driver):
        return machine
    return machine.model_copy(update={"selftest": found.id})
