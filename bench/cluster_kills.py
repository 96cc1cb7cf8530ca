"""What is left of a suite on Ray when workers, nodes and the command itself are killed.

    PYTHONPATH=tests python bench/cluster_kills.py [--times 10] [--seed 1] [--kind KIND]

On four pretended nodes of this machine it kills, at so many random moments of each kind: a process
of a worker, a whole node (it is added again), or the command that drives the suite. Then the same
command is repeated. It exits with 1 unless each time all results are there, none twice, no file is
broken, and no process is left that measures.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from support.fake_nodes import node_environment, pretend_nodes, processes_of, start_driving

from energyscore.measurement.suite.report import SuiteReport
from energyscore.results.store import load_results

NODES, ENTRIES, SECONDS = 4, 6, 2.0
KINDS = ("worker", "node", "driver")
LEAVE_S = 20.0  # how long processes that were orphaned may take to end


class _Environment:
    """What pytest's monkeypatch does here."""

    def setenv(self, name, value):
        os.environ[name] = value


@dataclass
class Nodes:
    """A cluster of pretended nodes, each with a state of its own that outlives it."""

    folder: Path
    more: dict
    cluster: object = None
    numbers: dict = field(default_factory=dict)

    def __enter__(self):
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        for number in range(NODES):
            self.add(number)
        return self

    def __exit__(self, *exc):
        self.cluster.shutdown()

    def add(self, number):
        env = self.more | node_environment(self.folder, number)
        self.numbers[number] = self.cluster.add_node(num_cpus=1, env_vars=env)

    def kill(self, number):
        self.cluster.remove_node(self.numbers.pop(number), allow_graceful=False)


@dataclass
class Trial:
    """One command that is killed, and the same command again."""

    nodes: Nodes
    kind: str
    name: str
    dice: random.Random

    def run(self):
        """What happened, as one line; what is wrong, as text."""
        self.out = self.nodes.folder / self.name / "out"
        self.out.mkdir(parents=True)
        command = self._start()
        self._await_work(command)
        moment_s = self.dice.uniform(0, SECONDS * ENTRIES / NODES)
        time.sleep(moment_s)
        what = getattr(self, f"_kill_{self.kind}")(command)
        first = command.wait(timeout=300)
        began = time.monotonic()
        again = self._start()
        second = again.wait(timeout=300)
        took_s = time.monotonic() - began
        wrong = self._wrong(first, second)
        return f"{self.name} at {moment_s:.1f} s, {what}; again {took_s:.0f} s", wrong

    def _start(self):
        names = [f"{self.name}e{number}/sleep-{SECONDS:g}" for number in range(ENTRIES)]
        return start_driving(self.nodes.cluster.address, self.out.parent, *names)

    def _await_work(self, command):
        while command.poll() is None and not processes_of(self.nodes.folder, "child.py"):
            time.sleep(0.1)

    def _kill_worker(self, command):
        kinds = ["ray::NodeWorker", "child.py"]
        self.dice.shuffle(kinds)
        for kind in kinds:
            if found := sorted(processes_of(self.nodes.folder, kind)):
                os.kill(self.dice.choice(found), signal.SIGKILL)
                return kind
        return "nothing to kill"

    def _kill_node(self, command):
        number = self.dice.randrange(NODES)
        self.nodes.kill(number)
        status = command.wait(timeout=300)
        self.nodes.add(number)
        return f"node {number}, status {status}"

    def _kill_driver(self, command):
        was = command.poll()
        command.kill()
        return "SIGKILL" if was is None else "it had ended"

    def _wrong(self, first, second):
        wrong = []
        if second != 0 or (self.kind != "driver" and first != 0):
            wrong.append(f"exit status {first}, then {second}")
        report = SuiteReport.model_validate_json((self.out / "suite.json").read_bytes())
        told = Counter(record.status for record in report.entries)
        if set(told) - {"done", "skipped"}:
            wrong.append(f"entries: {dict(told)}")
        requests = Counter(result.request for _, result in load_results([self.out]))
        if len(requests) != ENTRIES or set(requests.values()) != {1}:
            wrong.append(f"results by request: {sorted(requests.values())}")
        wrong += [f"left: {path}" for path in self.out.rglob(".tmp*")]
        for path in (self.out / ".attempts").glob("*.json"):
            json.loads(path.read_bytes())
        until = time.monotonic() + LEAVE_S
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.2)
        return wrong + left

    def _left(self):
        """Processes that measure, and what attempts left on nodes."""
        orphans = processes_of(self.nodes.folder, "child.py")
        found = [f"process {pid} measures still" for pid in orphans]
        for pattern in ("node-*/tmp/energyscore-*", "node-*/state/**/*.zip"):
            found += [f"left on a node: {path}" for path in self.nodes.folder.glob(pattern)]
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, action="append")
    asked = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with Nodes(folder, pretend_nodes(folder, _Environment())) as nodes:
            for kind in asked.kind or KINDS:
                for number in range(asked.times):
                    dice = random.Random(f"{asked.seed} {kind} {number}")
                    told, wrong = Trial(nodes, kind, f"{kind}{number}", dice).run()
                    bad += bool(wrong)
                    print(told, *wrong, sep="\n  WRONG: ", flush=True)
                    if wrong:
                        print((folder / f"{kind}{number}/command.txt").read_text(), flush=True)
    print(f"{bad} of these went wrong")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
