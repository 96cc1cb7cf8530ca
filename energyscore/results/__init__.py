"""The record: what a result holds, its score, its checks, the files it is kept in."""
