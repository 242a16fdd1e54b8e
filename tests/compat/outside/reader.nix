# A module that is kept outside of nixpkgs, as projects do for their own service.
{ config, lib, ... }:
{
  options.services.reader.enable = lib.mkEnableOption "the reader" // {
    default = true;
  };
  config = lib.mkIf config.services.reader.enable {
    environment.etc."reader".text = "${config.networking.hostName} ${toString config.ids.uids.webd}";
  };
}
