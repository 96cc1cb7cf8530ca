"""Results of one model as SPDX 3.0.1: an AI package with its energy of inference, as JSON-LD.

SPDX knows an amount and a unit, not what it is the energy of. So the functional unit, 1,000
queries of a task, stands in the package's comment, and in an annotation for each amount.
The conformance that the document claims leaves out the AI profile: that asks for the day of the
model's release too, which no measurement knows.
"""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from energyscore.judge.rating import RatedResult, Report
from energyscore.publish import wording
from energyscore.publish.card import dataset_of, energy_wh, facts_of
from energyscore.publish.typesetting import plain

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:creation"


def to_spdx(report: Report) -> bytes:
    """The document; the same results give the same bytes."""
    model = report[0].result.model
    base = f"https://spdx.org/spdxdocs/energyscore-{_digest(report)}"
    tool = {
        "type": "SoftwareAgent",
        "spdxId": f"{base}#energyscore",
        "creationInfo": _CREATION,
        "name": f"energyscore {plain(report[0].result.environment.energyscore)}",
    }
    package = _package(report, base)
    supplier = _supplier(report, base)
    if supplier:
        package["suppliedBy"] = supplier["spdxId"]
    elements = [tool, *([supplier] if supplier else []), package]
    elements += [
        _annotation(entry, f"{base}#result-{place}", str(package["spdxId"]))
        for place, entry in enumerate(report, start=1)
    ]
    document = {
        "type": "SpdxDocument",
        "spdxId": f"{base}#document",
        "creationInfo": _CREATION,
        "name": f"Energy of inference of {plain(model.id)}",
        "profileConformance": ["core", "software"],
        "rootElement": [package["spdxId"]],
        "element": [element["spdxId"] for element in elements],
    }
    creation = {
        "type": "CreationInfo",
        "@id": _CREATION,
        "specVersion": "3.0.1",
        "created": max(_moment(entry.result.created_at) for entry in report),
        "createdBy": [tool["spdxId"]],
    }
    content = {"@context": CONTEXT, "@graph": [creation, document, *elements]}
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def _package(report: Report, base: str) -> dict[str, Any]:
    model = report[0].result.model
    revisions = list(dict.fromkeys(entry.result.model.revision for entry in report))
    package: dict[str, Any] = {
        "type": "ai_AIPackage",
        "spdxId": f"{base}#model",
        "creationInfo": _CREATION,
        "name": plain(model.id),
        "software_primaryPurpose": "model",
        "comment": "Each ai_inferenceEnergyConsumption is the energy of 1,000 queries: "
        + "; ".join(_in_words(entry) for entry in report),
        "ai_typeOfModel": [plain(model.architecture)],
        "ai_energyConsumption": {
            "type": "ai_EnergyConsumption",
            "ai_inferenceEnergyConsumption": [
                {
                    "type": "ai_EnergyConsumptionDescription",
                    "ai_energyQuantity": _kwh(entry),
                    "ai_energyUnit": "kilowattHour",
                }
                for entry in report
            ],
        },
    }
    if len(revisions) == 1 and revisions[0]:
        package["software_packageVersion"] = plain(revisions[0])
    if model.source == "hub":
        package["software_downloadLocation"] = f"https://huggingface.co/{quote(model.id)}"
    return package


def _supplier(report: Report, base: str) -> dict[str, Any] | None:
    """The organisation on the hub that the model is from, where it has one."""
    model = report[0].result.model
    if model.source != "hub" or "/" not in model.id:
        return None
    return {
        "type": "Organization",
        "spdxId": f"{base}#supplier",
        "creationInfo": _CREATION,
        "name": plain(model.id.partition("/")[0]),
    }


def _annotation(entry: RatedResult, spdx_id: str, subject: str) -> dict[str, Any]:
    statement = {
        "ai_energyQuantity": _kwh(entry),
        "ai_energyUnit": "kilowattHour",
        "functional_unit": f"1,000 queries of {entry.result.task.id}",
        "dataset": dataset_of(entry.result) or plain(entry.result.workload.dataset),
        "wh_per_1k_queries": energy_wh(entry),
        "stars": entry.rating.stars,
        "stars_relative_to": entry.rating.scale,
        **facts_of(entry),
    }
    return {
        "type": "Annotation",
        "spdxId": spdx_id,
        "creationInfo": _CREATION,
        "annotationType": "other",
        "subject": subject,
        "contentType": "application/json",
        "statement": json.dumps(statement, allow_nan=False),
    }


def _in_words(entry: RatedResult) -> str:
    result = entry.result
    return (
        f"{_kwh(entry)} kWh for {wording.task_name(result)} ({wording.metered(entry)}) on "
        f"{plain(result.hardware)}, {wording.verdict(entry.rating)}"
    )


def _kwh(entry: RatedResult) -> str:
    """Kilowatt-hours as a plain decimal: XML's has no exponent."""
    return f"{Decimal(repr(energy_wh(entry))) / 1000:f}"


def _moment(created_at: str) -> str:
    """A time as SPDX writes it: UTC, whole seconds, `Z`."""
    try:
        moment = datetime.fromisoformat(created_at)
    except ValueError:
        moment = datetime.fromtimestamp(0, UTC)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(report: Report) -> str:
    told = [[entry.result.identity, entry.result.created_at, _kwh(entry)] for entry in report]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
