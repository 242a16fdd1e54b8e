# What nodes say of their networks, where there is no nixpkgs that declares it.
{ lib, ... }:
let
  inherit (lib) mkOption types;

  # What a network interface has of one family of addresses. The driver sets it up.
  family =
    what:
    let
      length = mkOption {
        type = types.int;
        description = "The length of the prefix.";
      };
      address = mkOption {
        type = types.str;
        description = "The address.";
      };
    in
    {
      addresses = mkOption {
        type = types.listOf (
          types.submodule {
            options = {
              inherit address;
              prefixLength = length;
            };
          }
        );
        default = [ ];
        description = "Addresses of ${what}.";
      };
      routes = mkOption {
        type = types.listOf (
          types.submodule {
            freeformType = types.attrsOf types.raw;
            options = {
              inherit address;
              prefixLength = length;
              via = mkOption {
                type = types.nullOr types.str;
                default = null;
                description = "The next hop.";
              };
            };
          }
        );
        default = [ ];
        description = "Routes of ${what}.";
      };
    };
in
{
  options.networking = {
    interfaces = mkOption {
      type = types.attrsOf (
        types.submodule {
          # What else NixOS has there is not for the driver.
          freeformType = types.attrsOf types.raw;
          options = {
            ipv4 = family "IPv4";
            ipv6 = family "IPv6";
          };
        }
      );
      default = { };
      description = "The machine's network interfaces, of which the driver sets up those of `virtualisation.vlans`.";
    };
  };
}
