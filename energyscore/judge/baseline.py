"""Baselines: results that later ones are compared with, kept with the commit they were made at.

<folder>/<hardware>/<task>_<model>_<conditions>.json    one baseline

The name is the same for the same measurement under the same conditions on the same hardware: saving
again replaces it. The project that keeps the folder has the older ones in its history.
"""

import contextlib
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from energyscore.base.errors import ResultError, did_you_mean, first_problem
from energyscore.base.files import is_dir, is_file, read_file
from energyscore.base.form import unique_keys
from energyscore.base.stamps import utc_stamp
from energyscore.base.writing import write_atomically
from energyscore.judge.comparability import AS_IT_IS, Condition, conditions_of, hardware_of
from energyscore.judge.unratable import why_no_figure
from energyscore.results.folder import load_files
from energyscore.results.names import label_of
from energyscore.results.parts import Part
from energyscore.results.result import AnyResult, Result
from energyscore.results.store import refuse_unsound

MOST_BYTES = 2**27
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_GIT_TIMEOUT_S = 30


class Commit(Part):
    """The commit of the project that the working directory belongs to."""

    sha: str
    branch: str | None
    dirty: bool | None = Field(description="whether tracked files were changed; null: not known")


class Baseline(Part):
    """A result that later ones are compared with."""

    kind: Literal["baseline"] = "baseline"
    schema_version: Literal[1] = 1
    saved_at: str = Field(description="UTC, ISO 8601")
    commit: Commit | None
    commit_reason: str = Field(description="why no commit is known; empty where it is")
    result: AnyResult


@dataclass(frozen=True)
class Saved:
    """What became of a result that was to be a baseline: its file, or why there is none."""

    path: Path | None
    replaced: bool
    reason: str
    before: Result | None = None
    """What it replaced; None where that was nothing, or cannot be read."""


def save_baselines(
    folder: Path, results: Sequence[Result], commit: Commit | None, commit_reason: str
) -> list[Saved]:
    """Keep results as baselines, except those that are invalid or have no energy."""
    saved_at = utc_stamp()
    found = []
    for result in results:
        if reason := why_no_figure(result):
            found.append(Saved(None, False, reason))
            continue
        path = folder / file_of(result)
        replaced, before = path.exists(), None
        with contextlib.suppress(ResultError):
            before = load_baseline(path).result if replaced else None
        baseline = Baseline(
            saved_at=saved_at, commit=commit, commit_reason=commit_reason, result=result
        )
        write_atomically(path, baseline.model_dump_json(indent=2) + "\n")
        found.append(Saved(path, replaced, "", before))
    return found


def file_of(result: Result) -> Path:
    """Where the baseline of such a result is kept: a folder a hardware, a file a measurement.

    A model of the hub keeps its file from one revision to the next; folders of one name are models
    of their own, and have files of their own.
    """
    known = conditions_of(result)
    hardware = hardware_of(known)
    words = (part for condition in hardware for part in condition if part and part != "none")
    mode = result.mode
    names = [result.task.id, result.model.id, *([f"reasoning-{mode}"] if mode else [])]
    name = "_".join(_safe(part, 60) for part in names)
    # What came later does not change the names of the baselines of before.
    for later, condition in {"threads": (None,), **AS_IT_IS}.items():
        if known.get(later) == condition:
            del known[later]
    conditions: list[object] = [*sorted(known.items())]
    if result.model.source == "local":
        conditions.append(result.model.revision)
    machine = f"{_safe('_'.join(words), 60)}_{_digest(hardware)}"
    return Path(machine) / f"{name}_{_digest(conditions)}.json"


def load_baseline(path: Path) -> Baseline:
    """Read one baseline; a ResultError names the field where it is none."""
    data = read_file(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ResultError(f"{path} is too large for a baseline.")
    try:
        baseline = Baseline.model_validate_json(data)
        json.loads(data, object_pairs_hook=unique_keys)
    except ValidationError as error:
        raise ResultError(f"{path} is no baseline: {first_problem(error)}.") from error
    except ValueError as error:
        raise ResultError(f"{path} is no baseline: {error}.") from error
    refuse_unsound(baseline.result, f"{path}: result.")
    return baseline


def find_baselines(folder: Path) -> list[tuple[Path, Baseline]]:
    """The baselines of a folder, by hardware, task and model; a broken one is an error."""
    if not is_dir(folder):
        raise ResultError(
            f"There is no folder {folder}.", "`energyscore baseline save RESULTS` makes baselines."
        )
    return load_files([folder], {"baseline": load_baseline})


def find_baseline(name: str, folder: Path) -> tuple[Path, Baseline]:
    """The one baseline of a file, a name or the beginning of it, or a model or task."""
    if is_file(Path(name)):
        return Path(name), load_baseline(Path(name))
    known = find_baselines(folder)
    start = _UNSAFE.sub("-", name)
    found = (
        [entry for entry in known if entry[0].stem == name]
        or [entry for entry in known if name in (entry[1].result.model.id, entry[1].result.task.id)]
        or [entry for entry in known if _UNSAFE.sub("-", entry[0].stem).startswith(start)]
    )
    if len(found) == 1:
        return found[0]
    if not found:
        names = {path.stem for path, _ in known} | {one.result.model.id for _, one in known}
        raise ResultError(f"{folder} has no baseline {name!r}.", did_you_mean(name, names))
    raise ResultError(
        f"{name!r} means {len(found)} baselines in {folder}.",
        f"Name one: {', '.join(path.as_posix() for path, _ in found)}.",
    )


def unlike_conditions(results: Sequence[Result]) -> list[str]:
    """Of each result the conditions by which it differs from others that would look the same.

    Those look the same that share task, model, mode, load and the hardware's name.
    """
    looks = [(one.hardware, one.task.id, label_of(one)) for one in results]
    known = [{**conditions_of(one), "revision": (one.model.revision,)} for one in results]
    values: dict[object, set[Condition]] = {}
    for look, conditions in zip(looks, known, strict=True):
        for name, condition in conditions.items():
            values.setdefault((look, name), set()).add(condition)
    return [
        ", ".join(
            f"{name} {_shown(condition)}"
            for name, condition in conditions.items()
            if len(values[look, name]) > 1
        )
        for look, conditions in zip(looks, known, strict=True)
    ]


def _shown(condition: Condition) -> str:
    known = (part for part in condition if part and part != "None")
    return " ".join(part.removeprefix("sha256:")[:16] for part in known) or "unknown"


def current_commit() -> tuple[Commit | None, str]:
    """The commit of the project around the working directory, or why none is known."""
    if sha := _git("rev-parse", "HEAD"):
        changed = _git("status", "--porcelain", "--untracked-files=no")
        branch = _git("symbolic-ref", "--short", "--quiet", "HEAD")
        dirty = None if changed is None else changed != ""
        return Commit(sha=sha, branch=branch or None, dirty=dirty), ""
    if sha := os.environ.get("GITHUB_SHA"):
        return Commit(sha=sha, branch=os.environ.get("GITHUB_REF_NAME"), dirty=None), ""
    return None, "git knows of no commit here"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def _safe(text: str, most: int) -> str:
    return _UNSAFE.sub("-", text)[:most].strip("-.") or "x"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
