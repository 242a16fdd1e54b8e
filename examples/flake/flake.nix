# A host that system-manager manages, as a flake.
#
#   system-manager switch --flake .
{
  inputs = {
    # Where you have system-manager from.
    system-manager.url = "flake:system-manager";
    nixpkgs.follows = "system-manager/nixpkgs";
  };

  outputs =
    { system-manager, ... }:
    {
      # `default` is any host; a host's own name is looked for first.
      systemConfigs.default = system-manager.lib.makeSystemConfig {
        modules = [ ./system.nix ];
      };
    };
}
