"""What nodes deliver, whatever they deliver twice, late or broken, is in the folder once."""

import hashlib
import os

import pytest
from support.deliveries import delivered, made
from support.fake_suite import fake_plan, known
from support.results import make_cpu_run

from energyscore.base.errors import ResultError
from energyscore.measurement.cluster import gather
from energyscore.measurement.cluster.delivery import Delivery, from_bytes, to_bytes
from energyscore.measurement.cluster.order import make_order
from energyscore.results.store import load_results

NO_GPU = "no GPU was metered: the work ran on the processor"


def gathered(tmp_path, plan, *deliveries):
    """The records after these were delivered."""
    for delivery in deliveries:
        gather.keep(tmp_path / "in", delivery)
    skipped = []
    report = gather.gather_suite(
        plan, "fake", [tmp_path / "in"], known(tmp_path / "out"), skipped.append
    )
    return report.entries, skipped


def results(tmp_path):
    return load_results([tmp_path / "out"], may_be_empty=True)


def test_a_delivery_is_the_same_after_the_way():
    (planned,) = fake_plan("a/b")
    sent = Delivery(made(planned), b"result", b"raw", b"log", {".ab12.journal": b"a run"})
    assert from_bytes(to_bytes(sent), "it") == sent
    with pytest.raises(ResultError, match="it is no attempt"):
        from_bytes(to_bytes(sent)[:-40], "it")


def test_each_entry_is_told_by_its_last_attempt_and_keeps_all(tmp_path):
    plan = fake_plan("a/done", "b/failed", "c/invalid", "d/later", "e/missing", "f/interrupted")
    a, b, c, d, _, f = plan
    records, skipped = gathered(
        tmp_path, plan,
        delivered(a),
        delivered(b, status="failed", reason="no such thing.", exit_code=2),
        delivered(c, status="invalid", reason="the GPU was shared", valid=False),
        delivered(d, status="failed", reason="its process was ended by SIGKILL", exit_code=-9),
        delivered(d, 5, node="n2"),
        delivered(f, status="interrupted", reason="interrupted; 1 of 2 runs are kept."),
    )  # fmt: skip
    assert [(one.status, one.reason) for one in records] == [
        ("done", ""),
        ("failed", "no such thing. (on n1)"),
        ("invalid", "the GPU was shared"),
        ("done", ""),
        ("pending", "not measured yet"),
        ("pending", "interrupted; 1 of 2 runs are kept. (on n1)"),
    ]
    assert [(one.node, one.status, one.gpu_wh) for one in records[3].attempts] == [
        ("n1", "failed", 0.5),
        ("n2", "done", 0.5),
    ]
    assert skipped == []
    assert sorted(result.request for _, result in results(tmp_path)) == sorted(
        [a.key, c.key, d.key]
    )
    assert records[0].result == str(results(tmp_path)[0][0].relative_to(tmp_path / "out"))
    logs = sorted(path.read_text() for path in (tmp_path / "out/logs").iterdir())
    assert logs == ["error: no such thing.\n"] * 3 + ["measured\n"] * 3
    again, _ = gathered(tmp_path, plan)
    assert [one.status for one in again] == [
        "skipped", "failed", "invalid", "skipped", "pending", "pending",
    ]  # fmt: skip
    assert len(results(tmp_path)) == 3


def _encrypted(data, entry):
    for flags in (6, entry + 8):
        data[flags] |= 1


def _compressed_otherwise(data, entry):
    for method in (8, entry + 10):
        data[method : method + 2] = b"\x61\0"


def _named_in_no_letters(data, entry):
    data[entry + 9] |= 8
    data[entry + 46] = 0xB4


@pytest.mark.parametrize("harm", [_encrypted, _compressed_otherwise, _named_in_no_letters])
def test_a_damaged_delivery_is_named_and_the_others_are_taken(tmp_path, harm):
    one, other = plan = fake_plan("a/b", "c/d")
    data = bytearray(to_bytes(delivered(other)))
    harm(data, data.find(b"PK\1\2"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/20000101T000000Z_0_0.zip").write_bytes(data)
    records, skipped = gathered(tmp_path, plan, delivered(one))
    assert [record.status for record in records] == ["done", "pending"]
    assert ["is no attempt of energyscore" in str(error) for error in skipped] == [True]


@pytest.mark.parametrize("is_result", [True, False])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_delivery_writes_into_the_folder_of_the_suite_alone(tmp_path, is_result, absolute):
    """Whatever it calls its task."""
    (planned,) = plan = fake_plan("a/b")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    task = str(elsewhere) if absolute else "../../../elsewhere"
    interrupted = made(planned, 1, status="interrupted", task=task)
    delivery = Delivery(interrupted, journals={".a1.journal": b"a run"})
    gathered(tmp_path, plan, delivered(planned, task=task) if is_result else delivery)
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "elsewhere"}


def test_where_no_energy_was_measured_its_row_has_the_reason(tmp_path):
    (planned,) = plan = fake_plan("a/b")
    why = {"cpu": "no RAPL here", "ram": "no RAPL here"}
    run = make_cpu_run().model_copy(
        update={"energy_j": dict.fromkeys(why), "reasons": why, "methods": dict.fromkeys(why)}
    )
    records, _ = gathered(tmp_path, plan, delivered(planned, run=run))
    assert [one.status for one in records] == ["done"]
    assert records[0].wh_per_1k_queries is None
    assert records[0].reason == NO_GPU
    again, _ = gathered(tmp_path, plan)
    assert [(one.status, one.reason) for one in again] == [
        ("skipped", f"measured before; {NO_GPU}")
    ]


def test_of_attempts_in_one_second_the_one_that_was_kept_last_is_the_last(tmp_path):
    (planned,) = fake_plan("a/b")
    for status in ("interrupted", "failed", "interrupted", "done", "lost", "done"):
        path = gather.keep(tmp_path, delivered(planned, status=status))
        os.utime(path, ns=(0, len(list(tmp_path.iterdir()))))
    kept = gather.kept(tmp_path, planned.key, pytest.fail)
    assert [one.attempt.status for one in kept] == [
        *("interrupted", "failed", "interrupted", "done", "lost", "done")
    ]


def test_what_was_measured_twice_is_kept_once_unless_it_was_asked_for_anew(tmp_path):
    (planned,) = plan = fake_plan("a/b")
    records, _ = gathered(tmp_path, plan, delivered(planned, 5), delivered(planned, 1))
    assert [one.status for one in records] == ["done"]
    assert len(records[0].attempts) == 2
    ((_, first),) = results(tmp_path)
    gathered(tmp_path, plan, delivered(planned, 9))
    assert [result.created_at for _, result in results(tmp_path)] == [first.created_at]
    gathered(tmp_path, plan, delivered(planned, 11, fresh=True))
    assert len(results(tmp_path)) == 2


def test_a_kill_between_a_result_and_its_record_makes_no_second_result(tmp_path):
    (planned,) = plan = fake_plan("a/b")
    gathered(tmp_path, plan, delivered(planned, fresh=True))
    for record in (tmp_path / "out/.attempts").iterdir():
        record.unlink()
    records, _ = gathered(tmp_path, plan)
    assert [one.status for one in records] == ["done"]
    assert len(results(tmp_path)) == 1


def test_what_is_no_delivery_or_of_another_request_is_named_and_stops_nothing(tmp_path):
    one, other = plan = fake_plan("a/b", "c/d")
    wrong = Delivery(made(other), delivered(one).result)
    with_raw = Delivery(made(other, 3), delivered(other).result, raw=b"of another result")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/torn.zip").write_bytes(to_bytes(wrong)[:99])
    records, skipped = gathered(tmp_path, plan, wrong, with_raw, delivered(one))
    assert [one.status for one in records] == ["done", "failed"]
    assert [one.reason for one in records[1].attempts] == [
        "its result was not taken: it is of another request.",
        "its result was not taken: The raw record of the result is not the one that it names.",
    ]
    assert len(skipped) == 1
    assert "torn.zip" in str(skipped[0])
    assert len(results(tmp_path)) == 1


def test_names_of_attempts_differ_and_their_keys_find_them(tmp_path):
    one, other = fake_plan("a/b", "c/d")
    assert hashlib.sha256(b"").digest_size * 2 == len(one.key)
    gather.keep(tmp_path, delivered(one, 3))
    interrupted = Delivery(made(one, 4, status="interrupted"), journals={".a1.journal": b"{}"})
    gather.keep(tmp_path, interrupted)
    gather.keep(tmp_path, delivered(other))
    found = gather.kept(tmp_path, one.key, lambda error: None)
    assert [delivery.attempt.status for delivery in found] == ["done", "interrupted"]
    assert gather.open_journals(found) == {".a1.journal": b"{}"}
    assert gather.open_journals([]) == {}


def test_runs_of_what_is_unfinished_lie_where_a_suite_here_has_them_until_the_result_is_there(
    tmp_path,
):
    (planned,) = plan = fake_plan("a/b")
    gathered(tmp_path, plan, delivered(planned))
    ((path, result),) = results(tmp_path)
    path.unlink()
    name = f".{result.identity[:16]}.journal"
    begun = Delivery(made(planned, 1, status="interrupted"), journals={name: b"a run"})
    gathered(tmp_path, plan, begun)
    order = make_order(planned, online=False)
    assert gather.journals_in(tmp_path / "out", order) == {name: b"a run"}
    gathered(tmp_path, plan, delivered(planned, 2))
    assert gather.journals_in(tmp_path / "out", order) == {}
