"""A test in NixOS's form, from Nix to the driver."""
