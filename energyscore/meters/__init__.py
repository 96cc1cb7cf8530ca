"""Sources of energy readings, one module each; see `energyscore.measure` for what they share."""
