# What colmena asks a nixpkgs for: how the modules of a host become a configuration. With this folder as the `path` of
# `meta.nixpkgs`, and system-manager among `meta.specialArgs`, that is one of system-manager. See docs/remote.md.
{ modules, specialArgs, ... }:
specialArgs.system-manager.lib.makeSystemConfig { inherit modules specialArgs; }
