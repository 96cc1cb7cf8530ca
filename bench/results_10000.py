"""How long commands take over 10,000 results, and how much memory.

    python bench/results_10000.py [--results 10000] [--only rate,page]

Makes a folder of so many results on one GPU, ten runs each: a thousand models under a few
conditions each, one result in five a repeat of an older one. Then each command reads it in a
process of its own, twice: the first time nothing was checked before, the second time all was. Exit
status 1 where one takes longer, more memory, or more room on the disk than it may; the bounds are
for 10,000 results and shrink with fewer; the first time may take three times as long. Other work on
the machine makes a command wait: the seconds of a processor that it took stand beside the time.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from timed import ROOT, timed

sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from energyscore.results.per_token import with_per_token  # noqa: E402
from energyscore.results.result import result_to_json  # noqa: E402
from energyscore.results.score import score_runs  # noqa: E402
from energyscore.results.store import load_result  # noqa: E402

FIXTURE = ROOT / "tests/data/schema-1/results/org/model/text_generation"
RUNS, LEVELS, MODELS = 10, 40, 1000
FIRST = 3  # times the bound, where nothing was checked before
STARTUP_S = 1.0  # whatever the number of results
AGAIN = """
import sys, time
from pathlib import Path
from energyscore.publish.results_folder import ResultsFolder
{imported}
folder = Path(sys.argv[1])
known = KnownResults(folder, lambda error: None)
ResultsFolder(known).write_csv()
begin = time.monotonic()
ResultsFolder(known).write_csv()
print(time.monotonic() - begin)
"""


class Bound(NamedTuple):
    """The most that a command may take over 10,000 results."""

    seconds: float
    mib: float
    written_mib: float = 100.0


BOUNDS = {
    "rate": Bound(8, 500),
    "rate --format json": Bound(15, 700, 600),
    "rate --format csv": Bound(8, 500),
    "gate --max": Bound(10, 700),
    "gate --baseline": Bound(10, 700),
    "compare": Bound(20, 1000),
    "leaderboard": Bound(8, 500),
    "label": Bound(8, 500),
    "page": Bound(15, 700, 100),
}


def texts() -> list[tuple[str, dict[str, str]]]:
    """Results at several levels of energy, and what stands in them to be replaced."""
    (file,) = FIXTURE.glob("*.json")
    result = load_result(file)
    found = []
    for level in range(LEVELS):
        runs = []
        for index in range(RUNS):
            run = result.runs[index % len(result.runs)]
            share = (1 + level / 10) * (1 + 0.001 * (index % 4))
            phases = {
                name: part.model_copy(
                    update={"energy_j": {d: j * share for d, j in part.energy_j.items()}}
                )
                for name, part in run.phases.items()
            }
            energy_j = {d: j * share for d, j in run.energy_j.items()}
            runs.append(
                run.model_copy(update={"index": index, "phases": phases, "energy_j": energy_j})
            )
        uuids = result.protocol.metered_gpus
        changed = result.model_copy(
            update={
                "runs": runs,
                "protocol": result.protocol.model_copy(update={"repeats": RUNS}),
                "score": score_runs(runs, uuids, result.idle),
                "raw": None,
            }
        )
        marks = {
            "identity": f'"identity": "{changed.identity}"',
            "created_at": f'"created_at": "{changed.created_at}"',
            "model": f'"id": "{changed.model.id}"',
            "seed": f'"seed": {changed.workload.seed}',
        }
        found.append((result_to_json(checked(with_per_token(changed))), marks))
    return found


def checked(result):
    """With the points of the protocol as they follow from it."""
    from energyscore.protocol.task import load_tasks
    from energyscore.results.conformance import with_conformance

    return with_conformance(load_tasks()[result.task.id].spec, result)


def write_results(folder: Path, count: int, *, models: int, day: int) -> None:
    """So many results; of five in a row the last repeats the first."""
    made = texts()
    for number in range(count):
        same = number - 4 if number % 5 == 4 else number
        text, marks = made[same * 7 % LEVELS]
        model = f"organisation-{same % models % 97}/model-{same % models}"
        begin = f"2026-{day:02d}-{1 + number // 3600 % 28:02d}"
        time_of_day = f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
        for mark, new in (
            ("identity", f'"identity": "{same:064x}"'),
            ("created_at", f'"created_at": "{begin}T{time_of_day}Z"'),
            ("model", f'"id": "{model}"'),
            ("seed", f'"seed": {42 + same // models}'),
        ):
            text = text.replace(marks[mark], new, 1)
        place = folder / model / "text_generation"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06d}.json").write_text(text)


def arguments_of(name: str, folder: Path) -> list[str]:
    """The command line of a command by its name."""
    results, before, site = (str(folder / one) for one in ("results", "before", "site"))
    one = str(next((folder / "results").rglob("*.json")))
    return {
        "rate": ["rate", results],
        "rate --format json": ["rate", results, "--format", "json"],
        "rate --format csv": ["rate", results, "--format", "csv"],
        "gate --max": ["gate", results, "--max", "gpu_wh_per_1k_queries<=1e6"],
        "gate --baseline": ["gate", results, "--baseline", before, "--max-regression", "5%"],
        "compare": ["compare", before, results],
        "leaderboard": ["leaderboard", results],
        "label": ["label", one, "--among", results, "--out", str(folder / "label.svg")],
        "page": ["page", results, "--out", site],
    }[name]


def mib_in(path: Path) -> float:
    """What a file, or all files in a folder, take."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 2**20


def main() -> int:
    """Measure all commands and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--models", type=int, default=MODELS, help="default: %(default)s")
    parser.add_argument("--only", help="some commands by name, with commas between")
    parser.add_argument("--keep", type=Path, help="make the folder here, and leave it")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [*BOUNDS, "again"]
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if not (folder / "results").is_dir():
            write_results(folder / "results", options.results, models=options.models, day=2)
            write_results(folder / "before", options.results, models=options.models, day=1)
        print(f"{options.results:,} results, {mib_in(folder / 'results'):,.0f} MiB")
        share = options.results / 10_000
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        for name, times in [(name, n) for name in names if name in BOUNDS for n in (FIRST, 1)]:
            if times == FIRST:
                shutil.rmtree(folder / "cache", ignore_errors=True)
            out = folder / "stdout"
            command = [sys.executable, "-m", "energyscore", *arguments_of(name, folder)]
            seconds, busy_s, mib, status = timed(command, out)
            written = mib_in(folder / "site") if name == "page" else mib_in(out)
            bound = BOUNDS[name]
            ok = (
                status in (0, 2, 3)
                and seconds <= STARTUP_S + share * times * bound.seconds
                and mib <= 100 + share * bound.mib
                and written <= bound.written_mib
            )
            failed |= not ok
            said = "ok" if ok else f"TOO MUCH (exit status {status})"
            turn = "first" if times == FIRST else "again"
            print(
                f"{name:20}  {turn}  {seconds:5.1f} s ({busy_s:.1f} s of a processor)  {mib:6,.0f} "
                f"MiB at the peak  {written:4.0f} MiB written  {said}",
                flush=True,
            )
            out.unlink()
        if "again" in names:
            print(f"{'run: table again':20}  {again(folder / 'results')} s", flush=True)
    return int(failed)


def again(folder: Path) -> str:
    """Seconds until the table beside the results is written again, with all read before."""
    for imported in ("results.known", "results.store"):
        code = AGAIN.format(imported=f"from energyscore.{imported} import KnownResults")
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return f"{float(done.stdout):5.1f}"
    return done.stderr[-300:]


if __name__ == "__main__":
    sys.exit(main())
