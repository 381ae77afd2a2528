"""Labels: from a job in the store to energy, forces and stress of a DFT code, or to the reason why there are none.

Data flow: `driver` claims a job and writes a `task` folder -> an executor has it performed (`supervise`), here or
elsewhere -> each rung of the ladder runs in processes of its own (`calculate`, `processes`), which may hang, crash or
be killed -> a result file, renamed into place -> `driver` takes it into the store.
"""
