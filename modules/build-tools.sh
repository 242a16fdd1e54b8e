# shellcheck shell=dash disable=SC2154 # the variables come from the derivation
# Makes a folder of programs of the host that start with their own loader and libraries.
mkdir -p "$out/bin"
for program in "$programs"/*; do
  name=${program##*/}
  # A library that is missing would be found only when a module's script calls the program.
  if ! found=$("$libraries/$loader" --library-path "$libraries" --list "$program" 2>&1); then
    case $found in
    # A static program needs none.
    *'not a dynamic executable'* | *'statically linked'*)
      ln -s "$program" "$out/bin/$name"
      continue
      ;;
    esac
    echo "/usr/bin/$name can't run in a build: $found" >&2
    case $name in
    bash | cat | find | grep | sed) exit 1 ;;
    *) continue ;;
    esac
  fi
  cat >"$out/bin/$name" <<END
#!$busybox/busybox sh
$([ "$name" != openssl ] || echo "export OPENSSL_CONF=\${OPENSSL_CONF-$settings}")
exec $libraries/$loader --library-path $libraries --argv0 $name $program "\$@"
END
  chmod 0555 "$out/bin/$name"
done
ln -s bash "$out/bin/sh"
[ ! -e "$out/bin/gawk" ] || ln -s gawk "$out/bin/awk"
