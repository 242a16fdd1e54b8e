# Lines of a machine test's script, under the names that numtide/system-manager gives them.
let
  run =
    command:
    { node, profile }:
    ''
      ${node}.succeed("${profile}/bin/system-manager ${command profile}")
    '';
in
{
  activateProfileSnippet = run (profile: "activate ${profile}");
  deactivateProfileSnippet = run (_profile: "deactivate");
  prepopulateProfileSnippet = run (profile: "pre-populate ${profile}");
  # Whatever the program has: `build`, `plan`, `status`.
  mkTestPreamble = args: run (_profile: args.action) (removeAttrs args [ "action" ]);

  # Where something is defined, from what `builtins.unsafeGetAttrPos` says, as text.
  printAttrPos =
    {
      file,
      line,
      column,
    }:
    "${file}:${toString line}:${toString column}";
}
