# shellcheck shell=bash disable=SC2154 # variables come from the derivation
# Runs the script of a module in a build, with the functions that nixpkgs's builders have.
set -eo pipefail
shopt -s inherit_errexit

# Attributes with a structure. Nix before 2.10 names the file by its place outside of the sandbox.
for attributes in "$NIX_BUILD_TOP/.attrs.sh" "${NIX_ATTRS_SH_FILE-}"; do
  if [ -f "$attributes" ]; then
    # shellcheck source=/dev/null
    . "$attributes"
    for output in "${!outputs[@]}"; do export "$output=${outputs[$output]}"; done
    break
  fi
done

# Inputs add their programs; links to programs of the distribution are dangling here, and are not found.
read -ra inputs <<<"${nativeBuildInputs[*]} ${buildInputs[*]}"
for input in "${inputs[@]}"; do
  PATH=$PATH:$input/bin:$input/sbin
done
export PATH HOME=/homeless-shelter SOURCE_DATE_EPOCH=315532800

runHook() { :; }
# The target has the interpreters that scripts name.
patchShebangs() { :; }

# shellcheck source=/dev/null
. "${BASH_SOURCE%/*}/substitute.sh"
# shellcheck source=/dev/null
. "${BASH_SOURCE%/*}/wrap.sh"
# shellcheck source=/dev/null
. "${BASH_SOURCE%/*}/host-programs.sh"

if [ -n "${buildCommandPath-}" ]; then
  # shellcheck source=/dev/null
  . "$buildCommandPath"
else
  eval "$buildCommand"
fi
