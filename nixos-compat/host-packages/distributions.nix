# What differs between distributions: the family that names packages, and the versions that modules ask for or that shape paths.
{
  "debian-12" = {
    family = "debian";
    mariadb = "10.11";
    nginx = "1.22.1";
    openssh = "9.2";
    openldap = "2.5";
    postgresql = "15";
    php = "8.2";
  };
  "debian-13" = {
    family = "debian";
    mariadb = "11.8";
    nginx = "1.26.3";
    openssh = "10.0";
    openldap = "2.6";
    postgresql = "17";
    php = "8.4";
  };
  "ubuntu-22.04" = {
    family = "debian";
    mariadb = "10.6";
    nginx = "1.18.0";
    openssh = "8.9";
    openldap = "2.5";
    postgresql = "14";
    php = "8.1";
  };
  "ubuntu-24.04" = {
    family = "debian";
    mariadb = "10.11";
    nginx = "1.24.0";
    openssh = "9.6";
    openldap = "2.6";
    postgresql = "16";
    php = "8.3";
  };
  "fedora-42" = {
    family = "fedora";
    mariadb = "10.11";
    nginx = "1.28.0";
    openssh = "9.9";
    openldap = "2.6";
    postgresql = "16";
    php = "8.4";
  };
  "fedora-43" = {
    family = "fedora";
    mariadb = "10.11";
    nginx = "1.28.0";
    openssh = "10.0";
    openldap = "2.6";
    postgresql = "18";
    php = "8.4";
  };
}
