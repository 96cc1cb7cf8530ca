"""What cannot be true of a result at once, whatever its runs took."""

import re
from collections.abc import Iterator

from energyscore.results.result import Run
from energyscore.verify.findings import Level, Problem
from energyscore.verify.subject import Subject, is_number, name_of, period_of

SECOND_APART = 0.05
"""A second source of GPU energy that differs by more is told of..."""

_SECOND_SLACK = 0.002
_SHORT_SHARE = 0.008  # the runner tells of a window at a period of 1% of it
_WARMUP_S = 9.9  # the first of its blocks fills 10 s
_DISTRUSTED = {"counter_unsupported", "counter_reset", "counter_jumped", "counter_frozen"}
_BELIEVED = {"implausible_power", "impossible_power"}
_MEASURED = {"cpu": {"rapl", "estimated"}, "dram": {"rapl", "estimated"}, "ram": {"estimated"}}
_GPU_METHODS = {"counter", "power_integral"}
_NUMBERS = (
    *("window_s", "update_period_ms", "power_integral_j", "max_power_w", "max_temperature_c"),
    *("min_sm_clock_mhz", "median_sm_clock_mhz", "max_sm_clock_mhz", "power_limit_w"),
)
_WHOLE = ("counter_start_mj", "counter_end_mj", "clocks_event_reasons", "max_processes")
_BITS = re.compile(r"-([0-9]+)bit$")
_NO_QUANTIZATION = {"", "none", "null", "no", "false", "unquantized"}


def check_contradictions(subject: Subject) -> Iterator[Problem]:
    """Fields agree with each other where one follows from the other."""
    yield from _check_model(subject)
    yield from _check_gpus(subject)
    yield from _check_work(subject)
    yield from _check_second_source(subject)
    yield from _check_codes(subject)
    for run in subject.result.runs:
        yield from _check_methods(run)
        yield from _check_notices(subject, run)
        for domain in subject.gpu_domains:
            yield from _check_facts(subject, run, domain)
            yield from _check_limit(subject, run, domain)
    yield from _check_short_windows(subject)


def _check_model(subject: Subject) -> Iterator[Problem]:
    """A quantization has a name, which ends with its bits where they are known."""
    model = subject.result.model
    name, bits = model.quantization, model.quantization_bits
    if name is None:
        if bits is not None:
            yield Problem(f"a model without quantization has {bits} bits by it")
        return
    named = _BITS.search(name)
    if name.strip().lower() in _NO_QUANTIZATION:
        yield Problem(f"{name[:40]!r} is no quantization; of a model without one it is null")
    elif (int(named[1][:9]) if named else None) != bits:
        yield Problem(f"the quantization {name[:40]!r} is not one of {bits} bits")


def _check_gpus(subject: Subject) -> Iterator[Problem]:
    result, protocol = subject.result, subject.result.protocol
    if result.valid and any(gpu.mig for gpu in result.environment.gpus):
        yield Problem("a GPU is split into MIG instances, and the result is said to be valid")
    if protocol.gpus_chosen_by == "model" and not (
        set(protocol.metered_gpus) <= set(protocol.occupied_gpus)
    ):
        yield Problem("the model chose the GPUs that were metered, and does not occupy them")


def _check_work(subject: Subject) -> Iterator[Problem]:
    """Input, output and warm-up are there where the task has them."""
    result, task, protocol = subject.result, subject.task, subject.result.protocol
    if task is None:
        return
    decoded = any("decode" in run.phases for run in result.runs)
    made = any("call" in run.phases for run in result.runs)
    generates = (decoded and task.generation is not None) or (made and task.diffusion is not None)
    phases = any(run.phases for run in result.runs)
    if phases and (result.workload.generation is not None) != generates:
        yield Problem("how answers were made is told without a phase for it, or the reverse")
    if phases and not decoded and any(run.output_tokens for run in result.runs):
        yield Problem("tokens were generated, and no phase is there for it")
    if result.task.id in subject.rules.counted_inputs and not result.workload.input_tokens:
        yield Problem("texts were read, and they had no tokens")
    if protocol.warmup_steady is None and not (protocol.quick or subject.has("resumed")):
        yield Problem("a full warm-up, and nothing tells whether the pace was steady")
    few = protocol.warmup_queries == 0 or protocol.warmup_s < _WARMUP_S
    if subject.listed.official and protocol.warmup_steady and few:
        yield Problem(
            f"{protocol.warmup_queries} queries in {protocol.warmup_s:.0f} s are too few to tell "
            "whether the pace was steady"
        )


def _check_second_source(subject: Subject) -> Iterator[Problem]:
    """Another tool that says something else is told of."""
    ours_j = theirs_j = 0.0
    for run in subject.result.runs:
        second = run.second_source
        energies = [run.energy_j.get(domain) for domain in subject.gpu_domains]
        known = [energy_j for energy_j in energies if energy_j is not None]
        if second is None or second.gpu_energy_j is None or len(known) < len(energies):
            continue
        ours_j, theirs_j = ours_j + sum(known), theirs_j + second.gpu_energy_j
    if not ours_j or subject.has("second_source_disagrees"):
        return
    if abs(theirs_j / ours_j - 1) > SECOND_APART + _SECOND_SLACK:
        yield Problem(
            f"a second source says {theirs_j:.0f} J of GPU energy, the meter {ours_j:.0f} J, and "
            "nothing tells of it"
        )


def _check_codes(subject: Subject) -> Iterator[Problem]:
    """Notices and cautions are those of the rules: another word would pass by every check."""
    result, rules = subject.result, subject.rules
    notices = {notice.code for run in result.runs for notice in run.notices}
    cautions = {caution.code for caution in result.cautions}
    for code in sorted(notices - set(rules.notices)):
        yield Problem(f"the rules know no notice {code[:40]!r}")
    for code in sorted(cautions - set(rules.notices) - set(rules.cautions) - notices):
        yield Problem(f"the rules know no caution {code[:40]!r}")


def _check_methods(run: Run) -> Iterator[Problem]:
    """Energy is measured in a way that there is for its domain."""
    for domain, method in run.methods.items():
        known = _GPU_METHODS if domain.startswith("gpu:") else _MEASURED.get(domain)
        if method is not None and method not in (known or {"rapl", "estimated"}):
            yield Problem(f"{name_of(run)}: {domain[:60]} cannot be measured by {method}")


def _check_notices(subject: Subject, run: Run) -> Iterator[Problem]:
    """What was noticed has its consequence."""
    codes = {notice.code for notice in run.notices}
    methods = {run.methods.get(domain) for domain in subject.gpu_domains}
    distrusted = sorted(codes & _DISTRUSTED)
    if distrusted and methods == {"counter"}:
        yield Problem(f"{name_of(run)}: {distrusted[0]}, and energy by the counter all the same")
    idle_w = subject.result.idle.with_model_w
    strict = subject.listed.official or idle_w.keys() >= set(subject.gpu_domains)
    for notice in run.notices:
        if notice.code in _BELIEVED and not notice.invalidates and strict and idle_w:
            yield Problem(f"{name_of(run)}: {notice.code}, which spoils a run and is said not to")
    for domain in subject.gpu_domains:
        processes = run.facts.get(domain, {}).get("max_processes")
        others = is_number(processes) and processes > 1
        if others and subject.listed.official and "contention" not in codes:
            yield Problem(
                f"{name_of(run)}: {domain}: {processes} processes were on it, and nothing tells "
                "of others"
            )


def _check_facts(subject: Subject, run: Run, domain: str) -> Iterator[Problem]:
    """Facts are of their kind; of an official result those are there that spoil one."""
    facts = run.facts.get(domain, {})
    for name in (*_NUMBERS, *_WHOLE):
        value = facts.get(name)
        kind = isinstance(value, int) if name in _WHOLE else True
        if value is not None and not (is_number(value) and kind and value >= 0):
            yield Problem(f"{name_of(run)}: {domain}: {name} cannot be {str(value)[:40]!r}")
    if not subject.listed.official:
        return
    for name in ("power_limit_w", "clocks_event_reasons"):
        if not is_number(facts.get(name)):
            yield Problem(f"{name_of(run)}: {domain}: {name} is missing")
    if "max_processes" not in facts:
        yield Problem(f"{name_of(run)}: {domain}: max_processes is missing")
    elif facts["max_processes"] is None:
        yield Problem(f"{name_of(run)}: {domain}: nobody counted the processes on it", "warning")


def _check_limit(subject: Subject, run: Run, domain: str) -> Iterator[Problem]:
    """The limit of the run is the machine's, and one that a GPU can have."""
    gpus = {f"gpu:{gpu.uuid}": gpu for gpu in subject.result.environment.gpus}
    machine_w = gpus[domain].power_limit_w if domain in gpus else None
    limit_w = run.facts.get(domain, {}).get("power_limit_w")
    most_w = subject.rules.most_gpu_power_w
    if is_number(limit_w) and not 0 < limit_w <= most_w:
        yield Problem(f"{name_of(run)}: {domain}: no GPU has a limit of {limit_w:g} W")
    level: Level = "failed" if subject.listed.official else "warning"
    if machine_w is None or not is_number(limit_w):
        if subject.listed.official and machine_w is None:
            yield Problem(f"{name_of(run)}: {domain}: the machine's power limit is missing")
    elif abs(machine_w - limit_w) > 1:
        yield Problem(
            f"{name_of(run)}: {domain}: its limit is {limit_w:g} W, that of the machine "
            f"{machine_w:g} W",
            level,
        )


def _check_short_windows(subject: Subject) -> Iterator[Problem]:
    """A window is short for the counter's updates where these are far apart."""
    for run in subject.result.runs:
        if not any(notice.code == "short_window" for notice in run.notices):
            continue
        shares = []
        for other, _, _, found in subject.recorded():
            period_s, window = period_of(found), found.window_s or (0.0, 0.0)
            if other.index == run.index:
                long_enough = period_s is not None and window[1] > window[0]
                shares.append((period_s or 0.0) / (window[1] - window[0]) if long_enough else 1.0)
        if shares and max(shares) < _SHORT_SHARE:
            yield Problem(f"{name_of(run)}: short_window, and updates came often enough")
