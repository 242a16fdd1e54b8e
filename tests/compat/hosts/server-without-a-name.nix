# A module sets an option whose switch has an old name that leads to a server which nobody has.
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/services/web/finder.nix" ];
  services.finder.enable = true;
}
