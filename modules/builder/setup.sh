# shellcheck shell=bash disable=SC2154 # variables come from the derivation
# Runs the script of a module in a build, with the functions that nixpkgs's builders have.
set -eo pipefail
shopt -s inherit_errexit

# Attributes with a structure. Nix before 2.10 names the file by its place outside of the sandbox.
# The file is read by no function, whose variables would end with it.
if [ -f "$NIX_BUILD_TOP/.attrs.sh" ]; then
  # shellcheck source=/dev/null
  . "$NIX_BUILD_TOP/.attrs.sh"
elif [ -f "${NIX_ATTRS_SH_FILE-}" ]; then
  # shellcheck source=/dev/null
  . "$NIX_ATTRS_SH_FILE"
fi

# The variables of a build are the script's: ours are in functions, with names that end with them.
prepareBuild() {
  local name inputs
  if [[ "$(declare -p outputs 2>/dev/null)" == 'declare -A'* ]]; then
    for name in "${!outputs[@]}"; do export "$name=${outputs[$name]}"; done
  fi
  # Inputs add their programs; links to programs of the distribution are dangling here, and are not found.
  read -ra inputs <<<"${nativeBuildInputs[*]} ${buildInputs[*]}"
  for name in "${inputs[@]}"; do
    PATH=$PATH:$name/bin:$name/sbin
  done
  # The shells of the target, as checks of scripts call them.
  for name in "$shell" /bin/sh /bin/bash; do
    eval "function $name { bash \"\$@\"; }"
  done
}
prepareBuild
export PATH HOME=/homeless-shelter SOURCE_DATE_EPOCH=315532800

# What bash calls for a program that is not there.
command_not_found_handle() { # PROGRAM
  echo "error: a build has no \`$1\`, which the script of a module runs" >&2
  case $1 in
  awk | gawk) echo "hint: install gawk on this machine; mawk is another awk" >&2 ;;
  cmp | diff | gzip | jq | openssl | patch | tar | xz) echo "hint: install $1 on this machine" >&2 ;;
  *) echo "hint: give the module a package of nixpkgs that has it (\`nativeBuildInputs\`), or a file that is made already" >&2 ;;
  esac
  return 127
}

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
