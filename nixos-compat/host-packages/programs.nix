# Programs that every distribution has, under the names that nixpkgs gives their packages.
let
  from = folder: names: map (n: "${folder}/${n}") names;
  tool = package: bin: {
    inherit bin;
    install = {
      debian = package;
      fedora = package;
    };
  };
  usr = package: names: tool package (from "/usr/bin" names);
  sbin = package: names: tool package (from "/usr/sbin" names);
  both = package: {
    debian = package;
    fedora = package;
  };
  # A package whose name differs between the families.
  named = debian: fedora: bin: {
    inherit bin;
    install = { inherit debian fedora; };
  };

  # Programs that no host lacks, so that one stands for all when the plan looks for them.
  essential = entry: { required = [ (builtins.head entry.bin) ]; } // entry;

  # Further names of the same package.
  utilLinux = essential (
    tool "util-linux" (
      from "/usr/bin" [
        "flock"
        "findmnt"
        "getopt"
        "ionice"
        "ipcrm"
        "ipcs"
        "lsblk"
        "mcookie"
        "mount"
        "mountpoint"
        "nsenter"
        "setpriv"
        "setsid"
        "taskset"
        "umount"
        "unshare"
        "whereis"
      ]
      ++ from "/usr/sbin" [
        "blkid"
        "blockdev"
        "fsck"
        "losetup"
        "mkswap"
        "runuser"
        "swapoff"
        "swapon"
      ]
    )
  );
  iproute =
    usr "iproute2" [
      "ip"
      "ss"
    ]
    // {
      install = {
        debian = "iproute2";
        fedora = "iproute";
      };
    };
  # In nixpkgs `hostname` is part of it, and often all that is asked for; the rest is used where it is installed.
  netTools =
    tool "net-tools" [
      "/usr/bin/hostname"
      "/usr/sbin/ifconfig"
      "/usr/sbin/route"
    ]
    // {
      required = [ "/usr/bin/hostname" ];
    };
  bash =
    essential (
      tool "bash" [
        "/usr/bin/bash"
        "/usr/bin/sh"
      ]
    )
    // {
      passthru.shellPath = "/bin/bash";
    };
  python = usr "python3" [ "python3" ] // {
    passthru = package: {
      interpreter = "/usr/bin/python3";
      # Libraries are the distribution's packages as well, and found where it puts them.
      withPackages = _choose: package;
    };
  };
in
{
  age = usr "age" [
    "age"
    "age-keygen"
  ];
  inherit bash;
  bashInteractive = bash;
  bash-completion = {
    links."etc/profile.d/bash_completion.sh" = "/usr/share/bash-completion/bash_completion";
    install = both "bash-completion";
  };
  bzip2 = usr "bzip2" [ "bzip2" ];
  coreutils = essential (
    usr "coreutils" [
      "["
      "arch"
      "b2sum"
      "base32"
      "base64"
      "basename"
      "cat"
      "chgrp"
      "chmod"
      "chown"
      "cksum"
      "comm"
      "cp"
      "csplit"
      "cut"
      "date"
      "dd"
      "df"
      "dir"
      "dirname"
      "du"
      "echo"
      "env"
      "expand"
      "expr"
      "factor"
      "false"
      "fmt"
      "fold"
      "groups"
      "head"
      "hostid"
      "id"
      "install"
      "join"
      "link"
      "ln"
      "logname"
      "ls"
      "md5sum"
      "mkdir"
      "mkfifo"
      "mknod"
      "mktemp"
      "mv"
      "nice"
      "nl"
      "nohup"
      "nproc"
      "numfmt"
      "od"
      "paste"
      "pathchk"
      "pr"
      "printenv"
      "printf"
      "pwd"
      "readlink"
      "realpath"
      "rm"
      "rmdir"
      "seq"
      "sha1sum"
      "sha224sum"
      "sha256sum"
      "sha384sum"
      "sha512sum"
      "shred"
      "shuf"
      "sleep"
      "sort"
      "split"
      "stat"
      "stdbuf"
      "stty"
      "sum"
      "sync"
      "tac"
      "tail"
      "tee"
      "test"
      "timeout"
      "touch"
      "tr"
      "true"
      "truncate"
      "tsort"
      "tty"
      "uname"
      "unexpand"
      "uniq"
      "unlink"
      "users"
      "vdir"
      "wc"
      "who"
      "whoami"
      "yes"
      # In nixpkgs it is part of this package; the distributions have it in procps or util-linux.
      "kill"
    ]
    // {
      required = [ "/usr/bin/env" ];
    }
  );
  curl = usr "curl" [ "curl" ];
  dbus = usr "dbus" [
    "dbus-send"
    "dbus-uuidgen"
  ];
  desktop-file-utils = usr "desktop-file-utils" [ "update-desktop-database" ];
  diffutils = essential (
    usr "diffutils" [
      "cmp"
      "diff"
    ]
  );
  findutils = essential (
    usr "findutils" [
      "find"
      "xargs"
    ]
  );
  flock = essential (tool "util-linux" [ "/usr/bin/flock" ]);
  gawk = named "gawk" "gawk" [
    "/usr/bin/gawk"
    "/usr/bin/awk"
  ];
  gettext = named "gettext-base" "gettext" [
    "/usr/bin/gettext"
    "/usr/bin/gettext.sh"
  ];
  getent = essential (usr "libc-bin" [ "getent" ]);
  git = usr "git" [ "git" ];
  # Where a distribution keeps the locales that were made for it, in one file or in folders.
  glibcLocales = {
    links."lib/locale" = "/usr/lib/locale";
    required = [ ];
  };
  gnugrep = essential (usr "grep" [ "grep" ]);
  gnupg = usr "gnupg" [ "gpg" ];
  gnused = essential (usr "sed" [ "sed" ]);
  gnutar = essential (usr "tar" [ "tar" ]);
  gzip = essential (
    usr "gzip" [
      "gzip"
      "gunzip"
      "zcat"
    ]
  );
  inetutils = usr "inetutils" [ "hostname" ];
  iproute2 = iproute;
  inherit iproute;
  iptables = sbin "iptables" [
    "iptables"
    "ip6tables"
    "iptables-restore"
    "ip6tables-restore"
  ];
  iputils = usr "iputils-ping" [ "ping" ];
  jq = usr "jq" [ "jq" ];
  kmod = sbin "kmod" [
    "lsmod"
    "modprobe"
  ];
  lego = {
    bin = [ "/usr/bin/lego" ];
    install.debian = "lego";
  };
  logger = usr "bsdutils" [ "logger" ];
  man-db = usr "man-db" [
    "man"
    "mandb"
  ];
  minica = {
    files."bin/minica" = builtins.readFile ./minica.sh;
    required = [ "/usr/bin/openssl" ];
    install = both "openssl";
  };
  ncurses = essential (
    tool "ncurses-bin" (
      from "/usr/bin" [
        "tput"
        "clear"
        "infocmp"
        "reset"
        "tic"
      ]
    )
  );
  nettools = netTools;
  net-tools = netTools;
  nftables = sbin "nftables" [ "nft" ];
  nix = named "nix-bin" "nix" (
    from "/usr/bin" [
      "nix"
      "nix-build"
      "nix-channel"
      "nix-env"
      "nix-instantiate"
      "nix-store"
    ]
  );
  openssl = usr "openssl" [ "openssl" ];
  perl = usr "perl" [ "perl" ];
  procps = usr "procps" [
    "free"
    "pgrep"
    "pkill"
    "ps"
    "uptime"
  ];
  python3 = python;
  rsync = usr "rsync" [ "rsync" ];
  shadow =
    sbin "passwd" [
      "groupadd"
      "groupmod"
      "useradd"
      "userdel"
      "usermod"
      "nologin"
    ]
    // {
      install = {
        debian = "passwd";
        fedora = "shadow-utils";
      };
    };
  shared-mime-info = usr "shared-mime-info" [ "update-mime-database" ];
  su = essential (tool "util-linux" [ "/usr/bin/su" ]);
  sudo = usr "sudo" [ "sudo" ];
  systemd = essential (
    usr "systemd" [
      "systemctl"
      "journalctl"
      "loginctl"
      "systemd-cat"
      "systemd-notify"
      "systemd-run"
      "systemd-tmpfiles"
      "systemd-ask-password"
    ]
  );
  util-linux = utilLinux;
  utillinux = utilLinux;
  utillinuxMinimal = utilLinux;
  util-linuxMinimal = utilLinux;
  which = usr "debianutils" [ "which" ];
  xz = usr "xz-utils" [ "xz" ];
  zstd = usr "zstd" [ "zstd" ];
}
