{ lib, ... }:
{
  options.services.certs.directory = lib.mkOption {
    type = lib.types.path;
    default = "/var/lib/certs";
    description = "Where certificates are.";
  };
}
