# The targets that those know who come from numtide/system-manager: named by units, declared by none.
{
  systemd.services = {
    web = {
      wantedBy = [ "system-manager.target" ];
      serviceConfig.ExecStart = "/usr/bin/web";
    };
    each-time = {
      requiredBy = [ "sysinit-reactivation.target" ];
      before = [ "sysinit-reactivation.target" ];
      serviceConfig.ExecStart = "/usr/bin/each-time";
    };
  };
}
