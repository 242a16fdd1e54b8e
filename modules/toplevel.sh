# shellcheck shell=dash disable=SC2154 # the variables come from the derivation
# Writes a toplevel into `$out`; `$treePath` says what its etc/ holds, in the order of its lines.
mkdir -p "$out/etc"
cp "$manifestPath" "$out/manifest.json"
cp "$provenancePath" "$out/provenance.json"
etc=$out/etc

refuse_links_above() { # PATH: what lies behind a link is another store path, never ours to write to
  above=$1
  while [ "$above" != "${above%/*}" ]; do
    above=${above%/*}
    if [ -L "$etc/$above" ]; then
      echo "error: /etc/$1 cannot be placed: /etc/$above is an entry of its own" >&2
      exit 1
    fi
  done
}

link() { # SOURCE PATH: makes a link below etc/, and the folders above it
  refuse_links_above "$2"
  folder=${2%/*}
  [ "$folder" = "$2" ] || [ -d "$etc/$folder" ] || mkdir -p "$etc/$folder"
  ln -sfn "$1" "$etc/$2"
}

matches() { # FOLDER PATTERN: lists the files of a folder whose names match
  [ -d "$1" ] || return 0
  find -L "$1" -mindepth 1 -maxdepth 1 -name "$2" | sort
}

link_etc() { # TARGET SOURCE
  case ${2##*/} in
  *'*'*)
    matches "${2%/*}" "${2##*/}" | while IFS= read -r file; do
      link "$file" "$1/${file##*/}"
    done
    ;;
  *) link "$2" "$1" ;;
  esac
}

link_units_of() { # PACKAGE: links its units and drop-ins; wants are up to the configuration
  for scope in system user; do
    for base in etc lib; do
      matches "$1/$base/systemd/$scope" '*' | while IFS= read -r file; do
        name=${file##*/}
        case $name in
        *.wants) continue ;;
        esac
        if [ -d "$file" ]; then
          matches "$file" '*' | while IFS= read -r part; do
            link "$part" "systemd/$scope/$name/${part##*/}"
          done
        else
          link "$file" "systemd/$scope/$name"
        fi
      done
    done
  done
}

link_tmpfiles_of() { # PACKAGE
  found=$(matches "$1/lib/tmpfiles.d" '*.conf')
  if [ -z "$found" ]; then
    echo "error: $1/lib/tmpfiles.d, of systemd.tmpfiles.packages, has no *.conf" >&2
    exit 1
  fi
  echo "$found" | while IFS= read -r file; do
    link "$file" "tmpfiles.d/${file##*/}"
  done
}

link_unit() { # SCOPE NAME SOURCE STRATEGY
  unit=systemd/$1/$2
  if [ "$3" = /dev/null ]; then
    link "$3" "$unit"
  elif [ "$4" = asDropin ] || [ -L "$etc/$unit" ]; then
    link "$3" "$unit.d/overrides.conf"
  else
    link "$3" "$unit"
  fi
}

tab=$(printf '\t')
while IFS="$tab" read -r kind a b c d; do
  case $kind in
  etc) link_etc "$a" "$b" ;;
  units-of) link_units_of "$a" ;;
  tmpfiles-of) link_tmpfiles_of "$a" ;;
  unit) link_unit "$a" "$b" "$c" "$d" ;;
  alias) link "$b" "systemd/$a/$c" ;;
  wants | requires | upholds) link "../$b" "systemd/$a/$c.$kind/$b" ;;
  *)
    echo "error: no such kind of line: $kind" >&2
    exit 1
    ;;
  esac
done <"$treePath"

# The texts to which links lead, once more: who writes through a link changes the store, and is put right from this.
# Programs and large files are left to Nix.
(cd "$etc" && find . -type l | sort) >links
set --
while IFS= read -r link; do
  case $link in
  */systemd/*.wants/* | */systemd/*.requires/* | */systemd/*.upholds/*) continue ;;
  esac
  file=$etc/${link#./}
  if [ -f "$file" ] && [ ! -x "$file" ]; then set -- "$@" "$file"; fi
done <links
if [ $# -gt 0 ]; then
  wc -c "$@" >sizes
  set --
  while read -r size file; do
    if [ "$file" != total ] && [ "$size" -le 1048576 ]; then
      printf '%s %s\n' "$size" "${file#"$etc/"}" >&3
      set -- "$@" "$file"
    fi
  done <sizes 3>"$out/originals.index"
  if [ $# -gt 0 ]; then cat "$@" >"$out/originals"; fi
fi

# Scripts of NixOS modules call the running systemd's programs by /run/current-system/systemd/bin.
ln -s /usr "$out/systemd"
if [ -n "$sw" ]; then
  ln -s "$sw" "$out/sw"
fi
if [ -n "$activator" ]; then
  mkdir "$out/bin"
  ln -s "$activator" "$out/bin/system-manager"
  ln -s "$activator" "$out/bin/switch-to-configuration"
fi
if [ -s "$specialisationsPath" ]; then
  mkdir "$out/specialisation"
  while IFS="$tab" read -r name toplevel; do
    ln -s "$toplevel" "$out/specialisation/$name"
  done <"$specialisationsPath"
fi
