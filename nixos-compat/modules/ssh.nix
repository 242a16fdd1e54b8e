# Settings of the distribution's ssh, for all users. As with sshd, what is not set stays the distribution's.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.programs.ssh;

  algorithms =
    what: example:
    mkOption {
      type = types.nullOr (types.listOf types.str);
      default = null;
      inherit example;
      description = "The ${what}, in order of preference.";
    };

  host =
    { name, config, ... }:
    {
      options = {
        certAuthority = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the key is that of an authority that signs host keys.";
        };
        hostNames = mkOption {
          type = types.listOf types.str;
          default = [ name ] ++ config.extraHostNames;
          defaultText = lib.literalMD "the attribute's name and `extraHostNames`";
          description = "The host's names and addresses.";
        };
        extraHostNames = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Additional names and addresses.";
        };
        publicKey = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "ssh-ed25519 AAAA...";
          description = "The host's public key, without the host's name.";
        };
        publicKeyFile = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "A file with such a key, read when the configuration is built.";
        };
      };
    };
  hosts = lib.attrValues cfg.knownHosts;
  knownHost =
    h:
    lib.optionalString h.certAuthority "@cert-authority "
    + "${lib.concatStringsSep "," h.hostNames} "
    + terminated (if h.publicKey != null then h.publicKey else builtins.readFile h.publicKeyFile);

  setting = name: value: lib.optionalString (value != null) "  ${name} ${value}\n";
  list = v: if v == null then null else lib.concatStringsSep "," v;
  general =
    setting "ForwardX11" (
      if cfg.forwardX11 == null then
        null
      else if cfg.forwardX11 then
        "yes"
      else
        "no"
    )
    + setting "HostKeyAlgorithms" (list cfg.hostKeyAlgorithms)
    + setting "PubkeyAcceptedKeyTypes" (list cfg.pubkeyAcceptedKeyTypes)
    + setting "KexAlgorithms" (list cfg.kexAlgorithms)
    + setting "Ciphers" (list cfg.ciphers)
    + setting "MACs" (list cfg.macs)
    + setting "GlobalKnownHostsFile" (
      if cfg.knownHostsFiles == [ ] then
        null
      else
        lib.concatMapStringsSep " " toString (
          [
            "/etc/ssh/ssh_known_hosts"
            "/etc/ssh/ssh_known_hosts2"
          ]
          ++ cfg.knownHostsFiles
        )
    );
  text = terminated cfg.extraConfig + lib.optionalString (general != "") "Host *\n${general}";
in
{
  options.programs.ssh = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether to write the other options here. If none of them is set, nothing is written.
      '';
    };
    systemd-ssh-proxy.enable = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Accepted for configurations that are also used on NixOS. The distribution's systemd provides its own file
        for ssh, whatever the value.
      '';
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      example = ''
        Host *.example.org
          User deploy
      '';
      description = "Lines for ssh_config(5). They take precedence over the other options here.";
    };
    knownHosts = mkOption {
      type = types.attrsOf (types.submodule host);
      default = { };
      example = {
        "git.example.org".publicKey = "ssh-ed25519 AAAA...";
      };
      description = ''
        Hosts whose keys are known, for all users. An existing file `/etc/ssh/ssh_known_hosts` is a conflict,
        unless `environment.etc."ssh/ssh_known_hosts".replaceExisting` is set.
      '';
    };
    knownHostsFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = "Additional files with known hosts.";
    };
    forwardX11 = mkOption {
      type = types.nullOr types.bool;
      default = null;
      example = false;
      description = "Whether to forward X11.";
    };
    hostKeyAlgorithms = algorithms "accepted types of host keys" [ "ssh-ed25519" ];
    pubkeyAcceptedKeyTypes = algorithms "accepted types of keys for logging in" [ "ssh-ed25519" ];
    kexAlgorithms = algorithms "key exchange algorithms" [ "curve25519-sha256" ];
    ciphers = algorithms "ciphers" [ "aes256-gcm@openssh.com" ];
    macs = algorithms "message authentication codes" [ "hmac-sha2-512-etm@openssh.com" ];
  };

  config = lib.mkIf cfg.enable {
    assertions = lib.mapAttrsToList (name: h: {
      assertion = (h.publicKey == null) != (h.publicKeyFile == null) && h.hostNames != [ ];
      message = "programs.ssh.knownHosts.${name} needs names, and either a publicKey or a publicKeyFile";
    }) cfg.knownHosts;

    environment.etc = {
      "ssh/ssh_known_hosts" = lib.mkIf (hosts != [ ]) {
        text = lib.concatMapStrings knownHost hosts;
      };
      "ssh/ssh_config.d/10-system-manager.conf" = lib.mkIf (text != "") { inherit text; };
    };
    # A mistake would end every user's ssh.
    system-manager.preActivationAssertions = lib.mkIf (text != "") {
      ssh.script = ''
        if command -v ssh >/dev/null; then
          ssh -G -F ${build.writeText "ssh_config" text} localhost >/dev/null
        fi
      '';
    };
  };
}
