"""Checks a submission: every check by its name, the verdict at the end."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from energyscore.base.errors import ResultError
from energyscore.results.result import parse_result
from energyscore.verify import counters, figures, plausible, power, protocol, times
from energyscore.verify.applies import APPLIES
from energyscore.verify.archive import read_archive
from energyscore.verify.contradictions import check_contradictions
from energyscore.verify.findings import Finding, NotASubmission, Problem, Verdict, one_line
from energyscore.verify.manifest import (
    ListedResult,
    Manifest,
    check_attestations,
    check_files,
    read_manifest,
)
from energyscore.verify.model import check_model
from energyscore.verify.raw_record import RawRecord, read_raw
from energyscore.verify.recordings import Recordings
from energyscore.verify.rules import NEWEST, OLDEST, load_rules
from energyscore.verify.strict_json import BadJson, parse_strict
from energyscore.verify.subject import Subject

MOST_FINDINGS = 20
"""Of one check on one result; a file can be wrong in a million places."""

Check = Callable[[Subject], Iterator[Problem]]

CHECKS: Mapping[str, Check] = {
    "identity": protocol.check_identity,
    "task": protocol.check_task,
    "model": check_model,
    "hardware": protocol.check_hardware,
    "runs": plausible.check_runs,
    "domains": plausible.check_domains,
    "queries": plausible.check_queries,
    "dates": times.check_dates,
    "raw runs": counters.check_raw_runs,
    "durations": counters.check_durations,
    "windows": counters.check_windows,
    "clock": times.check_clock,
    "gaps": times.check_gaps,
    "counter rises": counters.check_counter_monotonic,
    "counter updates": counters.check_ticks_in_window,
    "counter energy": counters.check_counter_energy,
    "counter steps": counters.check_counter_steps,
    "counter from run to run": counters.check_counter_between_runs,
    "power samples": power.check_power_samples,
    "power": plausible.check_power,
    "weights": plausible.check_weights,
    "warm-up": plausible.check_warmup,
    "notices": plausible.check_notices,
    "validity": plausible.check_validity,
    "contradictions": check_contradictions,
    "phase sums": figures.check_phase_sums,
    "phase energy": figures.check_phase_energy,
    "time shares": figures.check_time_shares,
    "score": figures.check_score,
    "interval": figures.check_interval,
    "phase scores": figures.check_phase_scores,
    "system score": figures.check_system_score,
    "net score": figures.check_net_score,
    "emissions": figures.check_emissions,
    "conformance": protocol.check_conformance,
    "official": protocol.check_official,
    "stars": protocol.check_stars,
    "official files": protocol.check_official_files,
    "other files": protocol.check_other_files,
    "log": protocol.check_log,
}
"""The checks of one result, by name, in the order in which they are made."""


def verify(data: bytes, *, now: datetime | None = None, strict: bool = False) -> Verdict:
    """Check a submission, given as the bytes of its zip.

    Args:
        data: the zip.
        now: the time of the examination; now unless told otherwise.
        strict: whether warnings count as failures.
    """
    try:
        return _verify(data, now, strict=strict)
    except MemoryError:
        finding = Finding("archive", "", "failed", "it is too large for this machine's memory")
        return Verdict([finding], submission=False, strict=strict)


def _verify(data: bytes, now: datetime | None, *, strict: bool) -> Verdict:
    findings: list[Finding] = []
    try:
        files = read_archive(data)
        findings.append(Finding("archive", "", "ok", ""))
        manifest = read_manifest(files)
        findings.append(Finding("manifest", "", "ok", ""))
    except NotASubmission as error:
        findings.append(Finding(error.check, "", "failed", error.message))
        return Verdict(findings, submission=False, strict=strict)
    findings += _found("files", "", check_files(manifest, files))
    findings += _found("rules", "", _check_rules(manifest))
    rules = load_rules(manifest.rules_version)
    if rules is not None:
        wanted = rules.attestations
        findings += _found("attestations", "", check_attestations(manifest, wanted))
    findings += _found("duplicates", "", _check_duplicates(manifest))
    recordings = Recordings()
    for listed in manifest.results:
        findings += _check_result(manifest, listed, files, now or times.now(), recordings)
    return Verdict(findings, strict=strict)


def _check_result(
    manifest: Manifest,
    listed: ListedResult,
    files: Mapping[str, bytes],
    now: datetime,
    recordings: Recordings,
) -> Iterator[Finding]:
    """All checks of one result; without a sound result or raw record there are no others."""
    folder = listed.folder
    own = {
        path.removeprefix(f"{folder}/"): data
        for path, data in files.items()
        if path.startswith(f"{folder}/")
    }
    try:
        content = own.get("result.json")
        if content is None:
            raise BadJson("there is no result.json")
        parse_strict(content)
        result = parse_result(content, "result.json")
    except (BadJson, ResultError) as error:
        yield Finding("schema", folder, "failed", one_line(str(error)))
        return
    yield Finding("schema", folder, "ok", "")
    rules = load_rules(result.rules_version)
    problems = []
    if rules is None or result.rules_version != manifest.rules_version:
        problems.append(Problem(f"its rules ({result.rules_version}) are not the manifest's"))
    if result.environment.energyscore != manifest.energyscore:
        problems.append(
            Problem("it was measured by another version than it was submitted by", "warning")
        )
    yield from _found("result's rules", folder, iter(problems))
    raw: RawRecord | None = None
    problems = []
    if result.raw is not None:
        data = own.get(result.raw.file)
        if data is None:
            problems.append(Problem(f"{result.raw.file} is missing"))
        elif hashlib.sha256(data).hexdigest() != result.raw.sha256:
            problems.append(Problem(f"{result.raw.file} is not the one that the result names"))
        else:
            try:
                raw = read_raw(data)
            except BadJson as error:
                problems.append(Problem(f"{result.raw.file}: {str(error)[:400]}"))
    yield from _found("raw record", folder, iter(problems), applies=result.raw is not None)
    if problems or rules is None:
        return
    subject = Subject(result, raw, listed, rules, own, now)
    yield from _found("recordings", folder, recordings.check(subject), applies=raw is not None)
    for name, check in CHECKS.items():
        applies = name not in APPLIES or APPLIES[name](subject)
        yield from _found(name, folder, check(subject), applies=applies)


def _found(
    check: str, where: str, problems: Iterator[Problem], *, applies: bool = True
) -> Iterator[Finding]:
    """A check's problems as findings; where there are none, that it holds, or has nothing to."""
    clean = True
    try:
        for problem in itertools.islice(problems, MOST_FINDINGS):
            clean = False
            yield Finding(check, where, problem.level, one_line(problem.message))
    except (ArithmeticError, ValueError, LookupError, TypeError) as error:
        # Figures out of all measure: whatever cannot be computed is not accepted.
        clean = False
        yield Finding(check, where, "failed", one_line(f"it cannot be computed: {error}"))
    if clean:
        yield Finding(check, where, "ok" if applies else "not applicable", "")


def _check_rules(manifest: Manifest) -> Iterator[Problem]:
    if not OLDEST <= manifest.rules_version <= NEWEST:
        known = f"{OLDEST}" if OLDEST == NEWEST else f"{OLDEST} to {NEWEST}"
        yield Problem(f"the rules {manifest.rules_version} are unknown here (known: {known})")


def _check_duplicates(manifest: Manifest) -> Iterator[Problem]:
    """One measurement may be submitted once, else its best run could be chosen."""
    identities = [listed.identity for listed in manifest.results]
    for identity in sorted({one for one in identities if identities.count(one) > 1}):
        yield Problem(f"the measurement {identity[:10]} is there more than once", "warning")
