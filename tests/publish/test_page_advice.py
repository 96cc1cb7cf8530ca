"""Pages of advice, and their picture: from a report to HTML and SVG."""

import itertools
import json
import re
import xml.etree.ElementTree as ET

import pytest
from support.results import make_cpu_run
from support.sites import HOSTILE, Page, answered, report_of, result_of
from typer.testing import CliRunner

from energyscore.base.errors import ResultError
from energyscore.cli.app import app
from energyscore.judge.advice.advise import ServiceQuestion, advise
from energyscore.judge.choose import Requirements
from energyscore.judge.contenders import candidates_of
from energyscore.publish.advice import report as filled
from energyscore.publish.advice.form import AdviceBar, AdviceStep, parse_report, to_json
from energyscore.publish.advice.text import answer_of
from energyscore.publish.advice.waterfall import WIDTHS, waterfall_svg, waterfalls_of
from energyscore.publish.page import to_page
from energyscore.publish.typesetting import text_width
from energyscore.results.result import result_to_json

RESULTS = [
    answered(result_of(n, name, wh, parameters=n * 10**9), 90)
    for n, name, wh in ((7, "org/large", 20.0), (1, "org/small", 2.0))
]


def advice_on(results=RESULTS, **asked):
    candidates = candidates_of(report_of(results), None, None)
    return filled.report_of(advise(candidates, ServiceQuestion(**asked)))


def drawn(*heights, ends=None, changes=("settings",) * 3, **change):
    """Advice whose waterfall has these heights, each named by its place."""
    bars = [AdviceBar(name=f"org/{place}", wh=wh) for place, wh in enumerate(heights)]
    steps = [
        AdviceStep(change=what, name=after.name, ratio=after.wh / before.wh, ci95=ends, files=[])
        for (before, after), what in zip(itertools.pairwise(bars), changes, strict=False)
    ]
    return advice_on().model_copy(update={"waterfall": bars, "steps": steps, **change})


STRICT = Requirements(quality=0.99)


def with_names_of(name):
    """Advice in which every name, file and command is this."""
    report = advice_on()
    choice = report.today.model_copy(update={"model": name, "file": name})
    told = [one.model_copy(update={"check": name, "files": [name]}) for one in report.strategies]
    bars = [bar.model_copy(update={"name": name}) for bar in report.waterfall]
    change = {"today": choice, "strategies": told, "waterfall": bars, "task": name}
    return report.model_copy(update=change)


@pytest.fixture(scope="module")
def site():
    """Twice the same advice, one of estimates, one that recommends nothing, and hostile ones."""
    runs = {name: [make_cpu_run(i, joules=j) for i in range(3)] for name, j in (("a", 9), ("b", 2))}
    estimated = [
        result_of(n, f"org/{name}", None, gpu=None, runs=own)
        for n, (name, own) in enumerate(runs.items(), start=5)
    ]
    given = [advice_on(), advice_on(), advice_on(estimated), advice_on(requirements=STRICT)]
    return to_page(report_of(RESULTS), advice=[*given, *map(with_names_of, HOSTILE)])


def test_bars_reach_from_what_was_to_what_is():
    """A rise too; each begins where the one before it ends."""
    wide, narrow = waterfalls_of(drawn(100.0, 40.0, 50.0, 0.1))
    kinds = ["total", "fall", "rise", "fall", "total"]
    for picture in (wide, narrow):
        assert [one.kind for one in picture.bars] == kinds
        shares = [(one.x / picture.width, (one.x + one.width) / picture.width)
                  for one in picture.bars[:4]]  # fmt: skip
        assert shares == [
            pytest.approx(one) for one in ((0, 1), (0.4, 1), (0.4, 0.5), (0.001, 0.5))
        ]
        # What is tiny is still seen, within the picture.
        last = picture.bars[-1]
        assert (last.x, last.width) == (0.0, 2.0)
    assert [one.figure for one in wide.bars] == [
        *("100 Wh", "-60.0 Wh, -60.0%", "+10.0 Wh, +25.0%", "-49.9 Wh, -99.8%", "100 mWh"),
    ]
    assert [one.what for one in wide.bars] == ["today", *["other settings"] * 3, "recommended"]


def test_a_step_that_is_not_decided_says_so_and_is_hollow():
    (wide, _) = waterfalls_of(drawn(10.0, 9.9, ends=(0.97, 1.01)))
    assert [one.undecided for one in wide.bars] == [False, True, False]
    assert wide.bars[1].figure == "-100 mWh, -1.00%, undecided"
    assert 'fill="#ffffff" stroke="#3d7d3a"' in waterfall_svg(drawn(10.0, 9.9, ends=(0.97, 1.01)))


def test_what_is_kept_is_one_bar_and_a_policy_stands_beside_the_recommended():
    (wide, _) = waterfalls_of(drawn(10.0))
    (bar,) = wide.bars
    assert (bar.what, bar.name, bar.width) == ("today, and recommended", ("org/0",), 720)
    (wide, _) = waterfalls_of(drawn(10.0, 5.0, changes=["when"]))
    assert wide.bars[-1].name == ("org/small, org/1",)
    assert waterfalls_of(advice_on(requirements=STRICT)) == []


def test_no_text_of_the_picture_meets_another_or_leaves_it():
    long = "org/" + "a-name-without-end-" * 12
    report = drawn(1e9, 9.99e8, 9e-4, ends=(0.5, 1.2), changes=["mode", "together"])
    bars = [bar.model_copy(update={"name": long}) for bar in report.waterfall]
    steps = [step.model_copy(update={"name": long}) for step in report.steps]
    for picture in waterfalls_of(report.model_copy(update={"waterfall": bars, "steps": steps})):
        assert picture.width == WIDTHS[picture.screen]
        below = 0.0
        for bar in picture.bars:
            beside = text_width(bar.what, 12) + text_width(bar.figure, 12, bold=True)
            assert beside < picture.width and bar.what[-1] != "…"
            assert all(text_width(line, 12) <= picture.width for line in bar.name)
            places = [below, *(y - 9 for y in (bar.y, *bar.name_y)), bar.top]
            assert places == sorted(places)
            assert 0 <= bar.x <= bar.x + bar.width <= picture.width + 1e-6
            below = bar.top + picture.bar_px
        assert below == picture.height


def test_the_picture_alone_is_a_picture_that_tells_itself():
    svg = ET.fromstring(waterfall_svg(drawn(10.0, 4.0, estimated=True)))
    space = "{http://www.w3.org/2000/svg}"
    title, desc = (svg.find(f"{space}{name}").text for name in ("title", "desc"))
    assert title.endswith("Wh per 1,000 queries, estimated")
    assert "other settings, org/1: -6.00 Wh, -60.0%." in desc
    assert svg.get("role") == "img" and svg.get("aria-label") == title
    assert float(svg.get("width")) <= 360


def test_a_page_has_the_answer_the_steps_five_paragraphs_and_commands(site):
    report = advice_on()
    page = Page(site["advice/text-generation.html"])
    (first, *_) = answer_of(report)
    assert [text for attrs, text in page.all("p") if attrs.get("class") == "first"] == [first]
    titles = [text for _, text in page.all("h2")]
    assert titles[:2] == ["What to do", "From today's choice to the recommended"]
    assert titles[2:7] == [
        f"{number}. {one.title}" for number, one in enumerate(report.strategies, start=1)
    ]
    codes = [text for _, text in page.all("code")]
    for one in (*report.strategies, *report.missing):
        command = getattr(one, "check", None) or getattr(one, "command", None)
        assert not command or any(code.startswith(command) for code in codes)
    # It links to the pages of the results that it stands on, and the index to it.
    links = {attrs["href"] for attrs, _ in page.all("a")}
    pages = {path for path in site if path.startswith("results/") and path.endswith(".html")}
    assert {f"../{path}" for path in pages} <= links
    assert parse_report(site["advice/text-generation-2.json"].decode(), "") == report
    index = [attrs["href"] for attrs, _ in Page(site["index.html"]).all("a")]
    assert index.index("advice/text-generation.html") < index.index("advice/text-generation-2.html")
    for link in re.findall(r'href="([^"#:]+)"', site["advice/text-generation.html"].decode()):
        assert re.sub(r"^\.\./", "", link) in site or f"advice/{link}" in site


def test_names_of_others_are_text_and_nothing_else(site):
    pages = [path for path in site if path.startswith("advice/") and path.endswith(".html")]
    assert len(pages) == 4 + len(HOSTILE)
    for path in pages:
        page = Page(site[path])
        assert not page.all("script") and not page.all("img")
        assert not [key for _, attrs, _ in page.elements for key in attrs if key.startswith("on")]
        assert re.fullmatch(r"advice/[a-z0-9-]+\.html", path)
        if (picture := path.replace(".html", ".svg")) in site:
            ET.fromstring(site[picture])


def test_estimates_are_marked_and_no_recommendation_has_no_picture(site):
    estimated, none = (Page(site[f"advice/text-generation-{n}.html"]) for n in (3, 4))
    flags = [text for attrs, text in estimated.all("span") if attrs.get("class") == "flag"]
    assert flags == ["estimated"]
    pictures = estimated.all("svg", role="img")
    assert len(pictures) == 2
    assert all("estimated" in attrs["aria-label"] for attrs, _ in pictures)
    assert "advice/text-generation-4.svg" not in site and not none.all("svg", role="img")
    assert advice_on(requirements=STRICT).reason in none.text("main")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("", "it is not valid JSON"),
        ("[]", "advice"),
        ({"task": None}, "task: "),
        ({"waterfall": []}, None),
        ({"steps": []}, "2 heights do not fit 0 steps"),
        ({"ratio": 0.0}, "a ratio of energies is not above 0"),
        ({"schema_version": 2}, "schema_version: "),
    ],
)
def test_a_broken_file_of_advice_is_one_line(change, said):
    text = change
    if isinstance(change, dict):
        text = json.dumps(json.loads(to_json(advice_on())) | change)
    if said is None:
        assert parse_report(text, "x").waterfall == []
        return
    with pytest.raises(ResultError, match="--advice x is no advice: ") as error:
        parse_report(text, "--advice x")
    assert said in str(error.value)


def test_the_command_puts_advice_into_the_site_and_a_broken_file_stops_it(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    for place, one in enumerate(RESULTS):
        (results / f"{place}.json").write_text(result_to_json(one))
    saved = tmp_path / "service.json"
    site = tmp_path / "site"
    words = ["page", results, "-o", site, "--advise", "--advice", saved, "--price", "0.25 EUR"]
    saved.write_text("{}")
    done = CliRunner().invoke(app, list(map(str, words)))
    assert isinstance(done.exception, ResultError) and not site.exists()
    saved.write_bytes(to_json(advice_on()))
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    made = sorted(path.name for path in (site / "advice").iterdir())
    assert made == [
        f"text-generation{number}.{kind}"
        for number in ("-2", "")
        for kind in ("html", "json", "svg")
    ]
    own = parse_report((site / "advice" / "text-generation.json").read_text(), "")
    assert own.today.file == str(results / "0.json")
    assert str(results) in own.strategies[0].check
