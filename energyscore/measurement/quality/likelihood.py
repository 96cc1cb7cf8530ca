"""How well a model foresees texts, whatever its tokens are."""

import math
from collections.abc import Sequence
from typing import Any

from energyscore.measurement.quality.metric import Judged, Names, Setting, ratio
from energyscore.protocol.workload import Query


class BitsPerByte:
    """The bits by which a model would store the texts, by their bytes in UTF-8."""

    higher_is_better = False
    package = None
    of_likelihoods = True

    def judge(self, answers: Sequence[Any], rows: Sequence[Query], names: Names) -> Judged:
        """Judge one `Likelihood` for each row."""
        items = [
            [one.nats / math.log(2), float(len(row["text"].encode()))]
            for one, row in zip(answers, rows, strict=True)
        ]
        settings: dict[str, Setting] = {
            "window_tokens": answers[0].window,
            "stride_tokens": answers[0].window,
            "begins_with": answers[0].begins_with,
            "unknown_tokens": sum(one.unknown for one in answers),
        }
        return ratio(items, settings=settings)
