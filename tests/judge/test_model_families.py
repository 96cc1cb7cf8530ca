"""Families: a quantized, a pruned and a distilled child of one parent against it."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest
import scipy.stats
from support.results import make_cpu_run, make_performance, make_quality, make_result, make_run

from energyscore.judge import choose as judge
from energyscore.judge.choose import Requirements
from energyscore.judge.contenders import candidates_of, contender_of
from energyscore.judge.families import families_of
from energyscore.judge.rating import rate_files
from energyscore.publish import choice as publish
from energyscore.publish.family import COLUMNS, rows_of, words_of
from energyscore.results.memory import Memory
from energyscore.results.model_part import ParentPart

SPREAD = (0.99, 1.01, 1.0, 0.995, 1.005)
RIGHT = {"base": 360, "nf4": 352, "sparse": 330, "small": 340}
"""How many of 400 rows each answers well."""


def member(name, wh, relation=None, mb=2000, batch_size=1, **change):
    runs = [make_run(index, joules=3600.0 * wh * one) for index, one in enumerate(SPREAD)]
    result = make_result(f"org/{name}", runs, identity=f"{name + str(batch_size):0>64}")
    parent = relation and ParentPart(
        id="org/base", source="card", relation=relation, relation_source="card"
    )
    right = [1] * RIGHT[name] + [0] * (400 - RIGHT[name])
    told = {
        "model": result.model.model_copy(update={"parent": parent}),
        "memory": Memory(weights_bytes=mb * 10**6, peak_gpu_bytes=2 * mb * 10**6),
        "performance": make_performance(wh / 10),
        "quality": make_quality(right),
        "workload": result.workload.model_copy(update={"batch_size": batch_size}),
    }
    return result.model_copy(update=told | change)


BASE = member("base", 2.0)
NF4 = member("nf4", 2.5, "quantized", mb=600)
SPARSE = member("sparse", 1.5, "pruned", mb=1000)
SMALL = member("small", 1.0, "distilled", mb=1100)


def rated(*results):
    return rate_files([(f"{one.model.id}-{one.workload.batch_size}.json", one) for one in results])


def choose(*results):
    return judge.choose(candidates_of(rated(*results), None, None), Requirements())


def families(*results, **reported):
    known = [contender_of(entry) for entry in rated(*results)]
    told = [
        replace(one, reported=reported.get(one.entry.result.model.id.removeprefix("org/"), ""))
        for one in known
    ]
    return families_of(sorted(told, key=lambda one: one.energy_wh))


def test_a_family_has_energy_quality_memory_and_speed_against_the_parent():
    (family,) = choose(NF4, BASE, SMALL, SPARSE).families
    assert [one.entry.result.model.id for one in family.parents] == ["org/base"]
    by_relation = {one.origin.relation: one for one in family.children}
    assert list(by_relation) == ["distilled", "pruned", "quantized"]
    child = by_relation["quantized"]
    assert child.effect.ratio == pytest.approx(1.25)
    logs = [math.log(wh * one) for wh in (2.5, 2.0) for one in SPREAD]
    expected = scipy.stats.ttest_ind(logs[:5], logs[5:], equal_var=False).confidence_interval()
    assert child.effect.ci95 == pytest.approx([math.exp(e) for e in expected], rel=1e-3)
    assert (child.quality.better_by, child.quality.paired) == (pytest.approx(-0.02), True)
    assert [one.costs_energy for one in family.children] == [False, False, True]

    rows = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows_of(family)}
    assert rows["org/base"]["made by"] == "parent"
    assert rows["org/base"]["energy"].endswith(" Wh")
    assert rows["org/nf4"]["energy"] == "1.25 (1.24 to 1.26) times, costs energy"
    assert rows["org/nf4"]["quality"].startswith("2.0 (")
    assert rows["org/nf4"]["quality"].endswith(" points less accurate, in pairs")
    assert rows["org/nf4"]["memory"] == "600 MB, at most 1.20 GB"
    assert (rows["org/small"]["latency p90"], rows["org/small"]["queries / s"]) == (
        "100 ms", "10.0",
    )  # fmt: skip
    (said,) = words_of(family)
    assert said == (
        "org/nf4 needs 1.25 (1.24 to 1.26) times more energy than org/base: here quantization "
        "costs energy."
    )


def test_what_is_estimated_is_marked_in_a_family_too():
    runs = {
        result.model.id: [make_cpu_run(i, joules=7200.0 * wh * one) for i, one in enumerate(SPREAD)]
        for result, wh in ((BASE, 2.0), (NF4, 2.5))
    }
    base, nf4 = (
        make_result(one.model.id, runs[one.model.id], gpu=None, identity=one.identity).model_copy(
            update={"model": one.model, "quality": one.quality}
        )
        for one in (BASE, NF4)
    )
    (family,) = families(base, nf4)
    assert rows_of(family)[0][2].endswith(" Wh (estimated)")
    assert words_of(family) == [
        "org/nf4 needs 1.25 (1.24 to 1.26) times more energy than org/base (estimated): here "
        "quantization costs energy."
    ]


def test_the_formats_tell_the_family():
    choice = choose(NF4, BASE, SMALL, SPARSE)
    (family,) = json.loads(publish.to_json(choice))["families"]
    assert family["parent"] == "org/base"
    assert [one["weights_bytes"] for one in family["parents"]] == [2 * 10**9]
    children = {one["relation"]: one for one in family["children"]}
    assert children["quantized"]["costs_energy"] is True
    assert children["distilled"]["energy_ratio"] == pytest.approx(0.5)
    assert children["pruned"]["quality_difference"] == pytest.approx(-0.075)
    rows = {
        row["model"]: row for row in csv.DictReader(io.StringIO(publish.to_csv(choice).decode()))
    }
    assert (rows["org/base"]["parent"], rows["org/base"]["energy_ratio"]) == ("", "")
    assert rows["org/nf4"]["parent"] == "org/base"
    assert float(rows["org/nf4"]["energy_ratio"]) == pytest.approx(1.25)
    assert float(rows["org/nf4"]["energy_ratio_ci95_low"]) > 1.2
    markdown = publish.to_markdown(choice).decode()
    assert "### org/base and what was made from it" in markdown
    assert "here quantization costs energy" in markdown
    assert json.loads(publish.to_json(choose(BASE)))["families"] == []


def test_a_child_is_held_against_its_parent_at_the_same_batch_size_only():
    other = member("base", 0.5, batch_size=8)
    (family,) = families(BASE, other, NF4)
    (child,) = family.children
    assert child.parent.entry.result.workload.batch_size == 1
    (alone,) = families(other, NF4)[0].children
    assert (alone.effect, alone.quality) == (None, None)
    assert "another batch size" in alone.why


def test_without_the_parent_two_children_are_a_family_and_one_is_none():
    assert families(NF4) == []
    (family,) = families(NF4, SPARSE)
    assert (family.parents, [one.effect for one in family.children]) == ([], [None, None])


def test_a_model_that_is_said_to_be_made_from_itself_is_no_family():
    own = NF4.model.model_copy(update={"id": NF4.model.parent.id})
    assert families(NF4.model_copy(update={"model": own})) == []


@pytest.mark.parametrize("circle", [("base", "nf4"), ("base", "nf4", "small")])
def test_models_that_are_said_to_be_made_from_each_other_are_held_against_nothing(circle):
    """However long the circle is; what else was made from one of them is told as ever."""
    made_from = dict(zip(circle, (*circle[1:], circle[0]), strict=True))
    results = [member(name, 1.0 + place) for place, name in enumerate(circle)]
    for place, result in enumerate(results):
        of = f"org/{made_from[circle[place]]}"
        parent = ParentPart(id=of, source="card", relation="quantized", relation_source="card")
        model = result.model.model_copy(update={"parent": parent})
        results[place] = result.model_copy(update={"model": model})
    found = families(*results, SPARSE)
    assert len(found) == len(circle)
    children = {one.candidate.entry.result.model.id: one for of in found for one in of.children}
    assert len(children) == len(circle) + 1
    assert children.pop("org/sparse").effect.ratio == pytest.approx(1.5)
    for one in children.values():
        assert (one.parent, one.effect, one.quality, one.costs_energy) == (None, None, None, False)
        assert one.why == "of the parent: it is said to be made from this model in turn"
    assert any("no factor, of the parent: it is said" in line for line in words_of(found[0]))


def test_a_reported_quality_is_told_from_a_measured_one():
    (family,) = families(BASE, NF4, SPARSE, base="q.csv", nf4="q.csv")
    rows = {row[0]: row[3] for row in rows_of(family)}
    assert rows["org/base"].endswith("reported, not measured here")
    assert rows["org/nf4"].endswith("points less accurate, reported, not measured here")
    assert rows["org/sparse"] == "0.825 (0.785 to 0.865)"  # its own: the two kinds are not mixed


def test_an_adapter_of_an_older_file_belongs_to_its_base():
    model = BASE.model.model_copy(update={"id": "org/lora", "base_model": "org/base@1"})
    (family,) = families(BASE, BASE.model_copy(update={"model": model, "identity": "1" * 64}))
    assert [one.origin.relation for one in family.children] == ["adapter"]
