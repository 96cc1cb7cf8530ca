"""What is wrong in a file is said in plain words, and names the place."""

import json
import re

import pytest
from pydantic import ValidationError
from support.results import make_result

from energyscore.base.errors import (
    EnergyScoreError,
    MeterError,
    ResultError,
    describe_crash,
    first_problem,
    sentence,
)
from energyscore.base.libraries import library_errors, named, said_by
from energyscore.base.text import terminal_lines, terminal_text, without_passwords
from energyscore.cli.doctor import _told
from energyscore.measurement.doctor import Diagnosis
from energyscore.protocol.scales import Scale
from energyscore.results.result import Result, parse_result, result_to_json

PYDANTIC = re.compile(
    r"Input should|Extra inputs|Field required|Value error|valid (string|integer)"
)


def complaint(place, value, *, remove=False):
    """What is said of a result with another value at a place; of one without it."""
    content = json.loads(result_to_json(make_result()))
    part = content
    *path, last = place
    for name in path:
        part = part[name]
    if remove:
        del part[last]
    else:
        part[last] = value
    with pytest.raises(ResultError) as caught:
        parse_result(json.dumps(content), "x.json")
    assert not PYDANTIC.search(caught.value.message)
    return caught.value.message


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("score", "stars"), 5, "score.stars: no such key is known."),
        (("created_at",), 5, "created_at: it must be text (got 5)."),
        (("score", "runs"), "ten", "score.runs: it must be a whole number (got 'ten')."),
        (("score", "runs"), 1.5, "score.runs: it must be a whole number (got 1.5)."),
        (("official",), "perhaps", "official: it must be true or false (got 'perhaps')."),
        (("runs",), {}, "runs: it must be a list (got a mapping)."),
        (("runs",), [], "runs: it must be at least 1 long (got a list)."),
        (("task",), [1], "task: it must be a mapping (got a list)."),
        (("runs", 0, "queries"), 0, "runs.0.queries: it must be above 0 (got 0)."),
        (("runs", 3, "index"), -1, "runs.3.index: it must be at least 0 (got -1)."),
        (
            ("protocol", "device"),
            "cudda",
            "protocol.device: it must be 'cpu' or 'cuda' (got 'cudda'; did you mean 'cuda'?).",
        ),
        (("protocol", "device"), "x", "protocol.device: it must be 'cpu' or 'cuda' (got 'x')."),
        (("score", "runs"), 3, "score.runs is 3, but there are 10 runs."),
    ],
)
def test_a_wrong_field_is_told_in_plain_words(place, value, said):
    assert complaint(place, value) == f"x.json: {said}"


def test_a_field_that_is_missing_is_named():
    assert complaint(("model", "dtype"), None, remove=True) == "x.json: model.dtype: it is missing."


def test_a_value_without_end_is_cut():
    assert len(complaint(("official",), "x" * 10_000)) < 150


def test_what_is_no_json_at_all_is_said_without_a_place():
    with pytest.raises(ValidationError) as caught:
        Scale.model_validate_json("{")
    assert first_problem(caught.value).startswith("it is not valid JSON: EOF")


def test_no_common_kind_is_told_in_the_words_of_the_library():
    """All kinds that a result's fields can bring forth, by a value of each type in each field."""
    content = json.loads(result_to_json(make_result()))
    for part, place in [(content, ()), *((content[n], (n,)) for n in content)]:
        if isinstance(part, dict):
            for name in part:
                for value in ("x", -1.5, [], {}, True, 10**30):
                    changed = json.loads(json.dumps(content))
                    (changed[place[0]] if place else changed)[name] = value
                    try:
                        Result.model_validate(changed)
                    except ValidationError as error:
                        assert not PYDANTIC.search(first_problem(error)), error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("rate . --formt csv", "No such option: --formt"),
        ("rate . --scale", "'--scale' requires an argument. See `energyscore rate --help`."),
        ("rate . --format cvs", "(did you mean 'csv'?). See `energyscore rate --help`."),
        (
            "rate . --pue x",
            "'--pue': it must be a number (got 'x'). See `energyscore rate --help`.",
        ),
        ("gate x --min-stars 9", "it must be at most 5 (got '9'). See `energyscore gate --help`."),
        ("baseline save --al", "See `energyscore baseline save --help`."),
        ("baseline", "error: A command is missing. See `energyscore baseline --help`."),
        ("rat .", "See `energyscore --help`."),
    ],
)
def test_a_wrong_command_line_names_the_help_of_its_command(command, arguments, said):
    done = command(*arguments.split())
    assert done.status == 2
    assert said in done.error
    assert not PYDANTIC.search(done.error)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("NVML does not start: Driver Not Loaded..", "NVML does not start: Driver Not Loaded."),
        ("It fails: x.. Try again", "It fails: x. Try again"),
        ("Wait ...", "Wait ..."),
        ("a list, and so on...", "a list, and so on..."),
        ("the folder .. holds none", "the folder .. holds none"),
        ("the folder a/.. holds none", "the folder a/.. holds none"),
    ],
)
def test_a_message_that_cites_a_sentence_has_one_stop(message, said):
    assert MeterError(message).message == said


def test_a_sentence_ends_once():
    assert [sentence(text) for text in ("It is", "It is.", "Is it?", "It ...")] == [
        "It is.",
        "It is.",
        "Is it?",
        "It ...",
    ]


@pytest.mark.parametrize("detail", ["NVML does not start.", "NVML does not start"])
def test_what_doctor_found_and_its_remedy_are_two_sentences(detail):
    finding = Diagnosis("NVML", "missing", detail, "Install the driver.")
    assert _told(finding) == "NVML does not start. Install the driver."
    assert _told(Diagnosis("hub", "ok", "it can be reached")) == "it can be reached"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Asking https://me:se/cr@et@hub.org/a ...", "Asking https://***@hub.org/a ..."),
        ("Asking https://secret@hub.org ...", "Asking https://***@hub.org ..."),
        (
            "proxy http://me:secret@p:8080, https://x:secret@q",
            "proxy http://***@p:8080, https://***@q",
        ),
        ("https://hub.org/org/model@main", "https://hub.org/org/model@main"),
        ("mail me@hub.org", "mail me@hub.org"),
    ],
)
def test_passwords_in_addresses_are_not_told(text, shown, monkeypatch, capsys):
    error = EnergyScoreError(text, "")
    assert (str(error), error.message, error.args) == (shown, shown, (shown,))
    assert terminal_text(text) == terminal_lines(text) == shown
    monkeypatch.setenv("ENERGYSCORE_TRACEBACK", "1")
    assert shown in describe_crash(ValueError(text))
    assert shown in capsys.readouterr().err


class PanicException(BaseException):
    """As pyo3 raises where a library in Rust panics."""


class NoClassThatIsKnown(Exception):
    pass


@pytest.mark.parametrize("error", [PanicException("no"), NoClassThatIsKnown("no"), OverflowError()])
def test_whatever_a_library_raises_is_an_error_of_ours(error):
    with pytest.raises(ResultError, match="told") as caught, library_errors(_told_so):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_the_end_of_the_program_is_no_error(error):
    with pytest.raises(type(error)), library_errors(_told_so):
        raise error


def _told_so(error):
    return ResultError("told")


def test_an_error_of_ours_goes_through_and_what_is_not_explained_too():
    with pytest.raises(MeterError, match="mine"), library_errors(_told_so):
        raise MeterError("mine")
    with pytest.raises(MemoryError), library_errors(lambda error: None):
        raise MemoryError


def test_all_lines_of_an_error_are_said_and_bare_names_with_their_class():
    text = "Validation error for field 'n':\n    TypeError: expected int, got 'two'.\n"
    assert said_by(ValueError(text)) == (
        "Validation error for field 'n': TypeError: expected int, got 'two'"
    )
    assert named(ValueError("it is wrong")) == "ValueError: it is wrong"
    for say in (said_by, named):
        assert say(KeyError("text")) == "KeyError: 'text'"
        assert say(OverflowError()) == "OverflowError"
    long = said_by(ValueError("word " * 500))
    assert long.endswith(" word [...]")
    assert len(long) <= 306


def test_tokens_in_links_are_not_shown():
    link = "403 for url: https://cdn.example/w?X-Amz-Signature=ab12&part=3&token=hf_x'"
    hidden = "403 for url: https://cdn.example/w?X-Amz-Signature=***&part=3&token=***'"
    assert without_passwords(link) == hidden
    assert without_passwords("Authorization: Bearer sk-12345678 a") == "Authorization: Bearer *** a"
    assert without_passwords("?keys=1 monkey=2 a&tokens=3") == "?keys=*** monkey=2 a&tokens=***"
