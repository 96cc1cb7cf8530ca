"""Recordings across the results of a submission: each was made once, of one model at one task."""

from collections.abc import Iterator

from energyscore.verify.counters import FEW, first_lengths_us
from energyscore.verify.findings import Problem
from energyscore.verify.raw_record import RawRun
from energyscore.verify.subject import Subject, name_of


class Recordings:
    """What was recorded in the results that were looked at so far."""

    def __init__(self) -> None:
        """None yet."""
        self._seen: dict[tuple[object, ...], tuple[str, tuple[object, ...]]] = {}

    def check(self, subject: Subject) -> Iterator[Problem]:
        """No run was recorded in another measurement; the same one twice is told of elsewhere."""
        folder, of_what = subject.listed.folder, _of_what(subject)
        for run, raw in subject.pairs():
            for mark in _marks(raw):
                other, what = self._seen.setdefault(mark, (folder, of_what))
                if what != of_what:
                    yield Problem(f"{name_of(run)} was recorded in {other}, of another measurement")
                    break


def _of_what(subject: Subject) -> tuple[object, ...]:
    """What was measured, apart from what measuring it found."""
    result = subject.result
    return (result.identity, result.model, result.task, result.workload, result.protocol.device)


def _marks(raw: RawRun) -> Iterator[tuple[object, ...]]:
    """What no two runs have alike: their first intervals, and where a GPU's counter stood."""
    if len(raw.edges_s) > FEW:
        yield first_lengths_us(raw)
    for domain, found in raw.domains.items():
        start_j, end_j = found.counter_j
        if found.method == "counter" and start_j and end_j:
            yield domain, start_j, end_j
