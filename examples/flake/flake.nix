# A host that system-manager manages, as a flake.
#
#   system-manager switch --flake .
#   nix flake check                    # boots a stock Ubuntu, switches it, and looks
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

      checks.x86_64-linux.default = system-manager.lib.runNixOSTest {
        distro = "ubuntu-24.04";
        test = {
          name = "host";
          nodes.host = ./system.nix;
          testScript = ''
            assert "managed by system-manager" in host.succeed("cat /etc/motd")
            host.succeed("hello")
          '';
        };
      };
    };
}
