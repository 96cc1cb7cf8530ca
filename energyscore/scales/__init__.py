"""Reference scales: dated leaderboards, as data. Each JSON file names its source."""
