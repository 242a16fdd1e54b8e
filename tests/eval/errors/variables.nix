# error: environment.variables: "9LIVES", "A-B", "two words": a variable's name has letters, digits and `_` only
# error: environment.variables.UID: bash keeps it for itself
{
  environment.variables = {
    A-B = "1";
    "two words" = "2";
    "9LIVES" = "3";
    UID = "0";
  };
}
