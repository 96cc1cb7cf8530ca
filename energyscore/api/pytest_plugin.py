"""A fixture for pytest: `energy_meter`, which meters a block of a test. Light to import."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

import energyscore


@pytest.fixture
def energy_meter(
    request: pytest.FixtureRequest,
) -> Callable[..., AbstractContextManager["energyscore.Block"]]:
    """Meter a block of a test; its figures are in `measured` of what it gives, when it has ended.

    It takes the arguments of `energyscore.meter`; the name is the test's unless one is given. The
    figures stand in the report of the test (`--junit-xml`), where there are any; blocks of one name
    are numbered there.
    """
    blocks: Counter[str] = Counter()

    @contextmanager
    def meter(name: str = "", **arguments: Any) -> Iterator["energyscore.Block"]:
        called = name or request.node.name
        with energyscore.meter(called, **arguments) as block:
            yield block
        measured = block.measured
        blocks[called] += 1
        place = "" if blocks[called] == 1 else f" ({blocks[called]})"
        for what in ("gpu_wh_per_1k_queries", "system_wh_per_1k_queries"):
            if (figure := getattr(measured, what)) is not None:
                request.node.user_properties.append((f"{called}{place}: {what}", figure))

    return meter
