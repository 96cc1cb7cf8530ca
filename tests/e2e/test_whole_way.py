"""Each task's real way: a model is saved, loaded from its folder, measured, and its file read."""

import pytest
from support.whole_way import SMALLEST, TASKS, measure


@pytest.mark.parametrize(
    ("architecture", "task"), SMALLEST, ids=[f"{task}-{a.name}" for a, task in SMALLEST]
)
def test_a_saved_model_is_measured(architecture, task, tmp_path):
    spec = TASKS[task].spec
    few_steps = 3 if spec.diffusion else None
    queries = 1 if few_steps else 2
    result = measure(architecture, task, tmp_path, few_steps)
    assert (result.model.source, result.model.weights) == ("local", "pretrained")
    assert result.model.parameters == architecture.parameters
    assert result.valid, result.invalid_reasons
    assert (result.workload.queries, result.runs[0].queries) == (queries, queries)
    phases = result.runs[0].phases
    assert set(phases) <= set(spec.phases)
    assert {"preprocess"} < set(phases)
    assert all(phase.duration_s > 0 for phase in phases.values())
    assert result.score.system_wh_per_1k_queries or result.score.system_reason
    if spec.generation is not None and spec.generation.reasoning is None and "decode" in phases:
        assert result.workload.output_tokens == 2 * spec.generation.max_new_tokens
