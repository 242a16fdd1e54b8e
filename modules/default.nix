# The list of the core modules. Each file declares one area of options.
[
  ./assertions.nix
  ./checks.nix
  ./environment.nix
  ./etc.nix
  ./host-packages.nix
  ./manifest.nix
  ./nixpkgs.nix
  ./packages.nix
  ./specialisation.nix
  ./system.nix
  ./systemd/packages.nix
  ./systemd/services.nix
  ./systemd/user.nix
  ./tmpfiles.nix
  ./toplevel.nix
]
++ (if builtins.pathExists ./users.nix then [ ./users.nix ] else [ ])
