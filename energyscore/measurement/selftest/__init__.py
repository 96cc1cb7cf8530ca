"""The self-test: how far measurements made on this machine can be trusted.

`runner` does it, with `gpu`; `judge` and `judge_gpu` turn what was seen into checks, and know no
hardware; `report` is the file that results cite.
"""
