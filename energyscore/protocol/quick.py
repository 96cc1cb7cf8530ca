"""What `--quick` does, in the one wording that help, progress, cautions and documentation share."""

SHORT = "a short fixed warm-up and no minimum window"
QUICK = (
    f"{SHORT} (2.5 s at least on a GPU), one run unless --repeats says more, and answers of at "
    "most 64 tokens where a model reasons: valid, but it repeats worse, and is never rated against "
    "the reference"
)
