"""The commands of `taujp`, one file each: `add_arguments(parser)` and `run(arguments)`."""
