"""A command that measures, as people type it. Pure."""

import shlex
from collections.abc import Mapping
from typing import Any


def command_line(task: str, model: str, options: Mapping[str, Any], name: str = "run") -> str:
    """The command that measures with these options, by their names."""
    words = ["energyscore", name, task, "--model", model]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, Mapping):
            words += [part for key, one in value.items() for part in (flag, f"{key}={one}")]
        elif isinstance(value, list | tuple):
            words += [part for one in value for part in (flag, str(one))]
        elif value is not None and value is not False:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)
