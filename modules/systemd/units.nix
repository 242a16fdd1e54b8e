# The typed units of one scope, the system's or the users': their options, and how they become units.
{ lib, build }:
{ enableStrictShellChecks }:
let
  inherit (lib) mkOption types;
  inherit (import ./options.nix { inherit lib; }) shared common sectionOption;
  unitTypes = import ./types.nix { inherit lib; };
  render = import ./render.nix { inherit lib build; };
  escapePath = import ./escape.nix { inherit lib; };
  serviceOptions = import ./service-options.nix { inherit lib build; } {
    inherit enableStrictShellChecks;
  };

  # What every typed unit has, whatever its suffix.
  commonModule =
    { config, options, ... }:
    {
      options = shared // common;
      config.unitConfig =
        render.unitKeys config
        // lib.optionalAttrs options.startLimitBurst.isDefined {
          StartLimitBurst = toString config.startLimitBurst;
        }
        // lib.optionalAttrs options.startLimitIntervalSec.isDefined {
          StartLimitIntervalSec = toString config.startLimitIntervalSec;
        };
    };

  # Names a unit after its attribute.
  named =
    suffix:
    { name, ... }:
    {
      config.name = lib.mkDefault "${name}.${suffix}";
    };

  # Names a unit after the path that it mounts.
  mountedAt =
    suffix:
    { config, ... }:
    {
      options.where = mkOption {
        type = types.str;
        example = "/mnt/data";
        description = "The mount point.";
      };
      config.name = lib.mkDefault "${escapePath config.where}.${suffix}";
    };

  socket.options = {
    listenStreams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "0.0.0.0:993" ];
      description = "Addresses of stream sockets.";
    };
    listenDatagrams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "/run/app.sock" ];
      description = "Addresses of datagram sockets.";
    };
    socketConfig = sectionOption "Socket" "systemd.socket(5)" { SocketMode = "0660"; };
  };

  mount =
    { config, ... }:
    {
      options = {
        what = mkOption {
          type = types.str;
          example = "/dev/sda1";
          description = "The device or file to mount.";
        };
        type = mkOption {
          type = types.str;
          default = "";
          example = "ext4";
          description = "The file system type.";
        };
        options = mkOption {
          type = types.commas;
          default = "";
          example = "noatime";
          description = "Mount options.";
        };
        mountConfig = sectionOption "Mount" "systemd.mount(5)" { DirectoryMode = "0755"; };
      };
      config.mountConfig = {
        What = config.what;
        Where = config.where;
      }
      // lib.optionalAttrs (config.type != "") { Type = config.type; }
      // lib.optionalAttrs (config.options != "") { Options = config.options; };
    };

  automount =
    { config, ... }:
    {
      options.automountConfig = sectionOption "Automount" "systemd.automount(5)" { TimeoutIdleSec = 60; };
      config.automountConfig.Where = config.where;
    };

  unitsOf =
    what: modules: example:
    mkOption {
      type = types.attrsOf (types.submodule ([ commonModule ] ++ modules));
      default = { };
      inherit example;
      description = "All ${what}, by name without suffix.";
    };
  mountsOf =
    what: modules: example:
    mkOption {
      type = types.listOf (types.submodule ([ commonModule ] ++ modules));
      default = [ ];
      inherit example;
      description = "All ${what}, as a list; their names are derived from `where`.";
    };

  section = attr: name: manual: example: {
    options.${attr} = sectionOption name manual example;
  };

  unitFile =
    { name, ... }:
    {
      options = shared // {
        text = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The unit file's text.";
        };
        # Checked by an assertion, which can name all that are wrong.
        name = mkOption {
          type = types.str;
          default = name;
          defaultText = lib.literalMD "the attribute's name";
          description = "The unit's name, with its suffix.";
        };
      };
    };

  # The manifest holds sets: sorted, and without repetitions.
  sorted = names: lib.unique (builtins.sort builtins.lessThan names);

  toUnit = text: def: {
    ${def.name} = {
      inherit (def)
        name
        enable
        aliases
        wantedBy
        requiredBy
        upheldBy
        overrideStrategy
        ;
      text = text def;
    };
  };

  # Whether a unit's name is a suffix alone, such as `slice`: a drop-in for all units of that type.
  isOfType =
    name: unit:
    lib.elem name unitTypes.suffixes
    && unit.enable
    && unit.text != null
    && unit.overrideStrategy == "asDropin";
in
{
  options = {
    units = mkOption {
      type = types.attrsOf (types.submodule unitFile);
      default = { };
      example = lib.literalExpression ''
        { "app@tty1.service".enable = false; }
      '';
      description = "Units as text, as they are written to files. The typed options add to it.";
    };
    maskedUnits = mkOption {
      type = types.listOf unitTypes.unitName;
      default = [ ];
      example = [ "apt-daily.timer" ];
      description = "Units, also of the distribution, that are masked so that nothing can start them.";
    };
    services =
      unitsOf "services"
        [
          (named "service")
          serviceOptions
        ]
        {
          hello = {
            wantedBy = [ "multi-user.target" ];
            script = "echo hello";
          };
        };
    sockets = unitsOf "sockets" [ (named "socket") socket ] {
      app.listenStreams = [ "8080" ];
    };
    timers =
      unitsOf "timers"
        [
          (named "timer")
          (section "timerConfig" "Timer" "systemd.timer(5)" { OnCalendar = "daily"; })
        ]
        {
          app.timerConfig.OnCalendar = "daily";
        };
    paths =
      unitsOf "paths"
        [
          (named "path")
          (section "pathConfig" "Path" "systemd.path(5)" { PathChanged = "/etc/app"; })
        ]
        {
          app.pathConfig.PathChanged = "/etc/app";
        };
    targets = unitsOf "targets" [ (named "target") ] { app.wants = [ "app.service" ]; };
    slices =
      unitsOf "slices"
        [
          (named "slice")
          (section "sliceConfig" "Slice" "systemd.slice(5)" { MemoryMax = "2G"; })
        ]
        {
          app.sliceConfig.MemoryMax = "2G";
        };
    mounts =
      mountsOf "mounts"
        [
          (mountedAt "mount")
          mount
        ]
        [
          {
            what = "tmpfs";
            type = "tmpfs";
            where = "/mnt/scratch";
          }
        ];
    automounts =
      mountsOf "automounts"
        [
          (mountedAt "automount")
          automount
        ]
        [ { where = "/mnt/data"; } ];
  };

  # Gives the units of a scope's configuration, as definitions for its `units`.
  toUnits =
    { scope, globalEnvironment }:
    let
      fromAttrs = text: defs: map (toUnit text) (builtins.attrValues defs);
      fromList = text: map (toUnit text);
      # What a module leaves of a timer that is switched off: it has no time, and nobody wants it.
      isIdle =
        timer:
        timer.enable
        && timer.timerConfig == { }
        && timer.wantedBy ++ timer.requiredBy ++ timer.upheldBy ++ timer.aliases == [ ];
      timers = lib.filterAttrs (_name: timer: !(isIdle timer)) scope.timers;
    in
    lib.mkMerge (
      fromAttrs (render.service globalEnvironment) scope.services
      ++ fromAttrs render.socket scope.sockets
      ++ fromAttrs (render.plain "Timer" "timerConfig") timers
      ++ fromAttrs (render.plain "Path" "pathConfig") scope.paths
      ++ fromAttrs (render.plain "Slice" "sliceConfig") scope.slices
      ++ fromAttrs render.target scope.targets
      ++ fromList (render.plain "Mount" "mountConfig") scope.mounts
      ++ fromList (render.plain "Automount" "automountConfig") scope.automounts
      ++ map (name: { ${name}.enable = lib.mkForce false; }) scope.maskedUnits
    );

  # Gives the names of the units that the typed units of a scope name.
  named =
    scope:
    lib.concatMap
      (
        unit:
        lib.optionals unit.enable (
          unit.wantedBy
          ++ unit.requiredBy
          ++ unit.upheldBy
          ++ unit.wants
          ++ unit.requires
          ++ unit.bindsTo
          ++ unit.partOf
          ++ unit.after
          ++ unit.before
        )
      )
      (
        lib.concatMap builtins.attrValues [
          scope.services
          scope.sockets
          scope.timers
          scope.paths
          scope.slices
          scope.targets
        ]
        ++ scope.mounts
        ++ scope.automounts
      );

  # Gives the timers that `startAt` of services asks for.
  startAtTimers =
    services:
    lib.mapAttrs (_name: service: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = service.startAt;
    }) (lib.filterAttrs (_name: service: service.enable && service.startAt != [ ]) services);

  # What is added to all units of a type, as the manifest shows entries of `/etc`: it is of no unit.
  additionsToTypes =
    folder: units:
    lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "systemd/${folder}/${name}.d/overrides.conf" {
        user = "+0";
        group = "+0";
        mode = "symlink";
        replaceExisting = false;
        source = build.writeUnit "overrides.conf" unit.text;
      }
    ) (lib.filterAttrs isOfType units);

  # Gives the units as the manifest shows them.
  toManifest =
    all:
    let
      units = lib.filterAttrs (name: unit: !(isOfType name unit)) all;
    in
    lib.mapAttrs' (
      _name: unit:
      lib.nameValuePair unit.name {
        inherit (unit) overrideStrategy;
        source =
          if unit.enable then
            build.writeUnit unit.name (if unit.text == null then "" else unit.text)
          else
            null;
        aliases = sorted unit.aliases;
        wantedBy = sorted unit.wantedBy;
        requiredBy = sorted unit.requiredBy;
        upheldBy = sorted unit.upheldBy;
      }
    ) units;
}
