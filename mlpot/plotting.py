"""Figures as objects, without matplotlib's global state (pyplot, backends, rcParams)."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Figure that `savefig` can write.

    Parameters
    ----------
    width, height : float, inch
    """
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axis: Axes) -> None:
    """Set the style of all plots of mlpot."""
    axis.spines["top"].set_visible(False)
    axis.grid(visible=True, color="#e4e4e4", lw=0.6)
    axis.set_axisbelow(True)
