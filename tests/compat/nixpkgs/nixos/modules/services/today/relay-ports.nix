# Applied to what it needs, instead of taking it from the configuration.
{ default }:
{ lib, ... }:
{
  options.services.relay.port = lib.mkOption {
    type = lib.types.port;
    inherit default;
    description = "The port.";
  };
}
