"""Labelling: runs the jobs of the store, and writes their labels or the reasons of their failures to it.

Data flow: `driver` claims jobs and writes a task folder for each -> an executor performs it -> `results` collects the
result file into the store. `reference_check` repeats a known calculation now and then. `export` writes labels to files.
"""
