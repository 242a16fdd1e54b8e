{ pkgs, ... }:
{
  environment.systemPackages = [ pkgs.no-such-program ];
}
