"""The backends: one module a modality. Only these modules know torch and transformers."""
