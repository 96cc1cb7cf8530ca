"""What everything else stands on: errors, units, statistics, text and files."""
