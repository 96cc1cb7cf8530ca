"""Measurements on a simulated GPU in simulated time: the real protocol, in a second or two.

Benchmark, regression, checks, journal and store are the real ones. Simulated are the clock, the
work (it only lets time pass, at a known power) and the counter, which shows the energy so far
every 100 ms.
"""

import datetime as dates
import gzip
import hashlib
import io
import json
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from energyscore import __version__
from energyscore.base import stamps
from energyscore.base.errors import ResultError
from energyscore.judge.rating import rate
from energyscore.measurement import assemble, benchmark, warmup, work
from energyscore.measurement.assemble import Setup, identity
from energyscore.measurement.backend import Batch, BatchOutput, CutInputs
from energyscore.measurement.meter import Metered, Reading, Window
from energyscore.measurement.metering import Metering
from energyscore.measurement.meters.nvml import record_of
from energyscore.measurement.meters.nvml_reading import evaluate
from energyscore.measurement.meters.nvml_trace import Circumstances, Trace
from energyscore.measurement.work import Plan
from energyscore.protocol.model import ModelFacts, parse_model
from energyscore.protocol.scales import DEFAULT_SCALE
from energyscore.protocol.task import load_tasks
from energyscore.protocol.workload import Workload
from energyscore.publish.bundle import Submitted, to_bundle, why_not_official
from energyscore.results.log import to_log
from energyscore.results.parts import EnvironmentPart, GpuPart, Idle, Run
from energyscore.results.per_token import with_per_token
from energyscore.results.performance import summarize_performance
from energyscore.results.raw import subject_of
from energyscore.results.result import parse_result
from energyscore.results.score import score_runs
from energyscore.results.store import Journal, load_result, save_result

UUID = "GPU-5d0c8f1a-0000-4000-8000-000000000001"
DOMAIN = f"gpu:{UUID}"
PREFILL_W, DECODE_W, PREPROCESS_W, IDLE_W = 450.0, 260.0, 95.0, 70.0
BEGAN = dates.datetime(2026, 3, 1, 12, tzinfo=dates.UTC)
PERIOD_NS, POLL_NS = 100_000_000, 2_000_000


class Machine:
    """A clock that only work moves on, and the power of the GPU meanwhile."""

    def __init__(self):
        self.began_ns = self.now_ns = 10**12
        self.edges_ns, self.watts = [self.now_ns], []

    def pass_s(self, seconds, watts=IDLE_W):
        self.now_ns += round(seconds * 1e9)
        self.edges_ns.append(self.now_ns)
        self.watts.append(watts)

    def energy_mj(self, t_ns):
        """What the GPU took from the beginning to these moments."""
        edges = np.array(self.edges_ns)
        joules = np.concatenate([[0.0], np.cumsum(np.array(self.watts) * np.diff(edges) / 1e9)])
        return np.interp(t_ns, edges, joules) * 1e3

    def moment(self, zone):
        return BEGAN.astimezone(zone) + dates.timedelta(
            microseconds=(self.now_ns - self.began_ns) // 1000
        )


class Meter:
    """What the NVML meter does, on the simulated counter."""

    name = "nvml"
    first_mj = 5_000_000_000

    def __init__(self, machine, **about):
        self.machine, self.about = machine, Circumstances("GPU 0 (H100)", 1, **about)

    def start(self):
        return self.machine.now_ns

    def stop(self, token):
        machine = self.machine
        machine.pass_s(0.0002)
        window = Window(token, machine.now_ns)
        before = token // PERIOD_NS * PERIOD_NS
        updates = np.arange(before, machine.now_ns, PERIOD_NS)
        values = [self.first_mj + int(mj) for mj in machine.energy_mj(updates)]
        noted = [max(token - 1000, 0), *(-(-updates[1:] // POLL_NS) * POLL_NS)]
        power = np.diff(values, append=values[-1:]) / (PERIOD_NS / 1e6)
        trace = Trace(
            start_mj=values[0],
            end_mj=values[-1],
            counter=[(int(t), mj) for t, mj in zip(noted, values, strict=True)],
            power=[(int(t), float(w)) for t, w in zip(updates[:-1], power, strict=False)],
            max_temperature_c=61.0,
            power_limits_w={700.0},
            max_processes=1,
        )
        reading, notices = evaluate(window, trace, self.about)
        record = record_of(window, trace)
        return Metered({DOMAIN: replace(reading, record=record)}, notices)


class Estimator:
    """What CodeCarbon does: a power for the time that it took."""

    name = "codecarbon"

    def __init__(self, machine):
        self.machine = machine

    def start(self):
        return self.machine.now_ns

    def stop(self, token):
        seconds = (self.machine.now_ns - token) / 1e9
        powers = {"cpu": 61.5, "ram": 12.0}
        return Metered({name: Reading(w * seconds, "estimated") for name, w in powers.items()})


class Backend:
    """A prefill of varying length, then ten tokens."""

    prepare_ahead, lone_phase = 4096, "prefill"

    def __init__(self, machine, decode_s, lone_w, seed):
        self.machine, self.decode_s, self.lone_w = machine, decode_s, lone_w
        self.random = np.random.default_rng(seed)

    def cut_inputs(self, queries):
        return CutInputs(0, 1014, "tokens", 0, 369 * len(queries), 1014)

    def prepare(self, queries):
        self.machine.pass_s(0.0005 * len(queries), PREPROCESS_W)
        return Batch(None, len(queries), 369 * len(queries))

    def run(self, batch, enter):
        enter("prefill")
        self.prefill(PREFILL_W)
        enter("decode")
        self.machine.pass_s(self.decode_s * self.random.normal(1, 0.02), self.noisy(DECODE_W))
        return BatchOutput(10 * batch.queries)

    def run_lone(self, batch):
        self.prefill(self.lone_w)

    def prefill(self, watts):
        self.machine.pass_s(0.02 * self.random.lognormal(0, 0.4), self.noisy(watts))

    def noisy(self, watts):
        return watts * self.random.normal(1, 0.01)

    def synchronize(self):
        pass


@contextmanager
def simulated_time(machine):
    """The machine's clock in place of the real one, in all modules that look at it."""
    clock = SimpleNamespace(
        monotonic=lambda: machine.now_ns / 1e9,
        monotonic_ns=lambda: machine.now_ns,
        sleep=machine.pass_s,
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (work, warmup, benchmark):
            patch.setattr(module, "time", clock)
        for module in (benchmark, stamps):
            read = dates.datetime.fromisoformat
            clock = SimpleNamespace(now=machine.moment, fromisoformat=read)
            patch.setattr(module, "datetime", clock)
        yield


def measure(
    out, *, model="org/model", decode_s=0.06, queries=1000, repeats=10, stop_after=None,
    lone_w=PREFILL_W, device="cuda", protocol="v1",
):  # fmt: skip
    """Measure as `energyscore run` does, on an H100, and give the result's path.

    `stop_after` ends it after so many runs, as Ctrl-C would; measuring again goes on. `lone_w` is
    what prefill takes by itself. On the device `cpu` there is no GPU, and all is estimated.
    """
    machine, on_gpu = Machine(), device == "cuda"
    uuids, meter = (UUID,) if on_gpu else (), (Meter if on_gpu else Estimator)(machine)
    task = load_tasks()["text_generation"].spec
    texts = tuple({"text": f"query {number}"} for number in range(queries))
    workload = Workload(texts, task.dataset.id, "c" * 40, True, queries)
    plan = Plan(
        workload, tuple(task.phases), 1, repeats, 42, False, 60.0,
        lone_s=20.0, idle_s=30.0, generation=task.generation.by(protocol),
    )  # fmt: skip
    gpu = GpuPart(
        uuid=UUID, name="NVIDIA H100 80GB HBM3", pci_bus_id="00000000:01:00.0",
        memory_total_mb=81559.0, power_limit_w=700.0, compute_capability="9.0", mig=False,
        ecc=True, persistence=True,
    )  # fmt: skip
    machine_part = EnvironmentPart(
        os="Linux", python="3.11.9", cpu="A processor", cpu_count=16, memory_total_mb=131072.0,
        driver="570.86", cuda="12.8", gpus=[gpu] if on_gpu else [], packages={"torch": "2.13.0"},
        energyscore=__version__, selftest=None,
    )  # fmt: skip
    facts = ModelFacts("a" * 40, "Net", 10**9, "float16", None, None, "pretrained", 1024)
    metering = Metering(uuids, "model" if on_gpu else None, [meter], occupied=uuids)
    setup = Setup(task, parse_model(model), facts, plan, device, metering, machine_part)
    journal = Journal(out, identity(setup))
    finished = journal.load()

    def on_run(run, raw):
        journal.append(run, raw)
        if stop_after is not None and run.index + 1 == stop_after:
            raise KeyboardInterrupt

    silent = SimpleNamespace(stage=lambda name, total: None, advance=lambda done: None)
    with simulated_time(machine):
        measured = benchmark.run_benchmark(
            plan, Backend(machine, decode_s, lone_w, len(finished)), [meter], finished=finished,
            on_run=on_run, observer=silent,
        )  # fmt: skip
        result = assemble.assemble(setup, measured, {}, [])
    path = save_result(out, result, journal.load_raws())
    journal.discard()
    return path


def bundle(*paths):
    """The submission of results, official or not."""
    loaded = [(path, load_result(path)) for path in paths]
    tasks = load_tasks()
    entries = []
    for path, result in loaded:
        (rating,) = rate([result], DEFAULT_SCALE)
        raw = (path.parent / result.raw.file).read_bytes() if result.raw else None
        points = why_not_official(result, tasks)
        entries.append(Submitted(result, path.read_bytes(), raw, rating, points))
    return to_bundle(entries)


class Opened:
    """A submission taken apart, to be tampered with and put together again.

    Whoever tampers knows the format, and computes all hashes anew.
    """

    def __init__(self, data):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            self.files = {name: archive.read(name) for name in archive.namelist()}
        self.manifest = json.loads(self.files["manifest.json"])
        self.folder = self.manifest["results"][0]["folder"]
        self.result = json.loads(self.files[f"{self.folder}/result.json"])
        raw = self.result["raw"]
        self.raw_name = raw and f"{self.folder}/{raw['file']}"
        lines = gzip.decompress(self.files[self.raw_name]).splitlines() if raw else []
        self.raw = [json.loads(line) for line in lines]
        self.first_subject = self.raw[0]["subject"] if raw else None
        self.first_log = self.files[f"{self.folder}/log.txt"]

    @property
    def listed(self):
        """What the manifest says of the result."""
        return self.manifest["results"][0]

    def recorded(self, run=0):
        """The raw record of the GPU in a run."""
        domains = self.raw[run + 1]["domains"]
        return domains[next(name for name in domains if name.startswith("gpu:"))]

    def rescore(self):
        """The figures that follow from the runs: the tamperer has energyscore at hand."""
        runs = [Run.model_validate(run) for run in self.result["runs"]]
        idle = Idle.model_validate(self.result["idle"])
        names = [gpu["name"] for gpu in self.result["environment"]["gpus"]]
        score = score_runs(runs, self.result["protocol"]["metered_gpus"], idle, names)
        self.result["score"] = score.model_dump(mode="json")
        performance = summarize_performance(run.performance for run in runs)
        self.result["performance"] = performance and performance.model_dump(mode="json")
        with suppress(ResultError):
            whole = with_per_token(parse_result(json.dumps(self.result), "result.json"))
            self.result["score"] = whole.score.model_dump(mode="json")

    def derived(self):
        """The AI Energy Score's files, as they follow from the score."""
        score = self.result["score"]
        total = score["gpu_wh_per_1k_queries"]
        phases = {f"{n}_wh": p["gpu_wh_per_1k_queries"] for n, p in score["phases"].items()}
        summary = {"units": "Wh", "total": total, **phases}
        self.files[f"{self.folder}/GPU_ENERGY_WH.txt"] = f"{total!r}\n".encode()
        self.files[f"{self.folder}/GPU_ENERGY_SUMMARY.json"] = json.dumps(summary).encode()

    def closed(self):
        """Put together again, all hashes right."""
        # What the raw record is of follows the result, unless it is what was tampered with.
        if self.raw and self.raw[0].get("subject") == self.first_subject:
            with suppress(ResultError):
                named = parse_result(json.dumps(self.result), "result.json")
                self.raw[0]["subject"] = self.first_subject = subject_of(named)
        if self.raw:
            text = "\n".join(json.dumps(line) for line in self.raw) + "\n"
            self.files[self.raw_name] = gzip.compress(text.encode(), 1, mtime=0)
        if self.result["raw"] and self.raw_name in self.files:
            digest = hashlib.sha256(self.files[self.raw_name]).hexdigest()
            self.result["raw"]["sha256"] = digest
        content = json.dumps(self.result).encode()
        self.files[f"{self.folder}/result.json"] = content
        # The log follows the result, unless it is what was tampered with.
        if self.files.get(f"{self.folder}/log.txt") == self.first_log:
            with suppress(ResultError, LookupError):
                self.first_log = to_log(parse_result(content, "result.json")).encode()
                self.files[f"{self.folder}/log.txt"] = self.first_log
        return self.rehashed()

    def rehashed(self):
        """The files as they are, with a manifest of the right hashes."""
        self.manifest["files"] = [
            {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for path, data in sorted(self.files.items())
            if path != "manifest.json"
        ]
        return zipped({"manifest.json": json.dumps(self.manifest).encode()}, self.files)


def zipped(*parts):
    """A zip in the form that submissions have."""
    files = {}
    for part in parts:
        files |= {name: data for name, data in part.items() if name not in files}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()
