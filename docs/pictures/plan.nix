# What the README's picture shows the plan of, on a host that runs examples/nginx.nix.
{ lib, ... }:
{
  imports = [ ../../examples/nginx.nix ];
  environment.etc."web/index.html".text = lib.mkForce ''
    <!doctype html>
    <title>It works</title>
    <p>This page is managed by system-manager, and was changed.</p>
  '';
  users.users.alice = {
    isNormalUser = true;
    extraGroups = [ "sudo" ];
  };
  networking.hosts."192.0.2.7" = [ "db" ];
  systemd.services.web.environment.TZ = "UTC";
}
