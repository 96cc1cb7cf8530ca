"""Policies and thresholds: read strictly, what is wrong named by its path."""

import re

import pytest
from support.results import make_result

from energyscore.base.errors import UsageError
from energyscore.judge.policy import (
    Limit,
    Policy,
    PolicyRule,
    _PolicyForm,
    parse_limit,
    parse_policy,
    parse_regression,
    read_policy,
    rule_of_options,
    with_options,
)

GPU = "gpu_wh_per_1k_queries"
WHOLE = """
on_inconclusive: fail
baseline: energy-baseline
allow: power_limit
scale: cohort
rules:
  - task: text_*
    model: [org/*, "builtin:*"]
    reasoning: off
    max: gpu_wh_per_1k_queries<=2.5
    max_regression: 5%
    min_stars: 4
    optional: true
  - max: ["gpu_decode_wh_per_1k_queries < 0.5", system_wh_per_1k_queries<=-2.5%]
"""


def test_the_policy_to_start_from_is_one_and_names_every_key(command, tmp_path):
    done = command("gate", "init")
    assert (done.status, done.stdout) == (0, "")
    text = (tmp_path / "energy-gate.yaml").read_text()
    policy = read_policy(tmp_path / "energy-gate.yaml")
    assert (policy.on_inconclusive, policy.needs_baseline) == ("fail", True)
    keys = {*_PolicyForm.model_fields, *PolicyRule.model_fields}
    assert not [key for key in keys if f"{key}:" not in text]
    whole = re.sub(r"(?m)^( *)# ( *(?:- )?\w+: )", r"\1\2", text)
    assert len(parse_policy(whole, "it").rules) == 2  # what stands in comments is right, too
    again = command("gate", "--init")
    assert (again.status, "energy-gate.yaml is there already" in again.error) == (2, True)
    assert command("gate", "--init", "--policy", "other.yaml").status == 0
    (tmp_path / "init").mkdir()
    assert "init" in command("gate", "init", "--max", "gpu_wh_per_1k_queries<=1").error


def test_a_policy_is_read_whole():
    policy = parse_policy(WHOLE, "p")
    assert (policy.on_inconclusive, str(policy.baseline)) == ("fail", "energy-baseline")
    assert (policy.allow, policy.scale) == ({"power_limit"}, "cohort")
    (_, first), (_, second) = policy.rules
    assert (first.task, first.model, first.reasoning) == (
        ["text_*"],
        ["org/*", "builtin:*"],
        ["off"],
    )
    assert [(x.most, x.allowed) for x in first.limits] == [(2.5, None), (None, 1.05)]
    assert (first.min_stars, first.optional, second.optional) == (4, True, False)
    assert [(x.metric, x.most, x.allowed) for x in second.limits] == [
        ("gpu_decode_wh_per_1k_queries", 0.5, None),
        ("system_wh_per_1k_queries", None, 0.975),
    ]
    assert policy.needs_baseline


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ("{}", True),
        ("{task: text_*, model: org/*}", True),
        ("{task: asr}", False),
        ("{model: Org/*}", False),
        ("{model: [a, '*/model']}", True),
        ("{reasoning: high}", False),
        ("{reasoning: none}", True),
    ],
)
def test_patterns_say_what_a_rule_holds_for(rule, fits):
    result = make_result("org/model")
    text = f"rules: [{rule[:-1]}{', ' if rule != '{}' else ''}min_stars: 1}}]"
    assert parse_policy(text, "p").rules[0][1].fits(result) is fits


ONE = "min_stars: 1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold a mapping"),
        ("- a", "must hold a mapping"),
        ("rules: [", "p.yaml, line 1: not valid YAML: "),
        ("a: !!python/object:os.system x", "not valid YAML"),
        ("a: 2024-99-99", "not valid YAML"),
        ("{}", "the key 'rules' is missing"),
        ("rules: []", "rules: "),
        ("rules: 7", "rules: "),
        (f"ruls: 1\nrules: [{{{ONE}}}]", "unknown key 'ruls'. Did you mean 'rules'?"),
        ("rules: [{min_star: 4}]", "unknown key 'rules[0].min_star'. Did you mean 'min_stars'?"),
        (f"rules: [{{{ONE}}}, {{modle: x}}]", "unknown key 'rules[1].modle'. Did you mean 'model'"),
        ("rules: [{task: x}]", "rules[0]: it has no threshold"),
        ("rules: [{min_stars: 6}]", "rules[0].min_stars: "),
        ("rules: [{min_stars: '4'}]", "rules[0].min_stars: "),
        ("rules: [{min_stars: true}]", "rules[0].min_stars: it must be a whole number (got true)"),
        (f"rules: [{{{ONE}, model: 7}}]", "rules[0].model: it must be text"),
        ("rules: [{max: 2.5}]", "rules[0].max: expected FIGURE<=LIMIT"),
        ("rules: [{max: gpu_wh<=2}]", "Did you mean 'gpu_wh_per_1k_queries'"),
        (f"rules: [{{max: {GPU}>=2}}]", "write <=, not >="),
        (f"rules: [{{max: {GPU}<=5%}}]", "write +5%"),
        (f"rules: [{{max: {GPU}<=nan}}]", "'nan' is neither"),
        (f"rules: [{{max: {GPU}<=0}}]", "'0' is neither"),
        (f"rules: [{{max: {GPU}<=2 Wh}}]", "'2 Wh' is neither"),
        (f"rules: [{{max: [{GPU}<=1, [x]]}}]", "rules[0].max[1]: expected FIGURE<=LIMIT"),
        (f"rules: [{{max: [{GPU}<=1, {GPU}<=x]}}]", "rules[0].max[1]: the limit 'x' is neither"),
        ("rules: [{min_stars: }]", "rules[0].min_stars: "),
        (f"rules: [{{max: {GPU}<=٣}}]", "is neither"),
        ("rules: [{max_regression: ٣%}]", "expected a percentage"),
        ("rules: [&a {min_stars: 1}, {<<: *a, <<: *a}]", "line 1: not valid YAML: found duplicate"),
        ("rules: [{max_regression: 5}]", "rules[0].max_regression: expected a percentage"),
        ("rules: [{max_regression: 0.05}]", "expected a percentage"),
        ("rules: [{max_regression: -100%}]", "above -100%"),
        ("rules: [{max_regression: null}]", "expected a percentage"),
        (f"rules: [{{{ONE}, model: []}}]", "rules[0].model: "),
        (f"rules: [{{{ONE}, model: [1]}}]", "rules[0].model[0]: "),
        (f"rules: [{{{ONE}, optional: 1}}]", "rules[0].optional: "),
        (f"rules: [{{{ONE}, {ONE}}}]", 'line 1: not valid YAML: found duplicate key "min_stars"'),
        (f"rules: [{{{ONE}}}]\non_inconclusive: ignore", "on_inconclusive: "),
        (f"rules: [{{{ONE}}}]\nallow: [gpus]", "allow: Unknown difference 'gpus'. Did you mean"),
        (f"rules: [{{{ONE}}}]\nallow: model", "allow: A gate cannot allow 'model'"),
        (f"rules: [{{{ONE}}}]\nscale: 7", "scale: "),
        ("a: &a [1,1]\nb: &b [*a,*a]\nrules: [{max: [*b]}]", "rules[0].max"),
    ],
)
def test_what_is_wrong_is_named_in_one_line_with_its_path(text, said):
    with pytest.raises(UsageError) as caught:
        parse_policy(text, "The policy p.yaml")
    message = str(caught.value)
    assert message.startswith("The policy p.yaml")
    assert said in message
    assert "\n" not in message
    assert len(message) < 500


def test_a_short_file_of_merges_of_merges_is_refused_at_once():
    lines = ["a0: &a0 {k: 1, l: 2}"]
    for n in range(1, 30):
        lines.append(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}")
    with pytest.raises(UsageError, match="more than 10,000 keys are merged"):
        parse_policy("\n".join([*lines, f"rules: [{{{ONE}}}]"]), "p")


def test_what_is_merged_may_be_overridden():
    text = "rules: [{<<: &b {<<: &a {task: x, min_stars: 1}, task: y}, min_stars: 4}, *a, *b]"
    rules = parse_policy(text, "p").rules
    assert [(rule.task, rule.min_stars) for _, rule in rules] == [
        *((["y"], 4), (["x"], 1), (["y"], 1))
    ]


def test_a_short_file_of_a_huge_value_is_refused_at_once():
    doubled = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20))
    with pytest.raises(UsageError, match="The policy p"):
        parse_policy(f"a0: &a0 x\n{doubled}\nrules: [{{max: *a19}}]", "The policy p")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * (2**20 + 1)])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="The policy"):
        read_policy(path)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (f"{GPU}<=2.5", (2.5, None)),
        (f" {GPU}  <  1e-3 ", (1e-3, None)),
        (f"{GPU}<=+5%", (None, 1.05)),
        (f"{GPU}<=-10 %", (None, 0.9)),
        (f"{GPU}<=+0%", (None, 1.0)),
    ],
)
def test_thresholds(text, limit):
    parsed = parse_limit(text)
    assert parsed.metric == GPU
    assert (parsed.most, parsed.allowed) == (
        limit[0],
        pytest.approx(limit[1]) if limit[1] else None,
    )


def test_a_regression_is_short_for_a_relative_limit():
    assert parse_regression("5%") == Limit(f"{GPU}<=+5%", GPU, allowed=1.05)
    assert parse_regression(" -2.5 % ").allowed == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("limits", "regression", "said"),
    [
        (["gpu<=1"], None, "--max 'gpu<=1': unknown figure 'gpu'"),
        (["2.5"], None, "--max '2.5': expected FIGURE<=LIMIT"),
        ([], "5", "--max-regression '5': expected a percentage such as 5%"),
    ],
)
def test_wrong_options_are_named(limits, regression, said):
    with pytest.raises(UsageError) as caught:
        rule_of_options(limits, None, regression)
    assert said in str(caught.value)


def test_the_baseline_lies_beside_its_policy_wherever_it_is_read_from(tmp_path):
    path = tmp_path / "p.yaml"
    for text, found in (("base", tmp_path / "base"), ("/srv/base", "/srv/base")):
        path.write_text(f"baseline: {text}\nrules: [{{{ONE}}}]")
        assert str(read_policy(path).baseline) == str(found)


def options(policy, rule, **change):
    none = {"on_inconclusive": None, "scale": None, "baseline": None, "allow": ()}
    return with_options(policy, rule, **none | change)


def test_options_win_and_add():
    rule = rule_of_options([f"{GPU}<=3"], 2, None)
    policy = options(parse_policy(WHOLE, "p"), rule, on_inconclusive="pass", allow=["gpu"])
    assert [place for place, _ in policy.rules] == ["rules[0]", "rules[1]", "options"]
    assert (policy.on_inconclusive, policy.allow) == ("pass", {"gpu", "power_limit"})


def test_nothing_to_check_and_no_baseline_are_wrong_usage():
    with pytest.raises(UsageError, match="Nothing is to be checked"):
        options(Policy(), None)
    with pytest.raises(UsageError, match="compare A B --allow model"):
        options(Policy(), rule_of_options([], 4, None), allow=["model"])
    with pytest.raises(UsageError, match="--baseline"):
        options(Policy(), rule_of_options([], None, "5%"))
