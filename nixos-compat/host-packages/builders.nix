# The small builders of nixpkgs that modules use, without a stdenv.
{
  lib,
  build,
  # A set of packages for what is not done here, which may be empty.
  beneath ? { },
  # The whole set, of which what is here is a part.
  final,
}:
let
  # What we write ourselves needs no more than the shell of busybox.
  plainly = build.run;

  # A string that is a store path, with the attributes that make modules take it for a package.
  asPackage = name: path: {
    type = "derivation";
    inherit name;
    outPath = path;
    outputName = "out";
    outputs = [ "out" ];
    meta = { };
  };

  # Modules change what is said about such a package, or add to what makes it: `attrs` are what `runCommand` takes,
  # with the script as `buildCommand`.
  overridable =
    attrs: package:
    package
    // {
      overrideAttrs =
        change:
        let
          old = package // attrs;
          once = if lib.isFunction change then change old else change;
          changed = if lib.isFunction once then change (attrs // changed) old else once;
          said = builtins.intersectAttrs { meta = null; } changed // changed.passthru or { };
          made = attrs // changed;
          isOnlySaid =
            removeAttrs changed [
              "meta"
              "passthru"
            ] == { };
        in
        if isOnlySaid then
          overridable attrs (package // said)
        else
          runCommand made.name (removeAttrs made [
            "name"
            "buildCommand"
          ]) made.buildCommand;
    };
  # The same of a file that has a text.
  overridableText =
    name: text:
    overridable {
      inherit name text;
      passAsFile = [ "text" ];
      buildCommand = "cp \"$textPath\" \"$out\"\n";
    };

  hostProgram = "${builtins.storeDir}/[0-9a-z]{32}-host-[a-zA-Z0-9+._?=-]+/s?bin/([a-zA-Z0-9+._-]+)";
  # Where a command begins, after variables that are set for it; or a variable that may become one.
  commandBegins = "(^|[\n;&|(){}!]|then|else|elif|if|while|until|do|time|export)[ \t]*([a-zA-Z_][a-zA-Z0-9_]*=([^ \t\n]*[ \t]+)?)*\"?";

  # Whether a script of a module calls a program of the distribution: by its path, as one of its inputs, or by a variable.
  # A call that is not seen here fails in the build, so that nothing is left out that is not listed.
  callsHost =
    script: inputs: variables:
    let
      calls = builtins.split "${commandBegins}${hostProgram}" script;
      called = lib.concatMap (c: if builtins.isList c then [ (lib.last c) ] else [ ]) calls;
      programsOf =
        p: if builtins.isAttrs p then map (r: baseNameOf r.path) (p.hostRequirements or [ ]) else [ ];
      programIn =
        value:
        let
          parts = if builtins.isString value then builtins.match hostProgram value else null;
        in
        if parts == null then [ ] else parts;
    in
    lib.any (name: !(build.tools.has name)) (
      called
      ++ lib.concatMap programsOf inputs
      ++ lib.concatMap programIn (builtins.attrValues variables)
    );

  # Runs a script that is written for nixpkgs's bash.
  runCommand =
    name: env: script:
    let
      inputs = lib.toList (env.nativeBuildInputs or [ ]) ++ lib.toList (env.buildInputs or [ ]);
      plain = removeAttrs env [
        "meta"
        "env"
        "passAsFile"
        "passthru"
        "preferLocalBuild"
        "allowSubstitutes"
        "derivationArgs"
      ];
      # The hash before it is as little a part of the name that programs go by.
      named = lib.optionalString (callsHost script inputs (plain // env.env or { })) "unchecked-" + name;
    in
    overridable
      (
        env
        // {
          inherit name;
          buildCommand = script;
        }
      )
      (
        build.runBash {
          name = named;
          inherit script;
          env = plain // env.env or { };
          passAsFile = env.passAsFile or [ ];
        }
        // {
          meta = env.meta or { };
        }
        // env.passthru or { }
      );

  # What nixpkgs's takes besides texts, as each derivation does: lists are joined, and null is nothing.
  textOf = text: if builtins.isList text || text == null then toString text else text;

  writeText =
    name: text: overridableText name text (asPackage name (build.writeText name (textOf text)));

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
    let
      env = {
        inherit text destination;
        mode = if executable then "0555" else "0444";
      };
      passAsFile = [ "text" ];
      script = ''
        target=$out$destination
        mkdir -p "''${target%/*}"
        cp "$textPath" "$target"
        chmod "$mode" "$target"
        ${checkPhase}
      '';
    in
    if checkPhase == "" then
      overridable
        (
          env
          // {
            inherit name passAsFile;
            buildCommand = script;
          }
        )
        (
          plainly {
            inherit
              name
              script
              env
              passAsFile
              ;
          }
          // {
            inherit meta;
          }
        )
    else
      runCommand name (env // { inherit meta passAsFile; }) script;

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

  # What runs after the links are made may change the folder: its links become files where it says so.
  joined =
    args@{
      name ? "${args.pname}-${args.version}",
      paths,
      pathsToLink ? [ "/" ],
      postBuild ? "",
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      meta ? { },
      passthru ? { },
      ...
    }:
    if postBuild == "" then
      join args
    else
      runCommand name {
        inherit
          nativeBuildInputs
          buildInputs
          meta
          passthru
          ;
        paths = lib.concatMapStringsSep "\n" (p: "${p}") paths;
        links = lib.concatStringsSep "\n" pathsToLink;
        passAsFile = [
          "paths"
          "links"
        ];
      } "${builtins.readFile ../../modules/join.sh}\n${postBuild}";

  # nixpkgs has more formats, with more to each; those which it makes with a program, we write ourselves.
  joinFormats =
    ours:
    let
      theirs =
        if beneath ? path then
          (import (beneath.path + "/pkgs/pkgs-lib") {
            inherit lib;
            pkgs = final;
          }).formats
        else
          beneath.formats or { };
      written = builtins.intersectAttrs (lib.genAttrs [
        "json"
        "toml"
        "yaml"
        "yaml_1_1"
        "yaml_1_2"
      ] (_: null)) (builtins.intersectAttrs theirs ours);
    in
    ours
    // theirs
    // lib.mapAttrs (
      name: format: args:
      theirs.${name} args // { inherit (format args) generate; }
    ) written;

  noProgram =
    name:
    plainly {
      inherit name;
      script = "mkdir \"$out\"";
    };

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

  buildEnv = joined;
  symlinkJoin = joined;

  linkFarm =
    name: entries:
    let
      list =
        if builtins.isAttrs entries then
          lib.mapAttrsToList (name: path: { inherit name path; }) entries
        else
          entries;
    in
    plainly {
      inherit name;
      env.links = lib.concatMapStrings (e: "${e.name}\t${e.path}\n") list;
      passAsFile = [ "links" ];
      script = ''
        mkdir -p "$out"
        while IFS="$(printf '\t')" read -r path target; do
          mkdir -p "$out/$(dirname "$path")"
          ln -s "$target" "$out/$path"
        done <"$linksPath"
      '';
    };

  concatText =
    name: files:
    plainly {
      inherit name;
      env.files = map (f: "${f}") files;
      passAsFile = [ "files" ];
      script = "cat $(cat \"$filesPath\") > \"$out\"";
    };

  formats = joinFormats (import ./formats.nix { inherit lib writeText; });

  # Their functions are there in every build.
  makeWrapper = noProgram "makeWrapper";
  makeShellWrapper = makeWrapper;
  makeBinaryWrapper = makeWrapper;
  lndir = noProgram "lndir";
  xorg = beneath.xorg or { } // {
    inherit lndir;
  };

  emptyDirectory = noProgram "empty-directory";
  emptyFile = asPackage "empty-file" (build.writeText "empty-file" "");

  # The paths that some packages need, all in all.
  closureInfo =
    { rootPaths }:
    runCommand "closure-info"
      {
        exportReferencesGraph = lib.concatLists (
          lib.imap0 (n: path: [
            "graph-${toString n}"
            path
          ]) (lib.toList rootPaths)
        );
      }
      ''
        mkdir "$out"
        for graph in "$NIX_BUILD_TOP"/graph-*; do
          while read -r path && read -r _ && read -r references; do
            echo "$path"
            for ((n = 0; n < references; n++)); do read -r _; done
          done <"$graph"
        done | sort --unique >"$out/store-paths"
      '';

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
