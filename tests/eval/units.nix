# Units of the other types, of the users, and from packages.
{ pkgs, ... }:
{
  systemd.sockets.app = {
    wantedBy = [ "sockets.target" ];
    listenStreams = [
      "8080"
      "/run/app.sock"
    ];
    listenDatagrams = [ "9090" ];
    socketConfig.Accept = false;
  };
  systemd.timers.app = {
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnCalendar = [
        "Mon 02:00"
        "Tue 03:00"
      ];
      Persistent = true;
    };
  };
  systemd.paths.app.pathConfig.PathChanged = "/etc/app";
  systemd.targets.app = {
    description = "The app";
    wants = [ "app.service" ];
  };
  systemd.slices.app.sliceConfig.MemoryMax = "2G";
  systemd.mounts = [
    {
      what = "tmpfs";
      where = "/mnt/a-b c";
      type = "tmpfs";
      options = "noatime,size=1M";
      wantedBy = [ "local-fs.target" ];
    }
  ];
  systemd.automounts = [
    { where = "/.hidden//x/"; }
    {
      where = "/";
      automountConfig.TimeoutIdleSec = 60;
    }
  ];

  systemd.units."raw.service" = {
    text = "[Service]\nExecStart=/bin/raw\n";
    wantedBy = [ "multi-user.target" ];
  };
  systemd.units."app@tty1.service".enable = false;
  systemd.maskedUnits = [ "apt-daily.timer" ];
  systemd.defaultUnit = "multi-user.target";

  systemd.user.services.agent = {
    wantedBy = [ "default.target" ];
    startAt = [ "hourly" ];
    script = "echo agent";
  };
  systemd.user.sockets.agent.listenStreams = [ "%t/agent" ];

  # The package's unit gets a drop-in, its wants are left out.
  systemd.packages = [
    (pkgs.linkFarm "shipped" {
      "lib/systemd/system/shipped.service" = ./shipped.service;
      "lib/systemd/system/shipped.service.d/more.conf" = ./shipped.service;
      "lib/systemd/system/multi-user.target.wants/shipped.service" = "../shipped.service";
      "etc/systemd/user/shipped-user.service" = ./shipped.service;
    })
  ];
  systemd.services.shipped = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.Nice = 5;
  };
  system-manager.replaceExisting = [ "systemd/system/app.socket" ];

  # What is added to all units of a type.
  systemd.user.units.slice = {
    text = "[Slice]\nMemoryMax=1G\n";
    overrideStrategy = "asDropin";
  };
}
