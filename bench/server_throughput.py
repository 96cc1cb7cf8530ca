"""A server's throughput by other means: threads with one connection each, nothing of energyscore.

    python bench/server_throughput.py http://127.0.0.1:8000/v1 --model NAME --concurrency 1,8,32 \\
        [--seconds 60] [--results results]

Each thread asks one request after the other. Its rate is what it was given from the end of its
first request to the last end in that time (its second at least), by the time between the two; the
rates are added up.
With `--results` the tokens a second of energyscore's results stand beside it, and the exit status
is 1 where one is off by over 5%. Nobody else may ask the server meanwhile.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

LIMIT = 0.05
TEXTS = Path(__file__).parents[1] / "tasks" / "data" / "text_generation.jsonl"
EXACT = {"ignore_eos": True, "temperature": 0}


class Requests:
    """What threads ask: each time another prompt, with answers of so many tokens."""

    def __init__(self, model, texts, tokens, *, chat=False, plain=False):
        self.endpoint = "chat/completions" if chat else "completions"
        self._body = {"model": model, "max_tokens": tokens, "stream": True}
        self._body["stream_options"] = {"include_usage": True}
        if not plain:
            self._body |= {**EXACT, "min_tokens": tokens}
        self._texts, self._chat, self._number, self._lock = texts, chat, 0, threading.Lock()

    def next(self):
        """The next one as JSON."""
        with self._lock:
            number = self._number = self._number + 1
        text = f"{time.time_ns()}. {self._texts[number % len(self._texts)]}"
        asked = {"messages": [{"role": "user", "content": text}]} if self._chat else None
        return json.dumps((asked or {"prompt": text}) | self._body)


def ask(connection, path, body):
    """One request, to its end: the tokens that the server counts."""
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read().decode()
    if reply.status != 200:
        raise OSError(f"status {reply.status}: {text[:200]}")
    pieces = [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data: {")]
    return [one["usage"] for one in pieces if one.get("usage")][-1]["completion_tokens"]


def place(address, requests, until_s, rates):
    """One place in the queue: adds its requests and tokens a second to the rates."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=600)
    ended = []
    while len(ended) < 2 or ended[-1][0] < until_s:
        tokens = ask(connection, f"{url.path.rstrip('/')}/{requests.endpoint}", requests.next())
        ended.append((time.monotonic(), tokens))
    connection.close()
    # What ended later did so while fewer were in flight; but a rate takes two.
    ended = [one for nth, one in enumerate(ended) if one[0] < until_s or nth < 2]
    lasted_s = ended[-1][0] - ended[0][0]
    rates.append(((len(ended) - 1) / lasted_s, sum(n for _, n in ended[1:]) / lasted_s))


def throughput(address, requests, concurrency, seconds):
    """Requests and tokens a second with so many in flight all the time."""
    rates, asked = [], (address, requests, time.monotonic() + seconds)
    threads = [threading.Thread(target=place, args=(*asked, rates)) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(rates) < concurrency:
        raise SystemExit("Requests failed.")
    return tuple(map(sum, zip(*rates, strict=True)))


def measured(folder):
    """Tokens a second in energyscore's results of closed loops, by their concurrency."""
    found = [json.loads(path.read_text()) for path in sorted(Path(folder).rglob("*_*.json"))]
    return {
        one["load"]["concurrency"]: one["performance"]["output_tokens_per_s"]
        for one in found
        if one.get("load")
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("address")
    parser.add_argument("--model", required=True)
    parser.add_argument("--concurrency", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tokens", type=int, default=10, help="of each answer")
    parser.add_argument("--chat", action="store_true", help="ask for chat completions")
    parser.add_argument("--plain", action="store_true", help="do not ask for exact lengths")
    parser.add_argument("--results", help="a folder of energyscore's results of that server")
    given = parser.parse_args()
    texts = [json.loads(line)["text"] for line in TEXTS.read_text().splitlines()]
    how = {"chat": given.chat, "plain": given.plain}
    requests = Requests(given.model, texts, given.tokens, **how)
    ours, worst = measured(given.results) if given.results else {}, 0.0
    for concurrency in map(int, given.concurrency.split(",")):
        per_s, tokens_per_s = throughput(given.address, requests, concurrency, given.seconds)
        line = (
            f"{concurrency:>6,} at once: {per_s:.4g} requests, {tokens_per_s:.4g} tokens a second"
        )
        if concurrency in ours:
            worst = max(worst, abs(off := ours[concurrency] / tokens_per_s - 1))
            line += f"; energyscore {ours[concurrency]:.4g} ({off:+.1%})"
        print(line, flush=True)
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
