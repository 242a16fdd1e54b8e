"""The program on a machine, and how it and its toplevels come there."""
