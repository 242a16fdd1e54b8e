# What a module adds to services by their submodules is done where it is in force, and by itself where it is asked for.
{
  systemd.services.safe = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/usr/bin/safe";
    confinement.enable = true;
  };
  systemd.services.open.serviceConfig.ExecStart = "/usr/bin/open";
  systemd.user.services.agent = {
    serviceConfig.ExecStart = "/usr/bin/agent";
    niceness = 3;
  };
  users.users.painter = {
    isSystemUser = true;
    group = "painter";
    colour = "blue";
  };
  users.groups.painter = { };
}
