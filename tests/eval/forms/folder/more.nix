{ environment.etc."more".text = "more"; }
