#!/bin/sh
# Print the Debian packages that a Python lacks to make environments and, with `compiler`, to compile C.
#   scripts/missing.sh PYTHON [compiler]
python=$1

if ! "$python" -c '' 2>/dev/null; then
  missing='python3 python3-venv'
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  missing=python3-venv
fi

# The headers of Python include those of C, which come with Debian's libc6-dev and not with gcc.
if [ "$2" = compiler ]; then
  compiler=${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC"))' 2>/dev/null || echo gcc)}
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
  # The name of a compiler may have several words: "gcc -pthread".
  # shellcheck disable=SC2086
  echo '#include <stdlib.h>' | $compiler -fsyntax-only -x c - 2>/dev/null || missing="$missing gcc libc6-dev"
  [ -f "$include/Python.h" ] || missing="$missing python3-dev"
fi

# Another Python than the system's own has packages of its own name: python3.12-dev.
case ${python##*/} in python3.*) missing=$(echo "$missing" | sed "s/python3/${python##*/}/g") ;; esac
echo $missing
