"""What a result keeps of a screen beside its blocks."""

from typing import Literal

from pydantic import Field

from energyscore.base.form import Part
from energyscore.results.block import Units
from energyscore.results.kinds import NonNegative, Positive, PositiveCount


class ScreenPart(Part):
    """How a screen was ended, and what its score is predicted for."""

    estimator: Literal["regression"] = "regression"
    until: str = Field(description="what it was to go on until")
    target: Positive | None = Field(description="the half-width asked for; null: a decision was")
    decided: bool
    reason: str = Field(description="what was decided, or what is open and why")
    probability: NonNegative | None = Field(description="of the decision; null: a half-width")
    star: PositiveCount | None
    within: bool | None = Field(description="whether it keeps to the limit that was asked about")
    looks: PositiveCount
    error: Positive = Field(description="the chance that its interval misses the truth, at most")
    least_half_width: Positive | None = Field(
        description="no narrower interval is claimed; null: as narrow as it came out"
    )
    share: Positive = Field(
        description="of the queries of the full protocol, one pass a run: above 1 where its runs "
        "would take several passes to fill their windows"
    )
    budget_s: Positive | None
    beaten_by: Positive | None = Field(
        default=None,
        description="Wh per 1,000 queries of something better; it was to end once it surely "
        "needs more",
    )
    beaten: bool = Field(default=False, description="whether that ended it")
    queries: PositiveCount = Field(description="of one pass over the whole workload")
    size_in: Literal["tokens", "seconds", "queries"]
    population: Units = Field(description="of one pass over the whole workload")
