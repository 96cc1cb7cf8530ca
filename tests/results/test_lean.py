"""Results without the details of their runs: nothing of these is missing in silence."""

import pytest
from support.results import make_cpu_run, make_result, make_run

from energyscore.base.errors import ResultError
from energyscore.judge.rating import rate_files
from energyscore.results.lean import DETAILS, read_again, without_details
from energyscore.results.parts import Run
from energyscore.results.score import gpu_summary
from energyscore.results.store import load_lean, save_result


def test_what_was_not_kept_cannot_be_taken_for_nothing():
    whole = make_result()
    lean = without_details(whole)
    for name in DETAILS:
        details = getattr(lean.runs[0], name)
        for ask in (len, list, dict, bool, lambda it: it.get("x"), lambda it: "x" in it):
            with pytest.raises(RuntimeError, match="were not kept"):
                ask(details)
    kept = set(Run.model_fields) - set(DETAILS) - {"quantization_se_j"}
    for one, other in zip(lean.runs, whole.runs, strict=True):
        assert all(getattr(one, name) == getattr(other, name) for name in kept)
    assert lean.model_copy(update={"runs": []}) == whole.model_copy(update={"runs": []})


def test_ratings_are_the_same_without_details():
    on_cpu = {"runs": [make_cpu_run(0), make_cpu_run(1)], "gpu": None, "official": False}
    whole = [make_result(f"org/{n}", identity=str(n) * 64) for n in range(3)]
    whole += [make_result(f"org/{n}", identity=str(n) * 64, **on_cpu) for n in range(3, 5)]
    ratings = [entry.rating for entry in rate_files([("", one) for one in whole])]
    lean = [entry.rating for entry in rate_files([("", without_details(one)) for one in whole])]
    assert lean == ratings


def test_what_the_steps_of_a_counter_leave_open_is_known_without_details():
    facts = {"gpu:GPU-0": {"update_period_ms": 100.0}}
    whole = make_result(runs=[make_run(n, facts=facts) for n in range(2)])
    uuids = whole.protocol.metered_gpus
    spread = gpu_summary(whole.score, whole.runs, uuids).spread()
    lean = without_details(whole)
    assert gpu_summary(lean.score, lean.runs, uuids).spread() == spread
    assert spread.unshown == pytest.approx(1e-3 / 6**0.5)


def test_the_file_is_read_again_and_must_say_the_same(tmp_path):
    whole = make_result()
    path = save_result(tmp_path, whole)
    lean = load_lean(path)
    assert lean != whole
    assert read_again(path, lean) == whole
    assert read_again(tmp_path / "none.json", whole) is whole
    path.write_text(path.read_text().replace("org/model", "org/other"))
    with pytest.raises(ResultError, match="was changed while it was read"):
        read_again(path, lean)
