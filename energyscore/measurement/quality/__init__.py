"""The quality of a model's answers: `evaluate.py` asks and judges, one module a metric.

It comes after the measured runs. Nothing of it is metered, and none of it enters score or stars.
"""
