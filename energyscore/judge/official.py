"""Official leaderboard files: one CSV a task, `model,total_gpu_energy,energy_score[,class]`.

The energy is in kWh per 1,000 queries, the score is the published stars. Files in circulation
also have an unnamed index column, `a` for `A`, and models that occur twice. Whatever else is
wrong in one is refused with the file and the line: a row that is skipped or guessed at would
move the stars of all others.
"""

import codecs
import csv
import gc
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from energyscore.base.errors import ResultError, did_you_mean
from energyscore.base.files import shown_path

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("model", "total_gpu_energy", "energy_score")
CLASS = "class"
MAX_BYTES = 512 * 2**20
_CHUNK = 1_000  # rows
_LONGEST = 1000  # characters of a model's name
_MAX_KWH = 1e12  # as in results: nothing takes a power station's
_DIGITS = frozenset("0123456789.eE+-")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_INDEX = re.compile(r"|unnamed: \d+")
_STARS = {text: float(stars) for stars in range(1, 6) for text in (str(stars), f"{stars}.0")}
_STARS[""] = float("nan")  # a newcomer's are to be computed
_STARS_LONG = re.compile(r"^([1-5])\.0+$", re.ASCII)
_CLASSES = ("A", "B", "C")
_OURS = {
    "csv_version": "Name the JSON files of the results, or their folder, instead.",
    "leaderboard_version": "`--format official` writes files that can be read again.",
}

_Meaning = TypeVar("_Meaning")
Lines: TypeAlias = Sequence[int]


@dataclass(frozen=True)
class Published:
    """The rows of one official file.

    Attributes:
        file: its path, as it was given.
        task: the task that it is of.
        rows: a row a line, in the file's order: `model`, `energy_kwh` and `energy_wh` (per 1,000
            queries), `published_stars` (NaN where there are none yet), `model_class` (empty where
            the task has none), `line`.
        unused: columns that were not read.
    """

    file: str
    task: str
    rows: "pd.DataFrame"
    unused: tuple[str, ...]


def is_published(path: Path) -> bool:
    """Whether a CSV in a folder has an official leaderboard's columns: others may lie there too."""
    names = _names_in(path)
    return names.issuperset(COLUMNS) and names.isdisjoint(_OURS)


def is_our_table(path: Path) -> bool:
    """Whether a CSV is a table of ours that is made from results, and no source of any."""
    return not _names_in(path).isdisjoint(_OURS)


def _names_in(path: Path) -> set[str]:
    try:
        with path.open("rb") as file:
            lines = file.read(4096).decode("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return set()
    head = next((line for line in lines if line.strip(" \t,")), "")
    return {name.strip().strip('"').lower() for name in head.split(",")}


def read_published(path: Path, task: str, classes: Sequence[str] = ()) -> Published:
    """Read one official file.

    Args:
        path: the CSV.
        task: the task that it is of.
        classes: the task's size classes; none where it has none.

    Raises:
        ResultError: when it cannot be read, or a line is wrong; it names the file and the line.
    """
    import numpy as np
    import pandas as pd

    cells = _read(path, needs_class=bool(classes))
    columns, where = cells.columns, _Where(path, cells.lines)
    models = [cell.strip() for cell in columns["model"]]
    _check_models(where, models)
    energy_kwh, energy_wh = _energies(where, columns["total_gpu_energy"])
    stars = _words(where, "energy_score", columns["energy_score"], _STARS, "1 to 5 stars")
    sizes = [""] * len(models)
    if CLASS in columns and (classes or any(columns[CLASS])):
        names = {word: name for name in classes or _CLASSES for word in (name, name.lower())}
        sizes = _words(where, CLASS, columns[CLASS], names, " or ".join(classes or _CLASSES))
    frame = pd.DataFrame(
        {
            "model": pd.Series(models, dtype=object),
            "energy_kwh": np.array(energy_kwh),
            "energy_wh": np.array(energy_wh),
            "published_stars": np.array(stars, dtype=float),
            "model_class": pd.Series(sizes, dtype=object),
            "line": np.array(cells.lines),
        }
    )
    return Published(shown_path(path), task, frame, cells.unused)


@dataclass(frozen=True)
class _Where:
    """Names the place of a row in an error."""

    path: Path
    lines: Lines

    def wrong(self, row: int, what: str, remedy: str = "") -> ResultError:
        return ResultError(f"{self.path}, line {self.lines[row]}: {what}", remedy)


@dataclass(frozen=True)
class _Cells:
    """The cells of the columns that are known, the line of each row, and the other columns."""

    columns: Mapping[str, list[str]]
    lines: list[int]
    unused: tuple[str, ...]


def _read(path: Path, *, needs_class: bool) -> _Cells:
    """The file as text, of as many fields in each line as in the first."""
    reader = None
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ResultError(
                f"{path}, line 1: the file has {size / 2**20:,.0f} MiB; a leaderboard of up to "
                f"{MAX_BYTES // 2**20} MiB is read.",
                "Is it the right file?",
            )
        _check_encoding(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next((row for row in reader if any(cell.strip() for cell in row)), None)
            if not header:
                raise ResultError(
                    f"{path}, line 1: there is no header.", f"A file begins with {_header()}."
                )
            line = reader.line_num
            places, unused = _columns(path, header, line, needs_class=needs_class)
            with _without_garbage_collection():
                columns, lines = _gather(path, reader, places, len(header))
    except UnicodeDecodeError as error:
        raise ResultError(
            f"{path}, line {_undecodable_line(path)}: it is not UTF-8 text.", "Save it as UTF-8."
        ) from error
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise ResultError(f"{path}, line {line}: it is not CSV: {error}.") from error
    if not lines:
        raise ResultError(f"{path}, line {reader.line_num}: no model comes after the header.")
    return _Cells(columns, lines, unused)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Do not look for cycles among millions of lists of texts, which have none: half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _gather(
    path: Path, reader: Any, places: Mapping[str, int], width: int
) -> tuple[dict[str, list[str]], list[int]]:
    """The columns, chunk by chunk: a list a row would take many times the memory."""
    columns: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    before = reader.line_num
    while chunk := list(islice(reader, _CHUNK)):
        numbers = range(before + 1, before + 1 + len(chunk))
        if reader.line_num - before != len(chunk):
            broken = (any("\n" in cell or "\r" in cell for cell in row) for row in chunk)
            line = next(line for line, found in zip(numbers, broken, strict=True) if found)
            raise ResultError(
                f"{path}, line {line}: a field goes on in the next line.", "Is a quote missing?"
            )
        before = reader.line_num
        if {len(row) for row in chunk} - {0, width}:
            line, row = next(
                (line, row)
                for line, row in zip(numbers, chunk, strict=True)
                if len(row) not in (0, width)
            )
            raise ResultError(
                f"{path}, line {line}: it has {len(row)} fields, the header has {width}.",
                "A decimal comma, or a comma in a name that is not quoted, makes one more.",
            )
        lines += [line for line, row in zip(numbers, chunk, strict=True) if row]
        by_field = list(zip(*filter(None, chunk), strict=True))
        for name, place in places.items() if by_field else ():
            columns[name] += by_field[place]
    return columns, lines


def _check_encoding(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head:
        raise ResultError(
            f"{path}, line 1: it is UTF-16 or binary, not UTF-8 text.", "Save it as CSV in UTF-8."
        )


def _undecodable_line(path: Path) -> int:
    data = path.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return 1


def _header() -> str:
    return f"{','.join(COLUMNS)}[,{CLASS}]"


def _columns(
    path: Path, header: list[str], line: int, *, needs_class: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where each column is, and the names of those that are not used."""
    known = (*COLUMNS, CLASS)
    names = [name.strip().lower() for name in header]
    wrong = f"{path}, line {line}: "
    ours = next((name for name in names if name in _OURS), None)
    if ours:
        raise ResultError(f"{wrong}these are results in a CSV of energyscore's own.", _OURS[ours])
    twice = next((name for name in names if name in known and names.count(name) > 1), None)
    if twice:
        raise ResultError(f"{wrong}the column {twice} occurs twice.")
    unused = tuple(name for name in names if name not in known and not _INDEX.fullmatch(name))
    missing = [name for name in (*COLUMNS, *([CLASS] if needs_class else [])) if name not in names]
    if len(header) == 1 and re.search(r"[;\t|]", header[0]):
        raise ResultError(f"{wrong}the columns are not separated.", "Separate them by commas.")
    for name in unused:
        remedy = did_you_mean(name, [column for column in known if column not in names])
        if remedy.startswith("Did"):
            raise ResultError(f"{wrong}unknown column {name!r}.", remedy)
    if missing:
        remedy = f"It begins with {_header()}."
        if missing == [CLASS]:
            remedy = "The task is rated by size class: add the column, with A, B or C in it."
        raise ResultError(f"{wrong}no column {' and no column '.join(missing)}.", remedy)
    return {name: names.index(name) for name in known if name in names}, unused


def _check_models(where: _Where, models: list[str]) -> None:
    """A name is there, and holds nothing that a terminal would act upon."""
    if "" not in models and len(max(models, key=len)) <= _LONGEST and "".join(models).isprintable():
        return
    for row, model in enumerate(models):
        if not model:
            raise where.wrong(row, "model is empty.")
        if len(model) > _LONGEST:
            raise where.wrong(row, f"model has {len(model)} characters, {_LONGEST} are read.")
        if not model.isprintable():
            raise where.wrong(row, f"model {model[:80]!a} holds characters that cannot show.")


def _energies(where: _Where, cells: Sequence[str]) -> tuple[list[float], list[float]]:
    """Energies in kWh and in Wh; the latter as exactly as the decimal figure in the file."""
    texts = [cell.strip() for cell in cells]
    try:
        # Of what `float` takes, these characters leave numbers only: no nan, no 1_000.
        numbers = [float(text) for text in texts] if _DIGITS.issuperset("".join(texts)) else []
    except ValueError:
        numbers = []
    if not numbers or min(numbers) <= 0 or max(numbers) >= _MAX_KWH:
        raise _wrong_energy(where, texts)
    energy_wh = [
        float(Decimal(text).scaleb(3)) if "e" in text or "E" in text else float(text + "e3")
        for text in texts
    ]
    return numbers, energy_wh


def _wrong_energy(where: _Where, texts: list[str]) -> ResultError:
    """The first energy that is none."""
    for row, text in enumerate(texts):
        if not text:
            return where.wrong(row, "total_gpu_energy is empty.", "Leave the model out.")
        if not _NUMBER.fullmatch(text):
            what = f"total_gpu_energy is {_shown(text)}, not a number."
            return where.wrong(row, what, "Give kWh per 1,000 queries, with a decimal point.")
        if not 0 < float(text) < _MAX_KWH:
            what = f"total_gpu_energy is {_shown(text)}: no model takes that."
            return where.wrong(row, what, "What was not measured is left out, never 0.")
    raise AssertionError("unreachable: one of them was found to be wrong")


def _words(
    where: _Where, column: str, cells: Sequence[str], meaning: Mapping[str, _Meaning], wanted: str
) -> list[_Meaning]:
    """What the words of a column mean."""
    try:
        return [meaning[cell] for cell in cells]
    except KeyError:
        words = [_STARS_LONG.sub(r"\1", cell.strip()) for cell in cells]
    for row, word in enumerate(words):
        if word not in meaning:
            what = f"is {_shown(word)}" if word else "is empty"
            raise where.wrong(row, f"{column} {what}.", f"Give {wanted}.")
    return [meaning[word] for word in words]


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
