# Packages that bring unit files of their own.
{ config, lib, ... }:
let
  paths = lib.unique (map (p: "${p}") config.systemd.packages);
in
{
  options.systemd.packages = lib.mkOption {
    type = lib.types.listOf lib.types.package;
    default = [ ];
    example = lib.literalExpression "[ pkgs.fwupd ]";
    description = ''
      Packages whose units in `etc/systemd/{system,user}` and `lib/systemd/{system,user}` are linked. To start them,
      a `wantedBy` is needed as well.
    '';
  };

  config.system.build.unitPackages = paths;
}
