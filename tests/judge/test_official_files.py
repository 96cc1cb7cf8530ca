"""Reading official leaderboard files: what is read, and what is refused in one line."""

import json

import pytest

from energyscore.base.errors import ResultError
from energyscore.judge import official
from energyscore.judge.leaderboard_sources import task_name, task_of
from energyscore.judge.official import kind_of_csv, read_published
from energyscore.judge.official_summary import IncompleteError, read_summary

HEADER = "model,total_gpu_energy,energy_score"
SIZES = ("A", "B", "C")


def read(tmp_path, content, classes=()):
    path = tmp_path / "asr.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_published(path, "asr", classes)


def rows_of(table):
    return [(row.model, row.energy_kwh, row.stars, row.model_class, row.line) for row in table.rows]


def test_a_file_is_read_as_it_is_published(tmp_path):
    table = read(tmp_path, f"{HEADER}\r\norg/a,0.019010862,2\r\norg/b,5.54E-05,5")
    assert rows_of(table) == [("org/a", 0.019010862, 2, "", 2), ("org/b", 5.54e-05, 5, "", 3)]
    assert [row.energy_wh for row in table.rows] == [19.010862, 0.0554]
    assert table.unused == ()


def test_what_real_files_also_have_is_read_too(tmp_path):
    content = (
        "\ufeff,Model, total_gpu_energy ,energy_score,class\n"
        '0,"org/a, large", 1.5 ,4.0,a\n'
        "\n"
        "1,org/ü,.25,1, B \n"
    )
    assert rows_of(read(tmp_path, content, SIZES)) == [
        ("org/a, large", 1.5, 4, "A", 2),
        ("org/ü", 0.25, 1, "B", 4),
    ]
    pandas_made = "Unnamed: 0,model,total_gpu_energy,energy_score\n0,org/a,1,1\n"
    assert rows_of(read(tmp_path, pandas_made)) == [("org/a", 1.0, 1, "", 2)]


def test_watt_hours_are_the_decimal_figure_times_a_thousand(tmp_path):
    figures = ["0.001313333", "0.1", "3.3e-7", "123.456E+2", "0.30000000000000004", "7"]
    lines = "\n".join(f"org/{place},{figure},5" for place, figure in enumerate(figures))
    table = read(tmp_path, f"{HEADER}\n{lines}\n")
    expected = [1.313333, 100.0, 3.3e-4, 12345600.0, 300.00000000000004, 7000.0]
    assert [row.energy_wh for row in table.rows] == expected


def test_a_class_column_without_a_class_in_it_is_none(tmp_path):
    table = read(tmp_path, f"{HEADER},class\norg/a,1,1,\norg/b,2,1,\n")
    assert {row.model_class for row in table.rows} == {""}


def test_columns_that_are_not_used_are_named(tmp_path):
    table = read(tmp_path, f"{HEADER},parameters,Date\norg/a,1,1,7,today\n")
    assert table.unused == ("parameters", "date")


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("", 1, "there is no header"),
        (HEADER, 1, "no model comes after the header"),
        (f"{HEADER}\norg/a,1,5\norg/b,-0.1,5", 3, "total_gpu_energy is '-0.1': no model takes"),
        (f"{HEADER}\norg/a,0,5", 2, "total_gpu_energy is '0': no model takes"),
        (f"{HEADER}\norg/a,1e-400,5", 2, "no model takes"),
        (f"{HEADER}\norg/a,1e400,5", 2, "no model takes"),
        (f"{HEADER}\norg/a,1e12,5", 2, "no model takes"),
        (f"{HEADER}\norg/a,nan,5", 2, "total_gpu_energy is 'nan', not a number"),
        (f"{HEADER}\norg/a,inf,5", 2, "not a number"),
        (f"{HEADER}\norg/a,1_0,5", 2, "not a number"),
        (f"{HEADER}\norg/a,1-0,5", 2, "not a number"),
        (f"{HEADER}\norg/a,\u0661,5", 2, "not a number"),
        (f"{HEADER}\norg/a,1 kWh,5", 2, "not a number"),
        (f"{HEADER}\norg/a,,5", 2, "total_gpu_energy is empty"),
        (f"{HEADER}\norg/a,1,5\n\n\norg/b, ,5", 5, "total_gpu_energy is empty"),
        (f"{HEADER}\n,1,5", 2, "model is empty"),
        (f"{HEADER}\norg/\x1b[2Ja,1,5", 2, "cannot show"),
        (f"{HEADER}\norg/a,1,6", 2, "energy_score is '6'"),
        (f"{HEADER}\norg/a,1,0", 2, "energy_score is '0'"),
        (f"{HEADER}\norg/a,1,4.5", 2, "energy_score is '4.5'"),
        (f"{HEADER}\norg/a,1,five", 2, "energy_score is 'five'"),
        (f"{HEADER}\norg/a,1,5\norg/b,1", 3, "it has 2 fields, the header has 3"),
        (f"{HEADER}\norg/a,0,25,5", 2, "it has 4 fields, the header has 3"),
        (f"{HEADER},class\norg/a,1,5,large", 2, "class is 'large'. Give A or B or C"),
        (f"{HEADER},class\norg/a,1,5,A\norg/b,1,5,", 3, "class is empty"),
        ("model,energy_score\norg/a,5", 1, "no column total_gpu_energy"),
        ("org/a,1,5\norg/b,2,5", 1, "no column model and no column total_gpu_energy and no"),
        ("model;total_gpu_energy;energy_score\na;1;5", 1, "Separate them by commas"),
        ("model,total_gpu_enrgy,energy_score\na,1,5", 1, "Did you mean 'total_gpu_energy'?"),
        (f"{HEADER},clas\na,1,5,A", 1, "unknown column 'clas'. Did you mean 'class'?"),
        (f"{HEADER},model\na,1,5,A", 1, "the column model occurs twice"),
        (f'{HEADER}\n"org/a,1,5\norg/b,1,5', 3, "it is not CSV: unexpected end of data"),
        (f'{HEADER}\norg/a,1,5\n"org/\nb",1,5', 3, "a field goes on in the next line"),
        (f"{HEADER}\n{'a' * 1001},1,5", 2, "model has 1001 characters"),
        (f"{HEADER}\norg/a,1,5\norg/é,1,5\n".encode("latin-1"), 3, "it is not UTF-8 text"),
        (f"{HEADER}\norg/a,1,5\n".encode("utf-16"), 1, "UTF-16 or binary"),
        (f"{HEADER}\norg/a,1,5\n".encode("utf-16-le"), 1, "UTF-16 or binary"),
        (f"csv_version,{HEADER}\n1,a,1,5", 1, "a CSV of energyscore's own"),
        (f"leaderboard_version,{HEADER}\n1,a,1,5", 1, "`--format official` writes files"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, content, line, said):
    with pytest.raises(ResultError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert said in message
    assert f"asr.csv, line {line}: " in message
    assert "\n" not in message


def test_the_line_is_right_far_into_a_file(tmp_path):
    lines = [f"org/{place},1,5" for place in range(5000)]
    lines[4321] = "org/x,1"
    with pytest.raises(ResultError, match="line 4323: it has 2 fields"):
        read(tmp_path, "\n".join([HEADER, *lines]))
    lines[4321] = "org/x,-1,5"
    with pytest.raises(ResultError, match=r"line 4323: total_gpu_energy is '-1'"):
        read(tmp_path, "\n".join([HEADER, *lines]))


def test_a_task_with_size_classes_needs_them(tmp_path):
    with pytest.raises(ResultError, match=r"line 1: no column class.*rated by size class"):
        read(tmp_path, f"{HEADER}\norg/a,1,5", SIZES)


def test_a_file_far_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(official, "MAX_BYTES", 10)
    with pytest.raises(ResultError, match=r"asr\.csv, line 1: the file is larger than 0 MiB"):
        read(tmp_path, f"{HEADER}\norg/a,1,5")


@pytest.mark.parametrize(
    ("name", "task"),
    [("asr", "asr"), ("ASR", "asr"), ("text-generation", "text_generation")],
)
def test_the_task_is_the_files_name(tmp_path, name, task):
    known = ["asr", "text_generation"]
    assert task_of(tmp_path / f"{name}.csv", known) == task
    assert task_of(tmp_path / f"{name}.csv", known, given="other") == task
    assert task_of(tmp_path / "anything.csv", known, given=task) == task
    assert task_name(name) == task


def test_a_name_that_is_no_task_is_told_what_it_may_mean(tmp_path):
    with pytest.raises(ResultError) as caught:
        task_of(tmp_path / "text_generaton (1).csv", ["asr", "text_generation"])
    assert "Did you mean 'text_generation'? Rename the file, or name the task with --task." in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (f"{HEADER}\n", "official"),
        ('\ufeff,"Energy_Score", MODEL ,TOTAL_GPU_ENERGY,class\r\n', "official"),
        ("model,total_gpu_energy\n", "other"),
        (f"csv_version,{HEADER}", "ours"),
        (f"leaderboard_version,{HEADER}", "ours"),
        ("a,b\n", "other"),
        ("", "other"),
    ],
)
def test_in_a_folder_only_official_files_are_taken_for_one(tmp_path, head, kind):
    path = tmp_path / "x.csv"
    path.write_text(head, encoding="utf-8")
    assert kind_of_csv(path) == kind


def test_a_newcomer_has_no_stars_yet(tmp_path):
    table = read(tmp_path, f"{HEADER}\norg/a,1,5\norg/b,2,\norg/c,3, \n")
    assert [row.stars for row in table.rows] == [5, None, None]


def test_blank_lines_may_come_before_the_header(tmp_path):
    table = read(tmp_path, f"\n  \n{HEADER}\norg/a,1,5\n")
    assert rows_of(table) == [("org/a", 1.0, 5, "", 4)]
    assert kind_of_csv(tmp_path / "asr.csv") == "official"
    with pytest.raises(ResultError, match="line 3: no column energy_score"):
        read(tmp_path, "\n\nmodel,total_gpu_energy\norg/a,1\n")


@pytest.mark.parametrize("text", ["3", "3.0", "3.00", " 3.000 "])
def test_stars_may_have_any_number_of_zeros(tmp_path, text):
    assert rows_of(read(tmp_path, f"{HEADER}\no/a,1,{text}\n"))[0][2] == 3


@pytest.mark.parametrize("text", ["3.01", "3.", "6.00", "0.0", "٣.0"])
def test_other_numbers_are_no_stars(tmp_path, text):
    with pytest.raises(ResultError, match="line 2: energy_score is"):
        read(tmp_path, f"{HEADER}\no/a,1,{text}\n")


KNOWN = {"text_generation": ["A", "B", "C"], "reasoning": ["A", "B", "C"], "asr": []}
TOTAL = {"units": "Wh", "total": 24.5, "format": "ai_energy_benchmarks"}
BOOKED = {"preprocess_wh": 0.0, "prefill_wh": 0.0, "decode_wh": 24.5}
OF = {"model": "org/a", "task": "reasoning", "class": "a", "reasoning": "On (High)", "queries": 500}
REPORT = {
    "config": {"name": "x", "backend": "pytorch", "model": "org/r", "num_samples": 250},
    "summary": {"total_prompts": 250, "successful_prompts": 250, "failed_prompts": 0},
    "energy": {"gpu_energy_wh": 24.5},
}


def summary(tmp_path, said=None, *, report=None, total=None):
    path = tmp_path / "GPU_ENERGY_SUMMARY.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said or TOTAL | BOOKED | OF))
    if report is not None:
        (tmp_path / "benchmark_report.json").write_text(json.dumps(report))
    if total is not None:
        (tmp_path / "GPU_ENERGY_WH.txt").write_text(total)
    return path


def test_a_summary_of_the_newer_harness_is_one_row(tmp_path):
    table = read_summary(summary(tmp_path, total="24.50\n"), KNOWN)
    (row,) = table.rows
    assert (table.task, table.protocol) == ("reasoning", "v2")
    assert (row.model, row.model_class, row.reasoning) == ("org/a", "A", "high")
    assert (row.energy_wh, row.energy_kwh, row.stars) == (49.0, 0.049, None)


def test_what_a_summary_does_not_say_stands_in_the_report_beside_it(tmp_path):
    said = summary(tmp_path, TOTAL | BOOKED | {"class": "C"}, report=REPORT)
    (row,) = read_summary(said, KNOWN, "text_generation").rows
    assert (row.model, row.energy_wh, row.model_class) == ("org/r", 98.0, "C")
    # Of the older harness the report has none of it, and the summary has phases.
    older = {"units": "Wh", "total": 3.0, "preprocess_wh": 0.5, "prefill_wh": 1.5, "decode_wh": 1.0}
    named = {"model": "org/o", "task": "asr", "queries": 1000}
    table = read_summary(summary(tmp_path, older | named, report={"prefill": {}}), KNOWN)
    assert (table.protocol, table.rows[0].energy_wh) == ("v1", 3.0)


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("model", 'does not say its model. Add "model" to it, or put the harness\'s'),
        ("queries", "does not say its queries"),
        ("task", "name the task with --task"),
        ("class", 'does not say the class of the model. Add "class" to it: A or B or C'),
    ],
)
def test_a_summary_that_does_not_say_what_it_is_of_is_incomplete(tmp_path, without, said):
    known = {name: one for name, one in (TOTAL | BOOKED | OF).items() if name != without}
    with pytest.raises(IncompleteError) as error:
        read_summary(summary(tmp_path, known), KNOWN)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("change", "beside", "said"),
    [
        ({"total": 0.0, "decode_wh": 0.0}, {}, "total is 0 Wh: no model takes that"),
        ({"total": -1.0}, {}, "total"),
        ({"total": "24.5"}, {}, "total"),
        ({"total": float("nan")}, {}, "total"),
        ({"units": "kWh"}, {}, "units"),
        ({"format": "mine"}, {}, "format"),
        ({"queries": 0}, {}, "queries"),
        ({"task": "asrr"}, {}, "task is 'asrr', and that is none. Did you mean 'asr'"),
        ({"class": "D"}, {}, "class is 'D'. Give A or B or C"),
        ({"reasoning": "maybe"}, {}, "reasoning is 'maybe'"),
        ({"decode_wh": 20.0}, {}, "its phases have 20.00 Wh together, its total 24.5 Wh"),
        ({}, {"total": "2.45"}, "GPU_ENERGY_WH.txt says '2.45'"),
        ({}, {"report": REPORT | {"energy": {"gpu_energy_wh": 20.0}}}, "says 20.0 Wh"),
        (
            {},
            {"report": REPORT | {"energy": {"gpu_energy_wh": 24.5, "error": "no tracker"}}},
            "nothing was measured: 'no tracker'",
        ),
        (
            {},
            {"report": REPORT | {"summary": {"successful_prompts": 9, "failed_prompts": 1}}},
            "1 of its prompts failed",
        ),
        ({"queries": 10**400}, {}, "queries"),
        ({"total": 5e-324, "decode_wh": 0.0}, {}, "no model takes that"),
        ({"model": "org/r"}, {"report": REPORT}, "it is of 500 queries, and benchmark_report.json"),
        ({"queries": 250}, {"report": REPORT}, "its model is 'org/a', and in benchmark_report"),
    ],
)
def test_a_wrong_figure_of_a_summary_is_refused(tmp_path, change, beside, said):
    path = summary(tmp_path, TOTAL | BOOKED | OF | change, **beside)
    with pytest.raises(ResultError) as error:
        read_summary(path, KNOWN)
    assert not isinstance(error.value, IncompleteError)
    assert said in str(error.value)


def test_a_summary_that_is_no_json_is_refused(tmp_path):
    for text in ("{", "[]", '{"total": 1, "total": 2}'):
        with pytest.raises(ResultError):
            read_summary(summary(tmp_path, text), KNOWN)
