#!/usr/bin/env bash
# Puts what a library for manylinux_2_28 is linked against into a folder, and changes nothing else:
# packaging/manylinux.sh FOLDER, and LDFLAGS=-LFOLDER finds it there.
#
# What is linked against a newer glibc or libstdc++ asks for symbols that older systems have not.
# glibc 2.31, which has those of 2.28 under the same versions, comes from Debian's packages. Of the
# compiler's own libstdc++ a stub offers what manylinux_2_28 allows, and its static library gives the rest.
# Needs apt-get, dpkg, binutils and g++; a system whose glibc is that old needs nothing of this.
set -euo pipefail

mkdir -p "$1"
folder=$(cd "$1" && pwd)
test -e "$folder/complete" && exit
if [ "$(printf '%s\n' 2.28 "$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)" | sort -V | tail -1)" = 2.28 ]; then
  touch "$folder/complete"
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bash "$(dirname "$0")/debian.sh" "$work/packages" "bullseye main" \
  'libc6=2.31-*' 'libc6-dev=2.31-*' || {
  echo "packaging/manylinux.sh: build in manylinux_2_28's image instead" >&2
  exit 1
}

shared="$work/packages/lib/x86_64-linux-gnu"
cp "$shared"/{libc.so.6,ld-linux-x86-64.so.2} "$folder"
for name in libm libdl libpthread librt; do cp "$shared/$name".so.[0-9] "$folder/$name.so"; done
cp "$work/packages/usr/lib/x86_64-linux-gnu/libc_nonshared.a" "$folder"
# Newer libstdc++ reads it to count without atomic operations; where it is 0, it counts with them.
echo 'char __libc_single_threaded;' | c++ -xc -fPIC -fvisibility=hidden -c -o "$work/single.o" -
ar r "$folder/libc_nonshared.a" "$work/single.o"
cat > "$folder/libc.so" <<SCRIPT
GROUP($folder/libc.so.6 $folder/libc_nonshared.a
  AS_NEEDED($folder/ld-linux-x86-64.so.2 $folder/libdl.so $folder/libpthread.so))
SCRIPT

readelf --wide --dyn-syms "$(c++ -print-file-name=libstdc++.so)" |
  awk -v script="$work/versions" '
    # The versions that manylinux_2_28 allows.
    function old(version, parts) {
      split(version, parts, /[_.]/)
      if (version ~ /^GLIBCXX_3\.4(\.[0-9]+)?$/) return parts[4] + 0 <= 24
      return version ~ /^CXXABI_1\.3(\.[0-9]+)?$/ && parts[4] + 0 <= 11
    }
    $4 ~ /^(FUNC|IFUNC|OBJECT|TLS)$/ && $7 ~ /^[0-9]+$/ && split($8, symbol, /@+/) == 2 && old(symbol[2]) {
      print $4 == "TLS" ? ".section .tbss,\"awT\",@nobits" : ".text"
      print ".globl s" NR "; .type s" NR "," ($4 == "TLS" ? "@tls_object" : $4 ~ /FUNC/ ? "@function" : "@object")
      print "s" NR ": .zero 8; .symver s" NR "," $8
      nodes[symbol[2]]
    }
    END { for (node in nodes) print node " { local: s[0-9]*; };" > script }
  ' > "$work/stub.s"
c++ -shared -nostdlib -Wl,-soname,libstdc++.so.6 -Wl,--version-script="$work/versions" \
  "$work/stub.s" -o "$folder/libstdc++.so.6"
cat > "$folder/libstdc++.so" <<SCRIPT
INPUT($folder/libstdc++.so.6 $(c++ -print-file-name=libstdc++.a))
SCRIPT
touch "$folder/complete"
