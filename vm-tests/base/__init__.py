"""What knows of no machine: errors, the log, processes of the host, and of a machine (the agent)."""
