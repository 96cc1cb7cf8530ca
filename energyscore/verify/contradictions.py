"""Fields of a result that contradict each other, whatever the energies are."""

import re

from energyscore.verify.examined import ExaminedResult, ExaminedRun, MeteredGpu, RecordedRun
from energyscore.verify.findings import Derived, Finds, Problem, agree, is_number

SECOND_APART = 0.05  # a second source that differs by more needs a caution
_SECOND_SLACK = 0.002
_SHORT_SHARE = 0.008  # the runner tells of a window at a period of 1% of it
_CUT_SLACK = 8  # tokens a query that are cut beyond the limit
_LEAST_SAVED = 0.9  # of the bytes before
_CENSUS_SLACK = 0.01  # adapters, and weights that are shared, may be counted otherwise
_BYTES = {"float64": 8.0, "float32": 4.0, "float16": 2.0, "bfloat16": 2.0}
_WARMUP_S = 9.9  # the first of its blocks fills 10 s
_DISTRUSTED = {
    *("counter_unsupported", "counter_reset", "counter_jumped", "counter_frozen", "module_scope"),
    "counter_too_slow",
}
_SUPERCHIPS = ("GH200", "GB200", "GB300")
_BELIEVED = {"implausible_power", "impossible_power"}
_MEASURED = {"cpu": {"rapl", "estimated"}, "dram": {"rapl", "estimated"}, "ram": {"estimated"}}
_GPU_METHODS = {"counter", "power_integral"}
_NUMBERS = (
    *("window_s", "update_period_ms", "power_integral_j", "max_power_w", "max_temperature_c"),
    *("min_sm_clock_mhz", "median_sm_clock_mhz", "max_sm_clock_mhz", "power_limit_w"),
    *("counter_read_ms", "power_sampling_se_j"),
)
_WHOLE = ("counter_start_mj", "counter_end_mj", "clocks_event_reasons", "max_processes")
_BITS = re.compile(r"-([0-9]+)bit$")
_NO_QUANTIZATION = {"", "none", "null", "no", "false", "unquantized"}


def check_model(it: ExaminedResult) -> Finds:
    """A quantization has a name, which ends with its bits where they are known."""
    name, bits = it.result.model.quantization, it.result.model.quantization_bits
    named = _BITS.search(name or "")
    yield Derived("the bits of the quantization", bits, int(named[1][:9]) if named else None)
    if name is not None and name.strip().lower() in _NO_QUANTIZATION:
        yield f"{name[:40]!r} is not a quantization; without one it is null"
    yield from _how_it_runs(it)


def _how_it_runs(it: ExaminedResult) -> Finds:
    """What was quantized on loading saved bytes, and what was compiled says what that took."""
    model, compilation = it.result.model, it.result.compilation
    yield from _quantized_on_load(it)
    if bool(model.compiled) != (compilation is not None):
        yield "it is not said what compiling took, or of a model that was not compiled"
    if compilation is not None and not compilation.graphs:
        yield "it is called compiled, and nothing was compiled"


def _quantized_on_load(it: ExaminedResult) -> Finds:
    """It has the name of what was asked for, and a census that fits the model."""
    model, census = it.result.model, it.result.model.census
    asked, name = model.quantized_on_load, model.quantization or ""
    if (asked is None) != (census is None):
        yield "a model is quantized on loading without a census of its layers, or the reverse"
    if asked is not None and not re.search(f"-{asked}-[0-9]+bit$", name):
        yield f"it is quantized on loading ({asked}), and called {name[:40]!r}"
    if census is None:
        return
    total = sum(layer.weights_bytes for layer in census.layers)
    yield Derived("the bytes of the census", census.bytes_after, total)
    if census.bytes_after > _LEAST_SAVED * census.bytes_before:
        yield "the quantization on loading saved next to nothing"
    if not any(layer.state == "quantized" for layer in census.layers):
        yield "it has a census in which no layer is quantized"
    if model.parameters and model.dtype in _BYTES:
        plain = model.parameters * _BYTES[model.dtype]
        within = _CENSUS_SLACK * plain
        yield Derived("the bytes before quantizing", census.bytes_before, plain, within)


def check_gpus(it: ExaminedResult) -> Finds:
    """MIG instances spoil a result, and GPUs chosen by the model are those that it occupies."""
    protocol = it.result.protocol
    if it.result.valid and any(gpu.mig for gpu in it.result.environment.gpus):
        yield "the result is valid although a GPU is split into MIG instances"
    for gpu in it.result.environment.gpus if it.result.valid else ():
        on_module = any(chip in gpu.name for chip in _SUPERCHIPS)
        if on_module and f"gpu:{gpu.uuid}" in it.gpu_domains and "counter" in it.gpu_methods:
            yield f"the counter of {gpu.name[:40]} is that of its whole module, not the GPU's"
    unused = set(protocol.metered_gpus) - set(protocol.occupied_gpus)
    if protocol.gpus_chosen_by == "model" and unused:
        yield "the model chose the metered GPUs but does not occupy them"


def check_work(it: ExaminedResult) -> Finds:
    """Input, output and warm-up are there where the task has them."""
    result, task, protocol = it.result, it.task, it.result.protocol
    if task is None:
        return
    work = result.workload
    phases = {name for run in result.runs for name in run.phases}
    generates = ("decode" in phases and task.generation is not None) or (
        "call" in phases and task.diffusion is not None
    )
    if result.load is not None:  # a server's one phase tells nothing of its work
        phases = set()
    if phases and (result.workload.generation is not None) != generates:
        yield "there are generation settings without a phase of generation, or the reverse"
    if phases and work.by is not None and (work.by == "generate") != ("decode" in phases):
        yield f"a task is done by {work.by} with the phases {', '.join(sorted(phases))}"
    if phases and "decode" not in phases and any(run.output_tokens for run in result.runs):
        yield "tokens were generated, but there is no phase of generation"
    if result.task.id in it.rules.counted_inputs and not result.workload.input_tokens:
        yield "the input is text, but has no tokens"
    yield from _cut(it)
    if protocol.warmup_steady is None and not (protocol.quick or it.has("resumed")):
        yield "after a full warm-up it is not recorded whether the pace was steady"
    few = protocol.warmup_queries == 0 or protocol.warmup_s < _WARMUP_S
    if it.listed.official and protocol.warmup_steady and few:
        done = f"{protocol.warmup_queries} queries in {protocol.warmup_s:.0f} s"
        yield f"{done} are too few to tell whether the pace was steady"


def _cut(it: ExaminedResult) -> Finds:
    """What was cut off and what was read make the whole, and most of the official texts is read."""
    work, counted = it.result.workload, it.result.task.id in it.rules.counted_inputs
    cut, read = work.inputs_cut, work.input_tokens or 0
    if cut is not None and cut.lost is not None:
        if (cut.queries > 0) != (cut.lost > 0) or cut.queries > work.queries:
            yield f"{cut.lost:g} {cut.unit} of {cut.queries} queries cannot be cut off"
        # Of a prompt only the words of the query are cut, a few tokens more than needed.
        left = (cut.total or 0) - cut.lost - read
        if counted and not 0 <= left <= _CUT_SLACK * cut.queries:
            yield f"{read} tokens read and {cut.lost:g} cut off are not the {cut.total} of all"
    known = it.rules.official_tokens.get(it.result.task.id)
    if not known or not work.official:
        return
    if read < it.rules.least_read * known * work.queries / 1000:
        message = f"{read} tokens are few: the official 1,000 queries have about {known}"
        yield Problem(message, it.strictly)
        return
    # Where nothing is said to limit the input, all of it is read.
    whole = cut.total if cut is not None and cut.lost is not None else None
    whole = read if cut is None else whole
    if whole is not None and whole < it.rules.least_whole * known * work.queries / 1000:
        message = f"{whole:g} tokens before any cut are few: the official 1,000 queries have"
        yield Problem(f"{message} about {known}", it.strictly)


def check_second_source(it: ExaminedResult) -> Finds:
    """If a second source disagrees, the result has a caution."""
    ours_j = theirs_j = 0.0
    for run in it.result.runs:
        known, second = it.gpu_energy_j(run), run.second_source
        if second and second.gpu_energy_j is not None and len(known) == len(it.gpu_domains):
            ours_j, theirs_j = ours_j + sum(known), theirs_j + second.gpu_energy_j
    if it.has("second_source_disagrees") or not ours_j:
        return
    if not agree(theirs_j, ours_j, (SECOND_APART + _SECOND_SLACK) * ours_j):
        energies = f"{theirs_j:.0f} J of GPU energy, the meter {ours_j:.0f} J"
        yield f"a second source measured {energies}, and there is no caution"


def check_codes(it: ExaminedResult) -> Finds:
    """Notices and cautions are those of the rules; no check would look for another word."""
    notices = {code for place in ExaminedRun.each(it) for code in place.codes}
    cautions = {caution.code for caution in it.result.cautions}
    for code in sorted(notices - set(it.rules.notices)):
        yield f"the rules know no notice {code[:40]!r}"
    for code in sorted(cautions - notices - {*it.rules.notices, *it.rules.cautions}):
        yield f"the rules know no caution {code[:40]!r}"


def check_methods(place: ExaminedRun) -> Finds:
    """Each domain has a method by which it can be measured."""
    for domain, method in place.run.methods.items():
        known = _GPU_METHODS if domain.startswith("gpu:") else _MEASURED.get(domain)
        if method is not None and method not in (known or {"rapl", "estimated"}):
            yield f"{domain[:60]} cannot be measured by {method}"


def check_consequences(place: ExaminedRun) -> Finds:
    """A notice has its consequence: other methods, or an invalid run."""
    it, run, codes = place.it, place.run, place.codes
    methods = {run.methods.get(domain) for domain in it.gpu_domains}
    if codes & _DISTRUSTED and methods == {"counter"}:
        yield f"{min(codes & _DISTRUSTED)} was noticed, but energy is by the counter"
    idle_w = it.result.idle.with_model_w
    strict = it.listed.official or idle_w.keys() >= set(it.gpu_domains)
    for notice in run.notices:
        if notice.code in _BELIEVED and not notice.invalidates and strict and idle_w:
            yield f"{notice.code} does not invalidate the run, but it must"


def check_short_window(place: RecordedRun) -> Finds:
    """A window is short for the counter's updates where these are far apart."""
    if "short_window" not in place.codes:
        return
    shares = []
    for domain in place.it.gpu_domains:
        found = place.raw.domains.get(domain)
        if found is not None and found.window_s is not None and found.method == "counter":
            lasted_s = found.window_s[1] - found.window_s[0]
            shares.append(found.period_s / lasted_s if found.period_s and lasted_s > 0 else 1.0)
    if shares and max(shares) < _SHORT_SHARE:
        yield "short_window was noticed, but updates came often enough"


def check_facts(gpu: MeteredGpu) -> Finds:
    """Facts are of their kind; an official result has those that could spoil one."""
    facts = gpu.facts
    for name in (*_NUMBERS, *_WHOLE):
        value = facts.get(name)
        kind = int if name in _WHOLE else object
        if value is not None and not (is_number(value) and isinstance(value, kind) and value >= 0):
            yield f"{name} cannot be {str(value)[:40]!r}"
    if not gpu.it.listed.official:
        return
    for name in ("power_limit_w", "clocks_event_reasons"):
        if gpu.number(name) is None:
            yield f"{name} is missing"
    processes = gpu.number("max_processes")
    if "max_processes" not in facts:
        yield "max_processes is missing"
    elif processes is None:
        yield Problem("the number of processes on it is unknown", "warning")
    elif processes > 1 and "contention" not in gpu.codes:
        yield f"{processes} processes were on it, but there is no notice of contention"


def check_limit(gpu: MeteredGpu) -> Finds:
    """The limit of the run is the machine's, and one that a GPU can have."""
    machine_w, limit_w = gpu.machine_w, gpu.number("power_limit_w")
    if limit_w is not None and not 0 < limit_w <= gpu.it.rules.most_gpu_power_w:
        yield f"no GPU has a limit of {limit_w:g} W"
    if machine_w is None and gpu.it.listed.official:
        yield "the machine's power limit is missing"
    elif machine_w is not None and limit_w is not None and not agree(machine_w, limit_w, 1):
        message = f"its limit is {limit_w:g} W, that of the machine {machine_w:g} W"
        yield Problem(message, gpu.it.strictly)
