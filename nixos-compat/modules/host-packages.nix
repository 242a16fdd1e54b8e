# The distribution's programs in place of the packages that modules ask for.
{
  config,
  lib,
  systemManager,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.nixos-compat.hostPackages;

  beneath =
    if systemManager.nixpkgs == null then
      { }
    else
      import systemManager.nixpkgs {
        inherit (config.nixpkgs) config;
        localSystem = config.nixpkgs.hostPlatform;
      };
  pkgs = systemManager.hostPackages {
    inherit (config.nixpkgs.hostPlatform) system;
    inherit (cfg) packages;
    inherit beneath;
    distribution = config.nixos-compat.distributionFacts;
  };

  # Every text that ends up in a unit, with the packages that it refers to.
  services =
    builtins.attrValues config.systemd.services ++ builtins.attrValues config.systemd.user.services;
  scripts = lib.concatMap (s: [
    s.script
    s.preStart
    s.postStart
    s.reload
    s.preStop
    s.postStop
  ]) services;
  units = builtins.attrValues config.systemd.units ++ builtins.attrValues config.systemd.user.units;
  textOrSource = e: if e.text != null then e.text else toString e.source;
  entries = lib.filter (e: e.enable) (builtins.attrValues config.environment.etc);
  files = lib.filter (t: t != null) (map (e: e.text) units) ++ map textOrSource entries;
  context = builtins.getContext (
    lib.concatStrings (scripts ++ files ++ map toString config.system.checks)
  );

  # What the build does not check, because the program that would is the distribution's: see modules/builder.
  # Its drvs come in the order of their hashes.
  unchecked = lib.sort (a: b: a < b) (
    lib.concatMap (
      drv:
      let
        name = builtins.match "${builtins.storeDir}/[^-]*-unchecked-(.*)[.]drv" drv;
      in
      if name == null then [ ] else name
    ) (builtins.attrNames context)
  );
  isUsed = p: context ? ${builtins.unsafeDiscardStringContext p.drvPath};
in
{
  options.nixos-compat.hostPackages = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether modules use the distribution's packages instead of those from nixpkgs, if they are listed in
        `nixos-compat/host-packages`. All others come from nixpkgs, if there is one.
      '';
    };
    packages = mkOption {
      type = types.attrsOf types.attrs;
      default = { };
      example = lib.literalExpression ''
        { salt = { bin = [ "/usr/bin/salt-master" ]; install.debian = "salt-master"; }; }
      '';
      description = "Additional packages of the distribution: the arguments of `hostPackage`, by name.";
    };
  };

  config = lib.mkIf cfg.enable {
    nixpkgs.pkgs = lib.mkDefault pkgs;
    # A program is often named by nothing but its path in a text.
    warnings =
      lib.optional (unchecked != [ ])
        "Not checked in the build, since the programs that would do it are the distribution's: ${lib.concatStringsSep ", " (builtins.sort builtins.lessThan unchecked)}";
    system-manager.hostLinks = lib.listToAttrs (
      map (
        p: lib.nameValuePair (baseNameOf (builtins.unsafeDiscardStringContext p.outPath)) p.hostLinks
      ) (builtins.attrValues pkgs.hostPrograms)
    );
    system-manager.hostPackages = lib.filter isUsed (builtins.attrValues pkgs.hostPrograms);
  };
}
