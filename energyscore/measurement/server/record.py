"""The raw record of the requests in a run's window; its form is `energyscore.results.raw`. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from energyscore.measurement.meter import Window
from energyscore.measurement.record import deltas
from energyscore.measurement.server.answer import Answer

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "thinking_tokens")


def record_requests(answers: Iterable[Answer], window: Window, begin_us: int) -> dict[str, Any]:
    """What whoever counts the window again has to know of each request; times count from then."""
    found = sorted(
        (one for one in answers if one.sent_ns < window.end_ns and one.done_ns > window.start_ns),
        key=lambda one: one.sent_ns,
    )
    return {
        "sent_us": deltas(_us(one.sent_ns) - begin_us for one in found),
        "first_us": [_us(one.first_ns) - _us(one.sent_ns) for one in found],
        "last_us": [_us(_last_ns(one)) - _us(one.sent_ns) for one in found],
        "done_us": [_us(one.done_ns) - _us(one.sent_ns) for one in found],
        **{name: _tokens(found, name) for name in _TOKENS},
        "waited_us": _waited_us(found),
        "cut": [place for place, one in enumerate(found) if one.finish == "length"],
        "failed": [place for place, one in enumerate(found) if one.error],
        "edges": {
            "start": _at(window.start_ns, found, begin_us),
            "end": _at(window.end_ns, found, begin_us),
        },
    }


def _waited_us(found: Sequence[Answer]) -> list[int] | None:
    """How long each waited here to be sent; None where they are sent as others end."""
    if any(one.due_ns is None for one in found):
        return None
    return [_us(one.sent_ns) - _us(one.asked_ns) for one in found]


def _tokens(found: Sequence[Answer], name: str) -> list[int] | None:
    """Those of each request, none of a failed one; None where one that is whole does not tell."""
    counts = [getattr(one, name) for one in found]
    told = all(one.error or count is not None for one, count in zip(found, counts, strict=True))
    return [count or 0 for count in counts] if told else None


def _at(edge_ns: int, answers: Sequence[Answer], begin_us: int) -> dict[str, list[int]]:
    """How far the answers were that were under way then: the pieces before it and after it."""
    columns: dict[str, list[int]] = {
        name: [] for name in ("request", "pieces", "came", "before_us", "after_us")
    }
    for place, one in enumerate(answers):
        if one.error or not one.sent_ns < edge_ns < one.done_ns:
            continue
        times_ns = [one.sent_ns, *(one.pieces_ns or (one.done_ns,))]
        came = sum(t_ns <= edge_ns for t_ns in times_ns) - 1
        row = (
            *(place, len(times_ns) - 1, came),
            _us(times_ns[came]) - begin_us,
            _us(times_ns[min(came + 1, len(times_ns) - 1)]) - begin_us,
        )
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return columns


def _last_ns(one: Answer) -> int:
    return one.pieces_ns[-1] if one.pieces_ns else one.done_ns


def _us(t_ns: int) -> int:
    return (t_ns + 500) // 1000
