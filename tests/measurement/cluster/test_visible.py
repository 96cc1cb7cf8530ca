"""Which GPUs a process was given, as CUDA_VISIBLE_DEVICES says it, and whose energy can be told."""

import pytest
from support.commands import gpu, python

from energyscore.base.errors import UsageError
from energyscore.measurement.cluster.visible import visible_gpus

GPUS = ["GPU-aa11", "GPU-aa22", "GPU-bb33", "GPU-cc44"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, GPUS),
        ("", []),
        ("NoDevFiles", []),
        ("2,0", ["GPU-bb33", "GPU-aa11"]),  # Ray hands them out in any order
        ("GPU-cc44", ["GPU-cc44"]),
        ("gpu-b, 3", ["GPU-bb33", "GPU-cc44"]),
    ],
)
def test_numbers_and_the_starts_of_uuids_name_gpus(asked, found):
    assert visible_gpus(asked, GPUS) == tuple(found)


def test_numbers_of_the_whole_machine_name_what_a_cgroup_lets_through():
    assert visible_gpus("6,3", GPUS[:2]) == tuple(GPUS[:2])
    with pytest.raises(UsageError, match="no such GPU"):
        visible_gpus("6", GPUS[:2])


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("1,1", "twice"),
        ("1,GPU-aa22", "twice"),
        ("GPU-aa", "several GPUs fit"),
        ("4", "no such GPU; the driver lists GPU-aa11, "),
        ("MIG-1", "no such GPU"),
        ("0,,1", "no such GPU"),
    ],
)
def test_what_is_not_clear_is_refused(asked, why):
    with pytest.raises(UsageError, match=why):
        visible_gpus(asked, GPUS)


def test_energy_can_be_told_without_a_counter_and_not_of_a_mute_gpu(simulate):
    """Power over time tells it, too."""
    mute = {name: "unsupported" for name in ("counter", "instant_power", "power")}
    sim = simulate(gpu("GPU-a"), gpu("GPU-b", counter="unsupported"), gpu("GPU-c", **mute))
    code = "from energyscore.measurement.metering import gpus_with_energy as g; print(*g())"
    assert python(code, sim.env()).stdout.split() == ["GPU-a", "GPU-b"]
