"""The lines under a table of results."""

from support.results import UUID, make_cpu_run, make_result, make_run

from energyscore.judge.rating import RatedResult, rate
from energyscore.publish.notes import end_of, notes_on
from energyscore.publish.table_end import left_to_explain
from energyscore.results.parts import Caution, Idle, PhasePart

GPU = f"gpu:{UUID}"


def notes_of(result):
    return notes_on([RatedResult(result, rate([result])[0], "")])


def about_phases(result):
    return [line for line in notes_of(result) if line.startswith("org/model")]


def run_of(index, prefill, decode, **more):
    part = lambda joules: PhasePart(  # noqa: E731
        duration_s=50.0, energy_j={GPU: joules}, se_j={GPU: joules and 0.0}
    )
    phases = {"prefill": part(prefill), "decode": part(decode)}
    return make_run(index, phases=phases, **more)


def test_phases_and_net_energy_stand_under_the_table():
    runs = [run_of(0, 360.0, 3240.0), run_of(1, 400.0, 3160.0)]
    idle = Idle(seconds=30.0, without_model_w={GPU: 9.0}, with_model_w={})
    (line,) = about_phases(make_result(runs=runs, idle=idle))
    # Two runs that differ by d: t(1, 0.975) d / 2, with t = 12.706.
    # Of 0.1 and 0.111 Wh that is 0.0706 of 0.1056 Wh, and the interval 0.1056 x e^-/+0.668.
    assert line == (
        "org/model, in Wh +/- 95%: prefill 0.106 (0.054 to 0.21), decode 0.89 +/- 0.14, "
        "net of the GPU idling without the model 0.750."
    )


def test_the_error_of_a_single_run_is_that_of_the_split_and_is_called_so():
    part = PhasePart(duration_s=100.0, energy_j={GPU: 3600.0}, se_j={GPU: 36.0})
    (line,) = about_phases(make_result(runs=[make_run(0, phases={"decode": part})]))
    assert line == "org/model, in Wh +/- the standard error of the split: decode 1.000 +/- 0.010."


def test_points_that_differ_from_result_to_result_have_their_values():
    one = make_result("org/a", [make_run(n) for n in range(3)], official=False)
    other = make_result("org/b", [make_run(0)], official=False, identity="1" * 64)
    results = [one, other]
    report = [RatedResult(r, rating) for r, rating in zip(results, rate(results), strict=True)]
    (line,) = [note for note in notes_on(report) if note.startswith("not comparable")]
    assert "repeats: 3 or 1 instead of 10 or more." in line
    assert "dataset: bundled:text_generation instead of EnergyStarAI/text_generation" in line


def test_phases_that_could_not_be_told_apart_say_why():
    runs = [run_of(0, None, None, phase_reasons={GPU: "too few ticks"})]
    assert about_phases(make_result(runs=runs)) == ["org/model: no phases: run 1: too few ticks."]


def test_reasons_and_cautions_that_are_sentences_end_once():
    runs = [run_of(0, None, None, phase_reasons={GPU: "NVML does not start."})]
    caution = Caution(code="x", message="The meter went away.")
    notes = notes_of(make_result(runs=runs).model_copy(update={"cautions": [caution]}))
    assert "org/model: no phases: run 1: NVML does not start." in notes
    assert "caution: The meter went away." in notes


def of_models(*names, seconds=100.0):
    """Results of several models, of 1, 2, 3 Wh and so on, in one view."""
    results = [
        make_result(name, [make_run(joules=3600.0 * wh, seconds=seconds)], gpu="NVIDIA L4")
        for wh, name in enumerate(names, start=1)
    ]
    return [RatedResult(r, stars) for r, stars in zip(results, rate(results), strict=True)]


def test_the_stars_of_two_models_are_said_to_tell_little_and_those_of_three_are_not():
    line = "the stars of a cohort of 2 say only which of the two takes less."
    assert notes_on(of_models("a", "b")).count(line) == 1
    for others in (of_models("a", "b", "c"), of_models("a")):
        assert not any("say only" in note for note in notes_on(others))


def test_a_window_of_less_than_a_second_is_a_caution():
    notes = notes_on([*of_models("a", "b"), *of_models("c", seconds=0.9)])
    assert [note for note in notes if "less than 1 s" in note] == [
        "caution: a run lasted less than 1 s, so starting and metering distort it; use more "
        "queries (c)."
    ]
    unmeasured = make_result(runs=[make_run(joules=None, seconds=0.5)])
    for fine in (of_models("a", seconds=1.0), [RatedResult(unmeasured, rate([unmeasured])[0])]):
        assert not any("less than 1 s" in note for note in notes_on(fine))


def test_without_gpu_energy_there_is_nothing_to_divide():
    notes = notes_of(make_result(runs=[make_cpu_run()], gpu=None))
    assert not any("phases" in line or "in Wh" in line for line in notes)


def test_the_meters_own_error_is_that_of_the_gpu_and_one_sided_where_it_is():
    def said(gpu):
        notes = notes_of(make_result(runs=[make_run(n) for n in range(3)], gpu=gpu))
        return [line for line in notes if "NVML's own error" in line]

    spread = "the interval covers the spread of the runs; on top comes NVML's own error: "
    assert said("NVIDIA H100 80GB HBM3") == [f"{spread}+/- 5% (NVIDIA H100 80GB HBM3)."]
    assert said("NVIDIA L4") == [f"{spread}+/- 10% (NVIDIA L4)."]
    a100 = "it reads 5.6% to 5.8% low (NVIDIA A100-PCIE-40GB)."
    assert said("NVIDIA A100-PCIE-40GB") == [spread + a100]
    turing = "it reads 12.7% to 13.2% high (NVIDIA GeForce RTX 2060 SUPER)."
    assert said("NVIDIA GeForce RTX 2060 SUPER") == [spread + turing]


def with_cautions(name, *messages, wh=1.0, **change):
    cautions = [Caution(code=code, message=message) for code, message in messages]
    result = make_result(name, [make_run(joules=3600.0 * wh)], gpu="NVIDIA L4", **change)
    return result.model_copy(update={"cautions": cautions})


def end_of_all(*results):
    return end_of([RatedResult(r, stars) for r, stars in zip(results, rate(results), strict=True)])


def test_the_answer_comes_first_then_three_cautions_and_the_rest_is_told_on_request():
    many = [(f"x{n}", f"caution {chr(65 + n)}") for n in range(5)]
    end = end_of_all(with_cautions("a", *many), with_cautions("b", *many, wh=2.0))
    lines = end.lines(explain=False)
    assert lines == [
        "a needs 2.00 times less energy than b (no interval).",
        "caution: caution A.",
        "caution: caution B.",
        "caution: caution C.",
    ]
    (left,) = left_to_explain([end])
    assert (
        left == "not comparable to the reference in 2 points, 2 more cautions, phases (--explain)"
    )
    whole = end.lines(explain=True)
    assert whole[:4] == lines
    assert [line for line in whole if "instead of" in line] == [
        "not comparable to the reference: hardware: NVIDIA L4 instead of H100 80GB; repeats: 1 "
        "instead of 10 or more."
    ]
    assert left_to_explain([]) == []


def test_cautions_that_differ_in_a_number_are_one_with_its_range():
    busy = "other processes used {} of the processor meanwhile"
    end = end_of_all(
        with_cautions("a", ("busy_machine", busy.format("65%"))),
        with_cautions("b", ("busy_machine", busy.format("7%"))),
        with_cautions("c"),
    )
    assert end.cautions[0] == f"caution: {busy.format('7% to 65%')} (a, b)."
    cut = end_of_all(with_cautions("a", ("answers_cut", "1 of 9 answers, model-7b")))
    assert cut.cautions[0] == "caution: 1 of 9 answers, model-7b."


def test_the_weightiest_cautions_come_first():
    small = ("resumed_late", "a small matter")
    end = end_of_all(with_cautions("a", small, ("busy_machine", "busy"), quick=True))
    assert [line.split(": ")[1][:9] for line in end.cautions[:3]] == [
        "busy.",
        "a small m",
        "a quick r",
    ]


def test_an_invalid_result_says_so_and_why_before_all_else():
    bad = with_cautions("a", ("busy_machine", "busy"), invalid=("the GPU was lost",))
    assert end_of_all(bad, with_cautions("b")).cautions[0] == "INVALID (a): the GPU was lost."
