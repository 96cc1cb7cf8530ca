"""Measuring: the main path is `session`, read from top to bottom.

The room is not called `measure`, as `energyscore.measure` is the function of the Python API.
"""
