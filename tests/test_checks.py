import pytest

from energyscore.backend import ModelFacts
from energyscore.checks import check_conformance, find_cautions, find_invalid_reasons
from energyscore.result import Notice, SecondSource
from energyscore.task import load_tasks
from results import UUID, make_cpu_run, make_result, make_run

OFFICIAL = make_result()
FACTS = ModelFacts(None, "Net", 10**9, "float16", None, None, "pretrained", 1024)


def changed(part, **change):
    return part.model_copy(update=change)


def cautions(runs=None, *, wanted=1000, weights="pretrained", workload=None, protocol=None):
    found = find_cautions(
        runs or OFFICIAL.runs,
        changed(OFFICIAL.protocol, **(protocol or {})),
        changed(OFFICIAL.workload, **(workload or {})),
        wanted,
        weights,
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


def test_fewer_queries_than_asked_for_are_told():
    said = cautions(wanted=1001)["fewer_queries"]
    assert said == "the dataset has 1000 queries, 1001 were asked for"
    assert cautions(wanted=1000) == cautions(wanted=999) == {}


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


def test_a_processor_without_named_gpus_needs_no_caution_about_gpus():
    assert cautions([make_cpu_run()], protocol={"device": "cpu", "metered_gpus": []}) == {}


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
    parts = {}
    for name in ("workload", "protocol", "environment"):
        own = {k.removeprefix(f"{name}_"): v for k, v in change.items() if k.startswith(f"{name}_")}
        parts[name] = changed(getattr(OFFICIAL, name), **own)
    task = load_tasks()["text_generation"].spec
    return check_conformance(task, facts, size, **parts, runs=runs or OFFICIAL.runs)


def failing(checks):
    return {check.name for check in checks if not check.ok}


def test_the_hand_made_result_holds_every_point():
    assert failing(OFFICIAL.conformance) == failing(conformance()) == set()
    names = [check.name for check in OFFICIAL.conformance]
    assert len(names) == len(set(names)) == 13


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
        ({"runs": [*OFFICIAL.runs, make_run(10, seconds=59.9)]}, {"window"}),
        ({"protocol_quick": True}, {"warm-up"}),
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
