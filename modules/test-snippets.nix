# Lines of a machine test's script, under the names that numtide/system-manager gives them.
let
  # Whatever the program has, such as `status`; what the other program calls `prepopulate` is `pre-populate` here.
  mkTestPreamble =
    {
      node,
      profile,
      action,
    }:
    let
      commands = {
        activate = "activate ${profile}";
        prepopulate = "pre-populate ${profile}";
      };
    in
    ''
      ${node}.succeed("${profile}/bin/system-manager ${commands.${action} or action}")
    '';
  line = action: args: mkTestPreamble (args // { inherit action; });
in
{
  inherit mkTestPreamble;
  activateProfileSnippet = line "activate";
  deactivateProfileSnippet = line "deactivate";
  prepopulateProfileSnippet = line "prepopulate";

  # Where something is defined, from what `builtins.unsafeGetAttrPos` says, as text.
  printAttrPos =
    {
      file,
      line,
      column,
    }:
    "${file}:${toString line}:${toString column}";
}
