# Services: scripts, quoting, triggers, X- keys, drop-ins, masks.
{ lib, pkgs, ... }:
{
  systemd.globalEnvironment = {
    TZ = "UTC";
    EDITOR = "vi";
  };

  systemd.services.everything = {
    description = "Everything at once";
    documentation = [
      "man:everything(1)"
      "https://example.org/everything"
    ];
    wants = [ "network-online.target" ];
    requires = [ "db.service" ];
    upholds = [ "helper.service" ];
    after = [
      "network-online.target"
      "db.service"
    ];
    before = [ "late.service" ];
    bindsTo = [ "dev-sda.device" ];
    partOf = [ "app.target" ];
    conflicts = [ "rival.service" ];
    requisite = [ "mnt-data.mount" ];
    onFailure = [ "alert@%n.service" ];
    onSuccess = [ "done.target" ];
    startLimitBurst = 3;
    startLimitIntervalSec = 30;
    wantedBy = [ "multi-user.target" ];
    requiredBy = [ "app.target" ];
    upheldBy = [ "app.target" ];
    aliases = [ "all.service" ];
    restartTriggers = [
      "one"
      [ ./file.txt ]
    ];
    reloadTriggers = [ "two" ];
    path = [
      pkgs.gnugrep
      "/opt/tools"
    ];
    environment = {
      QUOTED = "a \"b\" c\\d %n";
      LINES = "1\n2";
      EDITOR = "vim";
      TZ = null;
    };
    preStart = "echo pre-start";
    script = ''
      echo "$1"
    '';
    scriptArgs = "%i";
    postStart = "echo post-start";
    reload = "echo reload";
    preStop = "echo pre-stop";
    postStop = "echo post-stop";
    serviceConfig = {
      Type = "simple";
      RemainAfterExit = false;
      RestartSec = 5;
      # NixOS joins a value that is none to a list, too: modules rely on it beside `preStart`.
      ExecStartPre = lib.mkMerge [
        [ "-/bin/true" ]
        "/bin/sleep 1"
      ];
      ReadWritePaths = [
        "/var/a"
        "/var/b"
      ];
    };
    unitConfig.RequiresMountsFor = "/var/a";
  };

  systemd.services."worker@" = {
    enableStrictShellChecks = true;
    script = "echo worker";
    restartIfChanged = false;
    stopIfChanged = false;
    notSocketActivated = true;
    path = [ "/opt/tools" ];
    enableDefaultPath = false;
  };

  systemd.services.reloading = {
    reloadIfChanged = true;
    restartIfChanged = false;
    serviceConfig.ExecStart = "/bin/true";
  };

  # A part of the distribution's own unit is overruled.
  systemd.services.ssh = {
    overrideStrategy = "asDropin";
    serviceConfig.ExecStart = [
      ""
      "/usr/sbin/sshd -D"
    ];
  };

  systemd.services.unwanted.enable = false;

  systemd.services.nightly = lib.mkMerge [
    {
      startAt = "02:00";
      serviceConfig.ExecStart = lib.mkDefault "/bin/false";
    }
    {
      serviceConfig.ExecStart = "/bin/true";
      serviceConfig.User = lib.mkForce "nobody";
    }
    (lib.mkIf true { serviceConfig.User = "root"; })
    (lib.mkIf false { serviceConfig.Group = "root"; })
  ];
}
