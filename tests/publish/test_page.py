"""The page's HTML, read as a parser reads it."""

import base64
import hashlib
import itertools
import os
import random
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from support.commands import ROOT, energyscore, python
from support.results import make_cpu_run, make_performance, make_quality, make_run, sampled
from support.sites import HOSTILE, Page, many, phased_run, report_of, result_of

from energyscore.judge.footprint import footprint_of, make_site
from energyscore.protocol.grid import Grid
from energyscore.publish.page import to_page
from energyscore.publish.page.axis import log_axis
from energyscore.publish.page.names import page_names
from energyscore.publish.wording import short_count
from energyscore.results.compilation import Compilation
from energyscore.results.memory import Memory
from energyscore.results.model_part import CensusPart, ParentPart
from energyscore.results.parts import Notice, RawPart
from energyscore.results.result import parse_result, result_to_json


@pytest.fixture(scope="module")
def site():
    return to_page(report_of(many()))


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(data) for path, data in site.items() if path.endswith(".html")}


def page_of(result, *others):
    """The page of a result, which is read by the name that is given to it alone."""
    (name,) = page_names([result])
    return Page(to_page(report_of([result, *others]))[f"results/{name}.html"])


def facts_of(page):
    terms = [text for _, text in page.all("dt")]
    return dict(zip(terms, [text for _, text in page.all("dd")], strict=True))


def test_each_result_has_a_row_a_page_its_file_and_a_label_if_it_is_valid(site, pages):
    results = many()
    rows = pages["index.html"].rows()
    assert len(rows) == len(results)
    for result, name in zip(results, page_names(results), strict=True):
        assert f"results/{name}.html" in site
        assert parse_result(site[f"results/{name}.json"], "") == result
        assert (f"results/{name}.svg" in site) == result.valid
    assert len(site) == 1 + 3 * len(results) - 1


def test_a_page_tells_base_model_threads_and_energy_by_tokens():
    result = result_of(1, "org/adapter", 1.0)
    model = result.model.model_copy(update={"base_model": "org/base@1"})
    protocol = result.protocol.model_copy(update={"threads": {"intra_op": 3}})
    facts = facts_of(page_of(result.model_copy(update={"model": model, "protocol": protocol})))
    assert facts["Adapter on the base model"] == "org/base@1"
    assert facts["Threads on the processor"] == "3"
    assert facts["Energy of an output token"] == "360 mJ, 100 Wh for 1,000,000"
    silent = result_of(2, "org/a", 1.0, runs=[make_run(output_tokens=0, input_tokens=0)])
    facts = facts_of(page_of(silent))
    assert "Adapter on the base model" not in facts
    assert facts["Threads on the processor"] == "not known"
    assert not any("token" in name for name in facts if name.startswith("Energy"))


def test_a_page_tells_how_the_model_ran():
    census = CensusPart(bytes_before=4_000_000, bytes_after=1_000_000, layers=[])
    how = {"attention": "eager", "attention_default": "sdpa", "compiled": True}
    result = result_of(1, "org/a", 1.0)
    model = result.model.model_copy(update={"quantized_on_load": "nf4", "census": census, **how})
    compilation = Compilation(seconds=79.1, graphs=2, breaks=0)
    told = facts_of(page_of(result.model_copy(update={"model": model, "compilation": compilation})))
    assert told["Quantized on loading"] == "nf4: 1.0 MB of weights, 4.0 MB before"
    assert told["Attention"] == "eager instead of sdpa"
    assert told["Compiled"] == "in 79 s, before the runs"
    assert not {"Quantized on loading", "Attention", "Compiled"} & facts_of(page_of(result)).keys()


def tables_of(page):
    """The rows of each table, by its id; that of its section stands before the last `_`."""
    tables = {}
    for row in page.rows():
        tables.setdefault(row[""][0]["id"].rpartition("_")[0], []).append(row)
    return tables


def models(rows):
    return [row["Model"][0]["data-key"] for row in rows]


def test_a_page_tells_speed_and_quality_where_they_are_known():
    bare = result_of("text_generation", "org/bare", 1.0)
    assert "Latency of a query" not in facts_of(page_of(bare))
    speed, quality = make_performance(0.1), make_quality([1, 1, 0, 1])
    facts = facts_of(page_of(bare.model_copy(update={"performance": speed, "quality": quality})))
    assert facts["Queries a second"] == "10.0"
    assert facts["Output tokens a second"] == "100"
    assert facts["Latency of a query"] == "mean 60.0 ms, p50 50.0 ms, p90 100 ms, p99 200 ms"
    assert facts["Time to the first token"] == "p50 10.0 ms, p90 20.0 ms"
    assert facts["Quality of the answers"] == "accuracy 0.75 (0.71 to 0.79), 4 queries"
    assert not {"Memory of the model", "Made from"} & facts.keys()
    parent = ParentPart(id="org/base", source="card", relation="pruned", relation_source="card")
    model = bare.model.model_copy(update={"parent": parent})
    memory = Memory(weights_bytes=523 * 10**6, peak_gpu_bytes=1_240_000_000)
    facts = facts_of(page_of(bare.model_copy(update={"model": model, "memory": memory})))
    assert facts["Memory of the model"] == "weights 523 MB, at most 1.24 GB on the GPU"
    assert facts["Made from"] == "org/base, pruned (as the model card says)"
    unknown = page_of(bare.model_copy(update={"quality": make_quality()}))
    assert facts_of(unknown)["Quality of the answers"] == "not known (the weights are random)"


def test_rows_are_in_order_of_energy_and_what_has_none_is_last(pages):
    tables = tables_of(pages["index.html"])
    sections = {name.rpartition("_")[0] for name in tables}
    assert sections == {"task-text-generation-class-a", "task-text-generation-class-c"}
    cells = {name: [row["Wh per 1,000 queries"] for row in rows] for name, rows in tables.items()}
    for column in cells.values():
        keys = [attrs["data-key"] for attrs, _ in column]
        figures = [float(key) for key in keys if key]
        assert figures == sorted(figures)
        assert keys == [*keys[: len(figures)], *[""] * (len(keys) - len(figures))]
    first, *_, last = [name for name in cells if "class-a" in name]
    assert cells[first][-1][1] == "0.00100 ± 0 Wh (0.00 %)"  # the invalid one
    assert cells[last][-1][1] == "not measured run 1: gpu:GPU-0: the GPU was lost"


def test_each_table_holds_what_is_comparable_and_says_what(pages):
    tables = tables_of(pages["index.html"])
    titles = [text for _, text in pages["index.html"].all("h3")]
    class_a = {name: models(rows) for name, rows in tables.items() if "class-a" in name}
    on_h100, on_cpu, lone, lost = class_a.values()
    assert len(on_h100) == 10 + len(HOSTILE)
    assert on_cpu == ["org/on-cpu-0", "org/on-cpu-1", "org/on-cpu-2"]
    assert (lone, lost) == (["org/other-gpu"], ["org/lost"])
    assert titles[:4] == [
        "NVIDIA H100 80GB HBM3, GPU, measured",
        "A processor, CPU and RAM, estimated",
        "Measured, comparable to no other result here",
        "No energy was measured",
    ]


def test_no_table_mixes_measured_and_estimated_figures_nor_two_cohorts():
    other = make_cpu_run(joules=90.0)
    results = [
        *(result_of(n, f"org/gpu-{n}", 1.0 + n) for n in range(2)),
        *(result_of(10 + n, f"org/slow-{n}", 2.0 + n, dtype="float32") for n in range(2)),
        result_of(20, "org/est-0", None, gpu=None, runs=[other]),
        result_of(21, "org/est-1", None, gpu=None, runs=[make_cpu_run()]),
        result_of(22, "org/est-2", None, gpu=None, runs=[make_cpu_run()], size=None),
    ]
    page = Page(to_page(report_of(results))["index.html"])
    found = [set(models(rows)) for rows in tables_of(page).values()]
    assert found == [
        {"org/est-2"},
        {"org/gpu-0", "org/gpu-1"},
        {"org/slow-0", "org/slow-1"},
        {"org/est-0", "org/est-1"},
    ]
    titles = [text for _, text in page.all("h3")]
    assert titles[1:3] == [
        "NVIDIA H100 80GB HBM3, GPU, measured, float16",
        "NVIDIA H100 80GB HBM3, GPU, measured, float32",
    ]
    notes = [text for _, text in page.all("p", **{"class": "note"})]
    # The estimates: 0.375 Wh (135 J of 100 queries) and 30 Wh: bands of 5.92 Wh.
    (line,) = [note for note in notes if "cohort of 2: 0.375 to" in note]
    assert line == (
        "Stars in a cohort of 2: 0.375 to 30.0 Wh in 5 bands of 5.92 Wh; the lowest has 5 stars. "
        "Of two, they say only which takes less."
    )


def test_cohorts_of_drawn_and_of_greedy_answers_are_told_apart():
    greedy = [result_of(n, f"org/{n}", n + 1.0, gpu="NVIDIA A100") for n in range(2)]
    drawn = [sampled(result_of(n, f"org/{n}", n + 1.0, gpu="NVIDIA A100")) for n in range(2, 4)]
    page = Page(to_page(report_of(greedy + drawn))["index.html"])
    titles = [text for _, text in page.all("h3") if text.startswith("NVIDIA A100")]
    assert titles == [
        "NVIDIA A100, GPU, measured",
        "NVIDIA A100, GPU, measured, drawn at temperature 0.7",
    ]


def test_the_rail_reaches_as_far_as_it_is_said_to():
    results = [result_of(n, f"org/{n}", wh) for n, wh in enumerate((1.0, 100.0))]
    page = Page(to_page(report_of(results))["index.html"])
    (note,) = [text for _, text in page.all("p", **{"class": "note"}) if "rail" in text]
    low, high = map(float, re.findall(r"from ([\d.]+) to ([\d.]+) Wh", note)[0])
    first, last = (float(a["cx"]) for a, _ in page.all("circle") if a.get("r") == "4")
    # The rail is 108 px long, and 1 to 100 Wh two decades on it.
    decade = (last - first) / 2
    assert low == pytest.approx(10 ** ((6 - first) / decade), rel=0.01)
    assert high == pytest.approx(100 * 10 ** ((114 - last) / decade), rel=0.01)


def test_no_tokens_are_no_number():
    result = result_of(1, "org/m", 1)
    work = result.workload.model_copy(update={"input_tokens": 0, "output_tokens": 0})
    runs = [run.model_copy(update={"input_tokens": 0, "output_tokens": 0}) for run in result.runs]
    result = result.model_copy(update={"workload": work, "runs": runs})
    (row,) = Page(to_page(report_of([result]))["index.html"]).rows()
    assert row["Tokens of a query"][1] == "none"
    page = page_of(result)
    assert facts_of(page)["Tokens of a query"] == facts_of(page)["Input tokens of a pass"] == "none"
    assert " 0 in" not in page.text() and " 0 out" not in page.text()


def test_what_is_invalid_or_not_measured_has_no_stars_and_no_place_in_the_plot(pages):
    page = pages["index.html"]
    rows = {row["Model"][0]["data-key"]: row for row in page.rows()}
    for model, why in (("org/lost", "gpu:GPU-0"), ("org/spoiled", "another process")):
        attrs, text = rows[model]["Stars"]
        assert attrs["data-key"] == ""
        assert text.startswith("none")
        assert why in rows[model]["Stars"][1] + rows[model]["Wh per 1,000 queries"][1]
    drawn = {attrs["data-row"] for attrs, _ in page.all("a") if "data-row" in attrs}
    shown = {row[""][0]["id"] for row in page.rows() if row["Wh per 1,000 queries"][0]["data-key"]}
    # What is comparable to no other is not plotted.
    lone = {rows[model][""][0]["id"] for model in ("org/large", "org/other-gpu")}
    assert drawn == shown - lone
    assert "invalid" in rows["org/spoiled"]["Model"][1]


def test_estimates_are_marked_at_figure_and_stars(pages):
    rows = pages["index.html"].rows()
    estimated = [row for row in rows if row[""][0]["data-basis"] == "estimated"]
    assert len(estimated) == 3
    for row in rows:
        for column in ("Wh per 1,000 queries", "Stars"):
            assert ("estimated" in row[column][1]) == (row in estimated), row
    assert estimated[0]["Energy of"][1] == "CPU and RAM estimated"
    assert "in a cohort of 3" in estimated[0]["Stars"][1]


def test_hostile_names_stay_text(pages):
    for path, page in pages.items():
        assert len(page.all("script")) == (path == "index.html")
        assert all(attrs["src"].endswith(".svg") for attrs, _ in page.all("img"))
        assert "within" not in [text for _, text in page.all("b")]
        for tag, attrs, _ in page.elements:
            assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
            assert "style" not in attrs  # the policy would not let it work
    shown = {text for _, text in pages["index.html"].all("bdi")}
    expected = {" ".join(name.split()) or "(a model without a name)" for name in HOSTILE}
    assert expected <= shown
    headings = {page.text("h1") for page in pages.values()}
    assert expected <= headings


def test_characters_that_are_unseen_or_turn_others_around_are_replaced():
    data = to_page(report_of([result_of(1, "safe\u202egnp.exe\x00\x1b[31m", 1.0)]))["index.html"]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", data.decode())
    assert "safe\ufffdgnp.exe\ufffd\ufffd[31m" in data.decode()


def test_every_link_leads_to_a_file_of_the_site_or_to_the_hub(site, pages):
    for path, page in pages.items():
        ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
        assert len(ids) == len(set(ids))
        for attrs, _ in page.all("a"):
            address = urlsplit(attrs["href"])
            if address.scheme:
                assert re.fullmatch(r"https://huggingface\.co/[\w./-]+", attrs["href"])
                continue
            assert not address.netloc
            target = address.path or path
            if path.startswith("results/") and address.path:
                target = target[3:] if target.startswith("../") else f"results/{target}"
            assert target in site, attrs
            if address.fragment:
                there = {a.get("id") for _, a, _ in pages[target].elements}
                assert address.fragment in there
    models = {text for _, text in pages["index.html"].all("bdi")}
    assert {"../../etc/passwd", "javascript:alert(1)"} <= models


def test_places_in_the_page_are_unique_whatever_tasks_are_called():
    names = ("main", "filter-text", "a b", "a-b", "a_b", "a b 2", "stars-1", "row 1", "<b>")
    results = []
    for name in names:
        for number in range(2):
            result = result_of(f"{name} {number}", "org/m", 1.0 + number, size=None)
            task = result.task.model_copy(update={"id": name})
            results.append(result.model_copy(update={"task": task}))
    page = Page(to_page(report_of(results))["index.html"])
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert len(page.all("section", **{"class": "task"})) == len(names)


def test_short_times_are_no_zero():
    runs = [make_run(seconds=20.0)]
    assert facts_of(page_of(result_of(1, "org/m", 1, runs=runs)))["Time of a query"] == "20.0 ms"


def test_nothing_is_fetched_and_only_our_script_may_run(pages):
    for page in pages.values():
        assert not [
            a for tag, a, _ in page.elements if tag in ("iframe", "object", "embed", "base")
        ]
        assert all(attrs["href"].startswith("data:") for attrs, _ in page.all("link"))
        assert all("src" not in attrs for attrs, _ in page.all("script"))
        (policy,) = [a["content"] for a, _ in page.all("meta") if a.get("http-equiv") is not None]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        for tag in ("style", "script"):
            for name, _, text in page.elements:
                if name == tag:
                    assert "url(" not in "".join(text) and "@import" not in "".join(text)
                    digest = hashlib.sha256("".join(text).encode()).digest()
                    assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_pages_can_be_walked_by_headings_and_landmarks(pages):
    for page in pages.values():
        assert page.all("html")[0][0]["lang"] == "en"
        assert page.all("title")[0][1]
        levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        assert page.all("a")[0][0]["href"] == "#main"
        assert len(page.all("main", id="main")) == 1
        for attrs, _ in page.all("img"):
            assert attrs["alt"].startswith("Energy label of")
        for tag, attrs, _ in page.elements:
            if tag == "svg":
                assert attrs.get("aria-hidden") == "true" or attrs.get("aria-label"), attrs


def test_the_same_results_give_the_same_bytes_in_any_order(site):
    results = many()
    random.Random(3).shuffle(results)
    again = to_page(report_of(results))
    assert list(again) == list(site)
    assert again == site
    assert list(site)[-1] == "index.html"


def test_no_path_of_the_maker_is_told(site):
    assert not [path for path, data in site.items() if b"/home/someone" in data]


def test_a_page_shows_phases_runs_cautions_protocol_and_environment():
    spread = next(result for result in many() if result.model.id == "org/spread")
    notice = Notice(code="slow", message="a clock fell", invalidates=False)
    runs = [spread.runs[0].model_copy(update={"notices": [notice]}), *spread.runs[1:]]
    page = page_of(spread.model_copy(update={"runs": runs}))
    body = page.text()
    # 2.0, 2.1 ... 2.4 Wh: their mean, t(4) = 2.776 times the standard error 0.0707
    assert "2.20 Wh per 1,000 queries" in body
    assert "± 0.20 Wh (8.9 %), 95 % interval of 5 runs" in body
    # A quarter and three quarters of that, to the decimals that they have.
    assert "0.550 ± 0.049 Wh" in body and "1.65 ± 0.15 Wh" in body
    assert "± is half the 95 % interval over the runs" in body
    assert "5 runs from 2.00 to 2.40 Wh" in body and "mean is 2.01 to 2.41 Wh" in body
    cells = [text for _, text in page.all("td")]
    for energy in ("2.00 Wh", "2.10 Wh", "2.20 Wh", "2.30 Wh", "2.40 Wh"):
        assert energy in cells
    assert cells.count("25.0 %") == 1 and cells.count("75.0 %") == 1
    (bar,) = [attrs["aria-label"] for attrs, _ in page.all("svg", **{"class": "phases"})]
    assert bar == "Energy by phase: prefill 25.0 %, decode 75.0 %"
    widths = [
        (attrs["x"], attrs["width"])
        for attrs, _ in page.all("rect")
        if attrs.get("class", "").startswith("phase-") and "x" in attrs
    ]
    assert widths == [("0.0", "250.0"), ("250.0", "750.0")]
    assert "SM clocks moved by 7 % <b>within</b> a run" in body
    assert "run 1: a clock fell" in body
    for check in spread.conformance:
        assert check.name in body and check.actual in body
    facts = facts_of(page)
    assert facts["Power limit"] == "700 W"
    assert facts["GPU driver"] == "none"
    assert facts["Parameters"] == "3.00 B (3,000,000,000)"
    assert facts["Dataset"] == "EnergyStarAI/text_generation (official)"


@pytest.mark.parametrize(
    ("steady", "said"),
    [(True, "100 queries, steady"), (False, "queries, not steady"), (None, "pace not checked")],
)
def test_a_page_says_whether_the_pace_was_steady_and_whether_anybody_looked(steady, said):
    result = result_of(1, "org/m", 1.0)
    protocol = result.protocol.model_copy(update={"warmup_steady": steady})
    page = page_of(result.model_copy(update={"protocol": protocol}))
    assert facts_of(page)["Warm-up"].endswith(said)


def test_phases_that_are_not_known_say_why_and_are_no_zero():
    run = phased_run(0, 3600.0)
    domain = next(iter(run.energy_j))
    phases = {
        name: part.model_copy(update={"energy_j": {domain: None}})
        for name, part in run.phases.items()
    }
    unsplit = run.model_copy(
        update={"phases": phases, "phase_reasons": {domain: "too few updates"}}
    )
    page = page_of(result_of(1, "org/m", 1, runs=[unsplit]))
    assert "too few updates" in page.text()
    assert [text for _, text in page.all("td")][:3] == ["not known", "20.0 %", "20.0 s"]
    assert page.all("svg", **{"class": "phases"})[0][0]["aria-label"].startswith("Time by phase")


def test_a_page_without_a_figure_says_so():
    page = page_of(result_of(1, "org/m", None, runs=[make_run(joules=None)]))
    body = page.text()
    assert "Not measured" in body and "the GPU was lost" in body and "No stars." in body
    assert not re.search(r"\b0(\.0+)? Wh", body)


def test_one_run_has_no_interval_and_an_invalid_result_no_label():
    page = page_of(result_of(1, "org/m", 1, runs=[make_run()], invalid=("a reason",)))
    assert "one run, no interval" in page.text()
    assert "a reason" in page.text()
    assert not page.all("img")


def test_other_results_of_a_model_are_linked():
    first = result_of(1, "org/m", 1.0)
    second = result_of(2, "org/m", None, gpu=None, runs=[make_cpu_run()])
    assert "CPU and RAM, A processor" in page_of(first, second).text()


def test_names_are_safe_unique_and_stay_when_it_is_measured_again():
    results = [*many(), result_of(10, "org/model-0", 9.0, created_at="2025-01-01T00:00:00Z")]
    names = page_names([*results, results[-1]])
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{1,160}", name) for name in names)
    newer = result_of(10, "org/model-0", 1.0, created_at="2027-01-01T00:00:00Z")
    assert page_names([newer]) == names[:1] == page_names(results)[:1]


def test_labels_are_well_formed(site):
    for path, data in site.items():
        if path.endswith(".svg"):
            assert ET.fromstring(data).tag.endswith("svg")


@pytest.mark.parametrize("energy", [5e-324, 1e-300, 1e-5, 9.9e14])
def test_figures_of_any_size_can_be_shown(energy):
    wide = result_of(2, "org/n", 1, parameters=10**400)
    result = result_of(1, "org/m", 1, parameters=1)
    score = result.score.model_copy(update={"gpu_wh_per_1k_queries": energy})
    index = Page(
        to_page(report_of([result.model_copy(update={"score": score}), wide]))["index.html"]
    )
    assert "nan" not in {attrs.get("cy") for attrs, _ in index.all("circle")}
    assert "10^400" in index.text("table")


def test_axes_place_figures_by_their_logarithm():
    axis = log_axis([1, 1000], 100.0, 400.0, margin=0)
    assert axis.at(1) < axis.at(10) < axis.at(100) < axis.at(1000)
    assert axis.at(100) - axis.at(10) == pytest.approx(axis.at(10) - axis.at(1))
    assert axis.at(0) == 100.0 and axis.at(10**9) == 400.0
    assert log_axis([8.46, 8.91], 0, 1).ticks() == pytest.approx([7, 8, 9, 10])
    assert axis.ticks() == pytest.approx([1, 3, 10, 30, 100, 300, 1000])
    assert 2 <= len(log_axis([1e-20, 1e20], 0, 1).ticks()) <= 7


def test_counts_have_three_digits():
    shown = {950: "950", 1500: "1.50 k", 999_600: "1.00 M", 124_439_808: "124 M"}
    shown |= {7 * 10**9: "7.00 B", 10**25: "10^25"}
    assert {number: short_count(number) for number in shown} == shown


def with_raw(result, file="20260101T000000Z_aa.raw.jsonl.gz", data=b"raw"):
    part = RawPart(file=file, sha256=hashlib.sha256(data).hexdigest())
    return result.model_copy(update={"raw": part})


def site_with(result, data):
    (entry,) = report_of([result])
    site = to_page([entry], raw_of=lambda entry: data)
    (page,) = [Page(content) for path, content in site.items() if path.startswith("results/")
               and path.endswith(".html")]  # fmt: skip
    return site, page


def test_a_raw_record_stands_beside_its_result_and_is_linked():
    site, page = site_with(with_raw(result_of(1, "org/m", 1)), b"raw")
    assert site["results/20260101T000000Z_aa.raw.jsonl.gz"] == b"raw"
    assert page.all("a", href="20260101T000000Z_aa.raw.jsonl.gz")


@pytest.mark.parametrize(
    ("change", "data", "why"),
    [
        ({}, None, "it did not lie beside the result"),
        ({}, b"other", "was changed"),
        ({"file": "index.html"}, b"raw", "cannot stand here"),
        (None, None, "none was kept"),
    ],
)
def test_a_raw_record_that_is_not_there_is_said_to_be_missing(change, data, why):
    result = result_of(1, "org/m", 1)
    site, page = site_with(result if change is None else with_raw(result, **change), data)
    assert not [path for path in site if path.endswith(".gz")] and len(site) == 4
    assert why in page.text() and "is not here" in page.text()


def test_co2_and_cost_stand_in_the_page_with_what_they_stand_on():
    site = make_site(Grid("FRA", 50.0, "a table"), 1.2, "0.5 EUR")
    entries = [
        replace(entry, footprint=footprint_of(entry.result, site))
        for entry in report_of([result_of(1, "org/m", 10.0)])
    ]
    files = to_page(entries)
    index = Page(files["index.html"])
    (row,) = index.rows()
    # 10 Wh x 1.2: 12 Wh, of 50 g and half a euro a kWh
    assert "600 mg CO2, 0.00600 EUR (6.00 EUR for 1,000,000)" in row["Wh per 1,000 queries"][1]
    assert "PUE 1.2 x 50.0 g/kWh (FRA; a table)" in index.text()
    (path,) = [path for path in files if path.endswith(".html") and "/" in path]
    facts = facts_of(Page(files[path]))
    assert facts["CO2 of 1,000 queries"] == "600 mg"
    assert facts["Cost of 1,000 queries"] == "0.00600 EUR (6.00 EUR for 1,000,000)"


def test_the_command_writes_the_site_and_brings_it_up_to_date(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    for place, result in enumerate(many()[:3]):
        result = with_raw(result, f"{place}.raw.jsonl.gz", b"%d" % place)
        (results / f"{place}.raw.jsonl.gz").write_bytes(b"%d" % place)
        (results / f"{place}.json").write_text(result_to_json(result))
    out = results / "site"  # among the results: its copies are no results
    done = energyscore("page", results, "-o", out, "--title", "Ours <3")
    assert (done.status, done.stdout) == (0, f"{out}/index.html: 3 results of 3 models\n")
    (results / "0.json").unlink()
    assert energyscore("page", results, "-o", out, "--title", "Ours <3").status == 0
    page = Page((out / "index.html").read_bytes())
    assert page.text("h1") == "Ours <3"
    assert len(page.rows()) == 2 == len(list((out / "results").glob("*.html")))
    raws = sorted(path.name for path in (out / "results").glob("*.gz"))
    assert raws == ["1.raw.jsonl.gz", "2.raw.jsonl.gz"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    refused = energyscore("page", results, "-o", tmp_path / "mine")
    assert refused.status == 2
    assert "thesis.txt" in refused.error and "--force" in refused.error
    assert len(list((tmp_path / "mine").iterdir())) == 1


def test_of_many_results_the_newest_have_pages_and_all_are_listed(pages):
    results = many()
    site = to_page(report_of(results), most_pages=3)
    index = Page(site["index.html"])
    newest = sorted(results, key=lambda one: one.created_at, reverse=True)[:3]
    names = page_names(results)
    paged = {path for path in site if path.startswith("results/") and path.endswith(".html")}
    assert len(paged) == 3
    assert paged <= {f"results/{name}.html" for name in names}
    oldest_of_them = min(one.created_at for one in newest)
    for name, result in zip(names, results, strict=True):
        if result.created_at > oldest_of_them:
            assert f"results/{name}.html" in paged
    assert len(index.rows()) == len(pages["index.html"].rows()) == len(results)
    assert "The newest 3 results have a page of their own." in site["index.html"].decode()
    linked = {href for href in re.findall(r'href="(results/[^"#]*)', site["index.html"].decode())}
    assert linked == paged


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
def test_many_pages_are_made_by_several_processes_and_are_the_same():
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from support.sites import many, report_of
from energyscore.publish import page
makers = os.memfd_create("makers")
def whole(entry):
    os.write(makers, b"%d " % os.getpid())
    return entry.result
report = report_of(many())
alone = page.to_page(report)
page._MANY_PAGES = 2
assert page.to_page(report, whole=whole) == alone
assert len(set(os.pread(makers, 10_000, 0).split())) > 1
"""
    assert not python(code).stderr
