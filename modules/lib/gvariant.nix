# GVariant text (https://docs.gtk.org/glib/gvariant-text-format.html), as dconf files hold it.
{ lib }:
let
  inherit (builtins)
    all
    head
    isBool
    isFloat
    isInt
    isList
    isString
    ;
  inherit (lib.strings) concatMapStringsSep escape floatToString;

  # Values are sets that know their type and turn into text by `toString`.
  make = type: value: text: {
    _type = "gvariant";
    inherit type value;
    __toString = _: text;
  };

  primitive = type: value: make type value "@${type} ${toString value}";

  sameType = list: all (x: x.type == (head list).type) list;
in
rec {
  type = {
    arrayOf = t: "a${t}";
    maybeOf = t: "m${t}";
    tupleOf = ts: "(${lib.concatStrings ts})";
    dictionaryEntryOf = kv: "{${lib.concatStrings kv}}";
    string = "s";
    boolean = "b";
    uchar = "y";
    int16 = "n";
    uint16 = "q";
    int32 = "i";
    uint32 = "u";
    int64 = "x";
    uint64 = "t";
    double = "d";
    variant = "v";
  };
  isGVariant = v: v._type or "" == "gvariant";

  mkValue =
    v:
    if isGVariant v then
      v
    else if isBool v then
      mkBoolean v
    else if isFloat v then
      mkDouble v
    else if isString v then
      mkString v
    else if isList v then
      mkArray v
    else if isInt v then
      throw "GVariant: an integer needs its type: use lib.gvariant.mkInt32 and the like"
    else
      throw "GVariant: no value for the type ${builtins.typeOf v}";

  mkString = v: make "s" v "'${builtins.replaceStrings [ "\n" ] [ "\\n" ] (escape [ "'" "\\" ] v)}'";
  mkObjectpath = v: make "o" v "objectpath '${escape [ "'" ] v}'";
  mkUchar = primitive "y";
  mkBoolean = v: make "b" v (lib.boolToString v);
  mkInt16 = primitive "n";
  mkUint16 = primitive "q";
  mkInt32 = v: make "i" v (toString v);
  mkUint32 = primitive "u";
  mkInt64 = primitive "x";
  mkUint64 = primitive "t";
  mkDouble = v: make "d" v (if isInt v then toString v else floatToString v);

  mkArray =
    elems:
    let
      items = map mkValue elems;
    in
    if items == [ ] then
      throw "GVariant: an empty array needs its type: use lib.gvariant.mkEmptyArray"
    else if !(sameType items) then
      throw "GVariant: the elements of an array must be of one type"
    else
      make "a${(head items).type}" elems
        "@a${(head items).type} [${concatMapStringsSep "," toString items}]";
  mkEmptyArray = elemType: make "a${elemType}" [ ] "@a${elemType} []";

  mkVariant =
    v:
    let
      inner = mkValue v;
    in
    make "v" v "<${toString inner}>";

  mkDictionaryEntry =
    name: value:
    let
      name' = mkValue name;
      value' = mkValue value;
      t = "{${name'.type}${value'.type}}";
    in
    make t { inherit name value; } "@${t} {${toString name'},${toString value'}}";

  mkMaybe =
    elemType: elem:
    make "m${elemType}" elem (
      if elem == null then "@m${elemType} nothing" else "just ${toString elem}"
    );
  mkNothing = elemType: mkMaybe elemType null;
  mkJust =
    elem:
    let
      inner = mkValue elem;
    in
    mkMaybe inner.type inner;

  mkTuple =
    elems:
    let
      items = map mkValue elems;
      t = "(${lib.concatMapStrings (x: x.type) items})";
    in
    make t elems "@${t} (${concatMapStringsSep "," toString items})";
}
