# What this host is to be.
{ pkgs, ... }:
{
  nixpkgs.hostPlatform = "x86_64-linux";

  environment.systemPackages = [ pkgs.hello ];
  environment.etc."motd" = {
    text = ''
      This host is managed by system-manager.
    '';
    # Most distributions have one. It comes back when this entry goes.
    replaceExisting = true;
  };
}
