"""A tune with real processes against a simulated driver: a trial is an ordinary result."""

import json

from support.commands import energyscore, gpu
from support.submissions import bundle

from energyscore.results.store import load_result
from energyscore.verify.checker import verify


def test_a_trial_is_an_ordinary_result_and_is_measured_once(
    tmp_path, tiny_model, prompts_csv, simulate
):
    sim = simulate(gpu())
    out = tmp_path / "out"
    command = (
        *("tune", "text_generation", "--model", tiny_model, "--quick", "--batch-size", "1"),
        *("--set", f"dataset={prompts_csv}", "--set", "queries=20", "--set", "device=cpu"),
        *("--set", "gpu=0", "--out", out),
    )
    done = energyscore(*command, env=sim.env())
    assert done.status == 0, done.stderr
    assert "Keep the default, batch 1 in float32" in done.stdout
    assert "energyscore run text_generation --model" in done.stdout
    assert "estimated" not in done.stdout.partition("\n")[2].partition("\n")[0]
    report = json.loads((out / "tune.json").read_text())
    (trial,) = report["trials"]
    assert (trial["status"], trial["reason"], trial["pareto"]) == ("measured", "", True)
    assert (report["best"], report["saving"]) == (report["default"], None)
    assert trial["equal_answers"] == 1.0
    path = out / trial["file"]
    result = load_result(path)
    assert {"tuning", "screened"} <= {one.code for one in result.cautions}
    assert result.score.method == "counter"
    assert trial["energy_wh_per_1k_queries"] == result.score.gpu_wh_per_1k_queries
    assert result.protocol.min_window_s >= 2.5
    assert [one for one in verify(bundle(path)).findings if one.level == "failed"] == []

    again = energyscore(*command, "--format", "json", env=sim.env())
    assert again.status == 0
    assert "starting" not in again.stderr
    assert "measured before" in again.stderr
    assert json.loads(again.stdout)["trials"] == report["trials"]
    assert len(list(out.rglob("*_*.json"))) == 1
