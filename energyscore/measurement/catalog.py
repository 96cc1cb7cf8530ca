"""What plugs in: a name for each part that measures, and where it is.

To add a backend: write its module, and add one line here. A meter also needs a line in
`metering.open_metering`, which decides when it is used.
"""

_BACKENDS = "energyscore.measurement.backends"
_QUALITY = "energyscore.measurement.quality"
_METERS = "energyscore.measurement.meters"

BACKENDS = {
    "text_generation": f"{_BACKENDS}.text_generation:TextGeneration",
    "reasoning": f"{_BACKENDS}.reasoning:Reasoning",
    "text_classification": f"{_BACKENDS}.text_classification:TextClassification",
    "summarization": f"{_BACKENDS}.summarization:Summarization",
    "question_answering": f"{_BACKENDS}.question_answering:QuestionAnswering",
    "image_generation": f"{_BACKENDS}.image_generation:ImageGeneration",
    "sentence_similarity": f"{_BACKENDS}.sentence_similarity:SentenceSimilarity",
    "asr": f"{_BACKENDS}.asr:Asr",
    "image_captioning": f"{_BACKENDS}.image_captioning:ImageCaptioning",
    "image_classification": f"{_BACKENDS}.image_classification:ImageClassification",
    "object_detection": f"{_BACKENDS}.object_detection:ObjectDetection",
}

MODE_CHECKS = {"reasoning": f"{_BACKENDS}.chat:why_no_modes"}

METERS = {
    "nvml": f"{_METERS}.nvml:NvmlMeter",
    "rapl": f"{_METERS}.rapl:RaplMeter",
    "codecarbon": f"{_METERS}.codecarbon:CodeCarbonMeter",
    "load": f"{_METERS}.load:LoadMeter",
    "continuity": f"{_METERS}.continuity:ContinuityMeter",
    "recompiling": f"{_METERS}.recompiling:RecompilingMeter",
}

METRICS = {
    "accuracy": f"{_QUALITY}.labels:Accuracy",
    "spearman": f"{_QUALITY}.similarity:Spearman",
    "squad_f1": f"{_QUALITY}.squad:SquadF1",
    "bits_per_byte": f"{_QUALITY}.likelihood:BitsPerByte",
    "wer": f"{_QUALITY}.words:WordErrors",
    "rougeL": f"{_QUALITY}.overlap:RougeL",
    "mAP": f"{_QUALITY}.boxes:MeanAveragePrecision",
    "clip_score": f"{_QUALITY}.clip:ClipScore",
    "exact_match": f"{_QUALITY}.exact:ExactMatch",
}

LOADS = {"matmul": f"{_BACKENDS}.fixed_load:MatmulLoads"}
