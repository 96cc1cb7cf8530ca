"""How much of four nodes a suite on Ray uses, on entries that only sleep.

    PYTHONPATH=tests python bench/cluster.py [--nodes 4] [--entries 8] [--seconds 90]

Starts a cluster of pretended nodes on this machine. Efficiency is the time that entries slept, over
the time that the suite took on all nodes; under 0.9 it exits with 1.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from support.fake_nodes import drive, pretend_nodes
from support.fake_suite import fake_plan

from energyscore.measurement.cluster.ray_engine import RayEngine

LIMIT = 0.9


class _Environment:
    """What pytest's monkeypatch does here."""

    def setenv(self, name, value):
        os.environ[name] = value


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--entries", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=90.0)
    asked = parser.parse_args()
    import ray
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        more = pretend_nodes(folder, _Environment())
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        for _ in range(asked.nodes):
            cluster.add_node(num_cpus=1, env_vars=more | {"RAY_worker_niceness": "0"})
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        names = [f"m{number}/sleep-{asked.seconds:g}" for number in range(asked.entries)]
        options = {"device": "cpu"}
        keys = [one.key for one in fake_plan(*names, **options)]
        engine = RayEngine(cluster.address, keys=keys, show=lambda nodes: None, shared_node=True)
        start = time.monotonic()
        report, _ = drive(folder, engine, *names, asked=options)
        took_s = time.monotonic() - start
        ray.shutdown()
        cluster.shutdown()
    assert {one.status for one in report.entries} == {"done"}, report.entries
    slept_s = asked.entries * asked.seconds
    efficiency = slept_s / (took_s * asked.nodes)
    print(f"{asked.entries} entries of {asked.seconds:g} s on {asked.nodes} nodes: {took_s:.1f} s")
    print(f"efficiency: {efficiency:.3f} (limit {LIMIT})")
    return efficiency < LIMIT


if __name__ == "__main__":
    sys.exit(main())
