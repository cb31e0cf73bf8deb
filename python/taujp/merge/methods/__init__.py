"""One file for each merge method, or for two that differ in one word. Adding a file adds a method."""
