"""The raw record: what it keeps, where it lies, and that no kill loses what was finished."""

import gzip
import hashlib
import json

import pytest
from support.results import make_result, make_run
from support.submissions import DOMAIN, measure

from energyscore.judge.comparability import conditions_of
from energyscore.measurement.meter import MeterRecord, Reading, Window
from energyscore.measurement.phases.split import BlockPower, PhaseTimes
from energyscore.measurement.record import NO_TICKS, record_run
from energyscore.results.model_part import ParentPart
from energyscore.results.raw import raw_to_bytes, subject_of
from energyscore.results.store import Journal, load_result, save_result
from energyscore.verify.raw_record import read_raw

US = 1000
BEGIN_NS = 10**15 + 123
WINDOW = Window(BEGIN_NS, BEGIN_NS + 10_000_000 * US)
TIMES = PhaseTimes(
    ("prefill", "decode"), [0, 1, 0, 1],
    [BEGIN_NS + us * US for us in (2000, 5000, 9000, 9500)], BEGIN_NS + 9_000_000 * US,
)  # fmt: skip
METER = Window(BEGIN_NS + 1000 * US, BEGIN_NS + 9_500_000 * US)
COUNTER = [(BEGIN_NS + us * US, mj) for us, mj in (
    (-500_000, 90), (900, 100), (100_000, 120), (9_400_000, 7000), (9_600_000, 8000),
)]  # fmt: skip
POWER = [(t_ns, mj / 10) for t_ns, mj in COUNTER]

STILL = [(BEGIN_NS + a * US, BEGIN_NS + b * US) for a, b in (
    (-900_000, -200_000), (-400_000, 200), (200_000, 1_100_000), (9_450_000, 9_700_000),
)]  # fmt: skip


def recorded():
    record = MeterRecord(METER, 100, 7000, COUNTER, POWER, "instant", STILL)
    readings = {
        "gpu:0": Reading(6.9, "counter", record=record),
        "cpu": Reading(3.0, "estimated"),
        "dram": Reading(None, None, "it cannot be read"),
    }
    block = BlockPower("prefill", 400.0, 1.5, 20.25, (5, 8_100_005))
    return record_run(0, WINDOW, TIMES, readings, {"gpu:0": block})


def test_what_is_recorded_can_be_read_again():
    run = read_raw(raw_to_bytes("x", "s", [recorded()])).runs[0]
    assert run.begin_s == BEGIN_NS // US / 1e6
    times = {name: sum(lengths_s) for name, lengths_s in run.phases.lengths_s.items()}
    assert times == pytest.approx({"prefill": 0.0035, "decode": 8.9945})
    assert list(run.phases.edges_s) == [0.002, 0.005, 0.009, 0.0095, 9.0]
    gpu = run.domains["gpu:0"]
    assert (gpu.window_s, gpu.counter_j) == ((0.001, 9.5), (0.1, 7.0))
    # Within the window, and the last before it: the state at its beginning.
    assert (list(gpu.ticks.t_s), list(gpu.ticks.values)) == ([0.0009, 0.1, 9.4], [0.1, 0.12, 7.0])
    assert list(gpu.power.values) == [10.0, 12.0, 700.0]
    assert gpu.still_s == [(0.2, 1.1), (9.45, 9.5)], "what lies in the window of it"
    assert (gpu.lone.duration_s, gpu.lone.counter_j) == (20.25, (0.005, 8100.005))


def test_a_source_without_updates_says_so():
    domains = recorded()["domains"]
    figure = {"method": "estimated", "energy_j": 3.0, "reason": ""}
    assert domains["cpu"] == figure | {"ticks": None, "ticks_reason": NO_TICKS}
    assert domains["dram"]["reason"] == "it cannot be read"


def test_the_same_runs_give_the_same_bytes():
    data = raw_to_bytes("x", "s", [recorded()])
    assert data == raw_to_bytes("x", "s", [recorded()])
    assert data[4:8] == bytes(4), "no time in it"
    lines = [json.loads(line) for line in gzip.decompress(data).splitlines()]
    assert lines[0] == {"kind": "raw", "raw_version": 1, "identity": "x", "subject": "s", "runs": 1}
    assert lines[1] == json.loads(json.dumps(recorded()))


def test_a_result_names_its_raw_record_by_name_and_hash(tmp_path):
    runs = [make_run(0), make_run(1)]
    path = save_result(tmp_path, make_result(runs=runs), {0: {"index": 0}, 1: {"index": 1}})
    raw = load_result(path).raw
    data = (tmp_path / raw.file).read_bytes()
    assert raw.file == path.name.replace(".json", ".raw.jsonl.gz")
    assert hashlib.sha256(data).hexdigest() == raw.sha256
    indices = [json.loads(line).get("index") for line in gzip.decompress(data).splitlines()]
    assert indices == [None, 0, 1]


def test_without_raw_records_there_is_none(tmp_path):
    path = save_result(tmp_path, make_result())
    assert load_result(path).raw is None
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_adapters_base_is_part_of_what_a_raw_record_is_of_and_no_more():
    """Records of before there were adapters are of the same subject as ever."""
    result = make_result()
    adapters = [
        result.model_copy(update={"model": result.model.model_copy(update={"base_model": base})})
        for base in ("org/base@1", "org/base@2")
    ]
    assert "base_model" not in result.model.recorded()
    told = ParentPart(id="org/base", source="user", relation=None, relation_source=None)
    child = result.model_copy(update={"model": result.model.model_copy(update={"parent": told})})
    assert subject_of(child) == subject_of(result), "a parent is told of it, and may be corrected"
    assert len({subject_of(one) for one in (result, *adapters)}) == 3
    paired = [conditions_of(one)["model"] for one in (result, *adapters)]
    assert paired == [("org/model",), ("org/model", "org/base@1"), ("org/model", "org/base@2")]


def test_raw_records_are_as_safe_as_their_runs(tmp_path):
    """One line of the journal holds both: torn, it costs that run, and never one of the two."""
    journal = Journal(tmp_path, "a" * 64)
    journal.append(make_run(0), {"index": 0})
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    journal.append(make_run(1), {"index": 1})
    both = file.read_bytes()
    for length in range(len(whole) + 2, len(both) - 2, 61):
        file.write_bytes(both[:length])
        assert [run.index for run in journal.load()] == [0]
        assert journal.load_raws() == {0: {"index": 0}}
    file.write_bytes(both)
    assert journal.load_raws() == {0: {"index": 0}, 1: {"index": 1}}


def test_an_interrupted_measurement_keeps_the_raw_records_it_had(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, queries=60, repeats=3, stop_after=2)
    kept = Journal(
        tmp_path,
        json.loads(next(tmp_path.glob(".*.journal")).read_text().splitlines()[0])["identity"],
    )
    before = kept.load_raws()
    assert sorted(before) == [0, 1]
    path = measure(tmp_path, queries=60, repeats=3)
    raw = gzip.decompress((tmp_path / load_result(path).raw.file).read_bytes()).splitlines()
    assert [json.loads(line) for line in raw[1:3]] == [before[0], before[1]]
    assert not list(tmp_path.glob(".*.journal"))


def test_ten_runs_of_a_thousand_queries_take_some_hundred_kilobytes(official_folder):
    (path,) = official_folder.glob("*.json")
    assert (official_folder / load_result(path).raw.file).stat().st_size < 200_000
    assert load_result(path).runs[0].energy_j[DOMAIN] > 10_000
