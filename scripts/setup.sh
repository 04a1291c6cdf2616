# Sourced by the other scripts: goes to the top of the clone, checks the tools, and puts what npm installed on PATH.
# Quick the second time: `npm ci` runs only when the lock file has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m[tollgate]\033[0m %s\n' "$*" >&2; }
missing() { say "missing: $1"; say "   to fix: $2"; exit 1; }
# at_least WANT HAVE: whether version HAVE is not below WANT.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
hash_of() { cat "$@" 2>/dev/null | sha256sum | cut -d ' ' -f 1; }

# Nothing here needs the network beyond the package registries.
export WRANGLER_SEND_METRICS=false WRANGLER_SEND_ERROR_REPORTS=false WRANGLER_HIDE_BANNER=true
export CLOUDFLARE_CF_FETCH_ENABLED=false NO_UPDATE_NOTIFIER=1

setup_rust() {
  command -v cargo >/dev/null || missing "Rust" "curl https://sh.rustup.rs -sSf | sh"
  local have
  have=$(rustc --version | cut -d ' ' -f 2)
  at_least 1.90 "$have" || missing "Rust 1.90 or newer (this is $have)" "rustup update stable"
  command -v cc >/dev/null || missing "a C compiler" "apt-get install -y build-essential"
}

# setup_wasm [TARGET]: the Rust target of the gateway at the edge, or another one.
setup_wasm() {
  local name=${1:-wasm32-unknown-unknown}
  [ -d "$(rustc --print sysroot)/lib/rustlib/$name" ] && return
  say "adding the Rust target $name"
  command -v rustup >/dev/null || missing "the Rust target $name" "install Rust by rustup, then: rustup target add $name"
  rustup target add "$name" >&2 || missing "the Rust target $name" "rustup target add $name"
}

# Wrangler needs Node 22; npm's `node` package brings it, so that any Node from 18 on will do to begin with.
setup_node() {
  command -v node >/dev/null || missing "Node 18 or newer" "apt-get install -y nodejs npm"
  command -v npm >/dev/null || missing "npm" "apt-get install -y npm"
  local have stamp=node_modules/.tollgate-stamp
  have=$(node --version) && have=${have#v}
  at_least 18 "$have" || missing "Node 18 or newer (this is $have)" "apt-get install -y nodejs npm, or see nodejs.org"
  local now
  now=$(hash_of package-lock.json)
  if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$now" ]; then
    say "installing the build tools with npm ci (once for each lock file)"
    npm ci --no-audit --no-fund --loglevel=error >&2
    [ -x node_modules/.bin/node ] && node_modules/.bin/node --version >/dev/null 2>&1 ||
      npm rebuild node --loglevel=error >&2 || true
    echo "$now" >"$stamp"
  fi
  export PATH="$PWD/node_modules/.bin:$PATH"
  have=$(node --version) && have=${have#v}
  at_least 22.12 "$have" || missing "Node 22.12 or newer in node_modules (this is $have; npm did not run the install script of its package 'node')" "npm rebuild node --ignore-scripts=false"
}

# free_port WHAT PORT [ELSE]: ends the script where WHAT cannot listen on the port; ELSE is another remedy.
free_port() {
  local why
  why=$(node -e '
    const refuse = (error) => { console.log(error.code); process.exit(1); };
    try {
      require("net").createServer().once("error", refuse).listen(Number(process.argv[1]), "127.0.0.1", () => process.exit(0));
    } catch (error) { refuse(error); }' "$2") && return
  if [ "$why" = EADDRINUSE ]; then
    say "port $2 is taken by another program, and $1 needs it"
    say "   to fix: stop that program (lsof -i :$2 shows it)${3:+, or $3}"
  else
    say "$1 cannot listen on port $2: $why"
    say "   to fix: ${3:-see what keeps this user from it}"
  fi
  exit 1
}

# What each clone makes for itself and git ignores: the development issuer's key and the admin token.
setup_secrets() {
  node package/lib/secrets.mjs
}

# A hash of everything that cargo compiles.
rust_inputs() { find src Cargo.toml Cargo.lock -type f ! -name '*.js' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d ' ' -f 1; }

# The same of the command, which holds templates as well.
command_inputs() { echo "$(rust_inputs) $(hash_of package/template/*)"; }

# put FROM TO: replaces by rename, so that nobody reads half a file.
put() { cp "$1" "$2.new" && mv -f "$2.new" "$2"; }

# The native `tollgate` command, as build/bin/tollgate.
build_command() {
  local inputs
  inputs=$(command_inputs)
  if [ -x build/bin/tollgate ] && [ "$(cat build/bin/.inputs 2>/dev/null)" = "$inputs" ]; then return; fi
  say "compiling the tollgate command"
  cargo build --bin tollgate || return 1
  mkdir -p build/bin
  put "${CARGO_TARGET_DIR:-target}/debug/tollgate" build/bin/tollgate
  echo "$inputs" >build/bin/.inputs
}

# launch SUBCOMMAND…: what the command leaves to Node, as the npm package does it, by this clone's own command.
launch() { TOLLGATE_COMMAND="$PWD/build/bin/tollgate" exec node package/bin/tollgate.mjs "$@"; }
