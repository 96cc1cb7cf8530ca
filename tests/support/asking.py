"""What is asked of a server in tests of a load on it."""

from energyscore.measurement.server.abilities import Abilities
from energyscore.measurement.server.asking import Asking
from energyscore.protocol.task import Generation
from energyscore.protocol.workload import Workload


def asking(address):
    """Two texts, again and again, for answers of seven tokens."""
    texts = ({"text": "one"}, {"text": "two of them"})
    wishes = frozenset({"stream_options", "ignore_eos"})
    can = Abilities("completions", wishes, prompts="as they are")
    workload = Workload(texts, "mine", None, False, 2)
    seven = Generation(max_new_tokens=7, min_new_tokens=7)
    return Asking(address, None, "org/model", "text_generation", can, workload, seven, 42)
