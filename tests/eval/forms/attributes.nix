# A module that needs no arguments.
{ environment.etc."form".text = "attributes"; }
