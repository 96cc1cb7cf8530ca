"""What `--quick` does, in the one wording that help, progress and documentation share."""

QUICK = (
    "a short fixed warm-up and one run of one pass (2.5 s at least on a GPU), with answers of at "
    "most 64 tokens where a model reasons: valid, but less repeatable, and never rated against "
    "the reference"
)
