"""Submissions of servers: what was counted is counted again, and who changes it is found out.

The forger knows the format and the checks, and computes anew all that follows from a change.
"""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.submissions import Opened

from energyscore.results.performance import FirstToken, Latency, Performance
from energyscore.verify.checker import verify
from energyscore.verify.raw_record import RawRun
from energyscore.verify.requests import recount
from energyscore.verify.served import of_requests

DATA = Path(__file__).parents[1] / "data" / "served"
NOW = datetime(2026, 12, 24, tzinfo=UTC)
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "thinking_tokens")


@pytest.fixture
def closed():
    return Opened((DATA / "closed.zip").read_bytes())


@pytest.fixture
def offered():
    return Opened((DATA / "open.zip").read_bytes())


def failed(opened):
    """The checks that fail, by name."""
    findings = verify(opened.closed(), now=NOW).findings
    return {one.check for one in findings if one.level == "failed"}


def requests_of(opened, run=0):
    return opened.raw[run + 1]["requests"]


def counted_anew(opened):
    """All figures of the runs follow from the requests again."""
    result = opened.result
    for run, raw in zip(result["runs"], opened.raw[1:], strict=True):
        record = RawRun.model_validate(raw)
        found, load, seconds = recount(record, record.requests), run["load"], run["duration_s"]
        tokens, ended = record.requests.output_tokens, found.ended
        run |= {
            "queries": round(found.requests),
            "input_tokens": round(found.input_tokens),
            "output_tokens": round(found.output_tokens),
        }
        waits_s = [
            (record.requests.last_s[n] - record.requests.first_s[n]) / (tokens[n] - 1)
            for n in ended
        ]
        straddling = len(found.straddling)
        load |= {
            "requests": found.requests,
            "completed": len(ended),
            "failed": len(record.requests.failed),
            "straddling": straddling,
            "bound": straddling / found.requests,
            "other_lengths": sum(tokens[n] != 10 for n in ended),
            "time_per_output_token_s": sum(waits_s) / len(waits_s),
        }
        run["performance"] = performance(record, run, seconds)
    first = result["runs"][0]
    for name in ("input_tokens", "output_tokens"):
        whole = first[name] / first["load"]["requests"] * result["workload"]["queries"]
        result["workload"][name] = round(whole)
    for name in ("completed", "failed"):
        result["load"][name] = sum(run["load"][name] for run in result["runs"])
    opened.rescore()
    opened.derived()
    return opened


def performance(record, run, seconds):
    import numpy as np

    whole_s, first_s = of_requests(record)
    p50, p90, p99 = np.quantile(whole_s, (0.5, 0.9, 0.99))
    first = np.quantile(first_s, (0.5, 0.9))
    return Performance(
        queries_per_s=run["load"]["requests"] / seconds,
        output_tokens_per_s=run["output_tokens"] / seconds,
        latency_s=Latency(mean=float(np.mean(whole_s)), p50=p50, p90=p90, p99=p99),
        time_to_first_token_s=FirstToken(p50=first[0], p90=first[1]),
    ).model_dump(mode="json")


def without(requests, place):
    """The same requests without one of them, in the same form."""
    sent = list(itertools.accumulate(requests["sent_us"]))
    kept = [n for n in range(len(sent)) if n != place]
    sent = [sent[n] for n in kept]
    found = dict(requests)
    found["sent_us"] = sent[:1] + [b - a for a, b in itertools.pairwise(sent)]
    for name in ("first_us", "last_us", "done_us", "waited_us", *TOKENS):
        if requests[name] is not None:
            found[name] = [requests[name][n] for n in kept]
    for name in ("failed", "cut"):
        found[name] = [n - (n > place) for n in requests[name] if n != place]
    found["edges"] = {}
    for end, columns in requests["edges"].items():
        rows = zip(*columns.values(), strict=True)
        rows = [(n - (n > place), *rest) for n, *rest in rows if n != place]
        columns = zip(columns, zip(*rows, strict=True), strict=True)
        found["edges"][end] = {name: list(column) for name, column in columns}
    return found


def test_what_is_counted_again_is_the_same(closed, offered):
    for opened in (closed, offered):
        assert failed(opened) == set()
        assert failed(counted_anew(opened)) == set(), "the forger's arithmetic is right"


def more_tokens(opened):
    """Twice the tokens of each answer: half the joules of a token."""
    for run in range(3):
        requests = requests_of(opened, run)
        requests["output_tokens"] = [2 * n for n in requests["output_tokens"]]


def more_tokens_of_some(opened):
    """The same of answers that are not forced to a length."""
    opened.result["load"]["lengths"] = "actual"
    requests_of(opened)["output_tokens"][5] += 1


def faster(opened):
    """Answers that took half the time: latency at the same throughput."""
    for run in range(3):
        requests = requests_of(opened, run)
        inside = set(range(len(requests["done_us"])))
        for end in requests["edges"].values():
            inside -= set(end["request"])
        for name in ("first_us", "last_us", "done_us"):
            requests[name] = [
                n // 2 if place in inside else n for place, n in enumerate(requests[name])
            ]


def one_less(opened):
    """As if a request that failed had not been there."""
    opened.raw[1]["requests"] = without(requests_of(opened), 20)


def one_more(opened):
    """A request that nobody sent."""
    requests = requests_of(opened)
    requests["sent_us"][11:11] = [0]
    for name in ("first_us", "last_us", "done_us", *TOKENS):
        if requests[name] is not None:
            requests[name][11:11] = [requests[name][10]]
    for end in requests["edges"].values():
        end["request"] = [n + (n >= 11) for n in end["request"]]
    requests["cut"] = [n + (n >= 11) for n in requests["cut"]]


def another_load(opened):
    opened.result["load"]["concurrency"] = 8


@pytest.mark.parametrize(
    ("forge", "check"),
    [
        (more_tokens, "requests"),
        (more_tokens_of_some, "requests"),
        (faster, "places"),
        (one_less, "places"),
        (one_more, "places"),
        (another_load, "places"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_forgery_that_hangs_together_is_caught(closed, forge, check):
    forge(closed)
    assert check in failed(counted_anew(closed))


def test_a_request_that_is_missing_in_an_open_loop_is_caught(offered):
    requests = requests_of(offered)
    offered.raw[1]["requests"] = without(requests, len(requests["done_us"]) // 2)
    assert failed(counted_anew(offered)) == {"places"}
    assert "a request was due that is not recorded" in "".join(
        one.message for one in verify(offered.closed(), now=NOW).findings
    )


def test_another_rate_than_that_of_the_arrivals_is_caught(offered):
    offered.result["load"]["request_rate"] = 9.0
    assert "places" in failed(offered)


def queries(opened):
    opened.result["runs"][0]["queries"] += 1


def tokens(opened):
    opened.result["runs"][1]["output_tokens"] += 5


def completed(opened):
    opened.result["runs"][1]["load"]["completed"] += 1
    opened.result["load"]["completed"] += 1


def hidden_failure(opened):
    """A failure that is said to be none: its run would be valid."""
    requests_of(opened)["failed"] = [20]


def pieces(opened):
    """More of the straddling answers lies inside than came there."""
    end = requests_of(opened)["edges"]["end"]
    end["came"] = list(end["pieces"])


def no_requests(opened):
    del opened.raw[1]["requests"]


def no_raw(opened):
    del opened.files[opened.raw_name]
    opened.result["raw"] = None
    opened.raw = []


def server_told_less(opened):
    told = opened.result["runs"][0]["load"]["server"]
    told["output_tokens"] = told["output_tokens"] // 2


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (queries, "requests"),
        (tokens, "requests"),
        (completed, "requests"),
        (hidden_failure, "requests"),
        (pieces, "requests"),
        (no_requests, "requests"),
        (no_raw, "load"),
        (server_told_less, "server's counts"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_what_does_not_follow_from_the_requests_is_caught(closed, change, check):
    change(closed)
    assert check in failed(closed)


def test_failures_that_are_told_make_an_invalid_result_and_a_good_submission(closed):
    requests_of(closed)["failed"] = [20]
    counted_anew(closed)
    notice = {"code": "request_failed", "message": "1 request failed", "invalidates": True}
    closed.result["runs"][0]["notices"] = [notice]
    closed.result["cautions"].append({"code": "request_failed", "message": "1 request failed"})
    closed.result |= {"valid": False, "invalid_reasons": ["run 1: 1 request failed"]}
    closed.listed["not_official"] = ["validity", *closed.listed["not_official"]]
    for name in ("GPU_ENERGY_WH.txt", "GPU_ENERGY_SUMMARY.json"):
        del closed.files[f"{closed.folder}/{name}"]
    assert failed(closed) == set()
