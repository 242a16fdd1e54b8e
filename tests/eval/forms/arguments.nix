# A module that asks for arguments, one of them its own.
{ lib, pkgs, ... }:
{
  environment.etc."form".text = lib.toLower "ARGUMENTS";
  nixpkgs.hostPlatform = "aarch64-linux";
  assertions = [
    {
      assertion = pkgs.stdenv.hostPlatform.isAarch64;
      message = "`pkgs` is not that of the host's platform";
    }
  ];
}
