"""Every bundled architecture's whole way: saved, loaded from its folder, measured, read.

    python bench/architectures.py [NAME...] [--steps N]

Two queries of each of its tasks on the processor, a process each. The large ones take minutes,
20 GB of memory and of disk; the tests do the smallest of each task. Exit status 1 when one fails.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS.parent), str(TESTS)]


def one(name, task, steps):
    """Measure this one here, and print its figures."""
    from support.whole_way import AT_TASKS, measure

    architecture = next(a for a, at in AT_TASKS if (a.name, at) == (name, task))
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.monotonic()
        result = measure(architecture, task, Path(scratch), steps)
        seconds = time.monotonic() - begin
    same = result.model.parameters == architecture.parameters
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    phases = ", ".join(f"{k} {v.duration_s:.2f} s" for k, v in result.runs[0].phases.items())
    wh = result.score.system_wh_per_1k_queries
    figure = "null" if wh is None else f"{wh:.3g} Wh/1k ({result.score.system_method})"
    print(f"{name}, {task}: {figure}; {phases}; {seconds:.0f} s, {peak_gb:.1f} GB", flush=True)
    return 0 if same and result.valid else 1


def main():
    """All of them, or those that were named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument(
        "--steps", type=int, help="of diffusion, and one image: the large ones take hours with all"
    )
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        return one(options.names[0], options.task, options.steps)
    from support.whole_way import AT_TASKS

    known = {a.name for a, _ in AT_TASKS}
    if unknown := set(options.names) - known:
        parser.error(f"no bundled architecture: {', '.join(sorted(unknown))}")
    failed = []
    chosen = [(a, task) for a, task in AT_TASKS if not options.names or a.name in options.names]
    for architecture, task in sorted(chosen, key=lambda pair: pair[0].parameters):
        command = [sys.executable, __file__, architecture.name, "--task", task]
        if options.steps and task == "image_generation":
            command += ["--steps", str(options.steps)]
        if subprocess.run(command, check=False).returncode:
            failed.append(f"{architecture.name}, {task}")
    print(f"{len(chosen) - len(failed)} of {len(chosen)} done" + "".join(f"\n{f}" for f in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
