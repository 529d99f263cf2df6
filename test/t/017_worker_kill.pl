# Whatever ends an engine process costs the calls in it an error, and the server nothing.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

use constant SESSIONS => 8;
use constant KILLS => 5;

my $node = start_node('kill', conf => "max_connections = 40\nrestart_after_crash = on\nshared_preload_libraries = 'tfm'\n");
my $path = quote_path(golden('sentence/mean'));

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# A worker that is ready, as (supervisor, engine process); the engine process is not that one.
sub ready
{
	my ($not) = @_;
	my @pids;

	wait_for(sub {
		@pids = split /\|/, sql(q{SELECT pid, engine_pid FROM tfm_stat_workers WHERE state = 'ready'});
		return @pids == 2 && $pids[1] != ($not // 0);
	}) or diag('no worker is ready');
	return @pids;
}

my ($supervisor, $engine) = ready();
my $started = sql('SELECT pg_postmaster_start_time()');
sql(qq{
	SELECT tfm_load_model('m', $path);
	CREATE TABLE t AS SELECT i AS id, 'a query for document ' || i AS body FROM generate_series(1, 30) AS i;
	ALTER TABLE t ADD e text;
	SET tfm.executor = 'session';
	UPDATE t SET e = tfm_embed('m', body)::text;
	CREATE TABLE finished (stop boolean);

	-- Computes until it is told to stop; counts right answers, wrong ones, and those that were lost.
	CREATE PROCEDURE run() LANGUAGE plpgsql AS \$\$
	DECLARE
		good integer := 0;
		bad integer := 0;
		lost integer := 0;
		own integer := pg_backend_pid();
		r record;
	BEGIN
		WHILE NOT EXISTS (SELECT FROM finished) LOOP
			FOR i IN 1 .. 20 LOOP
				BEGIN
					SELECT count(*) FILTER (WHERE tfm_embed('m', body)::text = e) AS right_ones, count(*) AS all_ones
						INTO r FROM t WHERE id % 5 = i % 5;
					good := good + r.right_ones;
					bad := bad + r.all_ones - r.right_ones;
				EXCEPTION WHEN serialization_failure THEN
					lost := lost + 1;
				END;
			END LOOP;
			COMMIT;
		END LOOP;
		RAISE NOTICE 'good %, bad %, lost %, same %', good, bad, lost, own = pg_backend_pid();
	END \$\$});

# ---- kill -9, with calls in the process ----

for my $executor ('worker', 'auto')
{
	my $restarts = sql('SELECT restarts FROM tfm_stat_workers');
	my @sessions = map { background($node, "SET tfm.executor = '$executor'; CALL run();\n") } 1 .. SESSIONS;
	my ($good, $lost) = (0, 0);

	for (1 .. KILLS)
	{
		wait_for(sub {
			$_->{handle}->pump_nb for @sessions;
			sql(q{SELECT count(*) FROM tfm_stat_workers WHERE state = 'ready' AND calls > 50}) eq 1;
		}) or diag('sessions do nothing');
		kill 'KILL', $engine;
		(undef, $engine) = ready($engine);
	}
	sql('INSERT INTO finished VALUES (true)');
	for my $session (@sessions)
	{
		eval { $session->{handle}->finish };
		like($session->{err}, qr/\A.*NOTICE.*good \d+, bad 0, lost \d+, same t\n(?!.*ERROR)/s, "$executor: a session went on");
		$session->{err} =~ /good (\d+), bad \d+, lost (\d+)/ and ($good, $lost) = ($good + $1, $lost + $2);
	}
	sql('TRUNCATE finished');
	cmp_ok($good, '>', 0, 'with right answers');
	is(sql('SELECT restarts FROM tfm_stat_workers') - $restarts, KILLS, 'each kill cost an engine process');
	is(sql('SELECT running + waiting FROM tfm_stat_workers'), 0, 'and no place');
	note("$lost calls were lost");
}
is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
is((ready())[0], $supervisor, 'nor did the background worker');
like(slurp_file($node->logfile), qr/engine process \(PID \d+\) of worker 1 was terminated by signal 9/, 'the log says what happened');

# ---- What a session sees ----

my $good = q{SELECT tfm_embed('m', body)::text = e FROM t WHERE id = 7};
my $wait = q{DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM finished) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$};
my $session = background($node, "SET tfm.executor = 'worker';\n$good;\n$wait;\n$good;\n$good;\n");
wait_for(sub { $session->{handle}->pump_nb; $session->{out} eq "t\n" });
kill 'STOP', $engine;
sql('INSERT INTO finished VALUES (true)');
wait_for(sub { sql(q{SELECT query FROM pg_stat_activity WHERE backend_type = 'tfm worker'}) =~ /1 running/ });
kill 'KILL', $engine;
eval { $session->{handle}->finish };
like($session->{err}, qr/ERROR:  40001: worker 1 lost its engine process while it computed.*HINT:  The transaction might succeed if retried/s,
	'the call that it had fails');
is($session->{out}, "t\nt\n", 'and the next one succeeds');
(undef, $engine) = ready($engine);
like(slurp_file($node->logfile), qr/ calls? that it was computing ha(?:s|ve) failed/, 'the log says what it cost');

# ---- An image that is gone ----

# A session keeps what it has opened; the next engine process finds no file.
for my $executor ('worker', 'auto')
{
	$session = $node->background_psql('postgres');
	is($session->query_safe("SET tfm.executor = '$executor'; $good"), 't', "$executor: with an image");
	unlink images($node);
	kill 'KILL', $engine;
	(undef, $engine) = ready($engine);
	is($session->query_safe($good), 't', "$executor: and without");
	$session->quit;
}

# ---- The background worker ----

kill 'TERM', $supervisor;
ok(is_gone($engine), 'the engine process ends with the background worker');
($supervisor, $engine) = ready($engine);
is(sql("SET tfm.executor = 'worker'; $good"), 't', 'and comes again with it');

# One that cannot start its engine process says so, tries again later and later, and is not missed.
my $offset = -s $node->logfile;
my $socket = $node->data_dir . '/tfm/pgsql_tmp_worker.1';
unlink $socket;
mkdir $socket or die "$socket: $!";
kill 'KILL', $engine;
ok(wait_for(sub { slurp_file($node->logfile, $offset) =~ /could not listen on socket.*next engine process in 200 ms/s }), 'the log says why');
is(sql("SET tfm.executor = 'auto'; $good"), 't', 'auto computes in the session');
isnt(sql('SELECT state FROM tfm_stat_workers'), 'ready', 'since there is no worker');
my $waiting = background($node, "SET tfm.executor = 'worker';\n$good;\n");
rmdir $socket;
eval { $waiting->{handle}->finish };
is("$waiting->{out}$waiting->{err}", "t\n", 'who asked for a worker waits for it');
($supervisor, $engine) = ready();

# ---- The server crashes ----

my $before = incarnation($node);
kill 'KILL', $supervisor;
ok(is_gone($engine), 'an engine process does not outlive its background worker');
ok(is_restarted($node, $before), 'the server recovers');
($supervisor, $engine) = ready();
is(sql("SET tfm.executor = 'worker'; $good"), 't', 'with its worker');
$node->stop('immediate');
ok(is_gone($engine), 'nothing is left of it');

done_testing();
