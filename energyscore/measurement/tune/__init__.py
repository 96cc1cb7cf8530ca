"""Tuning: the settings of a model that need the least energy on this machine."""
