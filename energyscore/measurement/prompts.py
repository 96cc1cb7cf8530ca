"""The words around a query's texts, for models that were not taught to do a task unasked."""

from collections.abc import Mapping

from energyscore.protocol.workload import Query

PROMPTS: Mapping[str, str] = {
    "text_classification": "Text: {text}\n"
    "Is the sentiment of the text positive or negative?\nAnswer:",
    "question_answering": "Context: {context}\nQuestion: {question}\nAnswer:",
}
"""By modality: what is asked of a model that writes. Of the others it is the text as it stands."""


def prompt_of(modality: str, query: Query) -> str:
    """What a model that writes is asked for a query."""
    return PROMPTS.get(modality, "{text}").format(**query)
