import dataclasses

import pytest
from support.results import UUID, make_cpu_run, make_result, make_run

from energyscore.protocol.model import ModelFacts
from energyscore.protocol.task import load_tasks
from energyscore.results.checks import find_cautions, find_invalid_reasons
from energyscore.results.conformance import check_conformance, max_gpus_of
from energyscore.results.parts import EmptyRows, InputsCut, Notice, SecondSource

OFFICIAL = make_result()
FACTS = ModelFacts(None, "Net", 10**9, "float16", None, None, "pretrained", 1024)


def changed(part, **change):
    return part.model_copy(update=change)


def cautions(
    runs=None, *, wanted=1000, facts=FACTS, max_gpus=1, workload=None, protocol=None, **change
):
    found = find_cautions(
        runs or OFFICIAL.runs,
        changed(OFFICIAL.protocol, **(protocol or {})),
        changed(OFFICIAL.workload, **(workload or {})),
        wanted,
        dataclasses.replace(facts, **change),
        max_gpus,
    )
    return {caution.code: caution.message for caution in found}


def notice(code, *, message=None, invalidates=False):
    return Notice(code=code, message=message or f"about {code}", invalidates=invalidates)


def test_a_sound_measurement_needs_no_caution():
    assert cautions() == {}
    assert find_invalid_reasons(OFFICIAL.runs, OFFICIAL.protocol) == []


def test_notices_are_told_once_with_the_number_of_their_runs():
    runs = [
        make_run(0, notices=[notice("power_cap", message="first"), notice("frozen")]),
        make_run(1),
        make_run(2, notices=[notice("power_cap", message="third")]),
    ]
    assert cautions(runs) == {
        "power_cap": "first (2 of 3 runs)",
        "frozen": "about frozen (1 of 3 runs)",
    }


def test_of_a_single_run_no_number_is_told():
    assert cautions([make_run(notices=[notice("frozen")])]) == {"frozen": "about frozen"}


def second(joules):
    return SecondSource(name="codecarbon", gpu_energy_j=joules, reason="")


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ((3600.0, 3600.0), False),
        ((3600.0 * 1.049, 3600.0 * 1.049), False),
        ((3600.0 * 0.951, 3600.0 * 0.951), False),
        ((3600.0 * 1.051, 3600.0 * 1.051), True),
        ((3600.0 * 0.949, 3600.0 * 0.949), True),
        ((3600.0 * 1.09, 3600.0), False),  # over all runs, not run by run
        ((3600.0 * 1.2, None), True),  # where it says nothing, ours is left out as well
        ((3600.0, None), False),
        ((None, None), False),
    ],
)
def test_a_second_source_is_told_of_when_it_is_over_5_percent_off(theirs, told):
    runs = [make_run(index, second_source=second(joules)) for index, joules in enumerate(theirs)]
    assert ("second_source_disagrees" in cautions(runs)) is told


def test_the_disagreement_gives_both_figures():
    runs = [
        make_run(0, second_source=second(4000.0)),
        make_run(1, energy_j={"gpu:a": 1.0, "gpu:b": None}, second_source=second(9999.0)),
    ]
    said = cautions(runs)["second_source_disagrees"]
    assert said == "codecarbon says 4000.0 J of GPU energy, the meter 3600.0 J"


def test_the_second_source_is_held_against_all_gpus_together():
    energies = {"gpu:a": 1000.0, "gpu:b": 3000.0, "cpu": 9999.0}
    assert cautions([make_run(energy_j=energies, second_source=second(4000.0))]) == {}


def test_without_our_own_gpu_figure_there_is_nothing_to_compare():
    assert cautions([make_cpu_run().model_copy(update={"second_source": second(1.0)})]) == {}


def test_a_wrong_output_length_is_told():
    runs = [make_run(0), make_run(1, output_tokens=9_990)]
    said = cautions(runs)["output_length"]
    assert said == "9.99 tokens a query were generated instead of 10"


@pytest.mark.parametrize(
    "generation", [None, {"max_new_tokens": 10, "min_new_tokens": 0, "strategy": "greedy"}]
)
def test_where_the_length_is_free_any_is_right(generation):
    assert cautions([make_run(output_tokens=7)], workload={"generation": generation}) == {}


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (None, None),
        (InputsCut(queries=0, limit=512, unit="tokens"), None),
        (
            InputsCut(queries=12, limit=512, unit="tokens"),
            "12 of 1,000 queries were cut to the 512 tokens that the model has room for",
        ),
        (
            InputsCut(
                queries=900,
                limit=2,
                unit="tokens",
                lost=360_000,
                total=369_000,
                official_limit=1014,
            ),
            "900 of 1,000 queries were cut to the 2 tokens that the model has room for: 360,000 of "
            "369,000 tokens were not read (97.6%). Its positions have room for 1014: the "
            "tokenizer's model_max_length is smaller",
        ),
        (
            InputsCut(queries=1, limit=1048576, unit="tokens"),
            "1 of 1,000 queries were cut to the 1048576 tokens that the model has room for",
        ),
        (
            InputsCut(queries=1000, limit=30.0, unit="seconds"),
            "1000 of 1,000 queries were cut to the 30 s that the model has room for",
        ),
    ],
)
def test_queries_that_were_cut_are_told_with_the_limit(cut, said):
    assert cautions(workload={"inputs_cut": cut}).get("inputs_cut") == said


def test_fewer_queries_than_asked_for_are_told():
    said = cautions(wanted=1001)["fewer_queries"]
    assert said == "the dataset has 1,000 queries, 1,001 were asked for"
    assert cautions(wanted=1000) == cautions(wanted=999) == {}


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([2], "1 row of the dataset, left out as empty: number 2"),
        (range(1, 8), "7 rows of the dataset, left out as empty: number 1, 2, 3, 4, 5, ..."),
    ],
)
def test_rows_that_were_left_out_are_told(numbers, said):
    empty = EmptyRows(count=len(numbers), first=list(numbers))
    assert cautions(workload={"empty_rows": empty}) == {"empty_rows": said}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"weights": "random"}, "random_weights"),
        ({"protocol": {"device": "cpu"}}, "gpu_not_of_model"),
        ({"protocol": {"warmup_steady": False}}, "warmup_unsteady"),
    ],
)
def test_other_circumstances_are_told(change, code):
    assert list(cautions(**change)) == [code]


def test_weights_of_layers_that_were_not_taken_are_told():
    names = tuple(f"h.{number}.attn.q_norm.weight" for number in range(4))
    assert cautions(left_over=names) == {
        "left_over_weights": "4 weights of the model's files belong into its layers, and its "
        "class by config.json has no place for them: h.0.attn.q_norm.weight, "
        "h.1.attn.q_norm.weight, h.2.attn.q_norm.weight, ..."
    }


def test_a_processor_without_named_gpus_needs_no_caution_about_gpus():
    assert cautions([make_cpu_run()], protocol={"device": "cpu", "metered_gpus": []}) == {}


GPU_DOMAIN = f"gpu:{UUID}"


def runs_with(fact, *values):
    return [make_run(i, facts={GPU_DOMAIN: {fact: v}}) for i, v in enumerate(values)]


def test_a_power_limit_that_changes_between_runs_is_told_and_invalid():
    runs = runs_with("power_limit_w", 700.0, 400.0, None, 1000.0)
    said = f"the power limit of {UUID} was not the same in all runs: 400 W, 700 W, 1000 W"
    assert cautions(runs) == {"power_limit_changed": said}
    assert find_invalid_reasons(runs, OFFICIAL.protocol) == [said]


@pytest.mark.parametrize("limits", [(700.0, 700.0), (700.0, None), (None, None)])
def test_one_power_limit_in_all_runs_is_fine(limits):
    runs = runs_with("power_limit_w", *limits)
    assert cautions(runs) == {}
    assert find_invalid_reasons(runs, OFFICIAL.protocol) == []


@pytest.mark.parametrize(
    ("medians", "said"),
    [
        ((1980.0, 1890.0), None),
        ((1980.0, None), None),
        ((1980.0, 1930.0, 1875.0), "from 1875 to 1980 MHz"),
    ],
)
def test_clocks_that_differ_between_runs_are_told(medians, said):
    runs = runs_with("median_sm_clock_mhz", *medians)
    found = cautions(runs)
    assert list(found) == (["clocks_changed"] if said else [])
    assert said is None or found["clocks_changed"].endswith(said)
    assert find_invalid_reasons(runs, OFFICIAL.protocol) == []


def test_a_gpu_that_was_metered_idle_is_told_with_what_it_adds():
    uuids = ["GPU-0", "GPU-1"]
    runs = [
        make_run(index, energy_j={"gpu:GPU-0": 3600.0, "gpu:GPU-1": 900.0}, queries=500)
        for index in range(3)
    ]
    protocol = {"metered_gpus": uuids, "occupied_gpus": uuids[:1], "gpus_chosen_by": "user"}
    found = cautions(runs, max_gpus=None, protocol=protocol)
    assert list(found) == ["idle_gpus_metered"]
    said = found["idle_gpus_metered"]
    assert said.startswith("the model is on GPU-0 only; GPU-1 was idle")
    assert said.endswith("adds to the figure 0.5 Wh per 1,000 queries, 20% of it")
    unknown = [make_run(0, energy_j={"gpu:GPU-0": 3600.0, "gpu:GPU-1": None})]
    said = cautions(unknown, max_gpus=None, protocol=protocol)["idle_gpus_metered"]
    assert said.endswith("an energy that is not known")
    for change in ({"occupied_gpus": uuids}, {"occupied_gpus": []}):
        assert cautions(runs, max_gpus=None, protocol=protocol | change) == {}


@pytest.mark.parametrize(
    ("size", "used", "told"),
    [("A", 1, False), ("A", 2, True), ("B", 2, True), ("C", 8, False), (None, 2, True)],
)
def test_more_gpus_than_the_class_allows_are_told(size, used, told):
    uuids = [f"GPU-{place}" for place in range(used)]
    runs = [make_run(energy_j={f"gpu:{uuid}": 3600.0 for uuid in uuids})]
    allowed = max_gpus_of(load_tasks()["text_generation"].spec, size)
    found = cautions(
        runs, max_gpus=allowed, protocol={"metered_gpus": uuids, "occupied_gpus": uuids}
    )
    assert list(found) == ["several_gpus"] * told
    if told:
        assert found["several_gpus"] == f"{used} GPUs were used, where the model's class allows 1"


def test_gpus_that_are_metered_beside_work_on_the_processor_are_not_several():
    runs = [make_run(energy_j={"gpu:a": 1.0, "gpu:b": 1.0})]
    protocol = {"device": "cpu", "metered_gpus": ["a", "b"], "occupied_gpus": []}
    assert list(cautions(runs, protocol=protocol)) == ["gpu_not_of_model"]


# 10,000 tokens, one at a time, from 10^9 weights of 2 bytes at 30 pJ a byte: 600 J.
MIXTURE = dataclasses.replace(FACTS, experts=8)


@pytest.mark.parametrize(
    ("joules", "change", "told"),
    [
        (599.0, {}, True),
        (601.0, {}, False),
        (1199.0, {"dtype": "float32"}, True),
        (599.0, {"dtype": "float32"}, True),
        (149.0, {"quantization": "gptq-4bit", "quantization_bits": 4}, True),
        (151.0, {"quantization": "gptq-4bit", "quantization_bits": 4}, False),
        (1.0, {"quantization": "unknown"}, False),
        (1.0, {"dtype": "float8_e9"}, False),
        (1.0, {"facts": MIXTURE}, False),
        (1.0, {"protocol": {"device": "cpu", "metered_gpus": [], "occupied_gpus": []}}, False),
        (74.0, {"workload": {"batch_size": 8}}, True),
        (76.0, {"workload": {"batch_size": 8}}, False),
        (59.9, {"parameters": 100_000_000}, True),
        (1.0, {"parameters": 99_000_000}, False),  # 198 MB: a cache may hold them
        (None, {}, False),
    ],
)
def test_less_energy_than_reading_the_weights_takes_is_told(joules, change, told):
    found = cautions([make_run(joules=joules)], **change)
    assert ("implausibly_low" in found) is told


def test_work_that_generates_nothing_reads_the_weights_no_certain_number_of_times():
    run = make_run(joules=0.001, output_tokens=0)
    assert cautions([run], workload={"generation": None}) == {}


def test_of_implausible_runs_the_worst_is_told_with_both_figures():
    runs = [make_run(0, joules=500.0), make_run(1, joules=300.0), make_run(2)]
    assert cautions(runs)["implausibly_low"] == (
        "300.0 J in run 2 cannot be: reading 2.0 GB of weights 10000 times takes 600.0 J at the "
        "very least"
    )


def runs_of(*joules):
    return [make_run(index, joules=value) for index, value in enumerate(joules)]


def test_energy_that_drifts_over_the_runs_is_told():
    steady = (3600.0, 3604.0, 3597.0, 3602.0, 3599.0, 3601.0)
    rising = [value * (1 + 0.01 * place) for place, value in enumerate(steady)]
    assert cautions(runs_of(*steady)) == {}
    said = cautions(runs_of(*rising))["drift"]
    assert said.startswith("the energy rose by 4.9% over the 6 runs (p = ")
    assert cautions(runs_of(*rising[::-1]))["drift"].startswith("the energy fell by 4.9%")
    assert cautions(runs_of(*rising[:4])) == {}


def test_a_run_that_stands_out_is_named_and_kept():
    runs = runs_of(3600.0, 3602.0, 3599.0, 3960.0, 3601.0, 3598.0, 3600.0)
    assert cautions(runs) == {"outlier": "run 4 is +10.0% off the median of 7 runs"}
    assert find_invalid_reasons(runs, OFFICIAL.protocol) == []


def test_estimates_are_looked_through_for_trends_too():
    runs = [make_cpu_run(i, joules=7200.0 * (1.5 if i == 2 else 1 + i / 1e5)) for i in range(6)]
    protocol = {"device": "cpu", "metered_gpus": [], "occupied_gpus": []}
    assert list(cautions(runs, protocol=protocol)) == ["outlier"]


def test_notices_that_invalidate_are_the_reasons_each_once():
    hot = notice("thermal_slowdown", invalidates=True)
    runs = [
        make_run(0, notices=[hot, notice("power_cap")]),
        make_run(1, notices=[hot, notice("contention", invalidates=True)]),
    ]
    reasons = find_invalid_reasons(runs, OFFICIAL.protocol)
    assert reasons == ["about thermal_slowdown", "about contention"]


def test_work_on_a_gpu_that_was_not_metered_is_invalid():
    protocol = changed(OFFICIAL.protocol, metered_gpus=[], gpus_chosen_by=None)
    (reason,) = find_invalid_reasons([make_run()], changed(protocol, occupied_gpus=[]))
    assert reason == "the GPU that did the work was not metered"


def test_a_model_on_another_gpu_than_the_metered_one_is_invalid():
    protocol = changed(OFFICIAL.protocol, occupied_gpus=["GPU-0", "GPU-7"])
    (reason,) = find_invalid_reasons([make_run()], protocol)
    assert reason == "the model occupies GPU-7, which was not metered"


def test_work_on_the_processor_needs_no_gpu():
    protocol = make_result(runs=[make_cpu_run()], gpu=None).protocol
    assert find_invalid_reasons([make_cpu_run()], protocol) == []


def test_a_run_without_energy_is_invalid_with_its_reason():
    runs = [make_run(0), make_run(1, joules=None), make_run(2, joules=None)]
    reasons = find_invalid_reasons(runs, OFFICIAL.protocol)
    assert reasons == [f"no energy for gpu:{UUID}: the GPU was lost"]


def test_a_gpu_that_a_run_knows_nothing_of_is_invalid():
    protocol = changed(OFFICIAL.protocol, metered_gpus=[UUID, "GPU-1"])
    assert find_invalid_reasons([make_run()], protocol) == ["no energy for gpu:GPU-1: unknown"]


def conformance(*, facts=FACTS, size="A", runs=None, **change):
    """The points; `workload_x=...`, `protocol_x=...` and `environment_x=...` change a part."""
    known = {
        name: getattr(facts, name)
        for name in (
            *("dtype", "quantization", "weights", "quantized_on_load"),
            *("attention", "attention_default", "compiled"),
        )
    }
    parts = {"model": changed(OFFICIAL.model, model_class=size, **known)}
    for name in ("workload", "protocol", "environment"):
        own = {k.removeprefix(f"{name}_"): v for k, v in change.items() if k.startswith(f"{name}_")}
        parts[name] = changed(getattr(OFFICIAL, name), **own)
    task = load_tasks()["text_generation"].spec
    return check_conformance(task, changed(OFFICIAL, **parts, runs=runs or OFFICIAL.runs))


def failing(checks):
    return {check.name for check in checks if not check.ok}


def test_the_hand_made_result_holds_every_point():
    assert failing(OFFICIAL.conformance) == failing(conformance()) == set()
    names = [check.name for check in OFFICIAL.conformance]
    assert len(names) == len(set(names)) == 15


def gpus(*names):
    part = OFFICIAL.environment.gpus[0]
    return [changed(part, name=name, uuid=f"GPU-{place}") for place, name in enumerate(names)]


H100, PCIE = "NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe"
FREE = {"max_new_tokens": 10, "min_new_tokens": 0, "strategy": "greedy"}


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({"environment_gpus": gpus("NVIDIA H200")}, {"hardware"}),
        ({"environment_gpus": gpus(PCIE)}, {"hardware"}),
        ({"environment_gpus": gpus(H100, "NVIDIA L4"), "size": "C"}, {"hardware"}),
        ({"protocol_gpus_chosen_by": "user"}, {"device"}),
        ({"protocol_device": "cpu"}, {"device"}),
        ({"environment_gpus": gpus(H100, H100)}, {"gpus"}),
        ({"environment_gpus": gpus(H100, H100), "size": None}, {"gpus"}),
        ({"workload_official": False}, {"dataset"}),
        ({"workload_queries": 999}, {"queries"}),
        ({"workload_queries": 1001}, {"queries"}),
        ({"workload_batch_size": 2}, {"batch size"}),
        ({"runs": OFFICIAL.runs[:9]}, {"repeats"}),
        (
            {"facts": ModelFacts(None, "N", 1, "float32", None, None, "pretrained", 9)},
            {"precision"},
        ),
        ({"facts": ModelFacts(None, "N", 1, "float16", None, None, "random", 9)}, {"weights"}),
        ({"facts": dataclasses.replace(FACTS, attention="sdpa", attention_default="sdpa")}, set()),
        (
            {"facts": dataclasses.replace(FACTS, attention="eager", attention_default="sdpa")},
            {"attention"},
        ),
        ({"facts": dataclasses.replace(FACTS, compiled=True)}, {"compile"}),
        (
            {
                "facts": dataclasses.replace(
                    FACTS, quantization="bitsandbytes-nf4-4bit", quantized_on_load="nf4"
                )
            },
            {"quantization"},
        ),
        ({"runs": [*OFFICIAL.runs, make_run(10, seconds=59.9)]}, {"window"}),
        ({"protocol_quick": True}, {"warm-up"}),
        (
            {"runs": [*OFFICIAL.runs, make_run(10, notices=[notice("contention")])]},
            {"exclusive use"},
        ),
        ({"runs": [*OFFICIAL.runs, make_run(10, method="power_integral")]}, {"GPU energy"}),
        ({"runs": [*OFFICIAL.runs, make_run(10, joules=None)]}, {"GPU energy"}),
        ({"runs": [*OFFICIAL.runs, make_run(10, output_tokens=9_999)]}, {"generation"}),
        ({"workload_generation": FREE}, {"generation"}),
        ({"workload_generation": None}, {"generation"}),
        (
            {"protocol_metered_gpus": [], "protocol_gpus_chosen_by": None, "environment_gpus": []},
            {"hardware", "device", "gpus", "GPU energy"},
        ),
    ],
)
def test_each_departure_fails_its_point_and_no_other(change, points):
    assert failing(conformance(**change)) == points


def cut_at(limit, lost, official_limit):
    return InputsCut(
        queries=min(lost, 1000), limit=limit, unit="tokens", lost=lost, total=369_000,
        official_limit=official_limit,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cut", "actual", "ok"),
    [
        (cut_at(1014, 0, 1014), "none cut off", True),
        (cut_at(1014, 30_000, 1014), "8.1% cut off, at 1014 tokens", True),
        (cut_at(510, 180_000, 510), "48.8% cut off, at 510 tokens", True),
        (cut_at(510, 0, 1014), "none cut off", True),
        (cut_at(510, 1, 1014), "0.0% cut off, at 510 tokens", False),
        (cut_at(12, 357_000, 12), "96.7% cut off, at 12 tokens", False),
        (cut_at(77, 184_501, None), "50.0% cut off, at 77 tokens", False),
    ],
)
def test_queries_may_be_cut_where_the_model_ends_and_not_before(cut, actual, ok):
    checks = {check.name: check for check in conformance(workload_inputs_cut=cut)}
    assert (checks["inputs"].actual, checks["inputs"].ok) == (actual, ok)
    assert failing(checks.values()) == (set() if ok else {"inputs"})
    assert checks["inputs"].required.startswith("at most 50% cut off")


def test_older_results_do_not_say_what_was_cut_off_and_stay_as_they_are():
    older = InputsCut(queries=900, limit=12, unit="tokens")
    for cut in (older, None):
        points = conformance(workload_inputs_cut=cut)
        assert failing(points) == set()
        assert "inputs" not in {point.name for point in points}


@pytest.mark.parametrize(
    ("change", "actual"),
    [
        ({}, "until steady (30 s)"),
        ({"protocol_warmup_steady": False, "protocol_warmup_s": 121.4}, "not steady (121 s)"),
        ({"protocol_quick": True, "protocol_warmup_steady": None}, "quick"),
    ],
)
def test_the_warm_up_says_how_it_ended(change, actual):
    point = next(one for one in conformance(**change) if one.name == "warm-up")
    assert (point.required, point.actual) == ("until steady, or two minutes", actual)
    assert point.ok == (actual != "quick")


def test_the_processor_stands_for_the_hardware_where_no_gpu_was_metered():
    point = conformance(protocol_metered_gpus=[], environment_gpus=[])[0]
    assert (point.required, point.actual) == ("H100 80GB", "A processor")


def test_the_largest_class_may_use_any_number_of_gpus():
    assert failing(conformance(environment_gpus=gpus(*[H100] * 8), size="C")) == set()


def test_models_with_a_quantization_of_their_own_may_compute_in_any_precision():
    facts = ModelFacts(None, "Net", 10**9, "float32", "gptq-4bit", 4, "pretrained", 1024)
    checks = {check.name: check for check in conformance(facts=facts)}
    assert checks["precision"].ok
    assert checks["precision"].actual == "gptq-4bit"


def test_more_repeats_than_planned_by_the_task_are_fine():
    assert failing(conformance(runs=[make_run(index) for index in range(20)])) == set()


def test_a_failing_point_says_what_was_and_what_is_required():
    checks = {check.name: check for check in conformance(workload_queries=3, runs=[make_run()])}
    assert (checks["queries"].required, checks["queries"].actual) == ("1000", "3")
    assert (checks["repeats"].required, checks["repeats"].actual) == ("10 or more", "1")


def point_of(result, name):
    checks = check_conformance(load_tasks()["text_generation"].spec, result)
    (actual,) = [check.actual for check in checks if check.name == name]
    return actual


def test_a_short_window_is_told_in_ms_and_an_unmeasured_gpu_in_words():
    assert point_of(make_result(runs=[make_run(seconds=0.012)]), "window") == "12.0 ms"
    assert point_of(make_result(runs=[make_run(seconds=7.66)]), "window") == "7.7 s"
    assert point_of(make_result(runs=[make_run(joules=None)]), "GPU energy") == "not measured"
