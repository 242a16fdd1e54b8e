# Accounts: what is declared is as declared, what an administrator made by hand stays, in either mode.
{
  name = "mutable-users";

  nodes.machine = {
    users.mutableUsers = false;
    users.allowNoPasswordLogin = true;
    users.users.alice = {
      isNormalUser = true;
      hashedPassword = "$6$saltsalt$HGDl0yzdpZRFVvFjQBThQfFu5p3FmCpEU6Rz6ihGZsLVu6qZ6RqZb4MG5Xj0BDMwXE3qHXOhjxzWvLOx4sQnb1";
    };
  };
  nodes.mutable = {
    users.users.alice = {
      isNormalUser = true;
      initialHashedPassword = "!";
      extraGroups = [ "adm" ];
    };
  };

  testScript =
    { nodes, ... }:
    ''
      immutable = "${nodes.machine.system.build.toplevel}/bin/switch-to-configuration test >&2"
      mutable = "${nodes.mutable.system.build.toplevel}/bin/switch-to-configuration test >&2"

      def password():
          return machine.succeed("getent shadow alice | cut -d: -f2").strip()

      declared = password()
      assert declared.startswith("$6$saltsalt$")
      machine.succeed("useradd carol")

      with subtest("a declared password comes back"):
          machine.succeed("usermod --password '*' alice", immutable)
          assert password() == declared
          machine.succeed("id carol")

      with subtest("a changed one stays with mutable users"):
          machine.succeed(mutable, "usermod --password '*' alice", mutable)
          assert password() == "*"
          machine.succeed("id -nG alice | grep -w adm", "id carol")

      with subtest("membership that is no longer declared goes"):
          machine.succeed(immutable)
          machine.fail("id -nG alice | grep -w adm")
    '';
}
