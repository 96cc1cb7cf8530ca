"""A verdict as JUnit XML: one case a threshold, as CI servers show it."""

import xml.etree.ElementTree as ET

from energyscore.base.text import one_line, xml_text
from energyscore.judge.gate import GateVerdict
from energyscore.judge.gate_checks import GateCheck

_NAME = "energyscore gate"


def to_junit(verdict: GateVerdict) -> bytes:
    """One suite: broken thresholds are failures, what could not be checked errors.

    What cannot be told is skipped where it is no failure, so that it does not look passed.
    """
    counted = [check.counts_as for check in verdict.checks]
    about = {
        "name": _NAME,
        "tests": str(len(counted)),
        "failures": str(counted.count("failure")),
        "errors": str(counted.count("error")),
        "time": "0",
    }
    whole = ET.Element("testsuites", about)
    skipped = str(sum(_is_skipped(check) for check in verdict.checks))
    timestamp = verdict.created_at.removesuffix("Z")
    suite = ET.SubElement(whole, "testsuite", about, skipped=skipped, timestamp=timestamp)
    names: dict[tuple[str | None, str], int] = {}
    for check in verdict.checks:
        hardware = f" [{check.hardware}]" if check.hardware else ""
        name = _clean(f"{check.subject}: {check.threshold}{hardware}")
        number = names.get((check.task, name), 0) + 1
        names[check.task, name] = number
        # Readers take two cases of one name for one that ran twice.
        _add_case(suite, check, name if number == 1 else f"{name} ({number})")
    ET.SubElement(suite, "system-out").text = _clean(
        "; ".join((verdict.line, *verdict.remark_lines))
    )
    ET.indent(whole)
    text = ET.tostring(whole, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _is_skipped(check: GateCheck) -> bool:
    return check.outcome == "inconclusive" and check.counts_as != "failure"


def _add_case(suite: ET.Element, check: GateCheck, name: str) -> None:
    where = {"classname": _clean(check.task or check.rule), "name": name, "time": "0"}
    case = ET.SubElement(suite, "testcase", where)
    reason = _clean(check.reason)
    if _is_skipped(check):
        ET.SubElement(case, "skipped", {"message": f"inconclusive: {reason}"})
    elif check.counts_as in ("failure", "error"):
        said = {"message": reason, "type": check.outcome}
        ET.SubElement(case, check.counts_as, said).text = _details(check)
    else:
        ET.SubElement(case, "system-out").text = _details(check)


def _details(check: GateCheck) -> str:
    facts = {
        "outcome": check.outcome,
        "reason": check.reason,
        "value": check.value,
        "95% interval": check.ci95,
        "limit": check.limit,
        "unit": check.unit,
        "estimated": "yes" if check.is_estimate else None,
        "runs": check.runs,
        "file": check.source,
        "baseline": check.baseline.source if check.baseline else None,
        "rule": check.rule,
    }
    return "\n".join(f"{name}: {_clean(str(v))}" for name, v in facts.items() if v is not None)


def _clean(text: str) -> str:
    return xml_text(one_line(text))
