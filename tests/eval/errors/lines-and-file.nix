# error: environment.etc: lines are added to a file that is an entry as well: `hosts`
{
  environment.etc.hosts.text = "127.0.0.1 localhost";
  networking.extraHosts = "192.0.2.1 other";
}
