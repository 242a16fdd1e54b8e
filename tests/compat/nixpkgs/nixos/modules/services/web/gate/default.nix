# What does the work is here, and what is declared in a file beside it.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.services.gate.enable {
    systemd.services.gate = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "${pkgs.webd}/bin/webd --only-pass-on";
    };
  };
}
