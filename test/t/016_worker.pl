# Workers compute the same as sessions, for many of them, and heed interrupts, limits and settings.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('worker', allows_streaming => 1, conf => "max_connections = 40\nshared_preload_libraries = 'tfm'\n");
my ($encoder, $decoder) = map { quote_path(golden($_)) } 'sentence/mean', 'generation/llama';

# The value of a column of the only worker.
sub worker
{
	my ($column) = @_;

	return $node->safe_psql('postgres', "SELECT $column FROM tfm_stat_workers");
}

sub ready
{
	return wait_for(sub { worker('state') eq 'ready' });
}

# What the background worker shows of itself: that needs no answer of the engine process.
sub shown
{
	return $node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity WHERE backend_type = 'tfm worker'});
}

sub shows
{
	my ($what) = @_;

	return wait_for(sub { shown() =~ $what }) || (diag(shown()), 0)[1];
}

sub set_globally
{
	my ($setting, $value) = @_;

	$node->safe_psql('postgres', defined $value ? "ALTER SYSTEM SET $setting = '$value'" : "ALTER SYSTEM RESET $setting");
	$node->reload;
}

ok(ready(), 'a worker is ready');
ok(shows(qr/^engine process \d+: 0 running, 0 waiting/), 'and shows itself in pg_stat_activity');
$node->safe_psql('postgres', qq{
	SELECT tfm_load_model('m', $encoder);
	SELECT tfm_load_model('d', $decoder);
	CREATE TABLE t AS SELECT i AS id, repeat('a query for document ' || i || ' ', 1 + i % 7) AS body
		FROM generate_series(1, 30) AS i;
	ALTER TABLE t ADD e text;
	SET tfm.executor = 'session';
	UPDATE t SET e = tfm_embed('m', body)::text;
	CREATE ROLE somebody LOGIN;
	GRANT SELECT ON t TO somebody});

# ---- The same results and errors ----

my %calls = (
	'embeddings' => q{SELECT md5(string_agg(tfm_embed('m', body)::text, ',' ORDER BY id)) FROM t},
	'embeddings with options' =>
	  q{SELECT md5(string_agg(tfm_embed('m', body, pooling => 'max', normalize => true, dimensions => 8)::text, ',' ORDER BY id)) FROM t},
	'an array' => q{SELECT md5(tfm_embed('m', array_agg(body ORDER BY id))::text) FROM t},
	'texts' => q{SELECT md5(string_agg(tfm_generate('d', body, max_new_tokens => 8), ',' ORDER BY id)) FROM t WHERE id < 9},
	'sampled texts' => q{SELECT md5(string_agg(tfm_generate('d', body, max_new_tokens => 8, do_sample => true, seed => id), ',' ORDER BY id)) FROM t WHERE id < 9},
	'texts with drafts' => q{SELECT md5(string_agg(tfm_generate('d', body, assistant_model => 'd', max_new_tokens => 8), ',' ORDER BY id)) FROM t WHERE id < 9},
	'an array of prompts' => q{SELECT md5(tfm_generate('d', array_agg(body ORDER BY id), assistant_model => 'd', max_new_tokens => 8)::text) FROM t WHERE id < 9},
	'labels' => q{SELECT md5(string_agg(tfm_classify('d', body, ARRAY['one', 'two'])::text, ',' ORDER BY id)) FROM t WHERE id < 9},
	'a wrong argument' => q{SELECT tfm_embed('m', 'x', dimensions => 100000)},
	'a wrong option' => q{SELECT tfm_generate('d', 'x', options => '{"num_beams": -1}')},
	'a small memory' => q{SET tfm.max_memory = '64kB'; SELECT tfm_embed('m', repeat('long ', 400))});

for my $name (sort keys %calls)
{
	my %said;

	for my $executor ('session', 'worker')
	{
		my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET tfm.executor = '$executor'; $calls{$name}");

		$err =~ s/^LOCATION:.*\n?//mg;
		$err =~ s/^psql:<stdin>:\d+: //mg;
		$said{$executor} = "$status $out\n$err";
	}
	is($said{worker}, $said{session}, "$name: the same");
}

# auto gives a worker what is small.
for my $case ([ 5, 1, 'few' ], [ 40, 0, 'many' ])
{
	my ($count, $by_worker, $name) = @$case;
	my $before = worker('calls');

	$node->safe_psql('postgres', "SELECT tfm_embed('m', array_agg('text ' || i)) FROM generate_series(1, $count) AS i");
	is(worker('calls') - $before, $by_worker, "$name texts are computed by " . ($by_worker ? 'a worker' : 'the session'));
}
my $before = worker('calls');
$node->safe_psql('postgres', q{SELECT tfm_generate('d', ARRAY['one', 'two'], max_new_tokens => 2)});
is(worker('calls') - $before, 1, 'and so are two prompts');
$before = worker('calls');
is((sql_error($node, "SET ROLE somebody; SET tfm.executor = 'worker'; SELECT tfm_embed('m', 'x')"))[0], '42501', 'privileges are asked for');
is(worker('calls'), $before, 'before a worker is');

# ---- Many sessions ----

my $check = q{
	\set id random(1, 30)
	SELECT 1 / count(*) FROM t WHERE id = :id AND tfm_embed('m', body)::text = e;
	SELECT 1 / count(*) FROM t WHERE id = :id AND tfm_similarity('m', body, body) > 0.99;
};
my $script = PostgreSQL::Test::Utils::tempdir() . '/check.sql';

write_raw($script, $check =~ s/^\s+//mgr);

sub run_sessions
{
	my ($name, @options) = @_;

	$node->command_ok([ 'pgbench', '-n', '-c', '16', '-f', $script, @options, 'postgres' ], $name);
}

{
	local $ENV{PGOPTIONS} = '-c tfm.executor=worker';

	$before = worker('calls');
	run_sessions('16 sessions', '-t', '50');
	cmp_ok(worker('calls') - $before, '>=', 16 * 50, 'were served by the worker');
	set_globally('tfm.worker_queue', 1);
	run_sessions('16 sessions, of which each waits for its turn', '-t', '20');
	set_globally('tfm.worker_queue');
}

# Other settings are those of the next engine process, and nobody notices.
my $engine = worker('engine_pid');
{
	local $ENV{PGOPTIONS} = '-c tfm.executor=worker';
	my ($out, $err) = ('', '');
	my $sessions = IPC::Run::start([ 'pgbench', '-n', '-c', '8', '-T', '2', '-f', $script, $node->connstr('postgres') ],
		'>', \$out, '2>', \$err);

	set_globally('tfm.worker_threads', 1);
	ok(wait_for(sub { worker("state || coalesce(engine_pid, 0)") =~ /^ready(\d+)/ && $1 != $engine }), 'settings change');
	$sessions->finish;
	is($err =~ s/^pgbench.*\n//mgr, '', 'sessions go on') or diag($out);
}
is(worker('lost_calls'), 0, 'nothing is lost');
is(worker('running + waiting'), 0, 'no place is kept');

# ---- An engine process that does not answer ----

$engine = worker('engine_pid');
kill 'STOP', $engine;

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe(q{SET tfm.executor = 'worker'; SELECT pg_backend_pid()});
my $good = q{SELECT tfm_embed('m', body)::text = e FROM t WHERE id = 7};
my $call = "$good;\n";

$session->query(q{SET statement_timeout = '100ms'});
is($session->query($good), '', 'a timeout ends a call');
$session->query(q{RESET statement_timeout});

# A call in another session, running until it is told to end.
sub in_background
{
	my $state = background($node, "SET tfm.executor = 'worker'; SELECT pg_backend_pid();\n$call");

	wait_for(sub { $state->{handle}->pump_nb; $state->{out} =~ /^\d+\n/ });
	($state->{pid}) = $state->{out} =~ /^(\d+)/;
	return $state;
}

for my $case ([ 'cancel', '57014' ], [ 'terminate', '57P01' ])
{
	my ($how, $sqlstate) = @$case;
	my $other = in_background();

	ok(shows(qr/1 running/), 'a call is running');
	$node->safe_psql('postgres', "SELECT pg_${how}_backend($other->{pid})");
	eval { $other->{handle}->finish };
	like($other->{err}, qr/$sqlstate/, "pg_${how}_backend ends it");
	ok(shows(qr/0 running/), 'and its place is free');
}

# Sessions wait in the order in which they come.
set_globally('tfm.worker_queue', 1);
my @others;
for my $waiting (0 .. 2)
{
	push @others, in_background();
	ok(shows(qr/1 running, $waiting waiting/), "$waiting wait");
}
$node->safe_psql('postgres', "SELECT pg_cancel_backend($others[1]{pid})");
eval { $others[1]{handle}->finish };
like($others[1]{err}, qr/57014/, 'one that waits is cancelled');
ok(shows(qr/1 running, 1 waiting/), 'and waits no more');
is($node->safe_psql('postgres', q{SET tfm.executor = 'session'; } . $good), 't', 'sessions that compute themselves do not wait');
kill 'CONT', $engine;
for my $i (0, 2)
{
	eval { $others[$i]{handle}->finish };
	like("$others[$i]{out}$others[$i]{err}", qr/\At?\d+\nt\n\z/, 'the others have their answer');
}
set_globally('tfm.worker_queue');
is($session->query($good), 't', 'a session whose call was cancelled gets the answer to its next one');
is($session->query('SELECT pg_backend_pid()'), $pid, 'and is the same');
$session->quit;
is(worker('engine_pid'), $engine, 'and so is the engine process');

# ---- The server ----

my $backup = PostgreSQL::Test::Utils::tempdir() . '/backup';
my ($out, $err) = PostgreSQL::Test::Utils::run_command(
	[ 'pg_basebackup', '-D', $backup, '-h', $node->host, '-p', $node->port, '-c', 'fast', '--no-sync' ]);
is($err, '', 'a backup does not complain');
ok(!-e glob("$backup/tfm/pgsql_tmp*"), 'nor takes the socket');

for my $mode ('fast', 'immediate')
{
	$engine = worker('engine_pid');
	$node->stop($mode);
	ok(is_gone($engine), "$mode: the engine process ends with the server");
	$node->start;
	ok(ready(), 'and comes with it');
}
$engine = worker('engine_pid');
kill 'STOP', $engine;
$node->stop;
ok(is_gone($engine), 'one that hangs does not keep the server');

$node->append_conf('postgresql.conf', 'tfm.workers = 3');
$node->start;
ok(wait_for(sub { worker(q{count(*) FILTER (WHERE state = 'ready')}) eq 3 }), 'three workers');
{
	local $ENV{PGOPTIONS} = '-c tfm.executor=worker';
	run_sessions('compute for 16 sessions', '-t', '30');
}
cmp_ok(worker('count(*) FILTER (WHERE calls > 0)'), '>', 1, 'more than one of them');

for my $conf ('tfm.workers = 0', q{shared_preload_libraries = ''})
{
	$node->append_conf('postgresql.conf', $conf);
	$node->restart;
	my ($sqlstate, $message) = sql_error($node, "LOAD 'tfm'; SET tfm.executor = 'worker'; SELECT tfm_embed('m', 'x')");

	is($sqlstate, '55000', "$conf: no worker");
	like($message, qr/HINT: /, 'with a hint');
	is($node->safe_psql('postgres', $good), 't', 'the session computes');
	is(worker('count(*)'), 0, 'no worker is shown');
}

$node->stop;
done_testing();
