# error: systemd.services.userborn: it would make accounts, which system-manager does
# error: hint: leave out the module that sets it
# A copy of NixOS's module, which is not known as one.
{ modulesPath, ... }:
{
  imports = [ (import "${modulesPath}/services/system/userborn.nix") ];
  services.userborn.enable = true;
}
