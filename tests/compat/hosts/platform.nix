# What is particular about a platform reaches the packages, and both can be read as on NixOS.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [
    {
      nixpkgs.config.allow.broken = true;
      nixpkgs.config.packageOverrides = _pkgs: { first = 1; };
    }
    {
      nixpkgs.config = { pkgs, ... }: {
        allow.unfree = pkgs ? webd;
        packageOverrides = _pkgs: { second = 2; };
      };
    }
  ];
  nixpkgs.hostPlatform = {
    system = "x86_64-linux";
    gcc.arch = "x86-64-v3";
  };

  environment.etc."platform".text = builtins.toJSON {
    inherit (config.nixpkgs.hostPlatform) system isx86_64;
    built = config.nixpkgs.buildPlatform.system;
    same = config.nixpkgs.buildPlatform.gcc.arch == config.nixpkgs.hostPlatform.gcc.arch;
    packages = pkgs.platform.gcc.arch;
    overrides = lib.attrNames (config.nixpkgs.config.packageOverrides { });
    inherit (config.nixpkgs.config) allow;
  };
}
