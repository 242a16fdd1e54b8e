# Rules for devices. The distribution's udevd sees new rules by itself; they apply to the next event of a device.
{
  config,
  lib,
  build,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../text.nix { inherit lib; }) terminated;
  cfg = config.services.udev;
  packages = lib.unique (map (p: "${if builtins.isAttrs p then lib.getBin p else p}") cfg.packages);

  rules = build.run {
    name = "udev-rules";
    env = {
      packages = lib.concatMapStrings (p: "${p}\n") packages;
    };
    passAsFile = [ "packages" ];
    script = ''
      mkdir -p "$out"
      set +f
      while read -r package; do
        for file in "$package"/etc/udev/rules.d/*.rules "$package"/lib/udev/rules.d/*.rules; do
          if [ -e "$file" ]; then
            name=''${file##*/}
            if [ -e "$out/$name" ]; then
              echo "two packages have the rules $name" >&2
              exit 1
            fi
            ln -s "$file" "$out/$name"
          fi
        done
      done <"$packagesPath"
    '';
  };
in
{
  options.services.udev = {
    packages = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = lib.literalExpression "[ pkgs.yubikey-personalization ]";
      description = "Packages whose `{etc,lib}/udev/rules.d` is linked.";
    };
    extraRules = mkOption {
      type = types.lines;
      default = "";
      example = ''
        SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", SYMLINK+="sensor"
      '';
      description = "Rules for udev(7); they become `99-local.rules`.";
    };
  };

  config.environment.etc = {
    "udev/rules.d" = lib.mkIf (packages != [ ]) { source = "${rules}/*"; };
    "udev/rules.d/99-local.rules" = lib.mkIf (cfg.extraRules != "") {
      text = terminated cfg.extraRules;
    };
  };
}
