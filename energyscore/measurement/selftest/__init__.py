"""The self-test: how far measurements made on this machine can be trusted.

`runner` does it, with `gpu` and `machine`; `judge_gpu` and `judge_machine` turn what was seen
into checks, and know no hardware; `report` is the file that results cite, `file` where it lies.
"""
