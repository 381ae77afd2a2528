"""Random architectures of the whole family, as a hypothesis strategy."""

from hypothesis import strategies as st


@st.composite
def architectures(draw, dearest):
    """Everything that `ModelConfig` lets through, but for sizes that only cost time.

    Powers of up to `dearest` / lmax: the scripted model takes seconds for the fourth powers of lmax 4.
    """
    lmax = draw(st.integers(0, 6))
    powers = st.integers(1, min(4, dearest // max(lmax, 1)))
    numbers = draw(st.lists(st.sampled_from([1, 6, 8, 14, 29, 79]), min_size=1, max_size=4, unique=True))
    fields = {
        "atomic_numbers": numbers,
        "cutoff": draw(st.floats(2.5, 4.5)),
        "n_layers": draw(st.integers(1, 3)),
        "lmax": lmax,
        "correlation": draw(powers),
        "vector_correlation": draw(powers),
        "n_channels": draw(st.integers(1, 40)),
        "n_radial": draw(st.integers(1, 12)),
        "distance_transform": draw(st.floats(0.0, 8.0)),
        "envelope_power": draw(st.integers(3, 12)),
        "message_channels": draw(st.integers(1, 12)),
        "message_lmax": draw(st.sampled_from([0, 1, 2])),
        "readout_width": draw(st.integers(1, 20)),
        "zbl": draw(st.booleans()),
        "species_embedding": draw(st.none() | st.integers(1, 5)),
        "n_radial_functions": draw(st.integers(1, 9)),
    }
    return fields | {"seed": draw(st.integers(0, 2**31))}
