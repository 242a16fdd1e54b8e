# The small builders of nixpkgs that modules use, without a stdenv.
{
  lib,
  build,
  # A set of packages for what is not done here, which may be empty.
  beneath ? { },
}:
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

  # What nixpkgs's takes besides texts, as each derivation does: lists are joined, and null is nothing.
  textOf = text: if builtins.isList text || text == null then toString text else text;

  writeText = name: text: asPackage name (build.writeText name (textOf text));

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

  # Joins packages; a later one does not replace the files of an earlier one.
  join =
    {
      name ? "${args.pname}-${args.version}",
      paths,
      pathsToLink ? [ "/" ],
      meta ? { },
      passthru ? { },
      ...
    }@args:
    build.join { inherit name paths pathsToLink; } // { inherit meta; } // passthru;

  # What runs after the links are made is written for the tools of nixpkgs.
  joined =
    kind: args:
    if args.postBuild or "" == "" then
      join args
    else
      (beneath.${kind} or (throw "`${kind}` with `postBuild` needs a nixpkgs\nhint: pass --nixpkgs PATH"))
        args;

  # The text of a file in which each `@name@` is replaced.
  substituted =
    src: vars:
    let
      set = lib.filterAttrs (_name: v: v != null) vars;
    in
    builtins.replaceStrings (map (n: "@${n}@") (builtins.attrNames set)) (map toString (
      builtins.attrValues set
    )) (builtins.readFile src);
in
rec {
  inherit runCommand writeText writeTextFile;
  runCommandLocal = runCommand;
  runCommandNoCC = runCommand;
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

  buildEnv = joined "buildEnv";
  symlinkJoin = joined "symlinkJoin";

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

  # Names that promise a check of what is written: that takes programs which a build has not.
  writers = beneath.writers or { } // {
    writeNginxConfig = writeText;
    writeBash = writeShellScript;
    writeBashBin = writeShellScriptBin;
    writeDash = writeShellScript;
    writeDashBin = writeShellScriptBin;
    # Libraries are the distribution's, which its interpreter finds by itself.
    writePython3 =
      name: _args: text:
      script name "#!/usr/bin/python3\n${text}";
    writePython3Bin =
      name: _args: text:
      bin name "#!/usr/bin/python3\n${text}";
    writeText = writeText;
    writeJSON = name: value: writeText name (builtins.toJSON value);
    writeYAML = name: value: writeText name (builtins.toJSON value);
  };

  replaceVars = src: vars: writeText (baseNameOf (toString src)) (substituted src vars);
  substituteAll =
    args:
    if args.dir or null != null then
      beneath.substituteAll or (throw "`substituteAll` with `dir` needs a nixpkgs") args
    else
      writeTextFile {
        name = args.name or (baseNameOf (toString args.src));
        executable = args.isExecutable or false;
        text = substituted args.src (
          removeAttrs args [
            "src"
            "name"
            "dir"
            "isExecutable"
          ]
        );
      };
}
