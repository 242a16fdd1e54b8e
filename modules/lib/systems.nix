# The Linux systems a host can be, by the names that Nix gives them.
{ lib }:
let
  inherit (builtins) elemAt match;

  bits64 = [
    "aarch64"
    "loongarch64"
    "mips64"
    "mips64el"
    "powerpc64"
    "powerpc64le"
    "riscv64"
    "s390x"
    "x86_64"
  ];
  bits32 = [
    "armv5tel"
    "armv6l"
    "armv7a"
    "armv7l"
    "i686"
    "mips"
    "mipsel"
    "riscv32"
  ];
  linux = map (cpu: "${cpu}-linux") (bits32 ++ bits64);
  darwin = [
    "aarch64-darwin"
    "x86_64-darwin"
  ];

  of = cpus: map (cpu: "${cpu}-linux") cpus;

  doubles = {
    inherit linux darwin;
    all = linux ++ darwin;
    unix = linux ++ darwin;
    none = [ ];
    gnu = linux;
    x86_64 = [
      "x86_64-linux"
      "x86_64-darwin"
    ];
    i686 = of [ "i686" ];
    x86 = of [ "i686" ] ++ doubles.x86_64;
    aarch64 = [
      "aarch64-linux"
      "aarch64-darwin"
    ];
    riscv64 = of [ "riscv64" ];
    s390x = of [ "s390x" ];
  };

  # The description of a platform, from its name or a set with `system`.
  elaborate =
    given:
    let
      system = if lib.isString given then given else given.system;
      parts = match "([^-]+)-(.+)" system;
      cpu = elemAt parts 0;
      kernel = elemAt parts 1;
    in
    {
      inherit system;
      config = "${cpu}-unknown-${kernel}-gnu";
      linuxArch =
        if cpu == "aarch64" then
          "arm64"
        else if cpu == "i686" then
          "i386"
        else
          cpu;
      parsed = {
        cpu = {
          name = cpu;
          bits = if lib.elem cpu bits64 then 64 else 32;
        };
        kernel.name = kernel;
      };
      isLinux = kernel == "linux";
      isDarwin = kernel == "darwin";
      isUnix = true;
      is64bit = lib.elem cpu bits64;
      is32bit = lib.elem cpu bits32;
      isx86_64 = cpu == "x86_64";
      isx86_32 = cpu == "i686";
      isx86 = cpu == "x86_64" || cpu == "i686";
      isi686 = cpu == "i686";
      isAarch64 = cpu == "aarch64";
      isAarch32 = lib.hasPrefix "armv" cpu;
      isAarch = cpu == "aarch64" || lib.hasPrefix "armv" cpu;
      isRiscV = lib.hasPrefix "riscv" cpu;
      isRiscV64 = cpu == "riscv64";
      isPower = lib.hasPrefix "powerpc" cpu;
      isS390 = lib.hasPrefix "s390" cpu;
      isMips = lib.hasPrefix "mips" cpu;
      isGnu = kernel == "linux";
      isMusl = false;
      isStatic = false;
    }
    // lib.optionalAttrs (lib.isAttrs given) given;
in
{
  inherit doubles elaborate;
  equals = a: b: elaborate a == elaborate b;
  systemEqual = a: b: (elaborate a).system == (elaborate b).system;
  flakeExposed = of [
    "x86_64"
    "aarch64"
    "armv6l"
    "armv7l"
    "i686"
    "powerpc64le"
    "riscv64"
  ];
}
