"""Whether what a result keeps of its answers has the form that it must have; it enters no score."""

from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import NOT_APPLICABLE, Derived, Finds

_MOST = 64
_DIGITS = frozenset("0123456789abcdef")


def check_answers(it: ExaminedResult) -> Finds:
    """A digest for each of the first queries, or a reason for none."""
    answers, workload = it.result.answers, it.result.workload
    if answers is None:
        yield NOT_APPLICABLE
        return
    yield Derived("the batch size of the answers", answers.batch_size, workload.batch_size)
    none = answers.digests is None
    yield Derived("whether answers that are missing have a reason", bool(answers.reason), none)
    yield Derived("whether the kind of the answers is missing", answers.of is None, none)
    if answers.digests is None:
        return
    yield Derived("the number of answers", len(answers.digests), min(_MOST, workload.queries))
    if any(len(one) != 16 or not set(one) <= _DIGITS for one in answers.digests):
        yield "the digest of an answer has not 16 hexadecimal digits"
