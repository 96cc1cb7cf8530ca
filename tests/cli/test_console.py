"""The star table as it is printed."""

import re

import pytest
from support.results import make_performance, make_quality, make_result, make_run
from support.tables import row_of, table_of

from energyscore.cli import console
from energyscore.cli.console import show_report, show_table
from energyscore.judge.rating import RatedResult, rate, rate_files
from energyscore.publish.layout import fold, widths_in
from energyscore.results.parts import Caution


def result_of(model, *wh):
    runs = [make_run(index, joules=3600.0 * energy) for index, energy in enumerate(wh)]
    return make_result(model, runs, gpu="NVIDIA L4")


def test_the_chance_of_the_stars_stands_beside_them():
    lines = table_of(
        result_of("a/a", 1.0, 1.0), result_of("b/b", 11.0, 11.0), result_of("c/c", 2.7, 2.9, 3.1)
    )
    assert "chance" in lines[2]
    assert "★★★★★ > 99 % cohort of 3" in row_of("a/a", lines)
    assert "★★★★★ 5★ 76 %, 4★ 24 % cohort of 3" in row_of("c/c", lines)


def test_chances_below_half_a_per_cent_are_left_out_and_the_likeliest_comes_first():
    # the edges lie at 3, 5, 7 and 9 Wh; the standard error of c/c is 1 Wh about 6.5 Wh
    spread = 3**0.5
    lines = table_of(
        result_of("a/a", 1.0, 1.0),
        result_of("b/b", 11.0, 11.0),
        result_of("c/c", 6.5 - spread, 6.5, 6.5 + spread),
    )
    assert "★★★☆☆ 3★ 53 %, 2★ 27 %, cohort of 3 4★ 10 %, 1★ 6 %, 5★ 4 %" in row_of("c/c", lines)


def test_a_stream_without_stars_gets_them_in_ascii():
    results = result_of("a/a", 1.0, 1.0), result_of("b/b", 11.0), result_of("c/c", 2.7, 2.9, 3.1)
    lines = table_of(*results, encoding="ascii")
    assert "***** 5* 76 %, 4* 24 % cohort of 3" in row_of("c/c", lines)


def test_where_no_chance_is_known_there_is_no_column_of_it():
    lines = table_of(result_of("a/a", 1.0), result_of("b/b", 11.0))
    assert not any("chance" in line for line in lines)
    assert "★★★★★ cohort of 2" in row_of("a/a", lines)


def test_a_narrow_terminal_gets_one_chance_a_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = table_of(
        result_of("a/a", 1.0, 1.0), result_of("b/b", 11.0, 11.0), result_of("c/c", 2.7, 2.9, 3.1)
    )
    place = next(place for place, line in enumerate(lines) if "5★ 76 %," in line)
    assert "4★" not in lines[place]
    assert "4★ 24 %" in lines[place + 1]
    assert max(map(len, lines[: place + 2])) <= 80


@pytest.mark.parametrize("known", [(1.0, 1.1), (1.0,)])
def test_one_run_among_others_leaves_its_chance_empty(known):
    lines = table_of(result_of("a/a", *known), result_of("b/b", 11.0), result_of("c/c", 9.5, 9.4))
    row = row_of("b/b", lines)
    assert "%" not in row
    assert "one run" in row


LONG = ("someone/a-model-with-a-rather-long-name-7b", "builtin:distilgpt2", "org/small")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_keeps_to_the_width_and_breaks_no_name_within_a_word(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = table_of(*(result_of(name, 1.0 + n, 1.1 + n) for n, name in enumerate(LONG)))
    end = next(place for place, line in enumerate(lines) if re.match(r"  \S", line))  # notes
    table = lines[:end]
    assert max(map(len, table)) <= width
    words = {word for line in table for word in re.split(r"[\s/:-]+", line)}
    assert {word for name in LONG for word in re.split("[/:-]", name)} <= words


def test_what_is_the_same_in_every_row_stands_once_under_a_narrow_table(monkeypatch):
    results = result_of("a/a", 1.0, 1.0), result_of("b/b", 11.0, 11.0)
    assert "what was metered: " not in "".join(table_of(*results))
    monkeypatch.setenv("COLUMNS", "60")
    lines = table_of(*results)
    # The line hangs where it is wrapped.
    place = lines.index("  what was metered: GPU, counter; relative to: cohort of 2.")
    assert lines[place - 1] == "  a/a needs 11.0 times less energy than b/b."


def test_a_name_folds_at_its_joints_and_is_cut_only_where_one_part_fills_a_line():
    assert fold("org/model-7b-chat", 10) == "org/model-\n7b-chat"
    assert fold("abcdefghijkl", 5) == "abcde\nfghij\nkl"


def test_tasks_stand_in_the_order_of_their_list_whatever_the_models_are_called(capsys):
    results = []
    for model, task in (("a/x", "text_generation"), ("b/x", "asr"), ("c/x", "reasoning")):
        result = make_result(model)
        part = result.task.model_copy(update={"id": task})
        results.append(result.model_copy(update={"task": part}))
    show_report([RatedResult(r, s) for r, s in zip(results, rate(results), strict=True)])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    titles = [line for line in lines if line in ("asr", "reasoning", "text_generation")]
    assert titles == ["asr", "reasoning", "text_generation"]


def test_of_many_results_the_first_rows_are_shown_and_the_rest_is_told(monkeypatch):
    monkeypatch.setattr(console, "MOST_ROWS", 2)
    lines = table_of(*(result_of(f"org/m{n}", float(n), n + 0.01) for n in (3, 1, 2)))
    text = "\n".join(lines)
    assert "org/m1" in text
    assert "org/m2" in text
    assert "org/m3" not in text
    assert "the first 2 of 3 rows; JSON has all." in text


def test_an_invalid_result_has_the_word_in_place_of_stars():
    bad = make_result("a/a", [make_run()], gpu="NVIDIA L4", invalid=("it drifts",))
    lines = table_of(bad, result_of("b/b", 11.0))
    assert "INVALID" in row_of("a/a", lines)
    assert "  INVALID (a/a): it drifts." in lines
    assert not any("None" in line for line in lines)


def test_notes_are_wrapped_by_words_where_there_is_a_width_and_only_there(monkeypatch):
    caution = Caution(code="x", message=" ".join(["word"] * 40))
    result = result_of("a/a", 1.0).model_copy(update={"cautions": [caution]})
    assert any(len(line) > 200 for line in table_of(result))
    for width, most in ((80, 80), (200, 120)):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = table_of(result)
        place = next(p for p, line in enumerate(lines) if line.startswith("  caution:"))
        assert most - 5 < len(lines[place]) <= most
        assert lines[place + 1].startswith("    word")


@pytest.mark.parametrize("width", [80, 120])
def test_a_plain_table_breaks_no_word_that_has_room(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    long = "Say which label a text deserves, by a head in one forward pass or by writing it."
    rows = [("text_classification", "1", "EnergyStarAI/text_classification_of_all", long)]
    show_table("", ("task", "version", "dataset", "what is done"), rows)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= width
    assert {"text_classification", "version", "deserves,", "writing"} <= set(printed.split())


def test_room_is_shared_fairly_and_what_fits_stays_whole():
    short, long = ["ab", "cd"], ["word " * 30]
    assert widths_in([short, long], 40) == [2, 36]
    assert widths_in([long, long], 42) == [20, 20]
    assert widths_in([["x" * 30], ["y" * 30]], 22) == [10, 10]


def test_speed_and_quality_are_a_table_of_their_own_on_request(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    speed, quality = make_performance(0.1), make_quality([1, 1, 0, 1])
    known = result_of("a/a", 1.0).model_copy(update={"performance": speed, "quality": quality})
    report = rate_files([("a.json", known), ("b.json", result_of("b/b", 11.0))])
    show_report(report)
    assert "latency" not in capsys.readouterr().out
    show_report(report, wide=True)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "text_generation: speed and quality" in lines
    heading = next(line for line in lines if "latency p50" in line)
    place = lines.index(heading)
    assert heading.endswith("latency p50 p90 p99 first token p50 quality 95% interval")
    assert lines[place + 1] == (
        "a/a 10.0 100 50.0 ms 100 ms 200 ms 10.0 ms accuracy 0.75 0.71 to 0.79"
    )
    assert lines[place + 2] == "b/b none none none none none none none none"
