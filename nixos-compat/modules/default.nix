# Our modules that give meaning to options of NixOS.
[
  ./host-packages.nix
  ./options.nix
]
