"""Measuring a server that runs on this machine: its address, its load, and what is counted."""
