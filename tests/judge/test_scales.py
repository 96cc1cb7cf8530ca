"""Scales: made from official files, kept, chosen by method and age, and what is out of date."""

import json
from dataclasses import replace
from datetime import date

import pytest
from support.commands import energyscore
from support.results import make_result, make_run, sampled

from energyscore.base.errors import ResultError, UsageError
from energyscore.judge.comparability import cohort_of, conditions_of, differences
from energyscore.judge.comparable import why_official_left_out
from energyscore.judge.departures import departures_from
from energyscore.judge.official import read_published
from energyscore.judge.rating import rate, rate_files
from energyscore.judge.references import (
    Rated,
    as_if_by,
    cautions_on,
    protocol_of,
    reference_for,
    without_method,
)
from energyscore.judge.scale_making import About, made_from, make_scale
from energyscore.judge.scale_shelf import keep
from energyscore.protocol.scales import (
    DEFAULT_SCALE,
    all_scales,
    load_scale,
    newest_scale,
    scales_folder,
)
from energyscore.publish.notes import notes_on
from energyscore.publish.report_json import to_json
from energyscore.publish.results_folder import ResultsFolder
from energyscore.results.names import names_in_view
from energyscore.results.result import result_to_json
from energyscore.results.store import KnownResults

HEADER = "model,total_gpu_energy,energy_score,class"
TODAY = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def about(when="2026-06", **more):
    return About(**{
        **{"name": None, "date": when, "source": "a test", "gpu": "H100 80GB", "protocol": None},
        **more,
    })  # fmt: skip


def written(folder, **tables):
    folder.mkdir(exist_ok=True)
    for task, rows in tables.items():
        (folder / f"{task}.csv").write_text("\n".join(rows) + "\n")
    return folder


def made(tmp_path, when="2026-06", **tables):
    return made_from([written(tmp_path / "official", **tables)], about(when))


def test_a_scale_has_the_extremes_of_each_task_class_and_mode(tmp_path):
    found = made(
        tmp_path,
        reasoning=[
            ",model,total_gpu_energy,energy_score,class,Reasoning State,notes",
            *("0,o/a,9.462,1,a,On,x", "1,o/a,0.01842,5,A,Off,x", "2,o/b,12.791,1,A,on,x"),
            *("3,o/b,0.01835,5,A,off,x", "4,o/c (reasoning: high),8.504,,B,,x"),
            *("5,o/c (low),5.313,,B,,x", "6,o/d [High],2,,b,On (High),x"),
        ],
        asr=["model,total_gpu_energy,energy_score", "o/w,0.001,5", "o/w,0.002,", "o/x,0.003,1"],
    )
    bands = {
        (b.task, b.model_class, b.reasoning): (b.models, *b.range_wh) for b in found.scale.bands
    }
    assert bands == {
        ("asr", None, None): (3, 1.0, 3.0),  # a model that occurs twice counts twice
        ("reasoning", "A", "on"): (2, 9462.0, 12791.0),
        ("reasoning", "A", "off"): (2, 18.35, 18.42),
        ("reasoning", "B", "high"): (2, 2000.0, 8504.0),
    }
    assert found.scale.name == "aienergyscore-2026-06"
    assert found.scale.uncertainty == load_scale(DEFAULT_SCALE).uncertainty
    assert [file.file for file in found.scale.files] == ["asr.csv", "reasoning.csv"]
    said = "\n".join(found.notes)
    assert "reasoning class B (low): no band" in said
    assert "not used: notes" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("o/a,1,1,A,maybe", "line 2: reasoning is 'maybe'"),
        ("o/a (on),1,1,A,off", "line 2: reasoning is 'off', and on in the name"),
    ],
)
def test_a_mode_that_is_none_is_refused(tmp_path, row, said):
    file = tmp_path / "reasoning.csv"
    file.write_text(f"{HEADER},reasoning\n{row}\n")
    with pytest.raises(ResultError, match=said):
        read_published(file, "reasoning", ["A"])


def test_a_name_in_brackets_that_is_no_mode_stays(tmp_path):
    file = tmp_path / "reasoning.csv"
    names = ["o/a (8bit)", "o/a (1)", "o/a (None)"]
    file.write_text("\n".join([HEADER, *(f"{name},1,1,A" for name in names)]))
    rows = read_published(file, "reasoning", ["A"]).rows
    assert [(row.model, row.reasoning) for row in rows] == [(name, None) for name in names]


@pytest.mark.parametrize(
    ("when", "given", "protocol"),
    [("2025-02", None, "v1"), ("2025-12-04", None, "v2"), ("2026-06", "v1", "v1")],
)
def test_the_method_follows_from_the_date_unless_it_is_said(tmp_path, when, given, protocol):
    folder = written(tmp_path / "o", asr=[HEADER, "o/a,1,5,", "o/b,2,1,"])
    assert made_from([folder], about(when, protocol=given)).scale.protocol == protocol


def test_published_stars_that_the_bands_do_not_give_are_counted(tmp_path):
    found = made(tmp_path, asr=[HEADER, "o/a,0.01,5,", "o/b,0.02,1,", "o/c,0.015,5,"])
    assert found.notes == [
        "asr: 1 of 3 published star ratings are not those of its bands, such as o/c"
    ]


def test_of_other_hardware_no_uncertainty_is_known(tmp_path):
    folder = written(tmp_path / "o", asr=[HEADER, "o/a,1,5,", "o/b,2,1,"])
    found = made_from([folder], about(gpu="B200"))
    assert found.scale.uncertainty is None
    assert "what B200 errs by is not known" in found.notes[-1]


def test_what_makes_no_scale_is_refused(tmp_path):
    with pytest.raises(ResultError, match="no task has two rows of unlike energy"):
        made(tmp_path, asr=[HEADER, "o/a,1,5,"])
    with pytest.raises(UsageError, match="--date 'June'"):
        made(tmp_path, when="June", asr=[HEADER, "o/a,1,5,", "o/b,2,1,"])
    table = read_published(tmp_path / "official/asr.csv", "asr")
    with pytest.raises(ResultError, match="both of the task asr"):
        make_scale([table, table], about())


def test_a_scale_is_kept_by_its_name_and_never_over_another(tmp_path):
    scale = made(tmp_path, asr=[HEADER, "o/a,1,5,", "o/b,2,1,"]).scale
    path = keep(scale, replace=False)
    assert path == scales_folder() / "aienergyscore-2026-06.json"
    assert load_scale(scale.name) == load_scale("latest") == newest_scale() == scale
    with pytest.raises(UsageError, match="there is a scale of this name"):
        keep(scale, replace=False)
    assert keep(scale.model_copy(update={"date": "2026-07"}), replace=True) == path
    for name in (DEFAULT_SCALE, "cohort", "latest", "../x", "a/b", "", "x.json"):
        with pytest.raises(UsageError, match="--name"):
            keep(scale.model_copy(update={"name": name}), replace=True)


def test_a_broken_scale_of_ones_own_is_named(tmp_path):
    path = keep(made(tmp_path, asr=[HEADER, "o/a,1,5,", "o/b,2,1,"]).scale, replace=False)
    path.write_text("{")
    with pytest.raises(UsageError, match=str(path)):
        rate([make_result()])


def scale_with(**more):
    scale = load_scale(DEFAULT_SCALE).model_dump(mode="json")
    return json.dumps(scale | {"name": "mine"} | more)


BAND = {"task": "asr", "model_class": None, "models": 2}
BAND |= {"min_wh_per_1k_queries": 1.0, "max_wh_per_1k_queries": 2.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        *((scale_with(date=when), "date") for when in ("2026-02-30", "0000-00", "20260601", "zz")),
        (scale_with(gpu="H100\x1b[2J"), "gpu"),
        (scale_with(bands=[BAND, BAND]), "bands has asr twice"),
        (scale_with(name=DEFAULT_SCALE), "its name is 'aienergyscore-2025-02'"),
        ("[" * 100_000, ""),
        (b"\xff\xfe{", "no text in UTF-8"),
        (b" " * (16 * 2**20 + 1), "is larger than 16 MiB"),
        (None, "cannot be read"),
    ],
)
def test_a_scale_that_is_none_stops_before_anything_is_measured(tmp_path, content, said):
    path = scales_folder() / "mine.json"
    path.parent.mkdir(parents=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=f"{path}.*{said}"):
        ResultsFolder(KnownResults(tmp_path, print))


@pytest.mark.parametrize("name", ["latest", "cohort"])
def test_what_is_asked_for_by_these_names_is_no_file(name):
    path = scales_folder() / f"{name}.json"
    path.parent.mkdir(parents=True)
    path.write_text(scale_with(name=name))
    with pytest.raises(UsageError, match=f"no scale can be called {name}"):
        newest_scale()


def test_a_file_may_not_go_by_the_name_of_the_bundled_scale(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(scale_with(name=DEFAULT_SCALE))
    assert load_scale(str(path)) == load_scale(DEFAULT_SCALE)
    path.write_text(scale_with(name=DEFAULT_SCALE, bands=[BAND]))
    with pytest.raises(UsageError, match="is not the scale of this name"):
        load_scale(str(path))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"when": "9999-12"}, "in the future"),
        ({"when": "2026-W05"}, "--date"),
        ({"when": "2026-02-30"}, "--date"),
        ({"gpu": ""}, "--hardware"),
        ({"gpu": "NVIDIA 80GB"}, "--hardware"),
        ({"gpu": "0"}, "--hardware"),
        ({"gpu": "H100\x1b[2J"}, "--hardware"),
    ],
)
def test_what_no_leaderboard_can_be_of_is_refused(tmp_path, more, said):
    folder = written(tmp_path / "o", asr=[HEADER, "o/a,1,5,", "o/b,2,1,"])
    with pytest.raises(UsageError, match=said):
        made_from([folder], about(**more))


def test_a_scale_is_of_the_method_that_its_files_tell(tmp_path):
    folder = written(tmp_path / "o", reasoning=[HEADER, *TEXTS])
    table = read_published(folder / "reasoning.csv", "reasoning", ["A"])
    by_v2 = replace(table, protocol="v2")
    assert (protocol_of([table], "v1"), protocol_of([by_v2], "v2")) == ("v1", "v2")
    with pytest.raises(UsageError, match="--harness v1"):
        protocol_of([by_v2], "v1")
    assert make_scale([by_v2], about("2025-02")).scale.protocol == "v2"
    for tables, given in (
        ([by_v2], "v1"),
        ([by_v2, replace(table, task="text_generation", protocol="v1")], None),
    ):
        with pytest.raises(UsageError, match="not measured by one method"):
            make_scale(tables, about(protocol=given))


def test_of_one_month_the_later_day_is_newer(tmp_path):
    rows = [HEADER, "o/a,1,5,", "o/b,2,1,"]
    for when, name in (("2026-06-20", "a"), ("2026-06-01", "b")):
        keep(
            made_from([written(tmp_path / "o", asr=rows)], about(when, name=name)).scale,
            replace=False,
        )
    assert newest_scale().name == "a"


TEXTS = ["o/a,0.0005,5,A", "o/b,0.0305,1,A"]


def of_task(result, name):
    task = result.task.model_copy(update={"id": name, "scale_task": name})
    model = result.model.model_copy(update={"model_class": None})
    return result.model_copy(update={"task": task, "model": model})


def test_a_result_is_rated_by_the_newest_reference_that_measured_as_it_was(tmp_path):
    result = make_result(runs=[make_run(n, joules=3600 * 18) for n in range(10)])
    first = rate([result])[0]
    assert (first.scale, first.stars) == (DEFAULT_SCALE, 2)
    keep(made(tmp_path, when="2025-06", text_generation=[HEADER, *TEXTS]).scale, replace=False)
    second = rate([result])[0]
    assert (second.scale, second.stars) == ("aienergyscore-2025-06", 3)
    # What samples is another method: text generation is not rated by it, the other tasks are.
    new = made(
        tmp_path,
        text_generation=[HEADER, *TEXTS],
        asr=[HEADER, "o/a,0.0005,5,", "o/b,0.1,1,"],
    )
    keep(new.scale, replace=False)
    assert rate([result])[0].scale == "aienergyscore-2025-06"
    against = rate([result], "latest")[0]
    assert against.stars is None
    assert "decoding: greedy, lengths forced instead of sampled" in against.reason
    asr = of_task(result, "asr")
    assert reference_for(asr, all_scales()).name == "aienergyscore-2026-06"
    assert "decoding" not in [one.name for one in departures_from(asr, new.scale)]
    # A task that the newest does not have is rated by the older one.
    other = of_task(result, "summarization")
    assert reference_for(other, all_scales()).name == DEFAULT_SCALE


def test_a_class_that_the_newest_has_no_range_for_is_rated_by_the_older_one_and_told(tmp_path):
    """Of class B it has one row, which is no range."""
    rows = [HEADER, *TEXTS, "o/c,0.02,3,B"]
    newer = made(tmp_path, when="2025-06", text_generation=rows).scale
    keep(newer, replace=False)
    result = make_result(runs=[make_run(n, joules=3600 * 18) for n in range(10)])
    model = result.model.model_copy(update={"model_class": "B"})
    rated = rate_files([("x", result.model_copy(update={"model": model}))])
    assert (rated[0].rating.scale, rated[0].rating.stars) == (DEFAULT_SCALE, 5)
    (told,) = [line for line in notes_on(rated) if newer.name in line]
    assert "rates text_generation class B, as aienergyscore-2025-06, which is newer, has" in told
    assert "--scale" not in told, "that one rates it no better"
    (of_a,) = cautions_on([Rated(load_scale(DEFAULT_SCALE), "text_generation", "A")], TODAY)
    assert f"`--scale {newer.name}` rates by it" in of_a


def test_official_files_that_do_not_tell_their_method_are_told(tmp_path, command):
    """In each row, for programs too; what is measured alike by both methods needs no word."""
    written(tmp_path / "o", text_generation=[HEADER, *TEXTS], asr=[HEADER, "o/w,1,5,", "o/x,2,1,"])
    said = "taken for v1 (optimum-benchmark, greedy, lengths forced)"

    def cautions(*more):
        done = command("leaderboard", "o", "--format", "json", *more)
        tables = json.loads(done.stdout)["tables"]
        return {table["task"]: {row["cautions"] for row in table["rows"]} for table in tables}

    (of_texts,) = cautions()["text_generation"]
    assert said in of_texts
    assert cautions()["asr"] == {None}
    assert cautions("--harness", "v1")["text_generation"] == {None}
    assert command("leaderboard", "o").stdout.count(said) == 1
    assert said in command("leaderboard", "o", "--format", "official", "--out", "w").stderr


def test_what_was_measured_by_v2_is_rated_by_what_was_and_by_nothing_else(tmp_path):
    greedy = make_result(runs=[make_run(n, joules=3600 * 18) for n in range(10)])
    result = sampled(greedy)
    (point,) = [one for one in result.conformance if one.name == "generation"]
    assert (point.ok, result.official) == (True, True)
    assert point.required == "0 to 10 tokens, sampled at temperature 0.7, top_p 0.9, top_k 50"
    (before,) = rate([result], DEFAULT_SCALE)
    assert before.stars is None
    assert "decoding: sampled at temperature 0.7, lengths not forced instead of" in before.reason
    new = made(tmp_path, text_generation=[HEADER, *TEXTS]).scale
    assert departures_from(result, new) == ()
    assert [one.name for one in departures_from(greedy, new)] == ["decoding"]
    keep(new, replace=False)
    after = rate([result])[0]
    assert (after.scale, after.stars) == (new.name, 3)


def test_of_drawn_answers_it_is_said_that_energy_goes_by_their_length():
    told = [line for line in notes_of(sampled(make_result(), tokens=7)) if "drawn" in line]
    assert len(told) == 1
    assert "drawn at temperature 0.7, 7.0 tokens each on average" in told[0]
    assert not [line for line in notes_of(make_result()) if "drawn" in line]


@pytest.mark.parametrize("settings", [{"temperature": 0.9}, {"top_p": 1.0}, {"max_new_tokens": 20}])
def test_other_settings_are_not_v2(tmp_path, settings):
    result = sampled(make_result(), **settings)
    new = made(tmp_path, text_generation=[HEADER, *TEXTS]).scale
    assert [one.name for one in departures_from(result, new)] == ["generation"]


def test_drawn_and_greedy_answers_are_of_two_cohorts_and_of_no_comparison():
    greedy, drawn = make_result(), sampled(make_result())
    one, other = cohort_of(greedy), cohort_of(drawn)
    assert [name for name in one if one[name] != other[name]] == [
        "reasoning mode or budget",
        "decoding",
    ]
    assert cohort_of(sampled(make_result(), max_new_tokens=20)) != other
    found = differences(conditions_of(greedy), conditions_of(drawn))
    assert [one.name for one in found] == ["generation"]
    names = names_in_view([greedy, drawn])
    assert [one.setting for one in names] == ["", "sampled at 0.7"]


def test_each_mode_of_reasoning_is_rated_among_its_own(tmp_path):
    scale = made(tmp_path, reasoning=[f"{HEADER},reasoning", *(
        f"o/{n},{kwh},,A,{mode}" for mode, kwhs in (("on", (1, 9)), ("off", (0.1, 0.9)))
        for n, kwh in enumerate(kwhs)
    )]).scale  # fmt: skip
    assert scale.band("reasoning", "A", "on").range_wh == (1000.0, 9000.0)
    assert scale.band("reasoning", "A", "off").range_wh == (100.0, 900.0)
    assert scale.band("reasoning", "A", "high") is None
    assert scale.band("reasoning", "A") is None
    # Where modes are not told apart, one band is for all.
    together = made(tmp_path, reasoning=[HEADER, "o/a,1,,A", "o/b,9,,A"]).scale
    assert together.band("reasoning", "A", "on").range_wh == (1000.0, 9000.0)


def notes_of(result):
    return notes_on(rate_files([("x", result)]))


def test_an_old_result_of_class_c_is_told_that_its_range_is_superseded():
    runs = [make_run(n, joules=3600 * 2000) for n in range(10)]
    of_c = make_result(size="C", runs=runs)
    (caution,) = [line for line in notes_of(of_c) if "superseded" in line]
    assert "for text_generation class C since 2025-12" in caution
    assert "scale update" in caution
    (other,) = [line for line in notes_of(make_result()) if "superseded" in line]
    assert "class C" not in other
    assert any("rows of 2025-02, measured by optimum-benchmark" in line for line in notes_of(of_c))


def test_the_note_is_given_once_for_many_results():
    entries = rate_files([(str(n), make_result(f"org/{n}")) for n in range(3)])
    assert len([line for line in notes_on(entries) if "superseded" in line]) == 1


@pytest.mark.parametrize(("when", "told"), [("2025-11", True), ("2025-12", False), ("x", False)])
def test_a_reference_over_a_year_old_is_told(when, told):
    scale = load_scale(DEFAULT_SCALE).model_copy(update={"date": when, "superseded": []})
    lines = cautions_on([Rated(scale, "asr", None)] * 2, TODAY)
    assert len(lines) == told


def test_a_newer_reference_that_is_at_hand_need_not_be_brought():
    scale = load_scale(DEFAULT_SCALE)
    newer = scale.model_copy(update={"name": "june", "date": "2026-06", "protocol": "v2"})
    keep(newer, replace=False)
    (of_texts,) = cautions_on([Rated(scale, "text_generation", "A")], TODAY)
    assert of_texts.endswith(
        "; june is at hand, but was measured by v2: it rates what `--protocol v2` measured"
    )
    # What writes no text is measured alike by both.
    (of_speech,) = cautions_on([Rated(scale, "asr", None)], date(2027, 1, 1))
    assert of_speech.endswith("; june is at hand: `--scale june` rates by it")


def test_what_only_the_method_keeps_from_a_reference_is_told_with_what_to_do():
    old = make_result(runs=[make_run(n) for n in range(10)])

    def told(result, scale=None):
        lines = notes_on(rate_files([("x", result)], scale))
        return [line for line in lines if line.startswith("not rated by the reference")]

    (alone,) = told(sampled(old))
    assert alone.startswith("not rated by the reference (org/model): decoding: sampled at")
    assert "no reference by v2 is at hand; `energyscore scale update`" in alone
    assert told(old) == []
    bundled = load_scale(DEFAULT_SCALE)
    newer = bundled.model_copy(update={"name": "june", "date": "2026-06", "protocol": "v2"})
    keep(newer, replace=False)
    assert told(sampled(old)) == []
    (by_newer,) = told(old, "june")
    assert by_newer.endswith(
        f"{DEFAULT_SCALE} was measured by v1 too: `--scale {DEFAULT_SCALE}` rates by it."
    )


def test_the_bands_of_one_method_are_not_those_of_the_other():
    bundled = load_scale(DEFAULT_SCALE)
    newer = as_if_by(bundled, "v2")
    assert newer.band("text_generation", "A") is None
    assert newer.band("asr", None) == bundled.band("asr", None)
    assert as_if_by(bundled, "v1") == bundled


def test_json_says_which_release_and_method_the_stars_stand_on():
    (entry,) = json.loads(to_json(rate_files([("x", make_result())])))["results"]
    reference = entry["rating"]["reference"]
    assert (reference["date"], reference["protocol"]) == ("2025-02", "v1")
    assert reference["decoding"] == "greedy, lengths forced"
    assert reference["superseded"][0]["since"] == "2025-12"


def test_official_rows_are_of_the_method_of_the_scale_that_was_made_from_their_file(tmp_path):
    old = written(tmp_path / "old", text_generation=[HEADER, *TEXTS])
    new = written(tmp_path / "new", text_generation=[HEADER, *TEXTS, "o/c,0.01,4,A"])
    tables = {
        folder.name: read_published(folder / "text_generation.csv", "text_generation", ["A"])
        for folder in (old, new)
    }
    assert protocol_of(tables.values()) == "v1"
    assert without_method(tables.values()) == [one.file for one in tables.values()]
    assert without_method(tables.values(), "v1") == []
    keep(made_from([new], about()).scale, replace=False)
    assert protocol_of([tables["new"]]) == "v2"
    assert protocol_of([tables["old"]]) == "v1"
    with pytest.raises(UsageError, match=r"old.*does not tell by which method"):
        protocol_of(tables.values())
    keep(made_from([old], about("2025-02", name="old")).scale, replace=False)
    with pytest.raises(UsageError, match="by two methods"):
        protocol_of(tables.values())
    assert without_method(tables.values()) == []
    # Rows of one method have no stars by the bands of the other.
    asked = ("text_generation", "A", None)
    by_v1, by_v2 = load_scale("old"), load_scale("aienergyscore-2026-06")
    assert "decoding" in str(why_official_left_out(by_v1, by_v2, *asked))
    assert why_official_left_out(by_v2, by_v2, *asked) is None
    keep(made_from([new], about("2025-02", name="again")).scale, replace=False)
    with pytest.raises(UsageError, match="by two methods"):
        protocol_of([tables["new"]])
    (scales_folder() / "again.json").unlink()
    result = tmp_path / "result.json"
    result.write_text(result_to_json(make_result()))
    asked = ("leaderboard", new / "text_generation.csv", result, "--format", "json")
    env = {"XDG_DATA_HOME": str(tmp_path / "data")}
    for more, points in (((), 1), (("--harness", "v1"), 0)):
        done = energyscore(*asked, *more, env=env)
        assert done.stdout.count("decoding: greedy") == points, done.stdout


def ranges(scale):
    return {(one.task, one.model_class, one.reasoning): one.range_wh for one in scale.bands}


def test_a_set_by_v2_goes_through_import_rating_leaderboard_and_export(tmp_path, command):
    """Three tasks, modes, a model twice, odd columns, a summary, and results measured by both."""
    written(
        tmp_path / "official",
        text_generation=[
            ",model,total_gpu_energy,energy_score,class,notes",
            *("0,o/a,0.0005,5,A,x", "1,o/b,0.0305,1,a,x", "2,o/b,0.0205,,A,x"),
        ],
        reasoning=[
            f"{HEADER},Reasoning State",
            *("o/a,9.4,1,A,On", "o/a,0.018,5,A,Off (N/A)", "o/b,1.2,5,A,On", "o/b,0.1,1,A,off"),
            "o/c (high),8.5,,A,",
        ],
        asr=["model,total_gpu_energy,energy_score", "o/w,0.001,5", "o/x,0.003,1"],
    )
    when = ("--date", "2026-06", "--name", "june")
    done = command("scale", "import", "official", *when)
    assert done.status == 0, done.stderr
    # Rated: what was drawn by its ranges, what was greedy by those of before.
    runs = [make_run(n, joules=3600 * 18) for n in range(10)]
    for name, result in (("drawn", sampled(make_result("o/new", runs, identity="1" * 64))),
                         ("greedy", make_result("o/old", runs))):  # fmt: skip
        (tmp_path / f"{name}.json").write_text(result_to_json(result))
    done = command("rate", "drawn.json", "greedy.json", "--format", "json")
    assert done.status == 0, done.stderr
    ratings = {
        one["result"]["model"]["id"]: one["rating"] for one in json.loads(done.stdout)["results"]
    }
    assert {name: (one["scale"], one["stars"]) for name, one in ratings.items()} == {
        "o/new": ("june", 3),
        "o/old": (DEFAULT_SCALE, 2),
    }
    # Ranked among the rows, with a run of the official harness, and without what is greedy.
    run = tmp_path / "run"
    run.mkdir()
    said = {"units": "Wh", "total": 50.0, "format": "ai_energy_benchmarks", "decode_wh": 50.0}
    of = {"model": "o/s", "task": "reasoning", "class": "A", "reasoning": "off", "queries": 1000}
    (run / "GPU_ENERGY_SUMMARY.json").write_text(json.dumps(said | of))
    there = ("official", "run", "drawn.json", "greedy.json")
    done = command("leaderboard", *there, "--format", "json")
    assert "1 summary of runs by ai_energy_benchmarks: totals, without phases." in done.stderr
    assert "1 summary without hardware: ranked as if measured on H100 80GB." in done.stderr
    rows = [
        (table["task"], table["reasoning"], row["model"], row["stars"])
        for table in json.loads(done.stdout)["tables"]
        for row in table["rows"]
        if row["status"] == "ranked"
    ]
    assert ("text_generation", None, "o/new", 3) in rows
    assert not [row for row in rows if row[2] == "o/old"]
    off = {row[2]: row[3] for row in rows if row[:2] == ("reasoning", "off")}
    assert off == {"o/a": 5, "o/s": 4, "o/b": 1}
    # Written in the official form, and read again to the same ranges.
    done = command("leaderboard", *there, "--format", "official", "--out", "written")
    assert done.status == 0, done.stderr
    assert "o/s,0.05,4,A,off" in (tmp_path / "written/reasoning.csv").read_text()
    again = made_from([tmp_path / "written"], about())
    assert ranges(again.scale) == ranges(load_scale("june"))


def test_a_broken_scale_does_not_stop_what_did_not_ask_for_it(tmp_path):
    path = keep(made(tmp_path, asr=[HEADER, "o/a,0.001,5,", "o/b,0.002,1,"]).scale, replace=False)
    path.write_text("{")
    rated = rate_files([("x", make_result())], DEFAULT_SCALE)
    assert any("superseded" in line for line in notes_on(rated))
