"""How well a model foresees texts, whatever its tokens are."""

import math
from collections.abc import Sequence
from typing import Any

from energyscore.measurement.quality.metric import Judged, Metric, Names, Setting, ratio
from energyscore.protocol.workload import Query


class BitsPerByte(Metric):
    """The bits by which a model would store the texts, by their bytes in UTF-8."""

    higher_is_better = False
    of_likelihoods = True

    def references(self, rows: Sequence[Query]) -> list[Any]:
        """The bytes of each text."""
        return [float(len(row["text"].encode())) for row in rows]

    def judge(self, answers: Sequence[Any], right: Sequence[Any], names: Names) -> Judged:
        """Judge one `Likelihood` for each row."""
        items = [
            [one.nats / math.log(2), in_bytes] for one, in_bytes in zip(answers, right, strict=True)
        ]
        settings: dict[str, Setting] = {
            "window_tokens": answers[0].window,
            "stride_tokens": answers[0].window,
            "begins_with": answers[0].begins_with,
            "unknown_tokens": sum(one.unknown for one in answers),
        }
        return ratio(items, settings=settings)
