# What programs of nixpkgs look for, where a distribution has it: certificates, locales, time zones, profiles, data.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.system-manager.nixPrograms;
  inherit (config.environment) profiles;
  sw = "/run/system-manager/sw";

  locales = lib.unique (config.i18n.supportedLocales ++ lib.toList config.i18n.extraLocales);
  archive =
    if locales == [ ] then
      "/usr/lib/locale/locale-archive"
    else
      "${config.i18n.glibcLocales}/lib/locale/locale-archive";

  # For services too, which have no session.
  everywhere = {
    LOCALE_ARCHIVE = archive;
    NIX_SSL_CERT_FILE = config.security.pki.caBundle;
    TZDIR = "/usr/share/zoneinfo";
  };

  # Later ones prevail where programs look through `NIX_PROFILES`.
  names = lib.concatStringsSep " " (lib.reverseList profiles);
  data = map (profile: "${profile}/share") profiles;

  # The variables of all, and where the packages of a user are.
  source = "for file in /etc/profile.d/system-manager.sh /etc/profile.d/system-manager.user.sh; do if test -r $file; then . $file; fi; done";
  isDebian = config.nixos-compat.distributionFacts.family == "debian";
  # zsh reads no profile.d; Fedora's own file for login shells has it do so.
  login = "if [[ -o login ]]; then emulate sh -c '${source}; unset file'; fi\n";
  zsh = lib.optionalString isDebian login + ''
    for profile in ''${(u)=:-${sw} $NIX_PROFILES}; do
      fpath=($profile/share/zsh/site-functions $profile/share/zsh/vendor-completions $fpath)
    done
    unset profile
  '';
  # What the file of variables comes to is asked of a shell that reads it: its values may be expansions of a shell.
  fish = ''
    if status is-login
      for line in (/bin/sh -c '${source}; exec env -0' | string split0)
        set --local pair (string split --max 1 = -- $line)
        switch $pair[1]
          case PATH
            set --global --export PATH (string split : -- $pair[2])
          case ${lib.concatStringsSep " " (lib.remove "PATH" exported)}
            set --global --export $pair[1] $pair[2]
        end
      end
    end
    for profile in ${sw} (string match --invert -- ${sw} (string split --no-empty ' ' -- $NIX_PROFILES))
      set --global --append fish_complete_path $profile/share/fish/vendor_completions.d $profile/share/fish/completions
      set --global --append fish_function_path $profile/share/fish/vendor_functions.d
    end
  '';
  exported = lib.unique ([ "XDG_DATA_DIRS" ] ++ builtins.attrNames config.environment.variables);
in
{
  options = {
    system-manager.nixPrograms = {
      enable = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = ''
          Whether to set environment variables that tell programs from nixpkgs where this distribution keeps
          certificates (`NIX_SSL_CERT_FILE`), locales (`LOCALE_ARCHIVE`), time zones (`TZDIR`), profiles with
          programs (`NIX_PROFILES`) and their data (`XDG_DATA_DIRS`). They are set for login shells, services of
          users, and units of the configuration.
        '';
      };
      shells = mkOption {
        type = types.listOf (
          types.enum [
            "fish"
            "zsh"
          ]
        );
        default = [ ];
        example = [ "zsh" ];
        description = ''
          Shells that do not read `/etc/profile` and should get all variables of the configuration and the
          completions of its packages: fish, with a file in `/etc/fish/conf.d`, and zsh, with lines in its `zshenv`.
          Install the shell first.
        '';
      };
    };
    environment.profiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "/opt/profile" ];
      description = ''
        Folders with programs and their data; earlier ones take precedence. With
        {option}`system-manager.nixPrograms.enable`, they include the profile of each user, Nix's default profile
        and the packages of the configuration.
      '';
    };
    i18n = {
      supportedLocales = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "de_DE.UTF-8/UTF-8" ];
        description = ''
          Locales to build for programs from nixpkgs; `"all"` means all that exist. If empty, these programs use the
          distribution's locale archive. The distribution's own programs always use the distribution's locales.
        '';
      };
      extraLocales = mkOption {
        type = types.either (types.enum [ "all" ]) (types.listOf types.str);
        default = [ ];
        example = [ "de_DE.UTF-8/UTF-8" ];
        description = "Like {option}`i18n.supportedLocales`, for modules to add to.";
      };
      glibcLocales = mkOption {
        type = types.path;
        default = pkgs.glibcLocales.override {
          allLocales = lib.elem "all" locales;
          inherit locales;
        };
        defaultText = lib.literalExpression "pkgs.glibcLocales with the locales that are wanted";
        description = "The package that contains the locale archive.";
      };
    };
  };

  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = locales == [ ] || !(config.i18n.glibcLocales ? hostLinks);
          message = "i18n.supportedLocales: locales for programs of nixpkgs are built from a nixpkgs, and there is none; name one with --nixpkgs, or leave the option out: then the distribution's locales serve";
        }
      ];
    }
    (lib.mkIf cfg.enable {
      environment.profiles = lib.mkAfter [
        "$HOME/.nix-profile"
        "/nix/var/nix/profiles/default"
        sw
      ];
      environment.sessionVariables = everywhere;
      systemd.globalEnvironment = everywhere;
    })
    (lib.mkIf (locales != [ ] && !cfg.enable) {
      environment.sessionVariables.LOCALE_ARCHIVE = archive;
      systemd.globalEnvironment.LOCALE_ARCHIVE = archive;
    })
    (lib.mkIf (profiles != [ ]) {
      environment.sessionVariables = {
        NIX_PROFILES = names;
        XDG_DATA_DIRS = data ++ [ "\${XDG_DATA_DIRS:-/usr/local/share:/usr/share}" ];
      };
    })
    (lib.mkIf (lib.elem "fish" cfg.shells) {
      environment.etc."fish/conf.d/system-manager.fish".text = fish;
    })
    (lib.mkIf (lib.elem "zsh" cfg.shells) {
      system-manager.blocks.${if isDebian then "zsh/zshenv" else "zshenv"} = zsh;
    })
  ];
}
