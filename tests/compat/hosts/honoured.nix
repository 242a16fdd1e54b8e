# Every option of NixOS that nixos-compat gives a meaning, without a NixOS module.
{ lib, pkgs, ... }:
let
  udevRules = "/usr/lib";
in
{
  imports = [
    { boot.kernel.sysctl."net.core.rmem_max" = 1024; }
    { boot.kernelModules.br_netfilter = true; }
    { boot.kernelModules.not_this_one = false; }
  ];

  boot = {
    kernel.sysctl = {
      "net.ipv4.ip_forward" = true;
      "vm.swappiness" = 10;
      "kernel.core_pattern" = "|/bin/false";
      "net.core.rmem_max" = 4096;
      "left.out" = null;
    };
    kernelModules = [ "overlay" ];
    blacklistedKernelModules = [ "pcspkr" ];
    extraModprobeConfig = "options loop max_loop=8";
  };

  environment = {
    sessionVariables = {
      EDITOR = "vim";
      XDG_DATA_DIRS = [
        "/opt/share"
        "/srv/share"
      ];
    };
    extraInit = "umask 027";
    shellInit = "shell=1";
    loginShellInit = "login=1";
    interactiveShellInit = "set -o vi";
    shellAliases.ll = "ls -l 'a b'";
  };

  services.dbus.packages = [ udevRules ];
  services.udev.extraRules = ''SUBSYSTEM=="tty", SYMLINK+="sensor"'';
  services.cron.systemCronJobs = [ "@daily root /bin/true" ];
  services.logrotate.settings = {
    header.compress = true;
    "/var/log/app/*.log" = {
      frequency = "weekly";
      rotate = 4;
      missingok = true;
      postrotate = "systemctl kill -s HUP app";
    };
    off = {
      enable = false;
      files = "/var/log/off";
    };
  };

  networking.hosts = {
    "192.0.2.10" = [
      "db.example.org"
      "db"
    ];
    "192.0.2.12" = [ ];
  };
  networking.extraHosts = "192.0.2.11 cache";

  services.openssh = {
    enable = true;
    # An old name beside new ones.
    permitRootLogin = "no";
    settings = {
      X11Forwarding = lib.mkIf false true;
      Ciphers = [
        "aes256-gcm@openssh.com"
        "aes128-gcm@openssh.com"
      ];
      AllowGroups = [
        "admins"
        "backup"
      ];
      UseDns = false;
    };
    ports = [ 2222 ];
    listenAddresses = [
      { addr = "192.0.2.1"; }
      {
        addr = "2001:db8::1";
        port = 22;
      }
    ];
    extraConfig = "Match User backup";
  };
  programs.ssh = {
    extraConfig = "Compression yes";
    forwardX11 = false;
    ciphers = [ "aes256-gcm@openssh.com" ];
    knownHosts.git = {
      extraHostNames = [ "git.example.org" ];
      publicKey = "ssh-ed25519 AAAA";
    };
    knownHosts."*.example.org" = {
      certAuthority = true;
      publicKey = "ssh-ed25519 BBBB";
    };
  };

  security.sudo = {
    wheelNeedsPassword = false;
    extraRules = [
      {
        users = [
          "alice"
          1001
        ];
        groups = [ "operators" ];
        commands = [
          {
            command = "/usr/bin/systemctl restart app.service";
            options = [
              "NOPASSWD"
              "SETENV"
            ];
          }
          "/usr/bin/id"
        ];
      }
    ];
    extraConfig = "Defaults timestamp_timeout=5";
  };
  security.pam.services = {
    app = { };
    other-app.text = "auth required pam_deny.so";
    # The distribution's own.
    sshd.text = "auth required pam_permit.so";
  };
  security.wrappers.probe = {
    source = "${pkgs.webd}/bin/probe";
    capabilities = "cap_net_raw+ep";
  };

  nix.settings = {
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    sandbox = true;
    cores = 2;
  };
  nix.extraOptions = "!include secret.conf";

  systemd.user.services.agent = {
    wantedBy = [ "default.target" ];
    serviceConfig.ExecStart = "/usr/bin/agent";
  };
  users.users.alice.isNormalUser = lib.mkDefault true;
}
