"""Results of many kinds for the tests of the page, and HTML as those tests read it."""

import hashlib
from html.parser import HTMLParser

from energyscore.judge.rating import RatedResult, rate
from energyscore.results.model_part import ParentPart
from energyscore.results.parts import Caution, PhasePart
from support.results import (
    UUID,
    make_cpu_run,
    make_performance,
    make_quality,
    make_result,
    make_run,
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style></svg></title><script>alert(2)</script>",
    "../../etc/passwd",
    "{{ 7 * 7 }}{% include 'x' %}",
    "org/" + "a-name-without-end-" * 12,
    "名字/模型-七",
    "nul",
    "&lt;b&gt;&amp;",
    " ",
)
VOID = {"meta", "link", "input", "br", "img", "hr"}


def result_of(number, model, energy_wh, *, parameters=10**9, cautions=(), **change):
    """A result of so many Wh per 1,000 queries, unlike all others of another number."""
    if "runs" not in change:
        change["runs"] = [make_run(index, joules=3600 * energy_wh) for index in range(10)]
    identity = hashlib.sha256(str(number).encode()).hexdigest()
    result = make_result(model, identity=identity, **change)
    part = result.model.model_copy(update={"parameters": parameters})
    return result.model_copy(update={"model": part, "cautions": list(cautions)})


def answered(result, right, *, parent=None, relation="quantized"):
    """The same result of which so many of 100 answers are right, made from a parent."""
    told = parent and ParentPart(
        id=parent, source="card", relation=relation, relation_source="card"
    )
    return result.model_copy(
        update={
            "model": result.model.model_copy(update={"parent": told}),
            "quality": make_quality([1] * right + [0] * (100 - right)),
            "performance": make_performance(right / 1000),
        }
    )


def phased_run(index, joules):
    """A run whose GPU energy is one part prefill and three parts decode."""
    domain = f"gpu:{UUID}"
    parts = {"prefill": (20.0, joules / 4), "decode": (80.0, joules * 3 / 4)}
    phases = {
        name: PhasePart(duration_s=seconds, energy_j={domain: part}, se_j={domain: 0.01 * part})
        for name, (seconds, part) in parts.items()
    }
    return make_run(index, joules=joules, phases=phases, phase_methods={domain: "tick_regression"})


def many():
    """Measured, estimated, invalid and unmeasured results, on two GPUs, with hostile names."""
    caution = Caution(code="clocks_moved", message="SM clocks moved by 7 % <b>within</b> a run")
    results = [
        result_of(10 + place, f"org/model-{place}", 0.5 * 1.9**place, parameters=10**8 * 2**place)
        for place in range(8)
    ]
    spread = [phased_run(index, 3600 * (2 + 0.1 * index)) for index in range(5)]
    return [
        *results,
        result_of(30, "org/spread", None, runs=spread, cautions=[caution], parameters=3 * 10**9),
        result_of(31, "org/lost", None, runs=[make_run(joules=None)]),
        result_of(32, "org/spoiled", 0.001, invalid=("another process used the GPU",)),
        *(
            answered(
                result_of(40 + n, f"org/on-cpu-{n}", None, gpu=None, runs=[make_cpu_run(joules=j)]),
                right,
                parent="org/on-cpu-2" if n < 2 else None,
            )
            for n, (j, right) in enumerate(((900.0, 80), (1800.0, 70), (5400.0, 90)))
        ),
        result_of(50, "org/large", 900.0, size="C", parameters=70 * 10**9),
        result_of(51, "org/other-gpu", 3.0, gpu="NVIDIA A100-SXM4-40GB"),
        *(result_of(60 + n, name, 4 + n, parameters=10**9 + n) for n, name in enumerate(HOSTILE)),
    ]


def report_of(results):
    """Them rated, each with a file's name."""
    return [
        RatedResult(result, rating, f"/home/someone/results/{result.identity[:6]}.json")
        for result, rating in zip(results, rate(results), strict=True)
    ]


class Page(HTMLParser):
    """HTML as a list of elements; fails where tags do not match."""

    def __init__(self, data: bytes) -> None:
        """Read a whole page."""
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict, list[str]]] = []
        self._open: list[tuple[str, dict, list[str]]] = []
        self.feed(data.decode())
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        element = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self._open and self._open[-1][0] == tag, (tag, self._open[-1:])
        self._open.pop()

    def handle_data(self, data):
        for _, _, text in self._open:
            text.append(data)

    def all(self, tag, **having):
        """Attributes and text of all elements of a name."""
        return [
            (attrs, " ".join("".join(text).split()))
            for name, attrs, text in self.elements
            if name == tag and all(attrs.get(key) == value for key, value in having.items())
        ]

    def text(self, tag="body"):
        """The text of the first element of a name."""
        return self.all(tag)[0][1]

    def rows(self):
        """Each row of the tables of results: attributes by cell, and text by cell."""
        rows, current = [], None
        for tag, attrs, text in self.elements:
            if tag == "tr" and "data-basis" in attrs:
                current = {"": (attrs, "")}
                rows.append(current)
            elif current is not None and tag in ("th", "td") and "data-key" in attrs:
                name = attrs.get("data-name", "Model")
                current[name] = (attrs, " ".join("".join(text).split()))
        return rows
