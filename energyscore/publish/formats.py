"""What plugs in: a name for each format of a report, and where it is.

To add a format: write its module, a pure function from a report to bytes, and add one line here and
its name to the formats of the command.
"""

EXPORTERS = {
    "json": "energyscore.publish.report_json:to_json",
    "csv": "energyscore.publish.report_csv:to_csv",
}

LEADERBOARD_EXPORTERS = {
    "json": "energyscore.publish.leaderboard_export:to_json",
    "csv": "energyscore.publish.leaderboard_export:to_csv",
}
