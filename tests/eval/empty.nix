# A configuration that asks for nothing gives an empty manifest.
{ }
