{ inputs, ... }:
{
  environment.etc.rev.text = inputs.self.rev;
}
