"""A tune whose trials are measured by a script in milliseconds, or end as they are told."""

import json
import sys
from pathlib import Path

from energyscore.base.stamps import digest_of
from energyscore.measurement.options import RunOptions
from energyscore.measurement.suite.where import ANYWHERE
from energyscore.measurement.tune.request import Limits, TuneRequest
from energyscore.measurement.tune.runner import Tuner
from energyscore.measurement.tune.space import Settings
from energyscore.protocol.task import load_tasks
from energyscore.results.conformance import with_conformance
from energyscore.results.memory import Memory
from energyscore.results.result import result_to_json
from energyscore.results.store import KnownResults
from support.results import make_cpu_run, make_performance, make_result

CHILD = """
import json, os, sys, time
folder, out, text = sys.argv[1:]
def say(text): print(text, file=sys.stderr, flush=True)
job = json.loads(text)
options = job["options"]
name = f"{options['batch_size']}-{options.get('dtype', 'auto')}"
open(folder + "/asked.jsonl", "a").write(json.dumps({"name": name, "job": job}) + "\\n")
told = json.load(open(folder + "/how.json"))
how = told.get(name, "measure")
if how == "oom":
    say("energyscore-error: out_of_memory"); say("error: m does not fit into memory."); os._exit(3)
elif how == "usage":
    say("energyscore-error: usage"); say("error: The model m is not on the hub."); os._exit(2)
elif how == "error":
    say("error: it broke."); os._exit(70)
elif how == "kill":
    os.kill(os.getpid(), 9)
elif how == "late":
    try:
        time.sleep(100)
    except KeyboardInterrupt:
        say("error: interrupted; 0 of 1 results are written."); os._exit(130)
elif how == "wait":
    open(folder + "/waiting", "w").close()
    time.sleep(100)
text = open(f"{folder}/{name}.json").read().replace("REQUEST", job["request"])
text = text.replace("2026-01-01T00:00:00Z", told.get("now", "2026-01-01T00:00:00Z"))
if how == "invalid":
    text = text.replace('"valid": true', '"valid": false')
    text = text.replace('"invalid_reasons": []', '"invalid_reasons": ["the GPU was shared"]')
os.makedirs(out, exist_ok=True)
temporary = f"{out}/.tmp-{os.getpid()}"
with open(temporary, "w") as file:
    file.write(text)
os.replace(temporary, f"{out}/{time.time_ns()}_{os.getpid()}.json")
"""


NO_LIMITS = Limits()


class FakeTune:
    """A model whose energy is a law of its settings, and the trials that its tunes asked for."""

    def __init__(self, folder: Path, joules, *, latency_s=lambda settings: 0.1):
        """`joules(settings)`: of 1,000 queries."""
        self.folder, self.out = folder, folder / "out"
        self._joules, self._latency_s = joules, latency_s
        self.where = ANYWHERE  # its results must have been measured
        (folder / "child.py").write_text(CHILD)
        self.ends({})

    def ends(self, how):
        """How trials end that do not measure, by `batch-dtype`; `now`: the time of results."""
        (self.folder / "how.json").write_text(json.dumps(how))

    @property
    def asked(self):
        """The jobs of all processes so far, each with its settings' name."""
        file = self.folder / "asked.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def names(self):
        """The settings of all processes so far."""
        return [one["name"] for one in self.asked]

    def run(self, space, observer=None, *, limits=NO_LIMITS, lost=lambda first, it: "", **options):
        """Tune; `options` are the tuner's."""
        request = TuneRequest(
            load_tasks()["text_generation"],
            "org/model",
            RunOptions(screen=True, device="cpu"),
            self.out,
            limits=limits,
        )
        self._write_templates(space)
        known = KnownResults(self.out, _refuse)

        def command(job):
            script = str(self.folder / "child.py")
            return [
                *(sys.executable, "-I", "-S", script, str(self.folder), str(request.folder)),
                json.dumps(job.model_dump(exclude_unset=True), default=str),
            ]

        def key_of(task, model, asked):
            return digest_of([task.spec.id, model.id, model.dtype, asked.decisive(task.spec)])

        tuner = Tuner(
            request, known, key_of, lambda asked: self.where, observer or Quiet(), lost,
            command=command, **options,
        )  # fmt: skip
        return tuner.run(space.default, lambda first: space, seed=0, exhaustive=False)

    def _write_templates(self, space):
        for dtype in ("auto", *space.dtypes):
            for batch_size in range(1, max(space.rungs) + 1):
                settings = Settings(batch_size, dtype)
                joules = self._joules(settings)
                each = [make_cpu_run(at, joules=joules * (1 + (at - 2) / 500)) for at in range(5)]
                result = make_result("org/model", each, gpu=None, dtype=dtype)
                work = result.workload.model_copy(update={"batch_size": batch_size})
                change = {
                    "workload": work,
                    "request": "REQUEST",
                    "identity": digest_of([batch_size, dtype]),
                    "performance": make_performance(self._latency_s(settings)),
                    "memory": Memory(weights_bytes=10**9, peak_gpu_bytes=10**8 * batch_size),
                }
                spec = load_tasks()["text_generation"].spec
                made = with_conformance(spec, result.model_copy(update=change))
                text = result_to_json(made)
                (self.folder / f"{batch_size}-{dtype}.json").write_text(text)


class Quiet:
    """Keeps what it is told."""

    def __init__(self):
        self.begun, self.lines, self.ended = [], [], []

    def begin(self, number, settings, purpose, left_s):
        self.begun.append((number, settings, purpose, left_s))

    def line(self, text):
        self.lines.append(text)

    def end(self, number, trial, best):
        self.ended.append((number, trial, best))


def _refuse(error):
    raise error
