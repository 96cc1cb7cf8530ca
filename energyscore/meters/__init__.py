"""Sources of energy readings, one module each; see `energyscore.meter` for what they share."""
