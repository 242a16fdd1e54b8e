# Looking at files while evaluating.
{ lib }:
let
  inherit (builtins) pathExists;
in
rec {
  inherit (builtins)
    baseNameOf
    dirOf
    hashFile
    isPath
    readDir
    ;
  readFileType = pathType;

  # The type of what is at a path: regular, directory, symlink or unknown.
  pathType =
    builtins.readFileType or (
      path:
      if !(pathExists path) then
        abort "lib.filesystem.pathType: Path ${toString path} does not exist."
      else if dirOf path == path then
        "directory"
      else
        (readDir (dirOf path)).${baseNameOf path}
    );

  pathIsDirectory = path: pathExists path && pathType path == "directory";
  pathIsRegularFile = path: pathExists path && pathType path == "regular";

  # The file that importing a path reads: its default.nix if it is a directory.
  resolveDefaultNix =
    path:
    if lib.hasSuffix "/" (toString path) then
      path + "default.nix"
    else if pathIsDirectory path then
      path + "/default.nix"
    else
      path;

  # All files below a directory.
  listFilesRecursive =
    dir:
    lib.flatten (
      lib.mapAttrsToList (
        name: type: if type == "directory" then listFilesRecursive (dir + "/${name}") else dir + "/${name}"
      ) (readDir dir)
    );

  # The nearest directory upwards in which a file name matches.
  locateDominatingFile =
    pattern: file:
    let
      go =
        dir:
        let
          matches = lib.filter (m: m != null) (
            map (name: builtins.match pattern name) (lib.attrNames (readDir dir))
          );
        in
        if matches != [ ] then
          {
            path = dir;
            inherit matches;
          }
        else if dir == /. then
          null
        else
          go (dirOf dir);
      parent = dirOf file;
    in
    if pathIsDirectory file then go file else go parent;

  # Calls every package file of a directory tree.
  packagesFromDirectoryRecursive =
    {
      callPackage,
      directory,
      ...
    }@args:
    let
      below = name: packagesFromDirectoryRecursive (args // { directory = directory + "/${name}"; });
    in
    if pathExists (directory + "/package.nix") then
      callPackage (directory + "/package.nix") { }
    else
      lib.concatMapAttrs (
        name: type:
        if type == "directory" then
          { ${name} = below name; }
        else if type == "regular" && lib.hasSuffix ".nix" name then
          { ${lib.removeSuffix ".nix" name} = callPackage (directory + "/${name}") { }; }
        else
          { }
      ) (readDir directory);
}
