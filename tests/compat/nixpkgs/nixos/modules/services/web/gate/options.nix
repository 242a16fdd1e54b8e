{ lib, ... }:
{
  options.services.gate.enable = lib.mkEnableOption "gate, which passes requests on";
}
