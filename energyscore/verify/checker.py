"""Checks a submission: every check by its name, the verdict at the end."""

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_type_hints

from energyscore.base.errors import ResultError
from energyscore.results.result import Result, parse_result
from energyscore.verify import (
    answers,
    cost,
    counters,
    ending,
    figures,
    identity,
    loading,
    passes,
    plausible,
    power,
    protocol,
    quality,
    screen,
    served,
    speed,
    steps,
    times,
    work,
)
from energyscore.verify import contradictions as against
from energyscore.verify.archive import read_archive
from energyscore.verify.examined import ExaminedResult, Marks
from energyscore.verify.findings import (
    NOT_APPLICABLE,
    CheckOutcome,
    Finds,
    Level,
    NotASubmission,
    Problem,
    Verification,
    one_line,
    problem_of,
)
from energyscore.verify.manifest import (
    ListedResult,
    Manifest,
    check_attestations,
    check_files,
    read_manifest,
)
from energyscore.verify.raw_record import RawRecord, read_raw
from energyscore.verify.rules import NEWEST, OLDEST, load_rules
from energyscore.verify.strict_json import BadJson, parse_strict

MOST_FINDINGS = 20  # of one check on one result, as a file can have a million faults


CHECKS: Mapping[str, Sequence[Callable[[Any], Finds]]] = {
    "recordings": [identity.check_recordings],
    "identity": [identity.check_identity],
    "task": [identity.check_task],
    "model": [identity.check_model],
    "hardware": [identity.check_hardware],
    "runs": [plausible.check_runs],
    "domains": [plausible.check_domains],
    "load": [served.check_load],
    "requests": [served.check_requests, served.check_lengths],
    "places": [served.check_places, served.check_arrivals],
    "server's counts": [served.check_server],
    "queries": [plausible.check_queries, passes.check_batches],
    "passes": [passes.check_order, passes.check_pace],
    "dates": [times.check_dates],
    "raw runs": [counters.check_raw_record, counters.check_raw_run],
    "durations": [counters.check_durations],
    "performance": [speed.check_run_performance, speed.check_performance],
    "quality": [quality.check_quality],
    "answers": [answers.check_answers],
    "windows": [counters.check_metering, counters.check_window],
    "clock": [times.check_clock],
    "gaps": [times.check_gaps],
    "counter rises": [counters.check_order],
    "counter updates": [counters.check_updates_in_window],
    "counter energy": [counters.check_counter_energy, steps.check_steps],
    "counter steps": [counters.check_counter_steps, counters.check_still],
    "counter from run to run": [counters.check_counter_between_runs],
    "power samples": [
        power.check_integral,
        power.check_against_counter,
        power.check_at_samples,
        power.check_all_runs,
    ],
    "power": [plausible.check_limits, plausible.check_power],
    "weights": [plausible.check_weights],
    "memory": [work.check_memory, work.check_stated_memory],
    "time of the work": [work.check_time],
    "warm-up": [plausible.check_warmup],
    "notices": [plausible.check_noticed, plausible.check_cautions],
    "validity": [plausible.check_validity],
    "contradictions": [
        against.check_model,
        against.check_gpus,
        against.check_work,
        against.check_second_source,
        against.check_codes,
        against.check_methods,
        against.check_consequences,
        against.check_short_window,
        against.check_facts,
        against.check_limit,
    ],
    "phase sums": [figures.check_phase_sums],
    "phase energy": [figures.check_phase_energy],
    "time shares": [figures.check_time_shares],
    "score": [figures.check_score],
    "interval": [figures.check_interval],
    "phase scores": [figures.check_phase_scores],
    "system score": [figures.check_system_score],
    "net score": [figures.check_net_score],
    "energy by tokens": [figures.check_per_token],
    "joules by requests": [served.check_joules],
    "screen": [
        screen.check_screen,
        screen.check_block,
        screen.check_blocks,
        ending.check_ending,
    ],
    "cost of measuring": [cost.check_cost],
    "loading": [loading.check_loading],
    "emissions": [figures.check_emissions],
    "conformance": [protocol.check_conformance],
    "official": [protocol.check_official],
    "stars": [protocol.check_stars],
    "official files": [protocol.check_official_files],
    "other files": [protocol.check_other_files],
    "log": [protocol.check_log],
}
"""The checks of one result, by name and in order. A check's argument is the place it looks at."""


def verify(data: bytes, *, now: datetime | None = None, strict: bool = False) -> Verification:
    """Check a submission, the bytes of its zip, as of `now`; if `strict`, warnings are failures."""
    findings: list[CheckOutcome] = []
    try:
        for outcome in _outcomes(data, now or datetime.now(UTC)):
            findings.append(outcome)
    except NotASubmission as error:
        findings.append(CheckOutcome(error.check, "", "failed", error.message))
    except MemoryError:
        findings = [CheckOutcome("archive", "", "failed", "too large for this machine's memory")]
    else:
        return Verification(findings, strict=strict)
    return Verification(findings, submission=False, strict=strict)


def _outcomes(data: bytes, now: datetime) -> Iterator[CheckOutcome]:
    files = read_archive(data)
    yield CheckOutcome("archive", "", "ok")
    manifest = read_manifest(files)
    yield CheckOutcome("manifest", "", "ok")
    yield from _judged("files", "", check_files(manifest, files))
    yield from _judged("rules", "", _check_rules(manifest))
    rules = load_rules(manifest.rules_version)
    if rules is not None:
        yield from _judged("attestations", "", check_attestations(manifest, rules.attestations))
    yield from _judged("duplicates", "", _check_duplicates(manifest))
    seen: dict[Marks, tuple[str, Marks]] = {}
    for listed in manifest.results:
        yield from _check_result(manifest, listed, files, now, seen)


def _check_result(
    manifest: Manifest,
    listed: ListedResult,
    files: Mapping[str, bytes],
    now: datetime,
    seen: dict[Marks, tuple[str, Marks]],
) -> Iterator[CheckOutcome]:
    """All checks of one result; where it or its raw record cannot be read, no others follow."""
    folder = listed.folder
    start = f"{folder}/"
    own = {path.removeprefix(start): one for path, one in files.items() if path.startswith(start)}
    check = "schema"
    try:
        content = own.get("result.json")
        if content is None:
            raise BadJson("there is no result.json")
        parse_strict(content)
        result = parse_result(content, "result.json")
        yield CheckOutcome(check, folder, "ok")
        yield from _judged("result's rules", folder, _check_result_rules(result, manifest))
        check = "raw record"
        raw = _raw_of(result, own)
    except (BadJson, ResultError) as error:
        yield CheckOutcome(check, folder, "failed", one_line(str(error)))
        return
    yield CheckOutcome("raw record", folder, "not applicable" if raw is None else "ok")
    rules = load_rules(result.rules_version)
    if rules is None:
        return
    it = ExaminedResult(result, raw, listed, rules, own, now, seen)
    for name in CHECKS:
        yield from _judged(name, folder, _found(name, it))


def _raw_of(result: Result, files: Mapping[str, bytes]) -> RawRecord | None:
    if result.raw is None:
        return None
    data = files.get(result.raw.file)
    if data is None:
        raise BadJson(f"{result.raw.file} is missing")
    if hashlib.sha256(data).hexdigest() != result.raw.sha256:
        raise BadJson(f"{result.raw.file} is not the file that the result names (SHA-256 differs)")
    try:
        return read_raw(data)
    except BadJson as error:
        raise BadJson(f"{result.raw.file}: {error}") from error


def _found(name: str, it: ExaminedResult) -> Iterator[Problem]:
    """What a check finds at all its places; not applicable where it has nothing to look at."""
    applies = False
    for find in CHECKS[name]:
        for place in _kind_of(find).each(it):
            found = list(map(problem_of, find(place)))
            applies |= NOT_APPLICABLE not in found
            for problem in found:
                if problem is not None and problem is not NOT_APPLICABLE:
                    where = f"{place.where}: " if place.where else ""
                    yield Problem(where + problem.message, problem.level)
    if not applies:
        yield NOT_APPLICABLE


@functools.cache
def _kind_of(find: Callable[[Any], Finds]) -> Any:
    """The class of places that a check looks at, from its annotation."""
    return next(iter(get_type_hints(find).values()))


def _judged(check: str, where: str, found: Finds) -> Iterator[CheckOutcome]:
    """A check's problems as outcomes; without any, that it holds, or has nothing to check."""
    level: Level = "ok"
    clean = True
    try:
        problems = filter(None, map(problem_of, found))
        for problem in itertools.islice(problems, MOST_FINDINGS):
            if problem is NOT_APPLICABLE:
                level = problem.level
            else:
                clean = False
                yield CheckOutcome(check, where, problem.level, one_line(problem.message))
    except (ArithmeticError, ValueError, LookupError, TypeError) as error:
        # What cannot be computed is not accepted.
        clean = False
        yield CheckOutcome(check, where, "failed", one_line(f"it cannot be computed: {error}"))
    if clean:
        yield CheckOutcome(check, where, level)


def _check_rules(manifest: Manifest) -> Finds:
    if load_rules(manifest.rules_version) is None:
        known = f"{OLDEST}" if OLDEST == NEWEST else f"{OLDEST} to {NEWEST}"
        yield f"the rules {manifest.rules_version} are unknown here (known: {known})"


def _check_result_rules(result: Result, manifest: Manifest) -> Finds:
    if load_rules(result.rules_version) is None or result.rules_version != manifest.rules_version:
        yield f"its rules ({result.rules_version}) are not the manifest's"
    if result.environment.energyscore != manifest.energyscore:
        yield Problem("one version of energyscore measured it, another submitted it", "warning")


def _check_duplicates(manifest: Manifest) -> Finds:
    """One measurement may be submitted once, else its best run could be chosen."""
    for sha256, count in sorted(Counter(one.identity for one in manifest.results).items()):
        if count > 1:
            yield Problem(f"the measurement {sha256[:10]} is there more than once", "warning")
