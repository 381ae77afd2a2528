"""Output of LAMMPS: tables of thermodynamic output, and the lines of an error."""

ThermoTable = dict[str, list[float]]


def read_thermo(output: str) -> list[ThermoTable]:
    r"""Tables of thermodynamic output in a log; styles ``one`` and ``custom`` only.

    Parameters
    ----------
    output : str
        Content of a log file or of the screen.

    Returns
    -------
    list of dict
        One table for each run: column name -> values.

    Examples
    --------
    >>> read_thermo("Step Temp\n0 300.0\n10 298.5\nLoop time of 0.1 on 1 procs")
    [{'Step': [0.0, 10.0], 'Temp': [300.0, 298.5]}]
    """
    tables: list[ThermoTable] = []
    columns: list[str] = []
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["Step"]:
            columns = words
            tables.append({name: [] for name in columns})
        elif line.startswith("Loop time"):
            columns = []
        elif columns and len(words) == len(columns) and _is_number(words[0]):
            for name, word in zip(columns, words, strict=True):
                tables[-1][name].append(float(word))
    return tables


def last_lines(output: str) -> str:
    """At most 15 lines from the first error on, or the last ones."""
    lines = [line for line in output.splitlines() if line.strip()]
    first = next((n for n, line in enumerate(lines) if line.startswith("ERROR")), len(lines) - 15)
    return "\n".join(lines[max(first, 0) :][:15])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
