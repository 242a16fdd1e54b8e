# What each machine of a test has besides its own configuration.
{
  distribution,
  packages,
  # Whether there is a nixpkgs, whose options all nodes have then.
  hasNixpkgs,
  # Whether nobody else declares the options of NixOS about networks.
  declaresInterfaces,
  # Whether machines have addresses of IPv6.
  hasIPv6,
  # Whether the test knows nothing of a distribution.
  forNixos,
  # The system of the machines, or null for the one that evaluates.
  hostPlatform,
}:
{
  config,
  lib,
  build,
  pkgs,
  ...
}:
let
  facts = config.nixos-compat.distributionFacts;
in
{
  imports = [
    (import ./virtualisation.nix { inherit hasIPv6; })
  ]
  ++ lib.optional declaresInterfaces ./interfaces.nix;

  # Files of the distribution give way to the node's, which on NixOS are the only ones.
  options.environment.etc = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule { config.replaceExisting = lib.mkIf forNixos (lib.mkDefault true); }
    );
  };

  config = {
    nixos-compat = {
      enable = hasNixpkgs;
      distribution = lib.mkDefault distribution;
      hostPackages.enable = lib.mkDefault (packages == "host");
      # A test sets options, and imports nothing, as on NixOS.
      autoImport = lib.mkDefault true;
    };

    nixpkgs = lib.optionalAttrs (hostPlatform != null) { hostPlatform = lib.mkDefault hostPlatform; };

    # Nobody logs in but the driver.
    users.allowNoPasswordLogin = lib.mkIf forNixos (lib.mkDefault true);

    # Scripts name `/run/current-system/specialisation`, also where no package is installed.
    systemd.tmpfiles.settings.system-manager."/run/current-system".L.argument =
      "/var/lib/system-manager/current";

    # A machine of a test has the distribution's packages only for its programs. This one of Debian's starts with
    # the configuration's service of the same name.
    systemd.maskedUnits = lib.mkIf (facts.family == "debian") [
      "postgresql@${facts.postgresql}-main.service"
    ];

    system.build.testing = { inherit build pkgs; };
  };
}
