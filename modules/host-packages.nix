# Programs of the distribution that the configuration relies on.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  services =
    builtins.attrValues config.systemd.services ++ builtins.attrValues config.systemd.user.services;
  used =
    config.environment.systemPackages
    ++ config.system-manager.hostPackages
    ++ config.systemd.packages
    ++ lib.concatMap (s: s.path) services;

  requirements = lib.concatMap (
    p: if builtins.isAttrs p then p.hostRequirements or [ ] else [ ]
  ) used;

  requirement = {
    options = {
      path = mkOption {
        type = types.strMatching "/.+";
        description = "The path of the program, which must exist on the target.";
      };
      package = mkOption {
        type = types.str;
        description = "The package that needs the program.";
      };
      install = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "The package to install, by distribution family.";
      };
    };
  };
in
{
  options.system-manager = {
    hostPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression ''[ (pkgs.hostPackage { name = "nginx"; bin = [ "/usr/sbin/nginx" ]; }) ]'';
      description = ''
        Host packages that must be installed on the target. Those in `environment.systemPackages` and in the `path`
        of services need not be listed.
      '';
    };
    hostRequirements = mkOption {
      type = types.listOf (types.submodule requirement);
      default = [ ];
      example = [
        {
          path = "/usr/sbin/nginx";
          package = "nginx";
          install.debian = "nginx-light";
        }
      ];
      description = "Programs that must exist on the target before anything is changed.";
    };
  };

  config.system.build.hostRequirements =
    let
      all = map (r: {
        inherit (r) path package;
        install = r.install or { };
      }) (config.system-manager.hostRequirements ++ requirements);
    in
    builtins.sort (a: b: a.path < b.path) (lib.unique all);
}
