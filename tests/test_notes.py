"""The lines under a table of results."""

from energyscore.export import RatedResult
from energyscore.notes import notes_on
from energyscore.rating import rate
from energyscore.result import Caution, Idle, PhasePart
from results import UUID, make_cpu_run, make_result, make_run

GPU = f"gpu:{UUID}"


def notes_of(result):
    return notes_on([RatedResult(result, rate([result])[0], "")])


def run_of(index, prefill, decode, **more):
    part = lambda joules: PhasePart(  # noqa: E731
        duration_s=50.0, energy_j={GPU: joules}, se_j={GPU: joules and 0.0}
    )
    phases = {"prefill": part(prefill), "decode": part(decode)}
    return make_run(index, phases=phases, **more)


def test_phases_and_net_energy_stand_under_the_table():
    runs = [run_of(0, 360.0, 3240.0), run_of(1, 720.0, 2880.0)]
    idle = Idle(seconds=30.0, without_model_w={GPU: 9.0}, with_model_w={})
    line = notes_of(make_result(runs=runs, idle=idle))[0]
    assert line == (
        "org/model, in Wh: prefill 0.150 +/- 0.0980, decode 0.850 +/- 0.0980, "
        "net of the GPU idling without the model 0.750."
    )


def test_phases_that_could_not_be_told_apart_say_why():
    runs = [run_of(0, None, None, phase_reasons={GPU: "too few ticks"})]
    assert notes_of(make_result(runs=runs))[0] == "org/model: no phases: run 1: too few ticks."


def test_reasons_and_cautions_that_are_sentences_end_once():
    runs = [run_of(0, None, None, phase_reasons={GPU: "NVML does not start."})]
    caution = Caution(code="x", message="The meter went away.")
    notes = notes_of(make_result(runs=runs).model_copy(update={"cautions": [caution]}))
    assert "org/model: no phases: run 1: NVML does not start." in notes
    assert "caution: The meter went away." in notes


def test_without_gpu_energy_there_is_nothing_to_divide():
    notes = notes_of(make_result(runs=[make_cpu_run()], gpu=None))
    assert not any("phases" in line or "in Wh" in line for line in notes)
