import math
import statistics

import pytest
from support.results import UUID, make_cpu_run, make_run, make_server_result

from energyscore.results.parts import Idle, PhasePart
from energyscore.results.score import NO_GPU, emissions_for, is_precise, run_se_wh, score_runs

GPU = f"gpu:{UUID}"


def run_of(index=0, **joules):
    """A run of 1,000 queries; `cpu`, `ram`, ... in joules, with measured methods."""
    domains = {GPU if name == "gpu" else name: value for name, value in joules.items()}
    return make_run(
        index,
        energy_j=domains,
        methods={
            d: None if j is None else "counter" if d == GPU else "rapl" for d, j in domains.items()
        },
        reasons={d: "it did not move" for d, j in domains.items() if j is None},
    )


def test_watt_hours_per_thousand_queries_from_joules():
    score = score_runs([make_run(joules=7200.0, queries=250)], [UUID])
    assert score.gpu_wh_per_1k_queries == pytest.approx(8.0)
    assert (score.runs, score.std, score.ci95, score.reason) == (1, None, None, "")


def test_the_score_is_the_mean_of_the_runs_with_its_interval():
    runs = [make_run(index, joules=3600.0 * wh) for index, wh in enumerate((1.0, 2.0, 3.0))]
    score = score_runs(runs, [UUID])
    assert score.gpu_wh_per_1k_queries == pytest.approx(2.0)
    assert score.std == pytest.approx(1.0)
    share = 4.302653 / 3**0.5 / 2.0  # t(2, 0.975) s / sqrt(n), as a share of the mean
    assert score.ci95 == pytest.approx((2.0 * math.exp(-share), 2.0 * math.exp(share)))


def stepped(index, *errors_j, joules=3600.0, queries=1000):
    """A run whose counters leave so much open."""
    domains = [GPU, "gpu:b"][: len(errors_j)]
    return make_run(
        index,
        queries=queries,
        energy_j=dict.fromkeys(domains, joules),
        methods=dict.fromkeys(domains, "counter"),
        quantization_se_j=dict(zip(domains, errors_j, strict=True)),
    )


def test_runs_that_read_alike_are_known_to_the_steps_of_their_counter():
    score = score_runs([stepped(0, 36.0), stepped(1, 36.0)], [UUID])
    half = 1.959964 * 0.01
    assert (score.gpu_wh_per_1k_queries, score.std) == (pytest.approx(1.0), 0.0)
    assert score.ci95 == pytest.approx((math.exp(-half), math.exp(half)))
    plain = score_runs([make_run(0), make_run(1)], [UUID])
    assert plain.ci95 == pytest.approx((1.0, 1.0)), "older runs do not tell of steps"


def test_the_steps_of_several_gpus_and_of_longer_runs_are_put_together():
    runs = [stepped(0, 30.0, 40.0), stepped(1, 100.0, 0.0, queries=2000)]
    assert run_se_wh(runs, [GPU, "gpu:b"]) == pytest.approx(50.0 / 3600)
    assert run_se_wh(runs, ["cpu"]) == 0.0


def test_repeats_are_not_precise_before_the_steps_of_the_counter_allow_it():
    made = [stepped(n, 36.0) for n in range(30)]
    assert is_precise(made, [UUID], 0.025) is True
    assert is_precise(made, [UUID], 0.015) is False


def test_runs_of_different_length_count_the_same():
    runs = [make_run(0, joules=3600.0, queries=1000), make_run(1, joules=3 * 7200.0, queries=3000)]
    assert score_runs(runs, [UUID]).gpu_wh_per_1k_queries == pytest.approx(1.5)


def test_several_gpus_are_summed():
    run = make_run(
        energy_j={"gpu:a": 3600.0, "gpu:b": 1800.0, "gpu:not-metered": 9999.0},
        methods=dict.fromkeys(("gpu:a", "gpu:b", "gpu:not-metered"), "counter"),
    )
    assert score_runs([run], ["a", "b"]).gpu_wh_per_1k_queries == pytest.approx(1.5)


def test_one_run_without_energy_leaves_no_score_but_a_reason():
    score = score_runs([make_run(0), make_run(1, joules=None), make_run(2)], [UUID])
    assert score.gpu_wh_per_1k_queries is None
    assert (score.ci95, score.std, score.method) == (None, None, None)
    assert score.reason == f"run 2: {GPU}: the GPU was lost"
    assert score.runs == 3


def test_one_gpu_of_two_without_energy_leaves_no_score():
    run = make_run(
        energy_j={"gpu:a": 3600.0, "gpu:b": None},
        methods={"gpu:a": "counter", "gpu:b": None},
        reasons={"gpu:b": "no counter"},
    )
    score = score_runs([run], ["a", "b"])
    assert score.gpu_wh_per_1k_queries is None
    assert score.reason == "run 1: gpu:b: no counter"


def test_without_a_gpu_the_reason_says_so():
    score = score_runs([make_cpu_run()], [])
    assert (score.gpu_wh_per_1k_queries, score.reason) == (None, NO_GPU)


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (["counter", "counter"], "counter"),
        (["power_integral", "power_integral"], "power_integral"),
        (["counter", "power_integral"], "power_integral"),
    ],
)
def test_the_method_is_the_weakest_of_the_runs(methods, said):
    runs = [make_run(index, method=method) for index, method in enumerate(methods)]
    assert score_runs(runs, [UUID]).method == said


def test_the_system_figure_adds_processor_and_memory():
    score = score_runs([run_of(gpu=3600.0, cpu=1800.0, dram=360.0)], [UUID])
    assert score.gpu_wh_per_1k_queries == pytest.approx(1.0)
    assert score.system_wh_per_1k_queries == pytest.approx(1.6)
    assert (score.system_method, score.system_reason) == ("measured", "")


def test_the_system_figure_has_its_own_spread():
    runs = [
        run_of(index, gpu=3600.0 * gpu, cpu=3600.0 * cpu, dram=360.0)
        for index, (gpu, cpu) in enumerate([(1.0, 1.0), (2.0, 4.0), (3.0, 4.0)])
    ]
    score = score_runs(runs, [UUID])
    assert score.std == pytest.approx(1.0)  # of 1, 2, 3
    assert score.system_std == pytest.approx(7**0.5)  # of 2.1, 6.1, 7.1
    assert score_runs(runs[:1], [UUID]).system_std is None
    assert score_runs([make_run(0), make_run(1)], [UUID]).system_std is None


def test_one_estimated_part_makes_the_system_figure_an_estimate():
    run = run_of(gpu=3600.0, cpu=1800.0, ram=360.0)
    run = run.model_copy(update={"methods": run.methods | {"ram": "estimated"}})
    score = score_runs([run], [UUID])
    assert score.system_wh_per_1k_queries == pytest.approx(1.6)
    assert (score.method, score.system_method) == ("counter", "estimated")


def test_metered_memory_is_preferred_and_never_added_to_an_estimate_of_it():
    run = run_of(gpu=3600.0, cpu=1800.0, dram=360.0, ram=7200.0)
    run = run.model_copy(update={"methods": run.methods | {"ram": "estimated"}})
    score = score_runs([run], [UUID])
    assert score.system_wh_per_1k_queries == pytest.approx(1.6)
    assert score.system_method == "measured"


def test_where_one_run_lacks_metered_memory_the_estimate_serves_all():
    runs = [
        run_of(0, cpu=1800.0, dram=360.0, ram=720.0),
        run_of(1, cpu=1800.0, dram=None, ram=720.0),
    ]
    assert score_runs(runs, []).system_wh_per_1k_queries == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("joules", "reason"),
    [
        ({"gpu": 1.0, "cpu": None, "ram": 1.0}, "run 1: cpu: it did not move"),
        ({"gpu": 1.0, "cpu": 1.0}, "run 1: ram: no meter covers it"),
        ({"gpu": None, "cpu": 1.0, "ram": 1.0}, f"run 1: {GPU}: it did not move"),
    ],
)
def test_a_missing_part_leaves_no_system_figure_but_a_reason(joules, reason):
    score = score_runs([run_of(**joules)], [UUID])
    assert score.system_wh_per_1k_queries is None
    assert (score.system_ci95, score.system_method) == (None, None)
    assert score.system_reason == reason


@pytest.mark.parametrize("country", [None, "FRA"])
def test_a_result_records_the_country_and_no_co2(country):
    emissions = emissions_for(country)
    assert emissions.country == country
    assert ("--country" in emissions.reason) == (country is None)
    figures = emissions.model_dump(exclude={"country", "reason"}).values()
    assert set(figures) == {None}


def test_a_gpu_that_a_run_knows_nothing_of_leaves_no_score_but_a_reason():
    score = score_runs([make_run()], [UUID, "GPU-1"])
    assert score.reason == "run 1: gpu:GPU-1: no meter covers it"


def phase_run(index, prefill, decode, *, se=3.6):
    """A run of 1,000 queries with joules by phase; None: they could not be told apart."""
    part = lambda joules: PhasePart(  # noqa: E731
        duration_s=50.0, energy_j={GPU: joules}, se_j={GPU: None if joules is None else se}
    )
    return make_run(
        index,
        phases={"prefill": part(prefill), "decode": part(decode)},
        phase_reasons={GPU: "too few ticks"} if decode is None else {},
    )


def test_phases_are_means_over_the_runs_with_the_error_of_the_mean():
    runs = [phase_run(0, 360.0, 3600.0), phase_run(1, 720.0, 3600.0)]
    phases = score_runs(runs, [UUID]).phases
    assert phases["prefill"].gpu_wh_per_1k_queries == pytest.approx(0.15)
    assert phases["prefill"].se == pytest.approx(0.05)  # std 0.0707 / sqrt 2
    assert phases["decode"].gpu_wh_per_1k_queries == pytest.approx(1.0)
    assert phases["decode"].se == 0.0


def test_of_a_single_run_the_error_is_that_of_the_split():
    phases = score_runs([phase_run(0, 360.0, 3600.0)], [UUID]).phases
    assert phases["prefill"].se == pytest.approx(0.001)


def test_phases_are_null_as_soon_as_one_run_could_not_tell_them():
    runs = [phase_run(0, 360.0, 3600.0), phase_run(1, None, None)]
    for phase in score_runs(runs, [UUID]).phases.values():
        assert (phase.gpu_wh_per_1k_queries, phase.se) == (None, None)
        assert phase.reason == "run 2: too few ticks"


def test_without_a_gpu_phases_have_no_gpu_energy():
    assert score_runs([make_run()], []).phases["forward"].reason == NO_GPU


def idle(**watts):
    return Idle(
        seconds=30.0,
        without_model_w={GPU: watts["without"]} if "without" in watts else {},
        with_model_w={GPU: watts["loaded"]} if "loaded" in watts else {},
    )


@pytest.mark.parametrize(
    ("baseline", "net", "of"),
    [
        (idle(without=9.0, loaded=18.0), 0.75, "idle_without_model"),
        (idle(loaded=18.0), 0.5, "idle_with_model"),
        (idle(), None, None),
        (None, None, None),
    ],
)
def test_net_is_less_what_the_gpu_draws_idle_in_the_same_time(baseline, net, of):
    score = score_runs([make_run(0), make_run(1)], [UUID], baseline)  # 1 Wh in 100 s
    assert score.net_gpu_wh_per_1k_queries == (net and pytest.approx(net))
    assert score.net_of == of
    assert bool(score.net_reason) is (net is None)
    assert score.gpu_wh_per_1k_queries == pytest.approx(1.0), "the headline stays gross"


def test_net_has_an_interval_that_is_cut_at_0_and_holds_the_error_of_idling():
    runs = [make_run(n, joules=joules) for n, joules in enumerate((3600.0, 3636.0, 3564.0))]
    half = 4.302653 * 0.01 / 3**0.5  # of 1, 1.01 and 0.99 Wh; a run of 100 s
    score = score_runs(runs, [UUID], idle(without=18.0))
    assert score.net_ci95 == pytest.approx((0.5 - half, 0.5 + half))
    low, high = score_runs(runs, [UUID], idle(without=35.9)).net_ci95
    assert low == 0.0
    assert high == pytest.approx(1 - 35.9 / 36 + half)
    known = [run.model_copy(update={"facts": {GPU: {"update_period_ms": 100.0}}}) for run in runs]
    idle_se = 18.0 * 0.1 / 6**0.5 / 30.0 / 36  # a step of 100 ms of 18 W in 30 s
    low, high = score_runs(known, [UUID], idle(without=18.0)).net_ci95
    assert (high - low) / 2 == pytest.approx(math.hypot(half, 1.959964 * idle_se))
    assert score_runs(runs[:1], [UUID], idle(without=18.0)).net_ci95 is None
    assert score_runs(runs, [UUID]).net_ci95 is None


@pytest.mark.parametrize(
    ("spread", "runs", "target", "precise"),
    [(0.0, 4, 0.5, False), (0.001, 5, 0.01, True), (0.02, 5, 0.01, False), (0.02, 30, 0.01, True)],
)
def test_runs_are_precise_from_five_on_when_the_interval_is_narrow(spread, runs, target, precise):
    made = [make_run(n, joules=3600.0 * (1 + spread * (-1) ** n)) for n in range(runs)]
    assert is_precise(made, [UUID], target) is precise


def test_of_a_server_requests_count_in_part():
    """9.4 requests are written down as 9 queries: that must not make each dearer by 4%."""
    made = make_server_result()
    runs = [
        run.model_copy(update={"queries": 9, "load": run.load.model_copy(update={"requests": 9.4})})
        for run in made.runs
    ]
    uuids = made.protocol.metered_gpus
    score = score_runs(runs, uuids, made.idle, [gpu.name for gpu in made.environment.gpus])
    energy_j = statistics.fmean(run.total_j([f"gpu:{uuids[0]}"]) for run in runs)
    assert score.gpu_wh_per_1k_queries == pytest.approx(energy_j / 3600 * 1000 / 9.4)
