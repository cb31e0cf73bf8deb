"""The one error of merging that is not about a checkpoint: what was asked for makes no sense."""


class MergeError(ValueError):
    """A merge cannot be done as asked; the message names the argument, what came and what to do."""
