"""What results mean: stars, comparisons, gates, leaderboards. Needs no GPU and no torch."""
