"""Official leaderboard files: one CSV a task, `model,total_gpu_energy,energy_score[,class]`.

The energy is in kWh per 1,000 queries, the score is the published stars. Files in circulation
also have an unnamed index column, `a` for `A`, and models that occur twice. Whatever else is
wrong in one is refused with the file and the line: a row that is skipped or guessed at would
move the stars of all others.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from energyscore.errors import ResultError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("model", "total_gpu_energy", "energy_score")
CLASS = "class"
MAX_BYTES = 512 * 2**20
_MAX_WH = 1e15  # as in results: nothing takes a power station's year
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_INDEX = re.compile(r"|unnamed: \d+")
_STARS = {text: stars for stars in range(1, 6) for text in (str(stars), f"{stars}.0")}
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
        file: its path.
        task: the task that it is of.
        rows: a row a line, in the file's order: `model`, `energy_kwh` and `energy_wh` (per 1,000
            queries), `published_stars`, `model_class` (empty where the task has none), `line`.
        unused: columns that were not read.
    """

    file: str
    task: str
    rows: "pd.DataFrame"
    unused: tuple[str, ...]


def is_published(path: Path) -> bool:
    """Whether a CSV in a folder claims to be an official leaderboard: others may lie there too."""
    try:
        with path.open("rb") as file:
            head = file.readline(4096).decode("utf-8", errors="replace").lower()
    except OSError:
        return False
    return "total_gpu_energy" in head and not any(name in head for name in _OURS)


def task_of(path: Path, known: Iterable[str], given: str | None = None) -> str:
    """The task of an official file: `given`, else the file's name.

    Raises:
        ResultError: when there is no such task.
    """
    names = set(known)
    name = given if given is not None else path.stem
    task = re.sub(r"[\s-]+", "_", name.strip()).lower()
    if task in names:
        return task
    remedy = did_you_mean(task, names)
    if given is not None:
        raise ResultError(f"--task: unknown task {given!r}.", remedy)
    raise ResultError(
        f"{path}: the task is the file's name, and {name!r} is none.",
        f"{remedy} Rename the file, or name the task with --task.",
    )


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

    header, rows, lines = _cells(path)
    places, unused = _columns(path, header, needs_class=bool(classes))
    _check_widths(path, header, rows, lines)
    columns = list(zip(*rows, strict=True))
    if not columns:
        raise ResultError(f"{path} holds no models: it ends after the header.")
    del rows  # as large as all that is made of it
    where = _Where(path, lines)
    models = [cell.strip() for cell in columns[places["model"]]]
    _check_models(where, models)
    energy_kwh, energy_wh = _energies(where, columns[places["total_gpu_energy"]])
    stars = _words(where, "energy_score", columns[places["energy_score"]], _STARS, "1 to 5 stars")
    sizes = [""] * len(models)
    if CLASS in places:
        cells = columns[places[CLASS]]
        names = {word: name for name in classes or _CLASSES for word in (name, name.lower())}
        if classes or any(cells):
            sizes = _words(where, CLASS, cells, names, " or ".join(classes or _CLASSES))
    frame = pd.DataFrame(
        {
            "model": pd.Series(models, dtype=object),
            "energy_kwh": np.array(energy_kwh),
            "energy_wh": np.array(energy_wh),
            "published_stars": np.array(stars, dtype=float),
            "model_class": pd.Series(sizes, dtype=object),
            "line": np.array(lines),
        }
    )
    return Published(str(path), task, frame, unused)


@dataclass(frozen=True)
class _Where:
    """Names the place of a row in an error."""

    path: Path
    lines: Lines

    def wrong(self, row: int, what: str, remedy: str = "") -> ResultError:
        return ResultError(f"{self.path}, line {self.lines[row]}: {what}", remedy)


def _cells(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The header, the rows and the line that each ends in."""
    rows: list[list[str]] = []
    lines: list[int] = []
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
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise ResultError(
            f"{path}, line {_undecodable_line(path)}: it is not UTF-8 text.", "Save it as UTF-8."
        ) from error
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise ResultError(f"{path}, line {line}: it is not CSV: {error}.") from error
    if not rows:
        raise ResultError(f"{path}, line 1: the file is empty.", f"It begins with {_header()}.")
    return rows[0], rows[1:], lines[1:]


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
    path: Path, header: list[str], *, needs_class: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where each column is, and the names of those that are not used."""
    known = (*COLUMNS, CLASS)
    names = [name.strip().lower() for name in header]
    wrong = f"{path}, line 1: "
    ours = next((name for name in names if name in _OURS), None)
    if ours:
        raise ResultError(f"{wrong}these are results in a CSV of energyscore's own.", _OURS[ours])
    twice = next((name for name in names if name in known and names.count(name) > 1), None)
    if twice:
        raise ResultError(f"{wrong}the column {twice} occurs twice.")
    unused = tuple(name for name in names if name not in known and not _INDEX.fullmatch(name))
    missing = [name for name in (*COLUMNS, *([CLASS] if needs_class else [])) if name not in names]
    for name in unused:
        remedy = did_you_mean(name, [column for column in known if column not in names])
        if remedy.startswith("Did"):
            raise ResultError(f"{wrong}unknown column {name!r}.", remedy)
    if missing:
        remedy = f"It begins with {_header()}."
        if len(header) == 1 and re.search(r"[;\t|]", header[0]):
            remedy = "Separate the columns by commas."
        elif missing == [CLASS]:
            remedy = "The task is rated by size class: add the column, with A, B or C in it."
        raise ResultError(f"{wrong}no column {' and no column '.join(missing)}.", remedy)
    return {name: names.index(name) for name in known if name in names}, unused


def _check_widths(path: Path, header: list[str], rows: list[list[str]], lines: Lines) -> None:
    width = len(header)
    if {len(row) for row in rows} <= {width}:
        return
    place = next(place for place, row in enumerate(rows) if len(row) != width)
    raise _Where(path, lines).wrong(
        place,
        f"it has {len(rows[place])} fields, the header has {width}.",
        "A decimal comma, or a comma in a name that is not quoted, makes one more.",
    )


def _check_models(where: _Where, models: list[str]) -> None:
    """A name is there, and holds nothing that a terminal would act upon."""
    if all(models) and "".join(models).isprintable():
        return
    for row, model in enumerate(models):
        if not model:
            raise where.wrong(row, "model is empty.")
        if not model.isprintable():
            raise where.wrong(row, f"model {model[:80]!a} holds characters that cannot show.")


def _energies(where: _Where, cells: Sequence[str]) -> tuple[list[float], list[float]]:
    """Energies in kWh and in Wh; the latter as exactly as the decimal figure in the file."""
    texts = [cell.strip() for cell in cells]
    for row, text in enumerate(texts):
        if not _NUMBER.fullmatch(text):
            what = f"is {_shown(text)}, not a number" if text else "is empty"
            raise where.wrong(row, f"total_gpu_energy {what}.", "Give kWh per 1,000 queries.")
    energy_kwh = [float(text) for text in texts]
    energy_wh = [float(Decimal(text).scaleb(3)) for text in texts]
    for row, (kwh, wh) in enumerate(zip(energy_kwh, energy_wh, strict=True)):
        if not (kwh > 0 and 0 < wh < _MAX_WH):
            raise where.wrong(
                row,
                f"total_gpu_energy is {_shown(texts[row])}: no model takes that.",
                "What was not measured is left out, never 0.",
            )
    return energy_kwh, energy_wh


def _words(
    where: _Where, column: str, cells: Sequence[str], meaning: Mapping[str, _Meaning], wanted: str
) -> list[_Meaning]:
    """What the words of a column mean."""
    try:
        return [meaning[cell] for cell in cells]
    except KeyError:
        words = [cell.strip() for cell in cells]
    for row, word in enumerate(words):
        if word not in meaning:
            what = f"is {_shown(word)}" if word else "is empty"
            raise where.wrong(row, f"{column} {what}.", f"Give {wanted}.")
    return [meaning[word] for word in words]


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
