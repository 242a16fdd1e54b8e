# A host's own configuration as a test, such as its CI runs before it is deployed.
{
  name = "host";

  nodes.web = ../../examples/nginx.nix;

  testScript = ''
    web.wait_for_unit("web.service")
    web.wait_for_open_port(8080)
    assert "managed by system-manager" in web.succeed("curl --fail http://localhost:8080/")

    with subtest("the server comes back after a reboot"):
        web.reboot()
        web.wait_for_open_port(8080)
  '';
}
