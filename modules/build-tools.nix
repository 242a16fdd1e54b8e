# Puts bash, coreutils and what else the scripts of modules run in a build into the store: copies of this machine's.
#
# Inside the build sandbox nothing of the host exists. A program of the host is found there with its loader and its
# libraries beside it, each behind a small script that starts the one with the other.
{
  system,
  # A folder that holds an executable `busybox`, which makes the scripts.
  busybox,
  # Packages that have the programs, bash the first, instead of this machine's.
  packages ? null,
}:
let
  inherit (builtins)
    any
    attrNames
    concatStringsSep
    filter
    head
    isString
    listToAttrs
    match
    pathExists
    readDir
    split
    ;

  bin = "/usr/bin";
  libraryFolders = [
    "/usr/lib/x86_64-linux-gnu"
    "/usr/lib/aarch64-linux-gnu"
    "/usr/lib64"
    "/usr/lib"
  ];
  loaderName = "ld-linux-[a-z0-9_-]+[.]so[.][0-9]+";

  words = text: filter (w: isString w && w != "") (split "[ \n]+" text);
  # bash, coreutils, diffutils, findutils, gawk, grep, gzip, jq, openssl, patch, sed, tar, xz.
  names = words ''
    [ arch b2sum base32 base64 basename basenc bash cat chgrp chmod chown cksum cmp comm cp csplit cut date dd diff
    diff3 dir dircolors dirname du echo env expand expr factor false find fmt fold gawk grep gzip head id install join
    jq link ln ls md5sum mkdir mkfifo mknod mktemp mv nl nproc numfmt od openssl paste patch pathchk pr printenv printf ptx pwd
    readlink realpath rm rmdir sed seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat
    stdbuf stty sum sync tac tail tar tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink vdir
    wc xargs xz yes
  '';
  # What these are linked with, on the distributions that are known.
  libraries = words ''
    libacl libattr libbz2 libc libcap libcrypto libgmp libjq liblz4 liblzma libm libmpfr libonig libpcre2-8 libpthread
    libreadline libselinux libsigsegv libssl libsystemd libtinfo libz libzstd
  '';
  setOf =
    list:
    listToAttrs (
      map (name: {
        inherit name;
        value = true;
      }) list
    );
  isName = setOf names;
  isLibraryName = setOf libraries;
  isProgram = setOf programs;

  at = folder: if pathExists folder then readDir folder else { };
  programs =
    let
      there = at bin;
    in
    filter (n: there.${n} or "" == "regular") names;

  loadersIn =
    folder:
    let
      there = at folder;
    in
    filter (n: there.${n} == "regular" && match loaderName n != null) (attrNames there);
  withLoader = filter (f: loadersIn f != [ ]) libraryFolders;
  libraryFolder = head withLoader;
  loader = head (loadersIn libraryFolder);

  # What `openssl req` takes for granted, in the places of the families of distributions.
  opensslSettings = filter pathExists [
    "/etc/ssl/openssl.cnf"
    "/etc/pki/tls/openssl.cnf"
  ];

  # A copy of some files of a folder.
  copy =
    name: folder: wanted:
    builtins.path {
      path = folder;
      inherit name;
      filter = path: _type: wanted (baseNameOf path);
    };
  isLibrary =
    file:
    let
      parts = match "([a-z0-9-]+)[.]so[.].*" file;
    in
    parts != null && isLibraryName ? ${head parts};

  missing = filter (n: !(any (p: p == n) programs)) [
    "bash"
    "cat"
    "grep"
    "sed"
    "find"
  ];

  copied = derivation {
    inherit system busybox loader;
    name = "build-tools";
    programs = copy "build-tools-programs" bin (name: isProgram ? ${name});
    settings =
      if opensslSettings == [ ] then
        ""
      else
        builtins.path {
          path = head opensslSettings;
          name = "openssl.cnf";
        };
    libraries = copy "build-tools-libraries" libraryFolder (name: name == loader || isLibrary name);
    builder = "${busybox}/busybox";
    args = [
      "sh"
      "-eu"
      ./build-tools.sh
    ];
    PATH = busybox;
    preferLocalBuild = true;
    allowSubstitutes = false;
  };
  ours =
    if withLoader == [ ] || missing != [ ] then
      throw ''
        a script of a module runs in the build, and for that bash, coreutils, grep, sed and findutils of this machine are needed: ${
          if missing == [ ] then
            "no loader of glibc is in ${concatStringsSep ", " libraryFolders}"
          else
            "${bin} lacks ${concatStringsSep ", " missing}"
        }
        hint: install them, or give `buildTools` to the Nix API, a list of packages that have them''
    else
      "${copied}/bin";
in
{
  # Whether a program may be among them, or among the functions that stand beside them.
  has = name: name == "msgfmt" || name == "gettext" || isName ? ${name};
  # Where they are, as a `PATH`, and the one that runs the scripts.
  path = if packages != null then concatStringsSep ":" (map (p: "${p}/bin") packages) else ours;
  bash = "${if packages != null then "${head packages}/bin" else ours}/bash";
}
