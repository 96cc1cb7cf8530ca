"""What plugs in: a name for each part, and where it is.

Only `energyscore.cli` and `energyscore.metering` resolve it. To add a meter, a backend or an
exporter: write its module, and add one line here.
"""

import importlib
from typing import Any

from energyscore.errors import UsageError, did_you_mean

BACKENDS = {
    "text_generation": "energyscore.backends.text_generation:TextGeneration",
    "reasoning": "energyscore.backends.reasoning:Reasoning",
    "text_classification": "energyscore.backends.text_classification:TextClassification",
    "summarization": "energyscore.backends.summarization:Summarization",
    "question_answering": "energyscore.backends.question_answering:QuestionAnswering",
    "image_generation": "energyscore.backends.image_generation:ImageGeneration",
    "sentence_similarity": "energyscore.backends.sentence_similarity:SentenceSimilarity",
    "asr": "energyscore.backends.asr:Asr",
    "image_captioning": "energyscore.backends.image_captioning:ImageCaptioning",
    "image_classification": "energyscore.backends.image_classification:ImageClassification",
    "object_detection": "energyscore.backends.object_detection:ObjectDetection",
}

MODE_CHECKS = {"reasoning": "energyscore.backends.modes:why_no_modes"}

METERS = {
    "nvml": "energyscore.meters.nvml:NvmlMeter",
    "rapl": "energyscore.meters.rapl:RaplMeter",
    "codecarbon": "energyscore.meters.codecarbon:CodeCarbonMeter",
    "load": "energyscore.meters.load:LoadMeter",
    "continuity": "energyscore.meters.continuity:ContinuityMeter",
}

LOADS = {"matmul": "energyscore.backends.fixed_load:MatmulLoads"}

EXPORTERS = {
    "json": "energyscore.export.report_json:to_json",
    "csv": "energyscore.export.report_csv:to_csv",
}

LEADERBOARD_EXPORTERS = {
    "json": "energyscore.export.leaderboard_json:to_json",
    "csv": "energyscore.export.leaderboard_csv:to_csv",
    "official": "energyscore.export.official_csv:to_official",
}


def resolve(table: dict[str, str], name: str) -> Any:
    """The class or function of that name; its module is imported only now.

    Raises:
        UsageError: when the table has no such name, with the nearest ones.
    """
    if name not in table:
        raise UsageError(f"Unknown name {name!r}.", did_you_mean(name, table))
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
