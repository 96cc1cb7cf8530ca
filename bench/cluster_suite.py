"""A suite on Ray against the same suite here: its keys, its energies, and none twice.

    PYTHONPATH=tests python bench/cluster_suite.py [--nodes 4] [--entries 40]

Pretended nodes of this machine, each with a simulated GPU of its own, of known power. The entries
are one small bundled model at as many batch sizes, measured by real processes. It exits with 1
unless the suite gives a result for each key that it has here, none twice, each metered on the GPU
of one node, with energies within 1% of power times duration.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.commands import environment, gpu
from support.nvml_sim import Simulation

from energyscore.results.store import load_results

MOST_OFF = 0.01


def suite(listing, out, *more, env):
    """What a suite prints as JSON."""
    words = [sys.executable, "-m", "energyscore", "suite", str(listing), "--out", str(out)]
    done = subprocess.run(
        [*words, "--format", "json", *more], env=env, stdout=subprocess.PIPE, check=False
    )
    return done.returncode, json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--entries", type=int, default=40)
    asked = parser.parse_args()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray spells it so
    from ray.cluster_utils import Cluster

    watts = {f"GPU-{n:08x}-0000-4000-8000-000000000000": 70.0 + 50 * n for n in range(asked.nodes)}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        env = environment({"XDG_STATE_HOME": str(folder / "state"), "HF_HUB_OFFLINE": "1"})
        head = {"num_cpus": 0, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        sim = folder / "sim"
        sim.mkdir()
        for uuid, power_w in watts.items():
            has = Simulation(sim, (gpu(uuid, power_schedule=((0.0, power_w),)),)).env()
            kept = {name: has[name] for name in ("NVML_SIM_CONFIG", "LD_LIBRARY_PATH", "PATH")}
            cluster.add_node(num_cpus=1, num_gpus=1, env_vars=env | kept, wait=True)
        listing, out = folder / "list.yaml", folder / "out"
        listing.write_text(
            "defaults: {quick: true, queries: 20, device: cpu, gpu: 0}\n"
            "entries: [{task: question_answering, model: 'builtin:bert-tiny-squad', "
            f"batch_size: {list(range(1, asked.entries + 1))}}}]\n"
        )
        _, local = suite(listing, out, "--dry-run", env=env)
        begun_s = time.monotonic()
        nodes = ("--on", f"ray://{cluster.address}", "--share-nodes")
        status, report = suite(listing, out, *nodes, env=env)
        took_s = time.monotonic() - begun_s
        results = [result for _, result in load_results([out])]
        cluster.shutdown()
    off, metered = [], Counter()
    for result in results:
        (uuid,) = result.protocol.metered_gpus
        metered[uuid] += 1
        for run in result.runs:
            off.append(abs(run.energy_j[f"gpu:{uuid}"] / (watts[uuid] * run.duration_s) - 1))
    keys = [one["key"] for one in local["plan"]]
    print(f"{asked.entries} entries on {asked.nodes} nodes in {took_s:.0f} s, exit status {status}")
    print(f"results: {len(results)}, by GPU: {dict(sorted(metered.items()))}")
    print(f"energies off power times duration by at most {max(off, default=1):.3%}")
    right = (
        status == 0
        and [one["key"] for one in report["entries"]] == keys
        and sorted(result.request for result in results) == sorted(keys)
        and set(metered) <= set(watts)
        and max(off) <= MOST_OFF
    )
    print("all right" if right else "wrong: keys, energies or results are not those of the suite")
    return not right


if __name__ == "__main__":
    sys.exit(main())
