"""Small data sets in the exact layouts their publishers, and users of the earlier code, have.

A module a data set: `raw(folder)` writes what the official archives unpack to, `earlier(root)`
what the task-arithmetic papers' code reads. Images are really encoded; each shows its own label
(pictures.label_of) and no two are alike.
"""
