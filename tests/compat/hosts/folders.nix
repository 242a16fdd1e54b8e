# The same module by two names, and a module that the host replaces.
{ modulesPath, lib, ... }:
{
  imports = [
    "${modulesPath}/services/misc/folder"
    "${modulesPath}/services/misc/folder/default.nix"
    (modulesPath + "/services/misc/folder/part.nix")
  ];
  disabledModules = [ "services/misc/rotate.nix" ];
  options.services.rotate.when = lib.mkOption {
    type = lib.types.str;
    description = "When.";
  };
  config = {
    services.folder.enable = true;
    services.rotate.when = "daily";
  };
}
