# A host that system-manager manages, as a flake.
#
#   nix flake init -t URL && system-manager switch --flake .
#   nix build .#test-on-ubuntu         # boots a stock Ubuntu, switches it, and looks
{
  inputs = {
    # Where you have system-manager from: its package brings this folder, and an URL of its repository does as well.
    system-manager.url = "path:/usr/share/system-manager";
    nixpkgs.follows = "system-manager/nixpkgs";
  };

  outputs =
    { system-manager, ... }:
    {
      # `default` is any host; a host's own name is looked for first.
      systemConfigs.default = system-manager.lib.makeSystemConfig {
        modules = [ ./system.nix ];
      };

      # A test that boots a machine, which `nix flake check` therefore leaves alone.
      legacyPackages.x86_64-linux.test-on-ubuntu = system-manager.lib.runNixOSTest {
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
