# Pieces of text that name the pieces which must come before them, as activation scripts do.
{ lib }:
rec {
  fullDepEntry = text: deps: { inherit text deps; };
  noDepEntry = text: fullDepEntry text [ ];
  packEntry = deps: fullDepEntry "" deps;
  stringAfter = deps: text: fullDepEntry text deps;

  # The texts of the named pieces and of what they need, each once, in an order that suits them.
  textClosureList =
    predefined: names:
    let
      visit =
        state: name:
        let
          entry = predefined.${name};
          below = lib.foldl' visit (
            state
            // {
              done = state.done // {
                ${name} = true;
              };
            }
          ) (entry.deps or [ ]);
        in
        if lib.isAttrs name then
          state // { texts = state.texts ++ [ name.text ]; }
        else if state.done ? ${name} then
          state
        else
          below // { texts = below.texts ++ [ (if lib.isString entry then entry else entry.text) ]; };
    in
    (lib.foldl' visit {
      done = { };
      texts = [ ];
    } names).texts;

  # The same as one string, each text changed by a function.
  textClosureMap =
    f: predefined: names:
    lib.concatStringsSep "\n" (map f (textClosureList predefined names));
}
