# Sets of files below a directory. Each set is the list of its files, found when it is needed.
{ lib }:
let
  inherit (builtins)
    attrNames
    intersectAttrs
    isPath
    listToAttrs
    pathExists
    readDir
    removeAttrs
    ;

  # From the path of a file, as text, to the path value and the file's type.
  make = files: {
    _type = "fileset";
    inherit files;
  };

  filesBelow =
    path:
    let
      type = lib.filesystem.pathType path;
      below = lib.foldl' (acc: name: acc // filesBelow (path + "/${name}")) { } (
        attrNames (readDir path)
      );
    in
    if type == "directory" then below else { ${toString path} = { inherit path type; }; };

  coerce =
    what: x:
    if x._type or "" == "fileset" then
      x
    else if x._type or "" == "if" || !(isPath x) then
      throw "${what}: a file set or a path was expected, but got a value of type ${builtins.typeOf x}"
    else if !(pathExists x) then
      throw "${what}: ${toString x} does not exist; use `lib.fileset.maybeMissing' for a path that may be missing"
    else
      make (filesBelow x);

  join = lib.foldl' (acc: set: acc // set.files) { };
in
rec {
  empty = make { };
  isFileset = x: x._type or "" == "fileset" || isPath x;

  maybeMissing = path: if pathExists path then coerce "lib.fileset.maybeMissing" path else empty;

  union =
    a: b:
    unions [
      a
      b
    ];
  unions = sets: make (join (map (coerce "lib.fileset.unions") sets));
  intersection =
    a: b:
    make (
      intersectAttrs (coerce "lib.fileset.intersection" b).files (coerce "lib.fileset.intersection" a)
      .files
    );
  difference =
    a: b:
    make (
      removeAttrs (coerce "lib.fileset.difference" a).files (
        attrNames (coerce "lib.fileset.difference" b).files
      )
    );

  # The files for which a predicate on `{ name; type; hasExt; }` holds.
  fileFilter =
    pred: path:
    make (
      lib.filterAttrs (
        name: file:
        pred {
          name = baseNameOf name;
          inherit (file) type;
          hasExt = ext: lib.hasSuffix ".${ext}" (baseNameOf name);
        }
      ) (coerce "lib.fileset.fileFilter" path).files
    );

  toList = set: lib.mapAttrsToList (_: file: file.path) (coerce "lib.fileset.toList" set).files;

  # A source with only the files of a set.
  toSource =
    { root, fileset }:
    let
      inherit (coerce "lib.fileset.toSource" fileset) files;
      parents =
        path:
        let
          up = dirOf path;
        in
        [
          {
            name = path;
            value = true;
          }
        ]
        ++ lib.optionals (up != path) (parents up);
      wanted = listToAttrs (lib.concatMap parents (attrNames files));
    in
    {
      outPath = builtins.path {
        path = root;
        name = "source";
        filter = path: _type: wanted ? ${path};
      };
      _isLibCleanSourceWith = true;
      origSrc = root;
      filter = path: _type: wanted ? ${toString path};
      name = "source";
    };

  trace = set: x: builtins.trace (attrNames (coerce "lib.fileset.trace" set).files) x;
  traceVal = set: trace set set;
}
