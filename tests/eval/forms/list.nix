# Several modules.
[
  { environment.etc."form".text = "list"; }
  ./folder/more.nix
]
