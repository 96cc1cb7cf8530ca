"""What is to be known of a result because of how it came to be measured."""

from energyscore.measurement.options import Job
from energyscore.results.parts import Caution

TUNING = Caution(
    code="tuning",
    message="a trial of `energyscore tune`: the best of many looks better than it is; the setting "
    "that was chosen is measured once more",
)
SHARED_NODE = Caution(
    code="shared_node",
    message="other models may have been measured on other GPUs of this machine meanwhile: they "
    "share its processor, power and cooling",
)


def cautions_of(job: Job) -> list[Caution]:
    """The cautions that follow from what a process was asked for."""
    return [*([TUNING] if job.tuning else []), *([SHARED_NODE] if job.shared_node else [])]
