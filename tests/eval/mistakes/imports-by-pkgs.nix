{ pkgs, ... }:
{
  imports = if pkgs.stdenv.isLinux then [ ./parts/app.nix ] else [ ];
}
