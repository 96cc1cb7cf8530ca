"""Tables of parts by name: what a name stands for is imported when it is asked for."""

import importlib
from typing import Any

from energyscore.base.errors import UsageError, did_you_mean


def resolve(table: dict[str, str], name: str) -> Any:
    """The class or function of that name; its module is imported only now."""
    if name not in table:
        raise UsageError(f"Unknown name {name!r}.", did_you_mean(name, table))
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
