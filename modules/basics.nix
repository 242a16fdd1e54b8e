# The host's name, time zone, locale and keyboard, which every host has already: only what is set counts.
{
  config,
  lib,
  options,
  systemManager,
  ...
}:
let
  inherit (lib) mkOption types;

  # A module of NixOS that a host imports says what suits NixOS, such as UTC beside a database. A host that runs already is
  # not changed by that; it is listed as having no effect.
  isOfNixpkgs =
    d:
    systemManager.nixpkgs != null
    && lib.hasPrefix "${toString systemManager.nixpkgs}/" (toString d.file);
  isDefined = option: option.highestPrio < (lib.mkOptionDefault null).priority;
  isWanted = option: isDefined option && !(lib.all isOfNixpkgs option.definitionsWithLocations);

  all = {
    "networking.hostName" = options.networking.hostName;
    "time.timeZone" = options.time.timeZone;
    "i18n.defaultLocale" = options.i18n.defaultLocale;
    "i18n.extraLocaleSettings" = options.i18n.extraLocaleSettings;
    "console.keyMap" = options.console.keyMap;
  };
  wanted = lib.filterAttrs (_name: isWanted) all;
  ignored = lib.filterAttrs (name: option: isDefined option && !(wanted ? ${name})) all;
  valueOf = name: lib.optionalAttrs (wanted ? ${name}) wanted.${name}.value;
  isSet = name: wanted ? ${name} && wanted.${name}.value != null && wanted.${name}.value != "";
  field = name: option: lib.optionalAttrs (isSet option) { ${name} = wanted.${option}.value; };

  locale =
    lib.optionalAttrs (isSet "i18n.defaultLocale") { LANG = valueOf "i18n.defaultLocale"; }
    // valueOf "i18n.extraLocaleSettings";

  # Where each may be, on one distribution or another.
  places = {
    "networking.hostName" = [ "hostname" ];
    "time.timeZone" = [
      "localtime"
      "timezone"
    ];
    "i18n.defaultLocale" = [
      "default/locale"
      "locale.conf"
    ];
    "console.keyMap" = [
      "default/keyboard"
      "vconsole.conf"
    ];
  };
  entries = config.system.build.etcEntries;
  twice = lib.concatMap (
    option:
    map (place: "`${place}` (set only `${option}`)") (
      lib.filter (place: entries ? ${place}) places.${option}
    )
  ) (lib.filter isSet (builtins.attrNames places));

  keyMap = valueOf "console.keyMap";
in
{
  options = {
    networking.hostName = mkOption {
      type = types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$" // {
        description = "name of a host, without a domain, or an empty string";
      };
      default = "nixos";
      example = "web-1";
      description = ''
        The host's name, without a domain: `/etc/hostname`, and the name of the running host. If it is not set or
        empty, the host keeps its name, and modules read NixOS's default.
      '';
    };
    time.timeZone = mkOption {
      type = types.nullOr (types.addCheck types.str (zone: builtins.match ".*[ \t\n].*" zone == null));
      default = null;
      example = "Europe/Berlin";
      description = ''
        The host's time zone, by its name in the host's `/usr/share/zoneinfo`: `/etc/localtime`, and `/etc/timezone`
        if it exists. With `null`, the host keeps its own.
      '';
    };
    i18n.defaultLocale = mkOption {
      type = types.str;
      default = "en_US.UTF-8";
      example = "de_DE.UTF-8";
      description = ''
        The locale of the host, `LANG` in `/etc/default/locale` or `/etc/locale.conf`; the host must have it. If it
        is not set, the host keeps its own.
      '';
    };
    i18n.extraLocaleSettings = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        LC_TIME = "de_DE.UTF-8";
      };
      description = "Additional locale variables, besides {option}`i18n.defaultLocale`.";
    };
    console.keyMap = mkOption {
      type = types.either types.str types.path;
      default = "us";
      example = "de";
      description = ''
        The keyboard map, by its console name: `XKBLAYOUT` in `/etc/default/keyboard`, or `KEYMAP` in
        `/etc/vconsole.conf`; takes effect at the next boot. If it is not set, the host keeps its own.
      '';
    };

    system-manager.basics = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default =
        field "hostName" "networking.hostName"
        // field "timeZone" "time.timeZone"
        // field "keyMap" "console.keyMap"
        // lib.optionalAttrs (locale != { }) { inherit locale; };
      description = "What is set of the host's basics.";
    };
  };

  config = {
    assertions = [
      {
        assertion = twice == [ ];
        message = "environment.etc: both an entry and an option of its own: ${lib.concatStringsSep ", " twice}";
      }
      {
        assertion = !(isSet "console.keyMap") || !(builtins.isPath keyMap || lib.hasPrefix "/" keyMap);
        message = "console.keyMap: the distribution knows maps by their names; name one instead of a file";
      }
    ];
    system-manager.noEffect = lib.mapAttrsToList (option: o: {
      inherit option;
      definedIn = lib.unique (map toString o.files);
    }) ignored;
    system.build.basicsOptions = wanted;
  };
}
