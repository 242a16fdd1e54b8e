# What the renderers of files share.
{ lib }:
{
  # A text with exactly one newline at its end; nothing stays nothing.
  terminated = text: lib.optionalString (text != "") "${lib.removeSuffix "\n" text}\n";
}
