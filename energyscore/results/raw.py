"""The raw record of a measurement: what the figures of a result were computed from.

For each run the times at which phases were entered, the counter's updates and its values at the
window's edges, and the power samples. With these, whoever doubts a figure computes it again. Pure.

The file is gzipped JSON lines: a header, which names what was measured, then one line a run. Times
are microseconds; `begin_us` is on the machine's monotonic clock, all others count from it.
`starts_us`, `t_us`, `mj` and `mw` are delta-coded: the first number as it is, then each one's
difference from the one before. `still_us` holds from when to when looks saw the counter at one
value: where nobody looked, updates are missing and nothing stood still. Older files have none.

A run of a server has `requests` too: all that were under way while it lasted, in the order in which
they were sent. `sent_us` is delta-coded; `first_us`, `last_us` and `done_us` count from there, to
the first piece of the answer, its last, and its end; in an open loop it was due `waited_us`
before that. `failed` are the places of those that failed, `cut` of those whose answers the limit of
tokens ended. Tokens are null where an answer does not tell them.
`edges` are the two ends of the run: which requests were under way there, of how many pieces their
answers are, how many of these had come, and when the one before and the one after came.
"""

import gzip
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from energyscore.base.stamps import digest_of
from energyscore.results.result import Result

RAW_VERSION = 1

RawRun: TypeAlias = dict[str, Any]
"""One run's record, as it goes into JSON."""


def subject_of(result: Result) -> str:
    """SHA-256 of what was measured, as a result names it: its raw record is of nothing else."""
    work, protocol = result.workload, result.protocol
    content = {
        "task": result.task.model_dump(mode="json"),
        "model": result.model.recorded(),
        "workload": [work.dataset, work.revision, work.fingerprint, work.queries, work.batch_size],
        "settings": [work.seed, work.generation, protocol.quick, protocol.min_window_s],
        "device": [protocol.device, protocol.metered_gpus, protocol.occupied_gpus],
    }
    return digest_of(content)


def raw_to_bytes(identity: str, subject: str, runs: Sequence[RawRun]) -> bytes:
    """The file of a measurement of `subject_of` a result: the same bytes for the same runs."""
    header = {
        "kind": "raw",
        "raw_version": RAW_VERSION,
        "identity": identity,
        "subject": subject,
        "runs": len(runs),
    }
    lines = [json.dumps(one, separators=(",", ":"), allow_nan=False) for one in (header, *runs)]
    return gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
