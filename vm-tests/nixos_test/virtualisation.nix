# Options that tests set about the machine itself. NixOS has them for its own virtual machines; here the run decides
# what a machine is, so that they are read by nobody.
{ hasIPv6 }:
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

  inherit (config.testing) number;
  inherit (config.virtualisation) vlans;
  first = lib.head vlans;
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
      vlans = mkOption {
        type = types.listOf (types.ints.between 1 255);
        default = [ 1 ];
        description = "The networks that the machine is in: eth1 is in the first of them, and so on.";
      };
      interfaces = ignoredMany { } (types.attrsOf types.raw);
      sharedDirectories = ignoredMany { } (types.attrsOf types.raw);
      forwardPorts = ignoredMany [ ] (types.listOf types.raw);
      qemu = ignoredMany { } (types.attrsOf types.raw);
    };

    networking = {
      primaryIPAddress = mkOption {
        type = types.str;
        default = lib.optionalString (vlans != [ ]) "192.168.${toString first}.${toString number}";
        description = "The machine's address in the first of its networks.";
      };
      primaryIPv6Address = mkOption {
        type = types.str;
        default = lib.optionalString (
          hasIPv6 && vlans != [ ]
        ) "2001:db8:${toString first}::${toString number}";
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

  config.networking.hostName = lib.mkDefault config.testing.name;
  config.networking.interfaces = lib.listToAttrs (
    lib.imap1 (
      index: vlan:
      lib.nameValuePair "eth${toString index}" {
        ipv4.addresses = [
          {
            address = "192.168.${toString vlan}.${toString number}";
            prefixLength = 24;
          }
        ];
        ipv6.addresses = lib.optional hasIPv6 {
          address = "2001:db8:${toString vlan}::${toString number}";
          prefixLength = 64;
        };
      }
    ) vlans
  );
}
