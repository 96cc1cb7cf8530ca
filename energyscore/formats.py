"""What plugs in: a name for each format of a report, and where it is.

To add a format: write its module, a pure function from a report to bytes, and add one line here.
"""

EXPORTERS = {
    "json": "energyscore.export.report_json:to_json",
    "csv": "energyscore.export.report_csv:to_csv",
}

LEADERBOARD_EXPORTERS = {
    "json": "energyscore.export.leaderboard_json:to_json",
    "csv": "energyscore.export.leaderboard_csv:to_csv",
    "official": "energyscore.export.official_csv:to_official",
}
