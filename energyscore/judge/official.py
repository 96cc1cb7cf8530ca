"""Official leaderboard files: one CSV a task, `model,total_gpu_energy,energy_score[,class]`.

The energy is in kWh per 1,000 queries, the score is the published stars. Files in circulation
also have an unnamed index column, `a` for `A`, and models that occur twice. A mode of reasoning
stands in a column of its own, or behind the model's name. Whatever else is wrong in one is refused
with the file and the line: a row that is left out or guessed would move the stars of all others.
"""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from energyscore.base.errors import ResultError, did_you_mean
from energyscore.base.files import read_file, shown_path
from energyscore.protocol.official_method import Protocol
from energyscore.protocol.task import Mode

COLUMNS = ("model", "total_gpu_energy", "energy_score")
CLASS = "class"
REASONING = "reasoning"
_HEADER = f"{','.join(COLUMNS)}[,{CLASS}]"
MAX_BYTES = 128 * 2**20
_LONGEST = 1000  # characters of a model's name
_MAX_KWH = 1e12  # as in results: nothing takes a power station's
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:e([+-]?\d{1,9}))?", re.ASCII | re.IGNORECASE)
_STARS = re.compile(r"([1-5])(\.0+)?", re.ASCII)
_INDEX = re.compile(r"|unnamed: \d+")
_CLASSES = ("A", "B", "C")
_REASONING_NAMES = ("reasoning state", "reasoning mode", "reasoning_state", "reasoning_mode")
_MODES: Mapping[str, Mode] = {
    **dict.fromkeys(("on", "true", "yes", "1", "enabled", "reasoning", "thinking"), "on"),
    **dict.fromkeys(("off", "false", "no", "0", "disabled", "none"), "off"),
    **dict.fromkeys(("no reasoning", "no thinking", "non-reasoning", "non-thinking"), "off"),
    **{"low": "low", "medium": "medium", "high": "high", "default": "default"},
}
_ANSWERS = ("true", "yes", "1", "false", "no", "0", "none")
"""To whether a model reasons, in a column; behind a name they say nothing of it."""

_WITH_MODE = re.compile(r"(.*\S)\s*[(\[]\s*([^()\[\]]+?)\s*[)\]]")
_OF_REASONING = re.compile(r"(?:reasoning|thinking)\s*[:=_-]?\s*(?=\w)|\s+(?:reasoning|thinking)$")
_STATE = re.compile(r"(on|off)\s*\(\s*(low|medium|high|n/a)\s*\)")
_OURS = {
    "csv_version": "Name the JSON files of the results, or their folder, instead.",
    "leaderboard_version": "`--format official` writes files that can be read again.",
}


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One line of an official file: energy of 1,000 queries, the same decimal figure in both units.

    `stars` are as published; None for a newcomer, whose stars are to be computed. `reasoning` is
    the mode that the model was asked to reason in; None where the file does not say.
    """

    model: str
    energy_kwh: float
    energy_wh: float
    stars: int | None
    model_class: str
    line: int
    reasoning: Mode | None = None


@dataclass(frozen=True)
class Published:
    """One official file: its path as it was given, its rows, and the columns that were not read.

    `sha256` is that of the file, and `protocol` the official method, where the file tells it.
    """

    file: str
    task: str
    rows: Sequence[PublishedRow]
    unused: tuple[str, ...]
    sha256: str = ""
    protocol: Protocol | None = None


def kind_of_csv(path: Path) -> Literal["official", "ours", "other"]:
    """What a CSV in a folder is, by its header: an official leaderboard, or a table of ours."""
    try:
        with path.open("rb") as file:
            lines = file.read(4096).decode("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return "other"
    head = next((line for line in lines if line.strip(" \t,")), "")
    names = {name.strip().strip('"').lower() for name in head.split(",")}
    if not names.isdisjoint(_OURS):
        return "ours"
    return "official" if names.issuperset(COLUMNS) else "other"


def read_published(path: Path, task: str, classes: Sequence[str] = ()) -> Published:
    """Read one official file of a task with these size classes, if any; errors name the line."""
    data = _data(path)
    lines = _lines(path, _text(path, data))
    line, header = next(lines, (1, []))
    if not header:
        _refuse(path, 1, "there is no header.", f"A file begins with {_HEADER}.")
    places, unused = _columns(path, line, header, needs_class=bool(classes))
    table = list(lines)
    if not table:
        _refuse(path, line, "no model comes after the header.")
    if CLASS in places and not classes:  # a column without a class in it says nothing
        classes = _CLASSES if any(row[places[CLASS]].strip() for _, row in table) else ()
    rows = [
        _row(path, line, {name: row[place].strip() for name, place in places.items()}, classes)
        for line, row in table
    ]
    return Published(shown_path(path), task, rows, unused, hashlib.sha256(data).hexdigest())


def _refuse(path: Path, line: int, what: str, remedy: str = "") -> NoReturn:
    raise ResultError(f"{path}, line {line}: {what}", remedy)


def _data(path: Path) -> bytes:
    data = read_file(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        what = f"the file is larger than {MAX_BYTES // 2**20} MiB."
        _refuse(path, 1, what, "Is it the right file?")
    return data


def _text(path: Path, data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4096]:
        _refuse(path, 1, "it is UTF-16 or binary, not UTF-8 text.", "Save it as CSV in UTF-8.")
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(path, line, "it is not UTF-8 text.", "Save it as UTF-8.")


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows with their lines, each of as many fields as the header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width, before = 0, 0
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            if not row or (not width and not any(cell.strip() for cell in row)):
                continue
            if before != line:
                _refuse(path, line, "a field goes on in the next line.", "Is a quote missing?")
            width = width or len(row)
            if len(row) != width:
                _refuse(
                    path,
                    line,
                    f"it has {len(row)} fields, the header has {width}.",
                    "A decimal comma, or a comma in a name that is not quoted, makes one more.",
                )
            yield line, row
    except csv.Error as error:
        _refuse(path, reader.line_num, f"it is not CSV: {error}.")


def _columns(
    path: Path, line: int, header: list[str], *, needs_class: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Where each column is, and the names of those that are not used."""
    known = (*COLUMNS, CLASS, REASONING)
    names = [name.strip().lower() for name in header]
    names = [REASONING if name in _REASONING_NAMES else name for name in names]
    for name in names:
        if name in _OURS:
            _refuse(path, line, "these are results in a CSV of energyscore's own.", _OURS[name])
        if name in known and names.count(name) > 1:
            _refuse(path, line, f"the column {name} occurs twice.")
    if len(header) == 1 and re.search(r"[;\t|]", header[0]):
        _refuse(path, line, "the columns are not separated.", "Separate them by commas.")
    unused = tuple(name for name in names if name not in known and not _INDEX.fullmatch(name))
    for name in unused:
        remedy = did_you_mean(name, [column for column in known if column not in names])
        if remedy.startswith("Did"):
            _refuse(path, line, f"unknown column {name!r}.", remedy)
    missing = [name for name in (*COLUMNS, *([CLASS] if needs_class else [])) if name not in names]
    if missing:
        remedy = f"It begins with {_HEADER}."
        if missing == [CLASS]:
            remedy = "The task is rated by size class: add the column, with A, B or C in it."
        _refuse(path, line, f"no column {' and no column '.join(missing)}.", remedy)
    return {name: names.index(name) for name in known if name in names}, unused


def _row(path: Path, line: int, cells: Mapping[str, str], classes: Sequence[str]) -> PublishedRow:
    model, energy, score = (cells[name] for name in COLUMNS)
    if not model:
        _refuse(path, line, "model is empty.")
    if len(model) > _LONGEST:
        _refuse(path, line, f"model has {len(model)} characters, {_LONGEST} are read.")
    if not model.isprintable():
        _refuse(path, line, f"model {model[:80]!a} holds characters that cannot show.")
    if not energy:
        _refuse(path, line, "total_gpu_energy is empty.", "Leave the model out.")
    number = _NUMBER.fullmatch(energy)
    if number is None:
        what = f"total_gpu_energy is {_shown(energy)}, not a number."
        _refuse(path, line, what, "Give kWh per 1,000 queries, with a decimal point.")
    energy_kwh = float(energy)
    if not 0 < energy_kwh < _MAX_KWH:
        what = f"total_gpu_energy is {_shown(energy)}: no model takes that."
        _refuse(path, line, what, "What was not measured is left out, never 0.")
    stars = _STARS.fullmatch(score)
    if score and stars is None:
        _refuse(path, line, f"energy_score is {_shown(score)}.", "Give 1 to 5 stars.")
    written = cells[CLASS] if classes else ""
    size = {name.lower(): name for name in classes}.get(written.lower(), "")
    if classes and not size:
        what = f"class is {_shown(written)}." if written else "class is empty."
        _refuse(path, line, what, f"Give {' or '.join(classes)}.")
    model, reasoning = _mode_of(path, line, model, cells.get(REASONING, ""))
    # The decimal figure a thousandfold, without a rounding in between.
    energy_wh = float(f"{number[1]}e{int(number[2] or 0) + 3}")
    given = stars and int(stars[1])
    return PublishedRow(model, energy_kwh, energy_wh, given, size, line, reasoning)


def _mode_of(path: Path, line: int, model: str, said: str) -> tuple[str, Mode | None]:
    """The model's name and its mode of reasoning, from a column or from behind the name."""
    behind = _WITH_MODE.fullmatch(model)
    in_name = mode_in(behind[2]) if behind and behind[2].lower() not in _ANSWERS else None
    if behind and in_name:
        model = behind[1]
    if not said:
        return model, in_name
    mode = mode_in(said)
    if mode is None or in_name not in (None, mode):
        what = f"reasoning is {_shown(said)}{f', and {in_name} in the name' if in_name else ''}."
        _refuse(path, line, what, f"Give {', '.join(dict.fromkeys(_MODES.values()))}.")
    return model, mode


def mode_in(text: str) -> Mode | None:
    """A mode as people write it: `Reasoning: High` is `high`."""
    text = text.strip().lower()
    if state := _STATE.fullmatch(text):  # as lists of the newer harness write it
        text = state[1] if state[2] == "n/a" else state[2]
    return _MODES.get(text) or _MODES.get(_OF_REASONING.sub("", text))


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
