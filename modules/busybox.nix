# Finds the static busybox that builds our files, and puts a copy of it into the store.
#
# Inside the build sandbox nothing of the host exists, so that the builder has to come from the store.
{
  # A package, or the path of a file that is called `busybox`; by default it is looked for on this machine.
  program ? null,
}:
let
  inherit (builtins)
    baseNameOf
    dirOf
    filter
    head
    pathExists
    readDir
    ;

  folders = [
    "/usr/bin"
    "/bin"
    "/usr/sbin"
    "/sbin"
  ];
  has = folder: pathExists folder && (readDir folder).busybox or "" == "regular";
  found = filter has folders;

  # A copy whose file is called `busybox`: that name makes it read the applet from its first argument.
  copy =
    folder: file:
    builtins.path {
      path = folder;
      name = "busybox";
      filter = path: _type: baseNameOf path == file;
    };
in
if builtins.isAttrs program then
  "${program}/bin"
else if program != null then
  if baseNameOf program != "busybox" then
    throw "the busybox ${toString program} must be a file with the name `busybox`"
  else if builtins.hasContext (toString program) then
    dirOf program
  else
    copy (dirOf (/. + toString program)) "busybox"
else if found != [ ] then
  copy (head found) "busybox"
else
  throw ''
    no busybox in ${builtins.concatStringsSep ", " folders}: the files of a generation are built with it
    hint: apt-get install busybox-static''
