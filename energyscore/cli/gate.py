"""`energyscore gate`: results checked against limits, for CI. Needs neither a GPU nor torch."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from energyscore.base.stamps import utc_stamp
from energyscore.cli.options import FORMAT, Every, Explain, showing

if TYPE_CHECKING:
    from energyscore.judge.policy import Policy

INIT = Path("init")

_limit = partial(typer.Option, rich_help_panel="Limits", show_default=False)


def gate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RESULT", help="Results, or folders of them.", show_default=False),
    ] = None,
    policy: Annotated[
        Path | None,
        _limit(
            metavar="FILE",
            help="Rules for tasks and models (YAML). Default: energy-gate.yaml if it exists "
            "and no limit is given here.",
        ),
    ] = None,
    limits: Annotated[
        list[str] | None,
        _limit(
            "--max",
            metavar="FIGURE<=LIMIT",
            help="The most of a figure: gpu_wh_per_1k_queries<=2.5 in Wh, "
            "gpu_joules_per_output_token<=0.5, latency_p90_s<=0.5, ttft_p90_s<=0.2 (time to the "
            "first token), or <=+5% of the baseline. Repeatable.",
        ),
    ] = None,
    leasts: Annotated[
        list[str] | None,
        _limit(
            "--min",
            metavar="FIGURE>=LIMIT",
            help="The least of a figure: quality>=0.9, or quality>=-1% of the baseline. "
            "Repeatable.",
        ),
    ] = None,
    min_stars: Annotated[int | None, _limit(min=1, max=5, help="The least stars.")] = None,
    baseline: Annotated[
        Path | None,
        _limit(
            metavar="DIR|FILE", help="What relative limits are relative to: baselines or results."
        ),
    ] = None,
    max_regression: Annotated[
        str | None,
        _limit(metavar="5%", help="How much more GPU energy than the baseline is allowed."),
    ] = None,
    on_inconclusive: Annotated[
        Literal["pass", "warn", "fail"] | None,
        _limit(
            help="What inconclusive checks count as. Default: warn; fail where nothing was decided."
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        _limit(
            metavar="DIFFERENCE",
            help="Take a baseline in spite of this difference, such as gpu. Repeatable.",
        ),
    ] = None,
    scale: Annotated[str | None, _limit(help="What stars are relative to, as for `rate`.")] = None,
    every: Every = False,
    start: Annotated[
        bool,
        typer.Option(
            "--init",
            help="Write a policy with comments to start from (energy-gate.yaml, or the file of "
            "--policy), and check nothing. `energyscore gate init` is the same.",
        ),
    ] = False,
    check_policy: Annotated[
        bool,
        typer.Option(
            "--check-policy",
            help="Only check policy, limits, baseline and scale, before anything is measured.",
        ),
    ] = False,
    explain: Explain = False,
    form: Annotated[Literal["table", "json", "markdown", "junit", "benchmark"], FORMAT] = "table",
    json_file: Annotated[
        Path | None, showing("--json", metavar="FILE", help="Write the JSON too.")
    ] = None,
    junit_file: Annotated[
        Path | None, showing("--junit", metavar="FILE", help="Write JUnit XML too.")
    ] = None,
    markdown_file: Annotated[
        Path | None, showing("--markdown", metavar="FILE", help="Write the Markdown too.")
    ] = None,
    benchmark_file: Annotated[
        Path | None,
        showing(
            "--benchmark", metavar="FILE", help="Write the array of github-action-benchmark too."
        ),
    ] = None,
) -> None:
    """Check results against limits: absolute, relative to a baseline, or in stars.

    Limits are on energy, latency and the quality of answers.

    A limit is kept or broken when the whole 95% interval says so. Otherwise the check is
    inconclusive, and the gate says how many repeats would decide it. A figure that was not
    measured never passes. On GitHub, the gate also writes the job summary and annotations.

    Exit status, as the verdict: 0 pass, 1 fail, 2 wrong usage or input, 3 invalid: something
    could not be checked. Where nothing was decided the verdict is undecided, and the status 1;
    0 with --on-inconclusive warn or pass.

    Examples:
      energyscore gate results --max 'gpu_wh_per_1k_queries<=2.5' --min-stars 4

      energyscore gate results --baseline energy-baseline --max-regression 5% --junit gate.xml

      energyscore gate results --baseline energy-baseline --min 'quality>=-1%'

      energyscore gate --init

      energyscore gate --check-policy --policy energy-gate.yaml
    """
    if start or (paths == [INIT] and not INIT.exists()):
        _write_policy(policy)
        return
    from energyscore.base.errors import UsageError
    from energyscore.base.writing import write_atomically
    from energyscore.cli.console import write_data
    from energyscore.cli.gate_view import report_in, show_policy, show_verdict, tell_github
    from energyscore.judge.gate import run_gate
    from energyscore.judge.policy import DEFAULT_POLICY, rule_of_options, with_options
    from energyscore.judge.rating import rate
    from energyscore.judge.sources import load_baselines, load_rated
    from energyscore.protocol.task import load_tasks
    from energyscore.publish.gate_files import check_reports, remove_reports

    asked = {
        "json": json_file,
        "junit": junit_file,
        "markdown": markdown_file,
        "benchmark": benchmark_file,
    }
    files = {name: file for name, file in asked.items() if file is not None}
    named = {f"--{name}": file for name, file in files.items()}
    given = [*(paths or ()), policy or DEFAULT_POLICY]
    check_reports(named, given if baseline is None else [*given, baseline])
    remove_reports(files.values())
    rule = rule_of_options(limits or (), min_stars, max_regression, leasts or ())
    whole = with_options(
        _read_policy(policy, given=rule is not None),
        rule,
        on_inconclusive=on_inconclusive,
        scale=scale,
        baseline=baseline,
        allow=allow or (),
    )
    if whole.baseline is not None:
        check_reports(named, [whole.baseline])
    known = []
    if whole.needs_baseline and whole.baseline is not None:
        known = load_baselines([whole.baseline])
    if check_policy:
        rate([], whole.scale)
        show_policy(whole, len(known))
        return
    if not paths:
        raise UsageError("No result is named.", "Name results, or folders of them.")
    cautions: list[str] = []
    load = partial(load_rated, every=every, baselines=False, note=cautions.append)
    results = load(paths, whole.scale, stars=whole.needs_stars)
    verdict = run_gate(results, known, whole, utc_stamp(), load_tasks(), cautions)
    reports = {name: report_in(name, verdict, results) for name in {*files, form} - {"table"}}
    for name, file in files.items():
        write_atomically(file, reports[name])
    if form == "table":
        show_verdict(verdict, explain=explain)
    else:
        write_data(reports[form])
    sys.stdout.flush()
    tell_github(verdict)
    raise typer.Exit(verdict.exit_code)


def _write_policy(file: Path | None) -> None:
    """Write a policy to start from, where there is none yet."""
    from energyscore.base.errors import UsageError
    from energyscore.base.writing import write_atomically
    from energyscore.cli.console import say
    from energyscore.judge.policy import DEFAULT_POLICY
    from energyscore.judge.policy_start import POLICY

    file = file or DEFAULT_POLICY
    if file.exists():
        raise UsageError(f"{file} is there already.", "Name another file with --policy.")
    write_atomically(file, POLICY)
    say(
        f"{file} is written. Set its limits, save a baseline (energyscore baseline save RESULTS), "
        f"then: energyscore gate --check-policy --policy {file}"
    )


def _read_policy(path: Path | None, *, given: bool) -> "Policy":
    """The policy that was named; without one and without limits, the default file."""
    from energyscore.judge.policy import DEFAULT_POLICY, Policy, read_policy

    if path is not None:
        return read_policy(path)
    return read_policy(DEFAULT_POLICY) if not given and DEFAULT_POLICY.is_file() else Policy()
