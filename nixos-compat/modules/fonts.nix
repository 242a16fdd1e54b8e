# Fonts of the configuration, for the distribution's programs and those of nixpkgs: both read /etc/fonts/conf.d.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.fonts;

  page = lines: ''
    <?xml version="1.0"?>
    <!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
    <fontconfig>
    ${lib.concatStrings lines}</fontconfig>
  '';
  families = {
    monospace = "monospace";
    sansSerif = "sans-serif";
    serif = "serif";
    emoji = "emoji";
  };
  preferred = lib.filterAttrs (_name: fonts: fonts != [ ]) cfg.fontconfig.defaultFonts;
  alias = name: fonts: ''
    <alias binding="same">
      <family>${families.${name}}</family>
      <prefer>
    ${lib.concatMapStrings (f: "    <family>${lib.escapeXML f}</family>\n") fonts}  </prefer>
    </alias>
  '';
in
{
  options.fonts = {
    packages = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = lib.literalExpression "[ pkgs.dejavu_fonts ./fonts ]";
      description = ''
        Packages and folders with fonts. Programs of the distribution and from nixpkgs find them in addition to the
        distribution's fonts.
      '';
    };
    enableDefaultPackages = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to install some fonts from nixpkgs that cover much of Unicode.";
    };
    fontconfig.defaultFonts = lib.mapAttrs (
      _name: family:
      mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "DejaVu Sans" ];
        description = "Fonts for the family `${family}`, in order of preference. If empty, the distribution's fonts are used.";
      }
    ) families;
  };

  config = {
    fonts.packages = lib.mkIf cfg.enableDefaultPackages (
      with pkgs;
      [
        dejavu_fonts
        freefont_ttf
        gyre-fonts
        liberation_ttf
        unifont
        noto-fonts-color-emoji
      ]
    );
    environment.etc = {
      "fonts/conf.d/09-system-manager-packages.conf" = lib.mkIf (cfg.packages != [ ]) {
        text = page (map (package: "<dir>${package}</dir>\n") cfg.packages);
      };
      "fonts/conf.d/52-system-manager-default-fonts.conf" = lib.mkIf (preferred != { }) {
        text = page (lib.mapAttrsToList alias preferred);
      };
    };
  };
}
