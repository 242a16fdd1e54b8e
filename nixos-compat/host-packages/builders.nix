# The small builders of nixpkgs that modules use, without a stdenv.
{ lib, build }:
let
  # A string that is a store path, with the attributes that make modules take it for a package.
  asPackage = name: path: {
    type = "derivation";
    inherit name;
    outPath = path;
    outputName = "out";
    outputs = [ "out" ];
    meta = { };
  };

  runCommand =
    name: env: script:
    let
      plain = removeAttrs env [
        "meta"
        "nativeBuildInputs"
        "buildInputs"
        "passAsFile"
        "passthru"
        "preferLocalBuild"
        "allowSubstitutes"
      ];
    in
    build.run {
      inherit name script;
      env = plain;
      passAsFile = env.passAsFile or [ ];
    }
    // {
      meta = env.meta or { };
    }
    // env.passthru or { };

  writeText = name: text: asPackage name (build.writeText name text);

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      ...
    }:
    runCommand name
      {
        inherit text meta destination;
        passAsFile = [ "text" ];
        mode = if executable then "0555" else "0444";
      }
      ''
        target=$out$destination
        mkdir -p "''${target%/*}"
        cp "$textPath" "$target"
        chmod "$mode" "$target"
        ${checkPhase}
      '';

  bin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
  script =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  withShell = text: "#!${build.shell}\n${text}";
in
rec {
  inherit runCommand writeText writeTextFile;
  runCommandLocal = runCommand;
  runtimeShell = build.shell;

  writeTextDir =
    path: text:
    writeTextFile {
      name = baseNameOf path;
      inherit text;
      destination = "/${path}";
    };
  writeScript = script;
  writeScriptBin = bin;
  writeShellScript = name: text: script name (withShell text);
  writeShellScriptBin = name: text: bin name (withShell text);
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      ...
    }:
    writeShellScriptBin name ''
      set -o errexit
      set -o nounset
      set -o pipefail
      ${lib.optionalString (
        runtimeInputs != [ ]
      ) "export PATH=\"${lib.makeBinPath runtimeInputs}:$PATH\""}
      ${text}
    '';

  # Joins packages; a later one does not replace the files of an earlier one.
  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
      meta ? { },
      passthru ? { },
      ...
    }:
    build.join { inherit name paths pathsToLink; } // { inherit meta; } // passthru;
  symlinkJoin = args: buildEnv (removeAttrs args [ "postBuild" ]);

  linkFarm =
    name: entries:
    let
      list =
        if builtins.isAttrs entries then
          lib.mapAttrsToList (name: path: { inherit name path; }) entries
        else
          entries;
    in
    runCommand name
      {
        links = lib.concatMapStrings (e: "${e.name}\t${e.path}\n") list;
        passAsFile = [ "links" ];
      }
      ''
        mkdir -p "$out"
        while IFS="$(printf '\t')" read -r path target; do
          mkdir -p "$out/$(dirname "$path")"
          ln -s "$target" "$out/$path"
        done <"$linksPath"
      '';

  concatText =
    name: files:
    runCommand name {
      files = map (f: "${f}") files;
      passAsFile = [ "files" ];
    } "cat $(cat \"$filesPath\") > \"$out\"";

  formats = {
    json = _args: {
      type = lib.types.unspecified;
      generate = name: value: writeText name (builtins.toJSON value);
    };
    # Every JSON document is a YAML document.
    yaml = formats.json;
    ini = args: {
      type = with lib.types; attrsOf (attrsOf unspecified);
      generate = name: value: writeText name (lib.generators.toINI args value);
    };
    keyValue = args: {
      type = with lib.types; attrsOf unspecified;
      generate = name: value: writeText name (lib.generators.toKeyValue args value);
    };
  };
}
