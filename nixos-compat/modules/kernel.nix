# The kernel's parameters and modules, by the folders that every distribution reads.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.boot;

  # Strictly defined: two definitions have to agree.
  value = types.nullOr (
    types.oneOf [
      types.bool
      types.int
      types.str
    ]
  );
  # Several services ask for buffers; the largest serves all of them.
  largest =
    description:
    mkOption {
      type = types.nullOr (
        lib.mkOptionType {
          name = "largest int";
          description = "an integer, of which the largest counts";
          check = builtins.isInt;
          merge = _loc: defs: lib.foldl' (n: d: lib.max n d.value) 0 defs;
        }
      );
      default = null;
      inherit description;
    };

  parameters = lib.filterAttrs (_name: v: v != null) cfg.kernel.sysctl;
  shown =
    v:
    if v == true then
      "1"
    else if v == false then
      "0"
    else
      toString v;
  sysctl = lib.concatStrings (lib.mapAttrsToList (name: v: "${name} = ${shown v}\n") parameters);

  modules = lib.unique (builtins.sort builtins.lessThan cfg.kernelModules);
  modulesText = lib.concatMapStrings (m: "${m}\n") modules;
  modprobe =
    lib.concatMapStrings (m: "blacklist ${m}\n") cfg.blacklistedKernelModules
    + terminated cfg.extraModprobeConfig;

  # What the boot does by the distribution's own service, a switch has to do once; where, as in a container, the
  # distribution's service does not run, neither does this.
  apply = program: condition: file: text: {
    description = "Apply ${file}";
    wantedBy = [ "multi-user.target" ];
    restartTriggers = [ (build.writeText (baseNameOf file) text) ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "/usr/lib/systemd/${program} ${file}";
    };
    unitConfig = condition;
  };
in
{
  options.boot = {
    kernel.sysctl = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf value;
        options = {
          "net.core.rmem_max" = largest "The maximum receive buffer size of a socket, in bytes.";
          "net.core.wmem_max" = largest "The maximum send buffer size of a socket, in bytes.";
        };
      };
      default = { };
      example = {
        "net.ipv4.ip_forward" = true;
        "vm.swappiness" = 10;
      };
      description = ''
        Kernel parameters, see sysctl.d(5). They are set by a switch and at each boot. A parameter that is removed
        from the configuration keeps its value until the next boot.
      '';
    };
    kernelModules = mkOption {
      type = types.coercedTo (types.attrsOf types.bool) (
        set: lib.attrNames (lib.filterAttrs (_name: on: on) set)
      ) (types.listOf types.str);
      default = [ ];
      example = [ "br_netfilter" ];
      description = "Kernel modules to load, see modules-load.d(5).";
    };
    blacklistedKernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "pcspkr" ];
      description = "Kernel modules that are not loaded automatically for their devices.";
    };
    extraModprobeConfig = mkOption {
      type = types.lines;
      default = "";
      example = "options kvm_intel nested=1";
      description = "Lines for modprobe.d(5).";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (parameters != { }) {
      environment.etc."sysctl.d/60-nixos.conf".text = sysctl;
      systemd.services.system-manager-sysctl = apply "systemd-sysctl" {
        ConditionPathIsReadWrite = "/proc/sys/net";
      } "/etc/sysctl.d/60-nixos.conf" sysctl;
    })
    (lib.mkIf (modules != [ ]) {
      environment.etc."modules-load.d/nixos.conf".text = modulesText;
      systemd.services.system-manager-modules =
        apply "systemd-modules-load" {
          ConditionCapability = "CAP_SYS_MODULE";
        } "/etc/modules-load.d/nixos.conf" modulesText
        // {
          before = [ "system-manager-sysctl.service" ];
        };
    })
    (lib.mkIf (modprobe != "") {
      environment.etc."modprobe.d/nixos.conf".text = modprobe;
    })
  ];
}
