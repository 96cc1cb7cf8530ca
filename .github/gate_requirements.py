"""Write gate-requirements.txt: what energyscore needs where nothing is measured, pinned.

    python .github/gate_requirements.py

The packages stand in pyproject.toml ([tool.energyscore] light); what they need, and the versions,
are those of the environment that runs this, which is the one the tests ran in.
"""

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "gate-requirements.txt"
HEAD = """\
# What the commands need that measure nothing (rate, gate, leaderboard, page, ...): no torch.
#   pip install -r gate-requirements.txt && pip install --no-deps energyscore
# Made by `python .github/gate_requirements.py`.
"""


def closure(roots: Iterable[str]) -> dict[str, str]:
    """The installed versions of these packages and of all that they need on Linux."""
    found: dict[str, str] = {}
    waiting = [Requirement(one) for one in roots]
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name in found:
            continue
        package = metadata.distribution(name)
        found[name] = package.version
        needed = map(Requirement, package.requires or ())
        waiting += [one for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def light() -> list[str]:
    """The packages that pyproject.toml names, with the bounds of its dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = set(project["tool"]["energyscore"]["light"])
    bounds = project["project"]["dependencies"]
    return [one for one in bounds if re.split(r"[<>=!~;\[ ]", one)[0] in names]


if __name__ == "__main__":
    pins = (f"{name}=={version}\n" for name, version in sorted(closure(light()).items()))
    FILE.write_text(HEAD + "".join(pins))
