# Fixed points of functions, and overlays on them.
{ lib }:
rec {
  # The value `x` for which `x = f x`.
  fix =
    f:
    let
      x = f x;
    in
    x;

  # `fix`, with the function kept as `__unfix__` for whoever wants to extend it.
  fix' =
    f:
    let
      x = f x // {
        __unfix__ = f;
      };
    in
    x;

  # Applies a function until its result no longer changes.
  converge =
    f: x:
    let
      next = f x;
    in
    if next == x then x else converge f next;

  # Lays an overlay (`final: prev: { }`) over a self-referential function.
  extends =
    overlay: f: final:
    let
      prev = f final;
    in
    prev // overlay final prev;

  # Joins two overlays into one; the second sees the first's result.
  composeExtensions =
    first: second: final: prev:
    let
      one = first final prev;
    in
    one // second final (prev // one);

  composeManyExtensions = lib.foldr composeExtensions (_final: _prev: { });

  # A fixed point which has an `extend` function.
  makeExtensible = makeExtensibleWithCustomName "extend";

  makeExtensibleWithCustomName =
    name: f:
    fix' (
      self:
      f self
      // {
        ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f);
      }
    );

  # Makes an overlay out of an overlay, a function of the previous set, or a set.
  toExtension =
    f:
    if lib.isFunction f then
      final: prev:
      let
        once = f prev;
      in
      if lib.isFunction once then f final prev else once
    else
      _final: _prev: f;
}
