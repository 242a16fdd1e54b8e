# Packages of the distribution under the names that nixpkgs gives them.
let
  from = folder: names: map (n: "${folder}/${n}") names;
  usr = from "/usr/bin";
  essential = package: bin: {
    bin = usr bin;
    install = {
      debian = package;
      fedora = package;
    };
  };
in
{
  bash = essential "bash" [ "bash" ] // {
    passthru.shellPath = "/bin/bash";
  };
  coreutils = essential "coreutils" [
    "basename"
    "cat"
    "chmod"
    "chown"
    "cp"
    "cut"
    "date"
    "dirname"
    "env"
    "head"
    "id"
    "install"
    "ln"
    "ls"
    "mkdir"
    "mktemp"
    "mv"
    "readlink"
    "realpath"
    "rm"
    "sleep"
    "sort"
    "stat"
    "tail"
    "tee"
    "touch"
    "tr"
    "wc"
  ];
  curl = essential "curl" [ "curl" ];
  findutils = essential "findutils" [
    "find"
    "xargs"
  ];
  gawk = essential "gawk" [ "gawk" ];
  gnugrep = essential "grep" [ "grep" ];
  gnused = essential "sed" [ "sed" ];
  gnutar = essential "tar" [ "tar" ];
  gzip = essential "gzip" [ "gzip" ];
  jq = essential "jq" [ "jq" ];
  systemd = essential "systemd" [
    "journalctl"
    "loginctl"
    "systemctl"
    "systemd-tmpfiles"
  ];
  util-linux = essential "util-linux" [
    "flock"
    "mount"
    "umount"
  ];
  nginx = {
    bin = [ "/usr/sbin/nginx" ];
    install = {
      debian = "nginx-light";
      fedora = "nginx";
    };
  };
}
