# error: users.users.both: exactly one of isSystemUser and isNormalUser
# error: users.users.low: a normal user's uid must be at least 1000
# error: users.users.homeless.group is not set
# error: users.users.hash: a password hash must not contain `:`
# error: users.users.<name>.uid must be unique: 1500 (one, two)
# error: users.groups.<name>.gid must be unique: 400 (g1, g2)
# error: the names of users must be unique: same (same, same)
# error: no declared administrator (root) can log in
# error: users.users.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: the name has 32 characters, and no more than 31 are possible
# error: users.groups.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: the name has 32 characters
# error: users.users.null.shell must not be null
{
  users = {
    mutableUsers = false;
    users = {
      both = {
        isSystemUser = true;
        isNormalUser = true;
      };
      low = {
        isNormalUser = true;
        uid = 999;
      };
      homeless.isSystemUser = true;
      hash = {
        isNormalUser = true;
        hashedPassword = "a:b";
      };
      one = {
        isNormalUser = true;
        uid = 1500;
      };
      two = {
        isNormalUser = true;
        uid = 1500;
      };
      same.isNormalUser = true;
      other = {
        isNormalUser = true;
        name = "same";
      };
      null = {
        isNormalUser = true;
        shell = null;
      };
      root.hashedPassword = "!";
      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.isNormalUser = true;
    };
    groups.g1.gid = 400;
    groups.g2.gid = 400;
    groups.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb = { };
  };
}
