# What both hosts are to be.
{ pkgs, ... }:
{
  nixpkgs.hostPlatform = "x86_64-linux";

  environment.systemPackages = [ pkgs.hello ];
  systemd.services.greeting = {
    description = "Greet";
    wantedBy = [ "multi-user.target" ];
    serviceConfig.Type = "oneshot";
    script = "${pkgs.hello}/bin/hello";
  };
}
