# Puts scripts that name what must run before them into an order, and says what is wrong with the names.
{ lib }:
{
  # The option's dotted path, for messages.
  option,
  # Sets of `text` and `deps`, by name.
  scripts,
  # Names that stand for work which is always done before.
  known,
}:
let
  inherit (builtins) attrNames elem;

  quoted = lib.concatMapStringsSep ", " (n: "`${n}`");

  # Those that a script needs come first, otherwise the names' order decides.
  visit =
    path: state: name:
    if elem name path then
      state // { cycles = state.cycles ++ [ (path ++ [ name ]) ]; }
    else if state.done ? ${name} || !(scripts ? ${name}) then
      state
    else
      let
        below = lib.foldl' (visit (path ++ [ name ])) state scripts.${name}.deps;
      in
      below
      // {
        done = below.done // {
          ${name} = true;
        };
        order = below.order ++ [ name ];
      };

  visited = lib.foldl' (visit [ ]) {
    done = { };
    order = [ ];
    cycles = [ ];
  } (attrNames scripts);

  unknownOf = name: lib.filter (dep: !(scripts ? ${dep}) && !(elem dep known)) scripts.${name}.deps;
in
{
  inherit (visited) order;

  # The scripts that must run before these, those before them included.
  beforeOf =
    names:
    let
      depsOf = name: (scripts.${name} or { deps = [ ]; }).deps;
    in
    map (x: x.key) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) (lib.concatMap depsOf names);
        operator = { key }: map (key: { inherit key; }) (depsOf key);
      }
    );

  assertions =
    map (name: {
      assertion = unknownOf name == [ ];
      message = ''
        ${option}.${name}.deps names ${quoted (unknownOf name)}, and there is no such script
          hint: define it in `${option}`, or drop it from `deps`'';
    }) (attrNames scripts)
    ++ map (path: {
      assertion = false;
      message = "${option}: the `deps` of these scripts go round in a circle: ${lib.concatStringsSep " -> " path}";
    }) visited.cycles;
}
