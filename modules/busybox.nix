# Finds the static busybox that builds our files, and puts a copy of it into the store.
#
# Inside the build sandbox nothing of the host exists, so that the builder has to come from the store.
{
  path ? null,
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
if path != null then
  if baseNameOf path != "busybox" then
    throw "the busybox ${toString path} must be a file with the name `busybox`"
  else
    copy (dirOf path) "busybox"
else if found != [ ] then
  copy (head found) "busybox"
else
  throw ''
    no busybox in ${builtins.concatStringsSep ", " folders}: the files of a generation are built with it
    hint: apt-get install busybox-static''
