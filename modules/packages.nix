# Packages for all users: one folder of links, and the paths under which it is found.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;

  # The outputs that a package wants to be installed, unless one was chosen.
  outputs =
    p:
    if p.outputSpecified or false then
      [ p ]
    else
      map (o: p.${o} or p) (p.meta.outputsToInstall or [ "out" ]);

  # nixpkgs's convention: the lower number wins, 5 when there is none.
  byPriority = builtins.sort (a: b: (a.meta.priority or 5) < (b.meta.priority or 5));

  packages = lib.unique config.environment.systemPackages;
  sw =
    if packages == [ ] then
      null
    else
      build.join {
        name = "system-manager-sw";
        paths = lib.concatMap outputs (byPriority packages);
        inherit (config.environment) pathsToLink;
      };
in
{
  options.environment = {
    systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.ripgrep ]";
      description = ''
        Packages whose programs are in the `PATH` of login shells, by `/run/system-manager/sw`.
      '';
    };
    pathsToLink = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "/share/zsh" ];
      description = "The folders of packages that are linked, besides those that every configuration has.";
    };
  };

  config = {
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
      packageNames = lib.unique (
        builtins.sort builtins.lessThan (map (p: p.name or (baseNameOf "${p}")) packages)
      );
    };

    # NixOS modules expect `/run/current-system`; the activator keeps the link that it points to.
    systemd.tmpfiles.settings = lib.mkIf (sw != null) {
      system-manager = {
        "/run/system-manager/sw"."L+".argument = "${sw}";
        "/run/current-system".L.argument = "/var/lib/system-manager/current";
      };
    };
  };
}
