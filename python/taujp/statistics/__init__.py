"""What merges need to know of data: Fisher information and Gram matrices, gathered once a task."""

from taujp.statistics.fisher import gather_fisher
from taujp.statistics.grams import gather_grams
from taujp.statistics.stored import Statistics, load_statistics

__all__ = ["Statistics", "gather_fisher", "gather_grams", "load_statistics"]
