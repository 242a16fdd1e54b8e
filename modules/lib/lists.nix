# Lists.
{ lib }:
let
  inherit (builtins)
    listToAttrs
    ;
  inherit (lib.trivial) min;
in
rec {
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isList
    length
    map
    partition
    sort
    tail
    groupBy
    ;

  # Joins the lists that a set has as values, in the order of their names.
  concatAttrValues = set: concatLists (builtins.attrValues set);

  singleton = x: [ x ];
  forEach = xs: f: map f xs;

  # Folds from the right: `foldr f z [ a b ]` is `f a (f b z)`.
  foldr =
    f: nul: list:
    let
      len = length list;
      go = i: if i == len then nul else f (elemAt list i) (go (i + 1));
    in
    go 0;
  fold = foldr;

  # Folds from the left, lazily in the accumulator.
  foldl =
    f: nul: list:
    let
      go = i: if i == -1 then nul else f (go (i - 1)) (elemAt list i);
    in
    go (length list - 1);

  # Maps with the index, from 0 or from 1.
  imap0 = f: list: genList (i: f i (elemAt list i)) (length list);
  imap1 = f: list: genList (i: f (i + 1) (elemAt list i)) (length list);

  # Maps with the index, keeping those for which the predicate holds.
  ifilter0 =
    pred: list:
    map (i: elemAt list i) (filter (i: pred i (elemAt list i)) (genList (i: i) (length list)));

  # Flattens nested lists into one; a value that is no list becomes a list.
  flatten = x: if isList x then builtins.concatMap flatten x else [ x ];

  remove = e: filter (x: x != e);

  # The only element for which the predicate holds; else one of two defaults.
  findSingle =
    pred: none: many: list:
    let
      found = filter pred list;
    in
    if found == [ ] then
      none
    else if length found == 1 then
      head found
    else
      many;

  # The index of the first element for which the predicate holds.
  findFirstIndex =
    pred: default: list:
    let
      # A fold, since a recursion as deep as a long list overflows the stack. While nothing is found
      # the number is -1 minus the count of elements seen.
      index = foldl' (
        i: x:
        if i >= 0 then
          i
        else if pred x then
          -1 - i
        else
          i - 1
      ) (-1) list;
    in
    if index < 0 then default else index;

  findFirst =
    pred: default: list:
    let
      i = findFirstIndex pred null list;
    in
    if i == null then default else elemAt list i;

  count = pred: foldl' (n: x: if pred x then n + 1 else n) 0;
  optional = cond: x: if cond then [ x ] else [ ];
  optionals = cond: xs: if cond then xs else [ ];
  toList = x: if isList x then x else [ x ];

  # The integers from `first` to `last`, both included.
  range = first: last: if first > last then [ ] else genList (i: first + i) (last - first + 1);

  replicate = n: x: genList (_: x) n;

  zipListsWith =
    f: a: b:
    genList (i: f (elemAt a i) (elemAt b i)) (min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });

  reverseList =
    xs:
    let
      len = length xs;
    in
    genList (i: elemAt xs (len - i - 1)) len;

  # Sorts by a key that is computed once for each element.
  sortOn =
    key: list:
    map (pair: elemAt pair 1) (
      builtins.sort (a: b: head a < head b) (
        map (x: [
          (key x)
          x
        ]) list
      )
    );

  compareLists =
    cmp: a: b:
    if a == [ ] then
      if b == [ ] then 0 else -1
    else if b == [ ] then
      1
    else
      let
        order = cmp (head a) (head b);
      in
      if order == 0 then compareLists cmp (builtins.tail a) (builtins.tail b) else order;

  # Sorts strings as a human would: runs of digits count as numbers.
  naturalSort =
    list:
    let
      parse =
        s:
        map (part: if isList part then lib.toIntBase10 (head part) else part) (
          builtins.split "(0|[1-9][0-9]*)" s
        );
      less = a: b: compareLists lib.compare (head a) (head b) < 0;
    in
    map (pair: elemAt pair 1) (
      builtins.sort less (
        map (s: [
          (parse s)
          s
        ]) list
      )
    );

  take = n: sublist 0 n;
  takeEnd = n: xs: drop (lib.max 0 (length xs - n)) xs;
  drop = n: list: sublist n (length list) list;
  dropEnd = n: xs: take (lib.max 0 (length xs - n)) xs;

  sublist =
    start: n: list:
    let
      len = length list;
      size = if start >= len then 0 else min n (len - start);
    in
    genList (i: elemAt list (i + start)) size;

  hasPrefix = prefix: list: take (length prefix) list == prefix;

  removePrefix =
    prefix: list:
    if hasPrefix prefix list then
      drop (length prefix) list
    else
      throw "lib.lists.removePrefix: the first argument is no prefix of the second";

  # The longest list that both lists start with.
  commonPrefix =
    a: b:
    let
      shorter = min (length a) (length b);
      different = findFirstIndex (i: elemAt a i != elemAt b i) shorter (genList (i: i) shorter);
    in
    take different a;

  last =
    list: if list == [ ] then throw "lists.last: the list is empty" else elemAt list (length list - 1);
  init =
    list: if list == [ ] then throw "lists.init: the list is empty" else take (length list - 1) list;
  uncons = list: {
    head = head list;
    tail = builtins.tail list;
  };

  # All combinations of the elements of some lists.
  crossLists = f: foldl' (fs: args: builtins.concatMap (g: map g args) fs) [ f ];

  # Keeps the first of equal elements.
  unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  uniqueStrings = list: builtins.attrNames (builtins.groupBy (s: s) list);
  allUnique = list: length (unique list) == length list;

  intersectLists = e: filter (x: elem x e);
  subtractLists = e: filter (x: !(elem x e));

  # Whether two lists have a common element.
  mutuallyExclusive = a: b: length a == 0 || !(builtins.any (x: elem x a) b);

  # All prefixes of a list, combined by a function.
  groupBy' =
    op: nul: pred: list:
    builtins.mapAttrs (_: foldl' op nul) (builtins.groupBy pred list);

  listToAttrsBy = key: list: listToAttrs (map (x: lib.nameValuePair (key x) x) list);

  concatAll = concatLists;
  replaceElemAt =
    list: index: new:
    if index >= 0 && index < length list then
      genList (i: if i == index then new else elemAt list i) (length list)
    else
      throw "lib.lists.replaceElemAt: index ${toString index} is outside a list of ${toString (length list)}";

  # Orders elements so that `before a b` holds only forwards; reports a cycle.
  listDfs =
    stopOnCycles: before: list:
    let
      go =
        us: visited: rest:
        let
          parts = builtins.partition (x: before x us) rest;
          cycles = filter (x: before x us) visited;
          next = head parts.right;
          others = builtins.tail parts.right ++ parts.wrong;
        in
        if stopOnCycles && cycles != [ ] then
          {
            cycle = us;
            loops = cycles;
            inherit visited rest;
          }
        else if parts.right == [ ] then
          {
            minimal = us;
            inherit visited rest;
          }
        else
          go next ([ us ] ++ visited) others;
    in
    go (head list) [ ] (builtins.tail list);

  toposort =
    before: list:
    let
      found = listDfs true before list;
      rest = toposort before (found.visited ++ found.rest);
    in
    if length list < 2 then
      { result = list; }
    else if found ? cycle then
      {
        cycle = reverseList ([ found.cycle ] ++ found.visited);
        inherit (found) loops;
      }
    else if rest ? cycle then
      rest
    else
      { result = [ found.minimal ] ++ rest.result; };
}
