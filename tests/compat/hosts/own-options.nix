# A host that declares by hand what its modules ask for, as people do where there is no nixpkgs, and one option more in a
# submodule of NixOS.
{ config, lib, ... }:
{
  options.services.rotate.enable = lib.mkOption {
    type = lib.types.bool;
    default = false;
    description = "A stub.";
  };
  options.services.webd.virtualHosts = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule {
        options.colour = lib.mkOption {
          type = lib.types.str;
          default = "grey";
        };
      }
    );
  };
  config = {
    services.rotate.enable = true;
    services.webd = {
      enable = true;
      virtualHosts."example.org".colour = "blue";
    };
    environment.etc.colour.text = config.services.webd.virtualHosts."example.org".colour;
  };
}
