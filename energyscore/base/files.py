"""Paths that people give, which may be any text, and what is found there."""

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import TypeAlias

from energyscore.base.errors import ResultError, UsageError

Skip: TypeAlias = Callable[[ResultError], None]
"""Is told why something is left out."""

MOST_TEXT = 16 * 2**20
"""Bytes of a text that is read whole; what is larger is another file than was meant."""

_NO_PART_NAMES = ("readme", "license", "licence", "notice", "changelog")
_NO_PART_SUFFIXES = frozenset(
    (*(".md", ".rst", ".pdf", ".log", ".pyc"), *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"))
)
_WEIGHT_SUFFIXES = frozenset(
    (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot")
)
_TRAINING_FILES = (
    *("optimizer.pt", "optimizer.bin", "scheduler.pt", "scheduler.bin", "scaler.pt"),
    *("rng_state*.pth", "random_states_*.pkl", "training_args.bin", "trainer_state.json"),
    "events.out.tfevents.*",
)
_TRAINING_FOLDERS = ("checkpoint-*", "global_step*")
"""What a trainer leaves to go on from, and its logs: no part of the model that it saved."""


def once(skip: Skip) -> Skip:
    """The same, told of each error once."""
    told: set[str] = set()

    def tell(error: ResultError) -> None:
        if error.message not in told:
            told.add(error.message)
            skip(error)

    return tell


def local_path(text: str) -> Path | None:
    """A path as people write it; None if it cannot be a path on this machine."""
    try:
        path = Path(text).expanduser()
        path.exists()  # a name that is too long, or holds a NUL, shows here
    except (RuntimeError, OSError, ValueError):
        return None
    return path


def is_file(path: Path) -> bool:
    """Whether it is a file; False for a name that no file can have."""
    return os.path.isfile(path)


def is_dir(path: Path) -> bool:
    """Whether it is a folder; False for a name that no folder can have."""
    return os.path.isdir(path)


def read_file(path: Path, most_bytes: int = -1) -> bytes:
    """What is in a file, or the beginning of it; a ResultError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most_bytes)
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}.") from error


def read_text(
    path: Path, what: str, error: type[UsageError] = UsageError, most_bytes: int = MOST_TEXT
) -> str:
    """The UTF-8 text of a file, without a byte order mark; an error calls the file `what`."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise error(
                f"{what} is larger than {most_bytes // 2**20} MiB.", "Is it the right file?"
            )
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise error(f"{what} is no text in UTF-8.", "Save it as UTF-8.") from bad
    except (OSError, ValueError) as bad:
        raise error(f"{what} cannot be read: {getattr(bad, 'strerror', bad)}.") from bad


def real_path(path: Path) -> Path:
    """`Path.resolve`; for links in a circle a path that cannot be opened."""
    return Path(os.path.realpath(path))


class RealPaths:
    """`os.path.realpath`, which looks at all folders above a file; once for all files in one."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._folders: dict[str, str] = {}

    def of(self, file: Path) -> str:
        """Where a file really is."""
        if os.path.islink(file):
            return os.path.realpath(file)
        folder, name = os.path.split(file)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def shown_path(path: Path) -> str:
    """A path as it was given, for output that may be published: a home folder is written `~`."""
    shown, home = str(path), str(Path(os.path.expanduser("~")))
    if home in ("~", os.sep) or not f"{shown}{os.sep}".startswith(f"{home}{os.sep}"):
        return shown
    return f"~{shown[len(home) :]}"


def model_files(folder: Path, *, weights: bool = True) -> Iterator[Path]:
    """Files of a model's folder, and of the folders in it, that can decide its work."""
    for file in sorted(folder.rglob("*")):
        if not is_model_part(file.relative_to(folder)):
            continue
        if (weights or file.suffix.lower() not in _WEIGHT_SUFFIXES) and is_file(file):
            yield file


def is_model_part(path: PurePath) -> bool:
    """Whether a file can decide a model's work, by its path in the model's folder.

    All but hidden ones, texts and pictures about the model, results measured into it, and what a
    trainer keeps to go on from: a processor's settings or a word list decide as much as the
    weights do.
    """
    folders, name = path.parts[:-1], path.name.lower()
    if any(part.startswith(".") for part in path.parts) or "results" in folders:
        return False
    if name.startswith(_NO_PART_NAMES) or path.suffix.lower() in _NO_PART_SUFFIXES:
        return False
    kept = (fnmatchcase(part, known) for part in folders for known in _TRAINING_FOLDERS)
    return not any(kept) and not any(fnmatchcase(path.name, known) for known in _TRAINING_FILES)


def visible_files(folder: Path, pattern: str, skip: Skip | None = None) -> list[Path]:
    """The files in a folder, all the way down, that are not hidden and fit a pattern, sorted.

    Linked folders are followed, each folder once; `*.json` fits `A.JSON` too. A folder that
    cannot be read is left out and told to `skip`; where that is None it is a ResultError.
    """

    def refuse(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            return  # removed meanwhile
        refused = ResultError(f"The folder {error.filename} cannot be read: {error.strerror}.")
        if skip is None:
            raise refused from error
        skip(refused)

    seen: set[str] = set()
    later, found = [str(folder)], []
    while later:
        # Links come after what lies there itself: a file is known by its own path.
        top = later.pop(0)
        below = [(top, os.path.realpath(top))]
        while below:
            here, place = below.pop()
            if place in seen:
                continue
            try:
                with os.scandir(here) as entries:
                    shown = sorted(
                        (entry for entry in entries if not entry.name.startswith(".")),
                        key=lambda entry: entry.name,
                        reverse=True,
                    )
            except OSError as error:
                refuse(error)
                continue
            seen.add(place)
            links = [entry for entry in shown if entry.is_symlink()]
            later += [link.path for link in reversed(links) if os.path.isdir(link.path)]
            own = [entry for entry in shown if not entry.is_symlink()]
            below += [(e.path, os.path.join(place, e.name)) for e in own if e.is_dir()]
            files = [entry for entry in own if entry.is_file()]
            files += [link for link in links if os.path.isfile(link.path)]
            found += [file.path for file in files if fnmatchcase(file.name.lower(), pattern)]
    return sorted(map(Path, found), key=lambda path: path.parts)
