"""`mlpot benchmark`: time and memory of a step of molecular dynamics, for mlpot and other potentials.

Data flow: options -> `systems` (structures), `models` (untrained potentials), `cases` (what is compared)
-> `rounds` (interleaved rounds) -> `process` (a process for each measurement, in which `worker` runs) -> `results`
(samples, JSON) -> `report`, `scaling` (table, plot).

Nothing is imported here: the processes that measure memory start from this package and must stay small.
"""
