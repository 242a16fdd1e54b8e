# Options that tests set about the machine itself. NixOS has them for its own virtual machines; here the run decides
# what a machine is, so that they are read by nobody.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  description = "Accepted, without effect: the run decides what a machine is.";
  # Whatever is set, and however often.
  ignored = mkOption {
    type = lib.mkOptionType {
      name = "anything";
      merge = _loc: defs: (lib.last defs).value;
    };
    default = null;
    inherit description;
  };
  ignoredMany = default: type: mkOption { inherit type default description; };
  names = [
    "additionalPaths"
    "bios"
    "bootDevice"
    "bootLoaderDevice"
    "bootPartition"
    "cores"
    "diskImage"
    "diskSize"
    "efi"
    "efiVars"
    "emptyDiskImages"
    "graphics"
    "host"
    "memorySize"
    "mountHostNixStore"
    "msize"
    "pathsInNixDB"
    "resolution"
    "restrictNetwork"
    "rootDevice"
    "tpm"
    "useBootLoader"
    "useDefaultFilesystems"
    "useEFIBoot"
    "useHostCerts"
    "useNixStoreImage"
    "useSecureBoot"
    "writableStore"
    "writableStoreUseTmpfs"
  ];
in
{
  options = {
    virtualisation = lib.genAttrs names (_name: ignored) // {
      vlans = ignoredMany [ 1 ] (types.listOf types.int);
      interfaces = ignoredMany { } (types.attrsOf types.raw);
      sharedDirectories = ignoredMany { } (types.attrsOf types.raw);
      forwardPorts = ignoredMany [ ] (types.listOf types.raw);
      qemu = ignoredMany { } (types.attrsOf types.raw);
    };

    networking = {
      primaryIPAddress = mkOption {
        type = types.str;
        default = "192.168.1.${toString config.testing.number}";
        description = "The machine's address in the first virtual network.";
      };
      primaryIPv6Address = mkOption {
        type = types.str;
        default = "2001:db8:1::${toString config.testing.number}";
        description = "The same for IPv6.";
      };
    };

    testing = {
      name = mkOption {
        type = types.str;
        internal = true;
        default = "machine";
        description = "The machine's name in the test.";
      };
      number = mkOption {
        type = types.int;
        internal = true;
        default = 1;
        description = "The machine's number in the test.";
      };
    };
  };
}
