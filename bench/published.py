"""Eight bundled architectures by the official text-generation protocol, against published figures.

    python bench/published.py [--out results] [--repeats 10] [--quick] [--device cuda]

Runs `energyscore run text_generation` on architectures whose energies are published (measured on
an H100, AI Energy Score leaderboard of February 2025), with random weights and the bundled sample
repeated to 1,000 queries, and prints for each the coefficient of variation of the score, counter
against integrated power and CodeCarbon against ours; then the rank correlation with the published
energies. The result files stay in the output folder; an interrupted call goes on where it was.
`--only-report` reads an output folder again.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

# Wh per 1,000 queries on an H100 80GB (source: AI Energy Score leaderboard, February 2025).
PUBLISHED_WH = {
    "distilgpt2": 1.313,
    "opt-125m": 1.944,
    "gpt2": 2.146,
    "gpt2-medium": 3.956,
    "gpt2-large": 6.121,
    "opt-2.7b": 8.060,
    "gpt2-xl": 8.921,
    "phi-2": 9.864,
}
QUERIES = 1000


def write_queries(file, count):
    """The bundled sample, over and over."""
    from energyscore.protocol.task import load_tasks

    sample = load_tasks()["text_generation"].sample_path.read_text(encoding="utf-8")
    texts = [json.loads(line)["text"] for line in sample.splitlines() if line.strip()]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text"])
        writer.writerows([texts[place % len(texts)]] for place in range(count))


def measure(options):
    """One process a model: memory and contexts of one are gone before the next."""
    options.out.mkdir(parents=True, exist_ok=True)
    queries = options.out / "queries.csv"
    write_queries(queries, options.queries)
    for name in options.models or PUBLISHED_WH:
        command = [sys.executable, "-m", "energyscore", "run", "text_generation"]
        command += ["--model", f"builtin:{name}", "--dataset", queries, "--out", options.out]
        command += ["--queries", options.queries, "--repeats", options.repeats]
        command += ["--device", options.device, *(["--quick"] if options.quick else [])]
        done = subprocess.run(list(map(str, command)), check=False, cwd=ROOT)
        if done.returncode not in (0, 3):
            sys.exit(done.returncode)


def summarize(result):
    """Name, Wh, coefficient of variation, power / counter, CodeCarbon / ours, valid."""
    runs = result.runs
    domains = [f"gpu:{uuid}" for uuid in result.protocol.metered_gpus]
    ours = sum(run.energy_j[domain] or 0.0 for run in runs for domain in domains)
    power = [run.facts.get(d, {}).get("power_integral_j") for run in runs for d in domains]
    second = [run.second_source.gpu_energy_j if run.second_source else None for run in runs]
    score = result.score
    return {
        "model": result.model.id.removeprefix("builtin:"),
        "wh": score.gpu_wh_per_1k_queries,
        "cv": score.std / score.gpu_wh_per_1k_queries if score.std is not None else None,
        "power": sum(power) / ours if ours and power and None not in power else None,
        "codecarbon": sum(second) / ours if ours and None not in second else None,
        "valid": result.valid,
    }


def rank_correlation(pairs):
    """Spearman's, and Pearson's of the logarithms."""
    import numpy as np
    from scipy.stats import spearmanr

    ours, published = np.array(pairs).T
    return spearmanr(ours, published).statistic, np.corrcoef(np.log(ours), np.log(published))[0, 1]


def report(results):
    """The lines of the report."""
    latest = {row["model"]: row for row in map(summarize, results)}
    lines = [f"{'model':14s} {'Wh/1,000':>9s} {'published':>9s} {'CV':>7s} power CodeCarbon valid"]
    pairs = []
    for name, published in PUBLISHED_WH.items():
        row = latest.get(name)
        if row is None or row["wh"] is None:
            lines.append(f"{name:14s} {'not measured':>9s}")
            continue
        pairs.append((row["wh"], published))
        cells = [f"{name:14s} {row['wh']:9.3f} {published:9.3f}"]
        cells.append("    one" if row["cv"] is None else f"{row['cv']:7.2%}")
        cells += ["  -  " if row[k] is None else f"{row[k]:5.3f}" for k in ("power", "codecarbon")]
        lines.append(" ".join([*cells, "yes" if row["valid"] else "NO"]))
    if len(pairs) >= 3:
        spearman, pearson = rank_correlation(pairs)
        lines.append(
            f"{len(pairs)} models: rank correlation with the published energies {spearman:.3f}, "
            f"of their logarithms {pearson:.3f}"
        )
    return lines


def main():
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="no minimum window, short warm-up")
    parser.add_argument("--models", nargs="*", choices=list(PUBLISHED_WH))
    parser.add_argument("--only-report", action="store_true")
    options = parser.parse_args()
    from energyscore.results import store

    if not options.only_report:
        measure(options)
    found = [result for _, result in store.load_results([options.out], may_be_empty=True)]
    print("\n".join(report(r for r in found if r.task.id == "text_generation")))


if __name__ == "__main__":
    main()
