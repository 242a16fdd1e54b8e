# Where a distribution's package gets in the way of the NixOS module that runs its program.
{
  # Whether a NixOS module, by its path below `nixos/modules`, is there to declare options.
  isListed,
}:
{ config, lib, ... }:
let
  facts = config.nixos-compat.distributionFacts;
  cluster = "postgresql@${facts.postgresql}-main.service";
in
{
  # Debian keeps its clusters where NixOS has the data, and starts them with the unit of the same name.
  config = lib.optionalAttrs (isListed "services/databases/postgresql.nix") (
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
  );
}
