# error: services.gopherd
# error: Nobody speaks gopher any more.
{
  services.gopherd.enable = true;
}
