# NixOS modules that are always in force: they give the others what they take for granted, and put nothing on
# the host. A nixpkgs that lacks one does without it.
[
  # The numbers of system users.
  "misc/ids.nix"
  # `config.lib`, where modules leave functions for each other.
  "misc/lib.nix"
  # `meta` of modules.
  "misc/meta.nix"
  # The argument `utils`.
  "misc/extra-arguments.nix"
  # Old names of options.
  "rename.nix"
  # Modular services, which become units.
  "system/service/systemd/system.nix"
]
