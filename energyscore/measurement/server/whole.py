"""The whole of a load, from its first request to its last: our tokens beside the server's own.

A run begins and ends while requests are in flight, so there the two counts differ by what is under
way. Before the first request and after the last one nothing is: there they must be equal.
"""

import time

from energyscore.measurement.server.load import ServerLoad
from energyscore.measurement.server.metrics import (
    LATE_NS,
    MetricsReading,
    grown_between,
    read_metrics,
)
from energyscore.results.load import WholeLoad

DRAIN_S = 60.0
"""Requests that take longer to end are given up; then nothing is said of the whole."""


def end_load(
    load: ServerLoad, address: str, key: str | None, before: MetricsReading | None
) -> WholeLoad | None:
    """Let a load end, and compare what was counted since `before`, when nothing was asked yet.

    None where the server has no metrics, or does not end its requests in time.
    """
    if before is None or not load.drain(DRAIN_S):
        return None
    time.sleep(LATE_NS / 1e9)
    after = read_metrics(address, key)
    if after is None:
        return None
    grown, ours = grown_between(before, after), load.totals
    return WholeLoad(
        requests=ours.requests,
        failed=ours.failed,
        input_tokens=ours.input_tokens,
        output_tokens=ours.output_tokens,
        server_requests=grown.get("requests_finished"),
        server_input_tokens=grown.get("input_tokens"),
        server_output_tokens=grown.get("output_tokens"),
    )
