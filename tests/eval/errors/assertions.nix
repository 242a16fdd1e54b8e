# error: Failed assertions
# error: - the first
# error: - the second
# error: `a/../b`
# error: `/abs`
# error: here`
# error: `file/below` lies inside `file`
# error: `twice`
# error: no.unit
# error: not the name of a file: a/b
# error: declare the unit: web.service
{
  specialisation."a/b".configuration = { };
  assertions = [
    {
      assertion = false;
      message = "the first";
    }
    {
      assertion = true;
      message = "that holds";
    }
    {
      assertion = false;
      message = "the second";
    }
  ];
  environment.etc = {
    "a/../b".text = "";
    "/abs".text = "";
    "tab\there".text = "";
    "file".text = "";
    "file/below".text = "";
    "twice".text = "1";
    "again" = {
      target = "twice";
      text = "2";
    };
    "systemd/system/web.service".text = "";
  };
  systemd.units."no.unit".text = "";
  systemd.units."web.service".text = "";
}
