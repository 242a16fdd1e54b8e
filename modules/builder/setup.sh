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

# The shells of the target, as checks of scripts call them.
for path in "$shell" /bin/sh /bin/bash; do
  eval "function $path { bash \"\$@\"; }"
done

runHook() { :; }
# The target has the interpreters that scripts name.
patchShebangs() { :; }

# Compiles messages in other languages; without them, programs say the same in English.
msgfmt() { echo "left out: msgfmt $*, the messages stay in English" >&2; }

# Shows a folder's files by links, in folders of their own; what is there already stays.
lndir() { # [-silent] SOURCE [TARGET]
  [ "$1" != -silent ] || shift
  local source target=${2:-.} file
  source=$(realpath "$1")
  while IFS='' read -r -d '' file; do
    file=${file#"$source"/}
    mkdir -p "$target/$(dirname "$file")"
    [ -e "$target/$file" ] || [ -L "$target/$file" ] || ln -s "$source/$file" "$target/$file"
  done < <(find "$source" -mindepth 1 ! -type d -print0)
}

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
