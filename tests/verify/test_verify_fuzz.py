"""Thousands of damaged and tampered submissions: no traceback, and none accepted that may not be.

Some hundred by default; as many as ENERGYSCORE_FUZZ says, from ENERGYSCORE_FUZZ_SEED on.
"""

import os
from datetime import UTC, datetime

import pytest
from support.fuzz_submissions import mutate
from support.submissions import bundle, measure

from energyscore.verify.checker import verify
from energyscore.verify.findings import verdict_to_json

COUNT = int(os.environ.get("ENERGYSCORE_FUZZ", "200"))
SEED = int(os.environ.get("ENERGYSCORE_FUZZ_SEED", "0"))
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_no_mutant_is_accepted_or_ends_in_a_traceback(tmp_path, device):
    data = bundle(measure(tmp_path, queries=60, repeats=3, device=device))
    assert verify(data, now=NOW).exit_code == 0
    refused = 0
    for seed in range(SEED, SEED + COUNT):
        mutant = mutate(data, seed)
        verdict = verify(mutant.data, now=NOW)
        assert verdict.exit_code or mutant.may_pass, f"seed {seed}: {mutant.what}"
        assert verdict_to_json(verdict).endswith("}\n")
        refused += verdict.exit_code > 0
    assert refused > 0.8 * COUNT
