"""Energy against quality, and families, in the page."""

from dataclasses import replace

import pytest
from support.commands import energyscore
from support.results import make_quality
from support.sites import Page, answered, report_of, result_of

from energyscore.publish.page import to_page
from energyscore.publish.page.axis import even_axis
from energyscore.results.result import result_to_json

BASE = answered(result_of(1, "org/base", 4.0), 90)
NF4 = answered(result_of(2, "org/nf4", 5.0), 88, parent="org/base")
SPARSE = answered(result_of(3, "org/sparse", 2.0), 70, parent="org/base", relation="pruned")
SMALL = answered(result_of(4, "org/small", 1.0), 80, parent="org/base", relation="distilled")
ALL = (BASE, NF4, SPARSE, SMALL)


def index_of(*results, reported=lambda known: known):
    return Page(to_page(report_of(results), reported=reported)["index.html"])


def quality_plot(page):
    """The wide plot of energy against quality: what is drawn, by its class and place."""
    inside, found = False, []
    for tag, attrs, text in page.elements:
        if tag == "figure":
            inside = attrs.get("class") == "plot quality"
        if inside and tag in ("a", "path", "circle", "text"):
            found.append((attrs, " ".join("".join(text).split())))
        if inside and tag == "svg" and attrs["class"] == "narrow":
            break
    return found


def test_the_plot_has_points_with_two_intervals_the_front_and_the_families():
    page = index_of(*ALL)
    drawn = quality_plot(page)
    titles = {attrs["data-row"]: text for attrs, text in drawn if "href" in attrs}
    assert len(titles) == 4
    assert any(
        text.startswith("org/nf4: 5.00 Wh") and "accuracy 0.880 (0.840 to 0.920)" in text
        for text in titles.values()
    )
    bars = [attrs["d"] for attrs, _ in drawn if attrs.get("class") == "bar"]
    assert sum("H" in bar for bar in bars) == 4, "of each an interval of its quality"
    (front,) = [attrs["d"] for attrs, _ in drawn if attrs.get("class") == "front"]
    places = {
        row: (float(attrs["cx"]), float(attrs["cy"]))
        for row, (attrs, _) in zip(titles, (one for one in drawn if "cx" in one[0]), strict=True)
    }
    names = {row: text.partition(":")[0].removeprefix("org/") for row, text in titles.items()}
    at = {names[row]: place for row, place in places.items()}
    assert at["small"][0] < at["nf4"][0] < at["base"][0], "better is further to the right"
    assert at["small"][1] > at["sparse"][1] > at["base"][1] > at["nf4"][1], "and more is higher"
    small, base = at["small"], at["base"]
    assert front == f"M{small[0]} {small[1]}V{base[1]}H{base[0]}"
    joined = {text for attrs, text in drawn if attrs.get("class") == "join"}
    assert joined == {
        "org/nf4: quantized from org/base",
        "org/sparse: pruned from org/base",
        "org/small: distilled from org/base",
    }
    said = [text for _, text in page.all("figcaption")]
    assert any(
        "On the front as measured" in text and ": org/small, org/base." in text for text in said
    )


def test_only_qualities_that_choose_would_compare_stand_in_one_plot():
    judged = [
        one.model_copy(
            update={
                "quality": make_quality(
                    [1, 0], metric="clip_score", settings={"clip_revision": revision}
                )
            }
        )
        for one, revision in zip((BASE, SMALL), "ab", strict=True)
    ]
    assert quality_plot(index_of(*judged)) == []


def test_the_table_has_quality_and_latency_that_can_be_sorted():
    page = index_of(*ALL, result_of(5, "org/unknown", 3.0))
    heads = {text: attrs for attrs, text in page.all("th", role="columnheader")}
    assert heads["Quality"]["data-sort"] == heads["Latency p90"]["data-sort"] == "number"
    rows = {row["Model"][1].split()[0]: row for row in page.rows()}
    assert rows["org/base"]["Quality"][0]["data-key"] == "0.9"
    assert rows["org/base"]["Quality"][1] == "0.900 accuracy, 0.860 to 0.940"
    assert rows["org/base"]["Latency p90"] == ({**rows["org/base"]["Latency p90"][0]}, "90.0 ms")
    assert rows["org/unknown"]["Quality"][0]["data-key"] == ""
    assert rows["org/unknown"]["Quality"][1] == "none its quality was not measured"


def test_without_quality_there_is_no_plot_of_it_and_no_column():
    bare = [result_of(number, f"org/{number}", number) for number in (1, 2)]
    alone = answered(result_of(3, "org/alone", 3.0), 80)
    for results, columns in ((bare, set()), ([*bare, alone], {"Quality", "Latency p90"})):
        page = index_of(*results)
        assert quality_plot(page) == []
        assert {text for _, text in page.all("th", scope="col")} & {
            "Quality",
            "Latency p90",
        } == columns
        assert "Families" not in page.text()


def test_families_stand_together_with_energy_quality_and_memory():
    page = index_of(*ALL)
    rows = [text for _, text in page.all("tr")]
    (nf4,) = [text for text in rows if text.startswith("org/nf4quantized")]
    assert "1.25" in nf4 and "costs energy" in nf4 and "points less accurate, in pairs" in nf4
    assert [text for text in rows if text.startswith("org/baseparent4.00")]
    assert "here quantization costs energy" in page.text()


def test_a_reported_quality_is_told_from_a_measured_one():
    def reported(known):
        """Those of two models; the others keep what was measured."""
        figure = make_quality([1], metric="mmlu/acc,none", items=None, rows=None, dataset=None)
        return [
            replace(
                one, quality=figure.model_copy(update={"value": 0.5}), reported="/home/me/q.csv"
            )
            if one.entry.result.model.id in ("org/base", "org/nf4")
            else one
            for one in known
        ]

    site = to_page(report_of(ALL), reported=reported)
    page = Page(site["index.html"])
    rows = {row["Model"][1].split()[0]: row["Quality"][1] for row in page.rows()}
    assert "reported, not measured here" in rows["org/base"]
    assert "reported" not in rows["org/small"]
    (said,) = [text for _, text in page.all("figcaption") if "On the front" in text]
    assert "2 results by mmlu/acc,none" in said or "2 results by accuracy" in said
    assert "Not drawn: 2 results with a quality of another kind." in said
    (base,) = [Page(data) for path, data in site.items() if "org-base" in path and ".html" in path]
    assert "Quality, reported, not measured here" in base.text()
    assert not any(b"/home/me" in data for data in site.values())


def test_the_command_takes_reported_qualities(tmp_path):
    for one in (BASE, NF4):
        file = tmp_path / f"{one.model.id.replace('/', '-')}.json"
        file.write_text(result_to_json(one))
    figures = tmp_path / "figures.csv"
    figures.write_text("model,metric,value\norg/base,acc,0.75\norg/nf4,acc,0.7\n")
    done = energyscore("page", tmp_path, "-o", tmp_path / "site", "--quality-from", figures)
    assert done.status == 0, done.error
    page = Page((tmp_path / "site" / "index.html").read_bytes())
    assert "0.750 reported, not measured here acc" in page.text()
    wrong = energyscore("page", tmp_path, "-o", tmp_path / "site", "--quality-metric", "acc")
    assert (wrong.status, "--quality-from" in wrong.error) == (2, True)


@pytest.mark.parametrize(
    ("figures", "ticks"),
    [
        ((0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((0.5, 0.5), None),
        ((12.5, 14.0), [12.5, 13, 13.5, 14]),
    ],
)
def test_an_even_axis_has_round_ticks(figures, ticks):
    axis = even_axis(figures, 0, 100)
    found = axis.ticks()
    assert 2 <= len(found) <= 8
    assert ticks is None or found == ticks
    assert all(axis.low <= one <= axis.high for one in found)
