"""Comparisons: which belong together, what is refused, and what is said."""

import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from support.commands import energyscore
from support.results import UUID, make_cpu_run, make_result, make_run

from energyscore.base.errors import UsageError
from energyscore.judge import compare as compare_module
from energyscore.judge import counterparts as counterparts_module
from energyscore.judge.baseline import file_of
from energyscore.judge.comparability import cohort_key
from energyscore.judge.compare import Comparison, compare, compare_all
from energyscore.judge.counterparts import Counterparts
from energyscore.judge.figures import SYSTEM, figure_of
from energyscore.judge.rating import RatedResult, rate
from energyscore.judge.sources import load_rated
from energyscore.publish.comparison import end_of, refusals, to_markdown
from energyscore.publish.report_csv import to_csv
from energyscore.results.parts import Caution, PhasePart
from energyscore.results.result import result_to_json

EARLIER = "2025-12-01T00:00:00Z"
LATER = "2026-02-01T00:00:00Z"


def runs_of(*wh, **change):
    return [make_run(index, joules=3600.0 * energy, **change) for index, energy in enumerate(wh)]


def measured(result, source="x.json", commit=None):
    return RatedResult(result, rate([result])[0], source, commit=commit)


def pair_of(before, after, *allow):
    (pair,) = compare([measured(before, "a.json")], [measured(after, "b.json")], allow).pairs
    return pair


def with_part(result, part, **change):
    return result.model_copy(update={part: getattr(result, part).model_copy(update=change)})


def later(*wh, **change):
    return make_result(runs=runs_of(*(wh or (2.0, 2.1, 1.9))), created_at=LATER, **change)


BEFORE = make_result(runs=runs_of(1.0, 1.05, 0.95))


def test_the_effect_stands_in_ratio_wh_percent_and_stars():
    pair = pair_of(BEFORE, later(20.0, 20.5, 19.5))
    row = pair.rows[0]
    assert (row.phase, row.ratio, row.significant) == ("total", pytest.approx(20.0), True)
    assert row.difference_wh_per_1k_queries == pytest.approx(19.0)
    assert row.change_percent == pytest.approx(1900.0)
    assert (pair.before.stars, pair.after.stars) == (None, None)  # three runs are not official
    ten = [
        make_result(runs=runs_of(*[wh] * 10), created_at=at)
        for wh, at in ((1, LATER), (20, EARLIER))
    ]
    sides = pair_of(*ten)
    assert (sides.before.stars, sides.after.stars) == (5, 2)
    assert sides.after.stars_relative_to == "aienergyscore-2025-02"


def test_phases_are_compared_by_their_runs():
    def result(prefill, decode, created_at):
        parts = [
            make_run(
                index,
                joules=3600.0 * (p + d),
                phases={
                    name: PhasePart(
                        duration_s=1.0,
                        energy_j={f"gpu:{UUID}": 3600.0 * wh},
                        se_j={f"gpu:{UUID}": 0.1},
                    )
                    for name, wh in (("prefill", p), ("decode", d))
                },
            )
            for index, (p, d) in enumerate(zip(prefill, decode, strict=True))
        ]
        return make_result(runs=parts, created_at=created_at)

    one = result((1.0, 1.01, 0.99), (2.0, 2.02, 1.98), "2026-01-01T00:00:00Z")
    two = result((1.0, 0.99, 1.01), (4.0, 4.02, 3.98), LATER)
    rows = {row.phase: row for row in pair_of(one, two).rows}
    assert list(rows) == ["total", "prefill", "decode"]
    assert (rows["prefill"].ratio, rows["prefill"].significant) == (pytest.approx(1.0), False)
    assert (rows["decode"].ratio, rows["decode"].significant) == (pytest.approx(2.0), True)


def test_a_phase_of_one_run_has_no_interval_though_its_split_has_an_error():
    part = PhasePart(duration_s=1.0, energy_j={f"gpu:{UUID}": 3600.0}, se_j={f"gpu:{UUID}": 36.0})
    single = make_result(runs=[make_run(phases={"decode": part})], created_at=LATER)
    decode = figure_of(single, "gpu_decode_wh_per_1k_queries").summary
    assert (decode.mean, decode.std, decode.count) == (1.0, None, 1)
    rows = pair_of(make_result(runs=[make_run(phases={"decode": part})]), single).rows
    assert [row.ratio_ci95 for row in rows] == [None, None]
    assert {row.significant for row in rows} == {None}


UNLIKE = {
    "power_limit": make_result(power_limit_w=300.0),
    "gpu": make_result(gpu="NVIDIA L4"),
    "precision": make_result(dtype="bfloat16"),
    "weights": make_result(weights="random"),
    "batch_size": with_part(BEFORE, "workload", batch_size=8),
    "queries": with_part(BEFORE, "workload", queries=10),
    "dataset": with_part(BEFORE, "workload", fingerprint="e" * 64),
    "seed": with_part(BEFORE, "workload", seed=1),
    "generation": with_part(BEFORE, "workload", generation={"max_new_tokens": 20}),
    "reasoning": with_part(
        BEFORE, "workload", generation={**BEFORE.workload.generation, "reasoning": "high"}
    ),
    "task_version": with_part(BEFORE, "task", version=2),
    "task": with_part(BEFORE, "task", id="other"),
    "quantization": with_part(BEFORE, "model", quantization="int4"),
    "quick": make_result(quick=True),
    "shared": with_part(BEFORE, "protocol", shared=True),
    "method": make_result(runs=runs_of(1.0, 1.1, method="power_integral")),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_unlike_measurements_are_refused_unless_the_difference_is_allowed(name):
    other = UNLIKE[name].model_copy(update={"created_at": LATER})
    comparison = compare([measured(BEFORE)], [measured(other)])
    (pair,) = comparison.pairs
    assert [point.name for point in pair.refused] == [name]
    assert (pair.rows, comparison.exit_status) == ([], 2)
    allowed = compare([measured(BEFORE)], [measured(other)], [name])
    assert [point.name for point in allowed.pairs[0].allowed] == [name]
    assert allowed.pairs[0].rows[0].ratio is not None
    assert allowed.exit_status == 0


def test_on_the_processor_the_number_of_threads_must_be_the_same():
    def with_threads(count, model="org/model", joules=7200.0):
        runs = [make_cpu_run(index, joules=joules + index) for index in range(3)]
        threads = count and {"intra_op": count, "inter_op": 1}
        return with_part(make_result(model, runs, gpu=None), "protocol", threads=threads)

    one, two, unknown = (with_threads(count) for count in (1, 2, None))
    two = two.model_copy(update={"created_at": LATER})
    (point,) = pair_of(one, two).refused
    assert str(point) == "threads: 2 instead of 1"
    assert pair_of(one, two, "threads").rows[0].ratio is not None
    pair = pair_of(unknown, two)
    assert (pair.refused, pair.not_known) == ([], ["threads"])
    assert pair.rows[0].ratio is not None
    assert pair_of(unknown, unknown.model_copy(update={"created_at": LATER})).refused == []
    # No cohort of both either; older results are among themselves.
    others = [with_threads(count, "org/other", 9000.0) for count in (1, 2, None)]
    ratings = rate([one, two, unknown, *others])
    assert [rating.cohort_size for rating in ratings] == [2] * 6
    on_gpu = [with_part(BEFORE, "protocol", threads={"intra_op": n}) for n in (1, 2)]
    pair = pair_of(on_gpu[0], on_gpu[1].model_copy(update={"created_at": LATER}))
    assert pair.refused == []
    assert pair.changed["threads on the processor"] == ("1", "2")


def test_cautions_that_bear_on_a_figure_are_told():
    busy = Caution(code="busy_machine", message="others used the processor")
    quick = [with_part(one, "protocol", quick=True) for one in (BEFORE, later())]
    quick[1] = quick[1].model_copy(update={"cautions": [busy]})
    comparison = compare([measured(quick[0])], [measured(quick[1])])
    (pair,), cautions = comparison.pairs, end_of(comparison).cautions
    assert "caution: others used the processor (after)." in cautions
    assert [line[:20] for line in cautions if "quick" in line] == ["caution: a quick run"]
    assert pair.before.cautions == pair.after.cautions[1:]


def test_a_difference_names_both_sides():
    point = pair_of(BEFORE, UNLIKE["power_limit"]).refused[0]
    assert str(point) == "power_limit: 300 W instead of 700 W"
    assert "eeeeeeeeeeee instead of" in str(pair_of(BEFORE, UNLIKE["dataset"]).refused[0])


def test_an_unknown_difference_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'power_limit'"):
        compare([measured(BEFORE)], [measured(later())], ["power_limt"])


def test_on_another_gpu_of_the_name_the_meters_error_does_not_cancel():
    gpu = later().environment.gpus[0].model_copy(update={"uuid": "GPU-1"})
    other = with_part(later(), "protocol", metered_gpus=["GPU-1"])
    other = with_part(other, "environment", gpus=[gpu])
    same, unlike = pair_of(BEFORE, later()), pair_of(BEFORE, other)
    assert (same.meter_uncertainty, unlike.refused) == (0.0, [])
    # Two uniform errors of +/- 5%, and the spread of devices: sqrt(2 (0.05^2 / 3 + 0.0135^2)).
    assert unlike.meter_uncertainty == pytest.approx(0.0451, abs=1e-4)
    width = [row.ratio_ci95[1] - row.ratio_ci95[0] for row in (same.rows[0], unlike.rows[0])]
    assert width[1] > width[0]


def test_between_gpus_of_two_names_the_whole_error_of_each_counts():
    def on(name, uuid):
        gpu = BEFORE.environment.gpus[0].model_copy(update={"uuid": uuid, "name": name})
        other = with_part(later(), "protocol", metered_gpus=[uuid])
        return with_part(other, "environment", gpus=[gpu])

    a100, turing = on("NVIDIA A100-PCIE-40GB", "GPU-1"), on("NVIDIA GeForce RTX 2060 SUPER", "2")
    pair = compare([measured(a100)], [measured(turing)], ["gpu"]).pairs[0]
    # sqrt(0.058^2 / 3 + 0.132^2 / 3 + 2 x 0.0135^2)
    assert pair.meter_uncertainty == pytest.approx(0.0854, abs=1e-4)


def test_folders_are_paired_by_task_model_and_mode_with_the_most_alike():
    quick = measured(make_result(quick=True, created_at="2026-03-01T00:00:00Z"), "quick.json")
    before = [measured(BEFORE, "a.json"), quick, measured(make_result("org/gone"))]
    after = [measured(later(), "b.json"), measured(make_result("org/new"), "c.json")]
    comparison = compare(before, after)
    assert [(p.before.source, p.after.source) for p in comparison.pairs] == [("a.json", "b.json")]
    assert comparison.only_before == ["text_generation, org/gone"]
    assert comparison.only_after == ["text_generation, org/new"]
    assert compare(before, after[1:] * 2).exit_status == 2


def test_what_has_no_energy_or_is_the_same_is_not_compared():
    absent = make_result(runs=[make_run(joules=None)], invalid=("the GPU was lost",))
    comparison = compare([measured(BEFORE)], [measured(absent)])
    assert comparison.exit_status == 3
    assert "the GPU was lost" in comparison.pairs[0].reason
    same = compare([measured(BEFORE)], [measured(BEFORE)])
    assert (same.pairs[0].same, same.pairs[0].rows, same.exit_status) == (True, [], 2)


def test_estimates_are_compared_with_estimates_and_labelled():
    def cpu(joules, created_at):
        runs = [make_cpu_run(index, joules=joules + index) for index in range(3)]
        return make_result(runs=runs, gpu=None, created_at=created_at)

    (row,) = pair_of(cpu(7200.0, EARLIER), cpu(14400.0, LATER)).rows
    assert (row.phase, row.metric, row.estimated) == ("system", SYSTEM, True)
    assert row.ratio == pytest.approx(2.0, rel=1e-3)
    assert {point.name for point in pair_of(cpu(1.0, EARLIER), BEFORE).refused} >= {"device", "gpu"}


def test_a_csv_is_refused_and_the_folder_named(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "a.json").write_text(result_to_json(BEFORE))
    (folder / "results.csv").write_bytes(to_csv([measured(BEFORE)]))
    limit = ("--max", "gpu_wh_per_1k_queries<=9")
    for command in (("compare", "results/results.csv", "results"), ("gate", "results/results.csv")):
        more = limit if command[0] == "gate" else ()
        done = energyscore(*command, *more, cwd=tmp_path)
        assert (done.status, done.stdout) == (2, "")
        assert "results/results.csv is a CSV file" in done.error
        assert "Name the folder of the results, such as results" in done.error


def test_the_json_fits_its_published_schema():
    published = resources.files("energyscore.results") / "schemas" / "comparison-1.json"
    schema = json.loads(published.read_text(encoding="utf-8"))
    assert schema == compare_module.json_schema()
    for other in (later(), UNLIKE["gpu"], make_result(runs=[make_run(joules=None)])):
        comparison = compare([measured(BEFORE)], [measured(other)])
        text = comparison.model_dump_json()
        jsonschema.validate(json.loads(text), schema)
        assert Comparison.model_validate_json(text) == comparison


HOSTILE = "a|b\n| c | `x` <script>[l](http://e)\x1b[31m@team _u_ ##[error]x ::set-output"


def test_names_do_not_break_the_markdown():
    before = make_result(HOSTILE, runs_of(1.0, 1.1), created_at=EARLIER)
    after = make_result(HOSTILE, runs_of(1.0, 1.1), created_at=LATER)
    text = to_markdown(compare([measured(before)], [measured(after)])).decode()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    for forbidden in ("<script", "`", "[l]", "http://", "@team", "\x1b", "##["):
        assert forbidden not in text


def test_the_command_compares_and_refuses(tmp_path):
    files = {"a": BEFORE, "b": later(), "c": UNLIKE["power_limit"]}
    for name, result in files.items():
        Path(tmp_path / f"{name}.json").write_text(result_to_json(result))
    done = energyscore("compare", "a.json", "b.json", "--format", "json", cwd=tmp_path)
    assert done.status == 0
    assert json.loads(done.stdout)["pairs"][0]["rows"][0]["ratio"] == pytest.approx(2.0)
    assert "2.000" in energyscore("compare", "a.json", "b.json", cwd=tmp_path).stdout
    refused = energyscore("compare", "a.json", "c.json", cwd=tmp_path)
    assert refused.status == 2
    assert "power_limit: 300 W instead of 700 W" in refused.error
    assert "--allow power_limit" in refused.error


def test_of_a_folder_the_newest_of_each_identity_is_read(tmp_path):
    for number, created_at in enumerate(("2026-01-01T00:00:00Z", LATER)):
        text = result_to_json(make_result(created_at=created_at))
        (tmp_path / f"{number}.json").write_text(text)
    assert [one.result.created_at for one in load_rated([tmp_path])] == [LATER]
    assert len(load_rated([tmp_path], every=True)) == 2


def test_results_without_counterparts_and_stars_without_reason_are_explained(tmp_path):
    for name, model in (("a", "org/a"), ("b", "org/b")):
        (tmp_path / name).mkdir()
        for number in "12":
            result = make_result(f"{model}{number}", identity=number * 64)
            (tmp_path / name / f"{number}.json").write_text(result_to_json(result))
    lonely = energyscore("compare", "a", "b", cwd=tmp_path)
    assert (lonely.status, "name the folder or file of one" in lonely.error) == (2, True)
    other = make_result("org/a1", created_at="2026-03-01T00:00:00Z", runs=runs_of(3.0, 3.01, 3.02))
    (tmp_path / "c.json").write_text(result_to_json(other))
    shown = energyscore("compare", "a/1.json", "c.json", "--explain", cwd=tmp_path)
    assert (shown.status, "no stars to compare: " in shown.stdout) == (0, True)


def under(seed, batch_size=1, day=1, revision="r", **change):
    """A result of one model under conditions of its own."""
    result = make_result(runs=[make_run(0)], created_at=f"2026-01-{day:02d}T00:00:00Z", **change)
    work = result.workload.model_copy(update={"seed": seed, "batch_size": batch_size})
    model = result.model.model_copy(update={"revision": revision})
    return measured(result.model_copy(update={"workload": work, "model": model}))


def test_the_counterpart_has_the_fewest_differences_then_its_revision_its_conditions_its_age():
    one = under(1, day=9)
    others = [
        under(1, batch_size=8, day=1),
        under(2, batch_size=8, day=2),
        under(1, day=3, revision="other"),
        under(1, day=4),
        under(1, day=5),
        under(2, day=6),
        under(1, day=9),
    ]
    left = list(others)
    order = [(4, ()), (3, ()), (2, ()), (5, ("seed",)), (6, ()), (0, ()), (1, ())]
    for best, allowed in order:
        found = Counterparts(left).of(one, allowed)
        assert found is others[best]
        left.remove(found)
    assert Counterparts([]).of(one, ()) is None


def test_results_of_one_model_are_not_all_held_against_each_other(monkeypatch):
    """Of 60 under as many conditions, each finds its counterpart without a look at the others."""
    looked = []

    def counted(look):
        return lambda *both: looked.append(1) or look(*both)

    for module, name in ((counterparts_module, "differences"), (compare_module, "terms_between")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    before, after = ([under(seed, day=day) for seed in range(60)] for day in (1, 2))
    assert len(compare(before, after).pairs) == 60
    assert len(looked) == 60


def test_a_head_and_writing_are_compared_only_where_that_is_allowed():
    head, writing = (with_part(BEFORE, "workload", by=by) for by in ("head", "generate"))
    writing = writing.model_copy(update={"created_at": LATER})
    (point,) = pair_of(head, writing).refused
    assert str(point) == "by: generate instead of head"
    assert pair_of(head, writing, "by").rows[0].ratio is not None


def test_two_named_models_are_compared_unasked_and_the_answer_names_the_one_that_needs_less():
    a, b = measured(BEFORE), measured(make_result("org/b", runs_of(2.0, 2.1, 1.9)))
    comparison = compare([b], [a])
    (pair,) = comparison.pairs
    assert (comparison.exit_status, pair.rows[0].ratio) == (0, pytest.approx(0.5))
    assert end_of(comparison).answer == [
        "org/model needs 2.0 (1.7 to 2.4) times less energy than org/b."
    ]
    # Of several tasks each finds its own; several models on a side are no named model.
    asr = a.result.task.model_copy(update={"id": "asr"})
    other = measured(a.result.model_copy(update={"task": asr}))
    assert [one.task for one in compare([a, other], [b]).pairs] == ["text_generation"]
    assert compare([a, measured(make_result("org/c"))], [b]).pairs == []


def test_the_first_is_held_against_each_of_the_others():
    a, b, c = (
        measured(make_result(name, runs_of(wh, wh * 1.01, wh * 0.99)), f"{name}.json")
        for name, wh in (("a", 1.0), ("b", 2.0), ("c", 3.0))
    )
    comparison = compare_all([a], [[b], [c]])
    assert [pair.rows[0].ratio for pair in comparison.pairs] == pytest.approx([2.0, 3.0])
    assert [line[:9] for line in end_of(comparison).answer] == ["a needs 2", "a needs 3"]
    both = compare_all([a, b], [[measured(later())], [measured(BEFORE)]])
    assert both.only_before == ["text_generation, a", "text_generation, b"]


def test_one_before_and_after_is_named_by_when():
    faster = compare([measured(later())], [measured(BEFORE)])
    assert end_of(faster).answer == [
        "org/model (after) needs 2.0 (1.7 to 2.4) times less energy than org/model (before)."
    ]
    undecided = compare([measured(BEFORE)], [measured(later(1.0, 1.06, 0.95))])
    assert end_of(undecided).answer[0].startswith("undecided whether org/model (before) needs")


def test_a_reason_is_said_once_for_all_that_it_is_true_of(tmp_path):
    for name in "ab":
        text = result_to_json(make_result(f"org/{name}", identity=name * 64))
        (tmp_path / f"{name}.json").write_text(text)
    done = energyscore("compare", tmp_path, tmp_path)
    assert done.status == 2
    assert (done.stdout + done.stderr).count("there is nothing to compare") == 1
    alone = energyscore("compare", tmp_path)
    assert alone.error.endswith("Name two or more to compare.")
    unlike = compare([measured(BEFORE)], [measured(UNLIKE["gpu"])])
    assert refusals(unlike) == [
        "text_generation, org/model: not compared, unlike: gpu: NVIDIA L4 instead of NVIDIA H100 "
        "80GB HBM3"
    ]


def test_a_model_is_named_as_it_is_called_where_it_has_results(tmp_path):
    for name, wh in (("builtin/a", 1.0), ("org/b", 2.0)):
        folder = tmp_path / "results" / name / "text_generation"
        folder.mkdir(parents=True)
        result = make_result(name.replace("builtin/", "builtin:"), runs_of(wh, wh * 1.01))
        (folder / "x.json").write_text(result_to_json(result))
    for names in (("builtin:a", "org/b"), ("a", "b"), ("results/builtin/a", "b")):
        done = energyscore("compare", *names, cwd=tmp_path)
        assert done.status == 0, done.stderr
        assert "builtin:a needs 2.0" in done.stdout
    assert "gone" in energyscore("compare", "a", "gone", cwd=tmp_path).error


def test_how_a_model_runs_is_a_condition_and_its_own_way_is_that_of_older_results():
    def run(**how):
        return with_part(later(), "model", **how)

    own = run(attention="sdpa", attention_default="sdpa", compiled=False)
    assert pair_of(BEFORE, own).refused == []
    ways = {
        "attention: eager instead of the model's own": run(
            attention="eager", attention_default="sdpa", compiled=False
        ),
        "compile: compiled instead of not compiled": run(compiled=True),
        "quantization: bitsandbytes-nf4-4bit instead of none": run(
            quantization="bitsandbytes-nf4-4bit", quantization_bits=4, quantized_on_load="nf4"
        ),
    }
    for said, way in ways.items():
        (point,) = pair_of(BEFORE, way).refused
        assert str(point) == said
        assert pair_of(BEFORE, way, point.name).rows[0].ratio is not None
        assert file_of(way) != file_of(BEFORE)
        departs = point.name in ("attention", "compile")
        assert (cohort_key(way) == cohort_key(BEFORE)) == (not departs)
    assert file_of(own) == file_of(BEFORE)
    assert cohort_key(own) == cohort_key(BEFORE)
