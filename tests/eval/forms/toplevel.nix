# A toplevel.
(import ../../.. { }).lib.makeSystemConfig {
  modules = [ { environment.etc."form".text = "toplevel"; } ];
}
