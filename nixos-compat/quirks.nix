# Where a distribution's package gets in the way of the NixOS module that runs its program.
{
  # Whether a NixOS module, by its path below `nixos/modules`, is there to declare options.
  isListed,
}:
{
  config,
  lib,
  options,
  ...
}:
let
  # While its master process was root's, the module had an option for its folder; later, that is a removed one.
  nginxIsUnprivileged =
    !(options.services.nginx ? stateDir && options.services.nginx.stateDir.visible or true);
  facts = config.nixos-compat.distributionFacts;
  # Where the data is, as the module and its unit name it.
  folder = "postgresql/nixos-${facts.postgresql}";
  cluster = "postgresql@${facts.postgresql}-main.service";
in
{
  config = lib.mkMerge [
    (lib.optionalAttrs (isListed "services/web-servers/nginx/default.nix") {
      # nixpkgs builds these places into its nginx. Debian's has them in a folder of root's, where only a master
      # process of root can make them; modules that start it as another user have the unit make `/var/cache/nginx`.
      services.nginx.commonHttpConfig =
        lib.mkIf
          (config.nixos-compat.hostPackages.enable && config.services.nginx.enable && nginxIsUnprivileged)
          (
            lib.mkBefore (
              lib.concatMapStrings (kind: "${kind}_temp_path /var/cache/nginx/${kind};\n") [
                "client_body"
                "proxy"
                "fastcgi"
                "uwsgi"
                "scgi"
              ]
            )
          );
    })
    # Debian's package made a key that its own group reads.
    (lib.optionalAttrs (isListed "services/networking/bind.nix") {
      users.users = lib.mkIf (
        config.nixos-compat.hostPackages.enable && facts.family == "debian" && config.services.bind.enable
      ) { named.extraGroups = [ "bind" ]; };
    })
    # Before 2.6, Debian's server does not tell systemd that it is ready.
    (lib.optionalAttrs (isListed "services/databases/openldap.nix") {
      systemd.services = lib.mkIf (
        config.nixos-compat.hostPackages.enable
        && config.services.openldap.enable
        && lib.versionOlder facts.openldap "2.6"
      ) { openldap.serviceConfig.Type = lib.mkOverride 90 "exec"; };
    })
    # Debian's program reads Debian's own files beside what it is given, and these take another address.
    (lib.optionalAttrs (isListed "services/monitoring/snmpd.nix") {
      systemd.services = lib.mkIf (
        config.nixos-compat.hostPackages.enable && config.services.snmpd.enable
      ) { snmpd.environment.SNMPCONFPATH = lib.mkDefault "/var/lib/snmp"; };
    })
    # home-manager would make its own packages, and none of them the distribution's.
    (lib.optionalAttrs (options ? home-manager.useGlobalPkgs) {
      home-manager.useGlobalPkgs = lib.mkIf config.nixos-compat.hostPackages.enable (lib.mkDefault true);
    })
    # The check runs `nft` with a library of nixpkgs's beneath it, and the distribution's can't run in a build.
    (lib.optionalAttrs (isListed "services/networking/nftables.nix") {
      networking.nftables.checkRuleset = lib.mkIf config.nixos-compat.hostPackages.enable (
        lib.mkOverride 950 false
      );
    })
    # Debian keeps its clusters where NixOS has the data, and starts them with the unit of the same name.
    (lib.optionalAttrs (isListed "services/databases/postgresql.nix") (
      lib.mkIf
        (
          config.nixos-compat.hostPackages.enable
          && facts.family == "debian"
          && config.services.postgresql.enable
        )
        {
          services.postgresql.dataDir = lib.mkOverride 950 "/var/lib/${folder}";
          # The module has systemd make its own default place, and no other.
          systemd.services.postgresql.serviceConfig =
            lib.mkIf (config.services.postgresql.dataDir == "/var/lib/${folder}")
              {
                StateDirectory = "postgresql ${folder}";
                StateDirectoryMode = lib.mkDefault "0750";
              };
          warnings = lib.optional (!lib.elem cluster config.systemd.maskedUnits) ''
            The distribution starts its own `${cluster}`, if there is one, together with `postgresql.service`, and on the same port.
            hint: set systemd.maskedUnits = [ "${cluster}" ], or drop that cluster on the target with pg_dropcluster'';
        }
    ))
  ];
}
