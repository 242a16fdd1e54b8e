# Programs know a proxy by variables of their sessions.
{
  networking.proxy.default = "http://proxy.example.org:3128";
  networking.proxy.ftpProxy = null;
}
