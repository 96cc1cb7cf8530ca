"""Results made by hand, for tests of what is done with results."""

from energyscore.protocol.task import load_tasks
from energyscore.results.conformance import with_conformance
from energyscore.results.load import LoadPart, Outstanding, RunLoad
from energyscore.results.parts import (
    Emissions,
    EnvironmentPart,
    GpuPart,
    Idle,
    InputsCut,
    ModelPart,
    PhasePart,
    ProtocolPart,
    Run,
    TaskPart,
    WorkloadPart,
)
from energyscore.results.per_token import with_per_token
from energyscore.results.performance import FirstToken, Latency, Performance
from energyscore.results.quality import Quality
from energyscore.results.result import Result
from energyscore.results.score import score_runs

UUID = "GPU-0"
NO_IDLE = Idle(seconds=0.0, without_model_w={}, with_model_w={})
OFFICIAL_GPU = "NVIDIA H100 80GB HBM3"


def make_run(index=0, *, joules=3600.0, queries=1000, method="counter", seconds=100.0, **change):
    """One run of 1,000 queries; 3,600 J of it are 1 Wh per 1,000 queries."""
    domain = f"gpu:{UUID}"
    run = Run(
        index=index,
        started_at=f"2026-01-01T{index // 30:02}:{index % 30 * 2:02}:00+00:00",
        queries=queries,
        passes=1,
        duration_s=seconds,
        input_tokens=369 * queries,
        output_tokens=10 * queries,
        thinking_tokens=None,
        answers_cut=None,
        phases={
            "forward": PhasePart(duration_s=seconds, energy_j={domain: joules}, se_j={domain: None})
        },
        phase_methods={domain: "single_phase"},
        phase_reasons={},
        phase_facts={},
        energy_j={domain: joules},
        methods={domain: method if joules is not None else None},
        reasons={} if joules is not None else {domain: "the GPU was lost"},
        facts={},
        second_source=None,
        notices=[],
    )
    return run.model_copy(update=change)


def make_quality(right=(), *, metric="accuracy", rows="a" * 64, **change):
    """The quality of answers that are right (1) or wrong (0), row by row."""
    value = sum(right) / len(right) if right else None
    quality = Quality(
        metric=metric,
        value=value,
        higher_is_better=True,
        ci95=None if value is None else (max(0.0, value - 0.04), min(1.0, value + 0.04)),
        n=len(right),
        dataset="org/rows",
        revision="abc",
        settings={},
        reason="" if right else "the weights are random",
        rows=rows,
        items=[[float(one), 1.0] for one in right] or None,
    )
    return quality.model_copy(update=change)


def make_performance(p90_s=0.1, tokens=True):
    """Of a run, or of all: half the queries take half the time of `p90_s` or less."""
    return Performance(
        queries_per_s=10.0,
        output_tokens_per_s=100.0 if tokens else None,
        latency_s=Latency(mean=p90_s * 0.6, p50=p90_s / 2, p90=p90_s, p99=p90_s * 2),
        time_to_first_token_s=FirstToken(p50=p90_s / 10, p90=p90_s / 5) if tokens else None,
    )


def make_load_performance(concurrency, tokens_per_s):
    """Of requests of ten tokens, so many of them in flight."""
    mean_s = 10 * concurrency / tokens_per_s
    return Performance(
        queries_per_s=tokens_per_s / 10,
        output_tokens_per_s=tokens_per_s,
        latency_s=Latency(mean=mean_s, p50=mean_s, p90=mean_s * 1.2, p99=mean_s * 1.5),
        time_to_first_token_s=FirstToken(p50=mean_s / 5, p90=mean_s / 4),
    )


def make_cpu_run(index=0, *, joules=7200.0, queries=100):
    """One run whose energy is an estimate of processor and memory."""
    return make_run(index).model_copy(
        update={
            "queries": queries,
            "output_tokens": 10 * queries,
            "energy_j": {"cpu": joules, "ram": 0.0 + joules / 2},
            "methods": {"cpu": "estimated", "ram": "estimated"},
            "phases": {},
            "phase_methods": {},
        }
    )


def make_server_result(
    model="org/model", concurrency=8, *, request_rate=None, tokens_per_s=None, **more
):
    """The same of a server: so many at once, or so many a second, at a throughput if known."""
    made = make_result(model, **more)
    done = made.runs[0].queries
    speed = tokens_per_s and make_load_performance(concurrency, tokens_per_s)
    part = RunLoad(
        completed=done,
        failed=0,
        requests=done,
        straddling=16,
        bound=16 / done,
        other_lengths=0,
        cached_tokens=0,
        time_per_output_token_s=0.01,
        client_processor=0.1,
        client_late_s=0.001,
        outstanding=request_rate and Outstanding(arrived=1000, held=0, first=8.0, last=9.0),
    )
    load = LoadPart(
        kind="open" if request_rate else "closed",
        concurrency=None if request_rate else concurrency,
        request_rate=request_rate,
        max_outstanding=request_rate and 1000,
        completed=done * len(made.runs),
        failed=0,
        endpoint="completions",
        lengths="forced",
        prompts="as they are",
        version=None,
    )
    unknown = dict.fromkeys(("parameters", "dtype", "weights", "model_class", "revision"))
    served = made.model.model_copy(update={"source": "server", **unknown})
    runs = [run.model_copy(update={"load": part, "performance": speed}) for run in made.runs]
    change = {"model": served, "runs": runs, "load": load, "performance": speed}
    made = made.model_copy(update=change)
    return with_conformance(load_tasks()[made.task.id].spec, made)


def make_result(
    model="org/model",
    runs=None,
    *,
    gpu=OFFICIAL_GPU,
    size="A",
    dtype="float16",
    identity="0" * 64,
    created_at="2026-01-01T00:00:00Z",
    official=True,
    invalid=(),
    weights="pretrained",
    quick=False,
    power_limit_w=700.0,
    idle=None,
):
    """A result of text_generation that holds the whole official protocol, unless changed."""
    task = load_tasks()["text_generation"].spec
    runs = runs or [make_run(index) for index in range(10)]
    device = "cuda" if gpu else "cpu"
    uuids = [UUID] if gpu else []
    parts = [
        GpuPart(
            uuid=UUID,
            name=gpu or "",
            pci_bus_id=None,
            memory_total_mb=81559.0,
            power_limit_w=power_limit_w,
            compute_capability="9.0",
            mig=False,
            ecc=True,
            persistence=True,
        )
    ]
    environment = EnvironmentPart(
        os="Linux",
        python="3.11",
        cpu="A processor",
        cpu_count=2,
        memory_total_mb=1.0,
        driver=None,
        cuda=None,
        gpus=parts if gpu else [],
        packages={},
        energyscore="0",
        selftest=None,
    )
    workload = WorkloadPart(
        dataset=task.dataset.id if official else "bundled:text_generation",
        revision="abc" if official else None,
        official=official,
        fingerprint="f" * 64,
        queries=1000,
        batch_size=1,
        seed=42,
        input_tokens=369000,
        output_tokens=10000,
        generation=task.generation.recorded(),
        inputs_cut=InputsCut(
            queries=0, limit=1014, unit="tokens", lost=0, total=369000, official_limit=1014
        ),
    )
    protocol = ProtocolPart(
        device=device,
        quick=quick,
        repeats=len(runs),
        target_half_width=None,
        min_window_s=60.0,
        warmup_s=30.0,
        warmup_queries=100,
        warmup_steady=None if quick else True,
        metered_gpus=uuids,
        gpus_chosen_by="model" if gpu else None,
        occupied_gpus=uuids,
        shared=False,
    )
    idle = idle or NO_IDLE
    result = Result(
        created_at=created_at,
        identity=identity,
        task=TaskPart(
            id=task.id, version=task.version, digest=task.digest, scale_task=task.scale_task
        ),
        model=ModelPart(
            id=model,
            source="hub",
            revision="r",
            architecture="Net",
            parameters=10**9,
            dtype=dtype,
            quantization=None,
            quantization_bits=None,
            weights=weights,
            model_class=size,
        ),
        workload=workload,
        protocol=protocol,
        environment=environment,
        runs=runs,
        idle=idle,
        score=score_runs(runs, uuids, idle, [one.name for one in environment.gpus]),
        emissions=Emissions(
            country=None,
            intensity_g_per_kwh=None,
            gpu_co2_g_per_1k_queries=None,
            system_co2_g_per_1k_queries=None,
            source=None,
            reason="no country was given (--country)",
        ),
        conformance=[],
        official=False,
        cautions=[],
        valid=not invalid,
        invalid_reasons=list(invalid),
    )
    return with_conformance(task, with_per_token(result))


def sampled(result, *, tokens=7, **settings):
    """The same measured by v2: answers of so many tokens on average, drawn at temperature 0.7."""
    task = load_tasks()[result.task.id].spec
    made = task.generation.by("v2").recorded() | settings
    runs = [run.model_copy(update={"output_tokens": tokens * run.queries}) for run in result.runs]
    workload = result.workload.model_copy(
        update={"generation": made, "output_tokens": tokens * result.workload.queries}
    )
    names = [gpu.name for gpu in result.environment.gpus]
    score = score_runs(runs, result.protocol.metered_gpus, result.idle, names)
    change = {"workload": workload, "runs": runs, "score": score}
    return with_conformance(task, with_per_token(result.model_copy(update=change)))
