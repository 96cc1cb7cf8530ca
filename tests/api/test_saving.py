"""What a function or a block took, kept as a result: gated, compared, shown, and never rated."""

import json
import re
import subprocess
import sys
import threading
import time
import tomllib

import numpy as np
import pytest
import torch
from support.commands import ROOT, environment, gpu, python
from support.results import make_result, make_run

import energyscore
from energyscore.api.custom import fingerprint_of
from energyscore.api.measurement import of_result
from energyscore.base.errors import ResultError, UsageError
from energyscore.judge.baseline import file_of
from energyscore.judge.cautions import cautions_on
from energyscore.judge.comparability import conditions_of
from energyscore.judge.gate import run_gate
from energyscore.judge.policy import Policy, PolicyRule
from energyscore.judge.rating import RatedResult, rate
from energyscore.results.result import parse_result, result_to_json
from energyscore.results.store import load_result

SYSTEM = "system_wh_per_1k_queries"
QUICK = {"quick": True, "min_window_s": 0.0, "device": "cpu"}


def function_result(name="answer", wh=1.0, runs=3, **change):
    """A result of a function on a GPU, of so many Wh per 1,000 queries."""
    runs = [make_run(index, joules=3600 * wh * (1 + index / 1000)) for index in range(runs)]
    base = make_result(name, runs, official=False, identity=name.ljust(64, "0")[:64])
    measured = energyscore.measure(len, ["a"], name=name, **QUICK).result
    return base.model_copy(
        update={
            name: getattr(measured, name)
            for name in ("task", "model", "workload", "conformance", "official")
        }
        | change
    )


@pytest.fixture(scope="module")
def measured():
    return energyscore.measure(sorted, ["ba", "dc"], name="sort <b>", repeats=3, **QUICK)


def test_a_function_is_saved_as_a_result_and_read_again(measured, tmp_path):
    path = measured.save(tmp_path / "results")
    assert path.parent == tmp_path / "results" / "function" / "sort__b_" / "custom"
    again = energyscore.load(path)
    assert again == measured
    assert energyscore.load_all(tmp_path / "results") == [measured]
    result = load_result(path)
    assert result.of_function
    assert (result.task.id, result.model.id, result.official) == ("custom", "sort <b>", False)
    assert (result.model.parameters, result.model.weights) == (None, None)
    assert measured.save(str(tmp_path / "one.json")) == tmp_path / "one.json"
    assert energyscore.load(tmp_path / "one.json") == measured
    with pytest.raises(UsageError, match="not one path"):
        measured.save(3)
    with pytest.raises(ResultError, match="cannot be written"):
        measured.save("/dev/null/results")


def test_what_was_measured_in_one_second_is_all_kept(tmp_path):
    measured = [of_result(function_result(wh=wh)) for wh in (1.0, 2.0)]
    paths = [one.save(tmp_path) for one in (*measured, measured[0])]
    assert paths[2] == paths[0], "saved once more it is no other one"
    assert [energyscore.load(path) for path in paths[:2]] == measured


@pytest.mark.parametrize("name", ["../../up", "x" * 400, "\ud800", "\x00\n", ".hidden", "模型"])
def test_any_name_is_saved_inside_of_the_folder(tmp_path, name):
    measured = energyscore.measure(len, ["a"], name=name, **QUICK)
    path = measured.save(tmp_path / "in")
    assert (tmp_path / "in").resolve() in path.resolve().parents
    assert energyscore.load_all(tmp_path / "in") == [measured]


def test_only_functions_lack_parameters():
    """Nobody makes a model's result into one that nobody can check, nor the reverse."""
    whole = json.loads(result_to_json(make_result()))
    for part, change in (
        ("model", {"parameters": None}),
        ("model", {"weights": None}),
        ("model", {"source": "function"}),
        ("model", {"source": "function", "parameters": None, "weights": None}),
    ):
        content = whole | {part: whole[part] | change}
        with pytest.raises(ResultError, match=r"model\.source is"):
            parse_result(json.dumps(content), "it")


def test_functions_are_never_rated():
    """Neither by a reference, nor in a cohort of tasks, nor among themselves."""
    functions = [function_result("a", 1.0), function_result("b", 2.0)]
    for scale in (None, "cohort", "aienergyscore-2025-02"):
        ratings = rate([*functions, make_result("org/a"), make_result("org/b")], scale)
        assert [one.no_stars for one in ratings[:2]] == ["no_task"] * 2
        assert ratings[0].stars is None
        assert ratings[0].energy_wh == pytest.approx(1.001)
    alone = rate([make_result("org/a")], "cohort")
    beside = rate([make_result("org/a"), *functions], "cohort")
    assert beside[0].reason == alone[0].reason


def test_a_function_is_gated_and_kept_as_a_baseline(command, tmp_path):
    (tmp_path / "old.json").write_text(result_to_json(function_result(wh=1.0)))
    done = command("baseline", "save", "old.json", "--dir", "kept")
    assert done.status == 0, done.stderr
    for wh, status in ((1.0, 0), (1.5, 1)):
        later = function_result(wh=wh, created_at="2026-02-01T00:00:00Z")
        (tmp_path / "new.json").write_text(result_to_json(later))
        gated = command("gate", "new.json", "--baseline", "kept", "--max-regression", "5%")
        assert gated.status == status, gated.stderr + gated.stdout
        limited = command("gate", "new.json", "--max", "gpu_wh_per_1k_queries<=1.2")
        assert limited.status == status, limited.stderr
    (tmp_path / "new.json").write_text(result_to_json(function_result("another", wh=1.0)))
    assert command("gate", "new.json", "--baseline", "kept", "--max-regression", "5%").status != 0
    assert file_of(function_result(wh=2.0)) == file_of(function_result())
    assert file_of(function_result("another")) != file_of(function_result())


def test_a_function_stands_on_the_page_and_in_no_card_and_no_submission(command, tmp_path):
    for number, name in enumerate(("one <b>", "two")):
        path = tmp_path / f"{number}.json"
        path.write_text(result_to_json(function_result(name, 1.0 + number)))
    assert command("page", "0.json", "1.json", "-o", "site").status == 0
    index = (tmp_path / "site/index.html").read_text()
    assert "one &lt;b&gt;" in index
    assert "one <b>" not in index
    assert "functions have no stars" in index
    assert command("rate", "0.json", "1.json").status == 0
    later = function_result("one <b>", 1.5, identity="1" * 64)
    (tmp_path / "later.json").write_text(result_to_json(later))
    compared = command("compare", "0.json", "later.json")
    assert (compared.status, "+50" in compared.stdout) == (0, True), compared.stderr
    card = command("card", "0.json")
    assert (card.status, "functions have no stars" in card.error) == (3, True)
    bundled = command("bundle", "0.json", "-o", "x.zip", "--attest", "--allow-unofficial")
    assert (bundled.status, "is of a function" in bundled.error) == (2, True)


def test_threads_of_a_function_count_where_they_are_known(measured):
    """Not every function uses a library's: that none is known is no doubt about a comparison."""

    def condition(**threads):
        protocol = measured.result.protocol.model_copy(update={"threads": threads})
        return conditions_of(measured.result.model_copy(update={"protocol": protocol}))

    assert "threads" not in condition()
    assert condition(intra_op=2, OMP_NUM_THREADS="4")["threads"] == ("2",)
    assert condition(OMP_NUM_THREADS="4")["threads"] == ("4",)


def test_what_is_said_of_functions_and_of_blocks_is_true_of_them(measured):
    with energyscore.meter("a block", device="cpu") as block:
        pass
    codes = [caution.code for caution in cautions_on(measured.result)]
    assert {"quick", "short_run"} <= set(codes)
    assert "brief" not in codes
    codes = [caution.code for caution in cautions_on(block.measured.result)]
    assert {"one_window", "short_run"} <= set(codes)
    assert not {"quick", "brief"} & set(codes)
    advice = "a block is one window; `energyscore.measure` repeats a function"
    with pytest.raises(energyscore.NotMeasuredError, match="A block is one window"):
        block.measured.require_system_ci95()
    assert advice in reason_of(block.measured.result)
    uncertain = function_result(wh=1.0, runs=2)
    assert re.search(r"about \d+ runs would \(repeats=\d+\)", reason_of(uncertain, 1.004))


def reason_of(result, most=10**9):
    """What a gate says of a limit."""
    rated = RatedResult(result, rate([result])[0], "x.json")
    figure = "gpu_wh_per_1k_queries" if result.protocol.metered_gpus else SYSTEM
    limit = PolicyRule(max=[f"{figure}<={most:g}"])
    verdict = run_gate([rated], [], Policy(rules=(("options", limit),)), rated.result.created_at)
    return verdict.checks[0].reason


class Unwilling:
    def __reduce__(self):
        raise ZeroDivisionError


def test_queries_are_told_by_their_values():
    """In every process alike; those that cannot be told are comparable to nothing."""
    queries = [
        *("a", 1, b"bytes", {"b": 1, "a": [None]}, {1: "by a number"}, (1, 2), {"a", "b", "c"}),
        *(np.arange(3), torch.arange(3.0), torch.ones((), dtype=torch.bfloat16), ROOT),
    ]
    own = fingerprint_of(queries)
    code = (
        "import numpy as np, torch\n"
        "from support.commands import ROOT\n"
        "from energyscore.api.custom import fingerprint_of\n"
        "print(fingerprint_of([*('a', 1, b'bytes', {'a': [None], 'b': 1}, {1: 'by a number'}), "
        "(1, 2), {'c', 'b', 'a'}, np.arange(3), torch.arange(3.0), "
        "torch.ones((), dtype=torch.bfloat16), ROOT]))"
    )
    done = python(code, {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": "7"})
    assert done.stdout.strip() == own
    others = [["b"], [1.5], [np.arange(4)], [torch.arange(3)], [torch.arange(2.0)], [{"a"}], [b"b"]]
    assert len({own, *map(fingerprint_of, others)}) == len(others) + 1
    unknown = [fingerprint_of([one]) for one in (threading.Lock(), Unwilling(), Unwilling())]
    assert len(set(unknown)) == 3
    assert all(one.startswith("not known") for one in unknown)


# Blocks


def test_a_block_is_one_window():
    with energyscore.meter("an epoch", queries=20, device="cpu") as block:
        with pytest.raises(UsageError, match="has not ended"):
            _ = block.measured
        time.sleep(0.2)
    measured = block.measured
    assert (measured.name, measured.runs, measured.queries) == ("an epoch", 1, 20)
    assert 0.2 <= measured.duration_s < 2
    assert measured.system.ci95 is None
    assert "one_window" in [caution.code for caution in measured.cautions]
    with pytest.raises(energyscore.NotMeasuredError, match="one run has no spread"):
        measured.require_system_ci95()


def test_a_block_that_fails_has_no_figures_and_lets_the_next_be_measured():
    failing = energyscore.meter(device="cpu")
    block = failing.__enter__()
    assert not failing.__exit__(KeyError, KeyError("x"), None)
    with pytest.raises(UsageError, match="or it failed"):
        _ = block.measured
    refused = pytest.raises(UsageError, match="is measuring already")
    with energyscore.meter(device="cpu") as block, refused:
        energyscore.measure(len, ["a"], **QUICK)
    assert block.measured.valid
    for queries in (0, True, 1.5, None):
        with pytest.raises(UsageError, match="queries: it must be a whole number"):
            energyscore.meter(queries=queries)
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        energyscore.meter(device="gpu")


def test_the_energy_of_a_block_is_that_of_its_window(simulate, tmp_path):
    """300 W for a second and a half, by the meters that functions are measured with."""
    sim = simulate(gpu(update_period_ms=10))
    code = (
        "import time, energyscore\n"
        "with energyscore.meter('a block', queries=10, gpus=[0]) as block:\n"
        "    time.sleep(1.5)\n"
        "measured = block.measured\n"
        "print(measured.require_gpu_wh_per_1k_queries() / measured.duration_s, measured.valid)\n"
        "print(*(one.code for one in measured.cautions))\n"
    )
    done = python(code, sim.env())
    wh_a_second, valid, *cautions = done.stdout.split()
    assert float(wh_a_second) == pytest.approx(300 / 3600 * 1000 / 10, rel=0.05)
    assert valid == "True"
    assert "one_window" in cautions
    assert (
        "work_goes_on" not in cautions
    )  # the process that watches the GPU is no work that goes on


def test_a_notebook_shows_a_table_in_which_everything_is_escaped(measured):
    shown = measured._repr_html_()
    assert "<b>sort &lt;b&gt;</b>" in shown
    assert "3 runs" in shown
    odd = of_result(function_result(valid=False, invalid_reasons=["<script>alert(1)</script>"]))
    assert "<script>" not in odd._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in odd._repr_html_()
    assert "<td style='text-align:left'>1.00 Wh per 1,000 queries" in odd._repr_html_()


def test_the_fixture_meters_a_block_of_a_test(tmp_path):
    """As pytest loads it where energyscore is installed; its figures stand in the JUnit file."""
    (tmp_path / "test_it.py").write_text(
        "def test_energy(energy_meter):\n"
        "    with energy_meter(queries=5, device='cpu') as block:\n"
        "        sum(range(10**5))\n"
        "    assert block.measured.queries == 5\n"
        "    assert block.measured.name == 'test_energy'\n"
        "    with energy_meter(device='cpu'):\n"
        "        pass\n"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugin = project["entry-points"]["pytest11"]["energyscore"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", plugin, "--junit-xml", "it.xml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=environment({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
    )  # fmt: skip
    assert "1 passed in" in done.stdout, done.stdout
    report = (tmp_path / "it.xml").read_text()
    for name in ("test_energy", "test_energy (2)"):
        assert f'name="{name}: system_wh_per_1k_queries"' in report


def examples():
    """The examples of the page, by the name in their first line."""
    page = (ROOT / "docs/python.md").read_text()
    return dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, flags=re.S))


def test_the_examples_of_the_page_run(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert set(examples()) == {"test_energy.py", "save.py", "meter.py", "test_meter.py"}
    for name in ("save.py", "meter.py"):
        exec(examples()[name], {})
    for folder, name in (("functions", "answer"), ("blocks", "an epoch")):
        assert [one.name for one in energyscore.load_all(folder)] == [name]
    assert command("baseline", "save", "functions").status == 0
    change = "system_wh_per_1k_queries<=+5%"
    gated = command("gate", "functions", "--baseline", "energy-baseline", "--max", change)
    assert "answer" in gated.stdout
    assert gated.status in (0, 1), gated.stderr
    (tmp_path / "test_meter.py").write_text(examples()["test_meter.py"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "energyscore.api.pytest_plugin", "test_meter.py"],
        capture_output=True, text=True, check=False,
        env=environment({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
    )  # fmt: skip
    assert "1 passed in" in done.stdout, done.stdout


def test_the_plugin_is_light():
    """Every run of pytest loads it, whatever is tested."""
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import energyscore.api.pytest_plugin\n"
        "found = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(found - set(sys.stdlib_module_names)))"
    )
    done = python(code)
    assert done.stdout.split() == ["energyscore"]
