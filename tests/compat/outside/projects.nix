# Modules that projects keep in their own repositories, as checkouts of `checkouts` named like the project.
#
# Each gives the units that its service comes to, or null where the checkout is missing.
{
  checkouts,
  nixpkgs,
  # A module library instead of the nixpkgs's own.
  library ? null,
}:
let
  project = import ../../.. (
    { inherit nixpkgs; } // (if library == null then { } else { lib = import library; })
  );

  # A program that the administrator put there, for any package that a module wants.
  program =
    { pkgs, ... }:
    {
      _module.args.program = pkgs.hostPackage {
        name = "program";
        bin = [ "/usr/local/bin/program" ];
        version = "1.0";
      };
    };

  unitsOf =
    modules:
    builtins.attrNames
      (project.evaluate {
        modules = modules ++ [
          program
          {
            nixos-compat.autoImport = true;
            nixos-compat.hostPackages.enable = true;
          }
        ];
      }).config.system.build.manifest.units;

  try =
    folder: modules: host:
    if builtins.pathExists (checkouts + "/${folder}") then
      unitsOf (map (m: checkouts + "/${folder}/${m}") modules ++ [ host ])
    else
      null;

  ethereum =
    service:
    try "ethereum.nix" [ "modules/nixos/${service}" ] (
      { program, ... }:
      {
        services.ethereum.${service}.main = {
          enable = true;
          package = program;
        };
      }
    );
in
{
  # Secrets that are decrypted by a script while the host is activated.
  agenix = try "agenix" [ "modules/age.nix" ] (
    { program, ... }:
    {
      age.identityPaths = [ "/etc/ssh/ssh_host_ed25519_key" ];
      age.ageBin = "${program}/bin/age";
      age.secrets.database.file = builtins.toFile "database.age" "";
    }
  );
  # They fork modules of nixpkgs, in place of those.
  nginx = try "fc-nixos" [ "nixos/services/nginx/base-module.nix" ] {
    disabledModules = [ "services/web-servers/nginx/default.nix" ];
    services.nginx.enable = true;
    services.nginx.virtualHosts."example.org".root = "/srv/www";
  };
  prometheus = try "fc-nixos" [ "nixos/services/prometheus.nix" ] {
    disabledModules = [ "services/monitoring/prometheus/default.nix" ];
    services.prometheus.enable = true;
  };
  hydra-builder = try "hydra" [ "nixos-modules/builder-module.nix" ] (
    { program, ... }:
    {
      services.hydra-queue-builder-dev = {
        enable = true;
        package = program;
        queueRunnerAddr = "https://queue.example.org";
      };
    }
  );
  minecraft = try "nix-minecraft" [ "modules/minecraft-servers.nix" ] (
    { program, ... }:
    {
      services.minecraft-servers = {
        enable = true;
        eula = true;
        servers.world.enable = true;
        servers.world.package = program;
        servers.world.serverProperties.server-port = 25565;
      };
    }
  );
}
// builtins.listToAttrs (
  map
    (service: {
      name = "ethereum-${service}";
      value = ethereum service;
    })
    [
      "besu"
      "erigon"
      "geth"
      "geth-bootnode"
      "helios"
      "lighthouse-beacon"
      "mev-boost"
      "nethermind"
      "nimbus-beacon"
      "nimbus-validator"
      "prysm-beacon"
      "prysm-validator"
      "reth"
      "teku-beacon"
    ]
)
