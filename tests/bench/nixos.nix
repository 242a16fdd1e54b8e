# NixOS's own evaluation of the two servers of `tests/compat/nixos/web-and-database.nix`, for tests/bench/eval.
{ nixpkgs }:
(import "${nixpkgs}/nixos/lib/eval-config.nix" {
  system = builtins.currentSystem;
  modules = [
    {
      services.nginx.enable = true;
      services.nginx.virtualHosts."example.org".root = "/srv/www";
      services.postgresql = {
        enable = true;
        ensureDatabases = [ "app" ];
      };
      # What a NixOS must have, as little as it can be; and without its manual, which is not of this host.
      boot.loader.grub.enable = false;
      fileSystems."/" = {
        device = "/dev/vda";
        fsType = "ext4";
      };
      documentation.enable = false;
      system.stateVersion = (import "${nixpkgs}/lib").trivial.release;
    }
  ];
}).config.system.build.toplevel.drvPath
