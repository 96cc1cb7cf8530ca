"""A policy to start from, as `gate --init` writes it: every key that there is, with a comment."""

POLICY = """\
# Limits on energy, for `energyscore gate`: a check fails when the whole 95% interval of a result is
# beyond its limit, and passes when the whole interval keeps to it.
# Relative limits need results to compare with: energyscore baseline save results
baseline: energy-baseline      # a folder of baselines or results; relative to this file

# What a check that could not be decided counts as: pass, warn or fail. With fail no regression
# slips through; measure with --repeats 5 or more to have it decided.
on_inconclusive: fail

# Differences in spite of which a baseline is taken, such as:
# allow: [power_limit]

# What stars are relative to, as for `energyscore rate`:
# scale: aienergyscore-2025-02

rules:                         # every rule that fits a result holds for it
  - task: "*"                  # one or several tasks, or patterns such as text_*
    model: "*"                 # one or several models, or patterns such as org/*
    # reasoning: none          # modes such as on and off; none: a task without modes
    max:
      # All that was metered or estimated: GPU, processor and memory.
      - system_wh_per_1k_queries<=+10%   # of the baseline's
      # - system_wh_per_1k_queries<=500  # in Wh per 1,000 queries
      # - latency_p90_s<=0.5             # in seconds

    # The least of a figure: the quality of the answers (`energyscore run --quality`).
    # min: [quality>=0.9, quality>=-1%]   # in the unit of its metric; of the baseline's

  # With an NVIDIA GPU:
  # - task: text_generation
  #   model: org/*
  #   max: gpu_wh_per_1k_queries<=2.5
  #   max_regression: 5%       # short for gpu_wh_per_1k_queries<=+5%
  #   min_stars: 4
  #   optional: true           # no result needs to fit this rule
"""
