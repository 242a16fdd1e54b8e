# Our modules that give meaning to options of NixOS.
[
  ./options.nix
]
