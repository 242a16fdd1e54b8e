# What programs of a real nixpkgs look for: drivers, NVIDIA's among them, locales, fonts.
{ config, pkgs, ... }:
{
  nixpkgs.config.allowUnfree = true;
  nixpkgs.config.nvidia.acceptLicense = true;
  hardware.graphics.enable = true;
  hardware.graphics.enable32Bit = true;
  system-manager.nvidia.version = "550.54.14";
  system-manager.nixPrograms.enable = true;
  i18n.supportedLocales = [ "de_DE.UTF-8/UTF-8" ];
  fonts.packages = [ pkgs.dejavu_fonts ];
  security.pki.certificates = [ "one" ];
  # What else is there to see.
  environment.etc."graphics".text = builtins.toJSON {
    links = map (rule: rule."L+".argument or "") (
      builtins.attrValues config.systemd.tmpfiles.settings.graphics-driver
    );
    extra = map (p: p.name) config.hardware.graphics.extraPackages;
  };
}
