# Programs with more rights than whoever runs them, in `/run/wrappers/bin`.
#
# A program of the store cannot have such rights, so that a copy gets them. A program of the distribution has the
# rights that the distribution gave it, and is linked.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;

  flag =
    description:
    mkOption {
      type = types.bool;
      default = false;
      inherit description;
    };
  text =
    default: description:
    mkOption {
      type = types.str;
      inherit default description;
    };

  wrapper =
    { name, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether to create the wrapper.";
        };
        source = mkOption {
          type = types.path;
          example = lib.literalExpression ''"''${pkgs.fuse3}/bin/fusermount3"'';
          description = "The program.";
        };
        program = text name "The name of the program in `/run/wrappers/bin`.";
        owner = text "root" "The user that owns the program.";
        group = text "root" "The group that owns the program.";
        permissions = text "u+rx,g+x,o+x" "The permissions, in the syntax of chmod(1).";
        setuid = flag "Whether the program runs as its owner.";
        setgid = flag "Whether the program runs as its group.";
        capabilities = text "" "The capabilities of the program, in the syntax of setcap(8).";
      };
    };

  enabled = lib.filter (w: w.enable) (builtins.attrValues config.security.wrappers);
  quote = lib.escapeShellArg;
  install = w: ''
    place ${quote w.program} ${quote "${w.source}"} ${quote "${w.owner}:${w.group}"} ${quote "u-s,g-s,o-w,${w.permissions}${lib.optionalString w.setuid ",u+s"}${lib.optionalString w.setgid ",g+s"}"} ${quote w.capabilities}
  '';

  # The folder changes in one step, so that a program is never missing.
  script = ''
    place() {
      source=$(readlink -f -- "$2")
      case "$source" in
      ${builtins.storeDir}/*)
        cp --no-preserve=all -- "$source" "$new/$1"
        chmod 0000 -- "$new/$1"
        chown -- "$3" "$new/$1"
        chmod -- "$4" "$new/$1"
        if [ -n "$5" ]; then
          setcap "$5" "$new/$1"
        fi
        ;;
      *)
        ln -s -- "$2" "$new/$1"
        ;;
      esac
    }
    mkdir -p -m 0755 /run/wrappers
    # On a distribution, /run takes no rights from its programs, and runs none on some.
    if ! mountpoint -q /run/wrappers; then
      mount -t tmpfs -o nodev,mode=0755 tmpfs /run/wrappers
    fi
    new=$(mktemp -d /run/wrappers/wrappers.XXXXXXXXXX)
    trap 'rm -rf -- "$new"' EXIT
    chmod 0755 "$new"
    ${lib.concatMapStrings install enabled}
    old=$(readlink /run/wrappers/bin || true)
    ln -s "$new" "$new-link"
    mv -T "$new-link" /run/wrappers/bin
    trap - EXIT
    if [ -n "$old" ]; then
      rm -rf -- "$old"
    fi
  '';
in
{
  options.security.wrappers = mkOption {
    type = types.attrsOf (types.submodule wrapper);
    default = { };
    example = lib.literalExpression ''
      { probe = { source = "''${pkgs.probe}/bin/probe"; capabilities = "cap_net_raw+ep"; }; }
    '';
    description = ''
      Programs that run with more privileges than their caller. Programs of the distribution keep the privileges
      that it gave them.
    '';
  };

  config = lib.mkIf (enabled != [ ]) {
    system-manager.hostRequirements = lib.mkIf (lib.any (w: w.capabilities != "") enabled) [
      {
        path = "/usr/sbin/setcap";
        package = "security.wrappers";
        install = {
          debian = "libcap2-bin";
          fedora = "libcap";
        };
      }
    ];
    systemd.services.system-manager-wrappers = {
      description = "Programs with rights of their own";
      wantedBy = [ "multi-user.target" ];
      before = [ "multi-user.target" ];
      unitConfig.RequiresMountsFor = [ builtins.storeDir ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      inherit script;
      postStop = ''
        if mountpoint -q /run/wrappers; then
          umount --lazy /run/wrappers
        fi
        rm -rf /run/wrappers
      '';
    };
    environment.extraInit = ''
      export PATH="/run/wrappers/bin:$PATH"
    '';
  };
}
