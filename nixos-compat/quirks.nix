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
  facts = config.nixos-compat.distributionFacts;
  cluster = "postgresql@${facts.postgresql}-main.service";
in
{
  config = lib.mkMerge [
    (lib.optionalAttrs (isListed "services/web-servers/nginx/default.nix") {
      # nixpkgs builds these places into its nginx. Debian's has them in a folder of root's, where only a master
      # process of root can make them; modules that start it as another user give the unit a /tmp of its own.
      services.nginx.commonHttpConfig =
        lib.mkIf
          (
            config.nixos-compat.hostPackages.enable
            && config.services.nginx.enable
            && options.services.nginx ? enableSandbox
          )
          (
            lib.mkBefore (
              lib.concatMapStrings (kind: "${kind}_temp_path /tmp/nginx_${kind};\n") [
                "client_body"
                "proxy"
                "fastcgi"
                "uwsgi"
                "scgi"
              ]
            )
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
          services.postgresql.dataDir = lib.mkOverride 950 "/var/lib/postgresql/nixos-${facts.postgresql}";
          warnings = lib.optional (!lib.elem cluster config.systemd.maskedUnits) ''
            The distribution starts its own `${cluster}`, if there is one, together with `postgresql.service`, and on the same port.
            hint: set systemd.maskedUnits = [ "${cluster}" ], or drop that cluster on the target with pg_dropcluster'';
        }
    ))
  ];
}
