"""The official leaderboard's Space on the hub: its files at a commit."""

from dataclasses import dataclass
from pathlib import Path

from energyscore.base.errors import UsageError
from energyscore.base.libraries import Explain, library_errors, named

SPACE = "AIEnergyScore/Leaderboard"
"""Where the official leaderboard is."""


@dataclass(frozen=True)
class SpaceFiles:
    """The CSV files of a Space at one commit.

    Attributes:
        space: its name now.
        commit: its full SHA.
        date: of that commit, as year, month and day.
        files: where each lies here, by its path in the Space.
    """

    space: str
    commit: str
    date: str
    files: dict[str, Path]


def fetch(space: str, revision: str | None = None) -> SpaceFiles:
    """Fetch all CSV files of a Space; what was fetched before is taken from the hub's cache.

    Raises:
        UsageError: when there is no such Space or revision, it holds no CSV, or the hub cannot be
            reached.
    """
    from huggingface_hub import HfApi, hf_hub_download

    with library_errors(_explaining(space, revision)):
        known = HfApi().space_info(space, revision=revision)
        names = [one.rfilename for one in known.siblings or () if one.rfilename.endswith(".csv")]
        commit = str(known.sha)
        files = {
            # By the name that it has now: Spaces are renamed.
            name: Path(hf_hub_download(known.id, name, repo_type="space", revision=commit))
            for name in names
        }
    if not files:
        raise UsageError(
            f"The Space {space} holds no CSV file at {commit[:10]}.",
            "Name the Space that the leaderboard has moved to with --space, or a --revision.",
        )
    if known.last_modified is None:
        raise UsageError(f"The hub does not say of when the Space {space} is.", by_hand(space))
    return SpaceFiles(known.id, commit, known.last_modified.date().isoformat(), files)


def by_hand(space: str) -> str:
    """What to do where the hub does not give the files of a Space."""
    return (
        "Download its CSV files where there is a network (https://huggingface.co/spaces/"
        f"{space}/tree/main), and name them: energyscore scale import *.csv --date YYYY-MM."
    )


def _explaining(space: str, revision: str | None) -> Explain:
    """What to say of the errors of huggingface_hub."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    def explain(error: BaseException) -> UsageError:
        if isinstance(error, HFValidationError):
            return UsageError(f"--space {space}: not the name of a Space, such as {SPACE}.")
        if isinstance(error, RepositoryNotFoundError):
            return UsageError(
                f"The hub has no Space {space}, or does not show it.",
                "Name the one that the leaderboard has moved to with --space; a private one needs "
                "HF_TOKEN.",
            )
        if isinstance(error, RevisionNotFoundError):
            return UsageError(f"The Space {space} has no revision {revision!r}.")
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            return UsageError(
                f"The Space {space} lists a file that it does not give: {_address_in(error)}.",
                "Try again later, or name another --revision.",
            )
        if isinstance(error, HfHubHTTPError) and error.response is not None:
            status = error.response.status_code
            return UsageError(
                f"The hub does not give the Space {space} (HTTP {status}).", by_hand(space)
            )
        return UsageError(f"The hub cannot be reached from here ({named(error)}).", by_hand(space))

    return explain


def _address_in(error: BaseException) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "").rstrip(
        "."
    )
