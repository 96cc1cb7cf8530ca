"""What whoever reads the figures of a load is told."""

import pytest
from support.results import make_server_result

from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.cautions import load_cautions
from energyscore.results.load import ServerCounts, WholeLoad

NOTHING = {name: None for name, field in ServerCounts.model_fields.items() if field.is_required()}


@pytest.mark.parametrize(
    ("accepted", "a_piece", "code"),
    [
        (30, 1.9, "speculative_decoding"),
        (0, 1.9, "several_tokens_a_piece"),
        (None, 1.9, "several_tokens_a_piece"),
        (None, 1.1, None),  # the end of an answer is a token, and no piece
        (None, None, None),
    ],
)
def test_several_tokens_at_once_are_told(accepted, a_piece, code):
    (run, *_) = make_server_result().runs
    counts = ServerCounts(**NOTHING, accepted_tokens=accepted, drafted_tokens=40)
    part = run.load.model_copy(update={"tokens_per_piece": a_piece, "server": counts})
    found = load_cautions([run.model_copy(update={"load": part})], Abilities("completions"))
    told = {one.code: one.message for one in found}
    assert {"speculative_decoding", "several_tokens_a_piece"} & told.keys() == {code} - {None}
    if accepted:
        assert "30 of 40 were right" in told[code]


def test_a_late_client_says_by_how_much_and_what_it_needs():
    (run, *_) = make_server_result(tokens_per_s=500.0).runs
    first_s = run.performance.time_to_first_token_s.p50
    late = run.load.model_copy(update={"client_late_s": first_s / 2})
    found = load_cautions([run.model_copy(update={"load": late})], Abilities("completions"))
    told = {one.code: one.message for one in found}
    assert (
        f" was {first_s * 500:.3g} ms late (p99), 50% of the time to the first"
        in (told["late_client"])
    )
    assert told["late_client"].endswith("leave it a processor core")


@pytest.mark.parametrize(("in_runs", "in_all", "told"), [(9, None, True), (9, 20, False)])
def test_counters_that_went_down_between_the_windows_are_told(in_runs, in_all, told):
    (run, *_) = make_server_result().runs
    counts = ServerCounts(**NOTHING | {"requests_finished": in_runs})
    run = run.model_copy(update={"load": run.load.model_copy(update={"server": counts})})
    nothing = dict.fromkeys(WholeLoad.model_fields) | {"requests": 20, "failed": 0}
    whole = WholeLoad(**nothing | {"server_requests": in_all})
    found = load_cautions([run], Abilities("completions"), whole)
    assert ("counters_reset" in [one.code for one in found]) == told
