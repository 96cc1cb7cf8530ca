"""The digests of a model's answers, and whether two measurements' are equal."""

import pytest
from support.results import make_result

from energyscore.base.errors import OutOfMemory
from energyscore.judge.equal_answers import EqualAnswers, equal_answers
from energyscore.measurement.answers import NOT_EQUAL, take_answers
from energyscore.measurement.work import Plan
from energyscore.protocol.workload import Workload
from energyscore.publish.wording import equal_in_words
from energyscore.results.answers import Answers
from energyscore.results.consistency import contradiction
from energyscore.verify.answers import check_answers
from energyscore.verify.examined import ExaminedResult
from energyscore.verify.findings import problem_of
from energyscore.verify.rules import load_rules


class Answering:
    """It gives what `say` makes of each query's number, and keeps the sizes of its batches."""

    def __init__(self, say):
        self.say, self.sizes = say, []

    def answer(self, queries):
        self.sizes.append(len(queries))
        return [self.say(query["n"]) for query in queries]


def taken(say, *, batch_size=1, queries=100):
    workload = Workload(tuple({"n": n} for n in range(queries)), "d", None, False, queries)
    backend = Answering(say)
    plan = Plan(workload, ("preprocess", "forward"), batch_size, 1, 0, True, 0.0)
    return take_answers(backend, plan), backend.sizes


def test_the_first_answers_are_taken_in_the_batches_that_were_measured():
    one, alone = taken(str)
    other, together = taken(lambda n: f" {n}\n", batch_size=40)
    assert (alone, together) == ([1] * 64, [40, 40])
    assert (one.of, len(one.digests), len(set(one.digests))) == ("text", 64, 64)
    assert one.digests[:2] == ["5feceb66ffc86f38", "6b86b273ff34fce1"], "of SHA-256"
    assert other == one.model_copy(update={"batch_size": 40}), "white space apart"
    few, sizes = taken(lambda n: n % 2, batch_size=4, queries=6)
    assert (few.of, len(few.digests), sizes) == ("label", 6, [4, 2])


def test_what_is_never_quite_equal_or_fails_has_no_digests():
    def fail(n):
        raise OutOfMemory("the batch does not fit.")

    for say, reason in (
        (float, NOT_EQUAL),
        (lambda n: [n], NOT_EQUAL),
        (fail, "answering them failed: the batch does not fit"),
    ):
        answers, _ = taken(say)
        assert (answers.of, answers.digests, answers.reason) == (None, None, reason)


def result_with(digests=("a" * 16, "b" * 16), of="text", reason="", **work):
    answers = Answers(of=of, batch_size=1, digests=digests and list(digests), reason=reason)
    result = make_result()
    queries = {"queries": len(digests)} if digests else {}
    workload = result.workload.model_copy(update=queries | work)
    return result.model_copy(update={"answers": answers, "workload": workload})


def test_the_share_of_equal_answers():
    digests = [f"{n:016x}" for n in range(64)]
    other = ["f" * 16, *digests[1:]]
    equal = equal_answers(result_with(digests), result_with(other))
    assert equal == EqualAnswers(63 / 64, 64)
    assert equal_in_words(equal) == "98% of 64 answers are equal"
    assert equal_answers(result_with(digests), result_with(digests)).share == 1


NONE = {"digests": None, "of": None, "reason": "it failed"}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (make_result(), "the answers were not kept"),
        (result_with(**NONE), "it failed"),
        (result_with(fingerprint="9" * 64), "the queries are not the same"),
        (result_with(of="label"), "the queries were not answered in the same way"),
        (result_with(generation={"max_new_tokens": 9}), "not answered in the same way"),
        (result_with(generation={"strategy": "sampling"}), "not written greedily"),
    ],
)
def test_without_the_same_queries_answered_alike_there_is_no_share(other, reason):
    for equal in (equal_answers(result_with(), other), equal_answers(other, result_with())):
        assert equal.share is None
        assert reason in equal.reason
        assert equal_in_words(equal) == f"not known whether answers are equal ({equal.reason})"


def verified(result):
    it = ExaminedResult(result, None, None, load_rules(1), {}, None, {})
    return [one.message for one in map(problem_of, check_answers(it)) if one and one.message]


def test_answers_that_fit_are_accepted_by_the_reader_and_the_checker():
    for result in (result_with(), result_with(**NONE), make_result()):
        assert verified(result) == []
        assert "answers" not in contradiction(result)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"digests": ["a" * 16]}, "digests"),
        ({"digests": ["a" * 16, "B" * 16]}, "digests"),
        ({"digests": ["a" * 16, "b" * 15]}, "digests"),
        ({"reason": "it failed"}, "reason"),
        ({"of": None}, "reason"),
        ({"digests": None}, "reason"),
        ({"batch_size": 2}, "batch_size"),
    ],
)
def test_answers_that_contradict_themselves_are_not(change, said):
    result = result_with()
    answers = result.answers.model_copy(update=change)
    changed = result.model_copy(update={"answers": answers})
    assert verified(changed)
    assert contradiction(changed).startswith(f"answers.{said}")
