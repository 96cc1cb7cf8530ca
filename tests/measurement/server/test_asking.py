"""What a server is asked, again and again."""

import itertools

import pytest

from energyscore.measurement.prompts import prompt_of
from energyscore.measurement.server.abilities import (
    ENDPOINTS,
    WISHES,
    Abilities,
    content_of,
    numbered,
)
from energyscore.measurement.server.asking import Asking
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Workload

FOUR = Generation(max_new_tokens=4, min_new_tokens=4)


@pytest.mark.parametrize("prompts", ["numbered", "cache_salt"])
def test_no_pass_and_no_load_asks_what_a_server_may_have_kept(prompts):
    texts = ({"text": "one"}, {"text": "two"})
    workload = Workload(texts, "mine", None, False, 2)
    can = Abilities("completions", prompts=prompts)
    bodies = [
        request.body
        for _ in range(2)  # two loads
        for request in itertools.islice(
            Asking(
                "http://here/v1", None, "m", "text_generation", can, workload, FOUR, 42
            ).requests(),
            6,
        )
    ]
    assert len({(one["prompt"], one.get("cache_salt")) for one in bodies}) == 12
    # What keeps passes apart costs the same in each.
    assert len({len(one["prompt"]) for one in bodies}) == 1


RECORDING = b"OggS and so on"
QUERIES = {
    "text_generation": {"text": "A day"},
    "summarization": {"text": "A day"},
    "text_classification": {"text": "good"},
    "question_answering": {"context": "It is red.", "question": "What?"},
    "reasoning": {"text": "1 + 1?"},
    "sentence_similarity": {"sentence1": "a", "sentence2": "b"},
    "asr": {"audio": RECORDING},
}
THINKING = Generation(max_new_tokens=64, min_new_tokens=1, reasoning="default")


def asked(modality, generation=FOUR, number=None):
    """The first request of a task, to the best endpoint for it."""
    can = Abilities(ENDPOINTS[modality][0], frozenset(WISHES), "forced")
    content = content_of(modality, QUERIES[modality])
    return can.request("m", content if number is None else numbered(content, number), generation)


def test_models_are_asked_by_the_words_that_models_loaded_here_are_asked_by():
    from energyscore.measurement.backends.question_answering import ContinuedAnswer
    from energyscore.measurement.backends.text_classification import ContinuedLabel

    assert ENDPOINTS.keys() == QUERIES.keys()
    for modality, backend in (
        ("question_answering", ContinuedAnswer),
        ("text_classification", ContinuedLabel),
    ):
        prompt = backend.prompt.format(**QUERIES[modality])
        assert asked(modality).body["prompt"] == prompt
        assert asked(modality, number=7).body["prompt"] == f"7. {prompt}"
    assert asked("summarization").body["prompt"] == "A day"
    assert prompt_of("text_classification", {"text": "{not} a field"}).startswith("Text: {not}")


def test_answers_are_forced_only_where_the_task_forces_them():
    forced, free = asked("summarization").body, asked("reasoning", THINKING).body
    assert (forced["max_tokens"], forced["min_tokens"], forced["ignore_eos"]) == (4, 4, True)
    assert free["messages"] == [{"role": "user", "content": "1 + 1?"}]
    assert free["max_tokens"] == 64
    assert not {"min_tokens", "ignore_eos"} & free.keys()
    can = Abilities("completions", lengths="forced")
    assert [can.lengths_of(one) for one in (FOUR, THINKING, None)] == ["forced", "actual", "actual"]


def test_two_sentences_and_a_recording_are_one_request_each():
    assert asked("sentence_similarity", number=7).body["input"] == ["7. a", "7. b"]
    request = asked("asr", number=7)
    content, kind = request.content()
    assert kind.startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="recording.ogg"' in content
    assert RECORDING in content
    assert b'name="response_format"\r\n\r\njson' in content
