"""Where the files of this user lie that belong to no folder of results."""

from pathlib import Path

from platformdirs import PlatformDirs

_DIRS = PlatformDirs("energyscore", appauthor=False)


def cache_folder() -> Path:
    """For what can be made again. It need not exist."""
    return Path(_DIRS.user_cache_dir)


def state_folder() -> Path:
    """For what the next command must know. It need not exist."""
    return Path(_DIRS.user_state_dir)


def data_folder() -> Path:
    """For what this user has fetched or made, and wants to keep. It need not exist."""
    return Path(_DIRS.user_data_dir)
