"""Lines into machines: networks, terminals, the channel to an agent, the environment of commands."""
