# Files of the configuration as sources.
{ lib }:
let
  inherit (builtins) baseNameOf elem match;

  # What editors, builds and version control leave behind.
  isClutter =
    name: type:
    (
      type == "directory"
      && elem name [
        ".git"
        ".svn"
        "CVS"
        ".hg"
        ".jj"
        ".pijul"
        "_darcs"
      ]
    )
    || lib.hasSuffix "~" name
    || match "\\.sw[a-z]" name != null
    || match "\\..*\\.sw[a-z]" name != null
    || lib.hasSuffix ".o" name
    || lib.hasSuffix ".so" name
    || (type == "symlink" && lib.hasPrefix "result" name)
    || type == "unknown";

  fromSource =
    src:
    if src._isLibCleanSourceWith or false then
      src
    else
      {
        origSrc = src;
        filter = _path: _type: true;
        name = "source";
      };
in
rec {
  canCleanSource =
    src: src._isLibCleanSourceWith or false || !(lib.hasPrefix builtins.storeDir (toString src));
  pathHasContext = path: builtins.hasContext (toString path);

  pathIsGitRepo = path: builtins.pathExists (path + "/.git");

  cleanSourceFilter = name: type: !(isClutter (baseNameOf (toString name)) type);

  # A source of which only the files come along for which the filter holds.
  cleanSourceWith =
    {
      filter ? _path: _type: true,
      src,
      name ? null,
    }:
    let
      orig = fromSource src;
      both = path: type: filter path type && orig.filter path type;
      sourceName = if name != null then name else orig.name;
    in
    {
      inherit (orig) origSrc;
      filter = both;
      name = sourceName;
      outPath = builtins.path {
        filter = both;
        path = orig.origSrc;
        name = sourceName;
      };
      _isLibCleanSourceWith = true;
    };

  cleanSource =
    src:
    cleanSourceWith {
      inherit src;
      filter = cleanSourceFilter;
    };

  sourceFilesBySuffices =
    src: suffixes:
    cleanSourceWith {
      inherit src;
      filter =
        name: type:
        type == "directory" || lib.any (suffix: lib.hasSuffix suffix (baseNameOf name)) suffixes;
    };

  sourceByRegex =
    src: regexes:
    let
      root = toString (fromSource src).origSrc + "/";
    in
    cleanSourceWith {
      inherit src;
      filter =
        path: _type: lib.any (re: match re (lib.strings.removePrefix root (toString path)) != null) regexes;
    };

}
