"""What metering costs: `energyscore run` against the bare work, on the processor.

    python bench/main_job.py [--pairs 5] [--queries 100] [--model distilgpt2]

Prints two ratios, medians of pairs run in turn: the measured loop against a bare loop of
`model.generate` over the same prompts in the same process, and the whole process of
`energyscore run --quick` against a bare script that imports, loads and generates once. The
limits are 1.05 and 1.20; the exit status is 1 when one is passed.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bare_generate import generate_all, load, prompts

LOOP_LIMIT, PROCESS_LIMIT = 1.05, 1.20
BARE = Path(__file__).with_name("bare_generate.py")


class Silent:
    """An observer that shows nothing."""

    def stage(self, name, total):
        """Ignore a stage."""

    def advance(self, done):
        """Ignore progress."""


def loop_ratios(name, queries, pairs):
    """Measured loop against bare loop, in one process, in turn."""
    from energyscore.measurement.backends.text_generation import TextGeneration
    from energyscore.measurement.benchmark import measure_run
    from energyscore.measurement.meters.codecarbon import CodeCarbonMeter
    from energyscore.measurement.work import Plan
    from energyscore.protocol.model import parse_model
    from energyscore.protocol.task import load_tasks
    from energyscore.protocol.workload import load_workload

    task = load_tasks()["text_generation"]
    backend = TextGeneration()
    backend.load(parse_model(f"builtin:{name}"), task.spec, "cpu")
    workload = load_workload(task, "bundled", queries)
    plan = Plan(workload, tuple(task.spec.phases), 1, 1, 42, True, 0.0)
    meter = CodeCarbonMeter()
    meter.open()
    model, tokenizer = load(name)
    texts = prompts(queries)
    generate_all(model, tokenizer, texts[:3])
    measure_run(plan, backend, [meter], 0, Silent())
    for pair in range(pairs):
        start = time.perf_counter()
        run = measure_run(plan, backend, [meter], pair, Silent())[0]
        whole_s = time.perf_counter() - start
        start = time.perf_counter()
        generate_all(model, tokenizer, texts)
        bare_s = time.perf_counter() - start
        print(
            f"  loop: measured {run.duration_s:.2f} s (with meters {whole_s:.2f} s), "
            f"bare {bare_s:.2f} s, ratio {whole_s / bare_s:.3f}",
            flush=True,
        )
        yield whole_s / bare_s


def process_ratios(name, queries, pairs):
    """The whole process against a bare script's, in turn."""
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "energyscore", "run", "text_generation", "--quick"]
            command += ["--model", f"builtin:{name}", "--queries", str(queries), "--out", out]
            ours_s = timed(command)
        bare_s = timed([sys.executable, str(BARE), name, str(queries)])
        print(f"  process: ours {ours_s:.2f} s, bare {bare_s:.2f} s, ratio {ours_s / bare_s:.3f}")
        yield ours_s / bare_s


def timed(command):
    """Wall seconds of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    """Print the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--model", default="distilgpt2")
    options = parser.parse_args()
    arguments = (options.model, options.queries, options.pairs)
    loop = statistics.median(loop_ratios(*arguments))
    process = statistics.median(process_ratios(*arguments))
    print(f"measured loop / bare loop: {loop:.3f} (limit {LOOP_LIMIT})")
    print(f"whole process / bare script: {process:.3f} (limit {PROCESS_LIMIT})")
    return int(loop > LOOP_LIMIT or process > PROCESS_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
