"""Energy against batch size, in the page."""

import itertools

import pytest
from support.sites import Page, report_of, result_of

from energyscore.publish.page import to_page


def at_batch(number, size, energy_wh, *, model="org/model", created=None, **of_model):
    """A result of a batch size; `of_model` is what is known of the model."""
    result = result_of(number, model, energy_wh)
    changes = {"workload": result.workload.model_copy(update={"batch_size": size})}
    changes["model"] = result.model.model_copy(update=of_model)
    if created:
        changes["created_at"] = created
    return result.model_copy(update=changes)


INT8 = {"quantization": "int8-8bit", "quantization_bits": 8}
ALL = (
    *(at_batch(n, 2**n, wh) for n, wh in enumerate((4.0, 2.0, 1.0, 1.2))),
    *(at_batch(10 + n, 4**n, wh, **INT8) for n, wh in enumerate((6.0, 3.0))),
)


def index_of(*results):
    return Page(to_page(report_of(results))["index.html"])


def drawn(page, kind="wide"):
    """What the plot of batch sizes draws in the frame for one kind of screen."""
    figure, frame, found = False, "", []
    for tag, attrs, text in page.elements:
        if tag == "figure":
            figure = attrs.get("class") == "plot curves"
        if tag in ("svg", "figcaption"):
            frame = attrs.get("class") if figure else ""
        elif frame == kind:
            found.append((tag, attrs, " ".join("".join(text).split())))
    return found


def table_of(page):
    """The rows of the table behind it."""
    rows = [text for _, text in page.all("tr")]
    return rows[rows.index("PrecisionBatch sizeWh per 1,000 queriesLatency p90") + 1 :]


@pytest.mark.parametrize("kind", ["wide", "narrow"])
def test_each_precision_has_a_curve_through_its_sizes_in_their_order(kind):
    elements = drawn(index_of(*ALL), kind)
    curves = [attrs for tag, attrs, _ in elements if tag == "path" and attrs["class"] == "front"]
    assert [one["d"].count("L") + 1 for one in curves] == [4, 2]
    assert len({one.get("stroke-dasharray") for one in curves}) == 2, "not told by colour alone"
    dots = [(float(a["cx"]), float(a["cy"])) for tag, a, _ in elements if tag == "circle"]
    assert curves[0]["d"] == "M" + "L".join(f"{x} {y}" for x, y in dots[:4])
    steps = [right[0] - left[0] for left, right in itertools.pairwise(dots[:4])]
    assert max(steps) - min(steps) <= 0.2, "each size is twice the one before: equal steps"
    assert dots[4][0] == dots[0][0] and dots[5][0] == dots[2][0], "on the same axis"
    heights = [y for _, y in dots]
    assert heights[2] > heights[3] > heights[1] > heights[5] > heights[0] > heights[4]
    bars = [attrs for tag, attrs, _ in elements if tag == "path" and attrs["class"] == "bar"]
    assert len(bars) == 6, "each point has its interval"
    titles = [text for tag, _, text in elements if tag == "title"]
    assert titles[:2] == ["float16", "int8-8bit in float16"]
    assert titles[4].startswith("float16, batch size 4: 1.00 Wh per 1,000 queries (± ")
    assert {text for tag, attrs, text in elements if attrs.get("class") == "model"} == set(
        titles[:2]
    )
    ticks = [text for tag, attrs, text in elements if attrs.get("text-anchor") == "middle"]
    assert ticks[:4] == ["1", "2", "4", "8"]


def test_the_table_behind_it_and_the_caption_say_the_same():
    page = index_of(*ALL)
    rows = table_of(page)
    assert len(rows) == 6
    assert rows[2].startswith("float16 at batch size 441.00 ± ")
    assert rows[5].startswith("int8-8bit in float16 at batch size 443.00")
    (said,) = [text for _, text in page.all("figcaption") if "Least energy as measured" in text]
    assert "float16 at batch size 4, 1.00 Wh per 1,000 queries." in said
    (group,) = [
        a["aria-label"] for a, _ in page.all("div", role="group") if "batch" in a["aria-label"]
    ]
    assert group.startswith("Plot of energy against batch size, org/model: Text generation")
    assert group.endswith("; the table below has the same figures")


def test_other_models_and_lone_sizes_have_no_curve_and_the_newest_of_a_size_counts():
    lone = [at_batch(20, 1, 1.0, model="org/lone"), at_batch(21, 8, 1.0, model="org/other")]
    assert "Batch sizes" not in index_of(*lone).text()
    lost = at_batch(22, 16, 0.1)
    lost = lost.model_copy(update={"valid": False, "invalid_reasons": ["others used the GPU"]})
    older = at_batch(23, 1, 9.0, created="2020-01-01T00:00:00Z")
    page = index_of(*lone, *ALL, lost, older)
    assert len(table_of(page)) == 6
    assert table_of(page)[0].startswith("float16 at batch size 114.00")
    titles = [text for _, text in page.all("h3") if "Text generation, " in text]
    assert [text for text in titles if text.startswith("org/")] == [
        f"org/model: Text generation, class A, {ALL[0].hardware}"
    ]


def test_settings_that_differ_are_named():
    def limited(result, limit_w):
        gpus = [
            one.model_copy(update={"power_limit_w": limit_w}) for one in result.environment.gpus
        ]
        machine = result.environment.model_copy(update={"gpus": gpus})
        return result.model_copy(update={"environment": machine})

    page = index_of(
        *(limited(at_batch(n, 2**n, 4.0 - n), 300.0) for n in range(2)),
        *(limited(at_batch(5 + n, 2**n, 3.0 - n), 150.0) for n in range(2)),
    )
    names = [text for tag, _, text in drawn(page) if tag == "title"][:2]
    assert names == ["float16, 150 W", "float16, 300 W"]


def test_a_curve_says_how_its_model_ran_where_that_is_not_as_by_itself():
    how = {"compiled": True, "attention": "eager", "attention_default": "sdpa"}
    page = index_of(
        *(at_batch(n, 2**n, 4.0 - n) for n in range(2)),
        *(at_batch(5 + n, 2**n, 3.0 - n, **how) for n in range(2)),
    )
    names = [text for tag, _, text in drawn(page) if tag == "title"][:2]
    assert names == ["float16", "float16, eager, compiled"]
