# error: has no *.conf
{ pkgs, ... }:
{
  systemd.tmpfiles.packages = [ (pkgs.writeTextDir "lib/other" "") ];
}
