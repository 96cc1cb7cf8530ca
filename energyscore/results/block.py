"""What one run of a screen is: a block of queries, and what was known of them before."""

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.kinds import Count, Positive, PositiveCount


class Units(Part):
    """What was known of queries before they ran: sums over units, a query or a batch of them."""

    units: Positive
    size: Positive = Field(description="of all units, in the screen's `size_in`")
    square: Positive = Field(description="of their sizes squared")

    @property
    def features(self) -> tuple[float, float, float]:
        """As the estimate takes them."""
        return self.units, self.size, self.square


class BlockPart(Units):
    """The queries of one run of a screen."""

    queries: list[Count] = Field(description="numbers in the workload, from 0, as they were done")
    certain: bool = Field(description="of the largest ones, which are always measured")
    planned_units: PositiveCount = Field(description="units that a block was to have at least")
