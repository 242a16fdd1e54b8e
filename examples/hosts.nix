# Names of hosts, beside those that the distribution knows.
{
  networking.hosts."192.0.2.10" = [
    "db.example.org"
    "db"
  ];
  networking.extraHosts = "192.0.2.11 cache.example.org";
}
