#!/usr/bin/env bash
# Boots and stops a release the old way: with a VM for each question, and looks a second apart.
#
#     old_way.sh ROOT foreground|start|console|stop|restart
#
# It does what the boot contract says of the shell script that the launcher replaces, so that both
# can be timed side by side: the same VMs in the same order, the same arguments for the node. Small
# programs for small steps, as shell scripts have them, but fewer than that script's.
set -euo pipefail
root=$1 command=$2
self=$(realpath -- "$0")

# shellcheck disable=SC2034
RUNNER_ROOT_DIR=$root BASE_RUNNER_ROOT_DIR=$root
# shellcheck disable=SC1091
. "$root/releases/emqx_vars"
export RUNNER_ROOT_DIR REL_VSN EMQX_ETC_DIR SCHEMA_MOD IS_ENTERPRISE EMQX_LOG_DIR EMQX_DESCRIPTION
export HOCON_ENV_OVERRIDE_PREFIX=EMQX_ EMU=beam PROGNAME=erl ERTS_LIB_DIR=$root/lib
export ERTS_DIR=$root/erts-$ERTS_VSN BINDIR=$root/erts-$ERTS_VSN/bin
rel_dir=$root/releases/$REL_VSN
epmd='-start_epmd false -epmd_module ekka_epmd -proto_dist ekka'
keys=(node.data_dir node.name node.cookie node.db_backend cluster.proto_dist node.dist_net_ticktime
    license.key)

# The flags of these VMs stand in nodetool's own head.
nodetool() { "$BINDIR/escript" "$root/bin/nodetool" "$@"; }
hocon() { nodetool hocon -s "$SCHEMA_MOD" "$@"; }
ask_node() { ERL_FLAGS="$epmd -setcookie $cookie" nodetool -name "$name" "$@"; }

# The value of an option in the process list's line of the running node.
running() { grep -oE -- "[[:blank:]]$1[[:blank:]]+[^[:blank:]]+" <<<"$line" | awk '{print $NF}' || true; }
configured() { grep -- "^$1=" <<<"$EMQX_BOOT_CONFIGS" | cut -d = -f 2- | tr -d '"' || true; }

check_runtime() {
    ERL_CRASH_DUMP_BYTES=0 "$BINDIR/erl" -noshell +S 2 +P 65536 +Q 65536 -boot "$rel_dir/start_clean" \
        -boot_var RELEASE_LIB "$ERTS_LIB_DIR" -boot_var ERTS_LIB_DIR "$ERTS_LIB_DIR" \
        -eval '[_ | _] = crypto:info_lib(), io:put_chars("crypto"), code:ensure_loaded(mnesia_hook), halt(0).'
}

prepare() {
    local found
    found=$(check_runtime 2>/dev/null || true)
    [ "$found" = crypto ] || { echo "the VM does not run here" >&2; exit 1; }
    if [ -z "${EMQX_BOOT_CONFIGS:-}" ]; then
        EMQX_BOOT_CONFIGS=$(hocon -c "$EMQX_ETC_DIR/emqx.conf" multi_get "${keys[@]}")
        export EMQX_BOOT_CONFIGS
    fi
    name=${EMQX_NODE__NAME:-$(configured node.name)}
    cookie=${EMQX_NODE__COOKIE:-$(configured node.cookie)}
    data=$root/$(configured node.data_dir)
    EKKA_PROTO_DIST_MOD=$(configured cluster.proto_dist)
    export EKKA_PROTO_DIST_MOD ESCRIPT_NAME=${name%@*}
    mkdir -p -- "$data/configs"
}

generate() {
    local time key value before option merged=$data/configs/vm.args.merged
    time=$(date +%Y.%m.%d.%H.%M.%S)
    hocon -v -t "$time" -c "$EMQX_ETC_DIR/base.hocon" -c "$data/configs/cluster.hocon" \
        -c "$EMQX_ETC_DIR/emqx.conf" -d "$data/configs" generate
    config=$data/configs/app.$time.config args=$data/configs/vm.$time.args
    { cat -- "$EMQX_ETC_DIR/vm.args"; printf '\n-pa "%s/consolidated"\n' "$rel_dir"; } >"$merged"
    while IFS= read -r option || [ -n "$option" ]; do
        key=${option% *} value=${option##* }
        before=$(grep -- "^$key " "$merged" | awk '{print $NF}' || true)
        if [ -z "$before" ]; then
            echo "$option" >>"$merged"
        elif [ "$before" != "$value" ]; then
            sed -i -- "s|^$key .*|$option|" "$merged"
        fi
    done <"$args"
    printf -- '-name %s\n-mnesia dir '\''"%s/mnesia/%s"'\''\n' "$name" "$data" "$name" >>"$merged"
    mv -f -- "$merged" "$args"
}

# Takes the place of this script.
become_node() {
    local options=()
    [ "$command" != foreground ] || options=(-noinput -noshell +Bd)
    export PROGNAME=$root/bin/emqx
    cd -- "$root"
    # shellcheck disable=SC2086
    exec "$BINDIR/erlexec" -enable-feature maybe_expr "${options[@]}" -boot "$rel_dir/$REL_NAME" \
        -boot_var RELEASE_LIB "$ERTS_LIB_DIR" -boot_var ERTS_LIB_DIR "$ERTS_LIB_DIR" -mode embedded \
        -config "$config" -args_file "$args" $epmd \
        -- "$command" -ekka_proto_dist "$EKKA_PROTO_DIST_MOD" -emqx_data_dir "$data"
}

start() {
    prepare
    local pipes=$data/${USER:-root}_erl_pipes/$name/
    mkdir -p -- "$pipes"
    export RUN_ERL_LOG_GENERATIONS=5 RUN_ERL_LOG_MAXSIZE=10485760
    "$BINDIR/run_erl" -daemon "$pipes" "$EMQX_LOG_DIR" "exec bash \"$self\" \"$root\" console"
    local left=120
    until [ "$(ask_node eval 'emqx:is_running()' 2>/dev/null)" = true ]; do
        [ "$left" -gt 0 ] || { echo "not ready in time" >&2; exit 1; }
        left=$((left - 1))
        sleep 1
    done
}

is_gone() {
    ! ps -p "$1" >/dev/null || ps -fp "$1" | grep -q defunct
}

stop() {
    name=$(running -name)
    cookie=$(running -setcookie)
    local pid
    pid=$(ask_node rpcterms os getpid '' | tr -d '"')
    ask_node stop
    until is_gone "$pid"; do sleep 1; done
    echo ok
}

look_for_node() {
    # shellcheck disable=SC2009
    line=$(ps -efww | grep -F -- "-root $root" | grep -v -E 'grep|remsh|nodetool' || true)
}

look_for_node
case $command in
foreground | console)
    [ "$command" = console ] || export EMQX_DEFAULT_LOG_HANDLER=console
    prepare
    generate
    nodetool check_license_key "$(configured license.key)"
    become_node
    ;;
start) start ;;
stop) stop ;;
restart)
    stop
    # What the one command found out is not known to the next.
    bash "$self" "$root" start
    ;;
esac
