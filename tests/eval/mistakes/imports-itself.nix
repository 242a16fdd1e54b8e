{ config, lib, ... }:
{
  imports = lib.optional config.services.app.enable ./parts/app.nix;
}
