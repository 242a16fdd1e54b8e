# What differs between distributions: the family that names packages, and the versions that shape paths.
{
  "debian-12" = {
    family = "debian";
    postgresql = "15";
    php = "8.2";
  };
  "debian-13" = {
    family = "debian";
    postgresql = "17";
    php = "8.4";
  };
  "ubuntu-22.04" = {
    family = "debian";
    postgresql = "14";
    php = "8.1";
  };
  "ubuntu-24.04" = {
    family = "debian";
    postgresql = "16";
    php = "8.3";
  };
  "fedora-42" = {
    family = "fedora";
    postgresql = "16";
    php = "8.4";
  };
  "fedora-43" = {
    family = "fedora";
    postgresql = "18";
    php = "8.4";
  };
}
