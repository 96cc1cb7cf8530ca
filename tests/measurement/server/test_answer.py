"""What is taken of an answer, also of one that lies or cannot be read."""

import json

import pytest

from energyscore.measurement.server.answer import AnswerStream, WholeAnswer, problem_of

END = 'data: {"choices": [{"text": "a", "finish_reason": "stop"}]}'


def streamed(*lines):
    found = AnswerStream(keeps=True)
    for line in lines:
        found.take(line)
    return found.answer(0, 1, 200, "")


@pytest.mark.parametrize("count", [-1, 10**400, 10**10, "7", 7.0, True, None, [7]])
def test_what_can_be_no_count_is_none(count):
    answer = streamed(END, "data: " + json.dumps({"usage": {"completion_tokens": count}}))
    assert (answer.output_tokens, answer.error) == (None, "")


@pytest.mark.parametrize(("count", "fails"), [(10, False), (11, False), (12, True)])
def test_more_tokens_than_were_asked_for_are_an_error(count, fails):
    found = AnswerStream(keeps=False, asked=10)
    for line in (END, "data: " + json.dumps({"usage": {"completion_tokens": count}})):
        found.take(line)
    answer = found.answer(0, 1, 200, "")
    said = "it says that it wrote 12 tokens, and at most 10 were asked for"
    assert answer.error == said * fails


def test_nothing_after_the_end_is_of_the_answer():
    usage = 'data: {"usage": {"completion_tokens": %d}}'
    answer = streamed(END, usage % 2, usage % 3, "data: [DONE]", usage % 4, END, "data: [")
    assert (answer.output_tokens, answer.text, answer.error) == (3, "a", "")


@pytest.mark.parametrize(
    "piece", ["[" * 10**5, "7", "null", '"a"', '{"choices": 7}', '{"choices": [7]}', "{"]
)
def test_a_piece_that_is_none_is_an_error(piece):
    assert streamed(END, f"data: {piece}").error.startswith("a piece of its stream cannot be read")


@pytest.mark.parametrize(
    "text",
    ["[" * 10**5, "7", "{}", '{"data": [{"embedding": []}]}', '{"data": [{"embedding": null}]}'],
)
def test_a_whole_answer_that_is_none_is_an_error(text):
    found = WholeAnswer(keeps=True)
    found.take(text)
    assert found.answer(0, 1, 200, "").error.startswith("its answer cannot be read")


def test_why_a_server_does_not_answer_is_told_whatever_it_says():
    assert problem_of(500, b"[" * 10**5) == f"status 500: {'[' * 300}"
    assert problem_of(429, b'{"error": {"message": "too many\\n requests."}}') == (
        "status 429: too many requests"
    )


def test_an_answer_that_goes_on_and_on_is_given_up():
    found = AnswerStream(keeps=False, asked=4)
    with pytest.raises(ValueError, match="it writes on and on"):
        for _ in range(1010):
            found.take('data: {"choices": [{"text": "a"}]}')
    assert found.answer(0, 1, 200, "it broke off").error.startswith("it writes on and on")
