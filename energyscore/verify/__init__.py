"""The checker of submissions. It shares the schema of results with the rest, and no other code.

What measures and rates may be wrong; a checker that used it would be wrong alike. So everything is
computed anew here from the raw data: energies, phases, scores, intervals, stars, conformance.
"""
