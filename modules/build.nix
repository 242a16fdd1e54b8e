# Builds the files of a generation with nothing but Nix and a busybox: no stdenv, no nixpkgs.
#
# The same builders serve with and without a nixpkgs, so that a configuration that uses no package of
# nixpkgs gives the same store paths, and with them the same manifest, in both cases.
{
  lib,
  system,
  # A folder that holds an executable `busybox`.
  busybox,
  # bash and what its scripts take for granted, see build-tools.nix.
  tools,
  # The interpreter of the scripts that units run, a path on the target.
  shell ? "/bin/bash",
}:
let
  inherit (builtins)
    attrValues
    concatStringsSep
    filter
    getContext
    isString
    split
    stringLength
    substring
    toFile
    ;

  # Store names allow few characters, must not begin with a dot, and have a limited length.
  storeName =
    name:
    let
      plain = concatStringsSep "-" (filter isString (split "[^a-zA-Z0-9+._?=-]+" name));
      visible = if substring 0 1 plain == "." then "-${plain}" else plain;
      length = stringLength visible;
    in
    if length > 180 then substring (length - 180) 180 visible else visible;

  # Whether a text refers to something that must be built first, which `toFile` cannot hold.
  refersToBuild = text: lib.any (c: c ? outputs || c ? allOutputs) (attrValues (getContext text));

  # Runs a script of busybox's shell, which has busybox's commands and `$out`.
  run =
    {
      name,
      script,
      env ? { },
      passAsFile ? [ ],
    }:
    derivation (
      env
      // {
        inherit system script;
        name = storeName name;
        builder = "${busybox}/busybox";
        args = [
          "sh"
          "-euf"
          "-c"
          ". \"$scriptPath\""
        ];
        PATH = busybox;
        # An environment value of more than 128 KiB is refused by execve(2).
        passAsFile = [ "script" ] ++ passAsFile;
        preferLocalBuild = true;
        allowSubstitutes = false;
      }
    );

  # Runs a script of bash, with coreutils and the functions of nixpkgs's builders.
  runBash =
    {
      name,
      script,
      env ? { },
      passAsFile ? [ ],
    }:
    derivation (
      {
        preferLocalBuild = true;
        allowSubstitutes = false;
        nativeBuildInputs = [ ];
        buildInputs = [ ];
      }
      // env
      // {
        inherit system shell;
        name = storeName name;
        builder = tools.bash;
        args = [ "${setupFolder}/setup.sh" ];
        buildCommand = script;
        PATH = tools.path;
        tools = tools.path;
        # An environment value of more than 128 KiB is refused by execve(2).
        passAsFile = [ "buildCommand" ] ++ passAsFile;
        __ignoreNulls = true;
      }
    );
  setupFolder = builtins.path {
    path = ./builder;
    name = "builder";
  };

  # Lets a path carry what its text refers to, so that the manifest can tell whose packages it uses.
  carrying = text: path: path + substring 0 0 text;
in
{
  inherit
    run
    runBash
    tools
    carrying
    shell
    storeName
    ;

  # Gives the store path, as a string, of a file with this text.
  writeText =
    name: text:
    if refersToBuild text then
      "${run {
        inherit name;
        script = "cp \"$textPath\" \"$out\"";
        env = { inherit text; };
        passAsFile = [ "text" ];
      }}"
    else
      toFile (storeName name) text;

  # Gives the store path, as a string, of an executable `bin/NAME`.
  writeScript =
    name: text:
    let
      file = storeName name;
      folder = run {
        name = "unit-script-${file}";
        script = ''
          mkdir -p "$out/bin"
          cp "$textPath" "$out/bin/$file"
          chmod 0555 "$out/bin/$file"
        '';
        env = { inherit file text; };
        passAsFile = [ "text" ];
      };
    in
    carrying text "${folder}/bin/${file}";

  # Gives the store path, as a string, of a unit file. It is in a folder, so that its base name is the
  # unit's: systemd calls a link to a file with another name an alias.
  writeUnit =
    name: text:
    let
      folder = run {
        name = "unit-${name}";
        script = ''
          mkdir "$out"
          cp "$textPath" "$out/$unit"
        '';
        env = {
          unit = name;
          inherit text;
        };
        passAsFile = [ "text" ];
      };
    in
    carrying text "${folder}/${name}";

  # Joins packages into one folder of links. The first package that has a file wins; another one with
  # different content is reported in the build's log.
  join =
    {
      name,
      paths,
      pathsToLink,
    }:
    run {
      inherit name;
      env = {
        paths = concatStringsSep "\n" (map (p: "${p}") paths);
        links = concatStringsSep "\n" pathsToLink;
      };
      passAsFile = [
        "paths"
        "links"
      ];
      script = builtins.readFile ./join.sh;
    };
}
