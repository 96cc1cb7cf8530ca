"""Which GPUs a model gets: as few as hold it, one where its class says so, or a refusal."""

import itertools
import random

import pytest

from energyscore.base.errors import UnsupportedError, UsageError
from energyscore.measurement.placement import (
    RESERVE_BYTES,
    Candidate,
    GpuRoom,
    check_spread,
    place,
)
from energyscore.protocol.task import load_tasks

GB = 10**9
TASKS = load_tasks()


def rooms(*free_gb, name="NVIDIA H100 80GB HBM3"):
    return [GpuRoom(index, name, round(free * GB)) for index, free in enumerate(free_gb)]


def model(weights_gb, *, piece_gb=1.7, working_gb=3.0, max_gpus=None, **change):
    sizes = {"weights_bytes": weights_gb, "piece_bytes": piece_gb, "working_bytes": working_gb}
    need = {name: round(size * GB) for name, size in sizes.items()}
    rule = "class C" if max_gpus is None else "class B"
    settings = {"label": "org/large", "dtype": "float16", "quantized": False, "rule": rule}
    return Candidate(max_gpus=max_gpus, **need, **settings | change)


def chosen(*arguments, **options):
    return tuple(place(*arguments, **options))


@pytest.mark.parametrize(
    ("weights_gb", "free_gb", "expected"),
    [
        (60, (79, 79, 79, 79), (0,)),
        (148, (79, 79, 79, 79), (0, 1, 2)),  # 148 + 3 + 3 x 1.7 is more than 2 x (79 - 1.6)
        (141, (79, 79, 79, 79), (0, 1)),
        (141, (94, 94, 94, 94), (0, 1)),
        (141, (5, 94, 94, 94), (1, 2)),  # another process sits on the first
        (60, (30, 79, 79, 79), (1,)),
        (141, (50, 50, 94, 94), (2, 3)),
        (141, (1, 94, 1, 94), (1, 3)),
    ],
)
def test_the_first_of_the_smallest_sets_that_hold_a_model(weights_gb, free_gb, expected):
    assert chosen(model(weights_gb), rooms(*free_gb)) == expected


def test_no_smaller_set_would_have_held_it():
    source = random.Random(0)
    for _ in range(300):
        gpus = rooms(*(source.uniform(20, 140) for _ in range(source.randint(1, 5))))
        wanted = model(source.uniform(10, 400), piece_gb=source.uniform(0.1, 5))
        try:
            placement = place(wanted, gpus)
        except UnsupportedError:
            assert wanted.weights_bytes > max(gpu.free_bytes for gpu in gpus)
            assert wanted.weights_bytes > sum(gpu.free_bytes - RESERVE_BYTES for gpu in gpus)
            continue
        free = {gpu.index: gpu.free_bytes for gpu in gpus}
        assert sum(placement.values()) >= wanted.weights_bytes
        assert all(limit <= free[index] for index, limit in placement.items())
        for fewer in itertools.combinations(gpus, len(placement) - 1):
            room = sum(gpu.free_bytes - RESERVE_BYTES for gpu in fewer)
            lost = 0 if len(fewer) == 1 else (len(fewer) + 1) * wanted.piece_bytes
            assert room < wanted.weights_bytes + wanted.working_bytes + lost


def test_each_gpu_keeps_room_for_its_share_of_the_work():
    limits = place(model(141, working_gb=6), rooms(94, 94))
    assert limits == {0: 94 * GB - RESERVE_BYTES - 3 * GB, 1: 94 * GB - RESERVE_BYTES - 3 * GB}


def test_one_gpu_is_all_that_a_class_allows():
    assert chosen(model(78, max_gpus=1), rooms(79, 79)) == (0,), "tried: the work may be small"
    with pytest.raises(UnsupportedError) as found:
        place(model(120, max_gpus=1), rooms(79.2, 79.6))
    assert "takes 120.0 GB of GPU memory for its weights (float16)" in found.value.message
    assert "(1, NVIDIA H100 80GB HBM3) has 79.6 GB free: 40.4 GB are missing" in found.value.message
    assert "Take a quantized model" in found.value.remedy
    assert "class B is measured on one" in found.value.remedy
    assert "more GPUs" not in found.value.remedy


def test_several_that_are_too_few_are_told_how_many_more_it_takes():
    with pytest.raises(UnsupportedError) as found:
        place(model(810, dtype="float32"), rooms(*[80] * 4))
    usable = 4 * (80 * GB - RESERVE_BYTES) / GB
    assert f"4 GPUs have {usable:.1f} GB free" in found.value.message
    assert f"{810 - usable:.1f} GB are missing" in found.value.message
    assert "--dtype bfloat16 halves it" in found.value.remedy
    assert "it takes 7 more GPUs like NVIDIA H100" in found.value.remedy  # (497 + 1.7) / 78.4


def test_what_fits_without_the_estimate_of_the_work_is_tried_on_all_gpus():
    assert chosen(model(141, working_gb=90), rooms(79, 79, 79)) == (0, 1, 2)


def test_exactly_as_many_as_are_asked_for():
    assert chosen(model(60), rooms(79, 79, 79), spread=2) == (0, 1)
    assert chosen(model(1), rooms(2, 79, 79), spread=2) == (1, 2), "no room for a part on the first"
    assert chosen(model(60, max_gpus=1), rooms(79, 79), spread=1) == (0,)
    with pytest.raises(UnsupportedError, match="1 of 2 GPUs here have room"):
        place(model(1), rooms(2, 79), spread=2)
    with pytest.raises(UnsupportedError, match="torch sees 2 GPUs"):
        place(model(60), rooms(79, 79), spread=3)
    with pytest.raises(UnsupportedError, match="Raise --spread") as found:
        place(model(300, quantized=True), rooms(79, 79, 79, 79, 79), spread=2)
    assert "2 GPUs have" in found.value.message
    assert "(quantized)" in found.value.message


def test_a_class_for_one_gpu_is_not_spread():
    with pytest.raises(UsageError, match=r"org/large \(class B\) is measured on one GPU"):
        place(model(60, max_gpus=1), rooms(79, 79), spread=2)
    with pytest.raises(UsageError, match="at most 2 GPUs"):
        place(model(60, max_gpus=2), rooms(79, 79, 79), spread=3)


def test_a_task_without_such_classes_refuses_to_spread():
    check_spread(TASKS["text_generation"].spec, 4)
    check_spread(TASKS["summarization"].spec, 1)
    check_spread(TASKS["summarization"].spec, None)
    for name in ("summarization", "image_generation"):
        with pytest.raises(UsageError, match=f"the task {name} measures every model on one GPU"):
            check_spread(TASKS[name].spec, 2)


def test_without_a_gpu_there_is_no_place():
    with pytest.raises(UnsupportedError, match="torch sees no GPU"):
        place(model(1), [])
