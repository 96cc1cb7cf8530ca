"""energyscore: how much energy an AI model needs to do its work, with one to five stars."""

__version__ = "0.1.0"
