"""Screening: a well-chosen part of the queries instead of all of them, many times."""
