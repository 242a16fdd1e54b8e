# One configuration for two hosts: one of a distribution, which system-manager manages, and one of NixOS.
#
#   system-manager switch --flake .        # on the distribution
#   nixos-rebuild switch --flake .         # on NixOS
{
  inputs = {
    # Where you have system-manager from: its package brings this folder, and an URL of its repository does as well.
    system-manager.url = "path:/usr/share/system-manager";
    nixpkgs.follows = "system-manager/nixpkgs";
  };

  outputs =
    { nixpkgs, system-manager, ... }:
    {
      systemConfigs.default = system-manager.lib.makeSystemConfig {
        modules = [ ./system.nix ];
      };

      nixosConfigurations.default = nixpkgs.lib.nixosSystem {
        modules = [
          ./system.nix
          # What only NixOS needs to know of its host.
          ./nixos.nix
          # The options that only system-manager has.
          system-manager.nixosModules.default
        ];
      };
    };
}
