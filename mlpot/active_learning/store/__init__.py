"""Persistent state of active learning: one SQLite file.

`store` has structures, settings and labels; `jobs` the queue of calculations; `steps` the finished steps of the loop;
`history` selections, models and events. `database` and `schema` are the SQLite below, `identity` the hashes.
"""
