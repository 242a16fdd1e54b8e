# Attribute sets.
{ lib }:
let
  inherit (builtins)
    concatLists
    concatMap
    elemAt
    filter
    foldl'
    head
    length
    ;
in
rec {
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;

  # The value at a path of names, or a default.
  attrByPath =
    path: default: set:
    let
      len = length path;
      go =
        i: s:
        if i == len then
          s
        else if s ? ${elemAt path i} then
          go (i + 1) s.${elemAt path i}
        else
          default;
    in
    go 0 set;

  hasAttrByPath =
    path: set:
    let
      len = length path;
      go = i: s: i == len || (s ? ${elemAt path i} && go (i + 1) s.${elemAt path i});
    in
    go 0 set;

  # The longest prefix of a path that leads to a value.
  longestValidPathPrefix =
    path: set:
    let
      len = length path;
      go =
        i: s:
        if i == len then
          path
        else if s ? ${elemAt path i} then
          go (i + 1) s.${elemAt path i}
        else
          lib.take i path;
    in
    go 0 set;

  setAttrByPath =
    path: value:
    let
      len = length path;
      go = i: if i == len then value else { ${elemAt path i} = go (i + 1); };
    in
    go 0;

  getAttrFromPath =
    path: attrByPath path (throw "there is no attribute `${lib.concatStringsSep "." path}'");

  concatMapAttrs = f: set: foldl' (acc: new: acc // new) { } (attrValues (mapAttrs f set));

  # Applies several updates `{ path; update; }` to a set at once.
  updateManyAttrsByPath =
    let
      go =
        depth: here: value: updates:
        let
          parts = builtins.partition (u: length u.path == depth) updates;
          names = builtins.groupBy (u: elemAt u.path depth) parts.wrong;
          below =
            if parts.wrong == [ ] then
              value
            else
              (if here then value else { })
              // mapAttrs (n: go (depth + 1) (here && value ? ${n}) value.${n} or (missing depth n)) names;
        in
        lib.lists.foldl (acc: u: u.update acc) below parts.right;
      missing =
        depth: name:
        throw "updateManyAttrsByPath: attribute `${name}' at depth ${toString depth} does not exist, so it cannot be updated from its old value";
    in
    updates: set: go 0 true set updates;

  attrVals = names: set: map (n: set.${n}) names;

  # The named attributes of a set, those that it has not left out.
  getAttrs = names: set: listToAttrs (map (n: nameValuePair n set.${n}) names);

  filterAttrs = pred: set: removeAttrs set (filter (n: !(pred n set.${n})) (attrNames set));

  filterAttrsRecursive =
    pred: set:
    mapAttrs (_: v: if isAttrs v then filterAttrsRecursive pred v else v) (filterAttrs pred set);

  foldlAttrs =
    f: init: set:
    foldl' (acc: n: f acc n set.${n}) init (attrNames set);

  foldAttrs =
    op: nul: sets:
    builtins.zipAttrsWith (_: values: lib.foldr op nul values) sets;

  # All values, at any depth, for which the predicate holds.
  collect =
    pred: set:
    if pred set then
      [ set ]
    else if isAttrs set then
      concatMap (collect pred) (attrValues set)
    else
      [ ];

  cartesianProduct =
    sets:
    foldl' (
      acc: name: concatMap (partial: map (value: partial // { ${name} = value; }) sets.${name}) acc
    ) [ { } ] (attrNames sets);
  cartesianProductOfSets = cartesianProduct;
  mapCartesianProduct = f: sets: map f (cartesianProduct sets);

  nameValuePair = name: value: { inherit name value; };

  # Maps to name and value.
  mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
  mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;

  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond =
    cond: f: set:
    let
      go =
        path:
        mapAttrs (
          name: value:
          if isAttrs value && cond value then go (path ++ [ name ]) value else f (path ++ [ name ]) value
        );
    in
    go [ ] set;

  mapAttrsToListRecursive = mapAttrsToListRecursiveCond (_: _: true);
  mapAttrsToListRecursiveCond =
    cond: f: set:
    let
      go =
        path: s:
        concatLists (
          mapAttrsToList (
            name: value:
            if isAttrs value && cond (path ++ [ name ]) value then
              go (path ++ [ name ]) value
            else
              [ (f (path ++ [ name ]) value) ]
          ) s
        );
    in
    go [ ] set;

  mapToAttrs = f: names: listToAttrs (map f names);
  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  genAttrs' = xs: f: listToAttrs (map f xs);

  isDerivation = value: value.type or null == "derivation";

  # Makes something that can stand for a derivation out of a store path.
  toDerivation =
    path:
    let
      storePath = builtins.storePath path;
      self = {
        type = "derivation";
        name = builtins.unsafeDiscardStringContext (builtins.substring 33 (-1) (baseNameOf storePath));
        outPath = storePath;
        outputs = [ "out" ];
        out = self;
        outputName = "out";
      };
    in
    self;

  optionalAttrs = cond: set: if cond then set else { };

  zipAttrsWithNames =
    names: f: sets:
    listToAttrs (map (n: nameValuePair n (f n (builtins.catAttrs n sets))) names);
  zipAttrs = builtins.zipAttrsWith (_: values: values);
  zip = zipAttrsWith;

  mergeAttrsList =
    list:
    let
      # Joining halves costs less than adding one set after the other to a growing one.
      go =
        from: to:
        if to - from <= 0 then
          { }
        else if to - from == 1 then
          elemAt list from
        else
          let
            middle = (from + to) / 2;
          in
          go from middle // go middle to;
    in
    go 0 (length list);

  recursiveUpdateUntil =
    stop: lhs: rhs:
    let
      go =
        path:
        builtins.zipAttrsWith (
          name: values:
          let
            here = path ++ [ name ];
          in
          if length values == 1 || stop here (elemAt values 1) (head values) then
            head values
          else
            go here values
        );
    in
    go
      [ ]
      [
        rhs
        lhs
      ];

  # `lhs // rhs`, applied at every level where both have sets.
  recursiveUpdate =
    lhs: rhs:
    if isAttrs lhs && isAttrs rhs then
      lhs
      // mapAttrs (name: value: if lhs ? ${name} then recursiveUpdate lhs.${name} value else value) rhs
    else
      rhs;

  # Whether every leaf of the pattern is in the set with the same value.
  matchAttrs =
    pattern: set:
    lib.all (
      name:
      set ? ${name}
      && (
        if isAttrs pattern.${name} then
          isAttrs set.${name} && matchAttrs pattern.${name} set.${name}
        else
          pattern.${name} == set.${name}
      )
    ) (attrNames pattern);

  overrideExisting = old: new: mapAttrs (name: value: new.${name} or value) old;

  # The first name of a path of names that a set has, for error messages.
  showAttrPath =
    path:
    if path == [ ] then
      "<root attribute path>"
    else
      lib.concatMapStringsSep "." lib.strings.escapeNixIdentifier path;

  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };

  # Names that occur in both sets: throws; else merges them.
  unionOfDisjoint =
    x: y:
    let
      both = attrNames (builtins.intersectAttrs x y);
    in
    if both == [ ] then
      x // y
    else
      (x // y) // lib.genAttrs both (n: throw "unionOfDisjoint: `${n}' is in both sets");

  getOutput =
    output: pkg:
    if !(pkg ? outputSpecified) || !pkg.outputSpecified then pkg.${output} or pkg.out or pkg else pkg;
  getFirstOutput =
    candidates: pkg:
    let
      found = lib.findFirst (output: hasAttr output pkg) null candidates;
    in
    if pkg.outputSpecified or false || found == null then pkg else pkg.${found};
  getBin = getOutput "bin";
  getLib = getFirstOutput [
    "lib"
    "out"
  ];
  getStatic = getFirstOutput [
    "static"
    "lib"
    "out"
  ];
  getDev = getOutput "dev";
  getMan = getOutput "man";
  getInclude = getFirstOutput [
    "include"
    "dev"
    "out"
  ];
  chooseDevOutputs = map getDev;
}
