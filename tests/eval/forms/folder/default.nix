# A folder with a module.
{ config, ... }:
{
  environment.etc."form".text = config.system-manager.name;
}
