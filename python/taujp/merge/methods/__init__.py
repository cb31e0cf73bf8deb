"""One file for each merge method, or for two that differ in a word; a new file is found."""
