"""Sources of energy readings, one module each; `meter` says what they share."""
