# What configurations of numtide/system-manager set, each with its meaning.
{ pkgs, ... }:
{
  system-manager.linkCurrentSystem = false;
  system-manager.allowAnyDistro = true;

  system.autoUpgrade = {
    enable = true;
    flake = "github:example/hosts";
    flags = [
      "--nix-option"
      "accept-flake-config true"
    ];
    dates = "hourly";
    randomizedDelaySec = "10min";
  };

  environment = {
    corePackages = [ pkgs.gnugrep ];
    extraOutputsToInstall = [ "doc" ];
    extraInit = "umask 027";
    etc = {
      foo = {
        text = "a target of another name\n";
        target = "foo_test";
      };
      "a/nested/b" = {
        text = "a link\n";
        mode = "symlink";
      };
      owned = {
        text = "a copy\n";
        mode = "0755";
        uid = 5;
        gid = 6;
      };
    };
  };

  systemd.services.once = {
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    wantedBy = [ "system-manager.target" ];
    script = "true";
  };
  systemd.generators.app = "/usr/lib/app/generator";
  systemd.shutdown.app = "/usr/lib/app/shutdown";

  networking.enableIPv6 = false;
  # Nothing is written for what is off.
  programs.ssh.enable = false;
  programs.ssh.extraConfig = "Host nowhere";
  security.sudo.enable = false;
  security.sudo.extraConfig = "Defaults nowhere";
  nix.enable = false;
  nix.settings.cores = 3;
}
