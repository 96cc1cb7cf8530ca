"""Results of one model as SPDX 3.0.1: an AI package with its energy of inference, as JSON-LD.

SPDX knows an amount and a unit, not what it is the energy of. So the functional unit, 1,000
queries of a task, stands in the package's comment, and in an annotation for each amount.
The conformance that the document claims leaves out the AI profile: that asks for the day of the
model's release too, which no measurement knows.
"""

import hashlib
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from energyscore.base.text import json_bytes
from energyscore.judge.rating import RatedResult, Report
from energyscore.publish import wording
from energyscore.publish.card import dataset_of, energy_wh, facts_of
from energyscore.publish.typesetting import plain

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:creation"


def to_spdx(report: Report) -> bytes:
    """The document; the same results give the same bytes."""
    result = report[0].result
    base = f"https://spdx.org/spdxdocs/energyscore-{_digest(report)}"

    def element(kind: str, ending: str, /, **facts: Any) -> dict[str, Any]:
        head = {"type": kind, "spdxId": f"{base}#{ending}", "creationInfo": _CREATION}
        return head | {name: fact for name, fact in facts.items() if fact is not None}

    tool_name = f"energyscore {plain(result.environment.energyscore)}"
    tool = element("SoftwareAgent", "energyscore", name=tool_name)
    # The organisation on the hub that the model is from.
    organisation = result.model.id.partition("/")[0] if result.model.source == "hub" else ""
    has_supplier = organisation != "" and "/" in result.model.id
    supplier = element("Organization", "supplier", name=plain(organisation))
    package = element(
        "ai_AIPackage",
        "model",
        **_package(report),
        suppliedBy=supplier["spdxId"] if has_supplier else None,
    )
    annotations = [
        element(
            "Annotation",
            f"result-{place}",
            annotationType="other",
            subject=package["spdxId"],
            contentType="application/json",
            statement=json.dumps(_statement(entry), allow_nan=False),
        )
        for place, entry in enumerate(report, start=1)
    ]
    elements = [tool, *([supplier] if has_supplier else []), package, *annotations]
    document = element(
        "SpdxDocument",
        "document",
        name=f"Energy of inference of {package['name']}",
        profileConformance=["core", "software"],
        rootElement=[package["spdxId"]],
        element=[one["spdxId"] for one in elements],
    )
    creation = {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": "3.0.1",
        "created": max(entry.result.created_at for entry in report),
        "createdBy": [tool["spdxId"]],
    }
    content = {"@context": CONTEXT, "@graph": [creation, document, *elements]}
    return json_bytes(content)


def _package(report: Report) -> dict[str, Any]:
    model = report[0].result.model
    revision, *others = dict.fromkeys(entry.result.model.revision for entry in report)
    amounts = [{"type": "ai_EnergyConsumptionDescription", **_amount(entry)} for entry in report]
    return {
        "name": plain(model.id),
        "software_primaryPurpose": "model",
        "comment": "Each ai_inferenceEnergyConsumption is the energy of 1,000 queries: "
        + "; ".join(_in_words(entry) for entry in report),
        "ai_typeOfModel": [plain(model.architecture)],
        "ai_energyConsumption": {
            "type": "ai_EnergyConsumption",
            "ai_inferenceEnergyConsumption": amounts,
        },
        "software_packageVersion": plain(revision) if revision and not others else None,
        "software_downloadLocation": f"https://huggingface.co/{quote(model.id)}"
        if model.source == "hub"
        else None,
    }


def _amount(entry: RatedResult) -> dict[str, str]:
    return {"ai_energyQuantity": _kwh(entry), "ai_energyUnit": "kilowattHour"}


def _statement(entry: RatedResult) -> dict[str, Any]:
    """What SPDX has no words for."""
    return {
        **_amount(entry),
        "functional_unit": f"1,000 queries of {entry.result.task.id}",
        "dataset": dataset_of(entry.result) or plain(entry.result.workload.dataset),
        "wh_per_1k_queries": energy_wh(entry),
        "stars": entry.rating.stars,
        "stars_relative_to": entry.rating.scale,
        **facts_of(entry),
    }


def _in_words(entry: RatedResult) -> str:
    what = f"{_kwh(entry)} kWh for {wording.task_name(entry.result)} ({wording.metered(entry)})"
    return f"{what} on {plain(entry.result.hardware)}, {wording.verdict(entry.rating)}"


def _kwh(entry: RatedResult) -> str:
    """Kilowatt-hours as a plain decimal: XML's has no exponent."""
    return f"{Decimal(repr(energy_wh(entry))) / 1000:f}"


def _digest(report: Report) -> str:
    told = [[entry.result.identity, entry.result.created_at, _kwh(entry)] for entry in report]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
