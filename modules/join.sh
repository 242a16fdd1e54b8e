# shellcheck shell=dash disable=SC2154 # the variables come from the derivation
# Links the files of every folder in `$linksPath` of every package in `$pathsPath` into `$out`.
mkdir -p "$out"

link_file() { # PACKAGE FILE
  if [ -L "$out$2" ] || [ -e "$out$2" ]; then
    [ "$(readlink "$out$2")" = "$(readlink "$1$2")" ] || cmp -s "$out$2" "$1$2" ||
      echo "collision: $1$2 is hidden by $(readlink "$out$2")" >&2
    return 0
  fi
  mkdir -p "$out${2%/*}"
  ln -s "$1$2" "$out$2"
}

while IFS= read -r package || [ -n "$package" ]; do
  while IFS= read -r folder || [ -n "$folder" ]; do
    [ -d "$package$folder" ] || continue
    (cd "$package" && find ".$folder/" ! -type d) | while IFS= read -r file; do
      link_file "$package" "/$(echo "${file#./}" | tr -s /)"
    done
  done <"$linksPath"
done <"$pathsPath"
