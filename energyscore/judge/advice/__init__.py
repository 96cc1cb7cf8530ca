"""Advice for one service: which model, in which mode and setting, running when. Pure.

What was measured is put together, and nothing else. Today's choice and the recommended one are two
measured results; the way from one to the other goes through results that differ in one point each,
as far as these were measured. So the savings of the steps may be multiplied: what they come to is
the ratio of the first to the last, which was measured, too. A saving that was measured with another
model, or under other settings, is named as untried and counts for nothing.
"""
