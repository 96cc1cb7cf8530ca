"""What the full protocol would have taken in place of a screen."""

import math
from collections.abc import Sequence

from energyscore.results.conformance import MIN_WINDOW_S
from energyscore.results.cost import Cost, FullProtocol
from energyscore.results.parts import Domain, Run
from energyscore.results.screen_part import ScreenPart
from energyscore.results.screened import of_a_pass


def with_full_protocol(
    cost: Cost, screen: ScreenPart | None, runs: Sequence[Run], repeats: int
) -> Cost:
    """The cost of a screen with what so many runs over all queries would have taken.

    What went before the blocks is as it was; a pass is as it is predicted from the blocks. A run
    is as many passes as fill its window.
    """
    if screen is None or cost.duration_s is None:
        return cost
    blocks_s = [run.duration_s for run in runs]
    pass_s = of_a_pass(screen, runs, blocks_s)
    passes = repeats * max(1, math.ceil(MIN_WINDOW_S / pass_s))
    before_s = max(0.0, cost.duration_s - math.fsum(blocks_s))
    energy_j: dict[Domain, float | None] = {}
    for domain, whole_j in cost.energy_j.items():
        blocks_j = [run.energy_j.get(domain) for run in runs]
        known_j = [one for one in blocks_j if one is not None]
        energy_j[domain] = None
        if whole_j is not None and len(known_j) == len(runs):
            before_j = max(0.0, whole_j - math.fsum(known_j))
            energy_j[domain] = before_j + passes * of_a_pass(screen, runs, known_j)
    full = FullProtocol(runs=repeats, duration_s=before_s + passes * pass_s, energy_j=energy_j)
    return cost.model_copy(update={"full": full})
