"""The gate: outcomes, the verdict and its exit code, and everything it writes for CI."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from support.commands import energyscore, environment
from support.results import make_cpu_run, make_result, make_run, make_server_result

from energyscore.judge import gate as gate_module
from energyscore.judge.gate import GateVerdict, run_gate
from energyscore.judge.policy import Policy, PolicyRule
from energyscore.judge.rating import RatedResult, rate
from energyscore.publish.gate_annotations import to_annotations
from energyscore.publish.gate_benchmark import to_benchmark
from energyscore.publish.gate_junit import to_junit
from energyscore.publish.gate_markdown import MOST_BYTES, to_markdown
from energyscore.results.parts import Caution
from energyscore.results.result import result_to_json

GPU, SYSTEM = "gpu_wh_per_1k_queries", "system_wh_per_1k_queries"
NOW = "2026-03-01T00:00:00Z"
LATER = "2026-02-01T00:00:00Z"


def measured(result, source="x.json"):
    return RatedResult(result, rate([result])[0], source)


def result_of(*wh, model="org/model", created_at=LATER, **change):
    runs = [make_run(index, joules=3600.0 * energy) for index, energy in enumerate(wh)]
    return make_result(model, runs, created_at=created_at, **change)


BASE = result_of(2.0, 2.02, 1.98, 2.01, 1.99, created_at="2026-01-01T00:00:00Z")
NULL = make_result(runs=[make_run(joules=None)], invalid=("the GPU was lost",))


def scaled(factor, **change):
    return result_of(*(factor * wh for wh in (2.0, 2.02, 1.98, 2.01, 1.99)), **change)


def with_score(result, **change):
    return result.model_copy(update={"score": result.score.model_copy(update=change)})


def limit(*texts, **change):
    return PolicyRule(max=list(texts), **change)


def verdict_of(results, *rules, baselines=(BASE,), **policy):
    return run_gate(
        [measured(result, f"{n}.json") for n, result in enumerate(results)],
        [measured(result, "base.json") for result in baselines],
        Policy(rules=tuple((f"rules[{n}]", rule) for n, rule in enumerate(rules)), **policy),
        NOW,
    )


def check_of(result, rule, **more):
    verdict = verdict_of([result], rule, **more)
    (check,) = verdict.checks
    return check.outcome, verdict.verdict, verdict.exit_code


REGRESSION = PolicyRule(max_regression="5%")


@pytest.mark.parametrize(
    ("result", "rule", "said"),
    [
        (BASE, limit(f"{GPU}<=2.5"), ("pass", "pass", 0)),
        (BASE, limit(f"{GPU}<=1.9"), ("fail", "fail", 1)),
        (BASE, limit(f"{GPU}<=2.001"), ("inconclusive", "undecided", 1)),
        (result_of(2.0), limit(f"{GPU}<=2.5"), ("inconclusive", "undecided", 1)),
        (result_of(2.0), limit(f"{GPU}<=1.9"), ("fail", "fail", 1)),
        (scaled(1.0), REGRESSION, ("pass", "pass", 0)),
        (scaled(1.2), REGRESSION, ("fail", "fail", 1)),
        (scaled(1.05), REGRESSION, ("inconclusive", "undecided", 1)),
        (result_of(9.0), REGRESSION, ("inconclusive", "undecided", 1)),
        (BASE, REGRESSION, ("inconclusive", "undecided", 1)),
        (NULL, limit(f"{GPU}<=2.5"), ("invalid", "invalid", 3)),
        (NULL, REGRESSION, ("invalid", "invalid", 3)),
        (BASE, limit(f"{SYSTEM}<=2.5"), ("unsupported", "invalid", 3)),
        (BASE, limit("gpu_decode_wh_per_1k_queries<=2.5"), ("unsupported", "invalid", 3)),
        (scaled(1.0, model="org/new"), REGRESSION, ("unsupported", "invalid", 3)),
        (scaled(1.0, power_limit_w=300.0), REGRESSION, ("unsupported", "invalid", 3)),
        (scaled(1.0, gpu="NVIDIA L4"), REGRESSION, ("unsupported", "invalid", 3)),
        (BASE, limit(f"{GPU}<=2.5", task="asr"), ("unsupported", "invalid", 3)),
    ],
)
def test_the_outcome_the_verdict_and_the_exit_code_are_one(result, rule, said):
    assert check_of(result, rule) == said


@pytest.mark.parametrize(
    ("taken", "code", "beside_a_pass"),
    [
        (None, 1, ("pass", 0)),
        ("pass", 0, ("pass", 0)),
        ("warn", 0, ("pass", 0)),
        ("fail", 1, ("fail", 1)),
    ],
)
def test_what_cannot_be_told_counts_as_it_is_said_to(taken, code, beside_a_pass):
    found = check_of(result_of(2.0), REGRESSION, on_inconclusive=taken)
    assert found == ("inconclusive", "undecided", code)
    both = verdict_of([result_of(2.0)], REGRESSION, limit(f"{GPU}<=9"), limit(f"{GPU}<=1"))
    assert (both.verdict, both.exit_code) == ("fail", 1)
    both = verdict_of([scaled(1.05), scaled(1.0)], REGRESSION, on_inconclusive=taken)
    assert (both.verdict, both.exit_code) == beside_a_pass
    lost = verdict_of([scaled(1.05), NULL], REGRESSION, on_inconclusive=taken)
    assert (lost.verdict, lost.exit_code) == (("fail", 1) if taken == "fail" else ("invalid", 3))


@pytest.mark.parametrize("std", [1e200, 1e308])
@pytest.mark.parametrize("rule", [limit(f"{GPU}<=2.5"), REGRESSION])
def test_a_spread_beyond_all_bounds_decides_nothing(std, rule):
    wild = with_score(scaled(1.0), std=std)
    (check,) = verdict_of([wild], rule).checks
    assert check.outcome == "inconclusive"
    assert "nan" not in check.reason
    (check,) = verdict_of([with_score(scaled(1.0), gpu_wh_per_1k_queries=1e-200)], rule).checks
    assert (check.outcome, "no meter tells so little" in check.reason) == ("unsupported", True)


def test_a_failure_is_one_whatever_else_could_not_be_told():
    verdict = verdict_of([NULL, scaled(1.2)], REGRESSION)
    assert (verdict.verdict, verdict.exit_code) == ("fail", 1)
    assert verdict.counts == {
        "pass": 0,
        "fail": 1,
        "invalid": 1,
        "unsupported": 0,
        "inconclusive": 0,
    }


def test_a_baseline_of_an_unknown_processor_is_not_comparable():
    def on(cpu, created_at):
        runs = [make_cpu_run(index, joules=7200.0 + index) for index in range(5)]
        result = make_result(runs=runs, gpu=None, created_at=created_at)
        machine = result.environment.model_copy(update={"cpu": cpu})
        return result.model_copy(update={"environment": machine})

    rule = limit(f"{SYSTEM}<=+5%")
    before, now = on(None, "2026-01-01T00:00:00Z"), on("Xeon", LATER)
    for allow, outcome in ((frozenset(), "unsupported"), (frozenset({"cpu"}), "pass")):
        (check,) = verdict_of([now], rule, baselines=[before], allow=allow).checks
        assert (check.outcome, "--allow cpu" in check.reason) == (outcome, not allow)


def test_what_else_is_not_known_of_a_baseline_is_said():
    gpu = BASE.environment.gpus[0].model_copy(update={"power_limit_w": None})
    machine = BASE.environment.model_copy(update={"gpus": [gpu]})
    before = BASE.model_copy(update={"environment": machine})
    (check,) = verdict_of([scaled(1.0)], REGRESSION, baselines=[before]).checks
    assert (check.outcome, "not known of both: power_limit" in check.reason) == ("pass", True)


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        ({"model": ["org/model", "org/typo"]}, "model org/typo"),
        ({"task": ["text_generation", "txt*", "asr"]}, "task asr"),
        ({"reasoning": ["none", "of"]}, "reasoning of"),
    ],
)
def test_each_name_in_a_list_must_be_there(scope, missing):
    verdict = verdict_of([BASE], limit(f"{GPU}<=2.5", **scope))
    assert [check.outcome for check in verdict.checks] == ["unsupported", "pass"]
    assert (verdict.checks[0].threshold, verdict.exit_code) == (missing, 3)
    assert verdict_of([BASE], limit(f"{GPU}<=2.5", optional=True, **scope)).exit_code == 0


def test_without_any_check_nothing_has_passed():
    verdict = verdict_of([BASE], limit(f"{GPU}<=9", model="none/*", optional=True))
    assert (verdict.checks, verdict.verdict, verdict.exit_code) == ([], "invalid", 3)


def test_another_hardware_is_taken_when_it_is_allowed_with_the_meters_error():
    rule, allow = REGRESSION, frozenset({"gpu"})
    (check,) = verdict_of([scaled(3.0, gpu="NVIDIA L4")], rule, allow=allow).checks
    assert (check.outcome, check.ratio) == ("fail", pytest.approx(3.0))


def test_the_matching_baseline_is_picked_and_of_those_the_newest():
    others = [
        scaled(5.0, power_limit_w=300.0, created_at="2026-01-20T00:00:00Z"),
        scaled(0.5, created_at="2025-01-01T00:00:00Z"),
        BASE,
    ]
    (check,) = verdict_of([scaled(1.0)], REGRESSION, baselines=others).checks
    assert (check.outcome, check.ratio) == ("pass", pytest.approx(1.0))
    assert check.baseline.wh_per_1k_queries == pytest.approx(2.0)


def test_another_gpu_of_the_same_name_cannot_tell_a_regression_of_5_percent():
    moved = scaled(1.1)
    gpu = moved.environment.gpus[0].model_copy(update={"uuid": "GPU-1"})
    moved = moved.model_copy(
        update={
            "protocol": moved.protocol.model_copy(update={"metered_gpus": ["GPU-1"]}),
            "environment": moved.environment.model_copy(update={"gpus": [gpu]}),
        }
    )
    (check,) = verdict_of([moved], REGRESSION).checks
    assert check.outcome == "inconclusive"
    assert "measure both on one GPU" in check.reason


def test_a_check_that_cannot_be_told_says_how_many_repeats_would_decide():
    (check,) = verdict_of([scaled(1.045)], REGRESSION).checks
    assert check.outcome == "inconclusive"
    assert check.repeats_needed > 5
    assert f"--repeats {check.repeats_needed}" in check.reason
    (single,) = verdict_of([result_of(2.0)], REGRESSION).checks
    assert "one run has no interval, measure 5 runs or more" in single.reason


def test_limit_and_value_stand_in_every_check():
    (check,) = verdict_of([scaled(1.2)], REGRESSION).checks
    assert check.value == pytest.approx(2.4)
    assert check.limit == pytest.approx(2.1)
    assert check.allowed_ratio == pytest.approx(1.05)
    assert check.ratio_ci95[0] > 1.05


def test_limits_by_tokens_have_a_unit_of_their_own_in_every_report():
    """10 tokens a query: 2 Wh per 1,000 queries are 0.72 J a token, or 200 Wh a million."""
    per_token, per_million = "gpu_joules_per_output_token", "gpu_wh_per_1m_output_tokens"
    limits = limit(f"{per_token}<=0.5", f"{per_million}<=250", f"{per_token}<=+5%")
    verdict = verdict_of([scaled(1.0)], limits)
    below, above, regression = verdict.checks
    assert (below.outcome, above.outcome, regression.outcome) == ("fail", "pass", "pass")
    assert below.value == pytest.approx(0.72)
    assert (below.unit, above.unit) == ("J per output token", "Wh per 1M output tokens")
    assert re.fullmatch(r"720 mJ \(\d+ mJ to \d+ mJ\), at most 500 mJ allowed", below.reason)
    assert re.match(r"200 Wh \(.* Wh\), at most 250 Wh allowed", above.reason)
    assert "against 720 mJ, +5.00% allowed" in regression.reason
    assert regression.baseline.value == pytest.approx(0.72)
    assert regression.baseline.wh_per_1k_queries is None
    text = to_markdown(verdict).decode()
    assert "0.720 (0." in text
    assert " J | fail" in text
    assert "Energy in J per output token and Wh per 1M output tokens with" in text
    assert "unit: J per output token" in to_junit(verdict).decode()
    (none,) = verdict_of([scaled(1.0)], limit("gpu_joules_per_input_token<=1")).checks
    assert (none.outcome, none.reason) == (
        "unsupported",
        "no such figure: text was generated: the tokens of the output are counted",
    )


@pytest.mark.parametrize(
    ("wh", "least", "outcome"), [(2.0, 4, "pass"), (20.0, 4, "fail"), (6.9, 5, "inconclusive")]
)
def test_stars_are_decided_by_their_chance(wh, least, outcome):
    """Five stars end at 1.313 + (28.741 - 1.313) / 5 = 6.799 Wh."""
    result = result_of(*[wh * (1 + (n % 3 - 1) / 200) for n in range(10)])
    rule = PolicyRule(min_stars=least)
    assert check_of(result, rule)[0] == outcome


def test_without_stars_nothing_passes():
    rule = PolicyRule(min_stars=1)
    assert check_of(NULL, rule) == ("invalid", "invalid", 3)
    assert check_of(scaled(1.0, gpu="NVIDIA L4"), rule) == ("unsupported", "invalid", 3)


def test_estimates_are_held_to_limits_that_name_them_and_say_so():
    runs = [make_cpu_run(index, joules=7200.0 + index) for index in range(5)]
    result = make_result(runs=runs, gpu=None)
    verdict = verdict_of([result], limit(f"{SYSTEM}<=99"))
    assert (verdict.exit_code, verdict.checks[0].estimated) == (0, True)
    assert "(estimated)" in to_markdown(verdict).decode()
    assert verdict_of([result], limit(f"{GPU}<=99")).exit_code == 3
    assert [
        e["name"].endswith("estimated") for e in json.loads(to_benchmark([measured(result)]))
    ] == [True]


HOSTILE = 'a|b\n| x | `y` <s a="&">]]> [l](http://e)\x00\x1b[1m@team ##[error]x ::error::x % é'
ALL = [scaled(1.0), scaled(1.2), scaled(1.05), NULL, scaled(1.2, model=HOSTILE)]


def whole_verdict():
    hostile = result_of(2.0, 2.01, 1.99, model=HOSTILE, created_at="2026-01-01T00:00:00Z")
    return verdict_of(ALL, REGRESSION, limit(f"{GPU}<=2.2"), baselines=[BASE, hostile])


def test_the_json_fits_its_published_schema():
    published = resources.files("energyscore.results") / "schemas" / "gate-1.json"
    schema = json.loads(published.read_text(encoding="utf-8"))
    assert schema == gate_module.json_schema()
    verdict = whole_verdict()
    text = verdict.model_dump_json()
    jsonschema.validate(json.loads(text), schema)
    assert GateVerdict.model_validate_json(text) == verdict
    assert len(verdict.checks) == 10


def test_the_junit_is_what_readers_of_it_take():
    """The structure of the schema that Jenkins publishes, and counts that are true."""
    verdict = whole_verdict()
    root = ET.fromstring(to_junit(verdict))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    allowed = {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}
    assert set(suite.attrib) == allowed
    *cases, last = suite
    assert last.tag == "system-out"
    children = []
    for case in cases:
        assert case.tag == "testcase"
        assert set(case.attrib) == {"classname", "name", "time"}
        (child,) = case
        assert child.tag in ("skipped", "failure", "error", "system-out")
        assert set(child.attrib) <= {"message", "type"}
        children.append(child.tag)
    counts = {"tests": len(cases)} | {
        name: children.count(tag)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    assert {name: int(suite.get(name)) for name in counts} == counts
    assert counts == {"tests": 10, "failures": 4, "errors": 2, "skipped": 1}
    assert len({case.get("name") for case in cases}) == 10
    assert "é" in cases[-1].get("name")
    assert "\x1b" not in to_junit(verdict).decode()


def test_the_markdown_holds_hostile_names_worst_first():
    text = to_markdown(whole_verdict()).decode()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 10
    assert {row.count("|") for row in rows} == {8}
    for forbidden in ("<s", "`", "[l]", "http://", "@team", "\x1b", "\x00", "##["):
        assert forbidden not in text
    assert [row[2] for row in rows[2:]] == [*"❌❌❌❌⛔⛔⚠✅✅✅"]


def test_a_summary_stays_below_what_github_takes():
    verdict = whole_verdict()
    many = verdict.model_copy(update={"checks": verdict.checks * 700})
    text = to_markdown(many)
    assert len(text) < MOST_BYTES + 1000
    assert re.search(r"\d+ more checks are left out", text.decode())


def test_annotations_are_one_line_each_and_escaped():
    lines = to_annotations(whole_verdict()).decode().split("\n")
    assert lines.pop() == ""
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 6 + ["::warning"]
    for line in lines:
        properties, _, message = line.partition("title=")[2].partition("::")
        assert re.fullmatch(r"[^:,]*", properties)
        assert re.fullmatch(r"([^%]|%25)*", message)
        assert "\r" not in message


def test_the_benchmark_array_has_one_entry_an_energy():
    entries = json.loads(
        to_benchmark([measured(one) for one in (BASE, BASE, NULL, result_of(2.0))])
    )
    assert [set(entry) for entry in entries[:2]] == [
        {"name", "unit", "value", "range", "extra"}
    ] * 2
    assert len({entry["name"] for entry in entries}) == len(entries) == 3
    assert entries[0]["value"] == pytest.approx(2.0)
    low, high = map(float, entries[0]["range"].split(" to "))
    assert (high - low) / 2 == pytest.approx(0.0196, abs=1e-4)
    assert "range" not in entries[2]


def test_the_command_writes_everything_and_ends_with_the_verdict(tmp_path):
    for name, result in {"base": BASE, "good": scaled(1.0), "bad": scaled(1.2)}.items():
        (tmp_path / f"{name}.json").write_text(result_to_json(result))
    (tmp_path / "energy-gate.yaml").write_text("baseline: base.json\nrules: [{max_regression: 5%}]")
    (tmp_path / "summary.md").write_text("before\n")
    files = {name: tmp_path / f"gate.{name}" for name in ("junit", "json", "markdown", "benchmark")}
    outputs = [word for name, file in files.items() for word in (f"--{name}", file)]
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    bad = energyscore("gate", "bad.json", *outputs, cwd=tmp_path, env=github)
    assert bad.status == 1
    assert "verdict: fail: 1 failed (exit 1)" in bad.stdout
    assert bad.stderr.startswith("::error title=Energy gate%3A fail::text_generation, org/model: ")
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("before\n## ❌ Energy gate fail")
    assert json.loads(files["json"].read_text())["exit_code"] == 1
    assert ET.parse(files["junit"]).getroot().get("failures") == "1"
    assert json.loads(files["benchmark"].read_text())[0]["value"] == pytest.approx(2.4)
    quiet = {"GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": ""}
    good = energyscore("gate", "good.json", "--format", "json", cwd=tmp_path, env=quiet)
    assert (good.status, good.stderr) == (0, "")
    assert json.loads(good.stdout)["verdict"] == "pass"
    Path(tmp_path / "null.json").write_text(result_to_json(NULL))
    null = energyscore("gate", "null.json", "--max", f"{GPU}<=9", cwd=tmp_path, env=quiet)
    assert (null.status, "verdict: invalid" in null.stdout) == (3, True)


def test_a_reader_that_stops_reading_changes_no_verdict(tmp_path):
    """And so does a summary that cannot be written."""
    (tmp_path / "bad.json").write_text(result_to_json(scaled(1.2)))
    for form in ("table", "json"):
        command = [sys.executable, "-m", "energyscore", "gate", "bad.json", "--format", form]
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [*command, "--max", f"{GPU}<=1"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment({"GITHUB_STEP_SUMMARY": "no/such/folder"}),
            check=False,
        )
        os.close(write)
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("caution: no/such/folder cannot be written")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gate", "x.json"), "Nothing is to be checked"),
        (("gate", "x.json", "--max", f"{GPU}<=1"), "x.json does not exist"),
        (("gate", "x.json", "--max-regression", "5%"), "Name one with --baseline"),
        (("gate", "x.json", "--policy", "no.yaml"), "no.yaml cannot be read"),
        (("compare", "x.json", "y.json", "--allow", "gpus"), "Did you mean 'gpu'"),
        (
            ("baseline", "list", "--dir", "nowhere"),
            "There is no folder nowhere. `energyscore baseline save",
        ),
    ],
)
def test_wrong_usage_is_status_2_and_one_line(tmp_path, arguments, said):
    done = energyscore(*arguments, cwd=tmp_path)
    assert done.status == 2
    assert said in done.error
    assert done.stdout == ""


def every_output(verdict):
    return [
        to_markdown(verdict).decode(),
        to_junit(verdict).decode(),
        to_annotations(verdict).decode(),
        verdict.model_dump_json(),
    ]


@pytest.mark.parametrize(
    ("taken", "level", "mark", "tag"),
    [
        ("pass", "warning", "⚠️", "skipped"),
        ("warn", "warning", "⚠️", "skipped"),
        (None, "error", "❌", "failure"),
        ("fail", "error", "❌", "failure"),
    ],
)
def test_where_nothing_could_be_told_nothing_looks_passed(taken, level, mark, tag):
    verdict = verdict_of([scaled(1.05)], REGRESSION, on_inconclusive=taken)
    assert (verdict.verdict, verdict.decided) == ("undecided", 0)
    assert verdict.line.startswith("undecided: 1 inconclusive")
    text = to_markdown(verdict).decode()
    assert text.startswith("## ⚠️ Energy gate undecided: 1 inconclusive")
    assert "✅" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| ") and "org/model" in line]
    assert row.startswith(f"| {mark} |")
    annotations = to_annotations(verdict).decode()
    assert f"::{level} title=Energy gate%3A undecided::undecided: 1 inconclusive" in annotations
    suite = ET.fromstring(to_junit(verdict))[0]
    assert [child.tag for child in suite[0]] == [tag]
    counts = (suite.get("failures"), suite.get("skipped"))
    assert counts == (("1", "0") if tag == "failure" else ("0", "1"))


def test_cautions_that_bear_on_a_figure_stand_in_every_report():
    busy = Caution(code="busy_machine", message="others used 60% of the processor")
    resumed = Caution(code="resumed", message="2 runs were measured before an interruption")
    now = scaled(1.0).model_copy(update={"cautions": [busy, resumed]})
    was = BASE.model_copy(update={"protocol": BASE.protocol.model_copy(update={"quick": True})})
    now = now.model_copy(update={"protocol": now.protocol.model_copy(update={"quick": True})})
    verdict = verdict_of([now], REGRESSION, limit(f"{GPU}<=9"), baselines=[was])
    assert verdict.verdict == "pass"
    own, quick, of_baseline = verdict.figure_cautions
    assert own == "caution: others used 60% of the processor (text_generation, org/model)"
    assert quick.startswith("caution: a quick run")
    assert of_baseline.startswith("caution: its baseline: a quick run")
    for text in every_output(verdict):
        assert "others used 60% of the processor" in text or "others used 60%25 of" in text
        assert "a quick run" in text
        assert "interruption" not in text


def test_checks_that_look_the_same_are_told_apart_by_time_else_by_file():
    apart = {"identity": "1" * 64, "created_at": "2026-02-02T00:00:00Z"}
    dated = verdict_of([scaled(1.0), scaled(1.0, **apart)], limit(f"{GPU}<=9"))
    assert [one.apart for one in dated.checks] == [LATER, "2026-02-02T00:00:00Z"]
    filed = verdict_of([scaled(1.0), scaled(1.2)], limit(f"{GPU}<=1"))
    assert [one.apart for one in filed.checks] == ["0.json", "1.json"]
    for text in every_output(filed):
        assert "1.json" in text
    (alone,) = verdict_of([scaled(1.0)], limit(f"{GPU}<=9")).checks
    assert alone.subject == "org/model"


def test_an_optional_rule_that_fits_nothing_is_told():
    some, known = [measured(BASE)], ("text_generation", "asr")

    def told(*rules):
        placed = tuple((f"rules[{n}]", rule) for n, rule in enumerate(rules))
        return run_gate(some, [], Policy(rules=placed), NOW, known)

    verdict = told(limit(f"{GPU}<=9"), limit(f"{GPU}<=9", task="text_generatoin", optional=True))
    assert (verdict.exit_code, verdict.unfitted) == (0, ["rules[1]"])
    for text in every_output(verdict):
        assert "1 optional rule fitted no result" in text.replace("\\", "")
        assert "Did you mean" in text
    needed = told(limit(f"{GPU}<=9", task="ars"))
    assert "unknown task 'ars'. Did you mean 'asr'?" in needed.checks[0].reason
    assert told(limit(f"{GPU}<=9", task="a*")).notes == []


def test_what_else_changed_since_the_baseline_is_told():
    moved = scaled(1.2)
    machine = moved.environment.model_copy(update={"driver": "999.1"})
    verdict = verdict_of([moved.model_copy(update={"environment": machine})], REGRESSION)
    was = BASE.environment.driver
    assert verdict.checks[0].changed == {"driver": (was, "999.1")}
    (remark,) = verdict.remarks
    assert remark == f"text_generation, org/model: also changed: driver {was or 'none'} -> 999.1"
    assert "999.1" in to_markdown(verdict).decode()


def test_a_limit_is_said_as_it_was_written_and_a_reason_is_no_estimate():
    (below,) = verdict_of([BASE], limit(f"{GPU}<5")).checks
    assert "less than 5.00 Wh allowed" in below.reason
    (lost,) = verdict_of([NULL], limit(f"{SYSTEM}<=5")).checks
    assert not lost.said.endswith("(estimated)")


def test_the_baseline_of_a_server_is_that_of_its_load():
    before = [make_server_result(concurrency=n, identity=f"{n:064}") for n in (1, 8)]
    now = [
        make_server_result(concurrency=n, identity=f"{n + 50:064}", created_at=LATER)
        for n in (8, 32)
    ]
    verdict = verdict_of(now, REGRESSION, baselines=before)
    at_8, at_32 = verdict.checks
    assert (at_8.subject, at_8.outcome) == ("org/model (8 at once)", "pass")
    assert (at_32.subject, at_32.outcome) == ("org/model (32 at once)", "unsupported")
    assert "load: a server, 32 at once instead of a server, " in at_32.reason
    assert "(--allow load)" in at_32.reason
