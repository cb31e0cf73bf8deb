"""The papers' tables on one's own machine: train what is missing, choose, evaluate, compare."""
