"""Energy of a server's model against throughput and latency, in the page."""

import re

import pytest
from support.results import make_run, make_server_result
from support.sites import Page, report_of

from energyscore.publish.page import to_page

LOADS = ((1, 2.0, 100.0), (8, 0.8, 500.0), (32, 0.5, 1000.0))  # at once, J a token, tokens/s


def served(number, concurrency, joules, tokens_per_s, *, model="org/model", **more):
    """A result of a load, whose runs are of ten tokens a query, and 1 % apart."""
    runs = [
        make_run(index, joules=joules * 10_000 * share) for index, share in enumerate((0.99, 1.01))
    ]
    return make_server_result(
        model, concurrency, runs=runs, tokens_per_s=tokens_per_s, identity=f"{number:064}", **more
    )


ALL = [served(n, *one) for n, one in enumerate(LOADS)]


def index_of(*results):
    return Page(to_page(report_of(results))["index.html"])


def plots(page, kind="wide"):
    """What each figure of curves draws for one kind of screen: its elements."""
    found, inside = [], False
    for tag, attrs, text in page.elements:
        if tag == "figure":
            inside = attrs.get("class") == "plot curves"
        if inside and tag in ("svg", "figcaption"):
            right = attrs.get("class") == kind
            found += [[]] if right else []
        elif inside and found and right:
            found[-1].append((tag, attrs, " ".join("".join(text).split())))
    return found


@pytest.mark.parametrize("kind", ["wide", "narrow"])
def test_each_load_is_a_point_against_throughput_and_against_latency(kind):
    by_throughput, by_latency = plots(index_of(*ALL), kind)
    for elements in (by_throughput, by_latency):
        dots = [(float(a["cx"]), float(a["cy"])) for tag, a, _ in elements if tag == "circle"]
        (curve,) = [a["d"] for tag, a, _ in elements if tag == "path" and a["class"] == "front"]
        assert curve == "M" + "L".join(f"{x} {y}" for x, y in dots), "joined by load"
        assert sorted(dots) == dots, "more throughput to the right, and more latency"
        assert dots[0][1] < dots[1][1] < dots[2][1], "the less energy the lower"
        bars = [a for tag, a, _ in elements if tag == "path" and a["class"] == "bar"]
        assert len(bars) == 3, "each has its interval"
        named = [text for _, attrs, text in elements if attrs.get("class") == "model"]
        assert named == ["1 at once", "8 at once", "32 at once"]
    names = [text for _, attrs, text in by_throughput if attrs.get("class") == "name"]
    assert names == ["output tokens a second", "J per output token"]
    titles = [text for tag, _, text in by_latency if tag == "title"]
    assert titles[2].startswith(
        "requests in flight, 8 at once: 0.80 J per output token (± 0.10 J (13 %)), "
        "500 tokens/s, latency 160 ms, GPU"
    )


def test_the_table_behind_it_and_the_caption_say_the_same():
    page = index_of(*ALL)
    rows = [text for _, text in page.all("tr")]
    head = "LoadJ per output tokenWh per 1,000 queriesThroughputFirst token p50"
    place = next(n for n, text in enumerate(rows) if text.startswith(head))
    assert [text[:9] for text in rows[place + 1 :]] == ["1 at once", "8 at once", "32 at onc"]
    assert "1,000 tokens/s64.0 ms320 ms384 ms" in rows[-1]
    (said,) = [text for _, text in page.all("figcaption") if "Least energy" in text]
    assert re.match(
        r"Least energy as measured: 32 at once, 0\.500 J per output token, 1,000 tokens/s, "
        r"latency 320 ms\.",
        said,
    )
    groups = [
        a["aria-label"] for a, _ in page.all("div", role="group") if "load" in a["aria-label"]
    ]
    assert [text.split(",")[0] for text in groups] == [
        "Plot of energy against throughput under each load",
        "Plot of energy against latency under each load",
    ]


def test_lone_loads_have_no_curve_and_the_newest_of_a_load_counts():
    lone = served(9, 4, 1.0, 300.0, model="org/lone")
    lost = served(10, 64, 0.1, 2000.0, invalid=("others asked the server",))
    older = served(11, 8, 9.0, 10.0, created_at="2020-01-01T00:00:00Z")
    page = index_of(*ALL, lone, lost, older)
    assert [text for _, text in page.all("h3") if "org/" in text] == [
        f"org/model: Text generation, {ALL[0].hardware}"
    ]
    assert len(plots(page)) == 2
    assert len([tag for tag, *_ in plots(page)[0] if tag == "circle"]) == 3
    assert "Servers under load" not in index_of(lone).text()


def test_a_load_that_is_offered_has_a_curve_of_its_own():
    offered = [
        served(20 + n, 1, 1.0 / rate, 10.0 * rate, request_rate=rate)
        for n, rate in ((0, 2), (1, 4))
    ]
    page = index_of(*ALL, *offered)
    elements = plots(page)[0]
    curves = [a for tag, a, _ in elements if tag == "path" and a["class"] == "front"]
    assert sorted(one["d"].count("L") + 1 for one in curves) == [2, 3]
    assert len({one.get("stroke-dasharray") for one in curves}) == 2, "not told by colour alone"
    titles = [text for tag, _, text in elements if tag == "title"]
    assert titles[:2] == ["requests a second", "requests in flight"]
    assert titles[2].startswith("requests a second, 2 a second: ")


def test_a_row_that_compares_to_no_other_says_its_load():
    rows = [text for attrs, text in index_of(*ALL).all("th", role="rowheader")]
    assert [text for text in rows if "32 at once" in text], rows
    assert all(text.count("at once") == 1 for text in rows)
