# The same module by two names, a module that the host replaces, and one that we replace.
{ modulesPath, lib, ... }:
{
  imports = [
    "${modulesPath}/services/misc/folder"
    "${modulesPath}/services/misc/folder/default.nix"
    (modulesPath + "/services/misc/folder/part.nix")
    (modulesPath + "/config/sysctl.nix")
  ];
  disabledModules = [ "services/misc/rotate.nix" ];
  options.services.rotate.when = lib.mkOption {
    type = lib.types.str;
    description = "When.";
  };
  config = {
    services.folder.enable = true;
    boot.kernel.sysctl."vm.swappiness" = 1;
    services.rotate.when = "daily";
  };
}
