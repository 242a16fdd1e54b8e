# What suits NixOS is not for a host that has its own.
{ lib, ... }:
{
  time.timeZone = lib.mkDefault "UTC";
}
