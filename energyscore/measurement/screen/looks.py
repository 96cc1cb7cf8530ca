"""The looks at a screen under way: after which blocks, what is known then, and what it decides."""

from collections.abc import Sequence
from typing import Any

from energyscore.base.units import format_wh
from energyscore.measurement.screen.stopping import (
    ERROR,
    StopDecision,
    Until,
    is_beaten,
    next_look,
    spent_at,
)
from energyscore.protocol.stars import StarRange
from energyscore.results.parts import Run
from energyscore.results.score import gpu_domains, system_domains
from energyscore.results.screened import block_of
from energyscore.results.screening import Features, Prediction, estimate

IN_VAIN = "the reference is not known so well, however long this is measured"


class Looks:
    """Looks at the blocks that are done: when there are enough, and then ever more seldom."""

    def __init__(
        self,
        until: Until,
        stars: StarRange | None,
        population: Features,
        queries: int,
        uuids: Sequence[str],
        *,
        beaten_by: float | None = None,
    ) -> None:
        """Decide `until` by the energy of these GPUs, or by that of the system where it says so.

        Without GPUs it is the system's in any case. So is what something better needs.
        """
        self._until, self._stars, self._uuids = until, stars, uuids
        self._population, self._queries = population, queries
        self._next, self._seen, self.count, self.no_energy = 0, 0, 0, False
        self._ended, self._beaten_by, self._beaten = "", beaten_by, False
        self._decision: StopDecision | None = None
        self._figure: Prediction | None = None

    def at(self, done: Sequence[Run]) -> bool:
        """Look if it is time; whether it is decided, beaten, or can never be."""
        return self._look(done, self._next)

    def end(self, done: Sequence[Run], why: str) -> None:
        """It ends for a reason; a last look takes in what was done since the one before."""
        self._ended = why
        self._look(done, self._seen + 1)

    def _look(self, done: Sequence[Run], due: int) -> bool:
        by_gpu = self._uuids and self._until.figure.startswith("gpu")
        domains = gpu_domains(self._uuids) if by_gpu else system_domains(done, self._uuids)
        energies_j = [run.total_j(domains) for run in done]
        self.no_energy = None in energies_j
        drawn = sum(run.block is not None and not run.block.certain for run in done)
        if self.no_energy or drawn < due:
            return False
        blocks = [
            block_of(run, joules or 0.0) for run, joules in zip(done, energies_j, strict=True)
        ]
        found = estimate(blocks, self._population)
        if found is None:
            return False
        self._figure = found.times(1000 / 3600 / self._queries)
        self._decision = self._until.look(self._figure, self.count, self._stars)
        stop = self._decision.stop
        self._beaten = not stop and is_beaten(self._figure, self.count, self._beaten_by)
        self.count, self._seen, self._next = self.count + 1, drawn, next_look(drawn)
        if self._decision.in_vain:
            self._ended = IN_VAIN
        return stop or self._beaten or self._decision.in_vain

    @property
    def present(self) -> str:
        """What is known now, for people; empty before the first look."""
        if self._figure is None or self._decision is None:
            return ""
        known = f"{format_wh(self._figure.mean)} +/- {self._figure.half_width():.1%}"
        if self._decision.star is not None:
            known += f", {self._decision.star} stars with {self._decision.probability:.1%}"
        return f" ({known} per 1,000 queries so far)"

    def told(self) -> dict[str, Any]:
        """How it ended, as the result keeps it."""
        until, decision = self._until, self._decision
        decided = decision is not None and decision.stop
        before = max(0, self.count - 1)
        by_width = until.kind == "half-width"
        return {
            "until": until.text,
            "target": until.value if by_width else None,
            "decided": decided,
            "reason": self._reason(decided=decided),
            "probability": decision.probability if decision else None,
            "star": decision.star if decision else None,
            "within": decision.within if decision else None,
            "looks": max(1, self.count),
            "error": ERROR if by_width and not self._beaten else spent_at(ERROR, before),
            "least_half_width": until.value if by_width and before > 0 else None,
            "beaten_by": self._beaten_by,
            "beaten": self._beaten,
        }

    def _reason(self, *, decided: bool) -> str:
        decision, until = self._decision, self._until
        if self._beaten and self._beaten_by is not None:
            limit = format_wh(self._beaten_by)
            return f"{until.text} is open: it surely needs more than {limit}, so another is better"
        if not decided or decision is None:
            return f"{until.text} is open: {self._ended or 'no look was had'}"
        if decision.star is not None:
            return f"{decision.star} stars, with a probability of {decision.probability:.1%}"
        if decision.within is not None:
            kept = "at or below" if decision.within else "above"
            return f"{kept} the limit, with a probability of {decision.probability:.1%}"
        return f"the half-width is at most {until.value:.1%}"
