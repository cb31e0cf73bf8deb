"""Tables, plots and a page, drawn from results only (taujp.evaluate.load_result)."""

from taujp.report.comparison_table import comparison_table, negation_comparison_table
from taujp.report.heat_map import plot_tau_jp_matrix, tau_jp_table
from taujp.report.page import write_report
from taujp.report.plot import plot_addition, plot_negation
from taujp.report.plot_comparison import plot_comparison
from taujp.report.table import addition_table, negation_table

__all__ = [
    "addition_table",
    "comparison_table",
    "negation_comparison_table",
    "negation_table",
    "plot_addition",
    "plot_comparison",
    "plot_negation",
    "plot_tau_jp_matrix",
    "tau_jp_table",
    "write_report",
]
