"""What a test script says to a machine: the API of the NixOS test driver, for all kinds."""
