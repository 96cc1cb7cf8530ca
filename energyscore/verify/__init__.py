"""The checker of submissions. It shares the schema of results, and their text, with the rest.

What measures and rates may be wrong; a checker that used it would be wrong alike. So everything is
computed anew here from the raw data: energies, phases, scores, intervals, stars, conformance.
"""
