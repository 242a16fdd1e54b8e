# Names of nixpkgs for variants of a program, of which a distribution has one.
{
  apacheHttpd = [ "apacheHttpd_2_4" ];
  bash = [ "bashNonInteractive" ];
  coreutils = [ "coreutils-full" ];
  curl = [
    "curlFull"
    "curlMinimal"
  ];
  git = [
    "gitFull"
    "gitMinimal"
  ];
  gnupg = [
    "gnupg24"
    "gnupg1"
  ];
  man-db = [ "man" ];
  mariadb = [
    "mariadb_105"
    "mariadb_106"
    "mariadb_1011"
    "mariadb_110"
    "mariadb_114"
    "mariadb_118"
  ];
  mosquitto = [ "mosquitto_2" ];
  redis = [ "valkey" ];
  rsync = [ "rsyncMinimal" ];
  samba = [
    "samba4"
    "samba4Full"
    "sambaFull"
  ];
  sudo = [ "sudo-rs" ];
  systemd = [
    "systemdMinimal"
    "systemdUkify"
  ];
  transmission = [
    "transmission_3"
    "transmission_4"
  ];
  unbound = [
    "unbound-full"
    "unbound-with-systemd"
  ];
  varnish = [
    "varnish60"
    "varnish75"
    "varnish76"
    "varnish77"
    "varnish78"
  ];
}
