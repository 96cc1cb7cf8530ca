"""When a service's model should be loaded: what idling, loading and waiting cost."""
