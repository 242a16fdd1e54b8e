# Makes a package out of programs that the distribution installed and keeps patched.
#
# The package holds nothing but links. What it needs on the target is in its `hostRequirements`, which the
# plan checks before anything is changed.
{ lib, build }:
{
  # The package's name.
  name,
  # Absolute paths of programs of the host; each is linked into `bin`.
  bin ? [ ],
  # Further links: a path in the package, and the host's path that it shows.
  links ? { },
  # Executable files of the package itself, by their path in it, for builds that copy a program: `{ "bin/ctl" = text; }`.
  files ? { },
  # What to install on the target, by family of distributions: `{ debian = "nginx-light"; }`.
  install ? { },
  version ? null,
  # The paths that the plan looks for on the target; by default all that are linked.
  required ? null,
  # Attributes that modules expect of the package, or a function from the package to them.
  passthru ? { },
}:
let
  absolute =
    path:
    if lib.hasPrefix "/" path then
      path
    else
      throw "hostPackage `${name}`: `${path}` must be an absolute path of the host";
  linked =
    lib.listToAttrs (map (p: lib.nameValuePair "bin/${baseNameOf p}" (absolute p)) bin)
    // lib.mapAttrs (_path: absolute) links;

  programs =
    map baseNameOf bin
    ++ map baseNameOf (lib.filter (lib.hasPrefix "bin/") (builtins.attrNames (links // files)));

  folder = build.run {
    # The prefix tells it from a package of nixpkgs.
    name = "host-${name}${lib.optionalString (version != null) "-${version}"}";
    env.files = lib.concatStrings (
      lib.mapAttrsToList (path: text: "${path}\t${build.writeText (baseNameOf path) text}\n") files
    );
    env.links = lib.concatStrings (lib.mapAttrsToList (path: target: "${path}\t${target}\n") linked);
    passAsFile = [
      "files"
      "links"
    ];
    script = ''
      mkdir -p "$out"
      while IFS="$(printf '\t')" read -r path text; do
        mkdir -p "$out/$(dirname "$path")"
        cp "$text" "$out/$path"
        chmod 0555 "$out/$path"
      done <"$filesPath"
      while IFS="$(printf '\t')" read -r path target; do
        mkdir -p "$out/$(dirname "$path")"
        ln -s "$target" "$out/$path"
      done <"$linksPath"
    '';
  };

  package =
    folder
    // {
      pname = name;
      # As old as can be, when nobody knows.
      version = if version == null then "0" else version;
      outputs = [ "out" ];
      outputName = "out";
      outputSpecified = true;
      meta = {
        description = "${name} of the distribution";
        priority = 10;
      }
      // lib.optionalAttrs (programs != [ ]) { mainProgram = lib.head programs; };
      hostLinks = linked;
      hostRequirements = map (path: {
        inherit path install;
        package = name;
      }) (lib.unique (if required == null then builtins.attrValues linked else required));
      override = _args: package;
      overrideAttrs = _f: package;
      # One folder stands for every output that a module may ask for.
      out = package;
      bin = package;
      dev = package;
      lib = package;
      man = package;
      doc = package;
      data = package;
      info = package;
      getOutput = _name: package;
    }
    // (if builtins.isFunction passthru then passthru package else passthru);
in
package
