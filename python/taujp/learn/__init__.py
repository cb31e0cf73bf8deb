"""Merges that look at data while they merge: coefficients that are learned, layers in turn."""

from taujp.learn.adamerging import adamerging
from taujp.learn.learned import Learned, load_learned
from taujp.learn.regmean_plus_plus import regmean_plus_plus

__all__ = ["Learned", "adamerging", "load_learned", "regmean_plus_plus"]
