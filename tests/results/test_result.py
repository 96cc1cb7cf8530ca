import json
from importlib import resources

import jsonschema
import pytest
from support.results import make_cpu_run, make_result, make_run, make_server_result

from energyscore.base.errors import ResultError
from energyscore.results.parts import Notice, PhasePart, SecondSource
from energyscore.results.result import (
    SCHEMA_VERSION,
    _read_as_written,
    json_schema,
    parse_result,
    result_to_json,
)

WHERE = "results/x.json"


def full_result():
    """A result in which everything that may be there is."""
    domain = "gpu:GPU-0"
    run = make_run(
        joules=0.1 + 0.2,
        phases={
            "prefill": PhasePart(
                duration_s=1 / 3,
                energy_j={domain: 0.1, "cpu": None},
                se_j={domain: 1e-3, "cpu": None},
            ),
            "decode": PhasePart(
                duration_s=0.0,
                energy_j={domain: 0.2, "cpu": None},
                se_j={domain: 1e-3, "cpu": None},
            ),
        },
        energy_j={domain: 0.1 + 0.2, "cpu": None},
        methods={domain: "counter", "cpu": None},
        reasons={"cpu": "the RAPL counter did not move"},
        facts={domain: {"an_int": 2**53 + 1, "a_float": 5.0, "text": "ü \u2028", "none": None}},
        second_source=SecondSource(name="codecarbon", gpu_energy_j=None, reason="none read"),
        notices=[Notice(code="power_cap", message="it ran into its limit", invalidates=False)],
    )
    return make_result(runs=[run, run.model_copy(update={"index": 1})])


def test_the_published_schema_is_the_models_own():
    published = resources.files("energyscore.results") / "schemas" / f"result-{SCHEMA_VERSION}.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize(
    "result",
    [make_result(), full_result(), make_result(runs=[make_cpu_run()], gpu=None)],
    ids=["official", "full", "cpu"],
)
def test_results_fit_the_schema_and_survive_the_file(result):
    text = result_to_json(result)
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(text))
    back = parse_result(text, WHERE)
    assert back == result
    assert result_to_json(back) == text
    assert parse_result(text.encode(), WHERE) == result
    assert text.endswith("}\n")


def test_whole_numbers_and_fractions_stay_what_they_are():
    facts = parse_result(result_to_json(full_result()), WHERE).runs[0].facts["gpu:GPU-0"]
    assert {name: type(value) for name, value in facts.items()} == {
        "an_int": int,
        "a_float": float,
        "text": str,
        "none": type(None),
    }
    assert facts["an_int"] == 2**53 + 1


def changed(*path, to):
    """The text of a result in which the value at a path is another; with `...` it is gone."""
    content = json.loads(result_to_json(make_result(runs=[make_run()])))
    place = content
    for step in path[:-1]:
        place = place[step]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("joules", "is not valid JSON"),
        (b"\xff\xfe\xfd", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        (b'{"a":' * 100_000, "is not valid JSON"),
        (changed("runs", 0, "duration_s", to=float("nan")), "NaN is not a JSON number"),
        (changed("runs", 0, "duration_s", to=float("inf")), "Infinity is not a JSON number"),
        (changed("score", "std", to=float("-inf")), "-Infinity is not a JSON number"),
        (changed("runs", 0, "duration_s", to=777).replace("777", "1e999"), "runs.0.duration_s"),
        ("[]", "it has no schema_version"),
        ("{}", "it has no schema_version"),
        (changed("schema_version", to=...), "it has no schema_version"),
        (changed("schema_version", to=True), "it has no schema_version"),
        (changed("schema_version", to="1"), "it has no schema_version"),
        (changed("schema_version", to=1.0), "it has no schema_version"),
        (changed("schema_version", to=0), "schema_version: "),
        (changed("schema_version", to=3), "schema version 3"),
        (changed("runs", 0, "duration_s", to="long"), "runs.0.duration_s: "),
        (changed("runs", 0, "duration_s", to=-1), "runs.0.duration_s: "),
        (changed("runs", 0, "duration_s", to=0), "runs.0.duration_s: "),
        (changed("runs", 0, "queries", to=0), "runs.0.queries: "),
        (changed("runs", 0, "methods", "gpu:GPU-0", to="guess"), "runs.0.methods.gpu:GPU-0: "),
        (changed("runs", 0, "phases", "forward", "duration_s", to=-1), "runs.0.phases.forward"),
        (changed("runs", to=[]), "runs: "),
        (changed("runs", to=...), "runs: "),
        (changed("model", "colour", to="red"), "model.colour: "),
        (changed("colour", to="red"), "colour: "),
        (changed("score", "std", to=-1), "score.std: "),
        (changed("score", "system_std", to=-1), "score.system_std: "),
        (changed("environment", "gpus", 0, "name", to=None), "environment.gpus.0.name: "),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_says_where(text, said):
    with pytest.raises(ResultError) as caught:
        parse_result(text, WHERE)
    message = str(caught.value)
    assert message.startswith(f"{WHERE}")
    assert said in message
    assert "\n" not in message


def test_a_result_begins_with_its_kind_and_schema():
    assert list(json.loads(result_to_json(make_result())))[:2] == ["kind", "schema_version"]
    with pytest.raises(ResultError, match="its kind is 'baseline'"):
        parse_result(changed("kind", to="baseline"), WHERE)


def test_a_newer_file_says_how_to_upgrade():
    with pytest.raises(ResultError) as caught:
        parse_result(changed("schema_version", to=3), WHERE)
    assert "pip install -U energyscore" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        changed("runs", 0, "duration_s", to=-1),
        changed("model", "colour", to="red"),
        changed("runs", to=[]),
        changed("schema_version", to=3),
    ],
)
def test_the_schema_refuses_what_we_refuse(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(text), json_schema())


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + changed("score", "std", to=1.0).encode(),
        changed("model", "id", to="SURROGATE").replace("SURROGATE", "\\ud800"),
    ],
    ids=["byte order mark", "lone surrogate"],
)
def test_what_only_the_second_parser_refuses_is_said_as_clearly(text):
    with pytest.raises(ResultError) as caught:
        parse_result(text, WHERE)
    assert ": :" not in str(caught.value)


@pytest.mark.parametrize(
    "time", ["", "zzzz", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T02:00:00+02:00"]
)
def test_times_are_utc_and_of_one_form_so_that_the_newest_is_the_last(time):
    text = result_to_json(make_result()).replace("2026-01-01T00:00:00Z", time, 1)
    with pytest.raises(ResultError, match=r"x\.json: created_at: .*2026-01-31T12:00:00Z"):
        parse_result(text, "x.json")


def test_a_file_of_an_older_version_is_known_as_written_by_it():
    """Fields that came later are not in it; with a key twice it takes a closer look."""
    text = result_to_json(make_result())
    older = text.replace('  "request": null,\n', "")
    assert older != text
    assert _read_as_written(older) == parse_result(text, "it")
    for one in (text, older):
        twice = one.replace('  "identity": ', '  "identity": "other",\n  "identity": ', 1)
        assert _read_as_written(twice) is None
        with pytest.raises(ResultError, match="duplicate key 'identity'"):
            parse_result(twice, "it")
    with pytest.raises(ResultError, match="it has no schema_version"):
        parse_result(text.replace('  "schema_version": 2,\n', ""), "it")


@pytest.mark.parametrize(
    "change",
    [
        {"load": None},
        {"model": {"source": "local"}},
        {"model": {"parameters": 7}},
        {"model": {"dtype": "float16"}},
        {"task": {"id": "custom"}},
    ],
    ids=str,
)
def test_only_a_server_has_a_load_and_a_model_that_is_not_known(change):
    content = make_server_result().model_dump(mode="json")
    assert parse_result(json.dumps(content), "file").of_server
    for name, changed in change.items():
        content[name] = changed and content[name] | changed
    with pytest.raises(ResultError, match=r"model\.source is"):
        parse_result(json.dumps(content), "file")
