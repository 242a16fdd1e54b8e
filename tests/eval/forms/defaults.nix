# A function whose arguments all have defaults.
{
  text ? "defaults",
}:
(import ../../.. { }).lib.makeSystemConfig {
  modules = [ { environment.etc."form".text = text; } ];
}
