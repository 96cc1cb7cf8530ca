"""Many models in one go: a list is read, planned, and measured entry by entry.

listing, official   two forms of lists -> entries (pure)
states              what an official row says of reasoning (pure)
plan, key           entries -> what is to be measured, each with a key of what was asked for
finished            results by these keys: what need not be measured again (pure)
estimate            how long it will take, where that is known (pure)
attempt             one measurement elsewhere, as it is recorded (pure)
apart               one measurement in a process of its own
runner              one process an entry; what is finished is not measured again
report              the status of the entries: `suite.json` (pure)
"""
