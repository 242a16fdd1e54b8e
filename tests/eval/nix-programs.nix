# Where programs of nixpkgs find what the distribution has, and fonts.
{
  system-manager.nixPrograms = {
    enable = true;
    shells = [
      "fish"
      "zsh"
    ];
  };
  environment.profiles = [ "/opt/profile" ];
  fonts.packages = [ "/srv/fonts" ];
  fonts.fontconfig.defaultFonts.monospace = [
    "DejaVu Sans Mono"
    "Q & A"
  ];
  systemd.services.clock = {
    script = "date";
    environment.TZDIR = "/srv/zones";
  };
}
