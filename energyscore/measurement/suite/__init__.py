"""Many models in one go: a list is read, planned, and measured entry by entry.

listing, official   two forms of lists -> entries (pure)
states              what an official row says of reasoning (pure)
options             what an entry may say about its measurement (pure)
plan, key           entries -> what is to be measured, each with a key of what was asked for
estimate            how long it will take, where that is known (pure)
child, runner       one process an entry; what is finished is not measured again
resume              what finished entries are asked for beside their figures
report              what became of the entries: `suite.json` (pure)
"""
