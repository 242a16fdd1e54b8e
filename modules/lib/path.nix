# Path values, and relative paths as strings.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    filter
    isPath
    isString
    match
    split
    ;

  components = text: filter (part: isString part && part != "" && part != ".") (split "/" text);

  why =
    s:
    if !(isString s) then
      "it is not a string"
    else if s == "" then
      "it is empty"
    else if builtins.substring 0 1 s == "/" then
      "it begins with a slash: it is absolute"
    else if match "(.*/)?\\.\\.(/.*)?" s != null then
      "it has a `..' component"
    else
      null;

  normal = s: concatStringsSep "/" ([ "." ] ++ components s);

  parts = path: components (toString path);
in
{
  # A path with a relative path, given as text, below it.
  append =
    path: subpath:
    if !(isPath path) then
      throw "lib.path.append: the first argument is of type ${builtins.typeOf path}, but a path was expected"
    else if why subpath != null then
      throw "lib.path.append: the second argument is not a valid subpath string: ${why subpath}"
    else
      path + "/${subpath}";

  hasPrefix = a: b: lib.lists.hasPrefix (parts a) (parts b);
  removePrefix = a: b: concatStringsSep "/" ([ "." ] ++ lib.lists.removePrefix (parts a) (parts b));
  splitRoot = path: {
    root = /.;
    subpath = concatStringsSep "/" ([ "." ] ++ parts path);
  };
  hasStorePathPrefix =
    path: lib.hasPrefix builtins.storeDir (toString path) && parts path != parts builtins.storeDir;

  subpath = {
    isValid = s: why s == null;
    normalise =
      s:
      if why s == null then normal s else throw "lib.path.subpath.normalise: invalid subpath: ${why s}";
    join =
      list:
      let
        bad = filter (s: why s != null) list;
      in
      if bad == [ ] then
        concatStringsSep "/" ([ "." ] ++ lib.concatMap components list)
      else
        throw "lib.path.subpath.join: invalid subpath: ${why (lib.head bad)}";
    components =
      s:
      if why s == null then
        components s
      else
        throw "lib.path.subpath.components: invalid subpath: ${why s}";
  };
}
