# Packages for all users: one folder of links, and the paths under which it is found.
{
  config,
  lib,
  build,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  # The outputs that a package wants to be installed, unless one was chosen, and those that are asked for besides.
  outputs =
    p:
    if p.outputSpecified or false then
      [ p ]
    else
      map (o: p.${o} or p) (p.meta.outputsToInstall or [ "out" ])
      ++ map (o: p.${o}) (lib.filter (o: p ? ${o}) config.environment.extraOutputsToInstall);

  # nixpkgs's convention: the lower number wins, 5 when there is none.
  byPriority = builtins.sort (a: b: (a.meta.priority or 5) < (b.meta.priority or 5));

  packages = lib.unique config.environment.systemPackages;
  joined = build.join {
    name = "system-manager-sw";
    paths = lib.unique (lib.concatMap outputs (byPriority packages));
    inherit (config.environment) pathsToLink;
  };
  sw =
    if packages == [ ] then
      null
    else if config.environment.extraSetup == "" then
      joined
    else
      pkgs.runCommand "system-manager-sw" { } ''
        cp -R ${joined} $out
        chmod -R u+w $out
        ${config.environment.extraSetup}
      '';
in
{
  options.environment = {
    systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.ripgrep ]";
      description = ''
        Packages whose programs are in the `PATH` of login shells, through `/run/system-manager/sw`.
      '';
    };
    corePackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.coreutils ]";
      description = "Packages like those in `systemPackages`, in a separate option so that they can be replaced as a group.";
    };
    extraOutputsToInstall = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "doc" ];
      description = "Additional outputs of packages to link, besides those that a package installs by default.";
    };
    extraSetup = mkOption {
      type = types.lines;
      default = "";
      example = "rm -f $out/bin/unwanted";
      description = "Shell commands that modify the folder of links, `$out`, before it is installed.";
    };
    pathsToLink = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "/share/zsh" ];
      description = "Additional folders of packages to link, besides the default ones.";
    };
  };

  config = {
    environment.systemPackages = config.environment.corePackages;
    # A definition, as in NixOS: modules that add a folder must not take these away.
    environment.pathsToLink = [
      "/bin"
      "/sbin"
      "/share"
      "/lib"
      "/etc/xdg"
    ];

    system.build = {
      sw = if sw == null then null else build.carrying (toString packages) "${sw}";
      # What is in the toplevel, and by that below `/run/current-system`.
      toplevelSw = lib.mkDefault config.system.build.sw;
      usesCurrentSystem = lib.mkDefault (sw != null);
      packageNames = lib.unique (
        builtins.sort builtins.lessThan (map (p: p.name or (baseNameOf "${p}")) packages)
      );
    };

    # NixOS modules expect `/run/current-system`; the activator keeps the link that it points to.
    systemd.tmpfiles.settings.system-manager = {
      "/run/system-manager/sw" = lib.mkIf (sw != null) { "L+".argument = "${sw}"; };
      "/run/current-system" =
        lib.mkIf (config.system-manager.linkCurrentSystem && config.system.build.usesCurrentSystem)
          {
            L.argument = "/var/lib/system-manager/current";
          };
    };
  };
}
