"""The backends: one module a modality. Only these modules know torch and transformers."""

import logging

for _name in ("bitsandbytes", "torchao", "torch.utils._pytree"):
    # Where they are installed transformers imports them, and they tell of parts that nobody uses.
    logging.getLogger(_name).setLevel(logging.ERROR)
