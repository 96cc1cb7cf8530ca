"""Leaderboards: the published stars again, what merges, which row stays, and what is written."""

import csv
import io
import json
from pathlib import Path

import pytest
from support.commands import energyscore
from support.results import make_cpu_run, make_result, make_run, make_server_result, sampled

from energyscore.cli.leaderboard_view import show_leaderboard
from energyscore.judge.cautions import QUICK
from energyscore.judge.footprint import make_site
from energyscore.judge.leaderboard import BoardRules, build
from energyscore.judge.official import read_published
from energyscore.protocol.grid import Grid
from energyscore.protocol.scales import DEFAULT_SCALE, load_scale
from energyscore.protocol.stars import stars_for
from energyscore.publish.leaderboard_export import COLUMNS, FIELDS, to_csv, to_json
from energyscore.publish.leaderboard_notes import end_of, notes_of, notes_on_written, title_of
from energyscore.publish.official_csv import to_official
from energyscore.results.parts import Caution
from energyscore.results.store import save_result

REFERENCE = load_scale(DEFAULT_SCALE)

PUBLISHED = json.loads((Path(__file__).parents[1] / "data/published_stars.json").read_text())[
    "tables"
]
SIZES = ("A", "B", "C")


def official(tmp_path, rows, name="text_generation"):
    """An official file of rows of model, kWh, stars and class, read."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    with_class = any(len(row) == 4 for row in rows)
    lines = [",".join(map(str, row)) for row in rows]
    head = "model,total_gpu_energy,energy_score" + (",class" if with_class else "")
    (folder / f"{name}.csv").write_text("\n".join([head, *lines]))
    return read_published(folder / f"{name}.csv", name, SIZES if with_class else ())


def measured(model, wh, **change):
    """A result of ten runs of that many Wh per 1,000 queries; official unless changed."""
    runs = change.pop("runs", None) or [make_run(i, joules=3600.0 * wh) for i in range(10)]
    return f"{model}.json", make_result(model, runs, identity=f"{model:0>64}", **change)


def on_l4(model, wh, **change):
    return measured(model, wh, gpu="NVIDIA L4", power_limit_w=72.0, **change)


def made(results=(), tables=(), **options):
    return build(results, tables, BoardRules(REFERENCE, **options))


def only(board):
    (table,) = board.tables
    return table


def stars_by_model(table):
    return {row.model: row.stars for row in table.ranking()}


def aside(table, status):
    return {row.model: row.reason for row in table.of_status(status)}


def content_of(board):
    return json.loads(to_json(board))


def csv_rows(board):
    text = to_csv(board).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def published_rows(task):
    """The published rows of a task, in the published order of each class; names are made up."""
    return [
        (f"org/{name[-1]}{place}", energy_kwh, stars, *([name[-1]] if " " in name else []))
        for name, rows in PUBLISHED.items()
        if name.split(" ")[0] == task
        for place, (energy_kwh, stars) in enumerate(rows)
    ]


@pytest.mark.parametrize("task", ["asr", "question_answering", "text_generation"])
def test_an_official_file_alone_keeps_its_published_stars_row_for_row(tmp_path, task):
    rows = published_rows(task)
    board = made(tables=[official(tmp_path, rows, task)])
    assert sum(len(table.rows) for table in board.tables) == len(rows) >= 13
    for table in board.tables:
        assert [row.stars for row in table.rows] == [row.published_stars for row in table.rows]
        assert "published rows is" not in " ".join(notes_of(table))
    written = list(csv.reader(io.StringIO(to_official(board)[task].decode())))
    assert [
        (model, float(energy), int(stars), *size) for model, energy, stars, *size in written[1:]
    ] == rows


def test_a_result_of_the_official_protocol_joins_and_moves_the_bands(tmp_path):
    tables = [
        official(tmp_path, [("o/a", 0.001, 5, "A"), ("o/b", 0.005, 3, "a"), ("o/c", 0.011, 1, "A")])
    ]
    board = made([measured("o/new", 21.0)], tables)
    # From 1 to 21 Wh the edges are at 5, 9, 13 and 17.
    assert stars_by_model(only(board)) == {"o/a": 5, "o/b": 5, "o/c": 3, "o/new": 1}
    assert only(board).relative_to == "cohort of 4"
    assert (only(board).low_wh, only(board).high_wh) == (1.0, 21.0)
    notes = " ".join(notes_of(only(board)))
    assert "2 of 3 published rows have other stars than published" in notes
    assert "(o/b, o/c)" in notes


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (on_l4("o/x", 99.0), "not comparable to official rows: hardware: NVIDIA L4 instead"),
        (
            measured("o/x", 99.0, quick=True),
            "warm-up: quick instead of until steady, or two minutes",
        ),
        (measured("o/x", 99.0, weights="random"), "weights: random instead of pretrained"),
        (measured("o/x", 99.0, invalid=("the GPU was lost",)), "invalid: the GPU was lost"),
        (measured("o/x", 0, runs=[make_run(joules=None)]), "no energy was measured: run 1"),
        (measured("o/x", 0, runs=[make_cpu_run()], gpu=None), "device: cpu instead of"),
    ],
)
def test_what_is_not_comparable_to_official_rows_is_left_out_with_the_reason(
    tmp_path, result, reason
):
    tables = [official(tmp_path, [("o/a", 0.001, 5, "A"), ("o/b", 0.002, 1, "A")])]
    table = only(made([result], tables))
    assert stars_by_model(table) == {"o/a": 5, "o/b": 1}
    ((_, said),) = aside(table, "left_out").items()
    assert reason in said
    assert any("left out: o/x" in note and reason in note for note in notes_of(table))


def test_classes_and_tasks_and_modes_of_reasoning_have_tables_of_their_own(tmp_path):
    tables = [
        official(tmp_path, [("o/a", 0.001, 5, "A"), ("o/b", 1, 5, "B")]),
        official(tmp_path, [("o/a", 0.001, 5)], "asr"),
    ]
    result = measured("o/r", 2.0)[1]
    modes = [
        result.model_copy(
            update={
                "task": result.task.model_copy(update={"id": "reasoning"}),
                "workload": result.workload.model_copy(
                    update={"generation": {"reasoning": mode, "max_new_tokens": 8}}
                ),
            }
        )
        for mode in ("off", "high")
    ]
    board = made([("x", mode) for mode in modes], tables)
    assert [(t.task, t.model_class, t.reasoning) for t in board.tables] == [
        ("asr", None, None),
        ("reasoning", "A", "high"),
        ("reasoning", "A", "off"),
        ("text_generation", "A", None),
        ("text_generation", "B", None),
    ]
    reasoning = [measured("o/s", 3.0)[1].model_copy(update=vars_of(m)) for m in modes]
    written = to_official(made([("x", r) for r in [*modes, *reasoning]]))["reasoning"]
    assert written.decode().splitlines() == [
        "model,total_gpu_energy,energy_score,class,reasoning",
        *("o/r,0.002,5,A,high", "o/s,0.003,1,A,high"),
        *("o/r,0.002,5,A,off", "o/s,0.003,1,A,off"),
    ]


def vars_of(result):
    return {"task": result.task, "workload": result.workload}


def test_without_official_rows_the_cohort_that_can_be_rated_makes_the_table():
    results = [
        on_l4("o/a", 1.0),
        on_l4("o/b", 11.0, dtype="bfloat16"),
        measured("o/alone", 3.0),
        measured("o/estimated", 0, runs=[make_cpu_run()], gpu=None),
        measured("o/estimated-too", 0, runs=[make_cpu_run(joules=1.0)], gpu=None),
        on_l4("o/other", 5.0, dtype="float32"),
    ]
    table = only(made(results))
    assert stars_by_model(table) == {"o/a": 5, "o/b": 1}
    left = aside(table, "left_out")
    assert left["o/other"] == (
        "not comparable to the 2 results of the table: precision: float32 instead of float16"
    )
    assert (
        "hardware: NVIDIA H100 80GB HBM3 limited to 700 W instead of NVIDIA L4 limited to 72 W"
        in (left["o/alone"])
    )
    assert "meter: system, estimated instead of GPU" in left["o/estimated"]
    assert not any(row.estimated for row in table.ranking())


def test_what_is_left_out_in_the_same_points_is_named_in_one_line(tmp_path):
    table = official(tmp_path, [("o/a", 0.001, 5, "A"), ("o/b", 0.002, 1, "A")])
    short = [make_run(i, seconds=12.0) for i in range(10)]
    shorter = [make_run(i, seconds=7.0) for i in range(10)]
    results = [
        on_l4("o/x", 1.0, runs=short),
        on_l4("o/y", 1.0, runs=shorter),
        on_l4("o/z", 1.0),
    ]
    notes = [note for note in notes_of(only(made(results, [table]))) if "left out" in note]
    why = "not comparable to official rows: hardware: NVIDIA L4 instead of H100 80GB"
    window = "window: 12.0 s or 7.0 s instead of 60 s a run"
    assert notes == [f"left out: o/x, o/y: {why}; {window}.", f"left out: o/z: {why}."]


def test_a_quick_run_is_said_to_be_one():
    board = made([on_l4("o/a", 1.0), on_l4("o/b", 2.0, quick=True)])
    assert [row["cautions"] for row in csv_rows(board)] == ["", QUICK]


def test_cautions_stand_under_the_table_and_in_the_files():
    caution = Caution(code="busy", message="others used the machine")
    file, result = on_l4("o/b", 2.0)
    board = made([on_l4("o/a", 1.0), (file, result.model_copy(update={"cautions": [caution] * 2}))])
    assert "caution: others used the machine (o/b)." in notes_of(only(board))
    assert [row["cautions"] for row in csv_rows(board)] == ["", caution.message]


def test_estimates_alone_are_rated_and_marked():
    results = [
        measured(f"o/{j}", 0, runs=[make_cpu_run(joules=float(j))], gpu=None) for j in (1, 5)
    ]
    table = only(made(results))
    assert stars_by_model(table) == {"o/1": 5, "o/5": 1}
    assert all(row.estimated for row in table.ranking())
    assert any(note.startswith("estimated by ") for note in notes_of(table))


def test_one_model_alone_has_no_stars_but_a_reason(tmp_path):
    table = only(made(tables=[official(tmp_path, [("o/a", 1, "")], "asr")]))
    (row,) = table.ranking()
    assert row.stars is None
    assert "at least two comparable models" in row.reason
    assert "at least two comparable models" in notes_of(table)[0]


def test_two_models_are_said_to_tell_little():
    three = [on_l4(f"o/{wh}", wh) for wh in (1.0, 2.0, 3.0)]
    said = [
        "say only which of the two" in " ".join(notes_of(only(made(three[:n])))) for n in (2, 3)
    ]
    assert said == [True, False]


def test_of_a_model_twice_in_a_file_both_rows_stay_as_the_published_stars_stand_on_both(tmp_path):
    # Published over all four rows: from 1 to 11 Wh, edges at 3, 5, 7 and 9.
    rows = [("o/m", 0.011, 1), ("o/a", 0.001, 5), ("o/b", 0.004, 4), ("o/m", 0.008, 2)]
    board = made(tables=[official(tmp_path, rows, "asr")])
    table = only(board)
    shown = table.ranking()
    assert [row.stars for row in shown] == [row.published_stars for row in shown] == [5, 4, 2, 1]
    assert (table.high_wh, table.relative_to) == (11.0, "cohort of 4")
    assert "more than once in one file: o/m; all the rows stay" in " ".join(notes_of(table))
    assert not len(table.of_status("duplicate"))
    written = to_official(board)["asr"].decode().splitlines()[1:]
    assert written == ["o/m,0.011,1", "o/a,0.001,5", "o/b,0.004,4", "o/m,0.008,2"]


@pytest.mark.parametrize("new_wh", [0.5, 6.0, 30.0])
def test_official_stars_follow_from_the_rows_that_are_written(tmp_path, new_wh):
    """Also where the row that is replaced was the greatest of all."""
    rows = [("o/m", 0.02, 1, "A"), ("o/a", 0.001, 5, "A"), ("o/b", 0.004, 4, "A"),
            ("o/m", 0.008, 2, "A"), ("o/c", 0.011, 2, "A")]  # fmt: skip
    again = [("o/c", 0.012, 1, "A"), ("o/a", 0.0011, 5, "A")]
    tables = [official(tmp_path, rows), official(tmp_path, again)]
    board = made([measured("o/m", new_wh)], tables, official_only=True)
    text = to_official(board)["text_generation"].decode()
    written = list(csv.DictReader(io.StringIO(text)))
    figures = [float(row["total_gpu_energy"]) * 1000 for row in written]
    expected = [stars_for(figure, min(figures), max(figures)) for figure in figures]
    assert [int(row["energy_score"]) for row in written] == expected
    assert sorted(row["model"] for row in written) == ["o/a", "o/b", "o/c", "o/m"]
    assert only(board).relative_to == "cohort of 4"


def test_rows_that_a_later_file_repeats_are_one_note(tmp_path):
    rows = [(f"o/{n}", n / 1000, 3, "A") for n in range(1, 31)]
    changed = [*rows[:-1], ("o/30", 0.032, 1, "A")]
    table = only(made(tables=[official(tmp_path, rows), official(tmp_path, changed)]))
    notes = [note for note in notes_of(table) if note.startswith("not shown")]
    assert len(notes) == 2
    assert notes[0] == "not shown: 29 rows that a later file has with the same figure."
    assert "o/30" in notes[1]
    assert len(table.of_status("duplicate")) == 30


def test_results_that_are_shown_in_all_are_counted(tmp_path):
    results = [
        on_l4("o/m", 9.0, created_at="2026-01-01T00:00:00Z"),
        on_l4("o/m", 3.0, created_at="2026-03-01T00:00:00Z"),
        on_l4("o/a", 1.0),
    ]
    table = only(made(results, every=True))
    assert (table.relative_to, len(table.ranking())) == ("cohort of 3", 3)
    assert only(made(results)).relative_to == "cohort of 2"


def test_a_newcomer_of_an_official_file_gets_stars_and_departs_from_none(tmp_path):
    rows = [("o/a", 0.001, 5), ("o/b", 0.011, 1), ("o/new", 0.0105, "")]
    board = made(tables=[official(tmp_path, rows, "asr")])
    assert stars_by_model(only(board)) == {"o/a": 5, "o/b": 1, "o/new": 1}
    assert "the stars of all 2 published rows are the published ones." in notes_of(only(board))
    assert content_of(board)["tables"][0]["rows"][1]["published_stars"] is None


def test_what_a_result_has_by_the_reference_is_said_where_it_is_other(tmp_path):
    # By the reference, from 1.313333 to 28.741175 Wh, 10 Wh have 4 stars, and 25 Wh have 1.
    rows = [("o/a", 0.001, 5, "A"), ("o/z", 0.011, 1, "A")]
    results = [measured("o/ten", 10.0), measured("o/more", 25.0), on_l4("o/l4", 10.0)]
    board = made(results, [official(tmp_path, rows)])
    # Here from 1 to 25 Wh: 10 Wh are in the second band, 11 too.
    assert stars_by_model(only(board)) == {"o/a": 5, "o/ten": 4, "o/z": 3, "o/more": 1}
    assert not any("as `energyscore rate`" in note for note in notes_of(only(board)))
    other = made(results[:1], [official(tmp_path, rows)])
    assert stars_by_model(only(other)) == {"o/a": 5, "o/ten": 1, "o/z": 1}
    said = (
        f"by {DEFAULT_SCALE}, as `energyscore rate` gives them, the stars would be: o/ten 4; here "
        "they are relative to these 3 rows."
    )
    assert said in notes_of(only(other))
    assert any(line.endswith(said) for line in notes_on_written(other))
    by_scale = made(results[:1], [official(tmp_path, rows)], scale=REFERENCE)
    assert not any("as `energyscore rate`" in note for note in notes_of(only(by_scale)))


def test_official_files_come_with_a_word_on_their_stars(tmp_path):
    rows = [("o/a", 0.001, 5, "A"), ("o/b", 0.005, 4, "A"), ("o/c", 0.011, 1, "A")]
    alone = made(tables=[official(tmp_path, rows)])
    assert notes_on_written(alone) == []
    said, _ = notes_on_written(made([measured("o/new", 21.0)], [official(tmp_path, rows)]))
    assert said.startswith("text_generation, class A: 2 of 3 published rows have other stars than")
    own = notes_on_written(made([measured("o/x", 2.0), measured("o/y", 25.0)]))
    assert "caution: no row of an official leaderboard is among them" in own[0]
    assert "relative to 2 results of yours" in own[0]


def test_a_later_file_replaces_an_earlier_one_and_a_result_replaces_both(tmp_path):
    first = official(tmp_path, [("o/m", 0.011, 1, "A"), ("o/a", 0.001, 5, "A")])
    second = official(tmp_path, [("o/m", 0.006, 1, "A"), ("o/b", 0.002, 5, "A")])
    table = only(made(tables=[first, second]))
    assert (table.low_wh, table.high_wh) == (1.0, 6.0)  # the 11 Wh are no more
    assert "of the file that comes later" in aside(table, "duplicate")["o/m"]
    table = only(made([measured("o/m", 4.0)], [first, second]))
    assert table.high_wh == pytest.approx(4.0)
    reasons = [row.reason for row in table.of_status("duplicate")]
    assert len(reasons) == 2
    assert all(reason.endswith("measured here, with its runs") for reason in reasons)


def test_of_results_of_a_model_the_newest_stays():
    results = [
        on_l4("o/m", 3.0, created_at="2026-03-01T00:00:00Z"),
        on_l4("o/m", 9.0, created_at="2026-01-01T00:00:00Z"),
        on_l4("o/a", 1.0),
    ]
    table = only(made(results))
    assert table.high_wh == pytest.approx(3.0)
    assert aside(table, "duplicate")["o/m"].endswith("newer, of 2026-03-01T00:00:00Z")


def test_random_weights_do_not_replace_the_model():
    table = only(made([on_l4("o/m", 3.0), on_l4("o/m", 5.0, weights="random")]))
    assert stars_by_model(table) == {"o/m": 5, "o/m (random weights)": 1}


def test_a_scale_gives_the_bands_and_decides_what_is_comparable(tmp_path):
    tables = [
        official(tmp_path, [("o/a", 0.002, 5, "A"), ("o/b", 0.02, 5, "A")]),
        official(tmp_path, [("o/a", 0.002, 5)], "asr"),
    ]
    board = made([measured("o/new", 28.0), on_l4("o/l4", 2.0)], tables, scale=REFERENCE)
    text = board.tables[1]
    # From 1.313333 to 28.741175 Wh the edges are at 6.80, 12.28, 17.77 and 23.26.
    assert stars_by_model(text) == {"o/a": 5, "o/b": 2, "o/new": 1}
    assert (text.relative_to, text.kind) == (DEFAULT_SCALE, "reference")
    assert "hardware: NVIDIA L4" in aside(text, "left_out")["o/l4"]
    assert stars_by_model(board.tables[0]) == {"o/a": 5}  # one is enough, the bands are given
    other = REFERENCE.model_copy(update={"gpu": "A100 80GB", "name": "mine"})
    table = made(tables=tables, scale=other).tables[1]
    assert len(table.ranking()) == 0
    assert "hardware: H100 80GB instead of A100 80GB" in aside(table, "left_out")["o/a"]
    fewer = REFERENCE.model_copy(update={"bands": REFERENCE.bands[1:]})
    assert (
        "task: asr is not in"
        in aside(made(tables=tables, scale=fewer).tables[0], "left_out")["o/a"]
    )


SITE = make_site(Grid("FRA", 50.0, "2023"), 2.0, "0.5 EUR")


def test_json_and_csv_say_the_same_and_never_zero_for_unknown(tmp_path):
    name = 'o/"quoted, 100% s"'
    (tmp_path / "asr.csv").write_text(
        "model,total_gpu_energy,energy_score\n"
        '"o/""quoted, 100% s""",0.002,5\n=SUM(A1),0.001,5\no/b,0.010,1\n'
    )
    first = official(tmp_path, [("o/b", 0.009, 1)], "asr")
    board = made(tables=[first, read_published(tmp_path / "asr.csv", "asr")], site=SITE)
    (table,) = content_of(board)["tables"]
    rows = csv_rows(board)
    assert [row["model"] for row in table["rows"]] == ["=SUM(A1)", name, "o/b"]
    assert [row["model"] for row in rows] == ["'=SUM(A1)", name, "o/b", "o/b"]
    assert [row["stars"] for row in rows] == ["5", "5", "1", ""]
    assert [row["status"] for row in rows] == ["ranked"] * 3 + ["duplicate"]
    assert [row["status"] for row in table["duplicates"]] == ["duplicate"]
    second, cells = table["rows"][1], rows[1]
    assert tuple(second) == tuple(FIELDS)
    for field in FIELDS:
        value = second[field]
        assert cells[field] == (
            ""
            if value is None
            else str(value).lower()
            if value is True or value is False
            else str(value)
        )
    assert (second["wh_per_1k_queries"], second["published_stars"], second["line"]) == (2.0, 5, 2)
    unknown = ("ci95_low", "ci95_high", "runs", "date", "method")
    assert {field: second[field] for field in unknown} == dict.fromkeys(unknown)
    # 2 Wh x 2 = 4 Wh = 0.004 kWh; x 50 g = 0.2 g; x 0.5 EUR = 0.002 EUR
    assert second["co2_g_per_1k_queries"] == pytest.approx(0.2)
    assert second["cost_per_1k_queries"] == pytest.approx(0.002)
    assert content_of(board)["site"]["currency"] == cells["currency"] == "EUR"
    assert cells["grid_source"] == "2023"


def test_without_a_site_there_is_no_co2_and_no_cost():
    board = made([on_l4("o/a", 1.0), on_l4("o/b", 2.0)])
    content = content_of(board)
    assert content["site"] is None
    assert content["tables"][0]["rows"][0]["co2_g_per_1k_queries"] is None
    row = csv_rows(board)[0]
    assert (row["cost_per_1k_queries"], row["pue"], row["country"]) == ("", "", "")
    assert (row["runs"], row["hardware"], row["official"]) == ("10", "NVIDIA L4", "false")
    assert float(row["ci95_low"]) <= 1.0 <= float(row["ci95_high"])


def test_the_columns_are_fixed():
    """Whoever changes this line raises LEADERBOARD_VERSION."""
    assert ",".join(COLUMNS) == (
        "leaderboard_version,task,model_class,reasoning,stars_relative_to,low_wh_per_1k_queries,"
        "high_wh_per_1k_queries,model,revision,status,stars,published_stars,wh_per_1k_queries,ci95_low,"
        "ci95_high,basis,estimated,method,runs,hardware,date,official,co2_g_per_1k_queries,"
        "cost_per_1k_queries,cautions,source,file,line,reason,country,grid_g_per_kwh,grid_source,pue,"
        "price_per_kwh,currency,load"
    )
    assert csv_rows(made([on_l4("o/a", 1.0)]))[0]["leaderboard_version"] == "2"


def test_each_load_of_servers_has_a_table_of_its_own():
    served = [
        ("x.json", make_server_result(name, at_once, identity=f"{n}{at_once:063}"))
        for n, name in enumerate(("o/a", "o/b"))
        for at_once in (8, 32, 1)
    ]
    board = made([on_l4("o/c", 1.0), *served])
    assert [(title_of(one), len(one.ranking())) for one in board.tables] == [
        ("text_generation, 1 at once", 2),
        ("text_generation, 8 at once", 2),
        ("text_generation, 32 at once", 2),
        ("text_generation, class A", 1),
    ]
    assert not any(one.of_status("left_out") for one in board.tables)
    assert [row["load"] for row in csv_rows(board)[::2]] == [
        *("1 at once", "8 at once", "32 at once", "")
    ]
    assert to_official(made([*served], official_only=True)) == {}


def test_official_files_hold_only_what_official_rows_are(tmp_path):
    tables = [official(tmp_path, [("o/a", 0.001313333, 5, "A"), ("o/big", 0.5, 5, "B")])]
    results = [measured("o/new", 7.0), on_l4("o/l4", 3.0)]
    files = to_official(made(results, tables, official_only=True))
    assert files == {
        "text_generation": b"model,total_gpu_energy,energy_score,class\n"
        b"o/a,0.001313333,5,A\no/new,0.007,1,A\no/big,0.5,5,B\n"
    }
    only_l4 = [on_l4("o/a", 1.0), on_l4("o/b", 2.0)]
    assert to_official(made(only_l4, official_only=True)) == {}
    assert aside(only(made(only_l4, official_only=True)), "left_out")["o/a"].startswith(
        "not comparable to official rows: hardware"
    )


def test_what_was_written_is_read_again_with_the_same_stars(tmp_path):
    results = [measured(f"o/{wh}", wh) for wh in (0.1, 0.7, 1 / 3, 2.2, 9.9)]
    board = made(results, official_only=True)
    (tmp_path / "text_generation.csv").write_bytes(to_official(board)["text_generation"])
    again = made(
        tables=[read_published(tmp_path / "text_generation.csv", "text_generation", SIZES)]
    )
    assert stars_by_model(only(again)) == stars_by_model(only(board))
    assert all(row.published_stars == row.stars for row in only(again).rows)


def test_people_see_the_table_and_what_it_stands_on(tmp_path, capsys):
    tables = [official(tmp_path, [("o/a", 0.001, 5, "A"), ("o/b", 0.02, 2, "A")])]
    show_leaderboard(made([measured("o/:x:", 11.0), on_l4("o/l4", 1.0)], tables, site=SITE))
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert ["1", "o/a", "1.00", "Wh", "unknown", "★★★★★", "5", "GPU,", "H100", "80GB"] in [
        line[:10] for line in lines
    ]
    assert any(line[:6] == ["3", "o/b", "20.0", "Wh", "unknown", "★☆☆☆☆"] for line in lines)
    assert "o/:x:" in shown  # no emoji
    assert "five bands of equal width from 1.00 Wh to 20.0 Wh" in shown
    assert "1 of 2 published rows have other stars than published" in shown
    assert "left out: o/l4: not comparable to official rows in 1 point (--explain)" in shown
    assert "100 mg" in shown  # 1 Wh x 2 x 50 g/kWh
    assert "Operational only" in shown


def test_what_only_the_method_leaves_out_is_told_with_the_option_that_names_it(tmp_path):
    tables = [official(tmp_path, [("o/a", 0.001, 5, "A"), ("o/b", 0.02, 2, "A")])]
    file, result = measured("o/v2", 11.0)
    end = end_of(only(made([(file, sampled(result))], tables)))
    (line,) = [line for line in end.short if "left out" in line]
    assert "o/v2: not comparable to official rows: decoding: sampled at temperature 0.7" in line
    assert line.endswith("; --harness says by which method official rows were measured.")
    assert line in end.more


FINE = ("text_generation.csv",)


@pytest.fixture
def folder(tmp_path):
    """A folder with results and official files, as people have them."""
    for model, wh in (("o/a", 1.0), ("o/b", 5.0)):
        save_result(tmp_path / "results" / model, measured(model, wh)[1])
    (tmp_path / "results/results.csv").write_text("csv_version,task\n1,x\n")
    (tmp_path / "text_generation.csv").write_text(
        "model,total_gpu_energy,energy_score,class\no/c,0.011,1,a\no/b,0.004,4,A\n"
    )
    return tmp_path


def test_the_command_finds_results_and_official_files_in_folders(folder):
    done = energyscore("leaderboard", ".", "--format", "json", cwd=folder)  # a process of its own
    assert done.status == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    assert {row["model"]: row["stars"] for row in table["rows"]} == {"o/a": 5, "o/b": 4, "o/c": 1}
    assert [row["model"] for row in table["duplicates"]] == ["o/b"]


def test_the_command_writes_official_files_and_leaves_its_own_alone(folder, command):
    arguments = ("leaderboard", ".", "--format", "official", "--out", "official")
    done = command(*arguments)
    assert done.status == 0, done.stderr
    assert done.stdout == "official/text_generation.csv: 3 rows\n"
    first = (folder / "official/text_generation.csv").read_text()
    assert first == (
        "model,total_gpu_energy,energy_score,class\no/c,0.011,1,A\no/a,0.001,5,A\no/b,0.005,4,A\n"
    )
    assert "not shown: o/b" in done.stderr
    assert command(*arguments).status == 0
    assert (folder / "official/text_generation.csv").read_text() == first
    (folder / "official/text_generation.csv").write_text(first.replace("o/c", "o/gone"))
    changed = command(*arguments)
    assert changed.status == 2
    assert "official/text_generation.csv was changed or is not of energyscore" in changed.error
    assert "o/gone" in (folder / "official/text_generation.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere does not exist"),
        (("empty",), "holds neither results nor official leaderboards"),
        (("bad.csv",), "the task is the file's name, and 'bad' is none"),
        (("bad.csv", "--task", "asr"), "bad.csv, line 3: total_gpu_energy is '-1'"),
        (("bad.csv", "--task", "text_generaton"), "Did you mean 'text_generation' or"),
        (("results", "--scale", "cohrt"), "Did you mean 'cohort'?"),
        (("results", "--out", "x"), "--out belongs to --format official"),
        (("results", "--format", "official", "--price", "1"), "no column for CO2 or cost"),
        (("results", "--country", "FRX"), "no grid intensity is known for 'FRX'"),
        (("l4", "--format", "official"), "Nothing can be written as an official leaderboard"),
        (
            ("text_generation.csv", "--format", "official", "--out", "/dev/null/x"),
            "cannot be written",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_status_2(folder, command, arguments, said):
    (folder / "empty").mkdir()
    (folder / "bad.csv").write_text("model,total_gpu_energy,energy_score\no/a,1,5\no/b,-1,5\n")
    save_result(folder / "l4", on_l4("o/l4", 1.0)[1])
    done = command("leaderboard", *arguments)
    assert done.status == 2
    assert said in done.error
    assert done.stdout == ""


@pytest.mark.parametrize(
    "rows", [[("o/a", 1, 5, "A")], [("o/a", 1, 5, "A"), ("o/b", 1, 5, "A")]], ids=["lone", "equal"]
)
def test_a_class_without_a_range_keeps_its_published_stars(tmp_path, rows):
    table = only(board := made(tables=[official(tmp_path, rows)]))
    assert set(stars_by_model(table).values()) == {5}
    said = " ".join(notes_of(table))
    assert "five stars" in said
    assert f"all {len(rows)} published rows are the published ones" in said
    assert to_official(board)["text_generation"].decode().splitlines()[1:] == [
        f"{model},1.0,{stars},A" for model, _, stars, _ in rows
    ]


def test_without_published_stars_a_range_of_nothing_gives_none(tmp_path):
    newcomer = made(tables=[official(tmp_path, [("o/a", 1, 5, "A"), ("o/b", 1, "", "A")])])
    beside = made([measured("o/b", 1000.0)], [official(tmp_path, [("o/a", 1, 5, "A")])])
    for board in (newcomer, beside):
        answer, why = notes_of(only(board))[:2]
        assert answer == "o/a needs as much energy as o/b."
        assert "same energy" in why


def test_published_stars_that_do_not_follow_from_their_own_file_are_said_to(tmp_path):
    wrong = [("o/a", 0.01, 1, "A"), ("o/b", 0.03, 3, "A"), ("o/c", 0.05, 5, "A")]
    said = " ".join(notes_of(only(made(tables=[official(tmp_path, wrong)]))))
    assert "2 of 3 published rows have other stars than published: by the official rule" in said
    assert "not the same" not in said
    more = made([measured("o/d", 90.0)], [official(tmp_path, wrong)])
    assert "the rows that they are relative to are not the same" in " ".join(notes_of(only(more)))
