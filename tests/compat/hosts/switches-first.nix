# What a module that is imported sets follows from one that is not there yet, and that its switch brings.
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web/webd" ];
  services.webd = {
    enable = true;
    database = true;
  };
  services.rotate.enable = true;
}
