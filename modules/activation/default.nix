# Scripts of the configuration that run when it is activated, and at boot.
{
  config,
  lib,
  options,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  script = import ./script.nix { inherit lib; };
  known = import ./nixos-names.nix;

  scripts = lib.mapAttrs (_name: script.normal) config.system.activationScripts;
  ordered = import ./ordered.nix { inherit lib; } {
    option = "system.activationScripts";
    inherit scripts known;
  };
  real = lib.filter (name: script.isReal scripts.${name}) ordered.order;

  # What NixOS does with accounts or after them: what must run before it runs before accounts, unless it needs them itself.
  ofAccounts = [
    "etc"
    "groups"
    "hashes"
    "lingering"
    "users"
  ];
  needsAccounts = name: lib.any (n: lib.elem n ofAccounts) (ordered.beforeOf [ name ]);
  isEarly = name: lib.elem name (ordered.beforeOf ofAccounts) && !(needsAccounts name);
  isReal = name: scripts ? ${name} && script.isReal scripts.${name};
  tooLate = lib.filter (name: isReal name && needsAccounts name) (ordered.beforeOf [ "users" ]);

  shared = build.writeText "activation-shell" (builtins.readFile ./shell.sh);

  # What the other names of NixOS's own scripts stand for is done before any script runs, so that nothing can come before it.
  isHonoured =
    name: lib.elem name ofAccounts && lib.all isEarly (lib.filter isReal (ordered.beforeOf [ name ]));
  early = lib.filter (
    name: (scripts.${name} or { deps = [ ]; }).deps != [ ] && !(isHonoured name)
  ) known;
  definersOf =
    name:
    lib.unique (
      map (d: toString d.file) (
        lib.filter (d: d.value ? ${name}) options.system.activationScripts.definitionsWithLocations
      )
    );
in
{
  options.system.activationScripts = mkOption {
    type = script.type {
      supportsDryActivation = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Whether `switch-to-configuration dry-activate` runs the script too. It can tell by `$NIXOS_ACTION`, which is
          `dry-activate` then, and must change nothing.
        '';
      };
    };
    default = { };
    example = lib.literalExpression ''
      {
        marker = {
          deps = [ "users" ];
          text = "install -d -o web -g web /srv/web";
        };
      }
    '';
    description = ''
      Bash scripts that run in each activation that changes something, and at boot: after users, groups and files
      are in place, and before units start. Scripts that `users` names in its `deps` run before all of that. Each is
      a separate process that sees the variables and functions of the previous scripts. `PATH` has the
      distribution's folders, `$systemConfig` is the toplevel, and `$NIXOS_ACTION` is the action (`switch`, `test`;
      empty at boot). A script must be safe to run again. Its effects can't be planned or undone, so prefer a unit,
      a tmpfiles rule or an account if one can do the job.
    '';
  };

  config = {
    assertions = ordered.assertions ++ [
      {
        assertion = tooLate == [ ];
        message = "system.activationScripts.users.deps: ${
          lib.concatMapStringsSep ", " (n: "`${n}`") tooLate
        } would run before accounts, but needs what comes after them";
      }
    ];

    system-manager.noEffect = map (name: {
      option = "system.activationScripts.${name}.deps";
      definedIn = definersOf name;
    }) early;

    system.build.activationScripts = map (name: {
      inherit name;
      script = build.writeScript "activation-${name}" "#!${build.shell}\n. ${shared}\n${scripts.${name}.text}\n_activationEnd\n";
      inherit (scripts.${name}) supportsDryActivation;
      beforeAccounts = isEarly name;
    }) (lib.filter isEarly real ++ lib.filter (name: !(isEarly name)) real);

    # As on NixOS, `/run` is empty after a boot, and scripts fill it.
    systemd.services.system-manager-activation-scripts = lib.mkIf (real != [ ]) {
      description = "Activation scripts of the configuration";
      # Not by a target: a switch starts what is new in an active one, and it runs the scripts itself.
      wantedBy = [ "systemd-tmpfiles-setup.service" ];
      before = [
        "systemd-tmpfiles-setup.service"
        "sysinit.target"
        "shutdown.target"
      ];
      after = [ "local-fs.target" ];
      conflicts = [ "shutdown.target" ];
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = [
          builtins.storeDir
          "/var/lib/system-manager"
        ];
      };
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "/var/lib/system-manager/current/bin/system-manager run-activation-scripts";
      };
    };
  };
}
