"""How long a leaderboard of 100,000 models takes, and how much memory.

Makes an official file of so many rows, one in fifty of them a model that was there before, and
lets `energyscore leaderboard` rate and export it in every format, each in a process of its own.
Exits with 1 where one of them takes longer, or more memory, than it may. Other work on the machine
makes it wait: the seconds of a processor that it took stand beside the time.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from timed import timed

MOST_S = 10.0
MOST_MIB = 1024.0
FORMATS = ("official", "csv", "json")


def write_official(path: Path, rows: int) -> None:
    """An official file of that many rows, in three size classes."""
    source = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("model,total_gpu_energy,energy_score,class\n")
        for row in range(rows):
            number = source.randrange(row) if row % 50 == 49 else row
            energy_kwh = round(source.lognormvariate(-4.0, 1.0), 9)
            size = source.choice("AAaBC")
            name = f"organisation-{number % 977}/model-{number}-instruct"
            file.write(f"{name},{energy_kwh},{source.randint(1, 5)},{size}\n")


def main() -> int:
    """Measure all formats and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--most-s", type=float, default=MOST_S, help="default: %(default)s")
    parser.add_argument("--most-mib", type=float, default=MOST_MIB, help="default: %(default)s")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "text_generation.csv"
        write_official(file, options.rows)
        print(f"{options.rows:,} rows, {file.stat().st_size / 2**20:.0f} MiB")
        for form in FORMATS:
            command = [sys.executable, "-m", "energyscore", "leaderboard", str(file)]
            command += ["--format", form]
            command += ["--out", str(folder / "out")] if form == "official" else []
            out = folder / f"stdout.{form}"
            seconds, busy_s, mib, status = timed(command, out)
            written = folder / "out/text_generation.csv" if form == "official" else out
            size_mib = written.stat().st_size / 2**20 if written.is_file() else 0.0
            ok = status == 0 and seconds <= options.most_s and mib <= options.most_mib
            failed |= not ok
            said = "ok" if ok else f"FAILED (exit status {status})"
            print(
                f"{form:8}  {seconds:5.1f} s ({busy_s:.1f} s of a processor)  "
                f"{mib:6,.0f} MiB at the peak  {size_mib:4.0f} MiB written  {said}"
            )
            out.unlink()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
