"""Tables and plots, drawn from results only (taujp.evaluate.load_result)."""

from taujp.report.plot import plot_addition, plot_negation
from taujp.report.table import addition_table, negation_table

__all__ = ["addition_table", "negation_table", "plot_addition", "plot_negation"]
