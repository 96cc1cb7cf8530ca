"""What plugs in: a name for each part that measures, and where it is.

To add a meter or a backend: write its module, and add one line here.
"""

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
