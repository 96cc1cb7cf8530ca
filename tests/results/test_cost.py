"""What measuring took: sessions add up, and what one of them does not know is not known."""

import json
from types import SimpleNamespace

import pytest
from support.results import UUID, make_result, make_run

from energyscore.publish.took import measuring_took
from energyscore.results.consistency import contradiction
from energyscore.results.cost import OLDER_SESSIONS, Cost, added, spent_s, unknown_cost
from energyscore.results.result import parse_result, result_to_json
from energyscore.results.store import Journal
from energyscore.verify.cost import check_cost

GPU = f"gpu:{UUID}"


def make_cost(seconds=720.0, joules=14760.0, domain=GPU, method="counter", **change):
    known = {"methods": {domain: method}, "reasons": {}}
    if joules is None:
        known = {"methods": {}, "reasons": {domain: "no counter"}}
    cost = Cost(duration_s=seconds, energy_j={domain: joules}, sessions=1, **known)
    return cost.model_copy(update=change)


def test_the_line_says_energy_and_time():
    assert (
        measuring_took([make_cost()]) == "Measuring this took 4.10 Wh of the GPU and 12 min 00 s."
    )
    two = [make_cost(), make_cost(domain="gpu:GPU-1", seconds=30.0, joules=3600.0)]
    assert measuring_took(two) == "Measuring this took 5.10 Wh of 2 GPUs and 12 min 30 s."
    estimates = make_cost(joules=360.0, domain="cpu", method="estimated", seconds=30.0)
    said = "Measuring this took 100 mWh of processor and memory (estimated) and 30.0 s."
    assert measuring_took([estimates]) == said
    unknown = make_cost(joules=None)
    said = "Measuring this took 12 min 00 s; its energy is not known (no counter)."
    assert measuring_took([unknown]) == said
    assert measuring_took([]) == ""


def test_sessions_add_up_and_what_one_does_not_know_none_does():
    whole = added([make_cost(), make_cost(seconds=30.0, joules=240.0)])
    assert (whole.duration_s, whole.energy_j, whole.sessions) == (750.0, {GPU: 15000.0}, 2)
    part = added([make_cost(), unknown_cost(OLDER_SESSIONS)])
    assert (part.duration_s, part.energy_j) == (None, {GPU: None})
    assert part.reasons == {GPU: OLDER_SESSIONS}
    assert part.methods == {}
    mixed = added(
        [make_cost(domain="cpu", method="rapl"), make_cost(domain="cpu", method="estimated")]
    )
    assert mixed.methods == {"cpu": "estimated"}


def test_what_earlier_sessions_spent_is_at_least_what_their_runs_took():
    runs = [make_run(0), make_run(1)]  # of 100 s each
    assert spent_s([make_cost(150.0), make_cost(250.0)], runs) == 400.0
    assert spent_s([unknown_cost(OLDER_SESSIONS), make_cost(30.0)], runs) == 200.0
    assert spent_s([], []) == 0.0


def test_a_journal_tells_what_each_session_took(tmp_path):
    journal = Journal(tmp_path, "a" * 64)
    journal.append(make_run(0), None, make_cost(10.0, 100.0), "one")
    journal.append(make_run(1), None, make_cost(20.0, 200.0), "one")
    journal.append(make_run(2), None, make_cost(5.0, 50.0), "two")
    assert [one.duration_s for one in journal.costs()] == [20.0, 5.0]
    journal.append(make_run(3), None)  # as an older version wrote it
    assert added(journal.costs()).energy_j == {GPU: None}
    assert [run.index for run in journal.load()] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (make_cost(1000.0, 36000.0), ""),
        (make_cost(999.0, 36000.0), "cost.duration_s: it is 999, but the runs took 1000"),
        (make_cost(1000.0, 35000.0), f"cost.energy_j.{GPU}: it is 35000, but the runs took 36000"),
        (make_cost(1000.0, None, reasons={}), f"cost.reasons.{GPU}: there is no energy"),
        (make_cost(1000.0, 36000.0, methods={}), f"cost.methods.{GPU}: an energy has a method"),
        (None, ""),
    ],
)
def test_measuring_takes_no_less_than_its_runs(cost, said):
    result = make_result().model_copy(update={"cost": cost})
    found = contradiction(result)
    assert found.startswith(said) if said else found == ""


def test_the_checker_of_submissions_finds_it_too():
    """By itself: it shares none of the code above."""
    it = SimpleNamespace(result=make_result().model_copy(update={"cost": make_cost(1.0, 1.0)}))
    assert len([one for one in check_cost(it) if one]) == 2
    it.result = make_result().model_copy(update={"cost": make_cost(1000.0, 36000.0)})
    assert list(check_cost(it)) == []


def test_files_without_it_are_read():
    result = make_result().model_copy(update={"cost": make_cost(1000.0, 36000.0)})
    assert parse_result(result_to_json(result), "new") == result
    content = json.loads(result_to_json(result))
    del content["cost"]
    assert parse_result(json.dumps(content), "old").cost is None
