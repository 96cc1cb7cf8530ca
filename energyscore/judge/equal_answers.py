"""Whether a model says the same in two measurements: the share of their answers that are equal."""

from dataclasses import dataclass

from energyscore.results.result import Result


@dataclass(frozen=True)
class EqualAnswers:
    """The share of so many answers that are equal; None for the reason."""

    share: float | None
    answers: int = 0
    reason: str = ""


def equal_answers(result: Result, reference: Result) -> EqualAnswers:
    """How many of a result's answers are those of the reference, query by query.

    Both answer the same queries in the same way, greedily: a text that is drawn by chance differs
    without any other setting.
    """
    if reason := _why_not(result, reference):
        return EqualAnswers(None, reason=reason)
    assert result.answers is not None
    assert reference.answers is not None
    pairs = list(zip(result.answers.digests or (), reference.answers.digests or (), strict=False))
    return EqualAnswers(sum(one == other for one, other in pairs) / len(pairs), len(pairs))


def _why_not(*both: Result) -> str:
    one, other = both
    for result in both:
        if result.answers is None:
            return "the answers were not kept"
        if result.answers.digests is None:
            return result.answers.reason
        if (result.workload.generation or {}).get("strategy", "greedy") != "greedy":
            return "the answers were not written greedily"
    if one.workload.fingerprint != other.workload.fingerprint:
        return "the queries are not the same"
    ways = [(r.task.digest, r.workload.generation, r.answers and r.answers.of) for r in both]
    return "" if ways[0] == ways[1] else "the queries were not answered in the same way"
