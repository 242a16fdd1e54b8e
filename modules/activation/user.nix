# Scripts of the configuration that the users' service managers run.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption;
  script = import ./script.nix { inherit lib; };

  scripts = lib.mapAttrs (_name: script.normal) config.system.userActivationScripts;
  ordered = import ./ordered.nix { inherit lib; } {
    option = "system.userActivationScripts";
    inherit scripts;
    known = [ ];
  };
  real = lib.filter (name: script.isReal scripts.${name}) ordered.order;
  # Each in a shell of its own, so that one that ends itself does not end the others.
  # No `||` after it: bash would not notice commands that fail inside.
  one = name: ''
    (
    ${script.body scripts.${name}.text}
    )
    if [ "$?" != 0 ]; then
      echo ${lib.escapeShellArg "the activation script ${name} failed"} >&2
      failed=1
    fi
  '';
in
{
  options.system.userActivationScripts = mkOption {
    type = script.type { };
    default = { };
    example = lib.literalExpression ''
      { cache.text = "mkdir -p ~/.cache/site"; }
    '';
    description = ''
      Bash scripts that run as each ordinary user, in a service of the user's service manager
      (`nixos-activation.service`): when that manager starts, and in a switch that changes units of users.
    '';
  };

  config = {
    inherit (ordered) assertions;

    systemd.user.services.nixos-activation = lib.mkIf (real != [ ]) {
      description = "Activation scripts for users";
      wantedBy = [ "default.target" ];
      unitConfig.ConditionUser = "!@system";
      serviceConfig.Type = "oneshot";
      script = ''
        set +e
        failed=0
        ${lib.concatMapStrings one real}
        exit "$failed"
      '';
    };
  };
}
